"""Breaks covered branches picked by chance, and tells whether the tests notice.

    python -m tests.mutants.breakages pick .coverage  # data with a context for each test
    python -m tests.mutants.breakages run             # each patch of breakages/

The seed is fixed: it draws ten branches of the files whose tests are tables, and ten of the others.
A breakage makes the condition of an ``if`` constant, so that the branch is never taken.
"""

from __future__ import annotations

import ast
import difflib
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from coverage import CoverageData

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED = 20261129
ROOT = Path(__file__).resolve().parents[2]
PATCHES = Path(__file__).parent / "breakages"
# Those of tests/mutants look at the text of the sources.
_OPTIONS = ("-q", "-x", "--tb=no", "--ignore", "tests/mutants")
# Their tests are folded into tables.
FOLDED = (
    "_internal/secret.py",
    "_credentials.py",
    "_display/html.py",
    "exceptions.py",
    "_http/errors.py",
    "_http/client.py",
    "_http/network.py",
    "_http/retries.py",
    "_http/redaction.py",
    "_http/contract/attachments.py",
    "_http/contract/decoder.py",
    "_http/contract/events.py",
)


def branches(path: Path) -> Iterator[tuple[ast.If, bool, int, int]]:
    """Each ``if`` statement's two branches, with the line that each leads to (0: not known)."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield node, True, node.lineno, node.body[0].lineno
            yield node, False, node.lineno, node.orelse[0].lineno if node.orelse else 0


def covered(data: str) -> list[tuple[str, int, bool, list[str]]]:
    """The branches that were taken: file, line, which one, and the tests that reach the line."""
    found = CoverageData(data)
    found.read()
    picks = []
    for measured in sorted(found.measured_files()):
        path = Path(measured)
        if "_sandbox" in path.parts:
            continue
        arcs = set(found.arcs(measured) or ())
        contexts = found.contexts_by_lineno(measured)
        for node, taken, line, target in branches(path):
            leads = {to for start, to in arcs if start == line}
            body = node.body[0].lineno
            if (body in leads) if taken else bool(leads - {body}):
                aim = target or line
                tests = sorted(set(contexts.get(aim, [])) & set(contexts.get(line, [])) - {""})
                name = path.as_posix().rpartition("teamwire_sync/")[2]
                picks.append((name, line, taken, tests))
    return picks


def broken(path: Path, line: int, taken: bool) -> str:
    """The text of a file in which a branch is never taken."""
    text = path.read_text("utf-8")
    lines = text.splitlines(keepends=True)
    (node,) = [n for n, t, at, _ in branches(path) if at == line and t is taken]
    test = node.test
    assert test.end_lineno is not None
    assert test.end_col_offset is not None
    head = lines[test.lineno - 1].encode()[: test.col_offset].decode()
    tail = lines[test.end_lineno - 1].encode()[test.end_col_offset :].decode()
    lines[test.lineno - 1 : test.end_lineno] = [f"{head}{not taken}{tail}"]
    return "".join(lines)


def pick(data: str) -> None:
    """Write the patches."""
    drawn = random.Random(SEED)
    population = covered(data)
    PATCHES.mkdir(exist_ok=True)
    number = 0
    for folded in (True, False):
        group = [one for one in population if (one[0] in FOLDED) is folded]
        drawn.shuffle(group)
        for name, line, taken, tests in group[:10]:
            number += 1
            path = ROOT / "teamwire_sync" / name
            before = path.read_text("utf-8").splitlines(keepends=True)
            after = broken(path, line, taken).splitlines(keepends=True)
            where = f"teamwire_sync/{name}"
            diff = difflib.unified_diff(before, after, f"a/{where}", f"b/{where}")
            told = "".join(f"Reached-by: {test}\n" for test in tests)
            file = PATCHES / f"{number:02}-{Path(name).stem}-{line}-{taken}.patch".lower()
            file.write_text(told + "".join(diff), "utf-8")
            print(file.name, len(tests), "tests reach it")


def run(arguments: list[str]) -> bool:
    """Break each in a copy, and run the tests until one fails; a hang fails, too."""
    all_noticed = True
    for patch in sorted(PATCHES.glob("*.patch")):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("teamwire_sync", "tests", "docs", "examples", "benchmarks", ".ci"):
                shutil.copytree(ROOT / name, Path(folder) / name)
            for path in ROOT.iterdir():
                if path.is_file():
                    shutil.copy(path, folder)
            subprocess.run(["git", "apply", str(patch)], cwd=folder, check=True)
            done = subprocess.run(
                [sys.executable, "-m", "pytest", *_OPTIONS, *arguments],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": folder},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        noticed = done.returncode not in {pytest.ExitCode.OK, pytest.ExitCode.USAGE_ERROR}
        all_noticed &= noticed
        lines = done.stdout.decode().strip().splitlines()
        told = [line for line in lines if line.startswith(("FAILED", "ERROR"))] or lines[-1:]
        print("noticed" if noticed else "MISSED", patch.stem, *told, sep=" | ", flush=True)
    return all_noticed


if __name__ == "__main__":
    if sys.argv[1] == "pick":
        pick(sys.argv[2])
    else:
        sys.exit(not run(sys.argv[2:]))

"""The code blocks of README.md and docs/ run, and their links lead to files."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from teamwire_sync.testing import sandbox
from tests.support.sdk_double import DOUBLE, vendor_env

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.testing import Sandbox

sybil = pytest.importorskip("sybil", reason="sybil needs Python 3.10 or newer")
python = pytest.importorskip("sybil.parsers.markdown")

ROOT = Path(__file__).parents[2]
CI = ROOT / ".ci" / "run"
DOCUMENTS = [
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md")))
]
# What the other blocks are, and what proves them instead.
ELSEWHERE = {
    "make demo\nmake test\n": "the first steps of .ci/run",
    'python3 -m venv .venv\n. .venv/bin/activate\npip install ".[cli,sandbox]"\n': (
        "tests/docs/test_installing.py"
    ),
    "teamwire-sync vendor-check\n": "tests/vendor/test_vendor_check.py",
}
# The same for all the blocks of a page that are in a language.
PAGES_ELSEWHERE = {
    ("docs/command-line.md", "bash"): "tests/docs/test_command_line_page.py",
    ("docs/command-line.md", "sh"): "tests/docs/test_command_line_page.py",
    ("docs/connect.md", "ini"): "tests/docs/test_connect_page.py",
    ("docs/connect.md", "sh"): "tests/docs/test_connect_page.py",
    ("docs/cron.md", "cron"): "tests/docs/test_cron.py",
    ("docs/cron.md", "sh"): "tests/docs/test_cron.py",
    ("docs/flask.md", "py"): "tests/deployment/test_gunicorn.py",
    **{
        ("docs/gateway.md", language): "tests/docs/test_gateway_page.py"
        for language in ("docker", "ini", "nginx", "py", "sh")
    },
    ("docs/install.md", "sh"): "tests/docs/test_installing.py",
    ("docs/porting.md", "py"): "the vendor's documentation, which it quotes",
    ("docs/scaling.md", "py"): "tests/docs/test_scaling_page.py",
    ("docs/scaling.md", "sh"): "tests/docs/test_scaling_page.py",
    ("docs/testing.md", "sh"): "tests/docs/test_sandbox_commands.py",
    ("docs/tutorial.md", "sh"): (
        "make demo, tests/docs/test_programs_of_pages.py and tests/docs/test_installing.py"
    ),
}
# The characters in a line of code that a window of 1280 pixels shows.
WIDTH = 90
# Their readers have chosen the vendor's SDK.
VENDOR_PAGES = {"docs/connect.md", "docs/vendor.md"}


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sandbox]:
    """A server, a folder with the files that documents attach, and a double of the vendor's SDK."""
    for name in ("plan.pdf", "entrance.png"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "downloads").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.syspath_prepend(str(DOUBLE))
    with sandbox(chats=100, seed=7) as box:
        for name, value in vendor_env(box).items():
            monkeypatch.setenv(name, value)
        yield box
    for name in [name for name in sys.modules if name.partition(".")[0] == "teamwire_api"]:
        del sys.modules[name]


def blocks(name: str) -> list[tuple[str, str]]:
    """Language and text of each fenced block of a document."""
    fence = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return fence.findall((ROOT / name).read_text("utf-8"))


PROGRAMS = {name: sum(kind == "python" for kind, _ in blocks(name)) for name in DOCUMENTS}


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if PROGRAMS[name]])
def test_its_python_blocks_run(name: str, box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"TEAMWIRE_TRANSPORT": "vendor"} if name in VENDOR_PAGES else box.env
    for variable, value in settings.items():
        monkeypatch.setenv(variable, value)
    parser = python.PythonCodeBlockParser()
    examples = list(sybil.Sybil([parser], path=str(ROOT)).parse(ROOT / name).examples())
    for example in examples:
        example.evaluate()

    assert len(examples) == PROGRAMS[name]


def test_no_page_shows_the_marks_of_a_merge() -> None:
    pages = [*DOCUMENTS, "CHANGELOG.md", "CONTRIBUTING.md"]
    marked = re.compile("^(<{7}|>{7}|={7}$)", re.MULTILINE)

    assert [name for name in pages if marked.search((ROOT / name).read_text("utf-8"))] == []


def test_lines_of_python_fit_on_a_desktop() -> None:
    assert [
        (name, line)
        for name in DOCUMENTS
        for language, text in blocks(name)
        if language in {"py", "python"}
        for line in text.splitlines()
        if len(line) > WIDTH
    ] == []


def test_other_blocks_are_proven_elsewhere() -> None:
    unproven = [
        (name, text)
        for name in DOCUMENTS
        for language, text in blocks(name)
        # In braces there is what Sphinx does: tests/docs/test_site.py.
        if language not in {"python", "text"} and not language.startswith("{")
        if (name, language) not in PAGES_ELSEWHERE
    ]

    assert [(name, text) for name, text in unproven if text not in ELSEWHERE] == []


def test_what_proves_them_is_there() -> None:
    told = " ".join([*ELSEWHERE.values(), *PAGES_ELSEWHERE.values(), CI.read_text("utf-8")])
    named = set(re.findall(r"\btests/[\w/.]*\w", told))

    assert [name for name in named if not (ROOT / name).exists()] == []


def test_links_within_the_project_lead_somewhere() -> None:
    links = [
        (name, target)
        for name in DOCUMENTS
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / name).read_text("utf-8"))
    ]

    assert [one for one in links if not ((ROOT / one[0]).parent / one[1]).exists()] == []


def test_no_document_has_the_marks_of_an_unfinished_merge() -> None:
    marks = re.compile(r"^(<{7}|>{7}) ", re.MULTILINE)
    texts = (path for pattern in ("*.md", "docs/**/*.*") for path in ROOT.glob(pattern))

    assert [path for path in texts if marks.search(path.read_text("utf-8", "replace"))] == []

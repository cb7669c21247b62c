"""Each breakage of the catalogue is noticed by the test that it names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.catalogue import MUTANTS, Mutant

_ROOT = Path(__file__).resolve().parents[2]
# Seconds after which a test that hangs counts as failed.
_MOST = 30
# How long a test waits for what never comes. Broken code makes some wait to the end.
_IMPATIENT = "2"

# The copy is imported first, and looked at again afterwards: a test could have changed the path.
_RUN = """
import sys
from pathlib import Path
import pytest
import teamwire_sync._cache
code = pytest.main(sys.argv[1:])
here = Path.cwd().resolve()
for name, module in list(sys.modules.items()):
    if name.partition(".")[0] in ("teamwire_sync", "tests") and module.__file__:
        assert here in Path(module.__file__).resolve().parents, module.__file__
print("the copy was tested")
sys.exit(code)
"""


class StaleMutantError(Exception):
    """The catalogue does not fit the sources."""


def copy_sources(to: Path) -> None:
    """The package and its tests, all that a run of a test needs."""
    for name in ("teamwire_sync", "tests"):
        shutil.copytree(_ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(_ROOT / "setup.cfg", to)


def apply(mutant: Mutant, to: Path) -> None:
    path = to / "teamwire_sync" / mutant.file
    text = path.read_text(encoding="utf-8")
    for before, after in mutant.edits:
        if text.count(before) != 1:
            message = (
                f"mutant no longer applies: {mutant.name}: in {mutant.file} there should be once, "
                f"and is {text.count(before)} times: {before!r}"
            )
            raise StaleMutantError(message)
        text = text.replace(before, after)
    compile(text, str(path), "exec")
    path.write_text(text, encoding="utf-8")


def run(tests: list[str], where: Path, *, patience: str | None = None) -> tuple[int | None, str]:
    """Run *tests* of the copy in *where*: the exit code, None for a hang, and the output."""
    environment = {**os.environ, "PYTHONPATH": str(where), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "COVERAGE_PROCESS_START"):
        environment.pop(name, None)
    if patience:
        environment["TESTS_PATIENCE"] = patience
    options = ["-q", "-x", "-p", "teamwire_sync._pytest_plugin", "-p", "no:cacheprovider"]
    options += ["--tb=line", "--rootdir", str(where), "-c", str(where / "setup.cfg")]
    try:
        done = subprocess.run(
            [sys.executable, "-B", "-c", _RUN, *options, *tests],
            cwd=where,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_MOST if patience else None,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, "it hangs"
    return done.returncode, done.stdout.decode(errors="replace")


def is_caught(mutant: Mutant, where: Path) -> tuple[bool, str]:
    code, output = run([mutant.caught_by], where, patience=_IMPATIENT)
    if code is None:
        return True, output
    assert "the copy was tested" in output, output
    assert code in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}, output
    # One that could not be set up proves nothing.
    return code == pytest.ExitCode.TESTS_FAILED and "1 failed" in output, output


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and its tests."""
    where = tmp_path / "copy"
    where.mkdir()
    copy_sources(where)
    return where


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_breakage_is_caught_by_the_test_it_names(mutant: Mutant, copy: Path) -> None:
    apply(mutant, copy)

    caught, output = is_caught(mutant, copy)

    assert caught, f"{mutant.caught_by} does not notice: {mutant.name}\n{output}"


def test_without_a_breakage_the_named_tests_pass(copy: Path) -> None:
    named = list(dict.fromkeys(mutant.caught_by for mutant in MUTANTS))
    code, output = run(named, copy)

    assert code == pytest.ExitCode.OK, output
    assert f"{len(named)} passed" in output
    assert "the copy was tested" in output


def test_a_change_that_breaks_nothing_is_not_caught(copy: Path) -> None:
    harmless = Mutant("harmless", "_cache.py", (), MUTANTS[0].caught_by)
    apply(harmless, copy)

    assert not is_caught(harmless, copy)[0]


@pytest.mark.parametrize("before", ["self", "no such text"], ids=["several times", "never"])
def test_a_text_that_is_not_there_once_is_said(before: str, copy: Path) -> None:
    stale = Mutant("stale", "_cache.py", ((before, ""),), MUTANTS[0].caught_by)

    with pytest.raises(StaleMutantError, match="no longer applies: stale"):
        apply(stale, copy)


def test_no_two_breakages_have_the_same_name() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)

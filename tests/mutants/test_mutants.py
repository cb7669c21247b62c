"""Each breakage of the catalogue is noticed by the test that it names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.catalogue import MUTANTS, Mutant

# Of the package: the cache, the models and the transports.
_CORE = ("_cache/", "_models/", "_http/", "_vendor/", "_stores/")
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
import teamwire_sync._cache.chat_cache
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


def broken(mutant: Mutant, text: str) -> str:
    """The text of the file in its place."""
    for before, after in mutant.edits:
        if text.count(before) != 1:
            message = (
                f"mutant no longer applies: {mutant.name}: in {mutant.file} there should be once, "
                f"and is {text.count(before)} times: {before!r}"
            )
            raise StaleMutantError(message)
        text = text.replace(before, after)
    compile(text, mutant.file, "exec")
    return text


def apply(mutant: Mutant, to: Path) -> None:
    path = to / "teamwire_sync" / mutant.file
    path.write_text(broken(mutant, path.read_text("utf-8")), "utf-8")


def environment() -> dict[str, str]:
    """That of this process, without what would change the tests of another."""
    ours = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "COVERAGE_PROCESS_START", "VENDOR_VERSIONS")
    return {name: value for name, value in os.environ.items() if name not in ours}


def run(tests: list[str], where: Path, *, patience: str | None = None) -> tuple[int | None, str]:
    """Run *tests* of the copy in *where*: the exit code, None for a hang, and the output."""
    own = {"PYTHONPATH": str(where), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    if patience:
        own["TESTS_PATIENCE"] = patience
    options = [
        "-q",
        "-x",
        "-p",
        "teamwire_sync._sandbox.controls.pytest_plugin",
        "-p",
        "no:cacheprovider",
    ]
    options += ["--tb=line", "--rootdir", str(where), "-c", str(where / "setup.cfg")]
    try:
        done = subprocess.run(
            [sys.executable, "-B", "-c", _RUN, *options, *tests],
            cwd=where,
            env={**environment(), **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_MOST if patience else None,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, "it hangs"
    return done.returncode, done.stdout.decode(errors="replace")


def is_caught(mutant: Mutant, where: Path, patience: str | None = _IMPATIENT) -> tuple[bool, str]:
    code, output = run([mutant.caught_by], where, patience=patience)
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


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: re.sub(r"\W+", "-", mutant.name))
def test_a_breakage_is_caught_by_the_test_it_names(mutant: Mutant, copy: Path) -> None:
    apply(mutant, copy)

    caught, output = is_caught(mutant, copy)

    assert caught, f"{mutant.caught_by} does not notice: {mutant.name}\n{output}"


@pytest.mark.slow
def test_without_a_breakage_the_named_tests_pass(copy: Path) -> None:
    named = list(dict.fromkeys(mutant.caught_by for mutant in MUTANTS))
    code, output = run(named, copy)

    assert code == pytest.ExitCode.OK, output
    assert f"{len(named)} passed" in output
    assert "the copy was tested" in output


@pytest.mark.slow
def test_a_change_that_breaks_nothing_is_not_caught(copy: Path) -> None:
    harmless = Mutant("harmless", "_cache/chat_cache.py", (), MUTANTS[0].caught_by)
    apply(harmless, copy)

    assert not is_caught(harmless, copy, None)[0]


@pytest.mark.parametrize("before", ["self", "no such text"], ids=["several times", "never"])
def test_a_text_that_is_not_there_once_is_said(before: str) -> None:
    stale = Mutant("stale", "_cache/chat_cache.py", ((before, ""),), MUTANTS[0].caught_by)

    with pytest.raises(StaleMutantError, match="no longer applies: stale"):
        broken(stale, "self.a = self.b\n")


def test_each_breakage_fits_the_sources() -> None:
    package = _ROOT / "teamwire_sync"

    for mutant in MUTANTS:
        broken(mutant, (package / mutant.file).read_text("utf-8"))


def test_the_named_tests_are_there_and_those_of_the_core_are_quick() -> None:
    """``make test`` notices whoever breaks the cache, the transport or the models."""
    named = list(dict.fromkeys(mutant.caught_by for mutant in MUTANTS))
    options = ["-q", "--collect-only", "-m", "not slow", "-p", "no:cacheprovider"]
    found = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *named],
        cwd=_ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )

    assert found.returncode == pytest.ExitCode.OK, found.stdout
    quick = {line for line in found.stdout.splitlines() if "::" in line}
    assert quick <= {*named}, "a parametrised test is named without its parameters"
    core = [mutant for mutant in MUTANTS if mutant.file.startswith(_CORE)]
    core = [mutant for mutant in core if not mutant.file.startswith("_vendor/")]
    assert [mutant for mutant in core if mutant.caught_by not in quick] == []
    assert len(core) > 30


def test_no_two_breakages_have_the_same_name() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)

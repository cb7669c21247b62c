"""The pip lines of README.md, of the pages and of ImportErrors, as their readers run them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.needed import missing

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="they are lines of a POSIX shell"),
]

ROOT = Path(__file__).parents[2]
# Fixtures take away the proxies, and the home folder, which has pip's settings and its cache.
ENVIRONMENT = dict(os.environ)
# Whatever a checkout has; the others are the results of builds and of tests.
CHECKOUT = (
    "CHANGELOG.md", "LICENSE", "MANIFEST.in", "README.md", "examples", "setup.cfg", "setup.py",
    "teamwire_sync",
)  # fmt: skip


def texts() -> Iterator[str]:
    """README.md, the pages, and the cells of the notebooks."""
    yield (ROOT / "README.md").read_text("utf-8")
    for path in sorted((ROOT / "docs").glob("**/*.md")):
        yield path.read_text("utf-8")
    for path in sorted((ROOT / "docs").glob("**/*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            yield "".join(cell["source"])


PIP = re.compile(r"\bpip (?:install|wheel) [^`\n]+")
# An error names this package, which only some proxies need.
OTHERS = {"pip install PySocks"}
LINES = sorted({line for text in texts() for line in PIP.findall(text)} - OTHERS)
(BUILDS_WHEELS,) = (line for line in LINES if line.startswith("pip wheel "))
(TAKES_WHEELS,) = (line for line in LINES if "--no-index" in line)

# What needs an extra, and the packages that its ImportError has installed.
NEED_EXTRAS = {
    "import teamwire_sync._cli": {"click", "rich"},
    "import teamwire_sync.testing": {"flask", "cheroot"},
    "import teamwire_sync.gateway": {"flask", "cheroot"},
    "import teamwire_sync._gateway.metrics": {"prometheus_client"},
    "from teamwire_sync import RedisStore; RedisStore('redis://localhost')": {"redis"},
    "from teamwire_sync import ChatList; ChatList().to_pandas()": {"pandas", "tqdm", "ipywidgets"},
}


class Machine:
    """A folder with a fresh virtual environment, which is the active one of its shell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv = folder / ".venv"
        command = [sys.executable, "-m", "venv", "--without-pip", str(venv)]
        subprocess.run(command, check=True)
        # Pip takes a second to install in each environment; one can work for all of them.
        pip = venv / "bin" / "pip"
        pip.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -m pip --python "{venv}/bin/python" "$@"\n'
        )
        pip.chmod(0o700)
        self._environment = {**ENVIRONMENT, "PATH": f"{pip.parent}:{ENVIRONMENT['PATH']}"}
        # Whoever runs the tests may have this repository on it.
        self._environment.pop("PYTHONPATH", None)

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            encoding="utf-8",
            timeout=240,
            check=False,
        )

    def install(self, line: str) -> str:
        """Run a line of pip that has to work, and return what it printed."""
        done = self.run(line)
        assert done.returncode == 0, done.stdout + done.stderr
        # With an extra that does not exist, pip installs the package all the same.
        assert "does not provide the extra" not in done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module", autouse=True)
def _index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Pip finds packages; without a network there is nothing to test."""
    folder = tmp_path_factory.mktemp("index")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder), "attrs"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False)
    if done.returncode:
        missing("pip with a package index")


def copied_to(folder: Path) -> Machine:
    """A machine in a copy of this repository, since a build writes in the folder."""
    folder.mkdir()
    for name in CHECKOUT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    return Machine(folder)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine with the package's source, where nothing is installed."""
    return copied_to(tmp_path_factory.mktemp("machine") / "checkout")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine with the package, but without its extras and without its source."""
    machine = copied_to(tmp_path_factory.mktemp("bare") / "checkout")
    machine.install("pip install .")
    shutil.rmtree(machine.folder / "teamwire_sync")
    return machine


def would_install(printed: str) -> set[str]:
    """The packages that pip names after a dry run, in lower case."""
    (names,) = re.findall(r"^Would install (.*)$", printed, re.MULTILINE)
    return {name.rpartition("-")[0].lower() for name in names.split()}


@pytest.mark.parametrize(
    "line", [line for line in LINES if line not in {BUILDS_WHEELS, TAKES_WHEELS}]
)
def test_a_line_of_a_page_installs_its_package_from_a_checkout(
    line: str, checkout: Machine
) -> None:
    assert "teamwire_sync" in would_install(checkout.install(f"{line} --dry-run"))


def test_the_wheels_of_a_checkout_install_the_package_on_another_machine(
    checkout: Machine, tmp_path: Path
) -> None:
    checkout.install(BUILDS_WHEELS)
    (tmp_path / "other").mkdir()
    other = Machine(tmp_path / "other")
    shutil.move(checkout.folder / "dist", other.folder)
    other.install(TAKES_WHEELS)

    assert other.run("teamwire-sync --version").stdout.startswith("teamwire-sync, version ")
    assert other.run("python -c 'import teamwire_sync.testing'").returncode == 0


def test_the_pip_of_an_old_python_names_the_cause_without_a_search(checkout: Machine) -> None:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path(ENVIRONMENT["HOME"], ".pyenv")))
    # First pyenv's own: its `python3.8` on the PATH may be a stub.
    found = [*pyenv.glob("versions/3.8.*/bin/python"), shutil.which("python3.8")]
    python = next(filter(None, found), None)
    if python is None:
        pytest.skip("there is no Python 3.8")
    done = checkout.run(f'{python} -m pip install --dry-run ".[cli]"')

    assert "requires a different Python: 3.8" in done.stderr
    assert "Collecting" not in done.stdout


@pytest.mark.parametrize("program", NEED_EXTRAS)
def test_the_line_of_an_import_error_installs_what_is_missing(program: str, bare: Machine) -> None:
    (line,) = PIP.findall(bare.run(f'python -c "{program}"').stderr)

    assert NEED_EXTRAS[program] <= would_install(bare.install(f"{line} --dry-run"))


# Lines with which pip fails, or which it takes for a mistake, and the text that the page has of it.
FAILURES = {
    'pip install ".[clii]" --dry-run': "does not provide the extra",
    "pip install “.[cli]” --dry-run": "Invalid requirement",
    "cd examples && pip install .": "is not installable",
    "pip install --no-index teamwire_sync": "No matching distribution found for teamwire_sync",
    "pip install --no-index .": "No matching distribution found for setuptools",
}


@pytest.mark.parametrize("line", FAILURES)
def test_pip_fails_with_a_text_of_the_page(line: str, checkout: Machine) -> None:
    done = checkout.run(line)

    assert FAILURES[line] in done.stdout + done.stderr
    assert f"`{FAILURES[line]}`" in (ROOT / "docs" / "install.md").read_text("utf-8")

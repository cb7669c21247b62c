"""``teamwire-sync contract`` prints the contract's files."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from teamwire_sync._cli.errors import BROKEN_PIPE
from tests.cli.conftest import COMMAND
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

FOLDER = files("teamwire_sync._http.contract")
FORMS = {"openapi.yaml": [], "openapi.json": ["--json"]}


@pytest.mark.parametrize("name", FORMS)
def test_it_prints_each_byte_of_the_file_without_credentials(name: str) -> None:
    done = subprocess.run(
        [*COMMAND, "contract", *FORMS[name]],
        capture_output=True,
        env={key: os.environ[key] for key in os.environ if not key.startswith("TEAMWIRE_")},
        timeout=PATIENCE,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == FOLDER.joinpath(name).read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="it is a matter of a POSIX shell")
def test_a_closed_pipe_ends_it_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(
        [*COMMAND, "contract"], stdout=writing, stderr=subprocess.PIPE
    ) as process:
        os.close(writing)
        _, err = process.communicate(timeout=PATIENCE)

    assert (process.returncode, err) == (BROKEN_PIPE, b"")


def test_a_closed_stdout_is_no_error(bare_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    done = bare_cli("contract")

    assert (done.code, done.out, done.err) == (0, "", "")

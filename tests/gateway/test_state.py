"""The folder of a gateway's state."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import TWConfigError
from teamwire_sync._gateway.clients import Clients
from teamwire_sync._gateway.state import StateFolder, locked
from teamwire_sync._server.backend import Answer
from teamwire_sync.gateway import create_app
from tests.support.fake_transport import FakeTransport
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

needs_modes = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
# It holds the state until it is killed.
HOLDER = """
import sys
from teamwire_sync._gateway.state import StateFolder

state = StateFolder(sys.argv[1])
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_missing_folder_is_created_for_this_user_alone(path: Path, state: StateFolder) -> None:
    mode = path.stat().st_mode & 0o777
    assert mode == (0o777 if os.name == "nt" else 0o700)


@needs_modes
def test_a_folder_that_others_can_open_is_refused(path: Path) -> None:
    path.mkdir()
    path.chmod(0o755)
    with pytest.raises(TWConfigError, match=r"the gateway's state in .* is open to other users"):
        StateFolder(path)


@needs_modes
def test_every_file_of_it_is_for_this_user_alone(path: Path) -> None:
    """Also while nothing else hides it: the umask is 0."""
    before = os.umask(0)
    try:
        with closing(create_app(FakeTransport(), state=path)) as app:
            Clients(path).add("test")
            key = "0" * 32
            app._gateway.outcomes.perform("client", key, "fingerprint", lambda _: Answer("{}"))
            modes = {each.name: each.stat().st_mode & 0o777 for each in path.iterdir()}
    finally:
        os.umask(before)

    assert {"clients.json", "outcomes.sqlite3", "revision"} < set(modes)
    assert set(modes.values()) == {0o600}


def test_a_file_in_place_of_the_folder_is_refused(path: Path) -> None:
    path.touch()
    with pytest.raises(TWConfigError, match="it is not a folder"):
        StateFolder(path)


@needs_modes
def test_a_folder_without_write_permission_is_refused_with_the_reason(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_permission(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    path.mkdir(0o700)
    monkeypatch.setattr(os, "open", no_permission)  # root may write anywhere
    with pytest.raises(TWConfigError, match=r"the gateway's state in .*: Permission denied"):
        StateFolder(path)


def test_a_second_gateway_refuses_to_start_on_the_same_state(
    path: Path, state: StateFolder
) -> None:
    with pytest.raises(TWConfigError, match="another gateway uses it"):
        StateFolder(path)


def test_a_state_is_free_after_close(path: Path, state: StateFolder) -> None:
    state.close()
    state.close()
    StateFolder(path).close()


def test_a_state_is_free_after_its_gateway_was_killed(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "ready\n"
            with pytest.raises(TWConfigError, match="another gateway uses it"):
                StateFolder(path)
        finally:
            holder.kill()
        holder.wait(PATIENCE)
    StateFolder(path).close()


@needs_modes
def test_a_file_of_the_state_is_for_this_user_alone(state: StateFolder) -> None:
    assert os.stat(state.make("numbers")).st_mode & 0o777 == 0o600  # noqa: PTH116


def test_a_lock_is_free_after_an_exception(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with pytest.raises(KeyError), locked(path, waits=False):
        raise KeyError
    with locked(path, waits=False):
        pass

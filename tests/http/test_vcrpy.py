"""vcrpy records and replays the requests of a Connection."""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from teamwire_sync import Attachments, Connection
from teamwire_sync.testing import sandbox
from tests.support.needed import missing
from tests.support.raw_server import RawServer, answers, ca_file, tls_for, whole
from tests.support.stalls import ME, settings
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.testing import Sandbox

vcr = pytest.importorskip("vcr", reason="vcrpy needs Python 3.10 with urllib3 2")

KNOWN_CHAT = "7MQKchz6wsSzmWTVnppGAc"
USER = ("GET", "/v1/bot/me/")
CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with sandbox(chats=20, seed=7) as box:
        yield box


@pytest.fixture(params=["its own session", "a given session"])
def connection(request: pytest.FixtureRequest, box: Sandbox) -> Iterator[Connection]:
    with requests.Session() as session:
        yield box.connect(session=session if request.param == "a given session" else None)


def run(
    program: str, box: Sandbox, folder: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    (folder / "test_program.py").write_text(program, "utf-8")
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-W", "error", *options, "test_program.py"],
        cwd=folder,
        env={**os.environ, **box.env, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class TestCassette:
    @pytest.mark.parametrize("kind", ["yaml", "json"])
    def test_has_no_secret_and_is_replayed(
        self, kind: str, box: Sandbox, connection: Connection, tmp_path: Path
    ) -> None:
        path = tmp_path / f"cassette.{kind}"
        chat = connection.chats.at(KNOWN_CHAT)
        with vcr.use_cassette(path, serializer=kind):
            posted = connection.check(), chat.post("hello").mid
        text, served = path.read_text("utf-8"), len(box.requests)
        with vcr.use_cassette(path, serializer=kind, record_mode="none") as cassette:
            replayed = connection.check(), chat.post("hello").mid

        assert (replayed, cassette.play_count, len(box.requests)) == (posted, 2, served)
        assert text.count("Authorization") == 2
        assert "Basic" not in text
        assert box.secret not in text

    def test_may_be_changed_by_the_filters_of_vcrpy(
        self, connection: Connection, tmp_path: Path
    ) -> None:
        path = tmp_path / "cassette.yaml"
        with vcr.use_cassette(path, filter_headers=["authorization"]):
            connection.check()

        assert "Authorization" not in path.read_text("utf-8")

    def test_has_files_and_listings(self, box: Sandbox, tmp_path: Path) -> None:
        results = []
        for mode in ("once", "none"):
            with (
                vcr.use_cassette(tmp_path / "cassette.yaml", record_mode=mode),
                box.connect() as connection,
            ):
                files = Attachments().add_file(io.BytesIO(CONTENT), "content.bin")
                message = connection.chats.at(KNOWN_CHAT).post("", files)
                target = io.BytesIO()
                message.attachments[0].download(target)  # type: ignore[attr-defined]
                chats = connection.chats.get_subscriptions()
                results.append((target.getvalue(), [chat.tid for chat in chats]))

        assert results[0] == results[1]
        assert results[0][0] == CONTENT

    @pytest.mark.parametrize("mode", ["once", "none"])
    def test_takes_no_idle_connection_from_before_and_leaves_none(
        self, mode: str, tmp_path: Path
    ) -> None:
        path, config = tmp_path / "cassette.yaml", settings(verify=ca_file(tmp_path))
        with (
            RawServer(answers(whole(ME)), tls_for()) as server,
            Connection("app", "secret", server.url, config=config) as connection,
        ):
            with vcr.use_cassette(path):
                connection.check()
            connection.check()
            with vcr.use_cassette(path, record_mode=mode) as cassette:
                connection.check()
            connection.check()

        assert cassette.play_count == 1
        assert server.connections == 3

    def test_without_the_request_ends_the_call_at_once(
        self, box: Sandbox, connection: Connection, tmp_path: Path
    ) -> None:
        error = vcr.errors.CannotOverwriteExistingCassetteException
        with (
            vcr.use_cassette(tmp_path / "none.yaml", record_mode="none"),
            pytest.raises(error, match="/v1/bot/me/"),
        ):
            connection.check()

        assert box.requests == []


@pytest.mark.parametrize(
    ("proxy", "later"),
    [("", "True"), ("socks5://127.0.0.1:1", "TWConnectionError")],
    ids=["direct", "SOCKS"],
)
def test_a_connection_that_is_first_made_in_a_cassette_breaks_no_later_one(
    proxy: str, later: str, box: Sandbox, tmp_path: Path
) -> None:
    program = f"""
import vcr
from teamwire_sync import Connection, ConnectionConfig, TWConnectionError

proxied = ConnectionConfig(proxies={{"http": {proxy!r}}} if {proxy!r} else {{}}, retries=0)
with vcr.use_cassette("none.yaml", record_mode="none"), Connection(config=proxied) as connection:
    try:
        connection.check()
    except vcr.errors.CannotOverwriteExistingCassetteException:
        print("not recorded")
with Connection(config=proxied) as connection:
    try:
        print(connection.check().is_bot)
    except TWConnectionError as error:
        print(type(error).__name__)
with Connection() as connection:
    print(connection.check().is_bot)
"""
    done = run(program, box, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\n") == ["not recorded", later, "True", ""]


@pytest.mark.slow
def test_pytest_recording_replays_and_blocks_the_network(box: Sandbox, tmp_path: Path) -> None:
    if importlib.util.find_spec("pytest_recording") is None:
        missing("pytest-recording")
    program = """
import pytest

from teamwire_sync import Connection, ConnectionConfig


@pytest.mark.vcr
def test_recorded():
    with Connection() as connection:
        assert connection.check().is_bot


@pytest.mark.block_network
def test_blocked():
    with Connection(config=ConnectionConfig(retries=0)) as connection:
        with pytest.raises(Exception, match="Network is disabled"):
            connection.check()
"""
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
    recorded = run(program, box, tmp_path, *command, "--record-mode=once")
    replayed = run(program, box, tmp_path, *command)

    assert "2 passed" in recorded.stdout, recorded.stdout
    assert "2 passed" in replayed.stdout, replayed.stdout
    assert box.count(*USER) == 1

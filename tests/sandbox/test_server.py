"""The sandbox as a server: its connections, its start and end, its worlds and its fixture."""

from __future__ import annotations

import itertools
import socket
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import requests
from cheroot.workers.threadpool import ThreadPool

import teamwire_sync
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from teamwire_sync.testing import Sandbox, sandbox
from tests.support.sandbox_api import CHATS, Api
from tests.support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from pathlib import Path

ME = "/v1/bot/me/"


def listed(box: Sandbox) -> list[dict[str, Any]]:
    """The chats of a sandbox's first page."""
    with Api(box) as session:
        return session.chats()


def test_requests_in_a_row_use_one_connection() -> None:
    """Connections are kept alive, whatever the answers are."""
    with sandbox(chats=5) as box, Api(box) as session:
        for _ in range(10):
            session.get(CHATS)
            session.post(CHATS, data=b"x")
        assert (len(box.requests), box.connections) == (20, 1)


def test_each_session_has_its_connection() -> None:
    """Connections are counted as they are accepted."""
    with sandbox(chats=0) as box:
        for _ in range(3):
            with Api(box) as session:
                session.get(ME)
        assert box.connections == 3


def test_many_idle_connections_stay_open() -> None:
    """More connections than a pool has are all kept."""
    with sandbox(chats=0) as box:
        sessions = [Api(box) for _ in range(50)]
        try:
            for session in sessions * 2:
                session.get(ME)
            assert box.connections == 50
        finally:
            for session in sessions:
                session.close()


def test_end_leaves_no_threads() -> None:
    """All threads are gone when the block is left."""
    before = set(threading.enumerate())
    with sandbox(chats=0) as box, Api(box) as session:
        session.get(ME)
    assert set(threading.enumerate()) == before


def test_end_does_not_wait_for_open_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle, fresh and half-sent connections do not hold up the end."""
    # cheroot would wait for some seconds, and then end them itself: here it would never.
    stop = ThreadPool.stop
    monkeypatch.setattr(ThreadPool, "stop", lambda pool, _timeout: stop(pool, None))
    box = Sandbox(chats=0)
    host, port = box.url.rpartition("/")[2].split(":")
    with ThreadPoolExecutor() as pool, Api(box) as idle:
        idle.get(ME)
        with (
            socket.create_connection((host, int(port))) as half,
            socket.create_connection((host, int(port))),
        ):
            half.sendall(b"GET / HTTP/1.1\r\n")
            pool.submit(box.close).result(PATIENCE)


@pytest.mark.parametrize("effect", ["hold", "delay"])
def test_end_lets_waiting_answers_go(effect: str) -> None:
    """Held and delayed requests get their answers when the sandbox ends."""
    box = Sandbox(chats=0)
    held = box.hold("GET", ME)
    if effect == "delay":
        box.fault("GET", ME, delay=600)
    with ThreadPoolExecutor() as pool, Api(box) as session, held:
        answer = pool.submit(session.get, ME)
        held.wait_arrived(timeout=PATIENCE)
        if effect == "delay":
            held.release()
        box.close()
        assert answer.result(PATIENCE).status_code == 200


HEAD = f"POST {CHATS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
LENGTH, CHUNKS = "Content-Length: 20\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n14\r\n"
BEGINNINGS = {
    "line": "POST /v1",
    "header": HEAD[:-5],
    "headers": HEAD,
    "no byte": HEAD + LENGTH,
    "some bytes": HEAD + LENGTH + '{"title"',
    "part of a chunk": HEAD + CHUNKS + '{"title"',
    "one chunk": HEAD + CHUNKS + '{"title": "a title"}\r\n',
}


@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS)
def test_the_end_is_no_answer_to_the_beginning_of_a_request(beginning: str) -> None:
    """A 400 would say that the client made a mistake."""
    with sandbox(chats=0) as box, client_of(box) as client:
        client.sendall(beginning.encode())
        wait_until(lambda: box.connections == 1)
        box.close()
        assert received(client) == b""


@pytest.mark.parametrize("beginning", [HEAD + LENGTH + "{", HEAD + CHUNKS + "{"])
def test_a_client_that_goes_away_gets_no_answer(beginning: str) -> None:
    """Half of a body is not JSON, but nobody sent it as JSON."""
    with sandbox(chats=0) as box, client_of(box) as client:
        client.sendall(beginning.encode())
        client.shutdown(socket.SHUT_WR)
        assert received(client) == b""
        assert [request.status for request in box.requests] == [None]


def client_of(box: Sandbox) -> socket.socket:
    """A connection to a sandbox."""
    host, port = box.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), PATIENCE)


def received(client: socket.socket) -> bytes:
    """All that comes before the end of a connection."""
    try:
        return b"".join(iter(lambda: client.recv(4096), b""))
    except ConnectionError:
        return b""


def test_end_closes_the_port() -> None:
    """Nobody answers any more."""
    with sandbox(chats=0) as box:
        pass
    with Api(box) as session, pytest.raises(requests.ConnectionError):
        session.get(ME)


def test_end_may_come_twice() -> None:
    """Closing is idempotent."""
    box = Sandbox(chats=0)
    box.close()
    box.close()


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """Neither good nor bad requests make noise."""
    with sandbox(chats=0) as box, Api(box) as session:
        session.get(ME)
        session.get("/nope")
        box.fault("GET", ME, drop="before")
        with pytest.raises(requests.ConnectionError):
            session.get(ME)
    assert capfd.readouterr() == ("", "")


def test_fixed_port_can_be_used_again_at_once() -> None:
    """A second sandbox takes over the port of the first."""
    with sandbox(chats=0) as first, Api(first) as session:
        session.get(ME)
        port = int(first.url.rpartition(":")[2])
    with sandbox(chats=0, port=port) as second:
        assert second.url == first.url


def test_port_in_use_is_an_error() -> None:
    """Two sandboxes cannot share a port."""
    with sandbox(chats=0) as box, pytest.raises(OSError, match="in use"):
        Sandbox(chats=0, port=int(box.url.rpartition(":")[2]))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"chats": -1}, ValueError),
        ({"chats": "1"}, TypeError),
        ({"chats": True}, TypeError),
        ({"seed": None}, TypeError),
        ({"port": -1}, ValueError),
        ({"port": 65536}, ValueError),
        ({"port": 80.0}, TypeError),
        ({"live": 0}, ValueError),
        ({"live": -1}, ValueError),
        ({"live": float("nan")}, ValueError),
        ({"live": "1"}, TypeError),
    ],
)
def test_senseless_argument_is_refused(arguments: dict[str, Any], error: type[Exception]) -> None:
    """The error names the argument."""
    with pytest.raises(error, match=next(iter(arguments))), sandbox(**arguments):
        pass


def test_open_host_is_warned_about() -> None:
    """Who listens to a whole network is told."""
    with (
        pytest.warns(UserWarning, match="network") as caught,
        sandbox(chats=0, host="0.0.0.0") as box,
    ):
        assert box.url.startswith("http://127.0.0.1:")
    assert caught[0].filename == __file__


def test_env_leads_to_the_sandbox() -> None:
    """The environment holds what a Connection looks for."""
    with sandbox(chats=0) as box:
        assert box.env == {
            "TEAMWIRE_URL": box.url,
            "TEAMWIRE_APP_ID": box.app_id,
            "TEAMWIRE_SECRET": box.secret,
            "TEAMWIRE_TRANSPORT": "http",
        }


def test_connect_gives_a_connection() -> None:
    """A Connection of the sandbox reaches it."""
    with sandbox(chats=0) as box:
        assert box.connect().check().is_bot


def test_connection_ends_with_the_sandbox() -> None:
    """A Connection of the sandbox need not be closed."""
    with sandbox(chats=0) as box:
        connection = box.connect()
    with pytest.raises(teamwire_sync.TWClosedError):
        connection.check()


@pytest.mark.parametrize("chats", [0, 1, 5, 14, 15, 700])
def test_world_has_exactly_so_many_chats(chats: int) -> None:
    """The number of chats is what was asked for."""
    with sandbox(chats=chats) as box, Api(box) as session:
        page = session.get(CHATS, params={"limit": 1000}).json()
    assert (len(page["chats"]), page["next_cursor"]) == (chats, None)


def test_equal_arguments_give_an_equal_world() -> None:
    """Chats, people and credentials follow from the number and the seed."""
    with sandbox(chats=40, seed=3) as one, sandbox(chats=40, seed=3) as two:
        assert (one.app_id, one.secret, listed(one)) == (two.app_id, two.secret, listed(two))


def test_another_seed_gives_another_world() -> None:
    """Credentials of one world are no good in another."""
    with sandbox(chats=0, seed=1) as one, sandbox(chats=0, seed=2) as two:
        assert {one.app_id, one.secret}.isdisjoint({two.app_id, two.secret})


def test_world_begins_with_the_special_chats() -> None:
    """The first chats have the shapes that a client must cope with, in a fixed order."""
    with sandbox(chats=14) as box:
        chats = listed(box)
    assert chats[0]["tid"] == KNOWN_CHAT
    assert chats[2]["user_ids"] == [KNOWN_USER]
    shapes = [
        (
            chat["title"],
            chat["type"] == "one_to_one",
            chat["group_ids"],
            chat["is_closed"],
            chat["is_alert"],
            chat["allow_sending"],
        )
        for chat in chats
    ]
    assert shapes == [
        ("test", False, [], False, False, True),
        ("test", False, [], False, False, True),
        (None, True, [], False, False, True),
        (None, False, [], False, False, True),
        ("Wache Süd: Übergabe, groß & klein", False, [], False, False, True),
        ("Großeinsatz 🚒👩🏽\u200d🚒", False, [], False, False, True),
        ("قسم الطوارئ", False, [], False, False, True),
        ("Cafe\u0301 fu\u0308r A\u0308rzte", False, [], False, False, True),
        ("<b>Achtung</b> \"Wache\" & 'Nord'", False, [], False, False, True),
        ("Pflege: Alle", False, ["45529"], False, False, True),
        ("Mittagessen", False, ["45601"], False, False, True),
        ("Sommerfest (vorbei)", False, [], True, False, True),
        ("Alarm: Hochwasser", False, [], False, True, True),
        ("Nur Durchsagen", False, [], False, False, False),
    ]


def test_large_world_has_duplicate_and_untitled_chats() -> None:
    """A few per cent of the titles are missing, a few are not unique."""
    with sandbox(chats=1000) as box, Api(box) as session:
        chats = session.get(CHATS, params={"limit": 1000}).json()["chats"]
    titles = [chat["title"] for chat in chats]
    titled = [title for title in titles if title is not None]
    assert 20 < titles.count(None) < 80
    assert 20 < len(titled) - len(set(titled)) < 80


def work_of_seeding(chats: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """The calls and returns, and the hundreds of SQLite's steps, that a world costs."""
    calls, steps = itertools.count(), itertools.count()
    connect = sqlite3.connect

    def counted(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        db = connect(*args, **kwargs)
        db.set_progress_handler(lambda: next(steps) < 0, 100)
        return db

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", counted)
        before = sys.getprofile()
        sys.setprofile(lambda *_: next(calls) and None)
        try:
            box = Sandbox(chats=chats)
        finally:
            sys.setprofile(before)
    box.close()
    return next(calls), next(steps)


def test_each_chat_costs_the_same_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work for a world grows as its chats do, so that 10,000 of them are there soon."""
    small, large = (work_of_seeding(chats, monkeypatch) for chats in (400, 4000))
    assert [most < 11 * least for least, most in zip(small, large)] == [True, True]
    assert large[0] < 4000 * 600


def test_file_keeps_the_world(tmp_path: Path) -> None:
    """A world in a file is there again, with what happened to it, whatever is asked for."""
    with sandbox(chats=3, path=tmp_path / "world.db") as first:
        first.add_chat("kept")
        before = listed(first)
    with sandbox(chats=5, seed=9, path=tmp_path / "world.db") as second:
        assert (second.secret, listed(second)) == (first.secret, before)


def test_two_sandboxes_can_share_a_file(tmp_path: Path) -> None:
    """What is written through one is seen through the other."""
    path = tmp_path / "world.db"
    with sandbox(chats=3, path=path) as one, sandbox(path=path) as other:
        tid = one.add_chat("shared").tid
        assert listed(other)[-1]["tid"] == tid


def test_file_of_another_release_is_an_error(tmp_path: Path) -> None:
    """A world whose tables are not this release's is neither taken nor changed."""
    path = tmp_path / "world.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE facts (name TEXT, value TEXT)")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="another file"):
        Sandbox(path=path)
    assert path.read_bytes() == before


def test_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    """Another file is neither taken nor changed."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be read as one" * 20)
    with pytest.raises(ValueError, match="is not a sandbox world of this release"):
        Sandbox(path=path)
    assert path.read_text().startswith("not a database")


def test_fixture_is_a_sandbox(teamwire_sandbox: Sandbox) -> None:
    """The fixture that comes with the package is a running sandbox of 100 chats."""
    assert len(listed(teamwire_sandbox)) == 100


@pytest.mark.teamwire_sandbox(chats=7)
def test_marker_has_the_fixtures_arguments(teamwire_sandbox: Sandbox) -> None:
    """The marker says how large the fixture's world is."""
    assert len(listed(teamwire_sandbox)) == 7


@pytest.mark.parametrize("missing", ["flask", "cheroot"])
def test_missing_extra_is_named(missing: str) -> None:
    """Without the extra the import says what to install."""
    program = f"import sys; sys.modules[{missing!r}] = None; import teamwire_sync.testing"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stderr.endswith(
        f'ImportError: the sandbox needs {missing}: pip install "flask>=3.0" "cheroot>=10.0"\n'
    )


def test_plugin_imports_no_web_server() -> None:
    """Having the package installed does not slow down pytest's start."""
    program = (
        "import sys, teamwire_sync._sandbox.controls.pytest_plugin; print('flask' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"

"""A long poll, and how `close` ends it, and nothing else, from another thread."""

from __future__ import annotations

import json
import os
import socket
import threading
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests

from teamwire_sync import (
    Connection,
    TWClosedError,
    TWConnectionError,
    TWError,
    TWServerError,
    TWTimeoutError,
)
from teamwire_sync._http import adapter
from teamwire_sync._http.canceller import Canceller
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT
from tests.support.forks import exit_status, in_child
from tests.support.raw_server import (
    CHUNKED,
    OK,
    Peer,
    RawServer,
    Script,
    answers,
    ca_file,
    deaf_ports,
    length,
    repeated,
    tls_for,
    whole,
)
from tests.support.stalls import settings
from tests.support.waiting import PATIENCE, Gate, Threads, wait_until

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from teamwire_sync.testing import Sandbox

NO_EVENTS = json.dumps(
    {"events": [], "chats": [], "users": [], "groups": [], "cursor": "c1"}
).encode()


def poll(connection: Connection, wait: float = 25.0) -> Any:
    return connection._transport.get_events(cursor="c0", wait=wait, deadline=None)


def failure(result: Future[Any]) -> BaseException | None:
    return result.exception(PATIENCE)


class Heard:
    """A script that says so when it has done its part, and then waits for the client to go."""

    def __init__(self, work: Script) -> None:
        self._work = work
        self._done = threading.Semaphore(0)

    def __call__(self, peer: Peer) -> None:
        self._work(peer)
        self._done.release()
        peer.wait_gone()

    def wait(self) -> None:
        """Return when it has."""
        assert self._done.acquire(timeout=PATIENCE), "nobody came"


def after_request(data: bytes) -> Script:
    def work(peer: Peer) -> None:
        peer.read_request()
        peer.send(data)

    return work


@pytest.fixture
def attached(monkeypatch: pytest.MonkeyPatch) -> list[Canceller]:
    """Each canceller, as soon as it has a socket."""
    found: list[Canceller] = []
    attach = Canceller.attach

    def note(canceller: Canceller, sock: Any) -> None:
        attach(canceller, sock)
        found.append(canceller)

    monkeypatch.setattr(Canceller, "attach", note)
    return found


# How far the answer has come when the end comes.
STALLS = {
    "nothing": b"",
    "half a head": OK + b"X-Na",
    "half a body": length(100) + b"{",
    "half a body without length": OK + b"\r\n{",
    "half a body in chunks": CHUNKED + b"5\r\n{",
}


class TestClose:
    """From another thread: it ends the poll with TWClosedError, at once."""

    def end(self, connection: Connection, heard: Callable[[], object]) -> BaseException | None:
        """The error of a poll during which *connection* is closed."""
        with connection, Threads(1) as threads:
            result = threads.start(lambda: poll(connection))
            heard()
            connection.close()
            return failure(result)

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_while_the_answer_is_awaited(self, scheme: str, tmp_path: Path) -> None:
        config = settings(verify=ca_file(tmp_path))
        errors = {}
        for stall, data in STALLS.items():
            heard = Heard(after_request(data))
            with RawServer(heard, tls_for() if scheme == "https" else None) as server:
                connection = Connection("app", "secret", server.url, config=config)
                errors[stall] = self.end(connection, heard.wait)

        assert {stall: repr(error) for stall, error in errors.items()} == dict.fromkeys(
            STALLS, "TWClosedError('the Connection is closed')"
        )
        assert [
            stall for stall, error in errors.items() if error.__cause__ or error.__context__
        ] == []

    def test_while_tls_shakes_hands(self) -> None:
        heard = Heard(lambda peer: peer.read(1))
        with RawServer(heard) as server:
            url = server.url.replace("http:", "https:")
            error = self.end(Connection("app", "secret", url, config=settings()), heard.wait)

        assert type(error) is TWClosedError

    def test_while_a_proxy_connects(self) -> None:
        heard = Heard(lambda peer: peer.read_request())
        with RawServer(heard) as server:
            config = settings(proxies={"https": server.url})
            connection = Connection("app", "secret", "https://teamwire.example", config=config)
            error = self.end(connection, heard.wait)

        assert type(error) is TWClosedError

    def test_while_tls_shakes_hands_through_a_proxy(self) -> None:
        def work(peer: Peer) -> None:
            peer.read_request()
            peer.send(OK + b"\r\n")
            peer.read(1)

        heard = Heard(work)
        with RawServer(heard) as server:
            config = settings(proxies={"https": server.url})
            connection = Connection("app", "secret", "https://teamwire.example", config=config)
            error = self.end(connection, heard.wait)

        assert type(error) is TWClosedError

    def test_while_it_connects(self, attached: list[Canceller]) -> None:
        with deaf_ports() as listen:
            url = f"http://127.0.0.1:{listen()}"
            connection = Connection("app", "secret", url, config=settings())
            error = self.end(connection, lambda: wait_until(lambda: bool(attached)))

        assert type(error) is TWClosedError

    def test_right_before_it_begins(self) -> None:
        """The request has found the Connection open, and can't be ended yet."""
        heard = Heard(after_request(b""))
        with RawServer(heard) as server:
            connection = Connection("app", "secret", server.url, config=settings())

            class Late(set):  # type: ignore[type-arg]
                def add(self, canceller: Any) -> None:
                    connection.close()
                    super().add(canceller)

            connection._transport._client._cancellers = Late()  # type: ignore[attr-defined]
            with pytest.raises(TWClosedError):
                poll(connection)

    def test_while_the_name_of_the_host_is_looked_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing can end that: what comes after it is ended before it begins."""
        look_up = socket.getaddrinfo
        heard = Heard(after_request(b""))
        with RawServer(heard) as server:
            connection = Connection("app", "secret", server.url, config=settings())

            def close(*arguments: Any, **named: Any) -> Any:
                connection.close()
                return look_up(*arguments, **named)

            monkeypatch.setattr(socket, "getaddrinfo", close)
            with pytest.raises(TWClosedError):
                poll(connection)

    def test_on_a_connection_that_was_used_before(self) -> None:
        def work(peer: Peer) -> None:
            peer.read_request()
            peer.send(whole(NO_EVENTS))
            peer.read_request()

        heard = Heard(work)
        with RawServer(heard) as server:
            connection = Connection("app", "secret", server.url, config=settings())
            poll(connection)
            error = self.end(connection, heard.wait)

            assert server.connections == 1
        assert type(error) is TWClosedError

    def test_ends_all_that_there_are(self) -> None:
        heard = Heard(after_request(b""))
        with RawServer(heard) as server, Threads(5) as threads:
            connection = Connection("app", "secret", server.url, config=settings())
            results = [threads.start(lambda: poll(connection)) for _ in range(5)]
            for _ in results:
                heard.wait()
            connection.close()

            assert {type(failure(one)) for one in results} == {TWClosedError}

    @pytest.mark.parametrize("data", [whole(NO_EVENTS), b""], ids=["an answer", "none"])
    def test_of_a_given_session_lets_it_wait_for_its_answer(
        self, data: bytes, attached: list[Canceller]
    ) -> None:
        """Its connections are the caller's; but what becomes of the poll is the same."""
        arrived = Gate()

        def script(peer: Peer) -> None:
            peer.read_request()
            arrived()
            peer.send(data)

        with RawServer(script) as server, requests.Session() as session, Threads(1) as threads:
            session.trust_env = False
            connection = Connection("app", "secret", server.url, config=settings(), session=session)
            result = threads.start(lambda: poll(connection))
            arrived.wait_arrived()
            connection.close()
            arrived.open()

            assert type(failure(result)) is TWClosedError
            assert attached == []


class TestOthers:
    """What `close` leaves alone."""

    def test_a_write_in_flight_gets_its_answer(self, box: Sandbox) -> None:
        connection = box.connect()
        path = f"/v1/bot/chats/{KNOWN_CHAT}/messages/"
        with (
            box.hold("POST", path) as post,
            box.hold("GET", "/v1/bot/events/") as event,
            Threads(2) as threads,
        ):
            listening = threads.start(lambda: poll(connection))
            posting = threads.start(lambda: connection.chats.at(KNOWN_CHAT).post("in flight"))
            event.wait_arrived()
            post.wait_arrived()
            connection.close()

            assert type(failure(listening)) is TWClosedError
            post.release()
            assert posting.result(PATIENCE).msg == "in flight"

    def test_a_connection_that_has_gone_back_to_the_pool(
        self, attached: list[Canceller], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another request may be on its way by then."""
        put = adapter._Pool._put_conn
        cut = []

        def back(pool: Any, conn: Any) -> None:
            put(pool, conn)
            cut.append(attached[0])
            attached[0].cancel()

        monkeypatch.setattr(adapter._Pool, "_put_conn", back)
        with (
            RawServer(answers(whole(NO_EVENTS))) as server,
            Connection("app", "secret", server.url, config=settings()) as connection,
        ):
            poll(connection)
            poll(connection)

            assert (len(cut), server.connections) == (2, 1)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_the_poll_of_the_parent_is_not_cut_by_the_child(
        self, box: Sandbox, connection: Connection
    ) -> None:
        cursor = connection.events().cursor
        with Threads(1) as threads:
            result = threads.start(
                lambda: connection._transport.get_events(cursor=cursor, wait=25, deadline=None)
            )
            wait_until(lambda: box.waiting == 1)
            child = in_child(connection.close)
            assert exit_status(child) == 0
            box.add_chat(title="after the fork")

            assert [one.chat.title for one in result.result(PATIENCE).events] == ["after the fork"]


class TestOnce:
    """A poll is asked once: who listens decides whether to try again."""

    def ask(self, script: Script, **more: Any) -> tuple[TWError, int]:
        config = settings(retries=3, **more)
        with RawServer(script) as server:
            with (
                Connection("app", "secret", server.url, config=config) as connection,
                pytest.raises(TWError) as caught,
            ):
                poll(connection, 0.05)
            return caught.value, server.connections

    def test_after_a_lost_answer(self) -> None:
        error, connections = self.ask(lambda peer: peer.read_request())

        assert (type(error), connections) == (TWConnectionError, 1)

    def test_after_a_server_that_is_busy(self) -> None:
        busy = b"HTTP/1.1 503 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        error, connections = self.ask(after_request(busy))

        assert (type(error), connections) == (TWServerError, 1)

    @pytest.mark.parametrize("start", [b"", OK + b"X: "], ids=["silence", "a slow head"])
    def test_and_ends_by_its_wait_and_the_time_for_an_answer(self, start: bytes) -> None:
        def script(peer: Peer) -> None:
            peer.read_request()
            if start:
                peer.send(start)
                peer.drip(repeated(b"x"))
            peer.wait_gone()

        error, connections = self.ask(script, default_timeout=0.2)

        assert (type(error), connections) == (TWTimeoutError, 1)

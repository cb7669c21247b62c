"""A long poll, and how `close` ends it, and nothing else, from another thread."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests
import trustme

from teamwire_sync import (
    Connection,
    ConnectionConfig,
    TWClosedError,
    TWConnectionError,
    TWError,
    TWServerError,
    TWTimeoutError,
)
from teamwire_sync._sandbox.seed import KNOWN_CHAT
from teamwire_sync._transports import budget
from tests.services.test_fork import exit_status, in_child
from tests.support.raw_server import Peer, RawServer, Script, deaf_ports, repeated
from tests.support.waiting import PATIENCE, Threads, in_time, wait_until

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from teamwire_sync.testing import Sandbox

# Longer than the tests wait: what ends in time does so because it is ended.
ENDLESS = 10 * PATIENCE
NO_EVENTS = json.dumps(
    {"events": [], "chats": [], "users": [], "groups": [], "cursor": "c1"}
).encode()
OK = b"HTTP/1.1 200 OK\r\n"


def whole(body: bytes) -> bytes:
    return OK + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def settings(**more: Any) -> ConnectionConfig:
    return ConnectionConfig(**{"default_timeout": ENDLESS, "total_timeout": ENDLESS, **more})


def poll(connection: Connection, wait: float = 25.0) -> Any:
    return connection._transport.get_events(cursor="c0", wait=wait, deadline=None)


def tethers_of(connection: Connection) -> set[Any]:
    return connection._transport._exchange._tethers  # type: ignore[attr-defined, no-any-return]


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


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


# How far the answer has come when the end comes.
STALLS = {
    "nothing": b"",
    "half a head": OK + b"X-Na",
    "half a body": OK + b"Content-Length: 100\r\n\r\n{",
    "half a body without length": OK + b"\r\n{",
    "half a body in chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
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

    @pytest.mark.parametrize("stall", STALLS)
    def test_while_the_answer_is_awaited(self, stall: str) -> None:
        heard = Heard(after_request(STALLS[stall]))
        with RawServer(heard) as server:
            error = self.end(Connection("app", "secret", server.url, config=settings()), heard.wait)

        assert type(error) is TWClosedError
        assert str(error) == "the Connection is closed"
        assert (error.__cause__, error.__context__) == (None, None)

    @pytest.mark.parametrize("stall", STALLS)
    def test_while_the_answer_is_awaited_over_tls(
        self, stall: str, tls: ssl.SSLContext, bundle: Path
    ) -> None:
        heard = Heard(after_request(STALLS[stall]))
        with RawServer(heard, tls) as server:
            config = settings(verify=bundle)
            error = self.end(Connection("app", "secret", server.url, config=config), heard.wait)

        assert type(error) is TWClosedError

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

    def test_while_it_connects(self) -> None:
        with deaf_ports() as listen:
            url = f"http://127.0.0.1:{listen()}"
            connection = Connection("app", "secret", url, config=settings())
            tethers = tethers_of(connection)
            error = self.end(
                connection, lambda: wait_until(lambda: any(one._sock for one in list(tethers)))
            )

        assert type(error) is TWClosedError

    def test_right_before_it_begins(self) -> None:
        """The request has found the Connection open, and can't be ended yet."""
        heard = Heard(after_request(b""))
        with RawServer(heard) as server:
            connection = Connection("app", "secret", server.url, config=settings())

            class Late(set):  # type: ignore[type-arg]
                def add(self, tether: Any) -> None:
                    connection.close()
                    super().add(tether)

            connection._transport._exchange._tethers = Late()  # type: ignore[attr-defined]
            with in_time(), pytest.raises(TWClosedError):
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
            with in_time(), pytest.raises(TWClosedError):
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

    def test_of_a_given_session_ends_it_by_its_own_time(self) -> None:
        """Its connections are the caller's."""
        heard = Heard(after_request(b""))
        config = settings(default_timeout=0.3)
        with RawServer(heard) as server, requests.Session() as session, Threads(1) as threads:
            connection = Connection("app", "secret", server.url, config=config, session=session)
            result = threads.start(lambda: poll(connection, 0.1))
            heard.wait()
            connection.close()

            assert type(failure(result)) is TWClosedError


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
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another request may be on its way by then."""

        def script(peer: Peer) -> None:
            while peer.read_request():
                peer.send(whole(NO_EVENTS))

        with (
            RawServer(script) as server,
            Connection("app", "secret", server.url, config=settings()) as connection,
        ):
            tethers = tethers_of(connection)
            put = budget._Pool._put_conn
            cut = []

            def back(pool: Any, conn: Any) -> None:
                put(pool, conn)
                for tether in list(tethers):
                    cut.append(tether)
                    tether.cut()

            monkeypatch.setattr(budget._Pool, "_put_conn", back)
            poll(connection)
            monkeypatch.undo()
            poll(connection)

            assert len(cut) == 1
            assert server.connections == 1

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
                in_time(),
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

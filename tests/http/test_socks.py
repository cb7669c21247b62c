"""Through a SOCKS proxy the connections are ours, too: each ends at its deadline."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import urllib3.connection

from teamwire_sync import Connection, TWClosedError, TWTimeoutError
from tests.support.raw_server import (
    ENDLESS,
    Peer,
    RawServer,
    after_request,
    answers,
    ca_file,
    tls_for,
    whole,
)
from tests.support.stalls import BUDGET, ME, STALLS, on_clock, settings
from tests.support.waiting import PATIENCE, Threads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.builders import Clock


def pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes, until either end is closed."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def socks_proxy() -> Iterator[str]:
    """The URL of a proxy that speaks SOCKS 5 (RFC 1928), without authentication, to one client."""
    with socket.create_server(("127.0.0.1", 0)) as listener, Threads(3) as threads:
        listener.settimeout(PATIENCE)

        def serve() -> None:
            client, _ = listener.accept()
            client.recv(262)  # the methods that the client offers
            client.sendall(b"\x05\x00")
            request = client.recv(262)
            host, (port,) = socket.inet_ntoa(request[4:8]), struct.unpack("!H", request[8:10])
            client.sendall(b"\x05\x00\x00\x01" + bytes(6))
            with client, socket.create_connection((host, port), PATIENCE) as target:
                back = threads.start(lambda: pump(target, client))
                pump(client, target)
                back.result(PATIENCE)

        done = threads.start(serve)
        yield f"socks5://127.0.0.1:{listener.getsockname()[1]}"
        done.result(PATIENCE)


@pytest.mark.parametrize("scheme", ["http", "https"])
class TestSocks:
    @pytest.fixture
    def verify(self, tmp_path: Path) -> str:
        return str(ca_file(tmp_path))

    def test_a_request_gets_its_answer_on_a_connection_that_is_kept(
        self, scheme: str, verify: str
    ) -> None:
        tls = tls_for() if scheme == "https" else None
        with RawServer(answers(whole(ME)), tls) as server, socks_proxy() as proxy:
            config = settings(proxies={scheme: proxy}, verify=verify)
            with Connection("app", "secret", server.url, config=config) as connection:
                uids = [connection.check().uid for _ in range(3)]

        assert (uids, server.connections) == (["u1"] * 3, 1)

    @pytest.mark.parametrize("stall", ["a slow body", "a slow line of the head"])
    def test_a_slow_answer_ends_at_the_deadline(self, scheme: str, stall: str, verify: str) -> None:
        tls = tls_for() if scheme == "https" else None
        with RawServer(after_request(STALLS[stall]), tls) as server, socks_proxy() as proxy:
            config = settings(proxies={scheme: proxy}, verify=verify, total_timeout=BUDGET)
            with (
                Connection("app", "secret", server.url, config=config) as connection,
                pytest.raises(TWTimeoutError),
            ):
                connection.check()
            server.wait_until_left()


def accepts_silently(peer: Peer) -> None:
    """As a SOCKS 5 proxy, connect to nowhere: no TLS handshake follows."""
    peer.read(3)
    peer.send(b"\x05\x00")
    peer.read(10)
    peer.send(b"\x05\x00\x00\x01" + bytes(6))


def test_close_ends_a_poll_whose_tls_handshake_goes_through_the_proxy() -> None:
    begun = threading.Event()

    def script(peer: Peer) -> None:
        accepts_silently(peer)
        peer.read(1)
        begun.set()
        peer.wait_gone()

    with RawServer(script) as server, Threads(1) as threads:
        config = settings(proxies={"https": f"socks5://127.0.0.1:{server.port}"})
        with Connection("app", "secret", "https://127.0.0.1", config=config) as connection:
            poll = threads.start(
                lambda: connection._transport.get_events(cursor="c0", wait=25.0, deadline=None)
            )
            assert begun.wait(PATIENCE)
            connection.close()

            assert type(poll.exception(PATIENCE)) is TWClosedError


def test_a_slow_proxy_leaves_the_rest_of_the_time_to_tls(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = []

    def shake_hands(sock: socket.socket, **_: object) -> None:
        left.append(sock.gettimeout())
        raise socket.timeout

    def script(peer: Peer) -> None:
        clock.advance(10)
        accepts_silently(peer)
        peer.wait_gone()

    monkeypatch.setattr(urllib3.connection, "ssl_wrap_socket", shake_hands)
    monkeypatch.setattr(time, "monotonic", clock)
    with RawServer(script) as server:
        proxies = {"https": f"socks5://127.0.0.1:{server.port}"}
        connection = on_clock("https://127.0.0.1", clock, retries=0, proxies=proxies)
        with connection, pytest.raises(TWTimeoutError):
            connection.check()

    assert left == [ENDLESS - 10]

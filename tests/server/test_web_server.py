"""The HTTP server: hostile requests, slow and many clients, and its end."""

from __future__ import annotations

import io
import json
import socket
import ssl
import threading
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import requests
import trustme

from teamwire_sync._server.middleware import CONNECTION_KEY
from teamwire_sync._server.strict_http import StrictHeaderReader
from teamwire_sync._server.web_server import Limits, Server, Tls
from tests.support.waiting import PATIENCE, Gate, Threads, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
LENGTH, CHUNKED = b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"


class Room:
    """A server of an application that records the requests, and shows the body of each.

    Attributes:
        seen: The methods and bodies so far.
        gates: A gate in which the requests to a path wait.
        is_unread: Whether the application reads no body.
    """

    def __init__(self, limits: Limits | None = None, tls: Tls | None = None) -> None:
        self.seen: list[tuple[str, bytes]] = []
        self.gates: dict[str, Gate] = {}
        self.is_unread = False
        self.server = Server("127.0.0.1", 0, self._serve, limits=limits, tls=tls)
        self.server.start()
        self.address: tuple[str, int] = self.server.bind_addr

    def _serve(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = b"" if self.is_unread else environ["wsgi.input"].read(1_000_000)
        self.seen.append((environ["REQUEST_METHOD"], body))
        path = environ["PATH_INFO"]
        if path == "/stream":
            environ[CONNECTION_KEY].stream()
        if path in self.gates:
            self.gates[path]()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, PATIENCE)

    def get(self, path: str = "/") -> requests.Response:
        host, port = self.address
        return requests.get(f"http://{host}:{port}{path}", timeout=PATIENCE)

    def close(self) -> None:
        for gate in self.gates.values():
            gate.open()
        self.server.stop()


@contextmanager
def room_with(**limits: Any) -> Iterator[Room]:
    with closing(Room(Limits(check_interval=0.01, **limits))) as room:
        yield room


@pytest.fixture
def room() -> Iterator[Room]:
    with closing(Room()) as room:
        yield room


def all_of(connection: socket.socket) -> bytes:
    """All that comes until the server closes the connection, also by a reset."""
    received = []
    try:
        while piece := connection.recv(65_536):
            received.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(received)


def statuses(received: bytes) -> list[int]:
    """The statuses of the responses."""
    return [int(each[:3]) for each in received.split(b"HTTP/1.1 ")[1:]]


HOSTILE = {
    "two lengths": POST + LENGTH + b"Content-Length: 6\r\n\r\nhello",
    "the same length twice": POST + LENGTH + LENGTH + b"\r\nhello",
    "two lengths in one header": POST + b"Content-Length: 5, 5\r\n\r\nhello",
    "a length and chunks": POST + LENGTH + CHUNKED + b"\r\n0\r\n\r\n",
    "two encodings": POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
    "an unknown encoding": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a disguised encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a signed length": POST + b"Content-Length: +5\r\n\r\nhello",
    "a negative length": POST + b"Content-Length: -5\r\n\r\nhello",
    "a length with an underscore": POST + b"Content-Length: 0_5\r\n\r\nhello",
    "a huge length": POST + b"Content-Length: 99999999999999999999\r\n\r\nhello",
    "a space before the colon": POST + b"Content-Length : 5\r\n\r\nhello",
    "a folded header": POST + LENGTH + b"X: a\r\n b\r\n\r\nhello",
    "two credentials": POST + LENGTH + b"Authorization: a\r\nAuthorization: b\r\n\r\nhello",
    "two hosts": POST + LENGTH + b"Host: y\r\n\r\nhello",
    "a NUL in a header": POST + LENGTH + b"X: \0\r\n\r\nhello",
    "a line without CR": POST + LENGTH + b"X: a\n\r\nhello",
    "a header without a name": POST + LENGTH + b": a\r\n\r\nhello",
    "an absolute URL": b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method in lower case": b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "another protocol": b"GET / SMTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
}


@pytest.mark.parametrize("request_", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_request_is_refused_and_ends_the_connection(room: Room, request_: bytes) -> None:
    with room.connect() as client:
        client.sendall(request_ + GET)
        assert statuses(all_of(client)) in ([400], [501])
    assert room.seen == []


def test_a_header_with_an_underscore_is_ignored(room: Room) -> None:
    """In WSGI, it would have the name of another header."""
    with room.connect() as client:
        client.sendall(POST + LENGTH + b"Connection: close\r\nContent_Length: 6\r\n\r\nhello")
        assert statuses(all_of(client)) == [200]
    assert room.seen == [("POST", b"hello")]


def test_addresses_in_two_lines_are_one_list_whose_last_is_the_proxys() -> None:
    """HAProxy adds a line below that of the client."""
    lines = b"X-Forwarded-For: 1.1.1.1\r\nx-forwarded-for: 9.9.9.9\r\n\r\n"
    headers = StrictHeaderReader()(io.BytesIO(lines), {})
    assert headers == {b"X-Forwarded-For": b"1.1.1.1, 9.9.9.9"}


TOO_LARGE = {
    "a long path": b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a long header": POST + b"X: " + b"x" * 70_000 + b"\r\n\r\n",
    "many headers": POST + b"X: x\r\n" * 20_000 + b"\r\n",
}


@pytest.mark.parametrize("request_", TOO_LARGE.values(), ids=TOO_LARGE)
def test_huge_headers_are_refused(room: Room, request_: bytes) -> None:
    with room.connect() as client:
        client.sendall(request_)
        assert statuses(all_of(client)) in ([413], [414])
    assert room.seen == []


def test_chunks_are_one_body_and_end_the_connection(room: Room) -> None:
    """What follows, a trailer or a request, is not read: a proxy may take it for the other."""
    with room.connect() as client:
        client.sendall(POST + CHUNKED + b"\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n" + GET)
        assert statuses(all_of(client)) == [200]
    assert room.seen == [("POST", b"abcde")]


def test_chunks_in_an_old_version_are_one_body(room: Room) -> None:
    old = POST.replace(b"1.1", b"1.0") + b"Connection: Keep-Alive\r\n"
    with room.connect() as client:
        client.sendall(old + CHUNKED + b"\r\n5\r\nabcde\r\n0\r\n\r\n" + GET)
        assert statuses(all_of(client)) == [200]
    assert room.seen == [("POST", b"abcde")]


@pytest.mark.parametrize("size", [b"-5", b"+5", b"0x5", b"5_0", b"", b"5 5", b"f" * 20])
def test_a_chunk_without_a_valid_size_is_no_body(room: Room, size: bytes) -> None:
    with room.connect() as client:
        client.sendall(POST + CHUNKED + b"\r\n" + size + b"\r\nhello\r\n0\r\n\r\n")
        assert 200 not in statuses(all_of(client))
    assert room.seen == []


def test_a_body_that_nobody_reads_ends_the_connection(room: Room) -> None:
    """The server does not take it into memory, and the next request is not inside of it."""
    room.is_unread = True
    with room.connect() as client:
        client.sendall(POST + b"Content-Length: 1000000000\r\n\r\n" + GET * 10)
        received = all_of(client)
    assert statuses(received) == [200]
    assert b"Connection: close" in received
    assert len(room.seen) == 1


def test_headers_that_arrive_too_slowly_get_408() -> None:
    with room_with(header_timeout=0.2) as room, room.connect() as client:
        client.sendall(GET[:20])
        assert statuses(all_of(client)) == [408]


def test_a_client_that_goes_on_sending_headers_is_ended_too() -> None:
    with room_with(header_timeout=0.2) as room, room.connect() as client:
        client.sendall(GET[:-2])
        client.settimeout(0.01)
        received = b""
        while not received:
            client.sendall(b"X: x\r\n")
            with suppress(OSError):
                received = client.recv(1000)
    assert statuses(received) == [408]
    assert room.seen == []


def test_a_connection_without_a_byte_is_closed() -> None:
    with room_with(header_timeout=0.1) as room, room.connect() as client:
        assert client.recv(1) == b""


def test_a_request_may_take_longer_than_its_headers() -> None:
    gate = Gate()
    with room_with(header_timeout=1) as room, Threads() as threads:
        room.gates["/slow"] = gate
        answer = threads.start(room.get, "/slow")
        gate.wait_arrived()
        with room.connect() as client:
            assert client.recv(1) == b""  # closed after the time of headers
        gate.open()
        assert answer.result(PATIENCE).status_code == 200


def test_with_all_but_one_slow_connections_a_good_request_comes_through() -> None:
    with room_with(connections=20) as room, ExitStack() as exits:
        for _ in range(19):
            exits.enter_context(room.connect()).sendall(GET[:20])
        wait_until(lambda: room.server.under_way() == 19)
        assert room.get().status_code == 200


def test_a_new_connection_is_preferred_to_an_idle_one() -> None:
    with room_with(connections=5) as room, ExitStack() as exits:
        clients = [exits.enter_context(room.connect()) for _ in range(50)]
        assert room.get().status_code == 200
        assert clients[0].recv(1) == b""


def test_a_connection_above_the_limit_gets_503() -> None:
    with room_with(connections=5) as room, ExitStack() as exits:
        for _ in range(5):
            exits.enter_context(room.connect()).sendall(GET[:20])
        wait_until(lambda: room.server.under_way() == 5)
        answer = room.get()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert json.loads(answer.content)["error"]["code"] == "service_unavailable"


@pytest.fixture
def tls(tmp_path: Path) -> tuple[Tls, ssl.SSLContext]:
    """The TLS of a server, and that of its clients."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    paths = tmp_path / "certificate", tmp_path / "key"
    certificate.cert_chain_pems[0].write_to_path(paths[0])
    certificate.private_key_pem.write_to_path(paths[1])
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return Tls(*paths), context


class TestTls:
    def test_a_request_has_its_response(self, tls: tuple[Tls, ssl.SSLContext]) -> None:
        with (
            closing(Room(tls=tls[0])) as room,
            tls[1].wrap_socket(room.connect(), server_hostname="127.0.0.1") as client,
        ):
            client.sendall(GET)
            assert client.recv(15) == b"HTTP/1.1 200 OK"

    def test_slow_handshakes_stop_nobody(self, tls: tuple[Tls, ssl.SSLContext]) -> None:
        with closing(Room(tls=tls[0])) as room, ExitStack() as exits:
            for _ in range(40):
                exits.enter_context(room.connect()).sendall(b"\x16\x03\x01")
            with tls[1].wrap_socket(room.connect(), server_hostname="127.0.0.1") as client:
                client.sendall(GET)
                assert client.recv(15) == b"HTTP/1.1 200 OK"

    def test_a_slow_handshake_ends_with_the_time_of_headers(
        self, tls: tuple[Tls, ssl.SSLContext]
    ) -> None:
        limits = Limits(header_timeout=0.2, check_interval=0.01)
        with closing(Room(limits, tls[0])) as room, room.connect() as client:
            client.sendall(b"\x16\x03\x01")
            assert b"HTTP" not in all_of(client)

    def test_http_without_tls_gets_no_response(self, tls: tuple[Tls, ssl.SSLContext]) -> None:
        with closing(Room(tls=tls[0])) as room, room.connect() as client:
            client.sendall(GET)
            assert b"HTTP" not in all_of(client)
        assert room.seen == []


class TestDrain:
    def test_it_waits_for_requests_under_way_and_lets_nobody_in(self) -> None:
        gate = Gate()
        with room_with() as room, Threads() as threads:
            room.gates["/slow"] = gate
            answer = threads.start(room.get, "/slow")
            gate.wait_arrived()
            drained = threads.start(room.server.drain, PATIENCE)
            wait_until(lambda: room.server.socket is None)
            with pytest.raises(ConnectionRefusedError):
                room.connect()
            assert not drained.done()
            gate.open()
            assert drained.result(PATIENCE) is True
            assert answer.result(PATIENCE).headers["Connection"] == "close"

    def test_it_ends_idle_connections(self) -> None:
        with room_with() as room, room.connect() as client:
            client.sendall(GET)
            client.recv(1000)
            assert room.server.drain(PATIENCE)
            assert client.recv(1) == b""

    def test_it_does_not_wait_for_headers_that_do_not_come(self) -> None:
        with room_with() as room, room.connect() as client:
            client.sendall(GET[:20])
            wait_until(lambda: room.server.under_way() == 1)
            assert room.server.drain(PATIENCE)
            assert statuses(all_of(client)) == [408]

    def test_it_waits_no_longer_than_it_may(self) -> None:
        gate = Gate()
        with room_with() as room, Threads() as threads:
            room.gates["/slow"] = gate
            answer = threads.start(room.get, "/slow")
            gate.wait_arrived()
            assert room.server.drain(0.05) is False
            assert room.server.under_way() == 1
            gate.open()
            assert answer.result(PATIENCE).status_code == 200

    def test_it_does_not_wait_for_a_response_that_may_break(self) -> None:
        gate = Gate()
        with room_with() as room, room.connect() as client:
            room.gates["/stream"] = gate
            client.sendall(GET.replace(b"/ ", b"/stream ", 1))
            gate.wait_arrived()
            assert room.server.drain(PATIENCE)
            threading.Timer(0.05, gate.open).start()
            room.server.stop()

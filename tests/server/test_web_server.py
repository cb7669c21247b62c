"""The HTTP server: hostile requests, slow and many clients, and its end."""

from __future__ import annotations

import errno
import io
import json
import select
import socket
import ssl
import threading
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import requests
import trustme

from teamwire_sync._server.limits import Limits
from teamwire_sync._server.middleware import CONNECTION_KEY
from teamwire_sync._server.strict_http import StrictHeaderReader
from teamwire_sync._server.tls import Tls
from teamwire_sync._server.web_server import Server
from tests.support.waiting import PATIENCE, Gate, Threads, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from werkzeug.wrappers import Response

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
LENGTH, CHUNKED = b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"


class Room:
    """A server of an application that records the requests, and shows the body of each.

    Attributes:
        seen: The methods and bodies so far.
        gates: A gate in which the requests to a path wait.
        is_unread: Whether the application reads no body.
        size: The size of the response; None for that of the body.
        refused: The responses to requests that the application has not seen.
        failures: How many connections can't be accepted.
    """

    def __init__(self, limits: Limits | None = None, tls: Tls | None = None) -> None:
        self.seen: list[tuple[str, bytes]] = []
        self.gates: dict[str, Gate] = {}
        self.is_unread = False
        self.size: int | None = None
        self.failures = 0
        self.refused: list[Response] = []
        self.server = Server(
            "127.0.0.1", 0, self._serve, limits=limits, tls=tls, refused=self.refused.append
        )
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
        body = body if self.size is None else bytes(self.size)
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
    with closing(Room(Limits(**limits))) as room:
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
        assert statuses(all_of(client)) == [400]
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


REFUSED = {
    "400 bad_request": POST + LENGTH + LENGTH + b"\r\nhello",
    "405 method_not_allowed": b"CONNECT x:80 HTTP/1.1\r\n\r\n",
    "408 http_408": GET[:20],
    "413 payload_too_large": POST + b"X: " + b"x" * 70_000 + b"\r\n\r\n",
    "414 http_414": b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "505 http_505": b"GET / HTTP/2.0\r\n\r\n",
}


@pytest.mark.parametrize(("expected", "request_"), REFUSED.items())
def test_what_the_application_does_not_see_gets_an_error_of_the_contract(
    expected: str, request_: bytes
) -> None:
    with room_with(header_timeout=0.2) as room, room.connect() as client:
        client.sendall(request_)
        head, _, body = all_of(client).partition(b"\r\n\r\n")
        (refused,) = room.refused
    status, code = expected.split()
    assert head.split()[1].decode() == status
    assert json.loads(body)["error"]["code"] == code
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert headers["Content-Length"] == str(len(body))
    assert headers["Teamwire-Bot-Contract"] == "1"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Connection"] == "close"
    assert headers["X-Request-ID"] == refused.headers["X-Request-ID"]


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


@pytest.mark.parametrize("has_tls", [False, True], ids=["HTTP", "TLS"])
class TestSlow:
    """Each client moves a byte from time to time, so that no single wait is long."""

    @contextmanager
    def room(self, has_tls: bool, tls: tuple[Tls, ssl.SSLContext], **limits: Any) -> Iterator[Room]:
        limits = {"header_timeout": 0.4, "timeout": 0.4, **limits}
        with closing(Room(Limits(**limits), tls[0] if has_tls else None)) as room:
            room.connect = lambda: self.connect(room, tls[1] if has_tls else None)  # type: ignore[method-assign]
            yield room

    @staticmethod
    def connect(room: Room, context: ssl.SSLContext | None) -> socket.socket:
        client = socket.socket()
        # A short response fills it.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(PATIENCE)
        client.connect(room.address)
        if context is None:
            return client
        return context.wrap_socket(client, server_hostname="127.0.0.1")

    def test_a_body_that_drips_ends(self, has_tls: bool, tls: tuple[Tls, ssl.SSLContext]) -> None:
        with self.room(has_tls, tls) as room, room.connect() as client:
            client.sendall(POST + b"Content-Length: 100000\r\n\r\n")
            wait_until(lambda: room.server.under_way() == 1)
            client.settimeout(0.01)
            while room.server.under_way():
                with suppress(OSError):
                    client.sendall(b"x")
                with suppress(OSError):
                    client.recv(1)

    def test_a_reader_that_sips_ends(self, has_tls: bool, tls: tuple[Tls, ssl.SSLContext]) -> None:
        with self.room(has_tls, tls) as room, room.connect() as client:
            room.size = 50_000_000
            client.sendall(GET)
            client.recv(1)
            wait_until(lambda: client.recv(1) != b"" and room.server.under_way() == 0)

    def test_with_all_but_one_slow_clients_a_good_request_comes_through(
        self, has_tls: bool, tls: tuple[Tls, ssl.SSLContext]
    ) -> None:
        beginnings = {
            "headers": GET[:20],
            "body": POST + b"Content-Length: 100000\r\n\r\nx",
            "response": GET,
        }
        with (
            self.room(has_tls, tls, connections=20, header_timeout=30, timeout=30) as room,
            ExitStack() as exits,
        ):
            room.size = 50_000_000
            for number in range(18):
                client = exits.enter_context(room.connect())
                client.sendall([*beginnings.values()][number % 3])
            plain = exits.enter_context(socket.create_connection(room.address))
            plain.sendall(b"\x16\x03\x01" if has_tls else b"P")
            wait_until(lambda: room.server.under_way() == 19)
            room.size = None
            with room.connect() as client:
                client.sendall(GET)
                assert client.recv(15) == b"HTTP/1.1 200 OK"


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


def test_slow_headers_make_room_for_a_good_request() -> None:
    with room_with(connections=5, header_timeout=PATIENCE) as room, ExitStack() as exits:
        clients = [exits.enter_context(room.connect()) for _ in range(5)]
        for client in clients:
            client.sendall(GET[:20])
        wait_until(lambda: room.server.under_way() == 5)
        wait_until(lambda: room.get().status_code == 200)
        ended = next(iter(select.select(clients, [], [], PATIENCE)[0]))
        assert statuses(all_of(ended)) == [408]


def test_a_connection_above_the_limit_gets_503() -> None:
    with room_with(connections=5) as room, ExitStack() as exits:
        room.gates["/slow"] = Gate()
        for _ in range(5):
            exits.enter_context(room.connect()).sendall(GET.replace(b"/ ", b"/slow ", 1))
        wait_until(lambda: len(room.seen) == 5)
        answer = room.get()
        (refused,) = room.refused
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert json.loads(answer.content)["error"]["code"] == "service_unavailable"
    assert refused.status_code == 503


class TestTooManyFiles:
    """The operating system accepts no connection."""

    @pytest.fixture
    def room(self, room: Room, monkeypatch: pytest.MonkeyPatch) -> Room:
        """A server that can't accept the next connection at first, and has an idle one."""
        accept = room.server._connections._from_server_socket

        def fail_first(sock: socket.socket) -> Any:
            if room.failures:
                room.failures -= 1
                raise OSError(errno.EMFILE, "Too many open files")
            return accept(sock)

        monkeypatch.setattr(room.server._connections, "_from_server_socket", fail_first)
        return room

    def test_an_idle_connection_makes_room(
        self, room: Room, caplog: pytest.LogCaptureFixture
    ) -> None:
        with room.connect() as idle:
            idle.sendall(GET)
            idle.recv(1000)
            # The socket that listens, and the idle one.
            wait_until(lambda: len(room.server._connections._selector) == 2)
            room.failures = 1
            assert room.get().status_code == 200
            assert idle.recv(1) == b""
        assert caplog.messages == []

    def test_without_one_the_server_waits_and_logs_few_lines(
        self, room: Room, caplog: pytest.LogCaptureFixture
    ) -> None:
        room.failures = 1
        assert room.get().status_code == 200
        assert [line for line in caplog.messages if "can't accept" in line] == [
            "can't accept connections: [Errno 24] Too many open files"
        ]


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
        limits = Limits(header_timeout=0.2)
        with closing(Room(limits, tls[0])) as room, room.connect() as client:
            client.sendall(b"\x16\x03\x01")
            assert b"HTTP" not in all_of(client)

    def test_http_without_tls_gets_no_response(self, tls: tuple[Tls, ssl.SSLContext]) -> None:
        with closing(Room(tls=tls[0])) as room, room.connect() as client:
            client.sendall(GET)
            assert b"HTTP" not in all_of(client)
        assert room.seen == []

    def test_the_end_of_the_server_sends_nothing_without_tls(
        self, tls: tuple[Tls, ssl.SSLContext]
    ) -> None:
        gate = Gate()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        with closing(Room(tls=tls[0])) as room, room.connect() as client:
            room.gates["/slow"] = gate
            session = tls[1].wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
            while True:
                try:
                    session.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    client.sendall(outgoing.read())
                    incoming.write(client.recv(65_536))
            session.write(GET.replace(b"/ ", b"/slow ", 1))
            client.sendall(outgoing.read())
            gate.wait_arrived()
            threading.Timer(0.05, gate.open).start()
            room.server.stop()
            assert b"HTTP" not in all_of(client)


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
            assert statuses(all_of(client)) == [503]

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

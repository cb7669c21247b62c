"""Files on their way to a server and back, over real sockets."""

from __future__ import annotations

import errno
import gzip
import itertools
import json
import socket
import ssl
import time
import zlib
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests
import trustme
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from teamwire_sync import (
    ConnectionConfig,
    TWAuthError,
    TWConnectionError,
    TWError,
    TWNotFoundError,
    TWProtocolError,
    TWRequestError,
    TWServerError,
    TWTimeoutError,
)
from teamwire_sync._credentials import Credentials
from teamwire_sync._transports.http import HttpTransport
from tests.builders import user_doc
from tests.leaks import assert_no_secret
from tests.raw_server import Peer, RawServer, Script, bytewise, repeated
from tests.waiting import PATIENCE, in_time, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "s3cret-of-the-bot"
ONE = {"pool_size": 1}
# Longer than the tests wait: what ends in time does so by what is tested.
ENDLESS = 10 * PATIENCE
BUDGET = 0.25
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
# More than the buffers of a connection take.
LARGE = 2**24
DATA = bytes(range(256)) * 300


def answer(document: Any, status: bytes = b"200 OK", *more: bytes) -> bytes:
    return whole(json.dumps(document).encode(), status, *more)


def whole(body: bytes, status: bytes = b"200 OK", *more: bytes) -> bytes:
    head = [b"HTTP/1.1 " + status, *more, b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*head, b"", body])


def failed(status: bytes, code: str, *more: bytes) -> bytes:
    return answer({"error": {"code": code, "message": "no"}}, status, *more)


UPLOADED = answer({"attachment_id": "a1"})
ME = answer({"user": user_doc(is_bot=True)})


class Bytes:
    """A source of bytes that are there, which may fail."""

    name = "report.pdf"
    content_type = "application/pdf"

    def __init__(self, data: bytes = DATA, fail: Callable[[str, int], None] | None = None) -> None:
        self.size = len(data)
        self._data = data
        self._fail = fail or (lambda _what, _where: None)
        self._done = 0
        self.rewinds = 0

    def rewind(self) -> None:
        self._fail("rewind", self.rewinds)
        self.rewinds += 1
        self._done = 0

    def read(self, size: int) -> bytes:
        self._fail("read", self._done)
        piece = self._data[self._done : self._done + size]
        self._done += len(piece)
        return piece


class Memory:
    """A sink that keeps what comes, and may fail, or be unable to start again."""

    def __init__(
        self, *, restarts: bool = True, fail: Callable[[str, int], None] | None = None
    ) -> None:
        self.pieces: list[bytes] = []
        self._restarts = restarts
        self._fail = fail or (lambda _what, _where: None)

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)

    def restart(self) -> bool:
        self._fail("restart", len(self.pieces))
        if self._restarts:
            self.pieces.clear()
        return self._restarts

    def write(self, piece: bytes) -> None:
        self._fail("write", len(self.pieces))
        self.pieces.append(piece)


class Takes:
    """A script that takes whole requests, and sends the next of *answers* after each.

    Attributes:
        heads: Of the requests.
        bodies: Of the requests.
    """

    def __init__(self, *answers: bytes) -> None:
        self._answers = itertools.chain(answers, itertools.repeat(answers[-1]))
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []

    def __call__(self, peer: Peer) -> None:
        while True:
            head = peer.read_request()
            if not head:
                return
            self.heads.append(head)
            self.bodies.append(peer.read(length_of(head)))
            data = next(self._answers)
            if not data:
                return
            peer.send(data)


def length_of(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return int(next((line[15:] for line in lines if line.startswith(b"content-length:")), b"0"))


Make = Callable[..., HttpTransport]


def make(
    server: RawServer, *, session: requests.Session | None = None, **more: Any
) -> HttpTransport:
    """A transport to *server*, which is closed before that."""
    timeouts = {"assets_timeout": ENDLESS, "total_timeout": ENDLESS, "retries": 0}
    config = ConnectionConfig(**{**timeouts, **more})
    credentials = Credentials("app", SECRET, server.url)
    made = HttpTransport(credentials, config, session=session, pause=lambda _: None)
    server.call_first(made.close)
    return made


def close_all(session: requests.Session) -> None:
    """Close *session* with its connections, which it leaves to the garbage collector."""
    for adapter in session.adapters.values():
        pools = adapter.poolmanager.pools  # type: ignore[attr-defined]
        for key in pools.keys():  # noqa: SIM118  it can't be iterated
            pools[key].close()
    session.close()


@pytest.fixture(params=["own session", "given session"])
def make_either(request: pytest.FixtureRequest) -> Iterator[Make]:
    if request.param == "own session":
        yield make
        return
    with requests.Session() as session:
        session.trust_env = False

        def given(server: RawServer, **more: Any) -> HttpTransport:
            server.call_first(lambda: close_all(session))
            return make(server, session=session, **more)

        yield given


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


def upload(transport: HttpTransport, source: Bytes, within: float | None = None) -> str:
    return transport.upload(source, deadline=after(within))


def download(
    transport: HttpTransport, sink: Memory, size: int = len(DATA), within: float | None = None
) -> None:
    transport.download("a1", sink, size=size, deadline=after(within))


def after(seconds: float | None) -> float | None:
    return None if seconds is None else time.monotonic() + seconds


def failure(work: Callable[[], object]) -> TWError:
    with in_time(), pytest.raises(TWError) as caught:
        work()
    error = caught.value
    assert (error.__cause__, error.__context__) == (None, None)
    assert_no_secret(error, SECRET)
    return error


# What fails here and could pass for something of the network's, or of ours.
LOCAL = {
    "OSError": OSError(errno.EIO, "the disk"),
    "reset": ConnectionResetError(errno.ECONNRESET, "a network file system"),
    "pipe": BrokenPipeError(errno.EPIPE, "a pipe"),
    "timeout": socket.timeout("a network file system"),
    "TWError": TWServerError("of another Connection"),
    "TWTimeoutError": TWTimeoutError("of another Connection"),
    "requests": requests.ConnectionError("of another program"),
    "urllib3": urllib3.exceptions.ProtocolError("of another program"),
    "ValueError": ValueError("in the progress callable"),
    "StopIteration": StopIteration("in the progress callable"),
}
each_error = pytest.mark.parametrize("error", LOCAL.values(), ids=LOCAL)


def fails(error: BaseException, what: str, where: int = 0) -> Callable[[str, int], None]:
    def fail(doing: str, at: int) -> None:
        if doing == what and at >= where:
            raise error

    return fail


def check_raised(error: Exception, work: Callable[[], object]) -> None:
    """*work* raises *error* itself, which leads to nothing of the request."""
    error.__cause__ = error.__context__ = error.__traceback__ = None
    with pytest.raises(type(error)) as caught:
        work()
    assert caught.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    assert_no_secret(error, SECRET)


class TestUpload:
    @pytest.mark.parametrize("size", [0, 1, 2**14, 2**17 + 1])
    def test_is_sent_as_it_is(self, size: int, make_either: Make) -> None:
        taken = Takes(UPLOADED)
        data = (DATA * 2)[:size]
        with RawServer(taken) as server:
            assert upload(make_either(server), Bytes(data)) == "a1"

        assert taken.bodies == [data]

    @pytest.mark.parametrize("size", [0, 1, 2**17])
    def test_says_how_long_it_is_and_is_never_chunked(self, size: int, make_either: Make) -> None:
        taken = Takes(UPLOADED)
        with RawServer(taken) as server:
            upload(make_either(server), Bytes(bytes(size)))
        head = taken.heads[0].lower()

        assert head.count(b"content-length:") == 1
        assert b"\r\ncontent-length: %d" % size in head
        assert b"transfer-encoding" not in head

    def test_says_what_it_is(self, make_either: Make) -> None:
        taken = Takes(UPLOADED)
        with RawServer(taken) as server:
            upload(make_either(server), Bytes())

        assert b"\r\nContent-Type: application/pdf" in taken.heads[0]

    def test_over_tls(self, tls: ssl.SSLContext, bundle: Path) -> None:
        taken = Takes(UPLOADED)
        with RawServer(taken, tls) as server:
            upload(make(server, verify=bundle), Bytes())

        assert taken.bodies == [DATA]

    def test_that_breaks_off_begins_anew(self, make_either: Make) -> None:
        taken = Takes(UPLOADED)
        first = iter([True])

        def script(peer: Peer) -> None:
            if next(first, False):
                peer.read_request()
                peer.read(100)
            else:
                taken(peer)

        source = Bytes(bytes(LARGE))
        with RawServer(script) as server:
            assert upload(make_either(server, retries=1), source) == "a1"

        assert taken.bodies == [bytes(LARGE)]

    @pytest.mark.parametrize(
        "first",
        [b"", failed(b"503 x", "busy"), failed(b"429 x", "busy"), failed(b"502 x", "gateway")],
        ids=["lost", "503", "429", "502"],
    )
    def test_whose_answer_says_nothing_of_it_is_sent_again(
        self, first: bytes, make_either: Make
    ) -> None:
        """What it makes is seen by nobody before it is posted."""
        taken = Takes(first, UPLOADED)
        with RawServer(taken) as server:
            assert upload(make_either(server, retries=1), Bytes()) == "a1"

        assert taken.bodies == [DATA, DATA]

    def test_that_a_given_session_repeats_by_itself_is_whole(self) -> None:
        taken = Takes(failed(b"503 x", "busy"), UPLOADED)
        retry = Retry(2, status_forcelist=[503], allowed_methods=None, backoff_factor=0)
        with RawServer(taken) as server, requests.Session() as session:
            session.trust_env = False
            session.mount("http://", HTTPAdapter(max_retries=retry))
            server.call_first(lambda: close_all(session))
            assert upload(make(server, session=session, assets_timeout=1), Bytes()) == "a1"

        assert taken.bodies == [DATA, DATA]

    @pytest.mark.parametrize(
        ("refusal", "kind"),
        [
            (failed(b"401 x", "unauthorized"), TWAuthError),
            (failed(b"413 x", "too_large"), TWRequestError),
            (failed(b"422 x", "invalid_request"), TWRequestError),
            (failed(b"500 x", "failed"), TWServerError),
            (answer({"attachment": "a1"}), TWProtocolError),
            (answer({"attachment_id": 1}), TWProtocolError),
            (whole(b"<html>"), TWProtocolError),
            (answer({"attachment_id": "a1"}, b"201 Created"), TWProtocolError),
        ],
        ids=["401", "413", "422", "500", "no id", "a number", "HTML", "201"],
    )
    def test_that_is_refused_is_sent_once(self, refusal: bytes, kind: type[TWError]) -> None:
        taken = Takes(refusal)
        with RawServer(taken) as server:
            error = failure(lambda: upload(make(server, retries=3), Bytes()))

        assert (type(error), len(taken.bodies)) == (kind, 1)

    @pytest.mark.parametrize("where", ["rewind", "read", "later"])
    @each_error
    def test_whose_source_fails_raises_just_that(
        self, error: Exception, where: str, make_either: Make
    ) -> None:
        fail = fails(error, "read", 2**14) if where == "later" else fails(error, where)

        def script(peer: Peer) -> None:
            peer.read_request()
            peer.wait_gone()

        with RawServer(script) as server:
            transport = make_either(server, retries=3)
            check_raised(error, lambda: upload(transport, Bytes(fail=fail)))

            assert server.connections <= (where != "rewind")

    def test_whose_source_fails_at_the_second_try_raises_that(self) -> None:
        error = OSError(errno.EIO, "the disk")
        source = Bytes(fail=fails(error, "rewind", 1))
        taken = Takes(failed(b"503 x", "busy"))
        with RawServer(taken) as server:
            check_raised(error, lambda: upload(make(server, retries=3), source))

        assert len(taken.bodies) == 1

    @pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
    def test_that_failed_here_leaves_room_for_the_next(
        self, kind: type[BaseException], make_either: Make
    ) -> None:
        """And nothing of its body is taken for the next request."""
        source = Bytes(fail=fails(kind(), "read", 2**14))
        taken = Takes(ME)
        sent = []

        def script(peer: Peer) -> None:
            if server.connections == 1:
                sent.append(peer.read_request() and peer.read(2 * len(DATA)))
            else:
                taken(peer)

        with RawServer(script) as server:
            transport = make_either(server, **({} if make_either is not make else ONE))
            with pytest.raises(kind):
                upload(transport, source)
            wait_until(lambda: bool(sent))
            for _ in range(2):
                transport.get_me(deadline=after(PATIENCE))

        assert sent == [DATA[: 2**14]]
        assert [head[:4] for head in taken.heads] == [b"GET ", b"GET "]

    @pytest.mark.parametrize("status", [b"413 x", b"401 x"])
    @pytest.mark.parametrize("ends", ["closes", "reads on", "keeps silent and reads on"])
    def test_that_is_refused_before_it_is_whole_is_refused(
        self, ends: str, status: bytes, make_either: Make
    ) -> None:
        """Whether the server hears the rest or not, what it says counts."""
        with RawServer(refuses_early(status, ends)) as server:
            error = failure(lambda: upload(make_either(server), Bytes(bytes(LARGE))))

        assert (error.status, error.code) == (int(status[:3]), "refused")

    @pytest.mark.parametrize("ends", ["closes", "reads on"])
    def test_that_is_refused_before_it_is_whole_is_refused_over_tls_too(
        self, ends: str, tls: ssl.SSLContext, bundle: Path
    ) -> None:
        with RawServer(refuses_early(b"413 x", ends), tls) as server:
            transport = make(server, verify=bundle)
            error = failure(lambda: upload(transport, Bytes(bytes(LARGE))))

        assert error.status == 413

    def test_may_take_longer_than_another_request(self, make_either: Make) -> None:
        def script(peer: Peer) -> None:
            peer.read(length_of(peer.read_request()))
            peer.pause(0.2)
            peer.send(UPLOADED)

        with RawServer(script) as server:
            assert upload(make_either(server, total_timeout=0.1), Bytes()) == "a1"

    def test_that_nobody_takes_ends(self, make_either: Make) -> None:
        with RawServer(takes_nothing) as server:
            transport = make_either(server, assets_timeout=BUDGET)
            error = failure(lambda: upload(transport, Bytes(bytes(LARGE))))

        assert type(error) is TWTimeoutError

    def test_that_nobody_takes_ends_over_tls(self, tls: ssl.SSLContext, bundle: Path) -> None:
        with RawServer(takes_nothing, tls) as server:
            transport = make(server, assets_timeout=BUDGET, verify=bundle)
            error = failure(lambda: upload(transport, Bytes(bytes(LARGE))))

        assert type(error) is TWTimeoutError

    def test_ends_by_the_deadline_of_the_caller(self) -> None:
        """However often the server takes a little of it."""

        def script(peer: Peer) -> None:
            peer.read_request()
            while peer.read(2**14):
                peer.pause(0.01)

        with RawServer(script) as server:
            error = failure(lambda: upload(make(server), Bytes(bytes(2**26)), BUDGET))

        assert type(error) is TWTimeoutError

    def test_is_not_tried_again_after_the_deadline(self) -> None:
        with RawServer(takes_nothing) as server:
            transport = make(server, assets_timeout=0.1, retries=1000)
            error = failure(lambda: upload(transport, Bytes(bytes(LARGE)), 0.6))

            assert 1 < server.connections < 10
        assert type(error) is TWTimeoutError


def takes_nothing(peer: Peer) -> None:
    peer.pause(2 * BUDGET)
    peer.wait_gone()


def refuses_early(status: bytes, ends: str) -> Script:
    def script(peer: Peer) -> None:
        peer.read_request()
        more = () if ends == "keeps silent and reads on" else (b"Connection: close",)
        peer.send(failed(status, "refused", *more))
        if ends != "closes":
            peer.wait_gone()

    return script


class TestDownload:
    @pytest.mark.parametrize("size", [0, 1, len(DATA), 2**21 + 7])
    def test_comes_as_it_is(self, size: int, make_either: Make) -> None:
        data = (DATA * 30)[:size]
        sink = Memory()
        with RawServer(Takes(whole(data))) as server:
            download(make_either(server), sink, size)

        assert sink.data == data

    def test_comes_piece_by_piece(self, make_either: Make) -> None:
        sink = Memory()
        data = bytes(5 * 2**20)
        with RawServer(Takes(whole(data))) as server:
            download(make_either(server), sink, len(data))

        assert max(map(len, sink.pieces)) <= 2**20

    def test_in_chunks(self, make_either: Make) -> None:
        sink = Memory()
        with RawServer(Takes(CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")) as server:
            download(make_either(server), sink, 5)

        assert sink.data == b"abcde"

    def test_asks_for_nothing_packed(self, make_either: Make) -> None:
        taken = Takes(whole(b""))
        with RawServer(taken) as server:
            download(make_either(server), Memory(), 0)

        assert b"\r\nAccept-Encoding: identity\r\n" in taken.heads[0] + b"\r\n"

    @pytest.mark.parametrize("size", [0, len(DATA) - 1, len(DATA) + 1, 2**40])
    def test_of_another_size_is_refused_and_dropped(self, size: int, make_either: Make) -> None:
        sink = Memory()
        with RawServer(Takes(whole(DATA))) as server:
            error = failure(lambda: download(make_either(server, retries=3), sink, size))

            assert server.connections == 1
        assert type(error) is TWProtocolError
        assert sink.data == b""

    def test_without_end_is_refused_when_it_is_too_large(self, make_either: Make) -> None:
        def script(peer: Peer) -> None:
            peer.read_request()
            peer.send(CHUNKED)
            peer.flood(b"10000\r\n" + b"x" * 65536 + b"\r\n")

        with RawServer(script) as server:
            error = failure(lambda: download(make_either(server), Memory(), 10**6))

        assert type(error) is TWProtocolError
        assert "larger than the 1,000,000 bytes" in str(error)

    @pytest.mark.parametrize(
        ("encoding", "data"),
        [
            (b"gzip", gzip.compress(DATA)),
            (b"deflate", zlib.compress(DATA)),
            (b"br", DATA),
            (b"gzip, gzip", gzip.compress(gzip.compress(DATA))),
        ],
        ids=["gzip", "deflate", "br", "twice"],
    )
    def test_that_is_packed_is_refused(
        self, encoding: bytes, data: bytes, make_either: Make
    ) -> None:
        """What comes out of it could be of any size, and is asked for by nobody."""
        sink = Memory()
        packed = whole(data, b"200 OK", b"Content-Encoding: " + encoding)
        with RawServer(Takes(packed)) as server:
            error = failure(lambda: download(make_either(server, retries=3), sink))

            assert server.connections == 1
        assert type(error) is TWProtocolError
        assert sink.data == b""

    def test_that_says_it_is_not_packed_is_not(self) -> None:
        sink = Memory()
        with RawServer(Takes(whole(DATA, b"200 OK", b"Content-Encoding: Identity"))) as server:
            download(make(server), sink)

        assert sink.data == DATA

    @pytest.mark.parametrize("count", [0, 1, len(DATA) // 2, len(DATA) - 1])
    def test_that_breaks_off_begins_anew(self, count: int, make_either: Make) -> None:
        sink = Memory()
        with RawServer(breaks_off_once(count)) as server:
            download(make_either(server, retries=1), sink)

        assert sink.data == DATA

    def test_that_breaks_off_is_an_error_where_it_cannot_begin_anew(
        self, make_either: Make
    ) -> None:
        with RawServer(breaks_off_once(2**10)) as server:
            transport = make_either(server, retries=3)
            error = failure(lambda: download(transport, Memory(restarts=False)))

            assert server.connections == 1
        assert type(error) is TWConnectionError

    @each_error
    def test_whose_sink_fails_raises_just_that(self, error: Exception, make_either: Make) -> None:
        taken = Takes(whole(b"some"))
        with RawServer(taken) as server:
            transport = make_either(server, retries=3)
            sink = Memory(fail=fails(error, "write"))
            check_raised(error, lambda: download(transport, sink, 4))

        assert len(taken.heads) == 1

    def test_whose_sink_fails_later_raises_just_that(self, make_either: Make) -> None:
        error = OSError(errno.ENOSPC, "the disk is full")
        taken = Takes(whole(bytes(LARGE)))
        with RawServer(taken) as server:
            transport = make_either(server, retries=3)
            with pytest.raises(OSError, match="the disk is full"):
                download(transport, Memory(fail=fails(error, "write", 3)), LARGE)

        assert len(taken.heads) == 1

    @each_error
    def test_whose_sink_cannot_start_again_raises_just_that(
        self, error: Exception, make_either: Make
    ) -> None:
        with RawServer(breaks_off_once(2**10)) as server:
            transport = make_either(server, retries=3)
            check_raised(error, lambda: download(transport, Memory(fail=fails(error, "restart"))))

            assert server.connections == 1

    @pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
    def test_that_failed_here_leaves_room_for_the_next(
        self, kind: type[BaseException], make_either: Make
    ) -> None:
        """And the rest of it is nobody else's answer."""
        taken = Takes(whole(bytes(3 * 2**20)), ME)
        with RawServer(taken) as server:
            transport = make_either(server, **({} if make_either is not make else ONE))
            with pytest.raises(kind):
                download(transport, Memory(fail=fails(kind(), "write")), 3 * 2**20)

            assert transport.get_me(deadline=after(PATIENCE)).uid == "u1"

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (b"404 x", TWNotFoundError),
            (b"403 x", TWAuthError),
            (b"500 x", TWServerError),
            (b"503 x", TWServerError),
            (b"206 x", TWProtocolError),
            (b"203 x", TWProtocolError),
        ],
    )
    def test_that_is_refused_never_reaches_the_sink(
        self, status: bytes, kind: type[TWError], make_either: Make
    ) -> None:
        sink = Memory(fail=fails(AssertionError("it was written"), "write"))
        with RawServer(Takes(whole(DATA, status))) as server:
            error = failure(lambda: download(make_either(server), sink))

        assert type(error) is kind

    def test_may_take_longer_than_another_request(self, make_either: Make) -> None:
        def script(peer: Peer) -> None:
            peer.read_request()
            peer.send(OK + b"Content-Length: 10\r\n\r\n")
            peer.drip(bytewise(b"0123456789"))

        sink = Memory()
        with RawServer(script) as server:
            download(make_either(server, total_timeout=0.1), sink, 10)

        assert sink.data == b"0123456789"

    def test_that_falls_silent_ends(self, make_either: Make) -> None:
        with RawServer(sends_half) as server:
            transport = make_either(server, assets_timeout=BUDGET)
            error = failure(lambda: download(transport, Memory()))

        assert type(error) is TWTimeoutError

    def test_ends_by_the_deadline_of_the_caller(self, make_either: Make) -> None:
        """However steadily its bytes come."""

        def script(peer: Peer) -> None:
            peer.read_request()
            peer.send(OK + b"Content-Length: 10000000\r\n\r\n")
            peer.drip(repeated(b"x"))

        with RawServer(script) as server:
            transport = make_either(server, retries=3)
            error = failure(lambda: download(transport, Memory(), 10**7, BUDGET))

        assert type(error) is TWTimeoutError

    def test_of_many_leaves_no_connection_but_the_pool_s(self) -> None:
        taken = Takes(whole(DATA))
        with RawServer(taken) as server:
            transport = make(server)
            for _ in range(5):
                download(transport, Memory())

            assert server.connections == 1


def breaks_off_once(count: int) -> Script:
    first = iter([True])

    def script(peer: Peer) -> None:
        peer.read_request()
        breaks = next(first, False)
        peer.send(whole(DATA)[: count - len(DATA)] if breaks else whole(DATA))

    return script


def sends_half(peer: Peer) -> None:
    peer.read_request()
    peer.send(whole(DATA)[: -len(DATA) // 2])
    peer.wait_gone()

"""Answers from a server that breaks the rules, over real sockets.

Whatever comes: a model or a TWError, soon, within little memory, and the next answer is the right
one.
"""

from __future__ import annotations

import json
import time
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests
from attrs import frozen

from teamwire_sync import (
    Connection,
    ConnectionConfig,
    Message,
    TWConfigError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWNotFoundError,
    TWProtocolError,
    TWRateLimitError,
    TWServerError,
    TWTimeoutError,
    User,
)
from teamwire_sync._transports.budget import MOST_BYTES
from tests.builders import page_doc, user_doc
from tests.leaks import assert_no_secret
from tests.nasty_server import Nasty, NastyServer, answer, chunked, gzip_bomb, gzipped
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "s3cret-of-the-bot"
DEEP = 100_000
GZIP = "Content-Encoding: gzip"
JSON = "Content-Type: application/json"
# What the answer may take over all that is in memory anyway.
MOST_MEMORY = 5 * MOST_BYTES
STRANGE_COOKIES = (
    "Set-Cookie: a=b; Path=/",
    "Set-Cookie: \x01=; expires=never; port=x",
    "Set-Cookie: =",
)


@frozen
class Case:
    """A nasty answer.

    Attributes:
        nasty: Makes it of the good one's body.
        read: What a read comes to.
        write: What a write comes to.
        closes: Whether the server ends the connection then.
        timeout: Seconds that each read may take.
    """

    nasty: Nasty
    read: type
    write: type
    closes: bool = False
    timeout: float = PATIENCE / 2


def harmless(nasty: Nasty, **how: Any) -> Case:
    """The good answer is in it, and nothing that is wrong changes what it means."""
    return Case(nasty, User, Message, **how)


def no_answer(nasty: Nasty, **how: Any) -> Case:
    """It is none of HTTP, so the network may be to blame."""
    return Case(nasty, TWConnectionError, TWDeliveryUnknownError, **how)


def no_contract(nasty: Nasty, **how: Any) -> Case:
    """It is one of HTTP, but not of the bot contract."""
    return Case(nasty, TWProtocolError, TWDeliveryUnknownError, **how)


def endless(nasty: Nasty) -> Case:
    """It does not end within the time for it."""
    return Case(nasty, TWTimeoutError, TWDeliveryUnknownError, timeout=0.5)


def refused(nasty: Nasty, kind: type[TWError]) -> Case:
    """The server says that it did nothing."""
    return Case(nasty, kind, kind)


def with_field(body: bytes, value: bytes) -> bytes:
    """*body* with a field that no contract knows."""
    return b'{"more": ' + value + b"," + body[1:]


def renamed(body: bytes, name: bytes) -> bytes:
    """*body* with another text in it."""
    return body.replace(b"Lovelace", name)


BODIES = {
    "HTML": no_contract(lambda body: answer(b"<html>Hi</html>", "Content-Type: text/html")),
    "JSON that is called HTML": harmless(lambda body: answer(body, "Content-Type: text/html")),
    "empty": no_contract(lambda body: answer(b"")),
    "cut": no_contract(lambda body: answer(body[:-5])),
    "UTF-16": no_contract(
        lambda body: answer(body.decode().encode("utf-16"), f"{JSON}; charset=utf-16")
    ),
    "UTF-8 that is called UTF-16": harmless(lambda body: answer(body, f"{JSON}; charset=utf-16")),
    "Latin-1": no_contract(
        lambda body: answer(renamed(body, b"L\xf6velace"), f"{JSON}; charset=latin-1")
    ),
    "byte order mark": harmless(lambda body: answer(b"\xef\xbb\xbf" + body)),
    "deep arrays": no_contract(lambda body: answer(with_field(body, b"[" * DEEP + b"]" * DEEP))),
    "deep objects": no_contract(lambda body: answer(b'{"a":' * DEEP)),
    "a million digits": no_contract(lambda body: answer(with_field(body, b"9" * 1_000_000))),
    "a million digits and a point": harmless(
        lambda body: answer(with_field(body, b"9" * 1_000_000 + b".5"))
    ),
    "NaN": no_contract(lambda body: answer(with_field(body, b"NaN"))),
    "duplicate keys": harmless(lambda body: answer(b'{"user": 1, "message": 2,' + body[1:])),
    "half a surrogate pair": harmless(lambda body: answer(renamed(body, b"\\ud800"))),
    "half a surrogate pair in bytes": no_contract(
        lambda body: answer(renamed(body, b"\xed\xa0\x80"))
    ),
    "too many values": no_contract(
        lambda body: answer(with_field(body, b"[" + b"[]," * 10**7 + b"[]]"))
    ),
}
LENGTHS = {
    "longer than the body": no_answer(
        lambda body: answer(body, f"Content-Length: {len(body) + 10}"), closes=True
    ),
    "much longer": no_answer(lambda body: answer(body, f"Content-Length: {10**30}"), closes=True),
    "longer, and no end": endless(lambda body: answer(body, f"Content-Length: {len(body) + 10}")),
    "shorter than the body": no_contract(
        lambda body: answer(body, f"Content-Length: {len(body) - 10}")
    ),
    "an answer after the answer": harmless(lambda body: answer(body) + someone_elses(body)),
    "negative": endless(lambda body: answer(body, "Content-Length: -1")),
    "no number": endless(lambda body: answer(body, "Content-Length: many")),
    "two": no_answer(
        lambda body: answer(body, f"Content-Length: {len(body)}", "Content-Length: 5")
    ),
    "twice the same": harmless(lambda body: answer(body, *[f"Content-Length: {len(body)}"] * 2)),
    "of chunks": harmless(lambda body: chunked(body, "Content-Length: 5")),
    "chunk longer": no_answer(lambda body: chunked(body, size=b"fffff"), closes=True),
    "chunk much longer": no_answer(lambda body: chunked(body, size=b"f" * 1000), closes=True),
    "chunk shorter": no_answer(lambda body: chunked(body, size=b"5")),
    "chunk of -1": no_answer(lambda body: chunked(body, size=b"-1")),
    "chunk of -5": no_answer(lambda body: chunked(body, size=b"-5")),
    "chunk of no number": no_answer(lambda body: chunked(body, size=b"xyz")),
    "chunk of a long number": no_answer(lambda body: chunked(body, size=b"0" * 100_000)),
    "no last chunk": no_answer(lambda body: chunked(body)[:-5], closes=True),
}
PACKED = {
    "gzip": harmless(lambda body: answer(gzipped(body), GZIP)),
    "no gzip": no_contract(lambda body: answer(body, GZIP)),
    "gzip cut": no_contract(lambda body: answer(gzipped(body)[:-20], GZIP)),
    "gzip with a wrong sum": no_contract(
        lambda body: answer(gzipped(body)[:-8] + b"12345678", GZIP)
    ),
    "gzip of nothing": no_contract(lambda body: answer(b"", GZIP)),
    "gzip bomb": no_contract(lambda body: answer(gzip_bomb(2**30), GZIP)),
    "gzip bomb in chunks": no_contract(lambda body: chunked(gzip_bomb(2**30), GZIP)),
    "deflate bomb": no_contract(
        lambda body: answer(zlib.compress(bytes(2 * MOST_BYTES)), "Content-Encoding: deflate")
    ),
    "gzip in gzip": no_contract(
        lambda body: answer(gzipped(gzipped(body)), "Content-Encoding: gzip, gzip")
    ),
    "gzip in gzip, two headers": no_contract(
        lambda body: answer(gzipped(gzipped(body)), GZIP, GZIP)
    ),
    "brotli": no_contract(lambda body: answer(body, "Content-Encoding: br")),
    "zstd": no_contract(lambda body: answer(body, "Content-Encoding: zstd")),
}
HEADS = {
    "nothing": no_answer(lambda body: b"", closes=True),
    "no head": no_answer(lambda body: body, closes=True),
    "half a head": no_contract(lambda body: answer(body)[:30], closes=True),
    "TLS": no_answer(lambda body: b"\x15\x03\x01\x00\x02\x02\x46", closes=True),
    "HTTP/2": no_answer(lambda body: answer(body).replace(b"HTTP/1.1", b"HTTP/2.0")),
    "a line of 1 MB": no_answer(lambda body: answer(body, "X: " + "x" * 1_000_000)),
    "10,000 lines": no_answer(lambda body: answer(body, *["X: x"] * 10_000)),
    "control characters": harmless(
        lambda body: answer(body, "X: \x00\x1b[31m", "X-Request-ID: \x1b]0;owned\x07")
    ),
    "a line that is folded": harmless(lambda body: answer(body, "X: a\r\n b")),
    "a line without a colon": endless(lambda body: answer(body, "X")),
    "cookies": harmless(lambda body: answer(body, *STRANGE_COOKIES)),
}
STATUSES = {
    **{
        status: no_answer(lambda body, status=status: answer(body, status=status))
        for status in ("0 x", "99 x", "1000 x", "-200 x", "OK")
    },
    **{
        status: no_contract(lambda body, status=status: answer(body, status=status))
        for status in ("201 x", "204 x", "205 x", "206 x", "304 x")
    },
    **{
        status: harmless(
            lambda body, status=status: b"HTTP/1.1 %s\r\n\r\n" % status.encode() + answer(body)
        )
        for status in ("101 x", "102 x", "103 x", "199 x")
    },
    "100 x": harmless(lambda body: b"HTTP/1.1 100 Continue\r\n\r\n" * 100 + answer(body)),
    "300 x": refused(lambda body: answer(body, status="300 x"), TWConfigError),
    "404 x": refused(lambda body: answer(body, status="404 x"), TWNotFoundError),
    "429 x": refused(
        lambda body: answer(body, "Retry-After: " + "9" * 5000, status="429 x"), TWRateLimitError
    ),
    "500 escape": refused(lambda body: answer(body, status="500 \x1b[31m\x00red"), TWServerError),
    "500 long": refused(lambda body: answer(body, status="500 " + "x" * 60_000), TWServerError),
    "500 long id": refused(
        lambda body: answer(body, "X-Request-ID: " + "x" * 10_000, status="500 x"), TWServerError
    ),
    "500 with 24 MB": refused(
        lambda body: answer(
            b'{"error": {"message": "' + b"x " * 12_000_000 + b'"}}', status="500 x"
        ),
        TWServerError,
    ),
    "600 x": refused(lambda body: answer(body, status="600 x"), TWServerError),
    "999 x": refused(lambda body: answer(body, status="999 x"), TWServerError),
}
CASES = {
    f"{kind}: {name}": case
    for kind, cases in [
        ("body", BODIES), ("length", LENGTHS), ("packed", PACKED), ("head", HEADS),
        ("status", STATUSES),
    ]
    for name, case in cases.items()
}  # fmt: skip
# Some of each kind; a session of the caller's reads with the parts that requests gives it.
OF_A_GIVEN_SESSION = [
    "body: HTML",
    "body: deep arrays",
    "length: longer than the body",
    "length: an answer after the answer",
    "length: chunk of -5",
    "packed: no gzip",
    "packed: gzip bomb",
    "packed: gzip in gzip",
    "head: half a head",
    "head: control characters",
    "head: cookies",
    "status: 204 x",
    "status: 500 escape",
]
# A second try comes to the same or to a good answer.
WITH_RETRIES = [
    "body: cut",
    "length: longer than the body",
    "length: chunk of -5",
    "packed: gzip bomb",
    "head: nothing",
    "status: 999 x",
]


def someone_elses(body: bytes) -> bytes:
    """A good answer to the same call, but with another content."""
    return answer(body.replace(b'"u1"', b'"crossed"').replace(b'"one"', b'"crossed"'))


Connect = Callable[..., Connection]
CALLS: dict[str, Callable[[Connection], Any]] = {
    "read": lambda connection: connection.users.get_user("u1"),
    "write": lambda connection: connection.chats.at("t1").post("one"),
}
each_call = pytest.mark.parametrize("name", CALLS)


@pytest.fixture
def server() -> Iterator[NastyServer]:
    with NastyServer() as server:
        yield server


@pytest.fixture
def connect(server: NastyServer) -> Iterator[Connect]:
    opened = []

    def connect(retries: int = 0, timeout: float = PATIENCE / 2, **arguments: Any) -> Connection:
        config = ConnectionConfig(retries=retries, default_timeout=timeout)
        opened.append(Connection("app", SECRET, server.url, config=config, **arguments))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


def outcome(connection: Connection, name: str) -> Any:
    """What the call *name* gives or raises."""
    started = time.monotonic()
    try:
        given = CALLS[name](connection)
    except TWError as error:
        given = error
    assert time.monotonic() - started < PATIENCE
    if isinstance(given, TWError):
        assert (given.__cause__, given.__context__) == (None, None)
        assert str(given).isprintable()
        assert len(str(given)) < 600
        assert (given.request_id or "").isprintable()
        assert len(given.request_id or "") <= 128
        assert_no_secret(given, SECRET)
    return given


def check_next_answers(connection: Connection) -> None:
    """They are the right ones."""
    assert connection.users.get_user("u2") == User(**user_doc("u2"))
    assert connection.chats.at("t1").post("two").msg == "two"


class TestOneNastyAnswer:
    @each_call
    @pytest.mark.parametrize("case", CASES)
    def test_comes_to_what_it_means_and_the_next_answers_are_right(
        self, case: str, name: str, server: NastyServer, connect: Connect
    ) -> None:
        nasty = CASES[case]
        server.answer_next(nasty.nasty, closes=nasty.closes)
        connection = connect(timeout=nasty.timeout)

        assert isinstance(outcome(connection, name), getattr(nasty, name))
        check_next_answers(connection)

    @each_call
    @pytest.mark.parametrize("case", OF_A_GIVEN_SESSION)
    def test_through_a_given_session_too(
        self, case: str, name: str, server: NastyServer, connect: Connect
    ) -> None:
        nasty = CASES[case]
        server.answer_next(nasty.nasty, closes=nasty.closes)
        with requests.Session() as session:
            # One of them waits for more of a chunk of less than nothing.
            connection = connect(session=session, timeout=1)

            assert isinstance(outcome(connection, name), getattr(nasty, name))
            check_next_answers(connection)

    @pytest.mark.parametrize("case", WITH_RETRIES)
    def test_is_got_over_by_a_second_try_where_that_may_help(
        self, case: str, server: NastyServer, connect: Connect
    ) -> None:
        nasty = CASES[case]
        server.answer_next(nasty.nasty, closes=nasty.closes)
        connection = connect(retries=1)
        may_help = issubclass(nasty.read, TWConnectionError)

        assert isinstance(outcome(connection, "read"), User if may_help else nasty.read)
        assert len(server.requests) == (2 if may_help else 1)
        check_next_answers(connection)

    @pytest.mark.parametrize("case", WITH_RETRIES)
    def test_never_makes_a_write_go_twice(
        self, case: str, server: NastyServer, connect: Connect
    ) -> None:
        nasty = CASES[case]
        server.answer_next(nasty.nasty, closes=nasty.closes)
        connection = connect(retries=1)

        assert isinstance(outcome(connection, "write"), nasty.write)
        assert len(server.requests) == 1


class TestMemory:
    @pytest.mark.parametrize(
        "case",
        ["packed: gzip bomb", "packed: gzip bomb in chunks", "body: too many values",
         "status: 500 with 24 MB"],
    )  # fmt: skip
    def test_is_bounded(self, case: str, server: NastyServer, connect: Connect) -> None:
        bytes_of_it = CASES[case].nasty(b"{}")
        server.answer_next(lambda body: bytes_of_it)
        connection = connect()
        tracemalloc.start()
        try:
            outcome(connection, "read")
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

        assert most < MOST_MEMORY

    def test_a_chunk_of_minus_one_byte_is_not_read_to_the_end(
        self, server: NastyServer, connect: Connect
    ) -> None:
        bytes_of_it = chunked(bytes(4 * MOST_BYTES), size=b"-1")
        server.answer_next(lambda body: bytes_of_it, closes=True)
        connection = connect()
        tracemalloc.start()
        try:
            outcome(connection, "read")
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

        assert most < MOST_BYTES


class TestCrossedAnswers:
    @each_call
    @pytest.mark.parametrize("status", [101, 102, 103, 199])
    def test_the_answer_that_follows_an_interim_one_late_is_nobody_elses(
        self, status: int, name: str, server: NastyServer, connect: Connect
    ) -> None:
        """Of a given session's connections; our own wait for it."""
        late: list[bytes] = []

        def interim(body: bytes) -> bytes:
            late.append(someone_elses(body))
            return b"HTTP/1.1 %d x\r\n\r\n" % status

        def following(body: bytes) -> bytes:
            first, second = server.connections
            return (late[0] if first == second else b"") + answer(body)

        server.answer_next(interim)
        server.answer_next(following)
        with requests.Session() as session:
            connection = connect(session=session)
            first, second = (outcome(connection, name) for _ in range(2))

        assert isinstance(first, (TWProtocolError, TWDeliveryUnknownError))
        assert second == CALLS[name](connect())


class TestListing:
    def test_a_cursor_that_no_url_can_have_is_refused(
        self, server: NastyServer, connect: Connect
    ) -> None:
        page = json.dumps(page_doc(next_cursor="\ud800")).encode()
        server.answer_next(lambda body: answer(page))

        with pytest.raises(TWProtocolError, match="half of a surrogate pair"):
            connect().chats.get_subscriptions()

    @pytest.mark.parametrize("etag", ["a\x00b", "\x1b[31m"], ids=ascii)
    def test_a_validator_that_no_header_can_have_is_not_sent(
        self, etag: str, server: NastyServer, connect: Connect
    ) -> None:
        chats = connect().chats
        server.answer_next(lambda body: answer(body, f"ETag: {etag}"))
        chats.get_subscriptions()
        chats.get_subscriptions(refresh=True)

        assert len(server.heads) == 2
        assert not any(line.startswith("If-None-Match") for line in server.heads[1])


class TestPacking:
    @pytest.mark.parametrize("given", [False, True], ids=["own session", "given session"])
    def test_nothing_is_asked_for_that_is_refused_then(
        self,
        given: bool,
        server: NastyServer,
        connect: Connect,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """With the package brotli there, requests asks for it in each request."""
        monkeypatch.setattr("requests.utils.DEFAULT_ACCEPT_ENCODING", "gzip, deflate, br")
        with requests.Session() as session:
            outcome(connect(**({"session": session} if given else {})), "read")

        assert "Accept-Encoding: gzip, deflate\r\n" in server.heads[0]

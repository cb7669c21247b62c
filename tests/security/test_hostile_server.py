"""Answers from a server that breaks the rules, over real sockets.

Whatever comes: a model or a TWError, soon, within little memory, and the next answer is the right
one.
"""

from __future__ import annotations

import io
import json
import time
import tracemalloc
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests

from teamwire_sync import (
    AttachmentType,
    Chat,
    Connection,
    ConnectionConfig,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWProtocolError,
    User,
)
from teamwire_sync._files import LocalFile
from teamwire_sync._transports.base import EventPage
from teamwire_sync._transports.budget import MOST_BYTES
from tests.support.builders import page_doc, user_doc
from tests.support.leaks import assert_no_secret
from tests.support.nasty_answers import CASES, someone_elses
from tests.support.nasty_server import NastyServer, answer, chunked
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync._transports.base import Source

SECRET = "s3cret-of-the-bot"
# What the answer may take over all that is in memory anyway.
MOST_MEMORY = 5 * MOST_BYTES


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


Connect = Callable[..., Connection]
CALLS: dict[str, Callable[[Connection], Any]] = {
    "read": lambda connection: connection.users.get_user("u1"),
    "write": lambda connection: connection.chats.at("t1").post("one"),
}
each_call = pytest.mark.parametrize("name", CALLS)
# Of the others: the call, what it gives, and whether it is a read or a write.
OTHERS: dict[str, tuple[Callable[[Connection], Any], type, str]] = {
    "messages": (lambda one: one.chats.at("t1").get_messages(1, before="m9"), list, "read"),
    "users": (lambda one: list(one.users.iter_all()), list, "read"),
    "groups": (lambda one: one.groups.get_all(), list, "read"),
    "events": (
        lambda one: one._transport.get_events(cursor="c1", wait=0, deadline=None),
        EventPage,
        "read",
    ),
    "upload": (
        lambda one: one._transport.upload(attached(b"some"), deadline=None),
        str,
        "read",
    ),
    "edit": (lambda one: one.chats.at("t1").set_title("new"), Chat, "write"),
    "leave": (lambda one: one.chats.at("t1").leave(), type(None), "write"),
}
# Some of each kind again.
OF_THE_OTHERS = [
    "body: HTML",
    "body: cut",
    "body: byte order mark",
    "length: longer than the body",
    "packed: gzip bomb",
    "head: nothing",
    "status: 204 x",
    "status: 500 escape",
]


def attached(data: bytes) -> Source:
    with LocalFile.of(AttachmentType.FILE, io.BytesIO(data), "x.txt").opened() as source:
        return source


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
    call = CALLS[name] if name in CALLS else OTHERS[name][0]
    started = time.monotonic()
    try:
        given = call(connection)
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

    @pytest.mark.parametrize("name", OTHERS)
    @pytest.mark.parametrize("case", OF_THE_OTHERS)
    def test_comes_to_the_same_for_each_call(
        self, case: str, name: str, server: NastyServer, connect: Connect
    ) -> None:
        nasty = CASES[case]
        server.answer_next(nasty.nasty, closes=nasty.closes)
        connection = connect(timeout=nasty.timeout)
        _, model, how = OTHERS[name]
        kind = getattr(nasty, how)

        given = outcome(connection, name)
        assert isinstance(given, kind if issubclass(kind, TWError) else model)
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

"""Answers from a server that breaks the rules, over real sockets.

Whatever comes: a model or a TWError, before the time for it is over, within little memory, and the
next answer is the right one.
"""

from __future__ import annotations

import io
import json
import tracemalloc
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests

from teamwire_sync import (
    Attachments,
    Chat,
    Connection,
    ConnectionConfig,
    GroupList,
    Message,
    MessageList,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWProtocolError,
    User,
    UserList,
)
from teamwire_sync._http.response_body import MAX_BYTES
from tests.support.builders import page_doc, user_doc
from tests.support.leaks import leaks, shown_by
from tests.support.nasty_answers import CASES, someone_elses
from tests.support.nasty_server import answer, chunked
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.support.nasty_answers import Case
    from tests.support.nasty_server import Nasty, NastyServer

SECRET = "s3cret-of-the-bot"

# Some of each kind; a session of the caller's reads with the parts that requests gives it.
OF_A_GIVEN_SESSION = [
    "body: HTML", "body: deep arrays", "length: longer than the body", "length: chunk of -5",
    "length: an answer after the answer", "packed: no gzip", "packed: gzip bomb",
    "packed: gzip in gzip", "head: half a head", "head: control characters", "head: cookies",
    "status: 204 x", "status: 500 escape",
]  # fmt: skip
# A second try comes to the same or to a good answer.
WITH_RETRIES = [
    "body: cut", "length: longer than the body", "length: chunk of -5", "packed: gzip bomb",
    "head: nothing", "status: 999 x",
]  # fmt: skip
# Some of each kind again.
OF_THE_OTHERS = [
    "body: HTML", "body: cut", "body: byte order mark", "length: longer than the body",
    "packed: gzip bomb", "head: nothing", "status: 204 x", "status: 500 escape",
]  # fmt: skip
# What each may take over all that is in memory anyway.
MOST_MEMORY: dict[str, tuple[Nasty, int]] = {
    **{
        case: (CASES[case].nasty, 5 * MAX_BYTES)
        for case in (
            "packed: gzip bomb", "packed: gzip bomb in chunks", "body: too many values",
            "status: 500 with 24 MB",
        )
    },
    "a chunk of -1 byte": (
        lambda _: chunked(bytes(4 * MAX_BYTES), size=b"-1"), MAX_BYTES
    ),
}  # fmt: skip

Call = Callable[..., Any]
CALLS: dict[str, Call] = {
    "read": lambda connection, **how: connection.users.get_user("u1", **how),
    "write": lambda connection, **how: connection.chats.at("t1").post("one", **how),
}
each_call = pytest.mark.parametrize("name", CALLS)
# Of the others: the call, what it gives, and whether it is a read or a write.
OTHERS: dict[str, tuple[Call, type, str]] = {
    "messages": (
        lambda one, **how: one.chats.at("t1").get_messages(1, before="m9", **how),
        MessageList,
        "read",
    ),
    "users": (lambda one, **how: one.users.get_all(**how), UserList, "read"),
    "groups": (lambda one, **how: one.groups.get_all(**how), GroupList, "read"),
    "events": (lambda one, **_: list(one.events(timeout=0.001, since="c1")), list, "read"),
    "upload": (
        lambda one, **how: one.chats.at("t1").post(
            "one", Attachments().add_file(io.BytesIO(b"some"), "x.txt"), **how
        ),
        Message,
        "read",
    ),
    "edit": (lambda one, **how: one.chats.at("t1").set_title("new", **how), Chat, "write"),
    "leave": (lambda one, **how: one.chats.at("t1").leave(**how), type(None), "write"),
}


def outcome(call: Callable[[], Any]) -> Any:
    """What *call* gives or raises."""
    try:
        return call()
    except TWError as error:
        return error


def wrong_in(given: Any, kind: type) -> Iterator[str]:
    """In which ways *given* is none of *kind*, or an error that shows too much."""
    # A time-out is no other error of the network: nothing that has an end is waited for in vain.
    if type(given) is not kind:
        yield f"gave {given!r}"
    if isinstance(given, TWError):
        request_id = given.request_id or ""
        if (given.__cause__, given.__context__) != (None, None):
            yield "it has a cause or a context"
        if not str(given).isprintable() or len(str(given)) >= 600:
            yield f"its text is {given}"
        if not request_id.isprintable() or len(request_id) > 128:
            yield f"its request id is {request_id!r}"
        yield from leaks(shown_by(given), SECRET)


def wrong_in_next_answers(connection: Connection) -> Iterator[str]:
    user = outcome(lambda: connection.users.get_user("u2"))
    posted = outcome(lambda: connection.chats.at("t1").post("two"))
    if user != User(**user_doc("u2")) or getattr(posted, "msg", None) != "two":
        yield f"the next answers are {user!r} and {posted!r}"


class Trial:
    """Nasty answers one after the other, and what is wrong then."""

    def __init__(self, server: NastyServer) -> None:
        self._server = server
        self.opened: list[Connection] = []

    def connect(self, *, retries: int = 0, **arguments: Any) -> Connection:
        config = ConnectionConfig(retries=retries, default_timeout=PATIENCE / 2)
        self.opened.append(Connection("app", SECRET, self._server.url, config=config, **arguments))
        return self.opened[-1]

    def of_all(
        self,
        cases: Iterable[str],
        call: Call,
        kind_of: Callable[[Case], type],
        *,
        asked: int | None = None,
        **arguments: Any,
    ) -> None:
        """Check to what *call* comes, after how many requests, and what comes after it."""
        wrong = []
        for case in cases:
            nasty, before = CASES[case], len(self._server.requests)
            self._server.answer_next(nasty.nasty, closes=nasty.closes)
            with self.connect(**arguments) as connection:
                given = outcome(partial(call, connection, timeout=nasty.timeout))
                wrong += [f"{case}: {what}" for what in wrong_in(given, kind_of(nasty))]
                count = len(self._server.requests) - before
                if asked not in {None, count}:
                    wrong.append(f"{case}: the server was asked {count} times")
                wrong += [f"{case}: {what}" for what in wrong_in_next_answers(connection)]
        assert not wrong, "\n".join(wrong)


@pytest.fixture
def trial(server: NastyServer) -> Iterator[Trial]:
    trial = Trial(server)
    yield trial
    for connection in trial.opened:
        connection.close()


class TestOneNastyAnswer:
    @each_call
    @pytest.mark.parametrize("kind", ["body", "length", "packed", "head", "status"])
    def test_comes_to_what_it_means_and_the_next_answers_are_right(
        self, kind: str, name: str, trial: Trial
    ) -> None:
        cases = [case for case in CASES if case.startswith(kind)]
        trial.of_all(cases, CALLS[name], attrgetter(name))

    @pytest.mark.parametrize("name", OTHERS)
    def test_comes_to_the_same_for_each_call(self, name: str, trial: Trial) -> None:
        call, model, how = OTHERS[name]

        def kind_of(nasty: Case) -> type:
            kind = getattr(nasty, how)
            return kind if issubclass(kind, TWError) else model

        trial.of_all(OF_THE_OTHERS, call, kind_of)

    @each_call
    def test_comes_to_the_same_through_a_given_session(self, name: str, trial: Trial) -> None:
        with requests.Session() as session:
            trial.of_all(OF_A_GIVEN_SESSION, CALLS[name], attrgetter(name), session=session)

    @pytest.mark.usefixtures("no_pauses")
    def test_is_got_over_by_a_second_try_where_that_may_help(self, trial: Trial) -> None:
        cases = [one for one in WITH_RETRIES if issubclass(CASES[one].read, TWConnectionError)]
        trial.of_all(cases, CALLS["read"], lambda _: User, retries=1, asked=2)

    def test_is_not_asked_for_again_where_that_can_not_help(self, trial: Trial) -> None:
        cases = [one for one in WITH_RETRIES if not issubclass(CASES[one].read, TWConnectionError)]
        trial.of_all(cases, CALLS["read"], attrgetter("read"), retries=1, asked=1)

    def test_never_makes_a_write_go_twice(self, trial: Trial) -> None:
        trial.of_all(WITH_RETRIES, CALLS["write"], attrgetter("write"), retries=1, asked=1)


@pytest.mark.parametrize("case", MOST_MEMORY)
def test_memory_is_bounded(case: str, server: NastyServer, trial: Trial) -> None:
    nasty, most = MOST_MEMORY[case]
    bytes_of_it = nasty(b"{}")
    server.answer_next(lambda _: bytes_of_it, closes=True)
    connection = trial.connect()
    tracemalloc.start()
    try:
        outcome(partial(CALLS["read"], connection))
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert taken < most


@each_call
def test_the_answer_that_follows_an_interim_one_late_is_nobody_elses(
    name: str, server: NastyServer, trial: Trial
) -> None:
    """Of a given session's connections; our own wait for it."""
    late: list[bytes] = []
    wrong = []

    def following(body: bytes) -> bytes:
        first, second = server.connections[-2:]
        return (late[-1] if first == second else b"") + answer(body)

    for status in (101, 102, 103, 199):

        def interim(body: bytes, status: int = status) -> bytes:
            late.append(someone_elses(body))
            return b"HTTP/1.1 %d x\r\n\r\n" % status

        server.answer_next(interim)
        server.answer_next(following)
        with requests.Session() as session:
            connection = trial.connect(session=session)
            first, second = (outcome(partial(CALLS[name], connection)) for _ in range(2))
        is_error = isinstance(first, (TWProtocolError, TWDeliveryUnknownError))
        if not is_error or second != CALLS[name](trial.connect()):
            wrong.append((status, first, second))

    assert wrong == []


class TestListing:
    def test_a_cursor_that_no_url_can_have_is_refused(
        self, server: NastyServer, trial: Trial
    ) -> None:
        page = json.dumps(page_doc(next_cursor="\ud800")).encode()
        server.answer_next(lambda _: answer(page))

        with pytest.raises(TWProtocolError, match="half of a surrogate pair"):
            trial.connect().chats.get_subscriptions()

    @pytest.mark.parametrize("etag", ["a\x00b", "\x1b[31m"], ids=ascii)
    def test_a_validator_that_no_header_can_have_is_not_sent(
        self, etag: str, server: NastyServer, trial: Trial
    ) -> None:
        chats = trial.connect().chats
        server.answer_next(lambda body: answer(body, f"ETag: {etag}"))
        chats.get_subscriptions()
        chats.get_subscriptions(refresh=True)

        assert len(server.heads) == 2
        assert not any(line.startswith("If-None-Match") for line in server.heads[1])


@pytest.mark.parametrize("is_given", [False, True], ids=["own session", "given session"])
def test_no_packing_is_asked_for_that_is_refused_then(
    is_given: bool,
    server: NastyServer,
    trial: Trial,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the package brotli there, requests asks for it in each request."""
    monkeypatch.setattr("requests.utils.DEFAULT_ACCEPT_ENCODING", "gzip, deflate, br")
    with requests.Session() as session:
        trial.connect(**({"session": session} if is_given else {})).users.get_user("u1")

    assert "Accept-Encoding: gzip, deflate\r\n" in server.heads[0]

"""Many writes, three in ten of which get lost: none arrives twice, and no error guesses."""

from __future__ import annotations

import json
import random
import socket
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests
import urllib3
from attrs import frozen

from teamwire_sync import (
    Connection,
    ConnectionConfig,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWNotFoundError,
)
from teamwire_sync._http.credentials import Credentials
from teamwire_sync._http.transport import HttpTransport
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from teamwire_sync._server import app
from teamwire_sync.testing import sandbox
from tests.support.raw_server import Peer, RawServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.testing import Fault, Sandbox

COUNT = 100
BEFORE, AFTER = "before", "after"


@frozen
class Write:
    """A kind of write.

    Attributes:
        path: Where it goes.
        do: Does one that carries a text.
        query: Selects the documents that are on the server.
        key: Of the text in a document.
        find_out: What the error of a lost answer says.
    """

    path: str
    do: Callable[[Connection, str], object]
    query: str
    key: str
    find_out: str

    def drops(self, box: Sandbox) -> tuple[Fault, Fault]:
        """Three connections in ten end, half of them before the work and half of them after it."""
        return (
            box.fault("POST", self.path, drop=BEFORE, chance=0.15),
            # Of those that the first one spares.
            box.fault("POST", self.path, drop=AFTER, chance=0.15 / 0.85),
        )

    def arrived(self, box: Sandbox) -> Counter[str]:
        """How often each text is on the server."""
        with box._world.database.reading() as db:
            texts = [json.loads(document)[self.key] for (document,) in db.execute(self.query)]
        return Counter(text for text in texts if text in TEXTS)


TEXTS = {f"number {number}": None for number in range(COUNT)}.keys()
POST = Write(
    path="/v1/bot/chats/*/messages/",
    do=lambda connection, text: connection.chats.at(KNOWN_CHAT).post(text),
    query="SELECT document FROM messages",
    key="message",
    find_out="chat.get_messages() has the message if it was posted",
)
CREATE = Write(
    path="/v1/bot/chats/",
    do=lambda connection, text: connection.chats.create_chat(title=text, users=[KNOWN_USER]),
    query="SELECT document FROM chats WHERE to_seq IS NULL",
    key="title",
    find_out="connection.chats.get_subscriptions(refresh=True)",
)


@pytest.fixture(params=[POST, CREATE], ids=["post", "create"])
def write(request: pytest.FixtureRequest) -> Write:
    """Each kind of write."""
    kind: Write = request.param
    return kind


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox of a few chats: their number makes no difference here."""
    with sandbox(chats=5, seed=7) as box:
        yield box


@pytest.fixture
def connect(box: Sandbox) -> Iterator[Callable[[int], Connection]]:
    """Makes a connection that tries again so many times, at once."""
    made: list[Connection] = []

    def one(retries: int) -> Connection:
        config = ConnectionConfig(retries=retries)
        credentials = Credentials(box.app_id, box.secret, box.url)
        transport = HttpTransport(credentials, config, pause=lambda seconds: None)
        made.append(Connection(transport=transport, config=config))
        return made[-1]

    yield one
    for connection in made:
        connection.close()


def error_of(call: Callable[[], object]) -> TWError | None:
    """What *call* raises, or None."""
    try:
        call()
    except TWError as error:
        return error
    return None


def do_all(connection: Connection, write: Write) -> dict[str, TWError]:
    """Write every text; gives the errors of those that had one."""
    results = {text: error_of(lambda text=text: write.do(connection, text)) for text in TEXTS}
    return {text: error for text, error in results.items() if error is not None}


def test_with_enough_tries_every_write_is_there_once(
    box: Sandbox, connect: Callable[[int], Connection], write: Write
) -> None:
    connection = connect(10)
    connection.check()  # the first answer tells that the server keeps the contract
    drops = write.drops(box)
    errors = do_all(connection, write)

    assert errors == {}
    assert write.arrived(box) == dict.fromkeys(TEXTS, 1)
    assert min(drop.hits for drop in drops) >= COUNT / 10


def test_with_few_tries_what_raised_nothing_is_there_once_and_nothing_is_there_twice(
    box: Sandbox, connect: Callable[[int], Connection], write: Write
) -> None:
    write.drops(box)
    errors = do_all(connect(1), write)
    arrived = write.arrived(box)

    assert {arrived[text] for text in TEXTS - errors.keys()} == {1}
    assert {arrived[text] for text in errors} == {0, 1}
    assert {type(error) for error in errors.values()} == {TWDeliveryUnknownError}


def test_a_repetition_of_a_write_that_was_done_brings_its_own_answer(
    box: Sandbox, connect: Callable[[int], Connection]
) -> None:
    connection = connect(10)
    connection.check()
    POST.drops(box)
    messages = {text: connection.chats.at(KNOWN_CHAT).post(text) for text in TEXTS}

    assert {text: message.msg for text, message in messages.items()} == {
        text: text for text in TEXTS
    }
    with box._world.database.reading() as db:
        stored = {
            mid: json.loads(text) for mid, text in db.execute("SELECT mid, document FROM messages")
        }
    assert {message.mid for message in messages.values()} == {
        mid for mid, document in stored.items() if document["message"] in TEXTS
    }


def test_a_connection_error_says_that_the_write_was_never_there(
    box: Sandbox,
    connect: Callable[[int], Connection],
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also on a network that refuses some connections before anything is sent."""
    dice = random.Random(7)  # noqa: S311  reproducible, not secret
    really_connect = socket.socket.connect

    def maybe_connect(sock: socket.socket, address: tuple[str, int]) -> None:
        if dice.random() < 0.3:
            raise ConnectionRefusedError
        really_connect(sock, address)

    monkeypatch.setattr(socket.socket, "connect", maybe_connect)
    write.drops(box)
    errors = do_all(connect(0), write)
    arrived = write.arrived(box)

    never = {text for text, error in errors.items() if isinstance(error, TWConnectionError)}
    assert {arrived[text] for text in never} == {0}
    assert {arrived[text] for text in errors.keys() - never} == {0, 1}
    assert {type(errors[text]) for text in errors.keys() - never} == {TWDeliveryUnknownError}
    assert {arrived[text] for text in TEXTS - errors.keys()} == {1}


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 401},
        {"status": 500},
        {"status": 302, "headers": {"Location": "https://elsewhere.example/"}},
        {"status": 404, "headers": {"Teamwire-Bot-Contract": None}},
    ],
    ids=["401", "500", "redirect", "404 of a proxy"],
)
def test_an_answer_that_says_nothing_about_the_first_try_does_not_hide_that_it_was_lost(
    box: Sandbox, connect: Callable[[int], Connection], write: Write, answer: dict[str, Any]
) -> None:
    connection = connect(1)
    connection.check()
    box.fault("POST", write.path, drop=AFTER, times=1)
    box.fault("POST", write.path, times=1, **answer)

    with pytest.raises(TWDeliveryUnknownError, match=r"tried 2 times"):
        write.do(connection, "number 1")
    assert write.arrived(box) == {"number 1": 1}


def test_a_refusal_is_what_became_of_the_lost_try(
    box: Sandbox, connect: Callable[[int], Connection]
) -> None:
    connection = connect(1)
    connection.check()
    box.fault("POST", POST.path, drop=BEFORE, times=1)

    with pytest.raises(TWNotFoundError):
        connection.chats.at("nope").post("hello")


def test_an_error_that_the_caller_handles_is_not_taken_for_the_cause(box: Sandbox) -> None:
    """A bot that reports a site as down posts from within its except block."""
    refused = ConnectionRefusedError(111, "Connection refused")
    drop = box.fault("POST", POST.path, drop=AFTER)
    with box.connect() as connection:
        try:
            raise urllib3.exceptions.NewConnectionError(None, "no") from refused  # type: ignore[arg-type]
        except urllib3.exceptions.HTTPError:
            with pytest.raises(TWDeliveryUnknownError):
                connection.chats.at(KNOWN_CHAT).post("the site is down")

    assert drop.hits == 1


@pytest.mark.parametrize("given", [False, True], ids=["own session", "given session"])
def test_what_is_lost_behind_a_proxy_is_lost(given: bool) -> None:
    """urllib3 says of it what it says of a proxy that can't be reached."""
    asked: list[bytes] = []

    def read_and_hang_up(peer: Peer) -> None:
        asked.append(peer.read_request().partition(b" HTTP")[0])

    with ExitStack() as stack:
        proxy = stack.enter_context(RawServer(read_and_hang_up))
        settings: dict[str, Any] = {"allow_insecure_http": True}
        more: dict[str, Any] = {}
        if given:
            more["session"] = stack.enter_context(requests.Session())
            more["session"].proxies = {"http": proxy.url}
        else:
            settings["proxies"] = {"http": proxy.url}
        connection = Connection(
            "app", "secret", "http://teamwire.example", config=ConnectionConfig(**settings), **more
        )
        stack.enter_context(connection)
        with pytest.raises(TWDeliveryUnknownError):
            connection.chats.at("t1").post("hello")

    assert asked == [b"POST http://teamwire.example/v1/bot/chats/t1/messages/"]


class TestServerThatDoesNotDeclareTheContract:
    """It does not know the Idempotency-Key: a second try would be a second message."""

    @pytest.fixture
    def drops(
        self, box: Sandbox, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> tuple[Fault, Fault]:
        """The connections end; the answers of the others declare nothing."""
        monkeypatch.setattr(app, "parse_idempotency_key", lambda key: None)
        drops = write.drops(box)
        for method, path in (("POST", write.path), ("GET", "/v1/bot/me/")):
            box.fault(method, path, headers={"Teamwire-Bot-Contract": None})
        return drops

    @pytest.fixture
    def errors(
        self, connect: Callable[[int], Connection], write: Write, drops: tuple[Fault, Fault]
    ) -> dict[str, TWError]:
        """What the writes raised, with as many tries as there may be."""
        connection = connect(10)
        connection.check()
        return do_all(connection, write)

    def test_it_is_sent_each_write_once(
        self, box: Sandbox, write: Write, errors: dict[str, TWError]
    ) -> None:
        assert box.count("POST", write.path) == COUNT

    def test_no_write_is_there_twice(
        self, box: Sandbox, write: Write, errors: dict[str, TWError]
    ) -> None:
        assert set(write.arrived(box).values()) == {1}

    def test_each_write_whose_answer_was_lost_raised_that_its_outcome_is_unknown(
        self,
        box: Sandbox,
        write: Write,
        drops: tuple[Fault, Fault],
        errors: dict[str, TWError],
    ) -> None:
        before, after = drops
        arrived = write.arrived(box)

        assert {type(error) for error in errors.values()} == {TWDeliveryUnknownError}
        assert sum(text not in arrived for text in errors) == before.hits
        assert sum(text in arrived for text in errors) == after.hits
        assert TEXTS - arrived.keys() <= errors.keys()

    def test_the_errors_say_how_to_find_out(self, write: Write, errors: dict[str, TWError]) -> None:
        texts = set(map(str, errors.values()))

        assert all(f"look before you try again: {write.find_out}" in text for text in texts)

"""Behind HAProxy, which stands in front of every Teamwire installation."""

from __future__ import annotations

import itertools
import json
import socket
import sqlite3
import threading
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import urlsplit

import pytest
from attrs import frozen

from teamwire_sync import (
    Chat,
    Connection,
    TWConfigError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWNotFoundError,
    TWServerError,
)
from teamwire_sync._sandbox.world.seed import KNOWN_USER
from teamwire_sync.testing import sandbox
from tests.support.processes import SandboxProcess
from tests.support.transport_calls import NO_CONTRACT
from tests.support.waiting import Threads, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from teamwire_sync.testing import Sandbox
    from tests.deployment.conftest import Front, MakeFront

pytestmark = pytest.mark.slow

CREATE = ("POST", "/v1/bot/chats/")


@pytest.fixture
def box(world: Path) -> Iterator[Sandbox]:
    """A sandbox in this process, whose answers can be spoiled."""
    with sandbox(path=world) as box:
        yield box


def address(box: Sandbox) -> tuple[str, int]:
    parts = urlsplit(box.url)
    return str(parts.hostname), int(parts.port or 0)


@pytest.fixture
def front(box: Sandbox, make_front: MakeFront) -> Front:
    return make_front([address(box)], box.env)


@pytest.fixture
def absent(box: Sandbox) -> Iterator[list[tuple[str, int]]]:
    """The addresses of two servers that are away."""
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        yield [one.getsockname(), other.getsockname()]


def uids(connection: Connection) -> list[str]:
    """Users whom the bot sees."""
    return sorted(
        {user.uid for chat in connection.chats.get_subscriptions() for user in chat.users}
    )


def tids_of(world: Path, title: str) -> list[str]:
    """The thread IDs of the chats with a title, in the servers' own database."""
    with closing(sqlite3.connect(world)) as db:
        documents = db.execute("SELECT document FROM chats WHERE to_seq IS NULL").fetchall()
    chats = [json.loads(document) for (document,) in documents]
    return [chat["tid"] for chat in chats if chat["title"] == title]


def create(connection: Connection, title: str) -> Chat | TWError:
    """The new chat, or why there is none."""
    try:
        return connection.chats.create_chat(title=title, users=[KNOWN_USER])
    except TWError as error:
        return error


def read(connection: Connection, uid: str) -> str | None:
    """Who the server says that a user is."""
    user = connection.users.get_user(uid)
    return None if user is None else user.uid


class TestAddress:
    def test_plain_http_is_told_to_use_https(self, box: Sandbox, front: Front) -> None:
        plain = front.connect(url=front.proxy.plain_url)
        with pytest.raises(TWConfigError, match=r"; use https://127\.0\.0\.1"):
            plain.check()

        assert box.count("GET", "/v1/bot/me/") == 0

    def test_the_certificate_of_a_private_ca_needs_its_bundle(self, front: Front) -> None:
        with pytest.raises(TWConnectionError, match="certificate verify failed"):
            front.connect(verify=True, retries=0).check()

    def test_an_error_names_the_request_as_the_log_of_the_proxy_does(self, front: Front) -> None:
        with pytest.raises(TWNotFoundError) as caught:
            front.connect().chats.at("nowhere").post("hello")

        # <client>_<proxy>_<time>_<counter>:<process>, after the one that we gave.
        assert str(caught.value.request_id).count("_") == 3


class TestConnections:
    def test_each_thread_keeps_its_connection(self, front: Front) -> None:
        connection = front.connect()
        with Threads(4) as threads:
            asked = [threads.start(connection.check) for _ in range(200)]
        for each in asked:
            each.result()

        assert front.proxy.connections <= 4

    def test_one_that_the_proxy_has_closed_meanwhile_costs_no_write(
        self, box: Sandbox, world: Path, make_front: MakeFront
    ) -> None:
        front = make_front([address(box)], box.env, keep_alive="50ms")
        connection = front.connect(retries=0)
        for number in range(5):
            connection.chats.create_chat(title=f"new {number}", users=[KNOWN_USER])
            wait_until(lambda: front.proxy.open_connections == 0)

        assert [len(tids_of(world, f"new {number}")) for number in range(5)] == [1] * 5
        assert front.proxy.connections == 5


@frozen
class Loss:
    """How the proxy tells that a server closed its connection instead of answering.

    Attributes:
        one_page: Whether each failure of its own is the same 503, as in older installations.
        on_first: Whether it is the first request of its connection that fails.
    """

    one_page: bool
    on_first: bool

    def connect(self, make: MakeFront, box: Sandbox, **options: Any) -> Connection:
        """A Connection that has seen an answer, and whose next request is the one that fails."""
        keep_alive = "50ms" if self.on_first else "5m"
        front = make(
            [address(box)], box.env, one_page=self.one_page, keep_alive=keep_alive, **options
        )
        connection = front.connect()
        connection.check()
        if self.on_first:
            wait_until(lambda: front.proxy.open_connections == 0)
        return connection


@pytest.mark.parametrize(
    "loss",
    [
        pytest.param(Loss(one_page=False, on_first=False), id="silence"),
        pytest.param(Loss(one_page=False, on_first=True), id="502"),
        pytest.param(Loss(one_page=True, on_first=True), id="503"),
    ],
)
class TestLostAnswer:
    """The server has done the work, and its answer never reaches the proxy."""

    def test_a_read_is_asked_again(self, box: Sandbox, make_front: MakeFront, loss: Loss) -> None:
        connection = loss.connect(make_front, box)
        box.fault("GET", "/v1/bot/me/", drop="after", times=1)
        connection.check()

        assert box.count("GET", "/v1/bot/me/") == 3

    def test_a_write_is_done_once(
        self, box: Sandbox, world: Path, make_front: MakeFront, loss: Loss
    ) -> None:
        connection = loss.connect(make_front, box)
        box.fault(*CREATE, drop="after", times=1)
        chat = connection.chats.create_chat(title="new", users=[KNOWN_USER])

        assert tids_of(world, "new") == [chat.tid]
        assert box.count(*CREATE) == 2

    def test_a_write_to_a_server_that_may_do_it_twice_is_in_doubt(
        self, box: Sandbox, world: Path, make_front: MakeFront, loss: Loss
    ) -> None:
        connection = loss.connect(make_front, box, hides_contract=True)
        box.fault(*CREATE, drop="after", times=1)
        with pytest.raises(TWDeliveryUnknownError, match="look before you try again"):
            connection.chats.create_chat(title="new", users=[KNOWN_USER])

        assert box.count(*CREATE) == 1
        assert len(tids_of(world, "new")) == 1


class TestNobodyBehindIt:
    @pytest.fixture
    def connection(
        self, box: Sandbox, absent: list[tuple[str, int]], make_front: MakeFront
    ) -> Connection:
        front = make_front(absent, box.env)
        wait_until(lambda: not front.proxy.is_up(0) and not front.proxy.is_up(1))
        return front.connect(retries=1)

    def test_its_page_is_one_line_that_quotes_it(self, connection: Connection) -> None:
        with pytest.raises(TWServerError) as caught:
            connection.check()

        assert caught.value.status == 503
        assert str(caught.value) == (
            "503 for GET /v1/bot/me/: 503 Service Unavailable No server is available to handle "
            f"this request.; {NO_CONTRACT} (tried 2 times)"
        )

    def test_a_write_may_have_been_done_for_all_that_it_says(self, connection: Connection) -> None:
        with pytest.raises(TWDeliveryUnknownError) as caught:
            connection.chats.create_chat(title="new", users=[KNOWN_USER])

        assert caught.value.status == 503
        assert str(caught.value) == (
            "503 for POST /v1/bot/chats/: 503 Service Unavailable No server is available to handle "
            "this request.; the server may have done it or not; look before you try again: "
            "connection.chats.get_subscriptions(refresh=True) lists the chat if it was made; "
            f"{NO_CONTRACT}"
        )


def front_of(
    make_front: MakeFront, backends: list[SandboxProcess], *, hides_contract: bool = False
) -> Front:
    addresses = [backend.address for backend in backends]
    return make_front(addresses, backends[0].env, hides_contract=hides_contract)


@pytest.mark.parametrize("keeps_contract", [True, False])
def test_a_server_killed_in_the_middle_loses_no_read_and_does_no_write_twice(
    make_front: MakeFront, backends: list[SandboxProcess], world: Path, keeps_contract: bool
) -> None:
    front = front_of(make_front, backends, hides_contract=not keeps_contract)
    connection = front.connect()
    asked = list(itertools.islice(itertools.cycle(uids(connection)), 200))
    titles = [f"new {number}" for number in range(50)]
    reads: list[Future[str | None]] = []
    creates: list[Future[Chat | TWError]] = []
    with Threads(6) as threads:

        def start(first: int, last: int) -> None:
            for number in range(first, last):
                creates.append(threads.start(partial(create, connection, titles[number])))
                reads.extend(
                    threads.start(partial(read, connection, uid))
                    for uid in asked[4 * number : 4 * number + 4]
                )

        start(0, 25)
        wait_until(lambda: sum(each.done() for each in [*reads, *creates]) >= 60)
        # Of the others, some get stuck at it: these are the ones whose answers are lost.
        backends[0].freeze()
        start(25, 50)
        wait_until(lambda: front.proxy.under_way(0) > 0)
        backends[0].kill()
    outcomes = {title: each.result() for title, each in zip(titles, creates)}

    assert [each.result() for each in reads] == asked
    for title, outcome in outcomes.items():
        found = tids_of(world, title)
        if isinstance(outcome, Chat):
            assert found == [outcome.tid]
        else:
            assert not keeps_contract, "with the same key it can be done again"
            assert isinstance(outcome, TWDeliveryUnknownError)
            assert len(found) <= 1
    assert any(isinstance(outcome, Chat) for outcome in outcomes.values())


@pytest.mark.parametrize("end", [SandboxProcess.stop, SandboxProcess.kill])
def test_a_rolling_restart_fails_no_read(
    make_front: MakeFront,
    backends: list[SandboxProcess],
    end: Callable[[SandboxProcess], None],
) -> None:
    front = front_of(make_front, backends)
    connection = front.connect()
    known = uids(connection)
    over = threading.Event()

    def read_on(own: list[str]) -> int:
        for count, uid in enumerate(itertools.cycle(own)):
            if count >= 250 and over.is_set():
                break
            assert read(connection, uid) == uid
        return count

    with Threads(4) as threads:
        # To each its own users: threads that ask for the same one share an answer.
        counts = [threads.start(partial(read_on, known[number::4])) for number in range(4)]
        try:
            for number, backend in enumerate(backends):
                end(backend)
                wait_until(lambda number=number: not front.proxy.is_up(number))
                backend.start()
                wait_until(lambda number=number: front.proxy.is_up(number))
        finally:
            over.set()

    assert sum(each.result() for each in counts) >= 1000

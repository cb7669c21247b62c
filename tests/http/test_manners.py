"""Failures and connections over real HTTP."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from teamwire_sync import (
    Connection,
    ConnectionConfig,
    TWAuthError,
    TWClosedError,
    TWConnectionError,
    TWNotFoundError,
    TWProtocolError,
    TWServerError,
    TWTimeoutError,
)
from teamwire_sync._http.credentials import Credentials
from teamwire_sync._http.sessions import OwnSession
from teamwire_sync._http.transport import HttpTransport
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from tests.support.waiting import PATIENCE, Threads, wait_until

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox
    from tests.support.builders import Clock

LISTING = ("GET", "/v1/bot/chats/")


class TestFailures:
    def test_a_wrong_secret_is_one_line_without_the_secret(self, box: Sandbox) -> None:
        connection = Connection(box.app_id, "not-the-secret", box.url)

        with connection, pytest.raises(TWAuthError) as caught:
            connection.chats.get_subscriptions()

        assert str(caught.value) == "401: the server does not accept this App ID and Secret"

    def test_401_on_any_call_ends_what_is_in_memory(
        self, box: Sandbox, connection: Connection
    ) -> None:
        chat = connection.chats.get_by_thread_id(KNOWN_CHAT)
        box.fault("POST", "/v1/bot/chats/*/messages/", status=401)
        with pytest.raises(TWAuthError):
            chat.post("hello")
        connection.chats.get_by_thread_id(KNOWN_CHAT)

        assert [served.status for served in box.requests] == [200, 401, 200]

    def test_no_server_names_host_and_port(self) -> None:
        with socket.socket() as placeholder:
            placeholder.bind(("127.0.0.1", 0))
            port = placeholder.getsockname()[1]
            config = ConnectionConfig(retries=0)
            connection = Connection("a", "s", f"http://127.0.0.1:{port}", config=config)

            with connection, pytest.raises(TWConnectionError, match=f"127.0.0.1:{port}"):
                connection.check()

    def test_a_failing_server_is_asked_once_until_the_cool_down_is_over(
        self, box: Sandbox, clock: Clock
    ) -> None:
        box.fault(*LISTING, status=503)
        chats = box.connect(clock=clock, config=ConnectionConfig(retries=0)).chats
        for _ in range(10):
            with pytest.raises(TWServerError):
                chats.get_by_thread_id(KNOWN_CHAT)

        assert box.count(*LISTING) == 1

    @pytest.mark.parametrize(
        "body",
        ["<html>", b"", {"chats": []}, [], {"chats": [{}], "users": [], "groups": []}],
        ids=["HTML", "empty", "half", "array", "hollow"],
    )
    def test_an_answer_that_is_not_the_contract_is_a_protocol_error(
        self, box: Sandbox, connection: Connection, body: object
    ) -> None:
        box.fault(*LISTING, body=body)

        with pytest.raises(TWProtocolError, match="GET /v1/bot/chats/"):
            connection.chats.get_subscriptions()

    def test_a_wrong_path_in_the_url_is_no_missing_user(self, box: Sandbox) -> None:
        connection = Connection(box.app_id, box.secret, box.url + "/elsewhere")

        with connection, pytest.raises(TWProtocolError):
            connection.users.get_user(KNOWN_USER)


class TestConnections:
    def test_twenty_calls_in_a_row_use_one(self, box: Sandbox, connection: Connection) -> None:
        for number in range(10):
            connection.users.get_user(f"u{number}")
            connection.chats.at(KNOWN_CHAT).post("hello")

        assert len(box.requests) == 20
        assert box.connections == 1

    def test_errors_keep_it_too(self, box: Sandbox, connection: Connection) -> None:
        for _ in range(10):
            with pytest.raises(TWNotFoundError):
                connection.chats.at("nope").post("hello")

        assert box.connections == 1

    def test_there_are_never_more_than_pool_size(self, box: Sandbox) -> None:
        connection = box.connect(config=ConnectionConfig(pool_size=3))
        with Threads(16) as threads:
            for number in range(64):
                threads.start(lambda number=number: connection.users.get_user(f"u{number}"))

        assert len(box.requests) == 64
        assert box.connections <= 3

    def test_who_finds_none_free_gives_up_at_its_timeout(
        self, box: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(time, "monotonic", clock)
        credentials = Credentials(box.app_id, box.secret, box.url)
        transport = HttpTransport(credentials, ConnectionConfig(pool_size=1), clock=clock)
        with (
            Connection(transport=transport) as connection,
            box.hold("GET", "/v1/bot/me/") as held,
            Threads(1) as threads,
        ):
            holder = threads.start(connection.check)
            held.wait_arrived()

            with pytest.raises(TWTimeoutError, match=r"no connection was free for 0\.05 s: "):
                connection.users.get_user(KNOWN_USER, timeout=0.05)
            held.release()
            assert holder.result(PATIENCE).is_bot

    def test_who_waits_for_one_when_it_is_closed_sends_nothing(self, box: Sandbox) -> None:
        connection = box.connect(config=ConnectionConfig(pool_size=1))
        messages = ("POST", "/v1/bot/chats/*/messages/")
        chat = connection.chats.at(KNOWN_CHAT)
        with box.hold(*messages) as held, Threads(2) as threads:
            threads.start(lambda: chat.post("one"))
            held.wait_arrived()
            waiter = threads.start(lambda: chat.post("two"))
            wait_until(lambda: len(connection._transport._client._limit._queue) == 2)

            connection.close()

            assert isinstance(waiter.exception(PATIENCE), TWClosedError)
            held.release()
        assert box.count(*messages) == 1

    def test_a_request_that_closing_overtakes_leaves_none_open(
        self, box: Sandbox, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        prepare = OwnSession.prepare

        def late(*request: Any) -> object:
            connection.close()
            return prepare(*request)

        monkeypatch.setattr(OwnSession, "prepare", late)
        connection.check()

        wait_until(lambda: not box._server._open)

    def test_a_session_of_the_callers_is_used_and_left_open(self, box: Sandbox) -> None:
        with requests.Session() as session:
            for _ in range(2):
                with box.connect(session=session) as connection:
                    connection.check()

        assert box.connections == 1

"""The keys of writes are passed on to an upstream that knows keys."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import requests

from teamwire_sync import Connection, TWDeliveryUnknownError
from teamwire_sync._gateway.clients import Clients
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from tests.support.fake_transport import FakeTransport
from tests.support.gateways import ServedGateway
from tests.support.sandbox_api import CHATS, KNOWN, MESSAGES, UPLOADS
from tests.support.waiting import PATIENCE
from tests.vendor.conftest import playing

if TYPE_CHECKING:
    from teamwire_sync._transport import ChatDraft, ChatState
    from teamwire_sync.testing import Sandbox


def sent(
    gateway: ServedGateway, method: str, path: str, *, key: str = "k", **content: Any
) -> requests.Response:
    headers = {"Idempotency-Key": key}
    return requests.request(
        method,
        gateway.url + path,
        auth=gateway.login,
        headers=headers,
        timeout=PATIENCE,
        **content,
    )


def posted(gateway: ServedGateway, key: str = "k") -> requests.Response:
    return sent(gateway, "POST", MESSAGES, key=key, json={"message": "hello"})


def hellos(box: Sandbox) -> int:
    """The number of the messages in the chat."""
    with box.connect() as connection:
        messages = connection.chats.at(KNOWN_CHAT).iter_messages()
        return sum(message.msg == "hello" for message in messages)


class Lossy(FakeTransport):
    """It loses the outcome of each new chat, and knows no keys."""

    def create_chat(self, draft: ChatDraft, *, deadline: float | None) -> ChatState:
        super().create_chat(draft, deadline=deadline)
        message = "lost"
        raise TWDeliveryUnknownError(message)


class Unpromising(Lossy):
    """It takes keys, but its server does not promise to keep them."""

    keeps_keys = False

    def create_chat(
        self, draft: ChatDraft, *, deadline: float | None, key: str | None = None
    ) -> ChatState:
        assert key is not None
        return super().create_chat(draft, deadline=deadline)


class TestKnown:
    """The upstream knows keys."""

    @pytest.mark.parametrize(
        ("method", "path", "content"),
        [
            ("POST", CHATS, {"json": {"title": "new", "user_ids": [KNOWN_USER]}}),
            ("PATCH", KNOWN, {"json": {"title": "new"}}),
            ("PATCH", f"{KNOWN}members/", {"json": {"add_user_ids": [KNOWN_USER]}}),
            ("PATCH", f"{KNOWN}admins/", {"json": {"add_user_ids": [KNOWN_USER]}}),
            ("DELETE", f"{KNOWN}members/me/", {}),
            ("POST", MESSAGES, {"json": {"message": "hello"}}),
            ("POST", f"{UPLOADS}?name=a", {"data": b"x"}),
        ],
    )
    def test_a_write_of_unknown_outcome_that_is_sent_again_gets_its_outcome(
        self, over_http: ServedGateway, box: Sandbox, method: str, path: str, content: Any
    ) -> None:
        expected = sent(over_http, method, path, key="other", **content)
        if method == "DELETE":
            box.restore_chat(KNOWN_CHAT)
        box.fault(method, path.partition("?")[0], drop="after", times=1)
        statuses = [sent(over_http, method, path, **content).status_code for _ in range(3)]
        # Nobody can see an upload whose outcome is lost: nothing was done.
        assert statuses == [503 if path.startswith(UPLOADS) else 502, *[expected.status_code] * 2]

    def test_a_message_of_unknown_outcome_is_posted_once(
        self, over_http: ServedGateway, box: Sandbox
    ) -> None:
        box.fault("POST", MESSAGES, drop="after", times=1)
        assert [posted(over_http).status_code for _ in range(3)] == [502, 200, 200]
        assert hellos(box) == 1

    def test_a_message_that_was_lost_on_its_way_is_posted(
        self, over_http: ServedGateway, box: Sandbox
    ) -> None:
        box.fault("POST", MESSAGES, drop="before", times=1)
        assert [posted(over_http).status_code for _ in range(3)] == [502, 200, 200]
        assert hellos(box) == 1

    def test_two_clients_with_the_same_key_are_two_clients(
        self, over_http: ServedGateway, box: Sandbox
    ) -> None:
        posted(over_http)
        app_id, secret = over_http.clients.add("other")
        # Otherwise, it sees the new client after a second.
        over_http.gateway.clients = Clients(over_http.clients._path.parent)
        over_http.login = app_id, secret.reveal()
        answer = posted(over_http)

        assert answer.status_code == 200
        assert "Idempotency-Replayed" not in answer.headers
        assert hellos(box) == 2

    def test_an_upstream_that_is_away_is_no_outcome(
        self, over_http: ServedGateway, box: Sandbox
    ) -> None:
        box.fault("POST", MESSAGES, drop="after", times=1)
        posted(over_http)
        box.fault("POST", MESSAGES, status=503, times=1)
        answer = posted(over_http)

        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "in_progress")
        assert answer.headers["Retry-After"] == "1"
        assert posted(over_http).status_code == 200
        assert hellos(box) == 1


class TestUnknown:
    """The upstream knows no keys, or has not promised to keep them."""

    def test_over_the_vendors_sdk_the_outcome_stays_unknown(
        self, box: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with playing("1.8", box, monkeypatch):
            upstream = Connection.from_vendor()._transport
            with closing(ServedGateway(upstream)) as gateway:
                box.fault("POST", MESSAGES, drop="after", times=1)
                assert [posted(gateway).status_code for _ in range(3)] == [502] * 3
        assert hellos(box) == 1

    @pytest.mark.parametrize("upstream", [Lossy, Unpromising])
    def test_a_transport_without_keys_or_promise_gets_the_write_once(
        self, upstream: type[FakeTransport]
    ) -> None:
        transport = upstream()
        with closing(ServedGateway(transport)) as gateway:
            chat = {"title": "new", "user_ids": ["u1"]}
            answers = [sent(gateway, "POST", CHATS, json=chat) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [502, 502]
        assert transport.calls.count("create_chat") == 1

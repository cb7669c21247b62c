"""What an upstream can't do, and upstreams that are odd."""

from __future__ import annotations

import io
from contextlib import closing
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests

from teamwire_sync import (
    Attachments,
    Chat,
    Connection,
    ConnectionConfig,
    TWDeliveryUnknownError,
    TWNotFoundError,
    TWProtocolError,
    TWServerError,
    TWUnsupportedError,
)
from teamwire_sync._models.chats import UNREADABLE
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from tests.support.builders import make_chat, make_file, make_group, make_user
from tests.support.fake_transport import FakeTransport
from tests.support.gateways import ServedGateway
from tests.vendor.conftest import playing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.testing import Sandbox

UNABLE: dict[str, Callable[[Connection], Any]] = {
    "get_me": lambda one: one.check(),
    "edit_chat": lambda one: one.chats.at(KNOWN_CHAT).set_title("x"),
    "edit_members": lambda one: one.chats.at(KNOWN_CHAT).add_members([KNOWN_USER]),
    "edit_admins": lambda one: one.chats.at(KNOWN_CHAT).add_admins([KNOWN_USER]),
    "leave_chat": lambda one: one.chats.at(KNOWN_CHAT).leave(),
    "list_messages": lambda one: one.chats.at(KNOWN_CHAT).get_messages(),
    "upload": lambda one: one.chats.at(KNOWN_CHAT).post(
        "", Attachments().add_file(io.BytesIO(b"x"), "x")
    ),
    "post an attachment": lambda one: one.chats.at(KNOWN_CHAT).post("", [make_file()]),
    "download": lambda one: one._parts.actions.download(
        make_file(), io.BytesIO(), progress=None, timeout=None
    ),
    "list_users": lambda one: one.users.get_all(),
    "list_groups": lambda one: one.groups.get_all(),
    "list_events": lambda one: one.events(),
}


@pytest.mark.parametrize("name", UNABLE)
def test_what_the_vendors_sdk_does_not_do_is_unsupported_and_nothing_is_done(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with playing("1.8", box, monkeypatch):
        upstream = Connection.from_vendor()._transport
        with closing(ServedGateway(upstream)) as gateway:
            with pytest.raises(TWUnsupportedError) as caught:
                UNABLE[name](gateway.connect())
            statuses = {status for *_, status in gateway.served}

    assert (caught.value.status, caught.value.code) == (501, "unsupported")
    assert statuses == {501}
    assert box.requests == []


class TestOddUpstreams:
    @pytest.fixture
    def upstream(self) -> FakeTransport:
        upstream = FakeTransport(make_chat("t1", "one"), make_chat("t2", "two"))
        upstream.revision = None
        return upstream

    @pytest.fixture
    def gateway(self, upstream: FakeTransport) -> Iterator[ServedGateway]:
        with closing(ServedGateway(upstream)) as gateway:
            yield gateway

    def test_a_chat_that_can_not_be_read_is_not_said_to_be_missing(
        self, upstream: FakeTransport, gateway: ServedGateway
    ) -> None:
        """Else a program that makes missing chats would make it twice."""
        upstream.chats.append(Chat(UNREADABLE, None))
        chats = gateway.connect().chats

        assert [chat.tid for chat in chats.get_subscriptions()] == ["t1", "t2"]
        with pytest.raises(TWProtocolError):
            chats.get_by_title("missing")

    def test_a_list_that_lags_hides_no_chat_that_a_client_has_made(
        self, upstream: FakeTransport, gateway: ServedGateway
    ) -> None:
        upstream.behind = list(upstream.chats)
        maker, other = gateway.connect().chats, gateway.connect().chats
        made = maker.create_chat(title="new", users=["u1"])
        for chats in (maker, other):
            assert chats.get_subscriptions(refresh=True)[-1].tid == made.tid

    def test_a_chat_whose_creation_was_lost_is_found_as_soon_as_it_is_there(
        self, upstream: FakeTransport, gateway: ServedGateway
    ) -> None:
        """Else a program that makes missing chats would make it twice."""
        upstream.errors["create_chat"] = TWDeliveryUnknownError("lost")
        chats = gateway.connect().chats
        with pytest.raises(TWDeliveryUnknownError):
            chats.create_chat(title="late", users=["u1"])
        assert chats.get_by_title("late") == []
        upstream.chats.append(make_chat("t3", "late"))

        assert [chat.tid for chat in chats.get_by_title("late")] == ["t3"]

    def test_an_id_that_no_path_can_have_is_not_found(self, gateway: ServedGateway) -> None:
        session = requests.Session()
        request = requests.Request("GET", gateway.url, auth=gateway.login)
        prepared = session.prepare_request(request)
        prepared.url = f"{gateway.url}/v1/bot/users/%2E%2E/"
        answer = session.send(prepared, timeout=60)

        assert answer.status_code == 404

    def test_a_404_that_is_not_about_the_chat_leaves_the_list_alone(
        self, upstream: FakeTransport, gateway: ServedGateway
    ) -> None:
        chats = gateway.connect().chats
        chats.get_subscriptions()
        upstream.errors["get_messages"] = TWNotFoundError("x", code="other")
        with pytest.raises(TWNotFoundError):
            chats.at("t1").get_messages()

        assert "t1" in gateway.log.state.chats

    def test_a_group_without_its_members_is_an_error(
        self, upstream: FakeTransport, gateway: ServedGateway
    ) -> None:
        upstream.groups = [make_group()]
        config = ConnectionConfig(retries=0)
        with pytest.raises(TWServerError) as caught:
            gateway.connect(config=config).groups.get_group("g1")

        assert caught.value.status == 502

    def test_a_new_name_of_a_user_reaches_each_client(
        self, upstream: FakeTransport, gateway: ServedGateway
    ) -> None:
        """Though no chat has changed."""
        upstream.chats[:] = [make_chat(users=(make_user(),))]
        chats = gateway.connect().chats
        chats.get_subscriptions()
        upstream.chats[:] = [make_chat(users=(make_user(last_name="King"),))]
        (chat,) = chats.get_subscriptions(refresh=True)

        assert chat.users[0].last_name == "King"

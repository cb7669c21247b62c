"""VendorTransport: what it asks of the vendor's SDK, and what it makes of the answers."""

from __future__ import annotations

import asyncio
import copy
import pickle
import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import (
    AlertType,
    Connection,
    ConnectionConfig,
    TWAuthError,
    TWConfigError,
    TWDeliveryUnknownError,
    TWImageLoadError,
    TWInvalidMembersError,
    TWNotFoundError,
    TWTimeoutError,
    TWUnsupportedError,
)
from teamwire_sync._sandbox.world.seed import (
    BOT_LIST,
    FIRST_LIST,
    KNOWN_CHAT,
    KNOWN_USER,
    PRIVATE_CIRCLE,
    PUBLIC_CIRCLE,
)
from teamwire_sync._transport import ChatDraft, MemberEdit, MessageDraft
from teamwire_sync._vendor import VendorTransport
from tests.support import fake_sdk
from tests.support.builders import make_chat, make_message
from tests.support.fake_sdk import FakeChat, FakeGroup, FakeSdk, FakeUser, vendor_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync import Message
    from teamwire_sync._transport import ChatState
    from teamwire_sync.testing import Sandbox
    from tests.support.builders import Clock
    from tests.vendor.conftest import Vendor

old = pytest.mark.parametrize("vendor", ["1.4"], indirect=True)
new = pytest.mark.parametrize("vendor", ["1.8"], indirect=True)


@pytest.fixture
def sdk() -> FakeSdk:
    return FakeSdk()


@pytest.fixture
def transport(sdk: FakeSdk) -> Iterator[VendorTransport]:
    transport = VendorTransport(sdk.connect)
    yield transport
    transport.close()


@pytest.fixture
def connection(transport: VendorTransport, clock: Clock) -> Iterator[Connection]:
    with Connection(transport=transport, clock=clock) as connection:
        yield connection


@pytest.fixture
def real(vendor: Vendor) -> Iterator[Connection]:
    """A connection to the double of the vendor's SDK."""
    with Connection.from_vendor(vendor.factory) as connection:
        yield connection


def create(transport: VendorTransport, **draft: Any) -> ChatState:
    return transport.create_chat(ChatDraft(**{"user_ids": ["u1"], **draft}), deadline=None)


def post(transport: VendorTransport, **draft: Any) -> Message:
    draft = {"message": "hello", **draft}
    return transport.post_message(make_chat(), MessageDraft(**draft), deadline=None)


def edit(transport: VendorTransport, gid: str = "g1", **changes: Any) -> Any:
    return transport.edit_group_members(gid, MemberEdit(**changes), deadline=None)


def given(sdk: FakeSdk, name: str) -> dict[str, Any]:
    """With what the last call of *name* was made."""
    last = len(sdk.calls) - 1 - sdk.calls[::-1].index(name)
    return sdk.asked_with[last]


class TestListing:
    def test_asks_for_all_the_chats_once(self, transport: VendorTransport, sdk: FakeSdk) -> None:
        (page,) = transport.iter_chat_pages(validator=None, deadline=None)

        assert [chat.tid for chat in page.chats] == ["t1"]
        assert sdk.calls == ["enter", "get_subscriptions"]

    def test_has_no_revisions(self, transport: VendorTransport) -> None:
        (page,) = transport.iter_chat_pages(validator=None, deadline=None)

        assert (page.revision, list(page.revisions)) == (None, [])
        assert create(transport).revision is None

    def test_names_the_users_and_groups_of_the_chats(
        self, transport: VendorTransport, sdk: FakeSdk
    ) -> None:
        sdk.chats["t1"].users = [sdk.users["u1"], sdk.users["u2"]]
        sdk.chats["t1"].lists = [sdk.groups["g1"]]
        (page,) = transport.iter_chat_pages(validator=None, deadline=None)

        assert [user.uid for user in page.users] == ["u1", "u2"]
        assert [group.gid for group in page.groups] == ["g1"]

    def test_of_nothing_is_empty(self, connection: Connection, sdk: FakeSdk) -> None:
        sdk.chats = SimpleNamespace(values=lambda: ())  # type: ignore[assignment]

        assert connection.chats.get_subscriptions() == []

    def test_lacks_none_when_the_vendors_list_changes_meanwhile(
        self, transport: VendorTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        live = [FakeChat(FakeSdk(), str(number)) for number in range(300)]

        async def get_subscriptions(_: object) -> list[Any]:
            asyncio.get_running_loop().call_soon(live.pop, 0)
            return live

        monkeypatch.setattr(fake_sdk.FakeConnection, "_get_subscriptions", get_subscriptions)
        (page,) = transport.iter_chat_pages(validator=None, deadline=None)

        assert {chat.tid for chat in live} <= {chat.tid for chat in page.chats}

    def test_makes_no_call_before_it_is_needed(
        self, transport: VendorTransport, sdk: FakeSdk
    ) -> None:
        transport.iter_chat_pages(validator=None, deadline=None)

        assert sdk.calls == []

    def test_lets_the_members_of_a_chat_act(self, connection: Connection, sdk: FakeSdk) -> None:
        sdk.chats["t1"].users = [sdk.users["u1"]]
        (chat,) = connection.chats.get_subscriptions()

        assert chat.users[0].load_avatar() == b"picture"


class TestCreating:
    def test_passes_on_the_users_and_nothing_else_that_says_nothing(
        self, transport: VendorTransport, sdk: FakeSdk
    ) -> None:
        create(transport)

        assert given(sdk, "create_chat") == {"users": [sdk.users["u1"]]}

    def test_passes_on_the_groups(self, transport: VendorTransport, sdk: FakeSdk) -> None:
        create(transport, user_ids=(), group_ids=["g1"])

        assert given(sdk, "create_chat") == {"groups": [sdk.groups["g1"]]}

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("title", "test"),
            ("message", "hello"),
            ("allow_sending", False),
            ("allow_mute_notifications", False),
            ("is_alert", True),
        ],
    )
    def test_passes_on_what_says_something(
        self, transport: VendorTransport, sdk: FakeSdk, name: str, value: object
    ) -> None:
        create(transport, **{name: value})

        assert given(sdk, "create_chat") == {"users": [sdk.users["u1"]], name: value}

    @pytest.mark.parametrize("name", ["title", "message"])
    def test_does_not_pass_on_an_empty_text(
        self, transport: VendorTransport, sdk: FakeSdk, name: str
    ) -> None:
        create(transport, **{name: ""})

        assert given(sdk, "create_chat") == {"users": [sdk.users["u1"]]}

    def test_keeps_the_order_of_the_users(self, transport: VendorTransport, sdk: FakeSdk) -> None:
        create(transport, user_ids=["u3", "u1", "u2"])

        assert [user.uid for user in given(sdk, "create_chat")["users"]] == ["u3", "u1", "u2"]

    def test_gives_the_chat_that_was_made(self, transport: VendorTransport) -> None:
        assert create(transport, title="test").chat == make_chat("new", "test")

    @pytest.mark.parametrize("kind", ["user_ids", "group_ids"])
    def test_looks_up_members_side_by_side_but_few_at_once(
        self, transport: VendorTransport, sdk: FakeSdk, kind: str
    ) -> None:
        ids = [f"x{number}" for number in range(20)]
        sdk.users = {each: FakeUser(sdk, each) for each in ids}
        sdk.groups = {each: FakeGroup(sdk, each) for each in ids}
        create(transport, **{"user_ids": (), kind: ids})

        assert sdk.most == 8

    @pytest.mark.parametrize("error", [None, vendor_error("TWNotFoundError")])
    def test_names_all_that_are_missing(
        self, transport: VendorTransport, sdk: FakeSdk, error: Any
    ) -> None:
        if error is not None:
            sdk.errors = {"get_user": error, "get_group": error}
        with pytest.raises(TWInvalidMembersError, match="'u8', 'u9', 'g8'") as caught:
            create(transport, user_ids=["u8", "u9"], group_ids=["g8"])

        assert caught.value.user_ids == ("u8", "u9")
        assert caught.value.group_ids == ("g8",)
        assert caught.value.code == "invalid_members"

    def test_names_only_those_that_are_missing(
        self, transport: VendorTransport, sdk: FakeSdk
    ) -> None:
        with pytest.raises(TWInvalidMembersError) as caught:
            create(transport, user_ids=["u1", "u9"], group_ids=["g1"])

        assert (caught.value.user_ids, caught.value.group_ids) == (("u9",), ())

    @pytest.mark.parametrize("missing", [{"user_ids": ["u9"]}, {"group_ids": ["g9"]}])
    def test_makes_no_chat_without_those_that_are_missing(
        self, transport: VendorTransport, sdk: FakeSdk, missing: Any
    ) -> None:
        with pytest.raises(TWInvalidMembersError):
            create(transport, **missing)

        assert sdk.writes == []

    def test_makes_no_chat_when_a_look_up_fails(
        self, transport: VendorTransport, sdk: FakeSdk
    ) -> None:
        sdk.errors["get_group"] = vendor_error("TWAuthError")
        with pytest.raises(TWAuthError):
            create(transport, group_ids=["g1"])

        assert sdk.writes == []

    def test_may_have_made_a_chat_that_came_back_unreadable(
        self, transport: VendorTransport, sdk: FakeSdk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fake_sdk, "FakeChat", lambda *_, **__: None)
        with pytest.raises(TWDeliveryUnknownError, match=r"get_subscriptions\(refresh=True\)"):
            create(transport)

    @old
    @pytest.mark.parametrize("name", ["allow_sending", "allow_mute_notifications", "is_alert"])
    def test_needs_a_version_that_knows_the_argument(
        self, real: Connection, vendor: Vendor, name: str
    ) -> None:
        asked = {name: name == "is_alert"}
        with pytest.raises(TWUnsupportedError, match=rf"chats\.create_chat .* has no {name}$"):
            real.chats.create_chat(users=[KNOWN_USER], title="new", **asked)  # type: ignore[arg-type]

        assert vendor.calls["create_chat"] == 0

    @old
    def test_leaves_the_view_when_the_version_does_not_know_the_argument(
        self, real: Connection, vendor: Vendor
    ) -> None:
        real.chats.get_subscriptions()
        with pytest.raises(TWUnsupportedError):
            real.chats.create_chat(users=[KNOWN_USER], allow_sending=False)
        real.chats.get_subscriptions()

        assert vendor.calls["get_subscriptions"] == 1

    def test_makes_a_chat_in_each_version(self, real: Connection, box: Sandbox) -> None:
        made = real.chats.create_chat(
            title="new", users=[KNOWN_USER], groups=[PUBLIC_CIRCLE], message="first"
        )
        with box.connect() as http:
            chat = http.chats.one_by_title("new")
            (message,) = chat.get_messages()

        assert chat.tid == made.tid
        assert [user.uid for user in chat.users] == [KNOWN_USER]
        assert [group.gid for group in chat.groups] == [PUBLIC_CIRCLE]
        assert message.msg == "first"

    @new
    def test_makes_a_chat_with_all_its_properties(self, real: Connection, box: Sandbox) -> None:
        made = real.chats.create_chat(
            title="new",
            users=[KNOWN_USER],
            allow_sending=False,
            allow_mute_notifications=False,
            is_alert=True,
        )
        with box.connect() as http:
            chat = http.chats.one_by_title("new")

        assert (chat.allow_sending, chat.allow_mute_notifications, chat.is_alert) == (0, 0, 1)
        assert made == chat

    def test_says_that_bots_need_public_circles(self, real: Connection) -> None:
        with pytest.raises(TWAuthError, match="a bot can use only public circles"):
            real.chats.create_chat(groups=[PRIVATE_CIRCLE])

    def test_says_nothing_of_circles_where_there_are_none(
        self, transport: VendorTransport, sdk: FakeSdk
    ) -> None:
        sdk.errors["create_chat"] = vendor_error("TWAuthError")
        with pytest.raises(TWAuthError) as caught:
            create(transport)

        assert "circle" not in str(caught.value)

    def test_says_nothing_of_circles_when_the_login_is_refused(
        self, transport: VendorTransport, sdk: FakeSdk
    ) -> None:
        sdk.errors["enter"] = vendor_error("TWAuthError")
        with pytest.raises(TWAuthError) as caught:
            create(transport, group_ids=["g1"])

        assert "circle" not in str(caught.value)


class TestPosting:
    def test_passes_on_the_text_and_nothing_else_that_says_nothing(
        self, transport: VendorTransport, sdk: FakeSdk
    ) -> None:
        post(transport)

        assert given(sdk, "post") == {"message": "hello"}

    @pytest.mark.parametrize(
        ("name", "value"),
        [("is_alert", True), ("reply_to", "m1"), ("sender_display_name", "Ada")],
    )
    def test_passes_on_what_says_something(
        self, transport: VendorTransport, sdk: FakeSdk, name: str, value: object
    ) -> None:
        post(transport, **{name: value})

        assert given(sdk, "post") == {"message": "hello", name: value}

    @pytest.mark.parametrize("kind", [AlertType.ANNOUNCEMENT, AlertType.NOTE])
    def test_passes_on_the_vendors_own_alert_type(
        self, transport: VendorTransport, sdk: FakeSdk, kind: AlertType
    ) -> None:
        post(transport, is_alert=True, alert_type=kind)

        assert given(sdk, "post")["alert_type"] is fake_sdk.AlertType[kind.name]

    def test_does_not_pass_on_the_alert_type_that_is_theirs_by_default(
        self, connection: Connection, sdk: FakeSdk
    ) -> None:
        connection.chats.at("t1").post("hello", is_alert=True)

        assert given(sdk, "post") == {"message": "hello", "is_alert": True}

    def test_passes_on_the_id_of_the_message_that_is_answered(
        self, connection: Connection, sdk: FakeSdk
    ) -> None:
        connection.chats.at("t1").post("hello", reply_to=make_message("m7"))

        assert given(sdk, "post")["reply_to"] == "m7"

    @pytest.mark.parametrize("module", ["no_such_module", "json"])
    def test_needs_a_version_that_has_the_alert_type(
        self, transport: VendorTransport, sdk: FakeSdk, module: str
    ) -> None:
        sdk.chats["t1"] = type("Old", (FakeChat,), {"__module__": module})(sdk, "t1")
        with pytest.raises(TWUnsupportedError, match="no AlertType NOTE"):
            post(transport, is_alert=True, alert_type=AlertType.NOTE)

        assert sdk.writes == []

    def test_needs_a_version_that_knows_the_argument(
        self, transport: VendorTransport, sdk: FakeSdk
    ) -> None:
        class Old:
            tid = "t1"

            async def post(self, message: str = "", *, is_alert: bool = False) -> None:
                raise AssertionError

        sdk.chats["t1"] = Old()
        with pytest.raises(TWUnsupportedError, match=r"has no reply_to, sender_display_name$"):
            post(transport, reply_to="m1", sender_display_name="Ada", is_alert=True)

    def test_of_what_cannot_be_looked_into_is_tried(
        self, transport: VendorTransport, sdk: FakeSdk
    ) -> None:
        class Compiled:
            __signature__ = "none"

            async def __call__(self, **_: object) -> str:
                return "m1"

        sdk.chats["t1"].post = Compiled()

        assert post(transport).mid == "m1"

    def test_looks_for_the_chat_first(self, transport: VendorTransport, sdk: FakeSdk) -> None:
        post(transport)

        assert sdk.calls == ["enter", "get_by_thread_id", "post"]
        assert given(sdk, "get_by_thread_id") == {"tid": "t1"}

    def test_gives_the_message_with_its_id(self, transport: VendorTransport, sdk: FakeSdk) -> None:
        sdk.posted = SimpleNamespace(mid="m1")

        assert post(transport).mid == "m1"

    def test_gives_a_message_without_an_id_where_none_is_told(
        self, transport: VendorTransport
    ) -> None:
        message = post(transport)

        assert (message.mid, message.msg, message.chat) == ("", "hello", make_chat())

    @pytest.mark.parametrize("error", [None, vendor_error("TWNotFoundError")])
    def test_in_a_chat_that_is_gone_is_not_found(
        self, transport: VendorTransport, sdk: FakeSdk, error: Any
    ) -> None:
        sdk.chats.clear()
        if error is not None:
            sdk.errors["get_by_thread_id"] = error
        with pytest.raises(TWNotFoundError, match="no chat 't1'") as caught:
            post(transport)

        assert caught.value.code == "not_found"
        assert sdk.writes == []

    @pytest.mark.parametrize("is_listed", [True, False])
    def test_in_a_chat_that_is_gone_lets_the_list_be_read_anew(
        self, connection: Connection, sdk: FakeSdk, is_listed: bool
    ) -> None:
        chat = connection.chats.get_by_thread_id("t1")
        assert chat is not None
        if is_listed:
            sdk.errors["post"] = vendor_error("TWNotFoundError")
        gone = sdk.chats.pop("t1")
        if is_listed:
            sdk.chats["t1"] = gone
        with pytest.raises(TWNotFoundError):
            chat.post("hello")
        connection.chats.get_by_thread_id("t1")

        assert sdk.calls.count("get_subscriptions") == 2

    def test_leaves_the_list_as_it_is(self, connection: Connection, sdk: FakeSdk) -> None:
        connection.chats.get_subscriptions()
        connection.chats.at("t1").post("hello")
        connection.chats.get_subscriptions()

        assert sdk.calls.count("get_subscriptions") == 1

    @new
    @pytest.mark.parametrize("kind", list(AlertType))
    def test_arrives_with_all_its_properties(
        self, real: Connection, box: Sandbox, kind: AlertType
    ) -> None:
        first = real.chats.at(KNOWN_CHAT).post("first")
        second = real.chats.at(KNOWN_CHAT).post(
            "second",
            is_alert=True,
            reply_to=first,
            sender_display_name="Ada",
            alert_type=kind,
        )
        with box.connect() as http:
            posted, answered = http.chats.at(KNOWN_CHAT).get_messages(2)

        assert posted == second
        assert answered == first
        assert posted.alert_type is kind

    @old
    def test_arrives_in_a_version_that_does_not_tell_its_id(
        self, real: Connection, box: Sandbox
    ) -> None:
        message = real.chats.at(KNOWN_CHAT).post("hello")
        with box.connect() as http:
            (posted,) = http.chats.at(KNOWN_CHAT).get_messages(1)

        assert posted.msg == message.msg == "hello"
        assert message.mid == ""


class TestUsers:
    def test_are_asked_for_by_id(self, transport: VendorTransport, sdk: FakeSdk) -> None:
        user = transport.get_user("u1", deadline=None)

        assert user is not None
        assert user.uid == "u1"
        assert given(sdk, "get_user") == {"uid": "u1"}

    @pytest.mark.parametrize("nothing", [None, False, ()])
    def test_that_are_not_there_are_none(
        self, transport: VendorTransport, sdk: FakeSdk, nothing: object
    ) -> None:
        sdk.users["u1"] = nothing

        assert transport.get_user("u1", deadline=None) is None

    def test_that_are_not_found_are_none(self, transport: VendorTransport, sdk: FakeSdk) -> None:
        sdk.errors["get_user"] = vendor_error("TWNotFoundError")

        assert transport.get_user("u1", deadline=None) is None

    def test_that_may_not_be_seen_are_an_error(
        self, transport: VendorTransport, sdk: FakeSdk
    ) -> None:
        sdk.errors["get_user"] = vendor_error("TWAuthError")

        with pytest.raises(TWAuthError):
            transport.get_user("u1", deadline=None)

    def test_have_pictures_of_bytes(self, transport: VendorTransport) -> None:
        picture = transport.get_avatar("u1", deadline=None)

        assert picture == b"picture"
        assert type(picture) is bytes

    def test_without_a_picture_are_an_error(self, transport: VendorTransport, sdk: FakeSdk) -> None:
        sdk.errors["load_avatar"] = vendor_error("TWImageLoadError")

        with pytest.raises(TWImageLoadError):
            transport.get_avatar("u1", deadline=None)

    def test_that_are_gone_have_no_picture(self, transport: VendorTransport) -> None:
        with pytest.raises(TWNotFoundError, match="no user 'u9'") as caught:
            transport.get_avatar("u9", deadline=None)

        assert caught.value.code == "not_found"

    @pytest.mark.parametrize("has", [True, False])
    def test_say_whether_they_have_a_picture(
        self, connection: Connection, sdk: FakeSdk, has: bool
    ) -> None:
        if not has:
            sdk.errors["load_avatar"] = vendor_error("TWImageLoadError")
        user = connection.users.get_user("u1")

        assert user is not None
        assert user.has_avatar() is has


class TestGroups:
    def test_are_asked_for_by_id(self, transport: VendorTransport, sdk: FakeSdk) -> None:
        group = transport.get_group("g1", deadline=None)

        assert group is not None
        assert group.gid == "g1"
        assert given(sdk, "get_group") == {"gid": "g1"}

    def test_come_with_their_members(self, transport: VendorTransport, sdk: FakeSdk) -> None:
        sdk.groups["g1"].members = [sdk.users["u2"]]
        group = transport.get_group("g1", deadline=None)

        assert group is not None
        assert [user.uid for user in group._members or ()] == ["u2"]

    @pytest.mark.parametrize("nothing", [None, False, ()])
    def test_that_are_not_there_are_none(
        self, transport: VendorTransport, sdk: FakeSdk, nothing: object
    ) -> None:
        sdk.groups["g1"] = nothing

        assert transport.get_group("g1", deadline=None) is None

    def test_that_are_not_found_are_none(self, transport: VendorTransport, sdk: FakeSdk) -> None:
        sdk.errors["get_group"] = vendor_error("TWNotFoundError")

        assert transport.get_group("g1", deadline=None) is None

    def test_are_given_new_members(self, transport: VendorTransport, sdk: FakeSdk) -> None:
        group = edit(transport, add_users=["u2", "u1"])

        assert given(sdk, "add_members") == {"members": [sdk.users["u2"], sdk.users["u1"]]}
        assert [user.uid for user in group._members] == ["u2", "u1"]
        assert sdk.writes == ["add_members"]

    def test_lose_members(self, transport: VendorTransport, sdk: FakeSdk) -> None:
        sdk.groups["g1"].members = [sdk.users["u1"], sdk.users["u2"]]
        group = edit(transport, remove_users=["u1"])

        assert given(sdk, "remove_members") == {"members": [sdk.users["u1"]]}
        assert [user.uid for user in group._members] == ["u2"]
        assert sdk.writes == ["remove_members"]

    @pytest.mark.parametrize("error", [None, vendor_error("TWNotFoundError")])
    def test_that_are_gone_are_not_changed(
        self, transport: VendorTransport, sdk: FakeSdk, error: Any
    ) -> None:
        sdk.groups.clear()
        if error is not None:
            sdk.errors["get_group"] = error
        with pytest.raises(TWNotFoundError, match="no group 'g1'") as caught:
            edit(transport, add_users=["u1"])

        assert caught.value.code == "not_found"
        assert sdk.writes == []

    @pytest.mark.parametrize("change", ["add_users", "remove_users"])
    def test_are_not_changed_where_users_are_missing(
        self, transport: VendorTransport, sdk: FakeSdk, change: str
    ) -> None:
        with pytest.raises(TWInvalidMembersError) as caught:
            edit(transport, **{change: ["u1", "u8", "u9"]})

        assert caught.value.user_ids == ("u8", "u9")
        assert sdk.writes == []

    def test_may_have_been_changed_when_they_cannot_be_read_again(
        self, transport: VendorTransport, sdk: FakeSdk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def vanish(members: Any) -> None:
            sdk.groups.clear()

        monkeypatch.setattr(sdk.groups["g1"], "add_members", vanish)
        with pytest.raises(TWDeliveryUnknownError, match=r"groups\.get_group\(gid\)"):
            edit(transport, add_users=["u1"])

    @pytest.mark.parametrize("name", ["TWNotFoundError", "TWAuthError", "TWServerError"])
    def test_were_changed_when_only_reading_them_again_is_refused(
        self,
        transport: VendorTransport,
        sdk: FakeSdk,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
    ) -> None:
        async def vanish(members: Any) -> None:
            sdk.errors["get_group"] = vendor_error(name, "no")

        monkeypatch.setattr(sdk.groups["g1"], "remove_members", vanish)
        with pytest.raises(TWDeliveryUnknownError, match="it was changed") as caught:
            edit(transport, remove_users=["u1"])

        assert caught.value.cause == f"{name}: no"
        assert caught.value.__context__ is None

    def test_are_changed_in_each_version(self, real: Connection, box: Sandbox) -> None:
        group = real.groups.get_group(BOT_LIST)
        assert group is not None
        group.add_members([KNOWN_USER])
        with box.connect() as http:
            mine = http.groups.get_group(BOT_LIST)
            assert mine is not None
            added = mine.is_member(KNOWN_USER)
        group.remove_members([KNOWN_USER])
        with box.connect() as http:
            mine = http.groups.get_group(BOT_LIST)
            assert mine is not None

            assert added
            assert not mine.is_member(KNOWN_USER)

    def test_of_others_are_not_changed(self, real: Connection) -> None:
        group = real.groups.get_group(FIRST_LIST)
        assert group is not None

        with pytest.raises(TWAuthError):
            group.add_members([KNOWN_USER])


CALLS: dict[str, Any] = {
    "get_subscriptions": lambda transport: list(
        transport.iter_chat_pages(validator=None, deadline=None)
    ),
    "get_user": lambda transport: transport.get_user("u1", deadline=None),
    "get_group": lambda transport: transport.get_group("g1", deadline=None),
    "load_avatar": lambda transport: transport.get_avatar("u1", deadline=None),
    "create_chat": create,
    "get_by_thread_id": post,
    "post": post,
    "add_members": lambda transport: edit(transport, add_users=["u1"]),
}


def refused(call: Any, transport: VendorTransport, told: list[bool]) -> str:
    """Whether the Connection was told that *call* was refused."""
    told.clear()
    try:
        call(transport)
    except TWAuthError:
        return "told" if told else "not told"
    return "not refused"


class TestUnauthorized:
    @pytest.fixture
    def told(self, transport: VendorTransport) -> list[bool]:
        """Has something in it when the Connection was told."""
        told: list[bool] = []
        transport.on_unauthorized = lambda: told.append(True)
        return told

    def test_a_refused_login_is_told(
        self, transport: VendorTransport, sdk: FakeSdk, told: list[bool]
    ) -> None:
        sdk.errors["enter"] = vendor_error("TWAuthError")

        assert [
            name for name, call in CALLS.items() if refused(call, transport, told) != "told"
        ] == []

    def test_a_refused_listing_is_told(
        self, transport: VendorTransport, sdk: FakeSdk, told: list[bool]
    ) -> None:
        sdk.errors["get_subscriptions"] = vendor_error("TWAuthError")
        with pytest.raises(TWAuthError):
            CALLS["get_subscriptions"](transport)

        assert told

    def test_what_the_bot_may_not_do_is_not_told(
        self, transport: VendorTransport, sdk: FakeSdk, told: list[bool]
    ) -> None:
        wrong = []
        for name in set(CALLS) - {"get_subscriptions"}:
            sdk.errors = {name: vendor_error("TWAuthError")}
            if refused(CALLS[name], transport, told) != "not told":
                wrong.append(name)

        assert wrong == []

    @pytest.mark.parametrize("name", ["TWConnectionError", "TWServerError", "TWNotFoundError"])
    @pytest.mark.parametrize("call", ["enter", "get_subscriptions"])
    def test_other_failures_are_not_told(
        self, transport: VendorTransport, sdk: FakeSdk, told: list[bool], call: str, name: str
    ) -> None:
        sdk.errors[call] = vendor_error(name)
        with pytest.raises(Exception, match=name):
            CALLS["get_subscriptions"](transport)

        assert not told

    def test_after_it_nothing_stale_is_served(self, sdk: FakeSdk, clock: Clock) -> None:
        config = ConnectionConfig(stale_if_error=1000)
        with Connection.from_vendor(sdk.connect, config=config, clock=clock) as connection:
            connection.chats.get_subscriptions()
            clock.advance(300)
            sdk.errors["get_subscriptions"] = vendor_error("TWAuthError")
            with pytest.raises(TWAuthError):
                connection.chats.get_subscriptions()
            sdk.errors["get_subscriptions"] = vendor_error("TWConnectionError")
            clock.advance(10)

            with pytest.raises(Exception, match="TWConnectionError"):
                connection.chats.get_subscriptions()

    def test_by_itself_it_tells_nobody(self, transport: VendorTransport, sdk: FakeSdk) -> None:
        sdk.errors["enter"] = vendor_error("TWAuthError")

        with pytest.raises(TWAuthError):
            transport.get_user("u1", deadline=None)


class TestMaking:
    def test_needs_what_makes_connections_not_one_of_them(self, sdk: FakeSdk) -> None:
        with pytest.raises(TypeError, match=r"the class .*, not FakeConnection \(an existing con"):
            VendorTransport(sdk.connect())  # type: ignore[arg-type]

    def test_calls_nothing(self, sdk: FakeSdk) -> None:
        VendorTransport(sdk.connect).close()

        assert sdk.calls == []

    @pytest.mark.parametrize("factory", ["teamwire_api", 5, SimpleNamespace()])
    def test_needs_a_factory_that_can_be_called(self, factory: Any) -> None:
        with pytest.raises(TypeError, match=f"must be callable.*not {type(factory).__name__}"):
            VendorTransport(factory)

    @pytest.mark.parametrize(
        ("seconds", "error"),
        [
            ("60", TypeError),
            (None, TypeError),
            (True, TypeError),
            (0, ValueError),
            (-1, ValueError),
        ],
    )
    def test_needs_a_time_to_live_by(
        self, sdk: FakeSdk, seconds: Any, error: type[Exception]
    ) -> None:
        with pytest.raises(error, match="total_timeout"):
            VendorTransport(sdk.connect, total_timeout=seconds)

    def test_a_call_without_a_time_out_has_the_total_one(self, sdk: FakeSdk) -> None:
        transport = VendorTransport(sdk.connect, total_timeout=0.000_001)

        with pytest.raises(TWTimeoutError):
            transport.get_user("u1", deadline=None)
        transport.close()

    def test_cannot_be_pickled(self, transport: VendorTransport) -> None:
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="make one in each process"):
                attempt(transport)

    def test_shows_what_it_is(self, transport: VendorTransport, connection: Connection) -> None:
        assert repr(transport) == "<VendorTransport>"
        assert repr(connection) == "<Connection open, <VendorTransport>>"


class TestFromVendor:
    def test_works_by_the_vendors_sdk(self, sdk: FakeSdk) -> None:
        with Connection.from_vendor(sdk.connect) as connection:
            assert [chat.tid for chat in connection.chats.get_subscriptions()] == ["t1"]

    @pytest.mark.parametrize("config", [5, {"total_timeout": 5}])
    def test_needs_a_config_that_is_one(self, sdk: FakeSdk, config: Any) -> None:
        with pytest.raises(TypeError, match="config must be a ConnectionConfig"):
            Connection.from_vendor(sdk.connect, config=config)

    def test_tells_the_vendors_config_from_its_own(self, sdk: FakeSdk, vendor: Vendor) -> None:
        with pytest.raises(
            TypeError, match=r"not teamwire_api\.\S*ConnectionConfig: use teamwire_sync"
        ):
            Connection.from_vendor(sdk.connect, config=vendor.package.ConnectionConfig())

    def test_takes_the_total_timeout_of_the_config(self, sdk: FakeSdk) -> None:
        config = ConnectionConfig(total_timeout=0.000_001)

        connection = Connection.from_vendor(sdk.connect, config=config)
        with connection, pytest.raises(TWTimeoutError):
            connection.users.get_user("u1")

    def test_takes_the_clock(self, sdk: FakeSdk, clock: Clock) -> None:
        with Connection.from_vendor(sdk.connect, clock=clock) as connection:
            connection.chats.get_subscriptions()
            clock.advance(300)
            connection.chats.get_subscriptions()

        assert sdk.calls.count("get_subscriptions") == 2

    def test_needs_a_factory_that_can_be_called(self) -> None:
        with pytest.raises(TypeError, match="connection_factory"):
            Connection.from_vendor("teamwire_api")  # type: ignore[arg-type]

    def test_makes_the_vendors_connection_when_none_is_given(self, vendor: Vendor) -> None:
        with Connection.from_vendor() as connection:
            assert connection.chats.get_by_thread_id(KNOWN_CHAT) is not None

        assert vendor.calls["enter"] == 1


class TestMissingPackage:
    @pytest.fixture(autouse=True)
    def _no_package(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "teamwire_api", raising=False)

    def refusal(self) -> TWConfigError:
        with pytest.raises(TWConfigError) as caught:
            Connection.from_vendor()
        sys.modules.pop("teamwire_api", None)
        return caught.value

    def test_is_said_with_where_it_comes_from(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "teamwire_api", None)
        text = str(self.refusal())

        assert "not from PyPI: see https://sdk.teamwire.eu" in text
        assert sys.executable in text

    def test_is_said_when_it_is_not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "teamwire_api", None)

        assert str(self.refusal()).startswith("the vendor's SDK is not installed: ")

    @pytest.mark.parametrize(
        ("code", "why"),
        [
            ("import no_such_package", "No module named 'no_such_package'"),
            ("", "module 'teamwire_api' has no attribute 'Connection'"),
            ("raise ImportError('too old')", "ImportError: too old"),
            ("import asyncio; asyncio.no_such_thing", "no_such_thing"),
            ("async = 5", "SyntaxError"),
            ("raise RuntimeError('secret=S3cr3t')", "RuntimeError: secret=***"),
        ],
    )
    def test_is_said_with_why_it_cannot_be_imported(
        self, tmp_path: Path, code: str, why: str
    ) -> None:
        (tmp_path / "teamwire_api.py").write_text(code)
        error = self.refusal()

        assert "can't be imported (" in str(error)
        assert why in str(error)

    def test_is_chained_to_no_other_error(self, tmp_path: Path) -> None:
        (tmp_path / "teamwire_api.py").write_text("raise ImportError")
        error = self.refusal()

        assert error.__cause__ is None
        assert error.__context__ is None

    def test_is_not_asked_for_by_who_gives_a_factory(
        self, sdk: FakeSdk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "teamwire_api", ModuleType("teamwire_api"))

        with Connection.from_vendor(sdk.connect) as connection:
            assert connection.users.get_user("u1") is not None

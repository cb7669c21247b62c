"""The vendor's objects as our models, whatever a version of its SDK has or lacks."""

from __future__ import annotations

import time
from enum import Enum
from itertools import product
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import AlertType, Bot, Chat, ChatType, Group, LoggedInUser, User
from teamwire_sync._sandbox.world.seed import BOT_LIST, KNOWN_CHAT, KNOWN_USER, PUBLIC_CIRCLE
from teamwire_sync._transport import MessageDraft
from teamwire_sync._vendor import VendorTransport
from teamwire_sync._vendor.models import Converter
from teamwire_sync.exceptions import TWProtocolError
from tests.support.builders import make_chat
from tests.support.fake_sdk import AlertType as TheirAlertType

if TYPE_CHECKING:
    from teamwire_sync import Message
    from teamwire_sync.testing import Sandbox
    from tests.vendor.conftest import Vendor

MISSING: Any = object()
# What theirs has, and what ours then has; None stands for the default.
FLAGS = [(MISSING, None), (None, None), (True, True), (False, False), (1, True), (0, False)]
TEXTS = [(MISSING, ""), (None, ""), ("", ""), ("Ada", "Ada"), (5, "5")]


class TheirChatType(Enum):
    ONE_TO_ONE = 7
    GROUP = 8
    CHANNEL = 9


class TheirTextType(str, Enum):
    ONE_TO_ONE = "1:1"


def theirs(**attributes: Any) -> Any:
    """An object of theirs that has these."""
    given = {name: value for name, value in attributes.items() if value is not MISSING}
    return SimpleNamespace(**given)


def their_user(uid: Any = "u1", **attributes: Any) -> Any:
    return theirs(uid=uid, **attributes)


def their_group(gid: Any = "g1", **attributes: Any) -> Any:
    return theirs(gid=gid, **attributes)


def own_user(uid: str = "bot") -> Any:
    """The bot itself, of a class below the one that is documented."""
    documented = type("LoggedInUser", (SimpleNamespace,), {})
    return type("More", (documented,), {})(uid=uid)


def chat_of(**attributes: Any) -> Chat:
    return Converter().chat(theirs(**{"tid": "t1", **attributes}))


def user_of(**attributes: Any) -> User:
    return Converter().user(their_user(**attributes))


def group_of(**attributes: Any) -> Group:
    return Converter().group(their_group(**attributes))


def wrong(
    convert: Callable[..., Any], name: str, table: list[tuple[Any, Any]], default: Any = None
) -> list[tuple[Any, ...]]:
    """The rows of *table* that ours does not have so, with what it has."""
    found = []
    for given, expected in table:
        got = getattr(convert(**{name: given}), name)
        if got is not (default if expected is None else expected) and (
            not isinstance(expected, str) or got != expected
        ):
            found.append((name, given, got))
    return found


class TestHalfEmoji:
    """The SDK passes on what other programs cut in the middle of an emoji."""

    def test_texts_are_printable(self) -> None:
        half, whole = "\ud83d half", "\ufffd half"
        user = their_user(half, first_name=half, last_name=half, organisation=half)
        group = their_group(half, title=half)
        chat = chat_of(tid=half, title=half, type=half, users=[user], circles=[group])

        ours = (chat.tid, chat.title, chat.type, chat.users[0].uid, chat.users[0].first_name)
        assert ours == (whole,) * 5
        assert (chat.users[0].last_name, chat.users[0].organisation) == (whole, whole)
        assert (chat.groups[0].gid, chat.groups[0].title) == (whole, whole)

    def test_a_pair_in_two_halves_is_an_emoji(self) -> None:
        assert chat_of(title="\ud83d\ude00").title == "😀"

    @pytest.mark.parametrize("answer", ["\ud83d", theirs(mid="\ud83d")], ids=["id", "message"])
    def test_ids_of_messages_are_printable(self, answer: Any) -> None:
        message = Converter().message(answer, make_chat(), MessageDraft("x"))

        assert message.mid == "\ufffd"

    @pytest.mark.parametrize("organisation", [theirs(name="\ud83d"), theirs(title="\ud83d")])
    def test_names_of_organisations_are_printable(self, organisation: Any) -> None:
        assert user_of(organisation=organisation).organisation == "\ufffd"


class TestChat:
    def test_with_nothing_but_an_id_has_what_is_documented_as_default(self) -> None:
        assert chat_of() == Chat("t1", None)

    def test_title(self) -> None:
        table = [(MISSING, None), (None, None), ("", ""), ("test", "test"), (5, "5")]

        assert wrong(chat_of, "title", table) == []

    @pytest.mark.parametrize(
        ("name", "default"),
        [
            ("is_alert", False),
            ("allow_sending", True),
            ("allow_mute_notifications", True),
            ("is_closed", False),
        ],
    )
    def test_flags(self, name: str, default: bool) -> None:
        assert wrong(chat_of, name, FLAGS, default) == []

    def test_type(self) -> None:
        table = [
            (MISSING, ChatType.GROUP),
            (None, ChatType.GROUP),
            (TheirChatType.ONE_TO_ONE, ChatType.ONE_TO_ONE),
            (TheirChatType.GROUP, ChatType.GROUP),
            (TheirTextType.ONE_TO_ONE, ChatType.ONE_TO_ONE),
            ("one_to_one", ChatType.ONE_TO_ONE),
            ("GROUP", ChatType.GROUP),
        ]

        assert [given for given, kind in table if chat_of(type=given).type is not kind] == []

    @pytest.mark.parametrize("value", [TheirChatType.CHANNEL, "channel"])
    def test_a_type_that_is_not_known_is_kept_by_its_name(self, value: Any) -> None:
        assert chat_of(type=value).type == "channel"
        assert isinstance(chat_of(type=value).type, ChatType)

    def test_without_members_has_none(self) -> None:
        rows = product(["users", "circles", "lists", "admins"], [MISSING, None, (), 5])

        assert [
            (name, value) for name, value in rows if chat_of(**{name: value}) != Chat("t1", None)
        ] == []

    @pytest.mark.parametrize("kind", [list, tuple, iter])
    def test_members_may_come_in_any_row(self, kind: Any) -> None:
        chat = chat_of(users=kind([their_user("u2"), their_user("u1")]))

        assert [user.uid for user in chat.users] == ["u2", "u1"]

    def test_the_admins_are_users(self) -> None:
        assert chat_of(admins=[their_user(first_name="Ada")]).admins == (User("u1", "Ada", ""),)

    def test_circles_and_lists_are_groups(self) -> None:
        chat = chat_of(circles=[their_group("c")], lists=[their_group("l", is_list=True)])

        assert [group.gid for group in chat.circles] == ["c"]
        assert [group.gid for group in chat.lists] == ["l"]

    def test_the_bot_itself_is_no_user_of_it(self) -> None:
        assert chat_of(users=[own_user(), their_user()]).users == (User("u1", "", ""),)

    def test_the_bot_itself_is_an_admin_of_it(self) -> None:
        (admin,) = chat_of(admins=[own_user()]).admins

        assert type(admin) is LoggedInUser
        assert admin.uid == "bot"

    def test_its_groups_are_without_members(self) -> None:
        chat = chat_of(circles=[their_group(members=[their_user()])])

        assert chat.groups[0]._members is None


class TestUser:
    def test_with_nothing_but_an_id_has_empty_names(self) -> None:
        assert user_of() == User("u1", "", "", organisation=None, is_bot=False)

    @pytest.mark.parametrize("name", ["first_name", "last_name"])
    def test_names(self, name: str) -> None:
        assert wrong(user_of, name, TEXTS) == []

    def test_is_bot(self) -> None:
        assert wrong(user_of, "is_bot", FLAGS, default=False) == []

    @pytest.mark.parametrize(("is_bot", "kind"), [(True, Bot), (False, User), (MISSING, User)])
    def test_a_bot_is_a_bot(self, is_bot: Any, kind: type[User]) -> None:
        assert type(user_of(is_bot=is_bot)) is kind

    @pytest.mark.parametrize("name", ["Bot", "LoggedInUser"])
    def test_where_is_bot_is_missing_the_class_says_it(self, name: str) -> None:
        """Of the vendor's classes, Bot and what is below it are bots."""
        bot = type("Bot", (SimpleNamespace,), {})
        kind = bot if name == "Bot" else type(name, (bot,), {})

        assert Converter().user(kind(uid="b1")).is_bot

    def test_the_bot_itself_is_the_logged_in_user(self) -> None:
        assert type(Converter().user(own_user())) is LoggedInUser

    def test_organisation(self) -> None:
        table = [
            (MISSING, MISSING, None),
            (None, None, None),
            ("St. Mary", MISSING, "St. Mary"),
            ("", "older", ""),
            (theirs(name="St. Mary"), "older", "St. Mary"),
            (theirs(title="St. Mary"), "older", "St. Mary"),
            (theirs(name=None, title="St. Mary"), "older", "St. Mary"),
            (theirs(id=5), MISSING, None),
            (MISSING, "older", "older"),
            (None, "older", "older"),
            (MISSING, 5, "5"),
        ]

        assert [
            (organisation, older)
            for organisation, older, name in table
            if user_of(organisation=organisation, org_name=older).organisation != name
        ] == []

    def test_that_it_has_a_picture_is_not_said(self) -> None:
        assert user_of()._has_avatar is None


class TestGroup:
    def test_with_nothing_but_an_id_is_a_circle(self) -> None:
        assert group_of() == Group("g1", "", owner=None, is_circle=True, is_list=False)

    def test_title(self) -> None:
        assert wrong(group_of, "title", TEXTS) == []

    @pytest.mark.parametrize("name", ["is_list", "is_public"])
    def test_flags(self, name: str) -> None:
        assert wrong(group_of, name, FLAGS, default=False) == []

    def test_is_a_circle_where_it_is_no_list(self) -> None:
        table = [
            (MISSING, MISSING, True),
            (None, None, True),
            (MISSING, False, True),
            (MISSING, True, False),
            (None, True, False),
            (True, True, True),
            (False, False, False),
        ]

        assert [
            (is_circle, is_list)
            for is_circle, is_list, circle in table
            if group_of(is_circle=is_circle, is_list=is_list).is_circle is not circle
        ] == []

    @pytest.mark.parametrize("value", [MISSING, None])
    def test_may_have_no_owner(self, value: Any) -> None:
        assert group_of(owner=value).owner is None

    def test_has_an_owner(self) -> None:
        assert group_of(owner=their_user("u9")).owner == User("u9", "", "")


class TestWholeGroup:
    @pytest.mark.parametrize(
        "has",
        [
            {"members": [their_user()]},
            {"get_members": lambda: [their_user()]},
            {"members": None, "get_members": lambda: [their_user()]},
            {"members": (their_user(),), "get_members": list},
        ],
    )
    def test_has_its_members(self, has: dict[str, Any]) -> None:
        group = Converter().whole_group(their_group(**has))

        assert group._members == (User("u1", "", ""),)

    @pytest.mark.parametrize(
        "has", [{}, {"members": None}, {"get_members": 5}, {"get_members": lambda: None}]
    )
    def test_does_not_know_those_that_are_not_told(self, has: dict[str, Any]) -> None:
        assert Converter().whole_group(their_group(**has))._members is None

    def test_may_have_none(self) -> None:
        assert Converter().whole_group(their_group(members=[]))._members == ()

    def test_has_the_bot_among_its_members(self) -> None:
        group = Converter().whole_group(their_group(members=[own_user()]))

        assert [user.uid for user in group._members or ()] == ["bot"]

    def test_is_the_same_otherwise(self) -> None:
        given = their_group(title="Engines", is_list=True, is_public=True, owner=their_user())

        assert Converter().whole_group(given) == Converter().group(given)


class TestIds:
    @pytest.mark.parametrize(
        ("name", "convert"),
        [
            ("tid", Converter.chat),
            ("uid", Converter.user),
            ("gid", Converter.group),
            ("gid", Converter.whole_group),
        ],
    )
    def test_none_is_a_protocol_error(self, name: str, convert: Any) -> None:
        def text_of_error(value: Any) -> str:
            try:
                convert(Converter(), theirs(**{name: value}))
            except TWProtocolError as error:
                return str(error)
            return ""

        assert [
            value
            for value in (MISSING, None, "", 1.5, b"x", object())
            if f"a SimpleNamespace, which has no valid {name}" not in text_of_error(value)
        ] == []

    def test_an_object_that_is_none_is_a_protocol_error(self) -> None:
        with pytest.raises(TWProtocolError, match="None, which has no valid tid"):
            Converter().chat(None)

    def test_that_of_a_member_is_needed_too(self) -> None:
        with pytest.raises(TWProtocolError, match="has no valid uid"):
            chat_of(users=[theirs(first_name="Ada")])

    def test_a_number_is_its_digits(self) -> None:
        assert group_of(gid=45529).gid == "45529"


class TestListing:
    def test_names_each_user_and_group_once(self) -> None:
        converter = Converter()
        chats = [
            converter.chat(
                theirs(
                    tid=tid,
                    users=[their_user()],
                    admins=[their_user()],
                    circles=[their_group(owner=their_user())],
                )
            )
            for tid in ("t1", "t2")
        ]
        (user,), (group,) = converter.users.values(), converter.groups.values()

        assert all(chat.users[0] is chat.admins[0] is user for chat in chats)
        assert all(chat.groups[0] is group for chat in chats)
        assert group.owner is user

    def test_of_nothing_names_nobody(self) -> None:
        assert (Converter().users, Converter().groups) == ({}, {})


def message_of(posted: Any, **draft: Any) -> Message:
    chat = make_chat()
    return Converter().message(posted, chat, MessageDraft(**{"message": "hello", **draft}))


class TestMessage:
    def test_has_an_id_where_one_is_told(self) -> None:
        table = [
            (None, ""),
            (True, ""),
            (theirs(), ""),
            (theirs(mid=None), ""),
            (theirs(mid="m1"), "m1"),
            (theirs(mid=5), "5"),
            ("m1", "m1"),
        ]

        assert [posted for posted, mid in table if message_of(posted).mid != mid] == []

    def test_is_what_was_posted(self) -> None:
        message = message_of(
            theirs(msg="other", is_alert=False, alert_type=TheirAlertType.ALERT),
            is_alert=True,
            alert_type=AlertType.NOTE,
            reply_to="m0",
            sender_display_name="Ada",
        )

        assert (message.msg, message.is_alert, message.alert_type) == ("hello", True, "note")
        assert (message.reply_to, message.sender_display_name) == ("m0", "Ada")

    def test_is_in_the_chat_it_was_posted_in(self) -> None:
        assert message_of(theirs(chat="other")).chat == make_chat()

    def test_without_a_text_has_none(self) -> None:
        assert message_of(None, message="").msg is None

    def test_is_of_its_author_where_that_is_told(self) -> None:
        assert message_of(theirs(from_user=their_user("u7"))).from_user == User("u7", "", "")

    @pytest.mark.parametrize("posted", [None, theirs(from_user=None)])
    def test_is_of_the_bot_otherwise(self, posted: Any) -> None:
        assert type(message_of(posted).from_user) is LoggedInUser

    def test_an_author_without_an_id_does_not_make_a_post_fail(self) -> None:
        posted = SimpleNamespace(mid="m1", from_user=SimpleNamespace(uid=None))

        assert message_of(posted).mid == "m1"

    def test_has_the_time_that_is_told(self) -> None:
        assert message_of(theirs(timestamp=1_700_000_000_000)).timestamp == 1_700_000_000_000

    @pytest.mark.parametrize("posted", [None, theirs(timestamp=None), theirs(timestamp="noon")])
    def test_has_the_present_time_otherwise(
        self, posted: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_123_999_999)

        assert message_of(posted).timestamp == 1_700_000_000_123


@pytest.mark.parametrize("vendor", ["1.8"], indirect=True)
class TestSandbox:
    @pytest.fixture
    def transport(self, vendor: Vendor) -> Any:
        transport = VendorTransport(vendor.factory)
        yield transport
        transport.close()

    def test_the_chats_are_those_of_http(self, transport: VendorTransport, box: Sandbox) -> None:
        (page,) = transport.iter_chat_pages(validator=None, deadline=None)
        with box.connect() as http:
            expected = list(http.chats.get_subscriptions())

        assert len(expected) == 100
        assert list(page.chats) == expected

    def test_a_user_is_that_of_http(self, transport: VendorTransport, box: Sandbox) -> None:
        with box.connect() as http:
            expected = http.users.get_user(KNOWN_USER)

        assert expected is not None
        assert transport.get_user(KNOWN_USER, deadline=None) == expected

    @pytest.mark.parametrize("gid", [PUBLIC_CIRCLE, BOT_LIST])
    def test_a_group_is_that_of_http(
        self, transport: VendorTransport, box: Sandbox, gid: str
    ) -> None:
        with box.connect() as http:
            expected = http.groups.get_group(gid)
        group = transport.get_group(gid, deadline=None)

        assert group is not None
        assert group == expected
        assert expected is not None
        assert group._members == expected._members

    def test_a_message_is_that_of_http(self, transport: VendorTransport, box: Sandbox) -> None:
        with box.connect() as http:
            chat = http.chats.get_by_thread_id(KNOWN_CHAT)
            assert chat is not None
            posted = transport.post_message(
                chat,
                MessageDraft(
                    message="hello",
                    is_alert=True,
                    alert_type=AlertType.NOTE,
                    sender_display_name="Ada",
                ),
                deadline=None,
            )

            assert chat.get_messages(1) == [posted]

"""The values: equality, hash, repr, pickles and what they do through a service."""

from __future__ import annotations

import copy
import json
import pickle
import weakref
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, Callable

import attrs
import pytest

from teamwire_sync import (
    AlertType,
    AttachmentType,
    Bot,
    CacheInfo,
    CalendarAttachment,
    ChatHandle,
    ChatMemberChangeInfo,
    ChatType,
    Events,
    LinkPreview,
    LocationAttachment,
    LoggedInUser,
    Message,
    NewMessageInfo,
    OtherAttachment,
    TWClosedError,
    User,
)
from teamwire_sync._models.base import attach
from tests.support.builders import (
    make_chat,
    make_event,
    make_file,
    make_group,
    make_message,
    make_user,
    pickled,
)
from tests.support.tables import unlike

NOON = datetime(2024, 2, 29, 12, tzinfo=timezone.utc)
VALUES = {
    "User": make_user(),
    "Bot": Bot("b1", "Robbie", ""),
    "LoggedInUser": LoggedInUser("b1", "Robbie", ""),
    "Group": make_group(owner=make_user(), members=(make_user(), make_user("u2"))),
    "Chat": make_chat(users=(make_user(),), groups=(make_group(),), extra=(("colour", "red"),)),
    "ChatHandle": ChatHandle("t1"),
    "Message": make_message(alert_type=AlertType.NOTE, attachments=(make_file(),)),
    "LinkPreview": LinkPreview("https://example.org", "T", domain="example.org"),
    "FileAttachment": make_file(),
    "CalendarAttachment": CalendarAttachment("Lunch", NOON, NOON, extra=(("colour", "red"),)),
    "LocationAttachment": LocationAttachment("Office", 48.1, 11.5, city="Munich"),
    "OtherAttachment": OtherAttachment(AttachmentType.POLL, (("question", "when?"),)),
    "Event": make_event("brand_new"),
    "NewMessageInfo": make_event("new_message", cls=NewMessageInfo, message=make_message()),
    "ChatMemberChangeInfo": make_event(
        "chat_joined", cls=ChatMemberChangeInfo, users=(make_user(),) * 500, groups=(make_group(),)
    ),
}


class Service:
    """Stands in for Chats or Groups."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def post(
        self, chat: object, message: str, *_: object, timeout: float | None, **__: object
    ) -> Message:
        self.calls.append((chat, message, timeout))
        return make_message(msg=message)

    def get_members(self, gid: str, *, timeout: float | None) -> list[User]:
        self.calls.append((gid, timeout))
        return [make_user("u7")]


def those(is_wrong: Callable[[Any], bool]) -> list[str]:
    """The names of the values that are wrong."""
    return [name for name, value in VALUES.items() if is_wrong(value)]


class TestEach:
    def test_a_pickle_equals_its_original(self) -> None:
        again = {name: pickled(value) for name, value in VALUES.items()}

        assert again == VALUES
        assert [type(value) for value in again.values()] == [type(one) for one in VALUES.values()]

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
    def test_a_copy_equals_its_original(self, copied: Callable[[Any], Any]) -> None:
        assert those(lambda value: copied(value) != value) == []

    def test_equals_nothing_of_another_kind(self) -> None:
        assert those(lambda value: value == "t1" or (value == object()) is not False) == []
        assert those(lambda value: not value != "t1") == []  # noqa: SIM202  its own operator

    def test_equal_ones_have_equal_hashes(self) -> None:
        assert those(lambda value: hash(copy.deepcopy(value)) != hash(value)) == []

    def test_is_frozen(self) -> None:
        rows = [(one, AttributeError, " is read-only") for one in VALUES.values()]

        assert unlike(lambda one: setattr(one, attrs.fields(type(one))[0].name, "x"), rows) == []

    def test_has_no_dict(self) -> None:
        rows = [(one, AttributeError, "") for one in VALUES.values()]

        assert unlike(lambda one: object.__setattr__(one, "surprise", 1), rows) == []

    def test_can_be_weakly_referenced(self) -> None:
        assert those(lambda value: weakref.ref(value)() is not value) == []

    def test_its_repr_is_short(self) -> None:
        assert those(lambda value: len(repr(value)) >= 400) == []


IS_CHANGED_BY = {
    "Chat.title": "set_title()",
    "Chat.allow_sending": "set_allow_sending()",
    "Chat.allow_mute_notifications": "set_allow_mute_notifications()",
    "Chat.is_closed": "set_closed()",
    "Chat.admins": "add_admins() or remove_admins()",
    **dict.fromkeys(
        ("Chat.users", "Chat.groups", "Chat.circles", "Chat.lists", "Group.members"),
        "add_members() or remove_members()",
    ),
    "ChatHandle.title": "set_title()",
}


@pytest.mark.parametrize(
    "value", [*VALUES.values(), CacheInfo()], ids=lambda each: type(each).__name__
)
def test_an_attribute_that_is_set_names_its_method_or_is_read_only(value: Any) -> None:
    kind = type(value).__name__
    names = {name for name in dir(value) if name[0] != "_"}
    names |= {"title"} if kind == "ChatHandle" else set()
    for name in names:
        way = IS_CHANGED_BY.get(f"{kind}.{name}")
        end = f": to change it on the server, call {way}" if way else ""
        for change in (partial(setattr, value, name, "x"), partial(delattr, value, name)):
            with pytest.raises(AttributeError) as caught:
                change()
            assert str(caught.value) == f"{kind}.{name} is read-only{end}"


def test_an_attribute_that_does_not_exist_is_not_called_read_only() -> None:
    with pytest.raises(AttributeError, match=r"^Chat has no attribute 'titel',"):
        make_chat("t1").titel = "x"  # type: ignore[attr-defined]


def test_repr() -> None:
    shown = {
        make_user(): "User(uid='u1', first_name='Ada', last_name='Lovelace')",
        Bot("b", "Robbie", ""): "Bot(uid='b', first_name='Robbie', last_name='')",
        VALUES["Group"]: "Group(gid='g1', title='Engines')",
        VALUES["Chat"]: "Chat(tid='t1', title='test')",
        make_chat(title=None): "Chat(tid='t1', title=None)",
        ChatHandle("t1"): "ChatHandle(tid='t1')",
        make_message(): "Message(mid='m1', msg='hello')",
        make_message(msg=None): "Message(mid='m1', msg=None)",
        VALUES["LinkPreview"]: "LinkPreview(url='https://example.org')",
        make_file(): "FileAttachment(type=<AttachmentType: 'file'>, name='report.pdf', size=3)",
        VALUES["CalendarAttachment"]: (
            f"CalendarAttachment(title='Lunch', startDate={NOON}, endDate={NOON})"
        ),
        VALUES["LocationAttachment"]: "LocationAttachment(name='Office', lat=48.1, lon=11.5)",
        VALUES["OtherAttachment"]: "OtherAttachment(type=<AttachmentType: 'poll'>)",
        VALUES["Event"]: "Event(type=<Events: 'brand_new'>, chat=Chat(tid='t1', title='test'))",
    }

    assert [repr(value) for value in shown] == list(shown.values())


def test_a_long_text_is_cut_in_the_repr_of_a_message() -> None:
    assert len(repr(make_message(msg="x" * 10_000))) < 80


class TestEnums:
    @pytest.mark.parametrize("kind", [ChatType, AlertType, AttachmentType, Events])
    def test_a_value_that_is_not_known_survives(self, kind: Any) -> None:
        assert kind("brand_new").value == "brand_new"
        assert kind("brand_new") == kind("brand_new") == "brand_new"

    @pytest.mark.parametrize("kind", [ChatType, AlertType, AttachmentType, Events])
    def test_a_value_that_is_not_known_is_no_member(self, kind: Any) -> None:
        before = list(kind)
        kind("brand_new")

        assert list(kind) == before

    @pytest.mark.parametrize("text", ["group", "brand_new", ""], ids=repr)
    def test_is_its_text(self, text: str) -> None:
        member = ChatType(text)

        assert (str(member), f"{member}", f"{member:>9}") == (text, text, f"{text:>9}")
        assert json.dumps(member) == json.dumps(text)
        assert {text: 1}[member] == 1

    @pytest.mark.parametrize("text", ["group", "brand_new"])
    def test_survives_a_pickle(self, text: str) -> None:
        protocols = range(pickle.HIGHEST_PROTOCOL + 1)
        again = [pickled(ChatType(text), protocol) for protocol in protocols]

        assert [(type(one), one) for one in again] == [(ChatType, text)] * len(protocols)

    def test_its_repr_has_nothing_that_moves_a_terminal(self) -> None:
        assert repr(Events("\x1b[2J\n")) == r"<Events: '\x1b[2J\n'>"

    def test_known_values_are_the_members(self) -> None:
        assert ChatType("group") is ChatType.GROUP
        assert pickled(ChatType.GROUP) is ChatType.GROUP
        assert copy.deepcopy(AlertType.NOTE) is AlertType.NOTE

    def test_what_is_no_text_is_no_value(self) -> None:
        rows = [(one, ValueError, "is not a valid ChatType") for one in (None, 5, b"group")]

        assert unlike(ChatType, rows) == []


class TestUser:
    def test_full_name(self) -> None:
        names = {("Ada", "Lovelace"): "Ada Lovelace", ("Ada", ""): "Ada", ("", "L"): "L"}
        names[("", "")] = ""

        assert {(a, b): User("u1", a, b).full_name() for a, b in names} == names

    def test_classes_do_not_matter_for_equality(self) -> None:
        assert User("b", "R", "", is_bot=True) == LoggedInUser("b", "R", "", is_bot=True)

    def test_each_field_matters_for_equality(self) -> None:
        changes: list[dict[str, Any]] = [
            {"uid": "x"},
            {"first_name": "x"},
            {"last_name": "x"},
            {"organisation": "x"},
            {"is_bot": True},
            {"extra": (("x", 1),)},
        ]

        assert [change for change in changes if make_user(**change) == make_user()] == []

    def test_the_hash_is_that_of_the_id(self) -> None:
        assert hash(make_user(first_name="x")) == hash(make_user(first_name="y"))

    def test_org_name_is_deprecated(self) -> None:
        user = make_user(organisation="Analytics")

        with pytest.warns(DeprecationWarning, match="now organisation") as caught:
            assert user.org_name == "Analytics"
        assert caught[0].filename == __file__


class TestGroup:
    def test_members_that_are_known_need_no_service(self) -> None:
        group = make_group(members=(make_user(),))

        assert group.members == group.get_members() == [make_user()]

    def test_the_list_of_members_is_the_callers_own(self) -> None:
        group = make_group(members=(make_user(),))
        group.members.clear()

        assert group.members == [make_user()]

    def test_no_members_are_known_members_too(self) -> None:
        assert make_group(members=()).members == []

    def test_members_that_are_not_known_come_from_the_service(self) -> None:
        group, service = make_group(), Service()
        attach([group], service)

        assert group.get_members(timeout=3) == [make_user("u7")]
        assert service.calls == [("g1", 3)]

    def test_without_a_service_it_says_where_to_get_one(self) -> None:
        with pytest.raises(TWClosedError, match=r"this Group belongs to no Connection"):
            make_group().get_members()

    @pytest.mark.parametrize("user", ["u1", make_user()], ids=["id", "object"])
    def test_is_member(self, user: User | str) -> None:
        assert make_group(members=(make_user(), make_user("u2"))).is_member(user)
        assert not make_group(members=(make_user("u2"),)).is_member(user)

    def test_membership_goes_by_id(self) -> None:
        assert make_group(members=(make_user(),)).is_member(make_user(first_name="Renamed"))

    @pytest.mark.parametrize("user", [None, 5, make_group()], ids=["None", "int", "Group"])
    def test_is_member_of_a_wrong_type(self, user: Any) -> None:
        with pytest.raises(TypeError, match=r"^user must be a User or a user id, not "):
            make_group(members=()).is_member(user)

    def test_members_do_not_matter_for_equality(self) -> None:
        """Groups come with chats without them, and are the same groups."""
        assert make_group(members=(make_user(),)) == make_group()

    def test_all_else_matters_for_equality(self) -> None:
        assert make_group(title="x") != make_group()
        assert make_group(extra=(("x", 1),)) != make_group()

    @pytest.mark.parametrize(
        ("old", "new"), [("is_managed_group", "is_circle"), ("is_user_group", "is_list")]
    )
    @pytest.mark.parametrize("value", [True, False])
    def test_the_vendors_old_names(self, old: str, new: str, value: bool) -> None:
        group = make_group(**{new: value})

        with pytest.warns(DeprecationWarning, match=f"now {new}") as caught:
            assert getattr(group, old) is value
        assert caught[0].filename == __file__


class TestChat:
    def test_equality_is_by_content(self) -> None:
        assert make_chat() == make_chat()
        assert make_chat(title="other") != make_chat()
        assert make_chat(extra=(("x", 1),)) != make_chat()

    def test_the_hash_is_by_id_alone(self) -> None:
        assert hash(make_chat(title="other")) == hash(make_chat())

    @pytest.mark.parametrize(
        ("title", "kind", "users", "name"),
        [
            ("test", ChatType.GROUP, (make_user(),), "test"),
            ("test", ChatType.ONE_TO_ONE, (make_user(),), "test"),
            (None, ChatType.ONE_TO_ONE, (make_user(),), "Ada Lovelace"),
            ("", ChatType.ONE_TO_ONE, (make_user(),), "Ada Lovelace"),
            (None, ChatType.ONE_TO_ONE, (make_user(first_name="", last_name=""),), "u1"),
            (None, ChatType.ONE_TO_ONE, (), "no title"),
            (None, ChatType.GROUP, (make_user(),), "no title"),
            ("", ChatType.GROUP, (), "no title"),
        ],
    )
    def test_the_display_name_is_the_title_or_the_person(
        self, title: Any, kind: Any, users: Any, name: str
    ) -> None:
        assert make_chat(title=title, type=kind, users=users).display_name == name

    def test_the_repr_names_the_person_of_a_chat_without_a_title(self) -> None:
        chat = make_chat(title=None, type=ChatType.ONE_TO_ONE, users=(make_user(),))

        assert repr(chat) == "Chat(tid='t1', title=None, display_name='Ada Lovelace')"
        assert repr(make_chat(title="test")) == "Chat(tid='t1', title='test')"

    def test_circles_and_lists_are_among_the_groups(self) -> None:
        circle = make_group("g1", is_circle=True, is_list=False)
        a_list = make_group("g2", is_circle=False, is_list=True)
        neither = make_group("g3", is_circle=False, is_list=False)
        chat = make_chat(groups=(circle, a_list, neither))

        assert (chat.circles, chat.lists) == ((circle,), (a_list,))

    def test_extra_is_a_dict_of_its_own(self) -> None:
        chat = make_chat(extra=(("colour", "red"),))
        chat.extra.clear()

        assert chat.extra == {"colour": "red"}

    def test_equality_and_hash_do_not_see_the_service(self) -> None:
        bound = make_chat()
        attach([bound], Service())

        assert bound == make_chat()
        assert hash(bound) == hash(make_chat())

    def test_repr_and_asdict_do_not_see_the_service(self) -> None:
        bound = make_chat()
        attach([bound], Service())

        assert repr(bound) == repr(make_chat())
        assert attrs.asdict(bound) == attrs.asdict(make_chat())


@pytest.mark.parametrize("chat", [make_chat, lambda: ChatHandle("t1")], ids=["Chat", "ChatHandle"])
class TestPosting:
    def test_goes_through_the_service(self, chat: Any) -> None:
        bound, service = chat(), Service()
        attach([bound], service)

        assert bound.post("hello", timeout=2).msg == "hello"
        assert service.calls == [(bound, "hello", 2)]

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
    def test_a_copy_acts_too(self, chat: Any, copied: Any) -> None:
        bound, service = chat(), Service()
        attach([bound], service)
        copied(bound).post("hello")

        assert len(service.calls) == 1

    def test_a_pickle_does_not(self, chat: Any) -> None:
        bound = chat()
        attach([bound], Service())

        with pytest.raises(TWClosedError, match=r"belongs to no Connection \(it was unpickled"):
            pickled(bound).post("hello")

    def test_one_that_was_made_by_hand_does_not(self, chat: Any) -> None:
        with pytest.raises(TWClosedError, match=r"get it from connection\.chats"):
            chat().post("hello")


class TestMessage:
    def test_the_date_is_aware_and_in_utc(self) -> None:
        message = make_message(timestamp=1_700_000_000_123)

        assert message.tstamp_date == datetime(
            2023, 11, 14, 22, 13, 20, 123_000, tzinfo=timezone.utc
        )
        assert message.tstamp_date.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("timestamp", [-1, 0, 253_402_300_799_999, -62_135_596_800_000])
    def test_the_date_is_exact(self, timestamp: int) -> None:
        epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
        date = make_message(timestamp=timestamp).tstamp_date

        assert (date - epoch) / timedelta(milliseconds=1) == timestamp

    def test_the_hash_is_by_id(self) -> None:
        assert hash(make_message(msg="x")) == hash(make_message(msg="y"))

    def test_equality_is_by_content(self) -> None:
        assert make_message(deleted=True) != make_message()

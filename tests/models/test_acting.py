"""What messages, attachments, users and groups do, and what they need for it."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta, timezone
from typing import Any, Callable

import attrs
import pytest

from teamwire_sync import (
    AlertType,
    CalendarAttachment,
    ChatHandle,
    LinkPreview,
    LocationAttachment,
    MessageReadInfo,
    TWClosedError,
    TWConnectionError,
    TWImageLoadError,
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
from tests.support.repeated_hour import RepeatedHour
from tests.support.tables import unlike

NOON = datetime(2024, 2, 29, 12, tzinfo=timezone.utc)


class Service:
    """Stands in for what acts: takes every call, and answers or fails as it is told."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.calls.append((name, arguments, named))
            if isinstance(self.answer, BaseException):
                raise self.answer
            return self.answer

        return call


def bound(value: Any, answer: Any = None) -> tuple[Any, Service]:
    service = Service(answer)
    attach([value], service)
    return value, service


CHAT_ACTIONS: dict[str, Callable[[Any], Any]] = {
    "post": lambda chat: chat.post("hello"),
    "get_messages": lambda chat: chat.get_messages(),
    "iter_messages": lambda chat: chat.iter_messages(),
    "add_members": lambda chat: chat.add_members(["u1"]),
    "remove_members": lambda chat: chat.remove_members(["u1"]),
    "add_admins": lambda chat: chat.add_admins(["u1"]),
    "remove_admins": lambda chat: chat.remove_admins(["u1"]),
    "leave": lambda chat: chat.leave(),
    "set_title": lambda chat: chat.set_title("x"),
    "set_allow_sending": lambda chat: chat.set_allow_sending(False),
    "set_allow_mute_notifications": lambda chat: chat.set_allow_mute_notifications(False),
    "set_closed": lambda chat: chat.set_closed(True),
}
ACTIONS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    **{f"Chat.{name}": (make_chat(), call) for name, call in CHAT_ACTIONS.items()},
    **{f"ChatHandle.{name}": (ChatHandle("t1"), call) for name, call in CHAT_ACTIONS.items()},
    "User.load_avatar": (make_user(), lambda user: user.load_avatar()),
    "User.has_avatar": (make_user(), lambda user: user.has_avatar()),
    "Group.get_members": (make_group(), lambda group: group.get_members()),
    "Group.is_member": (make_group(), lambda group: group.is_member("u1")),
    "Group.add_members": (make_group(), lambda group: group.add_members(["u1"])),
    "Group.remove_members": (make_group(), lambda group: group.remove_members(["u1"])),
    "FileAttachment.download": (make_file(), lambda file: file.download("x")),
    "Message.reply": (make_message(), lambda message: message.reply("x")),
}


def refusals(given: Callable[[Any], Any], text: str) -> list[str]:
    """Which actions are not refused of what *given* makes, and what they do instead."""
    rows = [(name, TWClosedError, text.format(named(name))) for name in ACTIONS]
    return unlike(lambda name: ACTIONS[name][1](given(ACTIONS[name][0])), rows)


def named(action: str) -> str:
    return action.partition(".")[0].replace("Message", "Chat")


class TestUnbound:
    def test_one_made_by_hand_says_where_to_get_one(self) -> None:
        assert refusals(copy.copy, r"belongs to no Connection .* get it from conn") == []

    def test_a_pickle_does_not_act(self) -> None:
        assert refusals(pickled, r"belongs to no Connection") == []

    def test_its_class_is_named(self) -> None:
        assert refusals(lambda value: value, r"^this {} belongs") == []


class TestChat:
    @pytest.mark.parametrize("make", [make_chat, lambda: ChatHandle("t1")], ids=["Chat", "Handle"])
    def test_gives_what_the_service_gives(self, make: Callable[[], Any]) -> None:
        wrong = []
        for name, act in CHAT_ACTIONS.items():
            answer = object()
            chat, service = bound(make(), answer)
            given = act(chat)
            ((_, arguments, _),) = service.calls
            if arguments[0] is not chat or given is not (None if name == "leave" else answer):
                wrong.append(name)

        assert wrong == []

    def test_passes_its_timeout_on(self) -> None:
        chat, service = bound(make_chat())
        arguments = {
            "add_admins": [["u1"]],
            "remove_admins": [["u1"]],
            "set_title": ["x"],
            **{key: [True] for key in CHAT_ACTIONS if key.startswith(("set_allow", "set_closed"))},
        }
        for name in CHAT_ACTIONS:
            getattr(chat, name)(*arguments.get(name, []), timeout=7)

        assert [call for call in service.calls if call[2]["timeout"] != 7] == []
        assert len(service.calls) == len(CHAT_ACTIONS)

    def test_post_takes_the_vendors_arguments_by_position(self) -> None:
        chat, service = bound(make_chat())
        chat.post("hello", ["a"], True, "m1", "Ada", AlertType.NOTE)

        ((_, arguments, named),) = service.calls
        assert arguments == (chat, "hello", ["a"])
        assert named == {
            "is_alert": True,
            "reply_to": "m1",
            "sender_display_name": "Ada",
            "alert_type": AlertType.NOTE,
            "progress": None,
            "timeout": None,
        }


class TestMessage:
    def test_each_field_matters_for_equality(self) -> None:
        changes: list[dict[str, Any]] = [
            {"chat": make_chat("t2")},
            {"mid": "x"},
            {"from_user": make_user("x")},
            {"timestamp": 0},
            {"msg": None},
            {"is_alert": True},
            {"alert_type": AlertType.ALERT},
            {"reply_to": "m0"},
            {"sender_display_name": "x"},
            {"deleted": True},
            {"attachments": (make_file(),)},
            {"link_preview": LinkPreview("https://example.org")},
            {"extra": (("x", 1),)},
        ]

        assert [one for one in changes if make_message(**one) == make_message()] == []
        assert [
            one for one in changes if make_message(**one) != make_message(**copy.deepcopy(one))
        ] == []

    def test_without_attachments_it_has_none(self) -> None:
        assert make_message().attachments is None

    def test_its_attachments_are_a_list_of_the_callers_own(self) -> None:
        message = make_message(attachments=(make_file(),))
        message.attachments.clear()

        assert message.attachments == [make_file()]

    def test_evolve_keeps_all_else(self) -> None:
        message = make_message(
            attachments=(make_file(),), link_preview=LinkPreview("u"), extra=(("x", 1),)
        )

        assert attrs.evolve(attrs.evolve(message, msg="other"), msg=message.msg) == message

    def test_a_pickle_has_all_of_it(self) -> None:
        message = make_message(
            chat=ChatHandle("t1"), attachments=(make_file(),), link_preview=LinkPreview("u")
        )
        again = pickled(message)

        assert (again.chat, again.attachments, again.link_preview) == (
            message.chat,
            message.attachments,
            message.link_preview,
        )

    def test_a_reply_is_posted_in_its_chat_and_names_it(self) -> None:
        answer = make_message("m2")
        chat, service = bound(make_chat(), answer)
        message = make_message(chat=chat)

        assert message.reply("why?", [make_file()], is_alert=True, timeout=3) is answer
        ((name, arguments, named),) = service.calls
        assert (name, arguments) == ("post", (chat, "why?", [make_file()]))
        assert named["reply_to"] is message
        assert (named["is_alert"], named["timeout"]) == (True, 3)

    def test_a_reply_to_one_that_was_got_by_a_handle(self) -> None:
        handle, service = bound(ChatHandle("t1"))
        make_message(chat=handle).reply("why?")

        assert service.calls[0][1][0] is handle

    def test_a_reply_answers_this_message_and_no_other(self) -> None:
        with pytest.raises(TypeError, match="reply_to"):
            make_message().reply("x", reply_to="m9")


class TestAttachments:
    def test_each_field_of_a_file_matters_for_equality(self) -> None:
        changes: list[dict[str, Any]] = [
            {"aid": "x"},
            {"name": "x"},
            {"size": 9},
            {"content_type": "x/y"},
            {"type": "video"},
        ]

        assert [change for change in changes if make_file(**change) == make_file()] == []

    def test_those_of_different_kinds_are_never_equal(self) -> None:
        entry = CalendarAttachment("Office", NOON, NOON)

        assert entry != LocationAttachment("Office", 1, 2)

    def test_the_same_moment_elsewhere_is_the_same(self) -> None:
        there = NOON.astimezone(timezone(timedelta(hours=5)))

        assert CalendarAttachment("x", NOON, NOON) == CalendarAttachment("x", there, there)

    def test_the_two_times_of_a_repeated_hour_differ(self) -> None:
        first = datetime(2025, 10, 26, 2, 30, tzinfo=RepeatedHour())
        second = first.replace(fold=1)

        assert CalendarAttachment("x", first, first) != CalendarAttachment("x", first, second)

    def test_an_instant_of_a_repeated_hour_is_the_same_in_each_zone(self) -> None:
        here = datetime(2025, 10, 26, 2, 30, fold=1, tzinfo=RepeatedHour())
        ours, theirs = here, here.astimezone(timezone.utc)
        entries = {CalendarAttachment("x", each, each) for each in (ours, theirs)}

        assert len(entries) == 1

    def test_a_download_goes_through_the_service(self) -> None:
        file, service = bound(make_file(), "path")

        assert file.download("folder", progress=print, timeout=4) == "path"
        assert service.calls == [("download", (file, "folder"), {"progress": print, "timeout": 4})]


class TestEvents:
    def test_the_date_is_aware_and_in_utc(self) -> None:
        event = make_event("chat_created", timestamp=1_700_000_000_123)

        assert event.date == datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=timezone.utc)
        assert event.date.utcoffset() == timedelta(0)

    def test_equality_is_by_content_and_the_hash_by_the_cursor(self) -> None:
        event = make_event("message_read", cls=MessageReadInfo, user=make_user(), message_id="m1")
        other = attrs.evolve(event, message_id="m2")

        assert event == attrs.evolve(event)
        assert event != other
        assert hash(event) == hash(other)

    def test_the_class_matters_for_equality(self) -> None:
        fields = {"user": make_user(), "message_id": "m1"}

        assert make_event("message_read", cls=MessageReadInfo, **fields) != make_event(
            "message_read"
        )


class TestAvatar:
    @pytest.mark.parametrize("known", [True, False])
    def test_what_came_with_the_user_needs_no_request(self, known: bool) -> None:
        assert make_user(has_avatar=known).has_avatar() is known

    def test_what_did_not_come_is_found_out(self) -> None:
        user, service = bound(make_user(), b"picture")

        assert user.has_avatar(timeout=2) is True
        assert service.calls == [("load_avatar", ("u1",), {"timeout": 2})]

    def test_none_is_found_out_too(self) -> None:
        user, _ = bound(make_user(), TWImageLoadError("none is set"))

        assert user.has_avatar() is False

    def test_that_it_can_not_be_found_out_is_raised(self) -> None:
        user, _ = bound(make_user(), TWConnectionError("down"))

        with pytest.raises(TWConnectionError):
            user.has_avatar()

    def test_loading_gives_the_bytes(self) -> None:
        user, service = bound(make_user(), b"picture")

        assert user.load_avatar(timeout=2) == b"picture"
        assert service.calls == [("load_avatar", ("u1",), {"timeout": 2})]

    def test_whether_there_is_one_does_not_matter_for_equality(self) -> None:
        """It is no part of who somebody is, and pages of different ages may differ in it."""
        assert make_user(has_avatar=True) == make_user(has_avatar=False)


class TestGroup:
    @pytest.mark.parametrize(
        ("action", "how"), [("add_members", "add"), ("remove_members", "remove")]
    )
    def test_editing_goes_through_the_service(self, action: str, how: str) -> None:
        changed = make_group(members=(make_user(),))
        group, service = bound(make_group(), changed)

        assert getattr(group, action)(["u1"], timeout=5) is changed
        assert service.calls == [("edit_members", ("g1",), {how: ["u1"], "timeout": 5})]

    def test_the_group_stays_as_it_was(self) -> None:
        group, _ = bound(make_group(members=()), make_group(members=(make_user(),)))
        group.add_members(["u1"])

        assert group.members == []

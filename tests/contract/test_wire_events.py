"""Events: from JSON, each kind into its class."""

from __future__ import annotations

from typing import Any

import pytest

from teamwire_sync import (
    ChatAdminsChangeInfo,
    ChatChangeInfo,
    ChatMemberChangeInfo,
    Event,
    Events,
    MessageDeletedInfo,
    MessageReadInfo,
    NewMessageInfo,
    TWProtocolError,
)
from teamwire_sync._http.contract import decode_events
from tests.support.builders import (
    chat_doc,
    event_doc,
    events_doc,
    every_event,
    file_doc,
    group_doc,
    make_chat,
    make_file,
    make_group,
    make_user,
    message_doc,
    user_doc,
)

BESIDE: dict[str, Any] = {
    "chats": [chat_doc(user_ids=["u1"])],
    "users": [user_doc("u1"), user_doc("u2")],
    "groups": [group_doc("g1")],
}
CHAT = make_chat(users=(make_user(),))
CLASSES = {
    "new_message": NewMessageInfo,
    "message_read": MessageReadInfo,
    "message_deleted": MessageDeletedInfo,
    "chat_joined": ChatMemberChangeInfo,
    "chat_left": ChatMemberChangeInfo,
    "chat_deleted": ChatMemberChangeInfo,
    "chat_admins_changed": ChatAdminsChangeInfo,
}


each_kind = pytest.mark.parametrize("raw", every_event().values(), ids=every_event())


def decoded(raw: dict[str, Any]) -> Any:
    (found,) = decode_events(events_doc(raw, **BESIDE)).events
    return found


def event(kind: str, **fields: Any) -> Any:
    return decoded(event_doc(kind, **fields))


class TestPage:
    def test_has_the_events_in_their_order_and_the_next_cursor(self) -> None:
        given = [event_doc("message_deleted", f"c{n}", message_id=f"m{n}") for n in range(3)]
        page = decode_events(events_doc(*given, cursor="c9"))

        assert [each.message_id for each in page.events] == ["m0", "m1", "m2"]
        assert [each.cursor for each in page.events] == ["c0", "c1", "c2"]
        assert page.cursor == "c9"

    def test_may_have_none(self) -> None:
        page = decode_events(events_doc(chats=[], users=[], cursor="c5"))

        assert (list(page.events), page.cursor) == ([], "c5")

    def test_has_the_users_and_groups_that_are_to_act(self) -> None:
        page = decode_events(events_doc(**BESIDE))

        assert (page.users, page.groups) == (
            [make_user(), make_user("u2")],
            [make_group(is_public=True)],
        )

    def test_two_events_in_a_chat_have_one_object_for_it(self) -> None:
        given = [event_doc("message_deleted", f"c{n}", message_id="m") for n in range(2)]
        first, second = decode_events(events_doc(*given)).events

        assert first.chat is second.chat


class TestEvery:
    @each_kind
    def test_has_the_class_of_its_kind(self, raw: dict[str, Any]) -> None:
        found = decoded(raw)

        assert type(found) is CLASSES.get(raw["type"], ChatChangeInfo)
        assert found.type is Events(raw["type"])

    def test_what_all_have(self) -> None:
        found = event(
            "message_deleted",
            message_id="m1",
            cursor="c7",
            timestamp=5,
            is_own=True,
            editor_id="u2",
        )

        assert (found.chat, found.cursor, found.timestamp) == (CHAT, "c7", 5)
        assert (found.is_own, found.editor) == (True, make_user("u2"))

    def test_nobody_may_have_done_it(self) -> None:
        assert event("message_deleted", message_id="m1").editor is None

    @each_kind
    def test_fields_that_are_not_known_are_kept_aside(self, raw: dict[str, Any]) -> None:
        assert decoded({**raw, "colour": "red"}).extra == {"colour": "red"}

    @each_kind
    def test_its_hash_is_that_of_its_cursor(self, raw: dict[str, Any]) -> None:
        other = {**raw, "colours": ["no", "hash"], "timestamp": raw["timestamp"] + 1}
        events = {decoded(raw): 1, decoded(other): 2}

        assert hash(decoded(raw)) == hash(decoded(other))
        assert hash(decoded(raw)) != hash(decoded({**raw, "cursor": "c2"}))
        assert len(events) == 2

    def test_the_author_of_a_message_must_be_described(self) -> None:
        with pytest.raises(TWProtocolError, match=r"^a message names a user that the answer does"):
            event("new_message", message=message_doc(from_user_id="x"))


class TestKinds:
    def test_a_new_message_is_in_the_chat_of_the_event(self) -> None:
        found = event("new_message", message=message_doc("m5", attachments=[file_doc()]))

        assert found.message.mid == "m5"
        assert found.message.chat is found.chat
        assert found.message.attachments == [make_file(content_type="application/pdf")]

    def test_a_message_was_read(self) -> None:
        found = event("message_read", message_id="m3", user_id="u2", timestamp=1_700_000_000_000)

        assert (found.message_id, found.user) == ("m3", make_user("u2"))
        assert found.read_date.isoformat() == "2023-11-14T22:13:20+00:00"

    def test_a_message_was_deleted(self) -> None:
        assert event("message_deleted", message_id="m3").message_id == "m3"

    @pytest.mark.parametrize("kind", ["chat_created", "chat_title_changed"])
    @pytest.mark.parametrize("title", ["new", None])
    def test_a_chat_has_got_a_title(self, kind: str, title: str | None) -> None:
        found = event(kind, title=title)

        assert (found.title, found.value) == (title, None)

    @pytest.mark.parametrize("name", ["allow_sending", "allow_mute_notifications", "is_closed"])
    @pytest.mark.parametrize("value", [True, False])
    def test_a_flag_has_got_a_value(self, name: str, value: bool) -> None:
        found = event(f"chat_{name}_changed", **{name: value})

        assert (found.value, found.title) == (value, "test")

    @pytest.mark.parametrize("kind", ["chat_joined", "chat_left", "chat_deleted"])
    def test_members_have_come_or_gone(self, kind: str) -> None:
        found = event(kind, user_ids=["u2", "u1"], group_ids=["g1"])

        assert found.users == (make_user("u2"), make_user("u1"))
        assert found.groups == (make_group(is_public=True),)

    def test_admins_have_come_and_gone(self) -> None:
        found = event("chat_admins_changed", added_admin_ids=["u1"], removed_admin_ids=["u2"])

        assert found.added_admins == (make_user("u1"),)
        assert found.removed_admins == (make_user("u2"),)

    def test_one_of_another_kind_is_passed_on(self) -> None:
        found = event("chat_painted", colour="red")

        assert type(found) is Event
        assert (found.type, found.extra, found.chat) == ("chat_painted", {"colour": "red"}, CHAT)

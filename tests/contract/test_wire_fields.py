"""Each field that the contract requires is missed by name, and checked by type."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from teamwire_sync import ChatHandle, TWProtocolError
from teamwire_sync._transports.wire import (
    Decoder,
    decode_chat,
    decode_done,
    decode_events,
    decode_upload,
    decoder,
)
from tests.support.builders import (
    calendar_doc,
    chat_answer,
    chat_doc,
    event_doc,
    events_doc,
    every_event,
    file_doc,
    group_answer,
    group_doc,
    location_doc,
    message_answer,
    message_doc,
    page_doc,
    preview_doc,
    user_doc,
)

CHAT = ChatHandle("t1")


def a_message(document: Any) -> Any:
    return Decoder().message(document, CHAT)


def an_attachment(document: Any) -> Any:
    return a_message(message_answer(message_doc(attachments=[document])))


def an_event(document: Any) -> Any:
    return decode_events({**events_doc(), "events": [document]})


OBJECTS: dict[str, tuple[dict[str, Any], Callable[[Any], object]]] = {
    "a user": (user_doc(), lambda raw: Decoder().user({"user": raw})),
    "a user beside": (
        user_doc(),
        lambda raw: Decoder().page(page_doc(chat_doc(user_ids=["u1"]), users=[raw])),
    ),
    "a user of me": (user_doc(), lambda raw: Decoder().me({"user": raw})),
    "a group": (group_doc(), lambda raw: Decoder().group(group_answer(raw))),
    "a group beside": (
        group_doc(),
        lambda raw: Decoder().page(page_doc(chat_doc(group_ids=["g1"]), groups=[raw])),
    ),
    "a chat": (chat_doc(), lambda raw: decode_chat(chat_answer(raw))),
    "a chat of page": (chat_doc(), lambda raw: Decoder().page(page_doc(raw))),
    "a message": (message_doc(), lambda raw: a_message(message_answer(raw))),
    "a message of page": (
        message_doc(),
        lambda raw: Decoder().messages(
            {"messages": [raw], "users": [user_doc()], "next_before": None}, CHAT
        ),
    ),
    "a link preview": (
        preview_doc(),
        decoder._link_preview,  # the contract allows null there
    ),
    "a file": (file_doc(), an_attachment),
    "a calendar entry": (calendar_doc(), an_attachment),
    "a location": (location_doc(), an_attachment),
    "an attachment": ({"type": "poll"}, an_attachment),
    **{f"an event {kind}": (event, an_event) for kind, event in every_event().items()},
    "an event": (event_doc("brand_new"), an_event),
    "a page of chats": (page_doc(), lambda raw: Decoder().page(raw)),
    "a page of messages": (
        {"messages": [], "users": [], "next_before": None},
        lambda raw: Decoder().messages(raw, CHAT),
    ),
    "a page of users": (
        {"users": [], "next_cursor": None},
        lambda raw: Decoder().users(raw),
    ),
    "a page of groups": (
        {"groups": [], "users": [], "next_cursor": None},
        lambda raw: Decoder().groups(raw),
    ),
    "a page of events": (events_doc(), decode_events),
    "the answer, done": ({}, decode_done),
    "the answer, upload": ({"attachment_id": "a1"}, decode_upload),
    "the answer, user": ({"user": user_doc()}, lambda raw: Decoder().user(raw)),
    "the answer, me": ({"user": user_doc()}, lambda raw: Decoder().me(raw)),
    "the answer, group": (group_answer(group_doc()), lambda raw: Decoder().group(raw)),
    "the answer, chat": (chat_answer(chat_doc()), decode_chat),
    "the answer, message": (message_answer(message_doc()), a_message),
}
BESIDE = (" beside", " of me", " of page")
# What every event and every attachment has is looked at before its kind.
EVENT = set(event_doc("brand_new"))
FIELDS = [(name, field) for name, (document, _) in OBJECTS.items() for field in document]
each_field = pytest.mark.parametrize(
    ("name", "field"), FIELDS, ids=[f"{name}: {field}" for name, field in FIELDS]
)
NULLABLE = {
    "organisation",
    "owner_id",
    "title",
    "message",
    "alert_type",
    "reply_to",
    "sender_display_name",
    "next_cursor",
    "next_before",
    "link_preview",
    "description",
    "image",
    "location",
    "address",
    "city",
    "country",
    "postal_code",
    "editor_id",
}
NEVER_NULL = {
    ("a group", "title"),
    ("a group beside", "title"),
    ("a calendar entry", "title"),
    ("an event new_message", "message"),
    ("the answer, message", "message"),
}


def kind_of(name: str, field: str) -> str:
    """What an error calls the object *name*."""
    if name.startswith("an event ") and field in EVENT:
        return "an event"
    if field == "type" and name in {"a file", "a calendar entry", "a location"}:
        return "an attachment"
    for ending in BESIDE:
        name = name.removesuffix(ending)
    return name.partition(",")[0]


class TestRequired:
    @each_field
    def test_a_field_that_is_missing_is_named(self, name: str, field: str) -> None:
        document, decode = OBJECTS[name]
        lacking = {key: value for key, value in document.items() if key != field}

        with pytest.raises(TWProtocolError) as caught:
            decode(lacking)
        assert str(caught.value) == f'{kind_of(name, field)} without "{field}"'

    @each_field
    def test_a_field_of_a_wrong_type_is_named(self, name: str, field: str) -> None:
        document, decode = OBJECTS[name]
        wrong: Any = "x" if type(document[field]) is float else 1.5

        with pytest.raises(TWProtocolError) as caught:
            decode({**document, field: wrong})
        shown = "string" if wrong == "x" else "number"
        text = str(caught.value)
        assert text.startswith(f'"{field}" of {kind_of(name, field)} is a {shown}, not ')

    @each_field
    def test_null_is_named_where_it_may_not_be(self, name: str, field: str) -> None:
        document, decode = OBJECTS[name]
        may_be = field in NULLABLE and (name, field) not in NEVER_NULL
        null = {**document, field: None}

        if may_be:
            decode(null)
        else:
            with pytest.raises(TWProtocolError, match=rf'^"{field}" of .* is null, not '):
                decode(null)

    @each_field
    def test_a_number_is_no_flag_and_a_flag_no_number(self, name: str, field: str) -> None:
        document, decode = OBJECTS[name]
        given = document[field]
        if type(given) not in {bool, int}:
            given = None
        other: Any = 1 if isinstance(given, bool) else True

        with pytest.raises(TWProtocolError, match=rf'^"{field}" of '):
            decode({**document, field: other})

    @pytest.mark.parametrize("name", OBJECTS)
    @pytest.mark.parametrize(
        ("value", "shown"),
        [(None, "null"), ([], "an array"), ("x", "a string"), (5, "a whole number")],
        ids=["null", "array", "string", "number"],
    )
    def test_what_is_no_object(self, name: str, value: Any, shown: str) -> None:
        _, decode = OBJECTS[name]

        with pytest.raises(TWProtocolError, match=rf"is {shown}(, not| where) an object") as caught:
            decode(value)
        assert "Traceback" not in str(caught.value)

    def test_the_text_never_quotes_a_value(self) -> None:
        with pytest.raises(TWProtocolError) as caught:
            Decoder().user({"user": user_doc(first_name=["somebody's name"])})

        assert str(caught.value) == '"first_name" of a user is an array, not a string'

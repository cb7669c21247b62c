"""Each field that the contract requires is missed by name, and checked by type."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from teamwire_sync import ChatHandle, TWProtocolError
from teamwire_sync._transports.wire import (
    Decoder,
    decode_chat,
)
from tests.builders import (
    chat_answer,
    chat_doc,
    group_answer,
    group_doc,
    message_answer,
    message_doc,
    page_doc,
    user_doc,
)

CHAT = ChatHandle("t1")


def a_message(document: Any) -> Any:
    return Decoder().message(document, CHAT)


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
    "a page of chats": (page_doc(), lambda raw: Decoder().page(raw)),
    "the answer, user": ({"user": user_doc()}, lambda raw: Decoder().user(raw)),
    "the answer, me": ({"user": user_doc()}, lambda raw: Decoder().me(raw)),
    "the answer, group": (group_answer(group_doc()), lambda raw: Decoder().group(raw)),
    "the answer, chat": (chat_answer(chat_doc()), decode_chat),
    "the answer, message": (message_answer(message_doc()), a_message),
}
KINDS = ("a user", "a group", "a chat", "a message", "a page of chats", "the answer")
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
}


def kind_of(name: str) -> str:
    return next(kind for kind in KINDS[::-1] if name.startswith(kind))


class TestRequired:
    @each_field
    def test_a_field_that_is_missing_is_named(self, name: str, field: str) -> None:
        document, decode = OBJECTS[name]
        lacking = {key: value for key, value in document.items() if key != field}

        with pytest.raises(TWProtocolError) as caught:
            decode(lacking)
        assert str(caught.value) == f'{kind_of(name)} without "{field}"'

    @each_field
    def test_a_field_of_a_wrong_type_is_named(self, name: str, field: str) -> None:
        document, decode = OBJECTS[name]

        with pytest.raises(TWProtocolError) as caught:
            decode({**document, field: 1.5})
        text = str(caught.value)
        assert text.startswith(f'"{field}" of {kind_of(name)} is a number, not ')

    @each_field
    def test_null_is_named_where_it_may_not_be(self, name: str, field: str) -> None:
        document, decode = OBJECTS[name]
        may_be = field in NULLABLE and (name, field) not in {
            ("a group", "title"),
            ("a group beside", "title"),
            ("the answer, message", "message"),
        }
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

"""Each field of the contract is missed by name, and has the types of openapi.yaml alone."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from teamwire_sync import AttachmentType, ChatHandle, TWProtocolError
from teamwire_sync._http.contract import (
    Decoder,
    decode_chat,
    decode_done,
    decode_events,
    decode_upload,
)
from tests.contract.schemas import SCHEMAS, faults, resolved, types_of
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

Decode = Callable[[Any], object]

CHAT = ChatHandle("t1")
USERS = [user_doc()]
PREVIEWED = message_doc(link_preview=preview_doc())


def a_message(document: Any) -> Any:
    return Decoder().message(document, CHAT)


def messages(document: Any) -> Any:
    return Decoder().messages(document, CHAT)


def an_attachment(document: Any) -> Any:
    return a_message(message_answer(message_doc(attachments=[document])))


def an_event(document: Any) -> Any:
    return decode_events({**events_doc(), "events": [document]})


def part_of_page(*fields: str) -> Any:
    """The schema of a page of chats with these fields alone."""
    properties = SCHEMAS["ChatPage"]["properties"]
    return {
        "type": "object",
        "required": list(fields),
        "properties": {field: properties[field] for field in fields},
    }


# What every event has, which is looked at before its kind.
EVENT = {
    "type": "object",
    "required": list(event_doc("")),
    "properties": {
        **{field: SCHEMAS["MessageDeletedEvent"]["properties"][field] for field in event_doc("")},
        "type": {"type": "string"},
    },
}
# For each kind of object, as errors call it: its schema, a document, and how such a one is decoded.
# What is in brackets tells apart where it may be.
OBJECTS: dict[str, tuple[Any, dict[str, Any], Decode]] = {
    "a user": (SCHEMAS["User"], user_doc(), lambda raw: Decoder().user({"user": raw})),
    "a user (beside)": (
        SCHEMAS["User"],
        user_doc(),
        lambda raw: Decoder().page(page_doc(chat_doc(user_ids=["u1"]), users=[raw])),
    ),
    "a user (me)": (SCHEMAS["User"], user_doc(), lambda raw: Decoder().me({"user": raw})),
    "a group": (
        SCHEMAS["Group"],
        group_doc(),
        lambda raw: Decoder().group(group_answer(raw, users=(user_doc(),))),
    ),
    "a group (beside)": (
        SCHEMAS["Group"],
        group_doc(),
        lambda raw: Decoder().page(page_doc(chat_doc(group_ids=["g1"]), groups=[raw], users=USERS)),
    ),
    "a chat": (SCHEMAS["Chat"], chat_doc(), lambda raw: decode_chat(chat_answer(raw))),
    "a chat (of a page)": (SCHEMAS["Chat"], chat_doc(), lambda raw: Decoder().page(page_doc(raw))),
    "a message": (SCHEMAS["Message"], PREVIEWED, lambda raw: a_message(message_answer(raw))),
    "a message (of a page)": (
        SCHEMAS["Message"],
        PREVIEWED,
        lambda raw: messages({"messages": [raw], "users": USERS, "next_before": None}),
    ),
    "a link preview": (
        {**SCHEMAS["LinkPreview"], "type": ["object", "null"]},
        preview_doc(),
        lambda raw: a_message(message_answer(message_doc(link_preview=raw))),
    ),
    "a file": (SCHEMAS["UploadedAttachment"], file_doc(), an_attachment),
    "a calendar entry": (SCHEMAS["CalendarAttachment"], calendar_doc(), an_attachment),
    "a location": (SCHEMAS["LocationAttachment"], location_doc(), an_attachment),
    "an attachment": (SCHEMAS["OtherAttachment"], {"type": "poll"}, an_attachment),
    **{
        f"an event {kind}": ({"$ref": schema}, every_event()[kind], an_event)
        for kind, schema in SCHEMAS["Event"]["discriminator"]["mapping"].items()
    },
    "an event": (EVENT, event_doc("of another kind"), an_event),
    "a page of chats": (
        part_of_page(*SCHEMAS["ChatPage"]["required"]),
        page_doc(chat_doc()),
        lambda raw: Decoder().page(raw),
    ),
    "a page of changes": (
        part_of_page("total"),
        {"total": 5},
        lambda raw: Decoder().changes(
            {**page_doc(gone=[]), **raw} if isinstance(raw, dict) else raw
        ),
    ),
    "a page of messages": (
        SCHEMAS["MessagePage"],
        {"messages": [], "users": [], "next_before": None},
        messages,
    ),
    "a page of users": (
        SCHEMAS["UserPage"],
        {"users": [], "next_cursor": None},
        lambda raw: Decoder().users(raw),
    ),
    "a page of groups": (
        SCHEMAS["GroupPage"],
        {"groups": [], "users": [], "next_cursor": None},
        lambda raw: Decoder().groups(raw),
    ),
    "a page of events": (SCHEMAS["EventPage"], events_doc(*every_event().values()), decode_events),
    "the answer (done)": (SCHEMAS["Nothing"], {}, decode_done),
    "the answer (upload)": (SCHEMAS["UploadAnswer"], {"attachment_id": "a1"}, decode_upload),
    "the answer (user)": (
        SCHEMAS["UserAnswer"],
        {"user": user_doc()},
        lambda raw: Decoder().user(raw),
    ),
    "the answer (me)": (SCHEMAS["UserAnswer"], {"user": user_doc()}, lambda raw: Decoder().me(raw)),
    "the answer (group)": (
        SCHEMAS["GroupAnswer"],
        group_answer(group_doc()),
        lambda raw: Decoder().group(raw),
    ),
    "the answer (chat)": (SCHEMAS["ChatAnswer"], chat_answer(chat_doc()), decode_chat),
    "the answer (message)": (SCHEMAS["MessageAnswer"], message_answer(message_doc()), a_message),
}
# A value of each type, as errors call it. Python calls the first three equal.
VALUES = {
    "true or false": True,
    "a whole number": 1,
    "a number": 1.0,
    "a string": "u1",
    "an array": [],
    "an object": {},
    "null": None,
}
FIELDS = {
    f"{name}: {field}": (name, field, types_of(its_schema))
    for name, (schema, _, _) in OBJECTS.items()
    for field, its_schema in resolved(schema).get("properties", {}).items()
}
# Whom a field names.
USER, GROUP = "user", "group"
NAMED = {
    "owner_id": USER,
    "from_user_id": USER,
    "editor_id": USER,
    "user_id": USER,
    "user_ids": USER,
    "admin_ids": USER,
    "added_admin_ids": USER,
    "removed_admin_ids": USER,
    "group_ids": GROUP,
}
TIMES = {"timestamp", "start_date", "end_date"}
REVISIONS = {"revision"}
CURSORS = {"cursor", "next_cursor", "next_before"}


def outcome(decode: Decode, document: Any) -> str:
    """The text of the error that refuses *document*; "decoded" when nothing refuses it."""
    try:
        decode(document)
    except TWProtocolError as error:
        return str(error) if error.__context__ is None else repr(error.__context__)
    except Exception as error:  # noqa: BLE001  the other rows are looked at, too
        return repr(error)
    return "decoded"


def given(name: str, field: str, value: Any) -> str:
    """The outcome of decoding the object *name* with *value* as its *field*."""
    _, document, decode = OBJECTS[name]
    return outcome(decode, {**document, field: value})


def kind_of(name: str) -> str:
    return name.partition(" (")[0]


def checked_kind(name: str, field: str) -> str:
    """The name of the object *name* in an error about the type of *field*."""
    if name.startswith("an event") and field in EVENT["required"]:
        return "an event"
    if field == "type" and name in {"a file", "a calendar entry", "a location"}:
        return "an attachment"
    return kind_of(name)


def test_the_documents_of_tests_have_the_fields_of_the_contract_and_no_other() -> None:
    wrong = []
    for name, (schema, document, _) in OBJECTS.items():
        properties, required = (resolved(schema).get(key, ()) for key in ("properties", "required"))
        found = faults(document, schema)
        if found or not set(document) == set(properties) == set(required):
            wrong.append(f"{name}: {found}")
    assert not wrong, "\n".join(wrong)


def test_a_field_that_is_missing_is_named() -> None:
    wrong = []
    for row, (name, field, _) in FIELDS.items():
        if field in REVISIONS:
            continue
        _, document, decode = OBJECTS[name]
        text = outcome(decode, {key: document[key] for key in document if key != field})
        if text != f'{checked_kind(name, field)} without "{field}"':
            wrong.append(f"{row}: {text}")
    assert not wrong, "\n".join(wrong)


def test_a_field_of_a_type_that_the_contract_does_not_give_it_is_named() -> None:
    wrong = []
    for row, (name, field, types) in FIELDS.items():
        should = " or ".join(shown for shown, value in VALUES.items() if type(value) in types)
        for shown, value in VALUES.items():
            text = given(name, field, value)
            said = f'"{field}" of {checked_kind(name, field)} is {shown}, not {should}'
            if type(value) not in types and text != said:
                wrong.append(f"{row}: {shown}: {text}")
    assert not wrong, "\n".join(wrong)


def test_a_field_may_have_each_type_that_the_contract_gives_it() -> None:
    wrong = []
    for row, (name, field, types) in FIELDS.items():
        own = OBJECTS[name][1][field]
        for shown, value in VALUES.items():
            text = given(name, field, own if type(own) is type(value) else value)
            if type(value) in types and text != "decoded":
                wrong.append(f"{row}: {shown}: {text}")
    assert not wrong, "\n".join(wrong)


def test_what_is_no_object_is_named() -> None:
    wrong = []
    for name, (schema, _, decode) in OBJECTS.items():
        for shown, value in VALUES.items():
            text = outcome(decode, value)
            said = (f"is {shown} where an object should be", f"is {shown}, not an object")
            if type(value) not in types_of(schema) and not any(each in text for each in said):
                wrong.append(f"{name}: {shown}: {text}")
    assert not wrong, "\n".join(wrong)


def test_the_text_of_a_refusal_never_quotes_a_value() -> None:
    with pytest.raises(TWProtocolError) as caught:
        Decoder().user({"user": user_doc(first_name=["somebody's name"])})

    assert str(caught.value) == '"first_name" of a user is an array, not a string'


def test_the_fields_that_have_tests_of_their_own_are_of_the_contract() -> None:
    assert {*NAMED, *TIMES, *CURSORS, *REVISIONS} <= {field for _, field, _ in FIELDS.values()}


def test_whom_a_field_names_must_be_described() -> None:
    wrong = []
    for row, (name, field, types) in FIELDS.items():
        if field not in NAMED:
            continue
        whose = "a group" if name == "the answer (group)" else kind_of(name)
        said = f"{whose} names a {NAMED[field]} that the answer does not describe"
        for value in [["x"], [None], [["x"]], [{}], [1]] if list in types else ["x"]:
            text = given(name, field, value)
            if text != said:
                wrong.append(f"{row}: {value}: {text}")
    assert not wrong, "\n".join(wrong)


def test_the_chat_of_an_event_must_be_described() -> None:
    wrong = []
    for name in OBJECTS:
        said = f"{name} names a chat that the answer does not describe"
        if name.startswith("an event") and given(name, "tid", "t9") != said:
            wrong.append(f"{name}: {given(name, 'tid', 't9')}")
    assert not wrong, "\n".join(wrong)


def test_a_time_that_is_no_date_is_named() -> None:
    wrong = []
    for row, (name, field, _) in FIELDS.items():
        for value in (253_402_300_800_000, -62_135_596_800_001, 10**30):
            text = given(name, field, value)
            if field in TIMES and text != f'"{field}" of {kind_of(name)} is not a date':
                wrong.append(f"{row}: {value}: {text}")
    assert not wrong, "\n".join(wrong)


def test_a_server_may_omit_the_revision() -> None:
    wrong = []
    for row, (name, field, _) in FIELDS.items():
        _, document, decode = OBJECTS[name]
        text = outcome(decode, {key: document[key] for key in document if key != field})
        if field in REVISIONS and text != "decoded":
            wrong.append(f"{row}: {text}")
    assert not wrong, "\n".join(wrong)


def test_a_revision_that_no_server_has_is_named() -> None:
    wrong = []
    for row, (name, field, _) in FIELDS.items():
        for value in (-1, 2**63):
            text = given(name, field, value)
            said = f'"{field}" of {checked_kind(name, field)} is not from 0 to 2**63 - 1'
            if field in REVISIONS and text != said:
                wrong.append(f"{row}: {value}: {text}")
    assert not wrong, "\n".join(wrong)


def test_a_cursor_that_no_url_can_have_is_named() -> None:
    wrong = []
    for row, (name, field, _) in FIELDS.items():
        text = given(name, field, "\ud800")
        said = f'"{field}" of {kind_of(name)} has half of a surrogate pair'
        if field in CURSORS and text != said:
            wrong.append(f"{row}: {text}")
    assert not wrong, "\n".join(wrong)


def test_every_kind_of_attachment_of_the_contract_is_decoded() -> None:
    """An attachment of an unknown kind has no required field but its type."""
    known = {
        kind.value
        for kind in AttachmentType
        if outcome(an_attachment, {"type": kind.value}) != "decoded"
    }

    assert known == set(SCHEMAS["OtherAttachment"]["properties"]["type"]["not"]["enum"])

"""What wire speaks is the contract that docs/openapi.yaml describes, no more and no less."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from teamwire_sync import AlertType, Attachments, AttachmentType, Events
from teamwire_sync._transports import wire
from teamwire_sync._transports.base import ChatDraft, MemberEdit, MessageDraft
from teamwire_sync._transports.wire import attachments, decoder, events
from tests.support import builders
from tests.support.builders import make_file

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTRACT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "docs" / "openapi.yaml").read_text("utf-8")
)
SCHEMAS = CONTRACT["components"]["schemas"]
METHODS = {"get", "put", "post", "patch", "delete"}
TYPES: dict[str, set[type]] = {
    "string": {str},
    "null": {type(None)},
    "boolean": {bool},
    "integer": {int},
    "number": {int, float},
    "array": {list},
    "object": {dict},
}
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, item in CONTRACT["paths"].items()
    for method, operation in item.items()
    if method in METHODS
}
del OPERATIONS["health"]  # for whoever watches the server; the client has no use for it


def resolved(schema: Any) -> Any:
    """*schema* with what it refers to in its place."""
    if "$ref" in schema:
        return resolved(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    return schema


def types_of(schema: Any) -> set[type]:
    schema = resolved(schema)
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if values is not None:
        return {type(value) for value in values}
    named = schema["type"]
    return set().union(*(TYPES[name] for name in ([named] if isinstance(named, str) else named)))


def faults(value: Any, schema: Any, path: str = "") -> list[str]:
    """Where *value* is not as *schema* says, in as much of JSON Schema as the contract uses."""
    schema = resolved(schema)
    by_kind = schema.get("discriminator", {}).get("mapping", {})
    if isinstance(value, dict) and value.get("type") in by_kind:
        return faults(value, {"$ref": by_kind[value["type"]]}, path)
    if {"type", "enum", "const"} & set(schema) and type(value) not in types_of(schema):
        return [f"{path} is {type(value).__name__}"]
    found = []
    allowed = [schema["const"]] if "const" in schema else schema.get("enum", [value])
    if value not in allowed:
        found.append(f"{path} is {value!r}")
    if isinstance(value, dict):
        found += _faults_of_object(value, schema, path)
    if isinstance(value, list):
        for number, each in enumerate(value):
            found += faults(each, schema.get("items", {}), f"{path}[{number}]")
    if isinstance(value, (str, list)):
        size, unit = len(value), "Length" if isinstance(value, str) else "Items"
        if not schema.get(f"min{unit}", 0) <= size <= schema.get(f"max{unit}", size):
            found.append(f"{path} has {size}")
    if "anyOf" in schema and all(faults(value, each) for each in schema["anyOf"]):
        found.append(f"{path} fits none of anyOf")
    return found


def _faults_of_object(value: dict[str, Any], schema: Any, path: str) -> list[str]:
    properties = schema.get("properties", {})
    found = [f"{path}.{name} is missing" for name in set(schema.get("required", ())) - set(value)]
    if schema.get("additionalProperties") is False:
        found += [f"{path}.{name} is unknown" for name in set(value) - set(properties)]
    for name in set(value) & set(properties):
        found += faults(value[name], properties[name], f"{path}.{name}")
    if len(value) < schema.get("minProperties", 0):
        found.append(f"{path} is empty")
    return found


def test_every_operation_has_the_path_of_the_contract() -> None:
    described = {name: (method, _unnamed(path)) for name, (method, path, _) in OPERATIONS.items()}
    spoken = {name: (each.method, _unnamed(each.path)) for name, each in wire.OPERATIONS.items()}

    assert spoken == described


def _unnamed(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_can_be_done_twice_takes_a_key(name: str) -> None:
    """What writes is tried again only with one, so the contract has to know it."""
    _, _, operation = OPERATIONS[name]
    given = str(operation.get("parameters", ()))

    assert not wire.OPERATIONS[name].writes or "Idempotency" in given


FIELDS: dict[str, Mapping[str, tuple[type, ...]]] = {
    "User": decoder._USER,
    "Group": decoder._GROUP,
    "Chat": decoder._CHAT,
    "Message": decoder._MESSAGE,
    "LinkPreview": decoder._LINK_PREVIEW,
    "UploadedAttachment": attachments._FILE,
    "CalendarAttachment": attachments._CALENDAR,
    "LocationAttachment": attachments._LOCATION,
    "OtherAttachment": attachments._ATTACHMENT,
    "ChatPage": decoder._CHAT_PAGE,
    "MessagePage": decoder._MESSAGE_PAGE,
    "UserPage": decoder._USER_PAGE,
    "GroupPage": decoder._GROUP_PAGE,
    "EventPage": events._PAGE,
}
KINDS = {
    kind: schema.rpartition("/")[2]
    for kind, schema in SCHEMAS["Event"]["discriminator"]["mapping"].items()
}
FIELDS.update(
    {schema: {**events._EVENT, **events._FIELDS[Events(kind)]} for kind, schema in KINDS.items()}
)


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_has_the_type_of_the_contract(name: str) -> None:
    schema = SCHEMAS[name]

    assert set(schema["required"]) == set(schema["properties"])
    assert {key: set(types) for key, types in FIELDS[name].items()} == {
        key: types_of(value) for key, value in schema["properties"].items()
    }


def test_every_kind_of_event_of_the_contract_is_known() -> None:
    assert set(KINDS) == {kind.value for kind in Events} == {kind.value for kind in events._FIELDS}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_event_has_its_own_name(kind: str) -> None:
    assert SCHEMAS[KINDS[kind]]["properties"]["type"] == {"const": kind}


def test_every_kind_of_attachment_of_the_contract_is_decoded() -> None:
    assert set(SCHEMAS["Attachment"]["discriminator"]["mapping"]) == {
        kind.value for kind in attachments._KINDS
    }


NOW = datetime.now(timezone.utc)
ALL_KINDS = [
    *(make_file(type=AttachmentType(kind)) for kind in ("file", "gallery", "sound", "video")),
    *Attachments().add_location("Office", 48, 11.5, city="Munich").add_calendar("Lunch", NOW, NOW),
]
BODIES = {
    "create_chat": (wire.encode_draft(ChatDraft(user_ids=("u",))), True),
    "edit_chat: title": ({"title": None}, False),
    "edit_chat: allow_sending": ({"allow_sending": True}, False),
    "edit_chat: allow_mute_notifications": ({"allow_mute_notifications": True}, False),
    "edit_chat: is_closed": ({"is_closed": True}, False),
    "edit_members": (
        wire.encode_edit(
            MemberEdit(add_users="u", add_groups="g", remove_users="v", remove_groups="h")
        ),
        True,
    ),
    "edit_admins": (wire.encode_edit(MemberEdit(add_users="u", remove_users="v")), True),
    "edit_group_members": (wire.encode_edit(MemberEdit(add_users="u", remove_users="v")), True),
    "post_message": (wire.encode_message(MessageDraft("hello")), True),
    "post_message: an alert": (
        wire.encode_message(
            MessageDraft(
                "hello",
                is_alert=True,
                alert_type=AlertType.NOTE,
                reply_to="m1",
                sender_display_name="Ada",
            )
        ),
        True,
    ),
    "post_message: attachments": (
        wire.encode_message(MessageDraft(attachments=ALL_KINDS)),
        True,
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_every_body_is_as_the_contract_has_it(name: str) -> None:
    body, has_all = BODIES[name]
    request = OPERATIONS[name.partition(":")[0]][2]["requestBody"]
    schema = resolved(request["content"]["application/json"]["schema"])

    assert faults(body, schema) == []
    assert not has_all or set(body) == set(schema["properties"])


def test_a_body_is_sent_where_the_contract_wants_one() -> None:
    wanted = {name for name, (_, _, operation) in OPERATIONS.items() if "requestBody" in operation}

    # The bytes of a file are a body, too, and no JSON.
    assert {name.partition(":")[0] for name in BODIES} | {"upload_attachment"} == wanted


DOCUMENTS = {
    "User": builders.user_doc(),
    "Group": builders.group_doc(),
    "Chat": builders.chat_doc(),
    "Message": builders.message_doc(link_preview=builders.preview_doc()),
    "LinkPreview": builders.preview_doc(),
    "Attachment": builders.file_doc(),
    "UploadedAttachment": builders.file_doc(),
    "CalendarAttachment": builders.calendar_doc(),
    "LocationAttachment": builders.location_doc(),
    "ChatPage": builders.page_doc(builders.chat_doc()),
    "ChatAnswer": builders.chat_answer(builders.chat_doc()),
    "MessageAnswer": builders.message_answer(builders.message_doc()),
    "GroupAnswer": builders.group_answer(builders.group_doc()),
    "EventPage": builders.events_doc(*builders.every_event().values()),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_documents_that_tests_use_are_as_the_contract_has_them(name: str) -> None:
    assert faults(DOCUMENTS[name], SCHEMAS[name]) == []


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("User", {**builders.user_doc(), "is_bot": 1}, [".is_bot is int"]),
        ("ChatEdit", {}, [" is empty"]),
        ("ChatEdit", {"title": "x" * 256}, [".title has 256"]),
        ("MemberEdit", {"add_user_ids": [5], "x": 1}, [".x is unknown", ".add_user_ids[0] is int"]),
        ("NewMessage", {"message": ""}, [" fits none of anyOf"]),
        ("NewMessage", {"message": "x", "attachments": [{"type": "file"}]},
         [".attachments[0].attachment_id is missing"]),
        ("EventPage", builders.events_doc(builders.event_doc("message_deleted")),
         [".events[0].message_id is missing"]),
    ],
    ids=["type", "none", "long", "unknown", "anyOf", "kind", "event"],
)  # fmt: skip
def test_what_is_not_as_the_contract_has_it_is_noticed(
    name: str, value: Any, found: list[str]
) -> None:
    assert faults(value, SCHEMAS[name]) == found

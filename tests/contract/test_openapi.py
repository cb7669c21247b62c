"""The wire package speaks exactly the contract of openapi.yaml."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import pytest

from teamwire_sync import AlertType, Attachments, AttachmentType, Events
from teamwire_sync._http import contract
from teamwire_sync._transport import ChatDraft, MemberEdit, MessageDraft
from tests.contract.schemas import CONTRACT, SCHEMAS, faults, resolved
from tests.support import builders
from tests.support.builders import make_file

METHODS = {"get", "put", "post", "patch", "delete"}
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, item in CONTRACT["paths"].items()
    for method, operation in item.items()
    if method in METHODS
}
ANSWERS = CONTRACT["components"]["responses"]
KINDS = {
    kind: {"$ref": schema} for kind, schema in SCHEMAS["Event"]["discriminator"]["mapping"].items()
}
# What a page lists, and does not describe beside something else.
SUBJECTS = {("UserPage", "users"), ("GroupPage", "groups")}
for _name in ("health", "ready"):
    del OPERATIONS[_name]  # for whoever watches the server; the client has no use for it


def test_every_operation_has_the_path_of_the_contract() -> None:
    described = {name: (method, _unnamed(path)) for name, (method, path, _) in OPERATIONS.items()}
    spoken = {
        name: (each.method, _unnamed(each.path)) for name, each in contract.OPERATIONS.items()
    }

    assert spoken == described


def _unnamed(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


def test_all_that_does_not_read_writes_but_an_upload_that_nobody_sees_yet() -> None:
    writing = {name for name, each in contract.OPERATIONS.items() if each.writes}

    assert writing == {name for name, (method, _, _) in OPERATIONS.items() if method != "GET"} - {
        "upload_attachment"
    }


def test_each_operation_may_be_unsupported() -> None:
    """A gateway can do only what the system behind it can."""
    unsupported = {"$ref": "#/components/responses/Unsupported"}
    without = [
        name
        for name, (_, _, operation) in OPERATIONS.items()
        if operation["responses"].get("501") != unsupported
    ]

    assert without == []


def test_each_request_may_forbid_caches() -> None:
    parameter = {"$ref": "#/components/parameters/CacheControl"}

    assert [
        path for path, item in CONTRACT["paths"].items() if parameter not in item["parameters"]
    ] == []


def test_each_response_says_which_server_sent_it_and_that_no_cache_may_keep_it() -> None:
    answers = {
        **ANSWERS,
        **{
            f"{name} {status}": answer
            for name, (_, _, operation) in OPERATIONS.items()
            for status, answer in operation["responses"].items()
            if "$ref" not in answer
        },
    }
    always = {"Teamwire-Bot-Contract", "X-Request-ID", "Cache-Control"}

    assert [name for name, answer in answers.items() if not always <= {*answer["headers"]}] == []


def test_each_response_says_whom_it_describes() -> None:
    """All that it names: a client does not ask for others."""
    silent = [
        f"{name}.{field}"
        for name, schema in SCHEMAS.items()
        for field, value in schema.get("properties", {}).items()
        if value.get("$ref", "").endswith(("/Users", "/Groups"))
        if "description" not in value and (name, field) not in SUBJECTS
    ]

    assert silent == []


def test_what_writes_takes_a_key() -> None:
    """It is tried again only with one, so the contract has to know it."""
    without = [
        name
        for name, (_, _, operation) in OPERATIONS.items()
        if contract.OPERATIONS[name].writes
        and "Idempotency" not in str(operation.get("parameters"))
    ]

    assert without == []


@pytest.mark.parametrize(
    "code",
    [
        contract.NOT_FOUND,
        contract.NO_AVATAR,
        contract.CIRCLE_NOT_PUBLIC,
        contract.INVALID_MEMBERS,
        contract.UNSUPPORTED,
        contract.UNKNOWN_REVISION,
    ],
)
def test_every_code_that_the_client_acts_upon_is_in_the_contract(code: str) -> None:
    assert f"`{code}`" in CONTRACT["info"]["description"] + str(OPERATIONS) + str(ANSWERS)


def test_a_page_of_chats_may_lack_what_only_changes_have() -> None:
    page = SCHEMAS["ChatPage"]

    assert set(page["properties"]) - set(page["required"]) == {"gone", "total"}


def test_a_page_of_changes_is_as_the_contract_has_it() -> None:
    page = {**builders.page_doc(builders.chat_doc()), "gone": ["t2"], "total": 5}

    assert faults(page, SCHEMAS["ChatPage"]) == []
    assert faults({**page, "gone": [5]}, SCHEMAS["ChatPage"]) == [".gone[0] is int"]
    assert faults({**page, "total": "5"}, SCHEMAS["ChatPage"]) == [".total is str"]


def test_every_kind_of_event_of_the_contract_is_known() -> None:
    assert set(KINDS) == {kind.value for kind in Events} == set(builders.every_event())


def test_every_kind_of_event_has_its_own_name() -> None:
    named = {kind: resolved(schema)["properties"]["type"] for kind, schema in KINDS.items()}

    assert named == {kind: {"type": "string", "const": kind} for kind in KINDS}


NOW = datetime.now(timezone.utc)
ALL_KINDS = [
    *(make_file(type=AttachmentType(kind)) for kind in ("file", "gallery", "sound", "video")),
    *Attachments().add_location("Office", 48, 11.5, city="Munich").add_calendar("Lunch", NOW, NOW),
]
BODIES = {
    "create_chat": (contract.encode_draft(ChatDraft(user_ids=("u",))), True),
    "edit_chat: title": ({"title": None}, False),
    "edit_chat: allow_sending": ({"allow_sending": True}, False),
    "edit_chat: allow_mute_notifications": ({"allow_mute_notifications": True}, False),
    "edit_chat: is_closed": ({"is_closed": True}, False),
    "edit_members": (
        contract.encode_edit(
            MemberEdit(add_users="u", add_groups="g", remove_users="v", remove_groups="h")
        ),
        True,
    ),
    "edit_admins": (contract.encode_edit(MemberEdit(add_users="u", remove_users="v")), True),
    "edit_group_members": (contract.encode_edit(MemberEdit(add_users="u", remove_users="v")), True),
    "post_message": (contract.encode_message(MessageDraft("hello")), True),
    "post_message: an alert": (
        contract.encode_message(
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
        contract.encode_message(MessageDraft(attachments=ALL_KINDS)),
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


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("User", {**builders.user_doc(), "is_bot": 1}, [".is_bot is int"]),
        ("ChatEdit", {}, [" is empty"]),
        ("ChatEdit", {"title": "x" * 256}, [".title has 256"]),
        ("MemberEdit", {"add_user_ids": [5], "x": 1}, [".x is unknown", ".add_user_ids[0] is int"]),
        ("NewMessage", {"message": "x", "alert_type": "notes"},
         [".alert_type fits none of anyOf"]),
        ("Message", builders.message_doc(attachments=[{"type": "file", "attachment_id": "a"}]),
         [".attachments[0] fits none of anyOf"]),
        ("NewMessage", {"message": "x", "attachments": [{"type": "file"}]},
         [".attachments[0].attachment_id is missing"]),
        ("EventPage", builders.events_doc(builders.event_doc("message_deleted")),
         [".events[0].message_id is missing"]),
    ],
    ids=["type", "none", "long", "unknown", "enum", "attachment", "kind", "event"],
)  # fmt: skip
def test_what_is_not_as_the_contract_has_it_is_noticed(
    name: str, value: Any, found: list[str]
) -> None:
    assert faults(value, SCHEMAS[name]) == found

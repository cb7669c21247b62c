"""wire.py speaks the contract that docs/openapi.yaml describes, no more and no less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from teamwire_sync._transports import wire
from teamwire_sync._transports.base import ChatDraft

CONTRACT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[1] / "docs" / "openapi.yaml").read_text("utf-8")
)
SCHEMAS = CONTRACT["components"]["schemas"]
METHODS = {"get", "put", "post", "patch", "delete"}
TYPES = {"string": str, "null": type(None), "boolean": bool, "integer": int, "array": list}


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """*schema* with what it refers to in its place."""
    if "$ref" in schema:
        return resolved(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    return schema


def types_of(schema: dict[str, Any]) -> set[type]:
    schema = resolved(schema)
    if "enum" in schema:
        return {type(value) for value in schema["enum"]}
    named = schema["type"]
    return {TYPES[name] for name in ([named] if isinstance(named, str) else named)}


def test_every_operation_has_the_path_of_the_contract() -> None:
    described = {
        operation["operationId"]: (method.upper(), path)
        for path, item in CONTRACT["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }
    del described["health"]  # for whoever watches the server; the client has no use for it

    spoken = {name: (each.method, each.path) for name, each in wire.OPERATIONS.items()}
    assert spoken == described


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("User", wire._USER),
        ("Group", wire._GROUP),
        ("Chat", wire._CHAT),
        ("Message", wire._MESSAGE),
    ],
    ids=["User", "Group", "Chat", "Message"],
)
def test_every_field_has_the_type_of_the_contract(
    name: str, fields: dict[str, tuple[type, ...]]
) -> None:
    schema = SCHEMAS[name]

    assert set(schema["required"]) == set(schema["properties"])
    assert {key: set(types) for key, types in fields.items()} == {
        key: types_of(value) for key, value in schema["properties"].items()
    }


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("NewChat", wire.encode_draft(ChatDraft(user_ids=("u",)))),
        ("NewMessage", wire.encode_message("hello")),
    ],
    ids=["NewChat", "NewMessage"],
)
def test_every_body_has_the_fields_of_the_contract(name: str, body: dict[str, Any]) -> None:
    properties = SCHEMAS[name]["properties"]

    assert set(body) == set(properties)
    assert all(type(value) in types_of(properties[key]) for key, value in body.items())

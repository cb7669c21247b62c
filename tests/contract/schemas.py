"""The schemas of openapi.yaml, and whether a value is as one of them says."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

FILES = files("teamwire_sync._http.contract")
# The same document as JSON, which Python reads in milliseconds; test_files.py compares them.
CONTRACT: dict[str, Any] = json.loads((FILES / "openapi.json").read_text("utf-8"))
SCHEMAS = CONTRACT["components"]["schemas"]
TYPES: dict[str, set[type]] = {
    "string": {str},
    "null": {type(None)},
    "boolean": {bool},
    "integer": {int},
    "number": {int, float},
    "array": {list},
    "object": {dict},
}


def resolved(schema: Any) -> Any:
    """*schema* with what it refers to in its place."""
    if "$ref" in schema:
        return resolved(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    return schema


def types_of(schema: Any) -> set[type]:
    schema = resolved(schema)
    if "anyOf" in schema:
        return set().union(*map(types_of, schema["anyOf"]))
    named = schema["type"]
    return set().union(*(TYPES[name] for name in ([named] if isinstance(named, str) else named)))


def faults(value: Any, schema: Any, path: str = "") -> list[str]:
    """Where *value* is not as *schema* says, in as much of JSON Schema as the contract uses."""
    schema = resolved(schema)
    by_kind = schema.get("discriminator", {}).get("mapping", {})
    if isinstance(value, dict) and value.get("type") in by_kind:
        return faults(value, {"$ref": by_kind[value["type"]]}, path)
    if "type" in schema and type(value) not in types_of(schema):
        return [f"{path} is {type(value).__name__}"]
    found = []
    allowed = [schema["const"]] if "const" in schema else schema.get("enum", [value])
    if value not in allowed or value in schema.get("not", {}).get("enum", ()):
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


def faults_of_answer(method: str, path: str, status: int, body: bytes) -> list[str]:
    """Where an answer is not as the contract says for its operation and status."""
    for template, operations in CONTRACT["paths"].items():
        pattern = re.sub(r"\\{[a-z_]+\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in operations:
            break
    else:
        return []
    what = f"{method} {template} {status}"
    answer = operations[method.lower()]["responses"].get(str(status))
    if answer is None:
        return [f"{what} is not documented"]
    if "$ref" in answer:
        answer = CONTRACT["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    schema = answer.get("content", {}).get("application/json", {}).get("schema")
    return [] if schema is None else faults(json.loads(body), schema, what)

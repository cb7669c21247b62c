"""The contract's files: the package contains them, and usual generators can read them."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import yaml

from teamwire_sync._sandbox import DEFAULT_PORT

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = files("teamwire_sync._http.contract")
YAML = (FOLDER / "openapi.yaml").read_text("utf-8")
JSON = (FOLDER / "openapi.json").read_text("utf-8")


def test_the_json_is_made_of_the_yaml() -> None:
    """Also in the same order. If this fails: ``make contract``."""
    assert json.dumps(json.loads(JSON)) == json.dumps(yaml.safe_load(YAML))


def test_the_yaml_has_no_anchors_and_no_aliases() -> None:
    """Some readers of YAML refuse a file with more than 50 aliases."""
    found = [
        each
        for each in yaml.scan(YAML)
        if isinstance(each, (yaml.AliasToken, yaml.AnchorToken, yaml.TagToken))
    ]

    assert found == []


DOCUMENT = json.loads(JSON)
# Generators read both of these: a property that may be null, and schemas that exclude each other by
# the values of one property.
BY_TYPE = {"Attachment", "Event", "NewAttachment"}


def _places(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The schemas and other objects of a document, and where they are."""
    if isinstance(node, dict):
        yield path, node
    children = node.items() if isinstance(node, dict) else enumerate(node)
    for name, child in children:
        if isinstance(child, (dict, list)) and name not in {"example", "examples"}:
            yield from _places(child, (*path, str(name)))


def test_its_server_is_the_sandbox_at_its_usual_port() -> None:
    assert [each["url"] for each in DOCUMENT["servers"]] == [f"http://127.0.0.1:{DEFAULT_PORT}"]


def test_each_constant_and_each_enumeration_has_a_type() -> None:
    """Without one, generators take any value for it."""
    without = [
        path
        for path, node in _places(DOCUMENT)
        if ("const" in node or "enum" in node) and "type" not in node
    ]

    assert without == []


def test_generators_read_the_combinators_of_the_file() -> None:
    """The other rules are in descriptions, and tests of the client and the sandbox hold them."""
    found, wrong = set(), []
    for path, node in _places(DOCUMENT):
        for name in {"oneOf", "anyOf", "allOf", "if", "dependentRequired"} & node.keys():
            if path[-1] in BY_TYPE:
                found.add(path[-1])
            elif node[name][1:] != [{"type": "null"}] or "properties" in node:
                wrong.append(path)

    assert (found, wrong) == (BY_TYPE, [])


def test_a_schema_of_several_kinds_has_nothing_beside_them() -> None:
    """Generators take properties beside it for a schema of their own."""
    beside = {
        key
        for name in BY_TYPE
        for key in DOCUMENT["components"]["schemas"][name]
        if key not in {"description", "oneOf", "anyOf", "discriminator"}
    }

    assert beside == set()


def test_each_component_is_used() -> None:
    used = set(re.findall(r'"\$ref": "#/components/(\w+/\w+)"', JSON))
    there = {
        f"{kind}/{name}"
        for kind, named in DOCUMENT["components"].items()
        for name in named
        if kind != "securitySchemes"
    }

    assert used == there

"""A readable page of openapi.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Node = dict[str, Any]

_METHODS = ("get", "post", "put", "patch", "delete")


def markdown_of(document: Node) -> str:
    """Return the page: the operations by their tags, then the headers and the schemas."""
    return "\n".join(_Page(document).lines())


class _Page:
    def __init__(self, document: Node) -> None:
        self._document = document

    def lines(self) -> Iterator[str]:
        yield from _paragraphs(self._document["info"]["description"])
        for tag in self._document["tags"]:
            yield from (f"## {tag['name'].capitalize()}", "")
            for path, methods in self._document["paths"].items():
                for method in _METHODS:
                    if tag["name"] in methods.get(method, {}).get("tags", ()):
                        yield from self._operation(method, path, methods)
        yield from ("## Headers of requests", "")
        for header in self._shared_headers():
            yield from (f"(header-{header['name'].lower()})=", f"### `{header['name']}`", "")
            yield from _paragraphs(_with_meaning(self._type(header["schema"]), header))
        yield from ("## Schemas", "")
        for name, schema in self._document["components"]["schemas"].items():
            yield from self._schema(name, schema)

    def _operation(self, method: str, path: str, item: Node) -> Iterator[str]:
        operation = item[method]
        name = f"The operation `{operation['operationId']}`: `{method.upper()} {path}`"
        yield from (f"### {operation['summary']}", "", name, "")
        yield from _paragraphs(operation.get("description", ""))
        # The headers of all requests are in the text at the beginning.
        shared = [each for each in map(self._resolved, item["parameters"]) if each["in"] == "path"]
        parameters = [*shared, *map(self._resolved, operation.get("parameters", ()))]
        yield from _table(
            ("parameter", "meaning"),
            [
                (
                    f"`{each['name']}`{'' if each.get('required') else ' (optional)'}",
                    self._meaning(each),
                )
                for each in parameters
            ],
        )
        bodies = self._resolved(operation.get("requestBody", {})).get("content", {})
        for kind, body in bodies.items():
            yield from (f"The request body is {self._type(body['schema'])}, sent as `{kind}`.", "")
        yield from _table(
            ("response", "meaning"),
            [
                (status, _with_meaning(self._bodies(answer), answer))
                for status, answer in (
                    (status, self._resolved(each))
                    for status, each in operation["responses"].items()
                )
            ],
        )

    def _meaning(self, parameter: Node) -> str:
        if parameter in self._shared_headers():
            return f"[a header](#header-{parameter['name'].lower()})"
        kind = f"{self._type(parameter['schema'])}, in the {parameter['in']}"
        return _with_meaning(kind, parameter)

    def _bodies(self, answer: Node) -> str:
        # The text at the beginning describes the body of all errors.
        kinds = {self._type(body["schema"]): "" for body in answer.get("content", {}).values()}
        return ", ".join(kind for kind in kinds if "ErrorAnswer" not in kind)

    def _shared_headers(self) -> list[Node]:
        parameters = self._document["components"]["parameters"].values()
        return [each for each in parameters if each["in"] == "header"]

    def _schema(self, name: str, schema: Node) -> Iterator[str]:
        yield from (f"(schema-{name.lower()})=", f"### {name}", "")
        yield from _paragraphs(schema.get("description", ""))
        if "properties" not in schema:
            yield from (f"{self._type(schema)}.", "")
        yield from _table(
            ("property", "meaning"),
            [
                (
                    f"`{each}`{'' if each in schema.get('required', ()) else ' (optional)'}",
                    _with_meaning(self._type(value), value),
                )
                for each, value in schema.get("properties", {}).items()
            ],
        )

    def _type(self, schema: Node) -> str:
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return f"[{name}](#schema-{name.lower()})"
        for choice in ("oneOf", "anyOf", "allOf"):
            if choice in schema:
                return " or ".join(map(self._type, schema[choice]))
        if "const" in schema:
            return f"`{schema['const']}`"
        if "enum" in schema:
            return ", ".join(f"`{value}`" for value in schema["enum"])
        kind = schema.get("type", "anything")
        if kind == "array":
            return f"list of {self._type(schema['items'])}"
        if isinstance(kind, list):
            return " or ".join(kind)
        limits = {
            "minLength": "at least",
            "maxLength": "at most",
            "minimum": "from",
            "maximum": "to",
        }
        bounds = ", ".join(f"{word} {schema[key]}" for key, word in limits.items() if key in schema)
        return f"{kind}{f', {bounds}' if bounds else ''}"

    def _resolved(self, node: Node) -> Node:
        while "$ref" in node:
            target: Node = self._document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node


def _with_meaning(kind: str, node: Node) -> str:
    return ": ".join(filter(None, (kind, node.get("description"))))


def _paragraphs(text: str) -> Iterable[str]:
    return (*text.strip().splitlines(), "") if text else ()


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if not rows:
        return
    for cells in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(_one_line(cell) for cell in cells) + " |"
    yield ""


def _one_line(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())

"""Spoils answers, by hypothesis."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.support.builders import (
    chat_doc,
    group_doc,
    message_doc,
    user_doc,
)

Path = tuple[Any, ...]
some = settings(
    max_examples=150,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# What json.loads makes of any bytes at all: half surrogate pairs and infinities are of it.
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, 10**18, -(10**639), 1e400, -0.0, 1.0])
    | st.floats(allow_nan=False)
    | st.text(st.characters(), max_size=5)
    | st.sampled_from(["", "u1", "u2", "g1", "t1", "\ud800", "\x1b[31m\0\r\n", "x" * 10_000])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.sampled_from([user_doc("u1"), group_doc("g1"), chat_doc("t1"), message_doc("m1")])
    ),
    max_leaves=8,
)


def nested(value: Any, levels: int) -> Any:
    for _ in range(levels):
        value = [value]
    return value


def places(value: Any, path: Path = ()) -> list[Path]:
    """Where the values in *value* are."""
    found = [path]
    inside = enumerate(value) if isinstance(value, list) else ()
    for key, inner in value.items() if isinstance(value, dict) else inside:
        found += places(inner, (*path, key))
    return found


def at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


@st.composite
def spoilt(draw: st.DrawFn, document: Any) -> Any:
    """*document* with something else in up to three places."""
    root = {"": copy.deepcopy(document)}
    for _ in range(draw(st.integers(1, 3))):
        anywhere = st.sampled_from(places(root[""], ("",)))
        *way, key = draw(anywhere)
        parent = at(root, tuple(way))
        change = draw(st.sampled_from([*CHANGES, delete] if way else CHANGES))
        change(draw, parent, key, anywhere.map(lambda path: copy.deepcopy(at(root, path))))
    return root[""]


def replace(draw: st.DrawFn, parent: Any, key: Any, _: Any) -> None:
    parent[key] = copy.deepcopy(draw(VALUES))


def move(draw: st.DrawFn, parent: Any, key: Any, others: st.SearchStrategy[Any]) -> None:
    parent[key] = draw(others)


def add(draw: st.DrawFn, parent: Any, key: Any, _: Any) -> None:
    value, more = parent[key], copy.deepcopy(draw(VALUES))
    if isinstance(value, dict):
        value[draw(st.text(max_size=3))] = more
    elif isinstance(value, list):
        value.insert(0, more)


def nest(draw: st.DrawFn, parent: Any, key: Any, _: Any) -> None:
    parent[key] = nested(parent[key], draw(st.sampled_from([1, 2, 60, 300])))


def repeat(draw: st.DrawFn, parent: Any, key: Any, _: Any) -> None:
    if isinstance(parent[key], list):
        parent[key] += copy.deepcopy(parent[key])


def delete(draw: st.DrawFn, parent: Any, key: Any, _: Any) -> None:
    del parent[key]


CHANGES = [replace, move, add, nest, repeat]

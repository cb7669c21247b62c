"""Stored listings whose digest is right, and what it is of is not."""

from __future__ import annotations

import copy
import hashlib
import json
import random
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._stores import codec
from teamwire_sync._stores.base import StoreError
from teamwire_sync._stores.codec import pack, unpack
from tests.stores.test_codec import full, nested
from tests.support.tables import instead_of
from tests.support.whole_models import check_chat, check_group, check_user

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync._stores.base import StoredListing


def signed(body: bytes) -> bytes:
    digest = hashlib.blake2b(body, digest_size=16).hexdigest().encode()
    return b"%s\n%s" % (digest, body)


def document_of(packed: bytes) -> Any:
    return json.loads(packed.partition(b"\n")[2])


def packed_again(document: Any) -> bytes:
    return signed(json.dumps(document).encode())


@pytest.fixture
def document() -> Any:
    """What two chats of three users and a group are stored as."""
    return document_of(pack(full()))


def numbers(*values: int) -> str:
    return codec._text(values)


VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2**40, 10**639, 1.5, 1e400, "", "x", "AAAA", "AAAAAA==",
    "AAAAAAEAAAA=", "AgAAAAEAAAA=", "\ud800", "\x1b[31m\0", [], [[]], [None], [0, 1], ["x", "y"],
    {}, {"x": 1}, {"counts": "", "places": ""}, [[0, {"x": 1}], [1, {"y": 2}]],
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values in *value* are."""
    inside = enumerate(value) if isinstance(value, list) else ()
    for key, inner in value.items() if isinstance(value, dict) else inside:
        yield (*path, key)
        yield from places(inner, (*path, key))


def at(value: Any, way: list[Any]) -> Any:
    for step in way:
        value = value[step]
    return value


def forgeries(document: Any) -> Iterator[Any]:
    """*document* with each of the values in each of its places."""
    for *way, key in places(document):
        for value in VALUES:
            forged = copy.deepcopy(document)
            at(forged, way)[key] = copy.deepcopy(value)
            yield forged


def check(unpacked: StoredListing) -> None:
    """Everything in it is whole."""
    assert list(unpacked.chats) == [chat.tid for chat in unpacked.chats.values()]
    assert type(unpacked.validator) in {str, type(None)}
    if unpacked.gone is None:
        assert unpacked.base is None
    else:
        assert {type(each) for each in (unpacked.base, *unpacked.gone)} == {str}
    for chat in unpacked.chats.values():
        check_chat(chat)
    for user in unpacked.users:
        check_user(user)
    for group in unpacked.groups:
        check_group(group)


@pytest.fixture(
    params=[
        b"",
        b"\xff",
        "é".encode(),
        b"null",
        b"[]",
        b"{}",
        b'"',
        b"[" * 1_000_000,
        b'{"a":' * 1_000_000,
        b'{"validator": NaN}',
    ],
    ids=lambda body: ascii(body[:20]),
)
def body(request: pytest.FixtureRequest) -> bytes:
    """What is no document of chats."""
    body: bytes = request.param
    return body


def test_another_document_is_refused(body: bytes) -> None:
    with pytest.raises(StoreError, match="something other than chats"):
        unpack(signed(body))


@pytest.mark.parametrize("sign", [b"", b"-"])
def test_a_number_of_a_million_digits_is_refused_before_it_is_made(
    sign: bytes, document: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To make it takes a time that grows with the square of its digits."""

    def whole(digits: str) -> int:
        assert len(digits) < 1000
        return int(digits)

    monkeypatch.setattr(codec, "int", whole, raising=False)
    document["chats"]["extra"] = [[0, {"x": "NUMBER"}]]
    body = json.dumps(document).encode().replace(b'"NUMBER"', sign + b"1" * 1_000_000)
    with pytest.raises(StoreError):
        unpack(signed(body))


FORGE: list[Any] = [
    lambda tables: tables["chats"]["tid"].pop(),
    lambda tables: tables["chats"]["tid"].append("t3"),
    lambda tables: tables["chats"]["title"].pop(),
    lambda tables: tables["chats"].update(tid=["t1", "t1"]),
    lambda tables: tables["chats"].update(tid="ab"),
    lambda tables: tables["chats"].update(kind=numbers(0)),
    lambda tables: tables["chats"].update(kind=numbers(0, 1, 0)),
    lambda tables: tables["chats"].update(kind=numbers(0, 2)),
    lambda tables: tables["chats"].update(kind=numbers(0, 2**32 - 1)),
    lambda tables: tables["chats"].update(kind=numbers(0, 1)[:-4]),
    lambda tables: tables["chats"].update(kind="é"),
    lambda tables: tables["chats"]["users"].update(counts=numbers(2)),
    lambda tables: tables["chats"]["users"].update(counts=numbers(2, 1, 0)),
    lambda tables: tables["chats"]["users"].update(counts=numbers(2, 2)),
    lambda tables: tables["chats"]["users"].update(counts=numbers(2, 0)),
    lambda tables: tables["chats"]["users"].update(counts=numbers(4, 2**32 - 1)),
    lambda tables: tables["chats"]["users"].update(places=numbers(0, 1, 3)),
    lambda tables: tables["chats"]["users"].update(places=numbers(0, 1, 2**32 - 1)),
    lambda tables: tables["chats"]["users"].update(places=[0, 1, 0]),
    lambda tables: tables["groups"]["owner"].update(counts=numbers(2), places=numbers(0, 1)),
    lambda tables: tables["chats"].update(extra=[[-1, {"x": 1}]]),
    lambda tables: tables["chats"].update(extra=[[2, {"x": 1}]]),
    lambda tables: tables["chats"].update(extra=[[True, {"x": 1}]]),
    lambda tables: tables["chats"].update(extra=[["0", {"x": 1}]]),
    lambda tables: tables["chats"].update(extra=[[0, []]]),
    lambda tables: tables["chats"].update(extra=[[0, None]]),
    lambda tables: tables["chats"].update(extra={"0": {}}),
    lambda tables: tables["chats"].update(extra=[[0, {"x": nested(51)}]]),
    lambda tables: tables["users"]["class"].__setitem__(0, "Group"),
    lambda tables: tables["users"]["is_bot"].__setitem__(0, 1),
    lambda tables: tables["users"]["_has_avatar"].__setitem__(0, 0),
    lambda tables: tables["kinds"]["is_alert"].__setitem__(0, 0),
    lambda tables: tables["kinds"]["type"].__setitem__(0, None),
    lambda tables: tables.update(validator=1),
    lambda tables: tables.update(validator="a\r\nHost: b"),
    lambda tables: tables.update(validator=" a"),
    lambda tables: tables.update(validator="\u20ac"),
    lambda tables: tables.update(gone=[]),
    lambda tables: tables.update(base="x"),
    lambda tables: tables.update(base="x", gone="t1"),
    lambda tables: tables.update(base="x", gone=["t1", 1]),
    lambda tables: tables.update(base=1, gone=[]),
]


def test_tables_that_do_not_fit_are_refused(document: Any) -> None:
    wrong = {}
    for forge in FORGE:
        forged = copy.deepcopy(document)
        forge(forged)
        unpacks = partial(unpack, packed_again(forged))
        said = instead_of(StoreError, "something other than chats", unpacks)
        if said is not None:
            wrong[f"line {forge.__code__.co_firstlineno}"] = said

    assert wrong == {}


def test_whatever_is_in_a_place_chats_are_whole_or_refused(document: Any) -> None:
    for forged in forgeries(document):
        try:
            unpacked = unpack(packed_again(forged))
        except StoreError:
            continue
        check(unpacked)


def test_whatever_is_in_three_places_chats_are_whole_or_refused(document: Any) -> None:
    rng = random.Random(8)  # noqa: S311  reproducible
    for _ in range(500):
        forged = copy.deepcopy(document)
        for _ in range(3):
            *way, key = rng.choice(list(places(forged)))
            at(forged, way)[key] = copy.deepcopy(rng.choice(VALUES))
        try:
            unpacked = unpack(packed_again(forged))
        except StoreError:
            continue
        check(unpacked)


def test_what_is_missing_is_refused(document: Any) -> None:
    for *way, key in places(document):
        forged = copy.deepcopy(document)
        del at(forged, way)[key]
        if "extra" not in way:
            with pytest.raises(StoreError):
                unpack(packed_again(forged))


def test_its_error_has_nothing_of_the_chats(document: Any) -> None:
    document["chats"]["title"][0] = ["secret"]
    with pytest.raises(StoreError) as caught:
        unpack(packed_again(document))

    error = caught.value
    assert (str(error), error.__cause__, error.__context__) == (
        "the snapshot contains something other than chats", None, None,
    )  # fmt: skip

"""The conversion of a listing, or of changes to one, to bytes, and back. Every store uses it.

The first line is the digest of the body. The body is JSON. The bytes do not contain the version of
the format: the names of files and keys contain it, so no store reads the data of another version.
The JSON has one column for each field, with the values of all objects. Reading columns is several
times as fast as reading one JSON object for each chat. Chats refer to users and groups by their
positions in the columns, as 32-bit numbers in Base64.

The members of groups are not stored, because a listing does not contain them. They are loaded when
needed.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from base64 import b64decode, b64encode
from itertools import accumulate, chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Callable

from attrs import evolve

from teamwire_sync._internal.fields import FLAG, OPTIONAL, STRING, Fields, extra_of
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._internal.strict_json import parse_json, printable
from teamwire_sync._models.chats import Chat, ChatType, FillableChat
from teamwire_sync._models.people import Bot, Group, GroupTuple, LoggedInUser, User, UserTuple
from teamwire_sync._stores.base import StoredListing, StoreError, new_token
from teamwire_sync.exceptions import TWProtocolError

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence

    from teamwire_sync._cache.listing import SlotRevision

_USER: Fields = {
    "uid": STRING,
    "first_name": STRING,
    "last_name": STRING,
    "organisation": OPTIONAL,
    "is_bot": FLAG,
    "_has_avatar": (bool, type(None)),
}
_GROUP: Fields = {
    "gid": STRING,
    "title": STRING,
    "is_circle": FLAG,
    "is_list": FLAG,
    "is_public": FLAG,
}
_CHAT: Fields = {"tid": STRING, "title": OPTIONAL}
# Most chats have the same values in these fields, so each combination is stored once.
_KIND: Fields = {
    "type": STRING,
    "is_alert": FLAG,
    "allow_sending": FLAG,
    "allow_mute_notifications": FLAG,
    "is_closed": FLAG,
}
_CLASSES = {cls.__name__: cls for cls in (User, Bot, LoggedInUser)}

_DAMAGED = "the snapshot is damaged or cut off"
# The exceptions that wrong JSON and objects of a wrong type can cause.
_FAULTS = (
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError,
    MemoryError, struct.error, TWProtocolError,
)  # fmt: skip


def pack(contents: StoredListing, max_bytes: float = math.inf) -> bytes:
    """Return a listing as bytes, with the users and groups that its chats refer to.

    Raises:
        StoreError: The listing has a value that JSON does not support, such as infinity, or it has
            more than *max_bytes*.
    """
    try:
        body = _encode(_document(contents)).encode("ascii")
    except not_by_signal(*_FAULTS):
        body = b""
    if not body:
        message = "the chats contain a value that can't be stored"
        raise StoreError(message)
    packed = b"%s\n%s" % (_digest(body), body)
    if len(packed) > max_bytes:
        message = f"the chats have {len(packed):,} bytes, more than max_bytes ({max_bytes:,})"
        raise StoreError(message)
    return packed


def pack_changes(
    changes: StoredListing | None, base: SlotRevision, max_bytes: float = math.inf
) -> tuple[str, bytes]:
    """Return the token of the listing with these changes to *base*, and the changes as bytes.

    Raises:
        StoreError: As for `pack`.
    """
    if changes is None:
        return base.body, b""
    return new_token(), pack(evolve(changes, base=base.body), max_bytes)


def unpack(packed: bytes) -> StoredListing:
    """Return the listing that `pack` converted to *packed*.

    The chats are not bound to a Connection yet, so their methods can't send requests.

    Raises:
        StoreError: *packed* is damaged, cut off, or not a listing.
    """
    digest, _, body = packed.partition(b"\n")
    message = _DAMAGED
    if digest == _digest(body):
        try:
            return _contents(parse_json(printable(str(body, "ascii"))))
        except not_by_signal(*_FAULTS):
            message = "the snapshot contains something other than chats"
    raise StoreError(message)


def room_for_changes(packed: bytes, max_bytes: float = math.inf) -> int:
    """Return the bytes that the log of changes beside this listing may have.

    A reader applies the log to the listing. So a log of any size would make reading slow.
    """
    return int(min(len(packed) // 4, max_bytes - len(packed)))


def unpack_parts(
    parts: Iterable[tuple[str, Any]], known: str | None
) -> tuple[list[StoredListing], str]:
    """Unpack the consecutive parts of a stored listing, up to the first damaged part.

    Args:
        parts: The token and the bytes of each part.
        known: The token of a listing that the first part may change.

    Returns:
        The parts before the first damaged one, and its problem; an empty text without one.
    """
    unpacked: list[StoredListing] = []
    bases = {None, known}
    for token, packed in parts:
        try:
            part = unpack(packed if isinstance(packed, bytes) else b"")
        except StoreError as error:
            return unpacked, str(error)
        if part.base not in bases:
            return unpacked, _DAMAGED
        unpacked.append(part)
        bases = {token}
    return unpacked, ""


def joined(parts: Sequence[StoredListing]) -> StoredListing:
    """Return consecutive parts as one listing or, if the first part is no listing, as changes."""
    chats: dict[str, Chat] = {}
    gone: list[str] = []
    for part in parts:
        gone += part.gone or ()
        for tid in part.gone or ():
            chats.pop(tid, None)
        chats.update(part.chats)
    return evolve(
        parts[-1],
        chats=chats,
        users=[user for part in parts for user in part.users],
        groups=[group for part in parts for group in part.groups],
        gone=None if parts[0].gone is None else gone,
        base=parts[0].base,
    )


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).hexdigest().encode()


_kind_of, _user_fields, _group_fields = (attrgetter(*each) for each in (_KIND, _USER, _GROUP))
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def _require(right: bool) -> None:
    if not right:
        raise ValueError


def _document(contents: StoredListing) -> dict[str, Any]:
    chats = list(contents.chats.values())
    examples = {_kind_of(chat): chat for chat in chats}
    kinds = {kind: index for index, kind in enumerate(examples)}
    named = {name: list(map(attrgetter(name), chats)) for name in ("users", "groups", "admins")}
    owner_of = {
        id(group): () if group.owner is None else (group.owner,)
        for group in chain.from_iterable(named["groups"])
    }
    users, user_places = _distinct(chain(named["users"], named["admins"], owner_of.values()), _user)
    groups, group_places = _distinct(
        named["groups"], lambda group: (_group(group), *map(_user, owner_of[id(group)]))
    )
    return {
        "validator": contents.validator,
        "revision": contents.revision,
        "base": contents.base,
        "gone": None if contents.gone is None else list(contents.gone),
        "users": {
            **_columns(users, _USER),
            "extra": _extra(users),
            "class": [type(user).__name__ for user in users],
        },
        "groups": {
            **_columns(groups, _GROUP),
            "owner": _slots([owner_of[id(group)] for group in groups], user_places),
            "extra": _extra(groups),
        },
        "kinds": _columns(examples.values(), _KIND),
        "chats": {
            **_columns(chats, _CHAT),
            "revision": [contents.revisions.get(chat.tid) for chat in chats],
            "extra": _extra(chats),
            "kind": _text([kinds[kind] for kind in map(_kind_of, chats)]),
            "users": _slots(named["users"], user_places),
            "groups": _slots(named["groups"], group_places),
            "admins": _slots(named["admins"], user_places),
        },
    }


def _distinct(
    tuples: Iterable[tuple[Any, ...]], all_of: Callable[[Any], Hashable]
) -> tuple[list[Any], dict[int, int]]:
    """Return the different objects, and the place of each object among them, by its identity."""
    objects: list[Any] = []
    known: dict[Hashable, int] = {}
    places: dict[int, int] = {}
    # Only a listing has one object for each user or group. Changes bring objects of their own.
    for identity, each in {id(each): each for each in chain.from_iterable(tuples)}.items():
        places[identity] = place = known.setdefault(all_of(each), len(objects))
        if place == len(objects):
            objects.append(each)
    return objects, places


def _user(user: User) -> Hashable:
    # Equality does not compare all fields of a user.
    return type(user), _user_fields(user), repr(user._extra)


def _group(group: Group) -> Hashable:
    return _group_fields(group), repr(group._extra)


def _columns(objects: Collection[Any], fields: Fields) -> dict[str, Any]:
    return {name: list(map(attrgetter(name), objects)) for name in fields}


def _extra(objects: Iterable[Any]) -> list[tuple[int, dict[str, Any]]]:
    return [(index, each.extra) for index, each in enumerate(objects) if each._extra]


def _slots(tuples: Sequence[tuple[Any, ...]], place_of: Mapping[int, int]) -> dict[str, str]:
    places = [place_of[id(each)] for each in chain.from_iterable(tuples)]
    return {"counts": _text(list(map(len, tuples))), "places": _text(places)}


def _text(numbers: Sequence[int]) -> str:
    return b64encode(struct.pack(f"<{len(numbers)}I", *numbers)).decode("ascii")


def _contents(document: Any) -> StoredListing:
    validator = document["validator"]
    if validator is not None:
        # The validator is sent in a header.
        _require(validator.isprintable() and validator == validator.strip())
        validator.encode("latin-1")
    users = _users(document["users"])
    groups = _groups(document["groups"], users)
    chats, revision = _chats(document, users, groups), document["revision"]
    column = document["chats"]["revision"]
    _require(type(column) is list and len(column) == len(chats))
    _require({int, type(None)}.issuperset(map(type, [revision, *column])))
    revisions = {tid: each for tid, each in zip(chats, column) if each is not None}
    base, gone = document["base"], document["gone"]
    if base is not None or gone is not None:
        _require(type(base) is str and type(gone) is list and {str}.issuperset(map(type, gone)))
    return StoredListing(chats, validator, users, groups, revisions, revision, gone, base)


def _checked(table: Any, fields: Fields) -> list[list[Any]]:
    columns = [table[name] for name in fields]
    for column, types in zip(columns, fields.values()):
        _require(type(column) is list and len(column) == len(columns[0]))
        _require({*types}.issuperset(map(type, column)))
    return columns


def _extras(table: Any, size: int) -> list[tuple[tuple[str, Any], ...]]:
    extras: list[tuple[tuple[str, Any], ...]] = [()] * size
    for index, extra in table["extra"]:
        _require(type(index) is int and index >= 0 and type(extra) is dict)
        extras[index] = extra_of(extra, {})
    return extras


def _numbers(text: Any) -> tuple[int, ...]:
    packed = b64decode(text)
    return struct.unpack(f"<{len(packed) // 4}I", packed)


def _named(table: Any, objects: Sequence[Any], size: int, kind: type[Any]) -> list[Any]:
    counts, places = _numbers(table["counts"]), _numbers(table["places"])
    _require(len(counts) == size and sum(counts) == len(places))
    every = (*map(objects.__getitem__, places),)
    # Rows that refer to the same object, and to no other, share one tuple, to save memory.
    alone = [kind((each,)) for each in objects]
    make, none = tuple.__new__, kind()
    return [
        alone[places[end - 1]]
        if count == 1
        else make(kind, every[end - count : end])
        if count
        else none
        for count, end in zip(counts, accumulate(counts))
    ]


def _users(table: Any) -> list[User]:
    *columns, classes = _checked(table, {**_USER, "class": STRING})
    extras = _extras(table, len(classes))
    return [_CLASSES[cls](*values) for cls, *values in zip(classes, *columns, extras)]


def _groups(table: Any, users: list[User]) -> list[Group]:
    gids, titles, *flags = _checked(table, _GROUP)
    size = len(gids)
    owners = _named(table["owner"], users, size, UserTuple)
    _require(max(map(len, owners), default=0) <= 1)
    return [
        Group(gid, title, owner, is_circle, is_list, is_public, None, extra)
        for gid, title, owner, is_circle, is_list, is_public, extra in zip(
            gids,
            titles,
            [owner[0] if owner else None for owner in owners],
            *flags,
            _extras(table, size),
        )
    ]


def _chats(document: Any, users: list[User], groups: list[Group]) -> dict[str, Chat]:
    table = document["chats"]
    tids, titles = _checked(table, _CHAT)
    size, places = len(tids), _numbers(table["kind"])
    types, *flags = _checked(document["kinds"], _KIND)
    kinds = [*zip(map(ChatType, types), *flags)]
    _require(len(places) == size)
    chats: dict[str, Chat] = {}
    new = FillableChat.__new__
    # Like the decoder of the pages, this loop has no helper functions: calling them would take
    # longer than the work that they do.
    for tid, title, kind, members, invited, admins, extra in zip(
        tids,
        titles,
        map(kinds.__getitem__, places),
        _named(table["users"], users, size, UserTuple),
        _named(table["groups"], groups, size, GroupTuple),
        _named(table["admins"], users, size, UserTuple),
        _extras(table, size),
    ):
        chats[tid] = chat = new(FillableChat)
        chat.tid = tid
        chat.title = title
        (
            chat.type, chat.is_alert, chat.allow_sending, chat.allow_mute_notifications,
            chat.is_closed,
        ) = kind  # fmt: skip
        chat.users = members
        chat.groups = invited
        chat.admins = admins
        chat._extra = extra
        chat.__class__ = Chat
    _require(len(chats) == size)
    return chats

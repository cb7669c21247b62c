"""Lists and tuples of models: each that a program can get is a table."""

from __future__ import annotations

import copy
import re
from inspect import isclass, isfunction
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Callable

import pytest
from attrs import evolve, fields_dict, has

import teamwire_sync
from teamwire_sync import (
    AttachmentList,
    ChatAdminsChangeInfo,
    ChatList,
    ChatMemberChangeInfo,
    EventList,
    GroupList,
    GroupTuple,
    MessageList,
    UserList,
    UserTuple,
)
from teamwire_sync._cache.snapshot import ChatSnapshot
from teamwire_sync._http.contract import Decoder
from teamwire_sync._stores import codec
from teamwire_sync._stores.base import StoredListing
from teamwire_sync._vendor.models import Converter
from tests.support.builders import (
    chat_doc,
    group_doc,
    make_chat,
    make_event,
    make_file,
    make_group,
    make_message,
    make_user,
    pickled,
    user_doc,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync import Chat, ChatHandle, User

# A program never calls the methods of a transport or a store.
NOT_CALLED = {"Progress", "Store", "Transport", "VendorTransport"}
PUBLIC = {name: getattr(teamwire_sync, name) for name in {*teamwire_sync.__all__} - NOT_CALLED}
VALUES = [name for name, each in PUBLIC.items() if hasattr(each, "to_dict")]
BARE = re.compile(
    r"\b(list|tuple|set|frozenset|List|Tuple|Sequence|Collection)\[[^]]*\b({})\b".replace(
        "{}", "|".join(VALUES)
    )
)
USERS = (make_user("u1"), make_user("u2"))
GROUPS = (make_group("g1"), make_group("g2", is_circle=False, is_list=True))
ITEMS: dict[Any, list[Any]] = {
    AttachmentList: [make_file()],
    ChatList: [make_chat()],
    EventList: [make_event("chat_created")],
    GroupList: [*GROUPS],
    GroupTuple: [*GROUPS],
    MessageList: [make_message()],
    UserList: [*USERS],
    UserTuple: [*USERS],
}
LISTS = [kind for kind in ITEMS if issubclass(kind, list)]
TUPLES = [kind for kind in ITEMS if issubclass(kind, tuple)]


def results(public: type) -> Iterator[tuple[str, str]]:
    """The attributes and methods of *public*, and the annotations of their values."""
    for kind in public.__mro__:
        if not kind.__module__.startswith("teamwire_sync"):
            continue
        for name, text in vars(kind).get("__annotations__", {}).items():
            yield name, str(text)
        for name, value in vars(kind).items():
            function = getattr(value, "fget", None) or getattr(value, "__func__", value)
            if isfunction(function):
                yield name, str(function.__annotations__.get("return"))


def bare(classes: dict[str, Any]) -> set[str]:
    return {
        f"{name}.{attribute}: {text}"
        for name, public in classes.items()
        if isclass(public)
        for attribute, text in results(public)
        if attribute[0] != "_" and BARE.search(text)
    }


def test_no_call_or_attribute_is_a_bare_list_of_models() -> None:
    assert bare(PUBLIC) == set()


def test_one_would_be_found() -> None:
    class Future:
        __module__ = "teamwire_sync"
        friends: tuple[User, ...] | None

        def find(self) -> list[Chat]:
            raise NotImplementedError

        @property
        def rooms(self) -> dict[str, list[Chat | ChatHandle]]:
            raise NotImplementedError

    assert len(bare({"Future": Future})) == 3


def test_every_field_that_is_a_table_converts_what_a_program_passes() -> None:
    wrong = {
        f"{name}.{attribute}"
        for name, public in PUBLIC.items()
        if isclass(public) and has(public)
        for attribute, field in fields_dict(public).items()
        if str(field.type) in {kind.__name__ for kind in TUPLES} and field.converter is None
    }

    assert wrong == set()


def decoded() -> Chat:
    chat = chat_doc(user_ids=["u1", "u2"], group_ids=["g1", "g2"], admin_ids=["u1"])
    users, groups = [user_doc("u1"), user_doc("u2")], [group_doc("g1"), group_doc("g2")]
    found = Decoder().chat({"chat": chat, "users": users, "groups": groups}).chat
    assert found is not None
    return found


def stored(chat: Chat) -> Chat:
    (again,) = codec.unpack(codec.pack(StoredListing({chat.tid: chat}, None))).chats.values()
    return again


def shared(chat: Chat) -> Chat:
    known = ChatSnapshot.of({chat.tid: decoded()})
    return known.shared({chat.tid: chat})[chat.tid]


def converted() -> Chat:
    theirs = SimpleNamespace(
        tid="t1",
        title="test",
        users=[SimpleNamespace(uid="u1"), SimpleNamespace(uid="u2")],
        circles=[SimpleNamespace(gid="g1"), SimpleNamespace(gid="g2")],
        admins=[SimpleNamespace(uid="u1")],
    )
    return Converter().chat(theirs)


BY_HAND = make_chat(users=[*USERS], groups=iter(GROUPS), admins=USERS[:1])
CHATS: dict[str, Callable[[], Chat]] = {
    "made by hand": lambda: BY_HAND,
    "from a response": decoded,
    "from a store": lambda: stored(decoded()),
    "from changes": lambda: shared(decoded()),
    "from the vendor's SDK": converted,
    "from a pickle": lambda: pickled(decoded()),
    "from evolve": lambda: evolve(decoded(), title="x", admins=[make_user("u2")]),
}
EMPTY: dict[str, Callable[[], Any]] = {
    "made by hand": lambda: make_chat(users=[], admins=iter(())),
    "from a response": lambda: Decoder().chat({"chat": chat_doc(), "users": [], "groups": []}).chat,
    "from a store": lambda: stored(make_chat()),
    "from changes": lambda: shared(make_chat()),
}


@pytest.mark.parametrize("source", CHATS)
def test_the_members_of_a_chat_are_tables(source: str) -> None:
    chat = CHATS[source]()

    assert (len(chat.users), len(chat.groups), len(chat.admins)) == (2, 2, 1)
    assert type(chat.users) is type(chat.admins) is UserTuple
    assert type(chat.groups) is type(chat.circles) is type(chat.lists) is GroupTuple


@pytest.mark.parametrize("source", EMPTY)
def test_all_chats_without_members_share_one_tuple(source: str) -> None:
    chat = EMPTY[source]()

    assert chat.users is chat.admins is UserTuple()
    assert chat.groups is GroupTuple()


def test_the_people_of_an_event_are_tables() -> None:
    joined = make_event("chat_joined", cls=ChatMemberChangeInfo, users=[*USERS], groups=GROUPS)
    changed = make_event(
        "chat_admins_changed", cls=ChatAdminsChangeInfo, added_admins=[*USERS], removed_admins=()
    )

    assert (type(joined.users), type(joined.groups)) == (UserTuple, GroupTuple)  # type: ignore[attr-defined]
    assert type(changed.added_admins) is type(changed.removed_admins) is UserTuple  # type: ignore[attr-defined]


def test_the_attachments_of_a_message_are_a_table() -> None:
    assert type(make_message(attachments=(make_file(),)).attachments) is AttachmentList


@pytest.mark.parametrize("kind", TUPLES)
class TestTuple:
    def test_it_equals_a_plain_tuple_and_has_its_hash(self, kind: Any) -> None:
        plain = tuple(ITEMS[kind])

        assert kind(plain) == plain
        assert plain == kind(plain)
        assert hash(kind(plain)) == hash(plain)

    def test_it_is_no_larger_than_a_plain_tuple(self, kind: Any) -> None:
        assert kind(ITEMS[kind]).__sizeof__() == tuple(ITEMS[kind]).__sizeof__()
        assert not hasattr(kind(ITEMS[kind]), "__dict__")

    def test_of_one_of_its_class_it_makes_no_copy(self, kind: Any) -> None:
        value = kind(ITEMS[kind])

        assert kind(value) is value


@pytest.mark.parametrize("kind", ITEMS)
class TestEach:
    def test_parts_sums_and_copies_keep_its_class(self, kind: Any) -> None:
        value = kind(ITEMS[kind])
        plain = kind.__mro__[-2](value)
        made = [
            value[:1],
            value[::-1],
            value + value,
            value + plain,
            copy.copy(value),
            copy.deepcopy(value),
            *(pickled(value, protocol) for protocol in range(6)),
        ]

        assert {type(each) for each in made} == {kind}
        assert made[-1] == made[-6] == value
        assert made[2] == made[3] == plain + plain

    def test_a_wrong_summand_is_a_type_error(self, kind: Any) -> None:
        with pytest.raises(TypeError, match=f"'{kind.__name__}' and 'int'"):
            kind(ITEMS[kind]) + 5

    def test_another_kind_of_summand_decides(self, kind: Any) -> None:
        class Array:
            def __radd__(self, other: object) -> str:
                return "sum"

        assert kind() + Array() == "sum"

    def test_a_plain_list_can_be_extended_by_it_in_place(self, kind: Any) -> None:
        plain: list[Any] = []
        same = plain
        same += kind(ITEMS[kind])

        assert plain == [*ITEMS[kind]]


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_is_changed_in_place_as_a_plain_one(kind: Any) -> None:
    value = same = kind(ITEMS[kind])
    value += ITEMS[kind]
    value *= 2

    assert same is value


@pytest.mark.parametrize("kind", LISTS)
def test_a_copy_of_a_list_keeps_its_class(kind: Any) -> None:
    assert type(kind(ITEMS[kind]).copy()) is kind

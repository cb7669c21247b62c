"""Listings as bytes: what survives, and what damage does to them."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Callable

import attrs
import pytest

from teamwire_sync import Chat, ChatType, Group, User
from teamwire_sync._http.contract import Decoder
from teamwire_sync._internal.strict_json import decode_json
from teamwire_sync._models.base import attach
from teamwire_sync._models.people import Bot, LoggedInUser
from teamwire_sync._stores.base import StoredListing, StoreError
from teamwire_sync._stores.codec import pack, unpack
from tests.support.builders import chat_doc, make_chat, make_group, make_user, page_doc, user_doc

if TYPE_CHECKING:
    from collections.abc import Iterator

ADA, BOB = make_user("ada", has_avatar=True), Bot("bob", "Bob", "", is_bot=True)
TEAM = make_group("team", owner=BOB, extra=(("mood", "fine"),))

TEXTS = ["", "x", "Übergabe 🚑", "\ufffd", "\\ud800", "\x00\r\n\u2028", '"\\', "9" * 2000]
FLAGS = [False, True]
EXTRAS = [
    (),
    (("", None),),
    (("é", [1, -0.5, 10**600, {"deep": [True, []]}]), ("a", "\ufffe")),
]
USER_FIELDS: dict[str, list[Any]] = {
    "uid": TEXTS,
    "first_name": TEXTS,
    "last_name": TEXTS,
    "organisation": [None, *TEXTS],
    "is_bot": FLAGS,
    "_has_avatar": [None, *FLAGS],
    "_extra": EXTRAS,
}
GROUP_FIELDS: dict[str, list[Any]] = {
    "gid": TEXTS,
    "title": TEXTS,
    "owner": [None, ADA, BOB],
    "is_circle": FLAGS,
    "is_list": FLAGS,
    "is_public": FLAGS,
    "_members": [None],
    "_extra": EXTRAS,
}
CHAT_FIELDS: dict[str, list[Any]] = {
    "tid": TEXTS,
    "title": [None, *TEXTS],
    "type": [*ChatType, ChatType("channel"), ChatType("")],
    "users": [(), (ADA,), (ADA, BOB), (BOB, ADA)],
    "groups": [(), (TEAM,), (make_group("other"), TEAM)],
    "admins": [(), (BOB,), (BOB, ADA)],
    "is_alert": FLAGS,
    "allow_sending": FLAGS,
    "allow_mute_notifications": FLAGS,
    "is_closed": FLAGS,
    "_extra": EXTRAS,
}


def changed(fields: dict[str, list[Any]], model: Any, back: Callable[[Any], Any]) -> list[str]:
    """With which values of *fields* in it *model* does not come *back* as it was."""
    models = {
        f"{name}={value!r}": attrs.evolve(model, **{name.lstrip("_"): value})
        for name, values in fields.items()
        for value in values
    }
    assert models
    return [name for name, each in models.items() if plain(back(each)) != plain(each)]


def contents(*chats: Chat, validator: str | None = None) -> StoredListing:
    return StoredListing({chat.tid: chat for chat in chats}, validator)


def again(*chats: Chat) -> list[Chat]:
    return list(unpack(pack(contents(*chats))).chats.values())


def plain(value: Any) -> Any:
    """All there is to *value*, also what a comparison of it leaves out."""
    if attrs.has(type(value)):
        names = [each.name for each in attrs.fields(type(value))]
        return type(value), [(name, plain(getattr(value, name))) for name in names]
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    return type(value), value


def full() -> StoredListing:
    eve = make_user("eve", organisation="Süd", extra=(("n", 1),))
    one = make_chat("t1", users=(ADA, eve), admins=(BOB,), extra=(("mood", ["fine"]),))
    two = make_chat("t2", None, type=ChatType.ONE_TO_ONE, users=(ADA,), groups=(TEAM,))
    return contents(one, two, validator='"v1"')


def nested(levels: int) -> Any:
    value: Any = None
    for _ in range(levels):
        value = [value]
    return value


class TestFields:
    @pytest.mark.parametrize("cls", [User, Bot, LoggedInUser])
    def test_users_come_back_as_they_were(self, cls: type[User]) -> None:
        def back(user: User) -> User:
            return again(make_chat(users=(ADA, user)))[0].users[1]

        assert changed(USER_FIELDS, cls("u1", "Eve", "X"), back) == []

    def test_groups_come_back_as_they_were(self) -> None:
        def back(group: Group) -> Group:
            return again(make_chat(groups=(TEAM, group)))[0].groups[1]

        assert changed(GROUP_FIELDS, make_group(), back) == []

    def test_chats_come_back_as_they_were(self) -> None:
        other = make_chat("other", "other", users=(BOB,), is_alert=True)

        assert changed(CHAT_FIELDS, make_chat(), lambda chat: again(other, chat)[1]) == []

    @pytest.mark.parametrize(
        ("cls", "fields"), [(User, USER_FIELDS), (Group, GROUP_FIELDS), (Chat, CHAT_FIELDS)]
    )
    def test_no_field_goes_untested(self, cls: type, fields: dict[str, Any]) -> None:
        assert [each.name for each in attrs.fields(cls)] == list(fields)

    @pytest.mark.parametrize("validator", [None, "", '"v1"', 'W/"é"'])
    def test_the_validator_comes_back(self, validator: str | None) -> None:
        assert unpack(pack(contents(make_chat(), validator=validator))).validator == validator

    @pytest.mark.parametrize("gone", [(), ("t1", "", "Übergabe")])
    def test_changes_come_back(self, gone: tuple[str, ...]) -> None:
        changes = attrs.evolve(full(), gone=gone, base="the token")
        back = unpack(pack(changes))

        assert (back.chats, back.gone, back.base) == (changes.chats, [*gone], "the token")

    def test_members_of_a_group_are_to_be_asked_for(self) -> None:
        """As after a listing; they would never be asked for again."""
        group = make_group(members=(ADA,))

        assert again(make_chat(groups=(group,)))[0].groups[0]._members is None

    def test_half_emoji_of_an_earlier_version_are_made_printable(self) -> None:
        stored = make_chat(title="half \ud83d", users=(make_user(first_name="\ude00 half"),))
        (chat,) = again(stored)

        assert (chat.title, chat.users[0].first_name) == ("half \ufffd", "\ufffd half")

    def test_random_listings_come_back_as_they_were(self) -> None:
        for seed in range(30):
            chats = list(random_chats(random.Random(seed), seed))  # noqa: S311  reproducible

            assert plain(tuple(again(*chats))) == plain(tuple(chats))

    def test_what_the_server_sends_comes_back(self) -> None:
        chat = chat_doc(user_ids=["u1"], admin_ids=["u1"], mood={"a": [1]}, rank=1.5)
        page = page_doc(chat, chat_doc("t2"), users=[user_doc("u1", has_avatar=True, pet="cat")])
        chats, _, _ = Decoder().page(decode_json(json.dumps(page).encode()))

        assert plain(tuple(again(*chats))) == plain(tuple(chats))


def random_chats(rng: random.Random, count: int) -> Iterator[Chat]:
    def fields_of(fields: dict[str, list[Any]], *left_out: str) -> dict[str, Any]:
        return {
            name.lstrip("_"): rng.choice(values)
            for name, values in fields.items()
            if name not in left_out
        }

    kinds = (User, Bot, LoggedInUser)
    users = [rng.choice(kinds)(**fields_of(USER_FIELDS)) for _ in range(rng.randrange(1, 10))]
    groups = [
        Group(owner=rng.choice([None, *users]), **fields_of(GROUP_FIELDS, "owner"))
        for _ in range(rng.randrange(1, 5))
    ]
    for number in range(count):
        yield Chat(
            f"t{number}",
            users=tuple(rng.sample(users, rng.randint(0, len(users)))),
            groups=tuple(rng.sample(groups, rng.randint(0, len(groups)))),
            admins=tuple(rng.sample(users, rng.randint(0, len(users)))),
            **fields_of(CHAT_FIELDS, "tid", "users", "groups", "admins"),
        )


class TestIdentity:
    def test_a_user_of_many_chats_is_one_object(self) -> None:
        chats = again(*(make_chat(f"t{n}", users=(ADA, BOB), admins=(BOB,)) for n in range(500)))

        assert len({id(user) for chat in chats for user in (*chat.users, *chat.admins)}) == 2

    def test_a_group_of_many_chats_is_one_object(self) -> None:
        chats = again(*(make_chat(f"t{number}", groups=(TEAM,)) for number in range(500)))

        assert len({id(chat.groups[0]) for chat in chats}) == 1

    def test_the_owner_of_a_group_is_the_user_of_the_chat(self) -> None:
        (chat,) = again(make_chat(users=(ADA, BOB), groups=(TEAM,)))

        assert chat.groups[0].owner is chat.users[1]

    def test_chats_that_name_the_same_one_alone_share_the_tuple(self) -> None:
        """Else the admins of 100,000 chats take 6 MB."""
        one, two = again(make_chat("t1", admins=(BOB,)), make_chat("t2", admins=(BOB,)))

        assert one.admins is two.admins

    def test_equal_users_and_groups_of_several_responses_are_stored_once(self) -> None:
        """Changes bring objects of their own, and the listing would grow with each change."""
        owner, extra = {"organisation": "Süd"}, (("mood", ["fine"]),)
        chats = [
            make_chat(
                f"t{n}",
                users=(make_user("eve", extra=extra), make_user("ada")),
                groups=(make_group("g", owner=make_user("own", **owner), extra=extra),),
                admins=(make_user("eve", extra=extra),),
            )
            for n in range(3)
        ]
        unpacked = unpack(pack(contents(*chats)))

        assert [user.uid for user in unpacked.users] == ["eve", "ada", "own"]
        assert [group.gid for group in unpacked.groups] == ["g"]
        assert plain(tuple(unpacked.chats.values())) == plain(tuple(chats))

    @pytest.mark.parametrize(
        "others",
        [
            (make_user("u", extra=(("x", 1),)), make_user("u", extra=(("x", True),))),
            (make_user("u"), Bot(*attrs.astuple(make_user("u"), recurse=False)[:-2])),
            (make_user("u", organisation=None), make_user("u", organisation="")),
        ],
        ids=["extra", "class", "field"],
    )
    def test_users_that_differ_in_anything_stay_apart(self, others: tuple[User, User]) -> None:
        (chat,) = again(make_chat(users=others))

        assert plain(chat.users) == plain(others)

    def test_groups_of_different_owners_stay_apart(self) -> None:
        owners = (None, ADA, make_user("ada", has_avatar=False))
        groups = tuple(make_group("g", owner=owner) for owner in owners)
        (chat,) = again(make_chat(groups=groups))

        assert plain(chat.groups) == plain(groups)

    def test_equal_users_that_differ_stay_apart(self) -> None:
        """A picture is in no comparison."""
        (chat,) = again(make_chat(users=(ADA, make_user("ada", has_avatar=False))))

        assert [user._has_avatar for user in chat.users] == [True, False]

    def test_all_users_are_told_each_once(self) -> None:
        chats = [make_chat(f"t{n}", users=(ADA,), groups=(TEAM,)) for n in range(3)]
        unpacked = unpack(pack(contents(*chats)))

        assert [user.uid for user in unpacked.users] == ["ada", "bob"]

    def test_all_groups_are_told_each_once(self) -> None:
        groups = (TEAM, make_group("other"))
        unpacked = unpack(pack(contents(*(make_chat(f"t{n}", groups=groups) for n in range(3)))))

        assert [group.gid for group in unpacked.groups] == ["team", "other"]

    def test_the_users_that_are_told_are_those_of_the_chats(self) -> None:
        unpacked = unpack(pack(contents(make_chat(users=(ADA,)))))

        assert unpacked.users[0] is unpacked.chats["t1"].users[0]

    def test_nobody_is_stored_whom_no_chat_names(self) -> None:
        given = StoredListing({"t1": make_chat(users=(ADA,))}, users=(ADA, BOB), groups=(TEAM,))
        unpacked = unpack(pack(given))

        assert ([user.uid for user in unpacked.users], unpacked.groups) == (["ada"], [])

    def test_what_comes_back_acts_through_no_connection(self) -> None:
        user, group = make_user(), make_group()
        chat = make_chat(users=(user,), groups=(group,))
        attach([user, group, chat], object())
        (unpacked,) = again(chat)

        found = (unpacked, *unpacked.users, *unpacked.groups)
        assert not any(hasattr(each, "_service") for each in found)

    def test_the_order_of_the_chats_stays(self) -> None:
        tids = ["t2", "t10", "t1"]

        assert list(unpack(pack(contents(*map(make_chat, tids)))).chats) == tids

    def test_no_chats_are_a_listing_too(self) -> None:
        unpacked = unpack(pack(StoredListing({})))

        assert (unpacked.chats, unpacked.users, unpacked.groups) == ({}, [], [])


class TestUnpackable:
    @pytest.mark.parametrize("value", [float("inf"), float("nan"), {1, 2}, b"x", nested(100_000)])
    def test_what_json_has_not_is_refused(self, value: Any) -> None:
        with pytest.raises(StoreError, match=r"^the chats contain a value that can't be stored$"):
            pack(contents(make_chat("t1", "secret", extra=(("x", value),))))


class TestDamage:
    def test_bytes_that_are_missing_are_noticed(self) -> None:
        packed = pack(full())
        for size in range(len(packed)):
            with pytest.raises(StoreError):
                unpack(packed[:size])

    def test_each_flipped_bit_is_noticed(self) -> None:
        packed = bytearray(pack(full()))
        for slot in range(len(packed)):
            for bit in range(8):
                packed[slot] ^= 1 << bit
                with pytest.raises(StoreError):
                    unpack(bytes(packed))
                packed[slot] ^= 1 << bit

    def test_bytes_that_are_too_many_are_noticed(self) -> None:
        with pytest.raises(StoreError, match="damaged"):
            unpack(pack(full()) + b" ")

    @pytest.mark.parametrize("cut", [-1, 60])
    def test_what_is_cut_off_says_so(self, cut: int) -> None:
        with pytest.raises(StoreError, match=r"^the snapshot is damaged or cut off$"):
            unpack(pack(full())[:cut])

    @pytest.mark.parametrize(
        "other", [b"", b"\n", b"{}", b"\x80\x04N.", b"teamwire_sync snapshot 1"]
    )
    def test_what_is_no_snapshot_is_noticed(self, other: bytes) -> None:
        with pytest.raises(StoreError, match=r"^the snapshot is damaged or cut off$"):
            unpack(other)

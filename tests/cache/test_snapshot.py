"""A snapshot made from an older one and changes: what a new snapshot of the same chats would be."""

from __future__ import annotations

import gc
import weakref
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._cache.snapshot import ChatSnapshot
from teamwire_sync._models.chats import UNREADABLE
from tests.support.builders import make_chat, make_user

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync import Chat

# Few titles, so that several chats have the same one.
TITLES = ("red", "green", "blue", "only once", "", None)

Changes = tuple[dict[str, "Chat"], list[str]]


def a_change(random: Random, known: dict[str, Chat], number: int) -> Changes:
    """Return some chats and some thread IDs: new, renamed, unchanged, gone, gone and back."""
    tids = [*known, f"new{number}", f"newer{number}"]
    chats = {}
    for tid in random.sample(tids, random.randint(0, min(4, len(tids)))):
        is_same = tid in known and random.random() < 0.2
        chats[tid] = known[tid] if is_same else make_chat(tid, random.choice(TITLES))
    return chats, random.sample([*tids, "never known"], random.randint(0, 2))


def histories() -> Iterator[tuple[ChatSnapshot, Changes, ChatSnapshot, dict[str, Chat]]]:
    """Yield the old snapshot, the changes, the new snapshot, and the chats that it must have."""
    for seed in range(60):
        random = Random(seed)  # noqa: S311  not for secrets
        chats = {f"t{n}": make_chat(f"t{n}", random.choice(TITLES)) for n in range(seed % 8)}
        snapshot = ChatSnapshot.of(dict(chats))
        for number in range(25):
            changes, gone = a_change(random, chats, number)
            for tid in gone:
                chats.pop(tid, None)
            chats.update(changes)
            new = snapshot.changed(changes, gone, {"t1": number}, number)
            yield snapshot, (changes, gone), new, dict(chats)
            snapshot = new


def parts(snapshot: ChatSnapshot) -> tuple[Any, ...]:
    """Return all chats of a snapshot, each as an object, in both indexes and in their order."""
    titles = {title: tuple(map(id, snapshot.titled(title) or ())) for title in snapshot.by_title}
    are_tuples = {title: type(found) is tuple for title, found in snapshot.by_title.items()}
    by_tid = [(tid, id(chat)) for tid, chat in snapshot.by_tid.items()]
    return [*map(id, snapshot.chats)], by_tid, titles, are_tuples


class TestChanged:
    def test_is_a_new_snapshot_of_the_same_chats(self) -> None:
        """The chats are the same objects, in the same order, and each index finds the same."""
        for _, changes, new, chats in histories():
            assert parts(new) == parts(ChatSnapshot.of(chats)), changes

    def test_changes_nothing_in_the_old_snapshot(self) -> None:
        made = [(new, parts(new)) for _, _, new, _ in histories()]

        assert [parts(new) for new, _ in made] == [before for _, before in made]

    def test_has_the_revisions_that_it_is_given(self) -> None:
        new = ChatSnapshot.of({}, {"a": 9}, 5).changed({}, [], {"b": 8}, 7)

        assert (new.revision, dict(new.revisions)) == (7, {"b": 8})

    def test_is_not_fresh_yet(self) -> None:
        old = ChatSnapshot.of({"t1": make_chat()}).until(10)

        assert old.changed({}).fresh_until < 0

    @pytest.mark.parametrize("gone", [[], ["t1"]], ids=["renamed", "gone and back"])
    def test_of_one_title_the_chats_are_in_the_order_of_the_list(self, gone: list[str]) -> None:
        old = ChatSnapshot.of({tid: make_chat(tid, "red") for tid in ("t2", "t1", "t3")})
        new = old.changed({"t1": make_chat("t1", "green")}).changed(
            {"t4": make_chat("t4", "red"), "t1": make_chat("t1", "red")}, gone
        )
        found = [chat.tid for chat in new.titled("red") or ()]

        assert found == (["t2", "t3", "t4", "t1"] if gone else ["t2", "t1", "t3", "t4"])

    def test_shows_no_chat_that_can_not_be_decoded(self) -> None:
        new = ChatSnapshot.of({"t1": make_chat()}).changed({UNREADABLE: make_chat(UNREADABLE)})

        assert [chat.tid for chat in new.chats] == ["t1"]
        assert UNREADABLE in new.by_tid

    @pytest.mark.parametrize("title", ["red", "green", None], ids=str)
    @pytest.mark.parametrize("gone", [[], ["t1"]], ids=["changed", "gone"])
    def test_lets_go_of_what_it_no_longer_names(self, title: str | None, gone: list[str]) -> None:
        user, others = make_user("u1"), {f"t{n}": make_chat(f"t{n}", "red") for n in (2, 3)}
        chat = make_chat("t1", "red", users=(user,))
        old = ChatSnapshot.of({"t1": chat, **others})
        new = old.changed({} if gone else {"t1": make_chat("t1", title)}, gone)
        refs = weakref.ref(chat), weakref.ref(user)
        del user, chat, old
        gc.collect()

        assert [ref() for ref in refs] == [None, None]
        assert len(new.by_tid) == 3 - len(gone)

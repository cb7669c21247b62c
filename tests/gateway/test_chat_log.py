"""The numbered states of the list of chats."""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING, Any

import pytest
from attrs import Factory, evolve, frozen

from teamwire_sync import Chat, User
from teamwire_sync._cache.snapshot import ChatSnapshot
from teamwire_sync._gateway.chat_log import ChatLog
from teamwire_sync._gateway.revisions import Revisions
from teamwire_sync._server.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamwire_sync._gateway.chat_log import LogState

# More of them by hand.
HISTORIES = int(os.environ.get("GATEWAY_HISTORIES", "50"))
ADA, BOB = User("ada", "Ada", "Lovelace"), User("bob", "Bob", "Dylan")


def chat(tid: str, title: str | None = None, *users: User) -> Chat:
    return Chat(tid, title, users=users)


def listing(number: int, chats: Iterable[Chat]) -> ChatSnapshot:
    return evolve(ChatSnapshot.of({each.tid: each for each in chats}), number=number)


def page(state: LogState, **query: Any) -> dict[str, Any]:
    asked = {"limit": 500, "cursor": None, "since": None, **query}
    found: dict[str, Any] = json.loads(state.page(**asked))
    return found


def titles(state: LogState, **query: Any) -> list[str | None]:
    return [each["title"] for each in page(state, **query)["chats"]]


def refusal(state: LogState, **query: Any) -> str:
    with pytest.raises(RefusedError) as caught:
        page(state, **query)
    return caught.value.code


@pytest.fixture
def log() -> ChatLog:
    return ChatLog(Revisions(None, 1.0), most_gone=3)


class TestStates:
    def test_the_same_chats_are_the_same_state(self, log: ChatLog) -> None:
        before = log.take_in(listing(1, [chat("1", "a", ADA)]), 0)
        after = log.take_in(listing(2, [chat("1", "a", ADA)]), 0)

        assert (after.etag, after.revision) == (before.etag, before.revision)

    def test_a_changed_chat_takes_the_next_number_and_keeps_its_place(self, log: ChatLog) -> None:
        before = log.take_in(listing(1, [chat("1", "a"), chat("2", "b")]), 0)
        after = log.take_in(listing(2, [chat("1", "A"), chat("2", "b")]), 0)

        assert after.revision == before.revision + 1
        assert after.etag != before.etag
        assert titles(after) == ["A", "b"]
        assert titles(after, since=before.revision) == ["A"]

    def test_a_chat_that_is_missing_is_gone(self, log: ChatLog) -> None:
        before = log.take_in(listing(1, [chat("1", "a"), chat("2", "b")]), 0)
        after = log.take_in(listing(2, [chat("2", "b")]), 0)
        changes = page(after, since=before.revision)

        assert (changes["chats"], changes["gone"], changes["total"]) == ([], ["1"], 1)

    def test_a_chat_that_comes_back_is_gone_and_is_the_last(self, log: ChatLog) -> None:
        both = [chat("1", "a"), chat("2", "b")]
        before = log.take_in(listing(1, both), 0)
        log.take_in(listing(2, both[1:]), 0)
        after = log.take_in(listing(3, both), 0)
        changes = page(after, since=before.revision)

        assert titles(after) == ["b", "a"]
        assert titles(after, since=before.revision) == ["a"]
        assert changes["gone"] == ["1"]

    def test_the_order_of_a_later_listing_changes_nothing(self, log: ChatLog) -> None:
        both = [chat("1", "a"), chat("2", "b")]
        before = log.take_in(listing(1, both), 0)

        assert log.take_in(listing(2, reversed(both)), 0) is before

    def test_a_listing_that_arrives_behind_a_later_one_changes_nothing(self, log: ChatLog) -> None:
        state = log.take_in(listing(2, [chat("1", "new")]), 0)

        assert log.take_in(listing(1, [chat("1", "old")]), 0) is state

    def test_a_new_name_of_a_user_is_a_state_whose_changes_are_not_known(
        self, log: ChatLog
    ) -> None:
        before = log.take_in(listing(1, [chat("1", "a", ADA, BOB)]), 0)
        after = log.take_in(listing(2, [chat("1", "a", evolve(ADA, last_name="King"), BOB)]), 0)

        assert after.etag != before.etag
        assert refusal(after, since=before.revision) == "unknown_revision"
        assert page(after, since=after.revision)["chats"] == []
        assert [user["last_name"] for user in page(after)["users"]] == ["King", "Dylan"]

    def test_an_empty_list_is_a_state(self, log: ChatLog) -> None:
        state = log.take_in(listing(1, []), 0)

        assert page(state, since=state.revision) == {
            "chats": [], "users": [], "groups": [], "gone": [], "total": 0, "next_cursor": None,
        }  # fmt: skip


class TestSince:
    def test_before_the_first_listing_no_changes_are_known(self, log: ChatLog) -> None:
        log.wrote("1", chat("1", "a"))

        assert refusal(log.state, since=log.state.revision) == "unknown_revision"

    @pytest.mark.parametrize("step", [-1, 1])
    def test_numbers_that_were_never_given_to_a_state_are_refused(
        self, log: ChatLog, step: int
    ) -> None:
        state = log.take_in(listing(1, [chat("1", "a")]), 0)

        assert refusal(state, since=state.revision + step) == "unknown_revision"

    def test_forgotten_chats_end_what_is_known(self, log: ChatLog) -> None:
        """Those that went together are forgotten together."""
        chats = [chat(str(number), None) for number in range(5)]
        states = [log.take_in(listing(1, chats), 0)]
        states += [
            log.take_in(listing(number, chats[left:]), 0)
            for number, left in enumerate([2, 3, 4], 2)
        ]

        assert refusal(states[3], since=states[0].revision) == "unknown_revision"
        assert page(states[3], since=states[1].revision)["gone"] == ["2", "3"]

    def test_only_the_first_page_says_who_is_gone(self, log: ChatLog) -> None:
        before = log.take_in(listing(1, [chat("1"), chat("2"), chat("3")]), 0)
        after = log.take_in(listing(2, [chat("2", "b"), chat("3", "c")]), 0)
        first = page(after, limit=1, since=before.revision)
        last = page(after, limit=1, since=before.revision, cursor=first["next_cursor"])

        assert [first["gone"], last["gone"]] == [["1"], []]
        assert [each["title"] for each in first["chats"] + last["chats"]] == ["b", "c"]
        assert last["next_cursor"] is None

    @pytest.mark.parametrize("cursor", ["", "x", "-1", "1" * 19])
    def test_another_cursor_is_refused(self, log: ChatLog, cursor: str) -> None:
        assert refusal(log.state, cursor=cursor) == "invalid_cursor"


class TestWrites:
    def test_a_written_chat_takes_the_next_number(self, log: ChatLog) -> None:
        before = log.take_in(listing(1, [chat("1", "a")]), 0)
        after = log.wrote("1", chat("1", "A"))

        assert titles(after, since=before.revision) == ["A"]
        assert after.chats["1"].revision == after.revision > before.revision

    def test_a_chat_that_is_written_before_the_first_listing_has_its_place_in_the_listing(
        self, log: ChatLog
    ) -> None:
        written = log.wrote("2", chat("2", "b")).revision
        state = log.take_in(listing(1, [chat("1", "a"), chat("2", "b")]), log.writes)

        assert titles(state) == ["a", "b"]
        assert state.chats["2"].revision > written

    def test_a_write_that_changes_nothing_takes_no_number(self, log: ChatLog) -> None:
        before = log.take_in(listing(1, [chat("1", "a")]), 0)

        assert log.wrote("1", chat("1", "a")).etag == before.etag

    def test_a_listing_from_before_a_write_does_not_count_for_the_chat(self, log: ChatLog) -> None:
        log.take_in(listing(1, [chat("1", "a"), chat("2", "b"), chat("3", "c")]), 0)
        writes = log.writes
        log.wrote("1", chat("1", "A"))
        log.wrote("2", None)
        log.wrote("4", chat("4", "D"))
        early = [chat("1", "a"), chat("2", "b"), chat("3", "C")]
        state = log.take_in(listing(2, early), writes)

        assert titles(state) == ["A", "C", "D"]

    def test_a_listing_from_after_a_write_counts(self, log: ChatLog) -> None:
        log.take_in(listing(1, [chat("1", "a")]), 0)
        log.wrote("1", chat("1", "A"))

        assert titles(log.take_in(listing(2, [chat("1", "of others")]), log.writes)) == [
            "of others"
        ]

    def test_a_listing_counts_whole_for_a_request_from_after_the_write(self, log: ChatLog) -> None:
        """Also if a request from before the write has taken the same listing in."""
        log.take_in(listing(1, [chat("1", "a")]), 0)
        writes = log.writes
        log.wrote("1", chat("1", "A"))
        later = listing(2, [chat("1", "of others")])

        assert titles(log.take_in(later, writes)) == ["A"]
        assert titles(log.take_in(later, log.writes)) == ["of others"]

    def test_leaving_an_unknown_chat_changes_nothing(self, log: ChatLog) -> None:
        before = log.take_in(listing(1, []), 0)

        assert log.wrote("1", None) is before


@frozen
class Client:
    """What a client knows that follows the changes, by the three steps of the contract."""

    etag: str = ""
    revision: int | None = None
    chats: dict[str, Any] = Factory(dict)
    names: dict[str, Any] = Factory(dict)

    def after(self, state: LogState, rng: random.Random) -> Client:
        """The same client after a request for what has changed."""
        if state.etag == self.etag:
            return self
        try:
            chats, names = self._read(state, rng, self.revision)
        except RefusedError as error:
            assert error.code == "unknown_revision"  # noqa: PT017
            chats, names = self._read(state, rng, None)
        return Client(state.etag, state.revision, chats, names)

    def _read(
        self, state: LogState, rng: random.Random, since: int | None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        chats, names = ({}, {}) if since is None else (self.chats.copy(), self.names.copy())
        cursor, total = None, None
        while True:
            found = page(state, limit=rng.choice([1, 2, 500]), cursor=cursor, since=since)
            for tid in found.get("gone", ()):
                chats.pop(tid, None)
            chats.update((each["tid"], each) for each in found["chats"])
            names.update((each["uid"], each) for each in found["users"])
            total, cursor = found.get("total"), found["next_cursor"]
            if cursor is None:
                assert total in {None, len(chats)}
                return chats, names


class Upstream:
    """A server without numbers, whose users, other bots and gateway act at random.

    Attributes:
        chats: The chats as they are.
        people: The users as they are.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._created = 0
        self.chats: dict[str, Chat] = {}
        self.people = {name: User(name, name.title(), "0") for name in "abcde"}
        # Those that left, who may be back.
        self._left: list[str] = []

    def act(self) -> tuple[str, Chat | None]:
        """Do something; return the chat's thread ID and what is left of it."""
        kind = self._rng.choice(["create", "create", "title", "title", "users", "leave", "back"])
        if kind == "back" and self._left:
            return self._put(self._left.pop(self._rng.randrange(len(self._left))))
        if kind in {"create", "back"} or not self.chats:
            self._created += 1
            return self._put(f"t{self._created}")
        tid = self._rng.choice(list(self.chats))
        if kind == "leave":
            del self.chats[tid]
            self._left.append(tid)
            return tid, None
        if kind == "title":
            self.chats[tid] = evolve(self.chats[tid], title=self._rng.choice("xyz"))
        else:
            self.chats[tid] = evolve(self.chats[tid], users=self._some())
        return tid, self.chats[tid]

    def rename(self) -> None:
        """Give a user another name; each chat shows it from now on."""
        name = self._rng.choice(list(self.people))
        self.people[name] = evolve(self.people[name], last_name=str(self._rng.random()))

    def listed(self) -> list[Chat]:
        """The chats with their users as they are; new objects, as over the vendor's SDK."""
        return [
            evolve(chat, users=tuple(self.people[user.uid] for user in chat.users))
            for chat in self.chats.values()
        ]

    def one(self, tid: str) -> Chat | None:
        return next((chat for chat in self.listed() if chat.tid == tid), None)

    def _put(self, tid: str) -> tuple[str, Chat]:
        self.chats[tid] = chat(tid, self._rng.choice("xyz"), *self._some())
        return tid, self.chats[tid]

    def _some(self) -> tuple[User, ...]:
        return tuple(self._rng.sample(list(self.people.values()), self._rng.randint(0, 3)))


class History:
    """A gateway's log, an upstream, and what is under way between them.

    Attributes:
        pending: The writes whose answers are on the way: thread IDs, and what is left of them.
    """

    def __init__(self, seed: int, *, most_gone: int = 100) -> None:
        self.rng = random.Random(seed)  # noqa: S311  the same in each run
        self.upstream = Upstream(self.rng)
        self.log = ChatLog(Revisions(None, 1.0), most_gone=most_gone)
        self.pending: list[tuple[str, Chat | None]] = []
        self._flights: list[tuple[ChatSnapshot, int]] = []
        self._number = 0

    def write(self) -> str:
        """Let the gateway write; return the chat's thread ID."""
        tid, _ = self.upstream.act()
        self.pending.append((tid, self.upstream.one(tid)))
        return tid

    def answer(self) -> tuple[str, Chat | None] | None:
        """Let the answer to a write arrive."""
        if not self.pending:
            return None
        written = self.pending.pop(self.rng.randrange(len(self.pending)))
        self.log.wrote(*written)
        return written

    def ask(self, chats: Iterable[Chat] | None = None) -> None:
        """Let the gateway list the chats; they are on the way."""
        self._number += 1
        chats = self.upstream.listed() if chats is None else chats
        self._flights.append((listing(self._number, chats), self.log.writes))

    def arrive(self) -> None:
        """Let one of the listings arrive."""
        if self._flights:
            self.log.take_in(*self._flights.pop(self.rng.randrange(len(self._flights))))

    def end(self) -> LogState:
        """Let all answers arrive, and then a listing."""
        while self.answer():
            pass
        self._flights.clear()
        self.ask()
        self.arrive()
        return self.log.state


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_who_follows_the_changes_has_what_who_lists_everything_has(seed: int) -> None:
    """Listings arrive late, in any order and from a server that lags; writes come in between."""
    history = History(seed, most_gone=[2, 5, 100][seed % 3])
    rng, upstream = history.rng, history.upstream
    clients = [Client() for _ in range(4)]
    past: list[list[Chat]] = [[]]
    seen: dict[str, str] = {}

    def follow() -> None:
        which = rng.randrange(len(clients))
        before, state = clients[which], history.log.state
        clients[which] = follower = before.after(state, rng)
        lister = Client().after(state, rng)
        assert list(follower.chats.items()) == list(lister.chats.items())
        assert {uid: follower.names[uid] for uid in lister.names} == lister.names
        assert (before.revision or 0) <= state.revision
        assert seen.setdefault(state.etag, str(lister.chats)) == str(lister.chats)

    steps = {
        upstream.act: 3,
        upstream.rename: 0.3,
        history.write: 2,
        history.answer: 2,
        history.ask: 2,
        lambda: history.ask(rng.choice(past[-4:])): 1,
        history.arrive: 3,
        follow: 5,
    }
    for step in rng.choices([*steps], [*steps.values()], k=200):
        step()
        past.append(upstream.listed())
    state = history.end()
    shown = {tid: each.chat for tid, each in state.chats.items()}

    assert shown == {each.tid: each for each in upstream.listed()}
    for client in clients:
        assert list(client.after(state, rng).chats) == list(shown)


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_a_request_after_a_write_shows_the_write(seed: int) -> None:
    """Whatever listing arrives, while nobody else acts and the server does not lag."""
    history = History(seed)
    answered: dict[str, Chat | None] = {}

    def write() -> None:
        tid = history.write()
        # Of two at once on one chat, either may be the last.
        history.pending[:] = [each for each in history.pending[:-1] if each[0] != tid] + [
            history.pending[-1]
        ]
        answered.pop(tid, None)

    def answer() -> None:
        answered.update(filter(None, [history.answer()]))

    for step in history.rng.choices([write, answer, history.ask, history.arrive], k=200):
        step()
        for tid, after in answered.items():
            entry = history.log.state.chats.get(tid)
            assert (None if entry is None else entry.chat) == after

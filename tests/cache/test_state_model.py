"""`CacheState` alone: its transitions in any order, of any number of flights, without a thread.

Whatever threads do at the same time is some order of these transitions, as each holds the lock.
test_model.py says what look-ups answer. This says what holds after each transition.
The examples are the same each time. For more, and others each time, as there::

    TESTS_HANG=3600 CACHE_MODEL_EXAMPLES=5000 pytest tests/cache/test_state_model.py
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Callable

import pytest
from attrs import define, evolve

from teamwire_sync import TWAuthError, TWClosedError, TWError, TWServerError
from teamwire_sync._cache.facts import Write
from teamwire_sync._cache.listing import ConfirmedListing
from teamwire_sync._cache.single_flight import Flight
from teamwire_sync._cache.snapshot import ChatSnapshot
from teamwire_sync._cache.state import Outdated
from tests.support.builders import Clock, make_chat
from tests.support.caches import make_state

pytest.importorskip("hypothesis", reason="the model of the cache is run by hypothesis")

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.support.state_machines import run_examples

if TYPE_CHECKING:
    from teamwire_sync import Chat

TTL, FLOOR, GRACE, STALE, MOST_LAG = 60, 5, 30, 20, 10
TITLES = ("red", "green", None)
LAGS = (0, 3, MOST_LAG)
ENDS = ("answer", "answer", "answer", "down", "refused", "interrupt")
STEPS = (0.25, 1, 5, 5.25, 9.75, 10, 20, 30, 60)
Chats = dict[str, "Chat"]


@define(eq=False)
class Load:
    """A flight of ours, what the state was at its start, and what the server answers."""

    flight: Flight[ChatSnapshot]
    writes: int
    asked_at: float | None = None
    known: ConfirmedListing | None = None
    is_unchanged: bool = False
    answer: Chats | None = None
    drops: int = 0


class StateMachine(RuleBasedStateMachine):
    """Flights that start, are answered, fail and end whenever they like, and all that disturbs."""

    @initialize()
    def start(self) -> None:
        self.clock = Clock()
        self.state = make_state(
            clock=self.clock,
            ttl=TTL,
            recheck_after=FLOOR,
            own_write_grace=GRACE,
            stale_if_error=STALE,
        )
        self.past: list[tuple[float, Chats]] = [(-math.inf, {})]
        self.loads: list[Load] = []
        # What we made of chats that nobody else has written shortly before, and when.
        self.ours: dict[str, tuple[float, Chat | None]] = {}
        self.theirs: dict[str, float] = {}
        self.writes = self.drops = self.made = self.changes = 0
        self.doubt_until = -math.inf
        self.failed: tuple[float, TWError] | None = None
        self.raised: list[TWError] = []
        self.closed = False
        for title in TITLES:
            self.write(*self.new(title))
        self.clock.advance(MOST_LAG)

    def new(self, title: str | None) -> tuple[str, Chat]:
        self.made += 1
        return f"t{self.made}", make_chat(f"t{self.made}", title)

    def write(self, tid: str, chat: Chat | None) -> None:
        chats = {**self.past[-1][1]}
        if chat is None:
            del chats[tid]
        else:
            chats[tid] = chat
        self.past.append((self.clock(), chats))

    def expired(self) -> None:
        self.writes += 1

    # Flights

    @rule(
        has_seen=st.booleans(),
        newer=st.booleans(),
        steps=st.sampled_from([2, 2, 1, 0]),
        lag=st.sampled_from(LAGS),
        end=st.sampled_from(ENDS),
    )
    def somebody_needs_a_view(
        self, has_seen: bool, newer: bool, steps: int, lag: float, end: str
    ) -> None:
        view, led, now = self.state.view, Flight[ChatSnapshot](), self.clock()
        newer_than = -1
        if newer:
            need = self.state.require_newer()
            newer_than, self.failed = need.newer_than, None
            assert need.since == now
        current = [each.flight for each in self.loads if each.writes == self.writes]
        is_there = now < view.fresh_until and not has_seen and view.number > newer_than
        joined: object = None
        try:
            joined = self.state.join_or_start(
                led, view if has_seen else ChatSnapshot(), time_left=1e9, newer_than=newer_than
            )
        except TWClosedError:
            assert self.closed
        except TWError as error:
            raised: TWError | None = error
        else:
            raised = None
        if self.closed:
            return
        is_cooling = self.failed is not None and now < self.failed[0]
        if is_there:
            assert joined == (view,)
        elif current:
            assert joined in current
        elif is_cooling:
            assert raised is not None
            assert str(raised) == str(self.failed and self.failed[1])
            assert all(raised is not other for other in self.raised), "an error that two share"
            self.raised.append(raised)
        else:
            assert joined is led
            load = Load(led, self.writes, drops=self.drops)
            self.loads.append(load)
            for _ in range(steps):
                self.go_on(load, lag, end)

    # Few rules, of which each does much: hypothesis leaves some of them out of an example.

    @precondition(lambda self: self.loads)
    @rule(
        data=st.data(),
        lag=st.sampled_from(LAGS),
        end=st.sampled_from(ENDS),
    )
    def a_flight_goes_on(self, data: st.DataObject, lag: float, end: str) -> None:
        self.go_on(data.draw(st.sampled_from(self.loads)), lag, end)

    def go_on(self, load: Load, lag: float, end: str) -> None:
        if load.asked_at is None:
            self.ask(load, lag)
        elif end == "interrupt":
            self.end(load)
        elif end == "answer":
            self.answer(load)
        else:
            self.fail(load, TWServerError("down") if end == "down" else TWAuthError("refused"))

    def ask(self, load: Load, lag: float) -> None:
        load.asked_at, load.known = self.clock(), self.state.confirmed
        validator = self.state.validator_of(load.known, load.asked_at)
        if load.known is None or load.asked_at < self.doubt_until:
            assert validator is None
        then = load.asked_at - lag
        load.answer = [chats for since, chats in self.past if since <= then][-1]
        load.is_unchanged = validator is not None and validator == repr(load.answer)

    def answer(self, load: Load) -> None:
        assert load.asked_at is not None
        assert load.answer is not None
        before, flight = self.state.view, load.flight
        try:
            self.state.request_answered(flight, changed=not load.is_unchanged)
            if load.is_unchanged:
                assert load.known is not None
                listing = evolve(load.known, asked_at=load.asked_at)
            else:
                listed = ChatSnapshot.of(load.answer)
                listing = ConfirmedListing(listed, repr(load.answer), load.asked_at)
                load.drops = self.drops
            view = self.state.publish(flight, listing, self.clock())
        except TWClosedError:
            assert self.closed
        except Outdated:
            assert (load.writes, load.is_unchanged) == (self.writes, True)
            assert load.drops != self.drops
            assert self.state.view is before
        else:
            assert load.drops == self.drops or load.writes != self.writes
            is_shown = load.writes == self.writes
            assert self.state.view is (view if is_shown else before)
            if is_shown:
                self.failed = None
                assert self.state.confirmed is listing
                assert dict(listing.listed.by_tid) == load.answer
                due = [self.state.is_recheck_due(self.clock() + FLOOR + x) for x in (0, 0.25)]
                assert due == [False, True]
        self.end(load)

    def fail(self, load: Load, failure: TWError) -> None:
        self.state.failed(load.flight, failure, enough=math.inf)
        if load.writes == self.writes and not self.closed:
            self.failed = (self.clock() + 1, failure)
        self.end(load)

    def end(self, load: Load) -> None:
        for _ in range(2):  # Ctrl-C may come after the first
            self.state.finish(load.flight)
        self.loads.remove(load)

    # What disturbs them

    @rule(
        data=st.data(),
        what=st.sampled_from(["create", "rename", "leave"]),
        title=st.sampled_from(TITLES),
    )
    def we_change_something(self, data: st.DataObject, what: str, title: str | None) -> None:
        chats = self.past[-1][1]
        if what == "create" or not chats:
            tid, chat = self.new(title)
            self.we_write(tid, chat, lambda write: write.created(chat))
            return
        tid = data.draw(st.sampled_from(sorted(chats)))
        if what == "rename":
            after = evolve(chats[tid], title=title)
            self.we_write(tid, after, lambda write: write.changed(chats[tid], after))
        else:
            self.we_write(tid, None, lambda write: write.left(tid))

    def we_write(self, tid: str, chat: Chat | None, told: Callable[[Write], None]) -> None:
        write = Write()
        told(write)
        self.write(tid, chat)
        self.state.wrote(write, unknown=False)
        self.changes += 1
        # A list may lag so far behind that it has not even what somebody made before.
        if self.theirs.get(tid, -math.inf) <= self.clock() - MOST_LAG:
            self.ours[tid] = (self.clock(), chat)
        self.expired()
        self.failed = None

    @rule(
        what=st.sampled_from(
            [
                "unknown",
                "event",
                "old event",
                "not found",
                "unauthorized",
                "invalidate",
                "fork",
                "close",
            ]
        ),
        chance=st.integers(0, 99),
    )
    def something_else(self, what: str, chance: int) -> None:
        if what == "unknown":
            self.state.wrote(Write(), unknown=True)
            self.changes += 1
            self.doubt_until = self.clock() + GRACE
            self.expired()
        elif what == "event":
            tid, chat = self.new("green")
            self.write(tid, chat)
            self.theirs[tid] = self.clock()
            self.state.on_event(tid, chat)
            assert self.state.view.fresh_until == -math.inf
            self.expired()
        elif what == "old event":
            self.hear_what_is_shown()
        elif what == "not found":
            self.find_one_removed()
        elif what in {"unauthorized", "invalidate"}:
            self.drop(what)
        elif what == "fork":
            # The child has no flights; it starts its own.
            self.state.after_fork()
            self.loads.clear()
        elif chance == 42 and not self.closed:
            self.close()

    def find_one_removed(self) -> None:
        """A 404 tells the truth: only lists may lag."""
        tid = min(self.past[-1][1], default="ghost")
        if tid != "ghost":
            self.write(tid, None)
        self.theirs[tid] = self.clock()
        self.ours.pop(tid, None)
        self.state.on_not_found(tid)
        self.expired()
        fact = self.state.facts.by_tid.get(tid)
        assert fact is None or fact.chat is None

    def hear_what_is_shown(self) -> None:
        view, listing = self.state.view, self.state.confirmed
        tids = sorted(view.by_tid.keys() - self.ours.keys())
        if not tids or listing is None or self.clock() >= view.expires_at:
            return
        self.state.on_event(tids[0], view.by_tid[tids[0]])
        # A listing in progress may have read what was before.
        if any(each.writes == self.writes for each in self.loads):
            self.expired()
            assert self.state.view is not view
        else:
            assert self.state.view is view

    def drop(self, what: str) -> None:
        if what == "unauthorized":
            self.state.on_unauthorized()
        else:
            self.state.invalidate()
            self.expired()
            self.failed = None
        self.drops += 1
        self.changes += 1
        assert self.state.confirmed is None
        assert self.state.stale() is None

    def close(self) -> None:
        flights = self.state.close()
        assert {id(each.flight) for each in self.loads} == {id(each) for each in flights}
        self.closed = True
        self.ours.clear()
        self.expired()
        self.drops += 1

    @rule(seconds=st.sampled_from(STEPS))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    # What always holds

    @invariant()
    def a_fresh_view_shows_what_we_wrote(self) -> None:
        view = self.state.view
        if self.clock() < view.fresh_until:
            listing = self.state.confirmed
            assert listing is not None
            for tid, (_, chat) in self.ours.items():
                assert view.by_tid.get(tid) == chat
            for tid in view.by_tid.keys() - listing.listed.by_tid.keys() - self.theirs.keys():
                assert self.clock() < self.ours[tid][0] + GRACE

    @invariant()
    def a_view_is_no_older_than_the_ttl(self) -> None:
        view, listing = self.state.view, self.state.confirmed
        if self.clock() < view.fresh_until:
            assert listing is not None
            assert view.fresh_until <= listing.asked_at + TTL
            if listing.asked_at < self.doubt_until:
                assert view.fresh_until <= listing.asked_at + FLOOR

    @invariant()
    def stale_answers_have_an_end_and_none_comes_after_doubt(self) -> None:
        stale, listing = self.state.stale(), self.state.confirmed
        if stale is not None:
            assert listing is not None
            assert self.clock() < listing.asked_at + TTL + STALE
            assert listing.asked_at >= self.doubt_until - GRACE or self.doubt_until == -math.inf

    @invariant()
    def other_processes_have_to_know_of_writes_and_drops_alone(self) -> None:
        assert self.state.changes == self.changes

    @invariant()
    def both_indexes_agree(self) -> None:
        view = self.state.view
        titles = {chat.title for chat in view.chats if chat.title}
        assert dict(view.by_tid) == {chat.tid: chat for chat in view.chats}
        assert set(view.by_title) == titles


@pytest.mark.parametrize(
    "examples",
    [100, pytest.param(300, marks=pytest.mark.slow)],
    ids=["few", "many"],
)
def test_the_state_keeps_its_promises_in_any_order_of_its_transitions(examples: int) -> None:
    run_examples(StateMachine, examples, steps=50)

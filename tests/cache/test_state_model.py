"""The transitions of `CacheState` in any order, with any number of flights, without threads.

Each transition holds the lock. So all that threads can do at the same time is some order of the
transitions. test_model.py checks the results of look-ups. This module checks the state after each
transition. The examples are the same in each run. For other examples in each run, as in
test_model.py::

    TESTS_HANG=3600 CACHE_MODEL_EXAMPLES=5000 pytest tests/cache/test_state_model.py
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from attrs import define

from teamwire_sync import TWAuthError, TWClosedError, TWError, TWServerError
from teamwire_sync._cache.facts import Write
from teamwire_sync._cache.listing import ConfirmedListing, Listing
from teamwire_sync._cache.single_flight import Flight
from teamwire_sync._cache.snapshot import ChatSnapshot
from teamwire_sync._cache.source import _listing
from teamwire_sync._cache.state import Outdated
from tests.support.builders import Clock
from tests.support.caches import make_state
from tests.support.chat_past import ChatPast, Chats, revision_of

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

TTL, FLOOR, GRACE, STALE, MOST_LAG, WRITE_TIMEOUT = 60, 5, 30, 20, 10, 15
TITLES = ("red", "green", None)
LAGS = (0, 3, MOST_LAG)
ENDS = ("answer", "answer", "answer", "down", "refused", "interrupt")
STEPS = (0.25, 1, 5, 5.25, 9.75, 10, 20, 30, 60)


@define(eq=False)
class Load:
    """A flight, the state at its start, and the server's response."""

    flight: Flight[ChatSnapshot]
    writes: int
    heard: dict[str, int]
    asked_at: float | None = None
    known: ConfirmedListing | None = None
    is_unchanged: bool = False
    is_changes: bool = False
    answer: Chats | None = None
    floor: int = 0
    drops: int = 0


class StateMachine(RuleBasedStateMachine):
    """Flights that start, get a response, fail and end at any time; writes, events and the end."""

    @initialize(keen=st.sampled_from([True, True, False]), changes=st.booleans())
    def start(self, keen: bool, changes: bool) -> None:
        self.keen, self.sends_changes = keen, changes
        self.clock = Clock()
        self.state = make_state(
            clock=self.clock,
            ttl=TTL,
            recheck_after=FLOOR,
            own_write_grace=GRACE,
            write_timeout=WRITE_TIMEOUT,
            stale_if_error=STALE,
        )
        self.past = ChatPast(self.clock)
        self.loads: list[Load] = []
        # The newest revision of each chat that the cache has heard of.
        self.heard: dict[str, int] = {}
        # Writes whose responses have not arrived yet, each with its chat, its result and revision.
        self.under_way: list[tuple[Write, str, Chat | None, int]] = []
        self.doubts: dict[Write, float] = {}
        self.writes = self.drops = self.changes = 0
        self.failed: tuple[float, TWError] | None = None
        self.raised: list[TWError] = []
        self.closed = False
        for title in TITLES:
            self.past.put(self.past.new(), title)
        self.clock.advance(MOST_LAG)

    def hear(self, tid: str, revision: int) -> None:
        self.heard[tid] = max(revision, self.heard.get(tid, 0))

    def check_shown(self, view: ChatSnapshot, heard: dict[str, int]) -> None:
        """Check that the view shows no state of a chat older than the newest known one."""
        for tid, since in heard.items():
            assert view.by_tid.get(tid) in self.past.since(tid, since)

    def shows(self, tid: str, revision: int) -> bool:
        view = self.state.view
        if self.clock() >= view.expires_at:
            return False
        chat, known = view.by_tid.get(tid), view.revision_of(tid)
        assert known is not None
        assert chat is None or known >= revision_of(chat)
        return known >= revision

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
            assert all(raised is not other for other in self.raised), "a shared exception object"
            self.raised.append(raised)
        else:
            assert joined is led
            load = Load(led, self.writes, dict(self.heard), drops=self.drops)
            self.loads.append(load)
            for _ in range(steps):
                self.go_on(load, lag, end)

    def glance(self, lag: float = 0) -> None:
        """Make a fresh view, before the next step may change it."""
        if self.keen and not self.closed:
            self.somebody_needs_a_view(False, False, 2, lag, "answer")

    # There are only a few rules, each with many cases: hypothesis omits some rules in an example.

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
        if load.known is None or self.is_in_doubt(load.asked_at):
            assert validator is None
        load.floor, load.answer = self.past.at(lag)
        load.is_unchanged = validator == f"v{load.floor}"
        since = None if load.known is None else load.known.listed.revision
        is_behind = since is None or load.floor < since
        load.is_changes = self.sends_changes and not is_behind and not load.is_unchanged

    def is_in_doubt(self, asked_at: float) -> bool:
        return any(asked_at < end for end in self.doubts.values())

    def read(self, load: Load, answer: Chats) -> Listing:
        """Return what the server sends: all the chats, or those that have changed."""
        if load.is_changes:
            assert load.known is not None
            since = load.known.listed.revision or 0
            chats, gone = self.past.changed(since, load.floor)
            total = len(answer)
            return Listing(chats, f"v{load.floor}", {}, load.floor, gone, total)
        return Listing(answer, f"v{load.floor}", {}, load.floor)

    def answer(self, load: Load) -> None:
        assert load.asked_at is not None
        assert load.answer is not None
        before, flight = self.state.view, load.flight
        try:
            read = None if load.is_unchanged else self.read(load, load.answer)
            self.state.request_answered(flight, read)
            listing = _listing(read, load.known, load.asked_at)
            assert listing is not None
            if not (load.is_unchanged or load.is_changes):
                load.drops = self.drops
            view = self.state.publish(flight, listing, self.clock())
        except TWClosedError:
            assert self.closed
        except Outdated:
            assert load.writes == self.writes
            assert load.is_unchanged or load.is_changes
            assert load.drops != self.drops
            assert self.state.view is before
        else:
            assert load.drops == self.drops or load.writes != self.writes
            self.check_shown(view, load.heard)
            is_shown = load.writes == self.writes
            assert self.state.view is (view if is_shown else before)
            if is_shown:
                self.failed = None
                assert self.state.confirmed is listing
                assert dict(listing.listed.by_tid) == load.answer
                due = [self.state.is_recheck_due(self.clock() + FLOOR + x) for x in (0, 0.25)]
                assert due == [self.is_in_doubt(self.clock() + FLOOR), True]
                self.doubts = {
                    write: end for write, end in self.doubts.items() if load.asked_at < end
                }
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

    # Writes, events and losses

    @rule(
        number=st.integers(0, 3),
        what=st.sampled_from(["create", "change", "change", "leave", "same"]),
        title=st.sampled_from(TITLES),
        end=st.sampled_from(["answer", "later", "later", "unknown", "refused", "none"]),
    )
    def we_write(self, number: int, what: str, title: str | None, end: str) -> None:
        self.glance()
        tid = self.past.new() if what == "create" else self.past.tid(number)
        write, view, writes = Write(), self.state.view, self.writes
        if what != "same":
            self.state.begin(write)
            self.doubts[write] = self.clock() + WRITE_TIMEOUT + GRACE
            assert self.state.view.fresh_until == -math.inf
        if end == "refused":
            self.state.withdraw(write)
            self.doubts.pop(write, None)
            assert self.state.view is view
            assert self.writes == writes
            return
        if what == "leave":
            self.past.remove(tid)
        elif what != "same":
            self.past.put(tid, title)
        revision, chat = self.past.changes[tid][-1]
        if end == "unknown":
            self.state.wrote(write, unknown=True)
            self.doubts[write] = self.clock() + GRACE
            self.changes += 1
            self.expired()
        elif end != "none":
            self.under_way.append((write, tid, chat, revision))
            if end == "answer":
                self.answered(*self.under_way.pop())

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), is_refused=st.booleans())
    def a_write_is_answered(self, data: st.DataObject, is_refused: bool) -> None:
        """Let a response arrive, in any order. If it is a refusal, others made the change."""
        index = data.draw(st.integers(0, len(self.under_way) - 1))
        write, tid, chat, revision = self.under_way.pop(index)
        if is_refused:
            self.state.withdraw(write)
            self.doubts.pop(write, None)
        else:
            self.glance()
            self.answered(write, tid, chat, revision)

    def answered(self, write: Write, tid: str, chat: Chat | None, revision: int) -> None:
        if chat is None:
            write.left(tid, revision)
        else:
            write.created(chat, revision)
        view = self.state.view
        is_shown = write not in self.doubts and self.shows(tid, revision)
        self.state.wrote(write, unknown=False)
        self.doubts.pop(write, None)
        self.hear(tid, revision)
        self.failed = None
        if is_shown:
            assert self.state.view is view
        else:
            self.changes += 1
            self.expired()

    @rule(number=st.integers(0, 3), back=st.sampled_from([1, 1, 2]), is_new=st.booleans())
    def we_hear(self, number: int, back: int, is_new: bool) -> None:
        """Receive an event or a 404 about an own write or another one, late, early or again."""
        self.glance()
        tid, view = self.past.tid(number), self.state.view
        if is_new:
            self.past.put(tid, "green") if back > 1 else self.past.remove(tid)
        revision, chat = self.past.changes[tid][-1 if is_new else -back :][0]
        is_shown = self.shows(tid, revision)
        self.state.on_state(tid, chat, revision)
        self.hear(tid, revision)
        assert self.state.view is view if is_shown else self.state.view.fresh_until == -math.inf

    @rule(
        what=st.sampled_from(["unauthorized", "invalidate", "fork", "close"]),
        chance=st.integers(0, 99),
    )
    def something_else(self, what: str, chance: int) -> None:
        if what in {"unauthorized", "invalidate"}:
            self.drop(what)
        elif what == "fork":
            # The child has no flights; it starts its own.
            self.state.after_fork()
            self.loads.clear()
        elif chance == 42 and not self.closed:
            self.close()

    def drop(self, what: str) -> None:
        self.glance(MOST_LAG)
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
        self.heard.clear()
        self.expired()
        self.drops += 1

    @rule(seconds=st.sampled_from(STEPS))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    # What always holds

    @invariant()
    def a_fresh_view_shows_what_was_heard(self) -> None:
        view = self.state.view
        if self.clock() < view.fresh_until:
            self.check_shown(view, self.heard)

    @invariant()
    def a_view_is_no_older_than_the_ttl(self) -> None:
        view, listing = self.state.view, self.state.confirmed
        if self.clock() < view.fresh_until:
            assert listing is not None
            assert view.fresh_until <= listing.asked_at + TTL
            if self.is_in_doubt(listing.asked_at):
                assert view.fresh_until <= listing.asked_at + FLOOR

    @invariant()
    def stale_answers_have_an_end_show_what_was_heard_and_none_comes_from_a_doubt(self) -> None:
        stale, listing = self.state.stale(), self.state.confirmed
        if stale is not None:
            assert listing is not None
            assert self.clock() < listing.asked_at + TTL + STALE
            assert not self.doubts
            self.check_shown(stale, self.heard)

    @invariant()
    def other_processes_have_to_know_of_writes_and_drops_alone(self) -> None:
        assert self.state.changes == self.changes

    @invariant()
    def both_indexes_agree(self) -> None:
        view = self.state.view
        titles = {chat.title for chat in view.chats if chat.title}
        assert dict(view.by_tid) == {chat.tid: chat for chat in view.chats}
        assert set(view.by_title) == titles


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    "examples",
    [100, pytest.param(600, marks=pytest.mark.slow)],
    ids=["few", "many"],
)
def test_the_state_keeps_its_promises_in_any_order_of_its_transitions(examples: int) -> None:
    run_examples(StateMachine, examples, steps=50)

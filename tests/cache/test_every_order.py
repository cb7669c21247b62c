"""All orders of the steps of two threads, a server that lags, and events.

A step is an action that nothing can interrupt: a transition of `CacheState`, which holds its lock,
or a change at the server. So each order of the steps is an order in which threads can run. The real
`CacheState`, `Facts`, `ChatSnapshot`, `ServerSource`, `ChatCache` and `read_listing` need no
threads here. The steps:

- A thread writes. It puts the write in doubt and sends the request. The server does the write,
  refuses it, or finds no such chat. The thread notes the response or its loss, or Ctrl-C ends the
  thread's call before the note. If the response was lost, the server may do the write later.
- A thread looks chats up. It joins a flight, or leads a flight and sends the request. Each of two
  pages shows any state that is at most `GRACE` old. If both show the same state, the server sends
  only what has changed since the known listing. If the flight is outdated, the thread stops it or
  reads on.
- Somebody else renames or removes a chat. The event of each change comes early, late, twice or
  never.
- Once, 40 seconds pass. This is longer than the lag of a list and the doubt about a write.

In each state, the test tries look-ups that begin at that moment, with each listing that they can
get. The search is breadth first, so a failure prints the smallest number of steps. `Bounds` are the
numbers of writes, look-ups and so on. To try larger bounds by hand, and print the numbers of states
and steps::

    python -c "from tests.cache.test_every_order import *; print(explore(Bounds(3, 0, 1)))"
"""

from __future__ import annotations

import copy
import itertools
from collections import deque
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

import pytest
from attrs import evolve, frozen

from teamwire_sync._cache.chat_cache import ChatCache
from teamwire_sync._cache.facts import Write
from teamwire_sync._cache.listing import ConfirmedListing, Freshness, Listing, ListingRequest
from teamwire_sync._cache.refresher import _GIVEN_UP
from teamwire_sync._cache.single_flight import Flight
from teamwire_sync._cache.snapshot import ChatSnapshot
from teamwire_sync._cache.source import ServerSource, _listing
from teamwire_sync._cache.state import CacheState
from teamwire_sync._services.paging import read_listing
from tests.support.builders import Clock
from tests.support.caches import make_state

if TYPE_CHECKING:
    from collections.abc import Iterator

TTL, RECHECK, GRACE, TIMEOUT, PAUSE = 300, 5, 30, 5, 40
CLOCK = Clock(0)
EMPTY = ChatSnapshot()


@frozen
class Chat:
    """The state of a chat from a revision on, with all that the cache needs of a chat."""

    tid: int
    title: str
    revision: int
    users: tuple[()] = ()
    groups: tuple[()] = ()
    admins: tuple[()] = ()


class Change(NamedTuple):
    """A change at the server. Its index in the history is its revision."""

    tid: int
    title: str | None  # None: the chat is gone
    at: int
    is_own: bool


History = tuple[Change, ...]


class Request(NamedTuple):
    kind: str
    tid: int


class Writing(NamedTuple):
    """A thread's write, which is in doubt."""

    request: Request
    write: Write
    outcome: str = "sent"
    revision: int = 0


class Looking(NamedTuple):
    """A thread's look-up, and the states that it must show: see `World.look_up`."""

    kind: str
    told: tuple[int, ...]
    revision: int
    made: frozenset[int]
    newer_than: int
    flight: Flight[Any] | None = None
    leads: int = 0
    is_leader: bool = False
    known: ConfirmedListing | None = None
    validator: str | None = None
    asked_at: int = 0
    asked_revision: int = 0


class Bounds(NamedTuple):
    writes: int
    look_ups: int
    others: int
    pauses: int = 1
    has_events: bool = True


# The server


@cache
def state_of(history: History, revision: int) -> tuple[Chat, ...]:
    """Return the chats in the order of their creation."""
    chats = {}
    for number, change in enumerate(history[: revision + 1]):
        chats[change.tid] = change.title and Chat(change.tid, change.title, number)
    return tuple(chat for chat in chats.values() if chat)


@cache
def changes_of(history: History, since: int, revision: int) -> Listing:
    """Return the changes after a revision, or none of a list that is behind it."""
    chats = state_of(history, revision)
    gone = [each.tid for each in history[since + 1 : revision + 1] if each.title is None]
    return Listing(
        {chat.tid: chat for chat in chats if chat.revision > since},
        f"r{revision}",
        revision=revision,
        gone=gone,
        total=len(chats),
    )


@cache
def listing_of(history: History, first: int, second: int) -> Listing:
    """Return a listing of two pages: one chat in the first state, the others in the second."""
    page, rest = state_of(history, first)[:1], state_of(history, second)
    later = [*dict.fromkeys(each.tid for each in history)]
    later = later[later.index(page[0].tid) + 1 :] if page else []
    rest = tuple(chat for chat in rest if chat.tid in later)

    def pages(**_: object) -> Iterator[Any]:
        for chats, revision in ((page, first), (rest, second)):
            yield SimpleNamespace(
                not_modified=False,
                chats=chats,
                users=(),
                groups=(),
                validator=f"r{revision}",
                revision=revision,
                revisions=[chat.revision for chat in chats],
                gone=None,
                total=None,
                is_last=chats is rest,
            )

    request = ListingRequest(deadline=None, check_needed=lambda: None)
    transport: Any = SimpleNamespace(iter_chat_pages=pages)
    listing = read_listing(transport, request, timeout=1e9, attach=lambda *_: None)
    assert listing is not None
    return listing


def lowest(history: History, asked_at: float) -> int:
    """Return the oldest state that a listing may show: the list lags by less than `GRACE`."""
    return max(r for r, each in enumerate(history) if r == 0 or each.at <= asked_at - GRACE)


# The invariants


def require(view: ChatSnapshot, history: History, at_least: Iterator[int] | Any, why: str) -> None:
    """Fail if *view* shows a chat in a state older than its revision in *at_least*."""
    for tid, revision in enumerate(at_least):
        shown = view.by_tid.get(tid)
        changes = [r for r, each in enumerate(history) if each.tid == tid]
        if shown is None:
            is_right = not changes or changes[0] > revision or history[changes[-1]].title is None
        else:
            is_right = not any(shown.revision < r <= revision for r in changes)
        assert is_right, (
            f"{why}: chat {tid} is shown as {shown}, but must be at {revision} or later"
        )


def require_made(view: ChatSnapshot, history: History, made: frozenset[int]) -> None:
    missing = {chat.tid for chat in state_of(history, len(history)) if chat.tid in made}
    missing -= view.by_tid.keys()
    assert not missing, f"TWICE: a look-up misses {missing}, so get-or-create makes one more"


class World:
    """The server, the cache and its threads. A step changes a copy."""

    def __init__(self, bounds: Bounds) -> None:
        self.writes, self.look_ups, self.others, self.pauses, self.has_events = bounds
        self.now = 0
        self.history: History = (Change(0, "A", 0, is_own=False),)
        self.threads: list[Any] = [None, None]
        self.late: tuple[Request, ...] = ()  # requests that the server may do later
        self.told = (0,) * (bounds.writes + 1)  # the newest revision that was reported, by chat
        self.made: frozenset[int] = frozenset()  # by writes of unknown outcome
        self.tids = 1
        self.state = make_state(
            clock=CLOCK,
            ttl=TTL,
            recheck_after=RECHECK,
            own_write_grace=GRACE,
            write_timeout=TIMEOUT,
            stale_if_error=TTL,
        )

    def copy(self) -> World:
        new = object.__new__(World)
        new.__dict__.update(self.__dict__)
        new.threads = list(self.threads)
        new.state, writes = copy_of(self.state)
        for me, doing in enumerate(self.threads):
            if isinstance(doing, Writing):
                new.threads[me] = doing._replace(
                    write=writes.get(doing.write) or copy.copy(doing.write)
                )
        return new

    # Steps

    def steps(self) -> Iterator[tuple[Callable[..., None], tuple[Any, ...]]]:
        """Yield the steps that are possible now, each as a method and its arguments."""
        there = [chat.tid for chat in state_of(self.history, len(self.history))]
        for me, doing in enumerate(self.threads):
            if doing is None and (me == 0 or self.threads[0] is not None):  # the threads are equal
                yield from self.calls(me, there)
            elif isinstance(doing, Writing):
                if doing.outcome == "sent":
                    yield World.serve, (me, "done")
                    yield World.serve, (me, "refused")
                else:
                    yield World.note, (me,)
                yield World.lose, (me, True)
                yield World.lose, (me, False)
            elif isinstance(doing, Looking):
                yield from self.steps_of_look_up(me, doing)
        for request in sorted(set(self.late)):
            yield World.serve_late, (request,)
        for number in range(1, len(self.history) if self.has_events else 0):
            yield World.event, (number,)
        for tid in there if self.others else ():
            yield World.others_change, (Request("rename", tid),)
            yield World.others_change, (Request("leave", tid),)
        if self.pauses and not any(isinstance(each, Writing) for each in self.threads):
            yield World.pause, ()

    def calls(self, me: int, there: list[int]) -> Iterator[tuple[Callable[..., None], Any]]:
        if self.writes:
            yield World.begin, (me, Request("create", self.tids))
            for tid in sorted({0, *there}):
                yield World.begin, (me, Request("rename", tid))
                yield World.begin, (me, Request("leave", tid))
        if self.look_ups:
            view = self.state.view
            if self.now >= view.fresh_until:
                yield World.look_up, (me, "plain", -1)
            elif self.state.is_recheck_due(self.now):
                yield World.look_up, (me, "recheck", view.number)
            yield World.look_up, (me, "refresh", self.state._started)

    def steps_of_look_up(
        self, me: int, doing: Looking
    ) -> Iterator[tuple[Callable[..., None], Any]]:
        if doing.flight is None:
            yield World.join, (me,)
        elif doing.is_leader:
            shown = range(lowest(self.history, doing.asked_at), len(self.history))
            for first, second in itertools.product(shown, shown):
                if first == second or doing.validator != f"r{first}":
                    yield World.answer, (me, first, second)
            if doing.leads <= _GIVEN_UP and doing.flight.epoch != self.state.epoch:
                yield World.stop, (me, True)
            yield World.stop, (me, False)

    def begin(self, me: int, request: Request) -> None:
        self.writes -= 1
        self.tids += request.kind == "create"
        self.threads[me] = Writing(request, Write())
        self.state.begin(self.threads[me].write)

    def change(self, request: Request, *, is_own: bool) -> bool:
        kind, tid = request
        known = {chat.tid: chat.title for chat in state_of(self.history, len(self.history))}
        if kind != "create" and tid not in known:
            return False
        title = {"create": "A", "leave": None, "rename": "B" if known.get(tid) == "A" else "A"}[
            kind
        ]
        self.history += (Change(tid, title, self.now, is_own),)
        return True

    def serve(self, me: int, outcome: str) -> None:
        doing = self.threads[me]
        if outcome == "done" and not self.change(doing.request, is_own=True):
            outcome = "not found"
        self.threads[me] = doing._replace(outcome=outcome, revision=len(self.history) - 1)

    def serve_late(self, request: Request) -> None:
        late = list(self.late)
        late.remove(request)
        self.late = tuple(late)
        self.change(request, is_own=True)

    def note(self, me: int) -> None:
        """Do what `ChatCache.writing` does when the response has arrived."""
        request, before, outcome, revision = self.threads[me]
        self.threads[me] = None
        write = before
        if outcome == "done":
            chat: Any = self.said(revision)
            if request.kind == "create":
                write.created(chat, revision)
            elif request.kind == "rename":
                write.changed(chat, revision)
            else:
                write.left(request.tid, revision)  # type: ignore[arg-type]
            self.state.wrote(write, unknown=False)
            self.tell(request.tid, revision)
            return
        self.state.withdraw(write)
        if outcome == "not found":
            self.state.on_state(request.tid, None, revision)  # type: ignore[arg-type]
            self.tell(request.tid, revision)

    def lose(self, me: int, is_noted: bool) -> None:
        """Lose the response, or let Ctrl-C end the call before the thread notes anything."""
        request, before, outcome, _ = self.threads[me]
        self.threads[me] = None
        if outcome == "sent":
            self.late = tuple(sorted((*self.late, request)))
        if request.kind == "create":
            self.made |= {request.tid}
        if is_noted:
            self.state.wrote(before, unknown=True)

    def said(self, revision: int) -> Chat | None:
        tid, title, *_ = self.history[revision]
        return None if title is None else Chat(tid, title, revision)

    def tell(self, tid: int, revision: int) -> None:
        self.told = tuple(max(r, revision) if t == tid else r for t, r in enumerate(self.told))

    def event(self, revision: int) -> None:
        tid, chat = self.history[revision].tid, self.said(revision)
        self.state.on_state(tid, chat, revision)  # type: ignore[arg-type]
        self.tell(tid, revision)

    def others_change(self, request: Request) -> None:
        self.others -= 1
        self.change(request, is_own=False)

    def pause(self) -> None:
        self.pauses -= 1
        self.late = ()
        self.now += PAUSE

    def look_up(self, me: int, kind: str, newer_than: int) -> None:
        self.look_ups -= 1
        newer_than = self.state.required(Freshness(newer_than)).newer_than
        made = self.made & {each.tid for each in self.history}
        self.threads[me] = Looking(kind, self.told, len(self.history) - 1, made, newer_than)
        self.join(me)

    def join(self, me: int) -> None:
        doing, led = self.threads[me], Flight[Any]()
        joined = self.state.join_or_start(led, EMPTY, time_left=1e9, newer_than=doing.newer_than)
        if isinstance(joined, tuple):
            self.found(me, joined[0], lags=True)
        else:
            is_leader = joined is led
            leads = doing.leads + is_leader
            assert leads <= _GIVEN_UP + 1, "ENDS: a look-up starts again and again"
            self.threads[me] = doing._replace(flight=joined, leads=leads, is_leader=is_leader)
            if is_leader:
                self.ask(me)

    def ask(self, me: int) -> None:
        known = self.state.confirmed
        self.threads[me] = self.threads[me]._replace(
            known=known,
            validator=self.state.validator_of(known, self.now),
            asked_at=self.now,
            asked_revision=len(self.history) - 1,
        )

    def answer(self, me: int, first: int, second: int) -> None:
        """Do what `ServerSource` does when the pages have arrived, and wake the waiters."""
        doing = self.threads[me]
        is_new = doing.validator != f"r{first}"
        listing = None
        if is_new:
            listing = listing_of(self.history, first, second)
            listed = ChatSnapshot.of(listing.chats, listing.revisions, listing.revision)
            confirmed = ConfirmedListing(listed, listing.validator, doing.asked_at)
            if doing.known is not None and first == second:
                listing, confirmed = self.changed(doing.known, first, listing, confirmed)
        else:
            confirmed = evolve(doing.known, asked_at=doing.asked_at)
        self.state.request_answered(doing.flight, listing)
        view = self.state.publish(doing.flight, confirmed, self.now)
        self.state.finish(doing.flight)
        lags = min(first, second) < doing.asked_revision
        for each, other in enumerate(self.threads):
            if isinstance(other, Looking) and other.flight is doing.flight:
                if each == me or doing.flight.number > other.newer_than:
                    self.found(each, view, lags=lags)
                else:
                    self.threads[each] = other._replace(flight=None)

    def changed(
        self, known: ConfirmedListing, revision: int, listing: Listing, confirmed: ConfirmedListing
    ) -> tuple[Listing, ConfirmedListing]:
        """Return the changes of a listing that is known, and what they lead to; both if they do."""
        since = known.listed.revision
        assert since is not None
        changes = changes_of(self.history, since, revision)
        found = _listing(changes, known, confirmed.asked_at)
        if found is None:
            # A known listing of two states may lack a chat.
            assert revision < since or known.validator is None
            return listing, confirmed
        # A page of the known listing may be of a later state, which stays.
        if not found.listed.revisions:
            assert key_of_listing(found) == key_of_listing(confirmed)
        return changes, found

    def stop(self, me: int, is_outdated: bool) -> None:
        """Let the leader stop an outdated flight and start again, or let Ctrl-C end its look-up."""
        flight = self.threads[me].flight
        self.state.finish(flight)
        for each, other in enumerate(self.threads):
            if isinstance(other, Looking) and other.flight is flight:
                self.threads[each] = other._replace(
                    flight=None, known=None, validator=None, asked_at=0, asked_revision=0
                )
        if not is_outdated:
            self.threads[me] = None

    def found(self, me: int, view: ChatSnapshot, *, lags: bool) -> None:
        doing = self.threads[me]
        self.threads[me] = None
        require(view, self.history, doing.told, "HIDDEN")
        if not lags:
            require_made(view, self.history, doing.made)
            if doing.kind == "refresh":
                at_least = (doing.revision,) * len(self.told)
                require(view, self.history, at_least, "TRUTH")

    # What holds in each state

    def check(self) -> None:
        """Try all look-ups that can begin now."""
        state, history, told = self.state, self.history, self.told
        last = len(history) - 1
        long_done = [0] * len(told)
        for revision, change in enumerate(history):
            if change.is_own and change.at <= self.now - PAUSE:
                long_done[change.tid] = revision
        stale = state.stale()
        if stale is not None:
            require(stale, history, told, "HIDDEN in a stale serve")
        if self.now < state.view.fresh_until:
            require(state.view, history, told, "HIDDEN")
            require(state.view, history, long_done, "TRUTH after doubt")
        low = lowest(history, self.now)
        for first in range(low, last + 1):
            for second in {first, last}:
                cache = self.cache(first, second)
                cache.all(None, refresh=True)
                view = cache.state.view
                at_least = [max(each, min(first, second)) for each in told]
                require(view, history, at_least, "HIDDEN" if first < last else "TRUTH")
                require(view, history, long_done, "TRUTH after doubt")
        in_doubt = self.now < state.doubt_until
        until = self.now + (RECHECK if in_doubt else TTL)
        assert view.expires_at == until, f"LIFE: a true view ends at {view.expires_at}"
        cache = self.cache(last, last)
        for tid in self.made:
            if any(chat.tid == tid for chat in state_of(history, last)):
                found = cache.find(lambda view, tid=tid: view.by_tid.get(tid), None)  # type: ignore[misc]
                assert found is not None, f"TWICE: a look-up misses chat {tid}"

    def cache(self, first: int, second: int) -> ChatCache:
        """Return a cache in this state, without flights, whose next listing shows these states."""
        listing, state = listing_of(self.history, first, second), copy_of(self.state)[0]
        state._flight, state._flights = None, set()

        def read(request: ListingRequest) -> Listing | None:
            if request.validator == f"r{first}":
                return None
            if request.since is not None and first == second:
                return changes_of(self.history, request.since, first)
            return listing

        return ChatCache(state, ServerSource(state, read))

    def part(self) -> Any:
        """Return all data that `check` depends on."""
        return self.history, self.now, self.told, self.made, self.key_of_state()

    # Keys

    def key(self) -> Any:
        """Return a key. Worlds with equal keys have equal futures."""
        return (
            self.part(),
            tuple(sorted(map(self.key_of_thread, self.threads), key=repr)),
            self.late,
            (self.tids, self.writes, self.look_ups, self.others, self.pauses),
        )

    def key_of_state(self) -> Any:
        state = self.state
        going = {each.write for each in self.threads if isinstance(each, Writing)}
        facts = state.facts.by_tid.items()
        return (
            key_of(state.view),
            key_of_listing(state.confirmed),
            frozenset((tid, each.chat, each.revision, each.expires_at) for tid, each in facts),
            frozenset(end for write, end in state._doubts.items() if write not in going),
            state.doubt_until,
            state._started_at,
            state._last_attempt,
            state._is_authorized,
            state._started,
            state._flight and state._flight.number,
        )

    def key_of_thread(self, doing: Any) -> Any:
        if isinstance(doing, Writing):
            is_back = self.state.view is doing.write.empty
            view = key_of(doing.write.view) if is_back else None
            return (*doing.request, doing.outcome, doing.revision, view)
        if isinstance(doing, Looking):
            flight, known = doing.flight, key_of_listing(doing.known)
            is_same = flight is not None and flight.epoch == self.state.epoch
            return (*doing._replace(flight=flight and flight.number, known=None), known, is_same)
        return ()


def copy_of(state: CacheState) -> tuple[CacheState, dict[Write, Write]]:
    """Return a copy, and the copies of the writes in doubt, because writes change."""
    new, writes = object.__new__(CacheState), {}
    new.__dict__.update(state.__dict__)
    for write in state._doubts:
        writes[write] = copy.copy(write)
    new._doubts = {writes[write]: end for write, end in state._doubts.items()}
    new._flights = set(state._flights)
    return new, writes


def key_of(view: ChatSnapshot) -> Any:
    revisions = tuple(sorted(view.revisions.items()))
    return view.chats, revisions, view.revision, view.fresh_until, view.number


def key_of_listing(listing: ConfirmedListing | None) -> Any:
    return listing and (key_of(listing.listed), listing.validator, listing.asked_at)


def explore(bounds: Bounds) -> tuple[int, int]:
    """Visit all states, and return the numbers of the states and of the steps between them."""
    first = World(bounds)
    # Keep only the hashes of the keys: the keys of 100,000 states need gigabytes.
    paths: list[tuple[int, str]] = [(0, "")]
    seen, checked = {hash(first.key())}, set()
    queue, edges = deque([(0, first)]), 0
    while queue:
        number, world = queue.popleft()
        for step, arguments in world.steps():
            edges += 1
            CLOCK.now = world.now
            new = world.copy()
            text = f"{step.__name__}{arguments}"
            try:
                step(new, *arguments)
                key = hash(new.key())
                if key in seen:
                    continue
                seen.add(key)
                CLOCK.now = new.now
                part = hash(new.part())
                if part not in checked:
                    checked.add(part)
                    new.check()
            except AssertionError as error:
                steps = [text]
                while number:
                    number, text = paths[number]
                    steps.append(text)
                path = "\n".join(reversed(steps))
                pytest.fail(f"{error}\n{path}\n{new.history}", pytrace=False)
            paths.append((number, text))
            queue.append((len(paths) - 1, new))
    return len(seen), edges


FEW = (
    Bounds(1, 1, 0),
    Bounds(1, 2, 0, has_events=False),
    Bounds(2, 0, 0),
)
MANY = (
    Bounds(1, 1, 1),
    Bounds(1, 2, 0),
    Bounds(2, 1, 0, has_events=False),
    Bounds(3, 0, 0),
)


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    "bounds",
    [*FEW, *(pytest.param(bounds, marks=pytest.mark.slow(seconds=15)) for bounds in MANY)],
    ids=lambda bounds: "-".join(str(int(each)) for each in bounds),
)
def test_every_order_keeps_every_promise(bounds: Bounds) -> None:
    states, edges = explore(bounds)
    print(f"{bounds}: {states} states, {edges} steps")  # noqa: T201

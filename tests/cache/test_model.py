"""The cache with servers that lag and fail, and with other clients, in any order of steps.

A state machine of hypothesis makes the steps. `Promised` is the sequential model. From the rules of
the cache alone, it derives the result of each look-up, and how many requests the look-up may send.
The past of the server is an independent second check with one rule: once the cache has heard of a
state of a chat, no look-up shows an older state.

The examples are the same in each run: 150 of up to 80 steps, and 300 in the slow test. For other
examples in each run, set ``CACHE_MODEL_EXAMPLES`` to their number, and ``CACHE_MODEL_STEPS`` to the
maximum number of steps. Only then, hypothesis makes a failing example smaller, which takes
minutes::

    TESTS_HANG=3600 CACHE_MODEL_EXAMPLES=5000 CACHE_MODEL_STEPS=100 pytest tests/cache -k few
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import TYPE_CHECKING, Any, Callable, Optional

import pytest
from attrs import define, field

from teamwire_sync import (
    Chat,
    TWAuthError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWProtocolError,
    TWRateLimitError,
    TWRequestError,
    TWServerError,
    TWTimeoutError,
)
from teamwire_sync._cache.listing import Listing
from tests.support.builders import Clock
from tests.support.caches import make_chat_cache
from tests.support.chat_past import ChatPast, Chats, revision_of
from tests.support.chat_server import by_tid, by_title

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
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from teamwire_sync._cache.facts import Write
    from teamwire_sync._cache.listing import ListingRequest

Found = tuple[Chat, ...]
Pick = Callable[[Found], Optional[object]]
OurWrite = tuple[str, int, Optional[str], str, bool]

FLOOR = 5
GRACE = 30
WRITE_TIMEOUT = 60
COOL_DOWN = 1
MOST_LAG = 20  # the largest lag that the grace covers
STUCK = 200  # the lag of a list that is behind by more
MOST_LOADS = 3  # of one look-up: one, and two more if writes outdate them
MOST_WRITES = 4  # in progress at the same time
STALE_FOR = (TWConnectionError, TWServerError, TWRateLimitError, TWProtocolError)

FAILURES: dict[str, Callable[[], TWError]] = {
    "down": lambda: TWServerError("down", status=503),
    "down for long": lambda: TWServerError("down for long", status=503, retry_after=9),
    "slower": lambda: TWRateLimitError("slower", status=429, retry_after=7),
    "unreachable": lambda: TWConnectionError("unreachable"),
    "late": lambda: TWTimeoutError("late"),
    "gibberish": lambda: TWProtocolError("gibberish"),
    "forbidden": lambda: TWAuthError("forbidden", status=403),
    "unauthorized": lambda: TWAuthError("unauthorized", status=401),
}
# The ends of a write without a response.
UNKNOWN: dict[str, BaseException] = {
    "lost": TWDeliveryUnknownError("lost"),
    "broken": TWServerError("broken", status=500),
    "Ctrl-C": KeyboardInterrupt(),
}
NOT_DONE: dict[str, BaseException] = {
    "never left": TWConnectionError("unreachable"),
    "refused": TWRequestError("no such user", status=422),
    "unauthorized": TWAuthError("unauthorized", status=401),
}
ENDS = (*["answer"] * 6, "no end", *UNKNOWN, *NOT_DONE)
KINDS = ("create", "rename", "rename", "leave", "again", "same", "nothing")
TITLES = ("red", "green", "blue", None)
SELDOM = st.sampled_from([False, False, True])
# These numbers are exact in binary, so that their sums are exact, too.
STEPS = (0.25, 1, 4.75, 5, 5.25, 9, 14.75, 15, 20, 29.75, 30, 59.75, 60)


# By whether there were pages, and whether they needed the listing before.
_COUNTS = {
    (True, False): "listings",
    (True, True): "updates",
    (False, True): "not_modified",
}


def with_tid(tid: str) -> Pick:
    return lambda chats: next((chat for chat in chats if chat.tid == tid), None)


def with_title(title: str) -> Pick:
    return lambda chats: tuple(chat for chat in chats if chat.title == title) or None


def everything(chats: Found) -> Found:
    return chats


@define(eq=False)
class Asked:
    """One load, as the server saw it."""

    asked_at: float
    epoch: int
    validator: str | None
    is_stuck: bool
    listed: Chats = field(factory=dict)
    floor: int | None = None
    answer: Found = ()
    new_validator: str | None = None
    is_true: bool = False
    error: TWError | None = None
    given_up: bool = False
    is_dropped: bool = False
    # The name of its counter.
    count: str = ""
    # Whether the changes before did not fit, so that the same refresh lists all chats.
    is_second: bool = False
    # Whether the chats are in the server's order: all pages of a listing had one state.
    is_in_order: bool = False


@define(eq=False)
class Heard:
    """The newest state of one chat that the cache has heard of."""

    chat: Chat | None
    revision: int | None
    until: float
    is_created: bool = False

    def counts(self, tid: str, load: Asked) -> bool:
        """Return whether the state is newer than the state in the list."""
        listed = load.listed.get(tid)
        if self.revision is None or load.floor is None:
            return self.is_created and listed is None
        return self.revision > (load.floor if listed is None else revision_of(listed))


def merged(load: Asked, heard: dict[str, Heard]) -> Found:
    newer = {tid: each.chat for tid, each in heard.items() if each.counts(tid, load)}
    return tuple(chat for chat in {**load.listed, **newer}.values() if chat is not None)


@define(eq=False)
class Promised:
    """The sequential model: the state that the rules require after each step."""

    clock: Clock
    ttl: float
    stale_if_error: float
    epoch: int = 0
    losses: int = 0
    good: Asked | None = None
    view: tuple[Asked, Found, dict[str, Heard], float] | None = None
    heard: dict[str, Heard] = field(factory=dict)
    doubts: dict[object, float] = field(factory=dict)
    hidden: tuple[object, Any] | None = None
    last_attempt: float = -math.inf
    is_authorized: bool = True
    cool_down: tuple[float, TWError] | None = None

    def fresh(self) -> Found | None:
        return self.view[1] if self.view and self.clock() < self.view[3] else None

    def shows(self, tid: str, revision: int | None) -> bool:
        if revision is None or self.view is None or self.clock() >= self.view[3]:
            return False
        load, chats, merged_in, _ = self.view
        shown = with_tid(tid)(chats)
        known = load.floor if shown is None else revision_of(shown)  # type: ignore[arg-type]
        if shown is None and tid in merged_in and merged_in[tid].counts(tid, load):
            known = merged_in[tid].revision
        return known is not None and known >= revision

    def stale(self) -> Found | None:
        good = self.good if self.is_authorized and not self.doubts else None
        if good is None or self.clock() >= good.asked_at + self.ttl + self.stale_if_error:
            return None
        heard = {tid: each for tid, each in self.heard.items() if good.asked_at < each.until}
        return merged(good, heard)

    def is_in_doubt(self) -> bool:
        return any(self.clock() < end for end in self.doubts.values())

    def cooling(self) -> TWError | None:
        until, error = self.cool_down or (-math.inf, None)
        return error if self.clock() < until else None

    def hide(self) -> None:
        self.view = self.hidden = None

    def expire(self) -> None:
        self.epoch += 1
        self.hide()

    def hear(
        self, tid: str, chat: Chat | None, revision: int | None, *, is_created: bool = False
    ) -> None:
        new = Heard(chat, revision, self.clock() + GRACE, is_created)
        known = self.heard.pop(tid, None)
        if revision is None:
            new.is_created |= known is not None and known.is_created
            if chat is not None and new.is_created:
                self.heard[tid] = new
        else:
            assert known is None or known.revision is not None
            is_older = known is not None and (known.revision or 0) > revision
            self.heard[tid] = known if known is not None and is_older else new

    def told(self, tid: str, chat: Chat | None, revision: int | None) -> None:
        """Apply an event or a 404."""
        if revision is None:
            self.expire()
        elif not self.shows(tid, revision):
            self.hide()
        self.hear(tid, chat, revision)

    def began(self, write: object) -> None:
        view = self.view
        self.hide()
        self.hidden = (write, view)
        self.doubts[write] = self.clock() + WRITE_TIMEOUT + GRACE

    def withdrew(self, write: object) -> None:
        self.doubts.pop(write, None)
        if self.hidden is not None and self.hidden[0] is write and self.view is None:
            self.view = self.hidden[1]

    def wrote(
        self, write: object, tid: str, chat: Chat | None, revision: int | None, *, is_created: bool
    ) -> None:
        is_shown = bool(tid) and self.shows(tid, revision)
        if is_created and revision is None:
            is_shown = with_tid(tid)(self.fresh() or ()) is not None
        if write in self.doubts or not is_shown:
            self.expire()
        self.doubts.pop(write, None)
        if tid:
            self.hear(tid, chat, revision, is_created=is_created)
            self.cool_down = None

    def lost(self, write: object) -> None:
        self.doubts[write] = self.clock() + GRACE
        self.expire()

    def invalidated(self) -> None:
        self.losses += 1
        self.good = self.cool_down = None
        self.expire()

    def unauthorized(self) -> None:
        self.losses += 1
        self.good = None
        self.hide()

    def validator(self) -> str | None:
        return None if self.good is None or self.is_in_doubt() else self.good.new_validator

    def loaded(self, load: Asked) -> None:
        heard = {tid: each for tid, each in self.heard.items() if load.asked_at < each.until}
        load.answer = merged(load, heard)
        if load.epoch != self.epoch:
            return
        ends = [each.until for tid, each in heard.items() if each.counts(tid, load)]
        ends.append(load.asked_at + self.ttl)
        if any(load.asked_at < end for end in self.doubts.values()):
            ends.append(load.asked_at + FLOOR)
        self.doubts = {write: end for write, end in self.doubts.items() if load.asked_at < end}
        self.heard, self.good, self.view = heard, load, (load, load.answer, heard, min(ends))
        self.last_attempt = self.clock()
        self.is_authorized = True
        self.cool_down = None

    def failed(self, load: Asked, error: TWError) -> None:
        if error.status == 401:
            self.unauthorized()
        if load.epoch == self.epoch:
            self.last_attempt = self.clock()
            pause = max(COOL_DOWN, getattr(error, "retry_after", None) or 0)
            self.cool_down = (self.clock() + pause, error)
            self.is_authorized &= not isinstance(error, TWAuthError)


class Server(ChatPast):
    """A server whose list shows the chats in their state of some seconds ago.

    Attributes:
        lags: The lags of the replicas in seconds. Each page comes from the next replica.
        changes_are: Its response to a request for changes: "known", "unknown" or "wrong total".
        failing: The failures of the next loads.
        meanwhile: The actions during the next loads and pages, one for each.
    """

    def __init__(self, clock: Clock, *, has_revisions: bool) -> None:
        super().__init__(clock)
        self.has_revisions = has_revisions
        self.lags: Iterator[float] = itertools.repeat(0.0)
        self.pages = 1
        self.changes_are = "known"
        self.failing: list[str] = []
        self.meanwhile: list[Callable[[], object]] = []
        self.reads: list[Asked] = []

    def told(self, revision: int) -> int | None:
        return revision if self.has_revisions else None

    def page(self, number: int, lag: float) -> tuple[int, Chats]:
        """Return the revision of one page, and its chats."""
        revision, chats = self.at(lag)
        on_it = [tid for tid in chats if int(tid[1:]) % self.pages == number]
        return revision, {tid: chats[tid] for tid in on_it}

    def changes_since(self, since: int | None, revision: int) -> Listing | None:
        """Return the changes up to a revision; None for a server that lists all chats instead."""
        if since is None or self.changes_are == "unknown":
            return None
        chats, gone = self.changed(since, revision)
        total = len(self.of(revision)) + (self.changes_are == "wrong total")
        validator = f"v{revision}/{self.pages}"
        return Listing(chats, validator, revision=revision, gone=gone, total=total)

    @property
    def refreshes(self) -> int:
        return sum(not each.is_second for each in self.reads)


@define(eq=False)
class Ours:
    """An own write that the server has done, and whose response has not arrived yet."""

    write: Write
    context: AbstractContextManager[Write]
    tid: str
    chat: Chat | None
    revision: int
    is_created: bool


class CacheMachine(RuleBasedStateMachine):
    """Steps that any program, any other client and any server may take."""

    @initialize(
        ttl=st.sampled_from([60, 15, 300, 0]),
        stale=st.sampled_from([0, 40]),
        has_revisions=st.sampled_from([True, True, True, False]),
        is_keen=st.sampled_from([True, True, False]),
    )
    def start(self, ttl: float, stale: float, has_revisions: bool, is_keen: bool) -> None:
        # Whether there is a look-up before and after each change.
        self.is_keen, self.is_loading, self.is_second = is_keen, False, False
        self.clock = Clock()
        self.server = Server(self.clock, has_revisions=has_revisions)
        self.promised = Promised(self.clock, ttl, stale)
        self.cache = make_chat_cache(
            self.read,
            clock=self.clock,
            ttl=ttl,
            recheck_after=FLOOR,
            own_write_grace=GRACE,
            write_timeout=WRITE_TIMEOUT,
            stale_if_error=stale,
        )
        self.raised: list[TWError | None] = []
        self.look_ups = 0
        self.under_way: list[Ours] = []
        self.contexts: list[object] = []
        # The newest revision of each chat that the cache has heard of.
        self.known: dict[str, int] = {}
        for title in ("red", "green"):
            self.server.put(self.server.new(), title)
        self.clock.advance(MOST_LAG + 1)

    def read(self, request: ListingRequest) -> Listing | None:
        promised = self.promised
        known, losses = promised.good, promised.losses
        asked = self.ask(request)
        floors, pages = self.read_pages(asked, request)
        is_one_state = len(set(floors)) == 1
        asked.is_true = set(floors) == {self.server.revision}
        asked.floor = self.server.told(min(floors))
        asked.new_validator = f"v{floors[0]}/{self.server.pages}" if is_one_state else None
        listing = None
        if pages and is_one_state:
            listing = self.server.changes_since(request.since, floors[0])
        if not pages:
            assert known is not None
            asked.listed, asked.is_in_order = known.listed, known.is_in_order
            asked.floor, asked.new_validator = known.floor, known.new_validator
        elif listing is None:
            asked.listed = {tid: chat for page in pages for tid, chat in page.items()}
            asked.is_in_order = len(pages) == 1
            revisions = {tid: revision_of(chat) for tid, chat in asked.listed.items()}
            revisions = revisions if self.server.has_revisions else {}
            listing = Listing(dict(asked.listed), asked.new_validator, revisions, asked.floor)
        elif not self.applied(asked, known, listing, floors[0]):
            self.gives_up(asked, request)
            return listing
        # "Not modified" and changes refer to a listing that was dropped, so another load follows.
        needs_known = listing is None or listing.gone is not None
        same_epoch = asked.epoch == promised.epoch
        asked.is_dropped = needs_known and same_epoch and losses != promised.losses
        asked.count = _COUNTS[bool(pages), needs_known]
        if not asked.is_dropped:
            promised.loaded(asked)
        return listing

    def gives_up(self, asked: Asked, request: ListingRequest) -> None:
        """Record that all the chats are asked for, because the changes are of no use."""
        asked.given_up = True
        request.check_needed()
        asked.given_up, asked.is_dropped, self.is_second = False, True, True

    def ask(self, request: ListingRequest) -> Asked:
        """Record one load, and fail it if the server fails."""
        server, promised = self.server, self.promised
        asked = Asked(self.clock(), promised.epoch, request.validator, is_stuck=False)
        asked.is_second, self.is_second = self.is_second, False
        if asked.is_second:
            # Both readings are one request for the chats.
            asked.asked_at, asked.epoch = server.reads[-1].asked_at, server.reads[-1].epoch
            assert (request.validator, request.since) == (None, None)
        else:
            assert request.validator == promised.validator()
            assert request.since == (promised.good and promised.good.floor)
        server.reads.append(asked)
        failure = FAILURES[server.failing.pop(0)]() if server.failing else None
        if failure is not None:
            self.something_happens()
            if isinstance(failure, TWProtocolError) and request.since is not None:
                self.gives_up(asked, request)
                raise failure
            asked.error = failure
            if failure.status == 401:
                self.cache.on_unauthorized()  # as the transport does for any call
            promised.failed(asked, failure)
            raise failure
        return asked

    def read_pages(self, asked: Asked, request: ListingRequest) -> tuple[list[int], list[Chats]]:
        """Return the revisions of the pages, and their chats; no page if nothing has changed."""
        server, floors, pages = self.server, list[int](), list[Chats]()
        for number in range(server.pages):
            if number:
                asked.given_up = True
                request.check_needed()
                asked.given_up = False
            lag = next(server.lags)
            asked.is_stuck |= lag > MOST_LAG
            revision, chats = server.page(number, lag)
            floors.append(revision)
            self.something_happens()
            if number == 0 and request.validator == f"v{revision}/{server.pages}":
                break
            pages.append(chats)
            request.page(sum(map(len, pages)))
        return floors, pages

    def applied(self, asked: Asked, known: Asked | None, listing: Listing, revision: int) -> bool:
        """Apply changes to the listing before. Return whether they lead to the server's list."""
        assert known is not None
        assert known.floor is not None
        if revision < known.floor:
            return False
        is_mixed = any(revision_of(chat) > known.floor for chat in known.listed.values())
        if is_mixed and not listing.chats.keys().isdisjoint(listing.gone or ()):
            return False
        # Pages of a later state may have been read before.
        later = {tid for tid, chat in known.listed.items() if revision_of(chat) > revision}
        gone = {*(listing.gone or ())} - later
        asked.listed = {tid: chat for tid, chat in known.listed.items() if tid not in gone}
        asked.listed.update((tid, chat) for tid, chat in listing.chats.items() if tid not in later)
        asked.is_in_order = known.is_in_order
        if len(asked.listed) != listing.total:
            return False
        truth = self.server.of(revision)
        assert later or asked.listed == truth
        assert not asked.is_in_order or list(asked.listed) == list(truth)
        return True

    def something_happens(self) -> None:
        self.is_loading = True
        if self.server.meanwhile:
            self.server.meanwhile.pop(0)()
        self.is_loading = False

    # Look-ups

    @rule(
        what=st.sampled_from(["tid", "title", "all", "refresh"]),
        number=st.integers(0, 5),
        title=st.sampled_from(["red", "green", "blue", "ghost"]),
    )
    def somebody_looks(self, what: str, number: int, title: str) -> None:
        if what == "tid":
            tid = self.server.tid(number)
            self.look_up(with_tid(tid), lambda: by_tid(self.cache, tid))
        elif what == "title":
            self.look_up(with_title(title), lambda: by_title(self.cache, title) or None)
        else:
            self.look_up_all(refresh=what == "refresh")

    def look_up_all(self, *, refresh: bool) -> Found | None:
        answer = self.look_up(
            everything, lambda: self.cache.all(None, refresh=refresh), refresh=refresh
        )
        assert answer is None or len({chat.tid for chat in answer}) == len(answer)
        return answer

    @rule()
    def look_around(self) -> None:
        """Look up all known chats: while no time passes, they come from memory."""
        known = self.look_up_all(refresh=False) or ()
        self.server.meanwhile.clear()
        for number in range(len(known)):
            self.somebody_looks("tid", number, "")
            self.somebody_looks("title", 0, known[number].title or "ghost")

    @rule(count=st.integers(2, 5), rest=st.sampled_from([0, FLOOR, FLOOR + 0.25]))
    def look_up_a_ghost_again_and_again(self, count: int, rest: float) -> None:
        """While no time passes, and without doubt, this costs one load at most."""
        self.clock.advance(rest)
        before = self.server.refreshes
        self.server.meanwhile.clear()
        once = self.promised.ttl > 0 and not self.promised.is_in_doubt()
        for _ in range(count):
            self.look_up(with_tid("ghost"), lambda: by_tid(self.cache, "ghost"))
        assert self.server.refreshes - before <= (1 if once else count)

    def glance(self) -> None:
        if self.is_keen and not self.is_loading:
            self.look_up_all(refresh=False)

    def look_up(self, pick: Pick, call: Callable[[], Any], *, refresh: bool = False) -> Any:
        promised, start = self.promised, self.clock()
        fresh, known = promised.fresh(), dict(self.known)
        shown = None if fresh is None else pick(fresh)
        if refresh:
            promised.cool_down = None
        cooling = promised.cooling()
        rested = promised.is_in_doubt() or start - promised.last_attempt > FLOOR
        before = len(self.server.reads)
        answer, error, failure = None, None, None
        try:
            answer = call()
        except TWError as raised:
            error = raised
        loads = self.server.reads[before:]

        expected: tuple[object | None] | None = None
        if not refresh and fresh is not None and (shown is not None or not rested):
            assert loads == []
            expected = (shown,)
        else:
            failure = self.check_loads(loads, cooling)
            if failure is None:
                expected = (pick(loads[-1].answer),)
            elif not refresh:
                expected = self.despite(failure, pick, fresh)
        if expected is None:
            assert (type(error), vars(error)) == (type(failure), vars(failure))
            assert all(error is not other for other in self.raised), "a shared exception object"
            self.raised.append(error)
        else:
            assert (error, answer) == (None, *expected)
            self.look_ups += 1
            self.check_past(pick, answer, known, loads)
        return answer

    def check_loads(self, loads: list[Asked], cooling: TWError | None) -> TWError | None:
        if cooling is not None:
            assert loads == []
            return cooling
        loads = [load for load in loads if not load.is_dropped]
        assert 1 <= len(loads) <= MOST_LOADS
        assert [load.given_up for load in loads] == [True] * (len(loads) - 1) + [False]
        return loads[-1].error

    def despite(
        self, failure: TWError, pick: Pick, fresh: Found | None
    ) -> tuple[object | None] | None:
        """Return the result of a look-up whose refresh failed, in a tuple; None if it raises."""
        if fresh is not None:
            still = self.promised.fresh()
            if still is None or isinstance(failure, TWAuthError):
                return None
            return (pick(still),)
        stale = self.promised.stale() if isinstance(failure, STALE_FOR) else None
        found = None if stale is None else pick(stale)
        return None if found is None else (found,)

    def check_past(
        self, pick: Pick, answer: Any, known: dict[str, int], loads: list[Asked]
    ) -> None:
        """Check that the look-up found states that were known before it, or newer ones."""
        base = self.promised.view[0] if self.promised.view else self.promised.good
        if loads and loads[-1].error is None:
            base = loads[-1]
        if base is None or base.is_stuck or not self.server.has_revisions:
            return
        found = answer if isinstance(answer, tuple) else (answer,) if answer is not None else ()
        for tid, since in known.items():
            allowed = self.server.since(tid, since)
            seen = with_tid(tid)(found)
            if seen is not None:
                assert seen in allowed
            else:
                assert any(chat is None or not pick((chat,)) for chat in allowed)
        # A list that does not lag is the truth, also after a doubt.
        if base.is_true and base in loads:
            truth = pick(tuple(self.server.now.values())) or ()
            assert set(found) == set(truth if isinstance(truth, tuple) else (truth,))

    # Own writes, and their responses

    @rule(
        writes=st.lists(
            st.tuples(
                st.sampled_from(KINDS),
                st.integers(0, 5),
                st.sampled_from(TITLES),
                st.sampled_from(ENDS),
                st.booleans(),
            ),
            min_size=1,
            max_size=3,
        ),
        waits=st.booleans(),
        during=SELDOM,
    )
    def we_write(self, writes: list[OurWrite], waits: bool, during: bool) -> None:
        """Write. The responses come at once, or later in another order."""

        def act() -> None:
            for write in writes:
                self.write(*write)
            while self.under_way and (not waits or len(self.under_way) > MOST_WRITES):
                self.answer(self.under_way.pop(0))

        self.now_or_during_a_load(act, during=during)

    def write(self, kind: str, number: int, title: str | None, end: str, is_done: bool) -> None:
        tid = self.server.new() if kind == "create" else self.server.tid(number)
        if kind not in {"create", "again", "nothing"} and tid not in self.server.now:
            return
        self.glance()
        # A second creation of a one-to-one chat returns the same chat, so it is not in doubt.
        in_doubt = kind != "same"
        context = self.cache.writing(in_doubt=in_doubt)
        # Without a reference, the garbage collector would end the context as an interrupted one.
        self.contexts.append(context)
        write = context.__enter__()
        if in_doubt:
            self.promised.began(write)
        if end == "answer":
            chat, revision = self.do(kind, tid, title)
            is_created = kind in {"create", "again", "same"}
            told = "" if kind == "nothing" else tid
            self.under_way.append(Ours(write, context, told, chat, revision, is_created))
        elif end in NOT_DONE:
            if end == "unauthorized":
                self.cache.on_unauthorized()
                self.promised.unauthorized()
            self.end(context, NOT_DONE[end])
            self.promised.withdrew(write)
        else:
            if is_done:
                self.do(kind, tid, title)
            if end in UNKNOWN:
                self.end(context, UNKNOWN[end])
                self.promised.lost(write)

    def do(self, kind: str, tid: str, title: str | None) -> tuple[Chat | None, int]:
        if kind == "leave":
            self.server.remove(tid)
        elif kind in {"create", "rename"} or (kind == "again" and tid not in self.server.now):
            self.server.put(tid, title)
        chat = self.server.now.get(tid)
        return chat, self.server.revision if chat is None else revision_of(chat)

    def end(self, context: AbstractContextManager[Write], error: BaseException) -> None:
        assert not context.__exit__(type(error), error, None)

    def answer(self, ours: Ours) -> None:
        self.glance()
        tid, chat, revision = ours.tid, ours.chat, self.server.told(ours.revision)
        if tid and chat is None:
            ours.write.left(tid, revision)
        elif tid and chat is not None:
            (ours.write.created if ours.is_created else ours.write.changed)(chat, revision)
        ours.context.__exit__(None, None, None)
        self.promised.wrote(ours.write, tid, chat, revision, is_created=ours.is_created)
        self.note(tid, ours.revision)

    def note(self, tid: str, revision: int) -> None:
        self.known[tid] = max(revision, self.known.get(tid, 0))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), count=st.integers(1, MOST_WRITES), during=SELDOM)
    def writes_are_answered(self, data: st.DataObject, count: int, during: bool) -> None:
        """Let responses arrive in any order."""
        answered = data.draw(st.permutations(self.under_way))[:count]
        self.under_way = [each for each in self.under_way if each not in answered]
        self.now_or_during_a_load(lambda: [self.answer(each) for each in answered], during=during)

    # Events, 404, 401 and `invalidate`

    @rule(
        number=st.integers(0, 5),
        back=st.sampled_from([1, 1, 1, 2, 3]),
        what=st.sampled_from(["event", "event", "event", "404", "404", "invalidate", "401"]),
        during=SELDOM,
    )
    def we_hear(self, number: int, back: int, what: str, during: bool) -> None:
        """Receive an event about any write, late, early or again; or one of the others."""

        def act() -> None:
            tid = self.server.tid(number)
            if what == "event":
                revision, chat = self.server.changes[tid][-back:][0]
                self.hear(tid, chat, revision)
            elif what == "404" and tid not in self.server.now:
                self.hear(tid, None, self.server.revision)
            elif what == "invalidate":
                self.cache.invalidate()
                self.promised.invalidated()
            elif what == "401":
                self.cache.on_unauthorized()
                self.promised.unauthorized()

        self.now_or_during_a_load(act, during=during)

    def hear(self, tid: str, chat: Chat | None, revision: int) -> None:
        self.glance()
        told = self.server.told(revision)
        self.cache.on_state(tid, chat, told)
        self.promised.told(tid, chat, told)
        self.note(tid, revision)

    def now_or_during_a_load(self, act: Callable[[], object], *, during: bool) -> None:
        if during:
            self.server.meanwhile.append(act)
            return
        act()
        self.glance()

    # Other clients, the servers and the time

    @rule(
        number=st.integers(0, 5),
        what=st.sampled_from(["create", "rename", "remove", "again"]),
        title=st.sampled_from(TITLES),
        is_told=st.booleans(),
        during=SELDOM,
    )
    def somebody_writes(
        self, number: int, what: str, title: str | None, is_told: bool, during: bool
    ) -> None:
        def act() -> None:
            tid = self.server.new() if what == "create" else self.server.tid(number)
            if what == "remove" and tid in self.server.now:
                self.server.remove(tid)
            elif what in {"create", "again"} or tid in self.server.now:
                self.server.put(tid, title)
            if is_told:
                revision, chat = self.server.changes[tid][-1]
                self.hear(tid, chat, revision)

        self.now_or_during_a_load(act, during=during)

    @rule(kinds=st.lists(st.sampled_from(sorted(FAILURES)), min_size=1, max_size=2))
    def the_server_will_fail(self, kinds: list[str]) -> None:
        self.server.failing = kinds

    @rule(
        lags=st.lists(st.sampled_from([0, 0, 3, MOST_LAG, STUCK]), min_size=1, max_size=3),
        pages=st.integers(1, 3),
        changes_are=st.sampled_from(["known", "known", "known", "unknown", "wrong total"]),
    )
    def the_servers_change(self, lags: list[float], pages: int, changes_are: str) -> None:
        """Give each replica its own lag."""
        self.server.lags, self.server.pages = itertools.cycle(lags), pages
        self.server.changes_are = changes_are

    @rule(seconds=st.sampled_from(STEPS), during=SELDOM)
    def time_passes(self, seconds: float, during: bool) -> None:
        self.now_or_during_a_load(lambda: self.clock.advance(seconds), during=during)

    # What always holds

    @invariant()
    def both_indexes_and_the_list_agree(self) -> None:
        view = self.cache.state.view
        titles = {chat.title for chat in view.chats if chat.title}
        assert dict(view.by_tid) == {chat.tid: chat for chat in view.chats}
        assert len(view.by_tid) == len(view.chats)
        assert set(view.by_title) == titles
        assert all(view.titled(title) == with_title(title)(view.chats) for title in titles)

    @invariant()
    def the_report_counts_what_happened(self) -> None:
        info = self.cache.info()
        assert info.refreshes == self.server.refreshes
        assert info.failures == sum(load.error is not None for load in self.server.reads)
        assert info.lookups == self.look_ups
        counts = Counter(load.count for load in self.server.reads if load.count)
        assert (info.listings, info.updates, info.not_modified) == tuple(
            counts[name] for name in ("listings", "updates", "not_modified")
        )


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    "examples",
    [75, pytest.param(300, marks=pytest.mark.slow)],
    ids=["few", "many"],
)
def test_the_cache_keeps_its_promises_whatever_happens(examples: int) -> None:
    run_examples(CacheMachine, examples, steps=80)

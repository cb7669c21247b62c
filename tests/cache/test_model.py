"""The cache against a server that lags and fails, other clients, and any order of all that.

A machine of hypothesis makes the steps. `Promised` is the sequential model: from the rules of the
cache alone it knows what each look-up has to answer, and how often the server may be asked for it.
What was really done on the server is a second witness, which knows no rules.

The examples are the same each time: 100 of up to 80 steps, and 300 among the slow tests.
For more, and others each time, set ``CACHE_MODEL_EXAMPLES`` to how many, and ``CACHE_MODEL_STEPS``
to how long they are at most. Only then an example that fails is made smaller, which takes minutes::

    TESTS_HANG=3600 CACHE_MODEL_EXAMPLES=5000 CACHE_MODEL_STEPS=100 pytest tests/cache -k few
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any, Callable, Optional

import pytest
from attrs import define, evolve, field

from teamwire_sync import (
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
from teamwire_sync._models.chats import Chat
from tests.support.builders import Clock, make_chat
from tests.support.caches import make_chat_cache
from tests.support.chat_server import by_tid, by_title

pytest.importorskip("hypothesis", reason="the model of the cache is run by hypothesis")

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from tests.support.state_machines import run_examples

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamwire_sync._cache.listing import ListingRequest

Chats = tuple[Chat, ...]
Pick = Callable[[Chats], Optional[object]]

FLOOR = 5
GRACE = 30
COOL_DOWN = 1
MOST_LAG = 20  # that the grace covers
STUCK = 200  # a list that is behind by more
MOST_LOADS = 3  # of one look-up: one, and two more when writes outdate them
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
UNKNOWN = (
    TWDeliveryUnknownError("lost"),
    TWServerError("broken", status=500),
    TWProtocolError("gibberish"),
)
REFUSED = TWRequestError("no such user", status=422)
TITLES = ("red", "green", "blue", None)
# All of them are exact in binary, so that no sum of them is off by a hair.
STEPS = (0.25, 1, 4.75, 5, 5.25, 9, 14.75, 15, 20, 29.75, 30, 59.75, 60)


def validator_of(chats: Chats) -> str:
    return repr([(chat.tid, chat.title) for chat in chats])


def with_tid(tid: str) -> Pick:
    return lambda chats: next((chat for chat in chats if chat.tid == tid), None)


def with_title(title: str) -> Pick:
    return lambda chats: tuple(chat for chat in chats if chat.title == title) or None


def everything(chats: Chats) -> Chats:
    return chats


@define(eq=False)
class Asked:
    """One load, as the server saw it."""

    asked_at: float
    epoch: int
    validator: str | None
    is_stuck: bool
    chats: Chats = ()
    answer: Chats = ()
    error: TWError | None = None
    given_up: bool = False


@define(eq=False)
class Own:
    """An own write that a list may not show yet."""

    after: Chat | None
    past: list[tuple[Chat, float]]
    is_new: bool
    until: float

    def shown_for(self, listed: Chat | None) -> Chat | None:
        if self.after is None:
            return None
        if listed is None:
            return self.after if self.is_new else None
        return self.after if any(listed == chat for chat, _ in self.past) else listed


def merged(listed: Chats, own: dict[str, Own]) -> Chats:
    shown = [own[chat.tid].shown_for(chat) if chat.tid in own else chat for chat in listed]
    there = {chat.tid for chat in listed}
    shown += [write.shown_for(None) for tid, write in own.items() if tid not in there]
    return tuple(chat for chat in shown if chat is not None)


@define(eq=False)
class Promised:
    """What the rules say, one step after the other."""

    clock: Clock
    ttl: float
    stale_if_error: float
    epoch: int = 0
    good: Asked | None = None
    view: tuple[Chats, float] | None = None
    own: dict[str, Own] = field(factory=dict)
    doubt_until: float = -math.inf
    last_attempt: float = -math.inf
    stale_allowed: bool = True
    cool_down: tuple[float, TWError] | None = None

    def fresh(self) -> Chats | None:
        return self.view[0] if self.view and self.clock() < self.view[1] else None

    def stale(self) -> Chats | None:
        good = self.good if self.stale_allowed else None
        if good is None or self.clock() >= good.asked_at + self.ttl + self.stale_if_error:
            return None
        return merged(good.chats, self.live(self.clock()))

    def live(self, now: float) -> dict[str, Own]:
        return {tid: own for tid, own in self.own.items() if now < own.until}

    def cooling(self) -> TWError | None:
        if self.cool_down and self.clock() < self.cool_down[0]:
            return self.cool_down[1]
        return None

    def expire(self) -> None:
        self.epoch += 1
        self.view = None

    def wrote(self, tid: str, after: Chat | None, *past: Chat | None, is_new: bool = False) -> None:
        now = self.clock()
        self.own = self.live(now)
        earlier = self.own.get(tid)
        newly = [
            *past,
            *(chat for chat in (self.good.chats if self.good else ()) if chat.tid == tid),
        ]
        older: list[tuple[Chat, float]] = []
        if earlier is not None:
            newly.append(earlier.after)
            older = [(chat, until) for chat, until in earlier.past if now < until]
            is_new = is_new or earlier.is_new
        older += [(chat, now + GRACE) for chat in newly if chat is not None]
        older = [(chat, until) for chat, until in older if chat != after]
        self.own[tid] = Own(after, older, is_new, now + GRACE)
        self.cool_down = None
        self.expire()

    def doubted(self) -> None:
        self.doubt_until = self.clock() + GRACE
        self.stale_allowed = False
        self.expire()

    def invalidated(self) -> None:
        self.good = self.cool_down = None
        self.expire()

    def forgot(self, tid: str) -> None:
        if tid in self.own and self.own[tid].after is not None:
            del self.own[tid]
        self.expire()

    def validator(self) -> str | None:
        if self.good is None or self.clock() < self.doubt_until:
            return None
        return validator_of(self.good.chats)

    def loaded(self, load: Asked) -> None:
        own = self.live(load.asked_at)
        load.answer = merged(load.chats, own)
        if load.epoch != self.epoch:
            return
        ends = [load.asked_at + self.ttl, *(write.until for write in own.values())]
        if load.asked_at < self.doubt_until:
            ends.append(load.asked_at + FLOOR)
        self.own, self.good, self.view = own, load, (load.answer, min(ends))
        self.last_attempt = self.clock()
        self.stale_allowed = True
        self.cool_down = None

    def failed(self, load: Asked, error: TWError) -> None:
        if error.status == 401:
            self.good = self.view = None
        if load.epoch == self.epoch:
            self.last_attempt = self.clock()
            pause = max(COOL_DOWN, getattr(error, "retry_after", None) or 0)
            self.cool_down = (self.clock() + pause, error)
            self.stale_allowed &= not isinstance(error, TWAuthError)


class Server:
    """Chats and their past, of which the list shows what was true some seconds ago.

    Attributes:
        lag: The seconds.
        failing: How the next loads fail.
        meanwhile: What happens during the next loads, one for each.
        touched: When another client last wrote a chat.
        ours: What we last made of a chat, and when; None for one that we left.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._past: list[tuple[float, dict[str, Chat]]] = [(-math.inf, {})]
        self.lag = 0.0
        self.pages = 1
        self.failing: list[str] = []
        self.meanwhile: list[Callable[[], object]] = []
        self.touched: dict[str, float] = {}
        self.ours: dict[str, tuple[float, Chat | None]] = {}
        self.reads: list[Asked] = []

    @property
    def now(self) -> dict[str, Chat]:
        return dict(self._past[-1][1])

    def write(self, tid: str, chat: Chat | None, *, ours: bool) -> None:
        chats = self.now
        if chat is None:
            chats.pop(tid, None)
        else:
            chats[tid] = chat
        self._past.append((self._clock(), chats))
        if ours:
            self.ours[tid] = (self._clock(), chat)
        else:
            self.touched[tid] = self._clock()

    def listed(self) -> Chats:
        then = self._clock() - self.lag
        return tuple([chats for since, chats in self._past if since <= then][-1].values())

    def certain(self) -> dict[str, Chat | None]:
        """What we made of chats that nobody else wrote since, or shortly before."""
        return {
            tid: chat
            for tid, (when, chat) in self.ours.items()
            if self.touched.get(tid, -math.inf) < when - MOST_LAG
        }


class CacheMachine(RuleBasedStateMachine):
    """Steps that any program, any other client and any server may take."""

    @initialize(ttl=st.sampled_from([60, 15, 300, 0]), stale=st.sampled_from([0, 40]))
    def start(self, ttl: float, stale: float) -> None:
        self.clock = Clock()
        self.server = Server(self.clock)
        self.promised = Promised(self.clock, ttl, stale)
        self.cache = make_chat_cache(
            self.read,
            clock=self.clock,
            ttl=ttl,
            recheck_after=FLOOR,
            own_write_grace=GRACE,
            stale_if_error=stale,
        )
        self.made = 0
        self.raised: list[TWError] = []
        self.look_ups = 0
        for title in ("red", "green"):
            self.server.write(*self.new(title), ours=False)
        self.clock.advance(MOST_LAG + 1)

    def new(self, title: str | None) -> tuple[str, Chat]:
        self.made += 1
        tid = f"t{self.made}"
        return tid, make_chat(tid, title)

    def read(self, request: ListingRequest) -> Listing | None:
        server, promised = self.server, self.promised
        asked = Asked(
            self.clock(), promised.epoch, request.validator, is_stuck=server.lag > MOST_LAG
        )
        assert asked.validator == promised.validator()
        server.reads.append(asked)
        chats = server.listed()
        failure = FAILURES[server.failing.pop(0)]() if server.failing else None
        if server.meanwhile:
            server.meanwhile.pop(0)()
        if failure is not None:
            asked.error = failure
            if failure.status == 401:
                self.cache.on_unauthorized()  # as the transport does for any call
            promised.failed(asked, failure)
            raise failure
        if request.validator != validator_of(chats):
            for page in range(server.pages):
                if page:
                    asked.given_up = True
                    request.check_needed()
                    asked.given_up = False
                request.page(len(chats))
        asked.chats = chats
        promised.loaded(asked)
        validator = validator_of(chats)
        return (
            None
            if request.validator == validator
            else Listing({chat.tid: chat for chat in chats}, validator)
        )

    # Look-ups

    @rule(data=st.data())
    def look_up_by_tid(self, data: st.DataObject) -> None:
        tid = data.draw(st.sampled_from([f"t{number + 1}" for number in range(self.made)]))
        self.look_up(with_tid(tid), lambda: by_tid(self.cache, tid))

    @rule(title=st.sampled_from(["red", "green", "blue", "ghost"]))
    def look_up_title(self, title: str) -> None:
        self.look_up_by_title(title)

    def look_up_by_title(self, title: str) -> None:
        self.look_up(with_title(title), lambda: by_title(self.cache, title) or None)

    @rule(refresh=st.booleans())
    def list_all(self, refresh: bool) -> None:
        self.look_up_all(refresh=refresh)

    def look_up_all(self, *, refresh: bool) -> Chats | None:
        answer = self.look_up(
            everything, lambda: self.cache.all(None, refresh=refresh), refresh=refresh
        )
        if answer is not None:
            tids = Counter(chat.tid for chat in answer)
            assert set(tids.values()) <= {1}
        return answer

    @rule(misses=st.booleans())
    def look_around(self, misses: bool) -> None:
        """All that is known is found from memory, as long as no time passes."""
        known = self.look_up_all(refresh=False) or ()
        self.server.meanwhile.clear()
        for chat in known:
            self.look_up(with_tid(chat.tid), lambda tid=chat.tid: by_tid(self.cache, tid))
        for title in TITLES if misses else ():
            if title is not None:
                self.look_up_by_title(title)

    @rule(count=st.integers(2, 5), rest=st.sampled_from([0, FLOOR, FLOOR + 0.25]))
    def look_up_a_ghost_again_and_again(self, count: int, rest: float) -> None:
        """It costs one load at most, as long as no time passes."""
        self.clock.advance(rest)
        before = len(self.server.reads)
        self.server.meanwhile.clear()
        fresh = self.promised.ttl > 0
        for _ in range(count):
            self.look_up(with_tid("ghost"), lambda: by_tid(self.cache, "ghost"))
        assert len(self.server.reads) - before <= (1 if fresh else count)

    def look_up(self, pick: Pick, call: Callable[[], Any], *, refresh: bool = False) -> Any:
        promised, start = self.promised, self.clock()
        fresh = promised.fresh()
        known = None if fresh is None else pick(fresh)
        if refresh:
            promised.cool_down = None
        cooling = promised.cooling()
        rested = start - promised.last_attempt > FLOOR
        before = len(self.server.reads)
        answer, error = None, None
        try:
            answer = call()
        except TWError as raised:
            error = raised
        loads = self.server.reads[before:]

        if not refresh and fresh is not None and (known is not None or not rested):
            assert (len(loads), error, answer) == (0, None, known)
            self.check_age(answer, self.promised.ttl)
        else:
            failure = self.check_loads(loads, cooling)
            if failure is None:
                assert error is None
                assert answer == pick(loads[-1].answer)
            else:
                expected = None if refresh else self.despite(failure, pick, fresh)
                self.check_failed(failure, answer, error, expected)
        if error is None:
            self.look_ups += 1
            failed = bool(loads and loads[-1].error) or (cooling is not None and not loads)
            base = loads[-1] if loads else promised.good
            if not failed and base is not None and not base.is_stuck:
                self.check_truth(pick, answer)
        return answer

    def check_loads(self, loads: list[Asked], cooling: TWError | None) -> TWError | None:
        if cooling is not None:
            assert loads == []
            return cooling
        assert 1 <= len(loads) <= MOST_LOADS
        assert [load.given_up for load in loads] == [True] * (len(loads) - 1) + [False]
        return loads[-1].error

    def despite(
        self, failure: TWError, pick: Pick, fresh: Chats | None
    ) -> tuple[object | None] | None:
        """What a look-up has to answer whose refresh failed, in a tuple; None when it raises."""
        if fresh is not None:
            still = self.promised.fresh()
            if still is None or isinstance(failure, TWAuthError):
                return None
            return (pick(still),)
        stale = self.promised.stale() if isinstance(failure, STALE_FOR) else None
        found = None if stale is None else pick(stale)
        return None if found is None else (found,)

    def check_failed(
        self,
        failure: TWError,
        answer: Any,
        error: TWError | None,
        expected: tuple[object | None] | None,
    ) -> None:
        if expected is not None:
            assert error is None
            assert answer == expected[0]
            self.check_age(answer, self.promised.ttl + self.promised.stale_if_error)
            return
        assert error is not None
        assert (type(error), vars(error)) == (type(failure), vars(failure))
        assert all(error is not other for other in self.raised), "an error that two share"
        self.raised.append(error)

    def check_age(self, answer: object, most: float) -> None:
        """What is no own write was listed within *most* seconds, whatever else is promised."""
        now = self.clock()
        ours = [own.after for own in self.promised.live(now).values()]
        lists = [
            load.chats
            for load in self.server.reads
            if load.error is None and not load.given_up and now < load.asked_at + most
        ]
        found: Iterable[Any] = answer if isinstance(answer, tuple) else (answer,)
        for chat in found:
            assert chat is None or chat in ours or any(chat in chats for chats in lists)

    def check_truth(self, pick: Pick, answer: Any) -> None:
        """What we wrote last, and nobody else touched, is what we see: neither more nor less."""
        found = answer if isinstance(answer, tuple) else (answer,) if answer is not None else ()
        for tid, chat in self.server.certain().items():
            seen = [each for each in found if each.tid == tid]
            assert seen == ([chat] if chat is not None and pick((chat,)) else [])

    # Writes

    @rule(
        title=st.sampled_from(TITLES),
        peek=st.booleans(),
        during=st.booleans(),
    )
    def create(self, title: str | None, peek: bool, during: bool) -> None:
        tid, chat = self.new(title)

        def write() -> None:
            with self.cache.writing() as own:
                if peek and not during:
                    self.look_up_all(refresh=False)
                self.server.write(tid, chat, ours=True)
                own.created(chat)
            self.promised.wrote(tid, chat, is_new=True)

        if peek and not during:
            # What a look-up sees while a write is on its way is nobody's promise.
            self.server.meanwhile.clear()
        self.now_or_during_a_load(write, during=during)

    @rule(
        data=st.data(),
        title=st.sampled_from(TITLES),
        told=st.booleans(),
        during=st.booleans(),
    )
    def rename(self, data: st.DataObject, title: str | None, told: bool, during: bool) -> None:
        tid = data.draw(st.sampled_from([*self.server.now, "none"]))

        def write() -> None:
            before = self.server.now.get(tid)
            if before is None:
                return
            after = evolve(before, title=title)
            # Who was not told relies on what the cache knows, which the second witness does not.
            past = before if told or tid in self.promised.live(self.clock()) else None
            with self.cache.writing() as own:
                self.server.write(tid, after, ours=True)
                if past is None:
                    self.server.touched[tid] = self.clock()
                own.changed(past, after)
            self.promised.wrote(tid, after, past)

        self.now_or_during_a_load(write, during=during)

    @rule(data=st.data(), during=st.booleans())
    def leave(self, data: st.DataObject, during: bool) -> None:
        tid = data.draw(st.sampled_from([*self.server.now, "none"]))

        def write() -> None:
            if tid not in self.server.now:
                return
            with self.cache.writing() as own:
                self.server.write(tid, None, ours=True)
                own.left(tid)
            self.promised.wrote(tid, None)

        self.now_or_during_a_load(write, during=during)

    @rule(error=st.sampled_from(UNKNOWN), done=st.booleans(), during=st.booleans())
    def create_with_unknown_outcome(self, error: TWError, done: bool, during: bool) -> None:
        tid, chat = self.new("blue")

        def write() -> None:
            with pytest.raises(type(error)), self.cache.writing():
                self.lose(tid, chat if done else None, error)
            self.promised.doubted()

        self.now_or_during_a_load(write, during=during)

    def lose(self, tid: str, chat: Chat | None, error: TWError) -> None:
        if chat is not None:
            self.server.write(tid, chat, ours=False)
        raise error

    # One rule for what is seldom: each of these expires the view, and there has to be one.

    @rule(what=st.sampled_from(["never left", "refused", "invalidate"]), during=st.booleans())
    def something_else(self, what: str, during: bool) -> None:
        def act() -> None:
            if what == "never left":
                with pytest.raises(TWConnectionError), self.cache.writing():
                    self.lose("", None, FAILURES["unreachable"]())
            elif what == "refused":
                with pytest.raises(TWRequestError), self.cache.writing():
                    raise REFUSED
                self.promised.expire()
            else:
                self.cache.invalidate()
                self.promised.invalidated()

        self.now_or_during_a_load(act, during=during)

    @rule()
    def any_call_is_unauthorized(self) -> None:
        self.cache.on_unauthorized()
        self.promised.good = self.promised.view = None

    @rule(data=st.data())
    def post_where_there_is_nothing(self, data: st.DataObject) -> None:
        gone = [f"t{number + 1}" for number in range(self.made)]
        gone = [tid for tid in gone if tid not in self.server.now]
        tid = data.draw(st.sampled_from([*gone, "ghost"]))
        self.cache.on_not_found(tid)
        self.promised.forgot(tid)
        # Until the list has caught up with the end of the chat, it shows the chat.
        self.server.touched[tid] = self.clock()

    def now_or_during_a_load(self, act: Callable[[], None], *, during: bool) -> None:
        if during:
            self.server.meanwhile.append(act)
        else:
            act()

    # Other clients, the server and the time

    @rule(title=st.sampled_from(TITLES), during=st.booleans())
    def somebody_creates(self, title: str | None, during: bool) -> None:
        tid, chat = self.new(title)
        self.now_or_during_a_load(lambda: self.server.write(tid, chat, ours=False), during=during)

    @rule(data=st.data(), title=st.sampled_from(TITLES))
    def somebody_renames(self, data: st.DataObject, title: str | None) -> None:
        tid = data.draw(st.sampled_from([*self.server.now, "none"]))
        if tid != "none":
            renamed = evolve(self.server.now[tid], title=title)
            self.server.write(tid, renamed, ours=False)

    @rule(data=st.data())
    def somebody_removes(self, data: st.DataObject) -> None:
        tid = data.draw(st.sampled_from([*self.server.now, "none"]))
        self.server.write(tid, None, ours=False)

    @rule(kinds=st.lists(st.sampled_from(sorted(FAILURES)), min_size=1, max_size=2))
    def the_server_will_fail(self, kinds: list[str]) -> None:
        self.server.failing = kinds

    @rule(lag=st.sampled_from([0, 3, MOST_LAG, STUCK]), pages=st.integers(1, 3))
    def the_server_changes(self, lag: float, pages: int) -> None:
        self.server.lag, self.server.pages = lag, pages

    @rule(seconds=st.sampled_from(STEPS))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from(STEPS))
    def time_will_pass_during_a_load(self, seconds: float) -> None:
        self.server.meanwhile.append(lambda: self.clock.advance(seconds))

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
        assert info.refreshes == len(self.server.reads)
        assert info.failures == sum(load.error is not None for load in self.server.reads)
        assert info.lookups == self.look_ups


@pytest.mark.parametrize(
    "examples",
    [100, pytest.param(300, marks=pytest.mark.slow)],
    ids=["few", "many"],
)
def test_the_cache_keeps_its_promises_whatever_happens(examples: int) -> None:
    run_examples(CacheMachine, examples, steps=80)

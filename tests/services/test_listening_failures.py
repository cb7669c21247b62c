"""connection.events while the network, the server or the user interrupts it."""

from __future__ import annotations

import logging
from itertools import count, islice
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import (
    Connection,
    ConnectionConfig,
    TWAuthError,
    TWClosedError,
    TWConfigError,
    TWConnectionError,
    TWError,
    TWNotFoundError,
    TWProtocolError,
    TWRateLimitError,
    TWRequestError,
    TWServerError,
    TWTimeoutError,
)
from teamwire_sync._transport import EventPage
from tests.support.event_server import EventServer, cursors, event
from tests.support.interrupts import interrupt_at

if TYPE_CHECKING:
    from teamwire_sync import Event, EventStream


TRANSIENT = {
    "network": TWConnectionError("down"),
    "time-out": TWTimeoutError("late"),
    "server": TWServerError("503", status=503),
    "too many": TWRateLimitError("429", status=429),
}
FINAL = {
    "credentials": TWAuthError("401", status=401),
    "cursor": TWRequestError("invalid_cursor", status=422),
    "contract": TWProtocolError("no JSON"),
    "closed": TWClosedError("the Connection is closed"),
    "Ctrl-C": KeyboardInterrupt(),
}


class TestFailures:
    @pytest.mark.parametrize("name", TRANSIENT)
    def test_what_passes_is_waited_for(
        self, name: str, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.fail(TRANSIENT[name])
        event_server.tell(event(1))

        assert next(listen()).cursor == "c1"
        assert [cursor for cursor, _ in event_server.polls] == ["c0", "c0"]

    @pytest.mark.parametrize("name", FINAL)
    def test_what_does_not_is_raised_at_once(
        self, name: str, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.fail(FINAL[name])
        with pytest.raises(type(FINAL[name])):
            next(listen())

        assert (len(event_server.polls), event_server.pauses) == (1, [])

    @pytest.mark.parametrize("name", FINAL)
    def test_after_it_a_further_loop_goes_on(
        self, name: str, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.tell(event(1))
        event_server.fail(FINAL[name])
        event_server.tell(event(2))
        stream = listen()
        next(stream)
        with pytest.raises(type(FINAL[name])):
            next(stream)

        assert stream.cursor == "c1"
        assert next(stream).cursor == "c2"
        assert [cursor for cursor, _ in event_server.polls] == ["c0", "c1", "c1"]

    def test_the_pauses_grow_up_to_half_a_minute(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.fail(*[TWServerError("down")] * 10)
        event_server.tell(event(1))
        next(listen())

        assert event_server.pauses == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]

    def test_a_very_long_outage_is_no_trouble(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.fail(*[TWServerError("down") for _ in range(2000)])
        event_server.tell(event(1))

        assert next(listen()).cursor == "c1"

    def test_after_an_answer_they_start_again(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        for _ in range(2):
            event_server.fail(TWServerError("down"), TWServerError("down"))
            event_server.tell(cursor="c0")
        event_server.tell(event(1))
        next(listen())

        assert event_server.pauses == [0.25, 0.5] * 2

    def test_what_the_server_asks_for_is_waited_but_not_for_ever(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        paused = {None: 0.25, 0.1: 0.25, 45: 45, 10**6: 3600}
        stream = listen()
        numbers = count(1)
        for kind in (TWServerError, TWRateLimitError):
            for asked in paused:
                event_server.fail(kind("busy", retry_after=asked))
                event_server.tell(event(next(numbers)))
                next(stream)

        assert event_server.pauses == [*paused.values()] * 2

    def test_when_the_time_is_over_the_failure_is_raised(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        """Silence would say that nothing has happened."""
        event_server.takes = [0.1] * 9
        event_server.fail(*[TWServerError(f"down {number}") for number in range(9)])
        with pytest.raises(TWServerError, match="down 4") as caught:
            next(listen(timeout=3))

        assert event_server.pauses == pytest.approx([0.25, 0.5, 1, 0.6])
        assert caught.value.__context__ is None

    def test_clients_that_failed_together_do_not_come_back_together(
        self,
        event_server: EventServer,
        listen: Callable[..., EventStream],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        stream = listen()
        monkeypatch.setattr("teamwire_sync._services.events.random.random", lambda: 0.0)
        event_server.fail(*[TWServerError("down")] * 3)
        event_server.tell(event(1))
        next(stream)

        assert event_server.pauses == [0.125, 0.25, 0.5]

    def test_a_pause_that_ends_with_the_time_is_not_made(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.takes = [0.0]
        event_server.fail(TWRateLimitError("busy", retry_after=5))
        with pytest.raises(TWRateLimitError):
            next(listen(timeout=5))

        assert event_server.pauses == []


def foreign(kind: type[TWError], text: str = "odd", **context: Any) -> TWError:
    """An error that something between the client and the server sent."""
    error = kind(text, **context)
    error._is_foreign = True
    return error


# What is not from the server itself, after the server itself was heard.
FOREIGN = {
    "page": (TWProtocolError, {"status": 200}),
    "redirect": (TWConfigError, {"status": 302}),
    "login": (TWAuthError, {"status": 401}),
    "forbidden": (TWAuthError, {"status": 403}),
    "no backend": (TWNotFoundError, {"status": 404}),
    "late": (TWRequestError, {"status": 408}),
}


class TestProxies:
    @pytest.mark.parametrize("name", FOREIGN)
    def test_an_odd_answer_is_waited_out(
        self, name: str, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        kind, context = FOREIGN[name]
        event_server.fail(foreign(kind, **context))
        event_server.tell(event(1))

        assert next(listen()).cursor == "c1"
        assert event_server.pauses == [0.25]

    def test_it_is_waited_out_for_an_hour_at_most(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.takes = [0.0] * 1000
        event_server.fail(*[foreign(TWProtocolError, f"{number}") for number in range(1000)])
        with pytest.raises(TWProtocolError):
            next(listen())

        assert 3600 <= sum(event_server.pauses) < 3630
        assert event_server.pauses[:9] == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]

    @pytest.mark.parametrize(("seconds", "pauses"), [(0, 0), (1, 3)])
    def test_the_time_is_a_setting(
        self, seconds: float, pauses: int, event_server: EventServer
    ) -> None:
        config = ConnectionConfig(proxy_error_timeout=seconds)
        stream = Connection(transport=event_server, config=config).events(since="c0")
        event_server.takes = [0.0] * 9
        event_server.fail(*[foreign(TWProtocolError) for _ in range(9)])
        with pytest.raises(TWProtocolError):
            next(stream)

        assert abs(len(event_server.pauses) - pauses) <= (1 if pauses else 0)

    @pytest.mark.parametrize("between", ["an answer", "network"])
    def test_the_hour_is_that_of_odd_answers_in_a_row(
        self, between: str, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.takes = [1800.0] * 7
        for _ in range(3):
            event_server.fail(foreign(TWProtocolError))
            if between == "network":
                event_server.fail(TWConnectionError("down"))
            else:
                event_server.tell(cursor="c0")
        event_server.tell(event(1))

        assert next(listen()).cursor == "c1"

    def test_a_busy_proxy_does_not_start_the_hour_again(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.takes = [1800.0] * 9
        odd = [foreign(TWProtocolError, "odd"), foreign(TWServerError, "busy", status=503)]
        event_server.fail(*odd, *odd, *odd)
        with pytest.raises(TWProtocolError):
            next(listen())

        assert len(event_server.polls) == 3

    def test_a_busy_proxy_is_waited_for_without_end(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.takes = [1800.0] * 9
        event_server.fail(*[foreign(TWServerError, "busy", status=503)] * 9)
        event_server.tell(event(1))

        assert next(listen()).cursor == "c1"

    def test_what_the_server_itself_says_after_it_ends_the_loop(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.fail(foreign(TWProtocolError), TWAuthError("401", status=401))
        with pytest.raises(TWAuthError):
            next(listen())

    def test_a_time_out_that_ends_before_it_does_raises_it(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.takes = [0.0] * 9
        event_server.fail(*[foreign(TWProtocolError, f"odd {number}") for number in range(9)])
        with pytest.raises(TWProtocolError, match=r"^odd 4$"):
            next(listen(timeout=3))


class TestRepeats:
    """A server that tells the same again, at once."""

    @pytest.fixture
    def repeat(
        self, event_server: EventServer, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., None]:
        def begin(*events: Event, moves: bool = False) -> None:
            pages = count(1)

            def get_events(*, cursor: str | None, wait: float, deadline: float | None) -> EventPage:
                event_server.calls.append("get_events")
                return EventPage(events, f"p{next(pages)}" if moves else events[-1].cursor)

            monkeypatch.setattr(event_server, "get_events", get_events)

        return begin

    @pytest.mark.parametrize("moves", [False, True], ids=["same cursor", "fresh cursors"])
    @pytest.mark.parametrize("own", [False, True], ids=["own", "shown"])
    def test_is_asked_less_and_less(
        self,
        moves: bool,
        own: bool,
        event_server: EventServer,
        listen: Callable[..., EventStream],
        repeat: Callable[..., None],
    ) -> None:
        repeat(event(1, is_own=True), moves=moves)
        stream = listen(timeout=3600, own=own)

        assert cursors(stream) == (["c1"] if own else [])
        assert event_server.pauses[:7] == [1, 2, 4, 8, 16, 25, 25]
        assert len(event_server.calls) < 160

    def test_gives_no_event_twice_when_asked_from_the_last_one(
        self,
        event_server: EventServer,
        listen: Callable[..., EventStream],
        repeat: Callable[..., None],
    ) -> None:
        repeat(event(2))

        assert cursors(listen(since="c2", timeout=3)) == []

    def test_is_one_warning(
        self,
        listen: Callable[..., EventStream],
        repeat: Callable[..., None],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        repeat(event(1), event(2))
        list(listen(timeout=60))

        assert [record.getMessage() for record in caplog.records] == [
            "the server repeats 2 events, which the loop leaves out"
        ]

    def test_a_new_event_after_it_is_given_and_the_pauses_start_again(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.takes = [0.0] * 9
        for number in (1, 2):
            for _ in range(3):
                event_server.tell(event(number))
        stream = listen(timeout=100)

        assert [next(stream).cursor for _ in range(2)] == ["c1", "c2"]
        event_server.tell(event(3))
        assert next(stream).cursor == "c3"
        assert event_server.pauses == [1, 2, 1, 2]

    def test_a_cursor_that_stays_behind_its_events_is_not_asked_again(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.tell(event(1), event(2, is_own=True), cursor="c0")
        event_server.tell(event(3))

        assert cursors(islice(listen(), 2)) == ["c1", "c3"]
        assert [cursor for cursor, _ in event_server.polls] == ["c0", "c2"]

    def test_many_pages_of_own_events_cost_no_pause(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.takes = [0.0] * 999
        for number in range(1, 500):
            event_server.tell(event(number, is_own=True))
        event_server.tell(event(500))

        assert next(listen()).cursor == "c500"
        assert event_server.pauses == []


class TestLog:
    @staticmethod
    def records(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
        return [(record.levelname, record.getMessage()) for record in caplog.records]

    def test_an_outage_is_one_warning_and_one_line_when_it_is_over(
        self,
        event_server: EventServer,
        listen: Callable[..., EventStream],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.INFO, "teamwire_sync")
        event_server.fail(*[TWServerError(f"down {number}") for number in range(3)])
        event_server.tell(event(1))
        next(listen())

        assert self.records(caplog) == [
            ("WARNING", "listening is interrupted and will be retried: down 0"),
            ("INFO", "listening resumed after 3 failures"),
        ]

    def test_each_outage_has_its_own(
        self,
        event_server: EventServer,
        listen: Callable[..., EventStream],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        for number in range(2):
            event_server.fail(TWServerError(f"down {number}"))
            event_server.tell(event(number + 1))
        stream = listen()
        next(stream)
        next(stream)

        assert [text[-6:] for level, text in self.records(caplog) if level == "WARNING"] == [
            "down 0",
            "down 1",
        ]

    def test_a_failure_that_is_raised_is_no_warning(
        self,
        event_server: EventServer,
        listen: Callable[..., EventStream],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        event_server.takes = [0.0]
        event_server.fail(TWServerError("down", retry_after=60))
        with pytest.raises(TWServerError):
            next(listen(timeout=1))

        assert self.records(caplog) == []


class Resuming(EventServer):
    """Has six events of which two are own ones, and tells two at a time after any cursor."""

    def get_events(self, *, cursor: str | None, wait: float, deadline: float | None) -> EventPage:
        start = int((cursor or "c0")[1:])
        events = [event(number, is_own=number in {2, 5}) for number in range(start + 1, 7)][:2]
        self.now += 0 if events else wait
        return EventPage(events, events[-1].cursor if events else f"c{start}")


def test_ctrl_c_at_any_call_loses_no_event_and_gives_none_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = {}
    for number in count(1):
        server, given = Resuming(), []
        monkeypatch.setattr("time.monotonic", lambda server=server: server.now)
        stream = Connection(transport=server).events(timeout=60, since="c0")

        def work(stream: EventStream = stream, given: list[str] = given) -> None:
            # Not a comprehension, which would lose what it has collected.
            for each in stream:
                given.append(each.cursor)  # noqa: PERF401

        interrupted = interrupt_at(
            number, ("_services/events.py", "_services/chat_actions.py"), work
        )
        work()
        if given != ["c1", "c3", "c4", "c6"]:
            wrong[number] = given
        if not interrupted:
            break

    assert wrong == {}
    assert number > 60

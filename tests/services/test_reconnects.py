"""Listening through failures, over real HTTP: each event once and in order, and a prompt end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import (
    Connection,
    TWAuthError,
    TWClosedError,
    TWRequestError,
    TWServerError,
)
from teamwire_sync._http.transport import HttpTransport
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT
from teamwire_sync.testing import sandbox
from tests.support.events import EVENTS, take, texts
from tests.support.waiting import PATIENCE, Threads, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync._services.events import EventStream
    from teamwire_sync.testing import Sandbox

LISTING = ("GET", "/v1/bot/chats/")


@pytest.fixture
def stream(connection: Connection) -> EventStream:
    """What others do, as long as a test has patience."""
    return connection.events(timeout=PATIENCE)


class TestTheEnd:
    def test_its_timeout_ends_the_loop_without_an_event(
        self, box: Sandbox, connection: Connection
    ) -> None:
        cursor = connection.events().cursor

        assert list(connection.events(timeout=0.1, since=cursor)) == []
        assert box.count(*EVENTS) <= 2

    def test_its_timeout_ends_the_loop_after_events(
        self, box: Sandbox, connection: Connection
    ) -> None:
        cursor = connection.events().cursor
        box.post_message(KNOWN_CHAT, "one")
        box.post_message(KNOWN_CHAT, "two")
        stream = connection.events(timeout=0.1, since=cursor)

        assert texts(stream) == ["one", "two"]
        assert list(stream) == []

    def test_a_server_that_is_away_until_the_end_is_an_error(
        self, box: Sandbox, stream: EventStream
    ) -> None:
        """Silence would say that nothing has happened."""
        box.fault(*EVENTS, status=503, retry_after=600)

        with pytest.raises(TWServerError):
            list(stream)

    def test_closing_ends_it_at_once(self, box: Sandbox, connection: Connection) -> None:
        stream = connection.events()
        with Threads(1) as threads:
            waiter = threads.start(lambda: list(stream))
            wait_until(lambda: box.waiting == 1)
            connection.close()

            assert isinstance(waiter.exception(PATIENCE), TWClosedError)

    def test_closing_ends_the_pause_before_another_try(
        self, box: Sandbox, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stream = connection.events()
        pauses: list[float] = []
        really_pause = HttpTransport.pause

        def pause(transport: HttpTransport, seconds: float) -> None:
            pauses.append(seconds)
            really_pause(transport, seconds)

        monkeypatch.setattr(HttpTransport, "pause", pause)
        box.fault(*EVENTS, status=503, retry_after=600)
        with Threads(1) as threads, connection:
            waiter = threads.start(lambda: list(stream))
            wait_until(lambda: pauses == [600])
            connection.close()

            assert isinstance(waiter.exception(PATIENCE), TWClosedError)

    def test_credentials_that_are_no_longer_known_end_it(
        self, box: Sandbox, stream: EventStream
    ) -> None:
        box.fault(*EVENTS, status=401)

        with pytest.raises(TWAuthError):
            next(stream)

    def test_a_cursor_of_another_server_ends_it(self, connection: Connection) -> None:
        with pytest.raises(TWRequestError) as caught:
            next(connection.events(timeout=PATIENCE, since="nonsense"))

        assert (caught.value.status, caught.value.code) == (422, "invalid_cursor")

    def test_ctrl_c_ends_it_at_once_and_what_comes_then_is_not_lost(
        self, box: Sandbox, connection: Connection
    ) -> None:
        program = (
            "import signal\n"
            "from teamwire_sync import Connection\n"
            # Who starts the tests in the background has it ignored.
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "with Connection() as connection:\n"
            "    stream = connection.events()\n"
            "    try:\n"
            "        next(stream)\n"
            "    except KeyboardInterrupt:\n"
            "        connection.chats.at('7MQKchz6wsSzmWTVnppGAc').post('interrupted')\n"
            "    print(next(stream).message.msg)\n"
        )
        stream = connection.events(timeout=PATIENCE, own=True)
        with subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, **box.env},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                wait_until(lambda: box.waiting == 1)
                process.send_signal(signal.SIGINT)
                assert texts(take(stream, 1)) == ["interrupted"]
                box.post_message(KNOWN_CHAT, "later")
                output, _ = process.communicate(timeout=PATIENCE)
            finally:
                process.kill()

        assert output == "later\n"


class TestGoingOn:
    @pytest.mark.parametrize("as_cursor", [True, False], ids=["cursor", "event"])
    def test_another_program_goes_on_where_one_stopped(self, box: Sandbox, as_cursor: bool) -> None:
        first = box.connect()
        stream = first.events(timeout=PATIENCE)
        for number in range(6):
            box.post_message(KNOWN_CHAT, f"{number}")
        last = take(stream, 3)[-1]
        first.close()
        since = last.cursor if as_cursor else last

        again = box.connect().events(timeout=PATIENCE, since=since)
        assert texts(take(again, 3)) == ["3", "4", "5"]

    def test_before_the_first_event_too(self, box: Sandbox, connection: Connection) -> None:
        cursor = connection.events().cursor
        box.post_message(KNOWN_CHAT, "while nobody listened")

        again = box.connect().events(timeout=PATIENCE, since=cursor)
        assert texts(take(again, 1)) == ["while nobody listened"]

    def test_to_go_on_costs_no_request_before_the_first_event_is_asked_for(
        self, box: Sandbox, connection: Connection
    ) -> None:
        cursor = connection.events().cursor
        before = len(box.requests)
        connection.events(since=cursor)

        assert len(box.requests) == before

    def test_who_stopped_in_the_middle_of_a_page_misses_nothing(
        self, box: Sandbox, stream: EventStream
    ) -> None:
        """Also when what was left out, as own, lies in between."""
        for number in range(5):
            box.post_message(KNOWN_CHAT, f"{number}")
            box.post_message(KNOWN_CHAT, "own", box.bot_uid)
        read = texts(take(stream, 2))
        again = box.connect().events(timeout=PATIENCE, since=stream.cursor)

        assert read + texts(take(again, 3)) == ["0", "1", "2", "3", "4"]

    def test_a_further_loop_goes_on_with_the_next_event(
        self, box: Sandbox, stream: EventStream
    ) -> None:
        for number in range(4):
            box.post_message(KNOWN_CHAT, f"{number}")
        for _ in stream:
            break

        assert texts(take(stream, 3)) == ["1", "2", "3"]


def cut_all(box: Sandbox) -> None:
    """End every connection, also those on which somebody waits for an event."""
    for connection in box._server._open.copy():
        with suppress(OSError):
            connection.socket.shutdown(socket.SHUT_RDWR)


def free_port() -> int:
    """One below those that the system gives to whoever wants any, so that nobody takes it."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    pytest.fail("there is no free port")


MISHAPS: list[Callable[[Sandbox], object]] = [
    lambda box: box.fault(*EVENTS, drop="before", times=1),
    lambda box: box.fault(*EVENTS, drop="after", times=1),
    lambda box: box.fault(*EVENTS, status=503, times=1),
    lambda box: box.fault(*EVENTS, cut=50, times=1),
    cut_all,
]


@pytest.mark.usefixtures("no_pauses")
class TestReconnects:
    def test_a_thousand_events_come_once_and_in_order_through_twenty_of_them(
        self, box: Sandbox, stream: EventStream
    ) -> None:
        with Threads(1) as threads:
            reader = threads.start(lambda: texts(take(stream, 1000)))
            for number in range(1000):
                if number % 50 == 25:
                    wait_until(lambda: box.waiting > 0)
                    MISHAPS[number // 50 % len(MISHAPS)](box)
                box.post_message(KNOWN_CHAT, f"{number}")

            assert reader.result(PATIENCE) == [f"{number}" for number in range(1000)]
        failures = [one for one in box.requests if one.path == EVENTS[1] and one.status != 200]
        assert len(failures) == 3 * 4  # the others broke off after the record

    @pytest.mark.parametrize(
        "mishap", MISHAPS, ids=["unseen", "answer lost", "503", "answer cut", "cut while waiting"]
    )
    def test_what_happened_meanwhile_comes_once(
        self, box: Sandbox, stream: EventStream, mishap: Callable[[Sandbox], object]
    ) -> None:
        with Threads(1) as threads:
            reader = threads.start(lambda: texts(take(stream, 3)))
            wait_until(lambda: box.waiting == 1)
            mishap(box)
            for number in range(3):
                box.post_message(KNOWN_CHAT, f"{number}")

            assert reader.result(PATIENCE) == ["0", "1", "2"]

    def test_a_server_that_starts_anew_goes_on_where_it_was(self, tmp_path: Path) -> None:
        world: dict[str, Any] = {"path": tmp_path / "world.db", "chats": 5, "port": free_port()}
        with ExitStack() as stack:
            threads = stack.enter_context(Threads(1))
            box = stack.enter_context(sandbox(**world))
            connection = stack.enter_context(Connection(box.app_id, box.secret, box.url))
            stream = connection.events(timeout=PATIENCE)
            reader = threads.start(lambda: texts(take(stream, 3)))
            wait_until(lambda: box.waiting == 1)
            box.post_message(KNOWN_CHAT, "before")
            wait_until(lambda: box.waiting == 1)
            box.close()
            anew = stack.enter_context(sandbox(**world))
            anew.post_message(KNOWN_CHAT, "after")
            anew.post_message(KNOWN_CHAT, "later")

            assert reader.result(PATIENCE) == ["before", "after", "later"]


def test_sixteen_threads_post_read_and_look_up_while_one_listens(
    box: Sandbox, connection: Connection
) -> None:
    stream = connection.events(timeout=PATIENCE, own=True)

    def work(number: int) -> list[str]:
        done = []
        for step in range(10):
            chat = connection.chats.get_by_thread_id(KNOWN_CHAT)
            assert chat is not None
            posted = chat.post(f"{number}/{step}")
            read = chat.get_messages(200)
            assert posted in read
            assert connection.chats.get_by_title("test")[0] is chat
            done.append(posted.msg or "")
        return done

    with Threads(17) as threads:
        listener = threads.start(lambda: take(stream, 160))
        workers = [threads.start(lambda number=number: work(number)) for number in range(16)]
        heard = texts(listener.result(PATIENCE))
        done = [text for worker in workers for text in worker.result(PATIENCE)]

    assert sorted(heard) == sorted(done)
    assert (
        heard
        == [message.msg for message in connection.chats.at(KNOWN_CHAT).get_messages(160)][::-1]
    )
    assert box.count(*LISTING) == 1

"""FileStore: processes that share the files, and are killed or forked."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading
import time
import traceback
from contextlib import closing, contextmanager
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync._internal.waiting import is_inside
from teamwire_sync._stores import database
from teamwire_sync._stores.base import StoreError
from tests.support.builders import make_chat
from tests.support.forks import exit_status, in_child
from tests.support.interrupts import interrupt_at
from tests.support.store_files import DAY, NAME, OnFiles, mode_of, posix, titles
from tests.support.store_listings import confirm, extend, save, set_clock, slot_in, take_lease
from tests.support.waiting import PATIENCE, Gate, Threads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType

    from teamwire_sync._cache.listing import SlotRevision
    from teamwire_sync._stores.base import StoreSlot
    from teamwire_sync._stores.file import FileStore
    from tests.support.builders import Clock

FILES = tuple(f"_stores/{name}.py" for name in ("file", "database", "folder"))
pytestmark = [
    posix,
    # Python 3.12 warns that locks of other threads stay locked in the child; it takes none.
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


@contextmanager
def child(work: Callable[[], object]) -> Iterator[int]:
    """Have a forked child do *work*; it is dead when the block ends."""
    pid = in_child(work)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def killed_in(work: Callable[[Callable[[], object]], object]) -> None:
    """Have a child do *work*, and kill it where that calls its argument."""
    ours, theirs = os.pipe()

    def stop() -> None:
        os.write(theirs, b".")
        signal.pause()

    try:
        with child(lambda: work(stop)):
            os.close(theirs)
            assert os.read(ours, 1) == b"."
    finally:
        os.close(ours)


def side_by_side(count: int, work: Callable[[int], bool]) -> list[bool]:
    """What *work* gives in each of *count* processes, which begin at once."""
    start, go = os.pipe()
    children = []
    for number in range(count):
        pid = os.fork()
        if pid == 0:
            status = 2
            try:
                os.close(go)
                os.read(start, 1)
                status = int(work(number))
            except BaseException:  # noqa: BLE001  the child has no one else to tell
                traceback.print_exc()
            finally:
                os._exit(status)
        children.append(pid)
    os.close(go)
    os.close(start)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    assert max(statuses) < 2
    return [bool(status) for status in statuses]


class TestLease(OnFiles):
    def test_one_that_was_taken_later_than_now_is_free(self, slot: StoreSlot, now: Clock) -> None:
        take_lease(slot, 10)
        now.advance(-DAY)

        assert take_lease(slot, 10) is not None

    def test_that_of_a_killed_process_ends_by_itself(self, slot: StoreSlot, now: Clock) -> None:
        killed_in(lambda stop: (take_lease(slot, 10), stop()))
        taken = []
        for step in (9.0, 1.0):
            now.advance(step)
            taken.append(take_lease(slot, 10) is not None)

        assert taken == [False, True]

    def test_a_process_that_is_killed_as_it_takes_it_leaves_it_free(
        self, store: FileStore, slot: StoreSlot, now: Clock
    ) -> None:
        slot.status()

        def work(stop: Callable[[], object]) -> None:
            # The time is asked for when no other process could take it any more.
            set_clock(store, stop)  # type: ignore[arg-type]
            take_lease(slot, 10)

        killed_in(work)

        assert take_lease(slot, 10) is not None

    def test_of_4_processes_one_has_it(self, slot: StoreSlot) -> None:
        taken = side_by_side(4, lambda _number: take_lease(slot, 10) is not None)

        assert sum(taken) == 1


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Have the database be locked, as by a process that is stopped as it writes."""
    with closing(sqlite3.connect(path / NAME, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


class TestADatabaseThatAnotherHolds(OnFiles):
    def test_to_wait_has_an_end(
        self, slot: StoreSlot, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database, "_LOCK_TIMEOUT", 0.01)
        save(slot, "one")
        with held(path):
            for use in (slot.status, slot.bump_generation, lambda: take_lease(slot, 10)):
                with pytest.raises(StoreError, match=f"another process holds {NAME}$"):
                    use()

        assert titles(slot) == ["one"]

    def test_who_has_waited_for_another_thread_does_not_wait_as_long_again(
        self, slot: StoreSlot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else threads would wait for a database that is held one after the other."""
        slot.status()
        given: list[float] = []
        real = sqlite3.connect

        def connect(path: str, *, timeout: float, **options: Any) -> sqlite3.Connection:
            given.append(timeout)
            return real(path, timeout=timeout, **options)

        moments = iter([10.0, 10.75])
        clock = SimpleNamespace(monotonic=lambda: next(moments), time=time.time)
        monkeypatch.setattr(database, "time", clock)
        monkeypatch.setattr(database, "_LOCK_TIMEOUT", 1.0)
        monkeypatch.setattr(sqlite3, "connect", connect)
        slot.status()

        assert given == [0.25]

    def test_who_waits_has_it_as_soon_as_it_is_free(
        self, slot: StoreSlot, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database, "_LOCK_TIMEOUT", PATIENCE)
        save(slot, "one")
        with Threads() as threads:
            with held(path):
                waits = threads.start(lambda: titles(slot))
                time.sleep(0.05)
            assert waits.result(PATIENCE) == ["one"]


class TestKilledWriters(OnFiles):
    def test_what_was_half_written_is_undone(
        self, slot: StoreSlot, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        revision = save(slot, "one")
        connect = sqlite3.connect

        def work(stop: Callable[[], object]) -> None:
            def spilling(*arguments: Any, **options: Any) -> sqlite3.Connection:
                connection: sqlite3.Connection = connect(*arguments, **options)
                # Nearly all is in the database by then, and what was there before in the journal.
                connection.execute("PRAGMA cache_size = 1")
                connection.set_trace_callback(lambda sql: stop() if sql == "COMMIT" else None)
                return connection

            sqlite3.connect = spilling  # type: ignore[assignment]
            save(slot, *(f"title {number}" for number in range(1000)))

        before = (path / NAME).stat().st_size
        killed_in(work)

        assert (path / NAME).stat().st_size > before
        assert {each.name: mode_of(each) for each in path.iterdir()} == {
            NAME: 0o600, f"{NAME}-journal": 0o600
        }  # fmt: skip
        assert (slot.status().revision, titles(slot)) == (revision, ["one"])
        assert [each.name for each in path.iterdir()] == [NAME]
        assert b"title 7" not in (path / NAME).read_bytes()

    def test_at_whatever_statement_an_extension_is_killed_nothing_is_damaged(
        self, slot: StoreSlot
    ) -> None:
        def traced(seen: Callable[[str], object], base: SlotRevision) -> SlotRevision | None:
            connect = sqlite3.connect

            def connected(*arguments: Any, **options: Any) -> sqlite3.Connection:
                connection: sqlite3.Connection = connect(*arguments, **options)
                connection.execute("PRAGMA cache_size = 1")
                connection.set_trace_callback(seen)
                return connection

            sqlite3.connect = connected  # type: ignore[assignment]
            try:
                return extend(slot, base, make_chat("t0", "changed"))
            finally:
                sqlite3.connect = connect

        listing = ["one", *["title" * 1000] * 3]
        statements: list[str] = []
        assert traced(statements.append, save(slot, *listing)) is not None
        assert "COMMIT" in statements[-1]
        for count in range(1, len(statements) + 1):
            base, left = save(slot, *listing), [count]

            def work(
                stop: Callable[[], object], base: SlotRevision = base, left: list[int] = left
            ) -> None:
                def seen(_sql: str) -> None:
                    left[0] -= 1
                    if left[0] == 0:
                        stop()

                traced(seen, base)

            killed_in(work)

            assert (slot.status().revision, titles(slot)) == (base, listing)
            assert extend(slot, base, make_chat("t0", "again")) is not None
            assert titles(slot) == ["again", *listing[1:]]

    @pytest.mark.parametrize("is_new", [False, True])
    def test_whenever_one_is_killed_nothing_is_damaged(
        self, slot: StoreSlot, path: Path, *, is_new: bool
    ) -> None:
        random = Random(0)  # noqa: S311  the same in each run

        def work() -> None:
            while True:
                revision = save(slot, *(f"title {number}" for number in range(100)))
                slot.bump_generation()
                extend(slot, revision, make_chat("t100"))
                if is_new:
                    (path / NAME).unlink()

        for _ in range(25):
            with child(work):
                time.sleep(random.random() / 50)
            found = titles(slot)
            assert found is None or len(found) in {1, 100, 101}
            save(slot, "one")
            assert titles(slot) == ["one"]

    def test_a_disk_that_gets_full_leaves_it_as_it_was(self, slot: StoreSlot, path: Path) -> None:
        revision = save(slot, "one")
        size = (path / NAME).stat().st_size

        def work(_number: int) -> bool:
            import resource  # noqa: PLC0415  Windows has none

            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            with pytest.raises(StoreError, match=r": (disk I/O error|database or disk is full)$"):
                save(slot, *(f"title {number}" for number in range(1000)))
            return titles(slot) == ["one"]

        assert side_by_side(1, work) == [True]
        assert slot.status().revision == revision


class TestInterrupts(OnFiles):
    def test_ctrl_c_at_any_call_leaves_nothing_locked(self, slot: StoreSlot) -> None:
        listing = ["one", "title" * 1000]

        def use() -> None:
            revision = save(slot, *listing)
            titles(slot)
            confirm(slot, revision, asked_at=revision.asked_at)
            assert extend(slot, revision, make_chat("t0", "one"))
            slot.bump_generation()
            lease = take_lease(slot, 10)
            assert lease is not None
            lease.release()

        number, was_interrupted = 0, True
        while was_interrupted:
            number += 1
            was_interrupted = interrupt_at(number, FILES, use)
            # Another thread, for which a lock of this one would not be free.
            with Threads() as threads:
                assert threads.start(lambda: titles(slot)).result(PATIENCE) in (None, listing)
            slot.bump_generation()

        assert number > 50


class TestForks(OnFiles):
    def test_a_child_can_use_what_a_thread_was_using(self, slot: StoreSlot) -> None:
        ended = threading.Event()

        def save_on() -> None:
            while not ended.is_set():
                save(slot, *(f"title {number}" for number in range(100)))

        def work(_number: int) -> bool:
            signal.alarm(int(PATIENCE))  # one that hangs is killed
            slot.bump_generation()
            save(slot, "one")
            return slot.status().revision is not None

        with Threads() as threads:
            saving = threads.start(save_on)
            try:
                assert all(side_by_side(1, work) == [True] for _ in range(20))
            finally:
                ended.set()
            saving.result(PATIENCE)


class TestSideBySide(OnFiles):
    def test_4_processes_at_once_never_see_a_damaged_listing(self, slot: StoreSlot) -> None:
        slot.status()

        def work(number: int) -> bool:
            for step in range(5):
                revision = save(slot, *(f"{number}.{step}.{each}" for each in range(100)))
                confirm(slot, revision, asked_at=revision.asked_at)
                extend(slot, revision, make_chat("t0", f"{number}.{step}.again"))
                found = titles(slot)
                assert found is None or len({str(title).rpartition(".")[0] for title in found}) == 1
                slot.bump_generation()
            return True

        assert all(side_by_side(4, work))

    def test_of_4_processes_that_come_first_all_see_one_generation(
        self, slot: StoreSlot, path: Path
    ) -> None:
        def work(number: int) -> bool:
            generation = slot.status().generation
            (path / f"seen-{number}").write_text(generation)
            return True

        side_by_side(4, work)

        assert len({each.read_text() for each in path.glob("seen-*")}) == 1

    def test_a_forked_child_does_not_count_the_lock_of_its_parent(self) -> None:
        """Otherwise, each wait of the child would be refused as a wait within a lock."""
        old = database._in_use

        def check() -> None:
            assert database._in_use is not old
            assert not is_inside()

        assert exit_status(in_child(check)) == 0

    def test_ctrl_c_while_a_fork_waits_for_another_thread_leaves_the_store_free(
        self, store: FileStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(_: int, frame: FrameType | None) -> None:
            if frame is not None and frame.f_code is database._before_fork.__code__:
                raise KeyboardInterrupt
            signal.setitimer(signal.ITIMER_REAL, 0.01)

        def hold() -> None:
            with database._in_use:
                gate()

        gate, ignored = Gate(), []
        monkeypatch.setattr(sys, "unraisablehook", lambda each: ignored.append(each.exc_type))
        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            with Threads() as threads:
                holder = threads.start(hold)
                gate.wait_arrived()
                signal.setitimer(signal.ITIMER_REAL, 0.01)
                pid = in_child(lambda: slot_in(store).status())
                status = exit_status(pid)
                gate.open()
                holder.result(PATIENCE)
        finally:
            signal.signal(signal.SIGALRM, before)

        assert (status, ignored) == (0, [KeyboardInterrupt])
        assert slot_in(store).status().generation

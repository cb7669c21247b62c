"""FileStore: processes that share the files, and are killed or forked."""

from __future__ import annotations

import os
import signal
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable

import filelock
import pytest
from filelock import FileLock

from teamwire_sync._stores import file
from teamwire_sync._stores.base import StoreError
from teamwire_sync._stores.file import FileStore
from tests.support.forks import in_child
from tests.support.store_files import DAY, KEY, OnFiles, posix, titles
from tests.support.store_listings import save, set_clock, slot_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync._stores.base import StoreSlot
    from tests.support.builders import Clock

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
        slot.lease(10)
        now.advance(-DAY)

        assert slot.lease(10) is not None

    def test_a_forked_child_neither_extends_nor_releases_it(self, slot: StoreSlot) -> None:
        lease = slot.lease(10)
        assert lease is not None

        def work(_number: int) -> bool:
            lease.release()
            return lease.extend()

        assert side_by_side(1, work) == [False]
        assert slot.lease(10) is None

    def test_that_of_a_killed_process_ends_by_itself(self, slot: StoreSlot, now: Clock) -> None:
        killed_in(lambda stop: (slot.lease(10), stop()))
        taken = []
        for step in (9.0, 1.0):
            now.advance(step)
            taken.append(slot.lease(10) is not None)

        assert taken == [False, True]

    def test_a_process_that_is_killed_under_the_lock_leaves_it_free(self, slot: StoreSlot) -> None:
        def work(stop: Callable[[], object]) -> None:
            # The file of the lease takes its place under the lock.
            os.replace = lambda *_: stop()  # type: ignore[assignment]
            slot.lease(10)

        killed_in(work)

        assert slot.lease(10) is not None

    def test_a_lock_that_another_holds_is_an_error(
        self, slot: StoreSlot, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(file, "_LOCK_TIMEOUT", 0.01)
        slot.status()

        def work(_number: int) -> bool:
            with pytest.raises(StoreError, match="another process holds"):
                slot.lease(10)
            return True

        with FileLock(path / f"{KEY}.lock", mode=0o600):
            assert side_by_side(1, work) == [True]

    def test_who_comes_to_the_lock_late_does_not_have_it(
        self, slot: StoreSlot, path: Path, now: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = FileStore(path)
        set_clock(other, now)

        def late(*arguments: Any, **options: Any) -> Any:
            monkeypatch.setattr(filelock, "FileLock", FileLock)
            assert slot_in(other).lease(10) is not None
            return FileLock(*arguments, **options)

        monkeypatch.setattr(filelock, "FileLock", late)

        assert slot.lease(10) is None

    def test_of_4_processes_one_has_it(self, slot: StoreSlot) -> None:
        taken = side_by_side(4, lambda _number: slot.lease(10) is not None)

        assert sum(taken) == 1


class TestSideBySide(OnFiles):
    def test_of_two_that_make_a_generation_the_first_has_made_it(
        self, slot: StoreSlot, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = []

        def late(temp: str, target: str) -> None:
            monkeypatch.undo()
            first.append(slot_in(FileStore(path)).status().generation)
            os.link(temp, target)

        monkeypatch.setattr(os, "link", late)

        assert [slot.status().generation] == first

    def test_4_processes_at_once_never_see_a_damaged_listing(self, slot: StoreSlot) -> None:
        slot.status()

        def work(number: int) -> bool:
            for step in range(5):
                revision = save(slot, *(f"{number}.{step}.{each}" for each in range(50)))
                slot.mark_unchanged(revision, asked_at=revision.asked_at)
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

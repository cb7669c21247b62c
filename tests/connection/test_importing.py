"""Imports in the middle of a program."""

from __future__ import annotations

import _thread
import errno
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Callable, NoReturn

import pytest

from teamwire_sync import TWConnectionError, TWTimeoutError
from teamwire_sync._internal.deadlines import deadline_of, is_own_timeout, time_left, within
from teamwire_sync._internal.imports import LazyModule, first_use, import_whole
from teamwire_sync._internal.waiting import Gate
from teamwire_sync._vendor.calls import Call
from tests.support.waiting import PATIENCE, Threads, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.builders import Clock

NAME = "a_module_that_takes_long"
WHERE = "import threading\nTHREAD = threading.current_thread()"

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Writes the module that is imported."""
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda text: (tmp_path / f"{NAME}.py").write_text(text, encoding="ascii") and None
    sys.modules.pop(NAME, None)


class TestImportWhole:
    def test_imports(self, write: Callable[[str], None]) -> None:
        write("VALUE = 7")

        assert import_whole(NAME).VALUE == 7
        assert import_whole(NAME) is sys.modules[NAME]

    def test_is_done_where_no_interrupt_comes(self, write: Callable[[str], None]) -> None:
        write(WHERE)

        assert import_whole(NAME).THREAD is not threading.main_thread()

    def test_of_another_thread_is_done_in_it(self, write: Callable[[str], None]) -> None:
        write(WHERE)
        with Threads(1) as threads:
            imported, there = threads.start(
                lambda: (import_whole(NAME).THREAD, threading.current_thread())
            ).result(PATIENCE)

        assert imported is there

    def test_is_done_here_where_no_thread_can_be_started(
        self, write: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(WHERE)

        def refuse(*_: object) -> NoReturn:
            message = "can't start new thread"
            raise RuntimeError(message)

        monkeypatch.setattr(_thread, "start_new_thread", refuse)

        assert import_whole(NAME).THREAD is threading.current_thread()

    def test_goes_on_when_who_waits_for_it_is_interrupted(
        self, write: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write("VALUE = 7")

        def interrupt(*_: object) -> NoReturn:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Gate, "wait", interrupt)
            with pytest.raises(KeyboardInterrupt):
                import_whole(NAME)
        wait_until(lambda: hasattr(sys.modules.get(NAME), "VALUE"))

    def test_raises_what_goes_wrong(self, write: Callable[[str], None]) -> None:
        write("raise ImportError('broken')")

        with pytest.raises(ImportError, match="broken"):
            import_whole(NAME)

    def test_of_what_is_there_starts_no_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_thread, "start_new_thread", None)

        assert import_whole("sys") is sys

    def test_within_another_one_is_done(self, write: Callable[[str], None]) -> None:
        write(
            "from teamwire_sync._internal.imports import import_whole\n"
            "import sys\n"
            "sys.modules.pop('colorsys', None)\n"
            "INNER = import_whole('colorsys')\n"
        )

        assert import_whole(NAME).INNER is sys.modules["colorsys"]

    def test_of_a_package_that_failed_half_way_is_done_the_second_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The module in it that is there already would not become an attribute of it again."""
        package = tmp_path / "a_package"
        package.mkdir()
        (package / "inner.py").write_text("VALUE = 7")
        (package / "__init__.py").write_text(
            "import a_package.inner\nfrom a_module import PROBLEMS\n"
            "if PROBLEMS: raise PROBLEMS.pop()\nVALUE = a_package.inner.VALUE"
        )
        two = "PROBLEMS = [OSError(24, ''), OSError(24, '')]"  # in a thread, and in this one
        (tmp_path / "a_module.py").write_text(two)
        monkeypatch.syspath_prepend(tmp_path)
        try:
            with pytest.raises(TWConnectionError):
                import_whole("a_package")

            assert import_whole("a_package").VALUE == 7
        finally:
            for name in ("a_package", "a_package.inner", "a_module"):
                sys.modules.pop(name, None)


class TestNoFile:
    TEXT = (
        rf"^can't import {NAME}: Too many open files; close files or sockets, or raise the limit "
        r"\(ulimit -n\)$"
    )

    def test_can_be_opened_is_an_error_that_says_what_to_do(
        self, write: Callable[[str], None]
    ) -> None:
        write(f"raise OSError({errno.EMFILE}, 'Too many open files')")

        with pytest.raises(TWConnectionError, match=self.TEXT):
            import_whole(NAME)

    @pytest.mark.skipif(os.name == "nt", reason="another text")
    def test_can_be_opened_is_why_a_module_is_not_found(
        self, write: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write("raise ImportError('libx.so: cannot open shared object file')")

        def refuse(*_: object) -> NoReturn:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        monkeypatch.setattr(os, "open", refuse)

        with pytest.raises(TWConnectionError, match=self.TEXT):
            import_whole(NAME)

    def test_can_be_read_is_an_error_that_says_why(self, write: Callable[[str], None]) -> None:
        write(f"raise OSError({errno.EIO}, 'Input/output error')")

        with pytest.raises(TWConnectionError, match=rf"^can't import {NAME}: Input/output error$"):
            import_whole(NAME)


class TestLazyModule:
    def test_imports_when_a_name_is_used(self, write: Callable[[str], None]) -> None:
        write("VALUE = 7")
        lazy = LazyModule(NAME)

        assert NAME not in sys.modules
        assert (lazy.VALUE, sys.modules[NAME].VALUE) == (7, 7)

    def test_imports_where_no_interrupt_comes(self, write: Callable[[str], None]) -> None:
        write(WHERE)

        assert LazyModule(NAME).THREAD is not threading.main_thread()

    def test_has_the_names_as_they_are_now(
        self, write: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write("VALUE = 7")
        lazy = LazyModule(NAME)
        before = lazy.VALUE
        monkeypatch.setattr(sys.modules[NAME], "VALUE", 8)

        assert (before, lazy.VALUE) == (7, 8)

    def test_has_no_name_that_the_module_has_not(self, write: Callable[[str], None]) -> None:
        write("VALUE = 7")
        lazy = LazyModule(NAME)

        for _ in range(2):
            with pytest.raises(AttributeError, match=f"module '{NAME}' has no attribute 'OTHER'"):
                lazy.OTHER  # noqa: B018

    def test_says_what_went_wrong(self, write: Callable[[str], None]) -> None:
        write("raise ImportError('broken')")

        with pytest.raises(ImportError, match="broken"):
            LazyModule(NAME).VALUE  # noqa: B018


class TestDeadlines:
    """The module that is imported takes 1,000 seconds."""

    @pytest.fixture(autouse=True)
    def _takes_long(
        self, write: Callable[[str], None], clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write("import time\ntime.monotonic.now += 1000")
        monkeypatch.setattr(time, "monotonic", clock)

    def test_stand_still_during_an_import(self) -> None:
        deadline = deadline_of(5)
        import_whole(NAME)

        assert time_left(deadline) == 5

    def test_do_not_stand_still_for_an_import_before_the_call(self) -> None:
        import_whole(NAME)

        assert deadline_of(5) == time.monotonic() + 5

    def test_go_on_after_it(self, clock: Clock) -> None:
        deadline = deadline_of(5)
        import_whole(NAME)
        clock.now += 4

        assert time_left(deadline) == 1

    def test_count_one_within_another_once(self) -> None:
        deadline = deadline_of(5)
        with first_use(""):
            import_whole(NAME)

        assert time_left(deadline) == 5

    def test_stand_still_for_one_that_fails(self, write: Callable[[str], None]) -> None:
        write("import time\ntime.monotonic.now += 1000\nraise ImportError")
        deadline = deadline_of(5)
        with pytest.raises(ImportError):
            import_whole(NAME)

        assert time_left(deadline) == 5

    def test_are_of_one_thread(self, clock: Clock) -> None:
        deadline = deadline_of(5)
        with Threads(1) as threads:
            threads.start(lambda: import_whole(NAME)).result(PATIENCE)

        assert time_left(deadline) == -995

    def test_of_a_part_of_a_call_stand_still_too(self) -> None:
        deadline = deadline_of(5)
        import_whole(NAME)

        assert time_left(within(deadline, 2)) == 2

    def test_of_a_call_of_the_vendors_sdk_are_the_same_in_its_thread(self) -> None:
        deadline = deadline_of(5)
        import_whole(NAME)
        call = Call("name", Call.run, deadline=deadline or 0)

        assert call._deadline == time.monotonic() + 5

    def test_are_not_over_by_it(self) -> None:
        deadline = deadline_of(5)
        import_whole(NAME)

        assert not is_own_timeout(TWTimeoutError("late"), deadline)


# A handler of forks that is registered last runs first.
_FORKS = """
import os, signal, sys, threading
import teamwire_sync
from teamwire_sync._internal import imports
sys.path.insert(0, {folder!r})
signal.alarm({patience})  # ends a program that hangs
arrived, begun = threading.Event(), threading.Event()

def imported():
    return imports.import_whole({name!r})

def child_of(work):
    child = os.fork()
    if not child:
        signal.alarm({patience})
        work()
        os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


@needs_fork
class TestForks:
    @pytest.fixture
    def program(self, tmp_path: Path) -> Callable[[str, str], str]:
        """Writes the module, and runs a program that has the beginning above."""

        def run(module: str, code: str) -> str:
            (tmp_path / f"{NAME}.py").write_text(module, encoding="ascii")
            begin = _FORKS.format(folder=str(tmp_path), name=NAME, patience=int(PATIENCE))
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", begin + code],
                capture_output=True,
                text=True,
                timeout=3 * PATIENCE,
                check=False,
            )
            assert (done.returncode, done.stderr) == (0, "")
            return done.stdout.strip()

        return run

    def test_within_the_module_are_not_held_off(self, program: Callable[[str, str], str]) -> None:
        module = "from __main__ import child_of\nSTATUS = child_of(lambda: None)"

        assert program(module, "print(imported().STATUS)") == "7"

    def test_of_a_signal_handler_wait_for_the_import(
        self, program: Callable[[str, str], str]
    ) -> None:
        module = (
            "import signal, threading\n"
            "from __main__ import begun\n"
            "signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)\n"
            f"begun.wait({PATIENCE})\n"
            "VALUE = 7\n"
        )
        code = """
statuses = []
signal.signal(signal.SIGUSR1, lambda *_: statuses.append(child_of(lambda: imported().VALUE)))
imports.import_whole("colorsys")
os.register_at_fork(before=begun.set)
imported()
print(statuses)
"""
        assert program(module, code) == "[7]"

    def test_of_a_signal_handler_are_not_held_off_by_an_import_in_its_thread(
        self, program: Callable[[str, str], str]
    ) -> None:
        module = "import signal\nsignal.raise_signal(signal.SIGUSR1)\nVALUE = 7"
        code = """
def refuse(*_):
    raise RuntimeError

threading.Thread.start = refuse
statuses = []
signal.signal(signal.SIGUSR1, lambda *_: statuses.append(child_of(lambda: None)))
imported()
print(statuses)
"""
        assert program(module, code) == "[7]"

    def test_do_not_wait_with_the_lock_of_logging_which_the_import_needs(
        self, program: Callable[[str, str], str]
    ) -> None:
        module = (
            "from __main__ import arrived, begun\n"
            "arrived.set()\n"
            f"begun.wait({PATIENCE})\n"
            "import logging\n"
            "logging.getLogger('one that is new')\n"
        )
        code = """
assert "logging" not in sys.modules
imports._LONGEST_WAIT = 1000
thread = threading.Thread(target=imported)
thread.start()
arrived.wait()
os.register_at_fork(before=begun.set)
print(child_of(imported))
thread.join()
"""
        assert program(module, code) == "7"

    def test_do_not_wait_for_ever_for_who_waits_for_them(
        self, program: Callable[[str, str], str]
    ) -> None:
        """The import needs the lock that the fork has, and the fork one that the importer has."""
        code = """
imports._LONGEST_WAIT = 0.05
lock = threading.Lock()
# Runs after ours, which has the lock of the imports then.
os.register_at_fork(before=lambda: (begun.set(), lock.acquire()), after_in_parent=lock.release)
imports.import_whole("colorsys")

def hold():
    with lock:
        arrived.set()
        begun.wait()
        imported()

thread = threading.Thread(target=hold)
thread.start()
arrived.wait()
print(child_of(lambda: None))
thread.join()
"""
        assert program("", code) == "7"

    def test_that_waited_too_long_leave_a_child_that_can_import(
        self, program: Callable[[str, str], str]
    ) -> None:
        module = f"from __main__ import arrived, begun\narrived.set()\nbegun.wait({PATIENCE})"
        code = """
imports._LONGEST_WAIT = 0.05
thread = threading.Thread(target=imported)
thread.start()
arrived.wait()

def other():
    imports._LONGEST_WAIT = 1000
    imports.import_whole("colorsys")

print(child_of(other))
begun.set()
thread.join()
"""
        assert program(module, code) == "7"

"""Imports in the middle of a program."""

from __future__ import annotations

import subprocess
import sys
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Callable, NoReturn

import pytest

from teamwire_sync._internal import imports
from teamwire_sync._internal.imports import LazyModule, import_in_thread
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "a_module_that_takes_long"

WAITS_FOR_IT = """
import os, threading
from teamwire_sync._internal.imports import _under_way

order, near = [], threading.Event()

def work():
    with _under_way:
        near.set()
        forks.wait()
        for _ in range(10_000):
            os.sched_yield()
        order.append("imported")

forks = threading.Event()
thread = threading.Thread(target=work)
thread.start()
near.wait()
forks.set()
child = os.fork()
if child == 0:
    with _under_way:
        os._exit(0 if order == ["imported"] else 1)
print(order, os.waitpid(child, 0)[1])
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Writes the module that is imported."""
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda text: (tmp_path / f"{NAME}.py").write_text(text, encoding="ascii") and None
    sys.modules.pop(NAME, None)


class TestImportWhole:
    def test_imports(self, write: Callable[[str], None]) -> None:
        write("VALUE = 7")
        import_in_thread(NAME)

        assert sys.modules[NAME].VALUE == 7

    def test_is_done_where_no_interrupt_comes(self, write: Callable[[str], None]) -> None:
        write("import threading\nTHREAD = threading.current_thread()")
        import_in_thread(NAME)

        assert sys.modules[NAME].THREAD is not threading.main_thread()

    def test_goes_on_when_who_waits_for_it_is_interrupted(
        self, write: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write("VALUE = 7")

        def interrupt(*_: object) -> NoReturn:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "join", interrupt)
            with pytest.raises(KeyboardInterrupt):
                import_in_thread(NAME)
        wait_until(lambda: hasattr(sys.modules.get(NAME), "VALUE"))

    def test_leaves_an_error_to_the_import_that_follows(self, write: Callable[[str], None]) -> None:
        write("raise ImportError('broken')")
        import_in_thread(NAME)

        with pytest.raises(ImportError, match="broken"):
            import_module(NAME)

    def test_of_what_is_there_starts_no_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(threading, "Thread", None)

        import_in_thread("sys")

    def test_holds_off_forks(self, write: Callable[[str], None]) -> None:
        write(
            "from teamwire_sync._internal import imports\n"
            "import threading\n"
            "took = []\n"
            "def take(): took.append(imports._under_way.acquire(blocking=False))\n"
            "thread = threading.Thread(target=take)\n"
            "thread.start()\n"
            "thread.join()\n"
        )
        import_in_thread(NAME)

        assert sys.modules[NAME].took == [False]


class TestLazyModule:
    def test_imports_when_a_name_is_used(self, write: Callable[[str], None]) -> None:
        write("VALUE = 7")
        lazy = LazyModule(NAME)

        assert NAME not in sys.modules
        assert (lazy.VALUE, sys.modules[NAME].VALUE) == (7, 7)

    def test_imports_where_no_interrupt_comes(self, write: Callable[[str], None]) -> None:
        write("import threading\nTHREAD = threading.current_thread()")

        assert LazyModule(NAME).THREAD is not threading.main_thread()

    def test_says_what_went_wrong(self, write: Callable[[str], None]) -> None:
        write("raise ImportError('broken')")

        with pytest.raises(ImportError, match="broken"):
            LazyModule(NAME).VALUE  # noqa: B018


@pytest.mark.skipif(not hasattr(imports.os, "fork"), reason="there are no forks")
def test_a_fork_waits_for_an_import_that_is_under_way() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WAITS_FOR_IT],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout == "['imported'] 0\n"

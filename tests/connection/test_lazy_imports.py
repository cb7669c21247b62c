"""Each module that is imported at its first use: forks, Ctrl-C, deadlines and file descriptors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.lazy_modules import lazy_modules
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from teamwire_sync import Chat
    from teamwire_sync.testing import Sandbox

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

# A finder that does something when the module `watched` is looked for the first time.
_BEGIN = """
import json, os, signal, sys, threading
import teamwire_sync
from teamwire_sync import TWConnectionError
from teamwire_sync._internal import imports
from teamwire_sync._internal.imports import import_whole

NAMES, PATIENCE = json.loads(sys.argv[1]), float(sys.argv[2])
watched, meet = [], lambda: None

class Finder:
    def find_spec(self, name, path=None, target=None):
        if [name] == watched:
            watched.clear()
            meet()

sys.meta_path.insert(0, Finder())

def watch(name):
    sys.modules.pop(name, None)
    watched[:] = [name]

def wait(event):
    assert event.wait(PATIENCE), "waited in vain"
"""

# The import goes on when the fork has begun: the handlers of forks run last registered first.
_FORKS = """
import_whole("colorsys")  # so that this handler is registered after all others
os.register_at_fork(before=lambda: begun.set())

def fork():
    wait(met)
    child = os.fork()
    if not child:
        signal.alarm(int(PATIENCE))
        import_whole(name)
        os._exit(0)
    statuses[name] = os.waitpid(child, 0)[1]

statuses = {}
for name in NAMES:
    met, begun = threading.Event(), threading.Event()
    meet = lambda: (met.set(), wait(begun))
    watch(name)
    both = [fork, lambda: import_whole(name)]
    if sys.argv[3] == "thread":
        both.reverse()
    other = threading.Thread(target=both[0])
    other.start()
    both[1]()
    other.join(PATIENCE)
    if statuses.get(name) != 0:
        break
print(json.dumps([name for name in NAMES if statuses.get(name) != 0]))
"""

_INTERRUPTS = """
def interrupt():
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    wait(interrupted)

failed = []
for name in NAMES:
    interrupted, meet = threading.Event(), interrupt
    watch(name)
    try:
        import_whole(name)
        failed.append(name)
    except KeyboardInterrupt:
        interrupted.set()
    assert imports._under_way.acquire(timeout=PATIENCE)  # the import goes on, and ends
    imports._under_way.release()
    if name not in sys.modules or import_whole(name) is not sys.modules[name]:
        failed.append(name)
print(json.dumps(failed))
"""

_NO_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

class NoFiles:
    def __enter__(self):
        self.taken = []
        try:
            while True:
                self.taken.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass

    def __exit__(self, *_):
        for number in self.taken:
            os.close(number)
"""

_EACH_WITHOUT_FILES = """
failed = []
for name in NAMES:
    sys.modules.pop(name, None)
    with NoFiles():
        try:
            import_whole(name)
            failed.append(name)
        except TWConnectionError as error:
            if "Too many open files; close" not in str(error):
                failed.append(str(error))
    if import_whole(name) is not sys.modules[name]:
        failed.append(name)
print(json.dumps(failed))
"""

_CALLS_WITHOUT_FILES = """
connect = lambda: teamwire_sync.Connection(store=teamwire_sync.MemoryStore())
calls = {
    "Connection()": connect,
    "events()": lambda: connection.events(timeout=PATIENCE),
    "check()": lambda: connection.check(),
    "post()": lambda: connection.chats.at(sys.argv[3]).post("x", attachments=[]),
    "a bar": lambda: connection.chats.get_subscriptions(progress=True),
    "one_by_title()": lambda: connection.chats.one_by_title("nothing"),
    "a table": lambda: connection._repr_html_(),
    "to_pandas()": lambda: teamwire_sync.ChatList().to_pandas(),
    "__version__": lambda: teamwire_sync.__version__,
    "Attachments()": lambda: teamwire_sync.Attachments(),
    "FileStore()": lambda: teamwire_sync.FileStore("."),
    "RedisStore()": lambda: teamwire_sync.RedisStore("redis://localhost"),
}
wrong = []
for what, call in calls.items():
    if what != "Connection()":
        connection = connect()
    with NoFiles():
        try:
            call()
        except teamwire_sync.TWError:
            pass
        except BaseException as error:
            wrong.append(f"{what}: {error!r}")
    connection = connect()  # one that remembers no failure
    try:
        call()
    except teamwire_sync.TWNotFoundError:
        pass
print(json.dumps(wrong))
"""

# The clock goes on by 1,000 seconds when the module is looked for.
_DEADLINES = """
import time
from teamwire_sync._http import transport

real, late, slow = time.monotonic, [], {"timeout": PATIENCE}
time.monotonic = lambda: real() + 1000 * len(late)
calls = {
    "check": lambda: connection.check(**slow),
    "events": lambda: connection.events(**slow),
    "post": lambda: chat.post("x", **slow),
    "post a list": lambda: chat.post("x", attachments=[], **slow),
    "messages": lambda: chat.get_messages(limit=1, **slow),
    "each message": lambda: next(iter(chat.iter_messages(**slow))),
    "rename": lambda: chat.set_title("x", **slow),
    "chats": lambda: connection.chats.get_subscriptions(**slow),
    "with a bar": lambda: connection.chats.get_subscriptions(progress=True, **slow),
    "by title": lambda: connection.chats.get_by_title("x", **slow),
    "user": lambda: connection.users.get_user("x", **slow),
    "users": lambda: connection.users.find("x", **slow),
    "groups": lambda: connection.groups.get_all(**slow),
}
for what, call in calls.items():
    connection = teamwire_sync.Connection(store=teamwire_sync.MemoryStore())
    chat = connection.chats.at(sys.argv[3])
    transport.client = imports.LazyModule("teamwire_sync._http.client")
    meet = lambda: late.append(what)
    watch("teamwire_sync._http.client")
    call()
meet = lambda: late.append("tqdm")
watch("tqdm.auto")
connection.chats.get_subscriptions(refresh=True, progress=True, **slow)
print(json.dumps(late == [*calls, "tqdm"]))
"""


def run(program: str, *arguments: str, env: dict[str, str] | None = None) -> object:
    """Return the JSON document that *program* prints."""
    given = [json.dumps(lazy_modules()), str(PATIENCE), *arguments]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _BEGIN + program, *given],
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
        check=False,
        env={**os.environ, **(env or {})},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_there_are_modules_of_all_kinds() -> None:
    kinds = {"teamwire_sync._http.client", "teamwire_sync._services.events", "html", "ssl"}

    assert kinds < {*lazy_modules()}


@needs_fork
@pytest.mark.parametrize("importer", ["main", "thread"])
def test_no_fork_leaves_a_child_that_waits_for_the_import_of_another_thread(importer: str) -> None:
    assert run(_FORKS, importer) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no signals for threads")
def test_each_that_ctrl_c_interrupts_is_whole_at_the_second_use() -> None:
    assert run(_INTERRUPTS) == []


@needs_fork
def test_no_file_descriptors_are_a_tw_error_of_each_call(box: Sandbox, chat: Chat) -> None:
    program = _NO_FILES + _CALLS_WITHOUT_FILES

    assert run(program, chat.tid, env=box.env) == []


def test_an_import_does_not_count_against_the_deadline_of_its_call(
    box: Sandbox, chat: Chat
) -> None:
    assert run(_DEADLINES, chat.tid, env=box.env) is True


@needs_fork
def test_each_is_imported_when_there_are_file_descriptors_again() -> None:
    assert run(_NO_FILES + _EACH_WITHOUT_FILES) == []

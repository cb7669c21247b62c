"""Fixtures of all the tests."""

from __future__ import annotations

import gc
import os
import re
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import Browser
from tests.support.builders import Clock
from tests.support.needed import missing
from tests.support.short_report import ShortReport
from tests.support.watchdog import Watchdog, real_stderr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from teamwire_sync import Chat, Connection
    from teamwire_sync.testing import Sandbox
    from tests.support.redis_process import RedisProcess

# The workers of pytest-xdist are measured. The programs that their tests start are not: that would
# show in what they import, and how they end.
if "PYTEST_XDIST_WORKER" in os.environ:
    for _name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
        os.environ.pop(_name, None)

WATCHDOG = pytest.StashKey[Watchdog]()
# Seconds after which a step of a test hangs. Waits end long before, with an error that says more.
_HANGS = float(os.environ.get("TESTS_HANG", "60"))
_HANGS_SLOW = 5 * _HANGS

_NETWORK_VARIABLES = {
    "ALL_PROXY",
    "CURL_CA_BUNDLE",
    "FTP_PROXY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NETRC",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
}
_HOMES = (
    "HOME",
    "USERPROFILE",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "XDG_STATE_HOME",
    "APPDATA",
    "LOCALAPPDATA",
)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials, proxies and CA bundles of whoever runs the tests change no test."""
    for name in list(os.environ):
        if name.startswith("TEAMWIRE_") or name.upper() in _NETWORK_VARIABLES:
            monkeypatch.delenv(name)
    for name in _HOMES:
        monkeypatch.setenv(name, str(tmp_path))


@pytest.fixture(params=["no home", "relative", "tilde"])
def homeless(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Path:
    """Run as a user without a home folder; return the working directory.

    A container may run a program as a user without an entry in the system's list of users.
    """
    for name in _HOMES:
        monkeypatch.delenv(name)
    if request.param == "no home":
        pwd = pytest.importorskip("pwd", reason="Windows has no such list")
        monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    else:
        home = {"relative": "home", "tilde": "~"}[request.param]
        for name in ("HOME", "USERPROFILE"):
            monkeypatch.setenv(name, home)
    folder = tmp_path / "working directory"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(autouse=True)
def _no_seconds_of_imports() -> None:
    """No deadline of a test is later because the test before it waited for an import."""
    from teamwire_sync._internal.imports import reset_seconds_waited

    reset_seconds_waited()


@pytest.fixture
def clock() -> Clock:
    """A clock that only moves when a test says so."""
    return Clock()


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox of its own for each test."""
    from teamwire_sync.testing import sandbox

    with sandbox(chats=100, seed=7) as box:
        yield box


@pytest.fixture
def connection(box: Sandbox) -> Connection:
    """A connection to it."""
    return box.connect()


@pytest.fixture
def chat(connection: Connection) -> Chat:
    """A chat that the bot administers, with a history; it has taken a listing."""
    from teamwire_sync._sandbox.world.seed import KNOWN_CHAT

    found = connection.chats.get_by_thread_id(KNOWN_CHAT)
    assert found is not None
    return found


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between tries last a millisecond."""
    from teamwire_sync._http import retries
    from teamwire_sync._services import events

    for module in (retries, events):
        monkeypatch.setattr(module, "_FIRST_PAUSE", 0.001)
        monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.001)
    monkeypatch.setattr(events, "_SHORTEST_WAIT", 0.001)


@pytest.fixture(scope="session")
def redis_program() -> str:
    """The path of redis-server."""
    path = shutil.which("redis-server")
    if path is None:
        missing("redis-server")
    return path


@pytest.fixture(scope="session")
def shared_redis(
    redis_program: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisProcess]:
    """A server for all the tests."""
    from tests.support.redis_process import RedisProcess

    server = RedisProcess(redis_program, tmp_path_factory.mktemp("redis"))
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def redis_server(shared_redis: RedisProcess) -> RedisProcess:
    """A server that has nothing; it is not to be killed or configured."""
    shared_redis.run("FLUSHALL")
    return shared_redis


@pytest.fixture
def own_redis(redis_program: str, tmp_path: Path) -> Iterator[RedisProcess]:
    """A server to do anything with."""
    from tests.support.redis_process import RedisProcess

    server = RedisProcess(redis_program, tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.close()


# A file whose tests are all slow.
_SLOW_FILE = re.compile(r"^pytestmark = (?:\[\s+)?pytest\.mark\.slow\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no file whose tests would all be deselected: each worker collects all files."""
    if config.option.markexpr not in {"slow", "not slow"} or not collection_path.match("test_*.py"):
        return None
    text = collection_path.read_text("utf-8")
    if config.option.markexpr == "slow":
        return "mark.slow" not in text or None
    return _SLOW_FILE.search(text) is not None or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests: at the end, the other workers would have nothing to do."""
    items.sort(key=_seconds, reverse=True)


def _seconds(item: pytest.Item) -> float:
    slow = item.get_closest_marker("slow") if "slow" in item.keywords else None
    return 0.0 if slow is None else float(slow.kwargs.get("seconds", 0))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Imports that hang have an end."""
    with session.config.stash[WATCHDOG].watching("the collection", _HANGS_SLOW):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """A step of a test that hangs has an end."""
    with _watching(item, "the set-up of"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """The same for the test itself."""
    with _watching(item, "the test"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """The same for what comes after it."""
    with _watching(item, "the teardown of"):
        return (yield)


def _watching(item: pytest.Item, step: str) -> AbstractContextManager[None]:
    slow = item.get_closest_marker("slow") is not None
    seconds = _HANGS_SLOW if slow else _HANGS
    return item.config.stash[WATCHDOG].watching(f"{step} {item.nodeid}", seconds)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start to watch; with ``-q``, report in few lines."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and config.get_verbosity() < 0:
        config.pluginmanager.register(ShortReport(terminal))
    # A shell has what it runs in the background ignore it, and tests of Ctrl-C need it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[WATCHDOG] = Watchdog(real_stderr())
    config.stash[WATCHDOG].start()


def pytest_enter_pdb(config: pytest.Config) -> None:
    """A person may take any time."""
    config.stash[WATCHDOG].disarm()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Also what the process does at its end has one: it may wait for a thread."""
    watchdog = config.stash.get(WATCHDOG, None)
    # A worker of pytest-xdist stays for the others, and is ended by who has started it.
    if watchdog is not None and not hasattr(config, "workerinput"):
        watchdog.arm("the end of the process", _HANGS)


def pytest_collection_finish() -> None:
    """Spare the collections that tests ask for the objects of all the tests that there are.

    Those live to the end; to look through them each time took most of a second.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """Chromium, under one of its names."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        program = shutil.which(name)
        if program is not None:
            return Browser(program, tmp_path_factory.mktemp("browser"))
    return missing("chromium")

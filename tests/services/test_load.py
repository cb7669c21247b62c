"""Many threads on one Connection, through every fault: nothing is crossed, nothing is left behind.

The short load is so many calls. The long one, which is slow, is so many seconds, 3 by default:
LOAD_SECONDS=600 TESTS_HANG=200 pytest tests/services/test_load.py -m slow
"""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import random
import threading
import time
import traceback
from collections import Counter
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

import pytest
from attrs import frozen

from teamwire_sync import (
    Attachments,
    Connection,
    ConnectionConfig,
    TWConnectionError,
    TWError,
)
from teamwire_sync._http import sockets
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER, PUBLIC_CIRCLE, SECOND_CIRCLE
from teamwire_sync.testing import sandbox
from tests.support.waiting import Threads

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Iterator

    from teamwire_sync import Chat
    from teamwire_sync.testing import Sandbox

LOAD_SECONDS = float(os.environ.get("LOAD_SECONDS", "3"))
CALLS_OF_EACH = 30  # threads, in the short load
THREADS = 32
POOL_SIZE = 8
TOTAL_TIMEOUT = 20.0
MOST_MADE = 20  # chats by each thread, so that a long load is not all listing
ROUTES = (
    ("GET", "/v1/bot/me/"),
    ("GET", "/v1/bot/chats/"),
    ("GET", "/v1/bot/users/*/"),
    ("GET", "/v1/bot/groups/*/"),
    ("POST", "/v1/bot/chats/"),
    ("GET", "/v1/bot/chats/*/messages/"),
    ("POST", "/v1/bot/chats/*/messages/"),
    ("POST", "/v1/bot/attachments/"),
    ("GET", "/v1/bot/attachments/*/content/"),
)
FAULTS: tuple[dict[str, Any], ...] = (
    {"drop": "before", "chance": 0.03},
    {"drop": "after", "chance": 0.03},
    {"status": 503, "chance": 0.03},
    {"status": 429, "retry_after": 0, "chance": 0.03},
    {"body": "<html>", "chance": 0.01},
    # Longer than some calls wait: their answers come when nobody listens any more.
    {"delay": 0.3, "chance": 0.03},
)
# What a client is made of, and what it makes for each request.
CLIENT = ("teamwire_sync.", "requests.", "urllib3.", "http.client.", "http.cookiejar.")
SERVER = ("teamwire_sync._sandbox.", "teamwire_sync._server.")


class Sockets:
    """The sockets that the client opens.

    Attributes:
        most: How many of them were open at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: list[socket.socket] = []
        self.most = 0

    def add(self, sock: socket.socket) -> None:
        """Count one that was just opened."""
        with self._lock:
            self._seen = [*self.open(), sock]
            self.most = max(self.most, len(self._seen))

    def open(self) -> list[socket.socket]:
        """Those that are open still."""
        return [sock for sock in self._seen if sock.fileno() >= 0]


class Lines(logging.Handler):
    """Keeps what is logged as text, and nothing of what it is about."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.lines.append((record.name, record.getMessage()))
        # pytest keeps the records, and would keep the errors that they are about.
        record.msg, record.args, record.exc_info = self.lines[-1][1], None, None


class Worker:
    """One thread's work: calls of every kind, each with an answer that it knows.

    Args:
        number: Tells it from the others.
        connection: The one that they share.
        world: The chats that there were before.

    Attributes:
        done: How many calls of each kind were answered.
        failures: How many raised each kind of TWError.
        surprises: The tracebacks of wrong answers, and of errors that are no TWError.
        written: For each text whether it was written; None when its error left that open.
    """

    def __init__(self, number: int, connection: Connection, world: list[Chat]) -> None:
        self._number = number
        self._connection = connection
        self._world = world
        self._titled = [chat for chat in world if chat.title]
        self._uids = sorted({user.uid for chat in world for user in chat.users})
        self._dice = random.Random(number)  # noqa: S311  reproducible, not secret
        self._made: list[Chat] = []
        self._serial = 0
        self.done: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.surprises: list[str] = []
        self.written: dict[str, bool | None] = {}

    def run(self, times: Iterable[object]) -> None:
        """Do one call for each of *times*."""
        for _ in times:
            call = self._dice.choice(self.CALLS)
            # Some are in more of a hurry than the server at times is.
            timeout = self._dice.choice([None, None, None, 5.0, 0.2])
            self._attempt(call, timeout)

    def _attempt(self, call: Callable[[Worker, float | None], None], timeout: float | None) -> None:
        try:
            call(self, timeout)
        except TWError as error:
            self.failures[type(error).__name__] += 1
        except Exception:  # noqa: BLE001  whatever it is, it is told
            self.surprises.append(traceback.format_exc())
        else:
            self.done[call.__name__] += 1

    def _text(self) -> str:
        self._serial += 1
        return f"load {self._number}/{self._serial}"

    def _write(self, text: str, write: Callable[[], Any]) -> Any:
        self.written[text] = None  # in doubt
        try:
            answer = write()
        except TWConnectionError:
            self.written[text] = False
            raise
        self.written[text] = True
        return answer

    def check(self, timeout: float | None) -> None:
        """The bot is a bot, and who it is."""
        me = self._connection.check(timeout=timeout)
        assert (me.is_bot, me.first_name) == (True, "Weather")

    def get_user(self, timeout: float | None) -> None:
        """A user has the id that was asked for."""
        uid = self._dice.choice(self._uids)
        user = self._connection.users.get_user(uid, timeout=timeout)
        assert user is not None
        assert user.uid == uid

    def get_nobody(self, timeout: float | None) -> None:
        """Nobody is nobody."""
        uid = f"nobody-{self._number}"
        assert self._connection.users.get_user(uid, timeout=timeout) is None

    def get_group(self, timeout: float | None) -> None:
        """A group has the id that was asked for."""
        gid = self._dice.choice([PUBLIC_CIRCLE, SECOND_CIRCLE])
        group = self._connection.groups.get_group(gid, timeout=timeout)
        assert group is not None
        assert group.gid == gid

    def find_by_tid(self, timeout: float | None) -> None:
        """A chat has the thread ID that was asked for; also one that was just made."""
        chat = self._dice.choice([*self._made, *self._world])
        found = self._connection.chats.get_by_thread_id(chat.tid, timeout=timeout)
        assert found is not None
        assert (found.tid, found.title) == (chat.tid, chat.title)

    def find_by_title(self, timeout: float | None) -> None:
        """The chats have the title that was asked for."""
        chat = self._dice.choice([*self._made, *self._titled])
        found = self._connection.chats.get_by_title(str(chat.title), timeout=timeout)
        assert chat.tid in {each.tid for each in found}
        assert {each.title for each in found} == {chat.title}

    def refresh(self, timeout: float | None) -> None:
        """All that there was is listed, and all that this thread has made since."""
        listed = self._connection.chats.get_subscriptions(refresh=True, timeout=timeout)
        assert {chat.tid for chat in (*self._world, *self._made)} <= {chat.tid for chat in listed}

    def post(self, timeout: float | None) -> None:
        """A message is the one that was posted, in the chat that it was posted in."""
        text = self._text()
        chat = self._connection.chats.at(KNOWN_CHAT)
        message = self._write(text, lambda: chat.post(text, timeout=timeout))
        assert (message.msg, message.chat) == (text, chat)

    def read(self, timeout: float | None) -> None:
        """The messages are those of the chat that was asked for, newest first."""
        chat = self._connection.chats.at(KNOWN_CHAT)
        messages = chat.get_messages(20, timeout=timeout)
        times = [message.timestamp for message in messages]
        assert {message.chat for message in messages} == {chat}
        assert times == sorted(times, reverse=True)

    def attach(self, timeout: float | None) -> None:
        """A file comes back as it was sent."""
        text = self._text()
        content = text.encode() * 10_000
        files = Attachments().add_file(io.BytesIO(content), "content.bin")
        chat = self._connection.chats.at(KNOWN_CHAT)
        message = self._write(text, lambda: chat.post(text, files, timeout=timeout))
        target = io.BytesIO()
        message.attachments[0].download(target, timeout=timeout)
        assert target.getvalue() == content

    def create(self, timeout: float | None) -> None:
        """A chat has the title that it was made with."""
        if len(self._made) == MOST_MADE:
            return
        text = self._text()
        create = self._connection.chats.create_chat
        chat = self._write(text, lambda: create(title=text, users=[KNOWN_USER], timeout=timeout))
        assert chat.title == text
        self._made.append(chat)

    CALLS = (
        check,
        get_user,
        get_user,
        get_nobody,
        get_group,
        find_by_tid,
        find_by_title,
        refresh,
        post,
        post,
        post,
        read,
        attach,
        create,
    )


def objects_of_the_client() -> Counter[str]:
    """How many objects there are of each class that a client is made of."""
    gc.collect()
    names = (f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
    return Counter(
        name for name in names if name.startswith(CLIENT) and not name.startswith(SERVER)
    )


def texts_on(box: Sandbox) -> Counter[str]:
    """How often each text of the workers is on the server."""
    with box._world.database.reading() as db:
        messages = db.execute("SELECT document FROM messages").fetchall()
        chats = db.execute("SELECT document FROM chats WHERE to_seq IS NULL").fetchall()
    texts = [json.loads(document)["message"] for (document,) in messages]
    texts += [json.loads(document)["title"] for (document,) in chats]
    return Counter(text for text in texts if text and text.startswith("load "))


@contextmanager
def sockets_of_the_client() -> Iterator[Sockets]:
    """The sockets that the client opens inside the block."""
    opened = Sockets()
    really_open = sockets.DeadlineConnection._open

    def open_one(self: sockets.DeadlineConnection, *arguments: Any) -> socket.socket:
        sock = really_open(self, *arguments)
        opened.add(sock)
        return sock

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sockets.DeadlineConnection, "_open", open_one)
        yield opened


@contextmanager
def logged() -> Iterator[list[tuple[str, str]]]:
    """What is logged inside the block: the name of the logger, and the text."""
    handler = Lines()
    loggers = {"teamwire_sync": logging.INFO, "urllib3": logging.WARNING}
    with ExitStack() as undo:
        for name, level in loggers.items():
            logger = logging.getLogger(name)
            undo.callback(logger.setLevel, logger.level)
            undo.callback(logger.removeHandler, handler)
            logger.setLevel(level)
            logger.addHandler(handler)
        yield handler.lines


@frozen
class Load:
    """What came of a load.

    Attributes:
        done: How many calls of each kind were answered.
        failures: How many raised each kind of TWError.
        surprises: The tracebacks of wrong answers, and of errors that are no TWError.
        written: For each text whether it was written; None when its error left that open.
        arrived: How often each text was on the server afterwards.
        hits: How many requests each kind of fault befell.
        most_sockets: How many sockets of the client were open at once.
        open_sockets: How many still were after closing.
        idle: The objects of the client that there were when it was idle, beside those before it.
        left: Those that there still were after closing.
        new_threads: The threads that there were afterwards, and not before.
        lines: What was logged.
    """

    done: Counter[str]
    failures: Counter[str]
    surprises: list[str]
    written: dict[str, bool | None]
    arrived: Counter[str]
    hits: list[int]
    most_sockets: int
    open_sockets: int
    idle: Counter[str]
    left: Counter[str]
    new_threads: set[threading.Thread]
    lines: list[tuple[str, str]]


def work(
    connection: Connection, box: Sandbox, seconds: float | None
) -> tuple[list[Worker], list[int]]:
    """Let the workers work, through all the faults."""
    world = list(connection.chats.get_subscriptions())
    workers = [Worker(number, connection, world) for number in range(THREADS)]
    faults = [[box.fault(*route, **fault) for route in ROUTES] for fault in FAULTS]
    ends_at = time.monotonic() + (seconds or 0)
    with Threads() as threads:
        for worker in workers:
            times = range(CALLS_OF_EACH) if seconds is None else until(ends_at)
            threads.start(partial(worker.run, times))
    box.clear_faults()
    return workers, [sum(fault.hits for fault in kind) for kind in faults]


def until(ends_at: float) -> Iterator[object]:
    """Goes on until that moment."""
    return iter(lambda: time.monotonic() < ends_at, False)


def use_once(box: Sandbox, config: ConnectionConfig) -> None:
    """Have everything imported and set up that stays."""
    with Connection(box.app_id, box.secret, box.url, config=config) as connection:
        worker = Worker(THREADS, connection, list(connection.chats.get_subscriptions()))
        for call in Worker.CALLS:
            call(worker, None)


@pytest.fixture(scope="module", params=["short", pytest.param("long", marks=pytest.mark.slow)])
def load(request: pytest.FixtureRequest) -> Iterator[Load]:
    """A load, and what came of it."""
    seconds = LOAD_SECONDS if request.param == "long" else None
    config = ConnectionConfig(
        pool_size=POOL_SIZE,
        cache_ttl=0.5,
        recheck_after=0.1,
        retries=2,
        total_timeout=TOTAL_TIMEOUT,
        listing_timeout=TOTAL_TIMEOUT,
        # Before the fixture that cleans the environment for each test.
        proxies={},
        verify=True,
    )
    with sandbox(chats=100, seed=7) as box, sockets_of_the_client() as sockets, logged() as lines:
        use_once(box, config)
        threads = set(threading.enumerate())
        before = objects_of_the_client()
        connection = Connection(box.app_id, box.secret, box.url, config=config)
        workers, hits = work(connection, box, seconds)
        results: dict[str, Any] = {
            "done": sum((worker.done for worker in workers), Counter()),
            "failures": sum((worker.failures for worker in workers), Counter()),
            "surprises": [text for worker in workers for text in worker.surprises],
            "written": {key: how for worker in workers for key, how in worker.written.items()},
        }
        del workers
        idle = objects_of_the_client() - before
        connection.close()
        del connection
        yield Load(
            **results,
            arrived=texts_on(box),
            hits=hits,
            most_sockets=sockets.most,
            open_sockets=len(sockets.open()),
            idle=idle,
            left=objects_of_the_client() - before,
            new_threads=set(threading.enumerate()) - threads,
            lines=lines,
        )


def test_every_kind_of_call_was_answered_and_every_kind_of_fault_struck(load: Load) -> None:
    """Else the other tests would say nothing."""
    assert set(load.done) == {call.__name__ for call in Worker.CALLS}
    assert all(load.hits)


def test_each_answer_belongs_to_its_question_and_each_failure_is_a_tw_error(load: Load) -> None:
    assert load.surprises == []


def test_what_was_answered_is_written_once(load: Load) -> None:
    answered = [text for text, how in load.written.items() if how]
    assert {load.arrived[text] for text in answered} == {1}


def test_what_never_left_is_not_written(load: Load) -> None:
    never = [text for text, how in load.written.items() if how is False]
    assert [text for text in never if load.arrived[text]] == []


def test_nothing_is_written_twice(load: Load) -> None:
    assert [text for text, times in load.arrived.items() if times > 1] == []


def test_there_are_never_more_connections_than_pool_size(load: Load) -> None:
    assert 1 < load.most_sockets <= POOL_SIZE


def test_no_socket_is_open_after_closing(load: Load) -> None:
    assert load.open_sockets == 0


def test_no_thread_is_left(load: Load) -> None:
    assert load.new_threads == set()


def test_an_idle_connection_keeps_nothing_of_the_requests_that_are_over(load: Load) -> None:
    per_request = (
        "requests.models.",
        "urllib3.response.",
        "http.client.HTTPResponse",
        "teamwire_sync._cache.single_flight.",
        "teamwire_sync._http.responses.",
        "teamwire_sync._http.body.",
        "teamwire_sync._services.files.",
    )
    kept = {name: count for name, count in load.idle.items() if name.startswith(per_request)}
    assert kept == {}


def test_no_object_of_the_client_is_left_after_closing(load: Load) -> None:
    assert load.left == Counter()


def test_the_pool_never_complains(load: Load) -> None:
    assert [line for line in load.lines if line[0].startswith("urllib3")] == []

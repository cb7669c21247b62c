"""Exceptions that a signal handler of the program raises while the client waits for the server."""

from __future__ import annotations

import errno
import gc
import socket
import ssl
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests
from urllib3.exceptions import ProtocolError

from teamwire_sync import ConnectionConfig, TWConnectionError, TWNotFoundError, TWTimeoutError
from teamwire_sync._http.sockets import IS_URLLIB3_1, DeadlineConnection, DeadlineSocket
from tests.support.alarms import alarm, needs_signals, raised_with_alarm
from tests.support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from teamwire_sync import Connection
    from teamwire_sync.testing import Sandbox
    from tests.support.builders import Clock

pytestmark = needs_signals

USER = ("GET", "/v1/bot/users/*/")
LISTING = ("GET", "/v1/bot/chats/")
POST = ("POST", "/v1/bot/chats/*/messages/")
RENAME = ("PATCH", "/v1/bot/chats/*/")


class SoftTimeLimitExceeded(Exception):  # noqa: N818  the name that Celery gives it
    """An exception that is not an OSError."""


ERRORS = [
    TimeoutError("own"),
    TimeoutError(),  # the socket module of Python 3.9 fails for an OSError without arguments
    OSError("own"),
    OSError(errno.ECONNRESET, "own"),
    ConnectionError("own"),
    BrokenPipeError("own"),
    ssl.SSLError("own"),
    socket.gaierror("own"),
    requests.ConnectionError("own"),
    requests.Timeout("own"),
    requests.HTTPError("own", response=requests.Response()),
    ProtocolError("own"),
    SoftTimeLimitExceeded("own"),
    ValueError("own"),
    TWTimeoutError("own"),
    TWConnectionError("own"),
    TWNotFoundError("own", code="not_found"),
    KeyboardInterrupt("own"),
]
each_error = pytest.mark.parametrize("error", ERRORS, ids=repr)
each_kind = pytest.mark.parametrize(
    "error",
    [TimeoutError("own"), SoftTimeLimitExceeded("own"), TWConnectionError("own")],
    ids=repr,
)


@pytest.fixture(params=["own session", "given session"])
def connection(request: pytest.FixtureRequest, box: Sandbox) -> Iterator[Connection]:
    given = requests.Session() if request.param == "given session" else None
    with box.connect(session=given) as connection:
        connection.chats.get_subscriptions()
        yield connection
    if given is not None:
        given.close()


def interrupted(
    box: Sandbox, route: tuple[str, str], call: Callable[[], Any], error: BaseException
) -> BaseException:
    """Return the exception of *call* if the handler raises *error* during the wait."""

    def wait() -> None:
        held.wait_arrived(timeout=PATIENCE)
        wait_until(main_thread_reads)

    with box.hold(*route) as held:
        return raised_with_alarm(error, call, wait)


def main_thread_reads() -> bool:
    """Return whether the main thread waits for a response, and has sent the request."""
    frame: FrameType | None = sys._current_frames()[threading.main_thread().ident or 0]
    while frame is not None and frame.f_code.co_name != "getresponse":
        frame = frame.f_back
    return frame is not None


@contextmanager
def raises(error: BaseException) -> Iterator[None]:
    with pytest.raises(type(error)) as caught:
        yield
    assert caught.value is error


class TestWhileTheServerHoldsItsResponse:
    @each_error
    def test_a_look_up_raises_it_unchanged(
        self, box: Sandbox, connection: Connection, error: BaseException
    ) -> None:
        raised = interrupted(box, USER, lambda: connection.users.get_user("u1"), error)

        assert raised is error
        assert error.__cause__ is None
        # urllib3 1 waits for the response while it handles a TypeError.
        assert error.__context__ is None or IS_URLLIB3_1
        assert box.count(*USER) == 1

    @pytest.mark.parametrize("number", [errno.EINTR, errno.EAGAIN])
    def test_a_look_up_raises_one_that_python_ignores_in_reads(
        self, box: Sandbox, number: int
    ) -> None:
        error = OSError(number, "own")
        with box.connect() as connection:
            raised = interrupted(box, USER, lambda: connection.users.get_user("u1"), error)

        assert raised is error

    @each_kind
    def test_a_listing_raises_it_unchanged(
        self, box: Sandbox, connection: Connection, error: BaseException
    ) -> None:
        def refresh() -> object:
            return connection.chats.get_subscriptions(refresh=True)

        assert interrupted(box, LISTING, refresh, error) is error
        assert box.count(*LISTING) == 2
        # It did not count as a failure of the server, so no pause of look-ups follows.
        assert connection.chats.cache_info().failures == 0
        assert refresh()

    @each_kind
    def test_a_write_raises_it_unchanged_and_expires_the_chats(
        self, box: Sandbox, connection: Connection, error: BaseException
    ) -> None:
        chat = connection.chats.get_subscriptions()[0]

        assert interrupted(box, RENAME, lambda: chat.set_title("new"), error) is error
        assert box.count(*RENAME) == 1
        after = connection.chats.get_by_thread_id(chat.tid)
        assert after is not None
        assert after.title == "new"

    @each_kind
    def test_an_event_stream_raises_it_unchanged(
        self, box: Sandbox, connection: Connection, error: BaseException
    ) -> None:
        stream = connection.events()

        def wait() -> None:
            wait_until(lambda: box.waiting == 1)
            wait_until(main_thread_reads)

        assert raised_with_alarm(error, lambda: next(stream), wait) is error

    @each_kind
    def test_no_old_listing_is_the_result(
        self, box: Sandbox, clock: Clock, error: BaseException
    ) -> None:
        config = ConnectionConfig(stale_if_error=60)
        with box.connect(config=config, clock=clock) as connection:
            connection.chats.get_subscriptions()
            clock.advance(config.cache_ttl + 1)

            assert interrupted(box, LISTING, connection.chats.get_subscriptions, error) is error
            assert connection.chats.cache_info().stale_serves == 0

    def test_the_next_call_gets_its_own_response(
        self, box: Sandbox, connection: Connection
    ) -> None:
        chat = connection.chats.get_subscriptions()[0]

        interrupted(box, POST, lambda: chat.post("first"), TimeoutError())

        assert [chat.post(str(number)).msg for number in range(3)] == ["0", "1", "2"]


class TestBeforeTheServerGetsTheRequest:
    @each_error
    def test_no_other_address_is_tried(
        self, box: Sandbox, monkeypatch: pytest.MonkeyPatch, error: BaseException
    ) -> None:
        opened = []

        def open_(_: object, address: tuple[str], timeout: float) -> None:
            opened.append((address, timeout))
            ring()

        monkeypatch.setattr(DeadlineConnection, "_addresses", lambda _: [("first",), ("second",)])
        monkeypatch.setattr(DeadlineConnection, "_open", open_)
        with box.connect() as connection, alarm(error) as ring, raises(error):
            connection.users.get_user("u1")

        assert len(opened) == 1

    # urllib3 ignores some errors of a write to the socket, and waits for the response.
    @each_error
    def test_no_response_is_awaited(
        self, box: Sandbox, monkeypatch: pytest.MonkeyPatch, error: BaseException
    ) -> None:
        monkeypatch.setattr(DeadlineConnection, "_open", lambda *_: Deaf(lambda: ring()))  # noqa: PLW0108
        with box.connect() as connection, alarm(error) as ring, raises(error):
            connection.users.get_user("u1")


class Deaf:
    """A socket that calls *written* at each write, and receives nothing."""

    def __init__(self, written: Callable[[], None]) -> None:
        self._written = written

    def sendall(self, _data: bytes) -> None:
        self._written()

    def settimeout(self, timeout: float | None) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def test_an_exception_that_the_program_handles_is_not_raised_again(box: Sandbox) -> None:
    box.fault(*USER, drop="before")
    config = ConnectionConfig(retries=0)
    with box.connect(config=config) as connection, alarm(TimeoutError("own")) as ring:
        try:
            ring()
        except TimeoutError:
            with pytest.raises(TWConnectionError, match="can't reach"):
                connection.users.get_user("u1")


def test_a_reader_whose_creation_was_interrupted_can_be_closed() -> None:
    class Interrupting:
        def makefile(self, *_: object, **__: object) -> None:
            raise KeyboardInterrupt

        def settimeout(self, timeout: float | None) -> None:
            """Do nothing."""

    # The garbage collector closes the reader. From Python 3.13 on, pytest fails if this raises.
    with suppress(KeyboardInterrupt):
        DeadlineSocket(Interrupting(), 1).makefile("rb")
    gc.collect()

"""Listening while something in between answers in the server's place, over real HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import Connection, ConnectionConfig, TWAuthError, TWError, TWProtocolError
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT
from tests.support.builders import event_doc, events_doc
from tests.support.events import EVENTS, take, texts
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox

FOREIGN = {"Teamwire-Bot-Contract": None}
ODD: dict[str, dict[str, Any]] = {
    "page": {"status": 200, "body": "<html>who are you?</html>"},
    "foreign JSON": {"status": 200, "body": {"status": "up"}},
    "redirect": {"status": 302, "headers": {**FOREIGN, "Location": "https://login.example/"}},
    "no backend": {"status": 404, "body": "default backend - 404"},
    "late": {"status": 408, "body": "<html>late</html>"},
    "login": {"status": 401, "body": "<html>log in</html>"},
    "forbidden": {"status": 403, "body": "<html>no</html>"},
    "busy": {"status": 503, "body": "<html>busy</html>"},
    "timed out": {"status": 524, "body": "<html>timed out</html>"},
}
ends_at_once = pytest.mark.parametrize(
    "name", [name for name in ODD if name not in {"busy", "timed out"}]
)


def fault(box: Sandbox, name: str, times: int) -> None:
    box.fault(*EVENTS, **{"headers": FOREIGN, **ODD[name]}, times=times)


@pytest.mark.usefixtures("no_pauses")
class TestAfterTheServerWasHeard:
    @pytest.mark.parametrize("name", ODD)
    def test_it_is_waited_out_and_no_event_is_lost(
        self, box: Sandbox, connection: Connection, name: str
    ) -> None:
        stream = connection.events(timeout=PATIENCE)
        box.post_message(KNOWN_CHAT, "one")
        fault(box, name, 3)
        got = texts(take(stream))
        box.post_message(KNOWN_CHAT, "two")

        assert [*got, *texts(take(stream))] == ["one", "two"]

    @ends_at_once
    def test_it_ends_the_loop_without_patience(self, box: Sandbox, name: str) -> None:
        connection = box.connect(config=ConnectionConfig(proxy_error_timeout=0))
        stream = connection.events(timeout=PATIENCE)
        fault(box, name, 1)

        with pytest.raises(TWProtocolError):
            next(stream)

    @pytest.mark.parametrize("status", [401, 403])
    def test_the_word_of_the_server_itself_ends_it(
        self, box: Sandbox, connection: Connection, status: int
    ) -> None:
        stream = connection.events(timeout=PATIENCE)
        box.fault(*EVENTS, status=status, times=1)

        with pytest.raises(TWAuthError):
            next(stream)

    def test_events_that_are_told_again_are_left_out(
        self, box: Sandbox, connection: Connection
    ) -> None:
        stream = connection.events(timeout=PATIENCE)
        raw = event_doc("message_deleted", "c1", message_id="m1", is_own=True)
        box.fault(*EVENTS, status=200, body=events_doc(raw), times=5)
        box.fault(*EVENTS, status=200, body=events_doc({**raw, "is_own": False, "cursor": "c2"}))

        assert take(stream)[0].cursor == "c2"


@ends_at_once
def test_before_the_server_was_heard_it_ends_the_loop_at_once(
    box: Sandbox, connection: Connection, name: str
) -> None:
    cursor = connection.events().cursor
    fault(box, name, 9)
    before = box.count(*EVENTS)
    with pytest.raises(TWError):
        next(box.connect().events(timeout=PATIENCE, since=cursor))

    assert box.count(*EVENTS) == before + 1


def test_a_page_of_own_events_whose_cursor_stays_is_not_asked_for_at_once(
    box: Sandbox, connection: Connection
) -> None:
    raw = event_doc("message_deleted", "c1", message_id="m1", is_own=True)
    stream = connection.events(timeout=0.5)
    box.fault(*EVENTS, status=200, body=events_doc(raw))

    assert list(stream) == []
    assert box.count(*EVENTS) <= 5

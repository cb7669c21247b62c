"""A day and a night of a bot in seconds, behind a proxy that answers in the server's place."""

from __future__ import annotations

import json
import logging
from collections import Counter
from io import BytesIO
from itertools import cycle
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from teamwire_sync import Connection, ConnectionConfig, Event, NewMessageInfo
from teamwire_sync._http.credentials import find_credentials
from teamwire_sync._http.transport import HttpTransport
from tests.support.builders import event_doc, events_doc, message_doc

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
HTML = {"Content-Type": "text/html"}
PAGE = "<html><body>who are you?</body></html>"
# What comes in the server's place: a status, headers and a body; None is no answer at all.
OUTAGES: dict[str, tuple[int, dict[str, str], str] | None] = {
    "page": (200, HTML, PAGE),
    "restart": None,
    "redirect": (302, {"Location": "https://login.example/"}, ""),
    "no backend": (404, {"Content-Type": "text/plain"}, "default backend - 404"),
    "late": (408, HTML, PAGE),
    "login": (401, HTML, PAGE),
    "forbidden": (403, HTML, PAGE),
    "busy": (503, HTML, PAGE),
    "foreign JSON": (200, {"Content-Type": "application/json"}, '{"status": "up"}'),
    "empty": (200, {}, ""),
    "timed out": (524, HTML, PAGE),
    "too many": (429, {"Retry-After": "20"}, ""),
}


class World(BaseAdapter):
    """The proxy and the server, in a time of their own.

    Attributes:
        now: Seconds since the beginning of the day.
        asked: How many requests came.
        happened: The events: when, and what. The cursor of one is the number of those up to it.
        met: How often each outage was met by a request.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 1.0
        self.asked = 0
        self.met: Counter[str] = Counter()
        self.happened = sorted(_events(), key=lambda each: each[0])
        starts = range(int(10 * MINUTE), int(DAY), int(20 * MINUTE))
        # The last one first, and one that never comes.
        self._outages = [*zip(map(float, starts), cycle(OUTAGES)), (2 * DAY, "")][::-1]

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self.now += seconds

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        self.asked += 1
        query = parse_qs(urlsplit(request.url or "").query)
        at = int(query.get("cursor", ["c0"])[0][1:])
        until = self.now + float(query.get("wait", ["0"])[0])
        if at < len(self.happened):
            until = max(self.now, min(until, self.happened[at][0]))
        while self._outages[-1][0] + MINUTE <= self.now:
            self._outages.pop()
        start, name = self._outages[-1]
        if start <= until:
            self.now = max(self.now, start) + 0.1
            self.met[name] += 1
            return self._instead(OUTAGES[name], request)
        self.now = until + 0.01
        events = [
            {**raw, "cursor": f"c{number}"}
            for number, (when, raw) in enumerate(self.happened[at : at + 100], at + 1)
            if when <= self.now
        ]
        body = json.dumps(events_doc(*events, cursor=f"c{at + len(events)}"))
        return _answer(request, 200, {"Teamwire-Bot-Contract": "1"}, body)

    @staticmethod
    def _instead(
        answer: tuple[int, dict[str, str], str] | None, request: requests.PreparedRequest
    ) -> requests.Response:
        if answer is None:
            message = "connection refused"
            raise requests.ConnectionError(message)
        return _answer(request, *answer)

    def close(self) -> None:
        pass


def _events() -> Iterator[tuple[float, dict[str, Any]]]:
    for number in range(int(DAY / (4 * MINUTE))):
        message = message_doc(f"m{number}", message="a private text")
        yield number * 4 * MINUTE, event_doc("new_message", message=message)
    for hour in range(24):
        message = message_doc(f"p{hour}", from_user_id="somebody who is gone")
        yield hour * HOUR + 7.5, event_doc("new_message", message=message)
        # In the middle of an outage.
        yield hour * HOUR + 10.5 * MINUTE, event_doc("message_deleted", message_id="m1")
        yield hour * HOUR + 9.0, event_doc("message_deleted", message_id="m1", is_own=True)


def _answer(
    request: requests.PreparedRequest, status: int, headers: dict[str, str], body: str
) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.raw = HTTPResponse(
        BytesIO(body.encode()), headers=headers, status=status, preload_content=False
    )
    response.headers.update(headers)
    response.url = request.url or ""
    response.request = request
    return response


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr("time.monotonic", lambda: world.now)
    monkeypatch.setattr(HttpTransport, "pause", lambda _, seconds: world.advance(seconds))
    return world


@pytest.fixture
def connection(world: World) -> Iterator[Connection]:
    session = requests.Session()
    session.mount("http://127.0.0.1", world)
    transport = HttpTransport(
        find_credentials("bot", "secret-secret", "http://127.0.0.1:1"),
        ConnectionConfig(),
        session=session,
        clock=lambda: world.now,
        pause=world.advance,
    )
    with Connection(transport=transport, clock=lambda: world.now) as connection:
        yield connection


def test_every_event_of_a_day_comes_once_and_the_log_can_be_read(
    world: World, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "teamwire_sync")
    stream = connection.events(timeout=DAY - 1)
    events: list[Event] = list(stream)

    wanted = [
        f"c{number}"
        for number, (_, raw) in enumerate(world.happened, 1)
        if number > 1 and not raw["is_own"]
    ]
    assert [event.cursor for event in events] == wanted
    odd = [event for event in events if type(event) is Event]
    assert len(odd) == 24
    assert sum(isinstance(event, NewMessageInfo) for event in events) == len(wanted) - 48
    # Each outage lasts for a minute, and is asked some times.
    assert set(world.met) == set(OUTAGES)
    assert sum(world.met.values()) < 72 * 12
    levels = Counter(record.levelname for record in caplog.records)
    assert levels == {"WARNING": 72 + 1, "INFO": 72}
    texts = [record.getMessage() for record in caplog.records]
    assert all(text.isprintable() and len(text) < 300 for text in texts)
    assert not any("private" in text or "gone" in text for text in texts)

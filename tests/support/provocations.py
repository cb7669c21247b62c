"""Provoking the lines of docs/troubleshooting.md."""

from __future__ import annotations

import re
import time
from typing import Any, Callable

import responses

from teamwire_sync import Connection, ConnectionConfig
from teamwire_sync._http.credentials import Credentials
from teamwire_sync._http.transport import HttpTransport
from tests.support.fake_transport import FakeTransport
from tests.support.transport_calls import CONTRACT, call

HOST = "backend.example.org"
URL = f"https://{HOST}"

Provoke = Callable[[], object]
# By line: raises what shows it, or logs it.
PROVOCATIONS: dict[str, Provoke] = {}
LOGGED: dict[str, Provoke] = {}


def shows(line: str) -> Callable[[Provoke], Provoke]:
    """The function raises what shows *line*."""

    def note(provoke: Provoke) -> Provoke:
        PROVOCATIONS[line] = provoke
        return provoke

    return note


def logs(line: str) -> Callable[[Provoke], Provoke]:
    """The function logs *line*."""

    def note(provoke: Provoke) -> Provoke:
        LOGGED[line] = provoke
        return provoke

    return note


def answered(
    work: str | Callable[[HttpTransport], object],
    config: ConnectionConfig | None = None,
    *,
    url: str = URL,
    clock: Callable[[], float] = time.monotonic,
    **answer: Any,
) -> object:
    """A call, by its name or as a function, to a server that answers so."""
    credentials = Credentials("app", "topsecret", url)
    transport = HttpTransport(
        credentials, config or ConnectionConfig(), clock=clock, pause=lambda _: None
    )
    with responses.RequestsMock() as server:
        if "json" in answer:
            answer["headers"] = {**CONTRACT, **answer.get("headers", {})}
        for method in ("GET", "POST", "PATCH"):
            server.add(method, re.compile(f"https?://{HOST}/.*"), **answer)
        server.assert_all_requests_are_fired = False
        return call(work, transport) if isinstance(work, str) else work(transport)


def connected(*chats: Any) -> Connection:
    """A Connection to a server that has these chats."""
    return Connection(transport=FakeTransport(*chats))

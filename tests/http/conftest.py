"""A transport, and a server that `responses` plays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
import responses

from teamwire_sync import ConnectionConfig
from teamwire_sync._http.credentials import Credentials
from teamwire_sync._http.transport import HttpTransport
from tests.support.transport_calls import SECRET, URL, Make, Patient, Pauses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.builders import Clock


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def make() -> Iterator[Make]:
    made = []

    def one(
        config: ConnectionConfig | None = None, *, url: str = URL, **arguments: Any
    ) -> HttpTransport:
        credentials = Credentials("app", SECRET, url)
        made.append(HttpTransport(credentials, config or ConnectionConfig(retries=0), **arguments))
        return made[-1]

    yield one
    for transport in made:
        transport.close()


@pytest.fixture
def transport(make: Make) -> HttpTransport:
    return make()


@pytest.fixture
def pauses(clock: Clock) -> Pauses:
    return Pauses(clock)


@pytest.fixture
def patient(make: Make, clock: Clock, pauses: Pauses) -> Patient:
    def one(**settings: Any) -> HttpTransport:
        return make(ConnectionConfig(**settings), clock=clock, pause=pauses)

    return one


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as one:
        yield one

"""The clients and the outcomes behind the application, as a client over HTTP sees them."""

from __future__ import annotations

import base64
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._gateway.clients import MOST_FAILURES, Clients
from teamwire_sync._gateway.outcomes import Outcomes
from teamwire_sync._server.errors import RefusedError, refuse
from tests.server.small_backend import REVISION, Room, SmallBackend, error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from werkzeug.test import TestResponse

    from teamwire_sync._gateway.clients import Client
    from teamwire_sync._gateway.state import StateFolder
    from teamwire_sync._server.backend import Answer, WriteRequest

PATH = "/v1/bot/chats/t1/messages/"


class GuardedBackend(SmallBackend):
    """A small backend for the clients of a gateway. It serves one request at a time."""

    def __init__(self, clients: Clients, outcomes: Outcomes) -> None:
        super().__init__()
        self._clients, self._kept = clients, outcomes
        self._client: Client | None = None

    def admit(self, authorization: str | None, address: str, operation: str | None) -> None:
        self._client = self._clients.admit(authorization, address)
        if operation is not None:
            self._client.require(operation)

    def perform(self, write: WriteRequest, key: str | None, fingerprint: str) -> Answer:
        assert self._client is not None

        def work(may_be_done: bool) -> Answer:
            if may_be_done:
                refuse("nobody knows", "delivery_unknown")
            return self._called(write.operation)

        return self._kept.perform(self._client.app_id, key, fingerprint, work)


class Gateway(Room):
    """The application with the backend, and clients of it."""

    def __init__(self, path: Path, outcomes: Outcomes) -> None:
        super().__init__()
        self._headers = {}
        clients = Clients(path)
        for name in ("writer", "other", "reader"):
            app_id, secret = clients.add(name, read_only=name == "reader")
            login = base64.b64encode(f"{app_id}:{secret.reveal()}".encode()).decode()
            self._headers[name] = f"Basic {login}"
        self.backend = GuardedBackend(Clients(path), outcomes)

    def post(self, client: str, key: str, text: str = "hello") -> TestResponse:
        headers = {"Authorization": self._headers[client], "Idempotency-Key": key}
        return self.open("POST", PATH, json={"message": text}, headers=headers)

    def me(self, client: str) -> TestResponse:
        headers: dict[str, Any] = {"Authorization": self._headers.get(client)}
        return self.get("/v1/bot/me/", headers=headers)


@pytest.fixture
def gateway(path: Path, state: StateFolder) -> Iterator[Gateway]:
    with closing(Outcomes(state)) as outcomes:
        yield Gateway(path, outcomes)


def test_a_repeated_write_gets_the_first_response(gateway: Gateway) -> None:
    first, repeated = gateway.post("writer", "k"), gateway.post("writer", "k")
    assert repeated.data == first.data
    assert repeated.headers[REVISION] == first.headers[REVISION]
    assert "Idempotency-Replayed" not in first.headers
    assert repeated.headers["Idempotency-Replayed"] == "true"
    assert gateway.backend.calls == [("post_message",)]


def test_another_write_with_the_same_key_is_refused(gateway: Gateway) -> None:
    gateway.post("writer", "k")
    assert error(gateway.post("writer", "k", "bye")) == (422, "idempotency_mismatch")


def test_two_clients_may_use_the_same_key(gateway: Gateway) -> None:
    gateway.post("writer", "k")
    assert gateway.post("other", "k", "bye").status_code == 200
    assert len(gateway.backend.calls) == 2


def test_a_write_of_unknown_outcome_stays_unknown(gateway: Gateway) -> None:
    gateway.backend.refusal = RefusedError("lost", "delivery_unknown")
    found = [error(gateway.post("writer", "k")) for _ in range(2)]
    assert found == [(502, "delivery_unknown")] * 2
    assert len(gateway.backend.calls) == 1


def test_after_a_failure_of_the_gateway_the_outcome_is_unknown(gateway: Gateway) -> None:
    gateway.backend.refusal = ZeroDivisionError()
    assert error(gateway.post("writer", "k")) == (500, "internal_error")
    assert error(gateway.post("writer", "k")) == (502, "delivery_unknown")
    assert len(gateway.backend.calls) == 1


def test_a_write_that_was_not_done_is_executed_when_it_is_repeated(gateway: Gateway) -> None:
    refusal = RefusedError("not now", "service_unavailable")
    refusal.retry_after = 7
    gateway.backend.refusal = refusal
    refused = gateway.post("writer", "k")
    gateway.backend.refusal = None
    assert (*error(refused), refused.headers["Retry-After"]) == (503, "service_unavailable", "7")
    assert gateway.post("writer", "k").status_code == 200


def test_a_read_only_client_reads_and_does_not_write(gateway: Gateway) -> None:
    assert gateway.me("reader").status_code == 200
    assert error(gateway.post("reader", "k")) == (403, "forbidden")
    assert gateway.backend.calls == [("get_me",)]


def test_a_stranger_is_unauthorized_and_then_told_to_wait(gateway: Gateway) -> None:
    found = [gateway.me("stranger") for _ in range(MOST_FAILURES + 1)]
    assert [error(each) for each in found[-2:]] == [(401, "unauthorized"), (429, "rate_limited")]
    assert int(found[-1].headers["Retry-After"]) > 0
    assert not any(REVISION in each.headers for each in found)
    assert gateway.me("writer").status_code == 200

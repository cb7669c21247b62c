"""The time that a slow client may use, by a clock that the test moves."""

from __future__ import annotations

from typing import Any, cast

import pytest

from teamwire_sync._server import limits
from teamwire_sync._server.limits import ClientSocket, Limits

HOUR = 3600.0


class SlowSocket:
    """A socket whose other end sends and takes *size* bytes every *seconds*."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, size: int, seconds: float) -> None:
        self.now = 0.0
        self.size = size
        self.seconds = seconds
        self.allowed: float | None = None
        monkeypatch.setattr(limits, "now", lambda: self.now)
        self.client = ClientSocket(cast("Any", self), Limits(timeout=60, rate=1024))

    def settimeout(self, seconds: float) -> None:
        self.allowed = seconds

    def recv_into(self, buffer: bytes | memoryview) -> int:
        assert self.allowed is not None
        self.now += min(self.seconds, self.allowed)
        if self.seconds > self.allowed:
            message = "timed out"
            raise TimeoutError(message)
        return min(self.size, len(memoryview(buffer)))

    send = recv_into

    def transfer(self, size: int) -> None:
        """Receive so many bytes, and send as many."""
        received = 0
        while received < size:
            received += self.client.recv_into(memoryview(bytearray(65536)))
        self.client.write(bytes(size))


@pytest.mark.parametrize("seconds", [1, 59, 61])
def test_single_bytes_do_not_keep_the_server_busy(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    sock = SlowSocket(monkeypatch, 1, seconds)
    with pytest.raises(TimeoutError):
        sock.transfer(1000)
    assert sock.now <= 61


def test_a_client_at_the_minimum_rate_may_take_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    sock = SlowSocket(monkeypatch, 16 * 1024, 15.9)
    sock.transfer(8 * 1024 * 1024)
    assert sock.now > 4 * HOUR


def test_a_fast_beginning_is_no_right_to_be_slow_for_hours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sock = SlowSocket(monkeypatch, 65536, 0.001)
    sock.transfer(100 * 1024 * 1024)
    began, sock.size, sock.seconds = sock.now, 1, 59
    with pytest.raises(TimeoutError):
        sock.transfer(1000)
    assert sock.now - began <= 61


def test_the_servers_own_time_costs_the_client_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sock = SlowSocket(monkeypatch, 100, 25)
    for _ in range(10):
        sock.transfer(100)
        sock.now += 100


def test_a_client_without_time_gets_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    sock = SlowSocket(monkeypatch, 1, HOUR)
    with pytest.raises(TimeoutError):
        sock.transfer(1)
    sock.size, sock.seconds = 1000, 0
    sock.client.write(b"error")


def test_headers_have_less_time_however_much_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    sock = SlowSocket(monkeypatch, 10_000, 1)
    sock.client.headers_due_at = 10.0
    with pytest.raises(TimeoutError):
        sock.transfer(1_000_000)
    assert sock.now == 10

"""The log of a gateway while nobody reads the log."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import requests

from teamwire_sync._gateway import log as log_module
from teamwire_sync._gateway.clients import Clients
from teamwire_sync._gateway.log import QueuedLog
from teamwire_sync._internal.log import logger
from tests.support.gateway_process import COMMAND
from tests.support.waiting import PATIENCE, Gate, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync.testing import Sandbox


class StuckHandler(logging.Handler):
    """A handler that waits for its gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.gate()
        self.lines.append(record.getMessage())


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[StuckHandler]:
    """The only handler of the package."""
    handler = StuckHandler()
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(log_module, "_MOST_LINES", 5)
    yield handler
    handler.gate.open()


@contextmanager
def ending(log: QueuedLog) -> Iterator[QueuedLog]:
    try:
        yield log
    finally:
        log.end()


def test_lines_wait_in_their_order(stuck: StuckHandler) -> None:
    with ending(QueuedLog()):
        for number in range(5):
            logger.error("line %d", number)
        assert stuck.lines == []
        stuck.gate.open()
    assert stuck.lines == [f"line {number}" for number in range(5)]
    assert logger.handlers == [stuck]


def test_nobody_waits_for_a_log_that_is_not_read(stuck: StuckHandler) -> None:
    with ending(QueuedLog()) as log:
        logger.error("first")
        stuck.gate.wait_arrived()
        for number in range(25):
            logger.error("line %d", number)
        stuck.gate.open()
        wait_until(log._records.empty)
        logger.error("last")
    assert stuck.lines == [
        "first",
        *(f"line {number}" for number in range(5)),
        "last",
        "the log has lost lines, because nobody has read it: 20",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="pipes have other sizes")
def test_a_gateway_whose_stderr_nobody_reads_serves_and_ends(box: Sandbox, path: Path) -> None:
    import fcntl  # noqa: PLC0415  not on Windows

    app_id, secret = Clients(path).add("program")
    reading, writing = os.pipe()
    fcntl.fcntl(writing, 1031, 4096)  # F_SETPIPE_SZ, since Python 3.10 in fcntl
    with (
        subprocess.Popen(
            [*COMMAND, "--port", "0", "--state", path],
            env={**os.environ, **box.env},
            stdout=subprocess.PIPE,
            stderr=writing,
            encoding="utf-8",
        ) as process,
        requests.Session() as session,
    ):
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1].rstrip(".")
            session.auth = app_id, secret.reveal()
            for _ in range(100):
                assert session.get(f"{url}/v1/bot/me/", timeout=PATIENCE).status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            os.close(reading)
            os.close(writing)

"""What a vendor connection must not leave behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.vendor.conftest import Vendor

NAME = "teamwire_sync vendor"
FILES = Path("/proc/self/fd")


def threads() -> list[threading.Thread]:
    """Those of ours that run the vendor's SDK."""
    return [thread for thread in threading.enumerate() if thread.name == NAME]


def loops() -> list[asyncio.AbstractEventLoop]:
    """The event loops that are open."""
    gc.collect()
    objects = gc.get_objects()
    # Not isinstance: that asks objects which only seem to be one, and may be gone.
    found = [one for one in objects if issubclass(type(one), asyncio.AbstractEventLoop)]
    return [loop for loop in found if not loop.is_closed()]


def files() -> set[str]:
    """The files and sockets that are open."""
    found = set()
    for number in list(FILES.iterdir()):
        with suppress(FileNotFoundError):  # it may be closed meanwhile
            found.add(str(number.readlink()))
    return found


class Complaints(logging.Handler):
    """Notes what is logged that is worse than information."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@contextmanager
def complaints_of(name: str) -> Iterator[list[str]]:
    """The warnings and errors of a logger."""
    complaints = Complaints()
    logger = logging.getLogger(name)
    logger.addHandler(complaints)
    try:
        yield complaints.texts
    finally:
        logger.removeHandler(complaints)


@contextmanager
def none_of(vendor: Vendor) -> Iterator[None]:
    """Fail when the block leaves a thread or a connection, or when asyncio complains."""
    # What was there before is not of this block, and to look through it takes half a second.
    gc.freeze()
    with complaints_of("asyncio") as complaints:
        yield
        vendor.faults.clear()
        wait_until(lambda: not threads())
        # What was left half done, and loops that nobody closed, are complained of when collected.
        gc.collect()
        assert not complaints, complaints
        assert vendor.faults.live == 0, f"{vendor.faults.live} connections were not left"

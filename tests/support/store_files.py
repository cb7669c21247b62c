"""A store in files, and what tests do with it."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._stores import folder
from teamwire_sync._stores.base import key_of
from teamwire_sync._stores.file import FileStore
from tests.support.builders import Clock
from tests.support.store_listings import IDENTITY, failure_of, save, set_clock, slot_in, take_lease
from tests.support.store_listings import titles as titles_of

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync._stores.base import StoreSlot

posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="modes and owners are those of POSIX")

NAME = key_of(IDENTITY) + folder.SUFFIX
DAY = 86_400.0


class OnFiles:
    """Gives tests a store in files, whose clock they set, and the place of a bot in it."""

    @pytest.fixture
    def now(self) -> Clock:
        return Clock(time.time())

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "stored"

    @pytest.fixture
    def store(self, path: Path, now: Clock) -> FileStore:
        store = FileStore(path)
        set_clock(store, now)
        return store

    @pytest.fixture
    def slot(self, store: FileStore) -> StoreSlot:
        found: StoreSlot = slot_in(store)
        return found


def titles(slot: StoreSlot) -> list[str | None] | None:
    """The titles that are stored; None when there is no listing."""
    revision = slot.status().revision
    return None if revision is None else titles_of(slot, revision)


def fill(slot: StoreSlot) -> None:
    """Have something of each kind there."""
    save(slot, "one")
    slot.fail(failure_of(slot.status()))
    assert take_lease(slot, 10) is not None


def run(database: Path, sql: str, *values: object) -> list[Any]:
    """Do *sql* in a *database* behind the store's back; the rows that it gives."""
    with closing(sqlite3.connect(database)) as connection, connection:
        return connection.execute(sql, values).fetchall()


def mode_of(path: Path) -> int:
    return path.lstat().st_mode & 0o7777


def disown(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have *path* belong to another user: really where that can be done."""
    if os.geteuid() == 0:
        os.chown(path, 65534, -1)
        return
    inode, is_own = path.lstat().st_ino, folder._is_own
    monkeypatch.setattr(folder, "_is_own", lambda status: status.st_ino != inode and is_own(status))

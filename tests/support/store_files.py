"""A store in files, and what tests do with it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from teamwire_sync._stores import folder
from teamwire_sync._stores.base import Contents, Failure, key_of
from teamwire_sync._stores.file import FileStore
from tests.support.builders import Clock, make_chat

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync._stores.base import Stamp
    from teamwire_sync._stores.file import _FilePlace

posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="modes and owners are those of POSIX")

IDENTITY = "https://teamwire.example App-4711"
KEY = key_of(IDENTITY)
HOUR, DAY = 3600.0, 86_400.0


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
        store._now = now
        return store

    @pytest.fixture
    def place(self, store: FileStore) -> _FilePlace:
        return store._place(IDENTITY)


def contents(*titles: str) -> Contents:
    return Contents({title: make_chat(title, title) for title in titles})


def save(place: _FilePlace, *titles: str) -> Stamp:
    head = place.look()
    return place.save(contents(*titles), generation=head.generation, asked_at=head.now)


def titles(place: _FilePlace) -> list[str | None] | None:
    """The titles that are stored; None when there is no listing."""
    stamp = place.look().stamp
    listing = None if stamp is None else place.load(stamp)
    return None if listing is None else [chat.title for chat in listing.chats.values()]


def fail(place: _FilePlace) -> None:
    head = place.look()
    place.fail(Failure(head.generation, head.now, head.now + 5, {"status": 500}))


def fill(place: _FilePlace) -> None:
    """Have a file of each kind there."""
    save(place, "one")
    fail(place)
    assert place.lease(10) is not None


def only(path: Path, kind: str) -> Path:
    [found] = path.glob(f"*.{kind}")
    return found


def mode_of(path: Path) -> int:
    return path.lstat().st_mode & 0o7777


def disown(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have *path* belong to another user: really where that can be done."""
    if os.geteuid() == 0:
        os.chown(path, 65534, -1)
        return
    inode, is_own = path.lstat().st_ino, folder._is_own
    monkeypatch.setattr(folder, "_is_own", lambda status: status.st_ino != inode and is_own(status))

"""FileStore: files and folders that are damaged or not ours, and a disk that refuses."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

import filelock
import pytest

from teamwire_sync._stores import folder
from teamwire_sync._stores.base import DamagedError, Failure, StoreError
from teamwire_sync._stores.file import FileStore
from tests.support.store_files import (
    OnFiles,
    disown,
    fill,
    only,
    posix,
    titles,
)
from tests.support.store_listings import contents, save, slot_in
from tests.support.tables import instead_of

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync._stores.base import StoreSlot
    from tests.support.builders import Clock

pytestmark = posix


class TestAFolderThatIsNotOurs(OnFiles):
    def test_a_link_is_refused(self, store: FileStore, path: Path, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir(0o700)
        path.symlink_to(tmp_path / "real")
        with pytest.raises(StoreError, match="give the folder that it leads to"):
            slot_in(store).status()

    def test_a_file_is_refused(self, slot: StoreSlot, path: Path) -> None:
        path.touch(0o600)
        with pytest.raises(StoreError, match="it is no folder"):
            slot.status()

    @pytest.mark.parametrize("mode", [0o750, 0o701, 0o720])
    def test_one_that_is_open_to_others_is_refused(
        self, mode: int, slot: StoreSlot, path: Path
    ) -> None:
        path.mkdir()
        path.chmod(mode)
        with pytest.raises(StoreError, match="open to others: give a folder of its own"):
            slot.status()

    def test_that_of_another_user_is_refused(
        self, slot: StoreSlot, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path.mkdir(0o700)
        disown(path, monkeypatch)
        with pytest.raises(StoreError, match="it belongs to another user"):
            slot.status()

    def test_a_file_above_it_is_an_error_of_the_store(self, tmp_path: Path) -> None:
        (tmp_path / "above").touch()
        with pytest.raises(StoreError, match=os.strerror(errno.ENOTDIR)):
            slot_in(FileStore(tmp_path / "above" / "stored")).status()

    def test_clear_raises_an_os_error(self, store: FileStore, path: Path) -> None:
        path.mkdir()
        path.chmod(0o755)
        with pytest.raises(OSError, match="open to others"):
            store.clear()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def garble(path: Path) -> None:
    path.write_bytes(b"\xff\0" * 20)


def nest(path: Path) -> None:
    path.write_bytes(b"[" * 60_000)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def enlarge(path: Path) -> None:
    with path.open("ab") as stream:
        stream.truncate(folder.SMALL + 1)


def open_to_all(path: Path) -> None:
    path.chmod(0o644)


def to_link(path: Path) -> None:
    target = path.parent.parent / "target"
    path.replace(target)
    path.symlink_to(target)


def to_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def to_socket(path: Path) -> None:
    path.unlink()
    before = os.getcwd()  # noqa: PTH109  the path may be longer than the name of a socket
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(before)


SPOIL = [truncate, garble, nest, empty, open_to_all, to_link, to_pipe, to_socket, enlarge]


def use(slot: StoreSlot, kind: str) -> None:
    """Have the file of the *kind* be read."""
    if kind == "chats":
        titles(slot)
    elif kind == "lease":
        slot.lease(10)
    elif kind == "lock":
        slot.bump_generation()  # ends the lease; with one that counts, no lock is needed
        slot.lease(10)
    else:
        slot.status()


KINDS = ["chats", "failure", "generation", "head", "lease"]


class TestDamage(OnFiles):
    @pytest.mark.parametrize("kind", KINDS)
    def test_it_is_said_once_and_the_file_is_gone(self, kind: str, tmp_path: Path) -> None:
        wrong = {}
        for spoil in SPOIL:
            path = tmp_path / spoil.__name__
            slot = slot_in(FileStore(path, max_bytes=folder.SMALL))
            fill(slot)
            spoiled = only(path, kind)
            spoil(spoiled)
            said = instead_of(DamagedError, "", partial(use, slot, kind))
            is_gone = not os.path.lexists(spoiled)
            then = instead_of(DamagedError, "", partial(use, slot, kind))
            if (said, is_gone, then) != (None, True, "gave None"):
                wrong[spoil.__name__] = said, is_gone, then

        assert wrong == {}

    @pytest.mark.parametrize("kind", [*KINDS, "lock"])
    def test_that_of_another_user_is_said_once_and_gone(
        self, kind: str, slot: StoreSlot, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(slot)
        disown(only(path, kind), monkeypatch)
        with pytest.raises(DamagedError, match="not ours"):
            use(slot, kind)

        monkeypatch.undo()
        use(slot, kind)

    @pytest.mark.parametrize("kind", ["failure", "head", "lease"])
    def test_another_version_is_said_once(self, kind: str, slot: StoreSlot, path: Path) -> None:
        fill(slot)
        changed = only(path, kind)
        changed.write_text(json.dumps({**json.loads(changed.read_text()), "version": 2}))
        with pytest.raises(DamagedError, match="of another version"):
            use(slot, kind)

        use(slot, kind)

    @pytest.mark.parametrize("body", ["../../x", "", None, 1])
    def test_a_head_can_name_no_file_elsewhere(
        self, body: Any, slot: StoreSlot, path: Path
    ) -> None:
        fill(slot)
        changed = only(path, "head")
        changed.write_text(json.dumps({**json.loads(changed.read_text()), "body": body}))
        with pytest.raises(DamagedError):
            slot.status()

    @pytest.mark.parametrize("kind", ["head", "chats"])
    def test_the_listing_goes_with_its_head_and_its_chats(
        self, kind: str, slot: StoreSlot, path: Path
    ) -> None:
        save(slot, "one")
        garble(only(path, kind))
        with pytest.raises(DamagedError):
            titles(slot)

        assert not [*path.glob("*.head"), *path.glob("*.chats")]

    def test_what_a_link_leads_to_stays_as_it_is(self, slot: StoreSlot, path: Path) -> None:
        fill(slot)
        lock = only(path, "lock")
        target = path.parent / "precious"
        target.write_text("precious")
        lock.unlink()
        lock.symlink_to(target)
        with pytest.raises(DamagedError):
            use(slot, "lock")

        assert target.read_text() == "precious"

    def test_what_can_not_be_removed_is_said_each_time(self, slot: StoreSlot, path: Path) -> None:
        save(slot, "one")
        status = only(path, "head")
        status.unlink()
        status.mkdir()
        for _ in range(2):
            with pytest.raises(StoreError, match="can't be removed") as caught:
                slot.status()
            assert not isinstance(caught.value, DamagedError)

    def test_a_listing_takes_the_place_of_a_damaged_one(self, slot: StoreSlot, path: Path) -> None:
        revision = save(slot, "one")
        garble(only(path, "head"))
        slot.save(contents("two"), generation=revision.generation, asked_at=revision.asked_at)

        assert titles(slot) == ["two"]


class TestChatsThatAreGone(OnFiles):
    def test_there_is_no_listing_then(self, slot: StoreSlot, path: Path) -> None:
        revision = save(slot, "one")
        only(path, "chats").unlink()

        assert slot.load(revision) is None
        assert slot.status().revision is None

    def test_they_can_not_be_confirmed(self, slot: StoreSlot, path: Path, now: Clock) -> None:
        revision = save(slot, "one")
        only(path, "chats").unlink()

        assert slot.mark_unchanged(revision, asked_at=now()) is None


def refuse(number: int) -> Callable[..., Any]:
    def call(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "/secret/path")

    return call


def refuse_to_write(how: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have nothing be written from now on; the reason that the system gives."""
    if how != "read-only":
        name = {"full": "write", "full at the end": "replace"}[how]
        monkeypatch.setattr(os, name, refuse(errno.ENOSPC))
        return os.strerror(errno.ENOSPC)
    real, refused = os.open, refuse(errno.EROFS)

    def read_only(path: str, flags: int, *more: int) -> int:
        opened: int = (refused if flags & os.O_CREAT else real)(path, flags, *more)
        return opened

    monkeypatch.setattr(os, "open", read_only)
    return os.strerror(errno.EROFS)


class TestADiskThatRefuses(OnFiles):
    @pytest.mark.parametrize("how", ["full", "full at the end", "read-only"])
    def test_the_error_gives_the_reason_and_nothing_is_left_behind(
        self, how: str, slot: StoreSlot, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        revision = save(slot, "one")
        before = sorted(path.iterdir())
        reason = refuse_to_write(how, monkeypatch)
        acts: dict[str, Callable[[], object]] = {
            "save": lambda: slot.save(contents("two"), generation="g", asked_at=1.0),
            "mark_unchanged": lambda: slot.mark_unchanged(revision, asked_at=revision.asked_at),
            "fail": lambda: slot.fail(Failure("g", 1.0, 2.0, {})),
            "bump_generation": slot.bump_generation,
            "lease": lambda: slot.lease(10),
        }
        wrong = {}
        for name, act in acts.items():
            said = instead_of(StoreError, f"{re.escape(str(path))}.*{reason}$", act)
            left = sorted(each for each in path.iterdir() if each.suffix != ".lock")
            if (said, left, titles(slot)) != (None, before, ["one"]):
                wrong[name] = said, left

        assert wrong == {}

    @pytest.mark.parametrize("how", ["full", "read-only"])
    def test_the_first_look_gives_it_too(
        self, how: str, slot: StoreSlot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reason = refuse_to_write(how, monkeypatch)
        with pytest.raises(StoreError, match=reason):
            slot.status()

    def test_a_file_system_without_links_has_a_generation_too(
        self, slot: StoreSlot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "link", refuse(errno.EPERM))

        assert slot.status().generation == slot.status().generation

    def test_more_than_max_bytes_is_refused(self, path: Path) -> None:
        slot = slot_in(FileStore(path, max_bytes=100))
        with pytest.raises(StoreError, match=r"more than max_bytes \(100\)"):
            save(slot, "one")

        assert not list(path.glob("*.chats"))

    def test_a_failure_too_large_to_be_read_is_refused(self, slot: StoreSlot) -> None:
        with pytest.raises(StoreError, match="the failure has"):
            slot.fail(Failure("g", 1.0, 2.0, {"text": "x" * folder.SMALL}))

    def test_a_file_that_can_not_be_read_stays(
        self, slot: StoreSlot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save(slot, "one")
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", refuse(errno.EIO))
            with pytest.raises(StoreError, match=os.strerror(errno.EIO)):
                slot.status()

        assert titles(slot) == ["one"]

    def test_a_file_that_comes_in_pieces_is_read_whole(
        self, slot: StoreSlot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save(slot, "one")
        read = os.read
        monkeypatch.setattr(os, "read", lambda file, size: read(file, min(size, 7)))

        assert titles(slot) == ["one"]

    def test_a_file_that_is_taken_in_pieces_is_written_whole(
        self, slot: StoreSlot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = os.write
        monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:7]))
        save(slot, "one")

        assert titles(slot) == ["one"]

    def test_a_file_system_without_locks_is_an_error(
        self, slot: StoreSlot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class NoLock:
            def __init__(self, *_: object, **__: object) -> None:
                pass

            def acquire(self, **_: object) -> None:
                raise NotImplementedError

        monkeypatch.setattr(filelock, "FileLock", NoLock)
        with pytest.raises(StoreError, match="the file system has no locks"):
            slot.lease(10)

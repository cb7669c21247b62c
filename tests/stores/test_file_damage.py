"""FileStore: files and folders that are damaged or not ours, and a disk that refuses."""

from __future__ import annotations

import errno
import os
import re
import socket
import sqlite3
from contextlib import suppress
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync._cache.listing import SlotRevision
from teamwire_sync._stores.base import DamagedError, Failure, StoreError
from teamwire_sync._stores.file import FileStore
from tests.support.builders import make_chat
from tests.support.store_files import NAME, OnFiles, disown, fill, posix, run, titles
from tests.support.store_listings import confirm, contents, extend, save, slot_in, take_lease
from tests.support.tables import instead_of

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync._stores.base import StoreSlot

pytestmark = posix


class TestAFolderThatIsNotOurs(OnFiles):
    def test_a_link_is_refused(self, store: FileStore, path: Path, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir(0o700)
        path.symlink_to(tmp_path / "real")
        with pytest.raises(StoreError, match="use the folder that it points to"):
            slot_in(store).status()

    def test_a_file_is_refused(self, slot: StoreSlot, path: Path) -> None:
        path.touch(0o600)
        with pytest.raises(StoreError, match="it is not a folder"):
            slot.status()

    @pytest.mark.parametrize("mode", [0o750, 0o701, 0o720])
    def test_one_that_is_open_to_others_is_refused(
        self, mode: int, slot: StoreSlot, path: Path
    ) -> None:
        path.mkdir()
        path.chmod(mode)
        with pytest.raises(StoreError, match="open to other users: use a separate folder"):
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
        with pytest.raises(OSError, match="open to other users"):
            store.clear()


def garble(path: Path) -> None:
    path.write_bytes(b"\xff\0" * 2000)


def garble_inside(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:100] + b"\xff" * (len(data) - 100))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5000])


def to_another_database(path: Path) -> None:
    path.unlink()
    run(path, "CREATE TABLE slot (what TEXT)")
    path.chmod(0o600)


def enlarge(path: Path) -> None:
    with path.open("ab") as stream:
        stream.truncate(2**24)


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


SPOIL = [
    garble, garble_inside, cut, to_another_database, enlarge, open_to_all, to_link, to_pipe,
    to_socket,
]  # fmt: skip
UNKNOWN = SlotRevision("0" * 32, "g", 1.0)

USES: dict[str, Callable[[StoreSlot], object]] = {
    "status": lambda slot: slot.status(),
    "load": lambda slot: slot.load(UNKNOWN),
    "lease": lambda slot: take_lease(slot, 10),
    "fail": lambda slot: slot.fail(Failure("g", 1.0, 2.0, {})),
    "extend": lambda slot: confirm(slot, UNKNOWN, asked_at=1.0),
    "bump_generation": lambda slot: slot.bump_generation(),
}


class TestDamage(OnFiles):
    @pytest.mark.parametrize("name", USES)
    def test_it_is_said_once_and_the_database_is_gone(self, name: str, tmp_path: Path) -> None:
        wrong = {}
        for spoil in SPOIL:
            path = tmp_path / spoil.__name__
            slot = slot_in(FileStore(path, max_bytes=2**22))
            save(slot, *(f"title {number}" for number in range(1000)))
            spoil(path / NAME)
            said = instead_of(
                DamagedError, "not written by this package: removed$", partial(USES[name], slot)
            )
            left = [*path.iterdir()]
            USES[name](slot)
            save(slot, "one")
            if (said, left, titles(slot)) != (None, [], ["one"]):
                wrong[spoil.__name__] = said, left

        assert wrong == {}

    def test_that_of_another_user_is_said_once_and_gone(
        self, slot: StoreSlot, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(slot)
        disown(path / NAME, monkeypatch)
        with pytest.raises(DamagedError, match="not written by this package"):
            slot.status()

        monkeypatch.undo()
        assert titles(slot) is None

    @pytest.mark.parametrize("suffix", ["-journal", "-wal", "-shm"])
    @pytest.mark.parametrize("spoil", [open_to_all, to_link, to_pipe, to_socket])
    def test_what_is_not_ours_beside_it_is_not_followed(
        self, spoil: Callable[[Path], None], suffix: str, slot: StoreSlot, path: Path
    ) -> None:
        fill(slot)
        beside = path / f"{NAME}{suffix}"
        beside.write_text("precious")
        beside.chmod(0o600)
        spoil(beside)
        with pytest.raises(DamagedError, match="not written by this package"):
            slot.bump_generation()

        assert [*path.iterdir()] == []
        assert spoil is not to_link or (path.parent / "target").read_text() == "precious"

    def test_an_empty_file_is_a_new_one(self, slot: StoreSlot, path: Path) -> None:
        fill(slot)
        (path / NAME).write_bytes(b"")

        assert titles(slot) is None

    def test_one_that_sqlite_refuses_to_write_is_gone(self, slot: StoreSlot, path: Path) -> None:
        fill(slot)
        data = bytearray((path / NAME).read_bytes())
        data[18] = 9  # the version of the format that it takes to write
        (path / NAME).write_bytes(data)
        with pytest.raises(DamagedError):
            slot.bump_generation()

        assert titles(slot) is None

    def test_what_can_not_be_removed_is_said_each_time(self, slot: StoreSlot, path: Path) -> None:
        path.mkdir(0o700)
        (path / NAME).mkdir()
        for _ in range(2):
            with pytest.raises(StoreError, match="can't be removed") as caught:
                slot.status()
            assert not isinstance(caught.value, DamagedError)

    def test_a_listing_takes_the_place_of_a_damaged_one(self, slot: StoreSlot, path: Path) -> None:
        revision = save(slot, "one")
        garble(path / NAME)
        slot.save(contents("two"), generation=revision.generation, asked_at=revision.asked_at)

        assert titles(slot) == ["two"]

    @pytest.mark.parametrize("seed", range(8))
    def test_whatever_bytes_are_wrong_no_call_fails_twice(
        self, seed: int, slot: StoreSlot, path: Path
    ) -> None:
        save(slot, *(f"title {number}" for number in range(100)))
        slot.fail(Failure("g", 1.0, 2.0, {}))
        random = Random(seed)  # noqa: S311  the same in each run
        good = (path / NAME).read_bytes()
        for _ in range(20):
            at, size = random.randrange(len(good)), random.choice([1, 4, 64, 4096])
            wrong = random.randbytes(size)
            (path / NAME).write_bytes((good[:at] + wrong + good[at + size :])[: len(good)])
            said = [
                instead_of(DamagedError, "", partial(use, slot)) for use in (titles, *USES.values())
            ]
            if None not in said:
                # Only a write reads this value, so a write finds the damage.
                instead_of(DamagedError, "", partial(save, slot, "one"))
            save(slot, "one")

            assert all(each is None or each.startswith("gave") for each in said), said
            assert said.count(None) <= 1, said
            assert titles(slot) == ["one"]

    @pytest.mark.parametrize("seed", range(4))
    def test_whatever_bytes_are_wrong_no_chats_are_wrong(
        self, seed: int, slot: StoreSlot, path: Path
    ) -> None:
        listing: list[str | None] = [f"title {number}" for number in range(300)]
        base, stored = save(slot, *listing), [listing]
        for number in range(4):
            changed = extend(slot, base, make_chat(f"t{number}", "changed"), gone=["t299"])
            assert changed is not None
            base = changed
            last = stored[-1][:299]
            stored.append([*last[:number], "changed", *last[number + 1 :]])
        random = Random(seed)  # noqa: S311  the same in each run
        good, found = (path / NAME).read_bytes(), []
        for _ in range(40):
            at, size = random.randrange(len(good)), random.choice([1, 4, 64, 4096])
            wrong = random.randbytes(size)
            (path / NAME).write_bytes((good[:at] + wrong + good[at + size :])[: len(good)])
            for _ in range(2):
                with suppress(DamagedError):
                    found.append(titles(slot))

        assert [each for each in found if each not in [None, *stored]] == []
        assert stored[-1] in found


class TestForgedValues(OnFiles):
    @pytest.mark.parametrize(
        "sql",
        [
            "DELETE FROM slot",
            "INSERT INTO slot SELECT * FROM slot",
            "UPDATE slot SET generation = NULL",
            "UPDATE slot SET generation = x'00'",
            "UPDATE parts SET asked_in = NULL",
            "UPDATE parts SET asked_at = NULL",
            "UPDATE parts SET asked_at = 'soon'",
            "UPDATE parts SET body = x'00'",
            "UPDATE slot SET failure = x'5b5d'",
            *(
                f"UPDATE slot SET failure = '{text}'"  # noqa: S608
                for text in (
                    "", "null", "1", "{}", "[]", '["g", 1, 2.0, {}]', '["g", 1.0, 2.0, []]',
                    '["g", "1.0", 2.0, {}]', '[null, 1.0, 2.0, {}]', "[" * 60_000,
                )
            ),
        ],
    )  # fmt: skip
    def test_they_are_said_once(self, sql: str, slot: StoreSlot, path: Path) -> None:
        fill(slot)
        run(path / NAME, sql)
        with pytest.raises(DamagedError):
            slot.status()

        assert titles(slot) is None

    @pytest.mark.parametrize("packed", ["'text'", "NULL", "x''", "1.5", "zeroblob(10001)"])
    def test_the_listing_goes_with_its_chats(
        self, packed: str, store: FileStore, path: Path
    ) -> None:
        slot = slot_in(FileStore(path, max_bytes=10_000))
        save(slot, "one")
        generation = slot.status().generation
        run(path / NAME, f"UPDATE chats SET packed = {packed}")  # noqa: S608
        with pytest.raises(DamagedError, match="snapshot"):
            titles(slot)

        assert (titles(slot), slot.status().generation) == (None, generation)

    @pytest.mark.parametrize(
        "value", ["since = 'x'", "since = NULL", "until = 'x'", "until = NULL", "until = x'00'"]
    )
    def test_a_lease_is_free_then(self, value: str, slot: StoreSlot, path: Path) -> None:
        fill(slot)
        run(path / NAME, f"UPDATE slot SET {value}")  # noqa: S608

        assert take_lease(slot, 10) is not None

    def test_a_text_in_no_encoding_is_a_text(self, slot: StoreSlot, path: Path) -> None:
        fill(slot)
        run(path / NAME, "UPDATE slot SET generation = CAST(x'ff' AS TEXT)")
        revision = slot.status().revision

        assert revision is not None
        assert revision.generation != slot.status().generation


def refuse(number: int) -> Callable[..., Any]:
    def call(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "/secret/path")

    return call


ACTS: dict[str, Callable[[StoreSlot], object]] = {
    "save": lambda slot: slot.save(contents("two"), generation="g", asked_at=9e9),
    **{name: USES[name] for name in ("extend", "fail", "bump_generation", "lease")},
}


class TestADiskThatRefuses(OnFiles):
    def test_the_error_gives_the_reason_and_nothing_is_left_behind(
        self, slot: StoreSlot, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save(slot, "one")
        connect = sqlite3.connect

        def full(*arguments: Any, **options: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*arguments, **options)
            connection.execute("PRAGMA max_page_count = 1")  # no more than it has
            return connection

        text = f"^the store in {re.escape(repr(str(path)))}: database or disk is full$"
        with monkeypatch.context() as patch:
            patch.setattr(sqlite3, "connect", full)
            with pytest.raises(StoreError, match=text):
                save(slot, *(f"title {number}" for number in range(1000)))

        assert [each.name for each in path.iterdir()] == [NAME]
        assert titles(slot) == ["one"]

    @pytest.mark.parametrize("name", ACTS)
    def test_one_that_can_only_be_read_is_said_each_time(
        self, name: str, slot: StoreSlot, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save(slot, "one")
        connect = sqlite3.connect
        with monkeypatch.context() as patch:
            patch.setattr(os, "unlink", refuse(errno.EROFS))
            patch.setattr(
                sqlite3,
                "connect",
                lambda file, *rest, **more: connect(
                    f"file:{file}?mode=ro", *rest, uri=True, **more
                ),
            )
            for _ in range(2):
                with pytest.raises(StoreError, match=f"{os.strerror(errno.EROFS)}$") as caught:
                    ACTS[name](slot)
                assert "/secret" not in str(caught.value)
            assert titles(slot) == ["one"]

        assert titles(slot) == ["one"]

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
    def test_the_first_look_gives_the_reason_too(
        self, number: int, slot: StoreSlot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "open", refuse(number))
        with pytest.raises(StoreError, match=f"{os.strerror(number)}$"):
            slot.status()

    def test_more_than_max_bytes_is_refused(self, path: Path) -> None:
        slot = slot_in(FileStore(path, max_bytes=100))
        with pytest.raises(StoreError, match=r"more than max_bytes \(100\)"):
            save(slot, "one")

        assert titles(slot) is None

    def test_a_failure_that_is_too_long_is_refused(self, slot: StoreSlot) -> None:
        with pytest.raises(StoreError, match="the failure has"):
            slot.fail(Failure("g", 1.0, 2.0, {"text": "x" * 65_536}))

    def test_a_database_that_can_not_be_read_stays(
        self, slot: StoreSlot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save(slot, "one")

        def fail(*_: object, **__: object) -> None:
            text = "disk I/O error"
            raise sqlite3.OperationalError(text)

        with monkeypatch.context() as patch:
            patch.setattr(sqlite3, "connect", fail)
            with pytest.raises(StoreError, match=r"disk I/O error$"):
                slot.status()

        assert titles(slot) == ["one"]

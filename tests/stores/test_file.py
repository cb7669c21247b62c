"""FileStore: what is particular to files."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._stores import folder
from teamwire_sync._stores.base import key_of
from teamwire_sync._stores.file import FileStore
from teamwire_sync._stores.folder import SUFFIX
from tests.support.store_files import DAY, NAME, OnFiles, fill, mode_of, posix, titles
from tests.support.store_listings import IDENTITY, confirm, failure_of, save, set_clock, slot_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync._stores.base import StoreSlot
    from tests.support.builders import Clock

pytestmark = posix


class TestTheFolderThatIsGiven(OnFiles):
    @pytest.mark.parametrize(
        ("platform", "environ", "expected"),
        [
            ("linux", {"XDG_CACHE_HOME": "/caches"}, "/caches/teamwire_sync"),
            ("linux", {"XDG_CACHE_HOME": ""}, "/home/ada/.cache/teamwire_sync"),
            ("linux", {"XDG_CACHE_HOME": "caches"}, "/home/ada/.cache/teamwire_sync"),
            ("linux", {}, "/home/ada/.cache/teamwire_sync"),
            ("darwin", {}, "/home/ada/Library/Caches/teamwire_sync"),
            ("win32", {"LOCALAPPDATA": "/local"}, "/local/teamwire_sync"),
            ("win32", {"LOCALAPPDATA": "local"}, "/home/ada/AppData/Local/teamwire_sync"),
            ("win32", {}, "/home/ada/AppData/Local/teamwire_sync"),
        ],
    )
    def test_the_default_is_in_the_cache_folder_of_the_user(
        self,
        platform: str,
        environ: dict[str, str],
        expected: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"HOME": "/home/ada", **environ}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "platform", platform)

        assert str(folder.folder_path(None)) == expected

    def test_a_tilde_is_the_home_folder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/ada")

        assert repr(FileStore("~/chats")) == "FileStore('/home/ada/chats')"

    @pytest.mark.usefixtures("homeless")
    @pytest.mark.parametrize("path", [None, "~/chats"])
    def test_without_a_home_folder_it_has_to_be_given(self, path: str | None) -> None:
        with pytest.raises(ValueError, match=r"^path: there is no home folder for '~/"):
            FileStore(path)

    def test_it_stays_the_same_when_the_program_goes_elsewhere(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)

        assert repr(FileStore("chats")) == f"FileStore({str(tmp_path / 'chats')!r})"

    @pytest.mark.parametrize("path", [1, True, b"chats", ["chats"]])
    def test_what_is_no_path_is_a_type_error(self, path: Any) -> None:
        with pytest.raises(TypeError, match="path must be a str or a Path"):
            FileStore(path)

    @pytest.mark.parametrize("path", ["", "a\0b", "~no-such-user/chats"])
    def test_what_names_no_folder_is_a_value_error(self, path: str) -> None:
        with pytest.raises(ValueError, match=r"^path"):
            FileStore(path)

    @pytest.mark.parametrize(
        ("bounds", "error"),
        [
            ({"max_age": 0}, ValueError),
            ({"max_age": "1"}, TypeError),
            ({"max_bytes": 0}, ValueError),
            ({"max_bytes": 1.5}, TypeError),
        ],
    )
    def test_the_bounds_are_checked(
        self, bounds: dict[str, Any], error: type[Exception], path: Path
    ) -> None:
        with pytest.raises(error, match=next(iter(bounds))):
            FileStore(path, **bounds)

    def test_nothing_is_made_before_it_is_needed(self, slot: StoreSlot, path: Path) -> None:
        assert not path.exists()


class TestWithoutSqlite(OnFiles):
    def test_the_error_says_what_is_missing(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "sqlite3", None)
        text = r"^FileStore needs sqlite3, which can't be imported: .*sqlite3"
        with pytest.raises(ImportError, match=text) as caught:
            FileStore(path)

        assert caught.value.name == "sqlite3"


class TestModes(OnFiles):
    @pytest.fixture(autouse=True)
    def _open_umask(self) -> Iterator[None]:
        before = os.umask(0)
        yield
        os.umask(before)

    def test_the_folder_and_those_above_it_are_for_the_user_alone(self, tmp_path: Path) -> None:
        above = tmp_path / "above"
        slot_in(FileStore(above / "stored")).status()

        assert [mode_of(above), mode_of(above / "stored")] == [0o700, 0o700]

    def test_the_database_is_for_the_user_alone(self, slot: StoreSlot, path: Path) -> None:
        fill(slot)

        assert {each.name: mode_of(each) for each in path.iterdir()} == {NAME: 0o600}

    def test_no_name_gives_the_bot_away(self, slot: StoreSlot, path: Path) -> None:
        fill(slot)
        [found] = path.iterdir()

        assert re.fullmatch(r"[0-9a-f]{32}\.v3\.sqlite3", found.name)


class TestAge(OnFiles):
    @pytest.mark.parametrize("seconds", [DAY, -1.0], ids=["too old", "of the future"])
    def test_the_chats_are_removed_by_a_look(
        self, seconds: float, slot: StoreSlot, path: Path, now: Clock
    ) -> None:
        save(slot, "a title")
        now.advance(seconds)
        slot.status()

        assert b"a title" not in (path / NAME).read_bytes()

    def test_those_that_are_confirmed_meanwhile_stay(
        self, store: FileStore, slot: StoreSlot, path: Path, now: Clock
    ) -> None:
        revision = save(slot, "one")
        now.advance(DAY + 1)

        def late() -> float:
            set_clock(store, now)
            confirm(slot_in(FileStore(path)), revision, asked_at=now())
            return now()

        set_clock(store, late)
        slot.status()

        assert titles(slot) == ["one"]

    def test_what_other_bots_have_goes_when_one_is_saved(
        self, store: FileStore, slot: StoreSlot, path: Path, now: Clock
    ) -> None:
        other = slot_in(store, "other")
        save(other, "a title")
        other.fail(failure_of(other.status(), text="a refusal"))
        now.advance(DAY + 1)
        save(slot, "one")
        left = (path / f"{key_of('other')}{SUFFIX}").read_bytes()

        assert b"a title" not in left
        assert b"a refusal" not in left

    def test_what_another_bot_has_written_in_time_stays(
        self, store: FileStore, slot: StoreSlot, path: Path, now: Clock
    ) -> None:
        other = slot_in(store, "other")
        revision = save(other, "one")
        now.advance(DAY - 1)
        confirm(other, revision, asked_at=now())
        # The file system has a clock of its own.
        os.utime(path / f"{key_of('other')}{SUFFIX}", (now(), now()))
        now.advance(2)
        save(slot, "two")

        assert titles(other) == ["one"]

    def test_of_two_listings_only_the_later_is_there(self, slot: StoreSlot, path: Path) -> None:
        for title in ("the first", "the second"):
            save(slot, title)
        left = (path / NAME).read_bytes()

        assert b"the second" in left
        assert b"the first" not in left


class TestClear(OnFiles):
    def test_it_counts_the_snapshots_of_all_bots(self, store: FileStore) -> None:
        for identity in ("one", "two"):
            save(slot_in(store, identity), "title")
        slot_in(store, "three").status()

        assert store.clear() == 2

    def test_what_counted_before_counts_no_more(self, store: FileStore, slot: StoreSlot) -> None:
        before = slot.status().generation
        store.clear()

        assert slot.status().generation != before

    def test_no_chats_are_left(self, store: FileStore, slot: StoreSlot, path: Path) -> None:
        save(slot, *(f"title {number}" for number in range(1000)))
        slot.fail(failure_of(slot.status(), text="a refusal"))
        store.clear()
        left = (path / NAME).read_bytes()

        assert [each.name for each in path.iterdir()] == [NAME]
        assert b"title" not in left
        assert b"a refusal" not in left

    def test_files_that_are_not_ours_stay(
        self, store: FileStore, slot: StoreSlot, path: Path, now: Clock
    ) -> None:
        fill(slot)
        foreign = {"notes.sqlite3", SUFFIX, f"{NAME}.bak", f"x{NAME}", NAME[1:]}
        # Of another version.
        foreign |= {NAME.replace("v3", "v1"), NAME.replace("v3", "v2"), f"{key_of(IDENTITY)}.head"}
        for name in foreign:
            (path / name).write_text("theirs")
        store.clear()
        now.advance(2 * DAY)
        save(slot, "one")

        assert {(path / name).read_text() for name in foreign} == {"theirs"}

    def test_the_rest_goes_when_one_can_not_be_removed(
        self, store: FileStore, slot: StoreSlot, path: Path
    ) -> None:
        save(slot, "a title")
        for name in ("0" * 32, "f" * 32):
            (path / f"{name}{SUFFIX}").mkdir()
        with pytest.raises(OSError, match=re.escape(str(path))):
            store.clear()

        assert b"a title" not in (path / NAME).read_bytes()

    def test_a_damaged_one_is_gone(self, store: FileStore, slot: StoreSlot, path: Path) -> None:
        save(slot, "a title")
        (path / NAME).write_bytes(b"a title")

        assert (store.clear(), [*path.iterdir()]) == (0, [])

    def test_no_folder_is_made_for_it(self, store: FileStore, path: Path) -> None:
        assert store.clear() == 0
        assert not path.exists()

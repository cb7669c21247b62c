"""FileStore: what is particular to files."""

from __future__ import annotations

import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._stores import folder
from teamwire_sync._stores.base import StoreError, key_of
from teamwire_sync._stores.file import FileStore
from tests.support.store_files import (
    DAY,
    HOUR,
    KEY,
    OnFiles,
    fill,
    mode_of,
    posix,
    titles,
)
from tests.support.store_listings import save, slot_in

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
            ("linux", {}, "/home/ada/.cache/teamwire_sync"),
            ("darwin", {}, "/home/ada/Library/Caches/teamwire_sync"),
            ("win32", {"LOCALAPPDATA": "/local"}, "/local/teamwire_sync"),
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


class TestWithoutFilelock(OnFiles):
    def test_the_error_says_what_to_install(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "filelock", None)
        text = r"^FileStore needs filelock: pip install 'teamwire_sync\[file\]'$"
        with pytest.raises(ImportError, match=text) as caught:
            FileStore(path)

        assert caught.value.name == "filelock"

    def test_what_filelock_itself_lacks_is_said_as_it_is(
        self, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "filelock.py").write_text("import colours")
        for name in [name for name in sys.modules if name.partition(".")[0] == "filelock"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(StoreError, match=r"filelock can't be imported: .* 'colours'"):
            slot_in(FileStore(path)).lease(10)


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

    def test_each_file_is_for_the_user_alone(self, slot: StoreSlot, path: Path) -> None:
        fill(slot)
        modes = {each.name.rpartition(".")[2]: mode_of(each) for each in path.iterdir()}

        kinds = ["chats", "failure", "generation", "head", "lease", "lock"]
        assert modes == dict.fromkeys(kinds, 0o600)

    def test_no_name_gives_the_bot_away(self, slot: StoreSlot, path: Path) -> None:
        fill(slot)
        rest = {each.name.replace(KEY, "") for each in path.iterdir()}

        assert all(re.fullmatch(r"(\.[0-9a-f]{32})?\.[a-z]+", name) for name in rest)


class TestAge(OnFiles):
    @pytest.mark.parametrize("seconds", [DAY, -1.0], ids=["too old", "of the future"])
    def test_the_chats_are_removed_by_a_look(
        self, seconds: float, slot: StoreSlot, path: Path, now: Clock
    ) -> None:
        save(slot, "one")
        now.advance(seconds)
        slot.status()

        assert not [*path.glob("*.head"), *path.glob("*.chats")]

    def test_what_other_bots_have_goes_when_one_is_saved(
        self, store: FileStore, slot: StoreSlot, path: Path, now: Clock
    ) -> None:
        other = slot_in(store, "other")
        fill(other)
        now.advance(DAY + 1)
        save(slot, "one")

        left = {each.suffix for each in path.glob(f"{key_of('other')}.*")}
        assert left == {".generation", ".lease", ".lock"}

    def test_what_another_bot_has_confirmed_stays(
        self, store: FileStore, slot: StoreSlot, now: Clock
    ) -> None:
        other = slot_in(store, "other")
        revision = save(other, "one")
        now.advance(DAY - 1)
        other.mark_unchanged(revision, asked_at=now())
        now.advance(2)
        save(slot, "two")

        assert titles(other) == ["one"]

    @pytest.mark.parametrize(("age", "left"), [(HOUR - 60, 1), (HOUR + 60, 0)])
    def test_what_a_killed_process_was_writing_goes_after_an_hour(
        self, age: float, left: int, slot: StoreSlot, path: Path
    ) -> None:
        slot.status()
        temp = path / f"{key_of('other')}.{'0' * 32}.tmp"
        temp.touch(0o600)
        os.utime(temp, (time.time() - age, time.time() - age))
        save(slot, "one")

        assert len(list(path.glob("*.tmp"))) == left

    @pytest.mark.parametrize(("age", "left"), [(HOUR - 60, 2), (HOUR + 60, 1)])
    def test_chats_that_no_head_names_go_after_an_hour(
        self, age: float, left: int, slot: StoreSlot, path: Path, now: Clock
    ) -> None:
        slot.status()
        orphan = path / f"{KEY}.{'0' * 32}.chats"
        orphan.touch(0o600)
        os.utime(orphan, (now() - age, now() - age))
        save(slot, "one")

        assert len(list(path.glob("*.chats"))) == left

    def test_of_two_listings_only_the_later_is_there(self, slot: StoreSlot, path: Path) -> None:
        for title in ("one", "two"):
            save(slot, title)

        assert len(list(path.glob("*.chats"))) == 1


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
        fill(slot)
        (path / f"{KEY}.{'0' * 32}.tmp").touch(0o600)
        store.clear()

        assert {each.suffix for each in path.iterdir()} == {".lease", ".lock"}

    def test_files_that_are_not_ours_stay(
        self, store: FileStore, slot: StoreSlot, path: Path
    ) -> None:
        fill(slot)
        foreign = {"notes.chats", "head", f"{KEY}.head.bak", f"{KEY[1:]}.head", f"{KEY}.x.chats"}
        for name in foreign:
            (path / name).touch()
        store.clear()

        assert foreign <= {each.name for each in path.iterdir()}

    def test_the_rest_goes_when_one_can_not_be_removed(
        self, store: FileStore, slot: StoreSlot, path: Path
    ) -> None:
        save(slot, "one")
        (path / f"{key_of('other')}.head").mkdir()
        with pytest.raises(OSError, match=re.escape(str(path))):
            store.clear()

        assert not list(path.glob("*.chats"))

    def test_no_folder_is_made_for_it(self, store: FileStore, path: Path) -> None:
        assert store.clear() == 0
        assert not path.exists()

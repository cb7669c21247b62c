"""``--store`` and ``cache clear``."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from teamwire_sync._cli.errors import NETWORK, USAGE
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT
from tests.cli.conftest import run
from tests.support.sdk_double import DOUBLE, vendor_env

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync.testing import Sandbox
    from tests.cli.conftest import Cli

LISTING = ("GET", "/v1/bot/chats/")
# Nobody listens there.
REDIS = "redis://me:hunter2@127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _no_caches_of_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "caches"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a store; it is not there."""
    return tmp_path / "store"


class TestSharing:
    def test_a_command_finds_the_listing_of_the_one_before(
        self, box: Sandbox, folder: Path
    ) -> None:
        first, second = (
            run("--store", f"file:{folder}", "chats", "list", box=box) for _ in range(2)
        )

        assert (second.code, second.out) == (0, first.out)
        assert box.count(*LISTING) == 1

    def test_the_environment_names_it_too(
        self, cli: Cli, box: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_STORE", "file")
        cli("chats", "list")
        cli("chats", "list")

        assert box.count(*LISTING) == 1

    def test_the_option_goes_before_the_environment(
        self, cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_STORE", f"file:{folder}-of-the-environment")
        cli("--store", f"file:{folder}", "chats", "list")

        assert [each.name for each in folder.parent.glob("store*")] == ["store"]

    def test_none_switches_that_of_the_environment_off(
        self, cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_STORE", f"file:{folder}")
        done = cli("--store", "none", "chats", "list")

        assert (done.code, folder.exists()) == (0, False)

    def test_unless_it_is_named_nothing_is_stored(self, cli: Cli, tmp_path: Path) -> None:
        cli("chats", "list")

        assert list(tmp_path.iterdir()) == []

    def test_it_is_for_one_run(self, cli: Cli, folder: Path) -> None:
        before = dict(os.environ)
        cli("--store", f"file:{folder}", "check")

        assert dict(os.environ) == before

    def test_what_a_command_changes_the_next_one_sees(
        self, cli: Cli, box: Sandbox, folder: Path
    ) -> None:
        tid = box.add_chat("old", users=["rVRCfuQEtkgnZBZEgbHVji"], bot_is_admin=True).tid
        store = ("--store", f"file:{folder}")
        cli(*store, "chats", "list")
        cli(*store, "chats", "rename", tid, "new")

        assert cli(*store, "chats", "find", "new").lines[0].startswith(tid)

    def test_one_that_fails_keeps_no_command_from_its_work(self, cli: Cli) -> None:
        done = cli("--store", REDIS, "chats", "show", KNOWN_CHAT)

        assert done.code == 0

    def test_that_it_fails_is_said(self, cli: Cli) -> None:
        done = cli("--store", REDIS, "chats", "show", KNOWN_CHAT)

        assert len(done.err.splitlines()) == 1
        assert "going on without it: Redis at redis://127.0.0.1:1/0: " in done.err


class TestWrongUse:
    @pytest.mark.parametrize(
        "value",
        [
            "hunter2",
            "redis:hunter2",
            "file:",
            "http://me:hunter2@host",
            "redis://me:hunter2@host:x",
        ],
    )
    def test_a_store_that_there_is_not_is_not_repeated(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch, value: str
    ) -> None:
        by_option = cli("--store", value, "check")
        monkeypatch.setenv("TEAMWIRE_STORE", value)
        by_environment = cli("check")

        for done, source in ((by_option, "--store"), (by_environment, "TEAMWIRE_STORE")):
            assert (done.code, done.out) == (USAGE, "")
            assert done.err.startswith(f"Error: {source}")
            assert "hunter2" not in done.err

    def test_an_empty_one_is_refused(self, cli: Cli) -> None:
        """A variable that a script forgot to set is not taken for another store."""
        done = cli("--store", "", "cache", "clear")

        assert done.code == USAGE
        assert "Invalid value for '--store': it is empty" in done.err

    @pytest.mark.parametrize(
        "command",
        [
            f"-v --store {REDIS} chats list",
            f"--store {REDIS} cache clear",
            f"--store {REDIS}?db=hunter2 check",
            f"--store={REDIS} chats list --store={REDIS}",
            f"--stor={REDIS} check",
            f"cache clear {REDIS}",
            f"cache clear {REDIS.upper().replace('HUNTER2', 'hunter2')}",
            f"cache clear unix:///redis.sock?password=hunter2 {REDIS}",
            REDIS,
        ],
    )
    def test_nothing_that_is_printed_has_its_password(self, cli: Cli, command: str) -> None:
        done = cli(*command.split())

        assert "hunter2" not in done.out + done.err

    def test_it_goes_before_the_command(self, cli: Cli) -> None:
        done = cli("chats", "list", "--store", "file")

        assert "--store must come before the command" in done.err

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("file", "FileStore needs sqlite3"),
            ("redis://localhost", 'pip install "redis>=5.1"'),
        ],
    )
    @pytest.mark.parametrize("command", ["check", "cache clear"])
    @pytest.mark.parametrize("by_option", [True, False])
    def test_without_the_package_it_says_what_is_missing(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch, value: str, text: str, command: str,
        *, by_option: bool,
    ) -> None:  # fmt: skip
        for package in ("sqlite3", "redis"):
            monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.delitem(sys.modules, "teamwire_sync._stores.redis_link", raising=False)
        monkeypatch.setenv("TEAMWIRE_STORE", "none" if by_option else value)
        done = cli(*(["--store", value] if by_option else []), *command.split())

        assert (done.code, done.out) == (USAGE, "")
        assert text in done.err


class TestCommandsThatHaveNoUseForOne:
    def test_config_init_does_not_look_for_it(
        self, bare_cli: Cli, box: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_STORE", "nonsense")
        done = bare_cli("config", "init", stdin=f"{box.url}\n{box.app_id}\n{box.secret}\n")

        assert done.code == 0

    def test_the_made_up_world_of_the_demo_is_not_stored(
        self, bare_cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_STORE", f"file:{folder}")
        done = bare_cli("demo", "--chats", "30", "--lookups", "1")

        assert (done.code, folder.exists()) == (0, False)

    def test_vendor_check_looks_at_the_vendors_sdk_alone(self, box: Sandbox) -> None:
        double = os.pathsep.join(map(str, (DOUBLE, DOUBLE.parents[2])))
        done = run(
            "vendor-check", box=box, PYTHONPATH=double, TEAMWIRE_STORE="file", **vendor_env(box)
        )

        assert done.lines[1].endswith(": ok")


class TestClear:
    def test_it_removes_what_there_is_and_says_how_much(self, cli: Cli, folder: Path) -> None:
        store = ("--store", f"file:{folder}")
        cli(*store, "chats", "list")

        assert cli(*store, "cache", "clear").out == "1 snapshot removed\n"
        assert list(folder.glob("*.chats")) == []

    def test_to_clear_an_empty_one_is_no_error(self, bare_cli: Cli, folder: Path) -> None:
        done = bare_cli("--store", f"file:{folder}", "cache", "clear")

        assert (done.code, done.out, done.err) == (0, "0 snapshots removed\n", "")

    def test_the_next_command_lists_anew(self, cli: Cli, box: Sandbox, folder: Path) -> None:
        store = ("--store", f"file:{folder}")
        cli(*store, "chats", "list")
        cli(*store, "cache", "clear")
        cli(*store, "chats", "list")

        assert box.count(*LISTING) == 2

    def test_it_is_json_for_a_script(self, bare_cli: Cli, folder: Path) -> None:
        done = bare_cli("--store", f"file:{folder}", "cache", "clear", "--json")

        assert json.loads(done.out) == {"removed": 0}

    @pytest.mark.parametrize("value", [None, ""])
    def test_unless_one_is_named_it_is_the_default_folder(
        self, box: Sandbox, value: str | None
    ) -> None:
        """Without credentials, too."""
        run("chats", "list", box=box, TEAMWIRE_STORE="file")
        done = run(
            "cache", "clear", box=None, **({} if value is None else {"TEAMWIRE_STORE": value})
        )

        assert (done.code, done.out) == (0, "1 snapshot removed\n")

    def test_the_one_of_the_environment_is_cleared(
        self, cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_STORE", f"file:{folder}")
        cli("chats", "list")

        assert cli("cache", "clear").out == "1 snapshot removed\n"

    def test_none_is_no_store_to_clear(self, bare_cli: Cli) -> None:
        done = bare_cli("--store", "none", "cache", "clear")

        assert (done.code, done.out) == (USAGE, "")
        assert "teamwire-sync --store file cache clear" in done.err

    @pytest.mark.skipif(os.name == "nt", reason="there are no such modes")
    def test_a_folder_that_it_leaves_alone_is_a_line(self, bare_cli: Cli, folder: Path) -> None:
        folder.mkdir()
        folder.chmod(0o755)
        done = bare_cli("--store", f"file:{folder}", "cache", "clear")

        assert (done.code, done.out) == (USAGE, "")
        assert done.err.startswith(f"Error: the store in '{folder}': it is open to other users")

    def test_a_redis_that_is_away_is_a_line(self, bare_cli: Cli) -> None:
        done = bare_cli("--store", REDIS, "cache", "clear")

        assert (done.code, done.out, len(done.err.splitlines())) == (NETWORK, "", 1)
        assert done.err.startswith("Error: Redis at redis://127.0.0.1:1/0: ")

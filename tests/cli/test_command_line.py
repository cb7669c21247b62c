"""The command line, as a process where that matters."""

from __future__ import annotations

import builtins
import errno
import re
import shutil
import signal
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from teamwire_sync import Connection, TWServerError, testing
from teamwire_sync._cli import main
from teamwire_sync._cli.demo import Demo
from teamwire_sync._cli.errors import BROKEN_PIPE, INTERRUPTED, SERVER, USAGE
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync.testing import Sandbox
    from tests.cli.conftest import Cli

LISTING = ("GET", "/v1/bot/chats/")


def figures(lines: list[str]) -> dict[str, int]:
    """What the last part of a demo says of requests: asked, without the cache, saved."""
    last = lines[-3:]
    names = ("asked", "uncached", "saved")
    found = [re.search(r" {2,}([\d,]+)(?: times|, |$)", line) for line in last]
    return {name: int(m[1].replace(",", "")) for name, m in zip(names, found) if m is not None}


class TestDemo:
    def test_it_prints_what_the_server_counted(self, box: Sandbox) -> None:
        lines: list[str] = []
        Demo(box, lines.append).run(lookups=50)

        # A page each: the first listing, those after the two writes, and ten without the cache.
        assert box.count(*LISTING) == 3 + 10
        assert figures(lines) == {"asked": 3, "uncached": 106, "saved": 103}

    def test_its_figures_follow_a_fault(self, box: Sandbox) -> None:
        """A listing that seems to change between its pages is read again, and all are counted."""
        for number in range(500):
            box.add_chat(title=f"more {number}", users=["rVRCfuQEtkgnZBZEgbHVji"])
        box.fault(*LISTING, headers={"ETag": '"another"'}, times=1)
        lines: list[str] = []
        Demo(box, lines.append).run(lookups=50)

        # Two pages each, two more for the first listing, and two refreshes after writes.
        assert box.count(*LISTING) == 2 + 2 + 2 * 1 + 10 * 2
        assert figures(lines) == {"asked": 6, "uncached": 212, "saved": 206}

    @pytest.mark.usefixtures("no_pauses")
    def test_a_failing_server_ends_it_with_the_error(self, box: Sandbox) -> None:
        box.fault(*LISTING, status=503)

        with pytest.raises(TWServerError):
            Demo(box, lambda line: None).run(lookups=1)

    def test_the_command_runs_it(self) -> None:
        result = CliRunner().invoke(main, ["demo", "--chats", "30", "--lookups", "10"])

        assert result.exit_code == 0
        assert "Time of a look-up" in result.output

    def test_the_command_fails_in_one_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(demo: Demo, lookups: int) -> None:
            message = "503 for GET /v1/bot/chats/: no reason given"
            raise TWServerError(message)

        monkeypatch.setattr(Demo, "run", fail)
        result = CliRunner().invoke(main, ["demo", "--chats", "1"])

        assert result.exit_code == SERVER
        assert (
            result.output.splitlines()[-1] == "Error: 503 for GET /v1/bot/chats/: no reason given"
        )

    def test_ctrl_c_ends_the_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(demo: Demo, lookups: int) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Demo, "run", interrupt)

        assert CliRunner().invoke(main, ["demo", "--chats", "1"]).exit_code == INTERRUPTED


class TestSandboxCommand:
    def test_it_serves_at_the_address_that_it_prints_until_interrupted(self) -> None:
        command = [sys.executable, "-m", "teamwire_sync", "sandbox", "--port", "0"]
        command += ["--chats", "20"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
            assert process.stdout is not None
            environment = {}
            for line in process.stdout:
                if line.startswith("export "):
                    name, _, value = line[len("export ") :].strip().partition("=")
                    environment[name] = value
                if line.startswith("Ctrl-C"):
                    break
            credentials = [environment[f"TEAMWIRE_{name}"] for name in ("APP_ID", "SECRET", "URL")]
            with Connection(*credentials) as connection:
                listed = connection.chats.get_subscriptions()
            process.send_signal(signal.SIGINT)

            assert process.wait(PATIENCE) == 0
        assert len(listed) == 20

    @pytest.mark.parametrize(
        ("options", "live"), [([], False), (["--live"], 1.0), (["--live", "0.5"], 0.5)]
    )
    def test_its_world_is_as_lively_as_told(
        self, monkeypatch: pytest.MonkeyPatch, options: list[str], live: float
    ) -> None:
        asked: list[float] = []

        def interrupted(**arguments: Any) -> None:
            asked.append(arguments["live"])
            raise KeyboardInterrupt

        monkeypatch.setattr(testing, "sandbox", interrupted)
        result = CliRunner().invoke(main, ["sandbox", *options])

        assert (asked, result.exit_code) == ([live], 0)

    def test_each_start_has_the_same_port(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ports: list[int] = []

        def interrupted(**arguments: Any) -> None:
            ports.append(arguments["port"])
            raise KeyboardInterrupt

        monkeypatch.setattr(testing, "sandbox", interrupted)
        for _ in range(2):
            CliRunner().invoke(main, ["sandbox"])

        assert ports == [8326, 8326]

    def test_the_error_of_a_port_that_is_taken_says_what_to_do(self, box: Sandbox) -> None:
        port = box.url.rpartition(":")[2]
        result = CliRunner().invoke(main, ["sandbox", "--port", port])

        assert result.exit_code == USAGE
        assert f"can't listen on 127.0.0.1:{port}" in result.output
        assert "pass --port 0 for any free port" in result.output

    def test_a_closed_pipe_is_no_failure_to_listen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def closed(*_: object, **__: object) -> None:
            raise BrokenPipeError

        monkeypatch.setattr("click.echo", closed)
        result = CliRunner().invoke(main, ["sandbox", "--port", "0", "--chats", "1"])

        assert (result.exit_code, result.output) == (BROKEN_PIPE, "")

    def test_any_free_port_is_not_advised_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def no_such_address(**_: object) -> None:
            raise OSError(errno.EADDRNOTAVAIL, "no such address")

        monkeypatch.setattr(testing, "sandbox", no_such_address)
        result = CliRunner().invoke(main, ["sandbox", "--port", "0", "--host", "192.0.2.1"])

        assert result.exit_code == USAGE
        assert "can't listen on 192.0.2.1:0: no such address" in result.output
        assert "--port 0" not in result.output

    @pytest.mark.parametrize("name", ["foreign.txt", "missing/world.db"])
    def test_a_file_that_is_no_world_is_one_line(self, name: str, tmp_path: Path) -> None:
        (tmp_path / "foreign.txt").write_text("hello, this is something else")
        result = CliRunner().invoke(main, ["sandbox", "--path", str(tmp_path / name)])

        assert result.exit_code == USAGE
        assert result.output.startswith(f"Error: {tmp_path / name}")

    def test_without_the_extra_it_says_what_to_install(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = builtins.__import__

        def without_flask(name: str, *args: Any) -> Any:
            if name.partition(".")[0] == "flask":
                message = "No module named 'flask'"
                raise ModuleNotFoundError(message, name="flask")
            return real(name, *args)

        for name in [each for each in sys.modules if each.startswith("teamwire_sync.")]:
            if name.split(".")[1] in {"testing", "_sandbox", "_server"}:
                monkeypatch.delitem(sys.modules, name)
        monkeypatch.delattr("teamwire_sync.testing", raising=False)
        monkeypatch.setattr(builtins, "__import__", without_flask)
        result = CliRunner().invoke(main, ["sandbox"])

        assert result.exit_code == USAGE
        assert 'pip install "flask>=3.0" "cheroot>=10.0"' in result.output

    @pytest.mark.parametrize("name", ["click", "rich"])
    def test_without_click_or_rich_the_command_says_what_to_install(self, name: str) -> None:
        code = f"import sys; sys.modules['{name}'] = None; import teamwire_sync._cli"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False
        )

        assert done.returncode == 1
        assert (
            done.stderr.strip()
            == f'the command line needs {name}: pip install "click>=8.1.7" "rich>=13.0"'
        )


class TestTools:
    def test_a_warning_is_a_line(self, bare_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        def warned(**_: Any) -> None:
            warnings.warn("everybody can\x1b reach it", stacklevel=2)
            raise KeyboardInterrupt

        monkeypatch.setattr(testing, "sandbox", warned)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            done = bare_cli("sandbox", "--host", "0.0.0.0")

        assert done.err == "Warning: everybody can\\x1b reach it\n"

    @pytest.mark.parametrize("group", ["", "chats", "config", "gateway", "groups", "users"])
    def test_the_overview_of_the_commands_cuts_no_sentence(
        self, group: str, bare_cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        overview = bare_cli(*group.split(), "--help").out.partition("Commands:")[2]

        assert overview
        assert "..." not in overview

    def test_completion_offers_what_goes_on(
        self, bare_cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        offered = {
            "chats l": ["list"],
            "cha": ["chats"],
            "chats re": ["rename"],
            "messages --l": ["--limit"],
            "completion z": ["zsh"],
            "--pro": ["--profile"],
        }
        monkeypatch.setenv("_TEAMWIRE_SYNC_COMPLETE", "bash_complete")
        found = {}
        for words in offered:
            monkeypatch.setenv("COMP_WORDS", f"teamwire-sync {words}")
            monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
            found[words] = [line.split(",")[1] for line in bare_cli().lines]

        assert found == offered

    def test_completion_offers_sections_and_stores_but_asks_no_server(
        self, cli: Cli, box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ini = tmp_path / "it.ini"
        ini.write_text("[default]\n[night]\n[nurse]\n")
        monkeypatch.setenv("TEAMWIRE_CONFIG", str(ini))
        offered = {
            "--profile n": ["night", "nurse"],
            f"--config {tmp_path}/none.ini --profile n": [],
            "--store f": ["file"],
            "chats show --title t": [],
            "post --title t": [],
            "users find k": [],
        }
        monkeypatch.setenv("_TEAMWIRE_SYNC_COMPLETE", "bash_complete")
        found = {}
        for words in offered:
            monkeypatch.setenv("COMP_WORDS", f"teamwire-sync {words}")
            monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
            found[words] = [line.split(",")[1] for line in cli().lines if line]

        assert (found, box.requests) == (offered, [])

    def test_zsh_without_completion_gets_a_hint(self, bare_cli: Cli) -> None:
        zsh = shutil.which("zsh")
        if zsh is None:
            pytest.skip("there is no zsh")
        script = bare_cli("completion", "zsh").out
        for before, hint in (("", "autoload -Uz compinit && compinit"), ("compdef() :;", "")):
            done = subprocess.run(
                [zsh, "-f", "-c", before + 'eval "$1"', "zsh", script],
                capture_output=True,
                encoding="utf-8",
                check=False,
            )

            assert (done.returncode, done.stdout) == (0, "")
            assert (hint in done.stderr, done.stderr == "") == (True, not hint)

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_each_shell_has_a_script(self, bare_cli: Cli, shell: str) -> None:
        done = bare_cli("completion", shell)

        assert (done.code, done.err) == (0, "")
        assert f"_TEAMWIRE_SYNC_COMPLETE={shell}_complete" in done.out

    def test_vendor_check_fails_where_there_is_no_sdk(self, bare_cli: Cli) -> None:
        done = bare_cli("vendor-check")

        assert done.code == 1
        assert len(done.lines) == 10
        assert "not installed: teamwire_sync needs the package teamwire_api" in done.lines[0]

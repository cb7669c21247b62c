"""Pipes, closed streams, Ctrl-C and the start: as processes."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._cli.failures import BROKEN_PIPE, INTERRUPTED, USAGE
from teamwire_sync._sandbox.seed import KNOWN_CHAT, KNOWN_USER
from tests.cli.conftest import BASH, COMMAND, HANG, PATIENCE, environment_of, run
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync.testing import Sandbox

pytestmark = pytest.mark.skipif(os.name == "nt", reason="they are matters of a POSIX shell")


class TestPipes:
    def test_who_reads_one_line_is_enough(self, box: Sandbox) -> None:
        done = run("chats", "list", "--json", box=box, then="| head -1; exit ${PIPESTATUS[0]}")

        assert (done.code, done.err) in [(BROKEN_PIPE, ""), (0, "")]
        assert len(done.lines) == 1

    def test_a_pipe_that_is_closed_ends_it_quietly(self, box: Sandbox) -> None:
        reading, theirs = os.pipe()
        os.close(reading)
        with subprocess.Popen(
            [*COMMAND, "chats", "list"],
            stdout=theirs,
            stderr=subprocess.PIPE,
            env=environment_of(box),
        ) as process:
            os.close(theirs)
            _, err = process.communicate(timeout=HANG)

        assert (process.returncode, err) == (BROKEN_PIPE, b"")

    def test_listening_into_one_ends_with_the_next_event(self, box: Sandbox) -> None:
        with subprocess.Popen(
            [*COMMAND, "listen", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment_of(box),
        ) as process:
            wait_until(lambda: box.waiting > 0)
            box.post_message(KNOWN_CHAT, "one", KNOWN_USER)
            assert process.stdout is not None
            # An event is there as soon as it has happened.
            assert json.loads(process.stdout.readline())["type"] == "new_message"
            process.stdout.close()
            box.post_message(KNOWN_CHAT, "two", KNOWN_USER)

            assert process.wait(HANG) == BROKEN_PIPE
            assert process.stderr is not None
            assert process.stderr.read() == b""

    def test_a_full_disk_is_a_line(self, box: Sandbox) -> None:
        if not os.path.exists("/dev/full"):  # noqa: PTH110
            pytest.skip("there is no /dev/full")
        done = run("chats", "list", box=box, then=">/dev/full")

        assert (done.code, done.err) == (USAGE, "Error: No space left on device\n")

    def test_what_goes_through_one_has_neither_colours_nor_bars(self, box: Sandbox) -> None:
        done = run("chats", "list", box=box, TERM="xterm-256color", FORCE_COLOR="1")

        assert (done.code, done.err) == (0, "")
        assert "\x1b" not in done.out
        assert all(line.count("\t") == 4 for line in done.lines)

    @pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
    @pytest.mark.parametrize("command", ["check", "chats list", "groups list --json"])
    def test_a_closed_stream_is_none(self, box: Sandbox, command: str, closed: str) -> None:
        done = run(*command.split(), box=box, then=closed)

        assert (done.code, done.err) == (0, "")

    def test_a_post_without_stdin_needs_a_text(self, box: Sandbox) -> None:
        done = run("post", KNOWN_CHAT, box=box, then="<&-")

        assert done.code == USAGE
        assert "there is no text" in done.err

    def test_an_error_with_nobody_to_read_it_has_its_code(self, box: Sandbox) -> None:
        done = run(
            *("chats", "show", "nowhere"), box=box, then="2>&1 | true; exit ${PIPESTATUS[0]}"
        )

        assert (done.code, done.err) == (1, "")

    @pytest.mark.parametrize("locale", [{"LANG": "C"}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX"}])
    @pytest.mark.parametrize("encoding", ["", "ascii", "latin-1"])
    def test_no_locale_is_too_poor(
        self, box: Sandbox, locale: dict[str, str], encoding: str
    ) -> None:
        more = {**locale, **({"PYTHONIOENCODING": encoding} if encoding else {})}
        done = run("chats", "list", box=box, **more)

        assert (done.code, done.err) == (0, "")
        assert len(done.lines) == len(box.connect().chats.get_subscriptions())

    @pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
    def test_bytes_that_are_no_text_are_not_posted(self, box: Sandbox, locale: str) -> None:
        done = run("post", KNOWN_CHAT, box=box, then="< <(printf 'caf\\xe9')", LC_ALL=locale)

        assert done.code == USAGE
        assert "no text in utf-8" in done.err
        assert box.count("POST", "/v1/bot/chats/*/messages/") == 0


def interrupted(process: subprocess.Popen[Any]) -> tuple[Any, Any]:
    """What a process has written when Ctrl-C has ended it.

    A signal that comes just before a system call waits is heard with the next one only.
    """
    for _ in range(HANG // PATIENCE):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=PATIENCE)
    pytest.fail("Ctrl-C does not end it")


class TestInterrupts:
    @pytest.mark.parametrize(
        ("command", "method", "path"),
        [
            ("check", "GET", "/v1/bot/me/"),
            ("chats list", "GET", "/v1/bot/chats/"),
            ("chats show --title plan", "GET", "/v1/bot/chats/"),
            (f"messages {KNOWN_CHAT}", "GET", "/v1/bot/chats/*/messages/"),
            ("users find koch", "GET", "/v1/bot/users/"),
            ("groups list", "GET", "/v1/bot/groups/"),
            ("listen", "GET", "/v1/bot/events/"),
        ],
    )
    def test_ctrl_c_ends_what_waits(
        self, box: Sandbox, command: str, method: str, path: str
    ) -> None:
        with (
            box.hold(method, path) as hold,
            subprocess.Popen(
                [*COMMAND, *command.split()],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment_of(box),
            ) as process,
        ):
            hold.wait_arrived(timeout=HANG)
            out, err = interrupted(process)

        assert (process.returncode, out, err) == (INTERRUPTED, b"", b"")

    @pytest.mark.parametrize(
        ("command", "method", "path"),
        [
            (f"post {KNOWN_CHAT} hello", "POST", "/v1/bot/chats/*/messages/"),
            (f"chats create --user {KNOWN_USER} --title x", "POST", "/v1/bot/chats/"),
            (f"chats rename {KNOWN_CHAT} x", "PATCH", "/v1/bot/chats/*/"),
            (f"chats members {KNOWN_CHAT} --add {KNOWN_USER}", "PATCH", "/v1/bot/chats/*/members/"),
        ],
    )
    def test_whoever_interrupts_a_write_hears_that_it_may_be_done(
        self, box: Sandbox, command: str, method: str, path: str
    ) -> None:
        with (
            box.hold(method, path) as hold,
            subprocess.Popen(
                [*COMMAND, *command.split()],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                env=environment_of(box),
            ) as process,
        ):
            hold.wait_arrived(timeout=HANG)
            out, err = interrupted(process)

        assert (process.returncode, out) == (INTERRUPTED, "")
        assert err.strip().startswith("Interrupted: it may have been done or not.")


class TestSecrets:
    @pytest.mark.skipif(not os.path.exists("/proc/self/cmdline"), reason="needs /proc")  # noqa: PTH110
    def test_no_list_of_processes_shows_it(self, box: Sandbox) -> None:
        with (
            box.hold("GET", "/v1/bot/me/") as hold,
            subprocess.Popen(
                [*COMMAND, "check"], stdout=subprocess.DEVNULL, env=environment_of(box)
            ) as process,
        ):
            hold.wait_arrived(timeout=HANG)
            with open(f"/proc/{process.pid}/cmdline", encoding="utf-8") as file:  # noqa: PTH123
                shown = file.read()
            hold.release()
            process.wait(HANG)

        assert "check" in shown
        assert box.secret not in shown

    @pytest.mark.parametrize("command", ["check", "chats list", f"post {KNOWN_CHAT} hello"])
    def test_nothing_that_is_printed_has_it(self, box: Sandbox, command: str) -> None:
        done = run("-v", *command.split(), box=box)

        assert box.secret not in done.out + done.err


class TestStart:
    @pytest.mark.parametrize("command", ["--help", "chats --help", "--version", "completion bash"])
    def test_it_imports_nothing_heavy(self, command: str) -> None:
        heavy = ["rich", "requests", "pandas", "urllib3", "flask", "asyncio", "tqdm"]
        code = (
            "import sys\n"
            "from teamwire_sync._cli import main\n"
            f"try: main({command.split()!r}, prog_name='teamwire-sync')\n"
            "except SystemExit as end: assert not end.code, end.code\n"
            f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            encoding="utf-8",
            env=environment_of(None),
            check=False,
        )

        assert (done.returncode, done.stderr) == (0, "[]\n")

    def test_in_a_pipe_rich_is_never_imported(self, box: Sandbox) -> None:
        done = run("chats", "list", box=box, PYTHONPROFILEIMPORTTIME="1")

        assert done.code == 0
        assert "teamwire_sync._cli" in done.err
        assert not [line for line in done.err.splitlines() if line.endswith(" rich")]


class TestCompletion:
    @pytest.mark.parametrize(
        ("words", "offered"),
        [
            ("chats l", ["list"]),
            ("cha", ["chats"]),
            ("chats re", ["rename"]),
            ("messages --l", ["--limit"]),
            ("completion z", ["zsh"]),
            ("--pro", ["--profile"]),
        ],
    )
    def test_bash_is_offered_what_goes_on(self, words: str, offered: list[str]) -> None:
        all_words = f"teamwire-sync {words}"
        done = run(
            box=None,
            _TEAMWIRE_SYNC_COMPLETE="bash_complete",
            COMP_WORDS=all_words,
            COMP_CWORD=str(len(all_words.split()) - 1),
        )

        assert [line.split(",")[1] for line in done.lines] == offered

    def test_bash_itself_completes(self, tmp_path: Path) -> None:
        command = tmp_path / "teamwire-sync"
        command.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
        command.chmod(0o700)
        script = (
            'eval "$(teamwire-sync completion bash)"; COMP_WORDS=(teamwire-sync chats l); '
            'COMP_CWORD=2; _teamwire_sync_completion teamwire-sync; echo "${COMPREPLY[@]}"; '
            "complete -p teamwire-sync"
        )
        done = subprocess.run(
            [BASH, "-c", script],
            capture_output=True,
            encoding="utf-8",
            env=environment_of(None, PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}"),
            check=False,
        )

        assert done.stderr == ""
        assert done.stdout.splitlines()[0] == "list"
        assert "_teamwire_sync_completion" in done.stdout.splitlines()[1]

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_each_shell_has_a_script(self, shell: str) -> None:
        done = run("completion", shell, box=None)

        assert (done.code, done.err) == (0, "")
        assert f"_TEAMWIRE_SYNC_COMPLETE={shell}_complete" in done.out

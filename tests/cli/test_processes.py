"""Pipes, closed streams, Ctrl-C and the start: as processes."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from teamwire_sync._cli.errors import BROKEN_PIPE, INTERRUPTED, USAGE
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from tests.cli.conftest import AGAIN, BASH, COMMAND, environment_of, run
from tests.support.terminal import settle
from tests.support.waiting import PATIENCE, wait_until

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
            _, err = process.communicate(timeout=PATIENCE)

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

            assert process.wait(PATIENCE) == BROKEN_PIPE
            assert process.stderr is not None
            assert process.stderr.read() == b""

    def test_a_full_disk_is_a_line(self, box: Sandbox) -> None:
        if not os.path.exists("/dev/full"):  # noqa: PTH110
            pytest.skip("there is no /dev/full")
        done = run("chats", "list", box=box, then=">/dev/full")

        assert (done.code, done.err) == (USAGE, "Error: No space left on device\n")

    def test_closed_streams_are_none(self, box: Sandbox) -> None:
        done = run("groups", "list", "--json", box=box, then="<&- >&- 2>&-")

        assert (done.code, done.err) == (0, "")

    def test_an_error_with_nobody_to_read_it_has_its_code(self, box: Sandbox) -> None:
        done = run(
            *("chats", "show", "nowhere"), box=box, then="2>&1 | true; exit ${PIPESTATUS[0]}"
        )

        assert (done.code, done.err) == (1, "")

    @pytest.mark.parametrize(
        "locale",
        [
            {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
            {"LANG": "C"},
            {"LC_ALL": "POSIX"},
        ],
    )
    def test_no_locale_is_too_poor(self, box: Sandbox, locale: dict[str, str]) -> None:
        done = run("chats", "list", box=box, **locale)

        assert (done.code, done.err) == (0, "")
        assert len(done.lines) == len(box.connect().chats.get_subscriptions())

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
    def test_json_is_valid_in_each_encoding(self, box: Sandbox, encoding: str) -> None:
        chats = [chat.to_dict() for chat in box.connect().chats.get_subscriptions()]
        command = [*COMMAND, "chats", "list", "--json"]
        env = environment_of(box, PYTHONIOENCODING=encoding)
        out = subprocess.run(
            command, env=env, capture_output=True, timeout=PATIENCE, check=True
        ).stdout.decode(encoding)

        assert [json.loads(line) for line in out.splitlines()] == chats
        assert ("Übergabe" in out) == (encoding != "ascii")

    def test_bytes_that_are_no_text_are_not_posted(self, box: Sandbox) -> None:
        done = run("post", KNOWN_CHAT, box=box, then="< <(printf 'caf\\xe9')", LC_ALL="C")

        assert (done.code, box.requests) == (USAGE, [])
        assert "not valid text in utf-8" in done.err


def interrupted(box: Sandbox, method: str, path: str, *command: str) -> tuple[int, str, str]:
    """The exit code and the output of a command that Ctrl-C ends while it waits for an answer."""
    with (
        box.hold(method, path) as hold,
        subprocess.Popen(
            [*COMMAND, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=environment_of(box),
        ) as process,
    ):
        hold.wait_arrived(timeout=PATIENCE)
        for _ in range(3):
            settle(process.pid)
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                return (process.wait(AGAIN), *process.communicate())
        process.kill()
    pytest.fail("Ctrl-C does not end it")


class TestInterrupts:
    def test_ctrl_c_ends_what_waits(self, box: Sandbox) -> None:
        assert interrupted(box, "GET", "/v1/bot/chats/", "chats", "list") == (INTERRUPTED, "", "")

    def test_whoever_interrupts_a_write_hears_that_it_may_be_done(self, box: Sandbox) -> None:
        messages = "/v1/bot/chats/*/messages/"
        code, out, err = interrupted(box, "POST", messages, "post", KNOWN_CHAT, "hello")

        assert (code, out) == (INTERRUPTED, "")
        assert err.strip().startswith(
            "Interrupted: the server may or may not have made the change."
        )


class TestSecrets:
    @pytest.mark.skipif(not os.path.exists("/proc/self/cmdline"), reason="needs /proc")  # noqa: PTH110
    def test_no_list_of_processes_shows_it(self, box: Sandbox) -> None:
        with (
            box.hold("GET", "/v1/bot/me/") as hold,
            subprocess.Popen(
                [*COMMAND, "check"], stdout=subprocess.DEVNULL, env=environment_of(box)
            ) as process,
        ):
            hold.wait_arrived(timeout=PATIENCE)
            with open(f"/proc/{process.pid}/cmdline", encoding="utf-8") as file:  # noqa: PTH123
                shown = file.read()
            hold.release()
            process.wait(PATIENCE)

        assert "check" in shown
        assert box.secret not in shown


class TestStart:
    def test_it_imports_nothing_heavy(self) -> None:
        code = (
            "import sys\n"
            "from teamwire_sync._cli import main\n"
            "heavy = {'rich', 'requests', 'pandas', 'urllib3', 'flask', 'asyncio', 'tqdm'}\n"
            "heavy.add('teamwire_sync._composition')\n"
            "for command in '--help', 'chats --help', '--version', 'completion bash':\n"
            "    try: main(command.split(), prog_name='teamwire-sync')\n"
            "    except SystemExit as end: assert not end.code, end.code\n"
            "    print(command, heavy & sys.modules.keys() or 'none', file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            encoding="utf-8",
            env=environment_of(None),
            timeout=PATIENCE,
            check=False,
        )

        assert (done.returncode, done.stderr.splitlines()) == (
            0,
            ["--help none", "chats --help none", "--version none", "completion bash none"],
        )

    def test_in_a_pipe_rich_is_never_imported(self, box: Sandbox) -> None:
        done = run("chats", "list", box=box, PYTHONPROFILEIMPORTTIME="1")

        assert done.code == 0
        assert "teamwire_sync._cli" in done.err
        assert not [line for line in done.err.splitlines() if line.endswith(" rich")]


def test_bash_itself_completes(tmp_path: Path) -> None:
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

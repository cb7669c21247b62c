"""What stands on a terminal."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from teamwire_sync._cli.errors import INTERRUPTED
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from tests.support.terminal import CTRL_C, Terminal
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync.testing import Sandbox
    from tests.cli.conftest import Cli

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no pty")

TITLE = "Ward 12 to 16, and all that is to be known of the plan for the night shift"
# Nothing is drawn but letters.
PLAIN = {"TERM": "dumb", "NO_COLOR": "1"}


def shown(*command: str, box: Sandbox, columns: int = 100, **more: str) -> str:
    """What a command that ends well shows."""
    with Terminal(*command, box=box, columns=columns, **more) as terminal:
        assert terminal.finish() == 0
    return terminal.shown


def test_a_dumb_terminal_has_a_table_of_nothing_but_text_within_its_width(box: Sandbox) -> None:
    tid = box.add_chat(TITLE, users=[KNOWN_USER]).tid
    text = shown("chats", "find", "Ward 12", box=box, columns=60, **PLAIN)

    assert "\x1b" not in text
    assert text.split()[:6] == ["thread", "ID", "name", "type", "users", "groups"]
    assert max(map(cell_len, text.splitlines())) <= 60
    assert tid in text
    assert "…" not in text
    assert set(TITLE.split()) <= set(text.split())


def test_forty_columns_are_enough(box: Sandbox) -> None:
    text = shown("chats", "list", box=box, columns=40, **PLAIN)

    assert "…" not in text
    assert all(len(line.split()) == 1 for line in text.splitlines() if line[:1] != " ")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_poor_terminal_is_one(box: Sandbox, encoding: str) -> None:
    text = shown("chats", "list", box=box, PYTHONIOENCODING=encoding, LC_ALL="C")

    assert KNOWN_CHAT in text
    assert "\\u28" not in text


def test_without_colours_there_are_none(box: Sandbox) -> None:
    text = shown("chats", "list", box=box, NO_COLOR="1")

    assert "\x1b[3" not in text


def test_json_is_the_same_as_in_a_pipe(box: Sandbox, cli: Cli) -> None:
    text = shown("chats", "list", "--json", box=box, **PLAIN)

    assert text.replace("\r\n", "\n") == cli("chats", "list", "--json").out


class TestProgress:
    def test_a_listing_is_counted_and_the_count_goes_away(self, box: Sandbox) -> None:
        text = shown("chats", "list", box=box)

        assert "Listing the chats" in text
        # Up a line, and that one is empty; the cursor is there again.
        assert text.index("\x1b[1A\x1b[2K") < text.index("thread ID")
        assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1

    def test_a_file_has_a_bar(self, box: Sandbox, tmp_path: Path) -> None:
        (tmp_path / "a.bin").write_bytes(bytes(100_000))
        text = shown("post", KNOWN_CHAT, "--file", str(tmp_path / "a.bin"), box=box)

        assert "Sending the files" in text
        assert "100 %" in text

    def test_nothing_of_it_is_on_stdout(self, box: Sandbox, cli: Cli) -> None:
        with Terminal("chats", "list", box=box, stdout=subprocess.PIPE) as terminal:
            assert terminal.process.stdout is not None
            out = terminal.process.stdout.read().decode()
            assert terminal.finish() == 0

        assert "Listing the chats" in terminal.shown
        assert out == cli("chats", "list").out

    def test_nothing_of_it_is_in_a_file(self, box: Sandbox) -> None:
        with Terminal("chats", "list", box=box, stderr=subprocess.PIPE) as terminal:
            assert terminal.finish() == 0
            assert terminal.process.stderr is not None
            err = terminal.process.stderr.read()

        assert err == b""
        assert "Listing" not in terminal.shown

    def test_ctrl_c_leaves_a_terminal_with_a_cursor(self, box: Sandbox) -> None:
        with (
            box.hold("GET", "/v1/bot/chats/") as hold,
            Terminal("chats", "list", box=box) as terminal,
        ):
            hold.wait_arrived(timeout=PATIENCE)

            assert terminal.leave(CTRL_C) == INTERRUPTED
        assert "Traceback" not in terminal.shown
        assert terminal.shown.count("\x1b[?25l") == terminal.shown.count("\x1b[?25h") == 1


@pytest.mark.parametrize(
    ("command", "ready", "code"),
    [
        ("listen", "press Ctrl-C to stop", INTERRUPTED),
        ("sandbox --chats 5 --port 0", "Ctrl-C stops the sandbox", 0),
        ("demo --chats 5 --lookups 3000000", "receive a message", INTERRUPTED),
    ],
)
def test_ctrl_c_ends_what_goes_on(box: Sandbox, command: str, ready: str, code: int) -> None:
    with Terminal(*command.split(), box=box) as terminal:
        terminal.wait_for(ready)
        assert terminal.leave(CTRL_C) == code

    assert "Traceback" not in terminal.shown


def test_without_a_text_a_post_does_not_wait_for_the_keyboard(box: Sandbox) -> None:
    with Terminal("post", KNOWN_CHAT, box=box) as terminal:
        assert terminal.finish() == 2
    assert "there is no text" in terminal.shown


def test_a_dash_reads_the_keyboard(box: Sandbox) -> None:
    with Terminal("post", KNOWN_CHAT, "-", box=box) as terminal:
        terminal.type("typed\n\x04")
        assert terminal.finish() == 0

    assert box.connect().chats.at(KNOWN_CHAT).get_messages(1)[0].msg == "typed"

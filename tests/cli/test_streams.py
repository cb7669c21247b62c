"""Streams that are closed, or poor, or hold no text."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING

from teamwire_sync._cli.errors import NOT_FOUND, USAGE
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT

if TYPE_CHECKING:
    import pytest

    from teamwire_sync.testing import Sandbox
    from tests.cli.conftest import Cli

STREAMS = ("stdin", "stdout", "stderr")


def test_a_closed_stream_is_none(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = []
    for command in ("check", "chats list", "groups list --json"):
        for closed in (*((name,) for name in STREAMS), STREAMS):
            with monkeypatch.context() as patch:
                for name in closed:
                    patch.setattr(sys, name, None)
                done = cli(*command.split(), stdin=None if "stdin" in closed else "")
            err = re.sub(r"\AAll settings work: .*\n\Z", "", done.err)
            if (done.code, err, done.out == "") != (0, "", "stdout" in closed):
                wrong.append((command, closed, done.code, done.err))
    assert wrong == []


def test_without_stderr_no_error_is_on_stdout(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for command in ("nonsense", "users find", "chats show nowhere", "-v chats show nowhere"):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", None)
            done = cli(*command.split())
        found[command] = (done.code, done.out)

    assert found == {
        "nonsense": (USAGE, ""),
        "users find": (USAGE, ""),
        "chats show nowhere": (NOT_FOUND, ""),
        "-v chats show nowhere": (NOT_FOUND, ""),
    }


def test_a_post_without_stdin_needs_a_text(cli: Cli) -> None:
    done = cli("post", KNOWN_CHAT, stdin=None)

    assert done.code == USAGE
    assert "there is no text" in done.err


def test_no_encoding_is_too_poor(cli: Cli, box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    chats = len(box.connect().chats.get_subscriptions())
    found = {}
    for encoding in ("ascii", "latin-1", "utf-8"):
        written = io.BytesIO()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding, write_through=True))
            done = cli("chats", "list")
            lines = written.getvalue().decode(encoding, "replace").splitlines()
        found[encoding] = (done.code, done.err, len(lines))

    assert found == dict.fromkeys(("ascii", "latin-1", "utf-8"), (0, "", chats))


def test_bytes_that_are_no_text_are_not_posted(cli: Cli, box: Sandbox) -> None:
    # Of a locale with UTF-8, and of the C locale.
    for errors in ("strict", "surrogateescape"):
        stdin = io.TextIOWrapper(io.BytesIO(b"caf\xe9"), "utf-8", errors)
        done = cli("post", KNOWN_CHAT, stdin=stdin)

        assert (done.code, box.requests) == (USAGE, [])
        assert "not valid text in utf-8" in done.err


def test_without_a_terminal_there_are_neither_colours_nor_bars(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    done = cli("chats", "list")

    assert (done.code, done.err) == (0, "")
    assert "\x1b" not in done.out
    assert all(line.count("\t") == 4 for line in done.lines)

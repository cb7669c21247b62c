"""What other people write reaches no terminal as it is."""

from __future__ import annotations

import logging
import os
import unicodedata
from typing import TYPE_CHECKING

import pytest

from teamwire_sync._cli.messages import _line
from teamwire_sync._cli.output import escape, escape_lines
from teamwire_sync._cli.settings import log_to_stderr
from teamwire_sync._internal.log import logger
from teamwire_sync._sandbox.world.seed import KNOWN_USER, PUBLIC_CIRCLE
from tests.support.builders import chat_doc, group_doc, make_message, message_doc, user_doc
from tests.support.terminal import Terminal

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox
    from tests.cli.conftest import Cli

# Orders to a terminal, a bell, what overwrites, turns round, hides, and ends a line.
ORDERS = (
    "\x1b[31m \x1b]0;title\x07 \x9b2J \x90 \x07 \x08 \r \x00 \x7f \x0b \x0c \x85 \u2028 \u2029 "
    "\u202e \u2066 \u200e \u061c \u200b \u2060 \ufeff \xad \u115f \u3164 \u034f \U000e0041"
)
LETTERS = sorted(set(ORDERS) - set("[31m ]0;title2J"))
HOSTILE = f"evil{ORDERS}end"


def harm(text: str) -> set[str]:
    """What of *text* a terminal should not get."""
    return set(text) & set(LETTERS)


def escaped(text: str) -> str:
    """*text* as a literal of Python would have it."""
    return text.encode("unicode_escape").decode()


def test_a_letter_that_is_no_sign_is_shown_escaped() -> None:
    shown = {letter: escape(f"a{letter}b") for letter in LETTERS}

    assert shown == {letter: f"a{escaped(letter)}b" for letter in LETTERS}


def test_no_letter_of_unicode_is_an_order() -> None:
    """Control, format, surrogate, private, unassigned, line and paragraph separator."""
    unseen = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    text = "".join(
        letter for letter in map(chr, range(0x110000)) if unicodedata.category(letter) in unseen
    )

    # Not by assert: that would compare two texts of millions of letters to show where they differ.
    if escape(text) != escaped(text):
        pytest.fail(f"shown: {[letter for letter in text if escape(letter) == letter][:20]!r}")


@pytest.mark.parametrize(
    "text",
    [
        "Großeinsatz 🚒👩🏽‍🚒",
        "❤️‍🔥 1️⃣",
        "قسم الطوارئ",
        "می‌خواهم",
        "क्‍ष",
        "Café",
        "日本語",
        "a\\b",
    ],
)
def test_a_text_of_any_writing_stays_as_it_is(text: str) -> None:
    assert escape(text) == text


@pytest.mark.parametrize(
    "text", ["a\u200db", "\u200da", "a\u200d", "a\ufe0fb", "\ufe0f", "z\u200cb"]
)
def test_a_joiner_that_joins_nothing_is_shown_escaped(text: str) -> None:
    assert escape(text) == escaped(text)


def test_lines_stay_lines_and_spaces_are_spaces() -> None:
    assert escape_lines("a\n\tb\xa0!\r\nc\u3000d") == "a\n    b !\nc d"


def test_what_is_logged_is_shown_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    with log_to_stderr(logging.INFO):
        logger.info("it says %s", HOSTILE)

    err = capsys.readouterr().err
    assert err.startswith("INFO it says evil")
    assert not harm(err)


def hostile_answers(box: Sandbox) -> None:
    """Let the server answer with nothing but such texts."""
    user = user_doc("u1", first_name=HOSTILE, last_name=HOSTILE, organisation=HOSTILE)
    group = group_doc("g1", title=HOSTILE)
    chats = [
        chat_doc(tid, title=HOSTILE, user_ids=["u1"], group_ids=["g1"]) for tid in ("t1", "t2")
    ]
    page = {"users": [user], "groups": [group], "next_cursor": None, "next_before": None}
    box.fault("GET", "/v1/bot/chats/", body={**page, "chats": chats})
    box.fault("GET", "/v1/bot/users/", body=page)
    box.fault("GET", "/v1/bot/groups/", body=page)
    box.fault("GET", "/v1/bot/me/", body={"user": {**user, "is_bot": True}})
    message = message_doc("m1", from_user_id="u1", message=HOSTILE, sender_display_name=HOSTILE)
    box.fault("GET", "/v1/bot/chats/*/messages/", status=200, body={**page, "messages": [message]})


COMMANDS = [
    ["check"],
    ["chats", "list"],
    ["chats", "find", "evil"],
    ["chats", "show", "t1"],
    ["chats", "members", "t1"],
    ["chats", "show", "--title", HOSTILE.replace("\x00", "")],
    ["chats", "find", HOSTILE.replace("\x00", "") + "x"],
    ["messages", "t1"],
    ["users", "find", "evil"],
    ["groups", "list"],
]


def test_no_command_prints_an_order(cli: Cli, box: Sandbox) -> None:
    hostile_answers(box)
    wrong = []
    for command in COMMANDS:
        for options in ([], ["--json"]):
            done = cli("-v", *command, *options)
            text = done.out + done.err
            if "evil" not in text or harm(text):
                wrong.append(([*command, *options], text))
    assert wrong == []


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_what_happens_is_shown_escaped(cli: Cli, box: Sandbox, options: list[str]) -> None:
    cursor = box.connect().events(timeout=1).cursor
    tid = box.add_chat(HOSTILE, users=[KNOWN_USER]).tid
    box.post_message(tid, HOSTILE, KNOWN_USER, files={HOSTILE: b"abc"})
    box.rename_chat(tid, f"{HOSTILE} again")
    for command in (["listen", "--since", cursor, "--for", "0.05"], ["messages", tid]):
        done = cli(*command, *options)

        assert "evil" in done.out
        assert not harm(done.out)


def test_the_candidates_of_an_ambiguous_title_are_shown_escaped(cli: Cli, box: Sandbox) -> None:
    hostile_answers(box)
    done = cli("chats", "show", "--title", HOSTILE)

    assert done.code == 1
    assert len(done.err.splitlines()) == 4
    assert not harm(done.err)


def test_the_text_of_an_error_of_the_server_is_shown_escaped(cli: Cli, box: Sandbox) -> None:
    body = {"error": {"code": HOSTILE, "message": HOSTILE}}
    box.fault("GET", "/v1/bot/me/", status=409, body=body)
    done = cli("check")

    assert done.code == 2
    assert not harm(done.err)


def test_the_name_of_a_file_is_shown_escaped(cli: Cli) -> None:
    done = cli("post", "t1", "--file", f"nowhere{HOSTILE[4:40]}")

    assert done.code == 2
    assert not harm(done.err)


@pytest.mark.filterwarnings("ignore:the sandbox listens")
def test_what_was_typed_is_shown_escaped(bare_cli: Cli) -> None:
    done = bare_cli("sandbox", "--host", "127.0.0.\x07")

    assert done.code == 2
    assert "127.0.0.\\x07" in done.err
    assert not harm(done.err)


@pytest.mark.skipif(os.name == "nt", reason="there is no pty")
@pytest.mark.parametrize("columns", [40, 100])
def test_a_table_on_a_terminal_has_no_order(box: Sandbox, columns: int) -> None:
    tid = box.add_chat(f"evil{ORDERS}end", users=[KNOWN_USER], groups=[PUBLIC_CIRCLE]).tid
    # It draws nothing of its own but the bold letters of the head.
    with Terminal(
        "chats", "find", "evil", box=box, columns=columns, TERM="dumb", NO_COLOR="1"
    ) as terminal:
        assert terminal.finish() == 0

    assert tid in terminal.shown
    assert harm(terminal.shown) <= {"\r"}
    assert "\r" not in terminal.shown.replace("\r\n", "")


def test_ids_are_shown_as_texts_are() -> None:
    message = make_message(mid="m\x1b[2J1")

    assert "\x1b" not in _line(message, message.mid)

"""The programs of the vendor's page, minus async, each as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from teamwire_sync import Connection
    from teamwire_sync.testing import Sandbox

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "utf8", "-W", "error", str(EXAMPLES / name)]
    return subprocess.run(
        command,
        env={**os.environ, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def output_of(name: str, box: Sandbox) -> list[str]:
    done = run(name, **box.env)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_list_chats(box: Sandbox, connection: Connection) -> None:
    lines = output_of("list_chats.py", box)

    assert lines == [
        "Available chats:",
        *(f"- {c.title or 'no title'}, ID: {c.tid}" for c in connection.chats.get_subscriptions()),
    ]


def test_get_chat_by_thread_id(box: Sandbox) -> None:
    lines = output_of("get_chat_by_thread_id.py", box)

    assert lines == ["Found chat: test, ID: 7MQKchz6wsSzmWTVnppGAc"]


def test_get_chat_by_thread_id_finds_nothing(box: Sandbox) -> None:
    box.remove_chat("7MQKchz6wsSzmWTVnppGAc")

    assert output_of("get_chat_by_thread_id.py", box) == ["Chat not found"]


def test_get_chat_by_title(box: Sandbox, connection: Connection) -> None:
    lines = output_of("get_chat_by_title.py", box)

    same = connection.chats.get_by_title("test")
    assert lines == ['Available chats with title "test":', *(f"- {chat.tid}" for chat in same)]
    assert len(same) == 2


def test_get_chat_by_title_finds_nothing(box: Sandbox, connection: Connection) -> None:
    for chat in connection.chats.get_by_title("test"):
        box.rename_chat(chat, "another")

    assert output_of("get_chat_by_title.py", box) == ['no chats with title "test" found']


def test_create_chat(box: Sandbox, connection: Connection) -> None:
    (line,) = output_of("create_chat.py", box)

    created = connection.chats.one_by_title("hello world")
    assert line == f"new chat created with id: {created.tid}"
    assert [user.uid for user in created.users] == ["rVRCfuQEtkgnZBZEgbHVji"]
    assert [circle.gid for circle in created.circles] == ["45529"]


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_without_credentials_the_last_line_says_how_to_give_them(name: str) -> None:
    done = run(name)

    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert all(
        way in last for way in ("TWConfigError", "Connection(", "TEAMWIRE_SECRET", "config.ini")
    )

"""The programs of the vendor's page, minus async, and a bot, each as a process of its own."""

from __future__ import annotations

import io
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import FileAttachment, NewMessageInfo
from tests.support.pages import blocks
from tests.support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync import Chat, Connection, Message, User
    from teamwire_sync.testing import Sandbox

EXAMPLES = Path(__file__).parents[2] / "examples"
PERSON = "rVRCfuQEtkgnZBZEgbHVji"


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-X", "utf8", "-W", "error", str(EXAMPLES / name), *arguments]


def run(name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(name),
        env={**os.environ, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
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


class Bot:
    """The bot of the example, which watches a chat.

    Attributes:
        chat: The chat.
        process: The process.
    """

    def __init__(self, box: Sandbox, chat: Chat, process: subprocess.Popen[str]) -> None:
        self.chat = chat
        self.process = process
        self._box = box
        self._connection = box.connect()

    def answer_to(self, text: str) -> Message:
        """What it posts in the chat when somebody posts *text*."""
        events = self._connection.events(timeout=PATIENCE, own=True)
        mid = self._box.post_message(self.chat, text)
        return next(
            event.message
            for event in events
            if isinstance(event, NewMessageInfo) and event.message.reply_to == mid
        )

    def end(self) -> tuple[int, str, str]:
        """Press Ctrl-C: the exit code, what it printed, and its errors."""
        wait_until(lambda: self._box.waiting == 1)
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


@pytest.fixture
def bot(box: Sandbox) -> Iterator[Bot]:
    """The bot, listening."""
    chat = box.add_chat("ward 3", [PERSON])
    process = subprocess.Popen(
        command("bot.py", "ward 3"),
        env={**os.environ, **box.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        try:
            wait_until(lambda: box.waiting == 1 or process.poll() is not None)
            yield Bot(box, chat, process)
        finally:
            process.kill()


def person(connection: Connection) -> User:
    user = connection.users.get_user(PERSON)
    assert user is not None
    return user


class TestBot:
    def test_it_answers_in_its_chat_alone(
        self, box: Sandbox, bot: Bot, connection: Connection
    ) -> None:
        other = box.add_chat("ward 4", [PERSON])
        box.post_message(other, "hello")

        assert bot.answer_to("Hello").msg == f"hello {person(connection).first_name}"
        assert len(connection.chats.at(other.tid).get_messages()) == 1

    def test_it_posts_the_last_messages_as_a_file(
        self, box: Sandbox, bot: Bot, connection: Connection
    ) -> None:
        box.post_message(bot.chat, "the first")
        (file,) = bot.answer_to("messages").attachments or []

        assert isinstance(file, FileAttachment)
        assert file.name == "messages.txt"
        content = io.BytesIO()
        file.download(content)
        name = person(connection).full_name()
        ends = [line.partition(": ") for line in content.getvalue().decode().splitlines()]
        assert [text for *_, text in ends] == ["the first", "messages"]
        assert all(start.endswith(f" {name}") for start, *_ in ends)

    def test_it_makes_one_follow_up_chat_and_finds_it_again(
        self, bot: Bot, connection: Connection
    ) -> None:
        answers = [bot.answer_to("follow up").msg for _ in range(2)]

        title = f"ward 3: follow-up of {person(connection).full_name()}"
        assert answers == [f'see the chat "{title}"', f'there is the chat "{title}" already']
        assert [user.uid for user in connection.chats.one_by_title(title).users] == [PERSON]

    def test_it_outlives_an_answer_that_fails(self, box: Sandbox, bot: Bot) -> None:
        box.fault("POST", "/v1/bot/chats/*/messages/", status=403, times=1)
        box.post_message(bot.chat, "hello")

        assert bot.answer_to("hello")

    def test_ctrl_c_ends_it_without_a_traceback(self, bot: Bot) -> None:
        assert bot.end() == (0, "watching ward 3, Ctrl-C ends it\nended\n", "")

    def test_without_a_title_it_says_how_it_is_called(self, box: Sandbox) -> None:
        done = run("bot.py", **box.env)

        assert (done.returncode, done.stderr) == (1, 'usage: python bot.py "chat title"\n')


def test_the_flask_app_takes_no_proxy_for_the_server(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in box.env.items():
        monkeypatch.setenv(name, value)
    module = runpy.run_path(str(EXAMPLES / "flask_app.py"))
    with module["connection"] as connection:
        connection.check()
        foreign = {"headers": {"Teamwire-Bot-Contract": None}}
        box.fault("GET", "/v1/bot/chats/", status=404, **foreign)

        assert module["app"].test_client().get("/chats/test").status_code == 502


def test_the_page_about_flask_shows_its_example() -> None:
    (shown,) = blocks("flask.md", "py")

    assert shown == (EXAMPLES / "flask_app.py").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_without_credentials_the_last_line_says_how_to_give_them(name: str) -> None:
    done = run(name)

    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert all(
        way in last for way in ("TWConfigError", "Connection(", "TEAMWIRE_SECRET", "config.ini")
    )

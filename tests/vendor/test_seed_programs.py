"""The programs of the vendor's page print the same, with their async words and without."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync._sandbox.world.seed import KNOWN_USER, PUBLIC_CIRCLE
from tests.support.waiting import Threads

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox
    from tests.vendor.conftest import Vendor

ASYNC = Path(__file__).parent / "programs"
EXAMPLES = Path(__file__).parents[2] / "examples"
READING = ("list_chats", "get_chat_by_thread_id", "get_chat_by_title")
PROGRAMS = (*READING, "create_chat")


def with_async(name: str) -> str:
    """A program as it stands."""
    return (ASYNC / f"{name}.py").read_text("utf-8")


def without_async(name: str) -> str:
    """The same minus async, await and exec_async, over HTTP."""
    return ported(with_async(name))


def ported(text: str) -> str:
    """A program with the three changes of docs/porting.md."""
    text = text.replace("teamwire_api", "teamwire_sync")
    text = text.replace("async def", "def").replace("await ", "")
    return re.sub(r"connection\.exec_async\((.*)\)", r"\1", text)


def over_vendor(name: str) -> str:
    """The same over the vendor's SDK."""
    return without_async(name).replace("Connection()", "Connection.from_vendor()")


def output_of(program: str) -> list[str]:
    """What *program* prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(program, "program.py", "exec"), {"__name__": "__main__"})  # noqa: S102  ours
    return printed.getvalue().splitlines()


def output_of_async(program: str) -> list[str]:
    """The same in a thread that has an event loop, as version 1.4 wants."""

    def run() -> list[str]:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            return output_of(program)
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    with Threads(1) as threads:
        return threads.start(run).result()


def output_within_a_loop(program: str) -> list[str]:
    """The same where an event loop runs already, as in a notebook."""

    async def cell() -> list[str]:
        return output_of(program)

    return asyncio.run(cell())


def statements(text: str) -> list[str]:
    """The statements of a program, without the docstring that ours have."""
    body = ast.parse(text).body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        del body[0]
    return [ast.dump(statement) for statement in body]


@pytest.mark.parametrize("name", PROGRAMS)
def test_our_examples_are_the_programs_minus_async(name: str) -> None:
    example = (EXAMPLES / f"{name}.py").read_text("utf-8")

    assert statements(example) == statements(without_async(name))
    assert not re.search("async|await", over_vendor(name))


def test_a_program_that_imports_from_modules_prints_the_same(vendor: Vendor) -> None:
    """Over the vendor's SDK, our classes are those of our modules."""
    lines = output_of(over_vendor("alert"))

    assert lines == output_of_async(with_async("alert")) == output_of(without_async("alert"))


@pytest.mark.parametrize("name", READING)
@pytest.mark.parametrize("run", [output_of, output_within_a_loop])
def test_what_a_program_prints(vendor: Vendor, name: str, run: Callable[[str], list[str]]) -> None:
    lines = run(over_vendor(name))

    assert lines == output_of_async(with_async(name))
    assert lines == output_of(without_async(name))
    assert len(lines) == {"list_chats": 101, "get_chat_by_title": 3}.get(name, 1)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("list_chats", ["Available chats:"]),
        ("get_chat_by_thread_id", ["Chat not found"]),
        ("get_chat_by_title", ['no chats with title "test" found']),
    ],
)
def test_what_a_program_prints_when_there_is_nothing(
    vendor: Vendor, box: Sandbox, name: str, lines: list[str]
) -> None:
    for chat in box.connect().chats.get_subscriptions():
        box.remove_chat(chat)

    assert output_of(over_vendor(name)) == lines
    assert output_of_async(with_async(name)) == lines
    assert output_of(without_async(name)) == lines


def made_by(box: Sandbox, run: Callable[[str], list[str]], program: str) -> tuple[str, Any]:
    """What *program* prints with an id in place of the new chat's, and what that chat is."""
    before = {chat.tid for chat in box.connect().chats.get_subscriptions()}
    (line,) = run(program)
    (chat,) = (chat for chat in box.connect().chats.get_subscriptions() if chat.tid not in before)
    (message,) = chat.get_messages()
    made = (chat.title, list(chat.users), list(chat.groups), list(chat.admins), message.msg)
    return line.replace(chat.tid, "ID"), made


@pytest.mark.parametrize("run", [output_of, output_within_a_loop])
def test_what_the_program_that_creates_a_chat_prints_and_makes(
    vendor: Vendor, box: Sandbox, run: Callable[[str], list[str]]
) -> None:
    made = made_by(box, run, over_vendor("create_chat"))

    assert made == made_by(box, output_of_async, with_async("create_chat"))
    assert made == made_by(box, output_of, without_async("create_chat"))
    line, (title, users, groups, _, message) = made
    assert (line, title, message) == ("new chat created with id: ID", "hello world", "test message")
    assert [user.uid for user in users] == [KNOWN_USER]
    assert [group.gid for group in groups] == [PUBLIC_CIRCLE]

"""What mypy sees of what values do: a program with right calls, and one with wrong ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RIGHT = """
from pathlib import Path
from typing import List, Optional, Union

from teamwire_sync import Attachments, Chat, ChatHandle, ChatList, Connection, FileAttachment
from teamwire_sync import Group, Message, MessageList, User

connection = Connection()
chats: ChatList = connection.chats.get_subscriptions()
chat: Chat = chats[0]
message: Message = chat.post("x", Attachments().add_file(Path("p")).add_image("q"), progress=True)
posted: Union[Chat, ChatHandle] = message.chat
attached = [each for each in message.attachments or () if isinstance(each, FileAttachment)]
again: Message = chat.post("x", attached, True, message, "Ada", "note", timeout=1)
chat.post("x", message.attachments)
answer: Message = message.reply("y", Attachments().add_location("z", 1, 2), is_alert=True)
connection.chats.at("t1").post(attachments=[*attached, *(answer.attachments or ())])
path: Optional[Path] = attached[0].download("folder", progress=print)
messages: MessageList = chat.get_messages(before=answer)
texts = [each.msg for each in chat.iter_messages()]
renamed: Chat = chat.set_title(None).set_closed(True).add_members(["u1"], chat.groups)
user: User = renamed.users[0]
picture: bytes = user.load_avatar(timeout=2)
group: Group = renamed.groups[0].add_members([user])
members: List[User] = group.get_members()
admins: Chat = connection.chats.at("t1").add_admins(members)
"""
SETUP = """from teamwire_sync import (
    Attachments, Chat, ChatHandle, FileAttachment, Group, Message, User
)
def work(
    chat: Chat, handle: ChatHandle, message: Message, file: FileAttachment, user: User, group: Group
) -> None:
"""
MISTAKES = """\
chat.post(5)
chat.post("x", "report.pdf")
chat.post("x", ["report.pdf"])
chat.post("x", [chat])
chat.post("x", open("report.pdf", "rb"))
chat.post("x", reply_to=chat)
chat.post("x", nobody="knows this")
chat.post("x").tid
chat.get_messages(before=5)
chat.get_messages().mid
chat.add_members([5])
chat.add_admins(["u1"]).mid
chat.set_closed("yes")
chat.leave().tid
handle.post(["x"])
handle.title
handle.set_title("x").msg
message.reply("x", "report.pdf")
message.reply("x").tid
message.chat.title
file.download(5)
file.download("folder").mid
user.load_avatar().uid
group.get_members().uid
group.remove_members([chat])
group.add_members([user]).tid
Attachments().add_file(5)
"""


def test_a_right_program_has_no_error_and_each_mistake_is_one(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is what is asked")
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(SETUP + textwrap.indent(MISTAKES, "    "))

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "right.py", "wrong.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    places = re.findall(r"^(\w+)\.py:(\d+): error: ", done.stdout, re.MULTILINE)
    first = SETUP.count("\n") + 1
    expected = {("wrong", str(number)) for number in range(first, first + MISTAKES.count("\n"))}
    assert set(places) == expected, done.stdout + done.stderr

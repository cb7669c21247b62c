"""Type checkers accept a program with right calls, and find each mistake in a wrong one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.openapi_tools.installed import node_programs

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RIGHT = """
from pathlib import Path
from typing import IO, Any, Dict, List, Optional, Union

from teamwire_sync import Attachable, Attachments, Chat, ChatHandle, ChatList, Chats, Connection
from teamwire_sync import FileAttachment, FileStore, Group, Groups, Message, MessageList, Progress
from teamwire_sync import AttachmentList, EventList, GroupList, GroupTuple, Store, Transport
from teamwire_sync import User, UserList, Users, UserTuple, VendorTransport
from teamwire_sync.exceptions import TWError

def connect(store: Optional[Store] = None, transport: Optional[Transport] = None) -> Connection:
    return Connection(store=store, transport=transport)

def total(chats: Chats, users: Users, groups: Groups, progress: Progress = None) -> int:
    found = len(chats.get_subscriptions(progress=progress))
    return found + len(users.find("a")) + len(groups.find("b"))

connection = connect(FileStore(), VendorTransport())
number: int = total(connection.chats, connection.users, connection.groups, lambda x, y: None)
chats: ChatList = connection.chats.get_subscriptions()
first: ChatList = chats[:3]
frame = first.to_pandas()
chat: Chat = chats[0]
document: Dict[str, Any] = chat.to_dict()
message: Message = chat.post("x", Attachments().add_file(Path("p")).add_image("q"), progress=True)
posted: Union[Chat, ChatHandle] = message.chat
attached = [each for each in message.attachments or () if isinstance(each, FileAttachment)]
again: Message = chat.post("x", attached, True, message, "Ada", "note", timeout=1)
chat.post("x", message.attachments)
answer: Message = message.reply("y", Attachments().add_location("z", 1, 2), is_alert=True)
connection.chats.at("t1").post(attachments=[*attached, *(answer.attachments or ())])
path: Optional[Path] = attached[0].download("folder", progress=print)
messages: MessageList = chat.get_messages(before=answer)
newest = messages[:5].to_pandas()
files: List[Attachable] = []
chat.post("x", files)
texts = [each.msg for each in chat.iter_messages()]
renamed: Chat = chat.set_title(None).set_closed(True).add_members(["u1"], chat.groups)
user: User = renamed.users[0]
picture: bytes = user.load_avatar(timeout=2)
group: Group = renamed.groups[0].add_members([user])
members: List[User] = group.get_members()
people: UserList = group.members[:2] + members
found: UserList = connection.users.find("a").copy()
circles: GroupList = connection.groups.get_by_title("b")
invited: GroupTuple = chat.circles[1:]
some: UserTuple = chat.users[:2]
sent: Optional[AttachmentList] = message.attachments
events = EventList(connection.events(timeout=1))
same: ChatList = connection.chats.get_by_title("x") + [chat]
names = [chat.display_name for chat in same]
frames = [each.to_pandas() for each in (people, circles, invited, some, events, same)]
by_hand = Chat("t1", "x", users=[user], groups=iter(circles), admins=some)
admins: Chat = connection.chats.at("t1").add_admins(members)

def upload(opened: IO[bytes]) -> Attachments:
    return Attachments().add_file(opened)

class Bot(Connection):
    def warn(self) -> Message:
        return self.chats.one_by_title("x").post("y")

with Bot() as bot, Bot.from_vendor() as vendor:
    warnings: List[Message] = [bot.warn(), vendor.warn()]
"""
SETUP = """from teamwire_sync import (
    Attachments, Chat, ChatHandle, ChatList, FileAttachment, Group, Message, TWNotFoundError, User
)
import teamwire_sync
def work(
    chat: Chat, handle: ChatHandle, message: Message, file: FileAttachment, user: User,
    group: Group, chats: ChatList
) -> None:
"""
MISTAKES = """\
from teamwire_sync import Connektion
from teamwire_sync import Chatlist
teamwire_sync.Connektion
teamwire_sync.TWEror
chats[:3].to_panda()
chats[0].to_pandas()
chats[:3].post("x")
chat.to_dict().tid
chat.title = "x"
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
group.get_members().to_panda()
chat.users.uid
chat.users[:2].to_panda()
chat.display_name = "x"
Chat("t1", "x", users=[chat])
group.remove_members([chat])
group.add_members([user]).tid
Attachments().add_file(5)
TWNotFoundError("x").close_title
"""
FIRST = SETUP.count("\n") + 1
EXPECTED = {("wrong", number) for number in range(FIRST, FIRST + MISTAKES.count("\n"))}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the two programs."""
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(SETUP + textwrap.indent(MISTAKES, "    "))
    return tmp_path


def run(folder: Path, *command: str) -> str:
    """The output of a type checker that has found errors."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_mypy_finds_each_mistake_and_nothing_else(folder: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is what is asked")

    output = run(folder, sys.executable, "-m", "mypy", "--strict", "right.py", "wrong.py")

    places = re.findall(r"^(\w+)\.py:(\d+): error: ", output, re.MULTILINE)
    assert {(name, int(number)) for name, number in places} == EXPECTED, output


@pytest.mark.slow
def test_pyright_finds_each_mistake_and_nothing_else(folder: Path) -> None:
    pyright = node_programs("pyright", HERE) / "pyright"
    settings = {"extraPaths": [str(ROOT)], "reportAttributeAccessIssue": "error"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))

    output = run(folder, str(pyright), "--pythonpath", sys.executable, "--outputjson")

    errors = json.loads(output)["generalDiagnostics"]
    places = {
        (Path(each["file"]).stem, each["range"]["start"]["line"] + 1)
        for each in errors
        if each["severity"] == "error"
    }
    assert places == EXPECTED, output

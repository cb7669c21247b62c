"""The table of docs/requests.md: each call makes as many requests as the page states."""

from __future__ import annotations

import inspect
import math
import re
from contextlib import suppress
from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import teamwire_sync
from teamwire_sync import Attachments, TWInvalidMembersError, TWNotFoundError, TWUnsupportedError
from teamwire_sync._server.validation import MAX_LIMIT, parse_limit
from teamwire_sync._vendor.transport import VendorTransport
from teamwire_sync.testing import sandbox
from tests.support.fake_sdk import FakeChat, FakeSdk
from tests.support.pages import DOCS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from teamwire_sync import Connection
    from teamwire_sync.testing import Sandbox

PAGE = (DOCS / "requests.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| `")
]
CALLS = [(call, *cells) for first, *cells in ROWS for call in re.findall("`([^`]+)`", first)]
KINDS = {
    "attachment": teamwire_sync.FileAttachment,
    "chat": teamwire_sync.Chat,
    "chats": teamwire_sync.Chats,
    "connection": teamwire_sync.Connection,
    "group": teamwire_sync.Group,
    "groups": teamwire_sync.Groups,
    "message": teamwire_sync.Message,
    "user": teamwire_sync.User,
    "users": teamwire_sync.Users,
}
WITHOUT_TIMEOUT = {"group.members", "next(events)"}
# So few that most lists have several pages.
ON_A_PAGE = 5
MESSAGES = 250
PARTS = {"file": 2, "user": 1, "user or group": 2}
NAMES = {
    "uid": "rVRCfuQEtkgnZBZEgbHVji",
    "gid": "45529",
    "tid": "7MQKchz6wsSzmWTVnppGAc",
    "title": "Ward 25, Dienstplan",
    "name": "e",
    "text": "hello",
}
VENDOR_NAMES = {**NAMES, "uid": "u1", "gid": "g1", "tid": "t1", "title": "test"}


class World(dict[str, Any]):
    """The names in a call of the table. Each object is made when a call needs it."""

    def __init__(self, new: Callable[[], Connection], names: dict[str, str], folder: Path) -> None:
        super().__init__(names)
        connection, self.other = new(), new()
        self.update(connection=connection, path=folder, Connection=new)
        for name in ("chats", "users", "groups"):
            self[name] = getattr(connection, name)

    def __missing__(self, name: str) -> Any:
        if not hasattr(self, f"_{name}"):
            raise KeyError(name)  # a builtin, or a part of the call that is no name
        self[name] = getattr(self, f"_{name}")()
        return self[name]

    def counts(self, call: str, count: Callable[[], int], times: int) -> list[int]:
        """Make the call, and return how many requests it makes each time."""
        for name in re.findall(r"\w+", call):
            with suppress(KeyError):
                self[name]
        counts = [count()]
        for _ in range(times):
            with suppress(TWInvalidMembersError, TWNotFoundError):  # it was done before
                eval(call, {}, self)  # noqa: S307  the page is ours
            counts.append(count())
        self["connection"].close()
        self.other.close()
        return [after - before for before, after in zip(counts, counts[1:])]

    def _chat(self) -> Any:
        return self.other.chats.at(self["tid"])

    def _message(self) -> Any:
        return self["chat"].post("first")

    def _files(self) -> Attachments:
        return Attachments().add_file(BytesIO(b"a"), "a").add_file(BytesIO(b"b"), "b")

    def _attachment(self) -> Any:
        return self["chat"].post("", self["files"]).attachments[0]

    def _user(self) -> Any:
        return self.other.users.get_user(self["uid"])

    def _group(self) -> Any:
        """A list, without its members."""
        chats = self.other.chats.get_subscriptions()
        return next(group for chat in chats for group in chat.lists)

    def _events(self) -> Any:
        return self.other.events(timeout=60)

    def _cursor(self) -> str:
        return self._events().cursor


class WorldOfSandbox(World):
    """The same names. The bot may change the chat and the list. There are two events to read."""

    def __init__(self, box: Sandbox, folder: Path) -> None:
        super().__init__(box.connect, NAMES, folder)
        self._box = box

    def _chat(self) -> Any:
        chat = self.other.chats.create_chat(title="new", users=[self["uid"]])
        for number in range(MESSAGES):
            self._box.post_message(chat.tid, str(number))
        return chat

    def _group(self) -> Any:
        return self.other.groups.get_by_title("Rufbereitschaft")[0]

    def _events(self) -> Any:
        events = super()._events()
        for text in ("one", "two"):
            self._box.post_message(self["tid"], text)
        return events


def stated(cell: str, things: int = 0) -> int:
    """Return the number in *cell*, for a listing of so many *things*."""
    number, per, part = re.match(
        r"(\d)(?: per (page|200 messages)| \+ 1 per ([\w ]+))?", cell
    ).groups()
    if per is not None:
        return int(number) * math.ceil(things / ON_A_PAGE if per == "page" else MESSAGES / 200)
    return int(number) + (PARTS[part] if part else 0)


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    monkeypatch.setattr(parse_limit, "__defaults__", (ON_A_PAGE, MAX_LIMIT))
    with sandbox(chats=20, seed=7) as box:
        yield box


@pytest.mark.filterwarnings("ignore:users.iter_all:DeprecationWarning")
def test_each_call_makes_as_many_requests_as_the_table_states(box: Sandbox, tmp_path: Path) -> None:
    counts = box.connect()
    things = {
        "chats": len(counts.chats.get_subscriptions()),
        "groups": len(counts.groups.get_all()),
        "users": len(counts.users.get_all()),
        "users.find": len(counts.users.find(NAMES["name"])),
    }
    expected, found = {}, {}
    for call, first, again, _ in CALLS:
        world = WorldOfSandbox(box, tmp_path)
        kind, _, name = call.removeprefix("list(").partition("(")[0].partition(".")
        listed = things.get(f"{kind}.{name}", things.get(kind, 0))
        expected[call] = [stated(cell, listed) for cell in (first, again)]
        found[call] = world.counts(call, lambda: len(box.requests), 2)

    assert found == expected


@pytest.mark.filterwarnings("ignore:users.iter_all:DeprecationWarning")
def test_each_call_makes_as_many_calls_of_the_sdk_as_the_table_states(tmp_path: Path) -> None:
    expected, found = {}, {}
    for call, _, _, vendor in CALLS:
        sdk = FakeSdk()
        sdk.chats["t1"] = FakeChat(sdk, "t1", title="test", lists=[sdk.groups["g1"]])
        sdk.posted = SimpleNamespace(mid="m1")
        world = World(
            lambda sdk=sdk: teamwire_sync.Connection(transport=VendorTransport(sdk.connect)),
            VENDOR_NAMES,
            tmp_path,
        )
        expected[call] = None if vendor == "no" else [stated(vendor)]
        try:
            found[call] = world.counts(
                call, lambda sdk=sdk: len(sdk.calls) - sdk.calls.count("enter"), 1
            )
        except TWUnsupportedError:
            found[call] = None

    assert found == expected


def test_the_table_has_each_method_that_may_make_a_request() -> None:
    named = " ".join(call for call, *_ in CALLS)
    methods = {
        f"{kind}.{name}("
        for kind, cls in KINDS.items()
        for name, method in inspect.getmembers(cls, inspect.isfunction)
        if not name.startswith("_") and "timeout" in inspect.signature(method).parameters
    }

    assert {method for method in methods if method not in named} == set()


def test_each_call_that_may_make_a_request_has_a_timeout() -> None:
    for call, first, again, _ in CALLS:
        if (first, again) != ("0", "0") and call not in WITHOUT_TIMEOUT:
            kind, name = re.search(r"(\w+)\.(\w+)\(", call).groups()
            parameters = inspect.signature(getattr(KINDS[kind], name)).parameters

            # `reply` passes its keyword arguments to `post`.
            assert {"timeout", "arguments"} & set(parameters), call

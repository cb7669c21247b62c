"""Programs behind a gateway see what the upstream has, after any history.

The histories are random, and the same in each run.
"""

from __future__ import annotations

import os
import random
from contextlib import closing
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from teamwire_sync import ConnectionConfig, TWError
from teamwire_sync._sandbox.world.seed import KNOWN_USER
from teamwire_sync.testing import sandbox
from tests.support.builders import Clock
from tests.support.gateways import ServedGateway, upstream_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync import Chat, Connection
    from teamwire_sync._transport import ChatPage, ChatState, Transport
    from teamwire_sync.testing import Sandbox

# More of them by hand.
HISTORIES = int(os.environ.get("GATEWAY_HISTORIES", "3"))
STEPS = 40
LISTING = ("GET", "/v1/bot/chats/")


class WithoutRevisions:
    """A transport whose server has no revisions, no ETags and no changes."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in {"create_chat", "edit_chat", "edit_members", "leave_chat"}:
            return found

        def write(*args: Any, **kwargs: Any) -> ChatState:
            return attrs.evolve(found(*args, **kwargs), revision=None)

        return write

    def iter_chat_pages(
        self, *, deadline: float | None, refresh: bool = False, **_: Any
    ) -> Iterator[ChatPage]:
        pages = self._inner.iter_chat_pages(validator=None, deadline=deadline, refresh=refresh)
        for page in pages:
            yield attrs.evolve(page, validator=None, revision=None, revisions=())


class History:
    """Programs, a gateway, an upstream, and people who change the upstream.

    Attributes:
        programs: The programs.
        written: The chats as their last writes left them, by thread ID; None for a chat that was
            left. Others have not changed these chats since.
    """

    def __init__(self, rng: random.Random, box: Sandbox, gateway: ServedGateway) -> None:
        self.rng = rng
        self._box = box
        self._gateway = gateway
        self._direct = box.connect()
        self._clock = Clock()
        self._removed: list[str] = []
        self._made: set[str] = set()
        self._number = 0
        self.programs = [self.program() for _ in range(3)]
        self.written: dict[str, Chat | None] = {}

    def program(self) -> Connection:
        size = self.rng.choice([3, 500])
        return self._gateway.connect(clock=self._clock, config=ConnectionConfig(page_size=size))

    def truth(self) -> dict[str, Chat]:
        return {chat.tid: chat for chat in self._direct.chats.get_subscriptions(refresh=True)}

    def write(self) -> None:
        """Let a program write."""
        chats = self.rng.choice(self.programs).chats
        tid = self.rng.choice([*self.truth()])
        kind = self.rng.choice(["create", "title", "title", "close", "leave"])
        try:
            if kind == "create":
                made = chats.create_chat(title=self._title(), users=[KNOWN_USER])
                self.written[made.tid] = made
                self._made.add(made.tid)
            elif kind == "leave":
                chats.at(tid).leave()
                self.written[tid] = None
            elif kind == "title":
                self.written[tid] = chats.at(tid).set_title(self._title())
            else:
                self.written[tid] = chats.at(tid).set_closed(self.rng.random() < 0.5)
        except TWError as error:
            # The bot is no administrator, or the chat is a one-to-one chat.
            assert error.status in {403, 409}  # noqa: PT017

    def change(self) -> None:
        """Let others change something."""
        kind = self.rng.choice(["add", "rename", "rename", "remove", "restore"])
        # Without revisions, a new chat of a program stays visible for a time.
        chats = [tid for tid, each in self.truth().items() if each.title and tid not in self._made]
        if kind == "add" or not chats:
            self._box.add_chat(title=self._title(), users=[KNOWN_USER])
            return
        tid = self.rng.choice(chats)
        if kind == "restore" and self._removed:
            tid = self._removed.pop(self.rng.randrange(len(self._removed)))
            self._box.restore_chat(tid)
        elif kind == "remove":
            self._box.remove_chat(tid)
            self._removed.append(tid)
        else:
            self._box.rename_chat(tid, self._title())
        self.written.pop(tid, None)

    def look(self) -> None:
        """Let a program read what it thinks is new."""
        self.rng.choice(self.programs).chats.get_subscriptions()

    def refresh(self) -> None:
        """Let a program read what is new: it has all that was written and changed."""
        program = self.rng.choice([*self.programs, self.program()])
        shown = {chat.tid: chat for chat in program.chats.get_subscriptions(refresh=True)}

        assert {tid: shown.get(tid) for tid in self.written} == self.written
        assert shown == self.truth()

    def wait(self, seconds: float = 0.0) -> None:
        self._clock.advance(seconds or self.rng.choice([1, 6, 301]))

    def _title(self) -> str:
        self._number += 1
        return f"title {self._number}"


@pytest.mark.parametrize("has_revisions", [True, False])
@pytest.mark.parametrize("seed", range(HISTORIES))
def test_a_refresh_shows_all_writes_and_all_changes(seed: int, has_revisions: bool) -> None:
    rng = random.Random(seed)  # noqa: S311  the same in each run
    with sandbox(chats=9, seed=seed) as box:
        upstream: Any = upstream_to(box)
        if not has_revisions:
            upstream = WithoutRevisions(upstream)
        with closing(ServedGateway(upstream)) as gateway:
            history = History(rng, box, gateway)
            steps = [history.write, history.change, history.look, history.refresh, history.wait]
            for step in rng.choices(steps, [4, 4, 2, 4, 1], k=STEPS):
                step()
            history.wait(301)
            # One program lists the chats for the first time, the others read the changes.
            found = [
                each.chats.get_subscriptions(refresh=True)
                for each in [*history.programs, history.program()]
            ]

            assert found == found[:1] * len(found)
            assert {chat.tid: chat for chat in found[0]} == history.truth()

"""The chats of a server, and all their earlier states.

Two states of a chat are never equal, because each has its revision.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Optional

from teamwire_sync import Chat
from tests.support.builders import make_chat

if TYPE_CHECKING:
    from tests.support.builders import Clock

Chats = dict[str, Chat]
State = tuple[int, Optional[Chat]]


def revision_of(chat: Chat) -> int:
    return int(dict(chat.extra)["revision"])


class ChatPast:
    """All states of the chats of a server.

    Attributes:
        changes: The states by chat, the oldest chat first.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._states: list[tuple[float, int, Chats]] = [(-math.inf, 0, {})]
        self.changes: dict[str, list[State]] = {}

    @property
    def now(self) -> Chats:
        return self._states[-1][2]

    @property
    def revision(self) -> int:
        return self._states[-1][1]

    def new(self) -> str:
        """Return the thread ID of the next new chat."""
        return f"t{len(self.changes) + 1}"

    def put(self, tid: str, title: str | None) -> None:
        chat = make_chat(tid, title, extra=(("revision", self.revision + 1),))
        self._add(tid, {**self.now, tid: chat})

    def remove(self, tid: str) -> None:
        self._add(tid, {each: chat for each, chat in self.now.items() if each != tid})

    def _add(self, tid: str, chats: Chats) -> None:
        self._states.append((self._clock(), self.revision + 1, chats))
        self.changes.setdefault(tid, []).append((self.revision, chats.get(tid)))

    def at(self, lag: float) -> tuple[int, Chats]:
        """Return the revision and the chats *lag* seconds ago."""
        then = self._clock() - lag
        return next((revision, chats) for at, revision, chats in self._states[::-1] if at <= then)

    def of(self, revision: int) -> Chats:
        """Return the chats at a revision."""
        return next(chats for _, each, chats in self._states[::-1] if each == revision)

    def changed(self, since: int, until: int) -> tuple[Chats, list[str]]:
        """Return what a list of the revision *until* says has changed after the one of *since*.

        Returns:
            The changed chats in the order of the list, and the thread IDs that have gone.
        """
        chats = {tid: chat for tid, chat in self.of(until).items() if revision_of(chat) > since}
        gone = [
            tid
            for tid, states in self.changes.items()
            if any(chat is None and since < each <= until for each, chat in states)
        ]
        return chats, gone

    def tid(self, number: int) -> str:
        """Return the thread ID of one of the newest chats, which may be gone."""
        tids = list(self.changes)
        return tids[max(-len(tids), -1 - number)]

    def since(self, tid: str, since: int) -> list[Chat | None]:
        """Return the state of a chat at a revision, and all later states."""
        states = self.changes.get(tid, [])
        then = [chat for revision, chat in states if revision <= since][-1:]
        return [*(then or [None]), *(chat for revision, chat in states if revision > since)]

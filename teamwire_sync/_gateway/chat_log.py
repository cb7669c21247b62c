"""The numbered states of the list of chats, made from listings that have no numbers.

The upstream may only list all its chats again. So the log compares each listing with the state
before. Each difference is a change and gets a number.

A number identifies one state. A response with the number shows this state or a later one, as the
contract requires. Three rules make this true:

- If a listing arrives after a listing that was requested later, it changes nothing.
- A write of the gateway is a change when its response arrives. A listing that may have been
  requested before that moment does not change the written chat.
- A new name of a user or a group takes a number, too. No page of changes shows it, so revisions
  before it are refused.
"""

from __future__ import annotations

import re
import sys
import threading
import uuid
from itertools import count, islice
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from teamwire_sync._gateway.documents import Documents
from teamwire_sync._http.contract import UNKNOWN_REVISION
from teamwire_sync._server.errors import refuse
from teamwire_sync._server.serializers import dump

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from teamwire_sync._cache.snapshot import ChatSnapshot
    from teamwire_sync._gateway.revisions import Revisions
    from teamwire_sync._models.chats import Chat

_MOST_GONE = 10_000
# The number of written chats to remember. There are fewer writes during one listing.
_MOST_WRITTEN = 10_000
_CURSOR = re.compile(r"[0-9]{1,18}", re.ASCII)


@frozen(eq=False, repr=False)
class ListedChat:
    """A chat in a state of the list.

    Attributes:
        chat: The chat.
        text: The chat as JSON, without its revision.
        revision: The number of its last change.
        position: Its place in the order of the list.
    """

    chat: Chat
    text: str
    revision: int
    position: int

    def numbered(self) -> str:
        """Return the chat as JSON."""
        return f'{self.text[:-1]},"revision":{self.revision}}}'


@frozen(eq=False, repr=False)
class LogState:
    """One state of the list of chats. It never changes; a new state replaces it.

    Attributes:
        etag: The ETag of the state.
        revision: The number of the state.
        chats: The chats by thread ID, in the order in which they became visible.
        gone: The numbers and thread IDs of the chats that became invisible, the oldest first.
        first: The lowest revision after which all changes are known.
        users: The named users as JSON, by user ID.
        groups: The named groups as JSON, and the user IDs of their owners, by group ID.
    """

    etag: str
    revision: int
    chats: dict[str, ListedChat] = field(factory=dict)
    gone: Sequence[tuple[int, str]] = ()
    first: int = sys.maxsize
    users: Mapping[str, str] = field(factory=dict)
    groups: Mapping[str, tuple[str, str | None]] = field(factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether it shows all chats of a listing, and not only written ones."""
        return self.first != sys.maxsize

    def page(self, limit: int, cursor: str | None, since: int | None) -> str:
        """Return a page of all chats, or of the changes after the revision *since*."""
        if cursor is not None and not _CURSOR.fullmatch(cursor):
            refuse("this is no cursor of this list", "invalid_cursor")
        after = int(cursor or 0)
        changes = ""
        if since is not None:
            if not self.first <= since <= self.revision:
                refuse("the changes after this revision are not known", UNKNOWN_REVISION)
            gone = [] if cursor else dict.fromkeys(tid for at, tid in self.gone if at > since)
            changes = f'"gone":{dump(list(gone))},'
        found = list(
            islice(
                (
                    each
                    for each in self.chats.values()
                    if each.position > after and (since is None or each.revision > since)
                ),
                limit + 1,
            )
        )
        following = found[limit - 1].position if len(found) > limit else None
        chats = ",".join(each.numbered() for each in found[:limit])
        users, groups = self._named_by(each.chat for each in found[:limit])
        return (
            f'{{"chats":[{chats}],"users":[{users}],"groups":[{groups}],{changes}'
            f'"total":{len(self.chats)},'
            f'"next_cursor":{dump(None if following is None else str(following))}}}'
        )

    def _named_by(self, chats: Iterable[Chat]) -> tuple[str, str]:
        uids: dict[str, None] = {}
        gids: dict[str, None] = {}
        for chat in chats:
            uids.update((user.uid, None) for user in chat.users)
            uids.update((user.uid, None) for user in chat.admins)
            gids.update((group.gid, None) for group in chat.groups)
        groups = [self.groups[gid] for gid in gids]
        uids.update((owner, None) for _, owner in groups if owner is not None)
        return ",".join(self.users[uid] for uid in uids), ",".join(text for text, _ in groups)


class ChatLog:
    """The present state of the list of chats, and the changes that led to it.

    Args:
        revisions: The source of the numbers.
        most_gone: The number of chats that became invisible and are remembered. A client that has
            not asked for a longer time reads the whole list.

    Attributes:
        state: The present state.
        writes: The number of writes so far.
    """

    def __init__(self, revisions: Revisions, *, most_gone: int = _MOST_GONE) -> None:
        self._revisions = revisions
        self._most_gone = most_gone
        # Another process may have given the numbers to other states, if it has lost its file.
        self._token = uuid.uuid4().hex[:8]
        self._lock = threading.Lock()
        self._positions = count(1)
        # The number of the last listing that was taken in, and the number of writes before it.
        self._taken = (-1, 0)
        # The number of the last write of each chat, the oldest first.
        self._written: dict[str, int] = {}
        self.writes = 0
        self.state = LogState(self._etag(revisions.last), revisions.last)

    def take_in(self, listing: ChatSnapshot, writes: int) -> LogState:
        """Make the chats of a listing the present state, and return the present state.

        Args:
            listing: The listing. Its number grows with the time of its request.
            writes: The value of `writes` before the listing was requested, or before it was taken
                from a cache that each write empties.
        """
        with self._lock:
            taken = listing.number, writes
            # A request that began after more writes may trust the same listing for more chats.
            if taken <= self._taken:
                return self.state
            # This includes the chat that stands for chats that can't be decoded. Without it, a
            # client would create such a chat again.
            chats = listing.by_tid.copy()
            known = self.state.chats
            for tid, number in self._written.items():
                if number > writes:
                    chats.pop(tid, None)
                    if tid in known:
                        chats[tid] = known[tid].chat
            is_first = self._taken[0] < 0
            if is_first:
                # The list is not known before. The written chats have their places in its order.
                number = self._revisions.next()
                self.state = LogState(self._etag(number), number)
            self._change(chats.values(), [tid for tid in self.state.chats if tid not in chats])
            if is_first:
                self.state = evolve(self.state, first=self.state.revision)
            self._taken = taken
            return self.state

    def wrote(self, tid: str, chat: Chat | None) -> LogState:
        """Record the result of a write, and return the state that shows it.

        Args:
            tid: The thread ID.
            chat: The chat after the write; None if the bot is no longer in it.
        """
        with self._lock:
            self.writes += 1
            self._written.pop(tid, None)
            self._written[tid] = self.writes
            if len(self._written) > _MOST_WRITTEN:
                del self._written[next(iter(self._written))]
            if chat is not None:
                self._change([chat], [])
            else:
                self._change([], [tid] if tid in self.state.chats else [])
            return self.state

    def _change(self, chats: Iterable[Chat], gone: Sequence[str]) -> None:
        """Replace the state, unless nothing has changed.

        Args:
            chats: Chats that are visible.
            gone: The thread IDs of chats that are no longer visible.
        """
        old = self.state
        unknown = [
            chat
            for chat in chats
            if chat.tid not in old.chats or chat is not old.chats[chat.tid].chat
        ]
        if not unknown and not gone:
            return
        documents = Documents()
        texts = {chat.tid: dump(documents.chat(chat)) for chat in unknown}
        groups = {each["gid"]: (dump(each), each["owner_id"]) for each in documents.groups()}
        users = {each["uid"]: dump(each) for each in documents.users()}
        is_renamed = any(old.users.get(uid, text) != text for uid, text in users.items()) or any(
            old.groups.get(gid, group) != group for gid, group in groups.items()
        )
        changed = {
            tid
            for tid, text in texts.items()
            if tid not in old.chats or old.chats[tid].text != text
        }
        is_new = bool(changed or gone or is_renamed)
        revision = self._revisions.next() if is_new else old.revision
        listed = old.chats.copy()
        for tid in gone:
            del listed[tid]
        for chat in unknown:
            known = old.chats.get(chat.tid)
            number = revision if known is None or chat.tid in changed else known.revision
            position = next(self._positions) if known is None else known.position
            listed[chat.tid] = ListedChat(chat, texts[chat.tid], number, position)
        left = [*old.gone, *((revision, tid) for tid in gone)]
        first = revision if is_renamed and old.first != sys.maxsize else old.first
        if len(left) > self._most_gone:
            forgotten = left[: -self._most_gone]
            left = left[-self._most_gone :]
            first = max(first, forgotten[-1][0])
        self.state = LogState(
            self._etag(revision),
            revision,
            listed,
            left,
            first,
            {**old.users, **users},
            {**old.groups, **groups},
        )

    def _etag(self, revision: int) -> str:
        return f'"{self._token}-{revision}"'

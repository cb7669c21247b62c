"""The events in the bot's chats, and waiting for new events."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from teamwire_sync._sandbox.world import queries
from teamwire_sync._sandbox.world.context import Context, refuse_cursor
from teamwire_sync._server.serializers import dump

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from typing import Any


_CURSOR = "events"
# In seconds; short because another process may add events to the same file.
_LONGEST_SLEEP = 1.0
_NAMING_ONE = ("editor_id", "user_id")
_NAMING_MANY = ("user_ids", "added_admin_ids", "removed_admin_ids")


class EventLog:
    """The events of a world.

    Args:
        context: The world's context.

    Attributes:
        waiting: The number of requests that are waiting for an event.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._arrival = threading.Condition()
        self._closed = False
        self._arrived = 0
        self.waiting = 0

    def close(self) -> None:
        """End all waiting, and permit no further waiting."""
        with self._arrival:
            self._closed = True
            self._arrival.notify_all()

    def add(
        self,
        db: sqlite3.Connection,
        kind: str,
        tid: str,
        editor: str | None,
        *,
        timestamp: int | None = None,
        **details: Any,
    ) -> None:
        """Add an event as part of the transaction.

        Args:
            db: The transaction.
            kind: The event's type.
            tid: The chat's thread ID.
            editor: The ID of the user who caused the event, or None.
            timestamp: The time in milliseconds since 1970. The default is the present time.
            details: The further properties of an event of this type.
        """
        document = {
            "type": kind,
            "tid": tid,
            "timestamp": self._context.now() if timestamp is None else timestamp,
            "is_own": editor == self._context.bot_uid,
            "editor_id": editor,
            **details,
        }
        db.execute("INSERT INTO events (document) VALUES (?)", (dump(document),))
        with self._arrival:
            # A woken thread waits at the database until this transaction ends.
            self._arrived += 1
            self._arrival.notify_all()

    def page(self, cursor: str | None, wait: float, limit: int) -> tuple[str, int]:
        """Return the events after a cursor, and the revision of the chats.

        Without a cursor, return only the cursor of the last event.
        """
        if cursor is None:
            with self._context.database.reading() as db:
                return self._page(db, [], self._context.encode_cursor(_CURSOR, _latest(db)))
        after = self._context.decode_number(_CURSOR, cursor)
        while True:
            arrived = self._arrived
            with self._context.database.reading() as db:
                found = db.execute(
                    "SELECT seq, document FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
                    (after, limit),
                ).fetchall()
                if not found and after > _latest(db):
                    refuse_cursor()
                if found or self._closed or wait <= 0:
                    return self._page(db, found, cursor)
            with self._arrival:
                self.waiting += 1
                if self._arrived == arrived and not self._closed:
                    sleep = min(wait, _LONGEST_SLEEP)
                    # Counted down: freezegun moves or stops each clock that Python has for this.
                    wait -= 0 if self._arrival.wait(sleep) else sleep
                self.waiting -= 1

    def _page(
        self, db: sqlite3.Connection, found: Iterable[tuple[int, str]], cursor: str
    ) -> tuple[str, int]:
        events = []
        uids: list[str] = []
        for seq, text in found:
            cursor = self._context.encode_cursor(_CURSOR, seq)
            event = {"cursor": cursor, **json.loads(text)}
            uids += [event[name] for name in _NAMING_ONE if event.get(name) is not None]
            uids += [uid for name in _NAMING_MANY for uid in event.get(name, ())]
            if event["type"] == "new_message":
                event["message"] = queries.message(db, event["tid"], event.pop("message_id"))
                uids.append(event["message"]["from_user_id"])
            events.append(event)
        tids = dict.fromkeys(event["tid"] for event in events)
        chats = [chat for tid in tids if (chat := queries.latest_chat(db, tid))]
        revisions = {chat["tid"]: chat["revision"] for chat in chats}
        for event in events:
            # The removal of a chat has its own revision.
            event.setdefault("revision", revisions[event["tid"]])
        gids = [gid for event in events for gid in event.get("group_ids", ())]
        users, groups = queries.named_by(db, chats, uids, gids)
        body = (
            f'{{"events":{dump(events)},"chats":{dump(chats)},'
            f'"users":{users},"groups":{groups},"cursor":{dump(cursor)}}}'
        )
        return body, queries.revision(db)


def _latest(db: sqlite3.Connection) -> int:
    (seq,) = db.execute("SELECT COALESCE(MAX(seq), 0) FROM events").fetchone()
    return int(seq)

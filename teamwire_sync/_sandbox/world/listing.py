"""The list of the bot's chats."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs

from teamwire_sync._http.contract import UNKNOWN_REVISION
from teamwire_sync._sandbox.world import queries
from teamwire_sync._server.errors import refuse
from teamwire_sync._server.serializers import dump

if TYPE_CHECKING:
    import sqlite3

    from teamwire_sync._sandbox.world.context import Context


@attrs.frozen
class WorldListing:
    """The list of a world's chats in one transaction.

    Args:
        context: The world's context.
        db: The transaction.
        revision: The revision of the list to show.
        since_fault: The name of a fault of the parameter `since`, or None.
    """

    _context: Context
    _db: sqlite3.Connection
    revision: int
    _since_fault: str | None

    @property
    def etag(self) -> str:
        """The list's ETag."""
        return f'"{self._context.world_id}-{self.revision}"'

    def page(self, limit: int, cursor: str | None, since: int | None) -> str:
        """Return a page of the list of chats.

        Args:
            limit: The maximum number of chats.
            cursor: The cursor of the previous page, or None for the first page.
            since: The revision after which to show the changes, or None to show all chats.
        """
        db, seq = self._db, self.revision
        after = 0 if cursor is None else self._context.decode_number("chat", cursor, least=1)
        if since is None or self._since_fault == "ignored":
            found = queries.listed_chats(db, seq, after, limit + 1)
            changes = ""
        else:
            totals = queries.totals(db, since, seq)
            if since not in totals or self._since_fault == "unknown":
                refuse("the changes after this revision are not known", UNKNOWN_REVISION)
            found = queries.changed_chats(db, since, seq, after, limit + 1)
            gone = queries.gone_chats(db, since, seq) if cursor is None else []
            total = totals[seq] + (self._since_fault == "wrong_total")
            changes = f'"gone":{dump(gone)},"total":{total},'
        chats = f"[{','.join(document for _, document in found[:limit])}]"
        users, groups = queries.named_by(db, json.loads(chats))
        following = self._context.next_cursor("chat", found, limit)
        return (
            f'{{"chats":{chats},"users":{users},"groups":{groups},{changes}'
            f'"next_cursor":{following}}}'
        )

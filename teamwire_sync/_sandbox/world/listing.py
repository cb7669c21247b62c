"""The list of the bot's chats, page by page, as it is or as it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs

from teamwire_sync._sandbox.world import queries
from teamwire_sync._sandbox.world.serializers import dump

if TYPE_CHECKING:
    from teamwire_sync._sandbox.world.context import Context


@attrs.frozen
class Collection:
    """The list of chats as one request sees it: up to and including one change of the log."""

    etag: str
    seq: int


class ChatListing:
    """The list of chats of a world.

    Args:
        context: The world's.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def collection(self, lag: float | None = None) -> Collection:
        """The list of chats now, or as it was `lag` seconds ago."""
        with self._context.database.reading() as db:
            if lag is None:
                (seq,) = db.execute("SELECT MAX(seq) FROM log").fetchone()
            else:
                latest = (self._context.clock() - lag,)
                (seq,) = db.execute("SELECT MAX(seq) FROM log WHERE at <= ?", latest).fetchone()
        return Collection(f'"{self._context.world_id}-{seq}"', seq)

    def page(self, collection: Collection, limit: int, cursor: str | None) -> str:
        """One page of the list of chats."""
        after = 0 if cursor is None else self._context.decode_number("chat", cursor, least=1)
        with self._context.database.reading() as db:
            found = db.execute(
                "SELECT ordinal, document FROM chats WHERE ordinal > ? AND from_seq <= ?"
                " AND (to_seq IS NULL OR to_seq > ?) ORDER BY ordinal LIMIT ?",
                (after, collection.seq, collection.seq, limit + 1),
            ).fetchall()
            chats = f"[{','.join(document for _, document in found[:limit])}]"
            users, groups = queries.named_by(db, json.loads(chats))
        more = len(found) > limit
        following = self._context.encode_cursor("chat", found[limit - 1][0]) if more else None
        return (
            f'{{"chats":{chats},"users":{users},"groups":{groups},"next_cursor":{dump(following)}}}'
        )

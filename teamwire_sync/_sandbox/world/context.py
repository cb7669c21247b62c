"""The context that all parts of a world share."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, NoReturn

import attrs

from teamwire_sync._server.errors import refuse
from teamwire_sync._server.serializers import dump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from teamwire_sync._sandbox.world.database import Database
    from teamwire_sync._sandbox.world.files import Files

_LARGEST_INTEGER = 2**63 - 1  # SQLite's
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@attrs.frozen
class Context:
    """The database, the clock and the bot of a world.

    Attributes:
        database: The database.
        clock: A function that returns the time in seconds since 1970.
        files: The contents that are not in the database.
        bot_uid: The bot's user ID.
        world_id: The unique ID of this world.
    """

    database: Database
    clock: Callable[[], float]
    files: Files
    bot_uid: str
    world_id: str

    def now(self) -> int:
        """Return the time in milliseconds since 1970."""
        return int(self.clock() * 1000)

    def without_bot(self, uids: Iterable[str]) -> list[str]:
        """Return the distinct user IDs without the bot, which no chat lists as a member."""
        return [uid for uid in dict.fromkeys(uids) if uid != self.bot_uid]

    def encode_cursor(self, kind: str, position: int | str) -> str:
        """Return the opaque cursor for a position in a list."""
        text = f"{self.world_id}:{kind}:{position}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def next_cursor(self, kind: str, found: Sequence[tuple[int | str, str]], limit: int) -> str:
        """Return the JSON text of the next page's cursor, or null if there is no next page.

        Args:
            kind: The kind of the list.
            found: The positions and documents of the page, and of one more document if it exists.
            limit: The maximum number of documents in a page.
        """
        if len(found) <= limit:
            return "null"
        return dump(self.encode_cursor(kind, found[limit - 1][0]))

    def decode_cursor(self, kind: str, cursor: str) -> str:
        """Return the position in a list of this kind.

        Raises:
            RefusedError: The cursor is not of this world or not of this kind of list.
        """
        try:
            text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        except ValueError:
            text = ""
        position = text.rpartition(":")[2]
        # Encoded again, so that only the exact text from this world is accepted.
        if not position or self.encode_cursor(kind, position) != cursor:
            refuse_cursor()
        return position

    def decode_number(self, kind: str, cursor: str, least: int = 0) -> int:
        """Return the position as an integer that the database can hold."""
        position = self.decode_cursor(kind, cursor)
        if not _NUMBER.fullmatch(position) or not least <= int(position) <= _LARGEST_INTEGER:
            refuse_cursor()
        return int(position)


def refuse_cursor() -> NoReturn:
    """Refuse an unknown cursor or a cursor of another list."""
    refuse("the cursor is unknown or belongs to another list", "invalid_cursor")

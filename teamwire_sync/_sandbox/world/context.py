"""What all parts of a world share."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, NoReturn

import attrs

from teamwire_sync._sandbox.world.errors import refuse
from teamwire_sync._sandbox.world.serializers import dump

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
        clock: Returns the seconds since 1970.
        files: Contents that are not in the database.
        bot_uid: The bot's id.
        world_id: Tells this world from all others.
    """

    database: Database
    clock: Callable[[], float]
    files: Files
    bot_uid: str
    world_id: str

    def now(self) -> int:
        """The milliseconds since 1970."""
        return int(self.clock() * 1000)

    def without_bot(self, uids: Iterable[str]) -> list[str]:
        """These users, each once, without the bot: it is in every chat and never named."""
        return [uid for uid in dict.fromkeys(uids) if uid != self.bot_uid]

    def encode_cursor(self, kind: str, position: int | str) -> str:
        """The opaque text for a position in a list."""
        text = f"{self.world_id}:{kind}:{position}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def next_cursor(self, kind: str, found: Sequence[tuple[int | str, str]], limit: int) -> str:
        """The JSON text of the cursor that the next page begins with, null without a next page.

        Args:
            kind: The kind of the list.
            found: Positions and documents: those of the page, and one more if there is one.
            limit: How many a page has at most.
        """
        if len(found) <= limit:
            return "null"
        return dump(self.encode_cursor(kind, found[limit - 1][0]))

    def decode_cursor(self, kind: str, cursor: str) -> str:
        """The position in a list of that kind.

        Raises:
            RefusedError: It is no cursor of this world for such a list.
        """
        try:
            text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        except ValueError:
            text = ""
        position = text.rpartition(":")[2]
        # Encoded again, so that only this world's own spelling passes.
        if not position or self.encode_cursor(kind, position) != cursor:
            refuse_cursor()
        return position

    def decode_number(self, kind: str, cursor: str, least: int = 0) -> int:
        """The position as a number that the database can hold."""
        position = self.decode_cursor(kind, cursor)
        if not _NUMBER.fullmatch(position) or not least <= int(position) <= _LARGEST_INTEGER:
            refuse_cursor()
        return int(position)


def refuse_cursor() -> NoReturn:
    """Refuse what is no cursor, or another list's."""
    refuse("this server gave no such cursor", "invalid_cursor")

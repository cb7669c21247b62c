"""The messages that a new world contains from the start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamwire_sync._sandbox.world import queries
from teamwire_sync._sandbox.world.ids import new_id
from teamwire_sync._sandbox.world.messages import link_preview
from teamwire_sync._server.serializers import (
    Document,
    calendar_document,
    deleted_message,
    file_document,
    location_document,
    message_document,
)

if TYPE_CHECKING:
    import random
    import sqlite3
    from typing import Any


KNOWN_MESSAGE = "PqJ4vTzC8sXnGh2LkW9bRm"
KNOWN_ATTACHMENT = "nD5yKfR3wQmVtB7cZxH8Sj"

# 5 May 2025, 6:00 UTC; the same in each world.
_START = 1_746_424_800_000
_MINUTE = 60_000
_HOUR = 60 * _MINUTE
_FILE = "Dienstplan.csv", "text/csv", "Tag,Früh,Spät\nMo,Anna,Ben\nDi,Ben,Çağla\n".encode()


def write_busy_history(db: sqlite3.Connection, rng: random.Random, chat: Document) -> None:
    """Write a message of each kind."""
    talk = _Talk(db, rng, chat)
    talk.post("Guten Morgen, die Übergabe ist um 7 Uhr.", mid=KNOWN_MESSAGE)
    talk.post(
        "Der Dienstplan für diese Woche.", attachments=[talk.upload(KNOWN_ATTACHMENT, *_FILE)]
    )
    place = location_document(
        "Klinikum Süd",
        48.1112,
        11.4702,
        address="Südstraße 1",
        city="München",
        country="Deutschland",
        postal_code="81375",
    )
    talk.post(None, attachments=[place])
    meeting = calendar_document(
        "Teambesprechung",
        _START + 24 * _HOUR,
        _START + 25 * _HOUR,
        "Dienstplan und Urlaub",
        "Raum 2.14",
    )
    talk.post("Bitte alle kommen.", attachments=[meeting])
    alert = talk.post("Stromausfall auf Station 3!", is_alert=True, alert_type="alert")
    talk.post("Wir sind unterwegs.", reply_to=alert["mid"])
    queries.replace_message(db, deleted_message(talk.post("Falscher Chat, Entschuldigung.")))
    talk.post("Der Notfallplan: https://www.example.org/notfallplan")


def write_short_history(db: sqlite3.Connection, rng: random.Random, chat: Document) -> None:
    """Write three short messages."""
    talk = _Talk(db, rng, chat)
    talk.post("Willkommen im Chat der Pflege.")
    talk.post("Am Freitag fällt die Frühbesprechung aus.", is_alert=True, alert_type="announcement")
    talk.post("Danke!")


class _Talk:
    """Messages of a chat's members, each later than the previous message."""

    def __init__(self, db: sqlite3.Connection, rng: random.Random, chat: Document) -> None:
        self._db = db
        self._rng = rng
        self._chat = chat
        self._now = _START

    def _id(self) -> str:
        return new_id(self._rng.getrandbits(128))

    def post(self, text: str | None, *, mid: str | None = None, **properties: Any) -> Document:
        self._now += self._rng.randint(1, 20) * _MINUTE
        author = self._rng.choice(self._chat["user_ids"])
        tid = self._chat["tid"]
        message = message_document(
            mid or self._id(),
            tid,
            author,
            self._now,
            text,
            link_preview=link_preview(text),
            **properties,
        )
        queries.add_message(self._db, message)
        return message

    def upload(self, key: str, name: str, content_type: str, content: bytes) -> Document:
        attachment = file_document("file", key, name, len(content), content_type)
        queries.add_attachment(self._db, attachment, content, is_own=False)
        return attachment

"""Uploaded contents, and the bot's access to them."""

from __future__ import annotations

import io
from contextlib import closing
from typing import TYPE_CHECKING
from wsgiref.util import FileWrapper

import attrs

from teamwire_sync._sandbox.world import queries
from teamwire_sync._sandbox.world.ids import fresh_id
from teamwire_sync._server.backend import Answer
from teamwire_sync._server.errors import refuse, require
from teamwire_sync._server.serializers import Document, dump, file_document
from teamwire_sync._server.uploads import CHUNK, Spool

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from teamwire_sync._sandbox.world.context import Context

# The bot sees its own uploads and the attachments in its present chats.
_VISIBLE = (
    " FROM attachments WHERE attachment_id = ? AND (is_own OR EXISTS"
    " (SELECT 1 FROM uses JOIN chats USING (tid)"
    " WHERE uses.attachment_id = attachments.attachment_id AND to_seq IS NULL))"
)


@attrs.frozen
class AttachmentStore:
    """The uploaded contents of a world.

    Args:
        context: The world's context.
    """

    _context: Context

    def upload(self, db: sqlite3.Connection, name: str, content_type: str, body: Spool) -> str:
        """Store a content that the bot uploads; return the JSON text of the response."""
        attachment = self._keep(db, name, content_type, body, is_own=True)
        return dump({"attachment_id": attachment["attachment_id"]})

    def add(self, db: sqlite3.Connection, name: str, content_type: str, content: bytes) -> Document:
        """Store another user's content; return the attachment."""
        with closing(Spool()) as body:
            body.receive(io.BytesIO(content), len(content))
            return self._keep(db, name, content_type, body, is_own=False)

    def content(self, db: sqlite3.Connection, attachment_id: str) -> Answer:
        """Return a content that the bot may download."""
        query = f"SELECT size, content_type, content{_VISIBLE}"
        row = db.execute(query, (attachment_id,)).fetchone()
        size, content_type, small = require(row, "there is no such attachment")
        file = self._context.files.open(attachment_id) if small is None else io.BytesIO(small)
        headers = {"Content-Length": str(size)}
        return Answer(FileWrapper(file, CHUNK), content_type=content_type, headers=headers)

    @staticmethod
    def resolve(db: sqlite3.Connection, wanted: Sequence[Document]) -> list[Document]:
        """Return the attachments as a message holds them, for the attachments of a request."""
        query = f"SELECT name, size, content_type{_VISIBLE}"
        complete, unknown = [], []
        for attachment in wanted:
            attachment_id = attachment.get("attachment_id")
            if attachment_id is None:
                complete.append(attachment)
                continue
            row = db.execute(query, (attachment_id,)).fetchone()
            if row is None:
                unknown.append(attachment_id)
            else:
                complete.append(file_document(attachment["type"], attachment_id, *row))
        if unknown:
            refuse(
                "there are no such attachments",
                "invalid_attachments",
                attachment_ids=list(dict.fromkeys(unknown)),
            )
        return complete

    def _keep(
        self, db: sqlite3.Connection, name: str, content_type: str, body: Spool, *, is_own: bool
    ) -> Document:
        attachment = file_document("file", fresh_id(), name, body.size, content_type)
        content = self._context.files.keep(attachment["attachment_id"], body)
        queries.add_attachment(db, attachment, content, is_own=is_own)
        return attachment

"""Messages: posting, reading and deleting them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs

from teamwire_sync._sandbox.world import queries
from teamwire_sync._sandbox.world.ids import fresh_id
from teamwire_sync._server.errors import refuse
from teamwire_sync._server.serializers import Document, deleted_message, dump, message_document

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from teamwire_sync._sandbox.world.attachments import AttachmentStore
    from teamwire_sync._sandbox.world.context import Context
    from teamwire_sync._sandbox.world.events import EventLog
    from teamwire_sync._server.request_bodies import NewMessage

_LINK = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_BEHIND_LINKS = ".,;:!?)]}'*"


@attrs.frozen
class Messages:
    """The messages of a world.

    Args:
        context: The world's context.
        events: The world's events.
        attachments: The world's attachments.
    """

    _context: Context
    _events: EventLog
    _attachments: AttachmentStore

    def post(self, db: sqlite3.Connection, tid: str, new: NewMessage) -> str:
        """Post a message as the bot."""
        chat = queries.visible_chat(db, tid)
        if chat["is_closed"]:
            refuse("the chat is closed", "chat_closed")
        bot = self._context.bot_uid
        if not chat["allow_sending"] and bot not in chat["admin_ids"]:
            refuse("only administrators may post in this chat", "sending_not_allowed")
        if new.reply_to is not None and queries.message(db, tid, new.reply_to) is None:
            refuse("reply_to must be the ID of a message in this chat", "invalid_reply_to")
        attachments = self._attachments.resolve(db, new.attachments)
        posted = self.add(db, tid, bot, new, attachments)
        return f'{{"message":{dump(posted)},"users":{queries.users_json(db, [bot])}}}'

    def add(
        self,
        db: sqlite3.Connection,
        tid: str,
        author: str,
        new: NewMessage,
        attachments: Sequence[Document],
    ) -> Document:
        """Add a message of any user, without a check of the rules for the bot."""
        posted = message_document(
            fresh_id(),
            tid,
            author,
            self._context.now(),
            new.message,
            attachments=attachments,
            is_alert=new.is_alert,
            alert_type=(new.alert_type or "alert") if new.is_alert else None,
            reply_to=new.reply_to,
            sender_display_name=new.sender_display_name,
            link_preview=link_preview(new.message),
        )
        queries.add_message(db, posted)
        self._events.add(
            db, "new_message", tid, author, timestamp=posted["timestamp"], message_id=posted["mid"]
        )
        return posted

    def delete(self, db: sqlite3.Connection, message: Document, editor: str | None) -> None:
        """Delete a message as any user."""
        if not message["deleted"]:
            queries.replace_message(db, deleted_message(message))
            tid, mid = message["tid"], message["mid"]
            self._events.add(db, "message_deleted", tid, editor, message_id=mid)

    def mark_read(self, db: sqlite3.Connection, message: Document, reader: str) -> None:
        """Mark a message as read by a user."""
        tid, mid = message["tid"], message["mid"]
        if db.execute("INSERT OR IGNORE INTO reads VALUES (?, ?)", (mid, reader)).rowcount:
            self._events.add(db, "message_read", tid, reader, message_id=mid, user_id=reader)

    def page(self, db: sqlite3.Connection, tid: str, limit: int, before: str | None) -> str:
        """Return a page of a chat's messages, newest first."""
        queries.visible_chat(db, tid)
        if before is not None and queries.message(db, tid, before) is None:
            refuse("before must be the ID of a message in this chat", "invalid_cursor")
        found = queries.latest_messages(db, tid, limit + 1, before)
        messages = found[:limit]
        users = queries.users_json(db, [message["from_user_id"] for message in messages])
        following = messages[-1]["mid"] if len(found) > limit else None
        return f'{{"messages":{dump(messages)},"users":{users},"next_before":{dump(following)}}}'


def link_preview(text: str | None) -> Document | None:
    """Return a preview of the first link in a text, without a request to that link."""
    for match in _LINK.finditer(text or ""):
        url = match[0].rstrip(_BEHIND_LINKS)
        try:
            host = urlsplit(url).hostname
        except ValueError:
            continue
        if host:
            return {"url": url, "title": host, "description": None, "image": None, "domain": host}
    return None

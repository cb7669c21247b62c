"""Messages: posting, reading and deleting them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamwire_sync._sandbox.errors import ApiError
from teamwire_sync._sandbox.serializers import deleted_message, dump, fresh_id, message_document
from teamwire_sync._sandbox.world import queries

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from teamwire_sync._sandbox.request_bodies import NewMessage
    from teamwire_sync._sandbox.serializers import Document
    from teamwire_sync._sandbox.world.attachments import Attachments
    from teamwire_sync._sandbox.world.context import Context
    from teamwire_sync._sandbox.world.events import Events


class Messages:
    """The messages of a world.

    Args:
        context: The world's.
        events: The world's.
        attachments: The world's.
    """

    def __init__(self, context: Context, events: Events, attachments: Attachments) -> None:
        self._context = context
        self._events = events
        self._attachments = attachments

    def post(self, tid: str, new: NewMessage) -> str:
        """Post a message of the bot."""
        with self._context.store.writing() as db:
            chat = queries.present_chat(db, tid)
            if chat is None:
                raise ApiError(404, "there is no such chat")
            if chat["is_closed"]:
                raise ApiError(409, "the chat is closed", "chat_closed")
            bot = self._context.bot_uid
            if not chat["allow_sending"] and bot not in chat["admin_ids"]:
                message = "only administrators may post in this chat"
                raise ApiError(403, message, "sending_not_allowed")
            if new.reply_to is not None and queries.message(db, tid, new.reply_to) is None:
                message = "there is no such message in this chat to reply to"
                raise ApiError(422, message, "invalid_reply_to")
            attachments = self._attachments.described(db, new.attachments)
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
        """Add somebody's message, whatever the rules."""
        posted = message_document(
            fresh_id(),
            tid,
            author,
            self._context.now(),
            new.message,
            attachments=attachments,
            is_alert=new.is_alert,
            alert_type=new.alert_type,
            reply_to=new.reply_to,
            sender_display_name=new.sender_display_name,
        )
        queries.add_message(db, posted)
        self._events.add(
            db, "new_message", tid, author, timestamp=posted["timestamp"], message_id=posted["mid"]
        )
        return posted

    def delete(self, db: sqlite3.Connection, message: Document, editor: str | None) -> None:
        """Let somebody delete a message."""
        if not message["deleted"]:
            queries.replace_message(db, deleted_message(message))
            tid, mid = message["tid"], message["mid"]
            self._events.add(db, "message_deleted", tid, editor, message_id=mid)

    def mark_read(self, db: sqlite3.Connection, message: Document, reader: str) -> None:
        """Let somebody read a message."""
        tid, mid = message["tid"], message["mid"]
        if db.execute("INSERT OR IGNORE INTO reads VALUES (?, ?)", (mid, reader)).rowcount:
            self._events.add(db, "message_read", tid, reader, message_id=mid, user_id=reader)

    def page(self, tid: str, limit: int, before: str | None) -> str:
        """Messages of a chat, the newest first."""
        with self._context.store.reading() as db:
            if queries.present_chat(db, tid) is None:
                raise ApiError(404, "there is no such chat")
            number = queries.END if before is None else queries.message_number(db, tid, before)
            if number is None:
                message = "there is no such message in this chat to read on from"
                raise ApiError(422, message, "invalid_cursor")
            found = queries.messages_before(db, tid, number, limit + 1)
            messages = found[:limit]
            users = queries.users_json(db, [message["from_user_id"] for message in messages])
        following = messages[-1]["mid"] if len(found) > limit else None
        return f'{{"messages":{dump(messages)},"users":{users},"next_before":{dump(following)}}}'

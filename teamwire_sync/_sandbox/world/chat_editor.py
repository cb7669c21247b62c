"""Changes of chats: each change stores a new version and adds its events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from teamwire_sync._sandbox.world import queries
from teamwire_sync._sandbox.world.ids import fresh_id
from teamwire_sync._server.serializers import Document, chat_document

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from typing import Any

    from teamwire_sync._sandbox.world.context import Context
    from teamwire_sync._sandbox.world.events import EventLog

# There is no event for `is_alert`.
_TOLD = ("title", "allow_sending", "allow_mute_notifications", "is_closed")


@attrs.frozen
class ChatEditor:
    """The chats of a world, for changes by any user; a change without effect is not stored.

    Args:
        context: The world's context.
        events: The world's events.
    """

    _context: Context
    _events: EventLog

    def create(
        self, db: sqlite3.Connection, editor: str | None, peer_uid: str | None, **properties: Any
    ) -> str:
        """Create a chat and return its thread ID.

        Args:
            db: The transaction.
            editor: The ID of the user who creates the chat, or None.
            peer_uid: The ID of the other user of a one-to-one chat, or None for a group chat.
            properties: The properties of the chat.
        """
        chat = chat_document(fresh_id(), one_to_one=peer_uid is not None, **properties)
        queries.insert_chat(db, chat, peer_uid, self._context.clock())
        self._events.add(db, "chat_created", chat["tid"], editor, title=chat["title"])
        return str(chat["tid"])

    def change(
        self, db: sqlite3.Connection, chat: Document, editor: str | None, **properties: Any
    ) -> None:
        """Change a chat's title and flags."""
        changed = self._store(db, chat, properties)
        for name in _TOLD:
            if changed[name] != chat[name]:
                kind = f"chat_{name}_changed"
                self._events.add(db, kind, chat["tid"], editor, **{name: changed[name]})

    def change_members(
        self,
        db: sqlite3.Connection,
        chat: Document,
        editor: str | None,
        *,
        add: tuple[Iterable[str], Iterable[str]] = ((), ()),
        remove: tuple[Iterable[str], Iterable[str]] = ((), ()),
    ) -> None:
        """Add and remove members, each time a pair of user IDs and group IDs.

        A user who is no longer a member is no longer an administrator.
        """
        tid = chat["tid"]
        user_ids, joined_uids, left_uids = _edited(chat["user_ids"], add[0], remove[0])
        group_ids, joined_gids, left_gids = _edited(chat["group_ids"], add[1], remove[1])
        changed = self._store(db, chat, {"user_ids": user_ids, "group_ids": group_ids})
        if joined_uids or joined_gids:
            self._events.add(
                db, "chat_joined", tid, editor, user_ids=joined_uids, group_ids=joined_gids
            )
        if left_uids or left_gids:
            self._events.add(db, "chat_left", tid, editor, user_ids=left_uids, group_ids=left_gids)
        members = {*queries.all_members(db, changed), self._context.bot_uid} - set(left_uids)
        gone = [uid for uid in changed["admin_ids"] if uid not in members]
        self.change_admins(db, changed, editor, remove=gone)

    def change_admins(
        self,
        db: sqlite3.Connection,
        chat: Document,
        editor: str | None,
        *,
        add: Iterable[str] = (),
        remove: Iterable[str] = (),
    ) -> None:
        """Add and remove administrators."""
        admin_ids, added, removed = _edited(chat["admin_ids"], add, remove)
        self._store(db, chat, {"admin_ids": admin_ids})
        if added or removed:
            self._events.add(
                db,
                "chat_admins_changed",
                chat["tid"],
                editor,
                added_admin_ids=added,
                removed_admin_ids=removed,
            )

    def remove_bot(self, db: sqlite3.Connection, tid: str, editor: str | None) -> None:
        """Remove the bot from a chat."""
        revision = queries.end_chat(db, tid, self._context.clock())
        bot = self._context.bot_uid
        self._events.add(
            db, "chat_deleted", tid, editor, user_ids=[bot], group_ids=[], revision=revision
        )

    def restore_bot(self, db: sqlite3.Connection, chat: Document, editor: str | None) -> None:
        """Add the bot to a group chat that it was in; the chat is now the last in the list."""
        queries.insert_chat(db, chat, None, self._context.clock())
        self._events.add(db, "chat_created", chat["tid"], editor, title=chat["title"])

    def _store(
        self, db: sqlite3.Connection, chat: Document, properties: dict[str, Any]
    ) -> Document:
        changed = {**chat, **properties}
        if changed != chat:
            queries.update_chat(db, changed, self._context.clock())
        return changed


def _edited(
    ids: list[str], add: Iterable[str], remove: Iterable[str]
) -> tuple[list[str], list[str], list[str]]:
    """Return the IDs after an edit, the added IDs, and the removed IDs."""
    removed = set(remove)
    gone = [each for each in ids if each in removed]
    new = [each for each in dict.fromkeys(add) if each not in ids and each not in removed]
    return [each for each in ids if each not in removed] + new, new, gone

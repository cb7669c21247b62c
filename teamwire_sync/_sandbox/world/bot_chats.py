"""The bot's chats: their list, the bot's changes to them, and the rules for these changes."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import attrs

from teamwire_sync._http.contract import UNKNOWN_REVISION
from teamwire_sync._sandbox.world import queries
from teamwire_sync._server.errors import refuse, refuse_members
from teamwire_sync._server.request_bodies import NewMessage
from teamwire_sync._server.serializers import Document, dump

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from typing import Any

    from teamwire_sync._sandbox.world.chat_editor import ChatEditor
    from teamwire_sync._sandbox.world.context import Context
    from teamwire_sync._sandbox.world.messages import Messages
    from teamwire_sync._transport import ChatDraft, MemberEdit


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
        totals = queries.totals(db, since, seq)
        total, changes = totals[seq], ""
        if since is None or self._since_fault == "ignored":
            found = queries.listed_chats(db, seq, after, limit + 1)
        else:
            if since not in totals or self._since_fault == "unknown":
                refuse("the changes after this revision are not known", UNKNOWN_REVISION)
            found = queries.changed_chats(db, since, seq, after, limit + 1)
            gone = queries.gone_chats(db, since, seq) if cursor is None else []
            total += self._since_fault == "wrong_total"
            changes = f'"gone":{dump(gone)},'
        chats = f"[{','.join(document for _, document in found[:limit])}]"
        users, groups = queries.named_by(db, json.loads(chats))
        following = self._context.next_cursor("chat", found, limit)
        return (
            f'{{"chats":{chats},"users":{users},"groups":{groups},{changes}'
            f'"total":{total},"next_cursor":{following}}}'
        )


@attrs.frozen
class BotChats:
    """The chats of a world, as the bot can list and change them.

    Args:
        context: The world's context.
        chat_editor: The world's chat editor.
        messages: The world's messages.
    """

    _context: Context
    _chat_editor: ChatEditor
    _messages: Messages

    def listing(
        self, db: sqlite3.Connection, lag: float | None, since_fault: str | None
    ) -> WorldListing:
        """Return the list of chats, now or `lag` seconds ago."""
        latest = math.inf if lag is None else self._context.clock() - lag
        return WorldListing(self._context, db, queries.revision(db, latest), since_fault)

    def create(self, db: sqlite3.Connection, draft: ChatDraft) -> str:
        """Create a chat or reuse an existing one-to-one chat, and post the first message."""
        uids = self._context.without_bot(draft.user_ids)
        gids = list(dict.fromkeys(draft.group_ids))
        groups = require_visible(db, uids, gids)
        peer_uid = one_to_one_peer(uids, gids, draft.title)
        tid = None if peer_uid is None else queries.present_one_to_one(db, peer_uid)
        if tid is None:
            uids, gids = self._expanded(db, uids, groups)
            if not uids and not gids:
                refuse("a chat needs at least one recipient", "no_recipient")
            tid = self._chat_editor.create(
                db,
                self._context.bot_uid,
                peer_uid,
                title=draft.title,
                user_ids=uids,
                group_ids=gids,
                admin_ids=[self._context.bot_uid],
                is_alert=draft.is_alert,
                allow_sending=draft.allow_sending,
                allow_mute_notifications=draft.allow_mute_notifications,
            )
        if draft.message is not None:
            self._messages.post(db, tid, NewMessage(message=draft.message))
        return chat_json(db, tid)

    def edit(self, db: sqlite3.Connection, tid: str, properties: dict[str, Any]) -> str:
        """Change a chat's title and flags."""
        chat = self._editable(db, tid)
        self._chat_editor.change(db, chat, self._context.bot_uid, **properties)
        return chat_json(db, tid)

    def edit_members(self, db: sqlite3.Connection, tid: str, edit: MemberEdit) -> str:
        """Add and remove members of a chat."""
        chat = self._editable(db, tid)
        add_uids = [uid for uid in edit.add_users if uid not in chat["user_ids"]]
        add_gids = [gid for gid in edit.add_groups if gid not in chat["group_ids"]]
        groups = require_visible(
            db,
            add_uids,
            add_gids,
            # Only direct members can be removed. For the bot there is `leave`.
            [uid for uid in edit.remove_users if uid not in chat["user_ids"]],
            [gid for gid in edit.remove_groups if gid not in chat["group_ids"]],
        )
        self._chat_editor.change_members(
            db,
            chat,
            self._context.bot_uid,
            add=self._expanded(db, add_uids, groups),
            remove=(edit.remove_users, edit.remove_groups),
        )
        return chat_json(db, tid)

    def edit_admins(self, db: sqlite3.Connection, tid: str, edit: MemberEdit) -> str:
        """Give members administrator rights, and take these rights away."""
        chat = self._editable(db, tid)
        members = {*queries.all_members(db, chat), self._context.bot_uid}
        bad_uids = [uid for uid in edit.add_users if uid not in members]
        bad_uids += [uid for uid in edit.remove_users if uid not in chat["admin_ids"]]
        if bad_uids:
            refuse_members(bad_uids)
        self._chat_editor.change_admins(
            db,
            chat,
            self._context.bot_uid,
            add=edit.add_users,
            remove=edit.remove_users,
        )
        return chat_json(db, tid)

    def leave(self, db: sqlite3.Connection, tid: str) -> str:
        """Remove the bot from a chat."""
        queries.visible_chat(db, tid)
        self._chat_editor.remove_bot(db, tid, self._context.bot_uid)
        return "{}"

    def _editable(self, db: sqlite3.Connection, tid: str) -> Document:
        chat = queries.visible_chat(db, tid)
        if chat["type"] == "one_to_one":
            refuse("a 1:1 chat cannot be changed", "one_to_one")
        if self._context.bot_uid not in chat["admin_ids"]:
            refuse("the bot is not an administrator of this chat", "not_admin")
        return chat

    def _expanded(
        self, db: sqlite3.Connection, uids: list[str], groups: list[Document]
    ) -> tuple[list[str], list[str]]:
        """Return users and circles for these recipients: a distribution list becomes its users."""
        members = dict.fromkeys(uids)
        circles = []
        for group in groups:
            if group["is_list"]:
                members.update(dict.fromkeys(queries.group_members(db, group["gid"])))
            elif group["is_public"]:
                circles.append(group["gid"])
            else:
                refuse(
                    f"circle {group['gid']} is not public, and bots may use only public circles",
                    "circle_not_public",
                )
        return self._context.without_bot(members), circles


def one_to_one_peer(uids: Sequence[str], gids: Sequence[str], title: str | None) -> str | None:
    """Return the other user's ID if these recipients make a one-to-one chat, else None."""
    return uids[0] if len(uids) == 1 and not gids and not title else None


def chat_json(db: sqlite3.Connection, tid: str) -> str:
    """Return the JSON text of a chat, with the users and groups that the chat names.

    Raises:
        LookupError: The chat does not exist.
    """
    chat = queries.require_chat(db, tid)
    users, groups = queries.named_by(db, [chat])
    return f'{{"chat":{dump(chat)},"users":{users},"groups":{groups}}}'


def require_visible(
    db: sqlite3.Connection,
    uids: Iterable[str],
    gids: Iterable[str],
    other_bad_uids: Iterable[str] = (),
    other_bad_gids: Iterable[str] = (),
) -> list[Document]:
    """Return the groups; refuse IDs that the bot may not see, and all other bad IDs."""
    found = {gid: queries.visible_group(db, gid) for gid in gids}
    bad_gids = [gid for gid, group in found.items() if group is None]
    bad_uids = [uid for uid in uids if queries.visible_user(db, uid) is None]
    bad_uids += other_bad_uids
    bad_gids += other_bad_gids
    if bad_uids or bad_gids:
        refuse_members(bad_uids, bad_gids)
    return [json.loads(group) for group in found.values() if group is not None]

"""What the bot does with chats, and the rules for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from teamwire_sync._sandbox.errors import ApiError, invalid_members
from teamwire_sync._sandbox.request_bodies import NewMessage
from teamwire_sync._sandbox.serializers import dump
from teamwire_sync._sandbox.world import queries

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from typing import Any

    from teamwire_sync._sandbox.request_bodies import MemberEdit, NewChat
    from teamwire_sync._sandbox.serializers import Document
    from teamwire_sync._sandbox.world.chats import Chats
    from teamwire_sync._sandbox.world.context import Context
    from teamwire_sync._sandbox.world.messages import Messages


class Conversations:
    """The chats of a world, as the bot may change them.

    Args:
        context: The world's.
        chats: The world's.
        messages: The world's.
    """

    def __init__(self, context: Context, chats: Chats, messages: Messages) -> None:
        self._context = context
        self._chats = chats
        self._messages = messages

    def create(self, new: NewChat) -> str:
        """Create a chat, or reuse the 1:1 that exists, and post the first message."""
        with self._context.store.writing() as db:
            uids = self._context.others(new.user_ids)
            gids = list(dict.fromkeys(new.group_ids))
            groups = require_visible(db, uids, gids)
            peer_uid = peer(uids, gids, new.title)
            tid = None if peer_uid is None else queries.present_one_to_one(db, peer_uid)
            if tid is None:
                uids, gids = self._expanded(db, uids, groups)
                if not uids and not gids:
                    raise ApiError(422, "a chat needs at least one recipient", "no_recipient")
                tid = self._chats.start(
                    db,
                    self._context.bot_uid,
                    peer_uid,
                    title=new.title,
                    user_ids=uids,
                    group_ids=gids,
                    admin_ids=[self._context.bot_uid],
                    is_alert=new.is_alert,
                    allow_sending=new.allow_sending,
                    allow_mute_notifications=new.allow_mute_notifications,
                )
            if new.message is not None:
                self._messages.post(tid, NewMessage(message=new.message))
            return answer(db, tid)

    def edit(self, tid: str, properties: dict[str, Any]) -> str:
        """Change title and flags."""
        with self._context.store.writing() as db:
            chat = self._editable(db, tid)
            self._chats.change(db, chat, self._context.bot_uid, **properties)
            return answer(db, tid)

    def edit_members(self, tid: str, edit: MemberEdit) -> str:
        """Add and remove members."""
        with self._context.store.writing() as db:
            chat = self._editable(db, tid)
            add_uids = [uid for uid in edit.add_user_ids if uid not in chat["user_ids"]]
            add_gids = [gid for gid in edit.add_group_ids if gid not in chat["group_ids"]]
            groups = require_visible(
                db,
                add_uids,
                add_gids,
                # Who is in by a circle only is no member to remove, and the bot leaves in its way.
                [uid for uid in edit.remove_user_ids if uid not in chat["user_ids"]],
                [gid for gid in edit.remove_group_ids if gid not in chat["group_ids"]],
            )
            self._chats.change_members(
                db,
                chat,
                self._context.bot_uid,
                add=self._expanded(db, add_uids, groups),
                remove=(edit.remove_user_ids, edit.remove_group_ids),
            )
            return answer(db, tid)

    def edit_admins(self, tid: str, edit: MemberEdit) -> str:
        """Make members administrators, and administrators members."""
        with self._context.store.writing() as db:
            chat = self._editable(db, tid)
            members = {*queries.all_members(db, chat), self._context.bot_uid}
            bad_uids = [uid for uid in edit.add_user_ids if uid not in members]
            bad_uids += [uid for uid in edit.remove_user_ids if uid not in chat["admin_ids"]]
            if bad_uids:
                raise invalid_members(bad_uids)
            self._chats.change_admins(
                db,
                chat,
                self._context.bot_uid,
                add=edit.add_user_ids,
                remove=edit.remove_user_ids,
            )
            return answer(db, tid)

    def leave(self, tid: str) -> str:
        """Leave a chat."""
        with self._context.store.writing() as db:
            if queries.present_chat(db, tid) is None:
                raise ApiError(404, "there is no such chat")
            self._chats.end(db, tid, self._context.bot_uid)
        return "{}"

    def _editable(self, db: sqlite3.Connection, tid: str) -> Document:
        chat = queries.present_chat(db, tid)
        if chat is None:
            raise ApiError(404, "there is no such chat")
        if chat["type"] == "one_to_one":
            raise ApiError(409, "a 1:1 chat cannot be changed", "one_to_one")
        if self._context.bot_uid not in chat["admin_ids"]:
            raise ApiError(403, "the bot is no administrator of this chat", "not_admin")
        return chat

    def _expanded(
        self, db: sqlite3.Connection, uids: list[str], groups: list[Document]
    ) -> tuple[list[str], list[str]]:
        """The users and circles that recipients stand for: a list becomes its users."""
        members = dict.fromkeys(uids)
        circles = []
        for group in groups:
            if group["is_list"]:
                members.update(dict.fromkeys(queries.group_members(db, group["gid"])))
            elif group["is_public"]:
                circles.append(group["gid"])
            else:
                message = f"circle {group['gid']} is not public, and bots may use public ones only"
                raise ApiError(403, message, "circle_not_public")
        return self._context.others(members), circles


def peer(uids: Sequence[str], gids: Sequence[str], title: str | None) -> str | None:
    """The other user if these recipients make a 1:1 chat."""
    return uids[0] if len(uids) == 1 and not gids and not title else None


def answer(db: sqlite3.Connection, tid: str) -> str:
    """The JSON text of a chat beside the users and groups that it names.

    Raises:
        LookupError: There is no such chat.
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
    """The groups, if the bot may see them and the users, and nothing else is bad."""
    found = {gid: queries.visible_group(db, gid) for gid in gids}
    bad_gids = [gid for gid, group in found.items() if group is None]
    bad_uids = [uid for uid in uids if queries.visible_user(db, uid) is None]
    bad_uids += other_bad_uids
    bad_gids += other_bad_gids
    if bad_uids or bad_gids:
        raise invalid_members(bad_uids, bad_gids)
    return [json.loads(group) for group in found.values() if group is not None]

"""Users, circles and distribution lists."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs

from teamwire_sync._sandbox.world import queries
from teamwire_sync._sandbox.world.avatars import avatar
from teamwire_sync._sandbox.world.bot_chats import require_visible
from teamwire_sync._sandbox.world.context import Context, refuse_cursor
from teamwire_sync._server.errors import refuse, require
from teamwire_sync._server.serializers import dump

if TYPE_CHECKING:
    import sqlite3

    from teamwire_sync._transport import MemberEdit


@attrs.frozen
class Directory:
    """The users and groups that the bot sees.

    Args:
        context: The world's context.
    """

    _context: Context

    def user(self, db: sqlite3.Connection, uid: str) -> str:
        """Return one user."""
        return f'{{"user":{_user(db, uid)}}}'

    def avatar(self, db: sqlite3.Connection, uid: str) -> bytes:
        """Return a user's avatar as PNG."""
        user = json.loads(_user(db, uid))
        if not user["has_avatar"]:
            refuse("this user has no picture", "no_avatar")
        return avatar(uid)

    def users(self, db: sqlite3.Connection, part: str, limit: int, cursor: str | None) -> str:
        """Return the users, except the bot, whose name contains `part`, sorted by name."""
        after = self._place(db, "user", cursor)
        found = db.execute(
            "SELECT uid, document FROM users WHERE is_visible AND uid != ?"
            " AND instr(name, ?) AND (name, uid) > (?, ?) ORDER BY name, uid LIMIT ?",
            (self._context.bot_uid, part.casefold(), *after, limit + 1),
        ).fetchall()
        users = ",".join(document for _, document in found[:limit])
        following = self._context.next_cursor("user", found, limit)
        return f'{{"users":[{users}],"next_cursor":{following}}}'

    def groups(self, db: sqlite3.Connection, limit: int, cursor: str | None) -> str:
        """Return groups without their members, sorted by title."""
        after = self._place(db, "group", cursor)
        found = db.execute(
            "SELECT gid, document FROM groups WHERE is_visible AND (name, gid) > (?, ?)"
            " ORDER BY name, gid LIMIT ?",
            (*after, limit + 1),
        ).fetchall()
        users, groups = queries.named_by(db, [], more_gids=[gid for gid, _ in found[:limit]])
        following = self._context.next_cursor("group", found, limit)
        return f'{{"groups":{groups},"users":{users},"next_cursor":{following}}}'

    def _place(self, db: sqlite3.Connection, kind: str, cursor: str | None) -> tuple[str, str]:
        if cursor is None:
            return "", ""
        position = self._context.decode_cursor(kind, cursor)
        name = (
            queries.user_name(db, position) if kind == "user" else queries.group_name(db, position)
        )
        if name is None:
            refuse_cursor()
        return name, position

    def group(self, db: sqlite3.Connection, gid: str) -> str:
        """Return one group with its members."""
        group = _group(db, gid)
        members = queries.group_members(db, gid)
        owner = json.loads(group)["owner_id"]
        users = queries.users_json(db, members if owner is None else [*members, owner])
        return f'{{"group":{group},"user_ids":{dump(members)},"users":{users}}}'

    def edit_members(self, db: sqlite3.Connection, gid: str, edit: MemberEdit) -> str:
        """Change the members of a distribution list that the bot owns."""
        group = json.loads(_group(db, gid))
        if group["is_circle"]:
            refuse("the administrators of the organisation manage this circle", "circle_managed")
        if group["owner_id"] != self._context.bot_uid:
            refuse("the bot does not own this list", "not_owner")
        members = queries.group_members(db, gid)
        new = [uid for uid in self._context.without_bot(edit.add_users) if uid not in members]
        strangers = [uid for uid in edit.remove_users if uid not in members]
        require_visible(db, new, (), strangers)
        queries.change_group_members(db, gid, new, edit.remove_users)
        return self.group(db, gid)


def _user(db: sqlite3.Connection, uid: str) -> str:
    return require(queries.visible_user(db, uid), "there is no such user")


def _group(db: sqlite3.Connection, gid: str) -> str:
    return require(queries.visible_group(db, gid), "there is no such group")

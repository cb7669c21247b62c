"""The queries on a world's tables, each inside a transaction of its caller."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from teamwire_sync._sandbox.documents import dump

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from teamwire_sync._sandbox.documents import Document


def visible_user(db: sqlite3.Connection, uid: str) -> str | None:
    """The JSON text of a user whom the bot may see."""
    return _value(db, "SELECT document FROM users WHERE uid = ? AND is_visible", uid)


def visible_group(db: sqlite3.Connection, gid: str) -> str | None:
    """The JSON text of a group that the bot may see."""
    return _value(db, "SELECT document FROM groups WHERE gid = ? AND is_visible", gid)


def user_exists(db: sqlite3.Connection, uid: str) -> bool:
    """Whether there is such a user, visible or not."""
    return _value(db, "SELECT uid FROM users WHERE uid = ?", uid) is not None


def group_exists(db: sqlite3.Connection, gid: str) -> bool:
    """Whether there is such a group, visible or not."""
    return _value(db, "SELECT gid FROM groups WHERE gid = ?", gid) is not None


def group_members(db: sqlite3.Connection, gid: str) -> list[str]:
    """The ids of a group's members."""
    rows = db.execute("SELECT uid FROM members WHERE gid = ? ORDER BY position", (gid,))
    return [uid for (uid,) in rows]


def users_json(db: sqlite3.Connection, uids: Iterable[str]) -> str:
    """A JSON array of the users with these ids, each once, in the order of the ids."""
    rows = db.execute(
        "SELECT uid, document FROM users WHERE uid IN (SELECT value FROM json_each(?))",
        (dump(list(uids)),),
    )
    return _in_order(uids, dict(rows.fetchall()))


def named_by(db: sqlite3.Connection, chats: Sequence[Document]) -> tuple[str, str]:
    """JSON arrays of the users and of the groups that chats name, each once."""
    gids = dict.fromkeys(gid for chat in chats for gid in chat["group_ids"])
    rows = db.execute(
        "SELECT gid, document FROM groups WHERE gid IN (SELECT value FROM json_each(?))",
        (dump(list(gids)),),
    )
    groups = dict(rows.fetchall())
    uids = dict.fromkeys(
        uid for chat in chats for names in ("user_ids", "admin_ids") for uid in chat[names]
    )
    owners = (json.loads(document)["owner_id"] for document in groups.values())
    uids.update(dict.fromkeys(owner for owner in owners if owner is not None))
    return users_json(db, uids), _in_order(gids, groups)


def present_chat(db: sqlite3.Connection, tid: str) -> Document | None:
    """The present version of a chat, None for an unknown or removed one."""
    text = _value(db, "SELECT document FROM chats WHERE tid = ? AND to_seq IS NULL", tid)
    return None if text is None else cast("Document", json.loads(text))


def present_one_to_one(db: sqlite3.Connection, uid: str) -> str | None:
    """The id of the 1:1 chat with a user."""
    return _value(db, "SELECT tid FROM chats WHERE peer_uid = ? AND to_seq IS NULL", uid)


def start_chat(db: sqlite3.Connection, chat: Document, peer_uid: str | None, at: float) -> None:
    """Store the first version of a chat."""
    seq = _log_change(db, at)
    db.execute(
        "INSERT INTO chats (ordinal, from_seq, tid, peer_uid, document)"
        " VALUES ((SELECT COALESCE(MAX(ordinal), 0) + 1 FROM chats), ?, ?, ?, ?)",
        (seq, chat["tid"], peer_uid, dump(chat)),
    )


def change_chat(db: sqlite3.Connection, chat: Document, at: float) -> None:
    """Store the next version of a chat in its old place of the order."""
    ordinal, peer_uid = db.execute(
        "SELECT ordinal, peer_uid FROM chats WHERE tid = ? AND to_seq IS NULL", (chat["tid"],)
    ).fetchone()
    seq = end_chat(db, chat["tid"], at)
    db.execute(
        "INSERT INTO chats (ordinal, from_seq, tid, peer_uid, document) VALUES (?, ?, ?, ?, ?)",
        (ordinal, seq, chat["tid"], peer_uid, dump(chat)),
    )


def end_chat(db: sqlite3.Connection, tid: str, at: float) -> int:
    """End the present version of a chat; returns the number of that change."""
    seq = _log_change(db, at)
    db.execute("UPDATE chats SET to_seq = ? WHERE tid = ? AND to_seq IS NULL", (seq, tid))
    return seq


def _log_change(db: sqlite3.Connection, at: float) -> int:
    return cast("int", db.execute("INSERT INTO log (at) VALUES (?)", (at,)).lastrowid)


def _value(db: sqlite3.Connection, query: str, key: str) -> str | None:
    row = db.execute(query, (key,)).fetchone()
    return None if row is None else cast("str", row[0])


def _in_order(ids: Iterable[str], documents: dict[str, str]) -> str:
    return f"[{','.join(documents[key] for key in dict.fromkeys(ids) if key in documents)}]"

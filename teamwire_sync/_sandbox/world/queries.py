"""The queries on a world's tables; each query runs inside the caller's transaction."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, cast

from teamwire_sync._internal.validation import as_unicode
from teamwire_sync._server.errors import require
from teamwire_sync._server.serializers import Document, dump

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence


def visible_user(db: sqlite3.Connection, uid: str) -> str | None:
    """Return the JSON text of a user whom the bot may see, else None."""
    return _value(db, "SELECT document FROM users WHERE uid = ? AND is_visible", uid)


def visible_group(db: sqlite3.Connection, gid: str) -> str | None:
    """Return the JSON text of a group that the bot may see, else None."""
    return _value(db, "SELECT document FROM groups WHERE gid = ? AND is_visible", gid)


def group_members(db: sqlite3.Connection, gid: str) -> list[str]:
    """Return the IDs of a group's members."""
    rows = db.execute("SELECT uid FROM members WHERE gid = ? ORDER BY position", (gid,))
    return [uid for (uid,) in rows]


def user_name(db: sqlite3.Connection, uid: str) -> str | None:
    """Return the name for sorting and finding a user, whether the user is visible or not."""
    return _value(db, "SELECT name FROM users WHERE uid = ?", uid)


def group_name(db: sqlite3.Connection, gid: str) -> str | None:
    """Return the title for sorting a group, whether the group is visible or not."""
    return _value(db, "SELECT name FROM groups WHERE gid = ?", gid)


def change_group_members(
    db: sqlite3.Connection, gid: str, add: Iterable[str], remove: Iterable[str]
) -> None:
    """Remove users from a group, and add users at its end."""
    db.executemany("DELETE FROM members WHERE gid = ? AND uid = ?", ((gid, uid) for uid in remove))
    for uid in add:
        db.execute(
            "INSERT INTO members SELECT ?, COALESCE(MAX(position), 0) + 1, ? FROM members"
            " WHERE gid = ?",
            (gid, uid, gid),
        )


def users_json(db: sqlite3.Connection, uids: Iterable[str]) -> str:
    """Return a JSON array of the users with these IDs, without duplicates, in the given order."""
    rows = db.execute(
        "SELECT uid, document FROM users WHERE uid IN (SELECT value FROM json_each(?))",
        (dump(list(uids)),),
    )
    return _in_order(uids, dict(rows.fetchall()))


def named_by(
    db: sqlite3.Connection,
    chats: Sequence[Document],
    more_uids: Iterable[str] = (),
    more_gids: Iterable[str] = (),
) -> tuple[str, str]:
    """Return JSON arrays of the distinct users and groups that chats and the extra IDs name."""
    gids = dict.fromkeys(gid for chat in chats for gid in chat["group_ids"])
    gids.update(dict.fromkeys(more_gids))
    rows = db.execute(
        "SELECT gid, document FROM groups WHERE gid IN (SELECT value FROM json_each(?))",
        (dump(list(gids)),),
    )
    groups = dict(rows.fetchall())
    uids = dict.fromkeys(
        uid for chat in chats for names in ("user_ids", "admin_ids") for uid in chat[names]
    )
    uids.update(dict.fromkeys(more_uids))
    owners = (json.loads(document)["owner_id"] for document in groups.values())
    uids.update(dict.fromkeys(owner for owner in owners if owner is not None))
    return users_json(db, uids), _in_order(gids, groups)


def present_chat(db: sqlite3.Connection, tid: str) -> Document | None:
    """Return the present version of a chat, or None if the chat is unknown or removed."""
    return _document(db, "SELECT document FROM chats WHERE tid = ? AND to_seq IS NULL", tid)


def visible_chat(db: sqlite3.Connection, tid: str) -> Document:
    """Return the present version of a chat in a request of the bot.

    Raises:
        RefusedError: The chat does not exist.
    """
    return require(present_chat(db, tid), "there is no such chat")


def require_chat(db: sqlite3.Connection, tid: str) -> Document:
    """Return the present version of a chat.

    Raises:
        LookupError: The chat does not exist.
    """
    chat = present_chat(db, tid)
    if chat is None:
        message = f"no chat {tid!r}"
        raise LookupError(message)
    return chat


def latest_chat(db: sqlite3.Connection, tid: str) -> Document | None:
    """Return the present version of a chat, or the last version before its removal."""
    query = "SELECT document FROM chats WHERE tid = ? ORDER BY from_seq DESC LIMIT 1"
    return _document(db, query, tid)


def add_message(db: sqlite3.Connection, message: Document) -> None:
    """Store a message, and record the use of its attachments."""
    mid, tid = message["mid"], message["tid"]
    db.execute(
        "INSERT INTO messages (mid, tid, document) VALUES (?, ?, ?)", (mid, tid, dump(message))
    )
    db.executemany(
        "INSERT OR IGNORE INTO uses VALUES (?, ?, ?)",
        (
            (attachment["attachment_id"], mid, tid)
            for attachment in message["attachments"]
            if "attachment_id" in attachment
        ),
    )


def add_attachment(
    db: sqlite3.Connection, attachment: Document, content: bytes | None, *, is_own: bool
) -> None:
    """Store an attachment, and its content unless the content is in a file."""
    attachment = {**attachment, "name": as_unicode(attachment["name"])}
    values = (attachment[name] for name in ("attachment_id", "name", "size", "content_type"))
    db.execute("INSERT INTO attachments VALUES (?, ?, ?, ?, ?, ?)", (*values, is_own, content))


def replace_message(db: sqlite3.Connection, message: Document) -> None:
    """Store a new version of a message, without attachments."""
    mid = message["mid"]
    db.execute("UPDATE messages SET document = ? WHERE mid = ?", (dump(message), mid))
    db.execute("DELETE FROM uses WHERE mid = ?", (mid,))


def latest_messages(
    db: sqlite3.Connection, tid: str, limit: int, before: str | None = None
) -> list[Document]:
    """Return messages of a chat, newest first; with an ID, only messages before that message."""
    found = db.execute(
        "SELECT document FROM messages WHERE tid = ? AND number <"
        " COALESCE((SELECT number FROM messages WHERE mid = ?), 9223372036854775807)"
        " ORDER BY number DESC LIMIT ?",
        (tid, before, limit),
    )
    return [json.loads(document) for (document,) in found]


def message(db: sqlite3.Connection, tid: str, mid: str) -> Document | None:
    """Return the present version of a chat's message, or None."""
    return _document(db, "SELECT document FROM messages WHERE mid = ? AND tid = ?", mid, tid)


def some_group_chat(db: sqlite3.Connection, share: float, most: int) -> Document | None:
    """Return the open group chat at a relative position, 0 to 1, among the first *most* chats."""
    return _document(
        db,
        "SELECT document FROM chats WHERE to_seq IS NULL AND peer_uid IS NULL"
        " AND NOT json_extract(document, '$.is_closed') AND ordinal >="
        " (SELECT CAST(MIN(MAX(ordinal), ?) * ? AS INTEGER) FROM chats) ORDER BY ordinal LIMIT 1",
        most,
        share,
    )


def some_person(db: sqlite3.Connection, share: float, bot_uid: str) -> str:
    """Return the user at a relative position, from 0 to 1, among all users whom the bot sees."""
    where = "FROM users WHERE is_visible AND uid != ?"
    (count,) = db.execute(f"SELECT COUNT(*) {where}", (bot_uid,)).fetchone()
    query = f"SELECT uid {where} ORDER BY uid LIMIT 1 OFFSET ?"
    return cast("str", _value(db, query, bot_uid, int(share * count)))


def all_members(db: sqlite3.Connection, chat: Document) -> dict[str, None]:
    """Return all members of a chat except the bot, direct or through a group, in order."""
    uids = dict.fromkeys(chat["user_ids"])
    for gid in chat["group_ids"]:
        uids.update(dict.fromkeys(group_members(db, gid)))
    return uids


def present_one_to_one(db: sqlite3.Connection, uid: str) -> str | None:
    """Return the thread ID of the one-to-one chat with a user, or None."""
    return _value(db, "SELECT tid FROM chats WHERE peer_uid = ? AND to_seq IS NULL", uid)


def start_revisions(db: sqlite3.Connection, now: int) -> int:
    """Begin with a new revision, at least *now* in milliseconds; return it."""
    # The list does not change, so a list that lags shows this revision with the last change's time,
    # or with the present time if the clock has been set back.
    added = db.execute(
        "INSERT INTO log (seq, at, total)"
        " SELECT MAX(COALESCE(MAX(seq), 0) + 1, ?), MIN(COALESCE(MAX(at), 0), ?),"
        " COALESCE((SELECT total FROM log ORDER BY seq DESC LIMIT 1), 0) FROM log",
        (now, now / 1000),
    )
    return cast("int", added.lastrowid)


def revision(db: sqlite3.Connection, latest: float = math.inf) -> int:
    """Return the revision of the last change of a chat, up to the time `latest`."""
    row = db.execute("SELECT MAX(seq) FROM log WHERE at <= ?", (latest,)).fetchone()
    return cast("int", row[0])


def totals(db: sqlite3.Connection, since: int | None, seq: int) -> dict[int, int]:
    """Return the number of chats at each of two revisions; the log may lack a revision."""
    return dict(
        db.execute("SELECT seq, total FROM log WHERE seq IN (?, ?)", (since, seq)).fetchall()
    )


def listed_chats(db: sqlite3.Connection, seq: int, after: int, limit: int) -> list[tuple[int, str]]:
    """Return chats as they were at the revision `seq`, in the order of the list.

    Args:
        db: The transaction.
        seq: The revision.
        after: The position in the list after which the chats begin.
        limit: The maximum number of chats.

    Returns:
        The positions and the JSON texts of the chats.
    """
    return db.execute(
        "SELECT ordinal, document FROM chats WHERE ordinal > ? AND from_seq <= ?"
        " AND (to_seq IS NULL OR to_seq > ?) ORDER BY ordinal LIMIT ?",
        (after, seq, seq, limit),
    ).fetchall()


def changed_chats(
    db: sqlite3.Connection, since: int, seq: int, after: int, limit: int
) -> list[tuple[int, str]]:
    """Return `listed_chats`, but only the chats that have changed after the revision `since`."""
    # SQLite would choose the primary key, and read all chats. The inner query reads the index only,
    # so a page does not read the documents of the other pages.
    return db.execute(
        "SELECT ordinal, document FROM chats WHERE (ordinal, from_seq) IN ("
        "SELECT ordinal, from_seq FROM chats INDEXED BY begun_versions"
        " WHERE from_seq > ? AND from_seq <= ? AND (to_seq IS NULL OR to_seq > ?)"
        " AND ordinal > ? ORDER BY ordinal LIMIT ?) ORDER BY ordinal",
        (since, seq, seq, after, limit),
    ).fetchall()


def gone_chats(db: sqlite3.Connection, since: int, seq: int) -> list[str]:
    """Return the thread IDs of the chats that ended after the revision `since` and up to `seq`.

    A chat that came back is included: it has a new position in the list.
    """
    rows = db.execute(
        "SELECT DISTINCT tid FROM chats AS ended INDEXED BY ended_versions"
        " WHERE to_seq > ? AND to_seq <= ? AND NOT EXISTS"
        " (SELECT 1 FROM chats WHERE ordinal = ended.ordinal AND from_seq = ended.to_seq)",
        (since, seq),
    )
    return [tid for (tid,) in rows]


def insert_chat(db: sqlite3.Connection, chat: Document, peer_uid: str | None, at: float) -> None:
    """Store the first version of a chat, at the end of the list."""
    seq = _log_change(db, at, 1)
    db.execute(
        "INSERT INTO chats (ordinal, from_seq, tid, peer_uid, document)"
        " VALUES ((SELECT COALESCE(MAX(ordinal), 0) + 1 FROM chats), ?, ?, ?, ?)",
        (seq, chat["tid"], peer_uid, dump({**chat, "revision": seq})),
    )


def update_chat(db: sqlite3.Connection, chat: Document, at: float) -> None:
    """Store the next version of a chat, at its old position in the list."""
    ordinal, peer_uid = db.execute(
        "SELECT ordinal, peer_uid FROM chats WHERE tid = ? AND to_seq IS NULL", (chat["tid"],)
    ).fetchone()
    seq = end_chat(db, chat["tid"], at, more=0)
    db.execute(
        "INSERT INTO chats (ordinal, from_seq, tid, peer_uid, document) VALUES (?, ?, ?, ?, ?)",
        (ordinal, seq, chat["tid"], peer_uid, dump({**chat, "revision": seq})),
    )


def end_chat(db: sqlite3.Connection, tid: str, at: float, *, more: int = -1) -> int:
    """End the present version of a chat; return the revision of this change."""
    seq = _log_change(db, at, more)
    db.execute("UPDATE chats SET to_seq = ? WHERE tid = ? AND to_seq IS NULL", (seq, tid))
    return seq


def _log_change(db: sqlite3.Connection, at: float, more: int) -> int:
    """Return the revision of a change after which there are `more` chats than before."""
    added = db.execute(
        "INSERT INTO log (at, total) SELECT ?, total + ? FROM log ORDER BY seq DESC LIMIT 1",
        (at, more),
    )
    return cast("int", added.lastrowid)


def _value(db: sqlite3.Connection, query: str, *keys: object) -> str | None:
    """Return the only column of the first row, or None if there is no row."""
    row = db.execute(query, keys).fetchone()
    return None if row is None else cast("str", row[0])


def _document(db: sqlite3.Connection, query: str, *keys: object) -> Document | None:
    text = _value(db, query, *keys)
    return None if text is None else cast("Document", json.loads(text))


def _in_order(ids: Iterable[str], documents: dict[str, str]) -> str:
    return f"[{','.join(documents[key] for key in dict.fromkeys(ids) if key in documents)}]"

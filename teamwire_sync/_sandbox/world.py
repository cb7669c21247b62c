"""The sandbox's world: people, groups and chats, and the domain's rules about them."""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from typing import TYPE_CHECKING

import attrs

from teamwire_sync._sandbox import rows
from teamwire_sync._sandbox.documents import chat_document, dump, message_document, new_id
from teamwire_sync._sandbox.errors import ApiError
from teamwire_sync._sandbox.seed import seed_world

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from teamwire_sync._sandbox.documents import Document
    from teamwire_sync._sandbox.store import Store
    from teamwire_sync._sandbox.validation import NewChat

_LARGEST_INTEGER = 2**63 - 1  # SQLite's


@attrs.frozen
class Collection:
    """The list of chats as one request sees it: up to and including one change of the log."""

    etag: str
    seq: int


class World:
    """What a bot of one organisation sees and does, and what others do around it.

    Methods for the bot return the JSON text of the contract's answer and raise ApiError.

    Args:
        store: The database; an empty one is seeded, another is served as it is.
        clock: Returns the seconds since 1970.
        chats: How many chats a new world has.
        seed: Varies a new world.
    """

    def __init__(self, store: Store, clock: Callable[[], float], *, chats: int, seed: int) -> None:
        self.store = store
        self._clock = clock
        with store.writing() as db:
            if db.execute("SELECT 1 FROM facts").fetchone() is None:
                seed_world(db, chats, seed)
                # Not from the seed: a validator must never hold for another run's world.
                db.execute("INSERT INTO facts VALUES ('world_id', ?)", (uuid.uuid4().hex,))
            facts = dict(db.execute("SELECT name, value FROM facts").fetchall())
        self.app_id: str = facts["app_id"]
        self.secret: str = facts["secret"]
        self.bot_uid: str = facts["bot_uid"]
        self._world_id: str = facts["world_id"]

    def user(self, uid: str) -> str:
        """One user."""
        with self.store.reading() as db:
            user = rows.visible_user(db, uid)
        if user is None:
            raise ApiError(404, "there is no such user")
        return f'{{"user":{user}}}'

    def group(self, gid: str) -> str:
        """One group with its members."""
        with self.store.reading() as db:
            group = rows.visible_group(db, gid)
            if group is None:
                raise ApiError(404, "there is no such group")
            members = rows.group_members(db, gid)
            owner = json.loads(group)["owner_id"]
            users = rows.users_json(db, members if owner is None else [*members, owner])
        return f'{{"group":{group},"user_ids":{dump(members)},"users":{users}}}'

    def collection(self, lag: float | None = None) -> Collection:
        """The list of chats now, or as it was `lag` seconds ago."""
        with self.store.reading() as db:
            if lag is None:
                (seq,) = db.execute("SELECT MAX(seq) FROM log").fetchone()
            else:
                latest = (self._clock() - lag,)
                (seq,) = db.execute("SELECT MAX(seq) FROM log WHERE at <= ?", latest).fetchone()
        return Collection(f'"{self._world_id}-{seq}"', seq)

    def page(self, collection: Collection, limit: int, cursor: str | None) -> str:
        """One page of the list of chats."""
        after = 0 if cursor is None else self._decode_cursor(cursor)
        with self.store.reading() as db:
            found = db.execute(
                "SELECT ordinal, document FROM chats WHERE ordinal > ? AND from_seq <= ?"
                " AND (to_seq IS NULL OR to_seq > ?) ORDER BY ordinal LIMIT ?",
                (after, collection.seq, collection.seq, limit + 1),
            ).fetchall()
            chats = f"[{','.join(document for _, document in found[:limit])}]"
            users, groups = rows.named_by(db, json.loads(chats))
        following = self._encode_cursor(found[limit - 1][0]) if len(found) > limit else None
        return (
            f'{{"chats":{chats},"users":{users},"groups":{groups},"next_cursor":{dump(following)}}}'
        )

    def _encode_cursor(self, ordinal: int) -> str:
        return base64.urlsafe_b64encode(f"{self._world_id}:{ordinal}".encode()).decode().rstrip("=")

    def _decode_cursor(self, cursor: str) -> int:
        try:
            text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
            ordinal = int(text.rpartition(":")[2])
        except ValueError:
            ordinal = 0
        # Encoded again, so that only this world's own spelling passes.
        if not 0 < ordinal <= _LARGEST_INTEGER or self._encode_cursor(ordinal) != cursor:
            raise ApiError(422, "this server gave no such cursor", "invalid_cursor")
        return ordinal

    def create_chat(self, new: NewChat) -> str:
        """Create a chat, or reuse the 1:1 that exists, and post the first message."""
        with self.store.writing() as db:
            uids = self._others(new.user_ids)
            gids = list(dict.fromkeys(new.group_ids))
            groups = _require_visible(db, uids, gids)
            peer_uid = _peer(uids, gids, new.title)
            tid = None if peer_uid is None else rows.present_one_to_one(db, peer_uid)
            if tid is None:
                uids, gids = self._expand(db, uids, groups)
                tid = self._start_chat(
                    db,
                    peer_uid,
                    title=new.title,
                    user_ids=uids,
                    group_ids=gids,
                    admin_ids=[self.bot_uid],
                    is_alert=new.is_alert,
                    allow_sending=new.allow_sending,
                    allow_mute_notifications=new.allow_mute_notifications,
                )
            if new.message is not None:
                self.post_message(tid, new.message)
            return self.chat(tid)

    def post_message(self, tid: str, text: str) -> str:
        """Post a message."""
        with self.store.writing() as db:
            chat = rows.present_chat(db, tid)
            if chat is None:
                raise ApiError(404, "there is no such chat")
            if chat["is_closed"]:
                raise ApiError(409, "the chat is closed", "chat_closed")
            mid = _fresh_id()
            timestamp = int(self._clock() * 1000)
            message = dump(message_document(mid, tid, self.bot_uid, timestamp, text))
            db.execute(
                "INSERT INTO messages (mid, tid, document) VALUES (?, ?, ?)", (mid, tid, message)
            )
            return f'{{"message":{message},"users":{rows.users_json(db, [self.bot_uid])}}}'

    def _expand(
        self, db: sqlite3.Connection, uids: list[str], groups: list[Document]
    ) -> tuple[list[str], list[str]]:
        """The users and circles that recipients stand for: a list becomes its users."""
        members = dict.fromkeys(uids)
        circles = []
        for group in groups:
            if group["is_list"]:
                members.update(dict.fromkeys(rows.group_members(db, group["gid"])))
            elif group["is_public"]:
                circles.append(group["gid"])
            else:
                message = f"circle {group['gid']} is not public, and bots may use public ones only"
                raise ApiError(403, message, "circle_not_public")
        uids = self._others(members)
        if not uids and not circles:
            raise ApiError(422, "a chat needs at least one recipient", "no_recipient")
        return uids, circles

    def _others(self, uids: Iterable[str]) -> list[str]:
        """These users, each once, without the bot: it is in every chat and never named."""
        return [uid for uid in dict.fromkeys(uids) if uid != self.bot_uid]

    def chat(self, tid: str) -> str:
        """One chat beside the users and groups that it names.

        Raises:
            LookupError: There is no such chat.
        """
        with self.store.reading() as db:
            chat = _require_chat(db, tid)
            users, groups = rows.named_by(db, [chat])
        return f'{{"chat":{dump(chat)},"users":{users},"groups":{groups}}}'

    def add_chat(
        self, title: str | None, user_ids: Iterable[str], group_ids: Iterable[str], **flags: bool
    ) -> str:
        """Let somebody else create a chat with the bot; returns its id.

        Raises:
            LookupError: A user or a group does not exist.
            ValueError: There is a 1:1 chat with this user already.
        """
        uids = self._others(user_ids)
        gids = list(dict.fromkeys(group_ids))
        with self.store.writing() as db:
            unknown = [uid for uid in uids if not rows.user_exists(db, uid)]
            unknown += [gid for gid in gids if not rows.group_exists(db, gid)]
            if unknown:
                message = f"no such users or groups: {', '.join(map(repr, unknown))}"
                raise LookupError(message)
            peer_uid = _peer(uids, gids, title)
            if peer_uid is not None and rows.present_one_to_one(db, peer_uid) is not None:
                message = f"there is a 1:1 chat with {peer_uid!r} already"
                raise ValueError(message)
            return self._start_chat(
                db,
                peer_uid,
                title=title or None,
                user_ids=uids,
                group_ids=gids,
                admin_ids=[] if peer_uid is not None else uids[:1],
                **flags,
            )

    def rename_chat(self, tid: str, title: str | None) -> None:
        """Let somebody else give a chat another title.

        Raises:
            LookupError: There is no such chat.
        """
        with self.store.writing() as db:
            chat = _require_chat(db, tid)
            rows.change_chat(db, {**chat, "title": title or None}, self._clock())

    def remove_chat(self, tid: str) -> None:
        """Let somebody else remove the bot from a chat.

        Raises:
            LookupError: There is no such chat.
        """
        with self.store.writing() as db:
            _require_chat(db, tid)
            rows.end_chat(db, tid, self._clock())

    def _start_chat(
        self,
        db: sqlite3.Connection,
        peer_uid: str | None,
        *,
        title: str | None,
        user_ids: list[str],
        group_ids: list[str],
        admin_ids: list[str],
        **flags: bool,
    ) -> str:
        chat = chat_document(
            _fresh_id(),
            title=title,
            user_ids=user_ids,
            group_ids=group_ids,
            admin_ids=admin_ids,
            one_to_one=peer_uid is not None,
            **flags,
        )
        rows.start_chat(db, chat, peer_uid, self._clock())
        return str(chat["tid"])


def _fresh_id() -> str:
    return new_id(secrets.randbits(128))


def _peer(uids: list[str], gids: list[str], title: str | None) -> str | None:
    """The other user if these recipients make a 1:1 chat."""
    return uids[0] if len(uids) == 1 and not gids and not title else None


def _require_visible(db: sqlite3.Connection, uids: list[str], gids: list[str]) -> list[Document]:
    """The groups, if the bot may see them and the users."""
    found = {gid: rows.visible_group(db, gid) for gid in gids}
    bad_gids = [gid for gid, group in found.items() if group is None]
    bad_uids = [uid for uid in uids if rows.visible_user(db, uid) is None]
    if bad_uids or bad_gids:
        message = "there are no such users or groups"
        raise ApiError(422, message, "invalid_members", user_ids=bad_uids, group_ids=bad_gids)
    return [json.loads(group) for group in found.values() if group is not None]


def _require_chat(db: sqlite3.Connection, tid: str) -> Document:
    chat = rows.present_chat(db, tid)
    if chat is None:
        message = f"no chat {tid!r}"
        raise LookupError(message)
    return chat

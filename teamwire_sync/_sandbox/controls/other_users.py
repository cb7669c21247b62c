"""What others do in the sandbox's world, behind the client's back."""

from __future__ import annotations

import json
import mimetypes
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from teamwire_sync._http.contract import decode_chat
from teamwire_sync._sandbox.world import queries
from teamwire_sync._sandbox.world.bot_chats import chat_json, one_to_one_peer
from teamwire_sync._sandbox.world.messages import ALERT_TYPES, NewMessage

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping

    from teamwire_sync._models.chats import Chat
    from teamwire_sync._models.people import Group, User
    from teamwire_sync._sandbox.world.serializers import Document
    from teamwire_sync._sandbox.world.world import World

_PROPERTIES = ("title", "allow_sending", "allow_mute_notifications", "is_closed", "is_alert")


class OtherUsers:
    """What a test can let others do; the rules for bots are not theirs.

    Chats, users and groups are given as objects or by id. What changes something is an event for
    the bot. Who does it, unless it is told, is the chat's first administrator beside the bot, or
    else its first member. Every method raises LookupError for what does not exist.
    """

    _world: World

    def add_chat(
        self,
        title: str | None = None,
        users: Iterable[User | str] = (),
        groups: Iterable[Group | str] = (),
        *,
        is_alert: bool = False,
        allow_sending: bool = True,
        allow_mute_notifications: bool = True,
        is_closed: bool = False,
        bot_is_admin: bool = False,
    ) -> Chat:
        """Let somebody else create a chat with the bot, behind the client's back.

        Here a circle need not be public, and a list stays a list.

        Args:
            title: None and "" make an untitled chat.
            users: The members beside the bot, or their ids; the first one creates it.
            groups: The circles and lists, or their ids.
            is_alert: A flag of the chat.
            allow_sending: A flag of the chat.
            allow_mute_notifications: A flag of the chat.
            is_closed: A flag of the chat.
            bot_is_admin: Whether the bot is made an administrator.

        Raises:
            LookupError: A user or a group does not exist.
            ValueError: It would be a second 1:1 chat with the same user.
        """
        uids, gids = self._uids(users), _ids(groups, "gid")
        with self._world.database.writing() as db:
            _require_known(db, uids, gids)
            peer_uid = one_to_one_peer(uids, gids, title)
            if peer_uid is not None and queries.present_one_to_one(db, peer_uid) is not None:
                message = f"there is a 1:1 chat with {peer_uid!r} already"
                raise ValueError(message)
            admin_ids = [] if peer_uid is not None else uids[:1]
            tid = self._world.chat_editor.create(
                db,
                next(iter(uids), None),
                peer_uid,
                title=title or None,
                user_ids=uids,
                group_ids=gids,
                admin_ids=[*admin_ids, self._world.bot_uid] if bot_is_admin else admin_ids,
                is_alert=is_alert,
                allow_sending=allow_sending,
                allow_mute_notifications=allow_mute_notifications,
                is_closed=is_closed,
            )
            return decode_chat(json.loads(chat_json(db, tid)))

    def rename_chat(self, chat: Chat | str, title: str | None) -> None:
        """Let somebody else change a chat's title; None and "" leave it without one."""
        self.change_chat(chat, title=title)

    def change_chat(self, chat: Chat | str, **properties: Any) -> None:
        """Let somebody else change a chat.

        Args:
            chat: The chat.
            properties: title, allow_sending, allow_mute_notifications, is_closed or is_alert, and
                their new values. There is no event for is_alert.
        """
        for name in properties:
            if name not in _PROPERTIES:
                message = f"a chat has no {name}; it has {', '.join(_PROPERTIES)}"
                raise TypeError(message)
        if "title" in properties:
            properties["title"] = properties["title"] or None
        with self._editing(chat) as (db, present, editor):
            self._world.chat_editor.change(db, present, editor, **properties)

    def remove_chat(self, chat: Chat | str) -> None:
        """Let somebody else remove the bot from a chat, for ever."""
        with self._editing(chat) as (db, present, editor):
            self._world.chat_editor.remove_bot(db, present["tid"], editor)

    def add_members(
        self,
        chat: Chat | str,
        users: Iterable[User | str] = (),
        groups: Iterable[Group | str] = (),
    ) -> None:
        """Let somebody else add members; whoever is one already stays it.

        Raises:
            ValueError: It is a 1:1 chat.
        """
        uids, gids = self._uids(users), _ids(groups, "gid")
        with self._editing(chat) as (db, present, editor):
            _refuse_one_to_one(present)
            _require_known(db, uids, gids)
            self._world.chat_editor.change_members(db, present, editor, add=(uids, gids))

    def remove_members(
        self,
        chat: Chat | str,
        users: Iterable[User | str] = (),
        groups: Iterable[Group | str] = (),
    ) -> None:
        """Let somebody else remove members; for the bot there is `remove_chat`.

        Raises:
            LookupError: One is no direct member.
            ValueError: It is a 1:1 chat.
        """
        uids, gids = _ids(users, "uid"), _ids(groups, "gid")
        with self._editing(chat) as (db, present, editor):
            _refuse_one_to_one(present)
            members = {*present["user_ids"], *present["group_ids"]}
            _require(members, (*uids, *gids), "no direct members of the chat")
            self._world.chat_editor.change_members(db, present, editor, remove=(uids, gids))

    def set_admins(
        self, chat: Chat | str, users: Iterable[User | str], *, bot: bool = False
    ) -> None:
        """Let somebody else make these the administrators, and nobody else.

        Args:
            chat: The chat.
            users: Members.
            bot: Whether the bot is one, too.
        """
        uids = self._uids(users)
        with self._editing(chat) as (db, present, editor):
            _require(queries.all_members(db, present), uids, "no members of the chat")
            admin_ids = [*uids, self._world.bot_uid] if bot else uids
            gone = [uid for uid in present["admin_ids"] if uid not in admin_ids]
            self._world.chat_editor.change_admins(db, present, editor, add=admin_ids, remove=gone)

    def post_message(
        self,
        chat: Chat | str,
        text: str = "",
        user: User | str | None = None,
        *,
        files: Mapping[str, bytes] | None = None,
        is_alert: bool = False,
        alert_type: str | None = None,
        reply_to: str | None = None,
    ) -> str:
        """Let somebody else post a message, in a closed chat too.

        Args:
            chat: The chat.
            text: May be empty if there are files.
            user: A member of the chat, or the bot as from another process.
            files: Contents by name.
            is_alert: Whether it asks for attention.
            alert_type: "alert", "announcement" or "note"; an alert without one is an "alert".
            reply_to: The id of a message of this chat.

        Returns:
            The message's id.

        Raises:
            LookupError: The chat, the user in it or the message in it does not exist.
            ValueError: There is neither text nor file, or the type is none of an alert.
        """
        if not text and not files:
            message = "a message needs text or files"
            raise ValueError(message)
        if alert_type is not None and (not is_alert or alert_type not in ALERT_TYPES):
            message = f"alert_type is for alerts, and one of {ALERT_TYPES}, not {alert_type!r}"
            raise ValueError(message)
        new = NewMessage(
            message=text or None,
            is_alert=is_alert,
            alert_type=alert_type,
            reply_to=reply_to,
        )
        with self._acting(chat, user) as (db, present, author):
            if reply_to is not None:
                _require_message(db, present, reply_to)
            attachments = [
                self._world.attachments.add(
                    db, name, mimetypes.guess_type(name)[0] or "application/octet-stream", content
                )
                for name, content in (files or {}).items()
            ]
            posted = self._world.messages.add(db, present["tid"], author, new, attachments)
        return str(posted["mid"])

    def delete_message(self, chat: Chat | str, mid: str) -> None:
        """Let somebody else delete a message."""
        with self._editing(chat) as (db, present, editor):
            message = _require_message(db, present, mid)
            self._world.messages.delete(db, message, editor)

    def mark_read(self, chat: Chat | str, mid: str, user: User | str | None = None) -> None:
        """Let a member of a chat read a message; doing so again is no event."""
        with self._acting(chat, user) as (db, present, reader):
            message = _require_message(db, present, mid)
            self._world.messages.mark_read(db, message, reader)

    @contextmanager
    def _editing(
        self, chat: Chat | str
    ) -> Iterator[tuple[sqlite3.Connection, Document, str | None]]:
        """A transaction, the chat, and who changes it."""
        with self._world.database.writing() as db:
            present = queries.require_chat(db, _id(chat, "tid"))
            admins = [uid for uid in present["admin_ids"] if uid != self._world.bot_uid]
            yield db, present, next(iter((*admins, *queries.all_members(db, present))), None)

    @contextmanager
    def _acting(
        self, chat: Chat | str, user: User | str | None
    ) -> Iterator[tuple[sqlite3.Connection, Document, str]]:
        """A transaction, the chat, and who does something in it."""
        with self._editing(chat) as (db, present, editor):
            uid = editor if user is None else _id(user, "uid")
            if uid is None:
                message = f"nobody but the bot is in chat {present['tid']!r}"
                raise LookupError(message)
            members = {*queries.all_members(db, present), self._world.bot_uid}
            _require(members, [uid], "no members of the chat")
            yield db, present, uid

    def _uids(self, users: Iterable[User | str]) -> list[str]:
        return [uid for uid in _ids(users, "uid") if uid != self._world.bot_uid]


def _require_known(db: sqlite3.Connection, uids: list[str], gids: list[str]) -> None:
    known = [uid for uid in uids if queries.user_name(db, uid) is not None]
    known += [gid for gid in gids if queries.group_name(db, gid) is not None]
    _require(known, (*uids, *gids), "no such users or groups")


def _require(known: Iterable[str], wanted: Iterable[str], what: str) -> None:
    unknown = [each for each in wanted if each not in known]
    if unknown:
        message = f"{what}: {', '.join(map(repr, unknown))}"
        raise LookupError(message)


def _require_message(db: sqlite3.Connection, chat: Document, mid: str) -> Document:
    message = queries.message(db, chat["tid"], mid)
    if message is None:
        text = f"no message {mid!r} in chat {chat['tid']!r}"
        raise LookupError(text)
    return message


def _refuse_one_to_one(chat: Document) -> None:
    if chat["type"] == "one_to_one":
        message = f"{chat['tid']!r} is a 1:1 chat"
        raise ValueError(message)


def _ids(things: Iterable[Any], attribute: str) -> list[str]:
    return list(dict.fromkeys(_id(thing, attribute) for thing in things))


def _id(thing: object, attribute: str) -> str:
    return str(getattr(thing, attribute, thing))

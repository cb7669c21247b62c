"""Actions of other users in the sandbox's world, independent of the client."""

from __future__ import annotations

import mimetypes
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from teamwire_sync._http.contract import decode_chat, decode_json
from teamwire_sync._internal.validation import require_bool, require_str
from teamwire_sync._sandbox.world import queries
from teamwire_sync._sandbox.world.bot_chats import chat_json, one_to_one_peer
from teamwire_sync._server.request_bodies import ALERT_TYPES, NewMessage

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping

    from teamwire_sync._models.chats import Chat
    from teamwire_sync._models.people import Group, User
    from teamwire_sync._sandbox.world.world import World
    from teamwire_sync._server.serializers import Document

_PROPERTIES = ("title", "allow_sending", "allow_mute_notifications", "is_closed", "is_alert")


class OtherUsers:
    """The actions of other users; the rules for bots do not apply to them.

    Chats, users and groups are passed as objects or by ID. An action that changes something causes
    an event for the bot. The default acting user is the chat's first administrator other than the
    bot, or else its first member. Every method raises LookupError for an ID that does not exist.
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
        """Create a chat with the bot as another user.

        A circle need not be public. A distribution list is not replaced by its members.

        Args:
            title: The title; None and "" create an untitled chat.
            users: The members other than the bot, or their IDs. The first user creates the chat.
            groups: The circles and distribution lists, or their IDs.
            is_alert: Whether the chat is an alert chat.
            allow_sending: Whether members who are not administrators may post.
            allow_mute_notifications: Whether members may mute the chat.
            is_closed: Whether the chat is closed for posting.
            bot_is_admin: Whether the bot becomes an administrator.

        Returns:
            The new chat.

        Raises:
            LookupError: A user or a group does not exist.
            ValueError: A one-to-one chat with the same user already exists.
        """
        uids, gids = self._uids(users), _ids(groups, "gid")
        with self._world.database.writing() as db:
            _require_known(db, uids, gids)
            peer_uid = one_to_one_peer(uids, gids, title)
            if peer_uid is not None and queries.present_one_to_one(db, peer_uid) is not None:
                message = f"a one-to-one chat with {peer_uid!r} already exists"
                raise ValueError(message)
            admin_ids = [] if peer_uid is not None else uids[:1]
            tid = self._world.chat_editor.create(
                db,
                next(iter(uids), None),
                peer_uid,
                title=_title(title),
                user_ids=uids,
                group_ids=gids,
                admin_ids=[*admin_ids, self._world.bot_uid] if bot_is_admin else admin_ids,
                is_alert=require_bool(is_alert, "is_alert"),
                allow_sending=require_bool(allow_sending, "allow_sending"),
                allow_mute_notifications=require_bool(
                    allow_mute_notifications, "allow_mute_notifications"
                ),
                is_closed=require_bool(is_closed, "is_closed"),
            )
            return decode_chat(decode_json(chat_json(db, tid).encode()))

    def rename_chat(self, chat: Chat | str, title: str | None) -> None:
        """Change a chat's title as another user; None and "" remove the title."""
        self.change_chat(chat, title=title)

    def change_chat(self, chat: Chat | str, **properties: Any) -> None:
        """Change a chat's properties as another user.

        Args:
            chat: The chat, or its thread ID.
            properties: The new values of title, allow_sending, allow_mute_notifications, is_closed
                or is_alert. A change of is_alert causes no event.
        """
        for name, value in properties.items():
            if name not in _PROPERTIES:
                message = f"a chat has no {name}; its properties are {', '.join(_PROPERTIES)}"
                raise TypeError(message)
            properties[name] = _title(value) if name == "title" else require_bool(value, name)
        with self._editing(chat) as (db, present, editor):
            self._world.chat_editor.change(db, present, editor, **properties)

    def remove_chat(self, chat: Chat | str) -> None:
        """Remove the bot from a chat, as another user."""
        with self._editing(chat) as (db, present, editor):
            self._world.chat_editor.remove_bot(db, present["tid"], editor)

    def restore_chat(self, chat: Chat | str) -> None:
        """Add the bot to a group chat that it was removed from or has left, as another user.

        The chat is as before, and is the last in the list. If the bot is in the chat, nothing
        happens.

        Raises:
            LookupError: The bot was never in the chat.
            ValueError: The chat is a one-to-one chat.
        """
        tid = _id(chat, "tid")
        with self._world.database.writing() as db:
            past = queries.latest_chat(db, tid) or queries.require_chat(db, tid)
            _refuse_one_to_one(past)
            if queries.present_chat(db, tid) is None:
                self._world.chat_editor.restore_bot(db, past, self._editor(db, past))

    def add_members(
        self,
        chat: Chat | str,
        users: Iterable[User | str] = (),
        groups: Iterable[Group | str] = (),
    ) -> None:
        """Add members to a chat as another user; existing members stay members.

        Args:
            chat: The chat, or its thread ID.
            users: The users to add, or their IDs.
            groups: The circles and distribution lists to add, or their IDs.

        Raises:
            LookupError: The chat, a user or a group does not exist.
            ValueError: The chat is a one-to-one chat.
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
        """Remove members from a chat as another user; `remove_chat` removes the bot.

        Args:
            chat: The chat, or its thread ID.
            users: The users to remove, or their IDs.
            groups: The circles and distribution lists to remove, or their IDs.

        Raises:
            LookupError: The chat does not exist, or a user or a group is not a direct member.
            ValueError: The chat is a one-to-one chat.
        """
        uids, gids = _ids(users, "uid"), _ids(groups, "gid")
        with self._editing(chat) as (db, present, editor):
            _refuse_one_to_one(present)
            members = {*present["user_ids"], *present["group_ids"]}
            _require(members, (*uids, *gids), "not direct members of the chat")
            self._world.chat_editor.change_members(db, present, editor, remove=(uids, gids))

    def set_admins(
        self, chat: Chat | str, users: Iterable[User | str], *, bot: bool = False
    ) -> None:
        """Make these users the chat's only administrators, as another user.

        Args:
            chat: The chat, or its thread ID.
            users: The new administrators, or their IDs. They must be members.
            bot: Whether the bot is an administrator too.
        """
        uids = self._uids(users)
        with self._editing(chat) as (db, present, editor):
            _require(queries.all_members(db, present), uids, "not members of the chat")
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
        """Post a message as another user. A closed chat accepts this message too.

        Args:
            chat: The chat, or its thread ID.
            text: The text; it may be empty if there are files.
            user: The author, or the author's ID: a member of the chat, or the bot, as if another
                process posted.
            files: The files' contents, by file name.
            is_alert: Whether the message is an alert.
            alert_type: "alert", "announcement" or "note". The default for an alert is "alert".
            reply_to: The ID of the message in this chat that the new message replies to.

        Returns:
            The message's ID.

        Raises:
            LookupError: The chat does not exist, *user* is not in the chat, or *reply_to* is not a
                message of the chat.
            ValueError: There are neither text nor files, *alert_type* is unknown, or *alert_type*
                is set without *is_alert*.
        """
        require_str(text, "text")
        if not text and not files:
            message = "a message needs text or files"
            raise ValueError(message)
        if alert_type is not None and (not is_alert or alert_type not in ALERT_TYPES):
            message = f"alert_type needs is_alert=True and one of {ALERT_TYPES}, not {alert_type!r}"
            raise ValueError(message)
        new = NewMessage(
            message=text or None,
            is_alert=require_bool(is_alert, "is_alert"),
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
        """Delete a message as another user."""
        with self._editing(chat) as (db, present, editor):
            message = _require_message(db, present, mid)
            self._world.messages.delete(db, message, editor)

    def mark_read(self, chat: Chat | str, mid: str, user: User | str | None = None) -> None:
        """Mark a message as read by a member of the chat; a repeated call causes no event."""
        with self._acting(chat, user) as (db, present, reader):
            message = _require_message(db, present, mid)
            self._world.messages.mark_read(db, message, reader)

    @contextmanager
    def _editing(
        self, chat: Chat | str
    ) -> Iterator[tuple[sqlite3.Connection, Document, str | None]]:
        """Open a transaction; yield it, the chat, and the ID of the user who changes the chat."""
        with self._world.database.writing() as db:
            present = queries.require_chat(db, _id(chat, "tid"))
            yield db, present, self._editor(db, present)

    def _editor(self, db: sqlite3.Connection, chat: Document) -> str | None:
        admins = [uid for uid in chat["admin_ids"] if uid != self._world.bot_uid]
        return next(iter((*admins, *queries.all_members(db, chat))), None)

    @contextmanager
    def _acting(
        self, chat: Chat | str, user: User | str | None
    ) -> Iterator[tuple[sqlite3.Connection, Document, str]]:
        """Open a transaction; yield it, the chat, and the ID of the user who acts in the chat."""
        with self._editing(chat) as (db, present, editor):
            uid = editor if user is None else _id(user, "uid")
            if uid is None:
                message = f"nobody but the bot is in chat {present['tid']!r}"
                raise LookupError(message)
            members = {*queries.all_members(db, present), self._world.bot_uid}
            _require(members, [uid], "not members of the chat")
            yield db, present, uid

    def _uids(self, users: Iterable[User | str]) -> list[str]:
        return [uid for uid in _ids(users, "uid") if uid != self._world.bot_uid]


def _require_known(db: sqlite3.Connection, uids: list[str], gids: list[str]) -> None:
    known = [uid for uid in uids if queries.user_name(db, uid) is not None]
    known += [gid for gid in gids if queries.group_name(db, gid) is not None]
    _require(known, (*uids, *gids), "unknown users or groups")


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
        message = f"chat {chat['tid']!r} is a one-to-one chat: its members cannot be changed"
        raise ValueError(message)


def _title(title: str | None) -> str | None:
    require_str(title or "", "title")
    return title or None


def _ids(things: Iterable[Any], attribute: str) -> list[str]:
    return list(dict.fromkeys(_id(thing, attribute) for thing in things))


def _id(thing: object, attribute: str) -> str:
    return str(getattr(thing, attribute, thing))

"""Conversion of JSON to events."""

from __future__ import annotations

from typing import Any, Callable

from teamwire_sync._http.contract.decoder import Decoder
from teamwire_sync._internal.fields import (
    ARRAY,
    FLAG,
    NUMBER,
    OBJECT,
    OPTIONAL,
    REVISION,
    STRING,
    Fields,
    checked,
    checked_cursor,
    checked_revisions,
    checked_time,
    extra_of,
    is_revision,
    is_time,
    rest_of,
)
from teamwire_sync._models.chats import Chat
from teamwire_sync._models.events import (
    ChatAdminsChangeInfo,
    ChatChangeInfo,
    ChatMemberChangeInfo,
    Event,
    Events,
    MessageDeletedInfo,
    MessageReadInfo,
    NewMessageInfo,
)
from teamwire_sync._transport import EventPage
from teamwire_sync.exceptions import TWProtocolError

_PAGE: Fields = {
    "events": ARRAY,
    "chats": ARRAY,
    "users": ARRAY,
    "groups": ARRAY,
    "cursor": STRING,
}
_EVENT: Fields = {
    "cursor": STRING,
    "type": STRING,
    "tid": STRING,
    "timestamp": NUMBER,
    "is_own": FLAG,
    "editor_id": OPTIONAL,
}
_EVENT_DEFAULTS = {
    "type": "unknown",
    "tid": "",
    "timestamp": 0,
    "is_own": False,
    "editor_id": None,
}
_MEMBERS: Fields = {"user_ids": ARRAY, "group_ids": ARRAY}
_FLAGS = {
    Events.CHAT_ALLOW_SENDING_CHANGED: "allow_sending",
    Events.CHAT_ALLOW_MUTE_NOTIFICATIONS_CHANGED: "allow_mute_notifications",
    Events.CHAT_IS_CLOSED_CHANGED: "is_closed",
}
_FIELDS: dict[Events, Fields] = {
    Events.NEW_MESSAGE: {"message": OBJECT},
    Events.MESSAGE_READ: {"message_id": STRING, "user_id": STRING},
    Events.MESSAGE_DELETED: {"message_id": STRING},
    Events.CHAT_CREATED: {"title": OPTIONAL},
    Events.CHAT_TITLE_CHANGED: {"title": OPTIONAL},
    Events.CHAT_JOINED: _MEMBERS,
    Events.CHAT_LEFT: _MEMBERS,
    Events.CHAT_DELETED: _MEMBERS,
    Events.CHAT_ADMINS_CHANGED: {"added_admin_ids": ARRAY, "removed_admin_ids": ARRAY},
    **{kind: {name: FLAG} for kind, name in _FLAGS.items()},
}


def decode_events(document: Any, tell: Callable[[str], object] | None = None) -> EventPage:
    """Return the page of events in *document*.

    Args:
        document: The decoded JSON.
        tell: A callback that receives the fault of an event, or of an object that the events name.
            The event is then a plain `Event`, or is left out if it has no cursor. None: the
            function raises `TWProtocolError`.
    """
    decoder = Decoder(tell)
    page = decoder.answer(document, "a page of events", _PAGE, "events")
    decoder.learn(page["users"], page["groups"])
    chats = {
        chat.tid: chat
        for chat in decoder.each(page["chats"], lambda raw: decoder.chats([raw], page)[0][0])
    }
    decoded = decoder.each(
        page["events"],
        lambda raw: decoder.one(
            raw,
            lambda raw: _event(raw, chats, decoder),
            lambda raw: _rest_of_event(raw, chats, decoder),
        ),
    )
    checked_cursor(page, "cursor", "a page of events")
    users, groups = decoder.described()
    events = [event for event, _ in decoded]
    revisions = [revision for _, revision in decoded]
    if not any(each is not None for each in revisions):
        revisions = []
    vague = {event.chat.tid for event in events} - chats.keys()
    return EventPage(events, page["cursor"], users, groups, revisions, vague)


def _rest_of_event(raw: Any, chats: dict[str, Chat], decoder: Decoder) -> tuple[Event, int | None]:
    """Return a plain `Event` with all that can be decoded, and its revision."""
    rest = rest_of(raw, "an event", _EVENT, _EVENT_DEFAULTS)
    checked_cursor(rest, "cursor", "an event")
    revision = rest.pop(REVISION, None)
    event = Event(
        type=Events(rest["type"]),
        chat=chats.get(rest["tid"]) or Chat(rest["tid"], None),
        cursor=rest["cursor"],
        timestamp=rest["timestamp"] if is_time(rest["timestamp"]) else 0,
        is_own=rest["is_own"],
        editor=decoder.known_user(rest["editor_id"]),
        extra=extra_of(rest, _EVENT),
    )
    return event, revision if is_revision(revision) else None


def _event(raw: Any, chats: dict[str, Chat], decoder: Decoder) -> tuple[Event, int | None]:
    checked(raw, "an event", _EVENT)
    kind = Events(raw["type"])
    fields = {**_EVENT, **_FIELDS.get(kind, {})}
    # Errors quote only known kinds: the name of an unknown kind may contain any text.
    what = f"an event {kind}" if kind in _FIELDS else "an event"
    checked(raw, what, fields)
    checked_cursor(raw, "cursor", what)
    if REVISION in raw:
        fields[REVISION] = NUMBER  # known, so that it is not among the extra fields
    chat = chats.get(raw["tid"])
    if chat is None:
        message = f"{what} names a chat that the answer does not describe"
        raise TWProtocolError(message)
    editor = raw["editor_id"]
    make, more = _more(kind, raw, chat, decoder, what)
    (revision,) = checked_revisions([raw], "an event") or (None,)
    event = make(
        type=kind,
        chat=chat,
        cursor=raw["cursor"],
        timestamp=checked_time(raw, "timestamp", what),
        is_own=raw["is_own"],
        editor=None if editor is None else decoder.named_user(editor, what),
        extra=extra_of(raw, fields),
        **more,
    )
    return event, revision


def _more(
    kind: Events, raw: Any, chat: Chat, decoder: Decoder, what: str
) -> tuple[Callable[..., Event], dict[str, Any]]:
    """Return the event's class, and the arguments that this class adds to those of `Event`."""
    if kind is Events.NEW_MESSAGE:
        return NewMessageInfo, {"message": decoder.one_message(raw["message"], chat)}
    if kind is Events.MESSAGE_READ:
        user = decoder.named_user(raw["user_id"], what)
        return MessageReadInfo, {"user": user, "message_id": raw["message_id"]}
    if kind is Events.MESSAGE_DELETED:
        return MessageDeletedInfo, {"message_id": raw["message_id"]}
    if kind in {Events.CHAT_CREATED, Events.CHAT_TITLE_CHANGED}:
        return ChatChangeInfo, {"title": raw["title"]}
    if kind in _FLAGS:
        return ChatChangeInfo, {"title": chat.title, "value": raw[_FLAGS[kind]]}
    if kind is Events.CHAT_ADMINS_CHANGED:
        return ChatAdminsChangeInfo, {
            f"{how}_admins": decoder.named_users(raw[f"{how}_admin_ids"], what)
            for how in ("added", "removed")
        }
    if _FIELDS.get(kind) is _MEMBERS:
        return ChatMemberChangeInfo, {
            "users": decoder.named_users(raw["user_ids"], what),
            "groups": decoder.named_groups(raw["group_ids"], what),
        }
    return Event, {}

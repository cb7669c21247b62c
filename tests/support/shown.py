"""What notebooks show: values with a text everywhere, and what a browser sees in their HTML."""

from __future__ import annotations

from datetime import datetime, timezone
from html.parser import HTMLParser
from typing import Any

from teamwire_sync import (
    AlertType,
    AttachmentList,
    AttachmentType,
    CalendarAttachment,
    ChatAdminsChangeInfo,
    ChatChangeInfo,
    ChatList,
    ChatMemberChangeInfo,
    ChatType,
    Connection,
    Event,
    EventList,
    GroupList,
    LinkPreview,
    LocationAttachment,
    LoggedInUser,
    MessageDeletedInfo,
    MessageList,
    MessageReadInfo,
    NewMessageInfo,
    OtherAttachment,
    UserList,
)
from tests.support.builders import (
    make_chat,
    make_event,
    make_file,
    make_group,
    make_message,
    make_user,
)
from tests.support.fake_transport import FakeTransport

NOON = datetime(2024, 2, 29, 12, tzinfo=timezone.utc)


class Table(HTMLParser):
    """What a browser sees in a table."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.rows: list[list[str]] = []
        self._is_in_cell = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {f"{tag} {name}" for name, _ in attrs}
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self._is_in_cell = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self._is_in_cell = False

    def handle_data(self, data: str) -> None:
        if self._is_in_cell:
            self.rows[-1][-1] += data


class Odd(FakeTransport):
    """A transport that calls itself as it likes."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def __repr__(self) -> str:
        return self._name


def values_with(text: str) -> dict[str, Any]:
    """A value of each kind that notebooks show, with *text* wherever somebody may have put it."""
    user = make_user(text, first_name=text, last_name=text, organisation=text)
    group = make_group(text, title=text, owner=user, members=(user,))
    people = {"users": (user, user), "groups": (group, group)}
    chat = make_chat(text, text, type=ChatType(text), admins=(user,), **people)
    attachments = {
        "FileAttachment": make_file(text, name=text, content_type=text),
        "CalendarAttachment": CalendarAttachment(text, NOON, NOON, text, text),
        "LocationAttachment": LocationAttachment(text, 48.1, 11.5, text, text, text, text),
        "OtherAttachment": OtherAttachment(AttachmentType(text), ((text, text),)),
    }
    preview = LinkPreview(text, text, text, text, text)
    message = make_message(
        text,
        chat=chat,
        from_user=user,
        msg=text,
        is_alert=True,
        alert_type=AlertType(text),
        reply_to=text,
        sender_display_name=text,
        attachments=tuple(attachments.values()),
        link_preview=preview,
    )
    common = {"chat": chat, "editor": user}
    values = {
        "User": user,
        "LoggedInUser": LoggedInUser(text, text, text),
        "Group": group,
        "Chat": chat,
        "ChatList": ChatList([chat, make_chat(text, None)]),
        "person": ChatList([make_chat(text, None, type=ChatType.ONE_TO_ONE, users=(user,))]),
        "UserList": UserList([user, user]),
        "UserTuple": chat.users,
        "GroupList": GroupList([group, group]),
        "GroupTuple": chat.groups,
        "AttachmentList": AttachmentList(attachments.values()),
        **attachments,
        "LinkPreview": preview,
        "Message": message,
        "MessageList": MessageList([message, make_message(from_user=user)]),
        "Event": make_event(text, text, **common),
        "NewMessageInfo": make_event(
            "new_message", text, cls=NewMessageInfo, message=message, **common
        ),
        "MessageReadInfo": make_event(
            "message_read", text, cls=MessageReadInfo, user=user, message_id=text, **common
        ),
        "MessageDeletedInfo": make_event(
            "message_deleted", text, cls=MessageDeletedInfo, message_id=text, **common
        ),
        "ChatChangeInfo": make_event(
            "chat_title_changed", text, cls=ChatChangeInfo, title=text, **common
        ),
        "ChatMemberChangeInfo": make_event(
            "chat_joined", text, cls=ChatMemberChangeInfo, **people, **common
        ),
        "ChatAdminsChangeInfo": make_event(
            "chat_admins_changed",
            text,
            cls=ChatAdminsChangeInfo,
            added_admins=(user,),
            removed_admins=(user,),
            **common,
        ),
        "Connection": Connection(transport=Odd(text)),
        "CacheInfo": Connection(transport=Odd(text)).chats.cache_info(),
    }
    events = [each for each in values.values() if isinstance(each, Event)]
    return {**values, "EventList": EventList(events)}

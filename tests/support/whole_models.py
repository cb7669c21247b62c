"""Whether a model is whole, whatever the server has put into it."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Callable

from teamwire_sync import (
    AlertType,
    Chat,
    ChatList,
    ChatType,
    Event,
    Group,
    Message,
    NewMessageInfo,
    TWError,
    User,
)
from teamwire_sync._models.attachments import (
    CalendarAttachment,
    FileAttachment,
    LocationAttachment,
)
from tests.support.builders import (
    pickled,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from teamwire_sync._transport import ChatState, EventPage


def check_text(error: TWError) -> None:
    assert (error.__cause__, error.__context__) == (None, None)
    assert str(error).isprintable()
    assert 0 < len(str(error)) < 1000


def check_value(value: Any) -> None:
    """It can be compared, hashed, shown, copied and pickled, and sent as JSON."""
    assert json.loads(json.dumps(value.to_dict())) == value.to_dict()
    again = pickled(value)
    assert again == value
    assert hash(again) == hash(value)
    assert copy.copy(value) == copy.deepcopy(value) == value
    assert repr(again) == str(value)
    assert repr(value).isprintable()


def check_user(user: User) -> None:
    assert {type(each) for each in (user.uid, user.first_name, user.last_name)} == {str}
    assert type(user.organisation) in {str, type(None)}
    assert type(user.is_bot) is bool
    assert type(user.full_name()) is str
    assert type(user.extra) is dict
    check_value(user)


def check_group(group: Group) -> None:
    assert {type(group.gid), type(group.title)} == {str}
    assert {type(each) for each in (group.is_circle, group.is_list, group.is_public)} == {bool}
    for user in (*(group._members or ()), *((group.owner,) if group.owner else ())):
        check_user(user)
    check_value(group)


def check_chat(chat: Chat) -> None:
    assert type(chat) is Chat
    assert type(chat.tid) is str
    assert type(chat.title) in {str, type(None)}
    assert type(chat.type) is ChatType
    flags = (chat.is_alert, chat.allow_sending, chat.allow_mute_notifications, chat.is_closed)
    assert {type(each) for each in flags} == {bool}
    for user in (*chat.users, *chat.admins):
        check_user(user)
    for group in (*chat.groups, *chat.circles, *chat.lists):
        check_group(group)
    assert type(ChatList([chat])._repr_html_()) is str
    check_value(chat)


def check_message(message: Message) -> None:
    assert type(message.mid) is str
    assert {type(message.is_alert), type(message.deleted)} == {bool}
    assert type(message.alert_type) in {AlertType, type(None)}
    for text in (message.msg, message.reply_to, message.sender_display_name):
        assert type(text) in {str, type(None)}
    assert type(message.timestamp) is int
    assert 1 <= message.tstamp_date.year <= 9999
    check_user(message.from_user)
    for attachment in message.attachments or ():
        check_attachment(attachment)
    check_value(message)


def check_attachment(attachment: Any) -> None:
    assert isinstance(attachment.type, str)
    if isinstance(attachment, FileAttachment):
        assert {type(attachment.aid), type(attachment.name), type(attachment.content_type)} == {str}
        assert type(attachment.size) is int
        assert attachment.size >= 0
    if isinstance(attachment, CalendarAttachment):
        assert attachment.startDate.tzinfo is not None
        assert attachment.endDate.tzinfo is not None
    if isinstance(attachment, LocationAttachment):
        assert abs(attachment.lat) <= 90
        assert abs(attachment.lon) <= 180
    check_value(attachment)


def check_event(event: Event) -> None:
    assert event.cursor.encode()
    assert 1 <= event.date.year <= 9999
    check_chat(event.chat)
    if isinstance(event, NewMessageInfo):
        check_message(event.message)
    if event.editor is not None:
        check_user(event.editor)
    check_value(event)


def check_events(page: EventPage) -> None:
    assert page.cursor.encode()
    for event in page.events:
        check_event(event)
    check_revisions(page.revisions, page.events)
    for user in page.users:
        check_user(user)
    for group in page.groups:
        check_group(group)


def check_upload(aid: str) -> None:
    assert type(aid) is str


def each(check: Callable[[Any], None]) -> Callable[[tuple[list[Any], str | None]], None]:
    """All the items on a page, and that what leads to the next one can be sent."""

    def check_page(page: tuple[list[Any], str | None]) -> None:
        items, cursor = page
        for item in items:
            check(item)
        assert cursor is None or type(cursor.encode()) is bytes

    return check_page


def check_revisions(revisions: Sequence[int | None], items: Sequence[Any]) -> None:
    assert len(revisions) in {0, len(items)}
    assert all(
        revision is None or (type(revision) is int and 0 <= revision < 2**63)
        for revision in revisions
    )


def check_chat_state(state: ChatState) -> None:
    assert state.chat is not None
    assert state.tid == state.chat.tid
    check_chat(state.chat)
    check_revisions([state.revision], [state.chat])


def check_chat_page(page: tuple[Any, ...]) -> None:
    chats, revisions, cursor, gone, total = page
    assert (gone, total) == (None, None) or type(total) is int
    assert all(type(tid) is str for tid in gone or ())
    each(check_chat)((chats, cursor))
    check_revisions(revisions, chats)


CHECKS: dict[str, Callable[[Any], None]] = {
    "get_me": check_user,
    "get_user": check_user,
    "get_group": check_group,
    "list_chats": check_chat_page,
    "create_chat": check_chat_state,
    "post_message": check_message,
    "list_messages": each(check_message),
    "list_users": each(check_user),
    "list_groups": each(check_group),
    "list_events": check_events,
    "upload_attachment": check_upload,
    "leave_chat": lambda done: None,
}

"""Conversion of models to the contract's JSON objects, the inverse of the client's decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from teamwire_sync._internal.dates import milliseconds_of
from teamwire_sync._models.attachments import (
    CalendarAttachment,
    FileAttachment,
    LocationAttachment,
)
from teamwire_sync._models.chats import ChatType
from teamwire_sync._models.events import (
    ChatAdminsChangeInfo,
    ChatChangeInfo,
    ChatMemberChangeInfo,
    Events,
    MessageDeletedInfo,
    MessageReadInfo,
    NewMessageInfo,
)
from teamwire_sync._server.serializers import (
    Document,
    calendar_document,
    chat_document,
    file_document,
    group_document,
    location_document,
    message_document,
    user_document,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamwire_sync._models.attachments import Attachment
    from teamwire_sync._models.chats import Chat, Message
    from teamwire_sync._models.events import Event
    from teamwire_sync._models.messages import LinkPreview
    from teamwire_sync._models.people import Group, User

_FLAGS = {
    Events.CHAT_ALLOW_SENDING_CHANGED: "allow_sending",
    Events.CHAT_ALLOW_MUTE_NOTIFICATIONS_CHANGED: "allow_mute_notifications",
    Events.CHAT_IS_CLOSED_CHANGED: "is_closed",
}


class Documents:
    """The documents of one response, and the users and groups that they name."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._groups: dict[str, Group] = {}

    def users(self) -> list[Document]:
        """Return the documents of the users that are named so far."""
        return [user_of(user) for user in self._users.values()]

    def groups(self) -> list[Document]:
        """Return the documents of the groups that are named so far."""
        return [group_of(group) for group in self._groups.values()]

    def chat(self, chat: Chat) -> Document:
        """Return a Chat of the contract, without its revision."""
        document = chat_document(
            chat.tid,
            title=chat.title,
            user_ids=self.uids(chat.users),
            group_ids=self.gids(chat.groups),
            admin_ids=self.uids(chat.admins),
            is_alert=chat.is_alert,
            allow_sending=chat.allow_sending,
            allow_mute_notifications=chat.allow_mute_notifications,
            is_closed=chat.is_closed,
            one_to_one=chat.type is ChatType.ONE_TO_ONE,
        )
        # The upstream may have types that this release does not have.
        return {**chat.extra, **document, "type": chat.type.value}

    def message(self, message: Message) -> Document:
        """Return a Message of the contract."""
        kind, preview = message.alert_type, message.link_preview
        document = message_document(
            message.mid,
            message.chat.tid,
            self.uid(message.from_user),
            message.timestamp,
            message.msg,
            attachments=[attachment_of(each) for each in message.attachments or ()],
            is_alert=message.is_alert,
            alert_type=None if kind is None else kind.value,
            reply_to=message.reply_to,
            sender_display_name=message.sender_display_name,
            link_preview=None if preview is None else _preview_of(preview),
        )
        return {**message.extra, **document, "deleted": message.deleted}

    def event(self, event: Event, revision: int) -> Document:
        """Return an Event of the contract."""
        return {
            **event.extra,
            "cursor": event.cursor,
            "type": event.type.value,
            "tid": event.chat.tid,
            "timestamp": event.timestamp,
            "is_own": event.is_own,
            "editor_id": None if event.editor is None else self.uid(event.editor),
            **self._details(event),
            "revision": revision,
        }

    def _details(self, event: Event) -> Document:
        if isinstance(event, NewMessageInfo):
            return {"message": self.message(event.message)}
        if isinstance(event, MessageReadInfo):
            return {"message_id": event.message_id, "user_id": self.uid(event.user)}
        if isinstance(event, MessageDeletedInfo):
            return {"message_id": event.message_id}
        if isinstance(event, ChatChangeInfo):
            flag = _FLAGS.get(event.type)
            return {"title": event.title} if flag is None else {flag: event.value}
        if isinstance(event, ChatMemberChangeInfo):
            return {"user_ids": self.uids(event.users), "group_ids": self.gids(event.groups)}
        if isinstance(event, ChatAdminsChangeInfo):
            return {
                "added_admin_ids": self.uids(event.added_admins),
                "removed_admin_ids": self.uids(event.removed_admins),
            }
        return {}

    def uid(self, user: User) -> str:
        """Name a user, and return the user ID."""
        self._users.setdefault(user.uid, user)
        return user.uid

    def uids(self, users: Iterable[User]) -> list[str]:
        """Name users, and return their user IDs."""
        return [self.uid(user) for user in users]

    def gids(self, groups: Iterable[Group]) -> list[str]:
        """Name groups and their owners, and return the group IDs."""
        found = list(groups)
        for group in found:
            if self._groups.setdefault(group.gid, group).owner is not None:
                self.uid(cast("User", group.owner))
        return [group.gid for group in found]


def user_of(user: User) -> Document:
    """Return a User of the contract."""
    document = user_document(
        user.uid,
        user.first_name,
        user.last_name,
        user.organisation,
        is_bot=user.is_bot,
        # The vendor's SDK does not return this. With False, clients would not load the avatars that
        # exist. With True, a client that loads a missing avatar gets the error for it.
        has_avatar=user._has_avatar is not False,
    )
    return {**user.extra, **document}


def group_of(group: Group) -> Document:
    """Return a Group of the contract."""
    owner = group.owner
    document = group_document(
        group.gid,
        group.title,
        owner_id=None if owner is None else owner.uid,
        is_circle=group.is_circle,
        is_public=group.is_public,
    )
    return {**group.extra, **document, "is_list": group.is_list}


def attachment_of(attachment: Attachment) -> Document:
    """Return an Attachment of the contract, as messages have it."""
    kind = attachment.type.value
    document: Document = {"type": kind}
    if isinstance(attachment, FileAttachment):
        document = file_document(
            kind, attachment.aid, attachment.name, attachment.size, attachment.content_type
        )
    elif isinstance(attachment, CalendarAttachment):
        document = calendar_document(
            attachment.title,
            milliseconds_of(attachment.startDate),
            milliseconds_of(attachment.endDate),
            attachment.description,
            attachment.location,
        )
    elif isinstance(attachment, LocationAttachment):
        document = location_document(
            attachment.name,
            attachment.lat,
            attachment.lon,
            address=attachment.address,
            city=attachment.city,
            country=attachment.country,
            postal_code=attachment.postalCode,
        )
    return {**attachment.extra, **document}


def _preview_of(preview: LinkPreview) -> Document:
    return {
        **preview.extra,
        "url": preview.url,
        "title": preview.title,
        "description": preview.description,
        "image": preview.image,
        "domain": preview.domain,
    }

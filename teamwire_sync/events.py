"""The events in the bot's chats, under the vendor's module name."""

from teamwire_sync._models.events import (
    ChatAdminsChangeInfo,
    ChatChangeInfo,
    ChatMemberChangeInfo,
    Events,
    MessageDeletedInfo,
    MessageReadInfo,
)

__all__ = [
    "ChatAdminsChangeInfo",
    "ChatChangeInfo",
    "ChatMemberChangeInfo",
    "Events",
    "MessageDeletedInfo",
    "MessageReadInfo",
]

"""A blocking Python client for the Teamwire business messenger.

    from teamwire_sync import Connection

    with Connection() as connection:
        connection.chats.one_by_title("Mittagessen").post("lunch is ready")

A Connection lists the bot's chats once, keeps them for five minutes, and answers look-ups from
memory. The command ``teamwire-sync config init`` writes the settings that ``Connection()`` reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamwire_sync._cache.info import CacheInfo
from teamwire_sync._config import ConnectionConfig
from teamwire_sync._connection import Connection
from teamwire_sync._internal import imports as _imports
from teamwire_sync._internal import version as _version
from teamwire_sync._models.chats import (
    AttachmentList,
    Chat,
    ChatHandle,
    ChatList,
    ChatType,
    Message,
    MessageList,
)
from teamwire_sync._models.people import (
    Bot,
    Group,
    GroupList,
    GroupTuple,
    LoggedInUser,
    User,
    UserList,
    UserTuple,
)
from teamwire_sync.exceptions import (
    TWAmbiguousTitleError,
    TWAuthError,
    TWClosedError,
    TWConfigError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWImageLoadError,
    TWInvalidMembersError,
    TWNotFoundError,
    TWProtocolError,
    TWRateLimitError,
    TWRequestError,
    TWServerError,
    TWTimeoutError,
    TWUnsupportedError,
)

if TYPE_CHECKING:
    from teamwire_sync._display.progress import Progress
    from teamwire_sync._models.attachments import (
        Attachable,
        Attachment,
        AttachmentType,
        CalendarAttachment,
        FileAttachment,
        LocationAttachment,
        OtherAttachment,
    )
    from teamwire_sync._models.events import (
        ChatAdminsChangeInfo,
        ChatChangeInfo,
        ChatMemberChangeInfo,
        Event,
        EventList,
        Events,
        MessageDeletedInfo,
        MessageReadInfo,
        NewMessageInfo,
    )
    from teamwire_sync._models.messages import AlertType, LinkPreview
    from teamwire_sync._services.attachments import Attachments
    from teamwire_sync._services.chats import Chats
    from teamwire_sync._services.directory import Groups, Users
    from teamwire_sync._services.events import EventStream
    from teamwire_sync._stores.base import Store
    from teamwire_sync._stores.file import FileStore
    from teamwire_sync._stores.memory import MemoryStore
    from teamwire_sync._stores.redis import RedisStore
    from teamwire_sync._transport import Transport
    from teamwire_sync._vendor import VendorTransport

__all__ = [
    "AlertType",
    "Attachable",
    "Attachment",
    "AttachmentList",
    "AttachmentType",
    "Attachments",
    "Bot",
    "CacheInfo",
    "CalendarAttachment",
    "Chat",
    "ChatAdminsChangeInfo",
    "ChatChangeInfo",
    "ChatHandle",
    "ChatList",
    "ChatMemberChangeInfo",
    "ChatType",
    "Chats",
    "Connection",
    "ConnectionConfig",
    "Event",
    "EventList",
    "EventStream",
    "Events",
    "FileAttachment",
    "FileStore",
    "Group",
    "GroupList",
    "GroupTuple",
    "Groups",
    "LinkPreview",
    "LocationAttachment",
    "LoggedInUser",
    "MemoryStore",
    "Message",
    "MessageDeletedInfo",
    "MessageList",
    "MessageReadInfo",
    "NewMessageInfo",
    "OtherAttachment",
    "Progress",
    "RedisStore",
    "Store",
    "TWAmbiguousTitleError",
    "TWAuthError",
    "TWClosedError",
    "TWConfigError",
    "TWConnectionError",
    "TWDeliveryUnknownError",
    "TWError",
    "TWImageLoadError",
    "TWInvalidMembersError",
    "TWNotFoundError",
    "TWProtocolError",
    "TWRateLimitError",
    "TWRequestError",
    "TWServerError",
    "TWTimeoutError",
    "TWUnsupportedError",
    "Transport",
    "User",
    "UserList",
    "UserTuple",
    "Users",
    "VendorTransport",
]

__version__ = _version.VERSION

# A program that only looks up chats needs none of these names. Each is imported at its first use.
_LATER = {
    "_display.progress": ["Progress"],
    "_services.attachments": ["Attachments"],
    "_services.chats": ["Chats"],
    "_services.directory": ["Groups", "Users"],
    "_services.events": ["EventStream"],
    "_models.attachments": [
        "Attachable",
        "Attachment",
        "AttachmentType",
        "CalendarAttachment",
        "FileAttachment",
        "LocationAttachment",
        "OtherAttachment",
    ],
    "_models.events": [
        "ChatAdminsChangeInfo",
        "ChatChangeInfo",
        "ChatMemberChangeInfo",
        "Event",
        "EventList",
        "Events",
        "MessageDeletedInfo",
        "MessageReadInfo",
        "NewMessageInfo",
    ],
    "_models.messages": ["AlertType", "LinkPreview"],
    "_stores.base": ["Store"],
    "_stores.file": ["FileStore"],
    "_stores.memory": ["MemoryStore"],
    "_stores.redis": ["RedisStore"],
    "_transport": ["Transport"],
    "_vendor": ["VendorTransport"],
}


if not TYPE_CHECKING:
    # With this function, a type checker would accept any name.
    def __getattr__(name: str) -> object:
        for module, names in _LATER.items():
            if name in names:
                value = getattr(_imports.import_whole(f"teamwire_sync.{module}"), name)
                globals()[name] = value
                return value
        message = f"module 'teamwire_sync' has no attribute {name!r}"
        raise AttributeError(message)


def __dir__() -> list[str]:
    names = {*globals(), *__all__} - {"TYPE_CHECKING", "annotations"}
    return [name for name in names if name[0] != "_" or name[:2] == "__"]

"""A blocking Python client for the Teamwire business messenger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teamwire_sync._config import ConnectionConfig
from teamwire_sync._connection import Connection
from teamwire_sync._display import ChatList
from teamwire_sync._models import (
    AlertType,
    Bot,
    Chat,
    ChatHandle,
    ChatType,
    Group,
    LoggedInUser,
    Message,
    User,
)
from teamwire_sync._report import CacheInfo
from teamwire_sync.exceptions import (
    TWAmbiguousTitleError,
    TWAuthError,
    TWClosedError,
    TWConfigError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWInvalidMembersError,
    TWNotFoundError,
    TWProtocolError,
    TWRateLimitError,
    TWRequestError,
    TWServerError,
    TWTimeoutError,
)

if TYPE_CHECKING:
    __version__: str

__all__ = [
    "AlertType",
    "Bot",
    "CacheInfo",
    "Chat",
    "ChatHandle",
    "ChatList",
    "ChatType",
    "Connection",
    "ConnectionConfig",
    "Group",
    "LoggedInUser",
    "Message",
    "TWAmbiguousTitleError",
    "TWAuthError",
    "TWClosedError",
    "TWConfigError",
    "TWConnectionError",
    "TWDeliveryUnknownError",
    "TWError",
    "TWInvalidMembersError",
    "TWNotFoundError",
    "TWProtocolError",
    "TWRateLimitError",
    "TWRequestError",
    "TWServerError",
    "TWTimeoutError",
    "User",
]


def __getattr__(name: str) -> Any:
    # Reading the metadata costs more than all the rest of this module.
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415

        return version("teamwire_sync")
    message = f"module 'teamwire_sync' has no attribute {name!r}"
    raise AttributeError(message)

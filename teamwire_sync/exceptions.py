"""Everything that teamwire_sync raises on purpose.

::

    TWError
    ├── TWConfigError            credentials, URL, settings, a redirect
    ├── TWAuthError              401, 403
    ├── TWNotFoundError          404, or no chat with that title
    ├── TWImageLoadError         a user has set no picture
    ├── TWAmbiguousTitleError    several chats with that title
    ├── TWRequestError           400, 405, 409, 413, 415, 422, and any other 4xx
    │   └── TWInvalidMembersError    422, and the ids that are not known
    ├── TWRateLimitError         429
    ├── TWServerError            5xx
    ├── TWProtocolError          an answer that is not the contract
    ├── TWConnectionError        network
    │   └── TWTimeoutError
    ├── TWDeliveryUnknownError   a write that may or may not have happened
    ├── TWUnsupportedError       the transport can't do this
    └── TWClosedError            the Connection is closed

Arguments of a wrong type are a TypeError, bad values a ValueError, before any request.

The errors carry no request, no header and no chained exception: those would hold the Secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


__all__ = [
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
]


class TWError(Exception):
    """The root of the tree.

    Attributes:
        status: The HTTP status, where a server answered.
        code: The error code in the server's answer, for example ``"not_found"``.
        request_id: What to look for in the server's log.
        method: The HTTP method of the request that failed.
        path: Its path, without the query.
        cause: Type and one line of text of the error underneath, where there was one.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        method: str | None = None,
        path: str | None = None,
        cause: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.method = method
        self.path = path
        self.cause = cause


class TWConfigError(TWError):
    """Credentials, URL or settings are missing or wrong; the text says how to mend it."""


class TWAuthError(TWError):
    """The server does not know these credentials (401), or the bot may not do this (403)."""


class TWNotFoundError(TWError):
    """There is no such thing, or the bot can't see it.

    Attributes:
        close_titles: Titles like the one that was looked for, the closest first.
    """

    def __init__(self, message: str, *, close_titles: Iterable[str] = (), **context: Any) -> None:
        super().__init__(message, **context)
        self.close_titles = tuple(close_titles)


class TWImageLoadError(TWError):
    """A user has set no picture."""


class TWAmbiguousTitleError(TWError):
    """Several chats have this title.

    Attributes:
        title: The title.
        candidates: All the chats that have it.
    """

    def __init__(
        self, message: str, *, title: str = "", candidates: Iterable[Any] = (), **context: Any
    ) -> None:
        super().__init__(message, **context)
        self.title = title
        self.candidates = tuple(candidates)


class TWRequestError(TWError):
    """The server refuses the request as it stands: 4xx that is no other error of these."""


class TWInvalidMembersError(TWRequestError):
    """Users or groups that do not exist, that the bot can't see, or that are no members.

    Attributes:
        user_ids: The ids of such users.
        group_ids: The ids of such groups.
    """

    def __init__(
        self,
        message: str,
        *,
        user_ids: Iterable[str] = (),
        group_ids: Iterable[str] = (),
        **context: Any,
    ) -> None:
        super().__init__(message, **context)
        self.user_ids = tuple(user_ids)
        self.group_ids = tuple(group_ids)


class TWRateLimitError(TWError):
    """Too many requests (429).

    Attributes:
        retry_after: Seconds that the server asks to wait, where it says so.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, **context: Any) -> None:
        super().__init__(message, **context)
        self.retry_after = retry_after


class TWServerError(TWError):
    """The server, or a proxy before it, failed (5xx).

    Attributes:
        retry_after: Seconds that the server asks to wait, where it says so.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, **context: Any) -> None:
        super().__init__(message, **context)
        self.retry_after = retry_after


class TWProtocolError(TWError):
    """The answer is not what the contract says."""


class TWConnectionError(TWError):
    """The network, or the name of the host, or its certificate."""


class TWTimeoutError(TWConnectionError):
    """No answer in time."""


class TWDeliveryUnknownError(TWError):
    """A write was sent and its answer lost: it may or may not have happened.

    Doing it again may do it twice. Look first whether it is there.
    """


class TWUnsupportedError(TWError):
    """The transport can't do this; nothing was sent."""


class TWClosedError(TWError):
    """The Connection is closed, or an object belongs to none."""

"""The public errors of teamwire_sync.

::

    TWError
    ├── TWConfigError            missing or invalid credentials, URL or settings; a redirect, 407
    ├── TWAuthError              401, 403
    ├── TWNotFoundError          404, or no chat with that title
    ├── TWImageLoadError         the user has no picture
    ├── TWAmbiguousTitleError    several chats with that title
    ├── TWRequestError           400, 405, 409, 413, 415, 422, and any other 4xx
    │   └── TWInvalidMembersError    422 with the IDs of the rejected users and groups
    ├── TWRateLimitError         429
    ├── TWServerError            5xx to a read; the server's own 503
    ├── TWProtocolError          a response that is not the contract's
    ├── TWConnectionError        a network failure
    │   └── TWTimeoutError           the time is over
    ├── TWDeliveryUnknownError   a write that may or may not have been done
    ├── TWUnsupportedError       the transport or the server does not support the call
    └── TWClosedError            the Connection is closed

An argument of a wrong type raises TypeError. An invalid value raises ValueError. Both are raised
before any request is sent.

The errors contain no request, no header and no chained exception: these would contain the Secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Callable


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
    """The base class of all errors. An attribute is None if it does not apply.

    Attributes:
        status: The HTTP status of the server's response.
        code: The error code of the server's response, for example ``"not_found"``.
        request_id: The ID of the request, to search for in the server's log.
        method: The HTTP method of the failed request.
        path: The path of the failed request, without the query.
        cause: The type and one line of text of the underlying error.
    """

    # Only for the status 404: the response shows all changes of chats up to this revision.
    _revision: int | None = None
    # Whether all tries were refused, so that nothing was done.
    _is_refusal = False
    # Whether something between this client and the server sent the response.
    _is_foreign = False
    # The server's own text, which a gateway passes on.
    _reason: str | None = None

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
    """Credentials, URL or settings are missing or invalid; the text says how to fix them."""


class TWAuthError(TWError):
    """The server does not accept the credentials (401), or the bot has no permission (403)."""


class TWNotFoundError(TWError):
    """The object does not exist, or the bot can't see it. Only the server itself reports this.

    Attributes:
        close_titles: Titles that are similar to the requested title, the closest first. Empty if
            there are none. With many chats, only the titles with a similar beginning or end count.
            The titles are compared when this attribute, or the text of the error, is first used.
    """

    # Returns the text and the similar titles, or is None if both are known.
    _find: Callable[[], tuple[str, tuple[str, ...]]] | None = None

    def __init__(self, message: str, *, close_titles: Iterable[str] = (), **context: Any) -> None:
        super().__init__(message, **context)
        self.close_titles = tuple(close_titles)

    def _find_later(self, find: Callable[[], tuple[str, tuple[str, ...]]]) -> None:
        """Set the text and `close_titles` at their first use: to compare the titles takes time."""
        self._find = find
        del self.close_titles

    def _complete(self) -> None:
        find = self._find
        if find is not None:
            text, self.close_titles = find()
            self.args = (text,)
            self._find = None

    # With this method, a type checker would accept any name.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            # Python calls this method only if the attribute does not exist.
            if name != "close_titles" or self._find is None:
                message = f"{type(self).__name__!r} object has no attribute {name!r}"
                raise AttributeError(message)
            self._complete()
            return self.close_titles

    def __str__(self) -> str:
        self._complete()
        return super().__str__()

    def __reduce__(self) -> Any:
        self._complete()
        return super().__reduce__()


class TWImageLoadError(TWError):
    """The user has no picture."""


class TWAmbiguousTitleError(TWError):
    """Several chats have this title.

    Attributes:
        title: The title.
        candidates: A `ChatList` of all chats with this title.
    """

    def __init__(
        self, message: str, *, title: str = "", candidates: Iterable[Any] = (), **context: Any
    ) -> None:
        super().__init__(message, **context)
        self.title = title
        self.candidates: Any = candidates


class TWRequestError(TWError):
    """The server rejected the request: any 4xx status without a more specific class."""


class TWInvalidMembersError(TWRequestError):
    """Some users or groups do not exist, are not visible to the bot, or are not members.

    Attributes:
        user_ids: The IDs of these users.
        group_ids: The IDs of these groups.
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
    """The bot sent too many requests (429).

    Attributes:
        retry_after: The seconds to wait before a retry; None if the server sent no number.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, **context: Any) -> None:
        super().__init__(message, **context)
        self.retry_after = retry_after


class TWServerError(TWError):
    """The server, or a proxy in front of it, failed (5xx).

    Attributes:
        retry_after: The seconds to wait before a retry; None if the server sent no number.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, **context: Any) -> None:
        super().__init__(message, **context)
        self.retry_after = retry_after


class TWProtocolError(TWError):
    """The response violates the contract, or does not come from the server."""


class TWConnectionError(TWError):
    """The network failed, the host name was not resolved, or the certificate was not accepted."""


class TWTimeoutError(TWConnectionError):
    """There was no response in time."""


class TWDeliveryUnknownError(TWError):
    """A write was sent, but its response was lost: the write may or may not have been done.

    A retry may do the write twice. Check first whether it was done.
    """


class TWUnsupportedError(TWError):
    """The transport or the server does not support the call; nothing was done."""


class TWClosedError(TWError):
    """The Connection is closed, or the object belongs to no Connection."""


def __dir__() -> list[str]:
    return [name for name in globals() if name in __all__ or name[:2] == "__"]

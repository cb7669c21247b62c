"""What can go wrong."""

from __future__ import annotations


class TWException(Exception):  # noqa: N818 - the vendor's other names leave this one
    """The base of them all; made up."""


class TWNotFoundError(TWException):
    """There is no such thing."""


class TWAuthError(TWException):
    """The bot may not."""


class TWInvalidMembersError(TWException):
    """There are no such members."""


class TWImageLoadError(TWException):
    """There is no picture."""


class TWConnectionError(TWException):
    """A network error, or a time-out."""


class TWServerError(TWException):
    """The server's fault."""

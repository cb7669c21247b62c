"""Refusals of requests that the domain's rules or the contract do not allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


class RefusedError(Exception):
    """A refusal of a request; the request had no effect.

    Args:
        message: The reason, for people.
        code: The reason, for programs: an error code of the contract.
        details: Further properties of the error, for programs.
    """

    def __init__(self, message: str, code: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


def refuse(message: str, code: str = "invalid_request", **details: Any) -> NoReturn:
    """Refuse a request."""
    raise RefusedError(message, code, **details) from None


def require(thing: T | None, message: str) -> T:
    """Return `thing`; refuse the request if `thing` is None."""
    if thing is None:
        refuse(message, "not_found")
    return thing


def refuse_members(uids: Iterable[str], gids: Iterable[str] = ()) -> NoReturn:
    """Refuse users and groups that are unknown, or are not members where they must be."""
    refuse(
        "these users and groups are unknown or not members",
        "invalid_members",
        user_ids=list(dict.fromkeys(uids)),
        group_ids=list(dict.fromkeys(gids)),
    )

"""Refusals of what the rules of the domain, or of the contract, do not allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


class RefusedError(Exception):
    """A request that is refused; nothing was done.

    Args:
        message: What is wrong, for a person.
        code: What is wrong, for a program: one of the contract's codes.
        details: Further facts for a program.
    """

    def __init__(self, message: str, code: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


def refuse(message: str, code: str = "invalid_request", **details: Any) -> NoReturn:
    """Refuse a request."""
    raise RefusedError(message, code, **details) from None


def require(thing: T | None, message: str) -> T:
    """Return a thing; refuse the request if there is none."""
    if thing is None:
        refuse(message, "not_found")
    return thing


def refuse_members(uids: Iterable[str], gids: Iterable[str] = ()) -> NoReturn:
    """Refuse users and groups that are unknown, or are not what they must be."""
    refuse(
        "these users and groups are unknown, or no members",
        "invalid_members",
        user_ids=list(dict.fromkeys(uids)),
        group_ids=list(dict.fromkeys(gids)),
    )

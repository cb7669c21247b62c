"""The IDs of the users and groups that callers pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable

from teamwire_sync._internal.folding import composed, folded
from teamwire_sync._internal.validation import require_text
from teamwire_sync._models.people import Group, User
from teamwire_sync._transport import MemberEdit


def user_ids(given: Iterable[User | str], name: str) -> tuple[str, ...]:
    """Return the IDs of *given*, which holds users and user IDs, without duplicates.

    Raises:
        TypeError: *given* is not an iterable of users and user IDs.
        ValueError: An ID is empty.
    """
    return _ids(given, name, User, lambda user: user.uid)


def group_ids(given: Iterable[Group | str], name: str) -> tuple[str, ...]:
    """Return the IDs of *given*, which holds groups and group IDs, without duplicates.

    Raises:
        TypeError: *given* is not an iterable of groups and group IDs.
        ValueError: An ID is empty.
    """
    return _ids(given, name, Group, lambda group: group.gid)


def search_text(text: str) -> str:
    """Return the `composed` form of *text*, a part of a name.

    Raises:
        TypeError: *text* is not a str.
        ValueError: *text* is empty, has only spaces and invisible characters, or is not valid
            Unicode.
    """
    require_text(text, "text")
    require_text(folded(text), "text", empty=False)
    return composed(text)


def require_members(edit: MemberEdit, message: str) -> None:
    """Raise ValueError with *message* when *edit* names nobody."""
    if edit == MemberEdit():
        raise ValueError(message)


def _ids(
    given: Iterable[User | str] | Iterable[Group | str],
    name: str,
    kind: type[User | Group],
    id_of: Callable[..., str],
) -> tuple[str, ...]:
    if isinstance(given, (str, bytes, User, Group)) or not isinstance(given, Iterable):
        message = (
            f"{name} must be a list of {kind.__name__} objects or ids, not {type(given).__name__}"
        )
        raise TypeError(message)
    ids = []
    for number, item in enumerate(given):
        if not isinstance(item, (kind, str)):
            hint = f" (get_{kind.__name__.lower()} returns None if nothing is found)"
            message = (
                f"{name}[{number}] must be a {kind.__name__} or its id, not "
                f"{type(item).__name__}{hint if item is None else ''}"
            )
            raise TypeError(message)
        identifier = item if isinstance(item, str) else id_of(item)
        require_text(identifier, f"{name}[{number}]", empty=False)
        ids.append(identifier)
    return tuple(dict.fromkeys(ids))

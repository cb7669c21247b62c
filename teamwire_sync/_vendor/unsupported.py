"""Errors and methods for abilities that the vendor does not document for its SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, NoReturn

from teamwire_sync.exceptions import TWUnsupportedError

if TYPE_CHECKING:
    from teamwire_sync._transport import Ability


def unsupported(ability: Ability, hint: str = "") -> TWUnsupportedError:
    """Return the error of a call that needs *ability*; *hint* is added to its text."""
    why = (
        "the published documentation of the vendor's SDK does not describe how; see docs/vendor.md"
    )
    return TWUnsupportedError(
        f"with the vendor's SDK, teamwire_sync can't {ability.value}: {why}{hint}"
    )


def unsupported_method(ability: Ability, hint: str = "") -> Callable[..., Any]:
    """Return a method that takes any arguments and raises the error of *ability*."""

    def method(*_arguments: object, **_named: object) -> NoReturn:
        raise unsupported(ability, hint)

    method.__doc__ = f"Raise `TWUnsupportedError`; the call needs `{ability}`."
    return method

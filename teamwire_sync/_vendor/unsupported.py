"""What the vendor's SDK can't do, as far as its documents say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, NoReturn

from teamwire_sync.exceptions import TWUnsupportedError

if TYPE_CHECKING:
    from teamwire_sync._transport import Ability


def unsupported(ability: Ability, hint: str = "") -> TWUnsupportedError:
    """The error of a call that needs *ability*; *hint* completes its text."""
    why = "what is published of the vendor's SDK does not say how"
    return TWUnsupportedError(f"VendorTransport can't {ability.value}: {why}{hint}")


def unsupported_method(ability: Ability, hint: str = "") -> Callable[..., Any]:
    """A method that needs *ability* and raises its error, whatever the arguments are."""

    def method(*_arguments: object, **_named: object) -> NoReturn:
        raise unsupported(ability, hint)

    method.__doc__ = f"Raises `TWUnsupportedError`; needs `{ability}`."
    return method

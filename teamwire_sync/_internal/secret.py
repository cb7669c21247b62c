"""Values whose repr is hidden, because reporters of errors may show local variables."""

from __future__ import annotations

from typing import Any, NoReturn

SHORTEST = 6
"""Characters: a shorter Secret is not searched for in texts. It may occur by accident."""


class Secret:
    """A value that is the Secret, or that may contain it, such as a URL with the Secret by mistake.

    In a function that may raise, local variables refer to this object, and not to the value. So
    pass the result of `reveal` directly to a call that does not raise.

    Args:
        value: The value.
    """

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value: Any = value._value if isinstance(value, Secret) else value

    def reveal(self) -> Any:
        """Return the value."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return bool(self._value == (other._value if isinstance(other, Secret) else other))

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        refuse_to_copy()


class SecretText(str):
    """A secret for other libraries, which need a str and keep it in local variables.

    A part of the text is hidden, too: rich and structlog cut a long text before they use its repr.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, key: Any) -> SecretText:
        return type(self)(super().__getitem__(key))

    def encode(self, *args: Any, **kwargs: Any) -> bytes:
        return SecretBytes(super().encode(*args, **kwargs))


class SecretBytes(bytes):
    """The same for bytes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "b'***'"

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        return type(self)(part) if isinstance(part, bytes) else part


def refuse_to_copy() -> NoReturn:
    """Refuse to pickle or copy an object that holds the Secret.

    Raises:
        TypeError: Always.
    """
    message = "an object that holds a Secret can't be pickled or copied"
    raise TypeError(message)


def as_secrets(*values: object) -> list[Secret | None]:
    """Return each of *values* as a `Secret`; None stays None."""
    return [None if value is None else Secret(value) for value in values]

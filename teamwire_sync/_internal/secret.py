"""A value that nothing shows: renderings of an error may print the locals of each frame."""

from __future__ import annotations

from typing import Any, NoReturn

SHORTEST = 6
"""A Secret of fewer letters is for trying things out: they are in every text."""


class Secret:
    """A value that may be the Secret, or hold it: also by mistake, as a URL may.

    A name in a frame that can raise stands for one of these. So `reveal` is called where its result
    goes at once to something that can't.

    Args:
        value: The value.
    """

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value: Any = value._value if isinstance(value, Secret) else value

    def reveal(self) -> Any:
        """The value."""
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
    """A secret that has to be a str: others take it, and have it as a local variable.

    A part of it is one, too: rich and structlog cut a long text before they take its repr.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, key: Any) -> SecretText:
        return type(self)(super().__getitem__(key))

    def encode(self, *args: Any, **kwargs: Any) -> bytes:
        return _SecretBytes(super().encode(*args, **kwargs))


class _SecretBytes(bytes):
    __slots__ = ()

    def __repr__(self) -> str:
        return "b'***'"

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        return type(self)(part) if isinstance(part, bytes) else part


def refuse_to_copy() -> NoReturn:
    """Raise what each object does that leads to the Secret.

    Raises:
        TypeError: Always.
    """
    message = "what holds a Secret can't be pickled or copied"
    raise TypeError(message)


def as_secrets(*values: object) -> list[Secret | None]:
    """Each of *values*, concealed; None stays None."""
    return [None if value is None else Secret(value) for value in values]

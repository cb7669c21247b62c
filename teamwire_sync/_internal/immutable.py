"""The base class of objects whose attributes can't be set."""

from __future__ import annotations

# The members of a chat.
_MEMBERS = {"users", "groups", "circles", "lists"}


class Immutable:
    """A base class of frozen attrs classes. Its errors name the methods to call instead."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # attrs gives a frozen class methods that raise errors without a text.
        if "__setattr__" in vars(cls):
            cls.__setattr__ = cls.__delattr__ = _refuse  # type: ignore[method-assign]


def _refuse(value: object, name: str, _new: object = None) -> None:
    kind = type(value)
    stem = "members" if name in _MEMBERS else name[3 * name.startswith("is_") :]
    methods = [f"{verb}_{stem}" for verb in ("set", "add", "remove")]
    calls = " or ".join(f"{each}()" for each in methods if hasattr(kind, each))
    message = f"{kind.__name__}.{name} is read-only"
    if calls:
        message += f": to change it on the server, call {calls}"
    elif not hasattr(kind, name):
        message = f"{kind.__name__} has no attribute {name!r}, and can't get new ones"
    raise AttributeError(message)

"""What all the values have in common.

A value may act, as in ``chat.post("hello")``. The service that does it for a value sits in a slot
beside the attrs fields, so that it is in no comparison, hash, repr, ``attrs.asdict`` or pickle.
"""

from __future__ import annotations

from enum import Enum
from reprlib import Repr
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from attrs import field

from teamwire_sync._models.tables import html_of
from teamwire_sync.exceptions import TWClosedError

if TYPE_CHECKING:
    from collections.abc import Iterable

_T = TypeVar("_T")
_ServiceT = TypeVar("_ServiceT")

_shortener = Repr()
_shortener.maxstring = 100
# The repr of a text for the repr of a value: of a long one, its beginning and its end.
text_repr = _shortener.repr


class OpenEnum(str, Enum):
    """Names that the server may add to: a value that is not known here survives as it is."""

    @classmethod
    def _missing_(cls, value: object) -> OpenEnum | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member

    # The name of one that is not known is the value, and may have anything in it.
    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {text_repr(self._value_)}>"

    # Python 3.12 changed what format() gives for such a class; this is what it gives on none.
    def __str__(self) -> str:
        return str.__str__(self)

    def __format__(self, format_spec: str) -> str:
        return str.__format__(self, format_spec)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return type(self), (self._value_,)


def extra_field() -> Any:
    """The field of an `Extensible`; the last one of a class."""
    return field(default=(), repr=False, hash=False)


class Extensible:
    """Keeps what the server sent beyond the contract."""

    __slots__ = ()
    _extra: tuple[tuple[str, Any], ...]

    @property
    def extra(self) -> dict[str, Any]:
        """Fields of the answer that this release does not know, by name."""
        return dict(self._extra)

    def _repr_html_(self) -> str:
        return html_of(self)


class Bound(Generic[_ServiceT]):
    """Lets a value act through the service that made it, whose protocol is the type variable."""

    # Weak references here, so that a class below adds its fields and nothing else; see `fillable`.
    __slots__ = ("__weakref__", "_service")
    _service: _ServiceT

    def _acting(self) -> _ServiceT:
        service: _ServiceT | None = getattr(self, "_service", None)
        if service is None:
            message = (
                f"this {type(self).__name__} belongs to no Connection (it was unpickled or made by "
                "hand); get it from connection.chats, connection.groups or connection.users to act "
                "on it"
            )
            raise TWClosedError(message)
        return service

    def __copy__(self: _T) -> _T:
        return self

    def __deepcopy__(self: _T, memo: object) -> _T:
        return self


_set_service = Bound.__dict__["_service"].__set__


def attach(values: Iterable[Bound[_ServiceT]], service: _ServiceT) -> None:
    """Let *values*, which are frozen, act through *service*."""
    for value in values:
        _set_service(value, service)


def fillable(frozen_class: type) -> Any:
    """A class of the same layout, of which an instance may be filled in and then be made one.

    A frozen class sets each of its fields by a call: eleven of them take as long as all the rest of
    decoding a chat.
    """
    slots = {"__slots__": frozen_class.__dict__["__slots__"]}
    return type(f"_Fillable{frozen_class.__name__}", frozen_class.__bases__, slots)

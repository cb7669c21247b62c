"""The base classes of the models.

A model may have methods that act, such as ``chat.post("hello")``. They call a service that is
stored in a slot beside the attrs fields. Therefore the service is not part of a comparison, hash,
repr, ``attrs.asdict`` or pickle.
"""

from __future__ import annotations

from enum import Enum
from reprlib import Repr
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from attrs import field, fields

from teamwire_sync._internal.dates import utc_text
from teamwire_sync._internal.immutable import Immutable
from teamwire_sync._models.tables import html_of
from teamwire_sync.exceptions import TWClosedError

if TYPE_CHECKING:
    from collections.abc import Iterable

_T = TypeVar("_T")
_ServiceT = TypeVar("_ServiceT")

_shortener = Repr()
_shortener.maxstring = 100
# The repr of a long text shows only its beginning and its end.
text_repr = _shortener.repr


class OpenEnum(str, Enum):
    """An enumeration that keeps values that are unknown to this release, unchanged."""

    @classmethod
    def _missing_(cls, value: object) -> OpenEnum | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member

    # The name of an unknown member is its value, which may be any text: shorten it.
    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {text_repr(self._value_)}>"

    # Python 3.12 changed format() for such a class. Every version must return the value.
    def __str__(self) -> str:
        return str.__str__(self)

    def __format__(self, format_spec: str) -> str:
        return str.__format__(self, format_spec)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return type(self), (self._value_,)


def extra_field() -> Any:
    """Return the field of an `Extensible`. It must be the last field of a class."""
    return field(default=(), repr=False, hash=False)


class Extensible(Immutable):
    """A model that keeps the fields that the server sent beyond the contract."""

    __slots__ = ()
    _extra: tuple[tuple[str, Any], ...]

    @property
    def extra(self) -> dict[str, Any]:
        """The fields of the response that this release does not know, by name."""
        return dict(self._extra)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as a dict of plain values, for JSON.

        The names and types of the values are stable; docs/chats.md lists them. No request is made.
        """
        kind: Any = type(self)
        names = [each.name for each in fields(kind) if not each.name.startswith("_")]
        return {name: plain_value(getattr(self, name)) for name in names}

    def _repr_html_(self) -> str:
        return html_of(self)


def plain_value(value: Any) -> Any:
    """Return *value*, an attribute of a model, as a value of JSON."""
    if isinstance(value, tuple):
        return [plain_value(each) for each in value]
    if isinstance(value, Extensible):
        return value.to_dict()
    if isinstance(value, Enum):
        return value.value
    return utc_text(value) if hasattr(value, "astimezone") else value


class Bound(Immutable, Generic[_ServiceT]):
    """A model whose methods call a service. The type variable is the protocol of the service."""

    # With __weakref__ here, the slots of a subclass are its fields only; `fillable` needs that.
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
    """Bind *values* to *service*, although they are frozen."""
    for value in values:
        _set_service(value, service)


def fillable(frozen_class: type) -> Any:
    """Return a class with the same layout: fill in an instance, then change its class.

    A frozen class sets each of its fields by a call. For a chat, these eleven calls take as long as
    the rest of the decoding.
    """
    slots = {"__slots__": frozen_class.__dict__["__slots__"]}
    return type(f"_Fillable{frozen_class.__name__}", frozen_class.__bases__, slots)

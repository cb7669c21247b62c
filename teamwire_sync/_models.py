"""What a Teamwire server has: chats, users, groups and messages, as frozen values.

A value may act, as in ``chat.post("hello")``. The service that does it for a value sits in a slot
beside the attrs fields, so that it is in no comparison, hash, repr, ``attrs.asdict`` or pickle.
"""

from __future__ import annotations

from enum import Enum
from reprlib import repr as short_repr
from typing import TYPE_CHECKING, Any, TypeVar
from warnings import warn

from attrs import field, frozen

from teamwire_sync.exceptions import TWClosedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

_T = TypeVar("_T")


class _OpenEnum(str, Enum):
    """Names that the server may add to: a value that is not known here survives as it is."""

    @classmethod
    def _missing_(cls, value: object) -> _OpenEnum | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member

    # Python 3.12 changed what format() gives for such a class; this is what it gives on none.
    def __str__(self) -> str:
        return str.__str__(self)

    def __format__(self, format_spec: str) -> str:
        return str.__format__(self, format_spec)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return type(self), (self._value_,)


class ChatType(_OpenEnum):
    """Kind of a chat."""

    ONE_TO_ONE = "one_to_one"
    GROUP = "group"


class AlertType(_OpenEnum):
    """Kind of a message that asks for attention."""

    ALERT = "alert"
    ANNOUNCEMENT = "announcement"
    NOTE = "note"


def _extra_field() -> Any:
    return field(default=(), repr=False)


class _Extensible:
    """Keeps what the server sent beyond the contract."""

    __slots__ = ()
    _extra: tuple[tuple[str, Any], ...]

    @property
    def extra(self) -> dict[str, Any]:
        """Fields of the answer that this release does not know, by name."""
        return dict(self._extra)


class _Acting:
    """Lets a value act through the service that made it."""

    # Weak references here, so that a class below adds its fields and nothing else; see `_fillable`.
    __slots__ = ("__weakref__", "_service")
    _service: Any

    def _acting(self) -> Any:
        service = getattr(self, "_service", None)
        if service is None:
            message = (
                f"this {type(self).__name__} belongs to no Connection (it was unpickled or made by "
                "hand); get it from connection.chats or connection.groups to act on it"
            )
            raise TWClosedError(message)
        return service

    def __copy__(self: _T) -> _T:
        return self

    def __deepcopy__(self: _T, memo: object) -> _T:
        return self


_set_service = _Acting.__dict__["_service"].__set__


def bind(values: Iterable[_Acting], service: object) -> None:
    """Let *values*, which are frozen, act through *service*."""
    for value in values:
        _set_service(value, service)


@frozen(eq=False)
class User(_Extensible):
    """A person or a bot. Two are equal when their fields are, whatever their class.

    Attributes:
        uid: The id, an opaque string.
        first_name: May be empty.
        last_name: May be empty.
        organisation: None when the server does not tell.
        is_bot: Whether this is a bot.
    """

    uid: str
    first_name: str
    last_name: str
    organisation: str | None = field(default=None, repr=False)
    is_bot: bool = field(default=False, repr=False)
    _extra: tuple[tuple[str, Any], ...] = _extra_field()

    def full_name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def org_name(self) -> str | None:
        """The vendor's deprecated name of `organisation`."""
        warn("User.org_name is now organisation", DeprecationWarning, stacklevel=2)
        return self.organisation

    def _content(self) -> tuple[object, ...]:
        return (
            self.uid,
            self.first_name,
            self.last_name,
            self.organisation,
            self.is_bot,
            self._extra,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, User):
            return NotImplemented
        return self is other or self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self.uid)


@frozen(eq=False)
class Bot(User):
    """A user that is a bot."""


@frozen(eq=False)
class LoggedInUser(Bot):
    """The bot whose credentials the Connection uses."""


@frozen
class Group(_Extensible, _Acting):
    """A circle, kept by an admin, or a list, kept by a user.

    Attributes:
        gid: The id, an opaque string.
        title: The name.
        owner: Who keeps it; None when the server does not tell.
        is_circle: Whether it is a circle.
        is_list: Whether it is a list. Creating a chat puts a list's members into it one by one.
        is_public: Whether users who are not members can use it. A bot can create chats only with
            public circles.
    """

    gid: str
    title: str
    owner: User | None = field(default=None, repr=False)
    is_circle: bool = field(default=True, repr=False)
    is_list: bool = field(default=False, repr=False)
    is_public: bool = field(default=False, repr=False)
    _members: tuple[User, ...] | None = field(default=None, repr=False, eq=False)
    _extra: tuple[tuple[str, Any], ...] = _extra_field()

    def __hash__(self) -> int:
        return hash(self.gid)

    @property
    def members(self) -> list[User]:
        """The members; see `get_members`."""
        return self.get_members()

    def get_members(self, *, timeout: float | None = None) -> list[User]:
        """The members.

        A group that came with a chat is without them: the first use asks the server, then the
        answer is kept for ``cache_ttl`` seconds.

        Args:
            timeout: Seconds that this call may take at most.

        Raises:
            TWClosedError: The members are not known and the group belongs to no open Connection.
            TWNotFoundError: There is no such group any more.
        """
        if self._members is not None:
            return list(self._members)
        members: list[User] = self._acting()._members_of(self.gid, timeout=timeout)
        return members

    def is_member(self, user: User | str) -> bool:
        """Whether *user*, an object or a user id, is a member."""
        if not isinstance(user, (User, str)):
            message = f"user must be a User or a user id, not {type(user).__name__}"
            raise TypeError(message)
        uid = user.uid if isinstance(user, User) else user
        return any(member.uid == uid for member in self.get_members())

    @property
    def is_managed_group(self) -> bool:
        """The vendor's deprecated name of `is_circle`."""
        warn("Group.is_managed_group is now is_circle", DeprecationWarning, stacklevel=2)
        return self.is_circle

    @property
    def is_user_group(self) -> bool:
        """The vendor's deprecated name of `is_list`."""
        warn("Group.is_user_group is now is_list", DeprecationWarning, stacklevel=2)
        return self.is_list


class _ChatActions(_Acting):
    """What can be done with a chat when its thread ID is known."""

    __slots__ = ()
    tid: str

    def post(self, message: str, *, timeout: float | None = None) -> Message:
        """Post *message* in the chat.

        Args:
            message: The text; not empty.
            timeout: Seconds that this call may take at most.

        Raises:
            TWNotFoundError: There is no such chat, or the bot is no longer in it.
            TWAuthError: The bot may not post in it.
            TWDeliveryUnknownError: The answer was lost: the message may have been posted.
            TWClosedError: The Connection is closed, or the chat belongs to none.
        """
        posted: Message = self._acting()._post(self, message, timeout=timeout)
        return posted


@frozen
class ChatHandle(_ChatActions):
    """A chat of which nothing but the thread ID is known; from ``connection.chats.at(tid)``."""

    tid: str


@frozen
class Chat(_Extensible, _ChatActions):
    """A chat as the server described it at one moment. Equality is by content.

    Attributes:
        tid: The thread ID, an opaque string.
        title: None or empty when the chat has none. Titles are not unique.
        type: One-to-one or group.
        users: The members besides the bot itself, who is always one.
        groups: The circles and lists that are members.
        admins: The members who may administer the chat.
        is_alert: Whether it is an alert chat.
        allow_sending: Whether members who are no admins may post.
        allow_mute_notifications: Whether members may mute it.
        is_closed: Whether it is closed for posting.
    """

    tid: str
    title: str | None
    type: ChatType = field(default=ChatType.GROUP, repr=False)
    users: tuple[User, ...] = field(default=(), repr=False)
    groups: tuple[Group, ...] = field(default=(), repr=False)
    admins: tuple[User, ...] = field(default=(), repr=False)
    is_alert: bool = field(default=False, repr=False)
    allow_sending: bool = field(default=True, repr=False)
    allow_mute_notifications: bool = field(default=True, repr=False)
    is_closed: bool = field(default=False, repr=False)
    _extra: tuple[tuple[str, Any], ...] = _extra_field()

    def __hash__(self) -> int:
        return hash(self.tid)

    @property
    def circles(self) -> tuple[Group, ...]:
        """The circles among the groups."""
        return tuple(group for group in self.groups if group.is_circle)

    @property
    def lists(self) -> tuple[Group, ...]:
        """The lists among the groups."""
        return tuple(group for group in self.groups if group.is_list)


def _fillable(frozen_class: type) -> Any:
    """A class of the same layout, of which an instance may be filled in and then be made one.

    A frozen class sets each of its fields by a call: eleven of them take as long as all the rest of
    decoding a chat.
    """
    slots = {"__slots__": frozen_class.__dict__["__slots__"]}
    return type(f"_Fillable{frozen_class.__name__}", frozen_class.__bases__, slots)


FillableChat = _fillable(Chat)


@frozen
class Message(_Extensible):
    """A message in a chat.

    Attributes:
        chat: Where it was posted.
        mid: The id, an opaque string.
        from_user: Who posted it.
        timestamp: Milliseconds since 1970-01-01 UTC.
        msg: The text; None when there is none.
        is_alert: Whether it asks for attention.
        alert_type: How it asks for attention; None when it does not.
        reply_to: The id of the message that it answers, or None.
        sender_display_name: Shown in place of the author's name, or None.
        deleted: Whether its author deleted it.
    """

    chat: Chat | ChatHandle = field(repr=False)
    mid: str
    from_user: User = field(repr=False)
    timestamp: int = field(repr=False)
    msg: str | None = field(default=None, repr=short_repr)
    is_alert: bool = field(default=False, repr=False)
    alert_type: AlertType | None = field(default=None, repr=False)
    reply_to: str | None = field(default=None, repr=False)
    sender_display_name: str | None = field(default=None, repr=False)
    deleted: bool = field(default=False, repr=False)
    _extra: tuple[tuple[str, Any], ...] = _extra_field()

    def __hash__(self) -> int:
        return hash(self.mid)

    @property
    def tstamp_date(self) -> datetime:
        """When it was posted, aware, in UTC."""
        from datetime import datetime, timedelta, timezone  # noqa: PLC0415  only for this

        epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
        return epoch + timedelta(milliseconds=self.timestamp)

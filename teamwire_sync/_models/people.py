"""Users and groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from warnings import warn

from attrs import field, frozen

from teamwire_sync._display.html import ShownList, ShownTuple
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._models.base import Bound, Extensible, extra_field, text_repr
from teamwire_sync._models.tables import GROUPS, USERS
from teamwire_sync.exceptions import TWImageLoadError

if TYPE_CHECKING:
    from collections.abc import Iterable


class UserService(Protocol):
    """The service of the users."""

    def load_avatar(self, uid: str, *, timeout: float | None) -> bytes:
        """Return the picture of the user *uid*."""


class GroupService(Protocol):
    """The service of the groups."""

    def get_members(self, gid: str, *, timeout: float | None) -> UserList:
        """Return the members of the group *gid*."""

    def edit_members(
        self,
        gid: str,
        *,
        add: Iterable[User | str] = ...,
        remove: Iterable[User | str] = ...,
        timeout: float | None,
    ) -> Group:
        """Add and remove members of the group *gid*, and return the changed group."""


@frozen(eq=False)
class User(Extensible, Bound[UserService]):
    """A person or a bot.

    Users are equal if their fields are equal, even if their classes differ.

    Attributes:
        uid: The user ID, an opaque string.
        first_name: The first name; may be empty.
        last_name: The last name; may be empty.
        organisation: The organisation, or None if the server does not name it.
        is_bot: Whether the user is a bot.
    """

    uid: str = field(repr=text_repr)
    first_name: str = field(repr=text_repr)
    last_name: str = field(repr=text_repr)
    organisation: str | None = field(default=None, repr=False)
    is_bot: bool = field(default=False, repr=False)
    _has_avatar: bool | None = field(default=None, repr=False)
    _extra: tuple[tuple[str, Any], ...] = extra_field()

    def full_name(self) -> str:
        """Return the first and the last name."""
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def org_name(self) -> str | None:
        """The vendor's deprecated name of ``organisation``."""
        warn("User.org_name is now organisation", DeprecationWarning, stacklevel=2)
        return self.organisation

    def has_avatar(self, *, timeout: float | None = None) -> bool:
        """Return whether the user has set a picture.

        The server sends this with the user. If it did not, the method makes a request.

        Args:
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TWClosedError: A request is needed, and the user belongs to no open Connection.
            TWError: The request failed.
        """
        if self._has_avatar is None:
            try:
                self.load_avatar(timeout=timeout)
            except not_by_signal(TWImageLoadError):
                return False
            return True
        return self._has_avatar

    def load_avatar(self, *, timeout: float | None = None) -> bytes:
        """Return the picture that the user has set, as the bytes of an image file.

        Args:
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TWImageLoadError: The user has set no picture.
            TWNotFoundError: The user no longer exists.
            TWClosedError: The Connection is closed, or the user belongs to no Connection.
            TWError: The request failed.
        """
        return self._acting().load_avatar(self.uid, timeout=timeout)

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


class UserList(ShownList[User]):
    """A list of users, as `ChatList` is one of chats."""

    _table = USERS


class UserTuple(ShownTuple[User]):
    """A tuple of users, with the table and the data frame of a `UserList`."""

    __slots__ = ()
    _table = USERS


@frozen
class Group(Extensible, Bound[GroupService]):
    """A circle, managed by a Teamwire administrator, or a distribution list, managed by a user.

    Attributes:
        gid: The group ID, an opaque string.
        title: The name.
        owner: The user who manages the group, or None if the server does not name the user.
        is_circle: Whether the group is a circle.
        is_list: Whether the group is a distribution list. A chat that is created with the list
            gets each of its members.
        is_public: Whether users who are not members can use the group. A bot can create chats only
            with public circles.
    """

    gid: str = field(repr=text_repr)
    title: str = field(repr=text_repr)
    owner: User | None = field(default=None, repr=False)
    is_circle: bool = field(default=True, repr=False)
    is_list: bool = field(default=False, repr=False)
    is_public: bool = field(default=False, repr=False)
    _members: tuple[User, ...] | None = field(default=None, repr=False, eq=False)
    _extra: tuple[tuple[str, Any], ...] = extra_field()

    def __hash__(self) -> int:
        return hash(self.gid)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes, except the members, as a dict of plain values, for JSON.

        The names and types of the values are stable; docs/chats.md lists them. No request is made.
        """
        return {
            "gid": self.gid,
            "title": self.title,
            "is_circle": self.is_circle,
            "is_list": self.is_list,
            "is_public": self.is_public,
            "owner_id": None if self.owner is None else self.owner.uid,
        }

    @property
    def members(self) -> UserList:
        """The members; see `get_members`."""
        return self.get_members()

    def get_members(self, *, timeout: float | None = None) -> UserList:
        """Return the members.

        A group from a chat or from a list of groups has no members yet: the first call requests
        them. The response is cached for ``cache_ttl`` seconds.

        Args:
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TWClosedError: A request is needed, and the group belongs to no open Connection.
            TWNotFoundError: The group no longer exists.
        """
        if self._members is not None:
            return UserList(self._members)
        return self._acting().get_members(self.gid, timeout=timeout)

    def is_member(self, user: User | str, *, timeout: float | None = None) -> bool:
        """Return whether *user* is a member.

        If the members are not known yet, `get_members` requests them.

        Args:
            user: A user, or a user ID.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TypeError: *user* is neither a user nor a user ID.
            TWError: As in `get_members`.
        """
        if not isinstance(user, (User, str)):
            message = f"user must be a User or a user id, not {type(user).__name__}"
            raise TypeError(message)
        uid = user.uid if isinstance(user, User) else user
        return any(member.uid == uid for member in self.get_members(timeout=timeout))

    def add_members(self, members: Iterable[User | str], *, timeout: float | None = None) -> Group:
        """Add users to the distribution list.

        Only Teamwire administrators can change a circle.

        Args:
            members: The users, or their IDs. A user who is already a member stays a member.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Returns:
            The changed group. This object does not change.

        Raises:
            TypeError: *members* is not an iterable of users or IDs.
            ValueError: *members* is empty.
            TWInvalidMembersError: A user does not exist, or the bot can't see the user. Nobody is
                added.
            TWAuthError: The bot may not change this group.
            TWNotFoundError: The group no longer exists.
            TWDeliveryUnknownError: The response was lost. The change may have been made.
        """
        return self._acting().edit_members(self.gid, add=members, timeout=timeout)

    def remove_members(
        self, members: Iterable[User | str], *, timeout: float | None = None
    ) -> Group:
        """Remove users from the distribution list.

        The arguments and the result are those of `add_members`.

        Raises:
            TWInvalidMembersError: A user is not a member. Nobody is removed.
            TWError: The other errors are those of `add_members`.
        """
        return self._acting().edit_members(self.gid, remove=members, timeout=timeout)

    @property
    def is_managed_group(self) -> bool:
        """The vendor's deprecated name of ``is_circle``."""
        warn("Group.is_managed_group is now is_circle", DeprecationWarning, stacklevel=2)
        return self.is_circle

    @property
    def is_user_group(self) -> bool:
        """The vendor's deprecated name of ``is_list``."""
        warn("Group.is_user_group is now is_list", DeprecationWarning, stacklevel=2)
        return self.is_list


class GroupList(ShownList[Group]):
    """A list of groups, as `ChatList` is one of chats."""

    _table = GROUPS


class GroupTuple(ShownTuple[Group]):
    """A tuple of groups, with the table and the data frame of a `GroupList`."""

    __slots__ = ()
    _table = GROUPS


def known_members(group: Group) -> tuple[User, ...] | None:
    """Return the members that came with *group*, or None if it came without members."""
    return group._members

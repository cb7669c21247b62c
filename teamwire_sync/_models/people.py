"""People, and groups of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from warnings import warn

from attrs import field, frozen

from teamwire_sync._models.base import Bound, Extensible, extra_field, text_repr
from teamwire_sync.exceptions import TWImageLoadError

if TYPE_CHECKING:
    from collections.abc import Iterable


class UserService(Protocol):
    """Acts for users."""

    def load_avatar(self, uid: str, *, timeout: float | None) -> bytes:
        """The picture of the user *uid*."""


class GroupService(Protocol):
    """Acts for groups."""

    def get_members(self, gid: str, *, timeout: float | None) -> list[User]:
        """The members of the group *gid*."""

    def edit_members(
        self,
        gid: str,
        *,
        add: Iterable[User | str] = ...,
        remove: Iterable[User | str] = ...,
        timeout: float | None,
    ) -> Group:
        """Change who is in the group *gid*, which it gives."""


@frozen(eq=False)
class User(Extensible, Bound[UserService]):
    """A person or a bot. Two are equal when their fields are, whatever their class.

    Attributes:
        uid: The id, an opaque string.
        first_name: May be empty.
        last_name: May be empty.
        organisation: None when the server does not tell.
        is_bot: Whether this is a bot.
    """

    uid: str = field(repr=text_repr)
    first_name: str = field(repr=text_repr)
    last_name: str = field(repr=text_repr)
    organisation: str | None = field(default=None, repr=False)
    is_bot: bool = field(default=False, repr=False)
    _has_avatar: bool | None = field(default=None, repr=False)
    _extra: tuple[tuple[str, Any], ...] = extra_field()

    def full_name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def org_name(self) -> str | None:
        """The vendor's deprecated name of ``organisation``."""
        warn("User.org_name is now organisation", DeprecationWarning, stacklevel=2)
        return self.organisation

    def has_avatar(self, *, timeout: float | None = None) -> bool:
        """Whether the user has set a picture, as the server said with the user.

        Args:
            timeout: Seconds that this call may take at most, where it was not said.

        Raises:
            TWClosedError: It was not said, and the user belongs to no open Connection.
        """
        if self._has_avatar is None:
            try:
                self.load_avatar(timeout=timeout)
            except TWImageLoadError:
                return False
            return True
        return self._has_avatar

    def load_avatar(self, *, timeout: float | None = None) -> bytes:
        """The picture that the user has set, as the bytes of an image file.

        Args:
            timeout: Seconds that this call may take at most.

        Raises:
            TWImageLoadError: None is set.
            TWNotFoundError: There is no such user any more.
            TWClosedError: The Connection is closed, or the user belongs to none.
            TWError: The server could not be asked.
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


@frozen
class Group(Extensible, Bound[GroupService]):
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

    @property
    def members(self) -> list[User]:
        """The members; see `get_members`."""
        return self.get_members()

    def get_members(self, *, timeout: float | None = None) -> list[User]:
        """The members.

        A group that came with a chat or in a list is without them: the first use asks the server,
        then the answer is kept for ``cache_ttl`` seconds.

        Args:
            timeout: Seconds that this call may take at most.

        Raises:
            TWClosedError: The members are not known and the group belongs to no open Connection.
            TWNotFoundError: There is no such group any more.
        """
        if self._members is not None:
            return list(self._members)
        return self._acting().get_members(self.gid, timeout=timeout)

    def is_member(self, user: User | str, *, timeout: float | None = None) -> bool:
        """Whether *user* is a member; where the members are not known yet, `get_members` asks.

        Args:
            user: A user or a user id.
            timeout: Seconds that this call may take at most.

        Raises:
            TypeError: *user* is neither.
            TWError: As `get_members`.
        """
        if not isinstance(user, (User, str)):
            message = f"user must be a User or a user id, not {type(user).__name__}"
            raise TypeError(message)
        uid = user.uid if isinstance(user, User) else user
        return any(member.uid == uid for member in self.get_members(timeout=timeout))

    def add_members(self, members: Iterable[User | str], *, timeout: float | None = None) -> Group:
        """Put people into the list. A circle is kept by the admins, who alone can change it.

        Args:
            members: Users or user ids; who is a member already stays one.
            timeout: Seconds that this call may take at most.

        Returns:
            The group as it is now. This object stays as it was.

        Raises:
            TypeError: *members* is no list of users or ids.
            ValueError: There are none in it.
            TWInvalidMembersError: Users that do not exist, or that the bot can't see; none is
                added.
            TWAuthError: The bot may not change this group.
            TWNotFoundError: There is no such group any more.
            TWDeliveryUnknownError: The answer was lost: it may have been done.
        """
        return self._acting().edit_members(self.gid, add=members, timeout=timeout)

    def remove_members(
        self, members: Iterable[User | str], *, timeout: float | None = None
    ) -> Group:
        """Take people out of the list; as `add_members`.

        Raises:
            TWInvalidMembersError: Some are no members; nobody is removed.
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


def known_members(group: Group) -> tuple[User, ...] | None:
    """The members that *group* came with; None when it came without."""
    return group._members

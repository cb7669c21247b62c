"""The look-ups of users and groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable
from warnings import warn

from attrs import frozen

from teamwire_sync._cache.expiring_cache import ExpiringCache
from teamwire_sync._internal.deadlines import deadline_of, within
from teamwire_sync._internal.folding import folded
from teamwire_sync._internal.log import logger
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._internal.validation import require_id, require_str
from teamwire_sync._models.base import attach
from teamwire_sync._models.people import Group, GroupList, User, UserList, known_members
from teamwire_sync._services.paging import Pages
from teamwire_sync._services.validation import require_members, search_text, user_ids
from teamwire_sync._transport import MemberEdit, Page, Transport
from teamwire_sync.exceptions import (
    TWAuthError,
    TWClosedError,
    TWError,
    TWNotFoundError,
    TWProtocolError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager


class Users:
    """The people and bots that the bot can see: ``connection.users``."""

    def __init__(self, directory: UserDirectory) -> None:
        self._directory = directory

    def __repr__(self) -> str:
        return "<Users: get_user() returns one by its ID>"

    def get_user(self, uid: str, *, timeout: float | None = None) -> User | None:
        """Return the user with the ID *uid*, or None.

        The result is cached for ``cache_ttl`` seconds.

        Args:
            uid: The user ID.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TWError: The request failed.
        """
        return self._directory.get(uid, timeout)

    def get_all(self, *, timeout: float | None = None) -> UserList:
        """Return all users.

        The result is cached for ``cache_ttl`` seconds.

        Args:
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TWError: A request failed.
        """
        return UserList(self._directory.find("", deadline_of(timeout)))

    def find(self, text: str, *, timeout: float | None = None) -> UserList:
        """Return the users whose name contains *text*, or an empty list.

        The server does the search, and ignores case. Unicode forms of a letter and repeated spaces
        in *text* make no difference. A result is cached for ``cache_ttl`` seconds, an empty result
        for ``recheck_after`` seconds.

        Args:
            text: A part of a name ("first last"). It must not be empty.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TWError: A request failed.
        """
        return UserList(self._directory.find(search_text(text), deadline_of(timeout)))

    def iter_all(self, *, timeout: float | None = None) -> Iterable[User]:
        """Return an iterable over all users. It is deprecated: use `get_all`.

        Each loop reads the pages again, when it needs them.

        Args:
            timeout: A limit for each page in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TWError: A request failed. The loop raises it.
        """
        warn("users.iter_all() is now users.get_all()", DeprecationWarning, stacklevel=2)
        deadline_of(timeout)  # a wrong timeout must raise here, not in the loop
        return self._directory.pages(None, lambda: deadline_of(timeout))


class UserDirectory:
    """The service of the users, with a cache.

    Args:
        transport: The transport to the server.
        clock: A function that returns the time of the caches in seconds.
        ttl: How long a user is cached, in seconds.
        recheck_after: How long an unknown ID or an empty search result is cached, in seconds.
        listing_timeout: The limit in seconds for a read of several pages.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        clock: Callable[[], float],
        ttl: float,
        recheck_after: float,
        listing_timeout: float,
    ) -> None:
        self._transport = transport
        self._listing_timeout = listing_timeout
        self._clock = clock
        self._kept: ExpiringCache[User] = ExpiringCache(
            self._load, clock=clock, ttl=ttl, ttl_of_none=recheck_after
        )
        # An empty search result is not valid for longer than a missing user.
        self._found: ExpiringCache[tuple[User, ...]] = ExpiringCache(
            self._search, clock=clock, ttl=ttl, ttl_of_none=recheck_after
        )

    def attach(self, users: Iterable[User]) -> None:
        """Bind *users* to this service."""
        attach(users, self)

    def get(self, uid: str, timeout: float | None) -> User | None:
        """Return the user with the ID *uid*, or None."""
        return self._kept.get(require_id(uid, "uid"), deadline_of(timeout))

    def find(self, text: str, deadline: float | None) -> tuple[User, ...]:
        """Return the users whose name contains *text*; all users if *text* is empty."""
        return self._found.get(text, deadline) or ()

    def pages(self, text: str | None, deadline: Callable[[], float | None]) -> Pages[User]:
        """Return the users whose name contains *text*, or all users. Each page has a *deadline*."""
        return Pages(
            "users",
            lambda cursor: self._page(text, cursor, deadline()),
            pause=self._transport.pause,
        )

    def _page(self, text: str | None, cursor: str | None, deadline: float | None) -> Page[User]:
        """Read and cache a page of the users whose name contains *text*, or of all users."""
        asked_at = self._clock()
        page = self._transport.get_users(text=text, cursor=cursor, deadline=deadline)
        self.attach(page.items)
        self._kept.put(((user.uid, user) for user in page.items), asked_at)
        return page

    def load_avatar(self, uid: str, *, timeout: float | None) -> bytes:
        """Return the picture of the user *uid*."""
        return self._transport.get_avatar(uid, deadline=deadline_of(timeout))

    def close(self) -> None:
        """Drop all entries, and wake all waiting threads."""
        self._kept.close()
        self._found.close()

    def _search(self, text: str, deadline: float | None) -> tuple[User, ...] | None:
        deadline = within(deadline, self._listing_timeout)
        return tuple(self.pages(text or None, lambda: deadline)) or None

    def _load(self, uid: str, deadline: float | None) -> User | None:
        user = self._transport.get_user(uid, deadline=deadline)
        self.attach([] if user is None else [user])
        return user


class Groups:
    """The circles and distribution lists that the bot can see: ``connection.groups``."""

    def __init__(self, directory: GroupDirectory) -> None:
        self._directory = directory

    def __repr__(self) -> str:
        return "<Groups: get_group() returns one by its ID>"

    def get_group(self, gid: str, *, timeout: float | None = None) -> Group | None:
        """Return the circle or distribution list with the ID *gid*, or None.

        The result is cached for ``cache_ttl`` seconds.

        Args:
            gid: The group ID.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TWError: The request failed.
        """
        return self._directory.get(gid, timeout)

    def get_all(self, *, timeout: float | None = None) -> GroupList:
        """Return all groups: circles and distribution lists.

        The groups have no members yet: `Group.get_members` requests them. The result is cached for
        ``cache_ttl`` seconds.

        Args:
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TWError: A request failed.
        """
        return GroupList(self._directory.all(deadline_of(timeout)).groups)

    def find(self, text: str, *, timeout: float | None = None) -> GroupList:
        """Return the groups whose title contains *text*, or an empty list.

        Upper and lower case, Unicode forms of a letter, and repeated spaces make no difference. The
        search uses the cached result of `get_all`. If nothing is found and the result is older than
        ``recheck_after`` seconds, the groups are listed again.

        Args:
            text: A part of a title. It must not be empty.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TWError: A request failed.
        """
        part = folded(search_text(text))
        return self._directory.find(lambda group: part in folded(group.title), deadline_of(timeout))

    def get_by_title(self, title: str, *, timeout: float | None = None) -> GroupList:
        """Return the groups whose title is exactly *title*, or an empty list.

        The search is that of `find`.

        Args:
            title: The title.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TWError: A request failed.
        """
        require_str(title, "title")
        return self._directory.find(lambda group: group.title == title, deadline_of(timeout))


@frozen(eq=False, repr=False)
class AllGroups:
    """One listing of all groups.

    Attributes:
        groups: The groups, without their members.
        asked_at: The time of the first request, on the cache's clock.
    """

    groups: Sequence[Group]
    asked_at: float


class GroupDirectory:
    """The service of the groups, with a cache.

    Args:
        transport: The transport to the server.
        users: The service of the users, for the owners and members of groups.
        writing: A function that returns a context for a write that may change the list of the
            chats. For example, a bot that joins a circle also joins the circle's chats.
        clock: A function that returns the time of the caches in seconds.
        ttl: How long a group is cached, in seconds.
        recheck_after: How long an unknown ID or title is cached, in seconds.
        listing_timeout: The limit in seconds for a read of several pages.
    """

    def __init__(
        self,
        transport: Transport,
        users: UserDirectory,
        *,
        writing: Callable[[], AbstractContextManager[object]],
        clock: Callable[[], float],
        ttl: float,
        recheck_after: float,
        listing_timeout: float,
    ) -> None:
        self._transport = transport
        self._listing_timeout = listing_timeout
        self._users = users
        self._writing = writing
        self._clock = clock
        self._recheck_after = recheck_after
        self._kept: ExpiringCache[Group] = ExpiringCache(
            self._load, clock=clock, ttl=ttl, ttl_of_none=recheck_after
        )
        self._all: ExpiringCache[AllGroups] = ExpiringCache(
            self._list, clock=clock, ttl=ttl, ttl_of_none=recheck_after
        )

    def attach(self, groups: Sequence[Group]) -> None:
        """Bind *groups* to this service, and their owners and members to theirs."""
        attach(groups, self)
        for group in groups:
            self._users.attach(known_members(group) or ())
            if group.owner is not None:
                self._users.attach([group.owner])

    def get(self, gid: str, timeout: float | None) -> Group | None:
        """Return the circle or distribution list with the ID *gid*, or None."""
        return self._kept.get(require_id(gid, "gid"), deadline_of(timeout))

    def all(self, deadline: float | None, *, other_than: AllGroups | None = None) -> AllGroups:
        """Return the listing of all groups; not *other_than*, which is too old."""
        listed = self._all.get("", deadline, other_than)
        assert listed is not None  # noqa: S101  _list never returns None
        return listed

    def find(self, matches: Callable[[Group], bool], deadline: float | None) -> GroupList:
        """Return the groups for which *matches* returns True."""
        listed = self.all(deadline)
        is_old = self._clock() - listed.asked_at > self._recheck_after
        if is_old and not any(map(matches, listed.groups)):
            try:
                listed = self.all(deadline, other_than=listed)
            except (TWAuthError, TWClosedError):
                raise
            except not_by_signal(TWError) as error:
                if error.status == 401:
                    raise
                # The listing is within its TTL, so its "not found" still counts.
                logger.warning("groups are looked up in their last listing: %s", error)
        return GroupList(filter(matches, listed.groups))

    def get_members(self, gid: str, *, timeout: float | None) -> UserList:
        """Return the members of the group *gid*.

        Raises:
            TWNotFoundError: The group no longer exists.
            TWProtocolError: The server sent the group without its members.
        """
        group = self.get(gid, timeout)
        if group is None:
            message = f"the group {gid!r} no longer exists, or the bot can't see it"
            raise TWNotFoundError(message)
        members = known_members(group)
        if members is None:
            message = f"the server sent the group {gid!r} without its members"
            raise TWProtocolError(message)
        return UserList(members)

    def edit_members(
        self,
        gid: str,
        *,
        add: Iterable[User | str] = (),
        remove: Iterable[User | str] = (),
        timeout: float | None,
    ) -> Group:
        """Add and remove members of the group *gid*.

        Raises:
            ValueError: *add* and *remove* are both empty.
        """
        edit = MemberEdit(
            add_users=user_ids(add, "members"), remove_users=user_ids(remove, "members")
        )
        require_members(edit, "members is empty")
        deadline = deadline_of(timeout)
        try:
            with self._writing():
                group = self._transport.edit_group_members(gid, edit, deadline=deadline)
        finally:
            # Even after an error, the members may have changed.
            self._kept.discard(gid)
        self.attach([group])
        return group

    def close(self) -> None:
        """Drop all entries, and wake all waiting threads."""
        self._kept.close()
        self._all.close()

    def _list(self, _key: str, deadline: float | None) -> AllGroups:
        asked_at = self._clock()
        deadline = within(deadline, self._listing_timeout)
        groups = tuple(
            Pages(
                "groups",
                lambda cursor: self._transport.get_groups(cursor=cursor, deadline=deadline),
                pause=self._transport.pause,
            )
        )
        self.attach(groups)
        return AllGroups(groups, asked_at)

    def _load(self, gid: str, deadline: float | None) -> Group | None:
        group = self._transport.get_group(gid, deadline=deadline)
        self.attach([] if group is None else [group])
        return group

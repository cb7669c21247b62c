"""Users and groups: one at a time, by name, and all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from attrs import frozen

from teamwire_sync._cache.expiring_cache import ExpiringCache
from teamwire_sync._internal.deadlines import deadline_of, within
from teamwire_sync._internal.log import logger
from teamwire_sync._internal.validation import require_id, require_str, require_text
from teamwire_sync._models.base import attach
from teamwire_sync._models.people import Group, User, known_members
from teamwire_sync._services.paging import Pages
from teamwire_sync._services.validation import require_members, user_ids
from teamwire_sync._transport import MemberEdit, Page, Transport
from teamwire_sync.exceptions import (
    TWAuthError,
    TWClosedError,
    TWError,
    TWNotFoundError,
    TWProtocolError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Users:
    """The people and bots that the bot can see; ``connection.users``."""

    def __init__(self, directory: UserDirectory) -> None:
        self._directory = directory

    def get_user(self, uid: str, *, timeout: float | None = None) -> User | None:
        """The user with the id *uid*, or None. Kept for ``cache_ttl`` seconds.

        Args:
            uid: The user id.
            timeout: Seconds that this call may take at most.

        Raises:
            TWError: The server could not be asked.
        """
        return self._directory.get(uid, timeout)

    def find(self, text: str, *, timeout: float | None = None) -> list[User]:
        """Those whose name has *text* in it, whatever its case, as the server finds them.

        Kept for ``cache_ttl`` seconds; that there is none, for ``recheck_after``.

        Args:
            text: Part of a name, "first last"; not empty.
            timeout: Seconds that this call may take at most.

        Raises:
            TWError: The server could not be asked.
        """
        require_text(text, "text", empty=False)
        return list(self._directory.find(text, deadline_of(timeout)))

    def iter_all(self, *, timeout: float | None = None) -> Iterable[User]:
        """All of them, read page by page as they are needed; each loop over it starts anew.

        `get_user` then knows those that have come.

        Args:
            timeout: Seconds that reading one page may take at most.

        Raises:
            TWError: In the loop; the server could not be asked.
        """
        deadline_of(timeout)  # that it is none is said here, not in the loop
        return Pages(
            "users", lambda cursor: self._directory.page(None, cursor, deadline_of(timeout))
        )


class UserDirectory:
    """Asks for users, keeps them, and acts for them.

    Args:
        transport: The way to the server.
        clock: Gives the seconds that the caches count by.
        ttl: Seconds that users are kept.
        recheck_after: Seconds that it is kept that there is none.
        listing_timeout: Seconds that reading several pages may take.
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
        # That nobody is called so is no longer true than that there is no such user.
        self._found: ExpiringCache[tuple[User, ...]] = ExpiringCache(
            self._search, clock=clock, ttl=ttl, ttl_of_none=recheck_after
        )

    def attach(self, users: Iterable[User]) -> None:
        """Let *users* act."""
        attach(users, self)

    def get(self, uid: str, timeout: float | None) -> User | None:
        """The user with the id *uid*, or None."""
        return self._kept.get(require_id(uid, "uid"), deadline_of(timeout))

    def find(self, text: str, deadline: float | None) -> tuple[User, ...]:
        """Those whose name has *text* in it."""
        return self._found.get(text, deadline) or ()

    def page(self, text: str | None, cursor: str | None, deadline: float | None) -> Page[User]:
        """A page of those whose name has *text* in it, or of all; they are kept."""
        asked_at = self._clock()
        page = self._transport.get_users(text=text, cursor=cursor, deadline=deadline)
        self.attach(page.items)
        self._kept.put(((user.uid, user) for user in page.items), asked_at)
        return page

    def load_avatar(self, uid: str, *, timeout: float | None) -> bytes:
        """The picture of the user *uid*."""
        return self._transport.get_avatar(uid, deadline=deadline_of(timeout))

    def close(self) -> None:
        """Drop everything, and wake all who wait."""
        self._kept.close()
        self._found.close()

    def _search(self, text: str, deadline: float | None) -> tuple[User, ...] | None:
        deadline = within(deadline, self._listing_timeout)
        return tuple(Pages("users", lambda cursor: self.page(text, cursor, deadline))) or None

    def _load(self, uid: str, deadline: float | None) -> User | None:
        user = self._transport.get_user(uid, deadline=deadline)
        self.attach([] if user is None else [user])
        return user


class Groups:
    """The circles and lists that the bot can see; ``connection.groups``."""

    def __init__(self, directory: GroupDirectory) -> None:
        self._directory = directory

    def get_group(self, gid: str, *, timeout: float | None = None) -> Group | None:
        """The circle or list with the id *gid*, or None. Kept for ``cache_ttl`` seconds.

        Args:
            gid: The group id.
            timeout: Seconds that this call may take at most.

        Raises:
            TWError: The server could not be asked.
        """
        return self._directory.get(gid, timeout)

    def get_all(self, *, timeout: float | None = None) -> list[Group]:
        """All the circles and lists. Kept for ``cache_ttl`` seconds.

        They come without their members, which `Group.get_members` asks for.

        Args:
            timeout: Seconds that this call may take at most.

        Raises:
            TWError: The server could not be asked.
        """
        return list(self._directory.all(deadline_of(timeout)).groups)

    def find(self, title: str, *, timeout: float | None = None) -> list[Group]:
        """The circles and lists whose title is exactly *title*; none when there are none.

        Looked up in the list that `get_all` keeps; one that finds nothing lists them anew when that
        is older than ``recheck_after`` seconds.

        Args:
            title: The title.
            timeout: Seconds that this call may take at most.

        Raises:
            TWError: The server could not be asked.
        """
        require_str(title, "title")
        return list(self._directory.find(title, deadline_of(timeout)))


@frozen(eq=False, repr=False)
class AllGroups:
    """The groups as they were listed.

    Attributes:
        groups: All of them, without their members.
        by_title: The same by title.
        asked_at: When they were asked for.
    """

    groups: Sequence[Group]
    by_title: Mapping[str, Sequence[Group]]
    asked_at: float


class GroupDirectory:
    """Asks for groups, keeps them, and acts for them.

    Args:
        transport: The way to the server.
        users: Acts for those whom the groups name.
        clock: Gives the seconds that the caches count by.
        ttl: Seconds that groups are kept.
        recheck_after: Seconds that it is kept that there is none.
        listing_timeout: Seconds that reading several pages may take.
    """

    def __init__(
        self,
        transport: Transport,
        users: UserDirectory,
        *,
        clock: Callable[[], float],
        ttl: float,
        recheck_after: float,
        listing_timeout: float,
    ) -> None:
        self._transport = transport
        self._listing_timeout = listing_timeout
        self._users = users
        self._clock = clock
        self._recheck_after = recheck_after
        self._kept: ExpiringCache[Group] = ExpiringCache(
            self._load, clock=clock, ttl=ttl, ttl_of_none=recheck_after
        )
        self._all: ExpiringCache[AllGroups] = ExpiringCache(
            self._list, clock=clock, ttl=ttl, ttl_of_none=recheck_after
        )

    def attach(self, groups: Sequence[Group]) -> None:
        """Let *groups* act, and whom they name."""
        attach(groups, self)
        for group in groups:
            self._users.attach(known_members(group) or ())
            if group.owner is not None:
                self._users.attach([group.owner])

    def get(self, gid: str, timeout: float | None) -> Group | None:
        """The circle or list with the id *gid*, or None."""
        return self._kept.get(require_id(gid, "gid"), deadline_of(timeout))

    def all(self, deadline: float | None, *, other_than: AllGroups | None = None) -> AllGroups:
        """All the groups, as they were listed; another list than *other_than*."""
        listed = self._all.get("", deadline, other_than)
        assert listed is not None  # noqa: S101  _list gives none
        return listed

    def find(self, title: str, deadline: float | None) -> Sequence[Group]:
        """Those whose title is exactly *title*."""
        listed = self.all(deadline)
        if title not in listed.by_title and self._clock() - listed.asked_at > self._recheck_after:
            try:
                listed = self.all(deadline, other_than=listed)
            except (TWAuthError, TWClosedError):
                raise
            except TWError as error:
                # The list is still good, and says that there is none.
                logger.warning("groups are looked up in the last list of them: %s", error)
        return listed.by_title.get(title, ())

    def get_members(self, gid: str, *, timeout: float | None) -> list[User]:
        """The members of the group *gid*.

        Raises:
            TWNotFoundError: There is no such group any more.
        """
        group = self.get(gid, timeout)
        if group is None:
            message = f"there is no group {gid!r} any more, or the bot can't see it"
            raise TWNotFoundError(message)
        members = known_members(group)
        if members is None:
            message = f"the group {gid!r} came without its members"
            raise TWProtocolError(message)
        return list(members)

    def edit_members(
        self,
        gid: str,
        *,
        add: Iterable[User | str] = (),
        remove: Iterable[User | str] = (),
        timeout: float | None,
    ) -> Group:
        """Change who is in the group *gid*.

        Raises:
            ValueError: There is nobody in *add* and *remove*.
        """
        edit = MemberEdit(
            add_users=user_ids(add, "members"), remove_users=user_ids(remove, "members")
        )
        require_members(edit, "members is empty")
        deadline = deadline_of(timeout)
        try:
            group = self._transport.edit_group_members(gid, edit, deadline=deadline)
        finally:
            # However it ends: it may have been done.
            self._kept.discard(gid)
        self.attach([group])
        return group

    def close(self) -> None:
        """Drop everything, and wake all who wait."""
        self._kept.close()
        self._all.close()

    def _list(self, _key: str, deadline: float | None) -> AllGroups:
        asked_at = self._clock()
        deadline = within(deadline, self._listing_timeout)
        groups = tuple(
            Pages(
                "groups",
                lambda cursor: self._transport.get_groups(cursor=cursor, deadline=deadline),
            )
        )
        self.attach(groups)
        by_title: dict[str, list[Group]] = {}
        for group in groups:
            by_title.setdefault(group.title, []).append(group)
        return AllGroups(groups, by_title, asked_at)

    def _load(self, gid: str, deadline: float | None) -> Group | None:
        group = self._transport.get_group(gid, deadline=deadline)
        self.attach([] if group is None else [group])
        return group

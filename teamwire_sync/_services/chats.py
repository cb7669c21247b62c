"""Look-ups of chats through the cache, and the writes that invalidate the cache."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

from teamwire_sync._display.progress import Progress, counted
from teamwire_sync._internal.deadlines import deadline_of
from teamwire_sync._internal.folding import folded
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._internal.validation import require_bool, require_id, require_str, require_text
from teamwire_sync._models.base import text_repr
from teamwire_sync._models.chats import UNREADABLE, Chat, ChatHandle, ChatList, ChatType
from teamwire_sync._services.similar_titles import TitleIndex, not_found_text
from teamwire_sync._services.validation import group_ids, search_text, user_ids
from teamwire_sync._transport import ChatDraft, Transport
from teamwire_sync.exceptions import TWAmbiguousTitleError, TWNotFoundError, TWProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from teamwire_sync._cache.chat_cache import ChatCache
    from teamwire_sync._cache.info import CacheInfo
    from teamwire_sync._cache.snapshot import ChatSnapshot
    from teamwire_sync._models.people import Group, User
    from teamwire_sync._services.chat_actions import ChatActions

T = TypeVar("T")

# The largest number of thread IDs in an error text.
_NAMED = 10


class Chats:
    """The bot's chats: ``connection.chats``.

    Look-ups use a snapshot of all the chats. The snapshot is read from the server when a look-up
    needs it, and stays fresh for ``cache_ttl`` seconds. `create_chat`, a change of a chat, and an
    event about a change invalidate it: the next look-up lists the chats again.
    """

    def __init__(self, transport: Transport, cache: ChatCache, actions: ChatActions) -> None:
        self._transport = transport
        self._cache = cache
        self._state = cache.state
        self._actions = actions
        self._title_index = TitleIndex(())

    def get_subscriptions(
        self,
        *,
        refresh: bool = False,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> ChatList:
        """Return all the chats that the bot is a member of.

        Args:
            refresh: Whether to send a request even if the snapshot is fresh.
            progress: A callback ``progress(pages, chats)`` that runs after each page that this call
                reads. It receives the numbers of pages and of chats so far. It must not look up
                chats. True shows a progress bar.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TypeError: An argument has the wrong type.
            TWError: The listing of the chats failed.
            ImportError: *progress* is True, and tqdm is missing. The text says what to install.
        """
        refresh = require_bool(refresh, "refresh")
        deadline = deadline_of(timeout)
        if progress is None:
            return ChatList(self._cache.all(deadline, refresh=refresh))
        with counted(progress, "chats") as callback:
            return ChatList(self._cache.all(deadline, refresh=refresh, progress=callback))

    # timeout is not keyword-only here and in get_by_title: that would make a hit 10 % slower.
    def get_by_thread_id(self, tid: str, timeout: float | None = None) -> Chat | None:
        """Return the chat with the thread ID *tid*, or None.

        Args:
            tid: The thread ID.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TWError: The listing of the chats failed.
        """
        state = self._state
        view = state.view
        if timeout is None and state.clock() < view.fresh_until:
            next(state.tries)
            try:
                return view.by_tid[tid]
            except not_by_signal(KeyError, TypeError):  # unknown, or not hashable
                next(state.fails)
        return self._find_by_thread_id(tid, timeout)

    # A separate method: a variable that a lambda captures is slower to read, even in a hit.
    def _find_by_thread_id(self, tid: str, timeout: float | None) -> Chat | None:
        require_str(tid, "tid")
        return self._find(lambda view: view.by_tid.get(tid), timeout)

    def get_by_title(self, title: str, timeout: float | None = None) -> ChatList:
        """Return the chats whose title is exactly *title*, or an empty list.

        Args:
            title: The title. Chats without a title are never found.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TWError: The listing of the chats failed.
        """
        state = self._state
        view = state.view
        if timeout is None and state.clock() < view.fresh_until:
            next(state.tries)
            try:
                found = view.by_title[title]
            except not_by_signal(KeyError, TypeError):  # unknown, or not hashable
                next(state.fails)
            else:
                # Filling an empty list is 40 ns faster than ChatList([found]).
                chats = ChatList()
                if isinstance(found, Chat):
                    chats.append(found)
                else:
                    chats.extend(found)
                return chats
        return self._find_by_title(title, timeout)

    def _find_by_title(self, title: str, timeout: float | None) -> ChatList:
        require_str(title, "title")
        return ChatList(self._find(lambda view: view.titled(title), timeout) or ())

    def _find(self, pick: Callable[[ChatSnapshot], T | None], timeout: float | None) -> T | None:
        seen: list[ChatSnapshot] = []

        def pick_of(view: ChatSnapshot) -> T | None:
            seen[:] = [view]
            return pick(view)

        found = self._cache.find(pick_of, deadline_of(timeout))
        if found is None:
            _check_readable(seen[0])
        return found

    def one_by_title(self, title: str, *, timeout: float | None = None) -> Chat:
        """Return the only chat whose title is exactly *title*, or raise an error.

        Args:
            title: The title.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TWNotFoundError: No chat has this title. The text names similar titles.
            TWAmbiguousTitleError: Several chats have this title. The error carries the chats.
            TWError: The listing of the chats failed.
        """
        require_str(title, "title")
        seen: list[ChatSnapshot] = []

        def pick(view: ChatSnapshot) -> tuple[Chat, ...] | None:
            seen[:] = [view]
            return view.titled(title)

        found = self._cache.find(pick, deadline_of(timeout))
        if found is None:
            _check_readable(seen[0])
            error = TWNotFoundError(not_found_text(title))
            error._find_later(partial(self._similar, title, seen[0]))
            raise error
        if len(found) > 1:
            tids = ", ".join(chat.tid for chat in found[:_NAMED])
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            message = (
                f"{len(found)} chats have the title {text_repr(title)}; "
                f"take one by thread ID: {tids}{more}"
            )
            raise TWAmbiguousTitleError(message, title=title, candidates=ChatList(found))
        return found[0]

    def __repr__(self) -> str:
        # A debugger and a failed copy show an object without its attributes. A debugger may have
        # stopped a thread that holds the lock of cache_info().
        number = len(self._state.view.chats) if hasattr(self, "_state") else 0
        return f"<Chats: {number:,} in memory; get_subscriptions() lists them>"

    def _similar(self, title: str, view: ChatSnapshot) -> tuple[str, tuple[str, ...]]:
        index = self._title_index
        if index.titles is not view.by_title:
            self._title_index = index = TitleIndex(view.by_title)
        text, close = index.similar(title)
        wanted = folded(title)
        # The shell and notebooks show this name as they show the titles of other chats.
        for chat in view.chats:
            is_direct = chat.type is ChatType.ONE_TO_ONE and not chat.title
            if is_direct and folded(chat.display_name) == wanted:
                text += f"; the chat with this person has no title, but the thread ID {chat.tid}"
                break
        return text, close

    def find(self, text: str, *, timeout: float | None = None) -> ChatList:
        """Return the chats whose title contains *text*, or an empty list.

        Upper and lower case, Unicode forms of a letter, and repeated spaces make no difference.
        A chat without a title is never found, not even by its `Chat.display_name`: `create_chat`
        with one user returns the one-to-one chat with this user.

        Args:
            text: A part of a title. It must not be empty.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TWError: The listing of the chats failed.
        """
        part = folded(search_text(text))
        found = self._find(
            lambda view: [chat for chat in view.chats if part in folded(chat.title or "")] or None,
            timeout,
        )
        return ChatList(found or ())

    def at(self, tid: str) -> ChatHandle:
        """Return a handle on the chat with the thread ID *tid*, without a request.

        Args:
            tid: The thread ID.

        Raises:
            TypeError: *tid* is not a str.
            ValueError: *tid* is empty.
        """
        handle = ChatHandle(require_id(tid, "tid"))
        self._actions.attach([handle])
        return handle

    def create_chat(
        self,
        *,
        title: str | None = None,
        users: Iterable[User | str] = (),
        groups: Iterable[Group | str] = (),
        message: str | None = None,
        allow_sending: bool = True,
        allow_mute_notifications: bool = True,
        is_alert: bool = False,
        timeout: float | None = None,
    ) -> Chat:
        """Create a chat.

        The bot becomes a member automatically. One user, no group and no title create a one-to-one
        chat. If this one-to-one chat exists already, it is returned. A distribution list is
        replaced by its users. A circle stays a circle.

        Args:
            title: The title. Several chats may have the same title.
            users: The users, or their IDs.
            groups: The circles and distribution lists, or their IDs. A circle must be public.
            message: The text of a first message, or None.
            allow_sending: Whether members who are not administrators may post.
            allow_mute_notifications: Whether members may mute the chat.
            is_alert: Whether the chat is an alert chat.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: *users* and *groups* are both empty.
            TWInvalidMembersError: A user or a group does not exist, or the bot can't see it.
            TWAuthError: The bot may not create the chat, for example if a circle is not public.
            TWDeliveryUnknownError: The response was lost. The chat may have been created.
        """
        for name, text in (("title", title), ("message", message)):
            require_text(text, name, optional=True)
        draft = ChatDraft(
            title=title,
            user_ids=user_ids(users, "users"),
            group_ids=group_ids(groups, "groups"),
            message=message,
            allow_sending=require_bool(allow_sending, "allow_sending"),
            allow_mute_notifications=require_bool(
                allow_mute_notifications, "allow_mute_notifications"
            ),
            is_alert=require_bool(is_alert, "is_alert"),
        )
        if not draft.user_ids and not draft.group_ids:
            text = "a chat needs users or groups"
            raise ValueError(text)
        deadline = deadline_of(timeout)
        # Two requests for a one-to-one chat return the same chat.
        is_one_to_one = not title and len(draft.user_ids) == 1 and not draft.group_ids
        with self._cache.writing(in_doubt=not is_one_to_one) as write:
            state = self._transport.create_chat(draft, deadline=deadline)
            chat = cast("Chat", state.chat)
            self._actions.attach_chat(chat)
            write.created(chat, state.revision)
        return chat

    def invalidate(self) -> None:
        """Invalidate the snapshot: the next look-up lists the chats again."""
        self._cache.invalidate()

    def cache_info(self) -> CacheInfo:
        """Return the cache's counters and the age of the snapshot."""
        return self._cache.info()


def _check_readable(view: ChatSnapshot) -> None:
    """Raise if a chat that was not found may be one that can't be decoded."""
    if UNREADABLE in view.by_tid:
        message = (
            "not found, but the thread ID or the title of a chat can't be decoded: it may be the "
            "chat that you look up, so don't create it again"
        )
        raise TWProtocolError(message)

"""Chats: look-ups through the cache, and the writes that invalidate it."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from teamwire_sync._display.progress import Progress, counted
from teamwire_sync._internal.deadlines import deadline_of
from teamwire_sync._internal.imports import LazyModule
from teamwire_sync._internal.validation import require_bool, require_id, require_str, require_text
from teamwire_sync._models.chats import Chat, ChatHandle, ChatList
from teamwire_sync._services.validation import group_ids, user_ids
from teamwire_sync._transport import ChatDraft, Transport
from teamwire_sync.exceptions import TWAmbiguousTitleError, TWNotFoundError

if TYPE_CHECKING:
    import difflib
    from collections.abc import Iterable

    from teamwire_sync._cache.chat_cache import ChatCache
    from teamwire_sync._cache.info import CacheInfo
    from teamwire_sync._cache.snapshot import ChatSnapshot
    from teamwire_sync._models.people import Group, User
    from teamwire_sync._services.chat_actions import ChatActions
else:
    difflib = LazyModule("difflib")  # for an error: it would be 1.5 ms of each Connection's 42

# Thread IDs that the text of an error names at most.
_NAMED = 10


class Chats:
    """The chats of the bot; ``connection.chats``.

    Look-ups are answered from one snapshot of all the chats, which is listed when it is needed and
    kept for ``cache_ttl`` seconds. `create_chat`, what changes a chat, and events that say so make
    the next look-up list them anew.
    """

    def __init__(self, transport: Transport, cache: ChatCache, actions: ChatActions) -> None:
        self._transport = transport
        self._cache = cache
        self._state = cache.state
        self._actions = actions

    def get_subscriptions(
        self,
        *,
        refresh: bool = False,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> ChatList:
        """All the chats that the bot is a member of.

        Args:
            refresh: Ask the server even when the chats are known.
            progress: Called after each page that this call reads, with the number of pages and of
                chats so far; it must not look up chats itself. True shows a bar.
            timeout: Seconds that this call may take at most.

        Raises:
            TWError: The chats could not be listed.
            ImportError: *progress* is True, and there is no tqdm; the text says what to install.
        """
        deadline = deadline_of(timeout)
        if progress is None:
            return ChatList(self._cache.all(deadline, refresh=refresh))
        with counted(progress, "chats") as callback:
            return ChatList(self._cache.all(deadline, refresh=refresh, progress=callback))

    # Here and by title, timeout is no keyword-only argument: that would cost a tenth of a hit.
    def get_by_thread_id(self, tid: str, timeout: float | None = None) -> Chat | None:
        """The chat with the thread ID *tid*, or None.

        Args:
            tid: The thread ID.
            timeout: Seconds that this call may take at most.

        Raises:
            TWError: The chats could not be listed.
        """
        state = self._state
        view = state.view
        if timeout is None and state.clock() < view.fresh_until:
            next(state.tries)
            try:
                return view.by_tid[tid]
            except (KeyError, TypeError):  # not there, or no hash
                next(state.fails)
        return self._find_by_thread_id(tid, timeout)

    # In a method of its own: a name that a lambda takes along is slower to read, also in a hit.
    def _find_by_thread_id(self, tid: str, timeout: float | None) -> Chat | None:
        require_str(tid, "tid")
        return self._cache.find(lambda view: view.by_tid.get(tid), deadline_of(timeout))

    def get_by_title(self, title: str, timeout: float | None = None) -> list[Chat]:
        """The chats whose title is exactly *title*; none when there are none.

        Args:
            title: The title. Chats without one are never found.
            timeout: Seconds that this call may take at most.

        Raises:
            TWError: The chats could not be listed.
        """
        state = self._state
        view = state.view
        if timeout is None and state.clock() < view.fresh_until:
            next(state.tries)
            try:
                found = view.by_title[title]
            except (KeyError, TypeError):  # not there, or no hash
                next(state.fails)
            else:
                return [found] if isinstance(found, Chat) else list(found)
        return self._find_by_title(title, timeout)

    def _find_by_title(self, title: str, timeout: float | None) -> list[Chat]:
        require_str(title, "title")
        return list(self._cache.find(lambda view: view.titled(title), deadline_of(timeout)) or ())

    def one_by_title(self, title: str, *, timeout: float | None = None) -> Chat:
        """The one chat whose title is exactly *title*; never a guess.

        Args:
            title: The title.
            timeout: Seconds that this call may take at most.

        Raises:
            TWNotFoundError: There is none; the text names the titles that come close.
            TWAmbiguousTitleError: There are several; the error carries them.
            TWError: The chats could not be listed.
        """
        require_str(title, "title")
        seen: list[ChatSnapshot] = []

        def pick(view: ChatSnapshot) -> tuple[Chat, ...] | None:
            seen[:] = [view]
            return view.titled(title)

        found = self._cache.find(pick, deadline_of(timeout))
        if found is None:
            close = _close_titles(title, seen[0].by_title)
            raise TWNotFoundError(_not_found_text(title, close), close_titles=close)
        if len(found) > 1:
            tids = ", ".join(chat.tid for chat in found[:_NAMED])
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            message = (
                f"{len(found)} chats have the title {title!r}; take one by thread ID: {tids}{more}"
            )
            raise TWAmbiguousTitleError(message, title=title, candidates=found)
        return found[0]

    def at(self, tid: str) -> ChatHandle:
        """A handle on the chat with the thread ID *tid*, to act on it. Asks nothing of the server.

        Args:
            tid: The thread ID.
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
        """Make a chat; the bot is a member by itself.

        One user, no group and no title make a one-to-one chat; if there is that already, it is
        given back. A list is expanded into its users, a circle stays one.

        Args:
            title: Titles need not be unique.
            users: Users or user ids.
            groups: Circles and lists, or their ids. Circles have to be public.
            message: A first message.
            allow_sending: Whether members who are no admins may post.
            allow_mute_notifications: Whether members may mute the chat.
            is_alert: Whether to make an alert chat.
            timeout: Seconds that this call may take at most.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: Neither users nor groups are given.
            TWInvalidMembersError: Users or groups that do not exist, or that the bot can't see.
            TWAuthError: The bot may not create it, for example with a circle that is not public.
            TWDeliveryUnknownError: The answer was lost: the chat may have been made.
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
        with self._cache.writing() as write:
            chat = self._transport.create_chat(draft, deadline=deadline)
            self._actions.attach_chat(chat)
            write.created(chat)
        return chat

    def invalidate(self) -> None:
        """Forget the chats, so that the next look-up lists them anew."""
        self._cache.invalidate()

    def cache_info(self) -> CacheInfo:
        """What the cache has done so far, and how old it is."""
        return self._cache.info()


def _folded(title: str) -> str:
    return " ".join(unicodedata.normalize("NFC", title).casefold().split())


def _close_titles(title: str, titles: Iterable[str]) -> list[str]:
    spellings: dict[str, list[str]] = {}
    for known in titles:
        spellings.setdefault(_folded(known), []).append(known)
    folded = _folded(title)
    close = difflib.get_close_matches(folded, spellings, n=3, cutoff=0.6) if folded else []
    return [spelling for folded in close for spelling in spellings[folded]][:5]


def _not_found_text(title: str, close: list[str]) -> str:
    text = f"no chat has the title {title!r}"
    if not close:
        return text
    if _folded(close[0]) == _folded(title):
        return f"{text}; {close[0]!r} differs in case, spaces or Unicode form only"
    return f"{text}; close to it: {', '.join(map(repr, close))}"

"""A server that is a dict, and what the tests of the cache do with one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import pytest

from teamwire_sync._cache.listing import Listing
from teamwire_sync._internal.deadlines import deadline_of

if TYPE_CHECKING:
    from teamwire_sync import Chat
    from teamwire_sync._cache.chat_cache import ChatCache
    from teamwire_sync._cache.listing import ListingRequest


class ChatServer:
    """Chats in a dict, their version, and what the cache asked for them.

    Attributes:
        asked: The validator of each load.
        error: Is raised instead of an answer.
        on_load: Is called with each load after its answer is made up.
        pages: In how many pages the answer comes.
    """

    def __init__(self, *chats: Chat) -> None:
        self._chats = {chat.tid: chat for chat in chats}
        self._version = 0
        self.asked: list[str | None] = []
        self.error: BaseException | None = None
        self.on_load: Callable[[ListingRequest], object] = lambda load: None
        self.pages = 1

    def put(self, chat: Chat) -> Chat:
        self._chats[chat.tid] = chat
        self._version += 1
        return chat

    def remove(self, tid: str) -> None:
        del self._chats[tid]
        self._version += 1

    def read(self, request: ListingRequest) -> Listing | None:
        self.asked.append(request.validator)
        chats, version, error = dict(self._chats), f"v{self._version}", self.error
        self.on_load(request)
        if error is not None:
            raise error
        if request.validator == version:
            return None
        for page in range(1, self.pages + 1):
            request.page(len(chats))
            if page < self.pages:
                request.check_needed()
        return Listing(chats, version)


def by_tid(cache: ChatCache, tid: str, timeout: float | None = None) -> Chat | None:
    return cache.find(lambda view: view.by_tid.get(tid), deadline_of(timeout))


def by_title(cache: ChatCache, title: str) -> tuple[Chat, ...]:
    return cache.find(lambda view: view.titled(title), None) or ()


def create(cache: ChatCache, chat: Chat) -> None:
    with cache.writing() as write:
        write.created(chat)


def fail_to_create(cache: ChatCache, error: BaseException) -> None:
    with pytest.raises(type(error)), cache.writing():
        raise error

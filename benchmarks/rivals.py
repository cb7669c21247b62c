"""What a program would do without teamwire_sync, written as a careful user would."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from typing import TYPE_CHECKING, Any

import cachebox
import requests
import requests_cache
from attrs import frozen
from cachetools import TTLCache, cached
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from benchmarks.worlds import CHATS_PATH
from teamwire_sync._composition import default_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from benchmarks.worlds import World

_TTL = 300


@frozen
class NaiveChat:
    """The fields of a chat as they come."""

    tid: str
    title: str | None
    type: str
    is_alert: bool
    allow_sending: bool
    allow_mute_notifications: bool
    is_closed: bool
    user_ids: list[str]
    group_ids: list[str]
    admin_ids: list[str]
    revision: int


@frozen
class NaiveUser:
    """The fields of a user as they come."""

    uid: str
    first_name: str
    last_name: str
    organisation: str | None
    is_bot: bool
    has_avatar: bool


# Look-ups


class DictMethod:
    """A method around a dict: the least that a look-up can cost."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = dict(content)

    def get(self, key: str) -> Any:
        """The value, or None."""
        return self._content.get(key)


class GuardedDict(DictMethod):
    """A dict that reads a clock and counts, as any cache that expires and reports has to."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        super().__init__(content)
        self._clock = default_clock()
        self._deadline = self._clock() + 1e6
        self._hits = itertools.count()

    def get(self, key: str) -> Any:
        """The value, or None."""
        if self._clock() < self._deadline:
            next(self._hits)
            return self._content.get(key)
        return None


class CacheboxSnapshot:
    """cachebox, written in Rust, holding the whole snapshot as one entry that expires."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._cache = cachebox.TTLCache(1, _TTL)
        self._cache["chats"] = dict(content)

    def get(self, key: str) -> Any:
        """The value, or None."""
        return self._cache["chats"].get(key)


class LockedTtlCache:
    """cachetools under a Lock; without the lock, threads break it."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._cache: TTLCache[str, Any] = TTLCache(len(content), _TTL)
        self._cache.update(content)
        self._lock = threading.Lock()

    def get(self, key: str) -> Any:
        """The value, or None."""
        with self._lock:
            return self._cache.get(key)


class LockedTtlCacheItems(LockedTtlCache):
    """The same by subscription, which cachetools answers faster than `get`."""

    def get(self, key: str) -> Any:
        """The value, or None."""
        with self._lock:
            try:
                return self._cache[key]
            except KeyError:
                return None


def decorated(content: Mapping[str, Any]) -> Callable[[str], Any]:
    """The decorator of cachetools, with the lock and the condition that threads need."""
    cache: TTLCache[Any, Any] = TTLCache(len(content), _TTL)

    lock = threading.Lock()

    @cached(cache, lock=lock, condition=threading.Condition(lock))
    def get(key: str) -> Any:
        return content.get(key)

    for key in content:
        get(key)
    return get


class StandInAsyncSdk:
    """Stands in for an async SDK with a cache: only what driving it from a script costs is real."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = dict(content)

    async def get(self, key: str) -> Any:
        """The value, or None."""
        return self._content.get(key)


class LoopThread:
    """A thread with an event loop, to which a script sends coroutines."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Any) -> Any:
        """The result of *coroutine*."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


# HTTP


def plain_session(world: World, *, trust_env: bool = True, retries: int = 0) -> requests.Session:
    """A `requests.Session`; it keeps connections alive by itself."""
    session = world.authorise(requests.Session())
    session.trust_env = trust_env
    if retries:
        session.mount("http://", HTTPAdapter(max_retries=Retry(retries)))
    return session


def caching_session(world: World) -> requests.Session:
    """requests-cache, in memory."""
    session = requests_cache.CachedSession(backend="memory", expire_after=_TTL)
    return world.authorise(session)


class NaiveIndex:
    """Chats by thread ID and by title, of documents that nobody checks."""

    def __init__(self) -> None:
        self.by_tid: dict[str, NaiveChat] = {}
        self.by_title: dict[str, list[NaiveChat]] = {}

    def add(self, documents: Iterable[dict[str, Any]]) -> None:
        """Index the chats of a page."""
        for document in documents:
            chat = NaiveChat(**document)
            self.by_tid[chat.tid] = chat
            if chat.title:
                self.by_title.setdefault(chat.title, []).append(chat)


def pages_of(session: requests.Session, world: World) -> Iterable[dict[str, Any]]:
    """The pages of a listing."""
    params: dict[str, str] = {}
    while True:
        response = session.get(world.url + CHATS_PATH, params=params, timeout=60)
        response.raise_for_status()
        page = response.json()
        yield page
        if page["next_cursor"] is None:
            return
        params = {"cursor": page["next_cursor"]}


def naive_listing(session: requests.Session, world: World) -> NaiveIndex:
    """List all the chats over HTTP."""
    index = NaiveIndex()
    for page in pages_of(session, world):
        index.add(page["chats"])
    return index


def naive_decoding(bodies: Iterable[bytes]) -> NaiveIndex:
    """The same with the bytes at hand."""
    index = NaiveIndex()
    for body in bodies:
        index.add(json.loads(body)["chats"])
    return index


def scan(session: requests.Session, world: World, tid: str) -> dict[str, Any] | None:
    """What most clients do: list, and look through the list."""
    for page in pages_of(session, world):
        for document in page["chats"]:
            if document["tid"] == tid:
                return document
    return None


# Memory


class UnsharedIndex:
    """Chats with member objects of their own, though strings of one page are shared."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.by_tid: dict[str, Any] = {}
        self.by_title: dict[str, list[Any]] = {}
        for file in files:
            page = json.loads(file.read_bytes())
            users = {user["uid"]: user for user in page["users"]}
            for document in page["chats"]:
                self._add(NaiveChat(**document), document, users)

    def _add(
        self, chat: NaiveChat, document: dict[str, Any], users: Mapping[str, dict[str, Any]]
    ) -> None:
        for name in ("user_ids", "admin_ids"):
            members: list[Any] = document[name]
            members[:] = [NaiveUser(**users[uid]) for uid in members]
        self.by_tid[chat.tid] = chat
        if chat.title:
            self.by_title.setdefault(chat.title, []).append(chat)

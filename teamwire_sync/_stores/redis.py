"""RedisStore: processes share the listing, on several machines too."""

from __future__ import annotations

import json
import math
import os
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Callable, NoReturn, TypeVar

from attrs import asdict, field, frozen

from teamwire_sync._cache.listing import SlotRevision
from teamwire_sync._internal.imports import LazyModule, first_use
from teamwire_sync._internal.secret import Secret
from teamwire_sync._internal.validation import check_seconds, require_count
from teamwire_sync._stores.base import (
    MAX_AGE,
    MAX_BYTES,
    DamagedError,
    Failure,
    Lease,
    SlotStatus,
    StoredListing,
    StoreError,
    key_of,
    new_token,
)
from teamwire_sync._stores.codec import pack, unpack

if TYPE_CHECKING:
    from teamwire_sync._stores import redis_link
    from teamwire_sync._stores.redis_link import Link
else:
    redis_link = LazyModule("teamwire_sync._stores.redis_link")

T = TypeVar("T")

# With the version of the format: what another version stores is left alone.
_PREFIX = "teamwire_sync:1:"
_PIECE = 65_536
_BROKEN = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)

# What the server has meanwhile decides, so it is the server that compares.
_LOAD = """
if redis.call('HGET', KEYS[1], 'body') ~= ARGV[1] then return false end
if redis.call('STRLEN', KEYS[2]) > tonumber(ARGV[2]) then return 0 end
return redis.call('GET', KEYS[2])
"""
# In pieces, as each of them is sent within a time-out of its own.
_SET = """
return redis.call('SET', KEYS[1], table.concat(ARGV, '', 2), 'PX', ARGV[1])
"""
_CONFIRM = """
if redis.call('HGET', KEYS[1], 'body') ~= ARGV[1] then return false end
if redis.call('PEXPIRE', KEYS[2], ARGV[3]) == 0 then return false end
redis.call('HSET', KEYS[1], 'asked_at', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[3], 2 * ARGV[3])
redis.call('DEL', KEYS[4])
return redis.call('HGET', KEYS[1], 'generation')
"""
# To end in 0 milliseconds is to be removed.
_END_IN = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""


class RedisStore:
    """Keeps the chats in Redis, for all processes that use the same one.

    *timeout* bounds each step by itself: to connect to an address of the host, to send, and to
    receive the next piece of an answer. So a method waits for one or two time-outs when Redis is
    away or silent, and longer while Redis keeps answering slowly. `clear` takes as long as it
    takes to go through all the keys of the database. To find the address of a host takes as long
    as the system does.

    Args:
        url: Where Redis is: ``redis://``, ``rediss://`` or ``unix://``, with user, password,
            database and TLS options as redis-py takes them. Other options are left out.
        max_age: Seconds after which what is stored is gone.
        max_bytes: What the listing of a bot may have at most.
        timeout: Seconds that connecting, each write and each read may take.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: A number is out of range, or the URL is bad.
        ImportError: There is no redis-py; the text says what to install.
    """

    def __init__(
        self,
        url: str,
        *,
        max_age: float = MAX_AGE,
        max_bytes: int = MAX_BYTES,
        timeout: float = 0.5,
    ) -> None:
        given = Secret(url)
        # Locals may be shown with an error, and this one holds a password.
        del url
        if not isinstance(given.reveal(), str):
            message = f"url must be a str, not {type(given.reveal()).__name__}"
            raise TypeError(message)
        check_seconds("max_age", max_age)
        require_count(max_bytes, "max_bytes")
        check_seconds("timeout", timeout)
        with first_use("can't import redis"):
            is_missing = find_spec("redis") is None
        if is_missing:
            message = "RedisStore needs redis: pip install 'teamwire_sync[redis]'"
            raise ImportError(message, name="redis")
        self._link = redis_link.Link(given, timeout)
        self._where = self._link.where
        self._max_age = max_age
        self._max_bytes = max_bytes

    def _slot(self, identity: str) -> _RedisSlot:
        return _RedisSlot(self._link, key_of(identity), self._max_age, self._max_bytes)

    def clear(self) -> int:
        """Remove what is stored, of all the bots.

        Returns:
            How many snapshots there were.

        Raises:
            ConnectionError: Redis can't be reached, or refuses.
        """
        cursor: int | None = None
        found: set[bytes] = set()
        try:
            while cursor != 0:
                ((cursor, keys),) = self._link.run(
                    ("SCAN", cursor or 0, "MATCH", f"{_PREFIX}{{*}}:*", "COUNT", 1000)
                )
                found.update(key for key in keys if not key.endswith(b":lease"))
            if found:
                self._link.run(("DEL", *found))
            return sum(key.endswith(b":head") for key in found)
        except StoreError as error:
            message = str(error)
        except _BROKEN:
            message = "Redis does not tell its keys"
        raise ConnectionError(message)

    def __reduce__(self) -> NoReturn:
        message = "a RedisStore can't be pickled or copied; make one in each process"
        raise TypeError(message)

    def __repr__(self) -> str:
        # A rendering of the error of a bad URL shows this object, too.
        return f"RedisStore({getattr(self, '_where', '')!r})"


class _RedisSlot:
    def __init__(self, link: Link, key: str, max_age: float, max_bytes: int) -> None:
        self._link = link
        self._max_bytes = max_bytes
        self._age = math.ceil(max_age * 1000)
        # All in one slot; what is in braces decides.
        self._generation, self._head, self._body, self._failure, self._leased = (
            f"{_PREFIX}{{{key}}}:{name}"
            for name in ("generation", "head", "body", "failure", "lease")
        )

    def status(self) -> SlotStatus:
        # The time last: what others have stored meanwhile would be of the future.
        failure, head, generation, moment = self._link.run(
            ("GET", self._failure),
            ("HMGET", self._head, "body", "generation", "asked_at"),
            ("GET", self._generation),
            ("TIME",),
        )
        if generation is None:
            _, generation = self._link.run(
                ("SET", self._generation, new_token(), "NX", "PX", 2 * self._age),
                ("GET", self._generation),
            )
        token = self._parsed(bytes.decode, generation, self._generation)
        revision = self._parsed(_revision_of, head, self._head, self._body)
        failed = self._parsed(_failure_of, failure, self._failure)
        seconds, microseconds = self._parsed(tuple, moment, self._generation)
        now = seconds + microseconds / 1_000_000
        if revision is not None and not 0 <= now - revision.asked_at < self._age / 1000:
            revision = None
        return SlotStatus(now, token, revision, failed)

    def load(self, revision: SlotRevision) -> StoredListing | None:
        (packed,) = self._link.run(
            ("EVAL", _LOAD, 2, self._head, self._body, revision.body, self._max_bytes)
        )
        return None if packed is None else self._parsed(unpack, packed, self._head, self._body)

    def save(self, listing: StoredListing, *, generation: str, asked_at: float) -> SlotRevision:
        packed = pack(listing)
        if len(packed) > self._max_bytes:
            message = (
                f"the chats have {len(packed):,} bytes, more than max_bytes ({self._max_bytes:,})"
            )
            raise StoreError(message)
        revision = SlotRevision(new_token(), generation, asked_at)
        pieces = [packed[start : start + _PIECE] for start in range(0, len(packed), _PIECE)]
        self._link.run(
            ("DEL", self._head, self._body, self._failure),
            (
                "HSET", self._head,
                "body", revision.body, "generation", generation, "asked_at", asked_at,
            ),
            ("PEXPIRE", self._head, self._age),
            ("EVAL", _SET, 1, self._body, self._age, *pieces),
            ("PEXPIRE", self._generation, 2 * self._age),
            atomic=True,
        )  # fmt: skip
        return revision

    def mark_unchanged(self, revision: SlotRevision, *, asked_at: float) -> SlotRevision | None:
        (generation,) = self._link.run(
            (
                "EVAL", _CONFIRM, 4, self._head, self._body, self._generation, self._failure,
                revision.body, asked_at, self._age,
            )
        )  # fmt: skip
        if generation is None:
            return None
        token = self._parsed(bytes.decode, generation, self._head, self._body)
        return SlotRevision(revision.body, token, asked_at)

    def fail(self, failure: Failure) -> None:
        self._link.run(("SET", self._failure, json.dumps(asdict(failure)), "PX", self._age))

    def bump_generation(self) -> str:
        generation = new_token()
        # Where there is no memory left for the new one, the old one is gone nevertheless.
        self._link.run(
            ("DEL", self._generation),
            ("SET", self._generation, generation, "PX", 2 * self._age),
            ("DEL", self._leased),
        )
        return generation

    def lease(self, seconds: float) -> Lease | None:
        lease = _RedisLease(self._link, self._leased, max(1, math.ceil(seconds * 1000)))
        taken, left = self._link.run(
            ("SET", self._leased, lease.owner(), "NX", "PX", lease.ends_in),
            ("PTTL", self._leased),
        )
        if taken:
            return lease
        if left == -1:  # it would never end, so it is no lease
            raise self._removed(self._leased)
        return None

    def clear(self) -> None:
        self._link.run(("DEL", self._generation, self._head, self._body, self._failure))

    def _parsed(self, parse: Callable[[Any], T], answer: Any, *keys: str) -> T:
        with suppress(StoreError, *_BROKEN):
            return parse(answer)
        raise self._removed(*keys)

    def _removed(self, *keys: str) -> DamagedError:
        self._link.run(("DEL", *keys))
        return DamagedError("what Redis had for the chats was damaged or not ours, and is removed")


@frozen(repr=False)
class _RedisLease:
    link: Link
    key: str
    ends_in: int
    token: str = field(factory=new_token)

    def owner(self) -> str:
        # After a fork it stays the parent's.
        return f"{self.token} {os.getpid()}"

    def extend(self) -> bool:
        return self._end_in(self.ends_in)

    def release(self) -> None:
        self._end_in(0)

    def _end_in(self, milliseconds: int) -> bool:
        command = ("EVAL", _END_IN, 1, self.key, self.owner(), milliseconds)
        return self.link.run(command) == [1]


def _revision_of(answer: Any) -> SlotRevision | None:
    body, generation, asked_at = answer
    if body is generation is asked_at is None:
        return None
    revision = SlotRevision(body.decode(), generation.decode(), float(asked_at))
    if not math.isfinite(revision.asked_at):
        raise ValueError
    return revision


def _failure_of(answer: Any) -> Failure | None:
    if answer is None:
        return None
    failure = Failure(**json.loads(answer))
    is_named = isinstance(failure.generation, str) and isinstance(failure.error, dict)
    if not is_named or not math.isfinite(failure.failed_at + failure.until):
        raise ValueError
    return failure

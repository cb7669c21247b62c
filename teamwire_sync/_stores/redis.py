"""RedisStore: processes share the listing, also on several machines."""

from __future__ import annotations

import json
import math
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Callable, NoReturn, TypeVar

from attrs import asdict, evolve

from teamwire_sync._cache.listing import SlotRevision, Written
from teamwire_sync._internal.extras import install_command
from teamwire_sync._internal.imports import LazyModule, first_use
from teamwire_sync._internal.secret import Secret
from teamwire_sync._internal.signals import not_by_signal, suppress
from teamwire_sync._internal.validation import check_seconds, require_count
from teamwire_sync._stores.base import (
    MAX_AGE,
    MAX_BYTES,
    MAX_DOUBT,
    DamagedError,
    Failure,
    SlotStatus,
    StoredListing,
    StoreError,
    key_of,
    new_token,
)
from teamwire_sync._stores.codec import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Collection

    from teamwire_sync._stores import redis_link
    from teamwire_sync._stores.redis_link import Link
else:
    redis_link = LazyModule("teamwire_sync._stores.redis_link")

T = TypeVar("T")

# The prefix contains the version of the format, so a store never uses the data of another version.
_PREFIX = "teamwire_sync:2:"
_PIECE = 65_536
_BROKEN = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)

# The scripts compare and act in one step on the server. Otherwise: process A reads a value; process
# B replaces the value; A acts on the old value.
_LOAD = """
if redis.call('HGET', KEYS[1], 'body') ~= ARGV[1] then return false end
if redis.call('STRLEN', KEYS[2]) > tonumber(ARGV[2]) then return 0 end
return redis.call('GET', KEYS[2])
"""
_NOW = """
local seconds, microseconds = unpack(redis.call('TIME'))
local now = seconds + microseconds / 1000000
"""
# Lua would round revisions of more than 53 bits.
_IS_LESS = """
local function is_less(one, other) return #one < #other or #one == #other and one < other end
"""
# The value is sent in pieces, because each piece has its own time-out. SET is the first write,
# because Redis without memory refuses a script only at its first write.
_SAVE = (
    _NOW
    + _IS_LESS
    + """
local known, listed = unpack(redis.pcall('HMGET', KEYS[1], 'asked_at', 'listed'))
local asked_at, new = tonumber(known) or 0, ARGV[4]
local is_older, least = asked_at <= now, asked_at
if listed and new ~= '' then is_older, least = is_less(new, listed), asked_at + ARGV[5] end
if is_older and tonumber(ARGV[3]) < least then return false end
redis.call('SET', KEYS[2], table.concat(ARGV, '', 7), 'PX', ARGV[6])
redis.call('DEL', KEYS[1], KEYS[3])
redis.call('HSET', KEYS[1], 'body', ARGV[1], 'generation', ARGV[2], 'asked_at', ARGV[3])
if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], 'listed', ARGV[4]) end
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('PEXPIRE', KEYS[4], 2 * ARGV[6])
return 1
"""
)
# Without memory, Redis still runs the next two scripts, because their first write needs none.
_RENEW = (
    _NOW
    + _IS_LESS
    + """
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
for index = 5, #ARGV do redis.call('ZREM', KEYS[3], ARGV[index]) end
if ARGV[3] == '' then return 1 end
local revision, lacking = unpack(redis.call('HMGET', KEYS[4], 'revision', 'until'))
if (tonumber(lacking) or 0) <= now or is_less(revision or '', ARGV[3]) then
    redis.call('HSET', KEYS[4], 'revision', ARGV[3], 'until', now + ARGV[4])
    redis.call('PEXPIRE', KEYS[4], ARGV[2])
end
return 1
"""
)
# Of the marks that have ended, the mark with the latest end stays.
_MARK = (
    _NOW
    + """
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, redis.call('ZCOUNT', KEYS[1], '-inf', now) - 2)
local wrong = redis.call('ZCOUNT', KEYS[1], now + ARGV[4], '+inf')
if wrong > 0 then redis.call('ZREMRANGEBYRANK', KEYS[1], -wrong, -1) end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
)
_CONFIRM = """
if redis.call('HGET', KEYS[1], 'body') ~= ARGV[1] then return false end
if redis.call('PEXPIRE', KEYS[2], ARGV[3]) == 0 then return false end
redis.call('HSET', KEYS[1], 'asked_at', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[3], 2 * ARGV[3])
return redis.call('DEL', KEYS[4])
"""
# An expiry in 0 milliseconds removes the key.
_END_IN = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""


class RedisStore:
    """A store in Redis, for all processes that use the same Redis.

    *timeout* limits each step separately: connecting to an address of the host, sending, and
    receiving the next piece of a response. So a method waits for one or two time-outs if Redis is
    unreachable or silent, and longer while Redis sends a slow response. The time of `clear` depends
    on the number of keys in the database. *timeout* does not limit the system's name resolution.

    Args:
        url: The URL of Redis: ``redis://``, ``rediss://`` or ``unix://``, with the user, password,
            database and TLS options of redis-py. Other options are ignored.
        max_age: Seconds after which stored data expires.
        max_bytes: The maximum size of the listing of a bot in bytes.
        timeout: Seconds that connecting, each write and each read may take.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: A number is out of range, or the URL is invalid.
        ImportError: redis-py is not installed; the text names the package to install.
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
        # A traceback may show local variables, and `url` may contain a password.
        del url
        if not isinstance(given.reveal(), str):
            message = f"url must be a str, not {type(given.reveal()).__name__}"
            raise TypeError(message)
        self._max_age = check_seconds("max_age", max_age)
        self._max_bytes = require_count(max_bytes, "max_bytes")
        timeout = check_seconds("timeout", timeout)
        with first_use("can't import redis"):
            is_missing = find_spec("redis") is None
        if is_missing:
            message = f"RedisStore needs redis: {install_command('redis')}"
            raise ImportError(message, name="redis")
        self._link = redis_link.Link(given, timeout)
        self._where = self._link.where

    def _slot(self, identity: str) -> _RedisSlot:
        return _RedisSlot(self._link, key_of(identity), self._max_age, self._max_bytes)

    def clear(self) -> int:
        """Remove the stored data of all bots.

        Returns:
            The number of snapshots that the store had.

        Raises:
            ConnectionError: Redis can't be reached, or refuses a command.
        """
        cursor: int | None = None
        found: set[bytes] = set()
        try:
            while cursor != 0:
                ((cursor, keys),) = self._link.run(
                    ("SCAN", cursor or 0, "MATCH", f"{_PREFIX}{{*}}:*", "COUNT", 1000)
                )
                found.update(key for key in keys if not key.endswith((b":lease", b":marks")))
            if found:
                self._link.run(("DEL", *found))
            return sum(key.endswith(b":head") for key in found)
        except StoreError as error:
            message = str(error)
        except not_by_signal(*_BROKEN):
            message = "Redis did not return a list of its keys"
        raise ConnectionError(message)

    def __reduce__(self) -> NoReturn:
        message = "a RedisStore can't be pickled or copied; make one in each process"
        raise TypeError(message)

    def __repr__(self) -> str:
        # If the URL is invalid, a traceback may show this object before `_where` is set.
        return f"RedisStore({getattr(self, '_where', '')!r})"


class _RedisSlot:
    def __init__(self, link: Link, key: str, max_age: float, max_bytes: int) -> None:
        self._link = link
        self._max_bytes = max_bytes
        self._age = math.ceil(max_age * 1000)
        # The text in braces puts all the keys into the same hash slot of Redis.
        (
            self._generation, self._head, self._body, self._failure,
            self._leased, self._marks, self._written,
        ) = (
            f"{_PREFIX}{{{key}}}:{name}"
            for name in ("generation", "head", "body", "failure", "lease", "marks", "written")
        )  # fmt: skip

    def status(self) -> SlotStatus:
        # Read the writes after the generation: a status with a new generation must have the write
        # that has replaced the old one. Read the time last. Otherwise, data that another process
        # stores between the two reads would seem to come from the future.
        failure, head, marked, generation, written, moment = self._link.run(
            ("GET", self._failure),
            ("HMGET", self._head, "body", "generation", "asked_at"),
            ("ZRANGE", self._marks, -1, -1, "WITHSCORES"),
            ("GET", self._generation),
            ("HMGET", self._written, "revision", "until"),
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
        doubt_until = self._parsed(_end_of, marked, self._marks)
        known = self._parsed(_written_of, written, self._written)
        seconds, microseconds = self._parsed(tuple, moment, self._generation)
        now = seconds + microseconds / 1_000_000
        if revision is not None and not 0 <= now - revision.asked_at < self._age / 1000:
            revision = None
        return SlotStatus(now, token, revision, failed, doubt_until, known)

    def load(self, revision: SlotRevision) -> StoredListing | None:
        (packed,) = self._link.run(
            ("EVAL", _LOAD, 2, self._head, self._body, revision.body, self._max_bytes)
        )
        return None if packed is None else self._parsed(unpack, packed, self._head, self._body)

    def save(
        self, listing: StoredListing, *, generation: str, asked_at: float, grace: float = 0.0
    ) -> SlotRevision | None:
        packed = pack(listing, self._max_bytes)
        revision = SlotRevision(new_token(), generation, asked_at)
        pieces = [packed[start : start + _PIECE] for start in range(0, len(packed), _PIECE)]
        number = "" if listing.revision is None else listing.revision
        (is_saved,) = self._link.run(
            (
                "EVAL", _SAVE, 4, self._head, self._body, self._failure, self._generation,
                revision.body, generation, asked_at, number, grace, self._age, *pieces,
            )
        )  # fmt: skip
        return None if is_saved is None else revision

    def mark_unchanged(self, revision: SlotRevision, *, asked_at: float) -> SlotRevision | None:
        (confirmed,) = self._link.run(
            (
                "EVAL", _CONFIRM, 4, self._head, self._body, self._generation, self._failure,
                revision.body, asked_at, self._age,
            )
        )  # fmt: skip
        if confirmed is None:
            return None
        self._parsed(int, confirmed, self._head, self._body)
        return evolve(revision, asked_at=asked_at)

    def fail(self, failure: Failure) -> None:
        self._link.run(("SET", self._failure, json.dumps(asdict(failure)), "PX", self._age))

    def bump_generation(
        self, *, ended: Collection[str] = (), revision: int | None = None, grace: float = 0.0
    ) -> str:
        generation, number = new_token(), "" if revision is None else revision
        self._link.run(
            (
                "EVAL", _RENEW, 4, self._generation, self._leased, self._marks, self._written,
                generation, 2 * self._age, number, grace, *ended,
            )
        )  # fmt: skip
        return generation

    def mark(self, write: str, seconds: float) -> None:
        lasts = 2 * self._age + math.ceil(seconds * 1000)
        values = write, seconds, lasts, MAX_DOUBT
        (answer,) = self._link.run(("EVAL", _MARK, 1, self._marks, *values))
        self._parsed(int, answer, self._marks)

    def unmark(self, writes: Collection[str]) -> None:
        self._link.run(("ZREM", self._marks, *writes))

    def take_lease(self, owner: str, seconds: float) -> bool:
        taken, left = self._link.run(
            ("SET", self._leased, owner, "NX", "PX", _milliseconds(seconds)),
            ("PTTL", self._leased),
        )
        if not taken and left == -1:  # a key without an expiry is not a lease of this package
            raise self._removed(self._leased)
        return bool(taken)

    def extend_lease(self, owner: str, seconds: float) -> bool:
        command = ("EVAL", _END_IN, 1, self._leased, owner, _milliseconds(seconds))
        return self._link.run(command) == [1]

    def release_lease(self, owner: str) -> None:
        self._link.run(("EVAL", _END_IN, 1, self._leased, owner, 0))

    def clear(self) -> None:
        self._link.run(("DEL", self._generation, self._head, self._body, self._failure))

    def _parsed(self, parse: Callable[[Any], T], answer: Any, *keys: str) -> T:
        with suppress(StoreError, *_BROKEN):
            return parse(answer)
        raise self._removed(*keys)

    def _removed(self, *keys: str) -> DamagedError:
        self._link.run(("DEL", *keys))
        return DamagedError(
            "the chats in Redis were damaged or not written by this package: removed"
        )


def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))


def _revision_of(answer: Any) -> SlotRevision | None:
    body, generation, asked_at = answer
    if body is generation is asked_at is None:
        return None
    return SlotRevision(body.decode(), generation.decode(), _finite(asked_at))


def _end_of(answer: Any) -> float:
    return _finite(answer[1]) if answer else -math.inf


def _written_of(answer: Any) -> Written | None:
    revision, until = answer
    return None if revision is until is None else Written(int(revision), _finite(until))


def _finite(text: bytes) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _failure_of(answer: Any) -> Failure | None:
    if answer is None:
        return None
    failure = Failure(**json.loads(answer))
    is_named = isinstance(failure.generation, str) and isinstance(failure.error, dict)
    if not is_named or not math.isfinite(failure.failed_at + failure.until):
        raise ValueError
    return failure

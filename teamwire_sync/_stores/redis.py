"""RedisStore: processes share the listing, also on several machines."""

from __future__ import annotations

import json
import math
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Callable, NoReturn, TypeVar

from attrs import asdict

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
from teamwire_sync._stores.codec import joined, pack, pack_changes, room_for_changes, unpack_parts

if TYPE_CHECKING:
    from collections.abc import Collection

    from teamwire_sync._stores import redis_link
    from teamwire_sync._stores.redis_link import Link
else:
    redis_link = LazyModule("teamwire_sync._stores.redis_link")

T = TypeVar("T")

# The prefix contains the version of the format, so a store never uses the data of another version.
_PREFIX = "teamwire_sync:3:"
_PIECE = 65_536
_DAMAGED = "the chats in Redis were damaged or not written by this package: removed"
_BROKEN = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)

# The parts of the listing are in one list, with six values each: the token, the generation and the
# time of the last request, the revision, the bytes that the log may still grow, and the chats.
# The scripts compare and act in one step on the server. Otherwise: process A reads a value; process
# B replaces the value; A acts on the old value.
_LOAD = """
if redis.call('LRANGE', KEYS[1], -6, -6)[1] ~= ARGV[1] then return false end
local known = ARGV[2] ~= '' and redis.call('LPOS', KEYS[1], ARGV[2], 'RANK', -1)
local parts, size = redis.call('LRANGE', KEYS[1], known and known + 6 or 0, -1), 0
for index = 6, #parts, 6 do size = size + #parts[index] end
if size > tonumber(ARGV[3]) then return 0 end
return parts
"""
# Another process may have changed the list since it was read. The start of a list is always a
# listing, so this removes too much at most.
_DROP = """
redis.call('LTRIM', KEYS[1], 0, -1 - 6 * ARGV[1])
redis.pcall('LSET', KEYS[1], -5, '')
"""
_NOW = """
local seconds, microseconds = unpack(redis.call('TIME'))
local now = seconds + microseconds / 1000000
"""
# Lua would round revisions of more than 53 bits.
_IS_LESS = """
local function is_less(one, other) return #one < #other or #one == #other and one < other end
"""
# The value is sent in pieces, because each piece has its own time-out. RPUSH is the first write,
# because Redis without memory refuses a script only at its first write.
_SAVE = (
    _NOW
    + _IS_LESS
    + """
local last = redis.pcall('LRANGE', KEYS[1], -6, -2)
local asked_at, listed, new = tonumber(last[3]) or 0, last[4] or '', ARGV[4]
local is_older, least = asked_at <= now, asked_at
if listed ~= '' and new ~= '' then is_older, least = is_less(new, listed), asked_at + ARGV[6] end
if is_older and tonumber(ARGV[3]) < least then return false end
if last.err then redis.call('DEL', KEYS[1]) end
local packed = table.concat(ARGV, '', 8)
redis.call('RPUSH', KEYS[1], ARGV[1], ARGV[2], ARGV[3], new, ARGV[5], packed)
redis.call('LTRIM', KEYS[1], -6, -1)
redis.call('DEL', KEYS[2])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('PEXPIRE', KEYS[3], 2 * ARGV[7])
return 1
"""
)
_EXTEND = """
local last = redis.call('LRANGE', KEYS[1], -6, -2)
if last[1] ~= ARGV[1] then return false end
if ARGV[6] then
    local packed = table.concat(ARGV, '', 7)
    local room = (tonumber(last[5]) or 0) - #packed
    if room < 0 then return false end
    redis.call('RPUSH', KEYS[1], ARGV[5], ARGV[2], ARGV[3], ARGV[6], room, packed)
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[3], 2 * ARGV[4])
redis.call('LSET', KEYS[1], -5, ARGV[2])
redis.call('LSET', KEYS[1], -4, ARGV[3])
return redis.call('DEL', KEYS[2])
"""
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
            return sum(key.endswith(b":parts") for key in found)
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
            self._generation, self._parts, self._failure, self._leased, self._marks,
            self._written,
        ) = (
            f"{_PREFIX}{{{key}}}:{name}"
            for name in ("generation", "parts", "failure", "lease", "marks", "written")
        )  # fmt: skip

    def status(self) -> SlotStatus:
        # Read the writes after the generation: a status with a new generation must have the write
        # that has replaced the old one. Read the time last. Otherwise, data that another process
        # stores between the two reads would seem to come from the future.
        failure, last, marked, generation, written, moment = self._link.run(
            ("GET", self._failure),
            ("LRANGE", self._parts, -6, -2),
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
        revision = self._parsed(_revision_of, last, self._parts)
        failed = self._parsed(_failure_of, failure, self._failure)
        doubt_until = self._parsed(_end_of, marked, self._marks)
        known = self._parsed(_written_of, written, self._written)
        seconds, microseconds = self._parsed(tuple, moment, self._generation)
        now = seconds + microseconds / 1_000_000
        if revision is not None and not 0 <= now - revision.asked_at < self._age / 1000:
            revision = None
        return SlotStatus(now, token, revision, failed, doubt_until, known)

    def load(self, revision: SlotRevision, known: str | None = None) -> StoredListing | None:
        values = revision.body, known or "", self._max_bytes
        (answer,) = self._link.run(("EVAL", _LOAD, 1, self._parts, *values))
        if answer in (None, []):
            return None
        rows = self._parsed(_rows_of, answer, self._parts)
        parts, problem = unpack_parts(rows, known)
        if problem:
            self._link.run(("EVAL", _DROP, 1, self._parts, len(rows) - len(parts)))
            raise DamagedError(_DAMAGED)
        return joined(parts)

    def save(
        self, listing: StoredListing, *, generation: str, asked_at: float, grace: float = 0.0
    ) -> SlotRevision | None:
        packed = pack(listing, self._max_bytes)
        revision = SlotRevision(new_token(), generation, asked_at)
        number, room = _text_of(listing.revision), room_for_changes(packed, self._max_bytes)
        (is_saved,) = self._link.run(
            (
                "EVAL", _SAVE, 3, self._parts, self._failure, self._generation, revision.body,
                generation, asked_at, number, room, grace, self._age, *_pieces(packed),
            )
        )  # fmt: skip
        return None if is_saved is None else revision

    def extend(
        self,
        base: SlotRevision,
        changes: StoredListing | None,
        *,
        generation: str,
        asked_at: float,
    ) -> SlotRevision | None:
        token, packed = pack_changes(changes, base, self._max_bytes)
        added = () if changes is None else (token, _text_of(changes.revision), *_pieces(packed))
        (answer,) = self._link.run(
            (
                "EVAL", _EXTEND, 3, self._parts, self._failure, self._generation, base.body,
                generation, asked_at, self._age, *added,
            )
        )  # fmt: skip
        if answer is None:
            return None
        self._parsed(int, answer, self._parts)
        return SlotRevision(token, generation, asked_at)

    def fail(self, failure: Failure) -> None:
        self._link.run(("SET", self._failure, json.dumps(asdict(failure)), "PX", self._age))

    def bump_generation(
        self, *, ended: Collection[str] = (), revision: int | None = None, grace: float = 0.0
    ) -> str:
        generation, number = new_token(), _text_of(revision)
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
        self._link.run(("DEL", self._generation, self._parts, self._failure))

    def _parsed(self, parse: Callable[[Any], T], answer: Any, *keys: str) -> T:
        with suppress(StoreError, *_BROKEN):
            return parse(answer)
        raise self._removed(*keys)

    def _removed(self, *keys: str) -> DamagedError:
        self._link.run(("DEL", *keys))
        return DamagedError(_DAMAGED)


def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))


def _pieces(packed: bytes) -> list[bytes]:
    return [packed[start : start + _PIECE] for start in range(0, len(packed), _PIECE)]


def _rows_of(answer: Any) -> list[tuple[str, bytes]]:
    tokens, packed = answer[::6], answer[5::6]
    if len(answer) != 6 * len(packed):
        raise ValueError
    return [(token.decode(), each) for token, each in zip(tokens, packed)]


def _text_of(revision: int | None) -> str:
    return "" if revision is None else str(revision)


def _revision_of(answer: Any) -> SlotRevision | None:
    if answer == []:
        return None
    body, generation, asked_at, _, _ = answer
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

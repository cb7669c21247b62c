"""RedisStore: the snapshot is shared by processes, on several machines too."""

from __future__ import annotations

import json
import math
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable, NoReturn

from teamwire_sync._cache.listing import SlotRevision
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
    from teamwire_sync._stores.redis_link import Link

_PREFIX = "teamwire_sync:"
_KEPT = ("generation", "head", "body", "failure")
_VERSION = b"1"
_FIELDS = ("version", "body", "generation", "asked_at")
_LONG = 10.0
_BROKEN = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)

# What the server has meanwhile decides, so it is the server that compares.
_LOAD = """
if redis.call('HGET', KEYS[1], 'body') ~= ARGV[1] then return false end
if redis.call('STRLEN', KEYS[2]) > tonumber(ARGV[2]) then return 0 end
return redis.call('GET', KEYS[2])
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
_EXTEND = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class RedisStore:
    """Keeps the chats in Redis, for all processes that use the same one.

    No method waits longer than twice *timeout*, but for two. One that moves a listing may take ten
    times *timeout* while the bytes keep coming, and `clear` takes as long as it takes to go through
    all the keys of the database. To find the address of a host takes as long as the system does.

    Args:
        url: Where Redis is: ``redis://``, ``rediss://`` or ``unix://``, with user, password,
            database and TLS options as redis-py takes them. Other options are left out.
        max_age: Seconds after which what is stored is gone.
        max_bytes: What the listing of a bot may have at most.
        timeout: Seconds that connecting, and each read, may take.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: A number is out of range, or the URL is bad.
        ImportError: There is no redis-py; the text says what to install.
    """

    # A rendering of the error of a bad URL shows this object, too.
    _where = ""

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
        self._link = _link(given, timeout)
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
        try:
            return self._clear()
        except StoreError as error:
            message = str(error)
        raise ConnectionError(message)

    def _clear(self) -> int:
        cleared, cursor = 0, b"0"
        while True:
            scan = ("SCAN", cursor, "MATCH", f"{_PREFIX}{{*}}:*", "COUNT", 1000)
            (answer,) = self._link.run(scan, until=self._link.until())
            try:
                cursor, keys = answer
                heads = [key for key in keys if key.endswith(b":head")]
                others = [
                    key for key in keys if key.endswith((b":generation", b":body", b":failure"))
                ]
            except _BROKEN:
                message = "Redis does not tell its keys"
                break
            removals = [("DEL", *some) for some in (heads, others) if some]
            removed = self._link.run(*removals, until=self._link.until())
            cleared += removed[0] if heads else 0
            if cursor == b"0":
                return cleared
        raise StoreError(message)

    def __reduce__(self) -> NoReturn:
        message = "a RedisStore can't be pickled or copied; make one in each process"
        raise TypeError(message)

    def __repr__(self) -> str:
        return f"RedisStore({self._where!r})"


def _link(url: Secret, timeout: float) -> Link:
    try:
        from teamwire_sync._stores.redis_link import Link  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "redis":
            raise
    else:
        return Link(url, timeout)
    message = "RedisStore needs redis: pip install 'teamwire_sync[redis]'"
    raise ImportError(message, name="redis")


class _RedisSlot:
    def __init__(self, link: Link, key: str, max_age: float, max_bytes: int) -> None:
        self._link = link
        self._max_age = max_age
        self._max_bytes = max_bytes
        self._age = math.ceil(max_age * 1000)
        # All in one slot; what is in braces decides.
        own = f"{_PREFIX}{{{key}}}:"
        self._generation, self._head, self._body, self._failure = (own + name for name in _KEPT)
        self._leased = own + "lease"

    def status(self) -> SlotStatus:
        until = self._link.until()
        # The time last: what others have stored meanwhile would be of the future.
        failure, status, generation, moment = self._link.run(
            ("GET", self._failure),
            ("HMGET", self._head, *_FIELDS),
            ("GET", self._generation),
            ("TIME",),
            until=until,
        )
        if generation is None:
            _, generation = self._link.run(
                ("SET", self._generation, new_token(), "NX", "PX", 2 * self._age),
                ("GET", self._generation),
                until=until,
            )
        parsed = {
            (): _parsed(_time_of, moment),
            (self._generation,): _parsed(_text_of, generation),
            (self._head, self._body): _parsed(_stamp_of, status),
            (self._failure,): _parsed(_failure_of, failure),
        }
        damaged = [key for keys, value in parsed.items() for key in keys if not value]
        if damaged:
            raise self._removed(damaged, until)
        if not parsed[()]:
            message = "Redis does not tell the time"
            raise StoreError(message)
        (now,), (token,), (revision,), (failed,) = parsed.values()
        if revision is not None and not 0 <= now - revision.asked_at < self._max_age:
            revision = None
        return SlotStatus(now, token, revision, failed)

    def load(self, revision: SlotRevision) -> StoredListing | None:
        until = self._link.until(_LONG)
        keys = [self._head, self._body]
        (packed,) = self._link.run(
            ("EVAL", _LOAD, 2, *keys, revision.body, self._max_bytes), until=until
        )
        if packed is None:
            return None
        if isinstance(packed, bytes):
            with suppress(StoreError):
                return unpack(packed)
        raise self._removed(keys, until)

    def save(self, contents: StoredListing, *, generation: str, asked_at: float) -> SlotRevision:
        packed = pack(contents)
        if len(packed) > self._max_bytes:
            message = (
                f"the chats have {len(packed):,} bytes, more than max_bytes ({self._max_bytes:,})"
            )
            raise StoreError(message)
        revision = SlotRevision(new_token(), generation, asked_at)
        values = (_VERSION, revision.body, generation, repr(float(asked_at)))
        fields = [part for field in zip(_FIELDS, values) for part in field]
        self._link.run(
            ("DEL", self._head, self._failure),
            ("HSET", self._head, *fields),
            ("PEXPIRE", self._head, self._age),
            ("SET", self._body, packed, "PX", self._age),
            ("PEXPIRE", self._generation, 2 * self._age),
            until=self._link.until(_LONG),
            atomic=True,
        )
        return revision

    def mark_unchanged(self, revision: SlotRevision, *, asked_at: float) -> SlotRevision | None:
        until = self._link.until()
        keys = (self._head, self._body, self._generation, self._failure)
        arguments = (revision.body, repr(float(asked_at)), self._age)
        (generation,) = self._link.run(
            ("EVAL", _CONFIRM, len(keys), *keys, *arguments), until=until
        )
        if generation is None:
            return None
        with suppress(*_BROKEN):
            return SlotRevision(revision.body, _text_of(generation), asked_at)
        raise self._removed([self._head, self._body], until)

    def fail(self, failure: Failure) -> None:
        document = {
            "version": int(_VERSION),
            "generation": failure.generation,
            "failed_at": failure.failed_at,
            "until": failure.until,
            "error": dict(failure.error),
        }
        self._link.run(
            ("SET", self._failure, json.dumps(document), "PX", self._age),
            until=self._link.until(),
        )

    def bump_generation(self) -> str:
        generation = new_token()
        # Where there is no memory left for the new one, the old one is gone nevertheless.
        self._link.run(
            ("DEL", self._generation),
            ("SET", self._generation, generation, "PX", 2 * self._age),
            ("DEL", self._leased),
            until=self._link.until(),
        )
        return generation

    def lease(self, seconds: float) -> Lease | None:
        until = self._link.until()
        owner, ends_in = new_token(), max(1, math.ceil(seconds * 1000))
        taken, left = self._link.run(
            ("SET", self._leased, owner, "NX", "PX", ends_in),
            ("PTTL", self._leased),
            until=until,
        )
        if taken is not None:
            return _RedisLease(self._link, self._leased, owner, ends_in)
        if left == -1:  # it would never end, so it is no lease
            raise self._removed([self._leased], until)
        return None

    def clear(self) -> None:
        keys = (self._generation, self._head, self._body, self._failure)
        self._link.run(("DEL", *keys), until=self._link.until())

    def _removed(self, keys: list[str], until: float) -> DamagedError:
        self._link.run(("DEL", *keys), until=until)
        return DamagedError("what Redis had for the chats was damaged or not ours, and is removed")


class _RedisLease:
    def __init__(self, link: Link, key: str, owner: str, ends_in: int) -> None:
        self._link = link
        self._key = key
        self._owner = owner
        self._ends_in = ends_in
        # It is the parent's after a fork.
        self._pid = os.getpid()

    def extend(self) -> bool:
        return self._ask(_EXTEND, self._ends_in)

    def release(self) -> None:
        self._ask(_RELEASE)

    def _ask(self, script: str, *arguments: int) -> bool:
        if os.getpid() != self._pid:
            return False
        command = ("EVAL", script, 1, self._key, self._owner, *arguments)
        (done,) = self._link.run(command, until=self._link.until())
        return bool(done == 1)


def _parsed(parse: Callable[[Any], Any], answer: Any) -> tuple[Any, ...]:
    with suppress(*_BROKEN):
        return (parse(answer),)
    return ()


def _time_of(answer: Any) -> float:
    seconds, microseconds = answer
    return int(seconds) + int(microseconds) / 1_000_000


def _text_of(answer: Any) -> str:
    return str(answer, "ascii")


def _stamp_of(answer: Any) -> SlotRevision | None:
    version, body, generation, asked_at = answer
    if version is body is generation is asked_at is None:
        return None
    _require(version == _VERSION)
    return SlotRevision(_text_of(body), _text_of(generation), _finite(float(asked_at)))


def _failure_of(answer: Any) -> Failure | None:
    if answer is None:
        return None
    document = json.loads(answer)
    _require(document["version"] == int(_VERSION))
    generation, error = document["generation"], document["error"]
    _require(isinstance(generation, str) and isinstance(error, dict))
    failed_at, until = _finite(document["failed_at"]), _finite(document["until"])
    return Failure(generation, failed_at, until, error)


def _finite(value: float) -> float:
    _require(math.isfinite(value))
    return value


def _require(right: bool) -> None:
    if not right:
        raise ValueError

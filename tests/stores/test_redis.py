"""RedisStore: its arguments, what a user of Redis may do, and what others store there."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._stores.base import DamagedError, StoreError
from teamwire_sync._stores.redis import RedisStore
from tests.support.leaks import assert_no_secret, leak_in
from tests.support.redis_calls import KEY, PASSWORD, call, each_call, failure, slot_at
from tests.support.store_listings import confirm, contents, save, slot_in, take_lease, titles
from tests.support.tables import instead_of, unlike
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.support.redis_process import RedisProcess

# The least that a user needs, as the documentation has it.
ACL = (
    "resetkeys", "~teamwire_sync:*", "-@all", "+get", "+set", "+del", "+hset", "+hmget", "+lrange",
    "+rpush", "+lset", "+ltrim", "+lpos", "+pexpire", "+pttl", "+time", "+eval", "+zadd", "+zrem",
    "+zrange", "+zcount", "+zremrangebyrank", "+scan",
)  # fmt: skip


def hides_the_password(error: BaseException) -> None:
    assert_no_secret(error, PASSWORD, in_locals=False)


class TestArguments:
    @pytest.mark.parametrize("url", [None, b"redis://", 6379])
    def test_a_url_of_another_type(self, url: Any) -> None:
        with pytest.raises(TypeError, match=r"^url must be a str, not "):
            RedisStore(url)

    def test_a_bad_url_is_not_repeated(self) -> None:
        urls = (
            "",
            "127.0.0.1:6379",
            f"http://:{PASSWORD}@host",
            f"redis://:{PASSWORD}@host:port",
            f"redis://:{PASSWORD}@host:65536",
            f"redis://:{PASSWORD}@host/first",
            f"redis://:{PASSWORD}@host?db=first",
            f"redis://:{PASSWORD}@[host",
            f"redis://:{PASSWORD}@ho\nst",
            f"redis://:12/{PASSWORD}@host",
            f"redis://:12?{PASSWORD}@host",
            f"redis://:12?a={PASSWORD}@host",
            f"redis://:12#{PASSWORD}@host",
            f"rediss://:{PASSWORD}@host?ssl_cert_reqs=perhaps",
            f"rediss://:{PASSWORD}@host?ssl_ca_cert=ca.pem",
            f"rediss://:{PASSWORD}@host?ssl_validate_ocsp=true",
            f"unix://:{PASSWORD}@",
        )
        rows = [(url, ValueError, r"^url must be like redis://") for url in urls]

        assert unlike(RedisStore, rows, hides_the_password) == []

    @pytest.mark.parametrize("name", ["max_age", "max_bytes", "timeout"])
    @pytest.mark.parametrize(("value", "error"), [(0, ValueError), ("1", TypeError)])
    def test_a_number_out_of_range(self, name: str, value: Any, error: type[Exception]) -> None:
        with pytest.raises(error, match=f"^{name} must be "):
            RedisStore("redis://", **{name: value})

    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("redis://", "redis://localhost:6379/0"),
            (f"redis://bot:{PASSWORD}@host:1234/5", "redis://host:1234/5"),
            (f"rediss://:{PASSWORD}@[::1]/?db=2&ssl_cert_reqs=none", "rediss://[::1]:6379/2"),
            (f"unix:///run/r.sock?db=3&password={PASSWORD}", "unix:///run/r.sock?db=3"),
            (f"redis://host?socket_timeout=1000&password={PASSWORD}", "redis://host:6379/0"),
        ],
    )
    def test_its_repr_tells_where_it_is(self, url: str, shown: str) -> None:
        assert repr(RedisStore(url)) == f"RedisStore({shown!r})"

    def test_it_is_not_pickled(self) -> None:
        with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
            pickle.dumps(RedisStore(f"redis://:{PASSWORD}@host"))

    def test_without_redis_the_error_says_what_to_install(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delitem(sys.modules, "teamwire_sync._stores.redis_link", raising=False)
        monkeypatch.setitem(sys.modules, "redis", None)
        text = r'^RedisStore needs redis: pip install "redis>=5\.1"$'
        with pytest.raises(ImportError, match=text) as caught:
            RedisStore("redis://")

        assert caught.value.name == "redis"

    def test_the_import_of_the_module_needs_no_redis(self) -> None:
        code = "import teamwire_sync._stores.redis, sys; print('redis' in sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )

        assert done.stdout == "False\n"


class TestPermissions:
    @pytest.fixture
    def url(self, own_redis: RedisProcess) -> str:
        own_redis.run("ACL", "SETUSER", "bot", "on", f">{PASSWORD}", *ACL)
        return own_redis.url.replace("unix://", f"unix://bot:{PASSWORD}@")

    @each_call
    def test_each_call_needs_no_more_than_these(self, name: str, url: str) -> None:
        call(name, url)

    def test_damage_is_removed_with_these(self, url: str, own_redis: RedisProcess) -> None:
        own_redis.run("SET", KEY + "parts", "x")
        with pytest.raises(DamagedError):
            slot_at(url).status()

        assert own_redis.run("KEYS", "*") == [(KEY + "generation").encode()]

    def test_each_of_these_is_needed(self, url: str, own_redis: RedisProcess) -> None:
        def use_all() -> None:
            slot = slot_at(url)
            revision = save(slot, "a")
            slot.load(revision, "known")
            slot.bump_generation(revision=9, grace=30)
            confirm(slot, revision, asked_at=revision.asked_at)
            lease = take_lease(slot, 60)
            assert lease is not None
            lease.extend()
            slot.mark("w1", 90)
            slot.unmark(["w1"])
            RedisStore(url, timeout=PATIENCE).clear()

        wrong = {}
        # StoreError, and of clear() ConnectionError.
        kinds: Any = (StoreError, ConnectionError)
        for right in (name[1:] for name in ACL if name.startswith("+")):
            own_redis.run("ACL", "SETUSER", "bot", f"-{right}")
            said = instead_of(kinds, r"its ACL forbids this|it refuses", use_all)
            own_redis.run("ACL", "SETUSER", "bot", f"+{right}")
            own_redis.run("FLUSHALL")
            if said is not None:
                wrong[right] = said

        assert wrong == {}
        use_all()

    def test_other_keys_are_not_touched(self, own_redis: RedisProcess) -> None:
        own_redis.run("SET", "teamwire_sync_other", "x")
        own_redis.run("SET", "teamwire_sync:other", "x")
        RedisStore(own_redis.url).clear()

        assert own_redis.run("DBSIZE") == 2

    @pytest.mark.parametrize("user", ["bot", "", "nobody"])
    def test_a_wrong_password_is_not_repeated(
        self, user: str, url: str, own_redis: RedisProcess
    ) -> None:
        own_redis.run("ACL", "SETUSER", "default", ">another")
        wrong = f"unix://{user}:Wr0ng-{PASSWORD}@{own_redis.path}"
        with pytest.raises(StoreError, match=r"it refuses the user or the password$") as caught:
            slot_at(wrong).status()

        assert_no_secret(caught.value, PASSWORD, in_locals=False)
        assert_no_secret(caught.value, "Wr0ng-", in_locals=False)

    def test_its_attributes_do_not_show_the_password(self, url: str) -> None:
        store = RedisStore(url, timeout=PATIENCE)
        slot_in(store).status()
        shown = [repr(each) for each in (vars(store), vars(store._link), store._link._free)]

        assert [leak_in(text, PASSWORD) for text in shown] == [None] * 3


class TestMemory:
    @pytest.fixture
    def full(self, own_redis: RedisProcess) -> RedisProcess:
        save(slot_at(own_redis.url), "old")
        slot_at(own_redis.url).fail(failure())
        own_redis.run("CONFIG", "SET", "maxmemory", "1")
        return own_redis

    def test_where_there_is_none_left_a_save_changes_nothing(self, full: RedisProcess) -> None:
        slot = slot_at(full.url)
        status = slot.status()
        with pytest.raises(StoreError, match=r"it has no memory left$"):
            slot.save(contents("new"), generation=status.generation, asked_at=status.now)
        after = slot.status()

        assert (after.revision, after.generation) == (status.revision, status.generation)
        assert after.failure is not None
        assert after.revision is not None
        assert titles(slot, after.revision) == ["old"]

    def test_without_free_memory_a_generation_is_replaced(self, full: RedisProcess) -> None:
        slot = slot_at(full.url)
        generation = slot.status().generation
        renewed = slot.bump_generation()

        assert slot.status().generation == renewed != generation

    def test_without_free_memory_a_mark_is_added(self, full: RedisProcess) -> None:
        slot = slot_at(full.url)
        slot.mark("w1", 90)

        assert slot.status().doubt_until > slot.status().now

    def test_a_body_that_redis_evicted_is_not_there(self, redis_server: RedisProcess) -> None:
        slot = slot_at(redis_server.url)
        revision = save(slot, "a")
        redis_server.run("DEL", KEY + "parts")

        assert slot.load(revision) is None
        assert confirm(slot, revision, asked_at=revision.asked_at) is None

    def test_a_generation_that_redis_evicted_does_not_come_again(
        self, redis_server: RedisProcess
    ) -> None:
        slot = slot_at(redis_server.url)
        revision = save(slot, "a")
        redis_server.run("DEL", KEY + "generation")

        assert slot.status().generation != revision.generation

    def test_a_listing_that_is_too_large_is_not_stored(self, redis_server: RedisProcess) -> None:
        with pytest.raises(StoreError, match=r"more than max_bytes \(100\)$"):
            save(slot_at(redis_server.url, max_bytes=100), "a" * 100)

        assert redis_server.run("EXISTS", KEY + "parts") == 0

    def test_one_that_is_too_large_is_not_loaded(self, redis_server: RedisProcess) -> None:
        revision = save(slot_at(redis_server.url), "a" * 100)
        with pytest.raises(DamagedError):
            slot_at(redis_server.url, max_bytes=100).load(revision)

        assert redis_server.run("EXISTS", KEY + "parts") == 0

    def test_all_that_is_stored_ends(self, redis_server: RedisProcess) -> None:
        hour = 3600
        slot = slot_at(redis_server.url, max_age=10 * hour)
        revision = save(slot, "a")
        confirm(slot, revision, asked_at=revision.asked_at)
        slot.fail(failure())
        take_lease(slot, 6 * hour)
        left = {
            key.decode()[len(KEY) :]: round(redis_server.run("PTTL", key) / 1000 / hour)
            for key in redis_server.run("KEYS", "*")
        }

        assert left == {"generation": 20, "parts": 10, "failure": 10, "lease": 6}

    @pytest.mark.parametrize("call", ["save", "bump_generation", "extend"])
    def test_the_generation_outlives_the_listing(
        self, call: str, redis_server: RedisProcess
    ) -> None:
        slot = slot_at(redis_server.url)
        revision = save(slot, "a")
        redis_server.run("PEXPIRE", KEY + "generation", 60_000)
        {
            "save": lambda: save(slot, "b"),
            "bump_generation": slot.bump_generation,
            "extend": lambda: confirm(slot, revision, asked_at=revision.asked_at),
        }[call]()

        left = redis_server.run("PTTL", KEY + "generation")
        assert left > redis_server.run("PTTL", KEY + "parts")


class TestVersions:
    @pytest.mark.parametrize("version", ["1:", "2:", "0:", "10:", ""])
    def test_what_another_one_stored_is_left_alone(
        self, version: str, redis_server: RedisProcess
    ) -> None:
        theirs = {}
        for name in ("generation", "parts", "head", "body", "failure", "lease"):
            key = KEY.replace(":3:", f":{version}") + name
            redis_server.run("SET", key, f"the {name} of another version")
            theirs[key] = f"the {name} of another version".encode()
        slot = slot_at(redis_server.url)
        status = slot.status()
        revision = save(slot, "a")
        confirm(slot, revision, asked_at=revision.asked_at)
        slot.fail(failure())
        lease = take_lease(slot, 60)
        slot.bump_generation()
        slot.clear()
        save(slot, "b")
        cleared = RedisStore(redis_server.url, timeout=PATIENCE).clear()

        assert (status.revision, status.failure, cleared) == (None, None, 1)
        assert lease is not None
        assert {key: redis_server.run("GET", key) for key in theirs} == theirs


def _parts(**values: str) -> tuple[str, ...]:
    right = {"token": "0" * 32, "generation": "g", "asked_at": "1.0", "listed": "", "room": "9"}
    return "RPUSH", "parts", *{**right, **values}.values(), "the chats"


DAMAGED_PARTS = [
    ("SET", "parts", "x"),
    ("HSET", "parts", "x", "y"),
    ("RPUSH", "parts", "x", "y"),
    _parts(asked_at="soon"),
    _parts(asked_at="nan"),
    _parts(generation="\xff"),
]
DAMAGED_FAILURES = [
    ("HSET", "failure", "x", "y"),
    ("SET", "failure", "x"),
    ("SET", "failure", "[" * 100_000),
    ("SET", "failure", "[]"),
    ("SET", "failure", '{"generation":"g"}'),
    ("SET", "failure", '{"generation":"g","failed_at":1,"until":NaN,"error":{}}'),
    ("SET", "failure", '{"generation":"g","failed_at":1,"until":"x","error":{}}'),
    ("SET", "failure", '{"generation":7,"failed_at":1,"until":2,"error":{}}'),
    ("SET", "failure", '{"generation":"g","failed_at":1,"until":2,"error":[]}'),
]
DAMAGED_GENERATIONS = [("HSET", "generation", "x", "y"), ("SET", "generation", "\xff")]


class TestDamage:
    def test_a_look_removes_it_and_says_so_once(self, redis_server: RedisProcess) -> None:
        slot, wrong = slot_at(redis_server.url), {}
        for command in DAMAGED_PARTS + DAMAGED_FAILURES + DAMAGED_GENERATIONS:
            redis_server.run("FLUSHALL")
            self.spoil(redis_server, *command)
            said = instead_of(DamagedError, r" by this package: removed$", slot.status)
            status = slot.status()
            if (said, status.revision, status.failure) != (None, None, None):
                wrong[str(command)[:80]] = said, status

        assert wrong == {}

    def test_the_listing_stays(self, redis_server: RedisProcess) -> None:
        slot, wrong = slot_at(redis_server.url), {}
        for command in DAMAGED_FAILURES + DAMAGED_GENERATIONS:
            revision = save(slot, "a")
            self.spoil(redis_server, *command)
            said = instead_of(DamagedError, "", slot.status)
            if (said, titles(slot, revision)) != (None, ["a"]):
                wrong[str(command)[:80]] = said

        assert wrong == {}

    @pytest.mark.parametrize(
        "command",
        [("SET", "parts", "x"), ("HSET", "parts", "x", "y")],
    )
    def test_a_load_removes_it_and_says_so_once(
        self, command: tuple[str, ...], redis_server: RedisProcess
    ) -> None:
        slot = slot_at(redis_server.url)
        revision = save(slot, "a")
        self.spoil(redis_server, *command)
        with pytest.raises(DamagedError) as caught:
            slot.load(revision)

        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
        assert slot.load(revision) is None
        assert slot.status().revision is None

    def test_a_load_removes_a_list_of_another_length(self, redis_server: RedisProcess) -> None:
        slot = slot_at(redis_server.url)
        revision = save(slot, "a")
        redis_server.run("LPUSH", KEY + "parts", "x")
        with pytest.raises(DamagedError):
            slot.load(revision)

        assert slot.status().revision is None

    def test_to_confirm_it_removes_it_and_says_so_once(self, redis_server: RedisProcess) -> None:
        slot = slot_at(redis_server.url)
        revision = save(slot, "a")
        self.spoil(redis_server, "SET", "parts", "x")
        with pytest.raises(DamagedError):
            confirm(slot, revision, asked_at=1.0)

        assert confirm(slot, revision, asked_at=1.0) is None

    @pytest.mark.parametrize("command", [("SET", "lease", "x"), ("RPUSH", "lease", "x")])
    def test_a_lease_without_an_end_is_none(
        self, command: tuple[str, ...], redis_server: RedisProcess
    ) -> None:
        slot = slot_at(redis_server.url)
        self.spoil(redis_server, *command)
        with pytest.raises(DamagedError):
            take_lease(slot, 60)

        assert take_lease(slot, 60) is not None

    @pytest.mark.parametrize("command", DAMAGED_PARTS)
    def test_a_listing_takes_its_place(
        self, command: tuple[str, ...], redis_server: RedisProcess
    ) -> None:
        slot = slot_at(redis_server.url)
        generation = slot.status().generation
        self.spoil(redis_server, *command)
        revision = slot.save(contents("a"), generation=generation, asked_at=1.0)

        assert titles(slot, revision) == ["a"]

    def spoil(self, server: RedisProcess, command: str, name: str, *arguments: str) -> None:
        server.run("DEL", KEY + name)
        server.run(command, KEY + name, *(each.encode("latin-1") for each in arguments))

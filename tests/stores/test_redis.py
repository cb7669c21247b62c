"""RedisStore: what only it can meet."""

from __future__ import annotations

import gc
import pickle
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Callable

import pytest
import trustme

from teamwire_sync._stores.base import DamagedError, Failure, StoreError, key_of
from teamwire_sync._stores.redis import RedisStore
from tests.leaks import assert_no_secret, leak_in
from tests.raw_server import RawServer, bytewise, repeated
from tests.stores.conftest import IDENTITY
from tests.stores.redis_process import RedisProcess
from tests.stores.test_place import contents, save, titles
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync._stores.base import Place
    from tests.raw_server import Peer

PASSWORD = "Tr0ub4dor-and-3"
KEY = f"teamwire_sync:{{{key_of(IDENTITY)}}}:"
# The least that a user needs, as the documentation has it.
ACL = (
    "resetkeys", "~teamwire_sync:*", "-@all", "+get", "+set", "+del", "+hset", "+hmget", "+hget",
    "+strlen", "+pexpire", "+pttl", "+time", "+eval", "+multi", "+exec", "+scan",
)  # fmt: skip
TIMEOUT = 0.3


def place_at(url: str, **options: Any) -> Place:
    found: Place = RedisStore(url, **{"timeout": PATIENCE, **options})._place(IDENTITY)
    return found


def failure() -> Failure:
    return Failure("g", 1.0, 2.0, {"type": "TWServerError"})


def calls(url: str, timeout: float = TIMEOUT) -> dict[str, Callable[[], object]]:
    """Each method that asks Redis, and has not yet."""
    store = RedisStore(url, timeout=timeout)
    place = store._place(IDENTITY)
    stamp = _Stamp()
    return {
        "look": place.look,
        "load": lambda: place.load(stamp),  # type: ignore[arg-type]
        "save": lambda: place.save(contents("a"), generation="g", asked_at=1.0),
        "confirm": lambda: place.confirm(stamp, asked_at=1.0),  # type: ignore[arg-type]
        "fail": lambda: place.fail(failure()),
        "renew": place.renew,
        "lease": lambda: place.lease(60),
        "clear": place.clear,
        "clear all": store.clear,
    }


class _Stamp:
    body = "0" * 32


each_call = pytest.mark.parametrize("call", list(calls("redis://")))


class TestArguments:
    @pytest.mark.parametrize("url", [None, b"redis://", 6379])
    def test_a_url_of_another_type(self, url: Any) -> None:
        with pytest.raises(TypeError, match=r"^url must be a str, not "):
            RedisStore(url)

    @pytest.mark.parametrize(
        "url",
        [
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
        ],
    )
    def test_a_bad_url_is_not_repeated(self, url: str) -> None:
        with pytest.raises(ValueError, match=r"^url must be such as redis://") as caught:
            RedisStore(url)

        assert_no_secret(caught.value, PASSWORD, in_locals=False)

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
        monkeypatch.delitem(sys.modules, "teamwire_sync._stores.redis_link")
        monkeypatch.setitem(sys.modules, "redis", None)
        text = r"^RedisStore needs redis: pip install 'teamwire_sync\[redis\]'$"
        with pytest.raises(ImportError, match=text) as caught:
            RedisStore("redis://")

        assert caught.value.name == "redis"

    def test_the_import_of_the_module_needs_no_redis(self) -> None:
        code = "import teamwire_sync._stores.redis, sys; print('redis' in sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )

        assert done.stdout == "False\n"


class TestAway:
    @pytest.fixture
    def url(self) -> str:
        # Nobody connects from here, so that no connection has the port by chance.
        with socket.create_server(("127.0.0.2", 0)) as unused:
            return f"redis://bot:{PASSWORD}@127.0.0.2:{unused.getsockname()[1]}"

    @each_call
    def test_each_call_says_so(self, call: str, url: str) -> None:
        with pytest.raises((StoreError, OSError), match=r"127.0.0.2.*[Rr]efused") as caught:
            calls(url)[call]()

        assert isinstance(caught.value, OSError) == (call == "clear all")
        assert_no_secret(caught.value, PASSWORD, in_locals=False)

    def test_killed_and_started_again_it_is_used_again(self, own_redis: RedisProcess) -> None:
        place = place_at(own_redis.url)
        save(place, "a")
        own_redis.kill()
        with pytest.raises(StoreError):
            place.look()
        own_redis.start()

        assert place.look().stamp is None
        assert titles(place, save(place, "b")) == ["b"]

    def test_started_again_in_between_it_is_not_missed(self, own_redis: RedisProcess) -> None:
        place = place_at(own_redis.url)
        place.look()
        own_redis.kill()
        own_redis.start()

        assert place.look().stamp is None

    def test_a_connection_that_redis_closed_is_not_missed(self, own_redis: RedisProcess) -> None:
        place = place_at(own_redis.url)
        generation = place.look().generation
        own_redis.run("CLIENT", "KILL", "SKIPME", "yes")

        assert place.look().generation == generation


class TestSlow:
    @pytest.fixture
    def frozen(self, own_redis: RedisProcess) -> Iterator[RedisProcess]:
        own_redis.freeze()
        yield own_redis
        own_redis.go_on()

    @each_call
    def test_a_frozen_server_is_not_waited_for(self, call: str, frozen: RedisProcess) -> None:
        started = time.monotonic()
        with pytest.raises((StoreError, OSError), match="no answer in time"):
            calls(frozen.url)[call]()

        assert time.monotonic() - started < 2 * TIMEOUT + 1

    def test_a_server_that_freezes_is_not_waited_for(self, own_redis: RedisProcess) -> None:
        place = place_at(own_redis.url, timeout=TIMEOUT)
        generation = place.look().generation
        own_redis.freeze()
        started = time.monotonic()
        with pytest.raises(StoreError, match="no answer in time"):
            place.look()

        assert time.monotonic() - started < 2 * TIMEOUT + 1
        own_redis.go_on()
        assert place.look().generation == generation

    @each_call
    def test_a_server_that_drips_is_not_waited_for(self, call: str) -> None:
        times = 10 if call in {"load", "save"} else 2
        with RawServer(lambda peer: peer.drip(repeated(b"+"))) as server:
            started = time.monotonic()
            with pytest.raises((StoreError, OSError), match="no answer in time"):
                calls(f"redis://127.0.0.1:{server.port}", timeout=0.1)[call]()

            assert time.monotonic() - started < times * 0.1 + 1

    def test_an_answer_to_one_is_not_read_by_the_next(self, own_redis: RedisProcess) -> None:
        place = place_at(own_redis.url, timeout=TIMEOUT)
        stamp = save(place, "a")
        own_redis.freeze()
        with pytest.raises(StoreError):
            place.load(stamp)
        own_redis.go_on()

        assert place.look().stamp == stamp

    def test_an_answer_that_ctrl_c_cut_off_is_not_read_by_the_next(
        self, redis_server: RedisProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from teamwire_sync._stores import redis_link  # noqa: PLC0415  it may not be imported before

        place = place_at(redis_server.url)
        stamp = save(place, "a")

        def interrupt(_connection: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(redis_link, "_answer", interrupt)
            with pytest.raises(KeyboardInterrupt):
                place.load(stamp)

        assert place.look().stamp == stamp


class TestStrangeAnswers:
    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"$three\r\nabc\r\n",
            b":one\r\n",
            b"*1\r\n" * 5000,
            b"-MOVED\r\n" * 8,
            b"-MOVED 1 10.0.0.1:6379\r\n" * 8,
            b"-CLUSTERDOWN " + PASSWORD.encode() + b"\r\n",
            b"-ERR unknown command, with args beginning with: " + PASSWORD.encode() + b"\r\n",
            b"-" + PASSWORD.encode() + b"\r\n",
            b"-LOADING " + PASSWORD.encode() + b"\r\n",
            b"-NOAUTH " + PASSWORD.encode() + b"\r\n",
            b"",
            b"+\xff\r\n" * 8,
            b"$-1\r\n" * 8,
            b"*0\r\n" * 8,
        ],
    )
    @pytest.mark.parametrize("greeted", [True, False])
    def test_they_are_a_store_error_that_does_not_repeat_them(
        self, answer: bytes, greeted: bool
    ) -> None:
        def serve(peer: Peer) -> None:
            # To the password, and to the name and version of the library.
            peer.send(b"+OK\r\n" * 3 * greeted + answer)
            peer.pause(PATIENCE)

        with RawServer(serve) as server, pytest.raises(StoreError) as caught:
            calls(f"redis://:{PASSWORD}@127.0.0.1:{server.port}")["look"]()

        assert str(caught.value).isprintable()
        assert_no_secret(caught.value, PASSWORD, in_locals=False)

    def test_an_answer_in_many_pieces_is_read(self) -> None:
        nothing = b"$-1\r\n"
        answers = nothing + b"*4\r\n" + nothing * 4 + b"$1\r\ng\r\n" + b"*2\r\n:5\r\n:0\r\n"

        def serve(peer: Peer) -> None:
            peer.send(b"+OK\r\n" * 2)
            peer.drip(bytewise(answers))
            peer.pause(PATIENCE)

        with RawServer(serve) as server:
            head = place_at(f"redis://127.0.0.1:{server.port}").look()

        assert (head.now, head.generation) == (5.0, "g")


class TestPermissions:
    @pytest.fixture
    def url(self, own_redis: RedisProcess) -> str:
        own_redis.run("ACL", "SETUSER", "bot", "on", f">{PASSWORD}", *ACL)
        return own_redis.url.replace("unix://", f"unix://bot:{PASSWORD}@")

    @each_call
    def test_each_call_needs_no_more_than_these(self, call: str, url: str) -> None:
        calls(url, timeout=PATIENCE)[call]()

    def test_damage_is_removed_with_these(self, url: str, own_redis: RedisProcess) -> None:
        own_redis.run("SET", KEY + "head", "x")
        with pytest.raises(DamagedError):
            place_at(url).look()

        assert own_redis.run("KEYS", "*") == [(KEY + "generation").encode()]

    @pytest.mark.parametrize("missing", [name for name in ACL if name.startswith("+")])
    def test_each_of_these_is_needed(self, missing: str, url: str, own_redis: RedisProcess) -> None:
        own_redis.run("ACL", "SETUSER", "bot", f"-{missing[1:]}")
        place = place_at(url)

        def use_all() -> None:
            stamp = save(place, "a")
            place.load(stamp)
            place.confirm(stamp, asked_at=stamp.asked_at)
            lease = place.lease(60)
            assert lease is not None
            lease.extend()
            RedisStore(url)._clear()

        with pytest.raises(StoreError, match=r"its ACL forbids this|it refuses"):
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
            place_at(wrong).look()

        assert_no_secret(caught.value, PASSWORD, in_locals=False)
        assert_no_secret(caught.value, "Wr0ng-", in_locals=False)

    def test_its_attributes_do_not_show_the_password(self, url: str) -> None:
        store = RedisStore(url, timeout=PATIENCE)
        store._place(IDENTITY).look()
        shown = [repr(each) for each in (vars(store), vars(store._link), store._link._free)]

        assert [leak_in(text, PASSWORD) for text in shown] == [None] * 3


class TestMemory:
    @pytest.fixture
    def full(self, own_redis: RedisProcess) -> RedisProcess:
        save(place_at(own_redis.url), "old")
        place_at(own_redis.url).fail(failure())
        own_redis.run("CONFIG", "SET", "maxmemory", "1")
        return own_redis

    def test_where_there_is_none_left_a_save_changes_nothing(self, full: RedisProcess) -> None:
        place = place_at(full.url)
        head = place.look()
        with pytest.raises(StoreError, match=r"it has no memory left$"):
            place.save(contents("new"), generation=head.generation, asked_at=head.now)
        after = place.look()

        assert (after.stamp, after.generation) == (head.stamp, head.generation)
        assert after.failure is not None
        assert after.stamp is not None
        assert titles(place, after.stamp) == ["old"]

    def test_where_there_is_none_left_the_old_generation_ends(self, full: RedisProcess) -> None:
        place = place_at(full.url)
        generation = place.look().generation
        with pytest.raises(StoreError, match=r"it has no memory left$"):
            place.renew()
        full.run("CONFIG", "SET", "maxmemory", "0")

        assert place.look().generation != generation

    def test_a_body_that_redis_evicted_is_not_there(self, redis_server: RedisProcess) -> None:
        place = place_at(redis_server.url)
        stamp = save(place, "a")
        redis_server.run("DEL", KEY + "body")

        assert place.load(stamp) is None
        assert place.confirm(stamp, asked_at=stamp.asked_at) is None

    def test_a_generation_that_redis_evicted_does_not_come_again(
        self, redis_server: RedisProcess
    ) -> None:
        place = place_at(redis_server.url)
        stamp = save(place, "a")
        redis_server.run("DEL", KEY + "generation")

        assert place.look().generation != stamp.generation

    def test_a_listing_that_is_too_large_is_not_stored(self, redis_server: RedisProcess) -> None:
        with pytest.raises(StoreError, match=r"more than 100$"):
            save(place_at(redis_server.url, max_bytes=100), "a" * 100)

        assert redis_server.run("EXISTS", KEY + "head", KEY + "body") == 0

    def test_one_that_is_too_large_is_not_loaded(self, redis_server: RedisProcess) -> None:
        stamp = save(place_at(redis_server.url), "a" * 100)
        with pytest.raises(DamagedError):
            place_at(redis_server.url, max_bytes=100).load(stamp)

        assert redis_server.run("EXISTS", KEY + "head", KEY + "body") == 0

    def test_all_that_is_stored_ends(self, redis_server: RedisProcess) -> None:
        place = place_at(redis_server.url, max_age=100)
        stamp = save(place, "a")
        place.confirm(stamp, asked_at=stamp.asked_at)
        place.fail(failure())
        place.lease(60)
        left = {
            key.decode()[len(KEY) :]: round(redis_server.run("PTTL", key) / 10_000)
            for key in redis_server.run("KEYS", "*")
        }

        assert left == {"generation": 20, "head": 10, "body": 10, "failure": 10, "lease": 6}

    @pytest.mark.parametrize("call", ["save", "renew", "confirm"])
    def test_the_generation_outlives_the_listing(
        self, call: str, redis_server: RedisProcess
    ) -> None:
        place = place_at(redis_server.url)
        stamp = save(place, "a")
        redis_server.run("PEXPIRE", KEY + "generation", 60_000)
        {
            "save": lambda: save(place, "b"),
            "renew": place.renew,
            "confirm": lambda: place.confirm(stamp, asked_at=stamp.asked_at),
        }[call]()

        left = redis_server.run("PTTL", KEY + "generation")
        assert left > redis_server.run("PTTL", KEY + "head")


def _head(**fields: str) -> tuple[str, ...]:
    right = {"version": "1", "body": "0" * 32, "generation": "g", "asked_at": "1.0"}
    return "HSET", "head", *(part for field in {**right, **fields}.items() for part in field)


DAMAGED_HEADS = [
    ("SET", "head", "x"),
    ("RPUSH", "head", "x"),
    ("HSET", "head", "version", "1"),
    _head(version="2"),
    _head(asked_at="soon"),
    _head(asked_at="nan"),
    _head(generation="\xff"),
]
DAMAGED_FAILURES = [
    ("HSET", "failure", "x", "y"),
    ("SET", "failure", "x"),
    ("SET", "failure", "[" * 100_000),
    ("SET", "failure", "[]"),
    ("SET", "failure", '{"version": 2}'),
    ("SET", "failure", '{"version":1,"generation":"g","failed_at":1,"until":NaN,"error":{}}'),
    ("SET", "failure", '{"version":1,"generation":"g","failed_at":1,"until":"x","error":{}}'),
    ("SET", "failure", '{"version":1,"generation":7,"failed_at":1,"until":2,"error":{}}'),
    ("SET", "failure", '{"version":1,"generation":"g","failed_at":1,"until":2,"error":[]}'),
]
DAMAGED_GENERATIONS = [("HSET", "generation", "x", "y"), ("SET", "generation", "\xff")]


class TestDamage:
    @pytest.mark.parametrize("command", DAMAGED_HEADS + DAMAGED_FAILURES + DAMAGED_GENERATIONS)
    def test_a_look_removes_it_and_says_so_once(
        self, command: tuple[str, ...], redis_server: RedisProcess
    ) -> None:
        place = place_at(redis_server.url)
        self.spoil(redis_server, *command)
        with pytest.raises(DamagedError, match=r" is removed$"):
            place.look()
        head = place.look()

        assert (head.stamp, head.failure) == (None, None)

    @pytest.mark.parametrize("command", DAMAGED_FAILURES + DAMAGED_GENERATIONS)
    def test_the_listing_stays(self, command: tuple[str, ...], redis_server: RedisProcess) -> None:
        place = place_at(redis_server.url)
        stamp = save(place, "a")
        self.spoil(redis_server, *command)
        with pytest.raises(DamagedError):
            place.look()

        assert titles(place, stamp) == ["a"]

    @pytest.mark.parametrize(
        "command",
        [("SET", "body", "x"), ("SET", "body", ""), ("RPUSH", "body", "x"), ("SET", "head", "x")],
    )
    def test_a_load_removes_it_and_says_so_once(
        self, command: tuple[str, ...], redis_server: RedisProcess
    ) -> None:
        place = place_at(redis_server.url)
        stamp = save(place, "a")
        self.spoil(redis_server, *command)
        with pytest.raises(DamagedError) as caught:
            place.load(stamp)

        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
        assert place.load(stamp) is None
        assert place.look().stamp is None

    def test_to_confirm_it_removes_it_and_says_so_once(self, redis_server: RedisProcess) -> None:
        place = place_at(redis_server.url)
        stamp = save(place, "a")
        self.spoil(redis_server, "SET", "head", "x")
        with pytest.raises(DamagedError):
            place.confirm(stamp, asked_at=1.0)

        assert place.confirm(stamp, asked_at=1.0) is None

    @pytest.mark.parametrize("command", [("SET", "lease", "x"), ("RPUSH", "lease", "x")])
    def test_a_lease_without_an_end_is_none(
        self, command: tuple[str, ...], redis_server: RedisProcess
    ) -> None:
        place = place_at(redis_server.url)
        self.spoil(redis_server, *command)
        with pytest.raises(DamagedError):
            place.lease(60)

        assert place.lease(60) is not None

    @pytest.mark.parametrize("command", [*DAMAGED_HEADS[:2], ("RPUSH", "body", "x")])
    def test_a_listing_takes_its_place(
        self, command: tuple[str, ...], redis_server: RedisProcess
    ) -> None:
        place = place_at(redis_server.url)
        generation = place.look().generation
        self.spoil(redis_server, *command)
        stamp = place.save(contents("a"), generation=generation, asked_at=1.0)

        assert titles(place, stamp) == ["a"]

    def spoil(self, server: RedisProcess, command: str, name: str, *arguments: str) -> None:
        server.run("DEL", KEY + name)
        server.run(command, KEY + name, *(each.encode("latin-1") for each in arguments))


class TestTls:
    @pytest.fixture
    def server(self, redis_program: str, tmp_path: Path) -> Iterator[tuple[str, Path]]:
        authority = trustme.CA()
        bundle, certificate = tmp_path / "ca.pem", tmp_path / "server.pem"
        authority.cert_pem.write_to_path(bundle)
        authority.issue_cert("127.0.0.2").private_key_and_cert_chain_pem.write_to_path(certificate)
        # Nobody connects from there, so that no connection takes the port.
        with socket.create_server(("127.0.0.2", 0)) as unused:
            port = unused.getsockname()[1]
        server = RedisProcess(
            redis_program, tmp_path, "--tls-port", str(port), "--bind", "127.0.0.2", "127.0.0.3",
            "--tls-cert-file", str(certificate), "--tls-key-file", str(certificate),
            "--tls-ca-cert-file", str(bundle), "--tls-auth-clients", "no",
        )  # fmt: skip
        try:
            server.start()
            yield f"127.0.0.2:{port}", bundle
        finally:
            server.close()

    def test_it_is_spoken(self, server: tuple[str, Path]) -> None:
        address, bundle = server
        place = place_at(f"rediss://{address}?ssl_ca_certs={bundle}")

        stamp = save(place, *["title" * 100] * 10_000)

        assert titles(place, stamp) == ["title" * 100] * 10_000

    def test_a_connection_is_used_again(self, server: tuple[str, Path]) -> None:
        address, bundle = server
        store = RedisStore(f"rediss://{address}?ssl_ca_certs={bundle}", timeout=PATIENCE)
        ids = [store._link.run(("CLIENT", "ID"), until=store._link.until()) for _ in range(2)]

        assert ids[0] == ids[1]

    def test_an_unknown_authority_is_refused(self, server: tuple[str, Path]) -> None:
        with pytest.raises(StoreError, match="CERTIFICATE_VERIFY_FAILED"):
            place_at(f"rediss://:{PASSWORD}@{server[0]}").look()

    def test_a_certificate_of_another_host_is_refused(self, server: tuple[str, Path]) -> None:
        address, bundle = server
        other = address.replace("127.0.0.2", "127.0.0.3")
        with pytest.raises(StoreError, match="CERTIFICATE_VERIFY_FAILED"):
            place_at(f"rediss://{other}?ssl_ca_certs={bundle}").look()

    def test_unchecked_it_is_spoken_with_any(self, server: tuple[str, Path]) -> None:
        assert place_at(f"rediss://{server[0]}?ssl_cert_reqs=none").look().generation

    def test_a_bundle_that_is_not_there_is_said(self, server: tuple[str, Path]) -> None:
        with pytest.raises(StoreError, match="No such file"):
            place_at(f"rediss://{server[0]}?ssl_ca_certs=/nowhere/ca.pem").look()

    def test_a_handshake_that_drips_is_not_waited_for(self) -> None:
        with RawServer(lambda peer: peer.drip(repeated(b"\x16"))) as server:
            started = time.monotonic()
            with pytest.raises(StoreError):
                place_at(f"rediss://127.0.0.1:{server.port}", timeout=0.1).look()

            assert time.monotonic() - started < 0.2 + 1


_FORKED = """
import os, sys, time
from teamwire_sync._stores.redis import RedisStore

store = RedisStore(sys.argv[1], timeout=5)
place = store._place("bot")

def client_id():
    return store._link.run(("CLIENT", "ID"), until=time.monotonic() + 5)[0]

generation, parent, lease = place.look().generation, client_id(), place.lease(60)
child = os.fork()
if child == 0:
    right = lease.extend() is False and lease.release() is None and place.lease(60) is None
    right = right and client_id() != parent and place.look().generation == generation
    sys.exit(0 if right else 1)
assert os.waitpid(child, 0)[1] == 0, "the child"
assert client_id() == parent, "another connection"
assert lease.extend() and place.look().generation == generation
"""

_EIGHT = """
import os, sys, time, traceback
from teamwire_sync._models.chats import Chat
from teamwire_sync._stores.base import Contents
from teamwire_sync._stores.redis import RedisStore

store = RedisStore(sys.argv[1], timeout=5)
place = store._place("bot")
place.look()

def work(name):
    asked, enough = 0, time.monotonic() + 20
    while asked < 3 and time.monotonic() < enough:
        lease = place.lease(60)
        if lease is not None:
            inside = lambda by: store._link.run(("INCRBY", "inside", by), until=enough)[0]
            assert inside(1) == 1, "two have the lease"
            head = place.look()
            chats = {str(number): Chat(str(number), name) for number in range(200)}
            place.save(Contents(chats), generation=head.generation, asked_at=head.now)
            assert inside(-1) == 0, "two have the lease"
            lease.release()
            asked += 1
        head = place.look()
        found = head.stamp and place.load(head.stamp)
        if found:
            assert len(found.chats) == 200 and len({c.title for c in found.chats.values()}) == 1
    assert asked == 3, "never got the lease"

def forked(name):
    child = os.fork()
    if child == 0:
        try:
            work(name)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child

children = [forked(f"title {number}") for number in range(8)]
sys.exit(any([os.waitpid(child, 0)[1] for child in children]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it has no fork")
class TestProcesses:
    @pytest.mark.parametrize("code", [_FORKED, _EIGHT], ids=["a forked child", "8 processes"])
    def test_they_share_what_is_stored_and_no_connection(
        self, code: str, redis_server: RedisProcess
    ) -> None:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code, redis_server.url],
            check=False,
            capture_output=True,
            text=True,
        )

        assert (done.returncode, done.stderr) == (0, "")

    def test_a_store_that_is_collected_closes_its_connections(
        self, own_redis: RedisProcess
    ) -> None:
        store = RedisStore(own_redis.url, timeout=PATIENCE)
        store._place(IDENTITY).look()
        sock = store._link._free[0]._sock
        del store
        gc.collect()

        assert sock.fileno() == -1

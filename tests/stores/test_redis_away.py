"""RedisStore: a server that is away, slow or no Redis, TLS, and other processes."""

from __future__ import annotations

import gc
import itertools
import re
import socket
import subprocess
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

import pytest
import trustme
from redis.utils import HIREDIS_AVAILABLE

from teamwire_sync._stores.base import StoreError
from teamwire_sync._stores.redis import RedisStore
from tests.support.interrupts import interrupt_at
from tests.support.leaks import assert_no_secret
from tests.support.raw_server import RawServer, bytewise, repeated
from tests.support.redis_calls import PASSWORD, call, each_call, read_command, slot_at
from tests.support.redis_process import RedisProcess
from tests.support.store_listings import save, slot_in, titles
from tests.support.tables import instead_of
from tests.support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.raw_server import Peer

IN_REDIS_PY = (
    "/redis/client.py", "/redis/connection.py", "/redis/retry.py", "/_parsers/base.py",
    "/_parsers/resp2.py", "/_parsers/socket.py", "/_stores/redis.py", "/_stores/redis_link.py",
)  # fmt: skip


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """How long sockets were told to wait."""
    told: list[float | None] = []
    settimeout = socket.socket.settimeout

    def noted(sock: socket.socket, seconds: float | None) -> None:
        told.append(seconds)
        settimeout(sock, seconds)

    monkeypatch.setattr(socket.socket, "settimeout", noted)
    return told


def wait_briefly(patch: pytest.MonkeyPatch) -> None:
    """Have open connections, too, wait for an answer for a tenth of a second at most."""

    def brief(receive: Callable[..., Any]) -> Callable[..., Any]:
        def received(sock: socket.socket, *arguments: Any) -> Any:
            if sock.gettimeout() != 0:
                sock.settimeout(0.1)
            return receive(sock, *arguments)

        return received

    for name in ("recv", "recv_into"):
        patch.setattr(socket.socket, name, brief(getattr(socket.socket, name)))


class TestAway:
    @pytest.fixture
    def url(self) -> str:
        # Nobody connects from here, so that no connection has the port by chance.
        with socket.create_server(("127.0.0.2", 0)) as unused:
            return f"redis://bot:{PASSWORD}@127.0.0.2:{unused.getsockname()[1]}"

    @each_call
    def test_each_call_says_so(self, name: str, url: str) -> None:
        with pytest.raises((StoreError, OSError), match=r"127.0.0.2.*[Rr]efused") as caught:
            call(name, url)

        assert isinstance(caught.value, OSError) == (name == "clear all")
        assert_no_secret(caught.value, PASSWORD, in_locals=False)

    def test_killed_and_started_again_it_is_used_again(self, own_redis: RedisProcess) -> None:
        slot = slot_at(own_redis.url)
        save(slot, "a")
        own_redis.kill()
        with pytest.raises(StoreError):
            slot.status()
        own_redis.start()

        assert slot.status().revision is None
        assert titles(slot, save(slot, "b")) == ["b"]

    def test_started_again_in_between_it_is_not_missed(self, own_redis: RedisProcess) -> None:
        slot = slot_at(own_redis.url)
        slot.status()
        own_redis.kill()
        own_redis.start()

        assert slot.status().revision is None

    def test_a_connection_that_redis_closed_is_not_missed(self, own_redis: RedisProcess) -> None:
        slot = slot_at(own_redis.url)
        generation = slot.status().generation
        own_redis.run("CLIENT", "KILL", "SKIPME", "yes")

        assert slot.status().generation == generation


class TestSlow:
    @pytest.fixture
    def frozen(self, own_redis: RedisProcess) -> Iterator[RedisProcess]:
        own_redis.freeze()
        yield own_redis
        own_redis.go_on()

    @each_call
    def test_a_frozen_server_is_not_waited_for(
        self, name: str, frozen: RedisProcess, waits: list[float]
    ) -> None:
        """It goes on only after the call has ended."""
        with pytest.raises((StoreError, OSError), match="no response in time"):
            call(name, frozen.url, timeout=0.1)

        assert 0 < max(waits) <= 0.1

    def test_the_options_of_a_url_do_not_have_it_wait_longer(
        self, frozen: RedisProcess, waits: list[float | None]
    ) -> None:
        options = "socket_timeout=60&socket_connect_timeout=60&timeout=60&retry_on_timeout=yes"
        with pytest.raises(StoreError, match="no response in time"):
            call("status", f"{frozen.url}?{options}", timeout=0.1)

        assert 0 < max(waits) <= 0.1

    def test_a_server_that_freezes_is_not_waited_for(
        self, own_redis: RedisProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slot = slot_at(own_redis.url)
        generation = slot.status().generation
        own_redis.freeze()
        with monkeypatch.context() as patch:
            wait_briefly(patch)
            with pytest.raises(StoreError, match="no response in time"):
                slot.status()
        own_redis.go_on()

        assert slot.status().generation == generation

    def test_an_answer_to_one_is_not_read_by_the_next(
        self, own_redis: RedisProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slot = slot_at(own_redis.url)
        revision = save(slot, "a")
        own_redis.freeze()
        with monkeypatch.context() as patch:
            wait_briefly(patch)
            with pytest.raises(StoreError, match="no response in time"):
                slot.load(revision)
        own_redis.go_on()

        assert slot.status().revision == revision

    @pytest.mark.skipif(HIREDIS_AVAILABLE, reason="it makes one piece of each command")
    def test_a_listing_is_sent_in_pieces(
        self, redis_server: RedisProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each of them may take the time-out, so that a large one may take longer than that."""
        sent: list[int] = []
        sendall = socket.socket.sendall

        def noted(sock: socket.socket, data: bytes) -> None:
            sent.append(len(data))
            sendall(sock, data)

        monkeypatch.setattr(socket.socket, "sendall", noted)
        slot = slot_at(redis_server.url)
        save(slot, *["title" * 100] * 1000)

        assert sum(sent) > 500_000
        assert max(sent) <= 100_000

    # Ctrl-C may come while redis-py closes a socket: the garbage collector closes it then.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    def test_an_answer_that_ctrl_c_cut_off_is_not_read_by_the_next(
        self, own_redis: RedisProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The answer comes when the next one asks already: until then, the server is frozen."""
        slot = slot_at(own_redis.url)
        revision = save(slot, "a")
        numbers, ended = itertools.count(1), 0
        # One that comes while something is being collected is lost: so some more of them.
        while ended < 5:
            number, ended = next(numbers), ended + 1
            own_redis.freeze()
            with monkeypatch.context() as patch, suppress(StoreError):
                wait_briefly(patch)
                if interrupt_at(number, IN_REDIS_PY, partial(slot.load, revision)):
                    ended = 0
            own_redis.go_on()
            assert slot.status().revision == revision, number

        assert number > 30

    def test_a_lock_of_redis_py_that_a_signal_left_acquired_blocks_no_thread(self) -> None:
        pipeline = RedisStore("redis://127.0.0.2")._link._make()
        pipeline.connection_pool._lock.acquire()

        assert pipeline.connection_pool._lock.acquire(blocking=False)


class TestStrangeAnswers:
    ANSWERS = (
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
    )

    @pytest.mark.parametrize("greeted", [True, False])
    def test_they_are_a_store_error_that_does_not_repeat_them(self, greeted: bool) -> None:
        def check(error: BaseException) -> None:
            assert str(error).isprintable()
            assert_no_secret(error, PASSWORD, in_locals=False)

        wrong = {}
        for answer in self.ANSWERS:

            def serve(peer: Peer, answer: bytes = answer) -> None:
                # The password, and the name and version of the library.
                while read_command(peer) in {b"AUTH", b"CLIENT"} and greeted:
                    peer.send(b"+OK\r\n")
                peer.send(answer)
                peer.pause(PATIENCE)

            with RawServer(serve) as server:
                url = f"redis://:{PASSWORD}@127.0.0.1:{server.port}"
                look = partial(call, "status", url, timeout=0.3)
                said = instead_of(StoreError, "", look, check)
            if said is not None:
                wrong[answer[:40]] = said

        assert wrong == {}

    def test_an_answer_in_many_pieces_is_read(self) -> None:
        nothing = b"$-1\r\n"
        kept = nothing + b"*0\r\n" * 2 + b"$1\r\ng\r\n"
        answers = kept + b"*2\r\n" + nothing * 2 + b"*2\r\n:5\r\n:0\r\n"

        def serve(peer: Peer) -> None:
            while read_command(peer) == b"CLIENT":
                peer.send(b"+OK\r\n")
            peer.drip(bytewise(answers))
            peer.pause(PATIENCE)

        with RawServer(serve) as server:
            status = slot_at(f"redis://127.0.0.1:{server.port}").status()

        assert (status.now, status.generation) == (5.0, "g")

    def test_keys_that_are_none_are_said(self) -> None:
        def serve(peer: Peer) -> None:
            while read_command(peer) == b"CLIENT":
                peer.send(b"+OK\r\n")
            peer.send(b"*2\r\n$1\r\n0\r\n*1\r\n:1\r\n")
            peer.pause(PATIENCE)

        with (
            RawServer(serve) as server,
            pytest.raises(ConnectionError, match=r"^Redis did not return a list of its keys$"),
        ):
            call("clear all", f"redis://127.0.0.1:{server.port}")


class TestTls:
    @pytest.fixture
    def redis(self, redis_program: str, tmp_path: Path) -> Iterator[tuple[str, Path, RedisProcess]]:
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
            yield f"127.0.0.2:{port}", bundle, server
        finally:
            server.close()

    @pytest.fixture
    def server(self, redis: tuple[str, Path, RedisProcess]) -> tuple[str, Path]:
        return redis[:2]

    def test_it_is_spoken(self, server: tuple[str, Path]) -> None:
        address, bundle = server
        slot = slot_at(f"rediss://{address}?ssl_ca_certs={bundle}")

        revision = save(slot, *["title" * 100] * 10_000)

        assert titles(slot, revision) == ["title" * 100] * 10_000

    def test_a_connection_is_used_again(self, redis: tuple[str, Path, RedisProcess]) -> None:
        address, bundle, server = redis
        slot = slot_at(f"rediss://{address}?ssl_ca_certs={bundle}")
        ids = []
        for _ in range(2):
            slot.status()
            ids += re.findall(rb"id=(\d+) addr=127\.", server.run("CLIENT", "LIST"))

        assert len(ids) == 2
        assert ids[0] == ids[1]

    def test_an_unknown_authority_is_refused(self, server: tuple[str, Path]) -> None:
        with pytest.raises(StoreError, match="CERTIFICATE_VERIFY_FAILED"):
            slot_at(f"rediss://:{PASSWORD}@{server[0]}").status()

    def test_a_certificate_of_another_host_is_refused(self, server: tuple[str, Path]) -> None:
        address, bundle = server
        other = address.replace("127.0.0.2", "127.0.0.3")
        with pytest.raises(StoreError, match="CERTIFICATE_VERIFY_FAILED"):
            slot_at(f"rediss://{other}?ssl_ca_certs={bundle}").status()

    def test_unchecked_it_is_spoken_with_any(self, server: tuple[str, Path]) -> None:
        assert slot_at(f"rediss://{server[0]}?ssl_cert_reqs=none").status().generation

    def test_a_bundle_that_is_not_there_is_said(self, server: tuple[str, Path]) -> None:
        with pytest.raises(StoreError, match="No such file"):
            slot_at(f"rediss://{server[0]}?ssl_ca_certs=/nowhere/ca.pem").status()

    def test_a_handshake_that_drips_is_not_waited_for(self) -> None:
        hello = bytewise(b"\x16\x03\x03\x40\x00\x02\x00\xff\xff")
        drips = itertools.chain(hello, repeated(b"\0"))
        with (
            RawServer(lambda peer: peer.drip(drips)) as server,
            pytest.raises(StoreError, match="no response in time"),
        ):
            slot_at(f"rediss://127.0.0.1:{server.port}", timeout=0.3).status()


_FORKED = """
import os, sys
from teamwire_sync._stores.redis import RedisStore

store = RedisStore(sys.argv[1], timeout=30)
slot = store._slot("bot")

def client_id():
    return store._link.run(("CLIENT", "ID"))[0]

generation, parent = slot.status().generation, client_id()
assert slot.take_lease("parent", 60)
child = os.fork()
if child == 0:
    right = not slot.take_lease("child", 60)
    right = right and client_id() != parent and slot.status().generation == generation
    sys.exit(0 if right else 1)
assert os.waitpid(child, 0)[1] == 0, "the child"
assert client_id() == parent, "another connection"
assert slot.extend_lease("parent", 60) and slot.status().generation == generation
"""

_EIGHT = """
import os, redis, sys, traceback
from teamwire_sync._models.chats import Chat
from teamwire_sync._stores.base import StoredListing
from teamwire_sync._stores.redis import RedisStore

store = RedisStore(sys.argv[1], timeout=30)
slot = store._slot("bot")
slot.status()

def work(name):
    client, asked = redis.Redis.from_url(sys.argv[1]), 0
    while asked < 3:
        if slot.take_lease(name, 60):
            assert client.incr("inside") == 1, "two have the lease"
            status = slot.status()
            chats = {str(number): Chat(str(number), name) for number in range(200)}
            slot.save(StoredListing(chats), generation=status.generation, asked_at=status.now)
            assert client.decr("inside") == 0, "two have the lease"
            slot.release_lease(name)
            asked += 1
        status = slot.status()
        found = status.revision and slot.load(status.revision)
        if found:
            assert len(found.chats) == 200 and len({c.title for c in found.chats.values()}) == 1
    client.close()

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
        def connected() -> int:
            return int(own_redis.run("INFO", "clients")["connected_clients"])

        store = RedisStore(own_redis.url, timeout=PATIENCE)
        slot_in(store).status()
        # The other is the one that counts them.
        wait_until(lambda: connected() == 2)
        del store
        gc.collect()

        wait_until(lambda: connected() == 1)

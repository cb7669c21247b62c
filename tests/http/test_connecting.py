"""What comes before a request: names, addresses, proxies and TLS, each within the budget."""

from __future__ import annotations

import gc
import itertools
import socket
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Callable

import pytest
import urllib3.connection
import urllib3.util.connection

from teamwire_sync import Connection, ConnectionConfig, TWConnectionError, TWTimeoutError
from tests.support.raw_server import (
    ENDLESS,
    OK,
    Peer,
    RawServer,
    Script,
    after_request,
    answers,
    bytewise,
    ca_file,
    deaf_ports,
    repeated,
    tls_for,
    whole,
)
from tests.support.stalls import (
    BUDGET,
    ME,
    STALLS,
    Work,
    check,
    failure,
    kinds,
    on_clock,
    post,
    settings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.builders import Clock

HELLO = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"
HANDSHAKES: dict[str, Script] = {
    "silence": lambda peer: peer.wait_gone(),
    "slow bytes": lambda peer: (
        peer.drip(itertools.chain(bytewise(HELLO), repeated(b"\0"))),
        peer.wait_gone(),
    ),
}
# A write has surely not been sent before there is a connection.
each_work = pytest.mark.parametrize("work", [check, post])


def tls_url(server: RawServer) -> str:
    return server.url.replace("http:", "https:")


class TestClose:
    @pytest.fixture
    def _no_collection(self) -> Iterator[None]:
        gc.disable()
        yield
        gc.enable()

    @pytest.mark.usefixtures("_no_collection")
    def test_leaves_no_socket_to_the_garbage_collector(self) -> None:
        """The traceback of an error inside urllib3 refers to its pool, in a circle."""

        def script(peer: Peer) -> None:
            if server.connections > 1:
                answers(whole(ME))(peer)

        with RawServer(script) as server:
            with Connection("app", "secret", server.url, config=settings(retries=0)) as connection:
                with pytest.raises(TWConnectionError):
                    connection.check()
                connection.check()
            server.wait_until_left()


class TestHandshake:
    @each_work
    def test_that_stalls_ends(self, work: Work) -> None:
        found = kinds(
            HANDSHAKES,
            lambda server: failure(
                server, settings(total_timeout=BUDGET), work, url=tls_url(server)
            ),
        )

        assert found == dict.fromkeys(HANDSHAKES, TWTimeoutError)

    @each_work
    @pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
    @pytest.mark.usefixtures("no_pauses")
    def test_that_fails_is_tried_again(self, sent: bytes, work: Work) -> None:
        """So a server that starts anew costs no write, and leaves none in doubt."""
        with RawServer(lambda peer: peer.send(sent)) as server:
            error = failure(server, settings(retries=1), work, url=tls_url(server))

        assert type(error) is TWConnectionError
        assert server.connections == 2


def upload_nothing(connection: Connection) -> object:
    source: Any = SimpleNamespace(name="x", content_type="text/plain", size=0, rewind=int)
    return connection._transport.upload(source, deadline=None)


class TestProxy:
    target = "https://teamwire.example"

    def through(self, server: RawServer, **more: Any) -> ConnectionConfig:
        return settings(proxies={"https": server.url}, **more)

    @each_work
    def test_that_is_slow_to_connect_is_given_up(self, work: Work) -> None:
        scripts = {
            "a silent tunnel": after_request(lambda peer: peer.send(OK + b"\r\n")),
            **{
                name: after_request(STALLS[name])
                for name in (
                    "silence",
                    "silence in the head",
                    "a slow status line",
                    "a slow line of the head",
                    "slow lines of the head",
                )
            },
        }
        found = kinds(
            scripts,
            lambda server: failure(
                server, self.through(server, total_timeout=BUDGET), work, url=self.target
            ),
        )

        assert found == dict.fromkeys(scripts, TWTimeoutError)

    def test_that_speaks_tls_is_given_up_when_it_is_slow(self, tmp_path: Path) -> None:
        with RawServer(after_request(STALLS["a slow line of the head"]), tls_for()) as server:
            config = self.through(server, total_timeout=BUDGET, verify=ca_file(tmp_path))
            error = failure(server, config, url=self.target)

        assert type(error) is TWTimeoutError

    def test_that_speaks_tls_does_not_prolong_the_tls_of_the_server(self, tmp_path: Path) -> None:
        def script(peer: Peer) -> None:
            peer.send(OK + b"\r\n")
            peer.read(1)
            peer.send(b"\x16\x03\x03\x3f\xff")  # the head of a long record
            peer.drip(repeated(b"x"))

        with RawServer(after_request(script), tls_for()) as server:
            config = self.through(server, total_timeout=BUDGET, verify=ca_file(tmp_path))
            error = failure(server, config, url=self.target)

        assert type(error) is TWTimeoutError

    @pytest.mark.parametrize("work", [check, upload_nothing])
    def test_leaves_tls_no_more_than_one_time_out(
        self, work: Work, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An upload has no total time-out that would bound it."""
        left = []

        def shake_hands(sock: socket.socket, **_: object) -> None:
            left.append(sock.gettimeout())
            raise socket.timeout

        monkeypatch.setattr(urllib3.connection, "ssl_wrap_socket", shake_hands)
        with RawServer(after_request(lambda peer: peer.send(OK + b"\r\n"))) as server:
            config = self.through(server, default_timeout=7, assets_timeout=7, retries=0)
            failure(server, config, work, url=self.target)

        assert left == [7]

    def test_that_took_its_time_leaves_the_rest_of_it_to_tls(
        self, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        left = []

        def shake_hands(sock: socket.socket, **_: object) -> None:
            left.append(sock.gettimeout())
            raise socket.timeout

        def slow_tunnel(peer: Peer) -> None:
            clock.advance(10)
            peer.send(OK + b"\r\n")

        monkeypatch.setattr(urllib3.connection, "ssl_wrap_socket", shake_hands)
        monkeypatch.setattr(time, "monotonic", clock)
        with RawServer(after_request(slow_tunnel)) as server:
            proxies = {"https": server.url}
            connection = on_clock(self.target, clock, retries=0, proxies=proxies)
            with connection, pytest.raises(TWTimeoutError):
                connection.check()

        assert left == [ENDLESS - 10]


@pytest.fixture
def deaf() -> Iterator[Callable[..., int]]:
    """Makes ports whose queue is full: the kernel answers no more of those who connect."""
    with deaf_ports() as listen:
        yield listen


class TestConnect:
    @each_work
    def test_to_a_host_without_address_fails(
        self, work: Work, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [])
        config = settings(retries=0)
        with (
            Connection("a", "s", "https://teamwire.example", config=config) as connection,
            pytest.raises(TWConnectionError, match="the host has no address"),
        ):
            work(connection)

    @each_work
    def test_to_a_full_queue_ends(self, deaf: Callable[[], int], work: Work) -> None:
        port = deaf()
        connection = Connection(
            "app", "secret", f"http://127.0.0.1:{port}", config=settings(total_timeout=BUDGET)
        )
        with connection, pytest.raises(TWTimeoutError, match=f"127.0.0.1:{port}"):
            work(connection)

    @each_work
    def test_to_a_name_that_was_slow_to_be_found_has_no_time_left(
        self, clock: Clock, monkeypatch: pytest.MonkeyPatch, work: Work
    ) -> None:
        look_up = socket.getaddrinfo

        def slow(*arguments: Any, **named: Any) -> Any:
            clock.advance(ENDLESS)
            return look_up(*arguments, **named)

        monkeypatch.setattr(socket, "getaddrinfo", slow)
        monkeypatch.setattr(time, "monotonic", clock)
        with RawServer(answers(whole(ME))) as server:
            error = failure(server, settings(retries=0), work)

        assert type(error) is TWTimeoutError
        assert server.connections == 0


class TestAddresses:
    """Of a host that has several: all of them together get the time."""

    @pytest.fixture
    def addresses(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        found: list[str] = []
        real = socket.getaddrinfo

        def resolve(host: str, port: int, *arguments: Any, **named: Any) -> Any:
            if host != "localhost":
                return real(host, port, *arguments, **named)
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found
            ]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        return found

    def test_the_next_one_is_tried_when_one_does_not_answer_within_its_share(
        self, addresses: list[str], clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried = []
        really_connect = socket.socket.connect

        def connect(sock: socket.socket, address: tuple[str, int]) -> None:
            timeout = sock.gettimeout()
            tried.append((address[0], timeout))
            if address[0] == "127.0.0.2":
                assert timeout is not None
                clock.advance(timeout)
                raise socket.timeout
            really_connect(sock, address)

        monkeypatch.setattr(socket.socket, "connect", connect)
        monkeypatch.setattr(time, "monotonic", clock)
        addresses[:] = ["127.0.0.2", "127.0.0.1"]
        with (
            RawServer(answers(whole(ME))) as server,
            on_clock(f"http://localhost:{server.port}", clock) as connection,
        ):
            assert connection.check().uid == "u1"

        assert tried == [("127.0.0.2", ENDLESS / 2), ("127.0.0.1", ENDLESS / 2)]

    def test_a_program_that_forces_ipv4_in_urllib3_gets_no_others(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        families = []
        resolve = socket.getaddrinfo

        def look_up(host: str, port: int, family: int = 0, *arguments: Any) -> Any:
            families.append(family)
            return resolve(host, port, family, *arguments)

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        monkeypatch.setattr(urllib3.util.connection, "allowed_gai_family", lambda: socket.AF_INET)
        with (
            RawServer(answers(whole(ME))) as server,
            Connection("a", "s", server.url, config=settings()) as connection,
        ):
            connection.check()

        assert families == [socket.AF_INET]

    def test_the_next_one_is_tried_when_one_refuses(self, addresses: list[str]) -> None:
        with RawServer(answers(whole(ME))) as server:
            addresses[:] = ["127.0.0.2", "127.0.0.1"]
            url = f"http://localhost:{server.port}"
            with Connection("a", "s", url, config=settings()) as connection:
                assert connection.check().uid == "u1"

    @each_work
    def test_when_none_answers_it_ends(
        self, addresses: list[str], deaf: Callable[..., int], work: Work
    ) -> None:
        port = deaf()
        try:
            deaf("127.0.0.2", port)
        except OSError:
            pytest.skip("this system has one loopback address")
        addresses[:] = ["127.0.0.2", "127.0.0.1"]
        connection = Connection(
            "a", "s", f"http://localhost:{port}", config=settings(total_timeout=BUDGET)
        )
        with connection, pytest.raises(TWTimeoutError, match=f"localhost:{port}"):
            work(connection)

    def test_the_name_is_the_one_of_the_certificate(
        self, addresses: list[str], tmp_path: Path
    ) -> None:
        """It is connected to an address, but it is the host that has to show who it is."""
        addresses[:] = ["127.0.0.1"]
        config = settings(verify=ca_file(tmp_path))
        with (
            RawServer(answers(whole(ME)), tls_for("localhost")) as server,
            Connection("a", "s", f"https://localhost:{server.port}", config=config) as connection,
        ):
            assert connection.check().uid == "u1"

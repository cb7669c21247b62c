"""Nothing takes longer than its budget, whatever the server does."""

from __future__ import annotations

import gc
import gzip
import itertools
import json
import random
import re
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests
import trustme
import urllib3.connection

from teamwire_sync import (
    Connection,
    ConnectionConfig,
    TWConfigError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWProtocolError,
    TWTimeoutError,
)
from tests.support.builders import page_doc, user_doc
from tests.support.raw_server import Peer, RawServer, Script, bytewise, deaf_ports, repeated
from tests.support.waiting import PATIENCE, in_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUDGET = 0.25
# Longer than the tests wait: what ends in time does so by the budget alone.
ENDLESS = 10 * PATIENCE
ME = json.dumps({"user": user_doc(is_bot=True)}).encode()
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
NOISE = gzip.compress(random.Random(7).randbytes(20_000))  # noqa: S311


def length(count: int, *more: bytes) -> bytes:
    return OK + b"".join(more) + b"Content-Length: %d\r\n\r\n" % count


def whole(body: bytes, *more: bytes) -> bytes:
    return length(len(body), *more) + body


def after_request(work: Script) -> Script:
    """Do *work* when the request has come, then wait for the client to go."""

    def script(peer: Peer) -> None:
        peer.read_request()
        work(peer)
        peer.wait_gone()

    return script


def drips(start: bytes, endless: bytes) -> Script:
    """Send *start* at once, and *endless* byte by byte."""

    def work(peer: Peer) -> None:
        peer.send(start)
        peer.drip(repeated(endless))

    return after_request(work)


def floods(start: bytes, endless: bytes) -> Script:
    """Send *start* and *endless* as fast as they are taken."""

    def work(peer: Peer) -> None:
        peer.send(start)
        peer.flood(endless)

    return after_request(work)


def answers(data: bytes) -> Script:
    """Send *data* for each request."""

    def script(peer: Peer) -> None:
        while peer.read_request():
            peer.send(data)

    return script


GZIP = b"Content-Encoding: gzip\r\n"
# Each of these goes on for ever.
STALLS: dict[str, Script] = {
    "silence": after_request(lambda peer: None),
    "silence in the status line": after_request(lambda peer: peer.send(b"HTTP/1.1 2")),
    "silence in the head": after_request(lambda peer: peer.send(OK + b"X-Name: val")),
    "silence before the body": after_request(lambda peer: peer.send(length(100))),
    "silence in the body": after_request(lambda peer: peer.send(length(100) + ME[:50])),
    "silence in chunks": after_request(lambda peer: peer.send(CHUNKED + b"5\r\nhel")),
    "silence before the last chunk": after_request(lambda peer: peer.send(CHUNKED + b"1\r\nx\r\n")),
    "silence before the trailer": after_request(
        lambda peer: peer.send(CHUNKED + b"%x\r\n%s\r\n0\r\n" % (len(ME), ME))
    ),
    "a slow status line": drips(b"HTTP/1.1 200 ", b"O"),
    "a slow line of the head": drips(OK + b"X-Name: ", b"v"),
    "slow lines of the head": drips(OK, b"X: y\r\n"),
    "a slow body": drips(length(10**6), b"x"),
    "a slow body without length": drips(OK + b"Connection: close\r\n\r\n", b"x"),
    "a slow body in chunks": drips(CHUNKED, b"1\r\nx\r\n"),
    "a slow size of a chunk": drips(CHUNKED, b"0"),
    "a slow extension of a chunk": drips(CHUNKED + b"1;", b"x"),
    "a slow body in gzip": drips(length(10**6, GZIP), NOISE),
    "a slow body in gzip and chunks": drips(
        OK + GZIP + b"Transfer-Encoding: chunked\r\n\r\n",
        b"".join(b"1\r\n%c\r\n" % byte for byte in NOISE),
    ),
    "slow 100 Continue": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "fast 100 Continue": floods(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "slow trailers": drips(CHUNKED + b"0\r\n", b"X: y\r\n"),
    "fast trailers": floods(CHUNKED + b"0\r\n", b"X: y\r\n" * 100),
}
each_stall = pytest.mark.parametrize("stall", STALLS)


def settings(**more: Any) -> ConnectionConfig:
    timeouts = {"default_timeout": ENDLESS, "long_timeout": ENDLESS, "total_timeout": BUDGET}
    return ConnectionConfig(**{**timeouts, **more})


def check(connection: Connection) -> object:
    return connection.check()


def post(connection: Connection) -> object:
    return connection.chats.at("t1").post("hello")


def failure(
    server: RawServer,
    config: ConnectionConfig,
    work: Callable[[Connection], object] = check,
    url: str | None = None,
) -> TWError:
    """The error of *work*, which comes in time and leaves no connection behind."""
    with Connection("app", "secret", url or server.url, config=config) as connection:
        with in_time(), pytest.raises(TWError) as caught:
            work(connection)
        # Before the Connection is closed: what is broken is not kept for another request.
        server.wait_until_left()
    return caught.value


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "teamwire.example").configure_cert(context)
    return context


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


class TestTotalTimeout:
    @each_stall
    def test_ends_a_read(self, stall: str) -> None:
        with RawServer(STALLS[stall]) as server:
            error = failure(server, settings())

        assert isinstance(error, TWTimeoutError)
        # A little of it went by before the request.
        said = rf"no answer from 127.0.0.1:{server.port} within 0\.[12]\d? s"
        assert re.fullmatch(said, str(error))

    @each_stall
    def test_ends_a_write_which_is_in_doubt(self, stall: str) -> None:
        with RawServer(STALLS[stall]) as server:
            error = failure(server, settings(), post)

        assert type(error) is TWDeliveryUnknownError
        assert server.connections == 1

    @each_stall
    def test_ends_a_read_over_tls(self, stall: str, tls: ssl.SSLContext, bundle: Path) -> None:
        with RawServer(STALLS[stall], tls) as server:
            error = failure(server, settings(verify=bundle))

        assert isinstance(error, TWTimeoutError)

    def test_ends_a_read_whose_answer_would_have_come(self) -> None:
        with RawServer(after_request(lambda peer: peer.drip(bytewise(whole(ME))))) as server:
            error = failure(server, settings(total_timeout=0.2))

        assert isinstance(error, TWTimeoutError)

    def test_leaves_a_slow_answer_that_comes_in_time_alone(self) -> None:
        with (
            RawServer(after_request(lambda peer: peer.drip(bytewise(whole(ME))))) as server,
            (
                Connection("app", "secret", server.url, config=settings(total_timeout=ENDLESS))
            ) as connection,
        ):
            assert connection.check().uid == "u1"

    def test_is_for_all_the_tries_together(self) -> None:
        config = settings(default_timeout=0.05, total_timeout=1.5, retries=1000)
        with RawServer(STALLS["silence"]) as server:
            error = failure(server, config)

        assert isinstance(error, TWTimeoutError)
        assert server.connections > 1
        assert "(tried " in str(error)

    def test_is_each_request_s_own(self) -> None:
        """A connection that is used again does not remember when the request before had to end."""

        def script(peer: Peer) -> None:
            while peer.read_request():
                peer.pause(BUDGET * 0.4)
                peer.send(whole(ME))

        with (
            RawServer(script) as server,
            Connection(
                "app", "secret", server.url, config=settings(total_timeout=PATIENCE)
            ) as connection,
        ):
            with pytest.raises(TWTimeoutError):
                connection.check(timeout=BUDGET * 0.1)
            for _ in range(5):
                connection.check()

            assert server.connections == 2

    def test_ends_a_request_that_the_server_does_not_take(self) -> None:
        with RawServer(takes_nothing) as server:
            error = failure(server, settings(), lambda one: one.chats.at("t1").post("x" * 10**7))

        assert type(error) is TWDeliveryUnknownError

    def test_ends_a_request_that_the_server_does_not_take_over_tls(
        self, tls: ssl.SSLContext, bundle: Path
    ) -> None:
        with RawServer(takes_nothing, tls) as server:
            error = failure(
                server, settings(verify=bundle), lambda one: one.chats.at("t1").post("x" * 10**7)
            )

        assert type(error) is TWDeliveryUnknownError

    def test_ends_a_listing_without_end(self) -> None:
        with (
            RawServer(endless_pages) as server,
            Connection(
                "app",
                "secret",
                server.url,
                config=settings(total_timeout=ENDLESS, listing_timeout=1),
            ) as connection,
            in_time(),
            pytest.raises(TWTimeoutError),
        ):
            connection.chats.get_subscriptions()

    def test_ends_a_page_of_a_listing(self) -> None:
        with RawServer(STALLS["a slow body"]) as server:
            error = failure(server, settings(), lambda one: one.chats.get_subscriptions())

        assert isinstance(error, TWTimeoutError)


def takes_nothing(peer: Peer) -> None:
    peer.pause(3 * BUDGET)
    peer.wait_gone()


def endless_pages(peer: Peer) -> None:
    for number in itertools.count():
        if not peer.read_request():
            return
        peer.send(whole(json.dumps(page_doc(next_cursor=str(number))).encode()))


class TestTimeoutOfTheCaller:
    @pytest.mark.parametrize("stall", ["silence", "a slow line of the head", "a slow body"])
    def test_comes_before_the_total(self, stall: str) -> None:
        with RawServer(STALLS[stall]) as server:
            error = failure(
                server, settings(total_timeout=ENDLESS), lambda one: one.check(timeout=BUDGET)
            )

        assert isinstance(error, TWTimeoutError)

    def test_does_not_lengthen_the_total(self) -> None:
        with RawServer(STALLS["a slow body"]) as server:
            error = failure(server, settings(), lambda one: one.check(timeout=ENDLESS))

        assert isinstance(error, TWTimeoutError)

    def test_ends_a_listing_without_end(self) -> None:
        with (
            RawServer(endless_pages) as server,
            Connection(
                "app", "secret", server.url, config=settings(total_timeout=ENDLESS)
            ) as connection,
            in_time(),
            pytest.raises(TWTimeoutError),
        ):
            connection.chats.get_subscriptions(timeout=BUDGET)


class TestDefaultTimeout:
    @pytest.mark.parametrize(
        "stall", ["silence", "silence in the head", "silence in the body", "silence in chunks"]
    )
    def test_is_the_longest_silence_of_a_server(self, stall: str) -> None:
        config = settings(default_timeout=BUDGET, total_timeout=ENDLESS, retries=0)
        with RawServer(STALLS[stall]) as server:
            error = failure(server, config)

        assert isinstance(error, TWTimeoutError)

    def test_is_not_for_all_of_an_answer(self) -> None:
        """A long listing over a slow line takes its time."""
        body = ME + b" " * 50

        def script(peer: Peer) -> None:
            peer.read_request()
            peer.send(length(len(body)))
            peer.drip(bytewise(body))

        config = settings(default_timeout=1, total_timeout=ENDLESS, retries=0)
        started = time.monotonic()
        with (
            RawServer(script) as server,
            Connection("app", "secret", server.url, config=config) as connection,
        ):
            connection.check()

        assert time.monotonic() - started > 1


class TestSize:
    """Of an answer: it has a maximum, so that none fills the memory."""

    @pytest.mark.parametrize(
        "start_and_rest",
        [
            (OK + b"Connection: close\r\n\r\n", b"x" * 65536),
            (length(10**12), b"x" * 65536),
            (CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
            (OK + GZIP + b"Connection: close\r\n\r\n", gzip.compress(bytes(10**7))),
        ],
        ids=["no length", "a length", "chunks", "gzip"],
    )
    def test_of_an_answer_without_end_is_refused(self, start_and_rest: tuple[bytes, bytes]) -> None:
        with RawServer(floods(*start_and_rest)) as server:
            error = failure(server, settings(total_timeout=ENDLESS))

        assert type(error) is TWProtocolError
        assert str(error).endswith("is refused: it is larger than 32 MiB")
        assert server.connections == 1

    def test_of_an_answer_to_a_write_leaves_it_in_doubt(self) -> None:
        with RawServer(floods(length(10**12), b"x" * 65536)) as server:
            error = failure(server, settings(total_timeout=ENDLESS), post)

        assert type(error) is TWDeliveryUnknownError


class TestBrokenGzip:
    @pytest.mark.parametrize(
        ("work", "kind"), [(check, TWProtocolError), (post, TWDeliveryUnknownError)]
    )
    def test_is_an_answer_and_so_leaves_a_write_in_doubt(
        self, work: Callable[[Connection], object], kind: type[TWError]
    ) -> None:
        with RawServer(answers(whole(b"no gzip", GZIP))) as server:
            connection = Connection("app", "secret", server.url, config=settings())
            with connection, pytest.raises(TWError) as caught:
                work(connection)

        assert type(caught.value) is kind
        assert server.connections == 1


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
                connection.check(timeout=ENDLESS)
            server.wait_until_left()


def test_a_redirect_to_itself_is_not_followed() -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: /v1/bot/me/\r\nContent-Length: 0\r\n\r\n"
    asked = []

    def script(peer: Peer) -> None:
        while peer.read_request():
            asked.append(1)
            peer.send(head)

    with (
        RawServer(script) as server,
        Connection("app", "secret", server.url, config=settings()) as connection,
        pytest.raises(TWConfigError),
    ):
        connection.check()

    assert len(asked) == 1


HELLO = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"
HANDSHAKES: dict[str, Script] = {
    "silence": lambda peer: peer.wait_gone(),
    "slow bytes": lambda peer: peer.drip(itertools.chain(bytewise(HELLO), repeated(b"\0"))),
}


class TestHandshake:
    @pytest.mark.parametrize("work", [check, post])
    @pytest.mark.parametrize("how", HANDSHAKES)
    def test_that_stalls_ends(self, how: str, work: Callable[[Connection], object]) -> None:
        """And a write has surely not been sent then."""
        with RawServer(HANDSHAKES[how]) as server:
            url = server.url.replace("http:", "https:")
            error = failure(server, settings(), work, url)

        assert isinstance(error, TWTimeoutError)

    @pytest.mark.parametrize("work", [check, post])
    @pytest.mark.parametrize(
        "script",
        [
            lambda peer: None,
            lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        ],
        ids=["closed", "no TLS"],
    )
    def test_that_fails_is_tried_again(
        self, script: Script, work: Callable[[Connection], object]
    ) -> None:
        """So a server that starts anew costs no write, and leaves none in doubt."""
        with RawServer(script) as server:
            url = server.url.replace("http:", "https:")
            error = failure(server, settings(total_timeout=ENDLESS, retries=1), work, url)

        assert type(error) is TWConnectionError
        assert server.connections == 2


class TestProxy:
    target = "https://teamwire.example"

    def through(self, server: RawServer, **more: Any) -> ConnectionConfig:
        return settings(proxies={"https": server.url.replace("https", "http")}, **more)

    @pytest.mark.parametrize("work", [check, post])
    @pytest.mark.parametrize(
        "stall",
        [
            "silence",
            "silence in the head",
            "a slow status line",
            "a slow line of the head",
            "slow lines of the head",
        ],
    )
    def test_that_is_slow_to_connect_is_given_up(
        self, stall: str, work: Callable[[Connection], object]
    ) -> None:
        with RawServer(STALLS[stall]) as server:
            error = failure(server, self.through(server), work, self.target)

        assert isinstance(error, TWTimeoutError)

    def test_whose_tunnel_is_silent_is_given_up(self) -> None:
        with RawServer(after_request(lambda peer: peer.send(OK + b"\r\n"))) as server:
            error = failure(server, self.through(server), url=self.target)

        assert isinstance(error, TWTimeoutError)

    def test_that_took_its_time_leaves_the_rest_of_it_to_tls(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        left = []

        def shake_hands(sock: socket.socket, **_: object) -> None:
            left.append(sock.gettimeout())
            raise socket.timeout

        def work(peer: Peer) -> None:
            peer.pause(0.3)
            peer.send(OK + b"\r\n")

        monkeypatch.setattr(urllib3.connection, "ssl_wrap_socket", shake_hands)
        with RawServer(after_request(work)) as server:
            failure(
                server, self.through(server, total_timeout=PATIENCE, retries=0), url=self.target
            )

        assert left[0] <= PATIENCE - 0.3


@pytest.fixture
def deaf() -> Iterator[Callable[[str, int], int]]:
    """Makes ports whose queue is full: the kernel answers no more of those who connect."""
    with deaf_ports() as listen:
        yield listen


class TestConnect:
    @pytest.mark.parametrize("work", [check, post])
    def test_to_a_full_queue_ends(
        self, deaf: Callable[[], int], work: Callable[[Connection], object]
    ) -> None:
        url = f"http://127.0.0.1:{deaf()}"
        connection = Connection("app", "secret", url, config=settings())
        with connection, in_time(), pytest.raises(TWTimeoutError, match="no answer from"):
            work(connection)

    @pytest.mark.parametrize("work", [check, post])
    def test_to_a_name_that_was_slow_to_be_found_has_no_time_left(
        self, monkeypatch: pytest.MonkeyPatch, work: Callable[[Connection], object]
    ) -> None:
        real = socket.getaddrinfo

        def slow(*arguments: Any, **named: Any) -> Any:
            time.sleep(0.1)
            return real(*arguments, **named)

        monkeypatch.setattr(socket, "getaddrinfo", slow)
        with RawServer(answers(whole(ME))) as server:
            error = failure(server, settings(total_timeout=0.05), work)

        assert isinstance(error, TWTimeoutError)
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

    def other(self, deaf: Callable[[str, int], int], port: int) -> str:
        try:
            deaf("127.0.0.2", port)
        except OSError:
            pytest.skip("this system has one loopback address")
        return "127.0.0.2"

    def test_the_next_one_is_tried_when_one_does_not_answer(
        self, addresses: list[str], deaf: Callable[[str, int], int]
    ) -> None:
        with RawServer(answers(whole(ME))) as server:
            addresses[:] = [self.other(deaf, server.port), "127.0.0.1"]
            url = f"http://localhost:{server.port}"
            with Connection("a", "s", url, config=settings(total_timeout=2)) as connection:
                assert connection.check().uid == "u1"

    def test_the_next_one_is_tried_when_one_refuses(self, addresses: list[str]) -> None:
        with RawServer(answers(whole(ME))) as server:
            addresses[:] = ["127.0.0.2", "127.0.0.1"]
            url = f"http://localhost:{server.port}"
            with Connection("a", "s", url, config=settings(total_timeout=ENDLESS)) as connection:
                assert connection.check().uid == "u1"

    @pytest.mark.parametrize("work", [check, post])
    def test_when_none_answers_it_ends(
        self,
        addresses: list[str],
        deaf: Callable[..., int],
        work: Callable[[Connection], object],
    ) -> None:
        port = deaf()
        addresses[:] = [self.other(deaf, port), "127.0.0.1"]
        url = f"http://localhost:{port}"
        connection = Connection("a", "s", url, config=settings())
        with connection, in_time(), pytest.raises(TWTimeoutError, match=f"localhost:{port} within"):
            work(connection)

    def test_the_name_is_the_one_of_the_certificate(
        self, addresses: list[str], authority: trustme.CA, bundle: Path
    ) -> None:
        """It is connected to an address, but it is the host that has to show who it is."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        addresses[:] = ["127.0.0.1"]
        config = settings(total_timeout=ENDLESS, verify=bundle)
        with (
            RawServer(answers(whole(ME)), context) as server,
            Connection("a", "s", f"https://localhost:{server.port}", config=config) as connection,
        ):
            assert connection.check().uid == "u1"


class TestGivenSession:
    """Its connections know nothing of the budget: it is looked at when bytes of the body come."""

    @pytest.fixture
    def session(self) -> Iterator[requests.Session]:
        with requests.Session() as session:
            session.trust_env = False
            yield session

    def failure(
        self, script: Script, session: requests.Session, config: ConnectionConfig
    ) -> TWError:
        with RawServer(script) as server:
            with (
                Connection(
                    "app", "secret", server.url, session=session, config=config
                ) as connection,
                in_time(),
                pytest.raises(TWError) as caught,
            ):
                connection.check()
            server.wait_until_left()
        return caught.value

    @pytest.mark.parametrize(
        "stall",
        [
            "a slow body",
            "a slow body without length",
            "a slow body in chunks",
            "a slow body in gzip",
            "a slow body in gzip and chunks",
        ],
    )
    def test_ends_a_slow_body(self, stall: str, session: requests.Session) -> None:
        error = self.failure(STALLS[stall], session, settings())

        assert isinstance(error, TWTimeoutError)

    @pytest.mark.parametrize("stall", ["silence", "silence in the head", "silence in the body"])
    def test_ends_silence(self, stall: str, session: requests.Session) -> None:
        error = self.failure(STALLS[stall], session, settings())

        assert isinstance(error, TWTimeoutError)

    def test_refuses_a_body_without_end(self, session: requests.Session) -> None:
        script = floods(length(10**12), b"x" * 65536)
        error = self.failure(script, session, settings(total_timeout=ENDLESS))

        assert type(error) is TWProtocolError

    @pytest.mark.parametrize(
        "data",
        [
            whole(ME),
            whole(gzip.compress(ME), GZIP),
            CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(ME), ME),
            CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in ME) + b"0\r\n\r\n",
        ],
        ids=["a length", "gzip", "a chunk", "chunks"],
    )
    def test_reads_a_body_whole_and_keeps_the_connection(
        self, data: bytes, session: requests.Session
    ) -> None:
        with RawServer(answers(data)) as server:
            with Connection(
                "app", "secret", server.url, session=session, config=settings(total_timeout=ENDLESS)
            ) as connection:
                for _ in range(3):
                    assert connection.check().uid == "u1"
            session.close()

        assert server.connections == 1

    def test_that_breaks_off_a_body_is_an_error(self, session: requests.Session) -> None:
        def script(peer: Peer) -> None:
            peer.read_request()
            peer.send(length(len(ME) + 1) + ME)

        error = self.failure(script, session, settings(total_timeout=ENDLESS, retries=0))

        assert isinstance(error, TWConnectionError)

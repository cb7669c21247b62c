"""Nothing takes longer than its budget, whatever the server does."""

from __future__ import annotations

import gzip
import itertools
import json
import time
from typing import TYPE_CHECKING

import pytest
import requests

from teamwire_sync import (
    Connection,
    TWConfigError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWProtocolError,
    TWTimeoutError,
)
from tests.support.builders import page_doc
from tests.support.raw_server import (
    CHUNKED,
    ENDLESS,
    OK,
    Peer,
    RawServer,
    Script,
    after_request,
    answers,
    bytewise,
    ca_file,
    length,
    takes_nothing,
    tls_for,
    whole,
)
from tests.support.stalls import (
    BUDGET,
    FLOODS,
    GZIP,
    ME,
    STALLS,
    Work,
    check,
    failure,
    floods,
    kinds,
    on_clock,
    post,
    settings,
)
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.support.builders import Clock


def stalling(names: Iterable[str] = STALLS, first: bytes = b"") -> dict[str, Script]:
    """The scripts of some stalls; *first* answers the request before."""
    return {name: after_request({**STALLS, **FLOODS}[name], first) for name in names}


def endless_pages(peer: Peer) -> None:
    for number in itertools.count():
        if not peer.read_request():
            return
        peer.send(whole(json.dumps(page_doc(next_cursor=str(number))).encode()))


@pytest.fixture
def socket_clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that reads and writes look at."""
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


class TestTotalTimeout:
    def test_ends_a_read(self) -> None:
        found = kinds(stalling(), lambda server: failure(server, settings(total_timeout=BUDGET)))

        assert found == dict.fromkeys(STALLS, TWTimeoutError)

    def test_ends_a_read_over_tls(self, tmp_path: Path) -> None:
        config = settings(total_timeout=BUDGET, verify=ca_file(tmp_path))
        found = kinds(stalling(), lambda server: failure(server, config), tls_for())

        assert found == dict.fromkeys(STALLS, TWTimeoutError)

    def test_or_a_limit_of_python_ends_a_flood(self) -> None:
        config = settings(total_timeout=BUDGET, retries=0)
        found = kinds(stalling(FLOODS), lambda server: failure(server, config))

        assert set(found.values()) <= {TWTimeoutError, TWConnectionError}

    def test_is_in_the_error(self, clock: Clock) -> None:
        with RawServer(after_request(STALLS["silence"])) as server:
            connection = on_clock(server.url, clock, total_timeout=0.123, retries=0)
            with connection, pytest.raises(TWTimeoutError) as caught:
                connection.check()

        assert str(caught.value) == f"no answer from 127.0.0.1:{server.port} within 0.12 s"

    def test_leaves_a_slow_answer_that_comes_in_time_alone(self) -> None:
        script = after_request(lambda peer: peer.drip(bytewise(whole(ME)), 0.001))
        with (
            RawServer(script) as server,
            Connection("app", "secret", server.url, config=settings()) as connection,
        ):
            assert connection.check().uid == "u1"

    def test_is_for_all_the_tries_together(self, clock: Clock) -> None:
        """Of which each takes some time, and the pauses between them most of it."""
        started = clock()
        with RawServer(after_request(STALLS["silence"])) as server:
            connection = on_clock(
                server.url, clock, default_timeout=0.02, total_timeout=10, retries=1000
            )
            with connection, pytest.raises(TWTimeoutError, match=r"\(tried [4-9] times\)"):
                connection.check()

        assert clock() - started < 10

    def test_is_each_request_s_own(self, socket_clock: Clock) -> None:
        """A connection that is used again does not remember when the request before had to end."""
        with (
            RawServer(answers(whole(ME))) as server,
            Connection("app", "secret", server.url, config=settings()) as connection,
        ):
            for _ in range(3):
                connection.check()
                socket_clock.advance(2 * ENDLESS)

            assert server.connections == 1

    def test_ends_a_listing_without_end(self) -> None:
        config = settings(listing_timeout=BUDGET)
        with (
            RawServer(endless_pages) as server,
            Connection("app", "secret", server.url, config=config) as connection,
            pytest.raises(TWTimeoutError),
        ):
            connection.chats.get_subscriptions()

    def test_ends_a_page_of_a_listing(self) -> None:
        with RawServer(after_request(STALLS["a slow body"])) as server:
            error = failure(
                server, settings(total_timeout=BUDGET), lambda one: one.chats.get_subscriptions()
            )

        assert type(error) is TWTimeoutError


class TestTimeoutOfTheCaller:
    def test_ends_a_read(self) -> None:
        names = ["silence", "a slow line of the head", "a slow body"]
        found = kinds(
            stalling(names),
            lambda server: failure(server, settings(), lambda one: one.check(timeout=BUDGET)),
        )

        assert found == dict.fromkeys(names, TWTimeoutError)

    def test_ends_a_write_which_is_in_doubt(self) -> None:
        def fail(server: RawServer) -> TWError:
            # On a connection that there is, the write is sent at once.
            error = failure(server, settings(), post_in_a_hurry, first=True)
            assert server.connections == 1
            return error

        names = [*STALLS, *FLOODS]
        found = kinds(stalling(names, first=whole(ME)), fail)

        assert found == dict.fromkeys(names, TWDeliveryUnknownError)

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_ends_a_write_that_the_server_does_not_take(self, scheme: str, tmp_path: Path) -> None:
        def script(peer: Peer) -> None:
            peer.read_request()
            peer.send(whole(ME))
            takes_nothing(peer)

        with RawServer(script, tls_for() if scheme == "https" else None) as server:
            config = settings(verify=ca_file(tmp_path))
            error = failure(
                server, config, lambda one: post_in_a_hurry(one, "x" * 10**7), first=True
            )

        assert type(error) is TWDeliveryUnknownError

    def test_does_not_lengthen_the_total(self) -> None:
        with RawServer(after_request(STALLS["a slow body"])) as server:
            error = failure(
                server, settings(total_timeout=BUDGET), lambda one: one.check(timeout=ENDLESS)
            )

        assert type(error) is TWTimeoutError

    def test_ends_a_listing_without_end(self) -> None:
        with (
            RawServer(endless_pages) as server,
            Connection("app", "secret", server.url, config=settings()) as connection,
            pytest.raises(TWTimeoutError),
        ):
            connection.chats.get_subscriptions(timeout=BUDGET)


def post_in_a_hurry(connection: Connection, text: str = "hello") -> object:
    return connection.chats.at("t1").post(text, timeout=BUDGET)


class TestDefaultTimeout:
    def test_is_the_longest_silence_of_a_server(self) -> None:
        names = ["silence", "silence in the head", "silence in the body", "silence in chunks"]
        config = settings(default_timeout=BUDGET, retries=0)
        found = kinds(stalling(names), lambda server: failure(server, config))

        assert found == dict.fromkeys(names, TWTimeoutError)

    def test_is_not_for_all_of_an_answer(self, socket_clock: Clock) -> None:
        """A long listing over a slow line takes its time."""

        def work(peer: Peer) -> None:
            for byte in bytewise(whole(ME)):
                socket_clock.advance(PATIENCE)
                peer.send(byte)

        config = settings(default_timeout=PATIENCE, total_timeout=10**6, retries=0)
        with (
            RawServer(after_request(work)) as server,
            Connection("app", "secret", server.url, config=config) as connection,
        ):
            assert connection.check().uid == "u1"


class TestSize:
    """Of an answer: it has a maximum, so that none fills the memory."""

    @pytest.mark.parametrize(
        "start_and_rest",
        [
            (OK + b"Connection: close\r\n\r\n", b"x" * 65536),
            (length(10**12), b"x" * 65536),
            (CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
            (OK + GZIP + b"\r\nConnection: close\r\n\r\n", gzip.compress(bytes(10**7))),
        ],
        ids=["no length", "a length", "chunks", "gzip"],
    )
    def test_of_an_answer_without_end_is_refused(self, start_and_rest: tuple[bytes, bytes]) -> None:
        with RawServer(after_request(floods(*start_and_rest))) as server:
            error = failure(server, settings())

        assert type(error) is TWProtocolError
        assert "is refused: it is larger than 32 MiB" in str(error)
        assert server.connections == 1

    def test_of_an_answer_to_a_write_leaves_it_in_doubt(self) -> None:
        with RawServer(after_request(floods(length(10**12), b"x" * 65536))) as server:
            error = failure(server, settings(), post)

        assert type(error) is TWDeliveryUnknownError


def test_a_body_whose_first_pieces_have_no_content_is_read_whole() -> None:
    """They are a long field in the header of gzip."""
    packed = gzip.compress(ME)
    packed = packed[:3] + b"\4" + packed[4:10] + b"\xff\xff" + bytes(65535) + packed[10:]
    with (
        RawServer(answers(whole(packed, b"200 OK", GZIP))) as server,
        Connection("app", "secret", server.url, config=settings()) as connection,
    ):
        assert connection.check().uid == "u1"


@pytest.mark.parametrize(
    ("work", "kind"), [(check, TWProtocolError), (post, TWDeliveryUnknownError)]
)
def test_broken_gzip_is_an_answer_and_so_leaves_a_write_in_doubt(
    work: Work, kind: type[TWError]
) -> None:
    with RawServer(answers(whole(b"no gzip", b"200 OK", GZIP))) as server:
        connection = Connection("app", "secret", server.url, config=settings())
        with connection, pytest.raises(TWError) as caught:
            work(connection)

    assert type(caught.value) is kind
    assert server.connections == 1


def test_a_redirect_to_itself_is_not_followed() -> None:
    asked = []

    def script(peer: Peer) -> None:
        while peer.read_request():
            asked.append(1)
            peer.send(whole(b"", b"302 Found", b"Location: /v1/bot/me/"))

    with (
        RawServer(script) as server,
        Connection("app", "secret", server.url, config=settings()) as connection,
        pytest.raises(TWConfigError),
    ):
        connection.check()

    assert len(asked) == 1


class TestGivenSession:
    """Its connections know nothing of the budget: it is looked at when bytes of the body come."""

    @pytest.fixture
    def session(self) -> Iterator[requests.Session]:
        with requests.Session() as session:
            session.trust_env = False
            yield session

    def test_ends_silence_and_a_slow_body(self) -> None:
        names = [
            "silence",
            "silence in the head",
            "silence in the body",
            "a slow body",
            "a slow body without length",
            "a slow body in chunks",
            "a slow body in gzip",
            "a slow body in gzip and chunks",
        ]

        def fail(server: RawServer) -> TWError:
            with requests.Session() as session:
                session.trust_env = False
                return failure(server, settings(total_timeout=BUDGET), session=session)

        assert kinds(stalling(names), fail) == dict.fromkeys(names, TWTimeoutError)

    def test_refuses_a_body_without_end(self, session: requests.Session) -> None:
        with RawServer(after_request(floods(length(10**12), b"x" * 65536))) as server:
            error = failure(server, settings(), session=session)

        assert type(error) is TWProtocolError

    @pytest.mark.parametrize(
        "data",
        [
            whole(ME),
            whole(gzip.compress(ME), b"200 OK", GZIP),
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
                "app", "secret", server.url, session=session, config=settings()
            ) as connection:
                for _ in range(3):
                    assert connection.check().uid == "u1"
            session.close()

        assert server.connections == 1

    def test_that_breaks_off_a_body_is_an_error(self, session: requests.Session) -> None:
        def script(peer: Peer) -> None:
            peer.read_request()
            peer.send(length(len(ME) + 1) + ME)

        with RawServer(script) as server:
            error = failure(server, settings(retries=0), session=session)

        assert isinstance(error, TWConnectionError)

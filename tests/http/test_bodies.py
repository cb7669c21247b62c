"""Files on their way from a server, over real sockets."""

from __future__ import annotations

import errno
import gzip
import zlib

import pytest

from teamwire_sync import (
    TWAuthError,
    TWConnectionError,
    TWError,
    TWProtocolError,
    TWServerError,
    TWTimeoutError,
)
from tests.support.raw_server import (
    CHUNKED,
    Peer,
    RawServer,
    Script,
    after_request,
    bytewise,
    length,
    repeated,
    whole,
)
from tests.support.streams import (
    BUDGET,
    DATA,
    EITHER,
    LARGE,
    LOCAL,
    ME,
    ONE,
    Make,
    Memory,
    Takes,
    after,
    download,
    fails,
    failure,
    is_raised,
    make,
)
from tests.support.waiting import PATIENCE


@pytest.fixture(params=EITHER.values(), ids=list(EITHER))
def make_either(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


class TestDownload:
    def test_comes_as_it_is(self, make_either: Make) -> None:
        wrong = []
        for size in (0, 1, len(DATA), 2**21 + 7):
            data = (DATA * 30)[:size]
            sink = Memory()
            with RawServer(Takes(whole(data))) as server:
                download(make_either(server), sink, size)
            wrong += [size] if sink.data != data else []

        assert wrong == []

    def test_comes_piece_by_piece(self, make_either: Make) -> None:
        sink = Memory()
        data = bytes(5 * 2**20)
        with RawServer(Takes(whole(data))) as server:
            download(make_either(server), sink, len(data))

        assert max(map(len, sink.pieces)) <= 2**20

    def test_in_chunks(self, make_either: Make) -> None:
        sink = Memory()
        with RawServer(Takes(CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")) as server:
            download(make_either(server), sink, 5)

        assert sink.data == b"abcde"

    def test_asks_for_nothing_packed(self, make_either: Make) -> None:
        taken = Takes(whole(b""))
        with RawServer(taken) as server:
            download(make_either(server), Memory(), 0)

        assert b"\r\nAccept-Encoding: identity\r\n" in taken.heads[0] + b"\r\n"

    def test_of_another_size_is_refused_and_dropped(self, make_either: Make) -> None:
        sizes = [0, len(DATA) - 1, len(DATA) + 1, 2**40]
        found = {size: refusal(make_either, whole(DATA), size) for size in sizes}

        assert found == dict.fromkeys(sizes, (TWProtocolError, 1, b""))

    def test_without_end_is_refused_when_it_is_too_large(self, make_either: Make) -> None:
        def script(peer: Peer) -> None:
            peer.read_request()
            peer.send(CHUNKED)
            peer.flood(b"10000\r\n" + b"x" * 65536 + b"\r\n")

        with RawServer(script) as server:
            error = failure(lambda: download(make_either(server), Memory(), 10**6))

        assert type(error) is TWProtocolError
        assert "larger than the 1,000,000 bytes" in str(error)

    def test_that_is_packed_is_refused(self, make_either: Make) -> None:
        """What comes out of it could be of any size, and is asked for by nobody."""
        packed = {
            b"gzip": gzip.compress(DATA),
            b"deflate": zlib.compress(DATA),
            b"br": DATA,
            b"gzip, gzip": gzip.compress(gzip.compress(DATA)),
        }
        found = {
            name: refusal(make_either, whole(data, b"200 OK", b"Content-Encoding: " + name))
            for name, data in packed.items()
        }

        assert found == dict.fromkeys(packed, (TWProtocolError, 1, b""))

    @pytest.mark.parametrize("name", [b"Identity", b"UTF-8", b"none", b"aws-chunked", b"a, b", b""])
    def test_that_names_no_compression_is_not_packed(self, name: bytes) -> None:
        """Some servers name a charset."""
        sink = Memory()
        with RawServer(Takes(whole(DATA, b"200 OK", b"Content-Encoding: " + name))) as server:
            download(make(server), sink)

        assert sink.data == DATA

    def test_that_breaks_off_begins_anew(self, make_either: Make) -> None:
        wrong = []
        for count in (0, 1, len(DATA) // 2, len(DATA) - 1):
            sink = Memory()
            with RawServer(breaks_off_once(count)) as server:
                download(make_either(server, retries=1), sink)
            wrong += [count] if sink.data != DATA else []

        assert wrong == []

    def test_that_breaks_off_is_an_error_where_it_cannot_begin_anew(
        self, make_either: Make
    ) -> None:
        with RawServer(breaks_off_once(2**10)) as server:
            transport = make_either(server, retries=3)
            error = failure(lambda: download(transport, Memory(restarts=False)))

            assert server.connections == 1
        assert type(error) is TWConnectionError

    def test_whose_sink_fails_raises_just_that(self, make_either: Make) -> None:
        found = {
            name: raises_just_that(make_either, Takes(whole(b"some")), error, "write")
            for name, error in LOCAL.items()
        }

        assert found == dict.fromkeys(LOCAL, (True, 1))

    def test_whose_sink_cannot_start_again_raises_just_that(self, make_either: Make) -> None:
        found = {
            name: raises_just_that(make_either, breaks_off_once(2**10), error, "restart")
            for name, error in LOCAL.items()
        }

        assert found == dict.fromkeys(LOCAL, (True, 1))

    def test_whose_sink_fails_later_raises_just_that(self, make_either: Make) -> None:
        error = OSError(errno.ENOSPC, "the disk is full")
        taken = Takes(whole(bytes(LARGE)))
        with RawServer(taken) as server:
            transport = make_either(server, retries=3)
            with pytest.raises(OSError, match="the disk is full"):
                download(transport, Memory(fail=fails(error, "write", 3)), LARGE)

        assert len(taken.heads) == 1

    @pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
    def test_that_failed_here_leaves_room_for_the_next(
        self, kind: type[BaseException], make_either: Make
    ) -> None:
        """And the rest of it is nobody else's answer."""
        taken = Takes(whole(bytes(3 * 2**20)), ME)
        with RawServer(taken) as server:
            transport = make_either(server, **({} if make_either is not make else ONE))
            with pytest.raises(kind):
                download(transport, Memory(fail=fails(kind(), "write")), 3 * 2**20)

            assert transport.get_me(deadline=after(PATIENCE)).uid == "u1"

    def test_that_is_refused_never_reaches_the_sink(self, make_either: Make) -> None:
        expected = {
            b"404 x": TWProtocolError,
            b"403 x": TWAuthError,
            b"500 x": TWServerError,
            b"503 x": TWServerError,
            b"206 x": TWProtocolError,
            b"203 x": TWProtocolError,
        }
        sink = Memory(fail=fails(AssertionError("it was written"), "write"))
        found = {}
        for status in expected:
            with RawServer(Takes(whole(DATA, status))) as server:
                found[status] = type(failure(lambda: download(make_either(server), sink)))

        assert found == expected

    def test_may_take_longer_than_another_request(self, make_either: Make) -> None:
        def work(peer: Peer) -> None:
            peer.send(length(10))
            peer.drip(bytewise(b"0123456789"))

        sink = Memory()
        with RawServer(after_request(work)) as server:
            download(make_either(server, total_timeout=0.05), sink, 10)

        assert sink.data == b"0123456789"

    def test_that_falls_silent_ends(self, make_either: Make) -> None:
        half = whole(DATA)[: -len(DATA) // 2]
        with RawServer(after_request(lambda peer: peer.send(half))) as server:
            transport = make_either(server, assets_timeout=BUDGET)
            error = failure(lambda: download(transport, Memory()))

        assert type(error) is TWTimeoutError

    def test_ends_by_the_deadline_of_the_caller(self, make_either: Make) -> None:
        """However steadily its bytes come."""

        def work(peer: Peer) -> None:
            peer.send(length(10**7))
            peer.drip(repeated(b"x"))

        with RawServer(after_request(work)) as server:
            transport = make_either(server, retries=3)
            error = failure(lambda: download(transport, Memory(), 10**7, BUDGET))

        assert type(error) is TWTimeoutError

    def test_of_many_leaves_no_connection_but_the_pool_s(self) -> None:
        taken = Takes(whole(DATA))
        with RawServer(taken) as server:
            transport = make(server)
            for _ in range(5):
                download(transport, Memory())

            assert server.connections == 1


def breaks_off_once(count: int) -> Script:
    first = iter([True])

    def script(peer: Peer) -> None:
        peer.read_request()
        breaks = next(first, False)
        peer.send(whole(DATA)[: count - len(DATA)] if breaks else whole(DATA))

    return script


def refusal(
    make_either: Make, answer: bytes, size: int = len(DATA)
) -> tuple[type[TWError], int, bytes]:
    """The kind of error of a download, how often it was tried, and what the sink has."""
    sink = Memory()
    with RawServer(Takes(answer)) as server:
        error = failure(lambda: download(make_either(server, retries=3), sink, size))
        return type(error), server.connections, sink.data


def raises_just_that(
    make_either: Make, script: Script, error: Exception, what: str
) -> tuple[bool, int]:
    """Whether a download whose sink fails raises just that, and how often it was tried."""
    with RawServer(script) as server:
        transport = make_either(server, retries=3)
        sink = Memory(fail=fails(error, what))
        return is_raised(error, lambda: download(transport, sink)), server.connections

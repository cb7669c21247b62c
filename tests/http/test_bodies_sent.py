"""Files on their way to a server, over real sockets."""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from teamwire_sync import (
    TWAuthError,
    TWProtocolError,
    TWServerError,
    TWTimeoutError,
)
from tests.support.raw_server import (
    Peer,
    RawServer,
    Script,
    after_request,
    ca_file,
    takes_nothing,
    tls_for,
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
    UPLOADED,
    Bytes,
    Make,
    Takes,
    after,
    answer,
    close_all,
    failed,
    fails,
    failure,
    is_raised,
    length_of,
    make,
    upload,
)
from tests.support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.builders import Clock


@pytest.fixture(params=EITHER.values(), ids=list(EITHER))
def make_either(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


class TestUpload:
    def test_is_sent_as_it_is(self, make_either: Make) -> None:
        wrong = []
        for size in (0, 1, 2**14, 2**17 + 1):
            taken = Takes(UPLOADED)
            data = (DATA * 2)[:size]
            with RawServer(taken) as server:
                done = upload(make_either(server), Bytes(data))
            wrong += [size] if (done, taken.bodies) != ("a1", [data]) else []

        assert wrong == []

    def test_says_how_long_it_is_and_is_never_chunked(self, make_either: Make) -> None:
        found = {}
        for size in (0, 1, 2**17):
            taken = Takes(UPLOADED)
            with RawServer(taken) as server:
                upload(make_either(server), Bytes(bytes(size)))
            head = taken.heads[0].lower().split(b"\r\n")
            found[size] = [
                line for line in head if line.startswith((b"content-length", b"transfer-encoding"))
            ]

        assert found == {size: [b"content-length: %d" % size] for size in found}

    def test_says_what_it_is(self, make_either: Make) -> None:
        taken = Takes(UPLOADED)
        with RawServer(taken) as server:
            upload(make_either(server), Bytes())

        assert b"\r\nContent-Type: application/pdf" in taken.heads[0]

    def test_over_tls(self, tmp_path: Path) -> None:
        taken = Takes(UPLOADED)
        with RawServer(taken, tls_for()) as server:
            upload(make(server, verify=ca_file(tmp_path)), Bytes())

        assert taken.bodies == [DATA]

    def test_that_breaks_off_begins_anew(self, make_either: Make) -> None:
        taken = Takes(UPLOADED)
        first = iter([True])

        def script(peer: Peer) -> None:
            if next(first, False):
                peer.read_request()
                peer.read(100)
            else:
                taken(peer)

        source = Bytes(bytes(LARGE))
        with RawServer(script) as server:
            assert upload(make_either(server, retries=1), source) == "a1"

        assert taken.bodies == [bytes(LARGE)]

    def test_whose_answer_says_nothing_of_it_is_sent_again(self, make_either: Make) -> None:
        """What it makes is seen by nobody before it is posted."""
        lost = b""
        firsts = [lost, *(failed(status, "busy") for status in (b"503 x", b"429 x", b"502 x"))]
        wrong = []
        for first in firsts:
            taken = Takes(first, UPLOADED)
            with RawServer(taken) as server:
                done = upload(make_either(server, retries=1), Bytes())
            wrong += [first] if (done, taken.bodies) != ("a1", [DATA, DATA]) else []

        assert wrong == []

    def test_that_a_given_session_repeats_by_itself_is_whole(self) -> None:
        taken = Takes(failed(b"503 x", "busy"), UPLOADED)
        retry = Retry(2, status_forcelist=[503], allowed_methods=None, backoff_factor=0)
        with RawServer(taken) as server, requests.Session() as session:
            session.trust_env = False
            session.mount("http://", HTTPAdapter(max_retries=retry))
            server.call_first(lambda: close_all(session))
            assert upload(make(server, session=session), Bytes()) == "a1"

        assert taken.bodies == [DATA, DATA]

    def test_that_is_refused_is_sent_once(self) -> None:
        expected = {
            failed(b"401 x", "unauthorized"): TWAuthError,
            failed(b"413 x", "too_large"): TWProtocolError,
            failed(b"422 x", "invalid_request"): TWProtocolError,
            failed(b"500 x", "failed"): TWServerError,
            answer({"attachment": "a1"}): TWProtocolError,
            answer({"attachment_id": 1}): TWProtocolError,
            whole(b"<html>"): TWProtocolError,
            answer({"attachment_id": "a1"}, b"201 Created"): TWProtocolError,
        }
        found = {}
        for refusal in expected:
            taken = Takes(refusal)
            with RawServer(taken) as server:
                error = failure(lambda: upload(make(server, retries=3), Bytes()))
            found[refusal] = type(error), len(taken.bodies)

        assert found == {refusal: (kind, 1) for refusal, kind in expected.items()}

    @pytest.mark.parametrize("where", ["rewind", "read", "later"])
    def test_whose_source_fails_raises_just_that(self, where: str, make_either: Make) -> None:
        found = {}
        for name, error in LOCAL.items():
            fail = fails(error, "read", 2**14) if where == "later" else fails(error, where)
            with RawServer(after_request(lambda peer: None)) as server:
                transport = make_either(server, retries=3)
                is_just_that = is_raised(error, partial(upload, transport, Bytes(fail=fail)))
                found[name] = is_just_that, server.connections <= (where != "rewind")

        assert found == dict.fromkeys(LOCAL, (True, True))

    def test_whose_source_fails_at_the_second_try_raises_that(self) -> None:
        error = OSError(errno.EIO, "the disk")
        source = Bytes(fail=fails(error, "rewind", 1))
        taken = Takes(failed(b"503 x", "busy"))
        with RawServer(taken) as server:
            assert is_raised(error, lambda: upload(make(server, retries=3), source))

        assert len(taken.bodies) == 1

    @pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
    def test_that_failed_here_leaves_room_for_the_next(
        self, kind: type[BaseException], make_either: Make
    ) -> None:
        """And nothing of its body is taken for the next request."""
        source = Bytes(fail=fails(kind(), "read", 2**14))
        taken = Takes(ME)
        sent: list[bytes] = []

        def script(peer: Peer) -> None:
            if server.connections == 1:
                sent.append(peer.read_request() and peer.read(2 * len(DATA)))
            else:
                taken(peer)

        with RawServer(script) as server:
            transport = make_either(server, **({} if make_either is not make else ONE))
            with pytest.raises(kind):
                upload(transport, source)
            wait_until(lambda: bool(sent))
            for _ in range(2):
                transport.get_me(deadline=after(PATIENCE))

        assert sent == [DATA[: 2**14]]
        assert [head[:4] for head in taken.heads] == [b"GET ", b"GET "]

    @pytest.mark.parametrize("ends", ["closes", "reads on", "keeps silent and reads on"])
    def test_that_is_refused_before_it_is_whole_is_refused(
        self, ends: str, make_either: Make
    ) -> None:
        """Whether the server hears the rest or not, what it says counts."""
        found = []
        for status in (b"413 x", b"401 x"):
            with RawServer(refuses_early(status, ends)) as server:
                error = failure(lambda: upload(make_either(server), Bytes(bytes(LARGE))))
            found.append((error.status, error.code))

        assert found == [(413, "refused"), (401, "refused")]

    @pytest.mark.parametrize("ends", ["closes", "reads on"])
    def test_that_is_refused_before_it_is_whole_is_refused_over_tls_too(
        self, ends: str, tmp_path: Path
    ) -> None:
        with RawServer(refuses_early(b"413 x", ends), tls_for()) as server:
            transport = make(server, verify=ca_file(tmp_path))
            error = failure(lambda: upload(transport, Bytes(bytes(LARGE))))

        assert error.status == 413

    def test_may_take_longer_than_another_request(self, make_either: Make) -> None:
        def script(peer: Peer) -> None:
            peer.read(length_of(peer.read_request()))
            peer.pause(0.1)
            peer.send(UPLOADED)

        with RawServer(script) as server:
            assert upload(make_either(server, total_timeout=0.05), Bytes()) == "a1"

    def test_that_nobody_takes_ends(self, make_either: Make) -> None:
        with RawServer(takes_nothing) as server:
            transport = make_either(server, assets_timeout=BUDGET)
            error = failure(lambda: upload(transport, Bytes(bytes(LARGE))))

        assert type(error) is TWTimeoutError

    def test_that_nobody_takes_ends_over_tls(self, tmp_path: Path) -> None:
        with RawServer(takes_nothing, tls_for()) as server:
            transport = make(server, assets_timeout=BUDGET, verify=ca_file(tmp_path))
            error = failure(lambda: upload(transport, Bytes(bytes(LARGE))))

        assert type(error) is TWTimeoutError

    def test_ends_by_the_deadline_of_the_caller(self) -> None:
        """However often the server takes a little of it."""

        def script(peer: Peer) -> None:
            peer.read_request()
            while peer.read(2**14):
                peer.pause(0.01)

        with RawServer(script) as server:
            error = failure(lambda: upload(make(server), Bytes(bytes(2**26)), BUDGET))

        assert type(error) is TWTimeoutError

    def test_is_not_tried_again_after_the_deadline(self, clock: Clock) -> None:
        """Each pause takes a second here."""
        with RawServer(takes_nothing) as server:
            transport = make(
                server,
                clock=clock,
                pause=lambda _: clock.advance(1),
                assets_timeout=0.05,
                retries=1000,
            )
            with pytest.raises(TWTimeoutError, match=r"\(tried 3 times\)"):
                transport.upload(Bytes(bytes(LARGE)), deadline=clock() + 2.5)


def refuses_early(status: bytes, ends: str) -> Script:
    def script(peer: Peer) -> None:
        peer.read_request()
        more = () if ends == "keeps silent and reads on" else (b"Connection: close",)
        peer.send(failed(status, "refused", *more))
        if ends != "closes":
            peer.wait_gone()

    return script

"""Files on their way to a server, over real sockets."""

from __future__ import annotations

import errno
import ssl
from typing import TYPE_CHECKING

import pytest
import requests
import trustme
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from teamwire_sync import (
    TWAuthError,
    TWError,
    TWProtocolError,
    TWRequestError,
    TWServerError,
    TWTimeoutError,
)
from tests.support.raw_server import Peer, RawServer, Script
from tests.support.streams import (
    BUDGET,
    DATA,
    EITHER,
    LARGE,
    ME,
    ONE,
    UPLOADED,
    Bytes,
    Make,
    Takes,
    after,
    answer,
    check_raised,
    close_all,
    each_error,
    failed,
    fails,
    failure,
    length_of,
    make,
    upload,
    whole,
)
from tests.support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=EITHER.values(), ids=list(EITHER))
def make_either(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


class TestUpload:
    @pytest.mark.parametrize("size", [0, 1, 2**14, 2**17 + 1])
    def test_is_sent_as_it_is(self, size: int, make_either: Make) -> None:
        taken = Takes(UPLOADED)
        data = (DATA * 2)[:size]
        with RawServer(taken) as server:
            assert upload(make_either(server), Bytes(data)) == "a1"

        assert taken.bodies == [data]

    @pytest.mark.parametrize("size", [0, 1, 2**17])
    def test_says_how_long_it_is_and_is_never_chunked(self, size: int, make_either: Make) -> None:
        taken = Takes(UPLOADED)
        with RawServer(taken) as server:
            upload(make_either(server), Bytes(bytes(size)))
        head = taken.heads[0].lower()

        assert head.count(b"content-length:") == 1
        assert b"\r\ncontent-length: %d" % size in head
        assert b"transfer-encoding" not in head

    def test_says_what_it_is(self, make_either: Make) -> None:
        taken = Takes(UPLOADED)
        with RawServer(taken) as server:
            upload(make_either(server), Bytes())

        assert b"\r\nContent-Type: application/pdf" in taken.heads[0]

    def test_over_tls(self, tls: ssl.SSLContext, bundle: Path) -> None:
        taken = Takes(UPLOADED)
        with RawServer(taken, tls) as server:
            upload(make(server, verify=bundle), Bytes())

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

    @pytest.mark.parametrize(
        "first",
        [b"", failed(b"503 x", "busy"), failed(b"429 x", "busy"), failed(b"502 x", "gateway")],
        ids=["lost", "503", "429", "502"],
    )
    def test_whose_answer_says_nothing_of_it_is_sent_again(
        self, first: bytes, make_either: Make
    ) -> None:
        """What it makes is seen by nobody before it is posted."""
        taken = Takes(first, UPLOADED)
        with RawServer(taken) as server:
            assert upload(make_either(server, retries=1), Bytes()) == "a1"

        assert taken.bodies == [DATA, DATA]

    def test_that_a_given_session_repeats_by_itself_is_whole(self) -> None:
        taken = Takes(failed(b"503 x", "busy"), UPLOADED)
        retry = Retry(2, status_forcelist=[503], allowed_methods=None, backoff_factor=0)
        with RawServer(taken) as server, requests.Session() as session:
            session.trust_env = False
            session.mount("http://", HTTPAdapter(max_retries=retry))
            server.call_first(lambda: close_all(session))
            assert upload(make(server, session=session, assets_timeout=1), Bytes()) == "a1"

        assert taken.bodies == [DATA, DATA]

    @pytest.mark.parametrize(
        ("refusal", "kind"),
        [
            (failed(b"401 x", "unauthorized"), TWAuthError),
            (failed(b"413 x", "too_large"), TWRequestError),
            (failed(b"422 x", "invalid_request"), TWRequestError),
            (failed(b"500 x", "failed"), TWServerError),
            (answer({"attachment": "a1"}), TWProtocolError),
            (answer({"attachment_id": 1}), TWProtocolError),
            (whole(b"<html>"), TWProtocolError),
            (answer({"attachment_id": "a1"}, b"201 Created"), TWProtocolError),
        ],
        ids=["401", "413", "422", "500", "no id", "a number", "HTML", "201"],
    )
    def test_that_is_refused_is_sent_once(self, refusal: bytes, kind: type[TWError]) -> None:
        taken = Takes(refusal)
        with RawServer(taken) as server:
            error = failure(lambda: upload(make(server, retries=3), Bytes()))

        assert (type(error), len(taken.bodies)) == (kind, 1)

    @pytest.mark.parametrize("where", ["rewind", "read", "later"])
    @each_error
    def test_whose_source_fails_raises_just_that(
        self, error: Exception, where: str, make_either: Make
    ) -> None:
        fail = fails(error, "read", 2**14) if where == "later" else fails(error, where)

        def script(peer: Peer) -> None:
            peer.read_request()
            peer.wait_gone()

        with RawServer(script) as server:
            transport = make_either(server, retries=3)
            check_raised(error, lambda: upload(transport, Bytes(fail=fail)))

            assert server.connections <= (where != "rewind")

    def test_whose_source_fails_at_the_second_try_raises_that(self) -> None:
        error = OSError(errno.EIO, "the disk")
        source = Bytes(fail=fails(error, "rewind", 1))
        taken = Takes(failed(b"503 x", "busy"))
        with RawServer(taken) as server:
            check_raised(error, lambda: upload(make(server, retries=3), source))

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

    @pytest.mark.parametrize("status", [b"413 x", b"401 x"])
    @pytest.mark.parametrize("ends", ["closes", "reads on", "keeps silent and reads on"])
    def test_that_is_refused_before_it_is_whole_is_refused(
        self, ends: str, status: bytes, make_either: Make
    ) -> None:
        """Whether the server hears the rest or not, what it says counts."""
        with RawServer(refuses_early(status, ends)) as server:
            error = failure(lambda: upload(make_either(server), Bytes(bytes(LARGE))))

        assert (error.status, error.code) == (int(status[:3]), "refused")

    @pytest.mark.parametrize("ends", ["closes", "reads on"])
    def test_that_is_refused_before_it_is_whole_is_refused_over_tls_too(
        self, ends: str, tls: ssl.SSLContext, bundle: Path
    ) -> None:
        with RawServer(refuses_early(b"413 x", ends), tls) as server:
            transport = make(server, verify=bundle)
            error = failure(lambda: upload(transport, Bytes(bytes(LARGE))))

        assert error.status == 413

    def test_may_take_longer_than_another_request(self, make_either: Make) -> None:
        def script(peer: Peer) -> None:
            peer.read(length_of(peer.read_request()))
            peer.pause(0.2)
            peer.send(UPLOADED)

        with RawServer(script) as server:
            assert upload(make_either(server, total_timeout=0.1), Bytes()) == "a1"

    def test_that_nobody_takes_ends(self, make_either: Make) -> None:
        with RawServer(takes_nothing) as server:
            transport = make_either(server, assets_timeout=BUDGET)
            error = failure(lambda: upload(transport, Bytes(bytes(LARGE))))

        assert type(error) is TWTimeoutError

    def test_that_nobody_takes_ends_over_tls(self, tls: ssl.SSLContext, bundle: Path) -> None:
        with RawServer(takes_nothing, tls) as server:
            transport = make(server, assets_timeout=BUDGET, verify=bundle)
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

    def test_is_not_tried_again_after_the_deadline(self) -> None:
        with RawServer(takes_nothing) as server:
            transport = make(server, assets_timeout=0.1, retries=1000)
            error = failure(lambda: upload(transport, Bytes(bytes(LARGE)), 0.6))

            assert 1 < server.connections < 10
        assert type(error) is TWTimeoutError


def takes_nothing(peer: Peer) -> None:
    peer.pause(2 * BUDGET)
    peer.wait_gone()


def refuses_early(status: bytes, ends: str) -> Script:
    def script(peer: Peer) -> None:
        peer.read_request()
        more = () if ends == "keeps silent and reads on" else (b"Connection: close",)
        peer.send(failed(status, "refused", *more))
        if ends != "closes":
            peer.wait_gone()

    return script

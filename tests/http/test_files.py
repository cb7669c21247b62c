"""Files, pictures and the long poll: what is asked, for how long, and what comes of the answers."""

from __future__ import annotations

import json
import re
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from teamwire_sync import (
    ChatHandle,
    ConnectionConfig,
    TWError,
    TWImageLoadError,
    TWNotFoundError,
    TWProtocolError,
    TWRateLimitError,
    TWServerError,
    TWTimeoutError,
)
from teamwire_sync._http.response_body import MAX_BYTES
from teamwire_sync._transport import MessageDraft
from tests.support.transport_calls import API, CONTRACT, EDIT, ME, Make, error_body, raised_by, sent
from tests.support.waiting import PATIENCE, Threads

if TYPE_CHECKING:
    import responses

    from teamwire_sync._http.transport import HttpTransport
    from tests.support.builders import Clock

PICTURE = b"\x89PNG\r\n"
NO_EVENTS = {"events": [], "chats": [], "users": [], "groups": [], "cursor": "c1"}
ANYTHING = re.compile(".*")


class Nothing:
    """A source without bytes, and a sink that takes any."""

    content_type = "text/plain"
    size = 0

    def __init__(self, name: str = "x.txt") -> None:
        self.name = name
        self.data = b""

    def rewind(self) -> None:
        """Be at the start anyway."""

    def read(self, _size: int) -> bytes:
        return b""

    def restart(self) -> bool:
        self.data = b""
        return True

    def write(self, piece: bytes) -> None:
        self.data += piece


# One call for each operation that is about bytes, or waits, and what a server answers.
CALLS: dict[str, tuple[Callable[[HttpTransport], Any], dict[str, Any]]] = {
    "upload": (
        lambda one: one.upload(Nothing(), deadline=None),
        {"json": {"attachment_id": "a1"}},
    ),
    "download": (
        lambda one: one.download("a1", Nothing(), size=4, deadline=None),
        {"body": b"some"},
    ),
    "avatar": (lambda one: one.get_avatar("u1", deadline=None), {"body": PICTURE}),
    "poll": (lambda one: one.get_events(cursor="c", wait=7, deadline=None), {"json": NO_EVENTS}),
}
NAMES = ["Übung.txt", "a&b=c", "1+1", "a b", "a\nb\r\n", "\N{GRINNING FACE}", "100%", "%2F"]
NAMES += ["../x", "a;b#c?d", "\0"]
IDS = ["a/b", "../../me", "a?b=c", "a#b", "100%", "%2F", "ä ß"]
# One call for each path that has an id in it, where the star is.
BY_ID: dict[str, Callable[[HttpTransport, str], Any]] = {
    "chats/*": lambda one, tid: one.edit_chat(tid, {}, deadline=None),
    "chats/*/members": lambda one, tid: one.edit_members(tid, EDIT, deadline=None),
    "chats/*/admins": lambda one, tid: one.edit_admins(tid, EDIT, deadline=None),
    "chats/*/members/me": lambda one, tid: one.leave_chat(tid, deadline=None),
    "GET chats/*/messages": lambda one, tid: one.get_messages(
        ChatHandle(tid), before=None, limit=1, deadline=None
    ),
    "POST chats/*/messages": lambda one, tid: one.post_message(
        ChatHandle(tid), MessageDraft("x"), deadline=None
    ),
    "attachments/*/content": lambda one, aid: one.download(aid, Nothing(), size=0, deadline=None),
    "users/*/avatar": lambda one, uid: one.get_avatar(uid, deadline=None),
    "groups/*/members": lambda one, gid: one.edit_group_members(gid, EDIT, deadline=None),
}
# Those that are tried again.
STREAMS = ["upload", "download"]


def answer(server: responses.RequestsMock, name: str, **how: Any) -> None:
    """Have *server* answer the call *name*, with success unless *how* says otherwise."""
    server.add("POST" if name == "upload" else "GET", ANYTHING, **(how or CALLS[name][1]))


def failure(name: str, transport: HttpTransport) -> TWError:
    """The error of the call *name*, which shows no Secret."""
    error = raised_by(partial(CALLS[name][0], transport))
    assert isinstance(error, TWError), error
    return error


class TestRequests:
    @pytest.mark.parametrize(
        ("name", "timeout"), [("upload", 5), ("download", 5), ("avatar", 5), ("poll", 10)]
    )
    def test_each_has_the_time_of_its_kind(
        self, name: str, timeout: float, make: Make, server: responses.RequestsMock
    ) -> None:
        """A poll has the time that the server may wait, too."""
        config = ConnectionConfig(default_timeout=3, long_timeout=4, assets_timeout=5)
        answer(server, name)
        CALLS[name][0](make(config, clock=lambda: 100.0))

        assert sent(server).req_kwargs["timeout"] == timeout

    def test_may_not_be_stored(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        wrong = []
        for name, (ask, _) in CALLS.items():
            answer(server, name)
            ask(transport)
            if sent(server).headers.get("Cache-Control") != "no-store":
                wrong.append(name)

        assert wrong == []

    def test_has_no_idempotency_key(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        wrong = []
        for name, (ask, _) in CALLS.items():
            answer(server, name)
            ask(transport)
            if "Idempotency-Key" in sent(server).headers:
                wrong.append(name)

        assert wrong == []

    @pytest.mark.parametrize(
        ("name", "accepted"),
        [
            ("upload", "application/json"),
            ("download", "*/*"),
            ("avatar", "*/*"),
            ("poll", "application/json"),
        ],
    )
    def test_says_what_it_takes(
        self, name: str, accepted: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name)
        CALLS[name][0](transport)

        assert sent(server).headers["Accept"] == accepted

    def test_the_name_of_a_file_goes_whole_into_the_query(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "upload")
        wrong = []
        for name in NAMES:
            transport.upload(Nothing(name), deadline=None)
            parts = urlsplit(sent(server).url)
            query = parts.query.isascii() and parse_qs(parts.query, strict_parsing=True)
            if (parts.path, query) != ("/v1/bot/attachments/", {"name": [name]}):
                wrong.append((name, parts))

        assert wrong == []

    def test_a_text_that_is_looked_for_goes_whole_into_the_query(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        server.get(ANYTHING, json={"users": [], "next_cursor": None})
        transport.get_users(text="ä&cursor=x +", cursor="c&1", deadline=None)

        assert sent(server).params == {"q": "ä&cursor=x +", "cursor": "c&1"}

    def test_an_id_stays_one_segment_of_the_path(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        for method in ("GET", "POST", "PATCH", "DELETE"):
            server.add(method, ANYTHING, status=404, json=error_body("not_found"), headers=CONTRACT)
        wrong = []
        for (what, ask), one in product(BY_ID.items(), IDS):
            error = raised_by(partial(ask, transport, one))
            segments = urlsplit(sent(server).url[len(API) :]).path.strip("/").split("/")
            path = [one if part == "*" else part for part in what.split()[-1].split("/")]
            if type(error) is not TWNotFoundError or list(map(unquote, segments)) != path:
                wrong.append((what, one, error, segments))

        assert wrong == []

    @pytest.mark.parametrize("wait", [25.0, 0.5, 12.3456789, 0.00001])
    def test_a_poll_says_how_long_the_server_may_wait(
        self, wait: float, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        """In digits and a point: not everybody reads 1e-05 as a number."""
        answer(server, "poll")
        transport.get_events(cursor="c&1", wait=wait, deadline=None)
        params = sent(server).params

        assert params.keys() == {"cursor", "wait"}
        assert re.fullmatch(r"\d+(\.\d+)?", params["wait"])
        assert float(params["wait"]) == pytest.approx(wait, abs=0.001)

    def test_the_first_poll_does_not_wait(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "poll")
        transport.get_events(cursor=None, wait=0, deadline=None)

        assert sent(server).params == {}


class TestTries:
    @pytest.mark.parametrize("name", STREAMS)
    def test_a_file_waits_no_longer_than_another_request(
        self, name: str, make: Make, server: responses.RequestsMock
    ) -> None:
        """It has no end of its own, so a server could have it wait for years."""
        pauses: list[float] = []
        transport = make(ConnectionConfig(total_timeout=60), pause=pauses.append)
        for seconds in (61, 10**8, 10**16):
            answer(server, name, status=429, headers={"Retry-After": str(seconds)})
        kinds = [type(failure(name, transport)) for _ in range(3)]

        assert (kinds, pauses) == ([TWRateLimitError] * 3, [])

    @pytest.mark.parametrize("name", STREAMS)
    def test_a_file_waits_as_long_as_the_server_asks_for(
        self, name: str, make: Make, server: responses.RequestsMock, clock: Clock
    ) -> None:
        """However long all of it takes then."""
        transport = make(ConnectionConfig(total_timeout=60), clock=clock, pause=clock.advance)
        for _ in range(3):
            answer(server, name, status=503, headers={"Retry-After": "59"})
        answer(server, name)
        CALLS[name][0](transport)

        assert clock.now == 1000 + 3 * 59

    def test_what_a_server_asks_for_can_be_more_than_can_be_waited_for(
        self, transport: HttpTransport
    ) -> None:
        with Threads(1) as threads:
            pausing = threads.start(lambda: transport.pause(1e300))
            transport.close()

            assert pausing.exception(PATIENCE) is None

    @pytest.mark.parametrize("status", [429, 502, 503, 504])
    def test_a_poll_is_asked_once(
        self, status: int, make: Make, server: responses.RequestsMock
    ) -> None:
        answer(server, "poll", status=status)
        error = failure("poll", make(ConnectionConfig(retries=3)))

        assert type(error) is (TWRateLimitError if status == 429 else TWServerError)
        assert len(server.calls) == 1

    def test_the_first_poll_is_asked_again(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        answer(server, "poll", status=503)
        answer(server, "poll")
        transport = make(ConnectionConfig(retries=3), pause=lambda _: None)

        assert transport.get_events(cursor=None, wait=0, deadline=None).cursor == "c1"


class TestRoom:
    @pytest.mark.parametrize("name", STREAMS)
    def test_a_file_does_not_wait_for_ever_for_a_connection(
        self, name: str, make: Make, clock: Clock, server: responses.RequestsMock
    ) -> None:
        """Another call is under way meanwhile, and has the only one."""
        config = ConnectionConfig(retries=0, pool_size=1, total_timeout=0.05)
        transport = make(config, clock=clock)
        errors = []

        def ask(_request: object) -> tuple[int, dict[str, str], str]:
            with Threads(1) as threads:
                errors.append(threads.start(failure, name, transport).result(PATIENCE))
            return 200, {}, json.dumps(ME)

        server.add_callback("GET", f"{API}/me/", ask)
        raised_by(partial(transport.get_me, deadline=None))

        assert [(type(error), str(error)) for error in errors] == [
            (TWTimeoutError, "no connection was free for 0.05 s: pool_size is 1")
        ]


class TestAvatar:
    def test_is_bytes(self, transport: HttpTransport, server: responses.RequestsMock) -> None:
        answer(server, "avatar")

        assert transport.get_avatar("u1", deadline=None) == PICTURE

    def test_that_is_not_set_is_an_error_of_its_own(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(
            server,
            "avatar",
            status=404,
            json=error_body("no_avatar", "no picture"),
            headers={**CONTRACT, "X-Request-ID": "r1"},
        )
        error = failure("avatar", transport)

        assert type(error) is TWImageLoadError
        assert str(error) == "the user 'u1' has set no picture"
        assert (error.status, error.code, error.request_id) == (404, "no_avatar", "r1")
        assert (error.method, error.path) == ("GET", "/v1/bot/users/u1/avatar/")

    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            ("not_found", TWNotFoundError),
            ("no_such_path", TWProtocolError),
            (None, TWProtocolError),
        ],
    )
    def test_any_other_404_is_about_the_user_or_the_url(
        self,
        code: str | None,
        kind: type[TWError],
        transport: HttpTransport,
        server: responses.RequestsMock,
    ) -> None:
        answer(server, "avatar", status=404, json=error_body(code), headers=CONTRACT)

        assert type(failure("avatar", transport)) is kind

    def test_of_more_than_fits_is_refused(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "avatar", body=bytes(MAX_BYTES + 1))
        with pytest.raises(TWProtocolError, match="larger than 32 MiB"):
            transport.get_avatar("u1", deadline=None)

    def test_is_tried_again(self, make: Make, server: responses.RequestsMock) -> None:
        answer(server, "avatar", status=503)
        answer(server, "avatar")
        transport = make(ConnectionConfig(retries=1), pause=lambda _: None)

        assert transport.get_avatar("u1", deadline=None) == PICTURE


class TestFiles:
    """Through a test double of requests, too."""

    def test_come_as_they_are(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "download")
        sink = Nothing()
        transport.download("a1", sink, size=4, deadline=None)

        assert sink.data == b"some"

    @pytest.mark.parametrize("size", [3, 5])
    def test_of_another_size_are_refused(
        self, size: int, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "download")
        with pytest.raises(TWProtocolError, match="is refused: it "):
            transport.download("a1", Nothing(), size=size, deadline=None)

    def test_that_are_sent_say_how_long_they_are(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "upload")
        transport.upload(Nothing(), deadline=None)

        assert sent(server).headers["Content-Length"] == "0"
        assert sent(server).headers["Content-Type"] == "text/plain"

    def test_keep_the_cause_of_an_error_of_their_own(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        class Broken(Nothing):
            def write(self, piece: bytes) -> None:
                message = "of this machine"
                raise LookupError(message) from KeyError(piece)

        answer(server, "download")
        with pytest.raises(LookupError) as caught:
            transport.download("a1", Broken(), size=4, deadline=None)

        assert isinstance(caught.value.__cause__, KeyError)
        assert caught.value.__context__ is None

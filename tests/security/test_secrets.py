"""A marked Secret is planted, and looked for in all that a program, a log or a debugger shows."""

from __future__ import annotations

import base64
import copy
import io
import itertools
import json
import logging
import os
import pickle
import socket
import socketserver
import string
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable

import attrs
import pytest
import requests

from teamwire_sync import (
    Attachments,
    AttachmentType,
    Connection,
    ConnectionConfig,
    TWAuthError,
    TWClosedError,
    TWConfigError,
    TWError,
    TWImageLoadError,
)
from teamwire_sync._concealed import Concealed
from teamwire_sync._credentials import check_url, find_credentials
from teamwire_sync._files import LocalFile, OpenFile, Target
from teamwire_sync._transports.answers import Answer
from teamwire_sync._transports.sessions import BasicAuth, Received
from teamwire_sync._transports.streams import Incoming, Outgoing
from teamwire_sync._transports.tether import Tether
from teamwire_sync._transports.wire import OPERATIONS
from tests.support.builders import (
    chat_answer,
    chat_doc,
    group_doc,
    message_answer,
    message_doc,
    page_doc,
    user_doc,
)
from tests.support.leaks import (
    assert_no_secret,
    assert_nothing_shown,
    chain,
    leak_in,
    readable,
    shown_by,
    spellings,
    with_locals,
)
from tests.support.waiting import PATIENCE, Threads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APP_ID = "app"
URL = "https://teamwire.example"
PLAIN = "mArk3d-7f3a9c1e5b2d8460"
SECRETS = {
    "plain": PLAIN,
    "with a newline": f"{PLAIN}\n",
    "not ASCII": "mÄrk3d-ßçñéü-7f3a9c1e",
    "not Latin-1": "mark3d-€😀-7f3a9c1e",
    "to be escaped": "m%rk3d/+&='\"\\<7f3a>{9c} 1e5b\\ßçé\\ñü\\",
    "with signs in Base64": "mark3d~?>~?>~?>7f3a",
    "like an App ID and another": "mark3d:7f3a9c1e5b2d",
}
REFUSED = {
    "a newline inside": "mArk3d-7f3a9c\n1e5b2d8460",
    "control characters": "\x1b[31mmArk3d-7f3a9c1e5b2d8460\x07",
    "a lone surrogate": "mArk3d-7f3a9c1e5b2d8460\udc80",
    "a no-break space": "mArk3d-7f3a9c\N{NO-BREAK SPACE}1e5b2d8460",
}
each_secret = pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
each_refused = pytest.mark.parametrize("secret", REFUSED.values(), ids=REFUSED)

ONCE = ConnectionConfig(retries=0)
ATTACHMENT = {
    "type": "file",
    "attachment_id": "a1",
    "name": "x.txt",
    "size": 4,
    "content_type": "text/plain",
}
ANSWERS = {
    "GET /v1/bot/me/": {"user": user_doc(is_bot=True)},
    "GET /v1/bot/chats/": page_doc(chat_doc()),
    "GET /v1/bot/users/u1/": {"user": user_doc()},
    "POST /v1/bot/chats/": chat_answer(chat_doc("t2")),
    "GET /v1/bot/chats/t1/messages/": {
        "messages": [message_doc(attachments=[ATTACHMENT])],
        "users": [user_doc()],
        "next_before": None,
    },
    "POST /v1/bot/chats/t1/messages/": message_answer(message_doc()),
    "POST /v1/bot/attachments/": {"attachment_id": "a1"},
    "GET /v1/bot/groups/": {"groups": [group_doc()], "users": [], "next_cursor": None},
    "GET /v1/bot/events/": {"events": [], "chats": [], "users": [], "groups": [], "cursor": "c1"},
}


def http(status: str, body: object = b"", **headers: str) -> bytes:
    """An answer as it goes over the wire."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "text/html" if sent.startswith(b"<") else "application/json"
    head = {"Content-Type": kind, "Content-Length": str(len(sent)), "Connection": "close"}
    head.update({name.replace("_", "-"): value for name, value in headers.items()})
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in head.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + sent


class Server(socketserver.ThreadingTCPServer):
    """Answers what the contract says, or what `answer` makes of the credentials."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.answer: Callable[[str], bytes] | None = None
        self.pairs: list[str] = []


class _Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        line = self.rfile.readline().decode().rpartition(" ")[0].partition("?")[0]
        headers = {}
        for raw in iter(self.rfile.readline, b"\r\n"):
            name, _, value = raw.decode().strip().partition(": ")
            headers[name.lower()] = value
        self.rfile.read(int(headers.get("content-length", 0)))
        header = headers.get("authorization", "")
        secret = base64.b64decode(header.rpartition(" ")[2]).decode().partition(":")[2]
        self.server.pairs.append(header)
        if self.server.answer is not None:
            self.wfile.write(self.server.answer(f"{header} {secret}"))
        else:
            self.wfile.write(http("200 OK", ANSWERS[line]))


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as one:
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield one
        one.shutdown()
        thread.join()


def worked(connection: Connection) -> Connection:
    """*connection* after a bit of everything, so that all it keeps is there."""
    connection.check()
    connection.chats.get_subscriptions()
    connection.chats.get_by_title("test")
    connection.users.get_user("u1")
    connection.chats.create_chat(users=["u1"])
    connection.chats.at("t1").get_messages()
    connection.chats.at("t1").post("hello", Attachments().add_file(io.BytesIO(b"some"), "x.txt"))
    connection.groups.get_all()
    return connection


def source_of(data: bytes) -> OpenFile:
    """*data* as a file that is being sent."""
    with LocalFile.of(AttachmentType.FILE, io.BytesIO(data), "x.txt").opened() as source:
        return source


@contextmanager
def connected(server: Server, secret: str, **arguments: Any) -> Iterator[Connection]:
    arguments.setdefault("config", ONCE)
    with Connection(APP_ID, secret, server.url, **arguments) as connection:
        yield connection


def fields_of(thing: Any) -> dict[str, Any]:
    """What *thing* holds by name, in a dict or in slots."""
    names: list[str] = []
    for each in type(thing).__mro__:
        slots = vars(each).get("__slots__", ())
        names += [slots] if isinstance(slots, str) else slots
    in_slots = {name: getattr(thing, name) for name in names if hasattr(thing, name)}
    return {**in_slots, **getattr(thing, "__dict__", {})}


def reachable(thing: Any) -> Iterator[Any]:
    """*thing* and all that it leads to, down to what conceals the Secret."""
    seen: set[int] = set()
    kept = [thing]
    for one in kept:
        if id(one) in seen or isinstance(one, (type, Concealed)):
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, dict):
            kept += [*one, *one.values()]
        elif isinstance(one, (list, tuple, set, frozenset)):
            kept += one
        elif type(one).__module__.partition(".")[0] in {"teamwire_sync", "requests", "urllib3"}:
            kept += fields_of(one).values()


def parts_of(connection: Connection) -> dict[str, Any]:
    """The objects under *connection*."""
    transport = connection._transport
    exchange = transport._exchange  # type: ignore[attr-defined]
    return {
        "connection": connection,
        "chats": connection.chats,
        "users": connection.users,
        "groups": connection.groups,
        "cache": connection.chats._cache,
        "service": connection.chats._service,
        "stream": connection.events(),
        "message": connection.chats.at("t1").get_messages()[0],
        "outgoing": Outgoing(source_of(b"some")),
        "incoming": Incoming(Target(io.BytesIO()), 4),
        "tether": Tether(),
        "transport": transport,
        "exchange": exchange,
        "session": exchange._session,
        "auth": exchange._auth,
        "scrubber": exchange._auth.scrub,
    }


def as_pickle(thing: Any) -> str:
    """What a pickle of *thing* shows, or the refusal to make one."""
    try:
        return readable(pickle.dumps(thing))
    except (TypeError, AttributeError) as error:
        return with_locals(error) + str(error)


def as_copy(thing: Any) -> str:
    """What a copy of *thing* shows, or the refusal to make one."""
    try:
        return repr(fields_of(copy.deepcopy(thing)))
    except TypeError as error:
        return with_locals(error) + str(error)


LOOKS: dict[str, Callable[[Any], str]] = {
    "repr": repr,
    "str": str,
    "format": "{}".format,
    "percent": lambda one: f"{one!s} {one!r}",
    "vars": lambda one: repr(fields_of(one)),
    "dir": lambda one: repr([getattr(one, name, None) for name in dir(one) if name[0] != "_"]),
    "pickle": as_pickle,
    "deepcopy": as_copy,
    "state": lambda one: repr(getattr(one, "__getstate__", dict)()),
}


class TestConnection:
    @pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
    @each_secret
    def test_no_part_of_it_shows_the_secret(
        self, secret: str, look: Callable[[Any], str], server: Server
    ) -> None:
        with connected(server, secret) as connection:
            parts = parts_of(worked(connection))
            shown = [(f"the {name}", look(part)) for name, part in parts.items()]

        assert_nothing_shown(shown, secret)

    @each_secret
    def test_nothing_that_it_leads_to_shows_the_secret(self, secret: str, server: Server) -> None:
        with connected(server, secret) as connection:
            everything = list(reachable(worked(connection)))
            shown = [(f"a {type(one).__name__}", repr(one)) for one in everything]

        assert any(isinstance(one, BasicAuth) for one in everything)
        assert_nothing_shown(shown, secret)

    @each_secret
    def test_what_it_gives_shows_no_secret(self, secret: str, server: Server) -> None:
        with connected(server, secret) as connection:
            chats = worked(connection).chats.get_subscriptions()
            given = (chats[0], chats[0].users, connection.check(), connection.chats.cache_info())
            shown = [(f"pickle of {type(one).__name__}", as_pickle(one)) for one in given]
            shown += [(f"repr of {type(one).__name__}", repr(one)) for one in (chats, *given)]
            shown += [
                (f"asdict of {type(one).__name__}", repr(attrs.asdict(one)))
                for one in (chats[0], connection.check(), ONCE)
            ]
            shown.append(("HTML", chats._repr_html_()))

        assert_nothing_shown(shown, secret)

    @pytest.mark.parametrize(
        "name",
        ["connection", "transport", "exchange", "session", "auth", "scrubber", "service", "stream"],
    )
    @pytest.mark.parametrize("take", [pickle.dumps, copy.deepcopy], ids=["pickle", "deepcopy"])
    def test_what_holds_the_secret_says_that_it_is_not_copied(
        self, name: str, take: Callable[[Any], Any], server: Server
    ) -> None:
        with connected(server, PLAIN) as connection:
            part = parts_of(connection)[name]
            # On its way to the Secret pickle may meet a lock first, and refuse that.
            with pytest.raises(TypeError, match=r"can't be pickled or copied|cannot pickle '_"):
                take(part)

    @each_secret
    def test_the_server_gets_it_whole(self, secret: str, server: Server) -> None:
        """Else none of these tests would mean anything."""
        with connected(server, secret) as connection:
            connection.check()

        pair = base64.b64encode(f"{APP_ID}:{secret.strip()}".encode()).decode()
        assert server.pairs == [f"Basic {pair}"]


class TestCredentials:
    @each_secret
    @pytest.mark.parametrize(
        "look", [*LOOKS.values(), attrs.asdict, attrs.astuple], ids=[*LOOKS, "asdict", "astuple"]
    )
    def test_they_show_no_secret(self, look: Callable[[Any], Any], secret: str) -> None:
        shown = str(look(find_credentials(APP_ID, secret, URL)))

        assert_nothing_shown([("it", shown)], secret)

    @pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
    def test_what_conceals_the_secret_is_not_copied(self, take: Callable[[Any], Any]) -> None:
        with pytest.raises(TypeError, match=r"^what holds a Secret can't be pickled or copied$"):
            take(Concealed(PLAIN))

    def test_what_is_concealed_twice_is_concealed_once(self) -> None:
        assert Concealed(Concealed(PLAIN)).reveal() == PLAIN

    def test_what_is_concealed_is_equal_to_itself_and_as_a_key(self) -> None:
        assert {Concealed(PLAIN): 1} == {Concealed(PLAIN): 1}
        assert Concealed(PLAIN) != Concealed("other")


REQUEST_LOOKS: dict[str, Callable[[requests.PreparedRequest], str]] = {
    "headers": lambda one: f"{one.headers} {one.headers!r}",
    "a dict of the headers": lambda one: str(dict(one.headers)),
    "items": lambda one: f"{list(one.headers.items())}",
    "vars": lambda one: repr(vars(one)),
    "percent r": lambda one: "%r" % (one.headers["Authorization"],),  # noqa: UP031
    "pickle": lambda one: readable(pickle.dumps(one)),
    "a copy": lambda one: repr(vars(one.copy())),
    "a deep copy": lambda one: repr(vars(copy.deepcopy(one))),
}


class TestRequest:
    @pytest.fixture
    def request_of(self) -> Callable[[str], requests.PreparedRequest]:
        def one(secret: str) -> requests.PreparedRequest:
            auth = BasicAuth(APP_ID, Concealed(secret.strip()))
            return requests.Request("GET", URL, auth=auth).prepare()

        return one

    @pytest.mark.parametrize("look", REQUEST_LOOKS.values(), ids=REQUEST_LOOKS)
    @each_secret
    def test_a_log_of_its_headers_shows_no_secret(
        self,
        secret: str,
        look: Callable[[requests.PreparedRequest], str],
        request_of: Callable[[str], requests.PreparedRequest],
    ) -> None:
        assert_nothing_shown([("it", look(request_of(secret)))], secret)

    @pytest.mark.parametrize(
        "take",
        [requests.PreparedRequest.copy, copy.copy, copy.deepcopy],
        ids=["its own", "copy", "deepcopy"],
    )
    def test_a_copy_can_be_sent(
        self,
        take: Callable[[requests.PreparedRequest], requests.PreparedRequest],
        request_of: Callable[[str], requests.PreparedRequest],
    ) -> None:
        pair = base64.b64encode(f"{APP_ID}:{PLAIN}".encode()).decode()

        assert take(request_of(PLAIN)).headers["Authorization"] == f"Basic {pair}"


# What a server may do with the header, which it is given together with the Secret. Each ends in an
# error of a read and a write.
ECHOES: dict[str, Callable[[str], bytes]] = {
    **{
        f"status {status}": lambda text, status=status: http(  # type: ignore[misc]
            f"{status} {text}", {"error": {"code": text, "message": text}}
        )
        for status in (400, 401, 403, 404, 409, 422, 500, 502, 503)
    },
    "members": lambda text: http(
        "422 Unprocessable",
        {"error": {"code": "invalid_members", "user_ids": [text, 5], "group_ids": text.split()}},
    ),
    "members by name": lambda text: http(
        "422 Unprocessable", {"error": {"code": "invalid_members", "message": text}}
    ),
    "unknown fields": lambda text: http("400 Bad", {"error": {"code": "x", text: [text]}}),
    "code of 10,000 letters": lambda text: http("400 Bad", {"error": {"code": text * 200}}),
    "request id": lambda text: http("500 Failed", b"{}", X_Request_ID=text),
    "every header": lambda text: http(
        "429 Too Many", b"", Retry_After=text, ETag=text, Server=text, X=text, WWW_Authenticate=text
    ),
    "redirect": lambda text: http("302 Found", b"", Location=text),
    "redirect to a host": lambda text: http(
        "302 Found", b"", Location=f"https://{text.split()[2].replace('/', '')}.example:8443/"
    ),
    "redirect with a user": lambda text: http(
        "307 Temporary", b"", Location=f"https://{text.split()[1]}@other.example/{text}"
    ),
    "page": lambda text: http("503 Unavailable", f"<p>{text}".encode()),
    "no JSON": lambda text: http("200 OK", text.encode()),
    "other JSON": lambda text: http("200 OK", {text: text}),
    "JSON of a wrong type": lambda text: http("200 OK", {"user": text, "chat": [text]}),
    "no such encoding": lambda text: http("200 OK", b"x", Content_Encoding=text),
    "no status line": lambda text: text.encode() + b"\r\n\r\n",
    "a broken status line": lambda text: f"HTTP/1.1 {text}\r\n\r\n".encode(),
    "a wrong length": lambda text: http("200 OK", text.encode(), Content_Length="9999"),
    "a length that is none": lambda text: http("200 OK", b"x", Content_Length=text),
    "a broken chunk": lambda text: (
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{text}\r\n".encode()
    ),
    "nothing": lambda _text: b"",
}
# Those that a call can come to whose answer is no JSON, or that is neither a read nor a write.
SOME_ECHOES = [
    "status 401", "status 404", "status 422", "status 503", "request id", "every header", "page",
    "no JSON", "other JSON", "no such encoding", "no status line", "a wrong length",
    "a broken chunk", "nothing",
]  # fmt: skip
OPERATE_TOO: dict[str, Callable[[Connection], Any]] = {
    "upload": lambda connection: connection._transport.upload(source_of(b"some"), deadline=None),
    "download": lambda connection: connection._transport.download(
        "a1", Target(io.BytesIO()), size=4, deadline=None
    ),
    "poll": lambda connection: connection._transport.get_events(cursor="c1", wait=1, deadline=None),
    "edit": lambda connection: connection.chats.at("t1").set_title("new"),
}
OPERATE: dict[str, Callable[[Connection], Any]] = {
    "read": lambda connection: connection.check(),
    "write": lambda connection: connection.chats.create_chat(users=["u1"]),
}


def failing(*_: object) -> Any:
    message = "of this machine"
    raise LookupError(message)


class TestErrors:
    @pytest.mark.parametrize("operate", OPERATE.values(), ids=OPERATE)
    @pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
    @each_secret
    def test_a_server_that_quotes_the_secret_makes_no_error_show_it(
        self,
        secret: str,
        echo: Callable[[str], bytes],
        operate: Callable[[Connection], Any],
        server: Server,
    ) -> None:
        server.answer = echo
        with connected(server, secret) as connection, pytest.raises(TWError) as caught:
            operate(connection)

        assert_no_secret(caught.value, secret)

    @pytest.mark.parametrize("operate", OPERATE_TOO.values(), ids=OPERATE_TOO)
    @pytest.mark.parametrize("echo", SOME_ECHOES)
    def test_nor_does_it_in_the_other_calls(
        self, echo: str, operate: Callable[[Connection], Any], server: Server
    ) -> None:
        secret = SECRETS["to be escaped"]
        server.answer = ECHOES[echo]
        with connected(server, secret) as connection, pytest.raises(TWError) as caught:
            operate(connection)

        assert_no_secret(caught.value, secret)

    @each_secret
    def test_a_picture_that_is_not_set_shows_no_secret(self, secret: str, server: Server) -> None:
        server.answer = lambda text: http(
            "404 x", {"error": {"code": "no_avatar", "message": text}}, X_Request_ID=text
        )
        with connected(server, secret) as connection, pytest.raises(TWImageLoadError) as caught:
            connection._transport.get_avatar("u1", deadline=None)

        assert_no_secret(caught.value, secret)

    @pytest.mark.parametrize("what", ["rewind", "read"])
    @each_secret
    def test_an_error_of_a_file_that_is_sent_shows_no_secret(
        self, secret: str, what: str, server: Server
    ) -> None:
        """It comes through with the frames of requests and urllib3."""
        source = source_of(b"some")
        setattr(source, what, failing)
        with connected(server, secret) as connection, pytest.raises(LookupError) as caught:
            connection._transport.upload(source, deadline=None)

        assert "streams.py" in with_locals(caught.value)
        assert_no_secret(caught.value, secret)

    @pytest.mark.parametrize(
        ("what", "status"), [("write", "200 OK"), ("restart", "no status line")]
    )
    @each_secret
    def test_an_error_of_a_file_that_comes_shows_no_secret(
        self, secret: str, what: str, status: str, server: Server
    ) -> None:
        """Nor does it lead to the error of the network in the middle of which it came."""
        server.answer = lambda _: http(status, b"some") if what == "write" else b"none\r\n\r\n"
        target = Target(io.BytesIO())
        setattr(target, what, failing)
        with connected(server, secret) as connection, pytest.raises(LookupError) as caught:
            connection._transport.download("a1", target, size=4, deadline=None)

        assert caught.value.__context__ is None
        assert_no_secret(caught.value, secret)

    @each_secret
    def test_a_poll_that_is_cut_shows_no_secret(self, secret: str, server: Server) -> None:
        asked, closed = threading.Event(), threading.Event()

        def hold(_: str) -> bytes:
            asked.set()
            assert closed.wait(PATIENCE)
            return b""

        server.answer = hold
        with connected(server, secret) as connection, Threads(1) as threads:
            result = threads.start(lambda: OPERATE_TOO["poll"](connection))
            assert asked.wait(PATIENCE)
            connection.close()
            error = result.exception(PATIENCE)
            closed.set()

        assert isinstance(error, TWClosedError)
        assert_no_secret(error, secret)

    @each_secret
    def test_an_error_after_further_tries_shows_no_secret(
        self, secret: str, server: Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        server.answer = ECHOES["status 503"]
        config = ConnectionConfig(retries=1)
        with connected(server, secret, config=config) as connection, pytest.raises(TWError) as one:
            connection.check()

        assert "tried 2 times" in str(one.value)
        assert_no_secret(one.value, secret)

    @each_secret
    def test_an_error_of_the_callers_own_session_shows_no_secret(
        self, secret: str, server: Server
    ) -> None:
        """It comes through with the frames of requests, whose locals are requests and answers."""

        def refuse(response: requests.Response, **_: Any) -> None:
            response.close()
            message = "the hook's own"
            raise LookupError(message)

        with requests.Session() as session:
            session.hooks["response"].append(refuse)
            with (
                connected(server, secret, session=session) as connection,
                pytest.raises(LookupError) as caught,
            ):
                connection.check()

        assert "sessions.py" in with_locals(caught.value)
        assert_no_secret(caught.value, secret)

    @each_secret
    def test_an_error_inside_urllib3_shows_no_secret(
        self, secret: str, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is no error of the network comes through, with the headers in its locals."""

        def fail(*_: object, **__: object) -> None:
            message = "a defect"
            raise LookupError(message)

        with connected(server, secret) as connection:
            monkeypatch.setattr("http.client.HTTPConnection.endheaders", fail)
            with pytest.raises(LookupError) as caught:
                connection.check()

        assert "headers = " in with_locals(caught.value)
        shown = [one for one in shown_by(caught.value) if "Error" in one[0]]
        assert_nothing_shown(shown, secret)

    @each_secret
    def test_an_error_of_a_closed_connection_shows_no_secret(
        self, secret: str, server: Server
    ) -> None:
        with connected(server, secret) as connection:
            pass
        with pytest.raises(TWError) as caught:
            connection.check()

        assert_no_secret(caught.value, secret)

    @each_secret
    def test_nobody_who_listens(self, secret: str) -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
            connection = Connection(APP_ID, secret, url, config=ONCE)
            with connection, pytest.raises(TWError, match="can't reach") as caught:
                connection.check()

        assert_no_secret(caught.value, secret)

    @pytest.mark.parametrize(
        "proxy",
        [
            f"http://user:{PLAIN}@127.0.0.1:1",
            f"http://user:{PLAIN}@127.0.0.1:port",
            f"http://user:{PLAIN}@[127.0.0.1:1",
            f"http://user:{PLAIN}@",
            f"user:{PLAIN}@127.0.0.1:1",
            f"ftp://user:{PLAIN}@127.0.0.1:1",
            f"http://user:{PLAIN}@.example:1",
            f"http://user:{PLAIN}@{'a' * 70}.example:1",
            f"http://us/er:{PLAIN}@127.0.0.1:1",
        ],
        ids=lambda url: url.replace(PLAIN, "PASSWORD"),
    )
    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_a_password_of_a_proxy_is_in_no_error(self, scheme: str, proxy: str) -> None:
        config = ConnectionConfig(retries=0, proxies={scheme: proxy}, allow_insecure_http=True)
        url = f"{scheme}://teamwire.example"
        with (
            pytest.raises(TWError) as caught,
            Connection(APP_ID, "another", url, config=config) as connection,
        ):
            connection.check()

        assert_no_secret(caught.value, PLAIN, "user")


class TestLogs:
    @staticmethod
    def shown_by(caplog: pytest.LogCaptureFixture) -> Iterator[tuple[str, str]]:
        yield "the log", caplog.text
        for record in caplog.records:
            yield f"message of {record.name}", record.getMessage()
            yield f"record of {record.name}", repr(vars(record))

    @each_secret
    def test_they_show_no_secret(
        self, secret: str, server: Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        for name in ("", "teamwire_sync", "requests", "urllib3"):
            caplog.set_level(logging.DEBUG, name)
        with connected(server, secret, config=ConnectionConfig(retries=1)) as connection:
            worked(connection)
            server.answer = ECHOES["status 503"]
            with pytest.raises(TWError):
                connection.check()
            server.answer = ECHOES["no status line"]
            with pytest.raises(TWError):
                connection.check()

        loggers = {record.name.partition(".")[0] for record in caplog.records}
        assert {"teamwire_sync", "urllib3"} <= loggers
        assert_nothing_shown(self.shown_by(caplog), secret)

    @each_secret
    def test_of_listening_they_show_none(
        self,
        secret: str,
        server: Server,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        server.answer = ECHOES["status 503"]
        with connected(server, secret) as connection:
            monkeypatch.setattr(connection._transport, "pause", lambda _: None)
            with pytest.raises(TWError):
                next(connection.events(timeout=0.5, since="c1"))

        assert "listening is interrupted" in caplog.text
        assert_nothing_shown(self.shown_by(caplog), secret)

    @each_secret
    def test_of_an_error_with_its_traceback_they_show_none(
        self, secret: str, server: Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        server.answer = ECHOES["status 401"]
        with connected(server, secret) as connection:
            try:
                connection.check()
            except TWAuthError:
                logging.getLogger("a.program").exception("it failed")

        assert "TWAuthError" in caplog.text
        assert_nothing_shown(self.shown_by(caplog), secret)


def of_arguments(given: dict[str, Any], _environment: Any, _file: Path) -> dict[str, Any]:
    return given


def of_environment(
    given: dict[str, Any], environment: pytest.MonkeyPatch, _file: Path
) -> dict[str, Any]:
    for name, value in given.items():
        environment.setenv(f"TEAMWIRE_{name.upper()}", value)
    return {}


def of_file(given: dict[str, Any], environment: pytest.MonkeyPatch, file: Path) -> dict[str, Any]:
    lines = [f"{name} = {value}\n" for name, value in given.items()]
    file.write_text("".join(["[default]\n", *lines]), encoding="utf-8", errors="surrogateescape")
    file.chmod(0o600)
    environment.setenv("TEAMWIRE_CONFIG", str(file))
    return {}


Give = Callable[[dict[str, Any], pytest.MonkeyPatch, "Path"], dict[str, Any]]
GIVING = {"arguments": of_arguments, "environment": of_environment, "file": of_file}
each_way = pytest.mark.parametrize("give", GIVING.values(), ids=GIVING)
URLS = {
    "password": f"https://app:{PLAIN}@teamwire.example",
    "user": f"https://{PLAIN}@teamwire.example",
    "password with a slash": f"https://app:{PLAIN}/@teamwire.example",
    "password without https": f"app:{PLAIN}@teamwire.example",
    "path": f"https://teamwire.example/{PLAIN}",
    "path with a query": f"https://teamwire.example/{PLAIN}/?x",
    "path of the API": f"https://teamwire.example/{PLAIN}/v1/bot",
    "quoted path": "https://teamwire.example/" + PLAIN.replace("-", "%2d"),
    "path over http": f"http://teamwire.example/{PLAIN}",
    "query": f"https://teamwire.example/?secret={PLAIN}",
    "fragment": f"https://teamwire.example/#{PLAIN}",
    "port": f"https://teamwire.example:{PLAIN}",
    "nothing else": PLAIN,
    "relative": f"//{PLAIN}",
    "no host": f"https:///{PLAIN}",
    "bad address": f"https://[::1/{PLAIN}",
    "other scheme": f"ftp://teamwire.example/{PLAIN}",
}


class TestConfig:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "x.ini"

    @each_way
    @each_refused
    def test_a_secret_that_is_refused_is_not_shown(
        self, secret: str, give: Give, monkeypatch: pytest.MonkeyPatch, file: Path
    ) -> None:
        given = give({"app_id": APP_ID, "secret": secret, "url": URL}, monkeypatch, file)
        with pytest.raises(TWConfigError) as caught:
            Connection(**given)

        assert_no_secret(caught.value, secret)

    @each_way
    @pytest.mark.parametrize("url", URLS.values(), ids=URLS)
    def test_a_url_that_holds_it_is_refused_and_not_shown(
        self, url: str, give: Give, monkeypatch: pytest.MonkeyPatch, file: Path
    ) -> None:
        given = give({"app_id": APP_ID, "secret": PLAIN, "url": url}, monkeypatch, file)
        with pytest.raises(TWConfigError, match=r"^url must ") as caught:
            Connection(**given)

        assert_no_secret(caught.value, PLAIN)

    @pytest.mark.parametrize("url", [url for name, url in URLS.items() if "passw" in name])
    def test_a_url_with_a_password_of_another_is_not_shown(self, url: str) -> None:
        with pytest.raises(TWConfigError) as caught:
            check_url(url)

        assert_no_secret(caught.value, PLAIN)

    @each_way
    @each_secret
    @pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
    def test_arguments_in_another_order_show_no_secret(
        self,
        order: tuple[int, ...],
        secret: str,
        give: Give,
        monkeypatch: pytest.MonkeyPatch,
        file: Path,
    ) -> None:
        values = [(APP_ID, secret.strip(), URL)[position] for position in order]
        given = give(dict(zip(("app_id", "secret", "url"), values)), monkeypatch, file)
        app_id = values[0]
        try:
            with Connection(**given) as connection:
                shown = [("repr", repr(connection)), ("vars", repr(fields_of(connection)))]
                # Also where only the name of the program is wrong.
                with pytest.raises(ValueError, match="app_name") as caught:
                    Connection(**given, app_name="\n")
                assert_no_secret(caught.value, secret, app_id)
        except TWConfigError as error:
            shown = list(shown_by(error))

        assert_nothing_shown(shown, secret, app_id)

    @pytest.mark.parametrize("name", ["app_id", "secret", "url"])
    @pytest.mark.parametrize("value", [PLAIN.encode(), [PLAIN], {PLAIN: 1}], ids=["b", "l", "d"])
    @pytest.mark.parametrize("take", [Connection, find_credentials])
    def test_an_argument_of_a_wrong_type_is_not_shown(
        self, take: Callable[..., Any], name: str, value: Any
    ) -> None:
        with pytest.raises(TypeError, match=f"^{name} must be a str, not ") as caught:
            take(**{"app_id": APP_ID, "secret": PLAIN, "url": URL, name: value})

        assert_no_secret(caught.value, PLAIN)

    @each_secret
    @pytest.mark.parametrize(
        "wrong",
        [
            {"config": 5},
            {"clock": 5},
            {"session": 5},
            {"app_name": 5},
            {"app_name": "\n"},
            {"transport": object()},
            {"url": None},
            {"app_id": None},
            {"app_id": f"{APP_ID}:{PLAIN}"},
        ],
        ids=["config", "clock", "session", "type", "name", "transport", "url", "app", "colon"],
    )
    def test_no_other_argument_that_is_wrong_shows_it(
        self, wrong: dict[str, Any], secret: str
    ) -> None:
        with pytest.raises((TypeError, ValueError, TWConfigError)) as caught:
            Connection(**{"app_id": APP_ID, "secret": secret, "url": URL, **wrong})

        assert_no_secret(caught.value, secret)

    @each_secret
    def test_the_environment_is_in_no_error(
        self, secret: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its mapping shows all its values."""
        monkeypatch.setenv("TEAMWIRE_SECRET", secret)
        with pytest.raises(TWConfigError, match=r"^app_id, url missing") as caught:
            Connection()

        assert_no_secret(caught.value, secret)

    @each_secret
    def test_a_ca_bundle_that_is_not_there(
        self, secret: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
        with pytest.raises(TWConfigError, match=r"^REQUESTS_CA_BUNDLE") as caught:
            Connection(APP_ID, secret, URL)

        assert_no_secret(caught.value, secret)

    @pytest.mark.parametrize(
        "text",
        [
            f"secret = {PLAIN}\n",
            f"[default]\n{PLAIN}\n",
            f"[default]\n\t{PLAIN}\n",
            f"[default]\nsecret = {PLAIN}\nsecret = {PLAIN}\n",
            f"[default]\nsecret = {PLAIN}\n[default]\n",
            f"[default\nsecret = {PLAIN}\n",
            f"[{PLAIN}]\n[{PLAIN}]\n",
            f"[default]\n= {PLAIN}\n",
            f"[default]\nsecret = {PLAIN}\n",
            f"[default]\nsecret = {PLAIN}\n  {PLAIN}\nurl = {URL}\napp_id = x\n",
            f"[DEFAULT]\nsecret = {PLAIN}\n",
            f"[other]\nsecret = {PLAIN}\n",
            f"[default]\nother = {PLAIN}\n",
            f"[default]\nsecret = {PLAIN}\ud8e4\n",
        ],
    )
    def test_a_file_that_is_wrong_is_not_shown(
        self, text: str, monkeypatch: pytest.MonkeyPatch, file: Path
    ) -> None:
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        file.chmod(0o600)
        monkeypatch.setenv("TEAMWIRE_CONFIG", str(file))
        with pytest.raises(TWConfigError) as caught:
            Connection()

        assert_no_secret(caught.value, PLAIN)

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
    def test_a_warning_that_is_an_error_shows_no_secret(
        self, monkeypatch: pytest.MonkeyPatch, file: Path
    ) -> None:
        of_file({"app_id": APP_ID, "secret": PLAIN, "url": URL}, monkeypatch, file)
        file.chmod(0o644)
        with pytest.raises(UserWarning, match="others can read the Secret") as caught:
            Connection()

        assert_no_secret(caught.value, PLAIN)


class TestScrub:
    @staticmethod
    def scrubbed(text: str, secret: str, app_id: str = APP_ID) -> str:
        return BasicAuth(app_id, Concealed(secret.strip())).scrub(text)

    @pytest.mark.parametrize(
        "change", [str, str.upper, str.lower, str.title], ids=lambda one: one.__name__
    )
    @each_secret
    def test_every_spelling_is_taken_out(self, secret: str, change: Callable[[str], str]) -> None:
        shown = [
            (f"spelling {number}", self.scrubbed(f"before {change(spelling)} after", secret))
            for number, spelling in enumerate(sorted(spellings(secret.strip())))
        ]

        assert_nothing_shown(shown, secret)

    @pytest.mark.parametrize("cut", [slice(12), slice(-12, None), slice(4, -4)], ids=str)
    @each_secret
    def test_a_part_is_taken_out(self, secret: str, cut: slice) -> None:
        shown = [
            (f"spelling {number}", self.scrubbed(f"before {spelling[cut]}...", secret))
            for number, spelling in enumerate(sorted(spellings(secret.strip())))
        ]

        assert_nothing_shown(shown, secret)

    def test_the_rest_of_the_text_stays(self) -> None:
        pair = base64.b64encode(f"{APP_ID}:{PLAIN}".encode()).decode()
        text = f"{PLAIN}, or Basic {pair}: {PLAIN}{PLAIN} is refused"

        assert self.scrubbed(text, PLAIN) == "***, or Basic ***: *** is refused"

    @pytest.mark.parametrize("text", ["", "x", "İ is not i", "no chat has this title", "7f3a9c1"])
    def test_a_text_without_it_stays_as_it_is(self, text: str) -> None:
        assert self.scrubbed(text, PLAIN) == text

    def test_letters_whose_number_changes_with_their_case_shift_nothing(self) -> None:
        assert self.scrubbed(f"İİİ {PLAIN.upper()} İİİ", PLAIN) == "İİİ *** İİİ"

    def test_a_secret_of_a_few_letters_stays(self) -> None:
        assert self.scrubbed("a test of tests", "test") == "a test of tests"

    def test_its_pair_does_not(self) -> None:
        pair = base64.b64encode(f"{APP_ID}:test".encode()).decode()

        assert self.scrubbed(f"Basic {pair}", "test") == "Basic ***"

    def test_a_text_without_an_end_is_cut_off(self) -> None:
        assert len(self.scrubbed("x" * 10_000_000, PLAIN)) < 10_000


class TestAnswer:
    @each_secret
    def test_what_came_back_is_in_no_repr(self, secret: str) -> None:
        received = Received(400, {"X": secret}, secret, secret.encode())
        answer = Answer(OPERATIONS["get_me"], received, {}, str)

        assert_nothing_shown([("it", f"{answer} {received}")], secret)


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    with pytest.raises(type(error)) as caught:
        raise error from cause
    return caught.value


def with_attribute(secret: str) -> BaseException:
    error = TWError("x")
    error.code = secret
    return error


def with_context(secret: str) -> BaseException:
    error = TWError("x")
    error.__context__ = LookupError(secret)
    return error


def from_a_frame(secret: str) -> BaseException:
    with pytest.raises(ValueError, match=r"^Invalid placeholder") as caught:
        string.Template("$").substitute(hidden=secret)
    return caught.value


# Errors that show it, each in its own way, and which that is.
PLANTED: dict[str, tuple[Callable[[str], BaseException], str]] = {
    "text": (lambda secret: raised(TWError(f"it is {secret}")), "str of TWError"),
    "args": (lambda secret: raised(LookupError("x", [secret])), "args of LookupError"),
    "cause": (lambda secret: raised(TWError("x"), KeyError(secret)), "str of KeyError"),
    "context": (with_context, "str of LookupError"),
    "attribute": (with_attribute, "vars of TWError"),
    "pickle": (with_attribute, "pickle of TWError"),
    "locals": (from_a_frame, "locals of ValueError"),
}


class TestLooking:
    """These tests find what is there to be found."""

    @pytest.mark.parametrize(("plant", "way"), PLANTED.values(), ids=PLANTED)
    @each_secret
    def test_a_secret_in_an_error_is_found(
        self, secret: str, plant: Callable[[str], BaseException], way: str
    ) -> None:
        with pytest.raises(AssertionError, match=f"{way} has "):
            assert_no_secret(plant(secret), secret)

    @each_secret
    def test_each_spelling_is_found(self, secret: str) -> None:
        kept = [one for one in spellings(secret) if leak_in(f"a {one} b", secret) is None]

        assert kept == []

    @pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
    def test_a_secret_in_an_object_is_found(self, look: Callable[[Any], str]) -> None:
        @attrs.define
        class Open:
            hidden: str

        shown = look(Open(PLAIN)) if look is not as_pickle else look(TWError(PLAIN))

        assert leak_in(shown, PLAIN) is not None

    def test_a_chain_is_followed(self) -> None:
        assert len(list(chain(with_context(PLAIN)))) == 2

"""A marked Secret is planted, and looked for in all that errors show, their frames included."""

from __future__ import annotations

import io
import socket
from contextlib import closing
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests

from teamwire_sync import (
    Attachments,
    Connection,
    ConnectionConfig,
    TWClosedError,
    TWError,
    TWImageLoadError,
)
from teamwire_sync._http.credentials import find_credentials
from teamwire_sync._http.transport import HttpTransport
from tests.support.leaks import PLAIN, SECRETS, leaks, leaks_of, no_leaks, shown_by
from tests.support.quotes import APP_ID, ECHOES, ONCE, connected, last, quote
from tests.support.waiting import PATIENCE, Gate, Threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.nasty_server import NastyServer

# Those that a call can come to whose answer is no JSON, or that is neither a read nor a write.
SOME_ECHOES = [
    "status 401", "status 404", "status 422", "status 503", "request id", "every header", "page",
    "no JSON", "other JSON", "no such encoding", "no status line", "a wrong length",
    "a broken chunk", "nothing",
]  # fmt: skip
PROXIES = [
    "http://user:PASSWORD@127.0.0.1:1",
    "http://user:PASSWORD@127.0.0.1:port",
    "http://user:PASSWORD@[127.0.0.1:1",
    "http://user:PASSWORD@",
    "user:PASSWORD@127.0.0.1:1",
    "ftp://user:PASSWORD@127.0.0.1:1",
    "http://user:PASSWORD@.example:1",
    f"http://user:PASSWORD@{'a' * 70}.example:1",
    "http://us/er:PASSWORD@127.0.0.1:1",
]
OPERATE: dict[str, Callable[[Connection], Any]] = {
    "read": lambda connection: connection.check(),
    "write": lambda connection: connection.chats.create_chat(users=["u1"]),
}


def operate_too(connection: Connection) -> dict[str, Callable[[], Any]]:
    """What is neither a read nor a write of JSON, as calls that ask once."""
    chat = connection.chats.at("t1")
    file = Attachments().add_file(io.BytesIO(b"some"), "x.txt")
    attachment = chat.get_messages()[0].attachments[0]  # type: ignore[index]
    return {
        "upload": lambda: chat.post("hello", file),
        "download": lambda: attachment.download(io.BytesIO()),  # type: ignore[attr-defined]
        "poll": lambda: list(connection.events(timeout=0.001, since="c1")),
        "edit": lambda: chat.set_title("new"),
    }


def failing(*_: object, **__: object) -> Any:
    message = "of this machine"
    raise LookupError(message)


def no_picture(text: str) -> bytes:
    said = {"error": {"code": "no_avatar", "message": text}}
    return last("404 x", said, f"X-Request-ID: {text}", "Teamwire-Bot-Contract: 1")


def transport_to(server: NastyServer, secret: str) -> closing[HttpTransport]:
    return closing(HttpTransport(find_credentials(APP_ID, secret, server.url), ONCE))


class Nothing:
    """A source, and a sink, whose method *broken* fails."""

    name, content_type, size = "x.txt", "text/plain", 4

    def __init__(self, broken: str) -> None:
        setattr(self, broken, failing)

    def rewind(self) -> None:
        """Be at the start anyway."""

    def restart(self) -> bool:
        return True


def check_through(scheme: str, proxy: str) -> None:
    config = ConnectionConfig(retries=0, proxies={scheme: proxy}, allow_insecure_http=True)
    url = f"{scheme}://teamwire.example"
    with Connection(APP_ID, "another", url, config=config) as connection:
        connection.check()


class TestAServerThatQuotesTheSecret:
    @pytest.mark.parametrize("operate", OPERATE.values(), ids=OPERATE)
    @no_leaks
    def test_makes_no_error_show_it(
        self, secret: str, operate: Callable[[Connection], Any], server: NastyServer
    ) -> Iterator[str]:
        with connected(server, secret) as connection:
            for name, echo in ECHOES.items():
                quote(server, secret, echo)
                yield from leaks_of(partial(operate, connection), TWError, secret, row=name)

    @no_leaks
    def test_makes_none_of_the_other_calls_show_it(self, server: NastyServer) -> Iterator[str]:
        secret = SECRETS["to be escaped"]
        with connected(server, secret) as connection:
            for (what, call), name in product(operate_too(connection).items(), SOME_ECHOES):
                quote(server, secret, ECHOES[name])
                yield from leaks_of(call, TWError, secret, row=f"{what}, {name}")

    @no_leaks
    def test_does_not_where_a_picture_is_not_set(
        self, secret: str, server: NastyServer
    ) -> list[str]:
        with connected(server, secret) as connection:
            user: Any = connection.users.get_user("u1")
            quote(server, secret, no_picture)
            return leaks_of(user.load_avatar, TWImageLoadError, secret)

    @pytest.mark.usefixtures("no_pauses")
    @no_leaks
    def test_does_not_after_further_tries(
        self, secret: str, server: NastyServer, caplog: pytest.LogCaptureFixture
    ) -> list[str]:
        caplog.set_level("DEBUG")
        quote(server, secret, ECHOES["status 503"], times=2)
        with connected(server, secret, config=ConnectionConfig(retries=1)) as connection:
            return leaks_of(connection.check, TWError, secret, has="tried 2 times")


class TestErrorsThatComeThrough:
    """They have the frames of requests and urllib3, whose locals are requests and answers."""

    @pytest.mark.parametrize("what", ["rewind", "read"])
    @no_leaks
    def test_of_a_file_that_is_sent_show_no_secret(
        self, secret: str, what: str, server: NastyServer
    ) -> list[str]:
        source: Any = Nothing(what)
        with transport_to(server, secret) as transport:
            upload = partial(transport.upload, source, deadline=None)
            return leaks_of(upload, LookupError, secret, has="body.py")

    @pytest.mark.parametrize(
        ("what", "body"),
        [("write", last("200 OK", b"some")), ("restart", b"none\r\n\r\n")],
        ids=["write", "restart"],
    )
    @no_leaks
    def test_of_a_file_that_comes_show_no_secret(
        self, secret: str, what: str, body: bytes, server: NastyServer
    ) -> Iterator[str]:
        """Nor do they lead to the error of the network in the middle of which they came."""
        server.answer_next(lambda _: body, closes=True)
        sink: Any = Nothing(what)
        with transport_to(server, secret) as transport, pytest.raises(LookupError) as caught:
            transport.download("a1", sink, size=4, deadline=None)
        if caught.value.__context__ is not None:
            yield f"its context is {caught.value.__context__!r}"
        yield from leaks(shown_by(caught.value), secret)

    @no_leaks
    def test_of_the_callers_own_session_show_no_secret(
        self, secret: str, server: NastyServer
    ) -> list[str]:
        def refuse(response: requests.Response, **_: Any) -> None:
            response.close()
            failing()

        with requests.Session() as session:
            session.hooks["response"].append(refuse)
            with connected(server, secret, session=session) as connection:
                return leaks_of(connection.check, LookupError, secret, has="sessions.py")

    @no_leaks
    def test_of_a_defect_inside_urllib3_show_no_secret(
        self, secret: str, server: NastyServer, monkeypatch: pytest.MonkeyPatch
    ) -> list[str]:
        monkeypatch.setattr("http.client.HTTPConnection.endheaders", failing)
        with connected(server, secret) as connection:
            return leaks_of(connection.check, LookupError, secret, has="headers = ")


class TestErrorsOfTheNetwork:
    @no_leaks
    def test_of_a_poll_that_is_cut_show_no_secret(
        self, secret: str, server: NastyServer
    ) -> list[str]:
        gate = Gate()
        server.answer_next(lambda _: gate() or b"", closes=True)
        with connected(server, secret) as connection, Threads(1) as threads:
            poll = partial(next, connection.events(since="c1"))
            found = threads.start(lambda: leaks_of(poll, TWClosedError, secret))
            gate.wait_arrived()
            connection.close()
            try:
                return found.result(PATIENCE)
            finally:
                gate.open()

    @no_leaks
    def test_of_a_closed_connection_show_no_secret(
        self, secret: str, server: NastyServer
    ) -> list[str]:
        with connected(server, secret) as connection:
            pass
        return leaks_of(connection.check, TWClosedError, secret)

    @no_leaks
    def test_of_nobody_who_listens_show_no_secret(self, secret: str) -> list[str]:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
            with Connection(APP_ID, secret, url, config=ONCE) as connection:
                return leaks_of(connection.check, TWError, secret, has="can't reach")

    @no_leaks
    def test_of_a_proxy_show_no_password(self) -> Iterator[str]:
        for scheme, proxy in product(("http", "https"), PROXIES):
            call = partial(check_through, scheme, proxy.replace("PASSWORD", PLAIN))
            yield from leaks_of(call, TWError, PLAIN, "user", row=f"{scheme} by {proxy}")

"""Libraries that simulate servers see the requests of a Connection that has no session."""

from __future__ import annotations

import functools
import io
import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import requests
import requests_mock
import urllib3
from httmock import HTTMock, all_requests
from pytest_httpserver import HTTPServer

from teamwire_sync import Attachments, Connection, ConnectionConfig, TWConnectionError
from teamwire_sync.testing import sandbox
from tests.support.builders import message_answer, message_doc
from tests.support.transport_calls import ME, SECRET, URL
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync.testing import Sandbox

POSTED = message_answer(message_doc())


@pytest.fixture
def connection() -> Iterator[Connection]:
    with Connection("app", SECRET, URL, config=ConnectionConfig(retries=0)) as connection:
        yield connection


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with sandbox(chats=20, seed=7) as box:
        yield box


def response_of(document: object) -> requests.Response:
    response = requests.Response()
    response.status_code = 200
    response._content = json.dumps(document).encode()
    return response


class TestRequestsMock:
    def test_answers_reads_and_writes(self, connection: Connection) -> None:
        with requests_mock.Mocker() as server:
            server.get(f"{URL}/v1/bot/me/", json=ME)
            server.post(f"{URL}/v1/bot/chats/t1/messages/", json=POSTED)

            assert connection.check().uid == "u1"
            assert connection.chats.at("t1").post("hello").mid == "m1"
            assert server.last_request.json()["message"] == "hello"

    def test_says_which_request_it_does_not_know(self, connection: Connection) -> None:
        with requests_mock.Mocker(), pytest.raises(requests_mock.NoMockAddress, match="/me/"):
            connection.check()

    def test_can_fail_as_the_network_does(self, connection: Connection) -> None:
        with requests_mock.Mocker() as server:
            server.get(f"{URL}/v1/bot/me/", exc=requests.ConnectTimeout)
            with pytest.raises(TWConnectionError):
                connection.check()


class TestHttMock:
    def test_answers(self, connection: Connection) -> None:
        @all_requests
        def answer(_url: object, request: requests.PreparedRequest) -> dict[str, Any]:
            is_post = request.method == "POST"
            return {"status_code": 200, "content": POSTED if is_post else ME}

        with HTTMock(answer):
            assert connection.check().uid == "u1"
            assert connection.chats.at("t1").post("hello").mid == "m1"


class TestPatch:
    def test_of_send_answers(self, connection: Connection) -> None:
        with mock.patch("requests.Session.send", return_value=response_of(ME)) as send:
            assert connection.check().uid == "u1"

        assert send.call_args.args[0].url == f"{URL}/v1/bot/me/"

    def test_of_request_answers(self, connection: Connection) -> None:
        with mock.patch("requests.Session.request", return_value=response_of(ME)) as request:
            assert connection.check().uid == "u1"

        assert request.call_args.args == ("GET", f"{URL}/v1/bot/me/")

    def test_of_request_before_the_first_connection_answers(self) -> None:
        program = f"""
import requests
from unittest import mock
from teamwire_sync import Connection
response = requests.Response()
response.status_code = 200
response._content = {json.dumps(ME).encode()!r}
with mock.patch("requests.Session.request", autospec=True, return_value=response):
    print(Connection("app", "{SECRET}", "{URL}").check().uid)
"""
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, timeout=PATIENCE, check=True
        )

        assert done.stdout.decode().strip() == "u1"

    def test_that_deletes_request_prevents_requests(
        self, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send = mock.Mock()
        monkeypatch.setattr("requests.sessions.Session.send", send)
        monkeypatch.delattr("requests.sessions.Session.request")
        with pytest.raises(AttributeError, match="request"):
            connection.check()

        assert send.call_count == 0

    def test_of_request_by_a_wrapper_changes_nothing(
        self, box: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        original, seen = requests.Session.request, []

        @functools.wraps(original)
        def request(self: requests.Session, *args: Any, **kwargs: Any) -> requests.Response:
            seen.append(args[0])
            return original(self, *args, **kwargs)

        monkeypatch.setattr("requests.sessions.Session.request", request)
        sent, received = tmp_path / "sent.bin", tmp_path / "received.bin"
        sent.write_bytes(os.urandom(200_000))
        with box.connect() as connection:
            message = connection.chats.get_subscriptions()[0].post("", Attachments().add_file(sent))
            (attachment,) = message.attachments or ()
            attachment.download(received)

        assert received.read_bytes() == sent.read_bytes()
        assert seen == ["GET", "POST", "POST", "GET"]

    def test_of_request_by_a_wrapper_keeps_the_credentials(
        self, box: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original = requests.Session.request

        def request(*args: Any, **kwargs: Any) -> requests.Response:
            return original(*args, **kwargs)

        monkeypatch.setattr("requests.sessions.Session.request", request)
        with requests.Session() as session:
            session.auth = "somebody", "else"
            with Connection(box.app_id, box.secret, box.url, session=session) as connection:
                assert connection.check().uid == box.bot_uid

    def test_of_send_with_a_file_as_the_body_answers(self, connection: Connection) -> None:
        response = requests.Response()
        response.status_code = 200
        response.raw = io.BytesIO(json.dumps(ME).encode())
        with mock.patch("requests.Session.send", return_value=response):
            assert connection.check().uid == "u1"

    @pytest.mark.parametrize("content", [json.dumps(ME).encode(), mock.Mock()])
    def test_of_send_with_a_mock_of_a_response(
        self, connection: Connection, content: object
    ) -> None:
        response = mock.Mock(spec=requests.Response, status_code=200, headers={}, content=content)
        with mock.patch("requests.Session.send", return_value=response):
            if isinstance(content, bytes):
                assert connection.check().uid == "u1"
            else:
                with pytest.raises(TypeError, match=r"returned a Mock, not a requests\.Response$"):
                    connection.check()

    @pytest.mark.parametrize("what", ["requests.Session.send", "requests.Session"])
    def test_that_returns_no_response_is_told(self, what: str) -> None:
        with (
            mock.patch(what),
            Connection("app", SECRET, URL) as connection,
            pytest.raises(TypeError, match=r"returned a MagicMock, not a requests\.Response$"),
        ):
            connection.check()


class TestHttpServer:
    def test_answers(self) -> None:
        with HTTPServer() as server:
            server.expect_request("/v1/bot/me/").respond_with_json(ME)
            with Connection("app", SECRET, server.url_for("")) as connection:
                assert connection.check().uid == "u1"


class TestReplacedConnections:
    """As vcrpy and wsgi-intercept replace them: see test_vcrpy.py for the first one."""

    def test_are_used(self, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
        class NoConnection(urllib3.connection.HTTPSConnection):
            def connect(self) -> None:
                message = "not recorded"
                raise LookupError(message)

        for pool in (urllib3.HTTPConnectionPool, urllib3.HTTPSConnectionPool):
            monkeypatch.setattr(pool, "ConnectionCls", NoConnection)
        with pytest.raises(LookupError, match="not recorded"):
            connection.check()

    def test_that_are_there_at_the_import_of_ours_are_not_derived_from(self) -> None:
        program = """
from unittest import mock
import urllib3

class Replaced(urllib3.connection.HTTPConnection):
    pass

with mock.patch("urllib3.connection.HTTPConnection", Replaced):
    from teamwire_sync._http.sockets import DeadlineConnection
print(DeadlineConnection.__mro__[1] is urllib3.connection.HTTPConnection)
"""
        assert output_of(program) == "True\n"


class TestReplacedSockets:
    """As mocket replaces them."""

    def test_get_bytes_and_are_asked_for_the_response(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent: list[bytes] = []
        body = json.dumps(ME).encode()
        response = io.BytesIO(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        class FakeSocket:
            def __init__(self, *_: int) -> None:
                self.recv_into = response.readinto

            def sendall(self, data: bytes) -> None:
                sent.append(data.upper())

            def makefile(self, mode: str = "r", bufsize: int = -1) -> io.BytesIO:
                return io.BytesIO()

            def connect(self, _address: object) -> None:
                """Connect to nothing."""

            setsockopt = settimeout = close = fileno = lambda *_: None

        monkeypatch.setattr(socket, "socket", FakeSocket)
        with Connection("app", SECRET, "http://127.0.0.1:1") as connection:
            assert connection.check().uid == "u1"
        assert sent[0].startswith(b"GET /V1/BOT/ME/ HTTP/1.1\r\n")


def output_of(program: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


def test_opentelemetry_sees_each_request_and_its_response(box: Sandbox) -> None:
    pytest.importorskip("opentelemetry", reason="the extra dev has it")
    program = """
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from teamwire_sync import Connection

seen = []
RequestsInstrumentor().instrument(
    request_hook=lambda span, request: seen.append(request.path_url),
    response_hook=lambda span, request, response: seen.append(response.status_code),
)
with Connection() as connection:
    connection.check()
print(*seen)
"""
    assert output_of(program, **box.env) == "/v1/bot/me/ 200\n"

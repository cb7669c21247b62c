"""A session of the caller whose hook, adapter or subclass reads the body of a response."""

from __future__ import annotations

import gzip
import json
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.response import HTTPResponse

from teamwire_sync import Connection, ConnectionConfig, TWProtocolError
from teamwire_sync._http import response_body
from teamwire_sync.testing import sandbox
from tests.http.test_files import PICTURE, Nothing
from tests.support.builders import make_user
from tests.support.transport_calls import (
    CALLS,
    CONTRACT,
    ME,
    URL,
    Make,
    answer,
    call,
    error_body,
    raised_by,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import responses

MAX_BYTES = 1000


def hooked(hook: Callable[..., object]) -> requests.Session:
    session = requests.Session()
    session.hooks["response"].append(hook)
    return session


def read_content(response: requests.Response, **_: Any) -> None:
    assert isinstance(response.content, bytes)


def read_pieces(response: requests.Response, **_: Any) -> None:
    for _piece in response.iter_content(2):
        pass


class ReadingAdapter(HTTPAdapter):
    def send(self, *arguments: Any, **settings: Any) -> requests.Response:
        response = super().send(*arguments, **settings)
        assert isinstance(response.content, bytes)
        return response


class ReadingSession(requests.Session):
    def send(self, *arguments: Any, **settings: Any) -> requests.Response:
        response = super().send(*arguments, **settings)
        assert isinstance(response.content, bytes)
        return response


class TextSession(requests.Session):
    """A session that gives the text in the place of the response."""

    def send(self, *arguments: Any, **settings: Any) -> Any:
        return super().send(*arguments, **settings).text


def adapted() -> requests.Session:
    session = requests.Session()
    session.mount("https://", ReadingAdapter())
    session.mount("http://", ReadingAdapter())
    return session


def resent() -> requests.Session:
    """A session that asks a second time, as a hook for a proxy's login does."""
    asked = set()

    def hook(response: requests.Response, **settings: Any) -> requests.Response | None:
        if response.request.headers["X-Request-ID"] in asked:
            return None
        asked.add(response.request.headers["X-Request-ID"])
        return HTTPAdapter().send(response.request, **settings)

    return hooked(hook)


SESSIONS: dict[str, Callable[[], requests.Session]] = {
    "a hook that returns the text": lambda: hooked(lambda response, *_, **__: response.text),
    "a hook that reads the content": lambda: hooked(read_content),
    "a hook that closes": lambda: hooked(lambda response, **_: response.close()),
    "a hook that asks again": resent,
    "a subclass that reads": ReadingSession,
    "a subclass that returns the text": TextSession,
    "an adapter that reads": adapted,
}
STREAMS: dict[str, Callable[[], requests.Session]] = {
    "a hook that streams": lambda: hooked(read_pieces),
}


@pytest.fixture(params=[*SESSIONS, *STREAMS])
def reading(request: pytest.FixtureRequest) -> Iterator[requests.Session]:
    with {**SESSIONS, **STREAMS}[request.param]() as session:
        yield session


class TestAnswer:
    def test_is_taken_as_it_was_read(
        self, reading: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        wrong = []
        for name in CALLS:
            answer(server, name)
            error = raised_by(partial(call, name, make(session=reading)))
            if error is not None:
                wrong.append((name, error))

        assert wrong == []

    def test_has_its_value(
        self, reading: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me")

        assert call("get_me", make(session=reading)) == make_user(is_bot=True)

    def test_that_finds_nothing_is_none(
        self, reading: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_user", status=404, json=error_body("not_found"), headers=CONTRACT)

        assert call("get_user", make(session=reading)) is None

    def test_with_a_picture(
        self, reading: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        server.get(f"{URL}/v1/bot/users/u1/avatar/", body=PICTURE)

        assert make(session=reading).get_avatar("u1", deadline=None) == PICTURE

    def test_that_is_compressed(
        self, reading: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        body = gzip.compress(json.dumps(ME).encode())
        answer(server, "get_me", json=None, body=body, headers={"Content-Encoding": "gzip"})

        assert call("get_me", make(session=reading)) == make_user(is_bot=True)

    def test_is_complete_for_the_hooks_of_the_session(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        seen: list[Any] = []
        answer(server, "get_me")
        with hooked(lambda response, **_: seen.append(response.json())) as session:
            call("get_me", make(session=session))

        assert seen == [ME]


class TestFile:
    # A file may be larger than the memory, so it is read after the hooks.
    @pytest.mark.parametrize("kind", [kind for kind in SESSIONS if kind != "a hook that closes"])
    def test_is_taken_as_it_was_read(
        self, kind: str, make: Make, server: responses.RequestsMock
    ) -> None:
        server.get(f"{URL}/v1/bot/attachments/a1/content/", body=b"some")
        sink = Nothing()
        with SESSIONS[kind]() as session:
            make(session=session).download("a1", sink, size=4, deadline=None)

        assert sink.data == b"some"

    @pytest.mark.parametrize("size", [3, 5])
    def test_of_another_size_is_refused(
        self, size: int, make: Make, server: responses.RequestsMock
    ) -> None:
        server.get(f"{URL}/v1/bot/attachments/a1/content/", body=b"some")
        with (
            ReadingSession() as session,
            pytest.raises(TWProtocolError, match="is refused: it "),
        ):
            make(session=session).download("a1", Nothing(), size=size, deadline=None)

    @pytest.mark.parametrize("kind", STREAMS)
    def test_that_nobody_kept_is_told(
        self, kind: str, make: Make, server: responses.RequestsMock
    ) -> None:
        server.get(f"{URL}/v1/bot/attachments/a1/content/", body=b"some")
        with STREAMS[kind]() as session, pytest.raises(TWProtocolError, match="has not kept it"):
            make(session=session).download("a1", Nothing(), size=4, deadline=None)


class Endless(BaseAdapter):
    """An adapter with a body that never ends."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        response = requests.Response()
        response.status_code = 200
        response.request = request
        response.url = request.url or ""
        response.raw = HTTPResponse(self, status=200, preload_content=False)
        return response

    def read(self, size: int) -> bytes:
        self.count += size
        return bytes(size)

    def close(self) -> None:
        """Nothing is open."""

    closed = False


class TestSize:
    @pytest.fixture(autouse=True)
    def limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(response_body, "MAX_BYTES", MAX_BYTES)

    def test_is_limited(
        self, reading: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", json=None, body=bytes(MAX_BYTES + 1))
        error = raised_by(partial(call, "get_me", make(session=reading)))

        assert isinstance(error, TWProtocolError)
        assert "is refused: it is larger than" in str(error)

    def test_is_limited_before_a_hook_reads(self, make: Make) -> None:
        adapter = Endless()
        with hooked(lambda response, **_: response.text) as session:
            session.mount("https://", adapter)
            error = raised_by(partial(call, "get_me", make(session=session)))

        assert "is refused: it is larger than" in str(error)
        assert adapter.count <= 2 * 2**20


class TestOverHttp:
    @pytest.fixture(params=["dump", *SESSIONS])
    def connection(self, request: pytest.FixtureRequest) -> Iterator[Connection]:
        if request.param == "dump":
            dump = pytest.importorskip("requests_toolbelt.utils.dump")
            session = hooked(lambda response, **_: dump.dump_all(response) and None)
        else:
            session = SESSIONS[request.param]()
        config = ConnectionConfig(retries=0)
        with sandbox(chats=3) as box, session, box.connect(session=session, config=config) as one:
            yield one

    def test_reads_and_writes_are_right(self, connection: Connection) -> None:
        chat = connection.chats.get_subscriptions()[0]
        posted = [chat.post(f"message {number}") for number in range(3)]

        assert chat.get_messages(3) == posted[::-1]
        assert connection.users.get_user("nobody") is None


def test_a_tracer_may_read_what_our_own_session_receives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some tracers replace the method of `requests` that sends."""
    send = HTTPAdapter.send

    def traced(adapter: HTTPAdapter, *arguments: Any, **settings: Any) -> requests.Response:
        response = send(adapter, *arguments, **settings)
        read_content(response)
        return response

    monkeypatch.setattr(HTTPAdapter, "send", traced)
    with sandbox(chats=3) as box, box.connect() as connection:
        chat = connection.chats.get_subscriptions()[0]

        posted = chat.post("hello")

        assert chat.get_messages(1) == [posted]
        assert connection.users.get_user("nobody") is None

"""A session that the caller gives."""

from __future__ import annotations

import base64
import json
import queue
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPConnectionPool
from urllib3.response import HTTPResponse

from teamwire_sync import (
    ConnectionConfig,
    TWConfigError,
    TWConnectionError,
    TWDeliveryUnknownError,
)
from tests.http.test_network import NEVER_LEFT
from tests.support.builders import make_user
from tests.support.transport_calls import (
    CALLS,
    CONTRACT,
    ME,
    URL,
    WRITES,
    Make,
    answer,
    call,
    error_body,
    failure,
    outcome,
    raised_by,
    sent,
    wrong_outcomes,
)

if TYPE_CHECKING:
    from pathlib import Path

    import responses

    from teamwire_sync._http.transport import HttpTransport


class CallingQueue(queue.LifoQueue[Any]):
    """The queue of a pool in which a signal handler makes a call."""

    def __init__(self, handler: Callable[[], object]) -> None:
        super().__init__()
        self._handler = handler

    def _put(self, item: Any) -> None:
        self._handler()


class Recording(BaseAdapter):
    """An adapter of a program's own, which answers without a network."""

    def __init__(self, document: object = ME, **response: Any) -> None:
        super().__init__()
        self.sent: list[tuple[requests.PreparedRequest, dict[str, Any]]] = []
        self.closed = False
        body = response.pop("body", None) or BytesIO(json.dumps(document).encode())
        self._response = HTTPResponse(
            body, status=200, preload_content=False, request_method="GET", **response
        )

    def send(  # type: ignore[override]
        self, request: requests.PreparedRequest, **settings: Any
    ) -> requests.Response:
        self.sent.append((request, settings))
        response = requests.Response()
        response.status_code = 200
        response.raw = self._response
        response.headers.update(self._response.headers)
        response.url = request.url or ""
        response.request = request
        return response

    def close(self) -> None:
        self.closed = True


class Torn:
    """A body that ends in the middle."""

    def read(self, *_: Any, **__: Any) -> bytes:
        raise ConnectionResetError(104, "Connection reset by peer")

    def close(self) -> None:
        pass

    closed = False


class TestGivenSession:
    def state(self, session: requests.Session) -> dict[str, Any]:
        state = {name: getattr(session, name) for name in session.__attrs__}
        for name in ("headers", "params", "proxies", "adapters"):
            state[name] = dict(state[name])
        state["cookies"] = list(session.cookies)
        state["hooks"] = {name: list(hooks) for name, hooks in session.hooks.items()}
        return state

    def test_is_used(self, session: requests.Session, make: Make) -> None:
        adapter = Recording()
        session.mount(f"{URL}/", adapter)

        assert call("get_me", make(session=session)) == make_user(is_bot=True)
        assert len(adapter.sent) == 1

    def test_is_not_changed(
        self, session: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        session.auth = ("their", "own")
        session.cookies.set("mine", "1", domain="teamwire.example")
        before = self.state(session)
        wrong = []
        for name in CALLS:
            answer(server, name, headers={"Set-Cookie": "track=1; Path=/"})
            transport = make(session=session)
            call(name, transport)
            transport.close()
            after = self.state(session)
            if after != before:
                wrong.append((name, after))

        assert wrong == []

    def test_is_not_changed_by_a_failure(
        self, session: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        before = self.state(session)
        headers = {"Set-Cookie": "track=1; Path=/", "Location": "https://other.example/"}
        answer(server, "get_me", status=302, headers=headers)
        failure("get_me", make(session=session))

        assert self.state(session) == before

    def test_is_not_closed(self, session: requests.Session, make: Make) -> None:
        adapter = Recording()
        session.mount(f"{URL}/", adapter)
        make(session=session).close()

        assert not adapter.closed

    def test_our_credentials_come_before_its_own(
        self, session: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        session.auth = ("their", "own")
        session.headers["Authorization"] = "Bearer their-own"
        answer(server, "get_me")
        call("get_me", make(session=session))

        assert sent(server).headers["Authorization"].startswith("Basic ")
        assert base64.b64decode(sent(server).headers["Authorization"][6:]).startswith(b"app:")

    def test_its_headers_go_along(
        self, session: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        session.headers["X-Tenant"] = "7"
        answer(server, "get_me")
        call("get_me", make(session=session))

        assert sent(server).headers["X-Tenant"] == "7"

    def test_its_hooks_are_called(
        self, session: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        seen: list[int] = []
        session.hooks["response"].append(lambda response, **_: seen.append(response.status_code))
        answer(server, "get_me")
        call("get_me", make(session=session))

        assert seen == [200]

    def test_a_hook_that_fails_does_not_mean_that_a_write_never_left(
        self, session: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        def hook(_response: requests.Response, **_: Any) -> None:
            raise OSError(28, "No space left on device")

        session.hooks["response"].append(hook)
        wrong = []
        for name in WRITES:
            error, tries = outcome(name, make(session=session), server, {})
            fits = isinstance(error, (OSError, TWDeliveryUnknownError))
            if not fits or "No space left on device" not in str(error) or tries != 1:
                wrong.append((name, error, tries))

        assert wrong == []

    def test_its_settings_are_used(
        self, tmp_path: Path, session: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        session.verify = str(tmp_path)
        session.cert = "client.pem"
        session.proxies = {"https": "http://proxy.example:1"}
        answer(server, "get_me")
        call("get_me", make(session=session))
        settings = sent(server).req_kwargs

        assert (settings["verify"], settings["cert"]) == (str(tmp_path), "client.pem")
        assert dict(settings["proxies"]) == {"https": "http://proxy.example:1"}

    def test_requests_have_time_outs_there_too(
        self, session: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me")
        call("get_me", make(session=session))

        assert sent(server).req_kwargs["timeout"] == 10

    def test_a_request_that_can_not_be_made_never_left(
        self, session: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        session.headers["X-Tenant"] = "7\r\nX: 1"
        kind = (TWConnectionError, TWConfigError)
        one = partial(make, session=session)

        assert wrong_outcomes(CALLS, {"success": {}}, one, server, kind=kind, tries=0) == []

    def test_a_body_that_is_torn_while_it_is_streamed(
        self, session: requests.Session, make: Make
    ) -> None:
        """A session may stream by default; then the body is read by us."""
        session.stream = True
        wrong = []
        for name in CALLS:
            session.mount(f"{URL}/", Recording(body=Torn()))
            error = raised_by(partial(call, name, make(session=session)))
            kind = TWDeliveryUnknownError if name in WRITES else TWConnectionError
            if not isinstance(error, kind):
                wrong.append((name, error))

        assert wrong == []

    @pytest.mark.parametrize("value", ["session", 5, requests.Session], ids=repr)
    def test_what_is_none_is_refused(self, value: object, make: Make) -> None:
        with pytest.raises(TypeError, match=r"^session must be a requests\.Session, not "):
            make(session=value)

    @pytest.mark.parametrize(
        "setting",
        [
            {"verify": False},
            {"verify": True},
            {"cert": "."},
            {"proxies": {}},
            {"proxies": {"https": "http://proxy.example"}},
            {"pool_size": 5},
        ],
        ids=repr,
    )
    def test_settings_beside_it_are_refused(
        self, setting: dict[str, Any], session: requests.Session, make: Make
    ) -> None:
        (name,) = setting

        with pytest.raises(TWConfigError, match=rf"^{name} belongs to the session"):
            make(ConnectionConfig(**setting), session=session)

    def test_all_other_settings_are_not(self, session: requests.Session, make: Make) -> None:
        make(ConnectionConfig(default_timeout=1, page_size=5, cache_ttl=1), session=session)


class TestSignals:
    """A signal handler makes a call while its thread is in a queue, whose lock is taken."""

    def test_a_call_does_not_wait_for_the_lock_of_the_pool(
        self, session: requests.Session, make: Make
    ) -> None:
        transport, pool = make(session=session), HTTPConnectionPool("teamwire.example")
        pool.pool = CallingQueue(lambda: call("get_me", transport))

        with pytest.raises(RuntimeError, match="would wait for itself"):
            pool._put_conn(None)

    def test_a_call_in_another_queue_is_made(self, session: requests.Session, make: Make) -> None:
        session.mount(f"{URL}/", Recording())
        transport, users = make(session=session), []
        CallingQueue(lambda: users.append(call("get_me", transport))).put(None)

        assert users == [make_user(is_bot=True)]


class TestRepeating:
    def test_what_a_session_may_have_sent_before_is_in_doubt(
        self, session: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        """The error is that of its last try alone."""
        session.mount("https://", HTTPAdapter(max_retries=2))
        answer(server, "post_message", **NEVER_LEFT["refused"])
        error = failure("post_message", make(session=session))

        assert type(error) is TWDeliveryUnknownError

    def test_what_a_session_sends_once_is_in_none_when_it_never_left(
        self, session: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        answer(server, "post_message", **NEVER_LEFT["refused"])
        error = failure("post_message", make(session=session))

        assert type(error) is TWConnectionError


class TestHookThatRaises:
    @pytest.fixture
    def transport(self, session: requests.Session, make: Make) -> HttpTransport:
        session.hooks["response"].append(lambda response, **_: response.raise_for_status())
        return make(session=session)

    def test_what_is_not_found_is_none(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_user", status=404, json=error_body("not_found"), headers=CONTRACT)

        assert call("get_user", transport) is None

    def test_another_status_is_the_error_that_it_is(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        body = error_body("busy", "come back later")
        answer(server, "get_me", status=503, json=body, headers=CONTRACT)
        error = failure("get_me", transport)

        assert str(error) == "503 for GET /v1/bot/me/: come back later"

"""What HttpTransport sends, and for how long it waits."""

from __future__ import annotations

import base64
import json
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
import requests

import teamwire_sync
from teamwire_sync import (
    ChatHandle,
    ConnectionConfig,
    TWClosedError,
    TWTimeoutError,
)
from teamwire_sync._transports.base import MessageDraft
from tests.support.builders import (
    make_user,
    user_doc,
)
from tests.support.transport_calls import (
    API,
    CALLS,
    CHAT,
    LONG,
    ME,
    SECRET,
    URL,
    Make,
    answer,
    call,
    each_call,
    each_read,
    each_write,
    failure,
    sent,
)

if TYPE_CHECKING:
    import responses

    from teamwire_sync._transports.http import HttpTransport


class TestRequests:
    @each_call
    def test_goes_to_its_path_by_its_method(
        self, name: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name)
        call(name, transport)
        _, method, path, _ = CALLS[name]

        assert (sent(server).method, sent(server).url.partition("?")[0]) == (method, API + path)

    @each_call
    def test_has_basic_authentication_in_utf_8(
        self, name: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name)
        call(name, transport)
        scheme, pair = sent(server).headers["Authorization"].split(" ")

        assert (scheme, base64.b64decode(pair).decode()) == ("Basic", f"app:{SECRET}")

    @each_call
    def test_says_who_asks(
        self, name: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name)
        call(name, transport)

        assert sent(server).headers["User-Agent"] == (
            f"teamwire_sync/{teamwire_sync.__version__} requests/{requests.__version__}"
        )
        assert sent(server).headers["Accept"] == "application/json"

    @each_call
    def test_has_an_id_of_its_own(
        self, name: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name)
        call(name, transport)
        call(name, transport)
        ids = {one.request.headers["X-Request-ID"] for one in server.calls}

        assert len(ids) == 2
        assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in ids)

    @each_write
    def test_a_write_has_an_idempotency_key_of_its_own(
        self, name: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name)
        call(name, transport)
        call(name, transport)

        assert len({one.request.headers["Idempotency-Key"] for one in server.calls}) == 2

    @each_read
    def test_a_read_has_none(
        self, name: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name)
        call(name, transport)

        assert "Idempotency-Key" not in sent(server).headers

    def test_the_app_name_goes_into_the_user_agent(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me")
        call("get_me", make(app_name="standup bot/1.0"))

        assert sent(server).headers["User-Agent"].endswith(" (standup bot/1.0)")

    @pytest.mark.parametrize("name", ["a\r\nX-Evil: 1", "bötchen", "\0"], ids=ascii)
    def test_an_app_name_that_is_no_header_is_refused(self, name: str, make: Make) -> None:
        with pytest.raises(ValueError, match=r"^app_name must be printable ASCII"):
            make(app_name=name)

    def test_an_app_name_of_a_wrong_type_is_refused(self, make: Make) -> None:
        with pytest.raises(TypeError, match=r"^app_name must be a str, not int"):
            make(app_name=5)

    @pytest.mark.parametrize("gateway", ["", "/gateway", "/a/b"])
    def test_a_path_in_the_url_is_kept(
        self, gateway: str, make: Make, server: responses.RequestsMock
    ) -> None:
        server.get(f"{URL}{gateway}/v1/bot/me/", json=ME)

        assert call("get_me", make(url=URL + gateway)) == make_user(is_bot=True)

    @pytest.mark.parametrize(
        "uid", ["a/b", "../../me", "a?b=c", "a#b", "100%", "%2F", "ä ß", "\N{GRINNING FACE}", "~x"]
    )
    def test_an_id_stays_one_segment_of_the_path(
        self, uid: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        server.get(re.compile(".*"), json={"user": user_doc()})
        transport.get_user(uid, deadline=None)
        path = sent(server).url[len(API) :]

        assert [unquote(part) for part in path.split("/")] == ["", "users", uid, ""]

    @pytest.mark.parametrize("uid", ["", ".", "..", "\ud800"], ids=ascii)
    def test_an_id_that_cannot_be_one_asks_nothing(
        self, uid: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        for ask in (transport.get_user, transport.get_group):
            with pytest.raises(ValueError, match=r"is no [ug]id$"):
                ask(uid, deadline=None)
        with pytest.raises(ValueError, match=r"is no tid$"):
            transport.post_message(ChatHandle(uid), MessageDraft("hello"), deadline=None)

        assert len(server.calls) == 0

    def test_a_draft_is_json(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "create_chat")
        call("create_chat", transport)

        assert sent(server).headers["Content-Type"] == "application/json"
        assert json.loads(sent(server).body)["title"] == "hello world"

    def test_a_message_is_json(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "post_message")
        transport.post_message(CHAT, MessageDraft("\N{GRINNING FACE} \"'\\\n"), deadline=None)

        assert json.loads(sent(server).body)["message"] == "\N{GRINNING FACE} \"'\\\n"


class TestTimeouts:
    @each_call
    def test_each_request_has_one(
        self, name: str, make: Make, server: responses.RequestsMock
    ) -> None:
        config = ConnectionConfig(default_timeout=3, long_timeout=4)
        answer(server, name)
        call(name, make(config, clock=lambda: 100.0))

        assert sent(server).req_kwargs["timeout"] == (4 if name in LONG else 3)

    @each_call
    def test_a_deadline_shortens_it(
        self,
        name: str,
        make: Make,
        server: responses.RequestsMock,
    ) -> None:
        answer(server, name)
        call(name, make(clock=lambda: 100.0), 102.5)

        assert sent(server).req_kwargs["timeout"] == 2.5

    def test_a_deadline_does_not_lengthen_it(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me")
        transport.get_me(deadline=time.monotonic() + 1000)

        assert sent(server).req_kwargs["timeout"] == 10

    @each_call
    @pytest.mark.parametrize("deadline", [100.0, 99.0])
    def test_nothing_is_asked_when_the_deadline_is_over(
        self,
        name: str,
        deadline: float,
        make: Make,
        server: responses.RequestsMock,
    ) -> None:
        transport = make(clock=lambda: 100.0)
        _, method, path, _ = CALLS[name]

        with pytest.raises(TWTimeoutError) as caught:
            call(name, transport, deadline)
        assert str(caught.value) == (
            f"no time left to ask teamwire.example:443 for {method} /v1/bot{path}"
        )
        assert len(server.calls) == 0


class TestClosing:
    @each_call
    def test_nothing_is_asked_any_more(
        self, name: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        transport.close()
        error = failure(name, transport)

        assert type(error) is TWClosedError
        assert str(error) == "the Connection is closed"
        assert len(server.calls) == 0

    def test_a_given_session_does_not_go_on_either(
        self, session: requests.Session, make: Make
    ) -> None:
        transport = make(session=session)
        transport.close()

        assert type(failure("get_me", transport)) is TWClosedError

    def test_may_be_done_twice(self, transport: HttpTransport) -> None:
        transport.close()
        transport.close()

        assert type(failure("get_me", transport)) is TWClosedError

    def test_closes_our_own_session(
        self, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed: list[requests.Session] = []

        def close(self: requests.Session) -> None:
            closed.append(self)

        monkeypatch.setattr(requests.Session, "close", close)
        transport.close()

        assert len(closed) == 1


def test_the_repr_names_the_server_and_no_secret(transport: HttpTransport) -> None:
    assert repr(transport) == f"<HttpTransport {URL}>"


def test_making_one_asks_nothing(make: Make, server: responses.RequestsMock) -> None:
    make()

    assert len(server.calls) == 0

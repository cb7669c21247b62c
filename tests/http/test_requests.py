"""What HttpTransport sends, and for how long it waits."""

from __future__ import annotations

import base64
import json
import re
import time
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
import requests
from requests.adapters import HTTPAdapter

from teamwire_sync import (
    ChatHandle,
    ConnectionConfig,
    TWClosedError,
    TWTimeoutError,
    __version__,
)
from teamwire_sync._transport import MessageDraft
from tests.support.builders import chat_doc, make_user, page_doc, user_doc
from tests.support.transport_calls import (
    API,
    CALLS,
    CHAT,
    LONG,
    ME,
    READS,
    SECRET,
    URL,
    WRITES,
    Make,
    answer,
    call,
    failure,
    outcome,
    raised_by,
    sent,
)

if TYPE_CHECKING:
    import responses

    from teamwire_sync._http.transport import HttpTransport


class TestRequest:
    def asked(self, name: str, transport: HttpTransport, server: responses.RequestsMock) -> Any:
        answer(server, name)
        call(name, transport)
        return sent(server)

    def test_goes_to_its_path_by_its_method(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        wrong = []
        for name, (_, method, path, _) in CALLS.items():
            asked = self.asked(name, transport, server)
            if (asked.method, asked.url.partition("?")[0]) != (method, API + path):
                wrong.append((name, asked.method, asked.url))

        assert wrong == []

    def test_says_who_asks_and_what_is_taken(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        pair = base64.b64encode(f"app:{SECRET}".encode()).decode()
        headers = {
            "Authorization": f"Basic {pair}",
            "User-Agent": f"teamwire_sync/{__version__} requests/{requests.__version__}",
            "Accept": "application/json",
            "Cache-Control": "no-store",
        }
        wrong = []
        for name in CALLS:
            asked = self.asked(name, transport, server)
            found = {header: asked.headers.get(header) for header in headers}
            if found != headers:
                wrong.append((name, found))

        assert wrong == []

    def test_of_a_forced_refresh_needs_a_new_list(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        first, last = page_doc(chat_doc()), page_doc(chat_doc("t2"))
        answer(server, "list_chats", json={**first, "next_cursor": "c1"})
        answer(server, "list_chats", json=last)
        list(transport.iter_chat_pages(validator='"v1"', deadline=None, refresh=True))
        asked = [request.request.headers for request in server.calls]

        assert [each["Cache-Control"] for each in asked] == ["no-cache, no-store"] * 2
        assert [each.get("If-None-Match") for each in asked] == ['"v1"', None]

    @pytest.mark.parametrize(
        ("header", "names"), [("X-Request-ID", list(CALLS)), ("Idempotency-Key", WRITES)]
    )
    def test_has_an_id_of_its_own(
        self,
        header: str,
        names: list[str],
        transport: HttpTransport,
        server: responses.RequestsMock,
    ) -> None:
        wrong = []
        for name in names:
            ids = [self.asked(name, transport, server).headers.get(header) for _ in range(2)]
            if ids[0] == ids[1] or not all(re.fullmatch(r"[0-9a-f]{32}", str(one)) for one in ids):
                wrong.append((name, ids))

        assert wrong == []

    def test_that_reads_has_no_idempotency_key(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        asked = {name: self.asked(name, transport, server).headers for name in READS}

        assert [name for name, headers in asked.items() if "Idempotency-Key" in headers] == []

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
            with pytest.raises(ValueError, match=r"is not a valid [ug]id$"):
                ask(uid, deadline=None)
        with pytest.raises(ValueError, match=r"is not a valid tid$"):
            transport.post_message(ChatHandle(uid), MessageDraft("hello"), deadline=None)

        assert len(server.calls) == 0

    def test_a_member_of_an_enum_is_sent_as_its_text(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        """Its str() is its name."""

        class Team(str, Enum):
            SALES = "sales"

        server.get(re.compile(".*"), json={"users": [], "next_cursor": None})
        transport.get_users(text=Team.SALES, cursor=None, deadline=None)

        assert sent(server).params == {"q": "sales"}

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
    @pytest.mark.parametrize(
        ("deadline", "default", "long"), [(None, 3, 4), (102.5, 2.5, 2.5)], ids=["none", "near"]
    )
    def test_each_request_has_one_which_a_deadline_shortens(
        self,
        deadline: float | None,
        default: float,
        long: float,
        make: Make,
        server: responses.RequestsMock,
    ) -> None:
        config = ConnectionConfig(default_timeout=3, long_timeout=4)
        transport = make(config, clock=lambda: 100.0)
        wrong = []
        for name in CALLS:
            answer(server, name)
            call(name, transport, deadline)
            timeout = sent(server).req_kwargs["timeout"]
            if timeout != (long if name in LONG else default):
                wrong.append((name, timeout))

        assert wrong == []

    def test_a_deadline_does_not_lengthen_it(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me")
        transport.get_me(deadline=time.monotonic() + 1000)

        assert sent(server).req_kwargs["timeout"] == 10

    @pytest.mark.parametrize("deadline", [100.0, 99.0])
    def test_nothing_is_asked_when_the_deadline_is_over(
        self, deadline: float, make: Make, server: responses.RequestsMock
    ) -> None:
        transport = make(clock=lambda: 100.0)
        wrong = []
        for name, (ask, method, path, _) in CALLS.items():
            error = raised_by(partial(ask, transport, deadline))
            text = f"no time left to ask teamwire.example:443 for {method} /v1/bot{path}"
            if (type(error), str(error)) != (TWTimeoutError, text):
                wrong.append((name, error))

        assert wrong == []
        assert len(server.calls) == 0


class TestClosing:
    def test_nothing_is_asked_any_more(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        transport.close()
        wrong = []
        for name in CALLS:
            error, tries = outcome(name, transport, server, {})
            known = type(error), str(error), tries
            if known != (TWClosedError, "the Connection is closed", 0):
                wrong.append((name, error, tries))

        assert wrong == []

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
        closed: list[HTTPAdapter] = []

        def close(self: HTTPAdapter) -> None:
            closed.append(self)

        monkeypatch.setattr(HTTPAdapter, "close", close)
        transport.close()

        assert len(closed) == 1


def test_the_repr_names_the_server_and_no_secret(transport: HttpTransport) -> None:
    assert repr(transport) == f"<HttpTransport {URL}>"


def test_making_one_asks_nothing(make: Make, server: responses.RequestsMock) -> None:
    make()

    assert len(server.calls) == 0

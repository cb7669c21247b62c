"""The gateway as a WSGI application: who may come in, the log, and its state."""

from __future__ import annotations

import base64
import logging
import os
import threading
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Response

from teamwire_sync import Connection, TWConfigError
from teamwire_sync._gateway import CONNECTIONS
from teamwire_sync._gateway.clients import Clients
from teamwire_sync._sandbox import SAY_PATH
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT
from teamwire_sync.gateway import create_app
from tests.server.small_backend import REVISION, error
from tests.support.gateways import upstream_to
from tests.support.waiting import PATIENCE, Threads, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync._gateway.app import GatewayApp
    from teamwire_sync.testing import Sandbox
    from tests.support.builders import Clock

POSTS = f"/v1/bot/chats/{KNOWN_CHAT}/messages/"
UPLOADS = "/v1/bot/attachments/?name=x"
ME = "/v1/bot/me/"
LISTING = "/v1/bot/chats/"
NOBODY = "/v1/bot/users/nobody/"


class Body:
    """A body that records whether it was read."""

    def __init__(self) -> None:
        self.is_read = False

    def read(self, _size: int = -1) -> bytes:
        self.is_read = True
        return b""


class Programs:
    """The programs that use a gateway in this process."""

    client: Client

    def __init__(self, state: Path) -> None:
        self._headers = {}
        clients = Clients(state)
        for name, permissions in (
            ("writer", {}),
            ("reader", {"read_only": True}),
            ("poster", {"operations": ["post_message"]}),
        ):
            app_id, secret = clients.add(name, **permissions)  # type: ignore[arg-type]
            login = base64.b64encode(f"{app_id}:{secret.reveal()}".encode()).decode()
            self._headers[name] = f"Basic {login}"

    def __call__(self, program: str, method: str, path: str, **kwargs: Any) -> TestResponse:
        headers = {
            "Authorization": self._headers.get(program, "Basic x"),
            **kwargs.pop("headers", {}),
        }
        environ = {"REMOTE_ADDR": "127.0.0.1", **kwargs.pop("environ", {})}
        return self.client.open(
            path, method=method, headers=headers, environ_overrides=environ, **kwargs
        )

    def post(self, program: str) -> TestResponse:
        return self(program, "POST", POSTS, json={"message": "hello"})


def programs_of(box: Sandbox, path: Path, **kwargs: Any) -> tuple[GatewayApp, Programs]:
    # Before the application reads the file, so that no test waits for its next look at it.
    programs = Programs(path)
    app = create_app(upstream_to(box), state=path, **kwargs)
    programs.client = Client(app)
    return app, programs


@pytest.fixture
def programs(box: Sandbox, path: Path) -> Iterator[Programs]:
    app, programs = programs_of(box, path)
    with closing(app):
        yield programs


def test_no_other_user_speaks_through_a_gateway(programs: Programs) -> None:
    """The sandbox lets a command speak as another user, and uses the same application."""
    answer = programs("writer", "POST", SAY_PATH, data={"tid": "t", "text": "hello"})

    assert answer.status_code == 404


class TestWhoMayComeIn:
    def test_a_program_with_a_secret_of_its_own_uses_the_upstream(
        self, programs: Programs, box: Sandbox
    ) -> None:
        assert programs.post("writer").status_code == 200
        assert box.count("POST", POSTS) == 1

    def test_of_a_stranger_no_body_is_read(self, programs: Programs) -> None:
        body = Body()
        answer = programs(
            "stranger",
            "POST",
            UPLOADS,
            environ={"wsgi.input": body, "CONTENT_LENGTH": "1000000000"},
        )
        assert error(answer) == (401, "unauthorized")
        assert not body.is_read

    @pytest.mark.parametrize("url", ["/v1/bot/nothing/", "/", "/v1/bot/me"])
    def test_a_stranger_does_not_learn_which_paths_exist(
        self, programs: Programs, url: str
    ) -> None:
        answer = programs("stranger", "POST", url)
        assert error(answer) == (401, "unauthorized")
        assert REVISION not in answer.headers

    def test_a_program_that_only_reads_does_not_write(self, programs: Programs) -> None:
        body = Body()
        refused = programs(
            "reader", "POST", POSTS, environ={"wsgi.input": body, "CONTENT_LENGTH": "9"}
        )
        assert error(refused) == (403, "forbidden")
        assert REVISION in refused.headers
        assert not body.is_read
        assert programs("reader", "GET", ME).status_code == 200

    def test_a_program_does_what_it_may_and_no_more(self, programs: Programs) -> None:
        assert programs.post("poster").status_code == 200
        assert error(programs("poster", "GET", ME)) == (403, "forbidden")

    def test_a_body_that_breaks_off_is_not_executed(self, programs: Programs, box: Sandbox) -> None:
        answer = programs("writer", "POST", POSTS, environ={"CONTENT_LENGTH": "100"})
        assert error(answer) == (400, "bad_request")
        assert box.count("POST", POSTS) == 0


class TestReady:
    def test_the_upstream_is_asked_for_a_user_that_does_not_exist_and_for_no_listing(
        self, programs: Programs, box: Sandbox
    ) -> None:
        assert [programs("", "GET", "/ready").status_code for _ in range(5)] == [200] * 5
        assert [(each.path, each.status) for each in box.requests] == [(NOBODY, 404)]

    @pytest.mark.parametrize("status", [401, 500])
    def test_it_is_not_ready_while_the_upstream_fails(
        self, box: Sandbox, path: Path, clock: Clock, status: int
    ) -> None:
        app, programs = programs_of(box, path, clock=clock)
        with closing(app):
            box.fault("GET", NOBODY, status=status, times=2)
            for _ in range(2):
                for _ in range(3):
                    assert error(programs("", "GET", "/ready")) == (503, "service_unavailable")
                clock.advance(5)
            assert programs("", "GET", "/health").status_code == 200
            assert programs("", "GET", "/ready").status_code == 200
            assert box.count("GET", NOBODY) == 3

    def test_an_upstream_that_forbids_only_this_is_ready(
        self, programs: Programs, box: Sandbox
    ) -> None:
        box.fault("GET", NOBODY, status=403)
        assert programs("", "GET", "/ready").status_code == 200

    def test_many_who_ask_are_one_request_to_the_upstream(
        self, programs: Programs, box: Sandbox
    ) -> None:
        with Threads() as threads, box.hold("GET", NOBODY) as held:
            asked = [threads.start(programs, "", "GET", "/ready") for _ in range(8)]
            held.wait_arrived(timeout=PATIENCE)
            held.release()
            assert {each.result(PATIENCE).status_code for each in asked} == {200}
        assert box.count("GET", NOBODY) == 1


class TestLog:
    @pytest.fixture(autouse=True)
    def _level(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "teamwire_sync.gateway.access")

    def line_of(self, caplog: pytest.LogCaptureFixture) -> list[str]:
        (line,) = [each.getMessage() for each in caplog.records if "access" in each.name]
        words = line.split(" ")
        assert words.pop(4).isdecimal()
        return words

    def test_a_request_is_one_line_without_texts_and_ids_of_chats(
        self, programs: Programs, caplog: pytest.LogCaptureFixture
    ) -> None:
        programs("writer", "POST", POSTS, json={"message": "secret"}, headers={"X-Request-ID": "r"})
        template = "/v1/bot/chats/{tid}/messages/"
        assert self.line_of(caplog) == ["writer", "POST", template, "200", "ms", "r"]
        assert "secret" not in caplog.text

    @pytest.mark.parametrize("url", ["/v1/bot/x\nINFO y/", "/v1/bot/chats"])
    def test_nothing_of_an_unknown_path_or_method_is_in_it(
        self, programs: Programs, caplog: pytest.LogCaptureFixture, url: str
    ) -> None:
        headers = {"X-Request-ID": "a\tb"}
        answer = programs("stranger", "WHAT", url, headers=headers)
        given = answer.headers["X-Request-ID"]
        assert self.line_of(caplog) == ["-", "-", "-", "401", "ms", given]

    def test_the_upstreams_credentials_are_in_no_line(
        self, programs: Programs, caplog: pytest.LogCaptureFixture, box: Sandbox
    ) -> None:
        caplog.set_level(logging.DEBUG)
        box.fault("GET", ME, status=401)
        answer = programs("writer", "GET", ME)
        for text in (caplog.text, answer.text):
            assert box.secret not in text
            assert box.app_id not in text


class TestProxies:
    @pytest.fixture
    def behind(self, box: Sandbox, path: Path) -> Iterator[Programs]:
        app, programs = programs_of(box, path, proxies=["10.0.0.1", "fd00::/8"])
        with closing(app):
            yield programs

    @pytest.mark.parametrize("address", ["10.0.0.1", "::ffff:10.0.0.1", "fd00::7", ""])
    def test_who_comes_from_the_proxy_or_a_unix_socket_is_let_in(
        self, behind: Programs, address: str
    ) -> None:
        assert behind("writer", "GET", ME, environ={"REMOTE_ADDR": address}).status_code == 200

    @pytest.mark.parametrize("address", ["10.0.0.2", "127.0.0.1", "fe80::1%eth0", "x"])
    def test_who_comes_from_elsewhere_is_not(self, behind: Programs, address: str) -> None:
        headers = {"X-Forwarded-For": "10.0.0.1"}
        environ = {"REMOTE_ADDR": address}
        answer = behind("writer", "GET", ME, environ=environ, headers=headers)
        assert answer.status_code == 403

    def test_failures_count_for_the_address_that_the_proxy_has_seen(self, behind: Programs) -> None:
        """A client may send the header, too: only its last address is the proxy's."""
        environ = {"REMOTE_ADDR": "10.0.0.1"}

        def fail(seen: str) -> int:
            headers = {"X-Forwarded-For": seen}
            return behind("stranger", "GET", ME, environ=environ, headers=headers).status_code

        assert [fail(f"1.1.1.{number}, 9.9.9.9") for number in range(11)][-2:] == [401, 429]
        assert fail("8.8.8.8") == 401

    def test_without_a_proxy_nobody_believes_the_header(self, programs: Programs) -> None:
        found = [
            programs("stranger", "GET", ME, headers={"X-Forwarded-For": f"1.1.1.{number}"})
            for number in range(11)
        ]
        assert [each.status_code for each in found][-2:] == [401, 429]

    def test_a_proxy_must_be_an_address(self, box: Sandbox, path: Path) -> None:
        with pytest.raises(ValueError, match=r"proxy\.example"):
            create_app(upstream_to(box), state=path, proxies=["proxy.example"])


def test_its_repr_names_the_server(box: Sandbox, path: Path) -> None:
    with closing(create_app(upstream_to(box), state=path)) as app:
        assert repr(app) == f"<GatewayApp over {upstream_to(box)!r}>"


@pytest.mark.parametrize("name", ["transport", "config", "clock"])
def test_a_wrong_argument_is_refused_with_the_text_of_a_connection(name: str, path: Path) -> None:
    texts = []
    for create in (Connection, partial(create_app, state=path)):
        with pytest.raises(TypeError, match=f"^{name} must be ") as caught:
            create(**{name: 5})  # type: ignore[operator]
        texts.append(str(caught.value))

    assert texts[0] == texts[1]


class TestState:
    def test_a_second_gateway_is_refused_with_one_line(self, box: Sandbox, path: Path) -> None:
        first = create_app(upstream_to(box), state=path)
        with closing(first), pytest.raises(TWConfigError, match="another gateway uses it"):
            create_app(upstream_to(box), state=path)
        create_app(upstream_to(box), state=path).close()

    def test_a_failed_start_frees_the_state(self, box: Sandbox, path: Path) -> None:
        with pytest.raises(ValueError, match="proxy"):
            create_app(upstream_to(box), state=path, proxies=["proxy"])
        create_app(upstream_to(box), state=path).close()

    @pytest.mark.parametrize(
        "arguments", [{"transport": None}, {"transport": 5}, {"config": {}}, {"clock": 5}], ids=repr
    )
    def test_a_wrong_argument_is_named_before_the_state_is_made(
        self, arguments: dict[str, Any], box: Sandbox, path: Path
    ) -> None:
        with pytest.raises(TypeError, match=f"^{next(iter(arguments))} must be"):
            create_app(**{"transport": upstream_to(box), "state": path, **arguments})

        assert not path.exists()

    def test_no_store_is_used(
        self, box: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_STORE", "file")
        with pytest.raises(TWConfigError, match="unset TEAMWIRE_STORE"):
            create_app(upstream_to(box), state=path)

    def test_the_upstream_may_come_from_the_environment(
        self, box: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in box.env.items():
            monkeypatch.setenv(name, value)
        with closing(create_app("http", state=path)) as app:
            assert Client(app).get("/ready").status_code == 200

    def test_an_upstream_that_is_the_gateway_itself_is_refused(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A shell has the lines of a client, and a proxy has the URL."""
        app_id, secret = Clients(path).add("reports")
        monkeypatch.setenv("TEAMWIRE_APP_ID", app_id)
        monkeypatch.setenv("TEAMWIRE_SECRET", secret.reveal())
        monkeypatch.setenv("TEAMWIRE_URL", "https://gateway.example.org")
        with pytest.raises(TWConfigError, match=r"this gateway itself.* of its client reports"):
            create_app("http", state=path)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
    def test_a_forked_process_refuses_requests(
        self, programs: Programs, monkeypatch: pytest.MonkeyPatch, box: Sandbox
    ) -> None:
        monkeypatch.setattr(os, "getpid", lambda: -1)
        answer = programs.post("writer")
        assert answer.status_code == 500
        assert "before a fork" in answer.text
        assert box.count("POST", POSTS) == 0

    def test_no_thread_is_left(self, box: Sandbox, path: Path) -> None:
        before = set(threading.enumerate())
        with closing(create_app(upstream_to(box), state=path)) as app:
            Client(app).get("/ready")
        wait_until(lambda: set(threading.enumerate()) <= before)


def test_figures_are_on_a_port_of_their_own(box: Sandbox, path: Path) -> None:
    pytest.importorskip("prometheus_client")
    requests = pytest.importorskip("requests")
    from teamwire_sync._gateway.metrics import Metrics  # noqa: PLC0415  needs an extra

    with closing(Metrics("127.0.0.1", 0)) as metrics:
        app, programs = programs_of(box, path, observe=metrics.observe)
        with closing(app):
            for program in ("writer", "writer", "stranger"):
                programs(program, "GET", ME)
            app.record(Response(status=408, headers={"X-Request-ID": "x"}))
        text = requests.get(f"http://127.0.0.1:{metrics.port}/metrics", timeout=PATIENCE).text
    name = "teamwire_gateway_requests_total"
    assert f'{name}{{operation="get_me",status="200"}} 2.0' in text
    assert f'{name}{{operation="get_me",status="401"}} 1.0' in text
    assert f'{name}{{operation="none",status="408"}} 1.0' in text


class TestDefaults:
    """Without a `config`, the settings are those of ``teamwire-sync gateway``."""

    def test_a_listing_serves_the_programs_for_five_seconds(
        self, box: Sandbox, path: Path, clock: Clock
    ) -> None:
        app, programs = programs_of(box, path, clock=clock)
        with closing(app):
            for seconds in (0, 4.9, 0.2):
                clock.advance(seconds)
                assert programs("reader", "GET", LISTING).status_code == 200
        assert box.count("GET", LISTING) == 2

    def test_each_connection_of_the_server_can_have_one_to_the_upstream(
        self, box: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in box.env.items():
            monkeypatch.setenv(name, value)
        with closing(create_app("http", state=path)) as app:
            assert app._gateway.transport._config.pool_size == CONNECTIONS  # type: ignore[attr-defined]

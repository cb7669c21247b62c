"""A transport whose client is made when it is first asked."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests

from teamwire_sync import (
    Connection,
    ConnectionConfig,
    MemoryStore,
    TWAuthError,
    TWClosedError,
    TWConfigError,
)
from teamwire_sync._http import client
from teamwire_sync._http.client import HttpClient
from tests.support.forks import exit_status, in_child
from tests.support.transport_calls import URL, Make, answer, call, failure, sent
from tests.support.waiting import Gate, Threads

if TYPE_CHECKING:
    from pathlib import Path

    import responses


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[HttpClient]:
    """The clients that are made from now on."""
    made: list[HttpClient] = []

    def make(*args: Any, **options: Any) -> HttpClient:
        made.append(HttpClient(*args, **options))
        return made[-1]

    monkeypatch.setattr(client, "HttpClient", make)
    return made


class TestLazyTransport:
    def test_makes_no_client_before_it_is_asked(self, make: Make, made: list[HttpClient]) -> None:
        make(lazy=True).close()

        assert made == []

    def test_makes_it_once(
        self, make: Make, made: list[HttpClient], server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me")
        transport = make(lazy=True)

        with Threads() as threads:
            for _ in range(8):
                threads.start(lambda: call("get_me", transport))

        assert len(made) == 1

    @pytest.mark.parametrize("asked", [True, False])
    def test_that_is_closed_asks_nothing(
        self, asked: bool, make: Make, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me")
        transport = make(lazy=True)
        if asked:
            call("get_me", transport)
        transport.close()
        server.calls.reset()

        assert type(failure("get_me", transport)) is TWClosedError
        assert len(server.calls) == 0

    def test_says_that_the_credentials_are_refused(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        calls: list[str] = []
        answer(server, "get_me", status=401)
        transport = make(lazy=True)
        for said in ("refused", "again"):
            transport.on_unauthorized = lambda said=said: calls.append(said)  # type: ignore[misc]

            assert type(failure("get_me", transport)) is TWAuthError
        assert calls == ["refused", "again"]

    def test_shows_the_same(self, make: Make) -> None:
        lazy, other = make(lazy=True), make()

        assert (repr(lazy), lazy.identity) == (repr(other), other.identity)

    def test_can_not_be_pickled(self, make: Make) -> None:
        with pytest.raises(TypeError, match="Secret"):
            pickle.dumps(make(lazy=True))

    @pytest.mark.parametrize(
        ("arguments", "kind"),
        [
            ({"session": 5}, TypeError),
            ({"app_name": "\n"}, ValueError),
            ({"config": ConnectionConfig(proxies={"https": "ftp://proxy"})}, TWConfigError),
        ],
    )
    def test_says_at_once_what_is_wrong(
        self, arguments: dict[str, Any], kind: type[Exception], make: Make
    ) -> None:
        with pytest.raises(kind):
            make(lazy=True, **arguments)

    def test_makes_one_client_though_a_signal_handler_has_made_it_meanwhile(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        transport, inside = make(lazy=True), []

        class Interrupted(HttpClient):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                if not inside:
                    inside.append(self)
                    inside.append(transport._client)

        monkeypatch.setattr("teamwire_sync._http.client.HttpClient", Interrupted)

        assert transport._client is inside[1]

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    def test_in_a_child_waits_for_no_thread_of_the_parent(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me")
        transport, gate = make(lazy=True), Gate()

        def hold() -> None:
            with transport._lock:
                gate()

        with Threads(1) as threads:
            threads.start(hold)
            gate.wait_arrived()
            try:
                child = in_child(lambda: call("get_me", transport))
                assert exit_status(child) == 0
            finally:
                gate.open()


class TestConnection:
    def test_with_a_store_makes_no_client(
        self, made: list[HttpClient], server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me")
        with Connection("app", "secret", URL, store=MemoryStore()) as connection:
            before = len(made)
            connection.check()

        assert (before, len(made)) == (0, 1)

    def test_with_a_store_brings_nothing_heavy(self) -> None:
        code = f"""
import sys
from teamwire_sync import Connection, MemoryStore

Connection("app", "secret", {URL!r}, store=MemoryStore()).close()
heavy = ["requests", "urllib3", "http.client", "teamwire_sync._http.contract"]
print(*[name for name in heavy if name in sys.modules])
"""
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
        )

        assert done.stdout.strip() == ""

    @pytest.mark.skipif(
        sys.platform in {"win32", "darwin"}, reason="the system has proxies of its own"
    )
    @pytest.mark.parametrize("name", ["HTTPS_PROXY", "REQUESTS_CA_BUNDLE"])
    def test_takes_the_environment_as_it_was(
        self, name: str, server: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answer(server, "get_me")
        with Connection("app", "secret", URL, store=MemoryStore()) as connection:
            monkeypatch.setenv(name, "http://127.0.0.1:1")
            connection.check()
        settings = sent(server).req_kwargs

        assert (settings["verify"], settings["cert"], settings["proxies"]) == (True, None, {})

    def test_with_a_proxy_in_the_environment_makes_it_at_once(
        self, made: list[HttpClient], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("https_proxy", "http://proxy:3128")
        with Connection("app", "secret", URL, store=MemoryStore()):
            assert len(made) == 1

    def test_says_at_once_that_a_ca_bundle_is_unusable(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nothing.pem"))

        with pytest.raises(TWConfigError, match="REQUESTS_CA_BUNDLE"):
            Connection("app", "secret", URL, store=MemoryStore())

    def test_says_at_once_that_a_certificate_is_unusable(self, tmp_path: Path) -> None:
        (tmp_path / "c.pem").write_text("nothing", encoding="ascii")
        config = ConnectionConfig(cert=str(tmp_path / "c.pem"))

        with pytest.raises(TWConfigError, match=r"c\.pem"):
            Connection("app", "secret", URL, config=config, store=MemoryStore())

    def test_with_a_session_takes_it(self, server: responses.RequestsMock) -> None:
        answer(server, "get_me")
        with requests.Session() as session:
            session.headers["X-Program"] = "mine"
            with Connection("app", "secret", URL, session=session, store=MemoryStore()) as one:
                one.check()

        assert sent(server).headers["X-Program"] == "mine"

    def test_that_is_closed_asks_nothing(self) -> None:
        with Connection("app", "secret", URL, store=MemoryStore()) as connection:
            pass

        with pytest.raises(TWClosedError):
            connection.check()

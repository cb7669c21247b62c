"""A transport that is made when it is first needed."""

from __future__ import annotations

import pickle
import sys
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import Connection, ConnectionConfig, MemoryStore, TWClosedError, TWConfigError
from teamwire_sync._http import transport
from teamwire_sync._http.deferred import DeferredTransport
from teamwire_sync._http.transport import HttpTransport
from tests.support.fake_transport import FakeTransport
from tests.support.transport_calls import URL, answer, sent
from tests.support.waiting import Threads

if TYPE_CHECKING:
    from pathlib import Path

    import responses


def deferred(fake: FakeTransport) -> tuple[DeferredTransport, list[FakeTransport]]:
    made: list[FakeTransport] = []

    def make() -> FakeTransport:
        made.append(fake)
        return fake

    return DeferredTransport(make, identity="me", text="<it>"), made


class TestDeferredTransport:
    def test_is_not_made_before_it_is_asked(self) -> None:
        transport, made = deferred(FakeTransport())

        Connection(transport=transport).close()

        assert made == []

    def test_is_made_once(self) -> None:
        transport, made = deferred(FakeTransport())
        connection = Connection(transport=transport)

        with Threads() as threads:
            for _ in range(8):
                threads.start(connection.check)

        assert len(made) == 1

    def test_is_closed_with_the_connection(self) -> None:
        fake = FakeTransport()
        transport, _ = deferred(fake)
        with Connection(transport=transport) as connection:
            connection.check()

        assert fake.closed

    def test_that_is_closed_before_it_is_made_is_made_closed(self) -> None:
        fake = FakeTransport()
        transport, _ = deferred(fake)
        transport.close()

        with pytest.raises(TWClosedError):
            transport.get_me(deadline=None)

    def test_passes_on_that_the_credentials_are_refused(self) -> None:
        fake = FakeTransport()
        transport, _ = deferred(fake)
        calls: list[str] = []
        transport.get_me(deadline=None)
        transport.on_unauthorized = lambda: calls.append("refused")

        fake.on_unauthorized()

        assert calls == ["refused"]

    def test_has_the_repr_of_what_it_stands_for(self) -> None:
        assert repr(deferred(FakeTransport())[0]) == "<it>"

    def test_can_not_be_pickled(self) -> None:
        with pytest.raises(TypeError, match="Secret"):
            pickle.dumps(deferred(FakeTransport())[0])

    def test_has_no_other_private_names(self) -> None:
        with pytest.raises(AttributeError):
            deferred(FakeTransport())[0]._exchange  # noqa: B018


class TestConnection:
    @pytest.fixture
    def made(self, monkeypatch: pytest.MonkeyPatch) -> list[HttpTransport]:
        """What is made from now on of the transports that take time to make."""
        made: list[HttpTransport] = []

        def make(*args: Any, **options: Any) -> HttpTransport:
            made.append(HttpTransport(*args, **options))
            return made[-1]

        monkeypatch.setattr(transport, "HttpTransport", make)
        return made

    def test_with_a_store_defers_it(
        self, made: list[HttpTransport], server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me")
        with Connection("app", "secret", URL, store=MemoryStore()) as connection:
            before = len(made)
            connection.check()

        assert (before, len(made)) == (0, 1)

    def test_shows_the_same(self) -> None:
        with Connection("app", "secret", URL) as plain:
            text = repr(plain)
        with Connection("app", "secret", URL, store=MemoryStore()) as connection:
            assert repr(connection) == text

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

    def test_with_a_proxy_in_the_environment_defers_nothing(
        self, made: list[HttpTransport], monkeypatch: pytest.MonkeyPatch
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

    def test_that_is_closed_asks_nothing(self) -> None:
        with Connection("app", "secret", URL, store=MemoryStore()) as connection:
            pass

        with pytest.raises(TWClosedError):
            connection.check()

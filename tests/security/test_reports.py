"""Reporters that show the local variables of each frame show neither the Secret nor a password.

Each situation is one that people have, over real sockets. Ctrl-C is a signal that comes while the
program is inside a function that can block.
"""

from __future__ import annotations

import io
import signal
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests
import trustme

from teamwire_sync import Attachments, Connection, ConnectionConfig, RedisStore
from teamwire_sync._http.sockets import IS_URLLIB3_1
from tests.support.fake_sdk import FakeSdk, vendor_error
from tests.support.leaks import SECRETS, leak_in
from tests.support.quotes import APP_ID, ECHOES, ONCE, URL, connected, quote
from tests.support.reporters import REPORTERS, Report, error_of
from tests.support.tls_server import HttpServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.nasty_server import NastyServer

# Its header has more than the 80 characters after which rich and structlog cut a text.
SECRET = f"{SECRETS['to be escaped']} {SECRETS['not Latin-1']}"
PASSWORD = "pl4nted-p4ssw0rd"

Situation = Callable[[], object]
Press = Callable[[type, str], None]


# The packages that the extra `test` lacks.
PACKAGES = {"Sentry": "sentry_sdk", "structlog": "structlog"}


@pytest.fixture(params=REPORTERS)
def report(request: pytest.FixtureRequest) -> Report:
    # A test that is skipped after its error keeps the sockets of the error.
    pytest.importorskip(PACKAGES.get(request.param, "pytest"))
    return REPORTERS[request.param]


@pytest.fixture
def pressed(monkeypatch: pytest.MonkeyPatch) -> Press:
    """Has Ctrl-C come when the main thread next calls a method of a socket."""

    def press(kind: type, name: str) -> None:
        real = getattr(kind, name)

        def press_and_call(sock: Any, *args: Any, **kwargs: Any) -> Any:
            # The servers of the test call it, too.
            if threading.current_thread() is threading.main_thread():
                sock.close()  # urllib3 would leave it open
                signal.raise_signal(signal.SIGINT)
            return real(sock, *args, **kwargs)

        monkeypatch.setattr(kind, name, press_and_call)

    return press


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_server(authority: trustme.CA) -> Iterator[HttpServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with HttpServer(context) as server:
        yield server


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def assert_hidden(
    report: Report, situation: Situation, *has: str, hidden: str = SECRET, app_id: str = APP_ID
) -> None:
    """Fail unless the report of *situation* has all of *has*, and *hidden* in no spelling."""
    text = report(error_of(situation))
    missing = [one for one in has if one not in text]
    assert not missing, f"not in the report: {missing}"
    part = leak_in(text, hidden, app_id)
    assert part is None, f"the report has {part!r}"


def checking(url: str, config: ConnectionConfig = ONCE, **arguments: Any) -> Situation:
    return lambda: Connection(APP_ID, SECRET, url, config=config, **arguments).check()


class Interrupting(io.BytesIO):
    """A file during whose upload Ctrl-C comes."""

    def read(self, size: int | None = -1) -> bytes:
        signal.raise_signal(signal.SIGINT)
        return super().read(size)


def test_each_shows_the_local_variables(report: Report) -> None:
    """Else none of these tests would mean anything."""

    def raise_error(value: object) -> None:
        message = f"of {type(value).__name__}"
        raise LookupError(message)

    with pytest.raises(LookupError) as caught:
        raise_error([PASSWORD])

    assert "raise_error" in report(caught.value)
    assert leak_in(report(caught.value), PASSWORD)


class TestCtrlC:
    @pytest.mark.parametrize("name", ["connect", "sendall", "recv_into"])
    def test_over_http(
        self, report: Report, name: str, server: NastyServer, pressed: Press
    ) -> None:
        pressed(socket.socket, name)

        assert_hidden(report, checking(server.url), "KeyboardInterrupt", "check", "headers")

    @pytest.mark.parametrize("name", ["do_handshake", "send"])
    def test_over_https(
        self,
        report: Report,
        name: str,
        tls_server: HttpServer,
        bundle: str,
        pressed: Press,
    ) -> None:
        config = ConnectionConfig(retries=0, verify=bundle)
        pressed(ssl.SSLSocket, name)

        situation = checking(f"https://127.0.0.1:{tls_server.port}", config)
        assert_hidden(report, situation, "KeyboardInterrupt", "check", "headers")

    @pytest.mark.parametrize("is_given", [False, True], ids=["own session", "given session"])
    def test_during_an_upload(self, report: Report, server: NastyServer, *, is_given: bool) -> None:
        if is_given and IS_URLLIB3_1:
            pytest.skip("docs/security.md says that http.client keeps the head in a local variable")
        file = Attachments().add_file(Interrupting(b"some"), "x.txt")
        with requests.Session() as session:
            given = session if is_given else None
            with connected(server, SECRET, session=given) as connection:
                assert_hidden(
                    report,
                    lambda: connection.chats.at("t1").post("hello", file),
                    "KeyboardInterrupt",
                    "post",
                    "headers",
                )

    def test_leaves_another_header_in_the_loop_of_urllib3(self, server: NastyServer) -> None:
        """Where a reporter does not ask for the repr of a str, as structlog before 24.4."""
        file = Attachments().add_file(io.BytesIO(b"some"), "x.txt")
        with connected(server, SECRET) as connection:
            connection.check()
            connection.chats.at("t1").post("hello", file)

        assert server.heads
        assert [head for head in server.heads if "Authorization" in head[-1]] == []

    def test_on_a_connection_that_is_used_again(
        self, report: Report, server: NastyServer, pressed: Press
    ) -> None:
        with connected(server, SECRET) as connection:
            connection.check()
            pressed(socket.socket, "sendall")

            assert_hidden(report, connection.check, "KeyboardInterrupt", "check", "headers")


class TestErrors:
    def test_of_a_time_out(self, report: Report, silent: int) -> None:
        config = ConnectionConfig(retries=0, default_timeout=0.01)

        situation = checking(f"http://127.0.0.1:{silent}", config)
        assert_hidden(report, situation, "TWTimeoutError", "check")

    @pytest.mark.parametrize("echo", ["status 401", "status 503", "no JSON", "a broken chunk"])
    def test_of_a_server_that_quotes_it(
        self, report: Report, echo: str, server: NastyServer
    ) -> None:
        quote(server, SECRET, ECHOES[echo])

        assert_hidden(report, checking(server.url), "TW", "check")

    def test_of_a_defect_inside_urllib3(
        self, report: Report, server: NastyServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise LookupError

        monkeypatch.setattr("http.client.HTTPConnection.endheaders", fail)

        assert_hidden(report, checking(server.url), "LookupError", "check", "headers")

    def test_of_the_vendors_sdk(self, report: Report) -> None:
        sdk = FakeSdk()
        sdk.errors["get_subscriptions"] = sdk.errors["enter"] = vendor_error(
            "TWAuthError", f"secret={PASSWORD}"
        )
        with Connection.from_vendor(sdk.connect) as connection:
            assert_hidden(
                report, connection.chats.get_subscriptions, "TWAuthError", hidden=PASSWORD
            )


class TestCredentials:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"secret": f"{SECRET}\n{SECRET}"},
            {"secret": SECRET.encode()},
            {"app_id": f"{APP_ID}:{SECRET}"},
            {"app_id": SECRET, "secret": URL},
            {"url": f"https://{APP_ID}:{SECRET}@teamwire.example"},
            {"url": f"http://teamwire.example/{SECRET}"},
            {"url": None},
            {"config": 5},
            {"app_name": "\n"},
        ],
        ids=", ".join,
    )
    def test_that_are_unusable(self, report: Report, wrong: dict[str, Any]) -> None:
        given = {"app_id": APP_ID, "secret": SECRET, "url": URL, **wrong}

        assert_hidden(report, lambda: Connection(**given), "Error", "__init__")

    def test_that_the_environment_has_in_part(
        self, report: Report, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """IPython shows each attribute in the statement that raised: os.environ as well."""
        monkeypatch.setenv("TEAMWIRE_SECRET", SECRET)

        assert_hidden(report, Connection, "TWConfigError", "find_credentials")

    @pytest.mark.parametrize(
        "text",
        [
            f"[default]\nsecret = {PASSWORD}\n",
            f"[default]\nsecret = {PASSWORD}\nsecret = {PASSWORD}\n",
            f"[default]\nsecret = {PASSWORD}\n{PASSWORD}\n",
            f"[DEFAULT]\nsecret = {PASSWORD}\n",
            f"[default]\ntransport = vendor\nsecret = {PASSWORD}\n",
            f"[default]\ntransport = {PASSWORD}\n",
            f"[default]\nsecret = '{PASSWORD}'\n",
        ],
        ids=[
            "incomplete",
            "twice",
            "no INI file",
            "another section",
            "beside vendor",
            "as the transport",
            "quoted",
        ],
    )
    def test_in_a_file_that_is_wrong(
        self, report: Report, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Sentry shows the content of a mapping, which the parser of the file is."""
        path = tmp_path / "config.ini"
        path.write_text(text)
        path.chmod(0o600)
        monkeypatch.setenv("TEAMWIRE_CONFIG", str(path))

        assert_hidden(report, Connection, "TWConfigError", "transport_for", hidden=PASSWORD)


class TestPasswords:
    PROXY = f"http://user:{PASSWORD}@127.0.0.1:1"

    @pytest.mark.parametrize("proxy", [PROXY, PROXY.replace(":1", ":port"), f"ftp{PROXY[4:]}"])
    def test_of_a_proxy(self, report: Report, proxy: str) -> None:
        config = ConnectionConfig(retries=0, proxies={"https": proxy})

        assert_hidden(
            report, checking(URL, config), "Error", "proxy", hidden=PASSWORD, app_id="user"
        )

    def test_of_a_proxy_beside_an_unusable_ca_bundle(self, report: Report, tmp_path: Path) -> None:
        bundle = tmp_path / "ca.pem"
        bundle.touch()
        config = ConnectionConfig(verify=bundle, proxies={"https": self.PROXY})

        assert_hidden(
            report,
            checking(URL, config),
            "TWConfigError",
            "__init__",
            hidden=PASSWORD,
            app_id="user",
        )

    @pytest.mark.parametrize("end", ["127.0.0.1:1/0", "127.0.0.1:port/0", "127.0.0.1:1/database"])
    def test_of_redis(self, report: Report, end: str) -> None:
        pytest.importorskip("redis")
        url = f"redis://user:{PASSWORD}@{end}"

        assert_hidden(
            report,
            lambda: RedisStore(url).clear(),
            "Error",
            "redis",
            hidden=PASSWORD,
            app_id="user",
        )

    def test_of_redis_in_the_environment(
        self, report: Report, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("redis")
        monkeypatch.setenv("TEAMWIRE_STORE", f"redis://user:{PASSWORD}@127.0.0.1:port/0")

        assert_hidden(report, checking(URL), "TWConfigError", "slot_in", hidden=PASSWORD)

    @pytest.mark.parametrize("url", [URL, URL.replace("https", "http")])
    def test_of_a_proxy_that_does_not_answer(
        self, report: Report, url: str, silent: int, pressed: Press
    ) -> None:
        proxy = self.PROXY.replace(":1", f":{silent}")
        proxies = {"http": proxy, "https": proxy}
        config = ConnectionConfig(retries=0, proxies=proxies, allow_insecure_http=True)
        pressed(socket.socket, "recv_into")

        assert_hidden(
            report, checking(url, config), "KeyboardInterrupt", hidden=PASSWORD, app_id="user"
        )

    def test_of_redis_that_does_not_answer(
        self, report: Report, silent: int, pressed: Press
    ) -> None:
        pytest.importorskip("redis")
        store = RedisStore(f"redis://user:{PASSWORD}@127.0.0.1:{silent}/0")
        pressed(socket.socket, "recv")

        assert_hidden(report, store.clear, "KeyboardInterrupt", hidden=PASSWORD, app_id="user")

"""Proxies with a slip: each is used as curl uses it, or refused in one clear line."""

from __future__ import annotations

import json
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests

from teamwire_sync import (
    Attachments,
    Connection,
    ConnectionConfig,
    TWConfigError,
    TWConnectionError,
)
from tests.support.builders import user_doc
from tests.support.leaks import assert_no_secret
from tests.support.raw_server import Peer, RawServer, Script, ca_file, tls_for, whole
from tests.support.tls_server import HttpServer, Proxy
from tests.support.transport_calls import CALLS, Make, call, raised_by
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync._http.transport import HttpTransport

USER, PASSWORD = "bot", "pr0xyw0rd-7f3a"
# Nobody resolves it: only a proxy leads there.
HTTPS, HTTP = "https://teamwire.example", "http://teamwire.example"
ME = json.dumps({"user": user_doc(is_bot=True)}).encode()
CLOSE = "Connection: close\r\n\r\n"
REFUSALS_IN_HTTP = {
    "whole": f"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n{CLOSE}",
    "short": f"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 500\r\n{CLOSE}abc",
    "no gzip": f"HTTP/1.1 407 No\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n{CLOSE}abc",
    "another encoding": f"HTTP/1.1 407 No\r\nContent-Encoding: br\r\n{CLOSE}abc",
    "nothing more": "HTTP/1.0 407 No\r\n\r\n",
}
MUST_BE_LIKE = (
    "must be like 'http://user:password@proxy.example.org:3128'; percent-encode special characters "
    "in the user and in the password"
)
Connect = Callable[..., "HttpTransport"]


def login(scheme: str, port: int, host: str = "127.0.0.1") -> str:
    return f"{scheme}{USER}:{PASSWORD}@{host}:{port}"


def replies(data: str) -> Script:
    """Answer the first request, and close the connection."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(data.encode())

    return script


def refuses_login(method: bytes, status: bytes = b"") -> Script:
    """As a SOCKS 5 proxy (RFC 1928 and 1929), choose *method*; with *status*, read a password."""

    def script(peer: Peer) -> None:
        _, count = peer.read(2)
        peer.read(count)
        peer.send(b"\x05" + method)
        if status:
            peer.read(peer.read(2)[1])
            peer.read(peer.read(1)[0])
            peer.send(b"\x01" + status)
        peer.wait_gone()

    return script


def forbids(peer: Peer) -> None:
    """As a SOCKS 5 proxy, allow no connection to this server."""
    peer.read(3)
    peer.send(b"\x05\x00")
    peer.read(4)
    peer.send(b"\x05\x02\x00\x01" + bytes(6))
    peer.wait_gone()


class Memory:
    """Where a download goes."""

    def restart(self) -> bool:
        return True

    def write(self, piece: bytes, /) -> None:
        pass


@pytest.fixture
def ca(tmp_path: Path) -> str:
    return str(ca_file(tmp_path))


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port where nobody listens."""
    with socket.socket() as placeholder:
        placeholder.bind(("127.0.0.1", 0))
        yield placeholder.getsockname()[1]


@pytest.fixture
def made_session(ca: str) -> Iterator[Callable[..., requests.Session]]:
    made = []

    def one(**attributes: Any) -> requests.Session:
        made.append(requests.Session())
        for name, value in {"verify": ca, "trust_env": False, **attributes}.items():
            setattr(made[-1], name, value)
        return made[-1]

    yield one
    for each in made:
        each.close()


@pytest.fixture(params=["own", "given"])
def connect(
    request: pytest.FixtureRequest,
    make: Make,
    made_session: Callable[..., requests.Session],
    ca: str,
) -> Connect:
    """Makes a transport with its own session, or with a given one, that uses a proxy."""

    def one(url: str, proxy: str, **settings: Any) -> HttpTransport:
        both = {"http": proxy, "https": proxy}
        config = {"retries": 3, "default_timeout": 5, **settings}
        if request.param == "given":
            session = made_session(proxies=both)
            return make(ConnectionConfig(**config), url=url, session=session, pause=lambda _: None)
        config.update(verify=ca, proxies=both)
        return make(ConnectionConfig(**config), url=url, pause=lambda _: None)

    return one


@pytest.fixture
def setting(connect: Connect, request: pytest.FixtureRequest) -> str:
    """The name of the setting that `connect` sets."""
    is_given = "given" in request.node.callspec.id
    return "session.proxies" if is_given else "ConnectionConfig.proxies"


def wrong_refusals(
    names: list[str], transport: HttpTransport, proxy: RawServer, text: str
) -> list[tuple[str, object, int]]:
    """Which calls do not reach *proxy* once, or end with another error than *text*."""
    wrong = []
    for name in names:
        before = proxy.connections
        error = raised_by(partial(call, name, transport))
        if type(error) is TWConfigError:
            assert_no_secret(error, PASSWORD, USER)
        count = proxy.connections - before
        if type(error) is not TWConfigError or text not in str(error) or count != 1:
            wrong.append((name, error, count))
    return wrong


class TestRefusedLogin:
    """A login that is repeated after a refusal may lock the account."""

    CHECK = "check user and password in "
    TEXT = f"the proxy refuses this client (407): {CHECK}"

    @pytest.mark.parametrize("url", [HTTPS, HTTP])
    def test_ends_each_call_at_once(self, url: str, connect: Connect, setting: str) -> None:
        with RawServer(replies(REFUSALS_IN_HTTP["whole"])) as proxy:
            transport = connect(url, login("http://", proxy.port), allow_insecure_http=True)

            assert wrong_refusals(list(CALLS), transport, proxy, self.TEXT + setting) == []

    @pytest.mark.parametrize("url", [HTTPS, HTTP])
    @pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
    def test_over_tls_ends_each_call_at_once(
        self, url: str, connect: Connect, setting: str
    ) -> None:
        names = ["get_me", "post_message"]
        with RawServer(replies(REFUSALS_IN_HTTP["whole"]), tls_for()) as proxy:
            transport = connect(url, login("https://", proxy.port), allow_insecure_http=True)

            assert wrong_refusals(names, transport, proxy, self.TEXT + setting) == []

    @pytest.mark.parametrize("reply", REFUSALS_IN_HTTP)
    def test_with_an_unreadable_page_is_one_too(self, reply: str, connect: Connect) -> None:
        names = ["get_me", "post_message", "list_events"]
        for url in (HTTP, HTTPS):
            with RawServer(replies(REFUSALS_IN_HTTP[reply])) as proxy:
                transport = connect(url, login("http://", proxy.port), allow_insecure_http=True)

                assert wrong_refusals(names, transport, proxy, self.TEXT) == []

    @pytest.mark.parametrize("url", [HTTPS, HTTP])
    def test_ends_an_upload_a_download_and_a_loop_of_events(
        self, url: str, connect: Connect, tmp_path: Path
    ) -> None:
        (tmp_path / "plan.txt").write_text("plan", "utf-8")
        files = Attachments().add_file(tmp_path / "plan.txt")
        works: list[Callable[[Connection], object]] = [
            lambda one: one.chats.at("t1").post("hello", attachments=files),
            lambda one: one._transport.download("a1", Memory(), size=1, deadline=None),
            lambda one: next(one.events(since="c1", timeout=PATIENCE)),
        ]
        with RawServer(replies(REFUSALS_IN_HTTP["short"])) as proxy:
            transport = connect(url, login("http://", proxy.port), allow_insecure_http=True)
            connection = Connection(transport=transport)
            errors = [type(raised_by(partial(work, connection))) for work in works]

            assert (errors, proxy.connections) == ([TWConfigError] * 3, 3)

    def test_ends_a_loop_of_events_that_has_run(self, connect: Connect) -> None:
        """Unlike a page of something in between, which the loop waits out for an hour."""

        def script(peer: Peer) -> None:
            if b"/me/" in peer.read_request():
                peer.send(whole(ME, b"200 OK", b"Teamwire-Bot-Contract: 1", b"Connection: close"))
            else:
                peer.send(REFUSALS_IN_HTTP["whole"].encode())

        with RawServer(script) as proxy:
            transport = connect(HTTP, login("http://", proxy.port), allow_insecure_http=True)
            connection = Connection(transport=transport)
            connection.check()

            with pytest.raises(TWConfigError):
                next(connection.events(since="c1", timeout=PATIENCE))
            assert proxy.connections == 2

    @pytest.mark.parametrize(
        "script",
        [refuses_login(b"\xff"), refuses_login(b"\x02", b"\x01")],
        ids=["no method", "wrong password"],
    )
    def test_of_socks_ends_each_call_at_once(
        self, script: Script, connect: Connect, setting: str
    ) -> None:
        names = ["get_me", "post_message", "list_events"]
        text = f"the proxy refuses this client (SOCKS5 authentication): {self.CHECK}{setting}"
        with RawServer(script) as proxy:
            transport = connect(HTTPS, login("socks5h://", proxy.port))

            assert wrong_refusals(names, transport, proxy, text) == []

    def test_of_socks_without_a_user_is_one_too(self, connect: Connect) -> None:
        with RawServer(refuses_login(b"\x02")) as proxy:
            transport = connect(HTTPS, f"socks5h://127.0.0.1:{proxy.port}")

            assert wrong_refusals(["get_me"], transport, proxy, "(SOCKS5 authentication)") == []

    def test_names_the_variable_of_the_environment(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with RawServer(replies(REFUSALS_IN_HTTP["whole"])) as proxy:
            monkeypatch.setenv("ALL_PROXY", login("", proxy.port))
            monkeypatch.setenv("HTTPS_PROXY", login("", proxy.port))

            assert wrong_refusals(["get_me"], make(), proxy, f"{self.TEXT}HTTPS_PROXY") == []

    def test_of_a_given_session_names_the_variable_of_the_environment(
        self,
        make: Make,
        made_session: Callable[..., requests.Session],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with RawServer(replies(REFUSALS_IN_HTTP["whole"])) as proxy:
            monkeypatch.setenv("https_proxy", login("", proxy.port))
            transport = make(session=made_session(trust_env=True))

            assert wrong_refusals(["get_me"], transport, proxy, f"{self.TEXT}https_proxy") == []

    def test_without_a_proxy_names_the_settings_that_set_one(self, make: Make) -> None:
        """A transparent proxy, which the client does not know, may ask for a password, too."""
        with RawServer(replies(REFUSALS_IN_HTTP["whole"])) as server:
            text = f"{self.TEXT}ConnectionConfig.proxies or HTTP_PROXY"

            assert wrong_refusals(["get_me"], make(url=server.url), server, text) == []


class TestRefusedConnection:
    @pytest.mark.parametrize(
        "status", ["403 Forbidden", "400 Bad Request", "405 Not Allowed", "501 Unsupported"]
    )
    def test_ends_each_call_at_once(self, status: str, connect: Connect, setting: str) -> None:
        text = (
            f"the proxy refuses the connection to teamwire.example:443 ({status}): check {setting}"
        )
        with RawServer(replies(f"HTTP/1.1 {status}\r\n{CLOSE}")) as proxy:
            transport = connect(HTTPS, login("http://", proxy.port))

            assert wrong_refusals(["get_me", "post_message"], transport, proxy, text) == []

    def test_by_a_proxy_that_let_it_pass_before_is_tried_again(self, connect: Connect) -> None:
        """A proxy that reads its rules again must not end a bot that listens."""
        with HttpServer(tls_for("teamwire.example")) as server, Proxy(server.port) as proxy:
            server.headers = {"Teamwire-Bot-Contract": "1", "Connection": "close"}
            transport = connect(HTTPS, proxy.url)
            call("get_me", transport)
            proxy.answer = "HTTP/1.1 403 Forbidden"
            error = raised_by(partial(call, "get_me", transport))

            assert (type(error), proxy.accepted) == (TWConnectionError, 1 + 4)

    def test_of_socks_ends_each_call_at_once(self, connect: Connect) -> None:
        text = "(0x02: Connection not allowed by ruleset): check "
        with RawServer(forbids) as proxy:
            transport = connect(HTTPS, f"socks5h://127.0.0.1:{proxy.port}")

            assert wrong_refusals(["get_me", "post_message"], transport, proxy, text) == []

    @pytest.mark.parametrize("status", ["408 Late", "429 Busy", "502 Lost", "503 Busy", "504 Late"])
    def test_that_may_pass_is_tried_again(self, status: str, connect: Connect) -> None:
        with RawServer(replies(f"HTTP/1.1 {status}\r\n{CLOSE}")) as proxy:
            transport = connect(HTTPS, login("http://", proxy.port))
            error = raised_by(partial(call, "get_me", transport))

            assert (type(error), proxy.connections) == (TWConnectionError, 4)

    @pytest.mark.parametrize("scheme", ["http", "https", "socks4", "socks5", "socks5h"])
    def test_by_the_system_is_one_of_the_proxy(
        self, scheme: str, connect: Connect, closed_port: int
    ) -> None:
        transport = connect("https://127.0.0.1", f"{scheme}://127.0.0.1:{closed_port}", retries=0)
        error = raised_by(partial(call, "get_me", transport))

        assert str(error).startswith("can't reach 127.0.0.1:443 through the proxy: ")
        assert str(error).endswith("Connection refused")

    def test_of_tls_by_a_proxy_without_tls_says_so(self, connect: Connect) -> None:
        def script(peer: Peer) -> None:
            peer.read(5)
            peer.send(f"HTTP/1.1 400 No\r\n{CLOSE}".encode())
            peer.wait_gone()

        with RawServer(script) as proxy:
            transport = connect(HTTPS, login("https://", proxy.port), retries=0)

            assert "this port does not speak TLS" in str(
                raised_by(partial(call, "get_me", transport))
            )


class TestForms:
    """A proxy is a URL, or one without its scheme, as curl takes it."""

    @pytest.mark.parametrize(
        "form",
        [
            "{}:{}@127.0.0.1:{}",
            "{}:{}@localhost:{}",
            "//{}:{}@127.0.0.1:{}",
            "HTTP://{}:{}@127.0.0.1:{}/",
            " http://{}:{}@127.0.0.1:{}\n",
        ],
    )
    @pytest.mark.parametrize("place", ["argument", "environment", "session"])
    def test_is_used(
        self,
        place: str,
        form: str,
        make: Make,
        made_session: Callable[..., requests.Session],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        seen = []

        def script(peer: Peer) -> None:
            seen.append(peer.read_request())
            peer.send(whole(ME))

        with RawServer(script) as server:
            proxy = form.format(USER, PASSWORD, server.port)
            settings: dict[str, Any] = {"allow_insecure_http": True, "retries": 0}
            session = None
            if place == "argument":
                settings["proxies"] = {"http": proxy}
            elif place == "session":
                session = made_session(proxies={"http": proxy})
            else:
                monkeypatch.setenv("http_proxy", proxy)
            call("get_me", make(ConnectionConfig(**settings), url=HTTP, session=session))

        assert b"Proxy-Authorization: Basic Ym90OnByMHh5dzByZC03ZjNh" in seen[0]

    def test_may_have_an_at_sign_in_the_password(self, make: Make) -> None:
        seen = []

        def script(peer: Peer) -> None:
            seen.append(peer.read_request())
            peer.send(whole(ME))

        with RawServer(script) as server:
            proxies = {"http": f"http://bot:p@ss@127.0.0.1:{server.port}"}
            config = ConnectionConfig(allow_insecure_http=True, proxies=proxies)
            call("get_me", make(config, url=HTTP))

        assert b"Proxy-Authorization: Basic Ym90OnBAc3M=" in seen[0]

    @pytest.mark.parametrize(
        "form", ["http://proxy.example", "proxy.example:3128", "proxy:3128", "https://u:p@[::1]:1"]
    )
    def test_may_lack_a_user_or_a_port(self, form: str, connect: Connect) -> None:
        assert connect(HTTPS, form)

    @pytest.mark.parametrize("empty", ["", " "])
    def test_may_be_empty(self, empty: str, make: Make) -> None:
        def script(peer: Peer) -> None:
            peer.read_request()
            peer.send(whole(ME))

        with RawServer(script) as server:
            transport = make(ConnectionConfig(proxies={"http": empty}), url=server.url)

            assert call("get_me", transport).uid == "u1"

    @pytest.mark.parametrize(
        "form",
        [
            f"http:/{USER}:{PASSWORD}@proxy.example:3128",
            f"http:{USER}:{PASSWORD}@proxy.example:3128",
            f"{USER}:{PASSWORD}",
            f"http://{USER}:{PASSWORD}/x@proxy.example:3128",
            f"http://{USER}:1/{PASSWORD}@proxy.example:3128",
            f"http://{USER}:1?{PASSWORD}@proxy.example:3128",
            f"http://{USER}:1#{PASSWORD}@proxy.example:3128",
            f"DOMAIN\\{USER}:{PASSWORD}@proxy.example:3128",
            f"http://{USER} x:{PASSWORD}@proxy.example:3128",
            f"http://{USER}:{PASSWORD}\udcff@proxy.example:3128",
            f"http://{USER}:{PASSWORD}@[::1",
            f"http://{USER}:{PASSWORD}@${{PROXY}}",
            f"http://{USER}:{PASSWORD}@one.example,http://other.example",
            f'"http://{USER}:{PASSWORD}@proxy.example:3128"',
            f"PROXY {USER}:{PASSWORD}@proxy.example:3128",
            f"socks://{USER}:{PASSWORD}@proxy.example:1080",
            f"ftp://{USER}:{PASSWORD}@proxy.example",
            f"http://{USER}:{PASSWORD}@proxy.example:99999",
            f"http://{USER}:{PASSWORD}@proxy.example:port",
            "proxy.example:port",
            "http://pro xy.example",
            "http://proxy.example:3128/proxy.pac",
            "3128",
            ":3128",
            "http://",
        ],
    )
    def test_of_another_kind_is_refused_at_once(
        self, form: str, connect: Connect, setting: str
    ) -> None:
        error = raised_by(partial(connect, HTTPS, form))

        assert type(error) is TWConfigError
        assert str(error) == f"the proxy in {setting} {MUST_BE_LIKE}"
        assert_no_secret(error, PASSWORD, USER)

    @pytest.mark.parametrize("form", [f"http://{USER}:€{PASSWORD}@x:1", "http://%E2%82%AC:x@x:1"])
    def test_with_a_password_that_requests_can_not_send_is_refused(
        self, form: str, connect: Connect, setting: str
    ) -> None:
        error = raised_by(partial(connect, HTTPS, form))

        assert str(error) == (
            f"the proxy in {setting} must have only characters of Latin-1 in the user and in the "
            "password"
        )
        assert_no_secret(error, PASSWORD, USER)

    @pytest.mark.parametrize("value", [b"http://proxy.example", 3128], ids=repr)
    def test_of_a_wrong_type_in_a_session_is_refused(
        self, value: object, make: Make, made_session: Callable[..., requests.Session]
    ) -> None:
        session = made_session(proxies={"https": value})

        with pytest.raises(TWConfigError, match=r"^the proxy in session\.proxies must be like"):
            make(session=session)

    def test_that_a_session_gets_later_is_refused_by_the_next_call(
        self, make: Make, made_session: Callable[..., requests.Session]
    ) -> None:
        session = made_session()
        transport = make(session=session)
        session.proxies = {"https": f"http://{USER}:{PASSWORD}/x@proxy.example:3128"}
        error = raised_by(partial(call, "get_me", transport))

        assert str(error) == f"the proxy in session.proxies {MUST_BE_LIKE}"
        assert_no_secret(error, PASSWORD, USER)


class TestKeys:
    @pytest.mark.parametrize("key", ["http", "HTTPS", "https://", "https_proxy", "no_proxy"])
    def test_that_are_never_used_are_refused(self, key: str, make: Make) -> None:
        proxies = {key: login("http://", 1)}
        error = raised_by(lambda: make(ConnectionConfig(proxies=proxies)))

        assert str(error) == (
            "ConnectionConfig.proxies has no proxy for https://teamwire.example: the keys are "
            "'http', 'https' and 'all', by the scheme of the server's URL; to use no proxy, pass "
            "proxies={}"
        )
        assert_no_secret(error, PASSWORD, USER)

    @pytest.mark.parametrize("key", ["https://other.example", "all://other.example"])
    def test_may_be_for_another_server(self, key: str, make: Make) -> None:
        assert make(ConnectionConfig(proxies={key: "http://proxy.example"}))


class TestClearText:
    """For http:// a proxy gets the Secret as it is."""

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
    @pytest.mark.parametrize("scheme", ["http", "https", "socks5h"])
    def test_can_not_go_to_another_machine(
        self, scheme: str, host: str, connect: Connect, setting: str
    ) -> None:
        proxy = login(f"{scheme}://", 3128, "proxy.example")
        error = raised_by(partial(connect, f"http://{host}:1", proxy))

        assert type(error) is TWConfigError
        assert str(error) == (
            f"the proxy in {setting} would receive the Secret in clear text, because url is http: "
            f"use no proxy for {host.strip('[]')}, or a proxy on this machine (or "
            "ConnectionConfig(allow_insecure_http=True), or TEAMWIRE_ALLOW_INSECURE_HTTP=1)"
        )
        assert_no_secret(error, PASSWORD, USER)

    @pytest.mark.parametrize("key", ["all", "http://localhost", "all://localhost"])
    def test_counts_for_each_key_that_requests_uses(self, key: str, make: Make) -> None:
        config = ConnectionConfig(proxies={key: "http://proxy.example"})

        with pytest.raises(TWConfigError, match="in clear text"):
            make(config, url="http://localhost")

    @pytest.mark.parametrize("variable", ["http_proxy", "ALL_PROXY"])
    def test_by_the_environment_of_a_given_session_is_refused(
        self,
        variable: str,
        make: Make,
        made_session: Callable[..., requests.Session],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv(variable, "http://proxy.example")

        with pytest.raises(TWConfigError, match=f"^the proxy in {variable} would receive"):
            make(url="http://localhost", session=made_session(trust_env=True))

    def test_can_be_allowed(self, connect: Connect) -> None:
        assert connect("http://localhost", "http://proxy.example", allow_insecure_http=True)

    @pytest.mark.parametrize("proxy", ["http://localhost:1", "127.0.0.1:1", "socks5://[::1]:1"])
    def test_to_a_proxy_on_this_machine_is_none(self, proxy: str, connect: Connect) -> None:
        assert connect("http://localhost", proxy)

    def test_is_none_with_https(self, connect: Connect) -> None:
        assert connect("https://localhost", "http://proxy.example")


class TestSocksWithoutItsPackage:
    @pytest.mark.parametrize("scheme", ["socks4", "socks5", "SOCKS5H"])
    def test_is_refused_at_once_with_what_to_install(
        self, scheme: str, connect: Connect, setting: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "socks", None)
        error = raised_by(partial(connect, HTTPS, login(f"{scheme}://", 1)))

        assert type(error) is TWConfigError
        assert str(error) == (
            f"the proxy in {setting} is a SOCKS proxy, which needs the package PySocks: pip "
            "install PySocks"
        )
        assert_no_secret(error, PASSWORD, USER)

    def test_is_refused_in_the_environment(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "socks", None)
        monkeypatch.setenv("ALL_PROXY", "socks5://proxy.example")

        with pytest.raises(TWConfigError, match=r"^the proxy in ALL_PROXY .* install PySocks$"):
            make()

    def test_in_the_environment_does_not_matter_for_this_machine(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "socks", None)
        monkeypatch.setenv("ALL_PROXY", "socks5://proxy.example")

        assert make(url="http://localhost")


class TestFilesOfTls:
    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_of_the_environment_do_not_matter_without_tls(
        self, variable: str, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(variable, "missing.pem")

        assert make(url="http://localhost")
        assert make(url="http://localhost", lazy=True)

    @pytest.mark.parametrize("name", ["verify", "cert"])
    def test_that_are_given_are_checked_without_tls(
        self, name: str, make: Make, tmp_path: Path
    ) -> None:
        path = tmp_path / "nonsense.pem"
        path.write_text("nonsense", "utf-8")

        with pytest.raises(TWConfigError, match=rf"^ConnectionConfig\.{name}: "):
            make(ConnectionConfig(**{name: str(path)}), url="http://localhost")

    @pytest.mark.parametrize(
        ("attributes", "cause"),
        [
            ({"verify": "missing.pem"}, "Could not find .*missing.pem"),
            ({"verify": "nonsense.pem"}, "NO_CERTIFICATE_OR_CRL_FOUND"),
            ({"cert": "missing.pem"}, "Could not find .*missing.pem"),
            ({"cert": ("nonsense.pem", "missing.pem")}, "Could not find .*missing.pem"),
            ({"cert": "nonsense.pem"}, "PEM lib"),
        ],
        ids=repr,
    )
    def test_of_a_given_session_are_named_by_its_attributes(
        self,
        *,
        attributes: dict[str, Any],
        cause: str,
        make: Make,
        made_session: Callable[..., requests.Session],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        (tmp_path / "nonsense.pem").write_text("nonsense", "utf-8")
        monkeypatch.chdir(tmp_path)
        with RawServer(replies(""), tls_for()) as server:
            transport = make(url=server.url, session=made_session(**attributes))

            with pytest.raises(
                TWConnectionError,
                match=rf"{cause}.*; check session\.cert and session\.verify$",
            ):
                call("get_me", transport)

    def test_of_a_ca_of_ones_own_are_asked_for_by_the_attribute_of_the_session(
        self, make: Make, made_session: Callable[..., requests.Session]
    ) -> None:
        with RawServer(replies(""), tls_for()) as server:
            transport = make(url=server.url, session=made_session(verify=True))

            with pytest.raises(TWConnectionError, match=r"CA's certificate to session\.verify$"):
                call("get_me", transport)

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_of_the_environment_override_those_of_a_given_session(
        self,
        variable: str,
        make: Make,
        made_session: Callable[..., requests.Session],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A rule of `requests`, which the hint says."""
        monkeypatch.setenv(variable, requests.certs.where())
        with RawServer(replies(""), tls_for()) as server:
            transport = make(url=server.url, session=made_session(trust_env=True))

            with pytest.raises(
                TWConnectionError, match=f"to {variable}, which overrides session.verify$"
            ):
                call("get_me", transport)

"""What goes over TLS, to whom, and what has no say in it."""

from __future__ import annotations

import base64
import re
import socket
import ssl
import warnings
from datetime import datetime
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import urlsplit

import pytest
import requests
import trustme
from cryptography.hazmat.primitives import serialization
from urllib3.exceptions import InsecureRequestWarning

from teamwire_sync import (
    Connection,
    ConnectionConfig,
    TWConfigError,
    TWConnectionError,
    TWError,
)
from tests.support.leaks import assert_no_secret
from tests.support.tables import unlike
from tests.support.tls_server import HttpServer, Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "s3cret%ß:x"
AUTHORIZATION = "Basic " + base64.b64encode(f"app:{SECRET}".encode()).decode()
# Nobody resolves it: only a proxy, or the fixture of that name, leads anywhere.
HOST = "backend.example"
PROXY_PASSWORD = "pr0xyw0rd"

Connect = Callable[..., Connection]
CALLS: dict[str, Callable[[Connection], Any]] = {
    "read": lambda connection: connection.check(),
    "write": lambda connection: connection.chats.at("t1").post("hello"),
}
STATUSES_OF_REDIRECTS = (301, 302, 303, 307, 308)
each_version = pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"]
)


class Pki:
    """Certificates, and the files that they are in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self.ca = trustme.CA()
        self.bundle = self.file(self.ca.cert_pem)
        self.other_bundle = self.file(trustme.CA().cert_pem)
        self.server = self.ca.issue_cert("127.0.0.1", "localhost", HOST)
        self.client = self.ca.issue_cert("bot@example.org")

    def file(self, *blobs: trustme.Blob | bytes) -> str:
        self._count += 1
        path = self._folder / f"{self._count}.pem"
        path.write_bytes(b"".join(b if isinstance(b, bytes) else b.bytes() for b in blobs))
        return str(path)

    def context(self, issued: trustme.LeafCert | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (issued or self.server).configure_cert(context)
        return context


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def server(pki: Pki) -> Iterator[HttpServer]:
    with HttpServer(pki.context()) as one:
        yield one


@pytest.fixture
def plain_server() -> Iterator[HttpServer]:
    with HttpServer() as one:
        yield one


@pytest.fixture
def proxy(server: HttpServer) -> Iterator[Proxy]:
    with Proxy(server.port) as one:
        yield one


@pytest.fixture
def connect() -> Iterator[Connect]:
    made = []

    def one(
        url: str, *, session: requests.Session | None = None, retries: int = 0, **settings: Any
    ) -> Connection:
        config = ConnectionConfig(retries=retries, **settings)
        made.append(Connection("app", SECRET, url, config=config, session=session))
        return made[-1]

    yield one
    for connection in made:
        connection.close()


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as one:
        yield one


@pytest.fixture(params=["own session", "given session"])
def trusting(
    request: pytest.FixtureRequest, connect: Connect, session: requests.Session, pki: Pki
) -> Connect:
    """Makes connections that trust the CA, by a session of their own and by a given one."""
    if request.param == "own session":
        return lambda url: connect(url, verify=pki.bundle)
    session.verify = pki.bundle
    return lambda url: connect(url, session=session)


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name is this machine's."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _, *args, **more: resolve("127.0.0.1", *args, **more)
    )


def failure(call: Callable[[Connection], Any], connection: Connection) -> TWError:
    """The error of *call*, which holds no Secret."""
    with pytest.raises(TWError) as caught:
        call(connection)
    error = caught.value
    assert_no_secret(error, SECRET)
    assert_no_secret(error, PROXY_PASSWORD, "user")
    assert (error.__cause__, error.__context__) == (None, None)
    return error


def failures(connection: Connection) -> list[TWError]:
    """Those of a read and of a write."""
    return [failure(call, connection) for call in CALLS.values()]


def other_failures(
    connection: Connection, pattern: str, kind: type[TWError] = TWConnectionError
) -> list[TWError]:
    """The errors of a read and of a write that are none of *kind*, or whose text is another."""
    return [
        error
        for error in failures(connection)
        if type(error) is not kind or re.search(pattern, str(error)) is None
    ]


def is_not_of(host: str) -> str:
    """The pattern of an error: a certificate is of another host."""
    return f"certificate is not valid for '{host}'"


def succeed(connection: Connection) -> None:
    for call in CALLS.values():
        call(connection)


class TestCertificateOfTheServer:
    def test_a_ca_of_ones_own_is_trusted_when_it_is_given(
        self, server: HttpServer, connect: Connect, pki: Pki
    ) -> None:
        succeed(connect(server.url(), verify=pki.bundle))

        assert [seen.headers["Authorization"] for seen in server.requests] == [AUTHORIZATION] * 2

    def test_the_bundle_that_counts_says_whom_to_trust(
        self, server: HttpServer, connect: Connect, pki: Pki
    ) -> None:
        """What is given counts before the environment, and requests' variable before curl's."""
        good, other = pki.bundle, pki.other_bundle
        # The environment, the settings, and whether the server is trusted then.
        rows: list[tuple[dict[str, str], dict[str, Any], bool]] = [
            ({"REQUESTS_CA_BUNDLE": good}, {}, True),
            ({"CURL_CA_BUNDLE": good}, {}, True),
            ({"SSL_CERT_FILE": good}, {}, False),
            ({"REQUESTS_CA_BUNDLE": other, "CURL_CA_BUNDLE": good}, {}, False),
            ({"REQUESTS_CA_BUNDLE": other}, {"verify": good}, True),
            ({"REQUESTS_CA_BUNDLE": other}, {"verify": False}, True),
            ({"REQUESTS_CA_BUNDLE": good}, {"verify": True}, False),
        ]
        wrong = []
        for variables, settings, is_trusted in rows:
            with pytest.MonkeyPatch.context() as environment:
                for name, value in variables.items():
                    environment.setenv(name, value)
                connection = connect(server.url(), **settings)
                if is_trusted:
                    came = connection.check().uid == "u1"
                else:
                    came = "certificate" in str(failure(CALLS["read"], connection))
            if not came:
                wrong.append((sorted(variables), settings))

        assert wrong == []

    def test_by_default_a_ca_of_ones_own_is_refused_with_what_to_do(
        self, server: HttpServer, connect: Connect
    ) -> None:
        pattern = (
            rf"no TLS connection to 127\.0\.0\.1:{server.port}: .*certificate verify failed"
            r".*pass the path of the CA's certificate to ConnectionConfig\(verify=\.\.\.\)$"
        )

        assert other_failures(connect(server.url()), pattern) == []

    @pytest.mark.parametrize(
        ("names", "not_after", "text"),
        [
            (["other.example"], None, is_not_of("localhost")),
            (["localhost.example"], None, is_not_of("localhost")),
            (["localhost"], datetime(2020, 1, 1), "certificate has expired"),
        ],
        ids=["other name", "longer name", "expired"],
    )
    def test_a_wrong_one_is_refused_with_the_reason(
        self, names: list[str], not_after: Any, text: str, connect: Connect, pki: Pki
    ) -> None:
        issued = pki.ca.issue_cert(*names, not_after=not_after)
        with HttpServer(pki.context(issued)) as server:
            assert other_failures(connect(server.url("localhost"), verify=pki.bundle), text) == []

    def test_an_address_is_compared_too(self, connect: Connect, pki: Pki) -> None:
        with HttpServer(pki.context(pki.ca.issue_cert("localhost"))) as server:
            error = failure(CALLS["read"], connect(server.url("127.0.0.1"), verify=pki.bundle))

        assert re.search(is_not_of("127.0.0.1"), str(error))

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
    def test_its_common_name_does_not_count(self, host: str, connect: Connect, pki: Pki) -> None:
        issued = pki.ca.issue_cert("server@example.org", common_name=host)
        with HttpServer(pki.context(issued)) as server:
            connection = connect(server.url(host), verify=pki.bundle)

            assert other_failures(connection, is_not_of(host)) == []

    def test_a_refused_one_gets_no_request(self, server: HttpServer, connect: Connect) -> None:
        failures(connect(server.url()))

        assert server.requests == []

    @pytest.mark.parametrize("kind", ["own", "given"])
    def test_a_refused_one_is_not_tried_again(
        self, kind: str, server: HttpServer, connect: Connect, session: requests.Session
    ) -> None:
        given = session if kind == "given" else None
        failures(connect(server.url(), retries=3, session=given))

        assert server.accepted == 2

    @pytest.mark.filterwarnings("error")
    def test_it_is_not_looked_at_when_that_is_switched_off(
        self, server: HttpServer, connect: Connect
    ) -> None:
        """Nor does a warning end the request where warnings are errors."""
        succeed(connect(server.url("localhost"), verify=False))

        assert len(server.requests) == 2


class TestBundlesThatAreNone:
    @pytest.fixture
    def nonsense(self, tmp_path: Path) -> str:
        path = tmp_path / "nonsense.pem"
        path.write_text("nonsense", "utf-8")
        return str(path)

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_in_the_environment_are_named(
        self, variable: str, nonsense: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(variable, nonsense)

        with pytest.raises(TWConfigError, match=rf"^{variable}: no CA cert.*nonsense\.pem"):
            connect("https://localhost")

    def test_in_the_settings_are_named(self, nonsense: str, connect: Connect) -> None:
        with pytest.raises(TWConfigError, match=r"^ConnectionConfig\.verify: .*nonsense\.pem"):
            connect("https://localhost", verify=nonsense)


class TestVersionsOfTls:
    @each_version
    def test_new_ones_are_spoken(self, version: ssl.TLSVersion, connect: Connect, pki: Pki) -> None:
        context = pki.context()
        context.minimum_version = context.maximum_version = version
        with HttpServer(context) as server:
            assert connect(server.url(), verify=pki.bundle).check().uid == "u1"

    @pytest.fixture
    def old_server(self, pki: Pki) -> Iterator[HttpServer]:
        context = pki.context()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with HttpServer(context) as server:
            yield server

    @pytest.mark.parametrize("verify", [True, False], ids=["verify", "no verify"])
    def test_1_1_is_refused(
        self, verify: bool, old_server: HttpServer, connect: Connect, pki: Pki
    ) -> None:
        connection = connect(old_server.url(), verify=verify and pki.bundle)

        assert other_failures(connection, "protocol version") == []

    def test_a_server_that_speaks_no_other_is_not_tried_again(
        self, old_server: HttpServer, connect: Connect, pki: Pki
    ) -> None:
        failure(CALLS["write"], connect(old_server.url(), retries=3, verify=pki.bundle))

        assert old_server.accepted == 1

    def test_a_server_that_speaks_no_tls_at_all_gets_no_request(
        self, plain_server: HttpServer, connect: Connect
    ) -> None:
        connection = connect(plain_server.url().replace("http:", "https:"))

        assert other_failures(connection, "") == []
        assert plain_server.requests == []


class TestCertificateOfTheClient:
    @pytest.fixture
    def server(self, version: ssl.TLSVersion, pki: Pki) -> Iterator[HttpServer]:
        context = pki.context()
        context.maximum_version = version
        context.verify_mode = ssl.CERT_REQUIRED
        pki.ca.configure_trust(context)
        with HttpServer(context) as server:
            yield server

    @each_version
    def test_may_be_one_file(self, server: HttpServer, connect: Connect, pki: Pki) -> None:
        cert = pki.file(pki.client.private_key_and_cert_chain_pem)

        assert connect(server.url(), verify=pki.bundle, cert=cert).check().uid == "u1"

    @each_version
    def test_may_be_two_files(self, server: HttpServer, connect: Connect, pki: Pki) -> None:
        cert = pki.file(*pki.client.cert_chain_pems), pki.file(pki.client.private_key_pem)

        assert connect(server.url(), verify=pki.bundle, cert=cert).check().uid == "u1"

    @each_version
    def test_may_be_that_of_a_given_session(
        self, server: HttpServer, connect: Connect, session: requests.Session, pki: Pki
    ) -> None:
        session.verify = pki.bundle
        session.cert = pki.file(pki.client.private_key_and_cert_chain_pem)

        assert connect(server.url(), session=session).check().uid == "u1"

    @each_version
    def test_that_is_missing_is_what_the_error_says(
        self, server: HttpServer, connect: Connect, pki: Pki
    ) -> None:
        connection = connect(server.url(), verify=pki.bundle)
        pattern = r"client certificate.*ConnectionConfig\(cert=\.\.\.\)"

        assert other_failures(connection, pattern) == []

    @each_version
    def test_of_a_ca_that_the_server_does_not_know_is_what_the_error_says(
        self, server: HttpServer, connect: Connect, pki: Pki
    ) -> None:
        foreign = trustme.CA().issue_cert("bot@example.org")
        cert = pki.file(foreign.private_key_and_cert_chain_pem)
        connection = connect(server.url(), verify=pki.bundle, cert=cert)
        pattern = "unknown ca.*the server needs a client certificate, or another client certificate"

        assert other_failures(connection, pattern) == []

    @each_version
    def test_that_is_refused_is_not_tried_again(
        self, server: HttpServer, connect: Connect, pki: Pki
    ) -> None:
        failures(connect(server.url(), retries=3, verify=pki.bundle))

        assert (server.accepted, server.requests) == (2, [])


class TestFilesOfAClientCertificate:
    def refusal(self, connect: Connect, cert: Any) -> str:
        with pytest.raises(TWConfigError) as caught:
            connect("https://localhost", cert=cert)
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
        return str(caught.value)

    def test_with_the_key_of_another_are_refused(self, connect: Connect, pki: Pki) -> None:
        cert = pki.file(*pki.client.cert_chain_pems), pki.file(pki.server.private_key_pem)

        assert "the key that belongs to it" in self.refusal(connect, cert)

    def test_without_a_key_are_refused(self, connect: Connect, pki: Pki) -> None:
        cert = pki.file(*pki.client.cert_chain_pems)

        assert cert in self.refusal(connect, cert)

    def test_that_are_none_are_refused(self, connect: Connect, pki: Pki) -> None:
        cert = pki.file(b"nonsense")

        said = self.refusal(connect, cert)

        assert said.startswith(f"ConnectionConfig.cert: {cert!r} must have a certificate in PEM ")

    def test_with_a_password_are_refused_and_nobody_is_asked_for_it(
        self, connect: Connect, pki: Pki
    ) -> None:
        key = serialization.load_pem_private_key(pki.client.private_key_pem.bytes(), None)
        locked = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
        cert = pki.file(locked, *pki.client.cert_chain_pems)

        assert "without a password" in self.refusal(connect, cert)


class TestPlainHttp:
    def test_is_refused_with_the_ways_out(self, connect: Connect) -> None:
        hosts = [
            "backend.example", "10.0.0.1", "0.0.0.0", "[::]", "127.1", "0x7f000001", "0x7f.0.0.1",
            "2130706433", "localhost.", "localhost.example", "127.0.0.1.example", "[2001:db8::1]",
            "127.0.0.1\\.example", "127。0。0。1",
        ]  # fmt: skip
        rows = [
            (
                f"http://{host}:8080",
                TWConfigError,
                rf"{re.escape(f'https://{host}:8080')}.*ConnectionConfig\(allow_insecure_http=True\)",
            )
            for host in hosts
        ]

        assert unlike(connect, rows) == []

    def test_is_allowed_to_this_machine(self, connect: Connect) -> None:
        hosts = ["127.0.0.1", "127.0.0.2", "127.255.255.254", "[::1]", "localhost", "LocalHost"]
        urls = [f"http://{host}:8080" for host in hosts]

        assert [url for url in urls if url not in repr(connect(url))] == []

    def test_to_this_machine_is_not_judged_by_what_stands_before_an_at(
        self, connect: Connect
    ) -> None:
        urls = ("http://127.0.0.1@evil.example", "http://localhost:1@evil.example")
        rows = [(url, TWConfigError, "must not contain a user") for url in urls]

        assert unlike(connect, rows) == []

    @pytest.mark.usefixtures("resolved")
    def test_elsewhere_can_be_allowed(self, plain_server: HttpServer, connect: Connect) -> None:
        connect(plain_server.url(HOST), allow_insecure_http=True).check()

        assert len(plain_server.requests) == 1


class TestRedirects:
    def test_are_an_error_that_names_the_target(
        self, server: HttpServer, trusting: Connect
    ) -> None:
        connection = trusting(server.url())
        server.headers = {"Location": "https://other.example:444/x"}
        pattern = ": a redirect to https://other.example:444; no server of the bot contract"
        wrong = []
        for status in STATUSES_OF_REDIRECTS:
            server.status = status
            wrong += other_failures(connection, pattern, TWConfigError)

        assert wrong == []

    def test_bring_nothing_to_another_server(
        self, server: HttpServer, plain_server: HttpServer, trusting: Connect, pki: Pki
    ) -> None:
        connection = trusting(server.url())
        with HttpServer(pki.context()) as other:
            for status in STATUSES_OF_REDIRECTS:
                server.status = status
                for elsewhere in (other, plain_server):
                    server.headers = {"Location": elsewhere.url() + "/v1/bot/me/"}
                    failures(connection)

            assert (other.accepted, plain_server.accepted) == (0, 0)

    def test_are_not_followed_on_the_same_server_either(
        self, server: HttpServer, trusting: Connect
    ) -> None:
        connection = trusting(server.url())
        server.headers = {"Location": "/v1/bot/me/"}
        for status in STATUSES_OF_REDIRECTS:
            server.status = status
            failures(connection)

        asked = [seen.method for seen in server.requests]
        assert asked == ["GET", "POST"] * len(STATUSES_OF_REDIRECTS)


class TestProxies:
    @pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
    def test_of_the_environment_are_used(
        self,
        variable: str,
        proxy: Proxy,
        connect: Connect,
        pki: Pki,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv(variable, proxy.url)
        connect(f"https://{HOST}", verify=pki.bundle).check()

        assert proxy.accepted == 1

    @pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
    @pytest.mark.usefixtures("resolved")
    def test_of_the_environment_are_not_used_for_hosts_without_one(
        self,
        *,
        variable: str,
        server: HttpServer,
        proxy: Proxy,
        connect: Connect,
        pki: Pki,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv(variable, f"other.example,{HOST}")
        connect(server.url(HOST), verify=pki.bundle).check()

        assert proxy.accepted == 0

    @pytest.mark.usefixtures("resolved")
    def test_none_at_all_can_be_set(
        self,
        server: HttpServer,
        proxy: Proxy,
        connect: Connect,
        pki: Pki,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        connect(server.url(HOST), verify=pki.bundle, proxies={}).check()

        assert proxy.accepted == 0

    def test_that_are_set_come_before_the_environment(
        self, proxy: Proxy, connect: Connect, pki: Pki, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        connect(f"https://{HOST}", verify=pki.bundle, proxies={"https": proxy.url}).check()

        assert proxy.accepted == 1

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_of_the_environment_are_no_way_to_this_machine(
        self,
        host: str,
        plain_server: HttpServer,
        proxy: Proxy,
        connect: Connect,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """They would get the Secret of an ``http://`` URL in the clear."""
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        connect(plain_server.url(host)).check()

        assert proxy.accepted == 0

    def test_see_where_a_request_goes_and_nothing_more(
        self, proxy: Proxy, connect: Connect, pki: Pki
    ) -> None:
        succeed(connect(f"https://{HOST}", verify=pki.bundle, proxies={"https": proxy.url}))
        names = [
            line.partition(":")[0].lower() for line in proxy.heads[0].split("\r\n")[1:] if line
        ]

        assert proxy.heads[0].startswith(f"CONNECT {HOST}:443 HTTP/1.")
        assert set(names) <= {"host"}

    def test_get_the_password_in_their_url_and_the_server_does_not(
        self, server: HttpServer, proxy: Proxy, connect: Connect, pki: Pki
    ) -> None:
        url = proxy.url.replace("//", f"//user:{PROXY_PASSWORD}@")
        connect(f"https://{HOST}", verify=pki.bundle, proxies={"https": url}).check()
        pair = base64.b64encode(f"user:{PROXY_PASSWORD}".encode()).decode()

        assert f"Proxy-Authorization: Basic {pair}\r\n" in proxy.heads[0]
        assert "Proxy-Authorization" not in server.requests[0].headers

    def test_do_not_spare_the_server_its_certificate(
        self, server: HttpServer, proxy: Proxy, connect: Connect, pki: Pki
    ) -> None:
        connection = connect(
            "https://other.example", verify=pki.bundle, proxies={"https": proxy.url}
        )
        error = failure(CALLS["read"], connection)

        assert re.search(is_not_of("other.example"), str(error))
        assert server.requests == []

    def test_that_fail_are_what_the_error_says(
        self, proxy: Proxy, connect: Connect, pki: Pki
    ) -> None:
        answers = {
            "HTTP/1.1 502 Bad Gateway": "502 Bad Gateway",
            "": "closed connection without response",
            "nonsense": "nonsense",
        }
        url = proxy.url.replace("//", f"//user:{PROXY_PASSWORD}@")
        connection = connect(f"https://{HOST}", verify=pki.bundle, proxies={"https": url})
        wrong = []
        for line, text in answers.items():
            proxy.answer = line
            pattern = f"^can't reach {HOST}:443 through the proxy: .*{text}"
            wrong += other_failures(connection, pattern)

        assert wrong == []

    def test_that_fail_a_given_session_are_a_failure_of_the_network(
        self, proxy: Proxy, connect: Connect, session: requests.Session, pki: Pki
    ) -> None:
        proxy.answer = "HTTP/1.1 502 Bad Gateway"
        session.verify, session.proxies = pki.bundle, {"https": proxy.url}
        connection = connect(f"https://{HOST}", session=session)

        assert other_failures(connection, "through the proxy: .*502 Bad Gateway") == []

    @pytest.fixture(params=[False, True], ids=["own session", "given session"])
    def proxied(
        self,
        request: pytest.FixtureRequest,
        proxy: Proxy,
        connect: Connect,
        session: requests.Session,
        pki: Pki,
    ) -> Connection:
        """A Connection through the proxy, with a password for it."""
        url = proxy.url.replace("//", f"//user:{PROXY_PASSWORD}@")
        session.verify, session.proxies = pki.bundle, {"https": url}
        own = {"verify": pki.bundle, "proxies": session.proxies}
        settings = {"session": session} if request.param else own
        return connect(f"https://{HOST}", retries=3, **settings)

    def test_that_refuse_the_server_are_what_the_error_says(
        self, proxy: Proxy, proxied: Connection
    ) -> None:
        proxy.answer = "HTTP/1.1 403 Forbidden"
        pattern = rf"^the proxy refuses the connection to {HOST}:443 \(403 Forbidden\)"

        assert other_failures(proxied, pattern, TWConfigError) == []
        assert len(proxy.heads) == len(CALLS)

    def test_that_do_not_know_the_password_are_asked_once(
        self, proxy: Proxy, proxied: Connection
    ) -> None:
        proxy.answer = "HTTP/1.1 407 Proxy Authentication Required"
        for call in CALLS.values():
            before = len(proxy.heads)
            error = failure(call, proxied)

            assert type(error) is TWConfigError
            assert "the proxy refuses this client (407)" in str(error)
            assert len(proxy.heads) == before + 1

    def test_that_are_not_there_are_what_the_error_says(self, connect: Connect) -> None:
        with socket.socket() as placeholder:
            placeholder.bind(("127.0.0.1", 0))
            url = f"http://user:{PROXY_PASSWORD}@127.0.0.1:{placeholder.getsockname()[1]}"
            connection = connect(f"https://{HOST}", proxies={"https": url})
            pattern = f"^can't reach {HOST}:443 through the proxy: Connection refused$"

            assert other_failures(connection, pattern) == []

    def test_may_be_those_of_a_given_session(
        self, proxy: Proxy, connect: Connect, session: requests.Session, pki: Pki
    ) -> None:
        session.verify, session.proxies = pki.bundle, {"https": proxy.url}
        connect(f"https://{HOST}", session=session).check()

        assert [head.split()[1] for head in proxy.heads] == [f"{HOST}:443"]
        assert "Authorization" not in proxy.heads[0]


class TestEnvironment:
    def test_another_bundle_changes_nothing_later(
        self, server: HttpServer, connect: Connect, pki: Pki, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", pki.bundle)
        connection = connect(server.url())
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", pki.other_bundle)

        assert connection.check().uid == "u1"

    @pytest.mark.usefixtures("resolved")
    def test_a_proxy_changes_nothing_later(
        self,
        server: HttpServer,
        proxy: Proxy,
        connect: Connect,
        pki: Pki,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        connection = connect(server.url(HOST), verify=pki.bundle)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        connection.check()

        assert proxy.accepted == 0

    def test_its_absence_changes_nothing_later(
        self, proxy: Proxy, connect: Connect, pki: Pki, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        connection = connect(f"https://{HOST}", verify=pki.bundle)
        monkeypatch.delenv("HTTPS_PROXY")
        connection.check()

        assert proxy.accepted == 1

    @pytest.mark.parametrize("place", ["HOME", "NETRC"])
    def test_a_netrc_changes_nothing(
        self,
        place: str,
        tmp_path: Path,
        server: HttpServer,
        trusting: Connect,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        path = tmp_path / (".netrc" if place == "HOME" else "elsewhere")
        path.write_text("machine 127.0.0.1 login other password other\n", "utf-8")
        path.chmod(0o600)
        monkeypatch.setenv(place, str(path.parent if place == "HOME" else path))
        assert requests.utils.get_netrc_auth(server.url()) == ("other", "other")
        trusting(server.url()).check()

        assert server.requests[0].headers.get_all("Authorization") == [AUTHORIZATION]


class TestCookies:
    def test_are_not_sent_back(self, server: HttpServer, trusting: Connect) -> None:
        server.headers = {"Set-Cookie": "track=1; Path=/; Secure"}
        connection = trusting(server.url())
        succeed(connection)
        succeed(connection)

        assert [seen.headers["Cookie"] for seen in server.requests] == [None] * 4

    def test_of_a_redirect_are_not_sent_back(self, server: HttpServer, trusting: Connect) -> None:
        connection = trusting(server.url())
        server.status = 302
        server.headers = {"Set-Cookie": "track=1; Path=/", "Location": "/elsewhere"}
        failure(CALLS["read"], connection)
        server.status = 200
        connection.check()

        assert [seen.headers["Cookie"] for seen in server.requests] == [None, None]

    def test_are_not_stored_in_a_given_session(
        self, server: HttpServer, connect: Connect, session: requests.Session, pki: Pki
    ) -> None:
        session.verify = pki.bundle
        server.headers = {"Set-Cookie": "track=1; Path=/"}
        connect(server.url(), session=session).check()

        assert list(session.cookies) == []


class TestGivenSession:
    """It is used as it is."""

    def test_checks_certificates(
        self, server: HttpServer, connect: Connect, session: requests.Session
    ) -> None:
        error = failure(CALLS["read"], connect(server.url(), session=session))

        assert (type(error), server.requests) == (TWConnectionError, [])

    def test_reads_the_environment_as_it_does_elsewhere(
        self,
        server: HttpServer,
        connect: Connect,
        session: requests.Session,
        pki: Pki,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        connection = connect(server.url(), session=session)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", pki.bundle)

        assert connection.check().uid == "u1"

    def test_warns_when_it_checks_none(
        self, server: HttpServer, connect: Connect, session: requests.Session
    ) -> None:
        session.verify = False
        connection = connect(server.url(), session=session)

        with pytest.warns(InsecureRequestWarning, match=urlsplit(server.url()).hostname):
            connection.check()

    def test_signs_with_our_credentials(
        self, server: HttpServer, connect: Connect, session: requests.Session, pki: Pki
    ) -> None:
        session.verify, session.auth = pki.bundle, ("other", "other")
        connect(server.url(), session=session).check()

        assert server.requests[0].headers.get_all("Authorization") == [AUTHORIZATION]

"""The session that HttpTransport makes for itself."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from teamwire_sync import ConnectionConfig, TWConfigError
from teamwire_sync._http.sockets import DeadlineSocket, _FinalResponse
from tests.support.transport_calls import SECRET, Make, answer, call, sent

if TYPE_CHECKING:
    import responses

    from teamwire_sync._http.transport import HttpTransport


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    """The file of a certificate with its key."""
    path = tmp_path / "identity.pem"
    issued = trustme.CA().issue_cert("bot@example.org")
    issued.private_key_and_cert_chain_pem.write_to_path(str(path))
    return path


class TestOwnSession:
    def settings(self, transport: HttpTransport, server: responses.RequestsMock) -> dict[str, Any]:
        answer(server, "get_me")
        call("get_me", transport)
        settings: dict[str, Any] = sent(server).req_kwargs
        return settings

    def test_checks_certificates(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        settings = self.settings(transport, server)

        assert (settings["verify"], settings["cert"]) == (True, None)

    @pytest.mark.parametrize("verify", [True, False])
    def test_verify_is_as_configured(
        self, verify: bool, make: Make, server: responses.RequestsMock
    ) -> None:
        transport = make(ConnectionConfig(verify=verify))

        assert self.settings(transport, server)["verify"] is verify

    @pytest.mark.parametrize("kind", [str, Path])
    def test_a_ca_bundle_is_as_configured(
        self, kind: Any, tmp_path: Path, make: Make, server: responses.RequestsMock
    ) -> None:
        transport = make(ConnectionConfig(verify=kind(tmp_path)))

        assert self.settings(transport, server)["verify"] == str(tmp_path)

    @pytest.mark.parametrize("kind", [str, Path])
    def test_a_client_certificate_reaches_requests_as_str_and_so_does_its_key(
        self, kind: Any, identity: Path, make: Make, server: responses.RequestsMock
    ) -> None:
        one, path = kind(identity), str(identity)
        certs = [make(ConnectionConfig(cert=cert)) for cert in (one, (one, one))]

        assert [self.settings(each, server)["cert"] for each in certs] == [path, (path, path)]

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_a_ca_bundle_of_the_environment(
        self,
        variable: str,
        tmp_path: Path,
        make: Make,
        server: responses.RequestsMock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv(variable, str(tmp_path))

        assert self.settings(make(), server)["verify"] == str(tmp_path)

    def test_the_variable_of_requests_comes_first(
        self,
        tmp_path: Path,
        make: Make,
        server: responses.RequestsMock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("CURL_CA_BUNDLE", os.devnull)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))

        assert self.settings(make(), server)["verify"] == str(tmp_path)

    @pytest.mark.parametrize("verify", [True, False])
    def test_a_setting_comes_before_the_environment(
        self,
        verify: bool,
        make: Make,
        server: responses.RequestsMock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.devnull)
        transport = make(ConnectionConfig(verify=verify))

        assert self.settings(transport, server)["verify"] is verify

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_a_ca_bundle_of_the_environment_that_is_not_there(
        self, variable: str, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(variable, "missing.pem")

        with pytest.raises(TWConfigError, match=rf"^{variable}: there is no .*'missing\.pem'$"):
            make()

    def test_an_empty_variable_is_none(
        self, make: Make, server: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")

        assert self.settings(make(), server)["verify"] is True

    def test_the_environment_is_read_once(
        self,
        tmp_path: Path,
        make: Make,
        server: responses.RequestsMock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
        monkeypatch.setenv("HTTPS_PROXY", "http://one.example:1")
        transport = make()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.devnull)
        monkeypatch.setenv("HTTPS_PROXY", "http://other.example:2")
        settings = self.settings(transport, server)

        assert settings["verify"] == str(tmp_path)
        assert settings["proxies"]["https"] == "http://one.example:1"

    def test_no_proxy_is_obeyed(
        self, make: Make, server: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:1")
        monkeypatch.setenv("NO_PROXY", "teamwire.example")

        assert not self.settings(make(), server)["proxies"]

    @pytest.mark.parametrize("proxies", [{}, {"https": "http://mine.example:1"}], ids=repr)
    def test_proxies_that_are_set_come_before_the_environment(
        self,
        proxies: dict[str, str],
        make: Make,
        server: responses.RequestsMock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://theirs.example:1")

        assert self.settings(make(ConnectionConfig(proxies=proxies)), server)["proxies"] == proxies

    def test_a_netrc_changes_nothing(
        self,
        tmp_path: Path,
        make: Make,
        server: responses.RequestsMock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine teamwire.example login other password other\n", "utf-8")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        answer(server, "get_me")
        call("get_me", make())

        pair = sent(server).headers["Authorization"].split()[1]
        assert base64.b64decode(pair).decode() == f"app:{SECRET}"

    def test_cookies_are_refused(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", headers={"Set-Cookie": "track=1; Path=/"})
        call("get_me", transport)
        call("get_me", transport)

        assert "Cookie" not in sent(server).headers


def test_an_answer_that_ctrl_c_cut_off_can_be_closed() -> None:
    """Else the garbage collector, which closes it, writes a traceback of its own to stderr."""
    _FinalResponse.__new__(_FinalResponse).close()


def test_a_socket_that_ctrl_c_left_half_made_has_no_endless_look_up() -> None:
    with pytest.raises(AttributeError, match="fileno"):
        DeadlineSocket.__new__(DeadlineSocket).fileno()

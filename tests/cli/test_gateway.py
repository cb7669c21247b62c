"""The commands of ``teamwire-sync gateway``, except the running gateway."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trustme

from teamwire_sync._cli.errors import USAGE
from teamwire_sync._gateway.clients import Clients
from teamwire_sync._internal.version import VERSION
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync.testing import Sandbox
    from tests.cli.conftest import Cli


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the gateway's state."""
    path = tmp_path / "state"
    monkeypatch.setenv("TEAMWIRE_GATEWAY_STATE", str(path))
    return path


def exported(lines: list[str]) -> dict[str, str]:
    """The variables in the lines for a shell."""
    found = [line[len("export ") :].partition("=") for line in lines if line.startswith("export ")]
    return {name: value for name, _, value in found}


class TestClients:
    def test_a_new_client_gets_the_lines_to_export_once(self, bare_cli: Cli, state: Path) -> None:
        done = bare_cli("gateway", "add-client", "reports", "--url", "https://gw.example.org")
        variables = exported(done.lines)
        assert [*variables] == [
            "TEAMWIRE_URL",
            "TEAMWIRE_APP_ID",
            "TEAMWIRE_SECRET",
            "TEAMWIRE_TRANSPORT",
        ]
        assert variables["TEAMWIRE_URL"] == "https://gw.example.org"
        assert variables["TEAMWIRE_TRANSPORT"] == "http"
        kept = b"".join(each.read_bytes() for each in state.iterdir())
        assert variables["TEAMWIRE_SECRET"].encode() not in kept

    def test_a_shell_may_evaluate_all_that_is_printed(self, bare_cli: Cli) -> None:
        done = bare_cli("gateway", "add-client", "reports")
        assert {line[:7] for line in done.lines} == {"# The p", "export "}
        assert done.err == ""

    def test_the_list_shows_permissions_and_no_secret(self, bare_cli: Cli) -> None:
        for arguments in (["a"], ["b", "--read-only"], ["c", "--allow", "get_me"]):
            secret = exported(bare_cli("gateway", "add-client", *arguments).lines)
            assert secret["TEAMWIRE_SECRET"] not in bare_cli("gateway", "list-clients").out
        words = [line.split("  ") for line in bare_cli("gateway", "list-clients").lines]
        assert [(name, rights) for name, _, rights in words] == [
            ("a", "all"),
            ("b", "read-only all"),
            ("c", "get_me"),
        ]

    def test_a_removed_client_is_gone(self, bare_cli: Cli) -> None:
        bare_cli("gateway", "add-client", "reports")
        assert bare_cli("gateway", "remove-client", "reports").code == 0
        assert bare_cli("gateway", "list-clients").out == ""

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (["add-client", "a b"], "name must be"),
            (["add-client", "a", "--allow", "fly"], "unknown operations"),
            (["remove-client", "nobody"], "no client with the name"),
        ],
    )
    def test_a_wrong_argument_is_an_error(
        self, bare_cli: Cli, arguments: list[str], text: str
    ) -> None:
        done = bare_cli("gateway", *arguments)
        assert done.code == USAGE
        assert text in done.err

    def test_the_state_may_be_named_before_or_after_the_command(
        self, bare_cli: Cli, tmp_path: Path
    ) -> None:
        other = str(tmp_path / "other")
        bare_cli("gateway", "--state", other, "add-client", "a")
        bare_cli("gateway", "add-client", "b", "--state", other)
        assert [each.name for each in Clients(other).all()] == ["a", "b"]


class TestCheck:
    def test_valid_settings_are_valid(self, cli: Cli, box: Sandbox) -> None:
        cli("gateway", "add-client", "reports")
        done = cli("gateway", "--upstream", "http", "--check")
        assert (done.code, done.err) == (0, "")
        assert f"The upstream is {box.url}." in done.out
        assert done.out.endswith("is 1.\n")

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (["--host", "0.0.0.0"], "--behind-proxy ADDRESS"),
            (["--host", "gw.example.org", "--certfile", "x"], "go together"),
            (["--certfile", "missing", "--keyfile", "missing"], "can't use missing and missing"),
            (["--behind-proxy", "proxy.example"], "proxy.example"),
            (["--host", "::"], "could read Secrets"),
            (["--cache-ttl", "0"], "--cache-ttl"),
        ],
    )
    def test_wrong_settings_are_not(self, cli: Cli, arguments: list[str], text: str) -> None:
        done = cli("gateway", "--upstream", "http", "--check", *arguments)
        assert done.code == USAGE
        assert text in done.err

    def test_another_address_needs_tls_or_a_proxy(self, cli: Cli, tmp_path: Path) -> None:
        certificate = trustme.CA().issue_cert("gw.example.org")
        pem = tmp_path / "pem"
        certificate.private_key_and_cert_chain_pem.write_to_path(pem)
        for options in (
            ["--certfile", str(pem), "--keyfile", str(pem)],
            ["--behind-proxy", "10.0.0.0/8"],
        ):
            done = cli("gateway", "--upstream", "http", "--check", "--host", "::", *options)
            assert (done.code, done.err) == (0, "")

    def test_a_missing_package_for_the_metrics_is_an_error(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delitem(sys.modules, "teamwire_sync._gateway.metrics", raising=False)
        monkeypatch.delattr("teamwire_sync._gateway.metrics", raising=False)
        monkeypatch.setitem(sys.modules, "prometheus_client", None)
        done = cli("gateway", "--upstream", "http", "--check", "--metrics-port", "9480")
        assert done.code == USAGE
        assert "pip install" in done.err

    def test_a_missing_sdk_is_an_error(self, bare_cli: Cli) -> None:
        done = bare_cli("gateway", "--check")
        assert done.code == USAGE
        assert "the vendor's SDK" in done.err

    def test_a_gateway_that_would_use_itself_is_an_error(
        self, bare_cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in exported(bare_cli("gateway", "add-client", "reports").lines).items():
            monkeypatch.setenv(name, value)
        done = bare_cli("gateway", "--check")
        assert done.code == USAGE
        assert "this gateway itself" in done.err

    def test_missing_credentials_of_the_upstream_are_an_error(self, bare_cli: Cli) -> None:
        done = bare_cli("gateway", "--check", "--upstream", "http")
        assert done.code == USAGE
        assert "no credentials yet" in done.err


class TestUpstream:
    """The way to Teamwire. Here is no SDK, so the vendor's way is an error that names it."""

    @pytest.fixture
    def credentials(self, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
        monkeypatch.delenv("TEAMWIRE_TRANSPORT", raising=False)
        return cli

    @pytest.fixture
    def http(self, credentials: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
        monkeypatch.setenv("TEAMWIRE_TRANSPORT", "http")
        return credentials

    @pytest.fixture
    def vendor(self, bare_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
        monkeypatch.setenv("TEAMWIRE_TRANSPORT", "vendor")
        return bare_cli

    @pytest.mark.parametrize(
        ("settings", "before", "after", "is_vendor"),
        [
            ("bare_cli", [], [], True),
            ("credentials", [], [], False),
            ("http", [], [], False),
            ("http", [], ["--upstream", "vendor"], True),
            ("http", ["--vendor"], [], True),
            ("vendor", [], [], True),
        ],
    )
    def test_it_is_that_of_the_settings_else_the_vendors(
        self,
        request: pytest.FixtureRequest,
        settings: str,
        before: list[str],
        after: list[str],
        is_vendor: bool,
    ) -> None:
        done = request.getfixturevalue(settings)(*before, "gateway", "--check", *after)
        assert ("the vendor's SDK is not installed" in done.err) == is_vendor
        assert (done.code == 0) != is_vendor

    def test_http_is_http_whatever_the_settings_say(
        self, credentials: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_TRANSPORT", "vendor")
        assert credentials("gateway", "--check", "--upstream", "http").code == 0

    def test_a_contradiction_in_the_settings_is_an_error(
        self, credentials: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_TRANSPORT", "vendor")
        done = credentials("gateway", "--check")
        assert done.code == USAGE
        assert "there are also settings of HTTP" in done.err

    @pytest.mark.parametrize(
        ("before", "upstream"), [(["--vendor"], "http"), (["--url", "http://localhost"], "vendor")]
    )
    def test_a_contradiction_in_the_options_is_an_error(
        self, bare_cli: Cli, before: list[str], upstream: str
    ) -> None:
        done = bare_cli(*before, "gateway", "--check", "--upstream", upstream)
        assert done.code == USAGE
        assert f"--upstream {upstream} can't be combined with {before[0]}" in done.err


class TestChecksOfAClient:
    """A gateway over the vendor's SDK can't say who the bot is."""

    @pytest.fixture(autouse=True)
    def _unknown_bot(self, box: Sandbox) -> None:
        box.fault("GET", "/v1/bot/me/", status=501)

    def test_check_counts_the_chats(self, cli: Cli, box: Sandbox) -> None:
        done = cli("check", "--json")
        assert json.loads(done.out) == {"chats": len(box.connect().chats.get_subscriptions())}
        assert "All settings work: over HTTP" in done.err

    def test_config_init_counts_the_chats(
        self, bare_cli: Cli, box: Sandbox, tmp_path: Path
    ) -> None:
        values = f"{box.url}\n{box.app_id}\n{box.secret}\n"
        config = tmp_path / "config.ini"
        done = bare_cli("--config", str(config), "config", "init", stdin=values)
        assert done.code == 0
        assert done.out.endswith(" chats\n")
        assert config.exists()


@pytest.mark.parametrize("package", ["cheroot", "flask", "werkzeug"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(package: str) -> None:
    code = (
        f"import sys; sys.modules['{package}'] = None; from teamwire_sync._cli import main;"
        "main(['gateway', '--upstream', 'http'])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False
    )
    assert done.returncode == USAGE
    assert done.stderr.startswith(f"Error: the gateway needs {package}: pip install ")


def test_it_has_a_version(bare_cli: Cli) -> None:
    assert VERSION in bare_cli("gateway", "--version").out

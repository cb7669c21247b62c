"""Errors about settings give advice that fits how the settings are given."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import Connection, ConnectionConfig, TWConfigError
from teamwire_sync._cli.errors import NETWORK, USAGE
from tests.cli.conftest import write_config

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync.testing import Sandbox
    from tests.cli.conftest import Cli

CONTAINER = "http://gateway.example:8080"
ALLOW = "TEAMWIRE_ALLOW_INSECURE_HTTP"
IGNORED = "TEAMWIRE_APP_ID, TEAMWIRE_SECRET, TEAMWIRE_URL, TEAMWIRE_TRANSPORT"
# Each command reaches the settings in another way.
COMMANDS = ["check", "chats list", "gateway --check", "gateway --check --upstream http"]
FILES = {
    "missing": None,
    "empty": "",
    "another section": "[day]\nurl = https://x\n",
    "a part": "[default]\nurl = https://x\n[night]\nurl = https://x\n",
    "a conflict": "[default]\ntransport = vendor\nurl = https://x\n"
    "[night]\ntransport = vendor\nurl = https://x\n",
    "another transport": "[default]\ntransport = x\n[night]\ntransport = x\n",
    "in upper case": "[DEFAULT]\nurl = https://x\n",
    "no INI file": "hello\n",
}


@pytest.mark.parametrize("options", [["--profile", "night"], ["--config"], ["--config", "night"]])
@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_an_option_that_names_the_bot_needs_no_advice_about_the_environment(
    cli: Cli, path: Path, options: list[str], text: str | None
) -> None:
    given = [*options]
    if options[0] == "--config":
        given = ["--config", str(path), *(["--profile"] if options[1:] else []), *options[1:]]
    if text is not None:
        write_config(path, text, mode=0o644)
    before = dict(os.environ)
    wrong = []
    for command in COMMANDS:
        done = cli(*given, *command.split())
        said = re.sub(r"these variables of the environment do not count: [A-Z_, ]+", "", done.err)
        # The vendor's SDK is the upstream of a gateway without settings.
        is_fine = done.code == USAGE and not re.search("TEAMWIRE_[A-Z]|environment", said)
        if not is_fine or "Warning" in said:
            wrong.append((command, done.code, done.err))

    assert (wrong, dict(os.environ)) == ([], before)


def test_a_missing_profile_names_the_variables_that_do_not_count(cli: Cli, path: Path) -> None:
    lines = cli("--profile", "night", "check").err.splitlines()

    assert lines[0].endswith("run: teamwire-sync --profile night config init")
    assert lines[2] == (
        f"(There is no file {path}. With --profile, these variables of the environment do not "
        f"count: {IGNORED}.)"
    )


def test_a_part_of_the_settings_names_the_rest_of_the_section(cli: Cli, tmp_path: Path) -> None:
    part = tmp_path / "part.ini"
    write_config(part, "[default]\nurl = https://x\n", mode=0o644)
    done = cli("--config", str(part), "check")

    assert done.err.startswith(
        f"Error: app_id, secret missing: add app_id = ... to the section [default] of the file "
        f"{part}. With --config, these variables of the environment do not count: {IGNORED}. "
    )


def test_a_section_that_is_missing_is_that_of_the_option(cli: Cli, path: Path) -> None:
    write_config(path, "[day]\n", mode=0o644)
    done = cli("--profile", "night", "check")

    assert done.err == (f"Error: --profile is 'night', but {path} has only the sections: day\n")


class TestInsecureHttp:
    def test_the_error_names_the_ways_of_the_shell(self, cli: Cli) -> None:
        done = cli("--url", CONTAINER, "check")

        assert done.code == USAGE
        assert done.err.endswith(
            f"(or, in a network that you trust, pass --allow-insecure-http or set {ALLOW}=1)\n"
        )

    @pytest.mark.parametrize("way", ["option", "variable"])
    @pytest.mark.parametrize("command", ["check", "gateway --check", "config init"])
    def test_each_way_allows_it(
        self, cli: Cli, box: Sandbox, way: str, command: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NO_PROXY", "*")
        if way == "variable":
            monkeypatch.setenv(ALLOW, "1")
        options = ["--allow-insecure-http"] if way == "option" else []
        options += ["--timeout", "0.1", "--url", CONTAINER]
        done = cli(*options, *command.split(), stdin=f"{box.app_id}\n{box.secret}\n")

        assert done.code == (0 if "gateway" in command else NETWORK)
        assert ALLOW not in {*os.environ} or way == "variable"

    @pytest.mark.parametrize("value", ["1", "true", "YES", " on "])
    def test_the_variable_is_for_each_program(
        self, value: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(ALLOW, value)

        assert ConnectionConfig().allow_insecure_http
        assert "open" in repr(Connection("app", "topsecret", CONTAINER))
        config = ConnectionConfig(allow_insecure_http=False)
        with pytest.raises(TWConfigError, match="url must be https"):
            Connection("app", "topsecret", CONTAINER, config=config)

    @pytest.mark.parametrize("value", ["", "0", "false", "No", "off"])
    def test_other_values_do_not_allow_it(
        self, value: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(ALLOW, value)

        assert not ConnectionConfig().allow_insecure_http

    def test_a_value_that_is_neither_is_refused(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(ALLOW, "maybe")

        assert cli("check").err == f"Error: {ALLOW} must be 1 or 0\n"

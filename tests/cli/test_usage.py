"""What is typed wrong, and what a first-time user sees."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from teamwire_sync._cli.errors import USAGE
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync.testing import Sandbox
    from tests.cli.conftest import Cli

COMMANDS = [
    "check",
    "chats list",
    "chats find x",
    "chats show x",
    "chats create --user x",
    "chats rename x y",
    "chats members x",
    "post x y",
    "post --user x y",
    "messages x",
    "download x y",
    "listen",
    "listen --tid x",
    "users find x",
    "users show x",
    "groups list",
    "groups find x",
]


class TestFirstRun:
    def test_each_command_says_first_what_to_run(self, bare_cli: Cli) -> None:
        first = "Error: no credentials yet. To set them up, run: teamwire-sync config init\n"
        wrong = []
        for command in COMMANDS:
            done = bare_cli(*command.split())
            if (done.code, done.out, done.err.startswith(first)) != (USAGE, "", True):
                wrong.append((command, done.code, done.out, done.err))
        assert wrong == []

    def test_the_options_that_were_given_belong_to_it(self, bare_cli: Cli, tmp_path: Path) -> None:
        done = bare_cli("--profile", "night", "--config", f"{tmp_path}/a file", "check")

        assert done.err.splitlines()[0].endswith(
            f"run: teamwire-sync --profile night --config '{tmp_path}/a file' config init"
        )

    def test_it_names_what_the_environment_lacks(
        self, bare_cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_APP_ID", "app")
        done = bare_cli("--url", "https://backend.example.org", "check")

        assert "the environment has no TEAMWIRE_SECRET." in done.err

    def test_a_file_without_the_section_is_another_matter(
        self, bare_cli: Cli, tmp_path: Path
    ) -> None:
        (tmp_path / "it.ini").write_text("[day]\n")
        (tmp_path / "it.ini").chmod(0o600)
        done = bare_cli("--config", str(tmp_path / "it.ini"), "--profile", "night", "check")

        assert done.code == USAGE
        assert "has only the sections: day" in done.err

    def test_the_help_says_how_to_begin(self, bare_cli: Cli) -> None:
        done = bare_cli("--help")

        assert (done.code, done.err) == (0, "")
        assert "teamwire-sync config init" in done.out

    def test_a_profile_is_for_one_run(self, cli: Cli, box: Sandbox, tmp_path: Path) -> None:
        before = dict(os.environ)
        ini = written(tmp_path / "it.ini", box, "night")

        assert cli("--config", ini, "--profile", "night", "check").code == 0
        assert dict(os.environ) == before

    @pytest.mark.parametrize("option", ["--config", "--profile"])
    def test_one_that_is_not_there_is_not_made_up_by_the_environment(
        self, cli: Cli, option: str
    ) -> None:
        done = cli(option, "nope", "check")

        assert (done.code, done.out) == (USAGE, "")

    def test_what_a_file_lacks_does_not_come_from_the_environment(
        self, cli: Cli, box: Sandbox, tmp_path: Path
    ) -> None:
        """Or the Secret of one bot would go to the server of another."""
        ini = tmp_path / "it.ini"
        ini.write_text(f"[default]\napp_id = {box.app_id}\nsecret = {box.secret}\n")
        ini.chmod(0o600)
        done = cli("--config", str(ini), "check")

        assert (done.code, done.out) == (USAGE, "")
        assert box.requests == []


def written(path: Path, box: Sandbox, section: str) -> str:
    """A config file for the sandbox."""
    lines = (f"[{section}]", f"app_id = {box.app_id}", f"secret = {box.secret}", f"url = {box.url}")
    path.write_text("\n".join(lines))
    path.chmod(0o600)
    return str(path)


class TestOptions:
    @pytest.mark.parametrize("command", ["--timeout {} check", "listen --for {}"])
    def test_a_time_that_is_none_is_refused(self, cli: Cli, command: str) -> None:
        wrong = []
        for value in ("0", "-1", "nan", "inf", "1e300", "soon"):
            done = cli(*command.format(value).split())
            if (done.code, done.out, "Invalid value for" in done.err) != (USAGE, "", True):
                wrong.append((value, done.code, done.out, done.err))
        assert wrong == []

    @pytest.mark.parametrize("option", ["--timeout", "--profile", "--url", "-v"])
    def test_one_that_goes_before_the_command_is_named(self, cli: Cli, option: str) -> None:
        done = cli("chats", "list", option, "5")

        assert done.code == USAGE
        assert f"must come before the command: teamwire-sync {option} ... chats list" in done.err

    @pytest.mark.parametrize(
        "command", [f"post {KNOWN_CHAT} --hello", "chats find -x", f"chats rename {KNOWN_CHAT} -x"]
    )
    def test_a_text_that_looks_like_one_goes_behind_two_dashes(
        self, cli: Cli, command: str
    ) -> None:
        done = cli(*command.split())

        assert done.code == USAGE
        assert "-- TEXT" in done.err

    def test_another_is_refused_as_always(self, cli: Cli) -> None:
        done = cli("check", "--nothing")

        assert done.code == USAGE
        assert "--nothing" in done.err
        assert "-- TEXT" not in done.err

    def test_the_vendors_sdk_takes_no_url(self, cli: Cli) -> None:
        done = cli("--vendor", "--url", "https://backend.example.org", "check")

        assert done.code == USAGE
        assert "--url can't be combined with --vendor" in done.err

    def test_without_the_vendors_sdk_it_says_where_it_comes_from(self, cli: Cli) -> None:
        done = cli("--vendor", "check")

        assert done.code == USAGE
        assert "teamwire_api" in done.err


class TestNamingAChat:
    @pytest.mark.parametrize("command", ["chats show", "chats members", "messages", "download"])
    def test_it_has_to_be_named(self, cli: Cli, command: str) -> None:
        done = cli(*command.split())

        assert done.code == USAGE
        assert "name the chat: by its thread ID, or by --title" in done.err

    @pytest.mark.parametrize("command", ["chats show", "chats members", "messages", "post"])
    def test_an_empty_thread_id_names_none(self, cli: Cli, box: Sandbox, command: str) -> None:
        done = cli(*command.split(), "", *(["hello"] if command == "post" else []))

        assert (done.code, box.requests) == (USAGE, [])
        assert "name the chat: by its thread ID, or by --title" in done.err

    @pytest.mark.parametrize("command", ["chats show", "chats members", "messages"])
    def test_it_is_named_once(self, cli: Cli, command: str) -> None:
        done = cli(*command.split(), KNOWN_CHAT, "--title", "x")

        assert done.code == USAGE
        assert "and not by both" in done.err

    @pytest.mark.parametrize("command", ["post", "chats rename", "download"])
    def test_a_thread_id_is_no_text_beside_a_title(
        self, cli: Cli, box: Sandbox, command: str
    ) -> None:
        """Else the chat with that title would be renamed to the thread ID of the one meant."""
        box.add_chat("plan", users=[KNOWN_USER], bot_is_admin=True)
        before = [request.method for request in box.requests]
        done = cli(*command.split(), KNOWN_CHAT, "--title", "plan")

        assert done.code == USAGE
        assert f"{KNOWN_CHAT} is the thread ID of a chat" in done.err
        assert [request.method for request in box.requests] == [*before, "GET"]

    def test_three_names_are_one_too_many_to_download(self, cli: Cli) -> None:
        assert cli("download", KNOWN_CHAT, "m", ".", "--title", "x").code == USAGE


@pytest.mark.parametrize(
    "command",
    [
        f"post {KNOWN_CHAT} x --as",
        f"post {KNOWN_CHAT} x --reply-to",
        "post x --user",
        "chats create --user",
        f"chats members {KNOWN_CHAT} --add",
        "listen --since",
        "listen --tid",
        "config init --app-id",
    ],
)
def test_an_option_without_a_value_is_named(cli: Cli, box: Sandbox, command: str) -> None:
    """An unset variable of a script is such a value."""
    done = cli(*command.split(), "")

    assert (done.code, done.out, box.requests) == (USAGE, "", [])
    assert f"Invalid value for '{command.rsplit(maxsplit=1)[-1]}': it is empty" in done.err


@pytest.mark.parametrize("value", ["", " "])
@pytest.mark.parametrize("option", ["--url", "--profile", "--config", "--store"])
def test_an_option_before_the_command_without_a_value_is_named(
    cli: Cli, box: Sandbox, option: str, value: str
) -> None:
    """Else a script with an unset variable would act as the bot of another profile."""
    done = cli(option, value, "check")

    assert (done.code, done.out, box.requests) == (USAGE, "", [])
    assert f"Invalid value for '{option}': it is empty" in done.err


def test_a_blank_name_is_that_of_no_user(cli: Cli, box: Sandbox) -> None:
    done = cli("post", "--user", " ", "hello")

    assert (done.code, box.requests) == (USAGE, [])
    assert "Invalid value for '--user': it is empty" in done.err


@pytest.mark.parametrize("command", ["chats find", "users find", "groups find"])
def test_an_empty_text_finds_nothing(cli: Cli, box: Sandbox, command: str) -> None:
    done = cli(*command.split(), "")

    assert (done.code, box.requests) == (USAGE, [])
    assert "TEXT is empty" in done.err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (f"chats rename {KNOWN_CHAT}", "the new title is missing"),
        ("chats rename --title test", "the new title is missing"),
        ("chats create --title x", "pass --user or --group"),
        (f"download {KNOWN_CHAT}", "name the message by its ID"),
        ("chats lst", "No such command 'lst'"),
        ("vendor-check --write", "--write and --user UID go together"),
    ],
)
def test_a_command_that_lacks_something_says_what(cli: Cli, command: str, said: str) -> None:
    done = cli(*command.split())

    assert (done.code, done.out) == (USAGE, "")
    assert said in done.err

"""``config init``: the file with the Secret."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import TWConfigError
from teamwire_sync._cli.errors import AUTH, INTERRUPTED, NETWORK, USAGE
from teamwire_sync._http.credentials import find_credentials
from tests.cli.conftest import BASH, COMMAND, environment_of
from tests.support.leaks import spellings
from tests.support.terminal import CTRL_C, Terminal

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox
    from tests.cli.conftest import Cli

on_posix = pytest.mark.skipif(os.name == "nt", reason="there is neither a pty nor such modes")


def answers(box: Sandbox, **other: str) -> str:
    """What is asked for, a line each."""
    given = {"url": box.url, "app_id": box.app_id, "secret": box.secret, **other}
    return "".join(f"{line}\n" for line in given.values())


class TestFile:
    def test_what_it_writes_is_found(self, bare_cli: Cli, box: Sandbox) -> None:
        done = bare_cli("config", "init", stdin=answers(box))
        found = find_credentials()

        assert (done.code, done.out.split("\t")[0]) == (0, box.bot_uid)
        assert (found.app_id, found.url) == (box.app_id, box.url)
        assert found.secret == box.secret

    @on_posix
    def test_it_is_the_users_alone(self, bare_cli: Cli, box: Sandbox, path: Path) -> None:
        before = os.umask(0)
        try:
            bare_cli("config", "init", stdin=answers(box))
        finally:
            os.umask(before)

        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700

    @on_posix
    def test_one_that_others_could_read_is_replaced_by_one_that_they_cant(
        self, bare_cli: Cli, box: Sandbox, path: Path
    ) -> None:
        path.parent.mkdir()
        path.write_text("[other]\n")
        path.chmod(0o644)
        bare_cli("config", "init", stdin=answers(box))

        assert path.stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize(
        "text",
        [
            "#!/bin/sh\necho hello\n",
            "app_id = old\n",
            "[a]\nsecret = \n  [default]\n  zz\nurl = http://x\n",
        ],
        ids=["a program", "no section", "what only looks like a section"],
    )
    def test_what_is_no_such_file_is_left_as_it_is(
        self, bare_cli: Cli, box: Sandbox, tmp_path: Path, text: str
    ) -> None:
        other = tmp_path / "other"
        other.write_text(text)
        done = bare_cli("--config", str(other), "config", "init", "--force", stdin=answers(box))

        assert (done.code, done.out, other.read_text()) == (USAGE, "", text)
        assert box.requests == []

    @on_posix
    def test_a_link_stays_one(self, bare_cli: Cli, box: Sandbox, tmp_path: Path) -> None:
        (tmp_path / "link.ini").symlink_to(tmp_path / "it.ini")
        bare_cli("--config", str(tmp_path / "link.ini"), "config", "init", stdin=answers(box))

        assert (tmp_path / "link.ini").is_symlink()
        assert box.secret in (tmp_path / "it.ini").read_text("utf-8")

    @pytest.mark.parametrize("options", [[], ["--force"]])
    def test_without_a_home_folder_nothing_is_written(
        self, bare_cli: Cli, box: Sandbox, homeless: Path, options: list[str]
    ) -> None:
        done = bare_cli("config", "init", *options, stdin=answers(box))

        assert (done.code, done.out) == (USAGE, "")
        assert "Error: there is no home folder for the config file: set HOME to an " in done.err
        assert (list(homeless.iterdir()), box.requests) == ([], [])

    @pytest.mark.usefixtures("homeless")
    def test_without_a_home_folder_a_file_can_be_named(
        self, bare_cli: Cli, box: Sandbox, tmp_path: Path
    ) -> None:
        path = tmp_path / "it.ini"
        done = bare_cli("--config", str(path), "config", "init", stdin=answers(box))

        assert done.code == 0
        assert box.secret in path.read_text("utf-8")

    def test_nothing_else_lies_beside_it(self, bare_cli: Cli, box: Sandbox, path: Path) -> None:
        bare_cli("config", "init", stdin=answers(box))

        assert list(path.parent.iterdir()) == [path]

    def test_nothing_is_left_of_one_that_could_not_be_written(
        self, bare_cli: Cli, box: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(Path, "replace", fail)
        done = bare_cli("config", "init", stdin=answers(box))

        assert (done.code, list(path.parent.iterdir())) == (USAGE, [])

    def test_other_sections_and_remarks_stay(self, bare_cli: Cli, box: Sandbox, path: Path) -> None:
        path.parent.mkdir()
        path.write_text("# mine\n[day]\nurl = x\n[night] ; of\napp_id = y\n\n[other]\nz = 1\n\n")
        bare_cli("--profile", "night", "config", "init", "--force", stdin=answers(box))

        assert path.read_text("utf-8") == (
            "# mine\n[day]\nurl = x\n[other]\nz = 1\n\n"
            f"[night]\napp_id = {box.app_id}\nsecret = {box.secret}\nurl = {box.url}\n"
        )

    def test_a_profile_is_a_section(
        self, bare_cli: Cli, box: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bare_cli("--profile", "night", "config", "init", stdin=answers(box))

        with pytest.raises(TWConfigError):
            find_credentials()
        monkeypatch.setenv("TEAMWIRE_PROFILE", "night")
        assert find_credentials().app_id == box.app_id

    @pytest.mark.parametrize("name", ["a]b", "a\nb"])
    def test_a_profile_that_can_be_no_section_is_refused(
        self, bare_cli: Cli, box: Sandbox, name: str
    ) -> None:
        done = bare_cli("--profile", name, "config", "init", stdin=answers(box))

        assert done.code == USAGE
        assert "no section can have the name" in done.err

    def test_a_file_that_is_no_text_is_left_alone(
        self, bare_cli: Cli, box: Sandbox, path: Path
    ) -> None:
        path.parent.mkdir()
        path.write_bytes(b"\xff\xfe\x00")
        done = bare_cli("config", "init", "--force", stdin=answers(box))

        assert (done.code, path.read_bytes()) == (USAGE, b"\xff\xfe\x00")


class TestTrying:
    def test_what_the_server_refuses_is_not_written(
        self, bare_cli: Cli, box: Sandbox, path: Path
    ) -> None:
        done = bare_cli("config", "init", stdin=answers(box, secret="another-secret"))

        assert (done.code, done.out, path.exists()) == (AUTH, "", False)
        assert done.err.splitlines()[0].startswith("Error: 401")
        assert done.err.splitlines()[0].endswith(f"; this was over HTTP to {box.url}")
        assert "Nothing was written" in done.err

    def test_what_works_already_survives_a_slip(
        self, bare_cli: Cli, box: Sandbox, path: Path
    ) -> None:
        bare_cli("config", "init", stdin=answers(box))
        before = path.read_bytes()
        bare_cli("--profile", "b", "config", "init", stdin=answers(box, secret="another-secret"))

        assert path.read_bytes() == before

    def test_with_force_it_is_written_all_the_same(self, bare_cli: Cli, box: Sandbox) -> None:
        given = answers(box, url="http://127.0.0.1:1")
        done = bare_cli("--timeout", "1", "config", "init", "--force", stdin=given)

        assert done.code == NETWORK
        assert find_credentials().url == "http://127.0.0.1:1"

    @pytest.mark.parametrize(
        "other", [{"url": "http://example.org"}, {"secret": "https://a.b"}, {"app_id": "a:b"}]
    )
    def test_what_can_be_no_credential_is_never_written(
        self, bare_cli: Cli, box: Sandbox, path: Path, other: dict[str, str]
    ) -> None:
        done = bare_cli("config", "init", "--force", stdin=answers(box, **other))

        assert (done.code, path.exists()) == (USAGE, False)

    def test_what_the_environment_has_is_said_to_go_before_it(self, cli: Cli, box: Sandbox) -> None:
        done = cli("config", "init", stdin=answers(box))

        assert done.err.splitlines()[-1] == (
            "While set, these variables override the file or conflict with it: "
            "TEAMWIRE_APP_ID, TEAMWIRE_SECRET, TEAMWIRE_URL, TEAMWIRE_TRANSPORT."
        )

    def test_a_section_that_is_there_needs_force(
        self, bare_cli: Cli, box: Sandbox, path: Path
    ) -> None:
        bare_cli("config", "init", stdin=answers(box))
        before = path.read_bytes()
        done = bare_cli("config", "init", stdin=answers(box, url="https://another.example.org"))

        assert (done.code, path.read_bytes()) == (USAGE, before)
        assert "--force replaces it" in done.err


class TestStdin:
    def test_what_is_an_option_is_not_read(self, bare_cli: Cli, box: Sandbox) -> None:
        options = ("--url", box.url, "--app-id", box.app_id)

        assert bare_cli("config", "init", *options, stdin=f"{box.secret}\n").code == 0

    def test_the_url_of_all_commands_is_the_server(self, bare_cli: Cli, box: Sandbox) -> None:
        done = bare_cli(
            *("--url", box.url, "config", "init", "--app-id", box.app_id), stdin=box.secret
        )

        assert done.code == 0

    @pytest.mark.parametrize(
        ("count", "said"),
        [(0, "pass --url"), (1, "pass --app-id"), (2, "the Secret is missing")],
    )
    def test_a_line_that_is_missing_is_named(
        self, bare_cli: Cli, box: Sandbox, count: int, said: str
    ) -> None:
        given = "".join(answers(box).splitlines(keepends=True)[:count])
        done = bare_cli("config", "init", stdin=given)

        assert done.code == USAGE
        assert said in done.err

    @on_posix
    def test_it_may_be_closed(self) -> None:
        done = subprocess.run(
            [BASH, "-c", '"$@" <&-', "bash", *COMMAND, "config", "init"],
            env=environment_of(None),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

        assert done.returncode == USAGE
        assert "Traceback" not in done.stderr


@on_posix
class TestTerminal:
    def test_the_secret_is_not_shown(self, box: Sandbox, path: Path) -> None:
        with Terminal("config", "init", box=None) as terminal:
            terminal.wait_for("Server (https://...): ")
            terminal.type(f"{box.url}\n")
            terminal.wait_for("App ID: ")
            terminal.type(f"{box.app_id}\n")
            terminal.wait_for("it is not shown): ")
            terminal.type(f"{box.secret}\n")

            assert terminal.finish() == 0
        assert not [each for each in spellings(box.secret) if each in terminal.shown]
        assert box.secret in path.read_text("utf-8")

    def test_a_no_keeps_the_file(self, box: Sandbox, path: Path) -> None:
        path.parent.mkdir()
        path.write_text("[default]\n")
        with Terminal("config", "init", box=None) as terminal:
            terminal.wait_for("Replace it? [y/N]: ")
            terminal.type("n\n")

            assert terminal.finish() == 0
        assert "Nothing was written." in terminal.shown
        assert path.read_text() == "[default]\n"

    def test_a_yes_replaces_it(self, box: Sandbox, path: Path) -> None:
        path.parent.mkdir()
        path.write_text("[default]\n")
        options = ("--url", box.url, "--app-id", box.app_id)
        with Terminal("config", "init", *options, box=None) as terminal:
            terminal.wait_for("Replace it? [y/N]: ")
            terminal.type("y\n")
            terminal.wait_for("it is not shown): ")
            terminal.type(f"{box.secret}\n")

            assert terminal.finish() == 0
        assert box.secret in path.read_text("utf-8")

    @pytest.mark.parametrize(
        ("wrong", "asked"),
        [
            (
                {"secret": "another-secret"},
                ["App ID [{app_id}]: ", "{app_id}]: \r\nSecret (it is not shown): "],
            ),
            ({"url": "http://127.0.0.1:1"}, ["Server (https://...) [http://127.0.0.1:1]: "]),
            ({"url": "http://example.org"}, ["\r\nServer (https://...): "]),
            ({"app_id": "https://a.b"}, ["\r\nApp ID: "]),
            ({"app_id": "'a'"}, ["\r\nApp ID: "]),
            ({"secret": "a # b"}, ["Ctrl-C.\r\nSecret (it is not shown): "]),
        ],
        ids=["refused", "not reached", "no https", "a URL", "quotes", "a comment"],
    )
    def test_after_a_failure_it_asks_only_for_what_may_be_wrong(
        self, box: Sandbox, path: Path, wrong: dict[str, str], asked: list[str]
    ) -> None:
        given = {"url": box.url, "app_id": box.app_id, "secret": box.secret}
        asks = ["Server (https://...): ", "App ID: ", "shown): "]
        ((name, _),) = wrong.items()
        with Terminal("--timeout", "1", "config", "init", box=None) as terminal:
            for question, answer in zip(asks, {**given, **wrong}.values()):
                terminal.wait_for(question)
                terminal.type(f"{answer}\n")
            terminal.wait_for("Error: ")
            for question in asked:
                terminal.wait_for(question.format(**given))
                is_kept = name == "secret" and "Secret" not in question
                terminal.type("\n" if is_kept else f"{given[name]}\n")

            assert terminal.finish() == 0
        assert box.secret in path.read_text("utf-8")
        assert not [each for each in spellings(box.secret) if each in terminal.shown]

    def test_a_secret_in_the_place_of_the_server_is_no_default(
        self, box: Sandbox, path: Path
    ) -> None:
        with Terminal("config", "init", box=None) as terminal:
            for question, answer in (
                ("Server (https://...): ", box.secret),
                ("App ID: ", box.app_id),
                ("shown): ", box.url),
                ("Ctrl-C.\r\nSecret (it is not shown): ", box.secret),
                ("Ctrl-C.\r\nServer (https://...): ", box.url),
            ):
                terminal.wait_for(question)
                terminal.type(f"{answer}\n")

            assert terminal.finish() == 0
        assert box.secret in path.read_text("utf-8")

    @pytest.mark.parametrize("why", ["forbidden", "a variable", "a certificate"])
    def test_what_no_input_mends_ends_it(self, box: Sandbox, path: Path, why: str) -> None:
        more = {
            "a variable": {"TEAMWIRE_ALLOW_INSECURE_HTTP": "maybe"},
            "a certificate": {"REQUESTS_CA_BUNDLE": "/missing.pem"},
        }.get(why, {})
        url = box.url.replace("http:", "https:") if why == "a certificate" else box.url
        if why == "forbidden":
            box.fault("GET", "/v1/bot/me/", status=403)
        options = ("--url", url, "--app-id", box.app_id)
        with Terminal("config", "init", *options, box=None, **more) as terminal:
            terminal.wait_for("shown): ")
            terminal.type(f"{box.secret}\n")

            assert terminal.finish() == (USAGE if more else AUTH)
        assert not path.exists()

    @pytest.mark.parametrize("key", [CTRL_C, "\x04"])
    @pytest.mark.parametrize("options", [[], ["--url", "https://a.example", "--app-id", "a"]])
    def test_a_question_can_be_left(self, options: list[str], key: str, path: Path) -> None:
        with Terminal("config", "init", *options, box=None) as terminal:
            terminal.wait_for("): ")

            assert terminal.leave(key) == INTERRUPTED
        assert "Traceback" not in terminal.shown
        assert not path.exists()


class TestShow:
    def test_the_path_is_printed(self, bare_cli: Cli, path: Path) -> None:
        done = bare_cli("config", "path")

        assert (done.code, done.lines, done.err) == (0, [str(path)], "")
        assert bare_cli("--config", "it.ini", "config", "path").lines == ["it.ini"]

    def test_each_setting_has_its_place(
        self, cli: Cli, box: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path.parent.mkdir()
        path.write_text(f"[default]\nsecret = {box.secret}\nbot = b\nurl = https://x\n")
        path.chmod(0o600)
        monkeypatch.delenv("TEAMWIRE_SECRET")
        done = cli("config", "show")
        place = f"in the section [default] of the file {path}"

        assert (done.code, done.err, box.requests) == (0, "", [])
        assert done.lines == [
            f"config file\t{path}",
            "section\tdefault",
            f"app_id\t{box.app_id[:6]}... (TEAMWIRE_APP_ID in the environment)",
            f"secret\t... (secret {place})",
            f"url\t{box.url} (TEAMWIRE_URL in the environment)",
            "transport\thttp (TEAMWIRE_TRANSPORT in the environment)",
            f"bot\tb (bot {place})",
        ]

    def test_a_secret_in_the_place_of_the_bot_is_not_shown(
        self, cli: Cli, box: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_BOT", box.secret)
        done = cli("config", "show")

        assert (done.code, box.secret in done.out) == (0, False)

    def test_a_profile_shows_nothing_of_the_environment(self, cli: Cli, path: Path) -> None:
        path.parent.mkdir()
        path.write_text("[night]\ntransport = vendor\n")
        done = cli("--profile", "night", "config", "show")

        assert done.lines[1:] == [
            "section\tnight",
            f"transport\tvendor (transport in the section [night] of the file {path})",
        ]

    def test_credentials_that_an_option_ignores_are_not_shown(self, cli: Cli) -> None:
        assert cli("--vendor", "config", "show").lines[2:] == ["transport\tvendor (--vendor)"]

    def test_the_server_of_an_option_is_shown(self, cli: Cli) -> None:
        assert "url\thttps://x (--url)" in cli("--url", "https://x", "config", "show").lines

    @pytest.mark.parametrize("name", ["APP_ID", "URL", "TRANSPORT"])
    def test_a_wrong_value_may_be_the_secret(
        self, cli: Cli, box: Sandbox, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(f"TEAMWIRE_{name}", f"https://{box.secret}/{box.secret}?")
        done = cli("config", "show")

        assert done.code == USAGE
        assert f"... (TEAMWIRE_{name} in the environment)" in done.out
        assert done.err.startswith("Error: ")
        assert box.secret not in done.out

    def test_without_settings_it_says_how_to_begin(self, bare_cli: Cli, path: Path) -> None:
        done = bare_cli("config", "show")

        assert (done.code, done.lines) == (
            USAGE,
            [f"config file\t{path}", "section\tdefault", "transport\thttp (the default)"],
        )
        assert "To set them up, run: teamwire-sync config init\n" in done.err


def test_no_option_takes_the_secret(bare_cli: Cli) -> None:
    done = bare_cli("config", "init", "--secret", "much-too-secret")

    assert done.code == USAGE
    assert "much-too-secret" not in done.err

"""The commands through the vendor's SDK, by the environment, a profile and ``--vendor``."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from random import Random
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import Connection, MemoryStore, TWConnectionError
from teamwire_sync._cli import errors
from teamwire_sync._cli.errors import AUTH, UNKNOWN, USAGE
from teamwire_sync._config import INSECURE_HTTP
from teamwire_sync._profiles import Profile
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from tests.cli.conftest import COMMAND, environment_of, write_config
from tests.support.sdk_double import DOUBLE, vendor_env
from tests.support.terminal import Terminal
from tests.support.waiting import PATIENCE
from tests.vendor.conftest import playing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync.testing import Sandbox
    from tests.cli.conftest import Cli
    from tests.vendor.conftest import Vendor

TRUSTED, VARIABLE = "in a network that you trust,", "TEAMWIRE_ALLOW_INSECURE_HTTP"
LISTING = ("GET", "/v1/bot/chats/")
WORKS = "All settings work: through the vendor's SDK, teamwire_api "
on_posix = pytest.mark.skipif(os.name == "nt", reason="there is neither a pty nor such modes")


@pytest.fixture
def vendor(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    """The double, and no settings of a Connection."""
    with playing("1.8", box, monkeypatch) as vendor:
        for name in box.env:
            monkeypatch.delenv(name)
        yield vendor


def choose(way: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Choose the vendor's SDK in one of the ways; return the options for the command."""
    if way == "--vendor":
        # The credentials of the environment are for another bot.
        monkeypatch.setenv("TEAMWIRE_URL", "https://backend.example.org")
        return ["--vendor"]
    if way == "environment":
        monkeypatch.setenv("TEAMWIRE_TRANSPORT", "vendor")
        return []
    write_config(path, "[default]\nurl = http://127.0.0.1:1\n[onprem]\ntransport = vendor\n")
    if way == "--profile":
        monkeypatch.setenv("TEAMWIRE_TRANSPORT", "http")
        return ["--profile", "onprem"]
    monkeypatch.setenv("TEAMWIRE_PROFILE", "onprem")
    return []


every_way = pytest.mark.parametrize("way", ["--vendor", "environment", "profile", "--profile"])

CAN = [
    "check",
    "chats list",
    "chats find test",
    f"chats show {KNOWN_CHAT}",
    f"chats members {KNOWN_CHAT}",
    f"chats create --title plan --user {KNOWN_USER} --message hello",
    f"post {KNOWN_CHAT} hello",
    f"post --user {KNOWN_USER} hello",
    f"users show {KNOWN_USER}",
]
CANT = {
    f"chats rename {KNOWN_CHAT} x": "change or leave chats",
    f"chats members {KNOWN_CHAT} --add {KNOWN_USER}": "change or leave chats",
    f"messages {KNOWN_CHAT}": "read messages",
    f"download {KNOWN_CHAT} m1": "read messages",
    f"post {KNOWN_CHAT} x --file {__file__}": "post or download attachments",
    "users find a": "list or search users and groups",
    "groups list": "list or search users and groups",
    "groups find a": "list or search users and groups",
    "users show nobody": "list or search users and groups",
    "listen --for 1": "listen to events",
}


@pytest.mark.usefixtures("vendor")
@every_way
class TestEveryCommand:
    def test_what_the_sdk_can_do_works(
        self, bare_cli: Cli, way: str, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        options = choose(way, path, monkeypatch)
        for command in CAN:
            done = bare_cli(*options, *command.split())

            assert (command, done.code, bool(done.out)) == (command, 0, True)
            assert re.sub("^All settings work: .*\n$", "", done.err) == ""

    def test_what_it_cant_do_is_one_line_for_the_shell(
        self, bare_cli: Cli, way: str, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        options = choose(way, path, monkeypatch)
        for command, what in CANT.items():
            done = bare_cli(*options, *command.split())

            assert (command, done.code, done.out) == (command, USAGE, "")
            assert done.err == (
                f"Error: with the vendor's SDK, teamwire_sync can't {what}: the published "
                "documentation of the vendor's SDK does not describe how; see docs/vendor.md\n"
            )

    def test_those_without_a_server_do_not_mind(
        self, bare_cli: Cli, way: str, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        options = choose(way, path, monkeypatch)
        for command in ("--help", "cache clear", "completion bash", "demo --chats 5 --lookups 1"):
            done = bare_cli(*options, *command.split())

            assert (command, done.code, done.err) == (command, 0, "")


@pytest.mark.usefixtures("vendor")
class TestCheck:
    @pytest.mark.parametrize(
        ("way", "named"),
        [
            ("--vendor", "(--vendor)"),
            ("environment", "(TEAMWIRE_TRANSPORT in the environment)"),
            ("profile", "(transport in the section [onprem] of the file {})"),
        ],
    )
    def test_names_what_chose_it(
        self, bare_cli: Cli, way: str, named: str, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done = bare_cli(*choose(way, path, monkeypatch), "check")

        assert (done.code, done.out) == (0, "30 chats\n")
        assert done.err == f"{WORKS}{named.format(path)}.\n"

    def test_is_json_for_a_script(self, bare_cli: Cli) -> None:
        assert json.loads(bare_cli("--vendor", "check", "--json").out) == {"chats": 30}

    def test_a_stored_listing_is_no_answer(
        self, bare_cli: Cli, box: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_BOT", "me")
        options = ("--vendor", "--store", "file")
        found = [bare_cli(*options, "check").code]
        box.fault(*LISTING, status=401)
        found += [bare_cli(*options, *words.split()).code for words in ("chats list", "check")]

        assert found == [0, 0, AUTH]

    def test_an_error_says_which_way_it_was(self, bare_cli: Cli, box: Sandbox) -> None:
        box.fault(*LISTING, status=401)
        done = bare_cli("--vendor", "check")

        assert (done.code, done.out, len(done.err.splitlines())) == (AUTH, "", 1)
        assert "; this was through the vendor's SDK, teamwire_api (--vendor)" in done.err

    def test_over_http_it_names_the_server_and_each_place(
        self, bare_cli: Cli, box: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_config(
            path, f"[default]\napp_id = {box.app_id}\nsecret = {box.secret}\nurl = https://x\n"
        )
        monkeypatch.setenv("TEAMWIRE_APP_ID", box.app_id)
        done = bare_cli("--url", box.url, "check")

        assert done.code == 0
        assert done.err == (
            f"All settings work: over HTTP to {box.url}, with the settings in the environment and "
            f"the section [default] of the file {path} and --url.\n"
        )

    @on_posix
    def test_other_readers_of_the_secret_are_warned_about_once(
        self, box: Sandbox, path: Path
    ) -> None:
        text = f"[default]\napp_id = {box.app_id}\nsecret = {box.secret}\nurl = {box.url}\n"
        write_config(path, text, mode=0o644)
        done = process("check", box=None, PYTHONWARNINGS="always")

        assert done.returncode == 0
        assert done.stderr.count("other users can read the Secret") == 1
        assert box.secret not in done.stderr

    def test_one_way_is_chosen_if_the_settings_conflict(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = [cli("check").code]
        monkeypatch.setenv("TEAMWIRE_TRANSPORT", "vendor")
        done = cli("check")
        found += [done.code, cli("--vendor", "check").code]

        assert found == [0, USAGE, 0]
        assert len(done.err.splitlines()) == 1
        assert "TEAMWIRE_SECRET in the environment" in done.err
        assert done.err.endswith("or set TEAMWIRE_TRANSPORT=http; see docs/connect.md\n")

    def test_each_advice_about_a_conflict_helps(
        self, bare_cli: Cli, box: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With --profile, a variable does not count."""
        write_config(path, f"[onprem]\ntransport = vendor\nurl = {box.url}\n")
        done = bare_cli("--profile", "onprem", "check")
        monkeypatch.setenv("TEAMWIRE_TRANSPORT", "vendor")
        found = [done.code, bare_cli("--profile", "onprem", "check").code]
        found.append(bare_cli("--profile", "onprem", "--vendor", "check").code)

        assert "Remove them, pass --vendor to ignore them, or write transport = http" in done.err
        assert found == [USAGE, USAGE, 0]

    def test_the_sdk_sees_the_environment_that_the_option_ignores(
        self, bare_cli: Cli, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody knows which variables the SDK reads."""
        seen = []

        def connect() -> object:
            seen.append(os.environ.get("TEAMWIRE_APP_ID"))
            return vendor.factory()

        monkeypatch.setattr(vendor.package, "Connection", connect)
        monkeypatch.setenv("TEAMWIRE_APP_ID", "app of the SDK")
        codes = [
            bare_cli("--vendor", *command.split()).code
            for command in ("check", "vendor-check", "config init")
        ]

        assert codes == [0, 0, 0]
        assert set(seen) == {"app of the SDK"}

    def test_the_url_of_an_option_chooses_http(
        self, cli: Cli, box: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No setting of the file is needed then."""
        write_config(path, "no section\n")
        monkeypatch.delenv("TEAMWIRE_URL")
        monkeypatch.setenv("TEAMWIRE_TRANSPORT", "vendor")

        assert cli("--url", box.url, "check").out.startswith(box.bot_uid)


class TestErrors:
    @pytest.mark.usefixtures("vendor")
    def test_no_text_for_the_shell_has_a_call_of_python(self, bare_cli: Cli, path: Path) -> None:
        found = {}
        write_config(path, "[default]\nurl = http://127.0.0.1:1\n[quoted]\nsecret = 'x'\n")
        for command in ("check", "--url http://127.0.0.1:1 check", "--profile quoted check"):
            found[command] = bare_cli(*command.split())
        for command in ("--vendor --store file chats list", "--profile no check"):
            found[command] = bare_cli(*command.split())
        python = re.compile(r"\w\.\w+\(|[A-Z]\w+\(|\w=\.\.\.|an argument")

        assert {command: done.code for command, done in found.items()} == dict.fromkeys(
            found, USAGE
        )
        assert [done.err for done in found.values() if python.search(done.err)] == []
        assert "and do not pass --url (" in found["--url http://127.0.0.1:1 check"].err

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            (
                "connection.chats.get_subscriptions(refresh=True) lists the chat if it was made",
                '"teamwire-sync chats list" lists the chat if it was made',
            ),
            (
                "chat.get_messages() has the message if it was posted",
                '"teamwire-sync messages" shows the message if it was posted',
            ),
            (
                "pass the path of the CA's certificate to ConnectionConfig(verify=...)",
                "set REQUESTS_CA_BUNDLE to the path of the CA's certificate",
            ),
            (
                f"https://x (or {INSECURE_HTTP})",
                f"https://x (or, {TRUSTED} pass --allow-insecure-http or set {VARIABLE}=1)",
            ),
            ("a client certificate (ConnectionConfig(cert=...))?", "a client certificate?"),
            (
                "another client certificate: ConnectionConfig(cert=...)",
                "another client certificate",
            ),
        ],
    )
    def test_a_hint_names_the_command(self, text: str, shown: str) -> None:
        assert errors.text_of(TWConnectionError(text)) == shown

    def test_after_an_unknown_outcome_it_names_the_command(self, cli: Cli, box: Sandbox) -> None:
        box.fault("POST", "/v1/bot/chats/", drop="after", times=9)
        done = cli("--timeout", "1", "chats", "create", "--title", "x", "--user", KNOWN_USER)

        assert done.code == UNKNOWN
        assert '"teamwire-sync chats list" lists the chat if it was made' in done.err


def process(
    *args: str, box: Sandbox | None, sdk: bool = True, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a command as a process, with the double or without it."""
    double = {} if box is None else vendor_env(box)
    path = {"PYTHONPATH": str(DOUBLE)} if sdk else {}
    return subprocess.run(
        [*COMMAND, *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        env=environment_of(None, **double, **path, **more),
        timeout=PATIENCE,
        check=False,
    )


class TestStores:
    @pytest.mark.parametrize("way", ["variables", "profile", "options"])
    def test_two_processes_share_a_listing(self, box: Sandbox, path: Path, way: str) -> None:
        write_config(path, "[onprem]\ntransport = vendor\nbot = the app at the clinic\n")
        bot = {"TEAMWIRE_BOT": "the app at the clinic"}
        variables = {
            "variables": {"TEAMWIRE_STORE": "file", "TEAMWIRE_TRANSPORT": "vendor", **bot},
            "profile": {"TEAMWIRE_STORE": "file", "TEAMWIRE_PROFILE": "onprem"},
            "options": bot,
        }[way]
        options = ["--store", "file", "--vendor"] if way == "options" else []
        done = [process(*options, "chats", "list", box=box, **variables) for _ in range(2)]

        assert [one.returncode for one in done] == [0, 0]
        assert done[0].stdout == done[1].stdout != ""
        assert box.count(*LISTING) == 1

    @pytest.mark.usefixtures("vendor")
    @every_way
    def test_without_a_bot_the_ways_to_give_it_are_named(
        self, bare_cli: Cli, way: str, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done = bare_cli("--store", "file", *choose(way, path, monkeypatch), "check")

        variable = "" if way == "--profile" else "TEAMWIRE_BOT, or "

        assert (done.code, done.out) == (USAGE, "")
        assert done.err == (
            "Error: a store needs the identity of the bot, and this transport has none. With the "
            f"vendor's SDK, choose a text such as 'the App ID and the server': {variable}"
            "bot = ... in the config file. To use no store, pass --store none\n"
        )

    @pytest.mark.usefixtures("vendor")
    @pytest.mark.parametrize("option", ["--profile", "--config"])
    def test_a_variable_that_an_option_ignores_is_named(
        self, bare_cli: Cli, option: str, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_config(path, "[onprem]\ntransport = vendor\n[default]\ntransport = vendor\n")
        monkeypatch.setenv("TEAMWIRE_BOT", "me")
        value = "onprem" if option == "--profile" else str(path)
        done = bare_cli("--store", "file", option, value, "check")

        assert done.code == USAGE
        assert done.err.endswith(
            f". With {option}, these variables of the environment do not count: TEAMWIRE_BOT\n"
        )
        assert "choose a text such as 'the App ID and the server': bot = ... in the" in done.err

    @pytest.mark.usefixtures("vendor")
    def test_none_needs_no_bot(self, bare_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TEAMWIRE_STORE", "file")

        assert bare_cli("--vendor", "--store", "none", "check").code == 0


class TestConfigInit:
    @pytest.mark.usefixtures("vendor")
    @pytest.mark.parametrize("way", ["--vendor", "variable"])
    def test_writes_the_transport_and_asks_for_nothing(
        self, bare_cli: Cli, path: Path, way: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        options = ["--vendor"] if way == "--vendor" else []
        if not options:
            monkeypatch.setenv("TEAMWIRE_TRANSPORT", "vendor")
        done = bare_cli(*options, "config", "init", stdin=None)

        assert (done.code, done.out) == (0, "30 chats\n")
        assert path.read_text() == "[default]\ntransport = vendor\n"
        assert f"written to the section [default] of {path}.\n" in done.err

    @pytest.mark.usefixtures("vendor")
    def test_afterwards_each_program_uses_the_sdk(self, bare_cli: Cli, path: Path) -> None:
        bare_cli("--vendor", "config", "init", "--bot", "the bot")

        assert (
            bare_cli("check").err
            == f"{WORKS}(transport in the section [default] of the file {path}).\n"
        )
        with Connection(store=MemoryStore()) as connection:
            assert len(connection.chats.get_subscriptions()) == 30

    @on_posix
    @pytest.mark.usefixtures("vendor")
    def test_only_the_user_can_read_the_file(self, bare_cli: Cli, path: Path) -> None:
        bare_cli("--vendor", "config", "init")

        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    @pytest.mark.usefixtures("vendor")
    def test_other_sections_stay(self, bare_cli: Cli, box: Sandbox, path: Path) -> None:
        other = f"# mine\n[default]\nurl = {box.url}\n\n"
        write_config(path, other)
        bare_cli("--vendor", "--profile", "onprem", "config", "init", "--bot", "me")

        assert path.read_text() == f"{other}[onprem]\ntransport = vendor\nbot = me\n"

    @pytest.mark.usefixtures("vendor")
    def test_a_section_with_credentials_is_replaced_only_with_force(
        self, bare_cli: Cli, path: Path
    ) -> None:
        before = "[default]\napp_id = a\nsecret = b\nurl = https://x\n"
        write_config(path, before)
        done = bare_cli("--vendor", "config", "init")
        found = [(done.code, path.read_text())]
        done = bare_cli("--vendor", "config", "init", "--force")
        found.append((done.code, path.read_text()))

        assert found == [(USAGE, before), (0, "[default]\ntransport = vendor\n")]

    @pytest.mark.usefixtures("vendor")
    def test_and_the_other_way_round(self, bare_cli: Cli, box: Sandbox, path: Path) -> None:
        write_config(path, "[default]\ntransport = vendor\nbot = b\n")
        given = f"{box.url}\n{box.app_id}\n{box.secret}\n"
        done = bare_cli("config", "init", "--force", stdin=given)

        assert (done.code, "transport" in path.read_text()) == (0, False)
        assert bare_cli("check").out.startswith(box.bot_uid)

    @on_posix
    def test_a_terminal_is_asked_before_a_section_is_replaced(
        self, box: Sandbox, path: Path
    ) -> None:
        write_config(path, "[default]\nurl = https://x\n")
        env = {"PYTHONPATH": str(DOUBLE), **vendor_env(box)}
        for answer, text in (("n", "url = https://x"), ("y", "transport = vendor")):
            with Terminal("--vendor", "config", "init", box=None, **env) as terminal:
                terminal.wait_for("Replace it? [y/N]: ")
                terminal.type(f"{answer}\n")

                assert terminal.finish() == 0
            assert path.read_text() == f"[default]\n{text}\n"

    @on_posix
    def test_a_terminal_hears_of_the_vendors_way_before_the_first_question(self) -> None:
        with Terminal("config", "init", box=None) as terminal:
            terminal.wait_for("Server (https://...): ")
            terminal.leave("\x03")

        before = " ".join(terminal.shown.partition("Server (")[0].split())
        assert "gateway: teamwire-sync --vendor config init; see docs/connect.md." in before

    def test_without_the_sdk_nothing_is_written_unless_forced(self, path: Path) -> None:
        found = []
        for options in ([], ["--force"]):
            done = process("--vendor", "config", "init", *options, box=None, sdk=False)
            found.append((done.returncode, done.stdout, path.exists()))

            assert done.stderr.startswith("Error: the vendor's SDK is not installed: teamwire_sync")
            assert len(done.stderr.splitlines()) == 2
        assert found == [(USAGE, "", False), (USAGE, "", True)]
        assert path.read_text() == "[default]\ntransport = vendor\n"

    @pytest.mark.usefixtures("vendor")
    def test_credentials_of_the_environment_are_said_to_conflict(
        self, cli: Cli, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("TEAMWIRE_TRANSPORT")
        done = cli("--vendor", "config", "init")
        after = cli("check")

        assert (done.code, after.code) == (0, USAGE)
        names = "TEAMWIRE_APP_ID, TEAMWIRE_SECRET, TEAMWIRE_URL"
        assert done.err.splitlines()[1:] == [
            f"While set, these variables override the file or conflict with it: {names}."
        ]

    @pytest.mark.usefixtures("vendor")
    def test_beside_the_variable_they_are_refused_at_once(
        self, cli: Cli, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_TRANSPORT", "vendor")
        done = cli("config", "init")

        assert (done.code, done.out, path.exists()) == (USAGE, "", False)
        assert "there are also settings of HTTP: TEAMWIRE_APP_ID in the environment" in done.err

    @pytest.mark.usefixtures("vendor")
    def test_the_lines_of_the_sandbox_come_before_the_file(
        self, cli: Cli, box: Sandbox, path: Path
    ) -> None:
        write_config(path, "[default]\ntransport = vendor\n")

        assert cli("check").out.startswith(box.bot_uid)

    @pytest.mark.parametrize(
        ("command", "text"),
        [
            ("config init --bot me", "--bot needs the vendor's SDK: teamwire-sync --vendor"),
            ("--vendor config init --url https://x", "--url and --app-id can't be combined with"),
            ("--vendor config init --app-id x", "--url and --app-id can't be combined with"),
            ("--vendor config init --bot 'me'", "the value of bot has"),
            ("--vendor config init --bot a\tb", "bot must be printable text"),
            ("--vendor config init --bot ", "Invalid value for '--bot': it is empty"),
        ],
    )
    def test_wrong_options(self, bare_cli: Cli, path: Path, command: str, text: str) -> None:
        done = bare_cli(*command.split(" "))

        assert (done.code, done.out, path.exists()) == (USAGE, "", False)
        assert f"Error: {text}" in done.err

    def test_a_wrong_variable_is_refused_before_any_question(
        self, bare_cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_TRANSPORT", "Vendor")
        done = bare_cli("config", "init")

        assert (done.code, done.err) == (
            USAGE,
            "Error: TEAMWIRE_TRANSPORT in the environment must be http or vendor\n",
        )

    def test_quotes_around_a_credential_are_refused(
        self, bare_cli: Cli, box: Sandbox, path: Path
    ) -> None:
        given = f"{box.url}\n{box.app_id}\n'{box.secret}'\n"
        done = bare_cli("config", "init", "--force", stdin=given)

        assert (done.code, path.exists()) == (USAGE, False)
        assert "the value of secret has quotes around it" in done.err
        assert box.secret not in done.err


@pytest.mark.usefixtures("vendor")
class TestRoundTrip:
    def test_a_bot_is_read_as_it_was_written_or_refused(
        self, bare_cli: Cli, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("teamwire_sync._cli.config._try_vendor", lambda _: "0 chats")
        made = Random(7)  # noqa: S311  the same in each run
        odd = "ab \"'`#;%[]=:\\\t\n\r$ä\x85\u2028"
        bots = ["".join(made.choices(odd, k=made.randrange(1, 7))) for _ in range(150)]
        codes, wrong = set(), []
        for bot in bots:
            path.unlink(missing_ok=True)
            done = bare_cli("--vendor", "config", "init", "--bot", bot)
            codes.add(done.code)
            if done.code == 0:
                found = Profile().find("bot")
                wrong += [bot] if found is None or found.value != bot.strip() else []
            elif path.exists():
                wrong.append(bot)

        assert (codes, wrong) == ({0, USAGE}, [])


@pytest.mark.usefixtures("vendor")
class TestVendorCheck:
    def line(self, cli: Cli, *options: str) -> str:
        return cli(*options, "vendor-check").lines[0]

    @pytest.mark.parametrize(
        ("way", "setting"),
        [
            ("environment", "TEAMWIRE_TRANSPORT in the environment"),
            ("profile", "transport in the section [onprem]"),
            ("--profile", "transport in the section [onprem]"),
            ("--vendor", "--vendor"),
        ],
    )
    def test_says_which_setting_chooses_it(
        self, bare_cli: Cli, way: str, setting: str, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The output may be passed on, so it has no path, which may contain a name."""
        options = choose(way, path, monkeypatch)

        assert self.line(bare_cli, *options).endswith(f", chosen by {setting}")

    def test_says_how_to_choose_it(self, bare_cli: Cli) -> None:
        assert self.line(bare_cli).endswith(
            ", your settings do not choose it yet: teamwire-sync --vendor config init"
        )

    def test_says_that_they_choose_http(self, cli: Cli) -> None:
        assert ", your settings do not choose it yet: " in self.line(cli)

    def test_says_who_knows_why_they_are_wrong(self, bare_cli: Cli, path: Path) -> None:
        write_config(path, "[default]\ntransport = vendor\nurl = https://x\n")

        assert self.line(bare_cli).endswith(", your settings are wrong, see: teamwire-sync check")
        assert "there are also settings of HTTP: url in the section" in bare_cli("check").err


class TestNothingIsSetUp:
    def test_both_next_steps_are_named(self, bare_cli: Cli, tmp_path: Path) -> None:
        config = str(tmp_path / "my bots.ini")
        done = bare_cli("--config", config, "check")

        lines = done.err.splitlines()
        assert lines[0] == (
            "Error: no credentials yet. To set them up, run: teamwire-sync --config "
            f"'{config}' config init"
        )
        assert (
            f"use the vendor's SDK: teamwire-sync --config '{config}' --vendor config init"
            in lines[1]
        )
        assert "; see docs/connect.md" in lines[1]
        assert len(lines) == 3

    def test_a_choice_of_http_does_not_hide_them(
        self, bare_cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_TRANSPORT", "http")

        assert "To set them up, run: teamwire-sync config init" in bare_cli("check").err

    @pytest.mark.parametrize("command", ["check", "chats list"])
    def test_a_choice_of_the_sdk_says_that_it_is_missing(self, command: str) -> None:
        done = process(*command.split(), box=None, sdk=False, TEAMWIRE_TRANSPORT="vendor")

        assert (done.returncode, done.stdout) == (USAGE, "")
        assert done.stderr == (
            "Error: the vendor's SDK is not installed: teamwire_sync needs the package "
            f"teamwire_api in this Python ({sys.executable}). It comes from Teamwire, not from "
            "PyPI: see https://sdk.teamwire.eu and docs/connect.md\n"
        )

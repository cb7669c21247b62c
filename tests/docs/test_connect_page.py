"""The steps of docs/connect.md, as their readers take them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from teamwire_sync._cli import main
from tests.support.pages import DOCS
from tests.support.sdk_double import DOUBLE, vendor_env
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.testing import Sandbox

posix = pytest.mark.skipif(os.name == "nt", reason="they are lines of a POSIX shell")

ROOT = DOCS.parent
PAGE = (DOCS / "connect.md").read_text("utf-8")
BIN = Path(sys.executable).parent
# The user ID of the bot on the page.
BOT = "bsL4pyQ26iShmkNm2kCYV4"
# Where it is said that the way through the vendor's SDK is not tried, and how others lead there.
PLACE = "## Not yet run on a real server"
LINK = re.compile(
    r"\[Not yet run on a real server\]\([./a-z]*vendor\.md#not-yet-run-on-a-real-server\)"
)
REFERENCE = re.compile(r'"Not\s+yet\s+run\s+on\s+a\s+real\s+server"')
KIN = re.compile(
    r"\bnot yet (been )?(run|tried|tested)\b|\b(not|never) been (run|tried|tested)\b"
    r"|\bnobody has (run|tried|tested)\b|\buntested\b|\buntried\b",
    re.IGNORECASE,
)


def section(title: str) -> str:
    """The text below a heading, until the next heading of the same level."""
    (level,) = re.findall(rf"^(#+) {title}$", PAGE, re.MULTILINE)
    _, _, rest = PAGE.partition(f"\n{level} {title}\n")
    return re.split(rf"^#{{1,{len(level)}}} ", rest, flags=re.MULTILINE)[0]


def blocks(title: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL)


class Reader:
    """Somebody without settings, who has installed the package and the vendor's SDK."""

    def __init__(self, home: Path, box: Sandbox) -> None:
        self._home = home
        self._box = box
        self.config = home / ".config" / "teamwire_sync" / "config.ini"

    def run(self, *command: str, **environment: str) -> str:
        """Return the output of a command that must succeed."""
        path = os.pathsep.join([str(BIN), os.environ["PATH"]])
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={
                "HOME": str(self._home),
                "PATH": path,
                "PYTHONPATH": str(DOUBLE),
                **vendor_env(self._box),
                **environment,
            },
            # What `config init` asks for.
            input=f"{self._box.url}\n{self._box.app_id}\n{self._box.secret}\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        shown = done.stdout.replace(str(self.config), self.config.name)
        shown = shown.replace(self._box.bot_uid, BOT)
        return shown.replace(self._box.url, "https://gateway.example.org")


@pytest.fixture
def reader(tmp_path: Path, box: Sandbox) -> Reader:
    return Reader(tmp_path, box)


@posix
class TestTeamwireServer:
    TITLE = "A Teamwire server"

    def test_the_commands_choose_the_sdk_and_show_what_the_page_says(self, reader: Reader) -> None:
        commands, _ = blocks(self.TITLE, "sh")
        (shown,) = blocks(self.TITLE, "text")

        assert reader.run("/bin/sh", "-e", "-c", commands).endswith(shown)
        assert reader.config.read_text("utf-8") == "[default]\ntransport = vendor\n"

    def test_the_example_lists_the_chats_then(self, reader: Reader, box: Sandbox) -> None:
        commands, _ = blocks(self.TITLE, "sh")
        (example,) = re.findall(r"`(python examples/\w+\.py)`", section(self.TITLE))
        reader.run("/bin/sh", "-e", "-c", commands)
        listed = reader.run("/bin/sh", "-c", example)

        assert listed.count("ID: ") == len(box.connect().chats.get_subscriptions())

    def test_the_variable_does_without_a_file(self, reader: Reader) -> None:
        _, commands = blocks(self.TITLE, "sh")

        assert "(TEAMWIRE_TRANSPORT in the environment)" in reader.run("/bin/sh", "-c", commands)
        assert not reader.config.exists()


@posix
def test_the_commands_for_a_gateway_show_what_the_page_says(reader: Reader) -> None:
    (commands,), (shown,) = blocks("A gateway", "sh"), blocks("A gateway", "text")

    assert reader.run("/bin/sh", "-e", "-c", commands).endswith(shown)


@posix
def test_the_lines_of_the_sandbox_are_all_that_check_needs(reader: Reader, tmp_path: Path) -> None:
    start, activate_and_check = blocks("No server yet", "sh")
    with subprocess.Popen(
        ["/bin/sh", "-c", f"exec {start.strip()} --port 0"],
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as sandbox:
        assert sandbox.stdout is not None
        exports = []
        for line in sandbox.stdout:
            exports += [line] if line.startswith("export ") else []
            if line.startswith("Ctrl-C"):
                break
        checks = activate_and_check.partition("\n")[2]
        try:
            shown = reader.run("/bin/sh", "-e", "-c", "".join([*exports, checks]))
        finally:
            sandbox.send_signal(signal.SIGINT)

    assert len(exports) == 4
    assert "with the settings in the environment" in shown


@posix
def test_the_commands_for_a_store_name_the_bot(reader: Reader, tmp_path: Path) -> None:
    (commands,) = blocks("The bot in a store", "sh")
    reader.run("/bin/sh", "-e", "-c", commands, XDG_CACHE_HOME=str(tmp_path / "caches"))

    assert "\nbot = app-1 backend.example.org\n" in reader.config.read_text("utf-8")


@pytest.fixture
def config(tmp_path: Path, box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of the page; its second bot has the credentials of *box*."""
    (text,) = blocks("The config file", "ini")
    for old, new in (
        ("https://gateway.example.org", box.url),
        ("app_id = ...", f"app_id = {box.app_id}"),
        ("secret = ...", f"secret = {box.secret}"),
    ):
        text = text.replace(old, new)
    path = tmp_path / "config.ini"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    monkeypatch.setenv("TEAMWIRE_CONFIG", str(path))
    for name, value in vendor_env(box).items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(DOUBLE))
    yield path
    for name in [name for name in sys.modules if name.partition(".")[0] == "teamwire_api"]:
        del sys.modules[name]


@pytest.mark.usefixtures("config")
def test_the_file_holds_a_bot_of_each_way(box: Sandbox) -> None:
    shown = [
        json.loads(CliRunner().invoke(main, [*options, "check", "--json"]).stdout)
        for options in ([], ["--profile", "gateway"])
    ]

    assert shown[0] == {"chats": len(box.connect().chats.get_subscriptions())}
    assert shown[1]["uid"] == box.bot_uid


def test_the_errors_are_those_of_troubleshooting_and_of_the_command_line() -> None:
    entry = re.compile(r"^- (`.+?`(?:, or `.+?`)?):", re.MULTILINE)
    entries = entry.findall(section("What the errors mean"))
    texts = [text for each in entries for text in re.findall(r"`(.+?)`", each)]
    known = (DOCS / "troubleshooting.md").read_text("utf-8")
    without_settings = CliRunner().invoke(main, ["check"]).stderr

    assert len(entries) == section("What the errors mean").count("\n- ")
    assert [text for text in texts if text not in known and text not in without_settings] == []


def sources() -> Iterator[tuple[str, str]]:
    """Yield the texts for readers: the pages, the notebooks, the examples and the package."""
    for pattern in ("README.md", "docs/**/*.md", "docs/**/*.ipynb", "examples/*.py"):
        for path in sorted(ROOT.glob(pattern)):
            yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
    for path in sorted(ROOT.glob("teamwire_sync/**/*.py")):
        yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")


def test_only_one_place_says_what_was_not_run() -> None:
    found = []
    for name, text in sources():
        rest = REFERENCE.sub("", LINK.sub("", text))
        if name == "docs/vendor.md":
            before, _, after = rest.partition(PLACE)
            place, _, behind = after.partition("\n## ")
            assert KIN.search(" ".join(place.split()))
            rest = before + behind
        found += [(name, match[0]) for match in KIN.finditer(" ".join(rest.split()))]

    assert found == []


@pytest.mark.parametrize("name", ["README.md", "docs/connect.md", "docs/notebooks/vendor.ipynb"])
def test_that_place_is_linked_where_a_reader_chooses(name: str) -> None:
    assert LINK.search((ROOT / name).read_text("utf-8"))


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "docs/tutorial.md",
        "docs/command-line.md",
        "docs/troubleshooting.md",
        "docs/vendor.md",
    ],
)
def test_the_page_is_linked(name: str) -> None:
    assert re.search(r"\]\((docs/)?connect\.md", (ROOT / name).read_text("utf-8"))


def test_no_page_installs_the_sdk_by_its_name() -> None:
    assert [
        name for name, text in sources() if re.search(r"pip install[^`\n]*teamwire_api", text)
    ] == []

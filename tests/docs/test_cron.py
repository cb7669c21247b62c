"""The line of docs/cron.md, as cron runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from teamwire_sync._cli import main
from tests.support.pages import DOCS, blocks
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.testing import Sandbox

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no cron")

BIN = Path(sys.executable).parent
TITLE = "Operations"
PERSON = "rVRCfuQEtkgnZBZEgbHVji"


def command() -> str:
    """What cron runs of the page's line: all after the five fields of the time."""
    (crontab,) = blocks("cron.md", "cron")
    line = crontab.splitlines()[-1]
    assert "%" not in line, "to cron it ends the command"
    return line.split(maxsplit=5)[5]


class Cron:
    """Runs the line with no more of an environment than cron gives.

    Attributes:
        config: The config file.
    """

    def __init__(self, home: Path, box: Sandbox) -> None:
        self._home = home
        self._box = box
        self.config = home / ".config" / "teamwire_sync" / "config.ini"
        self._programs = home / "programs"
        self._programs.mkdir()
        self.disk_is_used("95%")

    def disk_is_used(self, share: str) -> None:
        """Let df say how much of the disk is used."""
        df = self._programs / "df"
        row = f"/dev/sda1 100 {share[:-1]} 5 {share} /"
        df.write_text(
            f"#!/bin/sh\necho Filesystem Blocks Used Available Capacity Mounted\necho {row}\n"
        )
        df.chmod(0o700)

    def set_up(self, *, secret: str | None = None) -> None:
        """Write the config file, as the page says, but without a process for it."""
        done = CliRunner().invoke(
            main,
            ["config", "init", "--force", "--url", self._box.url, "--app-id", self._box.app_id],
            input=f"{secret or self._box.secret}\n",
            env={"HOME": str(self._home), "XDG_CONFIG_HOME": None},
        )
        assert self.config.exists(), done.output

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run the line; what it prints is mailed."""
        return subprocess.run(
            ["/bin/sh", "-c", command()],
            env={
                "HOME": str(self._home),
                "LOGNAME": "bot",
                "SHELL": "/bin/sh",
                "PATH": f"{self._programs}:{BIN}:/usr/bin:/bin",
            },
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )


@pytest.fixture
def cron(tmp_path: Path, box: Sandbox) -> Cron:
    return Cron(tmp_path, box)


@pytest.fixture
def chat(box: Sandbox) -> Iterator[str]:
    """The chat that the line names."""
    return box.add_chat(TITLE, users=[PERSON]).tid


def messages(box: Sandbox, tid: str) -> list[str | None]:
    return [message.msg for message in box.connect().chats.at(tid).get_messages()]


def test_a_full_disk_is_posted_and_nothing_is_mailed(box: Sandbox, cron: Cron, chat: str) -> None:
    cron.set_up()
    done = cron.run()

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [re.sub("on .+", "on ...", str(text)) for text in messages(box, chat)] == [
        "disk full on ..."
    ]


@pytest.mark.parametrize("share", ["90%", "7%"])
def test_a_disk_with_room_asks_nothing(box: Sandbox, cron: Cron, share: str) -> None:
    cron.disk_is_used(share)
    done = cron.run()

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert box.requests == []


def test_the_config_file_is_the_users_alone(cron: Cron) -> None:
    cron.set_up()

    assert cron.config.stat().st_mode & 0o777 == 0o600


class TestMail:
    """What the page's table says of it."""

    def rows(self) -> list[tuple[int, str]]:
        text = (DOCS / "cron.md").read_text("utf-8")
        return [
            (int(code), start)
            for code, start in re.findall(r"^\| (\d) \| `(.+?)`", text, re.MULTILINE)
        ]

    def assert_mailed(self, done: subprocess.CompletedProcess[str], start: str) -> None:
        """The line failed as the page has it, and told nothing else."""
        assert done.stdout == ""
        assert done.stderr.startswith(start)
        assert (done.returncode, start) in self.rows()

    def test_of_a_title_that_is_not_there(self, cron: Cron) -> None:
        cron.set_up()

        self.assert_mailed(cron.run(), "Error: no chat has the title 'Operations'")

    def test_of_a_title_that_is_there_twice(self, box: Sandbox, cron: Cron, chat: str) -> None:
        box.add_chat(TITLE, users=[PERSON])
        cron.set_up()

        self.assert_mailed(cron.run(), "Error: 2 chats have the title 'Operations':")

    def test_without_credentials(self, cron: Cron) -> None:
        done = cron.run()

        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("Error: ")

    def test_of_a_wrong_secret(self, cron: Cron) -> None:
        cron.set_up(secret="another-secret")

        self.assert_mailed(
            cron.run(), "Error: 401: the server does not accept this App ID and Secret"
        )

    def test_of_a_server_that_is_away(self, box: Sandbox, cron: Cron) -> None:
        cron.set_up()
        box.close()

        done = cron.run()
        assert (done.returncode, done.stdout) == (4, "")
        assert len(done.stderr.splitlines()) == 1

    def test_of_a_server_that_fails(self, box: Sandbox, cron: Cron) -> None:
        cron.set_up()
        box.fault("GET", "/v1/bot/chats/", status=503, retry_after=0)

        self.assert_mailed(cron.run(), "Error: 503 for ")

    def test_of_a_lost_answer(self, box: Sandbox, cron: Cron, chat: str) -> None:
        """A server that promises nothing about doing the same twice is asked once."""
        cron.set_up()
        silent = {"Teamwire-Bot-Contract": None}
        box.fault("GET", "/v1/bot/chats/", headers=silent)
        box.fault("POST", f"/v1/bot/chats/{chat}/messages/", drop="after")

        done = cron.run()
        assert (done.returncode, done.stdout) == (6, "")
        assert len(done.stderr.splitlines()) == 1

    def test_of_a_file_that_others_can_read(self, cron: Cron, chat: str) -> None:
        cron.set_up()
        cron.config.chmod(0o644)
        done = cron.run()

        assert done.returncode == 0
        assert f"chmod 600 {cron.config}" in done.stderr

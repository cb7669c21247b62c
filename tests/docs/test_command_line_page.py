"""Each line of the shell blocks of docs/command-line.md ends as the page says."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from teamwire_sync._cli import main
from teamwire_sync._cli.errors import INTERRUPTED
from tests.support.pages import DOCS, blocks
from tests.support.sdk_double import DOUBLE, vendor_env
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    import click

    from teamwire_sync.testing import Sandbox

pytestmark = pytest.mark.skipif(os.name == "nt", reason="they are lines of a POSIX shell")

PAGE = "command-line.md"
LINES = {
    line: shell
    for shell in ("sh", "bash")
    for block in blocks(PAGE, shell)
    for line in block.splitlines()
}
BIN = Path(sys.executable).parent
UNTIL_INTERRUPTED = "  # until Ctrl-C"


def expected(line: str) -> int:
    """The exit code that the page says."""
    said = re.search(r"  # exit code (\d+)$", line)
    return int(said[1]) if said else 0


@pytest.fixture
def environment(box: Sandbox, tmp_path: Path) -> dict[str, str]:
    """Where all of the page's chats are, and the file that it posts."""
    for title in ("night shift", "day shift"):
        box.connect().chats.create_chat(title=title, users=["rVRCfuQEtkgnZBZEgbHVji"])
    (tmp_path / "plan.pdf").write_bytes(b"%PDF-1.7")
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    more = {"PATH": path, "SHELL": "/bin/bash", "XDG_CACHE_HOME": str(tmp_path / "caches")}
    double = {**vendor_env(box), "PYTHONPATH": str(DOUBLE)}
    return {**os.environ, **box.env, **double, **more}


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in LINES if UNTIL_INTERRUPTED not in line])
def test_a_line_ends_as_the_page_says(
    line: str, environment: dict[str, str], tmp_path: Path, box: Sandbox
) -> None:
    shell = shutil.which(LINES[line])
    if shell is None:
        pytest.skip(f"there is no {LINES[line]}")
    done = subprocess.run(
        [shell, "-c", line],
        cwd=tmp_path,
        env=environment,
        # What `config init` asks for.
        input=f"{box.url}\n{box.app_id}\n{box.secret}\n",
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )

    assert done.returncode == expected(line), done.stderr
    says_what_it_checked = re.search(r"(?<!-)\b(check|config init)\b", line) is not None
    assert (done.stderr == "") == (expected(line) == 0 and not says_what_it_checked)


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in LINES if UNTIL_INTERRUPTED in line])
def test_a_line_that_goes_on_ends_with_ctrl_c(
    line: str, environment: dict[str, str], tmp_path: Path
) -> None:
    with subprocess.Popen(
        ["/bin/sh", "-c", f"exec {line.replace(' sandbox ', ' sandbox --port 0 ')}"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        for printed in process.stdout:
            if printed.startswith("Ctrl-C"):
                break
        process.send_signal(signal.SIGINT)

        assert process.wait(PATIENCE) in {0, INTERRUPTED}


def commands(group: click.Group, prefix: str = "") -> list[str]:
    """All the commands, also those within others."""
    names = []
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        if inner is None or getattr(command, "invoke_without_command", False):
            names.append(f"{prefix}{name}")
        if inner is not None:
            names += commands(command, f"{prefix}{name} ")  # type: ignore[arg-type]
    return names


def test_the_page_has_each_command() -> None:
    page = (DOCS / PAGE).read_text("utf-8")

    assert [each for each in commands(main) if f"teamwire-sync {each}" not in page] == []


def test_the_table_has_each_exit_code() -> None:
    codes = re.findall(r"^\| (\d+) \|", (DOCS / PAGE).read_text("utf-8"), re.MULTILINE)

    assert [int(code) for code in codes] == [0, 1, 2, 3, 4, 5, 6, INTERRUPTED]


def test_the_page_has_each_option_of_all_commands() -> None:
    page = (DOCS / PAGE).read_text("utf-8")
    options = {each.opts[0] for each in main.params} - {"--version"}

    assert [each for each in sorted(options) if f"`{each}" not in page] == []

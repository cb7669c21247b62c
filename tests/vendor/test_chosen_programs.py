"""Programs that choose the vendor's SDK by a setting, each as a process of its own.

They say ``Connection()``, and nothing about the vendor's SDK.
"""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from typing import TYPE_CHECKING, Callable

import pytest

from tests.support.sdk_double import DOUBLE, vendor_env
from tests.support.waiting import PATIENCE
from tests.vendor.test_seed_programs import (
    ASYNC,
    EXAMPLES,
    PROGRAMS,
    READING,
    made_by,
    without_async,
)

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync.testing import Sandbox
    from tests.vendor.conftest import Vendor


def run(*words: str, box: Sandbox, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program as a process, with the double and without settings of a Connection."""
    given = {"PYTHONPATH": str(DOUBLE), **vendor_env(box), **environment}
    return subprocess.run(
        [sys.executable, "-X", "utf8", "-W", "error", *words],
        env={**os.environ, **given},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )


def output_of(program: str, box: Sandbox, **environment: str) -> list[str]:
    """What a program prints; it must not fail."""
    done = run("-c", program, box=box, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def by_variable(_folder: Path) -> dict[str, str]:
    return {"TEAMWIRE_TRANSPORT": "vendor"}


def by_file(folder: Path) -> dict[str, str]:
    path = folder / "mine.ini"
    path.write_text("[default]\ntransport = vendor\n")
    return {"TEAMWIRE_CONFIG": str(path)}


def by_profile(folder: Path) -> dict[str, str]:
    path = folder / "teamwire_sync" / "config.ini"
    path.parent.mkdir()
    path.write_text("[default]\nurl = http://127.0.0.1:1\n[onprem]\ntransport = vendor\n")
    return {"TEAMWIRE_PROFILE": "onprem"}


each_way = pytest.mark.parametrize("way", [by_variable, by_file, by_profile])


def test_a_program_needs_one_variable(box: Sandbox) -> None:
    lines = output_of(without_async("list_chats"), box, TEAMWIRE_TRANSPORT="vendor")

    assert lines[0] == "Available chats:"
    assert len(lines) == 101


@pytest.mark.slow
@each_way
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_minus_async_prints_what_it_printed(
    box: Sandbox, tmp_path: Path, name: str, way: Callable[[Path], dict[str, str]]
) -> None:
    environment = way(tmp_path)
    program = without_async(name)
    original = (ASYNC / f"{name}.py").read_text("utf-8")

    assert not re.search("vendor|async|await", program)
    if name in READING:
        assert output_of(program, box, **environment) == output_of(original, box)
    else:
        made = made_by(box, lambda text: output_of(text, box, **environment), program)
        assert made == made_by(box, lambda text: output_of(text, box), original)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_each_example_that_is_such_a_program_runs(box: Sandbox, name: str) -> None:
    done = run(str(EXAMPLES / f"{name}.py"), box=box, TEAMWIRE_TRANSPORT="vendor")

    assert (done.returncode, done.stderr) == (0, "")
    assert box.count("*", "/v1/bot/me/") == 0


def test_the_bot_ends_with_a_line_that_says_what_cant_be_done(box: Sandbox) -> None:
    done = run(str(EXAMPLES / "bot.py"), "test", box=box, TEAMWIRE_TRANSPORT="vendor")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "TWUnsupportedError: with the vendor's SDK, teamwire_sync can't listen to events: the "
        "published documentation of the vendor's SDK does not describe how; see docs/vendor.md\n"
    )


@pytest.mark.parametrize("vendor", ["1.8"], indirect=True)
def test_the_flask_app_runs(vendor: Vendor, box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in box.env:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TEAMWIRE_TRANSPORT", "vendor")
    module = runpy.run_path(str(EXAMPLES / "flask_app.py"))
    with module["connection"]:
        client = module["app"].test_client()
        answers = [client.get(f"/chats/{title}") for title in ("", "test", "nowhere")]

        assert [answer.status_code for answer in answers] == [200, 409, 404]
        assert len(answers[0].json) == 100
        assert vendor.calls["get_subscriptions"] == 1


def test_programs_of_two_processes_share_a_listing(box: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "mine.ini"
    path.write_text("[default]\ntransport = vendor\nbot = the app at the clinic\n")
    environment = {"TEAMWIRE_CONFIG": str(path), "TEAMWIRE_STORE": f"file:{tmp_path / 'store'}"}
    program = without_async("list_chats")
    found = [output_of(program, box, **environment) for _ in range(2)]

    assert found[0] == found[1]
    assert box.count("GET", "/v1/bot/chats/") == 1

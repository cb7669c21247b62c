"""The blocks of docs/scaling.md, as their readers run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from teamwire_sync._stores.base import StoreError
from teamwire_sync.testing import sandbox
from tests.stores.test_redis import ACL
from tests.support.pages import DOCS, block_with, blocks
from tests.support.redis_calls import slot_at
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.testing import Sandbox
    from tests.support.redis_process import RedisProcess

CHATS = ("GET", "/v1/bot/chats/")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with sandbox(chats=100, seed=7) as box:
        yield box


def run(box: Sandbox, home: Path, *command: str, **environment: str) -> str:
    """What *command* prints, if it ends well and has nothing to complain of."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=home,
        env={"HOME": str(home), "PATH": path, **box.env, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.skipif(os.name == "nt", reason="there is no sh")
def test_the_commands_ask_once_for_the_chats(box: Sandbox, tmp_path: Path) -> None:
    pytest.importorskip("click")
    (commands,) = blocks("scaling.md", "sh")
    run(box, tmp_path, "/bin/sh", "-e", "-c", commands)

    assert box.count(*CHATS) == 1


def test_the_program_with_redis_finds_what_its_last_run_listed(
    box: Sandbox, tmp_path: Path, redis_server: RedisProcess
) -> None:
    program = block_with("scaling.md", "py", "RedisStore")
    command = (sys.executable, "-W", "error", "-c", program)
    loads = [
        run(box, tmp_path, *command, CHATS_REDIS=redis_server.url).splitlines()[-1]
        for _ in range(2)
    ]

    assert (box.count(*CHATS), loads) == (1, ["0", "1"])


def test_the_rights_are_those_that_are_tried() -> None:
    rights = block_with("scaling.md", "text", "ACL SETUSER").split()

    assert rights[rights.index("resetkeys") :] == list(ACL)


@pytest.mark.parametrize(
    ("option", "right"), [("db=1", "+select"), ("client_name=bot", "+client|setname")]
)
def test_what_another_right_is_for(option: str, right: str, own_redis: RedisProcess) -> None:
    slot = slot_at(f"{own_redis.url.replace('://', '://bot:pw@')}?{option}")
    own_redis.run("ACL", "SETUSER", "bot", "on", ">pw", *ACL)
    with pytest.raises(StoreError, match="its ACL forbids this"):
        slot.status()
    own_redis.run("ACL", "SETUSER", "bot", right)

    assert f"`{right}`" in (DOCS / "scaling.md").read_text("utf-8")
    assert slot.status().revision is None

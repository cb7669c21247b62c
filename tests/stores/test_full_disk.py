"""FileStore on a disk that has no space left."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.store_files import posix

# The command mounts a disk of its own. With user namespaces, Linux allows this to every user.
MOUNT = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
SMALL = 'mount -t tmpfs -o size=256k tmpfs "$0" && exec "$@"'
CODE = """
import os, sys
from teamwire_sync._stores.base import StoreError
from teamwire_sync._stores.file import FileStore
from tests.support.store_listings import save, slot_in

folder = sys.argv[1]
slot = slot_in(FileStore(folder + "/store"))
save(slot, "old")
with open(folder + "/rest", "wb", buffering=0) as rest:
    try:
        while True:
            rest.write(b"x" * 4096)
    except OSError:
        pass
before = slot.status()
slot.mark("w1", 90)
marked = slot.status()
slot.bump_generation(ended=["w1"], revision=9, grace=30)
after = slot.status()
try:
    save(slot, *(f"title {number}" for number in range(1000)))
except StoreError as error:
    print("full" in str(error))
print(marked.doubt_until > marked.now > after.doubt_until)
print(after.generation != before.generation, after.written.revision, after.revision is not None)
print(os.listdir(folder + "/store") == [slot._name])
"""


@pytest.fixture
def full(tmp_path: Path) -> list[str]:
    """Return the beginning of a command that runs with a small disk at *tmp_path*."""
    command = [*MOUNT, SMALL, str(tmp_path)]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*command, "true"], check=False).returncode
    ):
        pytest.skip("no disk of its own can be mounted")
    return command


@posix
def test_other_processes_notice_a_write_although_there_is_no_space_left(
    full: list[str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [*full, sys.executable, "-c", CODE, str(tmp_path)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.stderr == ""
    assert done.stdout.split() == ["True", "True", "True", "9", "True", "True"]

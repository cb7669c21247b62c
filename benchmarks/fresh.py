"""What only a fresh interpreter shows: imports, memory, and a program from its start to its end.

``python -m benchmarks.fresh KIND FOLDER`` is such an interpreter.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import compare
from benchmarks.rivals import UnsharedIndex
from benchmarks.timing import Sample, interleaved, timed, walls
from benchmarks.worlds import Pages
from teamwire_sync import Connection, FileStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.report import Row
    from benchmarks.timing import Scale
    from benchmarks.worlds import World

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

# Timed inside, so that neither the interpreter's start nor its end is in it.
_TIMED_IMPORT = """
import time
start = time.perf_counter()
{}
wall = time.perf_counter() - start
print(wall, time.process_time())
"""
_PROGRAM = """
import sys
from teamwire_sync import Connection
with Connection() as connection:
    found = connection.chats.get_by_title(sys.argv[1])
    print(len(found), connection.chats.cache_info().refreshes)
"""


def import_row(scale: Scale) -> Row:
    """Import the package, and what it is built of."""
    samples = interleaved(
        {
            "ours": _importing("import teamwire_sync"),
            "rivals": _importing("import requests, attrs, cachetools"),
        },
        scale.imports,
    )
    return compare(
        "import", "import teamwire_sync", walls(samples["ours"]),
        "import requests, attrs, cachetools", walls(samples["rivals"]), at_most=0.45,
    )  # fmt: skip


def memory_row(folder: Path, chats: int) -> Row:
    """Hold all the chats of the pages in *folder*."""
    ours, theirs = (_memory_of(kind, folder) for kind in ("ours", "unshared"))
    return compare(
        "memory", f"memory of {chats:,} chats and both indexes", [ours],
        "attrs objects, each chat with members of its own", [theirs], unit="B", at_most=0.65,
    )  # fmt: skip


def process_rows(world: World, folder: Path, rounds: int) -> list[Row]:
    """A program that looks one chat up: all of the process, in which the interpreter starts too."""
    with world.connect(store=FileStore(folder)) as connection:
        title = next(chat.title for chat in connection.chats.get_subscriptions() if chat.title)
        count = len(connection.chats.get_by_title(title))
    program = [sys.executable, "-c", _PROGRAM, title]
    samples = interleaved(
        {
            "ours": _running(
                program, {**world.environment, "TEAMWIRE_STORE": f"file:{folder}"}, f"{count} 0\n"
            ),
            "listing": _running(program, world.environment, f"{count} 1\n"),
            "bare": _running([sys.executable, "-c", "import requests"], {}, ""),
        },
        rounds,
    )
    work = f"whole process: look-up by title, {world.chats:,} chats in a FileStore"
    ours = walls(samples["ours"])
    return [
        compare(
            "process_bare", work, ours, "python -c 'import requests'", walls(samples["bare"]),
            at_most=2,
        ),
        compare(
            "process_listing", work, ours, "the same process without a store",
            walls(samples["listing"]),
        ),
    ]  # fmt: skip


def _running(command: list[str], environment: dict[str, str], output: str) -> Callable[[], Sample]:
    # A CA bundle is read at once, which takes as long as the machine's has certificates.
    common = {name: value for name, value in os.environ.items() if name not in _BUNDLES}
    surroundings = {**common, **environment}

    def run() -> None:
        found = _output(command, surroundings)
        if found != output:
            message = (
                f"not {output!r} (chats found, times that the server was asked), but {found!r}"
            )
            raise RuntimeError(message)

    return lambda: timed(run)


def _importing(statement: str) -> Callable[[], Sample]:
    code = _TIMED_IMPORT.format(statement)

    def measure() -> Sample:
        wall, cpu = _output([sys.executable, "-c", code]).split()
        return Sample(float(wall), float(cpu))

    return measure


def _memory_of(kind: str, folder: Path) -> float:
    return float(_output([sys.executable, "-m", "benchmarks.fresh", kind, str(folder)]))


def _output(command: list[str], environment: dict[str, str] | None = None) -> str:
    root = Path(__file__).parents[1]
    return subprocess.run(  # noqa: S603  our own
        command, check=True, stdout=subprocess.PIPE, text=True, cwd=root, env=environment
    ).stdout


def _held(kind: str, folder: Path) -> int:
    files = sorted(folder.glob("*.json"))
    gc.collect()
    tracemalloc.start()
    if kind == "ours":
        held: object = Connection(transport=Pages(files))  # type: ignore[arg-type]
        held.chats.get_by_title("test")
    else:
        held = UnsharedIndex(files)
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    del held
    return size


if __name__ == "__main__":
    sys.stdout.write(f"{_held(sys.argv[1], Path(sys.argv[2]))}\n")

"""What only a fresh interpreter shows: the time of imports, and memory.

``python -m benchmarks.fresh KIND FOLDER`` is such an interpreter.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import compare
from benchmarks.rivals import UnsharedIndex
from benchmarks.timing import Sample, interleaved, walls
from benchmarks.worlds import Pages
from teamwire_sync import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.report import Row
    from benchmarks.timing import Scale

# Timed inside, so that neither the interpreter's start nor its end is in it.
_TIMED_IMPORT = """
import time
start = time.perf_counter()
{}
wall = time.perf_counter() - start
print(wall, time.process_time())
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
        "import requests, attrs, cachetools", walls(samples["rivals"]), at_most=0.55,
    )  # fmt: skip


def memory_row(folder: Path, chats: int) -> Row:
    """Hold all the chats of the pages in *folder*."""
    ours, theirs = (_memory_of(kind, folder) for kind in ("ours", "unshared"))
    return compare(
        "memory", f"memory of {chats:,} chats and both indexes", [ours],
        "attrs objects, each chat with members of its own", [theirs], unit="B", at_most=0.65,
    )  # fmt: skip


def _importing(statement: str) -> Callable[[], Sample]:
    code = _TIMED_IMPORT.format(statement)

    def measure() -> Sample:
        wall, cpu = _output([sys.executable, "-c", code]).split()
        return Sample(float(wall), float(cpu))

    return measure


def _memory_of(kind: str, folder: Path) -> float:
    return float(_output([sys.executable, "-m", "benchmarks.fresh", kind, str(folder)]))


def _output(command: list[str]) -> str:
    root = Path(__file__).parents[1]
    return subprocess.run(  # noqa: S603  our own
        command, check=True, stdout=subprocess.PIPE, text=True, cwd=root
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

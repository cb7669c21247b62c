"""All the measurements in one run, and what becomes of them."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.changes import change_rows
from benchmarks.fresh import import_row, memory_row, process_rows
from benchmarks.lookups import hot_rows, size_rows
from benchmarks.network import (
    decoding_row,
    listing_rows,
    refresh_rows,
    request_rows,
    uncached_rows,
)
from benchmarks.report import circumstances, markdown, write_into
from benchmarks.stores import hit_row, look_rows, start_rows, stored
from benchmarks.timing import QUICK, Scale
from benchmarks.vendor import vendor_rows
from benchmarks.worlds import save_pages, served

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.report import Row

_DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it all and print the table; a goal that is not met is no failure."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="small counts: does all of it work?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows into FILE, too")
    parser.add_argument(
        "--markdown", action="store_true", help="put the table into docs/performance.md, too"
    )
    options = parser.parse_args(arguments)
    # It would be in all the rows.
    os.environ.pop("TEAMWIRE_STORE", None)
    started = time.perf_counter()
    rows = []
    for row in measured(QUICK if options.quick else Scale()):
        rows.append(row)
        work, ours, rival, theirs, ratio, goal = row.cells()
        line = f"{work}: {ours}; {rival}: {theirs}; {ratio}; {goal}"
        sys.stderr.write(f"{time.perf_counter() - started:4.0f} s  {line}\n")
    seconds = time.perf_counter() - started
    where = circumstances()
    table = markdown(rows, where, seconds)
    sys.stdout.write(f"{table}\n")
    if options.json:
        document = {**where, "seconds": seconds, "rows": [row.as_json() for row in rows]}
        options.json.write_text(json.dumps(document, indent=1), "utf-8")
    if options.markdown:
        write_into(_DOCUMENT, table)
    return 0


def measured(scale: Scale) -> Iterator[Row]:
    """All the rows, those with the smallest heap first: the garbage collector minds its size."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stores = stack.enter_context(stored(folder))
        yield import_row(scale)
        with served(scale.small) as small:
            yield from request_rows(small, scale)
            yield from uncached_rows(small, scale.rounds, "small")
        with served(1) as empty:
            yield from change_rows(empty, scale, "thousand")
        with served(scale.medium) as medium:
            yield from hot_rows(medium, scale)
            yield from refresh_rows(medium, scale)
            yield from change_rows(medium, scale, "medium")
            yield from listing_rows(medium, scale.listings, "medium")
            yield from start_rows(medium, stores, scale.listings, "medium")
            yield from process_rows(medium, folder / "started", scale.imports)
            yield hit_row(medium, stores["file"], scale)
            yield from look_rows(medium, stores, scale)
            yield from vendor_rows(medium, scale)
            yield from uncached_rows(medium, max(2, scale.listings // 3), "medium")
            some = [file.read_bytes() for file in save_pages(medium, folder)]
        yield decoding_row(some, scale.medium, scale.listings, "medium")
        pages = folder / "large"
        pages.mkdir()
        with served(scale.large) as large:
            yield from change_rows(large, scale, "large")
            yield from listing_rows(large, scale.large_listings, "large")
            yield from start_rows(large, stores, scale.large_listings, "large")
            files = save_pages(large, pages)
        bodies = [file.read_bytes() for file in files]
        yield decoding_row(bodies, scale.large, scale.large_listings, "large")
        yield from size_rows(bodies, scale)
        yield memory_row(pages, scale.large)

"""What the commands print: data on stdout, everything else on stderr.

Titles, names and messages are other people's text: none of it reaches a terminal as it is.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rich.console import Console

# What holds an emoji, or letters of some scripts, together; it moves nothing.
_JOINERS = {"\u200c", "\u200d"}


def visible(text: str) -> str:
    """*text* with each letter that is not seen, or that moves others, in its escaped form."""
    if text.isprintable():
        return text
    return "".join(
        letter
        if letter.isprintable() or letter in _JOINERS
        else letter.encode("unicode_escape").decode()
        for letter in text
    )


def visible_lines(text: str) -> str:
    """The same for a text of several lines, which stay lines."""
    return "\n".join(visible(line.replace("\t", "    ")) for line in text.splitlines())


def print_json(document: Mapping[str, Any]) -> None:
    """One document, on one line. All but ASCII is escaped: no terminal takes it for orders."""
    click.echo(json.dumps(document))


def print_rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table for people; where stdout is no terminal, each row on a line, with tabs between."""
    if sys.stdout.isatty():
        _print_table(head, rows)
        return
    for row in rows:
        click.echo("\t".join(map(visible, row)))


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Names and values, one pair on a line."""
    for name, value in fields:
        click.echo(f"{name}\t{visible(value)}")


def say(text: str) -> None:
    """Tell the user something that is no data."""
    click.echo(visible_lines(text), err=True)


def _print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.table import Table  # noqa: PLC0415  only for a terminal
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    _console().print(table)


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console  # noqa: PLC0415  only for a terminal

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


@contextmanager
def count_of(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show how many there are so far, on a terminal; None elsewhere.

    Gives a callback for pages and items.
    """
    if not sys.stderr.isatty():
        yield None
        return
    with _progress("{task.completed:,.0f}") as progress:
        task = progress.add_task(what, total=None)
        yield lambda _pages, items: progress.update(task, completed=items)


@contextmanager
def bytes_of(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show how many bytes have moved, on a terminal; None elsewhere.

    Gives a callback for the bytes so far and for all of them.
    """
    if not sys.stderr.isatty():
        yield None
        return
    with _progress("{task.percentage:>3.0f} %", bar=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def _progress(column: str, *, bar: bool = False) -> Iterator[Any]:
    from rich.progress import (  # noqa: PLC0415  only for a terminal
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
    )

    columns: list[Any] = [SpinnerColumn(), TextColumn("{task.description}", markup=False)]
    if bar:
        columns.append(BarColumn(bar_width=None))
    # Gone when it is over: what stays is the data.
    with Progress(
        *columns, TextColumn(column, markup=False), console=_console(stderr=True), transient=True
    ) as progress:
        yield progress

"""Output of the commands: data on stdout, everything else on stderr.

Titles, names and messages are written by other people, so they are escaped before they are printed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import unicodedata
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from teamwire_sync._internal.signals import suppress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rich.console import Console

    from teamwire_sync._models.base import Extensible

T = TypeVar("T", bound="Extensible")

_JOINERS = {"\u200c", "\u200d"}
_SELECTORS = {"\ufe0e", "\ufe0f"}
# Printable for Python, but invisible: fillers and variation selectors.
_UNSEEN = {"\u034f", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u3164", "\uffa0"}
_UNSEEN |= set(map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
_SPACES = str.maketrans(
    dict.fromkeys("\t", "    ")
    | dict.fromkeys("\xa0\u1680\u202f\u205f\u3000", " ")
    | dict.fromkeys(map(chr, range(0x2000, 0x200B)), " ")
)
# The terminal width, in characters, below which a table of more than two columns is unreadable.
_NARROW = 60


def is_terminal(stream: Any) -> bool:
    """Return whether *stream* is a terminal. A stream that the shell closed is None."""
    return stream is not None and bool(stream.isatty())


def set_error_handler(stream: Any, name: str) -> None:
    """Set the error handler for the encoding of *stream*, if the stream allows it."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors=name)


def escape(text: str) -> str:
    """Return *text* with its invisible, control and format characters escaped."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        letter if _is_seen(letter, text[at - 1 : at], text[at + 1 : at + 2]) else _escaped(letter)
        for at, letter in enumerate(text)
    )


def escape_lines(text: str) -> str:
    """Escape each line of *text*; replace tabs and special spaces by plain spaces."""
    return "\n".join(escape(line) for line in text.translate(_SPACES).splitlines())


def print_json(document: Mapping[str, Any]) -> None:
    """Print *document* on one line.

    Characters that are invisible, or that stdout can't encode, are escaped as JSON escapes them.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"

    def escaped(found: re.Match[str]) -> str:
        letter = found[0]
        is_seen = letter.isprintable() and letter not in _UNSEEN
        return letter if is_seen and letter.encode(encoding, "ignore") else json.dumps(letter)[1:-1]

    click.echo(re.sub("[^ -~]", escaped, json.dumps(document, ensure_ascii=False)))


def print_result(document: Mapping[str, Any], *texts: str, as_json: bool) -> None:
    """Print one item: its JSON document, or *texts* separated by tabs."""
    if as_json:
        print_json(document)
    else:
        click.echo("\t".join(map(escape, texts)))


def print_list(
    items: Sequence[T],
    noun: str,
    head: Sequence[str],
    row: Callable[[T], Sequence[str]],
    *,
    as_json: bool,
) -> None:
    """Print items of the same kind: their JSON documents, or a table.

    If stdout is not a terminal, each row of the table is one line, and tabs separate the cells.

    Args:
        items: The items to print.
        noun: The name of one item.
        head: The names of the table's columns.
        row: A function that returns the cells of an item; the first cell is an ID.
        as_json: Whether to print the documents.
    """
    width = shutil.get_terminal_size().columns
    if not items:
        echo_status(f"There are no {noun}s.")
    elif as_json:
        for item in items:
            print_json(item.to_dict())
    elif not is_terminal(sys.stdout):
        for cells in map(row, items):
            click.echo("\t".join(map(escape, cells)))
    elif len(head) > 2 and width < _NARROW:
        for first, *others in map(row, items):
            click.echo(escape(first))
            for name, cell in zip(head[1:], others):
                if cell:
                    click.echo(f"  {name}: {escape(cell)}")
    else:
        _print_table(head, map(row, items), width)


def print_fields(fields: Sequence[tuple[str, str]]) -> None:
    """Print names and values, one pair on each line."""
    is_for_people = is_terminal(sys.stdout)
    longest = max(len(name) for name, _ in fields)
    for name, value in fields:
        start = name.ljust(longest + 2) if is_for_people else f"{name}\t"
        click.echo(f"{start}{escape(value)}")


def echo_err(text: str) -> None:
    """Print a message on stderr."""
    with suppress(OSError):  # a reader of stderr may have closed the pipe
        click.echo(escape_lines(text), err=True)


def echo_status(text: str) -> None:
    """Print a message on stderr only if stderr is a terminal: scripts do not need it."""
    if is_terminal(sys.stderr):
        echo_err(text)


def _is_seen(letter: str, before: str, after: str) -> bool:
    if letter in _JOINERS:
        return bool(before and after) and _are_joined(before, after)
    if letter in _SELECTORS:
        # After a symbol, a selector makes an emoji.
        return bool(before) and not before.isalpha() and before.isprintable()
    return letter.isprintable() and letter not in _UNSEEN


def _are_joined(before: str, after: str) -> bool:
    """Return whether a joiner between them is part of an emoji, or of Arabic or Indic writing."""
    if unicodedata.combining(before) == 9:  # a virama
        return True
    if unicodedata.bidirectional(before) == unicodedata.bidirectional(after) == "AL":
        return True
    is_sign = unicodedata.category(before) in {"So", "Sk"} or before in _SELECTORS
    return is_sign and unicodedata.category(after) == "So"


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def _print_table(head: Sequence[str], rows: Iterable[Sequence[str]], width: int) -> None:
    from rich.table import Table  # noqa: PLC0415  only for a terminal
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(head):
        table.add_column(Text(name), overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(Text(escape(cell)) for cell in row))
    _console(width=width).print(table)


def _console(*, stderr: bool = False, width: int | None = None) -> Console:
    from rich.console import Console  # noqa: PLC0415  only for a terminal

    # rich assumes 80 columns for a dumb terminal, unless both width and height are given.
    height = None if width is None else 25
    return Console(
        stderr=stderr, width=width, height=height, highlight=False, markup=False, emoji=False
    )


def _is_lively(stream: Any) -> bool:
    """Return whether *stream* is a terminal that can erase its output."""
    return is_terminal(stream) and os.environ.get("TERM", "").lower() not in {"dumb", "unknown"}


@contextmanager
def count_progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show the number of items so far on a terminal.

    Yields:
        The callback for the numbers of pages and items; None if stderr is not such a terminal.
    """
    with _progress(what, "{task.completed:,.0f}") as update:
        yield update and (lambda _pages, items: update(completed=items))


@contextmanager
def byte_progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show the transferred share of a file on a terminal.

    Yields:
        The callback for the bytes so far and in total; None if stderr is not such a terminal.
    """
    with _progress(what, "{task.percentage:>3.0f} %", bar=True) as update:
        yield update and (lambda done, total: update(completed=done, total=total))


@contextmanager
def _progress(what: str, column: str, *, bar: bool = False) -> Iterator[Any]:
    if not _is_lively(sys.stderr):
        yield None
        return
    from rich.progress import (  # noqa: PLC0415  only for a terminal
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
    )

    # An ASCII spinner: a terminal that can't encode other characters would show their escapes.
    columns: list[Any] = [SpinnerColumn("line"), TextColumn("{task.description}", markup=False)]
    if bar:
        columns.append(BarColumn(bar_width=None))
    # Transient, so that only the data stays on the terminal.
    with Progress(
        *columns,
        TextColumn(column, markup=False),
        console=_console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        yield partial(progress.update, progress.add_task(what, total=None))

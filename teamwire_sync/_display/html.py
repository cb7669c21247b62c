"""HTML tables for notebooks, and lists that are shown as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar, Union, overload

from teamwire_sync._internal.imports import LazyModule

if TYPE_CHECKING:
    import html
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pandas import DataFrame

    from teamwire_sync._display import dataframes
    from teamwire_sync._display.dataframes import Column
else:
    html = LazyModule("html")
    dataframes = LazyModule("teamwire_sync._display.dataframes")

T = TypeVar("T")
_ListT = TypeVar("_ListT", bound="ShownList[Any]")

# The text of a cell, or a list of names in it.
Cell = Union[str, "Sequence[str]"]

_SHOWN = 20
_LONGEST_TEXT = 200
_LONGEST_NAME = 60
# Notebooks align cells to the right by default, which suits figures only.
_STYLE = "text-align:left;vertical-align:top;max-width:40em;overflow-wrap:break-word"


def count_of(number: int, noun: str) -> str:
    """Return *number* with *noun*, in the singular or the plural."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def html_table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return an HTML table. Its texts come from other people: they are escaped and shortened."""

    def inner(cell: Cell) -> str:
        if isinstance(cell, str):
            return html.escape(_cut(cell, _LONGEST_TEXT))
        names = [f"<bdi>{html.escape(_cut(name, _LONGEST_NAME))}</bdi>" for name in cell[:_SHOWN]]
        more = f" and {len(cell) - _SHOWN:,} more" if len(cell) > _SHOWN else ""
        return ", ".join(names) + more

    def row(tag: str, cells: Sequence[Cell]) -> str:
        # dir and bdi: text in a right-to-left script must not reorder the text around it.
        start = f'<{tag} dir="auto" style="{_STYLE}">'
        return f"<tr>{''.join(f'{start}{inner(cell)}</{tag}>' for cell in cells)}</tr>"

    body = "".join(row("td", cells) for cells in rows)
    # The class stops MathJax, which would read two dollar signs as a formula.
    return (
        '<table class="tex2jax_ignore mathjax_ignore">'
        f"<thead>{row('th', head)}</thead><tbody>{body}</tbody></table>"
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."


class ShownList(list[T]):
    """An independent list. Changing the list changes nothing else.

    A long list is shown shortened, but holds all its items.
    """

    _what: str
    # Functions that return an item's value in a column of the notebook's table and of the data
    # frame.
    _cells: Mapping[str, Callable[[Any], Cell]]
    _columns: Mapping[str, Column]

    @overload
    def __getitem__(self, index: SupportsIndex) -> T: ...

    @overload
    def __getitem__(self: _ListT, index: slice) -> _ListT: ...

    def __getitem__(self, index: SupportsIndex | slice) -> T | ShownList[T]:
        if isinstance(index, slice):
            return type(self)(super().__getitem__(index))
        return super().__getitem__(index)

    def __repr__(self) -> str:
        if len(self) <= _SHOWN:
            return super().__repr__()
        shown = ", ".join(map(repr, self[:_SHOWN]))
        return f"[{shown}, ... {len(self):,} {self._what}]"

    def _repr_html_(self) -> str:
        rows = ([cell_of(item) for cell_of in self._cells.values()] for item in self[:_SHOWN])
        table = html_table(tuple(self._cells), rows)
        return f"{table}<p>{min(len(self), _SHOWN):,} of {len(self):,} {self._what}</p>"

    def _frame(self) -> DataFrame:
        return dataframes.data_frame(self, self._columns)

"""HTML tables for notebooks, and lists and tuples that are shown as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, SupportsIndex, TypeVar, Union, overload

from attrs import frozen

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
_ShownT = TypeVar("_ShownT", bound="Shown[Any]")
_TupleT = TypeVar("_TupleT", bound="ShownTuple[Any]")

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


@frozen(eq=False, repr=False)
class Table:
    """The table of a kind of item.

    Attributes:
        noun: The name of one item.
        cells: Functions that return an item's value in a column of the notebook's table.
        columns: Functions that return an item's value in a column of the data frame.
    """

    noun: str
    cells: Mapping[str, Callable[[Any], Cell]]
    columns: Mapping[str, Column]


class Shown(Generic[T]):
    """A list or a tuple that is shown as a table. A long one is shown shortened."""

    __slots__ = ()
    _table: Table
    # The builtin class. Calling its methods takes half as long as with super().
    _plain: Any

    @overload
    def __getitem__(self, index: SupportsIndex) -> T: ...

    @overload
    def __getitem__(self: _ShownT, index: slice) -> _ShownT: ...

    def __getitem__(self: Any, index: Any) -> Any:
        item = self._plain.__getitem__(self, index)
        return type(self)(item) if type(index) is slice else item

    # As with a builtin class, the other operand decides if it is of another kind, such as an array.
    def __add__(self: _ShownT, other: Any) -> _ShownT:
        if not isinstance(other, self._plain):
            return NotImplemented
        return type(self)(self._plain.__add__(self, other))  # type: ignore[call-arg]

    # With __radd__ or __mul__, `plain += value` or `value *= 2` would not change the list in place.

    def __repr__(self: Any) -> str:
        if len(self) <= _SHOWN:
            return str(self._plain.__repr__(self))
        shown = repr(self[:_SHOWN])
        return f"{shown[:-1]}, ... {count_of(len(self), self._table.noun)}{shown[-1]}"

    def _repr_html_(self: Any) -> str:
        rows = ([cell_of(item) for cell_of in self._table.cells.values()] for item in self[:_SHOWN])
        count = count_of(len(self), self._table.noun) if len(self) else f"no {self._table.noun}s"
        part = f"{_SHOWN:,} of " if len(self) > _SHOWN else ""
        return f"{html_table(tuple(self._table.cells), rows)}<p>{part}{count}</p>"

    def to_pandas(self: Any) -> DataFrame:
        """Return a data frame with one row per item. docs/notebooks.md lists the columns.

        Raises:
            ImportError: pandas is missing. The text says what to install.
        """
        return dataframes.data_frame(self, self._table.columns)


class ShownList(Shown[T], list[T]):  # type: ignore[misc]
    """An independent list. Changing the list changes nothing else."""

    _plain = list

    def copy(self: _ShownT) -> _ShownT:
        """Return a list of the same items."""
        return self[:]


class ShownTuple(Shown[T], tuple[T, ...]):
    """A tuple that equals a plain tuple of the same items."""

    __slots__ = ()
    _plain = tuple
    _empty: Any

    def __init_subclass__(cls) -> None:
        cls._empty = super().__new__(cls)

    # Many chats have no groups: their empty tuple is one object, to save memory.
    def __new__(cls: type[_TupleT], values: Iterable[T] = ()) -> _TupleT:
        return values if type(values) is cls else super().__new__(cls, values) or cls._empty

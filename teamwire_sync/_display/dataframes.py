"""Data frames for notebooks; needs `teamwire_sync[notebook]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from teamwire_sync._display.extras import import_extra

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pandas import DataFrame

# The type in pandas, and what an item has there.
Column = tuple[str, Callable[[Any], object]]


def data_frame(items: Sequence[Any], columns: Mapping[str, Column]) -> DataFrame:
    """A row for each of *items*, with these *columns*.

    Raises:
        ImportError: There is no pandas; the text says what to install.
    """
    pd = import_extra("pandas", needed_by="to_pandas()")
    series = {}
    for name, (dtype, value_of) in columns.items():
        # Each with its type, or a list without items would have none.
        column = pd.Series([value_of(item) for item in items], dtype=dtype)
        # A type with a zone at once would become nanoseconds in pandas 2.0.
        is_date = dtype.startswith("datetime64")
        series[name] = column.dt.tz_localize("UTC") if is_date else column
    return pd.DataFrame(series)

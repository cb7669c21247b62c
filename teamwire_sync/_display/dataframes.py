"""Data frames for notebooks. They need `teamwire_sync[notebook]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from teamwire_sync._display.extras import import_extra

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pandas import DataFrame

# The type of a column in pandas, and a function that returns an item's value.
Column = tuple[str, Callable[[Any], object]]


def data_frame(items: Sequence[Any], columns: Mapping[str, Column]) -> DataFrame:
    """Return a data frame with these *columns* and one row for each of *items*.

    Raises:
        ImportError: pandas is missing. The text says what to install.
    """
    pd = import_extra("pandas", needed_by="to_pandas()")
    series = {}
    for name, (dtype, value_of) in columns.items():
        # An explicit type: pandas can't infer it from an empty list.
        column = pd.Series([value_of(item) for item in items], dtype=dtype)
        # pandas 2.0 would convert a type with a zone to nanoseconds, so the zone is set later.
        is_date = dtype.startswith("datetime64")
        series[name] = column.dt.tz_localize("UTC") if is_date else column
    return pd.DataFrame(series)

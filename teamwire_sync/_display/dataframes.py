"""Data frames for notebooks; needs `teamwire_sync[notebook]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    import pandas as pd
except ModuleNotFoundError as error:
    if error.name != "pandas":
        raise
    message = "to_pandas() needs pandas: pip install 'teamwire_sync[notebook]'"
    raise ImportError(message, name="pandas") from None

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    # The type in pandas, and what an item has there.
    Column = tuple[str, Callable[[Any], object]]


def data_frame(items: Sequence[Any], columns: Mapping[str, Column]) -> pd.DataFrame:
    """A row for each of *items*, with these *columns*."""
    # Each with its type, or a list without items would have none.
    series = {
        name: pd.Series([value_of(item) for item in items], dtype=dtype)
        for name, (dtype, value_of) in columns.items()
    }
    for name, (dtype, _) in columns.items():
        if dtype.startswith("datetime64"):
            # A type with a zone at once would become nanoseconds in pandas 2.0.
            series[name] = series[name].dt.tz_localize("UTC")
    return pd.DataFrame(series)

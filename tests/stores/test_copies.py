"""Stores that are pickled or copied."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import FileStore, MemoryStore, RedisStore

if TYPE_CHECKING:
    from pathlib import Path

COPY: list[Callable[[Any], Any]] = [
    lambda store: pickle.loads(pickle.dumps(store)),  # noqa: S301
    copy.copy,
    copy.deepcopy,
]
WAYS = pytest.mark.parametrize("way", COPY, ids=["pickle", "copy", "deepcopy"])


@WAYS
def test_a_file_store_becomes_one_of_the_same_folder(
    way: Callable[[Any], Any], tmp_path: Path
) -> None:
    given = FileStore(tmp_path, max_age=5, max_bytes=7)
    made = way(given)

    assert repr(made) == repr(given)
    assert (made._max_age, made._max_bytes) == (5, 7)


@WAYS
@pytest.mark.parametrize("store", [MemoryStore(), RedisStore("redis://h")], ids=["memory", "redis"])
def test_others_say_that_they_are_of_one_process(way: Callable[[Any], Any], store: Any) -> None:
    with pytest.raises(TypeError, match=r"can't be pickled or copied"):
        way(store)


def test_a_path_that_no_file_system_has_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"^path can't be written in the encoding"):
        FileStore("a\ud800")

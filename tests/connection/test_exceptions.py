"""The errors: each of them, found by looking, not from a list that someone has to keep."""

from __future__ import annotations

import copy
import inspect
import multiprocessing
import pickle
import re
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import exceptions
from teamwire_sync.exceptions import TWAmbiguousTitleError, TWError
from tests.support.builders import make_chat, pickled

if TYPE_CHECKING:
    from collections.abc import Iterator

CLASSES = sorted(
    (
        value
        for value in vars(exceptions).values()
        if isinstance(value, type) and issubclass(value, BaseException)
    ),
    key=lambda cls: cls.__name__,
)
each_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


def keywords_of(cls: type[TWError]) -> set[str]:
    """All that *cls* takes by name, by itself or by way of its parents."""
    found = set()
    for parent in cls.__mro__:
        if "__init__" in vars(parent) and issubclass(parent, TWError):
            parameters = inspect.signature(parent.__init__).parameters.values()
            found |= {one.name for one in parameters if one.kind is one.KEYWORD_ONLY}
    return found


def full(cls: type[TWError]) -> TWError:
    """One of *cls* with something in each field."""
    fields: dict[str, Any] = {}
    for name, default in vars(cls("text")).items():
        if name == "candidates":
            fields[name] = (make_chat(), make_chat("t2"))
        elif isinstance(default, tuple):
            fields[name] = (f"{name} 1", f"{name} 2")
        else:
            fields[name] = f"some {name}"
    return cls("the text", **fields)


def assert_same(again: BaseException, error: TWError) -> None:
    assert type(again) is type(error)
    assert again.args == error.args == ("the text",)
    assert vars(again) == vars(error)


def raise_it(error: TWError) -> None:
    raise error


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
        yield processes


@each_class
class TestEach:
    def test_takes_what_it_keeps_by_name(self, cls: type[TWError]) -> None:
        assert keywords_of(cls) == set(vars(cls("text")))

    def test_keeps_what_it_is_given(self, cls: type[TWError]) -> None:
        error = full(cls)

        for name, value in vars(error).items():
            assert getattr(error, name) == value
            assert value

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_survives_a_pickle(self, cls: type[TWError], protocol: int) -> None:
        assert_same(pickled(full(cls), protocol), full(cls))

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
    def test_survives_a_copy(self, cls: type[TWError], copied: Any) -> None:
        assert_same(copied(full(cls)), full(cls))

    def test_survives_a_process_pool(self, cls: type[TWError], pool: ProcessPoolExecutor) -> None:
        error = pool.submit(raise_it, full(cls)).exception(timeout=60)

        assert error is not None
        assert_same(error, full(cls))

    def test_a_copy_has_no_traceback(self, cls: type[TWError]) -> None:
        with pytest.raises(cls) as caught:
            raise_it(full(cls))

        assert copy.copy(caught.value).__traceback__ is None

    def test_its_text_is_the_message_alone(self, cls: type[TWError]) -> None:
        assert str(full(cls)) == "the text"

    def test_a_message_is_enough(self, cls: type[TWError]) -> None:
        assert not any(vars(cls("text")).values())

    def test_a_message_is_needed(self, cls: type[TWError]) -> None:
        with pytest.raises(TypeError):
            cls()

    def test_every_field_is_documented(self, cls: type[TWError]) -> None:
        text = " ".join(parent.__doc__ or "" for parent in cls.__mro__)

        assert [name for name in vars(cls("text")) if f"{name}:" not in text] == []

    def test_is_in_all(self, cls: type[TWError]) -> None:
        assert cls.__name__ in exceptions.__all__


def test_the_tree_in_the_docstring_is_the_real_one() -> None:
    drawn: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for line in (exceptions.__doc__ or "").splitlines():
        found = re.match(r"[ │├└─]+(?=TW)", line)
        if found:
            depth, name = found.end(), line[found.end() :].split()[0]
            above = [(column, parent) for column, parent in above if column < depth]
            drawn[name] = above[-1][1] if above else "Exception"
            above.append((depth, name))

    assert drawn == {cls.__name__: cls.__base__.__name__ for cls in CLASSES}


def test_no_class_has_two_parents() -> None:
    assert [cls for cls in CLASSES if len(cls.__bases__) != 1] == []


def test_the_chats_of_an_ambiguous_title_are_chats_again() -> None:
    error = TWAmbiguousTitleError("x", title="test", candidates=[make_chat(), make_chat("t2")])

    assert [chat.tid for chat in pickled(error).candidates] == ["t1", "t2"]

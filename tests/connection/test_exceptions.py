"""The errors: each of them, found by looking, not from a list that someone has to keep."""

from __future__ import annotations

import copy
import inspect
import multiprocessing
import pickle
import re
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from teamwire_sync import exceptions
from teamwire_sync.exceptions import TWAmbiguousTitleError, TWError
from tests.support.builders import make_chat, pickled
from tests.support.tables import instead_of

CLASSES = sorted(
    (
        value
        for value in vars(exceptions).values()
        if isinstance(value, type) and issubclass(value, BaseException)
    ),
    key=lambda cls: cls.__name__,
)


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


def is_same(again: BaseException | None, error: TWError) -> bool:
    return again is not None and (type(again), again.args, vars(again)) == (
        type(error),
        ("the text",),
        vars(error),
    )


def raise_it(error: TWError) -> None:
    raise error


def raised(error: TWError) -> TWError:
    """The error, with the traceback that it has once it was raised."""
    with pytest.raises(type(error)) as caught:
        raise_it(error)
    assert caught.value.__traceback__ is not None
    return caught.value


class TestEach:
    def test_takes_what_it_keeps_by_name(self) -> None:
        assert [cls for cls in CLASSES if keywords_of(cls) != set(vars(cls("text")))] == []

    def test_keeps_what_it_is_given(self) -> None:
        lost = {
            (cls, name)
            for cls in CLASSES
            for name, value in vars(full(cls)).items()
            if not value or getattr(full(cls), name) != value
        }

        assert lost == set()

    def test_survives_a_pickle(self) -> None:
        assert [
            (cls, protocol)
            for cls in CLASSES
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
            if not is_same(pickled(full(cls), protocol), full(cls))
        ] == []

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
    def test_survives_a_copy(self, copied: Any) -> None:
        assert [cls for cls in CLASSES if not is_same(copied(full(cls)), full(cls))] == []

    def test_survives_a_process_pool(self) -> None:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            calls = [(cls, pool.submit(raise_it, full(cls))) for cls in CLASSES]
            wrong = [cls for cls, call in calls if not is_same(call.exception(), full(cls))]

        assert wrong == []

    def test_a_copy_has_no_traceback(self) -> None:
        assert [cls for cls in CLASSES if copy.copy(raised(full(cls))).__traceback__] == []

    def test_its_text_is_the_message_alone(self) -> None:
        assert {str(full(cls)) for cls in CLASSES} == {"the text"}

    def test_a_message_is_enough(self) -> None:
        assert [cls for cls in CLASSES if any(vars(cls("text")).values())] == []

    def test_a_message_is_needed(self) -> None:
        assert [cls for cls in CLASSES if instead_of(TypeError, "", cls)] == []

    def test_every_field_is_documented(self) -> None:
        texts = {cls: " ".join(parent.__doc__ or "" for parent in cls.__mro__) for cls in CLASSES}

        assert [
            (cls, name)
            for cls, text in texts.items()
            for name in vars(cls("text"))
            if f"{name}:" not in text
        ] == []

    def test_is_in_all(self) -> None:
        assert [cls for cls in CLASSES if cls.__name__ not in exceptions.__all__] == []


def test_the_tree_in_the_docstring_is_the_real_one() -> None:
    # The introduction names TWError, and each level of the list is indented further.
    above = [(-2, "Exception"), (-1, "TWError")]
    drawn = {"TWError": "Exception"}
    for indent, name in re.findall(r"^( *)- `(TW\w+)`", exceptions.__doc__ or "", re.MULTILINE):
        above = [(depth, parent) for depth, parent in above if depth < len(indent)]
        drawn[name] = above[-1][1]
        above.append((len(indent), name))

    assert drawn == {cls.__name__: cls.__base__.__name__ for cls in CLASSES}


def test_no_class_has_two_parents() -> None:
    assert [cls for cls in CLASSES if len(cls.__bases__) != 1] == []


def test_the_chats_of_an_ambiguous_title_are_chats_again() -> None:
    error = TWAmbiguousTitleError("x", title="test", candidates=[make_chat(), make_chat("t2")])

    assert [chat.tid for chat in pickled(error).candidates] == ["t1", "t2"]

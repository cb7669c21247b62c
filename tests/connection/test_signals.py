"""Exceptions of signal handlers are recognized, and pass unchanged."""

from __future__ import annotations

import functools
import signal
from pathlib import Path
from typing import Any, Callable, NoReturn
from unittest import mock

import pytest

from teamwire_sync._internal.imports import first_use
from teamwire_sync._internal.signals import is_by_signal, not_by_signal, suppress, unwrapped
from tests.support.alarms import alarm, needs_signals

pytestmark = needs_signals


def fail(*_: object) -> NoReturn:
    raise TimeoutError


def fail_by_names(signum: int, frame: object) -> NoReturn:
    raise TimeoutError(signum, frame)


def fail_with_more(_more: str, *_: object) -> NoReturn:
    raise TimeoutError


def fail_deeper(*_: object) -> None:
    Path("/nowhere/at/all").stat()


@functools.wraps(fail)
def fail_behind_a_decorator(*arguments: Any, **named: Any) -> None:
    fail(*arguments, **named)


class Failing:
    def method(self, *_: object) -> NoReturn:
        raise TimeoutError

    def __call__(self, *_: object) -> NoReturn:
        raise TimeoutError


HANDLERS = {
    "a function": fail,
    "with named arguments": fail_by_names,
    "a partial": functools.partial(fail_with_more, "more"),
    "a method": Failing().method,
    "an object": Failing(),
    "a mock": mock.Mock(side_effect=TimeoutError),
    "a lambda": lambda *_: (_ for _ in ()).throw(TimeoutError()),
    "behind a decorator": fail_behind_a_decorator,
    "an error of a call": fail_deeper,
}


@pytest.fixture(params=HANDLERS)
def ring(request: pytest.FixtureRequest) -> Any:
    before = signal.signal(signal.SIGUSR1, HANDLERS[request.param])
    yield lambda: signal.raise_signal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


def raised_by(call: Callable[[], object]) -> BaseException:
    with pytest.raises(OSError) as caught:  # noqa: PT011  any of them
        call()
    return caught.value


def test_each_kind_of_handler_is_recognized(ring: Callable[[], None]) -> None:
    assert is_by_signal(raised_by(ring))


def test_an_error_of_the_system_is_not_by_a_handler() -> None:
    assert not is_by_signal(raised_by(fail_deeper))


def test_an_error_inside_a_handler_is_not_by_a_handler_for_the_handler_itself() -> None:
    found = []

    def handler(*_: object) -> None:
        found.append(is_by_signal(raised_by(fail_deeper)))

    before = signal.signal(signal.SIGUSR1, handler)
    signal.raise_signal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)
    assert found == [False]


class TestExceptClause:
    def test_lets_the_exception_of_a_handler_pass(self) -> None:
        def catch() -> None:
            try:
                ring()
            except not_by_signal(OSError):
                pass

        error = TimeoutError("own")
        with alarm(error) as ring:
            assert raised_by(catch) is error

    def test_catches_any_other_exception(self) -> None:
        try:
            fail_deeper()
        except not_by_signal(ValueError, OSError) as error:
            assert isinstance(error, FileNotFoundError)  # noqa: PT017


class TestSuppress:
    def test_lets_the_exception_of_a_handler_pass(self) -> None:
        error = TimeoutError("own")
        with alarm(error) as ring, pytest.raises(TimeoutError, match="own"), suppress(OSError):
            ring()

    def test_ignores_any_other_exception(self) -> None:
        with suppress(OSError):
            fail_deeper()

    def test_raises_an_exception_of_another_kind(self) -> None:
        with pytest.raises(KeyError), suppress(OSError):
            {}["x"]


def wrapping(call: Callable[[], object]) -> None:
    """Fail like another library that replaces each OSError by an error of its own."""
    try:
        call()
    except OSError:
        message = "wrapped"
        raise RuntimeError(message)  # noqa: B904


class TestUnwrapped:
    def test_raises_the_exception_of_the_handler(self) -> None:
        error = TimeoutError("own")
        with alarm(error) as ring, pytest.raises(TimeoutError) as caught, unwrapped():
            wrapping(lambda: wrapping(ring))
        assert caught.value is error

    def test_adds_no_context_to_it(self) -> None:
        error = TimeoutError("own")
        with alarm(error) as ring, pytest.raises(TimeoutError), unwrapped():
            wrapping(ring)
        assert error.__context__ is None

    def test_keeps_the_context_that_it_has(self) -> None:
        error = TimeoutError("own")

        def handle_another() -> None:
            try:
                {}["x"]
            except KeyError:
                ring()

        with alarm(error) as ring, pytest.raises(TimeoutError), unwrapped():
            wrapping(handle_another)
        assert isinstance(error.__context__, KeyError)

    def test_changes_no_other_exception(self) -> None:
        with pytest.raises(RuntimeError, match="wrapped"), unwrapped():
            wrapping(fail_deeper)

    def test_ignores_what_its_caller_handles(self) -> None:
        with alarm(TimeoutError("own")) as ring:
            try:
                ring()
            except TimeoutError:
                with pytest.raises(RuntimeError, match="wrapped"), unwrapped():
                    wrapping(fail_deeper)


def test_a_first_use_raises_it_unchanged() -> None:
    error = TimeoutError("own")
    with alarm(error) as ring, pytest.raises(TimeoutError, match="own"), first_use("can't"):
        ring()

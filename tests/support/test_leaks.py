"""Who looks for a Secret finds what is there to be found."""

from __future__ import annotations

import string
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

import attrs
import pytest

from teamwire_sync import TWError
from tests.support.leaks import (
    LOOKS,
    PLAIN,
    SECRETS,
    as_pickle,
    chain,
    leak_in,
    leaks_of,
    no_leaks,
    spellings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def raised(error: BaseException, cause: BaseException | None = None) -> None:
    raise error from cause


def with_attribute(secret: str) -> BaseException:
    error = TWError("x")
    error.code = secret
    return error


def with_context(secret: str) -> BaseException:
    error = TWError("x")
    error.__context__ = LookupError(secret)
    return error


# How an error shows it, and what raises that.
PLANTED: dict[str, Callable[[str], object]] = {
    "str of TWError": lambda secret: raised(TWError(f"it is {secret}")),
    "args of LookupError": lambda secret: raised(LookupError("x", [secret])),
    "str of KeyError": lambda secret: raised(TWError("x"), KeyError(secret)),
    "str of LookupError": lambda secret: raised(with_context(secret)),
    "vars of TWError": lambda secret: raised(with_attribute(secret)),
    "pickle of TWError": lambda secret: raised(with_attribute(secret)),
    "locals of ValueError": lambda secret: string.Template("$").substitute(hidden=secret),
}


@no_leaks
def test_a_secret_in_an_error_is_found(secret: str) -> Iterator[str]:
    for way, plant in PLANTED.items():
        found = leaks_of(partial(plant, secret), Exception, secret)
        if not any(f": {way} has " in leak for leak in found):
            yield f"{way}: {found}"


def test_what_is_no_such_error_is_told() -> None:
    found = leaks_of(partial(raised, TWError("x")), LookupError, PLAIN, has="nowhere", row="1")

    assert found == ["1: it is TWError('x')", "1: 'nowhere' is not in TWError('x')"]
    assert leaks_of(dict, TWError, PLAIN, row="1") == ["1: there is no error"]


def test_each_leak_fails_the_test_that_finds_it() -> None:
    with pytest.raises(AssertionError) as caught:
        no_leaks(lambda secret: [secret])()

    assert [one for one in SECRETS.values() if repr(one) not in str(caught.value)] == []


@no_leaks
def test_each_spelling_is_found(secret: str) -> list[str]:
    return [one for one in spellings(secret) if leak_in(f"a {one} b", secret) is None]


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_secret_in_an_object_is_found(look: Callable[[Any], str]) -> None:
    @attrs.define
    class Open:
        hidden: str

    shown = look(Open(PLAIN)) if look is not as_pickle else look(TWError(PLAIN))

    assert leak_in(shown, PLAIN) is not None


def test_a_chain_is_followed() -> None:
    assert len(list(chain(with_context(PLAIN)))) == 2

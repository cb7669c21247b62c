"""The Secret is taken out of what a server says, and nothing else is."""

from __future__ import annotations

from itertools import product

import pytest

from teamwire_sync._http.sessions import BasicAuth
from teamwire_sync._internal.secret import Secret
from tests.support.leaks import PLAIN, leaks, no_leaks, spellings
from tests.support.quotes import APP_ID, header_of


def redacted(text: str, secret: str = PLAIN) -> str:
    return BasicAuth(APP_ID, Secret(secret.strip())).redact(text)


@no_leaks
def test_every_spelling_is_taken_out(secret: str) -> list[str]:
    rows = product(sorted(spellings(secret.strip())), (str, str.upper, str.lower, str.title))
    shown = [(one, redacted(f"before {change(one)} after", secret)) for one, change in rows]
    return leaks(shown, secret)


@no_leaks
def test_a_part_is_taken_out(secret: str) -> list[str]:
    rows = product(sorted(spellings(secret.strip())), (slice(12), slice(-12, None), slice(4, -4)))
    return leaks([(one, redacted(f"before {one[cut]}...", secret)) for one, cut in rows], secret)


def test_the_rest_of_the_text_stays() -> None:
    text = f"{PLAIN}, or {header_of(PLAIN)}: {PLAIN}{PLAIN} is refused"

    assert redacted(text) == "***, or Basic ***: *** is refused"


@pytest.mark.parametrize("text", ["", "x", "İ is not i", "no chat has this title", "7f3a9c1"])
def test_a_text_without_it_stays_as_it_is(text: str) -> None:
    assert redacted(text) == text


def test_letters_whose_number_changes_with_their_case_shift_nothing() -> None:
    assert redacted(f"İİİ {PLAIN.upper()} İİİ") == "İİİ *** İİİ"


def test_a_secret_of_a_few_letters_stays() -> None:
    assert redacted("a test of tests", "test") == "a test of tests"


def test_the_pair_of_a_secret_of_a_few_letters_does_not() -> None:
    assert redacted(header_of("test"), "test") == "Basic ***"


def test_a_text_without_an_end_is_cut_off() -> None:
    assert len(redacted("x" * 10_000_000)) < 10_000

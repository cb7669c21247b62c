"""Checks of what callers give: the right error, with the argument's name."""

from __future__ import annotations

import re
import time
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import partial
from typing import Any, Callable

import pytest

from teamwire_sync import Bot
from teamwire_sync._internal.deadlines import deadline_of
from teamwire_sync._internal.validation import (
    require_bool,
    require_count,
    require_date,
    require_id,
    require_number,
    require_progress,
    require_str,
    require_text,
)
from teamwire_sync._services.validation import group_ids, user_ids
from tests.support.builders import make_group, make_user
from tests.support.tables import unlike

NOON = datetime(2024, 2, 29, 12, tzinfo=timezone.utc)


class Timeless(tzinfo):
    """A time zone that does not know how far it is from UTC."""

    def utcoffset(self, _: datetime | None) -> timedelta | None:
        return None


GOOD: dict[str, Callable[[], object]] = {
    "text": lambda: require_text("ä\N{GRINNING FACE}", "x"),
    "empty text": lambda: require_text("", "x"),
    "no text": lambda: require_text(None, "x", optional=True),
    "as long as may be": lambda: require_text("x" * 5, "x", most=5),
    "str": lambda: require_str("\ud800", "x"),
    "least": lambda: require_number(-90, "x", -90, 90),
    "most": lambda: require_number(90.0, "x", -90, 90),
    "one": lambda: require_count(1, "x"),
    "many": lambda: require_count(10**30, "x"),
    "date": lambda: require_date(NOON, "x"),
    "local date": lambda: require_date(datetime(2024, 1, 1).astimezone(), "x"),
    "no progress": lambda: require_progress(None),
    "a bar": lambda: require_progress(True),
    "no bar": lambda: require_progress(False),
    "function": lambda: require_progress(print),
}
BAD: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "text: None": (lambda: require_text(None, "x"), TypeError, "must be a str, not NoneType"),
    "text: bytes": (lambda: require_text(b"", "x"), TypeError, "must be a str, not bytes"),
    "text: optional": (
        lambda: require_text(0, "x", optional=True),
        TypeError,
        "must be a str, not int",
    ),
    "text: empty": (lambda: require_text("", "x", empty=False), ValueError, "is empty"),
    "text: long": (
        lambda: require_text("x" * 1235, "x", most=1234),
        ValueError,
        "must have at most 1234 characters, not 1,235",
    ),
    "text: surrogate": (
        lambda: require_text("a\udc80", "x"),
        ValueError,
        "has half of a surrogate pair in it, which is not valid Unicode",
    ),
    "str: None": (lambda: require_str(None, "x"), TypeError, "must be a str, not NoneType"),
    "bool: int": (lambda: require_bool(1, "x"), TypeError, "must be True or False, not int"),
    "bool: str": (lambda: require_bool("no", "x"), TypeError, "must be True or False, not str"),
    "number: bool": (
        lambda: require_number(True, "x", 0, 1),
        TypeError,
        "must be a number, not bool",
    ),
    "number: str": (lambda: require_number("1", "x", 0, 1), TypeError, "must be a number, not str"),
    "number: small": (
        lambda: require_number(-90.5, "x", -90, 90),
        ValueError,
        "must be from -90 to 90, got -90.5",
    ),
    "number: large": (
        lambda: require_number(91, "x", -90, 90),
        ValueError,
        "must be from -90 to 90, got 91",
    ),
    "number: nan": (
        lambda: require_number(float("nan"), "x", 0, 1),
        ValueError,
        "must be from 0 to 1, got nan",
    ),
    "number: infinite": (
        lambda: require_number(float("-inf"), "x", 0, 1),
        ValueError,
        "must be from 0 to 1, got -inf",
    ),
    "number: too large for a float": (
        lambda: require_number(10**400, "x", 0, 1),
        ValueError,
        f"must be from 0 to 1, got {10**400}",
    ),
    "count: bool": (lambda: require_count(True, "x"), TypeError, "must be an int, not bool"),
    "count: float": (lambda: require_count(1.0, "x"), TypeError, "must be an int, not float"),
    "count: none": (lambda: require_count(0, "x"), ValueError, "must be 1 or more, got 0"),
    "count: negative": (lambda: require_count(-5, "x"), ValueError, "must be 1 or more, got -5"),
    "date: day": (
        lambda: require_date(date(2024, 1, 1), "x"),
        TypeError,
        "must be a datetime, not date",
    ),
    "date: text": (
        lambda: require_date("2024-01-01", "x"),
        TypeError,
        "must be a datetime, not str",
    ),
    "date: naive": (
        lambda: require_date(datetime(2024, 1, 1), "x"),
        ValueError,
        "has no time zone: use x.astimezone() for the local one, or set tzinfo",
    ),
    "date: timeless": (
        lambda: require_date(datetime(2024, 1, 1, tzinfo=Timeless()), "x"),
        ValueError,
        "has no time zone: use x.astimezone() for the local one, or set tzinfo",
    ),
    "id: int": (
        lambda: require_id(45529, "x"),
        TypeError,
        "must be a str, not int: ids are opaque strings",
    ),
    "id: empty": (lambda: require_id("", "x"), ValueError, "is empty"),
    "id: surrogate": (
        lambda: require_id("\ud800", "x"),
        ValueError,
        "has half of a surrogate pair in it, which is not valid Unicode",
    ),
}


def test_what_is_right_is_let_through() -> None:
    for check in GOOD.values():
        check()


def test_what_is_wrong_is_named() -> None:
    rows = [(name, kind, f"^x {re.escape(text)}$") for name, (_, kind, text) in BAD.items()]

    assert unlike(lambda name: BAD[name][0](), rows, is_plain) == []


def is_plain(error: BaseException) -> None:
    assert type(error) in {TypeError, ValueError}
    assert error.__context__ is None


def test_progress_that_is_none_is_named() -> None:
    with pytest.raises(TypeError, match=r"^progress must be True, False or callable, not int$"):
        require_progress(1)


@pytest.mark.parametrize("value", [True, False])
def test_a_flag_is_given_back(value: bool) -> None:
    assert require_bool(value, "x") is value


def test_an_id_is_given_back() -> None:
    assert require_id("45529", "x") == "45529"


class TestIds:
    def test_objects_and_ids_become_ids_each_once_in_their_order(self) -> None:
        given = ["u3", make_user("u1"), Bot("b1", "", ""), "u1", make_user("u3")]

        assert user_ids(given, "users") == ("u3", "u1", "b1")
        assert group_ids([make_group("g2"), "g1", "g2"], "groups") == ("g2", "g1")

    @pytest.mark.parametrize(
        "make", [list, tuple, set, iter, dict.fromkeys], ids=lambda make: make.__name__
    )
    def test_any_iterable_of_ids_is_a_list_of_them(self, make: Callable[[Any], Any]) -> None:
        assert user_ids(make(["u1"]), "users") == ("u1",)

    def test_none_at_all_is_none(self) -> None:
        assert user_ids((), "users") == group_ids(iter(()), "groups") == ()

    def test_what_is_no_list_is_refused(self) -> None:
        """A str is one: it would invite a user for each of its characters."""
        given = ("u1", b"u1", make_user(), make_group(), None, 5)
        for check, name, what in ((user_ids, "users", "User"), (group_ids, "groups", "Group")):
            text = rf"^{name} must be a list of {what} .* ids, not {{}}$"
            rows = [(one, TypeError, text.format(type(one).__name__)) for one in given]

            assert unlike(partial(check, name=name), rows) == []

    def test_an_item_that_is_none_is_named_by_its_place(self) -> None:
        rows = [
            (5, TypeError, r"must be a User or its id, not int$"),
            (make_group(), TypeError, r"must be a User or its id, not Group$"),
            (None, TypeError, r"not NoneType \(get_user returns None if nothing is found\)$"),
            (["u1"], TypeError, r"must be a User or its id, not list$"),
        ]
        rows = [(item, kind, rf"^users\[1\] .*{text}") for item, kind, text in rows]

        assert unlike(lambda item: user_ids(["u1", item], "users"), rows) == []

    @pytest.mark.parametrize("item", ["", make_user("")], ids=["id", "object"])
    def test_an_empty_id_is_named_by_its_place(self, item: Any) -> None:
        with pytest.raises(ValueError, match=r"^users\[1\] is empty$"):
            user_ids(["u1", item], "users")


class TestDeadline:
    def test_no_timeout_is_no_deadline(self) -> None:
        assert deadline_of(None) is None

    @pytest.mark.parametrize("timeout", [0.5, 5])
    def test_it_is_so_many_seconds_from_now(
        self, timeout: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)

        assert deadline_of(timeout) == 100 + timeout

    def test_it_has_to_be_in_the_future_and_not_for_ever(self) -> None:
        text = "^timeout must be more than zero and at most"
        given = (0, -1, float("nan"), float("inf"), 10**400)

        assert unlike(deadline_of, [(one, ValueError, text) for one in given]) == []

    def test_it_has_to_be_a_number(self) -> None:
        text = "^timeout must be a number of seconds, not "

        assert unlike(deadline_of, [(one, TypeError, text) for one in ("5", True, b"", [5])]) == []

"""Numbers and flags of numpy, pandas and the standard library, wherever an argument is checked."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any, Callable

import attrs
import numpy as np
import pandas as pd
import pytest

from teamwire_sync import Attachments, Connection, ConnectionConfig, FileStore, MemoryStore
from teamwire_sync._internal.deadlines import deadline_of
from teamwire_sync._internal.validation import (
    check_seconds,
    plain,
    require_bool,
    require_count,
    require_number,
    require_progress,
)
from teamwire_sync.testing import sandbox
from tests.support.fake_transport import FakeTransport
from tests.support.tables import unlike


class Index:
    def __index__(self) -> int:
        return 3


INTEGERS = [np.int64(3), np.uint8(3), np.int8(3), np.intp(3), np.array(3), Index()]
FLOATS = [
    np.float64(0.5), np.float32(0.5), np.float16(0.5), np.longdouble(0.5), Fraction(1, 2),
    Decimal("0.5"),
]  # fmt: skip
NO_NUMBERS = [
    Decimal("sNaN"), np.array(3.5),
    np.array([3]), np.array([1, 2]), pd.Series([3]), pd.NA, np.timedelta64(3, "s"),
    np.complex128(3), np.True_, True, np.str_("3"),
]  # fmt: skip
CHECKS: dict[str, Callable[[Any], object]] = {
    "seconds": lambda value: check_seconds("x", value),
    "number": lambda value: require_number(value, "x", 0, 9),
    "count": lambda value: require_count(value, "x"),
}


class bool_:  # noqa: N801
    """Stands for the flags of numpy 1, whose class has this name."""

    def __bool__(self) -> bool:
        return True


class TestChecks:
    @pytest.mark.parametrize("value", INTEGERS, ids=lambda value: type(value).__name__)
    def test_a_whole_number_becomes_an_int(self, value: Any) -> None:
        found = [check(value) for check in CHECKS.values()]

        assert [(type(each), each) for each in found] == [(int, 3)] * 3

    @pytest.mark.parametrize("value", FLOATS, ids=lambda value: type(value).__name__)
    def test_a_real_number_becomes_a_float(self, value: Any) -> None:
        found = [CHECKS["seconds"](value), CHECKS["number"](value)]

        assert [(type(each), each) for each in found] == [(float, 0.5)] * 2
        with pytest.raises(TypeError, match=r"^x must be an int, not "):
            CHECKS["count"](value)

    @pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
    def test_what_is_no_number_is_named(self, check: Callable[[Any], object]) -> None:
        rows = [(each, TypeError, r"^x must be an? (int|number)") for each in NO_NUMBERS]

        assert unlike(check, rows) == []

    def test_an_array_is_named_as_one(self) -> None:
        with pytest.raises(TypeError, match=r"^x must be an int, not ndarray$"):
            CHECKS["count"](np.array([1, 2]))

    @pytest.mark.parametrize("value", [np.nan, np.float32("nan"), np.float64("inf")])
    def test_what_is_not_finite_is_out_of_range(self, value: Any) -> None:
        for name in ("seconds", "number"):
            with pytest.raises(ValueError, match=r"^x must be "):
                CHECKS[name](value)

    def test_a_fraction_that_no_float_holds_is_refused(self) -> None:
        with pytest.raises(TypeError, match=r"^x must be a number of seconds, not Fraction$"):
            CHECKS["seconds"](Fraction(10**400))

    @pytest.mark.parametrize("value", [np.True_, bool_()], ids=["numpy", "numpy 1"])
    def test_a_flag_becomes_a_bool(self, value: Any) -> None:
        assert require_bool(value, "x") is True
        assert require_progress(value) is True

    def test_what_is_no_flag_is_named(self) -> None:
        given = [np.array(True), np.array([True, False]), np.int64(1), pd.NA, np.str_("no")]
        rows = [(each, TypeError, r"^x must be True or False, not ") for each in given]

        assert unlike(lambda value: require_bool(value, "x"), rows) == []

    def test_other_values_stay_as_they_are(self) -> None:
        for value in (None, "x", (1, 2), np.array([1])):
            assert plain(value) is value


class TestCalls:
    def test_a_deadline_has_the_precision_of_a_float(self) -> None:
        assert type(deadline_of(np.float32(5))) is float  # type: ignore[arg-type]

    def test_a_config_has_plain_values(self) -> None:
        given = {
            "hide_deleted_messages": np.False_, "default_timeout": np.float32(0.5),
            "retries": np.int64(1), "cache_ttl": np.int32(0), "page_size": np.uint8(7),
            "pool_size": np.int64(4), "verify": np.False_,
        }  # fmt: skip
        config = attrs.asdict(ConnectionConfig(**given))  # type: ignore[arg-type]

        assert {name: repr(config[name]) for name in given} == {
            "hide_deleted_messages": "False", "default_timeout": "0.5", "retries": "1",
            "cache_ttl": "0", "page_size": "7", "pool_size": "4", "verify": "False",
        }  # fmt: skip

    def test_each_call_takes_them(self) -> None:
        yes, no, second = np.True_, np.False_, np.float32(60)
        with sandbox(chats=np.int64(3), seed=np.int64(1), live=no) as box:  # type: ignore[arg-type]
            connection = box.connect()
            chats: Any = connection.chats
            box.fault("GET", "/v1/bot/me/", status=np.int64(503), times=np.int8(1))  # type: ignore[arg-type]
            connection.check()
            box.advance(np.float32(1))  # type: ignore[arg-type]
            box.add_chat("theirs", [box.bot_uid], is_alert=yes)  # type: ignore[arg-type]
            made = chats.create_chat(
                title="x", users=["rVRCfuQEtkgnZBZEgbHVji"], is_alert=yes, allow_sending=no
            )
            place = Attachments().add_location("here", np.float32(0.5), np.int64(1))  # type: ignore[arg-type]
            posted = made.post("x", place, yes, progress=no, timeout=second)
            read = made.get_messages(limit=np.int64(1), timeout=second)
            closed = made.set_closed(yes)
            connection.events(own=yes, timeout=second)  # type: ignore[arg-type]

        assert (made.is_alert, made.allow_sending, closed.is_closed) == (True, False, True)
        assert [message.mid for message in read] == [posted.mid]

    def test_stores_take_them(self, tmp_path: Any) -> None:
        FileStore(tmp_path, max_age=np.float32(5), max_bytes=np.int64(9))  # type: ignore[arg-type]
        MemoryStore(max_age=np.int64(5))  # type: ignore[arg-type]

    def test_an_array_of_ids_is_a_list_of_them(self) -> None:
        transport = FakeTransport()
        with Connection(transport=transport) as connection:
            connection.chats.create_chat(title="x", users=np.array(["u1", "u2"]))

        assert "create_chat" in transport.calls

    def test_an_array_as_a_flag_is_named(self) -> None:
        flags: Any = np.array([True, False])
        with Connection(transport=FakeTransport()) as connection:
            chats: Any = connection.chats
            rows = [
                (
                    partial(chats.at("t1").post, "x", is_alert=flags),
                    TypeError,
                    "^is_alert must be ",
                ),
                (partial(chats.get_subscriptions, refresh=flags), TypeError, "^refresh must be "),
                (partial(connection.events, own=flags), TypeError, "^own must be "),
            ]

            assert unlike(lambda call: call(), rows) == []

    def test_a_missing_date_is_named(self) -> None:
        with pytest.raises(ValueError, match=r"^startDate is NaT, which is not a date$"):
            Attachments().add_calendar("x", pd.NaT, pd.NaT)

    def test_dates_of_pandas_are_compared_by_their_instants(self) -> None:
        start = pd.Timestamp("2025-10-26 00:45", tz="UTC").tz_convert("Europe/Berlin")
        entries = Attachments().add_calendar("x", start, start + pd.Timedelta(minutes=30))

        assert len(entries) == 1

"""ConnectionConfig checks every value when it is given."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from teamwire_sync import ConnectionConfig
from teamwire_sync._internal.validation import check_seconds
from tests.support.leaks import assert_no_secret
from tests.support.tables import unlike

if TYPE_CHECKING:
    from collections.abc import Iterable


class TestSettings:
    def test_defaults_are_those_that_are_documented(self) -> None:
        assert attrs.asdict(ConnectionConfig()) == {
            "hide_deleted_messages": True,
            "default_timeout": 10,
            "long_timeout": 15,
            "assets_timeout": 60,
            "total_timeout": 60,
            "retries": 3,
            "listing_timeout": 600,
            "cache_ttl": 300,
            "recheck_after": 5,
            "own_write_grace": 30,
            "stale_if_error": 0,
            "proxy_error_timeout": 3600,
            "store_check_interval": 1,
            "pool_size": 32,
            "page_size": None,
            "allow_insecure_http": False,
            "verify": None,
            "cert": None,
            "proxies": None,
        }

    def test_the_first_four_are_positional_as_the_vendor_has_them(self) -> None:
        config = ConnectionConfig(False, 1, 2, 3)

        assert (config.hide_deleted_messages, config.default_timeout) == (False, 1)
        assert (config.long_timeout, config.assets_timeout) == (2, 3)

    def test_the_others_are_keywords_only(self) -> None:
        with pytest.raises(TypeError, match="positional"):
            ConnectionConfig(False, 1, 2, 3, 4)  # type: ignore[misc]

    def test_is_frozen(self) -> None:
        with pytest.raises(AttributeError, match=r"^ConnectionConfig.cache_ttl is read-only$"):
            ConnectionConfig().cache_ttl = 1  # type: ignore[misc]

    def test_every_setting_is_documented(self) -> None:
        text = ConnectionConfig.__doc__ or ""

        assert [one.name for one in attrs.fields(ConnectionConfig) if one.name not in text] == []

    def test_the_repr_leaves_out_proxies_since_they_may_hold_a_password(self) -> None:
        assert "pass" not in repr(ConnectionConfig(proxies={"https": "http://u:pass@proxy:1"}))


ABOVE_ZERO = (
    "default_timeout",
    "long_timeout",
    "assets_timeout",
    "total_timeout",
    "listing_timeout",
)
FROM_ZERO = (
    "cache_ttl",
    "recheck_after",
    "own_write_grace",
    "stale_if_error",
    "proxy_error_timeout",
    "store_check_interval",
)
LEAST = {"pool_size": 1, "page_size": 1, "retries": 0}
COUNTS = tuple(LEAST)
FLAGS = ("hide_deleted_messages", "allow_insecure_http")
SECONDS = ABOVE_ZERO + FROM_ZERO


def refused(
    names: Iterable[str], values: Iterable[object], kind: type[Exception], text: str
) -> list[str]:
    """Which settings are not refused by name with each of *values*, and what they do instead."""
    values = list(values)
    rows = [
        ({name: value}, kind, rf"^ConnectionConfig\.{name} {text}")
        for name in names
        for value in values
    ]
    return unlike(lambda given: ConnectionConfig(**given), rows)


def made_of(given: dict[str, Any]) -> dict[str, Any]:
    """The settings of a ConnectionConfig, by name."""
    config = ConnectionConfig(**given)
    return {name: getattr(config, name) for name in given}


class TestChecks:
    def test_every_setting_is_in_one_of_the_tests_below(self) -> None:
        tested = {*ABOVE_ZERO, *FROM_ZERO, *COUNTS, *FLAGS, "verify", "cert", "proxies"}

        assert {one.name for one in attrs.fields(ConnectionConfig)} == tested

    def test_seconds_of_a_wrong_type(self) -> None:
        assert refused(SECONDS, (True, "10", None, 1j), TypeError, "must be a number") == []

    def test_seconds_out_of_range(self) -> None:
        values = (math.nan, math.inf, -math.inf, -1, -0.001)

        assert refused(SECONDS, values, ValueError, "must be .* seconds, got") == []

    def test_seconds_that_are_more_than_a_float_holds(self) -> None:
        with pytest.raises(ValueError, match=r"^ConnectionConfig\.cache_ttl "):
            ConnectionConfig(cache_ttl=10**400)

    def test_a_time_out_that_no_socket_takes_is_refused(self) -> None:
        """Else the first request fails with an OverflowError."""
        with pytest.raises(ValueError, match=r"^ConnectionConfig\.default_timeout "):
            ConnectionConfig(default_timeout=1e12)

    def test_a_time_out_of_zero_is_refused(self) -> None:
        assert refused(ABOVE_ZERO, (0, 0.0, -0.0), ValueError, "must be more than zero") == []

    def test_zero_switches_off(self) -> None:
        given = dict.fromkeys(FROM_ZERO, 0)

        assert made_of(given) == given

    def test_seconds_may_be_fractions(self) -> None:
        given = dict.fromkeys(SECONDS, 0.5)

        assert made_of(given) == given

    def test_counts_of_a_wrong_type(self) -> None:
        assert refused(COUNTS, (True, 2.0, "2"), TypeError, "must be an int, not") == []

    def test_counts_have_a_least(self) -> None:
        assert made_of(LEAST) == LEAST
        assert [
            wrong
            for name, least in LEAST.items()
            for wrong in refused(
                [name], [least - 1], ValueError, f"must be {least} or more, got {least - 1}$"
            )
        ] == []

    def test_only_the_page_size_may_be_none(self) -> None:
        assert ConnectionConfig(page_size=None).page_size is None
        with pytest.raises(TypeError, match=r"^ConnectionConfig\.pool_size must be an int"):
            ConnectionConfig(pool_size=None)  # type: ignore[arg-type]

    def test_flags_are_true_or_false(self) -> None:
        assert refused(FLAGS, (1, 0, None, "yes"), TypeError, "must be True or False") == []

    @pytest.mark.parametrize("value", [None, True, False], ids=repr)
    def test_verify_may_be(self, value: bool | None) -> None:
        assert ConnectionConfig(verify=value).verify is value

    @pytest.mark.parametrize("kind", [str, Path])
    def test_verify_and_cert_may_be_paths(self, kind: Any, tmp_path: Path) -> None:
        path = kind(tmp_path)

        assert ConnectionConfig(verify=path).verify == path
        assert ConnectionConfig(cert=path).cert == path
        assert ConnectionConfig(cert=(path, path)).cert == (path, path)

    def test_verify_of_a_wrong_type(self) -> None:
        values = (1, 0, b"x", ["x"])

        assert refused(["verify"], values, TypeError, "must be True, False or") == []

    def test_cert_of_a_wrong_type(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Path, "exists", lambda _path: True)
        values = (1, True, ("a",), ("a", "b", "c"), (None, "b"))

        assert refused(["cert"], values, TypeError, "must be a path, or a tuple") == []

    @pytest.mark.parametrize("name", ["verify", "cert"])
    def test_a_file_that_is_not_there_is_named(self, name: str, tmp_path: Path) -> None:
        missing = str(tmp_path / "missing.pem")

        with pytest.raises(ValueError, match=rf"^ConnectionConfig\.{name}: .*missing\.pem"):
            ConnectionConfig(**{name: missing})

    def test_both_files_of_a_certificate_are_looked_for(self, tmp_path: Path) -> None:
        pair = (str(tmp_path), str(tmp_path / "missing.key"))

        with pytest.raises(ValueError, match=r"^ConnectionConfig\.cert: .*missing\.key"):
            ConnectionConfig(cert=pair)

    @pytest.mark.parametrize("name", ["verify", "cert"])
    def test_an_empty_path_is_refused(self, name: str) -> None:
        """To requests an empty path means to check no certificate."""
        with pytest.raises(ValueError, match=rf"ConnectionConfig\.{name}"):
            ConnectionConfig(**{name: ""})

    @pytest.mark.parametrize("value", [{}, {"https": "http://proxy:3128"}], ids=repr)
    def test_proxies_may_be(self, value: dict[str, str]) -> None:
        assert ConnectionConfig(proxies=value).proxies == value

    def test_proxies_of_a_wrong_type(self) -> None:
        values = ("http://proxy:3128", {"https": None}, {1: "x"}, [("https", "x")])

        assert refused(["proxies"], values, TypeError, "must be a dict such as") == []

    def test_the_error_about_proxies_does_not_show_them(self) -> None:
        with pytest.raises(TypeError) as caught:
            ConnectionConfig(proxies="http://u:s3cret@proxy:1")  # type: ignore[arg-type]

        # The locals aside: the __init__ that attrs writes keeps what it is given.
        assert_no_secret(caught.value, "s3cret", "u", in_locals=False)

    def test_seconds_elsewhere_name_the_argument(self) -> None:
        with pytest.raises(ValueError, match=r"^timeout must be more than zero and .*, got 0$"):
            check_seconds("timeout", 0)

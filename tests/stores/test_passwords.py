"""The password of Redis is in no error, with its frames and their locals, and in no repr."""

from __future__ import annotations

import socket
from typing import Any, Callable

import pytest

from teamwire_sync import Connection, RedisStore, TWConfigError
from teamwire_sync._stores import find_store
from teamwire_sync._stores.base import StoreError
from tests.support.fake_transport import FakeTransport
from tests.support.leaks import with_locals
from tests.support.store_listings import slot_in

PASSWORD = "planted-pass"

BAD = {
    "a scheme that there is not": f"http://u:{PASSWORD}@redis.example",
    "a port that is none": f"redis://u:{PASSWORD}@redis.example:port",
    "a password that is not encoded": f"redis://u:{PASSWORD}@x/y@redis.example/0",
    "a database that is none": f"redis://u:{PASSWORD}@redis.example/db",
    "a TLS option that there is not": f"rediss://u:{PASSWORD}@redis.example/0?ssl_nothing=1",
    "a line break": f"redis://u:{PASSWORD}@redis.example/0\n1",
}


@pytest.mark.parametrize("url", BAD.values(), ids=BAD)
def test_a_bad_url_is_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match="url must be like") as caught:
        RedisStore(url)

    assert PASSWORD not in shown(caught.value)


@pytest.mark.parametrize("url", BAD.values(), ids=BAD)
def test_a_bad_url_in_the_environment_is_not_shown(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAMWIRE_STORE", url)
    with pytest.raises(TWConfigError, match=r"^TEAMWIRE_STORE") as caught:
        Connection(transport=FakeTransport())

    assert PASSWORD not in shown(caught.value)


def test_a_url_of_another_type_is_not_shown() -> None:
    with pytest.raises(TypeError, match=r"^url must be a str, not bytes$") as caught:
        RedisStore(f"redis://:{PASSWORD}@redis.example".encode())  # type: ignore[arg-type]

    assert PASSWORD not in shown(caught.value)


@pytest.mark.parametrize("make", [RedisStore, lambda url: find_store(url, "it")])
def test_the_repr_shows_where_it_is_and_no_more(make: Callable[[str], Any]) -> None:
    store = make(f"redis://u:{PASSWORD}@redis.example:1234/5?client_name=x")

    assert repr(store) == "RedisStore('redis://redis.example:1234/5')"
    assert PASSWORD not in str(vars(store))


def test_an_error_of_redis_does_not_show_it() -> None:
    with socket.create_server(("127.0.0.2", 0)) as unused:
        port = unused.getsockname()[1]
    slot = slot_in(RedisStore(f"redis://u:{PASSWORD}@127.0.0.2:{port}"))
    with pytest.raises(StoreError, match=r"^Redis at redis://127\.0\.0\.2") as caught:
        slot.status()

    assert PASSWORD not in shown(caught.value)


def shown(error: BaseException) -> str:
    return with_locals(error) + str(error) + repr(error.__context__)

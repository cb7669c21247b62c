"""`unittest.mock.create_autospec` of a Connection."""

from __future__ import annotations

from abc import ABC
from typing import Any, Callable
from unittest import mock

import pytest

from teamwire_sync import Connection, EventStream
from tests.support.tables import unlike

# Three ways to the same: an instance, and what a patched class returns.
SPECS: dict[str, Callable[[], Any]] = {
    "instance": lambda: mock.create_autospec(Connection, instance=True),
    "class": lambda: mock.create_autospec(Connection)("app", "secret", "https://teamwire.example"),
    "spec": lambda: mock.Mock(spec=Connection),
}


@pytest.mark.parametrize("name", SPECS)
def test_has_the_services(name: str) -> None:
    connection = SPECS[name]()
    connection.chats.one_by_title.return_value.tid = "t1"
    connection.users.get_user.return_value = "a user"
    connection.groups.get_group.return_value = "a circle"

    assert connection.chats.one_by_title("test").tid == "t1"
    assert connection.users.get_user("u1") == "a user"
    assert connection.groups.get_group("g1") == "a circle"


@pytest.mark.parametrize("name", ["instance", "class"])
def test_refuses_wrong_names_and_wrong_arguments(name: str) -> None:
    connection = SPECS[name]()
    rows = [
        (lambda: connection.chats.get_by_titel, AttributeError, "'get_by_titel'"),
        (lambda: connection.user, AttributeError, "'user'"),
        (connection.users.get_user, TypeError, "'uid'"),
        (lambda: connection.groups.find("x", most=1), TypeError, "'most'"),
        (lambda: connection.check(seconds=1), TypeError, "'seconds'"),
    ]

    assert unlike(lambda work: work(), rows) == []


def test_a_stream_of_events_has_its_cursor() -> None:
    stream = mock.create_autospec(EventStream, instance=True, cursor="c1")

    assert stream.cursor == "c1"


def test_the_services_are_no_attributes_of_the_class_which_would_make_each_access_slower() -> None:
    services = {"chats", "users", "groups"}

    assert services <= {*dir(Connection)}
    assert all(services.isdisjoint(vars(base)) for base in Connection.__mro__)


def test_a_subclass_may_be_abstract() -> None:
    class Bot(Connection, ABC):
        pass

    assert {"chats", "users", "groups"} <= {*dir(Bot)}


def test_a_connection_that_could_not_be_made_has_no_services() -> None:
    with pytest.raises(AttributeError, match="object has no attribute 'chats'"):
        Connection.__new__(Connection).chats  # noqa: B018

"""All groups, groups found by title, and groups that are changed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import (
    Connection,
    ConnectionConfig,
    TWAuthError,
    TWConnectionError,
    TWServerError,
)
from teamwire_sync._transport import MemberEdit
from tests.support.builders import make_group, make_user
from tests.support.fake_transport import FakeTransport

if TYPE_CHECKING:
    from teamwire_sync import Group, User
    from tests.support.builders import Clock


@pytest.fixture
def transport() -> FakeTransport:
    fake = FakeTransport()
    fake.most = 2
    fake.groups = [
        make_group("g1", title="Engines", owner=make_user("u9"), members=(make_user("u1"),)),
        make_group("g2", title="Looms", members=()),
        make_group("g3", title="Engines", members=()),
    ]
    return fake


@pytest.fixture
def connection(transport: FakeTransport, clock: Clock) -> Connection:
    return Connection(transport=transport, clock=clock)


def uids(users: Any) -> list[str]:
    return [user.uid for user in users]


def gids(groups: Any) -> list[str]:
    return [group.gid for group in groups]


class TestAllGroups:
    def test_gives_all_of_them_and_asks_once(
        self, connection: Connection, transport: FakeTransport
    ) -> None:
        connection.groups.get_all().clear()

        assert gids(connection.groups.get_all()) == ["g1", "g2", "g3"]
        assert [asked["cursor"] for asked in transport.asked] == [None, "2"]

    def test_asks_again_when_the_time_is_over(
        self, connection: Connection, transport: FakeTransport, clock: Clock
    ) -> None:
        connection.groups.get_all()
        clock.advance(300)
        connection.groups.get_all()

        assert len(transport.calls) == 4

    def test_none_at_all_are_kept_too(
        self, connection: Connection, transport: FakeTransport, clock: Clock
    ) -> None:
        transport.groups = []
        connection.groups.get_all()
        clock.advance(299)

        assert connection.groups.get_all() == []
        assert len(transport.calls) == 1

    def test_their_members_come_when_they_are_needed(
        self, connection: Connection, transport: FakeTransport
    ) -> None:
        group = connection.groups.get_all()[0]

        assert group.members == [make_user("u1")]
        assert transport.calls == ["get_groups", "get_groups", "get_group"]

    @pytest.mark.parametrize(
        "user_of",
        [
            lambda connection: connection.groups.get_all()[0].owner,
            lambda connection: connection.groups.get_group("g1").owner,
            lambda connection: connection.groups.get_group("g1").members[0],
        ],
        ids=["owner in the list", "owner", "member"],
    )
    def test_whom_they_name_can_act(
        self,
        user_of: Callable[[Connection], User],
        connection: Connection,
        transport: FakeTransport,
    ) -> None:
        transport.users = [make_user(uid, has_avatar=True) for uid in ("u1", "u9")]

        assert user_of(connection).load_avatar().startswith(b"picture of u")

    def test_the_timeout_is_that_of_all_pages(
        self, connection: Connection, transport: FakeTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)
        connection.groups.get_all(timeout=5)

        assert transport.deadlines == [105.0, 105.0]


class TestFindGroups:
    def test_gives_those_whose_title_contains_the_text(self, connection: Connection) -> None:
        connection.groups.find("Engines").clear()

        assert gids(connection.groups.find("Engines")) == ["g1", "g3"]
        assert gids(connection.groups.find("  gin")) == ["g1", "g3"]
        assert gids(connection.groups.find("O")) == ["g2"]

    def test_a_title_gives_those_with_exactly_this_title(self, connection: Connection) -> None:
        connection.groups.get_by_title("Engines").clear()

        assert gids(connection.groups.get_by_title("Engines")) == ["g1", "g3"]
        assert connection.groups.get_by_title("engines") == []
        assert connection.groups.get_by_title("") == []

    def test_a_title_that_is_new_is_found_after_some_seconds(
        self, connection: Connection, transport: FakeTransport, clock: Clock
    ) -> None:
        connection.groups.get_all()
        transport.groups.append(make_group("g4", title="Engines, night"))
        clock.advance(5.001)

        assert gids(connection.groups.find("Engines")) == ["g1", "g3"]
        assert gids(connection.groups.get_by_title("Engines, night")) == ["g4"]

    def test_looks_into_the_list_of_all(
        self, connection: Connection, transport: FakeTransport
    ) -> None:
        connection.groups.get_all()
        connection.groups.find("Engines")
        connection.groups.find("Looms")

        assert len(transport.calls) == 2

    def test_finding_nothing_lists_anew_after_some_seconds(
        self, connection: Connection, transport: FakeTransport, clock: Clock
    ) -> None:
        connection.groups.get_all()
        transport.groups.append(make_group("g4", title="New"))

        assert connection.groups.find("New") == []
        clock.advance(5)
        assert connection.groups.find("New") == []
        clock.advance(0.001)
        assert gids(connection.groups.find("New")) == ["g4"]
        assert len(transport.calls) == 4

    def test_nothing_that_is_sought_for_ever_is_one_listing_in_that_time(
        self, connection: Connection, transport: FakeTransport, clock: Clock
    ) -> None:
        for _ in range(100):
            connection.groups.find("ghost")
            clock.advance(0.1)

        assert len(transport.calls) == 4

    def test_a_failure_to_list_anew_takes_nothing_away(
        self, connection: Connection, transport: FakeTransport, clock: Clock
    ) -> None:
        connection.groups.get_all()
        clock.advance(6)
        transport.error = TWServerError("down")

        assert connection.groups.find("ghost") == []
        assert gids(connection.groups.find("Engines")) == ["g1", "g3"]

    def test_that_the_bot_is_not_known_any_more_is_raised(
        self, connection: Connection, transport: FakeTransport, clock: Clock
    ) -> None:
        connection.groups.get_all()
        clock.advance(6)
        transport.error = TWAuthError("no")

        with pytest.raises(TWAuthError):
            connection.groups.find("ghost")

    def test_what_is_there_is_not_listed_anew(
        self, connection: Connection, transport: FakeTransport, clock: Clock
    ) -> None:
        connection.groups.get_all()
        clock.advance(299)
        connection.groups.find("Engines")

        assert len(transport.calls) == 2

    def test_title_has_to_be_a_text(self, connection: Connection, transport: FakeTransport) -> None:
        with pytest.raises(TypeError, match=r"^title must be a str, not NoneType$"):
            connection.groups.get_by_title(None)  # type: ignore[arg-type]
        assert transport.calls == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda connection: connection.groups.find("x", timeout=0),
        lambda connection: connection.groups.get_all(timeout=float("nan")),
    ],
    ids=["find", "get_all"],
)
def test_a_wrong_value_asks_nothing(
    ask: Callable[[Connection], Any], connection: Connection, transport: FakeTransport
) -> None:
    with pytest.raises(ValueError, match=r"^timeout "):
        ask(connection)
    assert transport.calls == []


def test_with_nothing_to_be_kept_each_look_up_asks(transport: FakeTransport, clock: Clock) -> None:
    connection = Connection(transport=transport, clock=clock, config=ConnectionConfig(cache_ttl=0))
    for _ in range(2):
        connection.groups.find("Engines")

    assert transport.calls == ["get_groups"] * 4


EDITS: dict[str, tuple[Callable[[Group], Any], MemberEdit]] = {
    "add": (
        lambda group: group.add_members([make_user("u2"), "u3", "u2"]),
        MemberEdit(add_users=("u2", "u3")),
    ),
    "remove": (
        lambda group: group.remove_members(iter(["u1"])),
        MemberEdit(remove_users=("u1",)),
    ),
}


class TestEdit:
    @pytest.mark.parametrize("how", EDITS)
    def test_the_ids_are_sent(
        self, how: str, connection: Connection, transport: FakeTransport
    ) -> None:
        edit, sent = EDITS[how]
        group = connection.groups.get_group("g1")
        edit(group)

        assert transport.asked[-1] == {"gid": "g1", "edit": sent}

    def test_what_comes_back_is_the_group_as_it_is_now(self, connection: Connection) -> None:
        group = connection.groups.get_group("g1")
        changed = group.add_members(["u2"])

        assert uids(changed.members) == ["u1", "u2"]
        assert uids(changed.remove_members(["u1"]).members) == ["u2"]
        assert uids(group.members) == ["u1"]

    def test_the_group_is_asked_for_anew(
        self, connection: Connection, transport: FakeTransport
    ) -> None:
        group = connection.groups.get_group("g1")
        group.add_members(["u2"])

        assert uids(connection.groups.get_group("g1").members) == ["u1", "u2"]
        assert transport.calls == ["get_group", "edit_group_members", "get_group"]

    @pytest.mark.parametrize("error", [TWConnectionError("lost"), KeyboardInterrupt()])
    def test_so_it_is_when_it_is_not_known_whether_it_was_done(
        self, error: BaseException, connection: Connection, transport: FakeTransport
    ) -> None:
        group = connection.groups.get_group("g1")
        transport.errors["edit_group_members"] = error
        with pytest.raises(type(error)):
            group.add_members(["u2"])
        connection.groups.get_group("g1")

        assert transport.calls[-1] == "get_group"

    @pytest.mark.parametrize(
        ("members", "error", "text"),
        [
            ([], ValueError, "members is empty"),
            ("u1", TypeError, "members must be a list of User objects or ids, not str"),
            (make_user(), TypeError, "members must be a list of User objects or ids, not User"),
            ([make_group()], TypeError, r"members\[0\] must be a User or its id, not Group"),
            ([""], ValueError, r"members\[0\] is empty"),
        ],
        ids=["none", "str", "User", "Group", "empty"],
    )
    def test_wrong_members_are_named_before_any_request(
        self, members: Any, error: type[Exception], text: str, transport: FakeTransport
    ) -> None:
        group = Connection(transport=transport).groups.get_group("g1")
        for edit in (group.add_members, group.remove_members):
            with pytest.raises(error, match=f"^{text}$"):
                edit(members)

        assert transport.calls == ["get_group"]

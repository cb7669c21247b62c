"""Changing a chat: what is sent, and what look-ups find afterwards."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import (
    Connection,
    TWAuthError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWRequestError,
)
from teamwire_sync._transport import MemberEdit
from tests.support.builders import make_chat, make_group, make_user
from tests.support.fake_transport import FakeTransport
from tests.support.tables import unlike

if TYPE_CHECKING:
    from teamwire_sync import Chat
    from teamwire_sync._services.chats import Chats
    from tests.support.builders import Clock

Act = Callable[[Any], Any]


def make_transport() -> FakeTransport:
    one = make_chat(
        "t1", "one", users=(make_user("u1"), make_user("u2")), admins=(make_user("u1"),)
    )
    return FakeTransport(one, make_chat("t2", "two"))


@pytest.fixture
def transport() -> FakeTransport:
    return make_transport()


@pytest.fixture
def chats(transport: FakeTransport, clock: Clock) -> Chats:
    return Connection(transport=transport, clock=clock).chats


def only(found: list[Chat]) -> Chat:
    (chat,) = found
    return chat


EDITS: dict[str, tuple[Act, str, Any]] = {
    "add users": (
        lambda chat: chat.add_members([make_user("u3"), "u4", "u3"]),
        "edit_members",
        MemberEdit(add_users=("u3", "u4")),
    ),
    "add groups": (
        lambda chat: chat.add_members(groups=[make_group("g1"), "g2"]),
        "edit_members",
        MemberEdit(add_groups=("g1", "g2")),
    ),
    "remove both": (
        lambda chat: chat.remove_members(["u1"], iter(["g1"])),
        "edit_members",
        MemberEdit(remove_users=("u1",), remove_groups=("g1",)),
    ),
    "add admins": (
        lambda chat: chat.add_admins([make_user("u2"), "u3"]),
        "edit_admins",
        MemberEdit(add_users=("u2", "u3")),
    ),
    "remove admins": (
        lambda chat: chat.remove_admins({"u1"}),
        "edit_admins",
        MemberEdit(remove_users=("u1",)),
    ),
}
PROPERTIES: dict[str, tuple[Act, dict[str, Any]]] = {
    "title": (lambda chat: chat.set_title("new"), {"title": "new"}),
    "no title": (lambda chat: chat.set_title(None), {"title": None}),
    "empty title": (lambda chat: chat.set_title(""), {"title": None}),
    "sending": (lambda chat: chat.set_allow_sending(False), {"allow_sending": False}),
    "mute": (
        lambda chat: chat.set_allow_mute_notifications(False),
        {"allow_mute_notifications": False},
    ),
    "closed": (lambda chat: chat.set_closed(True), {"is_closed": True}),
}
CHANGES: dict[str, Act] = {
    **{name: act for name, (act, _, _) in EDITS.items()},
    **{name: act for name, (act, _) in PROPERTIES.items()},
}


def wrong(is_right: Callable[[Act, FakeTransport, Chats], bool]) -> list[str]:
    """The names of the changes after which it is not so, each with a server of its own."""
    found = []
    for name, act in CHANGES.items():
        transport = make_transport()
        if not is_right(act, transport, Connection(transport=transport).chats):
            found.append(name)
    return found


class TestSent:
    def test_who_comes_and_goes(self, chats: Chats, transport: FakeTransport) -> None:
        for act, _, _ in EDITS.values():
            act(chats.at("t1"))

        assert transport.calls == [call for _, call, _ in EDITS.values()]
        assert transport.asked == [{"tid": "t1", "edit": edit} for _, _, edit in EDITS.values()]

    def test_a_property_alone(self, chats: Chats, transport: FakeTransport) -> None:
        for act, _ in PROPERTIES.values():
            act(chats.at("t1"))

        assert transport.calls == ["edit_chat"] * len(PROPERTIES)
        assert transport.asked == [
            {"tid": "t1", "properties": properties} for _, properties in PROPERTIES.values()
        ]

    def test_leaving(self, chats: Chats, transport: FakeTransport) -> None:
        assert chats.at("t1").leave() is None
        assert (transport.calls, transport.asked) == (["leave_chat"], [{"tid": "t1"}])

    def test_the_timeout_goes_along(
        self, chats: Chats, transport: FakeTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)
        chat = chats.at("t1")
        chat.set_title("x", timeout=5)
        chat.set_closed(True, timeout=5)
        chat.add_members(["u3"], timeout=5)
        chat.remove_admins(["u1"], timeout=5)
        chat.leave(timeout=5)

        assert transport.deadlines == [105.0] * 5


class TestGiven:
    def test_the_chat_as_it_is_now(self) -> None:
        def is_right(act: Act, transport: FakeTransport, chats: Chats) -> bool:
            before = chats.one_by_title("one")
            after = act(before)
            return before != after == transport.chats[0]

        assert wrong(is_right) == []

    def test_it_can_act_and_so_can_whom_it_names(self) -> None:
        def is_right(act: Act, transport: FakeTransport, chats: Chats) -> bool:
            transport.users = [make_user(f"u{number}", has_avatar=True) for number in range(1, 5)]
            after = act(chats.at("t1"))
            pictures = [user.load_avatar()[:11] for user in (*after.users, *after.admins)]
            return after.post("hello").chat is after and set(pictures) == {b"picture of "}

        assert wrong(is_right) == []

    def test_the_object_from_before_stays_and_still_acts(self, chats: Chats) -> None:
        before = chats.one_by_title("one")
        before.set_title("new")

        assert before.title == "one"
        assert before.set_closed(True).title == "new"


class TestLookedUp:
    @pytest.mark.parametrize("lags", [False, True], ids=["shown", "not shown yet"])
    @pytest.mark.parametrize("known", [False, True], ids=["handle", "chat"])
    def test_a_new_title_finds_it_and_the_old_one_does_not(
        self, known: bool, lags: bool, chats: Chats, transport: FakeTransport
    ) -> None:
        listed = chats.one_by_title("one")
        if lags:
            transport.behind = list(transport.chats)
        new = (listed if known else chats.at("t1")).set_title("new")

        assert only(chats.get_by_title("new")) == new
        assert chats.get_by_title("one") == []
        assert chats.get_by_thread_id("t1") == new
        assert transport.calls == ["iter_chat_pages", "edit_chat", "iter_chat_pages"]

    def test_so_it_does_when_nothing_else_tells_what_it_was(
        self, chats: Chats, transport: FakeTransport
    ) -> None:
        """The object that the title was set by does."""
        listed = chats.one_by_title("one")
        transport.behind = list(transport.chats)
        chats.invalidate()
        new = listed.set_title("new")

        assert chats.get_by_title("one") == []
        assert only(chats.get_by_title("new")) == new

    def test_several_changes_in_a_row_end_with_the_last(
        self, chats: Chats, transport: FakeTransport
    ) -> None:
        chat = chats.one_by_title("one")
        transport.behind = list(transport.chats)
        for title in ("uno", "eins", "un"):
            chat = chat.set_title(title)
            assert chats.get_by_thread_id("t1") == chat

        assert [each.title for each in chats.get_subscriptions()] == ["un", "two"]

    def test_each_change_is_found_while_the_list_is_behind(self) -> None:
        def is_right(act: Act, transport: FakeTransport, chats: Chats) -> bool:
            chat = chats.one_by_title("one")
            transport.behind = list(transport.chats)
            return bool(act(chat) == chats.get_by_thread_id("t1"))

        assert wrong(is_right) == []

    def test_the_list_is_right_again_after_the_grace(
        self, chats: Chats, transport: FakeTransport, clock: Clock
    ) -> None:
        chat = chats.one_by_title("one")
        transport.behind = list(transport.chats)
        chat.set_title("new")
        clock.advance(30)

        assert len(chats.get_by_title("one")) == 1

    @pytest.mark.parametrize("lags", [False, True], ids=["shown", "not shown yet"])
    @pytest.mark.parametrize("known", [False, True], ids=["handle", "chat"])
    def test_what_was_left_is_found_no_more(
        self, known: bool, lags: bool, chats: Chats, transport: FakeTransport
    ) -> None:
        listed = chats.one_by_title("one")
        if lags:
            transport.behind = list(transport.chats)
        (listed if known else chats.at("t1")).leave()

        assert chats.get_by_thread_id("t1") is None
        assert chats.get_by_title("one") == []
        assert [chat.tid for chat in chats.get_subscriptions()] == ["t2"]

    def test_what_was_made_and_renamed_is_found_by_its_new_title(
        self, chats: Chats, transport: FakeTransport
    ) -> None:
        chats.get_subscriptions()
        transport.behind = list(transport.chats)
        made = chats.create_chat(title="made", users=["u1"])
        renamed = made.set_title("renamed")

        assert only(chats.get_by_title("renamed")) == renamed
        assert chats.get_by_title("made") == []


class TestFailed:
    @pytest.mark.parametrize(
        ("error", "listings"),
        [
            (TWRequestError("one_to_one", status=409), 1),
            (TWAuthError("not_admin", status=403), 1),
            (TWDeliveryUnknownError("lost"), 2),
            (KeyboardInterrupt(), 2),
            (TWConnectionError("never left"), 1),
        ],
        ids=["refused", "not admin", "unknown", "Ctrl-C", "never left"],
    )
    def test_what_may_have_reached_the_server_is_looked_up_anew(
        self, error: BaseException, listings: int
    ) -> None:
        def is_right(act: Act, transport: FakeTransport, chats: Chats) -> bool:
            chat = chats.one_by_title("one")
            transport.errors = dict.fromkeys(["edit_chat", "edit_members", "edit_admins"], error)
            with pytest.raises(type(error)):
                act(chat)
            found = chats.get_by_thread_id("t1")
            return (found, transport.calls.count("iter_chat_pages")) == (chat, listings)

        assert wrong(is_right) == []


WRONG: dict[str, tuple[Act, type[Exception], str]] = {
    "nobody": (lambda c: c.add_members(), ValueError, "users and groups are both empty"),
    "nobody to remove": (
        lambda c: c.remove_members([], ()),
        ValueError,
        "users and groups are both empty",
    ),
    "a str": (lambda c: c.add_members("u1"), TypeError, "users must be a list of User"),
    "a user": (lambda c: c.remove_members(make_user()), TypeError, "users must be a list of User"),
    "a group": (lambda c: c.add_members([], make_group()), TypeError, "groups must be a list of"),
    "a group among users": (
        lambda c: c.add_members([make_group()]),
        TypeError,
        r"users\[0\] must be a User or its id, not Group",
    ),
    "no admins": (lambda c: c.add_admins([]), ValueError, "users is empty"),
    "an admin": (lambda c: c.remove_admins("u1"), TypeError, "users must be a list of User"),
    "title": (lambda c: c.set_title(5), TypeError, "title must be a str, not int"),
    "surrogate": (lambda c: c.set_title("\ud800"), ValueError, "title has half of a surrogate"),
    "sending": (
        lambda c: c.set_allow_sending("no"),
        TypeError,
        "allow_sending must be True or False, not str",
    ),
    "mute": (
        lambda c: c.set_allow_mute_notifications(None),
        TypeError,
        "allow_mute_notifications must be True or False, not NoneType",
    ),
    "closed": (lambda c: c.set_closed(0), TypeError, "is_closed must be True or False, not int"),
    "timeout": (
        lambda c: c.set_title("x", timeout=0),
        ValueError,
        "timeout must be more than zero",
    ),
    "leave": (lambda c: c.leave(timeout="5"), TypeError, "timeout must be a number of seconds"),
}


def test_what_is_wrong_is_named_before_any_request_and_costs_the_cache_nothing(
    chats: Chats, transport: FakeTransport
) -> None:
    chat = chats.one_by_title("one")
    rows = [(name, kind, f"^{text}") for name, (_, kind, text) in WRONG.items()]

    assert unlike(lambda name: WRONG[name][0](chat), rows) == []
    assert chats.get_by_thread_id("t1") is chat
    assert transport.calls == ["iter_chat_pages"]

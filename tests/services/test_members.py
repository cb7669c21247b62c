"""Members and administrators over real HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import pytest

from teamwire_sync import (
    Connection,
    ConnectionConfig,
    TWAuthError,
    TWDeliveryUnknownError,
    TWInvalidMembersError,
    TWNotFoundError,
    TWRequestError,
)
from teamwire_sync._sandbox.world.seed import (
    FIRST_LIST,
    INVISIBLE_CIRCLE,
    INVISIBLE_USER,
    KNOWN_CHAT,
    KNOWN_USER,
    PRIVATE_CIRCLE,
    PUBLIC_CIRCLE,
    SECOND_CIRCLE,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamwire_sync import Chat, ChatHandle, User
    from teamwire_sync.testing import Sandbox

LISTING = ("GET", "/v1/bot/chats/")

# Each change of who is in a chat, or administers it.
CHANGES: dict[str, Callable[[Chat | ChatHandle], object]] = {
    "add_members": lambda chat: chat.add_members([KNOWN_USER]),
    "remove_members": lambda chat: chat.remove_members([KNOWN_USER]),
    "add_admins": lambda chat: chat.add_admins([KNOWN_USER]),
    "remove_admins": lambda chat: chat.remove_admins([KNOWN_USER]),
}


@pytest.fixture
def strangers(connection: Connection, chat: Chat) -> list[User]:
    """Some who are not in the chat."""
    members = set(chat.users)
    return [user for user in connection.users.get_all() if user not in members][:3]


@pytest.fixture
def own(connection: Connection) -> Chat:
    """A chat of the bot with one user and one circle."""
    return connection.chats.create_chat(title="own", users=[KNOWN_USER], groups=[SECOND_CIRCLE])


def listed(connection: Connection, chat: Chat) -> Chat:
    """The chat as the next look-up finds it."""
    found = connection.chats.get_by_thread_id(chat.tid)
    assert found is not None
    return found


def uids(users: Iterable[User]) -> list[str]:
    return [user.uid for user in users]


class TestAddingMembers:
    def test_they_are_in_the_chat_that_is_returned(self, chat: Chat, strangers: list[User]) -> None:
        assert chat.add_members(strangers).users == (*chat.users, *strangers)

    def test_the_next_look_up_has_them(
        self, connection: Connection, chat: Chat, strangers: list[User]
    ) -> None:
        changed = chat.add_members(strangers)

        assert listed(connection, chat) == changed

    def test_the_object_from_before_stays_as_it_was_and_acts(
        self, chat: Chat, strangers: list[User]
    ) -> None:
        before = chat.users
        chat.add_members(strangers[:1])

        assert chat.users == before
        assert chat.add_members(strangers[1:]).users == (*before, *strangers)

    def test_ids_do_as_well(self, chat: Chat, strangers: list[User]) -> None:
        assert chat.add_members(uids(strangers)).users == (*chat.users, *strangers)

    def test_a_circle_stays_a_circle(self, connection: Connection, chat: Chat) -> None:
        circle = connection.groups.get_group(PUBLIC_CIRCLE)
        assert circle is not None
        changed = chat.add_members(groups=[circle])

        assert (changed.circles, changed.users) == ((circle,), chat.users)

    def test_a_list_becomes_its_users(self, connection: Connection, chat: Chat) -> None:
        some = connection.groups.get_group(FIRST_LIST)
        assert some is not None
        changed = chat.add_members(groups=[some])

        assert changed.groups == ()
        assert set(changed.users) == {*chat.users, *some.members}

    def test_users_and_groups_go_together_in_one_request(
        self, box: Sandbox, chat: Chat, strangers: list[User]
    ) -> None:
        changed = chat.add_members(users=strangers, groups=[PUBLIC_CIRCLE])

        assert (len(changed.users) - len(chat.users), len(changed.groups)) == (3, 1)
        assert box.count("PATCH", "/v1/bot/chats/*/members/") == 1

    def test_who_is_a_member_stays_one(self, chat: Chat) -> None:
        assert chat.add_members(chat.users) == chat

    def test_unknown_ids_are_named_and_nobody_is_added(
        self, connection: Connection, chat: Chat, strangers: list[User]
    ) -> None:
        with pytest.raises(TWInvalidMembersError) as caught:
            chat.add_members(
                [*strangers, "nobody", INVISIBLE_USER], [PUBLIC_CIRCLE, INVISIBLE_CIRCLE]
            )

        assert caught.value.user_ids == ("nobody", INVISIBLE_USER)
        assert caught.value.group_ids == (INVISIBLE_CIRCLE,)
        assert all(name in str(caught.value) for name in ("nobody", INVISIBLE_CIRCLE))
        assert listed(connection, chat) == chat

    def test_a_circle_that_is_not_public_is_refused_and_the_text_says_why(self, chat: Chat) -> None:
        with pytest.raises(TWAuthError, match="only circles that are public") as caught:
            chat.add_members(groups=[PRIVATE_CIRCLE])

        assert (caught.value.status, caught.value.code) == (403, "circle_not_public")

    def test_a_handle_needs_no_listing(self, box: Sandbox, connection: Connection) -> None:
        connection.chats.at(KNOWN_CHAT).add_members([KNOWN_USER])

        assert [served.method for served in box.requests] == ["PATCH"]


class TestRemovingMembers:
    def test_they_are_no_longer_in_the_chat(self, connection: Connection, own: Chat) -> None:
        changed = own.remove_members([KNOWN_USER], [SECOND_CIRCLE])

        assert (changed.users, changed.groups) == ((), ())
        assert listed(connection, own) == changed

    def test_an_administrator_who_is_removed_is_one_no_longer(self, own: Chat) -> None:
        admins = own.add_admins([KNOWN_USER]).admins
        changed = own.remove_members([KNOWN_USER])

        assert (KNOWN_USER in uids(admins), KNOWN_USER in uids(changed.admins)) == (True, False)

    def test_who_is_in_by_a_circle_only_is_named_and_nobody_is_removed(
        self, connection: Connection, own: Chat
    ) -> None:
        (circle,) = own.circles
        inside = next(user for user in circle.members if user.uid != KNOWN_USER)
        with pytest.raises(TWInvalidMembersError) as caught:
            own.remove_members([KNOWN_USER, inside], [PUBLIC_CIRCLE])

        assert caught.value.user_ids == (inside.uid,)
        assert caught.value.group_ids == (PUBLIC_CIRCLE,)
        assert listed(connection, own) == own

    def test_the_bot_is_not_removed_but_leaves(self, connection: Connection, own: Chat) -> None:
        with pytest.raises(TWInvalidMembersError):
            own.remove_members([connection.check()])


class TestAdministrators:
    def test_a_member_becomes_one(self, connection: Connection, own: Chat) -> None:
        changed = own.add_admins(own.users)

        assert changed.admins == (*own.admins, *own.users)
        assert listed(connection, own) == changed

    def test_who_is_in_by_a_circle_becomes_one(self, own: Chat) -> None:
        inside = own.circles[0].members[0]

        assert inside in own.add_admins([inside]).admins

    def test_who_is_one_stays_one(self, own: Chat) -> None:
        assert own.add_admins(own.admins) == own

    def test_who_is_no_member_is_named_and_nobody_becomes_one(
        self, connection: Connection, chat: Chat, strangers: list[User]
    ) -> None:
        with pytest.raises(TWInvalidMembersError) as caught:
            chat.add_admins([*chat.users, *strangers])

        assert caught.value.user_ids == tuple(uids(strangers))
        assert listed(connection, chat) == chat

    def test_one_becomes_a_plain_member(self, connection: Connection, own: Chat) -> None:
        changed = own.add_admins([KNOWN_USER]).remove_admins([KNOWN_USER])

        assert changed == own
        assert listed(connection, own) == own

    def test_who_is_none_is_named(self, own: Chat) -> None:
        with pytest.raises(TWInvalidMembersError) as caught:
            own.remove_admins([KNOWN_USER])

        assert caught.value.user_ids == (KNOWN_USER,)

    def test_the_bot_can_stop_being_one(self, connection: Connection, own: Chat) -> None:
        changed = own.remove_admins([connection.check()])

        assert changed.admins == ()
        with pytest.raises(TWAuthError):
            own.set_title("no longer")


class TestWhoMay:
    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
    def test_only_an_administrator_changes_members(
        self, box: Sandbox, connection: Connection, change: Callable[[ChatHandle], object]
    ) -> None:
        theirs = box.add_chat(title="theirs", users=[KNOWN_USER])

        with pytest.raises(TWAuthError, match="not an administrator") as caught:
            change(connection.chats.at(theirs.tid))

        assert (caught.value.status, caught.value.code) == (403, "not_admin")

    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
    def test_a_one_to_one_chat_cannot_be_extended(
        self, connection: Connection, change: Callable[[Chat], object]
    ) -> None:
        alone = connection.chats.create_chat(users=[KNOWN_USER])

        with pytest.raises(TWRequestError) as caught:
            change(alone)

        assert (caught.value.status, caught.value.code) == (409, "one_to_one")
        assert listed(connection, alone) == alone

    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
    def test_of_a_chat_that_is_gone_nothing_is_changed_nor_is_it_found(
        self,
        box: Sandbox,
        connection: Connection,
        chat: Chat,
        change: Callable[[Chat], object],
    ) -> None:
        box.remove_chat(chat)

        with pytest.raises(TWNotFoundError):
            change(chat)
        assert connection.chats.get_by_thread_id(chat.tid) is None

    @pytest.mark.parametrize("method", CHANGES)
    def test_nobody_costs_no_request(
        self, box: Sandbox, connection: Connection, method: str
    ) -> None:
        with pytest.raises(ValueError, match="users"):
            getattr(connection.chats.at(KNOWN_CHAT), method)([])

        assert box.requests == []


class TestLaggingAndLostAnswers:
    def test_a_list_that_lags_does_not_undo_a_change(self, box: Sandbox) -> None:
        box.fault(*LISTING, lag=20)
        connection = box.connect(clock=box.clock)
        chat = connection.chats.get_by_thread_id(KNOWN_CHAT)
        assert chat is not None
        changed = chat.add_members(groups=[PUBLIC_CIRCLE])

        for _ in range(25):
            box.advance(1)
            assert listed(connection, chat) == changed
            assert connection.chats.get_subscriptions(refresh=True).count(changed) == 1

    def test_after_a_lost_answer_the_next_look_up_tells_what_came_of_it(self, box: Sandbox) -> None:
        connection = box.connect(config=ConnectionConfig(retries=0))
        chat = connection.chats.get_by_thread_id(KNOWN_CHAT)
        assert chat is not None
        box.fault("PATCH", "/v1/bot/chats/*/members/", drop="after", times=1)
        with pytest.raises(TWDeliveryUnknownError):
            chat.add_members(groups=[PUBLIC_CIRCLE])

        assert [circle.gid for circle in listed(connection, chat).circles] == [PUBLIC_CIRCLE]

    @pytest.mark.usefixtures("no_pauses")
    def test_a_change_whose_answer_was_lost_is_done_once(self, box: Sandbox, own: Chat) -> None:
        """The second time there would be nobody to remove any more."""
        box.fault("PATCH", "/v1/bot/chats/*/members/", drop="after", times=1)

        assert own.remove_members([KNOWN_USER]).users == ()


class TestLeaving:
    def test_the_chat_is_no_longer_found(self, connection: Connection, chat: Chat) -> None:
        chat.leave()

        assert connection.chats.get_by_thread_id(chat.tid) is None
        assert chat.tid not in {each.tid for each in connection.chats.get_by_title("test")}
        assert chat.tid not in {each.tid for each in connection.chats.get_subscriptions()}

    def test_a_list_that_lags_does_not_bring_it_back(self, box: Sandbox) -> None:
        box.fault(*LISTING, lag=20)
        chats = box.connect(clock=box.clock).chats
        chat = chats.get_by_thread_id(KNOWN_CHAT)
        assert chat is not None
        chat.leave()

        for _ in range(25):
            box.advance(1)
            assert chats.get_by_thread_id(KNOWN_CHAT) is None
            assert KNOWN_CHAT not in {each.tid for each in chats.get_subscriptions(refresh=True)}

    def test_a_one_to_one_chat_can_be_left(self, connection: Connection) -> None:
        alone = connection.chats.create_chat(users=[KNOWN_USER])
        alone.leave()

        assert connection.chats.get_by_thread_id(alone.tid) is None

    def test_it_takes_no_administrator(self, box: Sandbox, connection: Connection) -> None:
        theirs = box.add_chat(title="theirs", users=[KNOWN_USER])
        connection.chats.at(theirs.tid).leave()

        assert connection.chats.get_by_title("theirs") == []

    def test_twice_is_once_too_often(self, chat: Chat) -> None:
        chat.leave()

        with pytest.raises(TWNotFoundError):
            chat.leave()

    @pytest.mark.usefixtures("no_pauses")
    def test_after_a_lost_answer_it_is_left_all_the_same(self, box: Sandbox, chat: Chat) -> None:
        """What is sent again is the same departure, not one from a chat that was left."""
        box.fault("DELETE", "/v1/bot/chats/*/members/me/", drop="after", times=1)
        chat.leave()

        assert box.count("DELETE", "/v1/bot/chats/*/members/me/") == 2

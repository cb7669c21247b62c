"""Users, circles and lists over real HTTP."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import (
    Bot,
    Connection,
    ConnectionConfig,
    TWAuthError,
    TWDeliveryUnknownError,
    TWImageLoadError,
    TWInvalidMembersError,
    TWNotFoundError,
)
from teamwire_sync._cache.single_flight import Flight
from teamwire_sync._sandbox.world.seed import (
    BOT_LIST,
    FIRST_LIST,
    INVISIBLE_CIRCLE,
    INVISIBLE_USER,
    KNOWN_USER,
    PUBLIC_CIRCLE,
)
from teamwire_sync._server.serializers import dump, user_document
from tests.support.waiting import Threads, wait_until

if TYPE_CHECKING:
    from teamwire_sync import Group, User
    from teamwire_sync.testing import Sandbox
    from tests.support.builders import Clock

USERS = ("GET", "/v1/bot/users/")
USER = ("GET", "/v1/bot/users/*/")
AVATAR = ("GET", "/v1/bot/users/*/avatar/")
GROUPS = ("GET", "/v1/bot/groups/")
GROUP = ("GET", "/v1/bot/groups/*/")


def add_users(box: Sandbox, count: int) -> None:
    """Let so many new people come to the organisation."""
    with box._world.database.writing() as db:
        for number in range(count):
            user = user_document(f"new{number}", "Neu", f"Zz{number:06}", None, has_avatar=False)
            db.execute(
                "INSERT INTO users VALUES (?, ?, ?, ?)",
                (user["uid"], f"neu zz{number:06}", True, dump(user)),
            )


def retitle_group(box: Sandbox, gid: str, title: str) -> None:
    """Let somebody else give a circle or list another title."""
    with box._world.database.writing() as db:
        db.execute(
            "UPDATE groups SET name = ?, document = json_set(document, '$.title', ?) WHERE gid = ?",
            (title.casefold(), title, gid),
        )


class TestFindingUsers:
    def test_a_part_of_a_name_finds_them_whatever_its_case(self, connection: Connection) -> None:
        everybody = connection.users.get_all()
        text = everybody[0].last_name[1:].upper()
        wanted = [user for user in everybody if text.casefold() in user.full_name().casefold()]

        assert connection.users.find(text) == wanted != []

    def test_both_names_find_them(self, connection: Connection) -> None:
        user = connection.users.get_user(KNOWN_USER)
        assert user is not None

        assert user in connection.users.find(user.full_name())

    def test_nobody_is_an_empty_list(self, connection: Connection) -> None:
        assert connection.users.find("nobody is called so") == []

    def test_text_is_no_pattern(self, connection: Connection) -> None:
        assert connection.users.find("%") == connection.users.find("_") == []

    def test_the_same_text_is_asked_for_once(self, box: Sandbox, connection: Connection) -> None:
        found = [connection.users.find("a") for _ in range(3)]

        assert found[0] == found[1] == found[2] != []
        assert box.count(*USERS) == 1

    def test_the_list_is_the_callers_own(self, connection: Connection) -> None:
        connection.users.find("a").clear()

        assert connection.users.find("a") != []

    def test_who_came_since_is_found_after_the_floor(self, box: Sandbox, clock: Clock) -> None:
        users = box.connect(clock=clock).users
        assert users.find("Zz000000") == []
        add_users(box, 1)
        assert users.find("Zz000000") == []

        clock.advance(5)

        assert [user.uid for user in users.find("Zz000000")] == ["new0"]

    def test_more_than_a_page_are_found(self, box: Sandbox, connection: Connection) -> None:
        add_users(box, 1200)

        assert len(connection.users.find("neu zz")) == 1200
        assert box.count(*USERS) == 3

    def test_whom_the_bot_cannot_see_is_not_found(self, connection: Connection) -> None:
        assert INVISIBLE_USER not in {user.uid for user in connection.users.get_all()}

    @pytest.mark.parametrize(("text", "error"), [("", ValueError), (None, TypeError)])
    def test_a_bad_text_costs_no_request(
        self, box: Sandbox, connection: Connection, text: str, error: type
    ) -> None:
        with pytest.raises(error):
            connection.users.find(text)

        assert box.requests == []


DEPRECATED = pytest.mark.filterwarnings("ignore:users.iter_all:DeprecationWarning")


@DEPRECATED
class TestAllUsers:
    def test_each_comes_once_by_name(self, box: Sandbox, connection: Connection) -> None:
        add_users(box, 1200)
        everybody = list(connection.users.iter_all())
        names = [user.full_name().casefold() for user in everybody]

        assert len({user.uid for user in everybody}) == len(everybody) > 1200
        assert names == sorted(names)

    def test_no_page_is_read_before_it_is_needed(
        self, box: Sandbox, connection: Connection
    ) -> None:
        add_users(box, 1200)
        counts = [box.count(*USERS)]
        loop = iter(connection.users.iter_all())
        for count in (1, 499, 1):
            list(islice(loop, count))
            counts.append(box.count(*USERS))

        assert counts == [0, 1, 1, 2]

    def test_a_second_loop_starts_anew(self, box: Sandbox, connection: Connection) -> None:
        everybody = connection.users.iter_all()
        before = list(everybody)
        add_users(box, 1)

        assert {user.uid for user in everybody} - {user.uid for user in before} == {"new0"}

    def test_who_comes_while_it_is_read_disturbs_nobody(
        self, box: Sandbox, connection: Connection
    ) -> None:
        loop = iter(connection.users.iter_all())
        read = list(islice(loop, 1))
        add_users(box, 600)
        read += loop

        assert len({user.uid for user in read}) == len(read)

    def test_whoever_has_come_is_known_by_id(self, box: Sandbox, connection: Connection) -> None:
        everybody = list(connection.users.iter_all())

        assert all(connection.users.get_user(user.uid) is user for user in everybody)
        assert box.count(*USER) == 0


class TestPictures:
    def test_a_user_who_has_set_one_has_one(self, box: Sandbox, connection: Connection) -> None:
        user = connection.users.get_user(KNOWN_USER)
        assert user is not None

        assert user.has_avatar()
        assert box.count(*AVATAR) == 0
        assert user.load_avatar().startswith(b"\x89PNG\r\n")

    def test_a_user_who_has_set_none_has_none(self, box: Sandbox, connection: Connection) -> None:
        add_users(box, 1)
        user = connection.users.get_user("new0")
        assert user is not None

        assert not user.has_avatar()
        with pytest.raises(TWImageLoadError, match="no picture") as caught:
            user.load_avatar()
        assert (caught.value.status, caught.value.code) == (404, "no_avatar")

    def test_that_there_is_one_is_true_wherever_the_user_comes_from(
        self, connection: Connection
    ) -> None:
        chats = connection.chats.get_subscriptions()
        members = [user for chat in chats for user in chat.users]
        circle = connection.groups.get_group(PUBLIC_CIRCLE)
        assert circle is not None

        for user in (*members, *circle.members, *connection.users.find("a")):
            assert user.has_avatar() == (connection.users.get_user(user.uid) or user).has_avatar()
        assert any(user.has_avatar() for user in members)

    def test_it_can_be_loaded_wherever_the_user_comes_from(self, connection: Connection) -> None:
        owners = [group.owner for group in connection.groups.get_all() if group.owner]
        users = [*connection.users.get_all(), *connection.users.find("a"), *owners]
        with_picture = {id(user): user for user in users if user.has_avatar()}
        images = [user.load_avatar() for user in list(with_picture.values())[-5:]]

        assert any(owner.has_avatar() for owner in owners)
        assert {image[:4] for image in images} == {b"\x89PNG"}

    def test_of_a_user_who_is_gone_there_is_none_to_load(
        self, box: Sandbox, connection: Connection
    ) -> None:
        user = connection.users.get_user(KNOWN_USER)
        assert user is not None
        with box._world.database.writing() as db:
            db.execute("UPDATE users SET is_visible = 0 WHERE uid = ?", (KNOWN_USER,))

        with pytest.raises(TWNotFoundError):
            user.load_avatar()


class TestGroups:
    def test_all_are_listed_by_title(self, connection: Connection) -> None:
        groups = connection.groups.get_all()
        titles = [group.title.casefold() for group in groups]

        assert titles == sorted(titles)
        assert {PUBLIC_CIRCLE, BOT_LIST} < {group.gid for group in groups}
        assert INVISIBLE_CIRCLE not in {group.gid for group in groups}

    def test_all_are_asked_for_once_in_the_time_to_live(self, box: Sandbox, clock: Clock) -> None:
        groups = box.connect(clock=clock).groups
        for _ in range(3):
            clock.advance(99)
            groups.get_all()
        within = box.count(*GROUPS)
        clock.advance(299)
        groups.get_all()

        assert (within, box.count(*GROUPS)) == (1, 2)

    def test_threads_that_need_them_ask_once(
        self, box: Sandbox, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        groups, waiting, wait = connection.groups, [], Flight.wait
        monkeypatch.setattr(Flight, "wait", lambda *given: waiting.append(given) or wait(*given))
        with Threads(8) as threads, box.hold(*GROUPS) as held:
            found = [threads.start(groups.get_all) for _ in range(8)]
            held.wait_arrived()
            wait_until(lambda: len(waiting) == 7)
            held.release()

        assert len({tuple(each.result()) for each in found}) == 1
        assert box.count(*GROUPS) == 1

    def test_they_come_without_their_members_which_are_asked_for(
        self, box: Sandbox, connection: Connection
    ) -> None:
        group = connection.groups.find("Alle Pflegekräfte")[0]
        before = box.count(*GROUP)

        assert len(group.members) == len(group.get_members()) == 20
        assert (before, box.count(*GROUP)) == (0, 1)

    def test_one_who_keeps_a_list_is_known(self, connection: Connection) -> None:
        (own,) = connection.groups.find("Rufbereitschaft")

        assert isinstance(own.owner, Bot)
        assert own.owner == connection.check()

    def test_a_title_finds_exactly_those_that_have_it(
        self, box: Sandbox, connection: Connection
    ) -> None:
        retitle_group(box, PUBLIC_CIRCLE, "Rufbereitschaft")

        groups = connection.groups
        assert {group.gid for group in groups.get_by_title("Rufbereitschaft")} == {
            PUBLIC_CIRCLE,
            BOT_LIST,
        }
        assert groups.get_by_title("rufbereitschaft") == groups.get_by_title("Ruf") == []

    def test_titles_are_looked_up_in_one_list(self, box: Sandbox, connection: Connection) -> None:
        for group in connection.groups.get_all():
            assert connection.groups.get_by_title(group.title) == [group]

        assert box.count(*GROUPS) == 1

    def test_one_that_is_new_is_found_after_the_floor(self, box: Sandbox, clock: Clock) -> None:
        groups = box.connect(clock=clock).groups
        assert groups.find("new title") == []
        retitle_group(box, BOT_LIST, "new title")
        assert groups.find("new title") == []

        clock.advance(5.1)

        assert [group.gid for group in groups.find("new title")] == [BOT_LIST]

    def test_a_ghost_costs_one_request_per_floor(self, box: Sandbox, clock: Clock) -> None:
        groups = box.connect(clock=clock).groups
        for _ in range(100):
            clock.advance(0.11)
            assert groups.find("ghost") == []

        assert box.count(*GROUPS) == 1 + 2  # 11 seconds, a floor of more than 5


class TestMembersOfLists:
    @pytest.fixture
    def group(self, connection: Connection) -> Group:
        """A list of the bot's."""
        (found,) = connection.groups.find("Rufbereitschaft")
        return found

    @pytest.fixture
    def outsider(self, connection: Connection, group: Group) -> User:
        """Somebody who is not in it."""
        return next(user for user in connection.users.get_all() if not group.is_member(user))

    def test_they_are_in_the_list_that_is_returned(self, group: Group, outsider: User) -> None:
        before = group.members
        changed = group.add_members([outsider])

        assert changed.members == [*before, outsider]

    def test_they_are_in_it_wherever_it_is_looked_at(
        self, box: Sandbox, connection: Connection, group: Group, outsider: User
    ) -> None:
        box.add_chat(title="with a list", users=[KNOWN_USER], groups=[BOT_LIST])
        in_chat = connection.chats.one_by_title("with a list").lists[0]
        assert not in_chat.is_member(outsider)
        group.add_members([outsider])
        by_id = connection.groups.get_group(BOT_LIST)

        assert by_id is not None
        assert outsider in by_id.members
        assert in_chat.is_member(outsider)
        assert group.is_member(outsider)

    def test_they_are_taken_out(self, connection: Connection, group: Group) -> None:
        first, *others = group.members
        changed = group.remove_members([first.uid])

        assert changed.members == others
        assert connection.groups.get_group(BOT_LIST) == changed
        assert group.members == others

    def test_unknown_ids_are_named_and_nobody_is_added(self, group: Group, outsider: User) -> None:
        before = group.members
        with pytest.raises(TWInvalidMembersError) as caught:
            group.add_members([outsider, "nobody"])

        assert caught.value.user_ids == ("nobody",)
        assert group.members == before

    def test_who_is_not_in_it_is_named(self, group: Group, outsider: User) -> None:
        with pytest.raises(TWInvalidMembersError) as caught:
            group.remove_members([outsider])

        assert caught.value.user_ids == (outsider.uid,)

    @pytest.mark.parametrize(
        ("gid", "code"),
        [(PUBLIC_CIRCLE, "circle_managed"), (FIRST_LIST, "not_owner")],
        ids=["circle", "list of others"],
    )
    def test_what_others_keep_the_bot_may_not_change(
        self, connection: Connection, gid: str, code: str
    ) -> None:
        kept = connection.groups.get_group(gid)
        assert kept is not None

        with pytest.raises(TWAuthError) as caught:
            kept.add_members([KNOWN_USER])

        assert (caught.value.status, caught.value.code) == (403, code)

    def test_after_a_lost_answer_they_are_asked_for_anew(
        self, box: Sandbox, outsider: User
    ) -> None:
        connection = box.connect(config=ConnectionConfig(retries=0))
        group = connection.groups.get_group(BOT_LIST)
        assert group is not None
        box.fault("PATCH", "/v1/bot/groups/*/members/", drop="after", times=1)
        with pytest.raises(TWDeliveryUnknownError):
            group.add_members([outsider])

        anew = connection.groups.get_group(BOT_LIST)
        assert anew is not None
        assert outsider in anew.members

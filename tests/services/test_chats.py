"""connection.chats over a transport that is a dict."""

from __future__ import annotations

import pickle
import time
from typing import TYPE_CHECKING, Callable

import pytest

from teamwire_sync import (
    ChatHandle,
    ChatList,
    ChatType,
    Connection,
    TWAmbiguousTitleError,
    TWClosedError,
    TWNotFoundError,
    TWProtocolError,
    TWServerError,
)
from tests.support.builders import make_chat, make_group, make_user
from tests.support.fake_transport import FakeTransport
from tests.support.tables import unlike

if TYPE_CHECKING:
    from teamwire_sync._services.chats import Chats
    from tests.support.builders import Clock


@pytest.fixture
def transport() -> FakeTransport:
    return FakeTransport(
        make_chat("t1", "one", groups=(make_group(),)),
        make_chat("t2", "same"),
        make_chat("t3", "same"),
    )


@pytest.fixture
def connection(transport: FakeTransport) -> Connection:
    return Connection(transport=transport)


@pytest.fixture
def chats(connection: Connection) -> Chats:
    return connection.chats


class TestLookUps:
    def test_get_subscriptions_gives_a_list_of_its_own(self, chats: Chats) -> None:
        listed = chats.get_subscriptions()
        listed.clear()

        assert isinstance(listed, ChatList)
        assert len(chats.get_subscriptions()) == 3

    def test_get_by_thread_id_finds_a_chat(self, chats: Chats) -> None:
        assert chats.get_by_thread_id("t1").title == "one"

    def test_get_by_thread_id_gives_none(self, chats: Chats) -> None:
        assert chats.get_by_thread_id("nope") is None

    @pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
    def test_get_by_title_gives_a_list_of_its_own(self, chats: Chats, warm: bool) -> None:
        if warm:
            chats.get_subscriptions()
        chats.get_by_title("same").clear()

        assert [chat.tid for chat in chats.get_by_title("same")] == ["t2", "t3"]

    def test_get_by_title_gives_an_empty_list(self, chats: Chats) -> None:
        assert chats.get_by_title("nope") == []

    def test_a_wrong_type_is_named_before_any_request(
        self, chats: Chats, transport: FakeTransport
    ) -> None:
        rows = [
            (lambda: chats.get_by_title(None), TypeError, "title"),
            (lambda: chats.get_by_thread_id(5), TypeError, "tid"),
            (lambda: chats.one_by_title(b"test"), TypeError, "title"),
            (lambda: chats.at(None), TypeError, "tid"),
            (lambda: chats.get_subscriptions(timeout="5"), TypeError, "timeout"),
        ]

        assert unlike(lambda call: call(), rows) == []
        assert transport.calls == []

    @pytest.mark.parametrize("name", ["get_by_thread_id", "get_by_title"])
    def test_a_second_argument_that_is_no_time_is_refused_in_a_hit_too(
        self, chats: Chats, name: str
    ) -> None:
        known = chats.get_subscriptions()[0]
        look_up = getattr(chats, name)
        for key in (known.tid, known.title, "ghost"):
            with pytest.raises(TypeError, match="timeout must be a number"):
                look_up(key, "t2")

    @pytest.mark.parametrize("timeout", [0, -1, float("nan")])
    def test_a_timeout_has_to_be_above_zero(self, chats: Chats, timeout: float) -> None:
        with pytest.raises(ValueError, match="timeout must be more than zero"):
            chats.get_by_thread_id("t1", timeout=timeout)

    @pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
    def test_what_has_no_hash_is_refused_in_the_same_words(self, chats: Chats, warm: bool) -> None:
        if warm:
            chats.get_subscriptions()
        for look_up, name in ((chats.get_by_thread_id, "tid"), (chats.get_by_title, "title")):
            text = f"{name} must be a str, not {{}}"
            given = (["t1"], {}, {"t1"})
            rows = [(one, TypeError, text.format(type(one).__name__)) for one in given]

            assert unlike(look_up, rows) == []

    def test_progress_has_to_be_callable(self, chats: Chats, transport: FakeTransport) -> None:
        with pytest.raises(TypeError, match="progress must be True, False or callable, not str"):
            chats.get_subscriptions(progress="yes")

        assert transport.calls == []

    def test_a_timeout_reaches_the_transport(
        self, chats: Chats, transport: FakeTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)
        chats.get_by_thread_id("t1", timeout=5)

        assert transport.deadlines == [105.0]

    def test_progress_is_told_pages_and_chats(self, chats: Chats) -> None:
        told = []
        chats.get_subscriptions(progress=lambda *numbers: told.append(numbers))

        assert told == [(1, 3)]

    def test_refresh_lists_anew(self, chats: Chats, transport: FakeTransport) -> None:
        chats.get_subscriptions()
        transport.chats.pop()

        assert len(chats.get_subscriptions(refresh=True)) == 2

    def test_only_a_refresh_wants_no_answer_of_a_cache_in_between(
        self, chats: Chats, transport: FakeTransport
    ) -> None:
        for refresh in (False, True, True):
            chats.get_subscriptions(refresh=refresh)

        assert transport.refreshed == [False, True, True]


class TestOneByTitle:
    def test_it_finds_the_one(self, chats: Chats) -> None:
        assert chats.one_by_title("one").tid == "t1"

    def test_several_are_ambiguous_and_named(self, chats: Chats) -> None:
        with pytest.raises(TWAmbiguousTitleError, match="t2, t3") as caught:
            chats.one_by_title("same")

        assert [chat.tid for chat in caught.value.candidates] == ["t2", "t3"]
        assert caught.value.title == "same"

    def test_none_names_the_titles_that_come_close(self, chats: Chats) -> None:
        with pytest.raises(TWNotFoundError, match="similar titles: 'same'") as caught:
            chats.one_by_title("sane")

        assert caught.value.close_titles == ("same",)

    def test_the_name_of_a_person_leads_to_the_one_to_one_chat(self) -> None:
        direct = make_chat("t9", None, users=(make_user(),), type=ChatType.ONE_TO_ONE)
        group = make_chat("t8", None, users=(make_user(),))
        chats = Connection(transport=FakeTransport(group, direct)).chats
        with pytest.raises(TWNotFoundError, match=r"this person has no title.* the thread ID t9$"):
            chats.one_by_title("ada lovelace")

    def test_the_text_of_a_group_chat_without_a_title_leads_nowhere(self) -> None:
        chats = Connection(transport=FakeTransport(make_chat("t8", None))).chats
        with pytest.raises(TWNotFoundError, match=r"^no chat has the title 'no title'$"):
            chats.one_by_title("no title")

    @pytest.mark.parametrize("title", ["SAME", " same ", "\N{LATIN SMALL LETTER LONG S}ame"])
    def test_another_spelling_is_not_found_but_pointed_out(self, chats: Chats, title: str) -> None:
        with pytest.raises(TWNotFoundError, match="'same' differs in case, spaces or Unicode form"):
            chats.one_by_title(title)

    def test_nothing_like_it_says_just_that(self, chats: Chats) -> None:
        with pytest.raises(TWNotFoundError, match=r"no chat has the title 'zzzzz'$"):
            chats.one_by_title("zzzzz")

    def test_the_empty_title_has_nothing_close_to_it(
        self, chats: Chats, transport: FakeTransport
    ) -> None:
        transport.chats.append(make_chat("t4", "   "))

        with pytest.raises(TWNotFoundError, match=r"no chat has the title ''$"):
            chats.one_by_title("")

    def test_of_very_many_the_text_names_a_few(
        self, chats: Chats, transport: FakeTransport
    ) -> None:
        transport.chats += [make_chat(f"many{number}", "many") for number in range(300)]

        with pytest.raises(TWAmbiguousTitleError, match=r"many9 and 290 more$") as caught:
            chats.one_by_title("many")
        assert len(caught.value.candidates) == 300

    def test_a_known_miss_says_what_a_new_one_said(self, chats: Chats) -> None:
        texts = set()
        for _ in range(2):
            with pytest.raises(TWNotFoundError) as caught:
                chats.one_by_title("sane")
            texts.add(str(caught.value))

        assert len(texts) == 1


class TestCreate:
    def test_objects_and_ids_become_ids(self, chats: Chats, transport: FakeTransport) -> None:
        chats.create_chat(users=[make_user("u1"), "u2"], groups=(make_group("g1"), "g2"))

        (draft,) = transport.drafts
        assert (draft.user_ids, draft.group_ids) == (("u1", "u2"), ("g1", "g2"))

    def test_a_recipient_given_twice_is_invited_once(
        self, chats: Chats, transport: FakeTransport
    ) -> None:
        chats.create_chat(users=iter(["u1", make_user("u1")]))

        assert transport.drafts[0].user_ids == ("u1",)

    def test_all_that_is_given_reaches_the_transport(
        self, chats: Chats, transport: FakeTransport
    ) -> None:
        chats.create_chat(
            title="t",
            users=["u"],
            message="m",
            allow_sending=False,
            allow_mute_notifications=False,
            is_alert=True,
        )

        (draft,) = transport.drafts
        assert (draft.title, draft.message) == ("t", "m")
        assert (draft.allow_sending, draft.allow_mute_notifications, draft.is_alert) == (
            False,
            False,
            True,
        )

    def test_the_new_chat_is_found_after_one_refresh(
        self, chats: Chats, transport: FakeTransport
    ) -> None:
        chats.get_subscriptions()
        new = chats.create_chat(title="new", users=["u1"])

        assert chats.get_by_title("new") == [new]
        assert chats.get_by_thread_id(new.tid) == new
        assert transport.calls == ["iter_chat_pages", "create_chat", "iter_chat_pages"]

    def test_bad_arguments_are_named_before_any_request(
        self, chats: Chats, transport: FakeTransport
    ) -> None:
        rows = [
            ({}, ValueError, "needs users or groups"),
            ({"users": []}, ValueError, "needs users or groups"),
            ({"users": "abc"}, TypeError, "users must be a list of User objects or ids, not str"),
            ({"users": make_user()}, TypeError, "users must be a list .*, not User"),
            ({"groups": make_group()}, TypeError, "groups must be a list .*, not Group"),
            ({"groups": 45529}, TypeError, "groups must be a list .*, not int"),
            ({"users": [None]}, TypeError, r"users\[0\].*get_user returns None"),
            ({"users": ["u"], "groups": [None]}, TypeError, r"groups\[0\].*get_group returns None"),
            ({"groups": [45529]}, TypeError, r"groups\[0\] must be a Group or its id, not int"),
            ({"users": ["u", make_group()]}, TypeError, r"users\[1\] must be a User.*, not Group"),
            ({"users": ["u", ""]}, ValueError, r"users\[1\] is empty"),
            ({"users": ["u"], "title": 5}, TypeError, "title must be a str, not int"),
            ({"users": ["u"], "message": b"x"}, TypeError, "message must be a str, not bytes"),
            ({"users": ["u"], "is_alert": "no"}, TypeError, "is_alert must be True or False"),
            ({"users": ["u"], "allow_sending": None}, TypeError, "allow_sending must be True or"),
            ({"users": ["u"], "title": "\ud800"}, ValueError, "title has half of a surrogate"),
            ({"users": ["u"], "message": "\ud800"}, ValueError, "message has half of a surr"),
            ({"users": ["\ud800"]}, ValueError, r"users\[0\] has half of a surrogate pair"),
            ({"users": ["u"], "timeout": 0}, ValueError, "timeout must be more than zero"),
        ]

        assert unlike(lambda given: chats.create_chat(**given), rows) == []
        assert transport.calls == []

    def test_it_takes_keywords_only(self, chats: Chats) -> None:
        with pytest.raises(TypeError, match="positional"):
            chats.create_chat("title", ["u1"])

    def test_a_refused_argument_costs_the_cache_nothing(
        self, chats: Chats, transport: FakeTransport
    ) -> None:
        chats.get_subscriptions()
        with pytest.raises(ValueError, match="surrogate"):
            chats.create_chat(users=["u1"], title="\ud800")
        chats.get_subscriptions()

        assert transport.calls == ["iter_chat_pages"]

    def test_a_failure_is_raised(self, chats: Chats, transport: FakeTransport) -> None:
        transport.error = TWServerError("down")

        with pytest.raises(TWServerError):
            chats.create_chat(users=["u1"])


class TestActing:
    def test_a_listed_chat_posts(self, chats: Chats) -> None:
        chat = chats.one_by_title("one")
        message = chat.post("hello")

        assert (message.msg, message.chat) == ("hello", chat)

    def test_a_created_chat_posts(self, chats: Chats) -> None:
        assert chats.create_chat(users=["u1"]).post("hello").msg == "hello"

    def test_a_handle_posts_without_listing(self, chats: Chats, transport: FakeTransport) -> None:
        chats.at("t1").post("hello")

        assert transport.calls == ["post_message"]

    def test_making_a_handle_asks_nothing(self, chats: Chats, transport: FakeTransport) -> None:
        assert chats.at("t1") == ChatHandle("t1")
        assert transport.calls == []

    def test_an_empty_thread_id_is_refused(self, chats: Chats) -> None:
        with pytest.raises(ValueError, match="tid is empty"):
            chats.at("")

    def test_posting_leaves_the_cache_alone(self, chats: Chats, transport: FakeTransport) -> None:
        for _ in range(3):
            chats.one_by_title("one").post("hello")

        assert transport.calls.count("iter_chat_pages") == 1

    def test_a_message_that_is_none_is_refused_before_any_request(
        self, chats: Chats, transport: FakeTransport
    ) -> None:
        rows = [(given, TypeError, "message") for given in (None, 5)]

        assert unlike(chats.at("t1").post, [("", ValueError, "message"), *rows]) == []
        assert transport.calls == []

    def test_a_chat_that_is_gone_when_posted_to_is_listed_no_more(
        self, chats: Chats, transport: FakeTransport
    ) -> None:
        chat = chats.one_by_title("one")
        transport.error = TWNotFoundError("gone", status=404)
        with pytest.raises(TWNotFoundError):
            chat.post("hello")
        transport.error = None
        del transport.chats[0]

        assert chats.get_by_thread_id("t1") is None

    def test_the_groups_of_a_chat_fetch_their_members_once(
        self, chats: Chats, transport: FakeTransport
    ) -> None:
        (group,) = chats.one_by_title("one").groups

        assert [group.members, group.get_members(), group.is_member("u1")] == [
            [make_user()],
            [make_user()],
            True,
        ]
        assert transport.calls.count("get_group") == 1

    def test_the_groups_of_a_created_chat_can_fetch_theirs(self, chats: Chats) -> None:
        (group,) = chats.create_chat(users=["u1"]).groups

        assert group.members == [make_user()]

    def test_an_unpickled_chat_says_that_it_belongs_to_no_connection(self, chats: Chats) -> None:
        chat = pickle.loads(pickle.dumps(chats.one_by_title("one")))  # noqa: S301  our own

        with pytest.raises(TWClosedError, match="belongs to no Connection"):
            chat.post("hello")


class TestConnection:
    def test_the_with_block_closes_it(self, connection: Connection) -> None:
        with connection as entered:
            chat = entered.chats.one_by_title("one")

        with pytest.raises(TWClosedError):
            chat.post("hello")

    def test_closed_it_does_nothing_more(self, connection: Connection) -> None:
        connection.chats.get_subscriptions()
        connection.users.get_user("u1")
        connection.close()
        connection.close()
        calls: dict[str, Callable[[], object]] = {
            "list": connection.chats.get_subscriptions,
            "by id": lambda: connection.chats.get_by_thread_id("t1"),
            "by title": lambda: connection.chats.get_by_title("one"),
            "user": lambda: connection.users.get_user("u1"),
            "group": lambda: connection.groups.get_group("g1"),
            "create": lambda: connection.chats.create_chat(users=["u1"]),
            "check": connection.check,
        }

        rows = [(name, TWClosedError, "") for name in calls]
        assert unlike(lambda name: calls[name](), rows) == []

    def test_closed_it_can_not_be_entered(self, connection: Connection) -> None:
        connection.close()

        with pytest.raises(TWClosedError, match="make a new one"), connection:
            pass

    def test_check_gives_the_bot(self, connection: Connection) -> None:
        assert connection.check().full_name() == "Weather Bot"

    def test_it_refuses_to_be_pickled_and_says_why(self, connection: Connection) -> None:
        with pytest.raises(TypeError, match=r"can't be pickled.*in each process"):
            pickle.dumps(connection)

    def test_its_repr_says_whether_it_is_open(self, connection: Connection) -> None:
        before = repr(connection)
        connection.close()

        assert "open" in before
        assert "closed" in repr(connection)

    def test_wrong_arguments_are_named(self) -> None:
        rows = [
            ({"config": {}}, TypeError, "config must be a ConnectionConfig, not dict"),
            ({"clock": 5}, TypeError, "clock must be callable, not int"),
            ({"transport": FakeTransport(), "app_id": "a"}, TypeError, "combined with a transport"),
            ({"app_id": 5}, TypeError, "app_id must be a str, not int"),
        ]

        assert unlike(lambda given: Connection(**given), rows) == []

    def test_the_default_clock_goes_forward(self) -> None:
        with Connection(transport=FakeTransport()) as connection:
            connection.chats.get_subscriptions()

            assert connection.chats.cache_info().age >= 0

    def test_without_a_clock_that_counts_sleep_it_takes_the_monotonic_one(
        self, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
        monkeypatch.setattr(time, "monotonic", clock)
        with Connection(transport=FakeTransport()) as connection:
            connection.chats.get_subscriptions()
            clock.advance(7)

            assert connection.chats.cache_info().age == 7

    def test_invalidate_forgets_the_chats(
        self, connection: Connection, transport: FakeTransport
    ) -> None:
        connection.chats.get_subscriptions()
        connection.chats.invalidate()
        connection.chats.get_subscriptions()

        assert transport.calls == ["iter_chat_pages"] * 2


def test_a_group_that_comes_without_its_members_is_a_protocol_error(
    connection: Connection, transport: FakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "get_group", lambda gid, deadline: make_group(gid))
    group = connection.groups.get_group("g1")

    with pytest.raises(TWProtocolError, match="without its members"):
        group.get_members()

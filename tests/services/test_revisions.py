"""Servers that number only some of their responses, and what a page shows at least."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from teamwire_sync import Connection, TWNotFoundError
from teamwire_sync._transport import ChatPage
from tests.support.builders import make_chat
from tests.support.fake_transport import FakeTransport

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from teamwire_sync._transport import ChatDraft, ChatState


class Numbered(FakeTransport):
    """Has a chat, t1, and is given the number of its last page and that of the chat there."""

    numbers: tuple[int | None, int | None] = (9, 9)
    earlier_pages: Sequence[ChatPage] = ()

    def iter_chat_pages(
        self, *, validator: str | None, deadline: float | None, **asked: Any
    ) -> Iterator[ChatPage]:
        page, chat = self.numbers
        yield from self.earlier_pages
        for each in super().iter_chat_pages(validator=validator, deadline=deadline, **asked):
            yield evolve(each, revision=page, revisions=[chat] * len(each.chats))


@pytest.fixture
def transport() -> Numbered:
    transport = Numbered(make_chat("t1", "one"))
    transport.revision = 9
    return transport


@pytest.fixture
def connection(transport: Numbered) -> Connection:
    return Connection(transport=transport, clock=lambda: 1000.0)


def titles(connection: Connection, *, refresh: bool = True) -> list[str | None]:
    return [chat.title for chat in connection.chats.get_subscriptions(refresh=refresh)]


class TestListThatIsBehind:
    @pytest.fixture(autouse=True)
    def _behind(self, transport: Numbered) -> None:
        transport.behind = list(transport.chats)

    @pytest.mark.parametrize("numbers", [(9, 9), (9, None), (None, 9), (9, 3), (3, 9)])
    def test_hides_no_own_change_if_it_has_any_number(
        self, numbers: tuple[int, int], connection: Connection, transport: Numbered
    ) -> None:
        transport.numbers = numbers
        connection.chats.at("t1").set_title("uno")

        assert titles(connection) == ["uno"]

    @pytest.mark.parametrize("numbers", [(9, 9), (9, None), (None, 9), (None, None)])
    def test_lacks_no_chat_that_was_made_and_renamed(
        self, numbers: tuple[int | None, int | None], connection: Connection, transport: Numbered
    ) -> None:
        transport.numbers = numbers
        connection.chats.create_chat(title="new", users=["u1"]).set_title("newer")

        assert titles(connection) == ["one", "newer"]

    def test_without_numbers_lacks_no_chat_whose_rename_was_heard_before_it_was_made(
        self, connection: Connection, transport: Numbered, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The event of a rename by somebody comes before the response to the create."""
        create = transport.create_chat

        def hear_first(draft: ChatDraft, *, deadline: float | None) -> ChatState:
            made = create(draft, deadline=deadline)
            connection._parts.cache.on_state(made.tid, make_chat(made.tid, "theirs"), 11)
            return made

        monkeypatch.setattr(transport, "create_chat", hear_first)
        transport.numbers = (None, None)
        connection.chats.create_chat(title="new", users=["u1"])

        assert titles(connection) == ["one", "theirs"]

    def test_without_numbers_has_no_chat_that_was_made_and_left(
        self, connection: Connection, transport: Numbered
    ) -> None:
        transport.numbers = (None, None)
        connection.chats.create_chat(title="new", users=["u1"]).leave()

        assert titles(connection) == ["one"]


class TestPage:
    """It shows all that has happened to its chats up to its number."""

    @pytest.fixture(params=[3, None])
    def transport(self, transport: Numbered, request: pytest.FixtureRequest) -> Numbered:
        transport.numbers = (9, request.param)
        return transport

    def test_beyond_a_404_has_the_chat(self, connection: Connection, transport: Numbered) -> None:
        gone = TWNotFoundError("gone", status=404, code="not_found")
        gone._revision = 9
        transport.errors["post_message"] = gone
        with pytest.raises(TWNotFoundError):
            connection.chats.at("t1").post("hello")

        assert titles(connection) == ["one"]

    def test_before_a_404_does_not_have_the_chat(
        self, connection: Connection, transport: Numbered
    ) -> None:
        connection._parts.cache.on_state("t1", None, 10)

        assert titles(connection) == []

    def test_counts_for_its_chats_though_another_page_is_older(
        self, connection: Connection, transport: Numbered
    ) -> None:
        transport.earlier_pages = [ChatPage(revision=2, is_last=False)]
        connection._parts.cache.on_state("t1", None, 8)

        assert titles(connection) == ["one"]

    def test_shows_the_echo_of_an_older_change(
        self, connection: Connection, transport: Numbered
    ) -> None:
        titles(connection)
        connection._parts.cache.on_state("t1", make_chat("t1", "one"), 9)
        titles(connection, refresh=False)

        assert transport.calls == ["iter_chat_pages"]


def test_an_event_ends_a_chat_that_was_made_without_a_number(
    connection: Connection, transport: Numbered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list, which is beyond the event, lacks the chat already."""
    create = transport.create_chat

    def without_number(draft: ChatDraft, *, deadline: float | None) -> ChatState:
        return evolve(create(draft, deadline=deadline), revision=None)

    monkeypatch.setattr(transport, "create_chat", without_number)
    made = connection.chats.create_chat(title="new", users=["u1"])
    transport.chats.pop()
    transport.numbers = (12, None)
    assert titles(connection) == ["one", "new"]
    connection._parts.cache.on_state(made.tid, None, 11)

    assert titles(connection, refresh=False) == ["one"]


@pytest.mark.parametrize("numbers", [(9, 9), (9, None), (9, 11)])
def test_a_refresh_asks_for_what_changed_after_the_number_of_the_list(
    numbers: tuple[int | None, int | None], connection: Connection, transport: Numbered
) -> None:
    transport.numbers = numbers
    titles(connection)
    titles(connection)

    assert [asked["since"] for asked in transport.asked] == [None, 9]


@pytest.mark.parametrize("numbers", [(None, 9), (None, None)])
def test_without_a_number_of_the_list_a_refresh_asks_for_all_chats(
    numbers: tuple[int | None, int | None], connection: Connection, transport: Numbered
) -> None:
    transport.numbers = numbers
    titles(connection)
    titles(connection)

    assert [asked["since"] for asked in transport.asked] == [None, None]


class OneToOne(Numbered):
    """Gives its only chat back."""

    def create_chat(self, draft: ChatDraft, *, deadline: float | None) -> ChatState:
        made = super().create_chat(draft, deadline=deadline)
        self.chats.pop()
        return evolve(made, tid="t1", chat=self.chats[0])


class TestOneToOneChatWithoutNumbers:
    @pytest.fixture
    def transport(self) -> Numbered:
        transport = OneToOne(make_chat("t1"))
        transport.revision = None
        transport.numbers = (None, None)
        return transport

    def test_that_create_gives_back_costs_nothing(
        self, connection: Connection, transport: Numbered
    ) -> None:
        titles(connection)
        connection.chats.create_chat(users=["u1"])
        titles(connection, refresh=False)

        assert transport.calls.count("iter_chat_pages") == 1

    def test_that_is_new_is_found(self, connection: Connection, transport: Numbered) -> None:
        transport.behind = []
        titles(connection)
        connection.chats.create_chat(users=["u1"])

        assert connection.chats.get_by_thread_id("t1") is not None


class TestGroupMembers:
    """A bot that joins a circle is in the chats of the circle; their numbers stay."""

    def test_that_are_changed_expire_the_list(
        self, connection: Connection, transport: Numbered
    ) -> None:
        titles(connection)
        connection.groups.get_group("g1").add_members(["bot"])
        transport.chats.append(make_chat("t2", "of the circle"))

        assert titles(connection, refresh=False) == ["one", "of the circle"]

    def test_that_the_server_does_not_change_cost_nothing(
        self, connection: Connection, transport: Numbered
    ) -> None:
        titles(connection)
        transport.errors["edit_group_members"] = TWNotFoundError("no such group", status=404)
        group = connection.groups.get_group("g1")
        with pytest.raises(TWNotFoundError):
            group.add_members(["bot"])
        titles(connection, refresh=False)

        assert transport.calls.count("iter_chat_pages") == 1

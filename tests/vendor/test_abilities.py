"""What a transport may lack: it is refused with a reason, and costs and changes nothing."""

from __future__ import annotations

import inspect
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import (
    Attachments,
    AttachmentType,
    CalendarAttachment,
    Connection,
    FileAttachment,
    LocationAttachment,
)
from teamwire_sync._http.transport import HttpTransport
from teamwire_sync._models.base import attach
from teamwire_sync._transport import Ability, Transport
from teamwire_sync._vendor import VendorTransport
from teamwire_sync.exceptions import TWUnsupportedError
from tests.support.builders import make_file
from tests.support.fake_sdk import FakeSdk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync import Chat
    from tests.support.builders import Clock

METHODS = sorted(
    name for name, value in vars(Transport).items() if callable(value) and name[0] != "_"
)
NEEDED_FOR = {
    "get_me": Ability.OWN_USER,
    "edit_chat": Ability.CHAT_EDITS,
    "edit_members": Ability.CHAT_EDITS,
    "edit_admins": Ability.CHAT_EDITS,
    "leave_chat": Ability.CHAT_EDITS,
    "get_messages": Ability.MESSAGES,
    "upload": Ability.ATTACHMENTS,
    "download": Ability.ATTACHMENTS,
    "get_users": Ability.DIRECTORY,
    "get_groups": Ability.DIRECTORY,
    "get_events": Ability.EVENTS,
    "pause": Ability.EVENTS,
}
NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


@pytest.fixture
def sdk() -> FakeSdk:
    return FakeSdk()


@pytest.fixture
def connection(sdk: FakeSdk, clock: Clock) -> Iterator[Connection]:
    with Connection.from_vendor(sdk.connect, clock=clock) as connection:
        yield connection


@pytest.fixture
def chat(connection: Connection) -> Chat:
    """A chat from the list, which is fresh."""
    chat = connection.chats.get_by_thread_id("t1")
    assert chat is not None
    return chat


def downloaded(chat: Chat, target: Any) -> object:
    attachment = make_file()
    attach([attachment], chat._acting())
    return attachment.download(target)


class Nowhere:
    """A file to write to, which nothing is written to."""

    def write(self, _: bytes) -> int:
        raise AssertionError


# What a program may ask for: the ability that it needs, and how to ask.
ASKED: dict[str, tuple[Ability, Callable[[Connection, Any], object]]] = {
    "check": (Ability.OWN_USER, lambda connection, _: connection.check()),
    "set_title": (Ability.CHAT_EDITS, lambda _, chat: chat.set_title("new")),
    "set_allow_sending": (Ability.CHAT_EDITS, lambda _, chat: chat.set_allow_sending(False)),
    "set_allow_mute_notifications": (
        Ability.CHAT_EDITS,
        lambda _, chat: chat.set_allow_mute_notifications(False),
    ),
    "set_closed": (Ability.CHAT_EDITS, lambda _, chat: chat.set_closed(True)),
    "add_members": (Ability.CHAT_EDITS, lambda _, chat: chat.add_members(["u1"])),
    "remove_members": (Ability.CHAT_EDITS, lambda _, chat: chat.remove_members(["u1"])),
    "add_admins": (Ability.CHAT_EDITS, lambda _, chat: chat.add_admins(["u1"])),
    "remove_admins": (Ability.CHAT_EDITS, lambda _, chat: chat.remove_admins(["u1"])),
    "leave": (Ability.CHAT_EDITS, lambda _, chat: chat.leave()),
    "get_messages": (Ability.MESSAGES, lambda _, chat: chat.get_messages()),
    "iter_messages": (Ability.MESSAGES, lambda _, chat: list(chat.iter_messages())),
    "post a file": (
        Ability.ATTACHMENTS,
        lambda _, chat: chat.post("x", Attachments().add_file(__file__)),
    ),
    "post a file of another message": (
        Ability.ATTACHMENTS,
        lambda _, chat: chat.post("x", [make_file()]),
    ),
    "post an entry of a calendar": (
        Ability.ATTACHMENTS,
        lambda _, chat: chat.post(
            "x", [CalendarAttachment("Meeting", NOON, NOON + timedelta(hours=1))]
        ),
    ),
    "post a place": (
        Ability.ATTACHMENTS,
        lambda _, chat: chat.post(attachments=[LocationAttachment("Office", 48.1, 11.5)]),
    ),
    "download": (Ability.ATTACHMENTS, lambda _, chat: downloaded(chat, Nowhere())),
    "users.find": (Ability.DIRECTORY, lambda connection, _: connection.users.find("Ada")),
    "users.get_all": (Ability.DIRECTORY, lambda connection, _: connection.users.get_all()),
    "groups.get_all": (Ability.DIRECTORY, lambda connection, _: connection.groups.get_all()),
    "groups.find": (
        Ability.DIRECTORY,
        lambda connection, _: connection.groups.find("Engines"),
    ),
    "groups.get_by_title": (
        Ability.DIRECTORY,
        lambda connection, _: connection.groups.get_by_title("Engines"),
    ),
    "events": (Ability.EVENTS, lambda connection, _: connection.events()),
    "events since": (Ability.EVENTS, lambda connection, _: next(connection.events(since="c1"))),
}


def refusals(connection: Connection, chat: Chat) -> Iterator[tuple[str, str]]:
    """Each of what may be asked for, and the text of the error when it is."""
    for name, (_, ask) in ASKED.items():
        text = "it was done"
        try:
            ask(connection, chat)
        except TWUnsupportedError as error:
            text = str(error)
        yield name, text


class TestAsked:
    def test_is_refused_with_what_cannot_be_done_and_why(
        self, connection: Connection, chat: Chat
    ) -> None:
        assert [
            (name, text)
            for name, text in refusals(connection, chat)
            if not text.startswith(
                f"with the vendor's SDK, teamwire_sync can't {ASKED[name][0].value}: the published "
                "documentation of the vendor's SDK does not describe how"
            )
        ] == []

    def test_asks_nothing_of_the_vendors_sdk(
        self, connection: Connection, chat: Chat, sdk: FakeSdk
    ) -> None:
        wrong = []
        sdk.calls.clear()
        for name, _ in refusals(connection, chat):
            if sdk.calls:
                wrong.append((name, sdk.calls.copy()))
            sdk.calls.clear()

        assert wrong == []

    def test_leaves_the_chats_as_they_are_known(
        self, connection: Connection, chat: Chat, sdk: FakeSdk
    ) -> None:
        assert [
            name
            for name, _ in refusals(connection, chat)
            if connection.chats.get_by_thread_id("t1") is not chat
            or sdk.calls.count("get_subscriptions") > 1
        ] == []

    def test_is_no_doubt_about_the_next_listing(
        self, connection: Connection, chat: Chat, sdk: FakeSdk, clock: Clock
    ) -> None:
        wrong = []
        for name, _ in refusals(connection, chat):
            before = sdk.calls.count("get_subscriptions")
            connection.chats.get_subscriptions(refresh=True)
            clock.advance(299)
            connection.chats.get_subscriptions()
            if sdk.calls.count("get_subscriptions") != before + 1:
                wrong.append(name)

        assert wrong == []


class TestVendor:
    def test_has_no_ability_that_not_every_transport_has(self) -> None:
        assert VendorTransport.abilities == frozenset()

    def test_all_that_it_lacks_is_asked_for_above(self) -> None:
        lacking = set(Ability) - VendorTransport.abilities

        assert {ability for ability, _ in ASKED.values()} == lacking

    def test_a_refused_check_says_what_to_do_instead(self, connection: Connection) -> None:
        with pytest.raises(TWUnsupportedError, match=r"connection\.chats\.get_subscriptions\(\)"):
            connection.check()

    def test_a_refused_download_leaves_no_file(self, chat: Chat, tmp_path: Path) -> None:
        with pytest.raises(TWUnsupportedError):
            downloaded(chat, tmp_path)

        assert list(tmp_path.iterdir()) == []

    def test_a_refused_download_leaves_the_file_that_was_there(
        self, chat: Chat, tmp_path: Path
    ) -> None:
        path = tmp_path / "old"
        path.write_bytes(b"old")
        with pytest.raises(TWUnsupportedError):
            downloaded(chat, path)

        assert path.read_bytes() == b"old"

    def test_lists_all_the_chats_whatever_validator_is_given(self, sdk: FakeSdk) -> None:
        transport = VendorTransport(sdk.connect)
        (page,) = transport.iter_chat_pages(validator='"1"', deadline=None)
        transport.close()

        assert [chat.tid for chat in page.chats] == ["t1"]
        assert (page.validator, page.is_last, page.not_modified) == (None, True, False)

    def test_of_an_empty_file_is_refused_a_download_too(self, chat: Chat) -> None:
        attachment = FileAttachment(AttachmentType.FILE, "a1", "empty", 0)
        attach([attachment], chat._acting())

        with pytest.raises(TWUnsupportedError):
            attachment.download(Nowhere())


class TestProtocol:
    def test_a_method_is_there_always_or_by_an_ability(self) -> None:
        public = {name for name, value in vars(VendorTransport).items() if callable(value)}

        assert {name for name in public if name[0] != "_"} == set(METHODS)

    @pytest.mark.parametrize("name", NEEDED_FOR)
    def test_a_method_that_needs_an_ability_says_which_one(
        self, connection: Connection, name: str
    ) -> None:
        with pytest.raises(TWUnsupportedError) as caught:
            getattr(connection._transport, name)("anything", of="any name")

        assert [each for each in Ability if each.value in str(caught.value)] == [NEEDED_FOR[name]]
        assert str(NEEDED_FOR[name]) in getattr(VendorTransport, name).__doc__

    def test_nothing_is_needed_that_is_not_in_the_protocol(self) -> None:
        assert set(NEEDED_FOR) <= set(METHODS)

    def test_every_ability_has_a_method(self) -> None:
        assert set(NEEDED_FOR.values()) == set(Ability)

    def test_a_method_of_the_vendors_takes_what_the_protocol_says(self) -> None:
        def parameters(cls: type, name: str) -> list[inspect.Parameter]:
            return list(inspect.signature(getattr(cls, name)).parameters.values())

        assert [
            name
            for name in set(METHODS) - set(NEEDED_FOR)
            if parameters(VendorTransport, name) != parameters(Transport, name)
        ] == []

    def test_two_abilities_do_not_have_the_same_text(self) -> None:
        assert len({ability.value for ability in Ability}) == len(Ability)


class TestHttp:
    def test_can_do_everything(self) -> None:
        assert HttpTransport.abilities == set(Ability)

    def test_has_each_method_itself(self) -> None:
        assert set(METHODS) <= set(vars(HttpTransport))

"""``find`` of chats, users and groups: the same rules for each of them."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import ChatList, Connection, TWProtocolError
from teamwire_sync._models.chats import UNREADABLE
from tests.support.builders import make_chat, make_group, make_user
from tests.support.fake_transport import FakeTransport

if TYPE_CHECKING:
    from tests.support.builders import Clock

TITLES = [
    "Küche, Frühdienst",
    "Nacht  dienst",
    "Straße 25",
    "Ops",
    "İstanbul",
    "\N{GREEK SMALL LETTER IOTA WITH DIALYTIKA AND TONOS}",
]


@pytest.fixture
def transport() -> FakeTransport:
    fake = FakeTransport()
    fake.chats = [make_chat(f"t{number}", title=title) for number, title in enumerate(TITLES)]
    fake.chats += [make_chat("t8", title=None), make_chat("t9", title="")]
    fake.groups = [make_group(f"g{number}", title=title) for number, title in enumerate(TITLES)]
    fake.users = [make_user("u1", first_name="Jörg", last_name="Groß")]
    return fake


@pytest.fixture
def connection(transport: FakeTransport, clock: Clock) -> Connection:
    return Connection(transport=transport, clock=clock)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("küche", 0),
        ("KÜCHE", 0),
        (unicodedata.normalize("NFD", "Küche"), 0),
        ("küche,   früh", 0),
        (" Frühdienst ", 0),
        ("nacht dienst", 1),
        ("STRASSE", 2),
        ("op", 3),
        ("\N{FULLWIDTH LATIN SMALL LETTER O}p", 3),
        ("o\N{SOFT HYPHEN}p", 3),
        ("\N{RIGHT-TO-LEFT MARK}ops\N{ZERO WIDTH SPACE}", 3),
        ("ISTANBUL", 4),
        ("\N{LATIN SMALL LETTER DOTLESS I}stanbul", 4),
        ("i\N{COMBINING DOT ABOVE}stanbul", 4),
        ("\N{GREEK CAPITAL LETTER IOTA}\N{COMBINING DIAERESIS}\N{COMBINING ACUTE ACCENT}", 5),
    ],
)
def test_a_part_of_a_title_finds_it_in_any_spelling(
    connection: Connection, text: str, title: int
) -> None:
    assert [chat.tid for chat in connection.chats.find(text)] == [f"t{title}"]
    assert [group.gid for group in connection.groups.find(text)] == [f"g{title}"]


def test_a_title_in_any_spelling_is_found(connection: Connection, transport: FakeTransport) -> None:
    title = unicodedata.normalize("NFD", "KÜCHE")
    transport.chats = [make_chat("t1", title=title)]
    transport.groups = [make_group("g1", title=title)]

    assert [chat.tid for chat in connection.chats.find("küche")] == ["t1"]
    assert [group.gid for group in connection.groups.find("küche")] == ["g1"]


def test_the_server_gets_one_form_of_the_text_of_a_user(
    connection: Connection, transport: FakeTransport
) -> None:
    """Case is left to the server: the folded form of Groß is gross."""
    for text in (unicodedata.normalize("NFD", "Jörg  Groß "), "Jörg Groß"):
        connection.users.find(text)

    assert [asked["text"] for asked in transport.asked] == ["Jörg Groß"]


def test_chats_are_found_in_memory(connection: Connection, transport: FakeTransport) -> None:
    found = connection.chats.find("dienst")
    connection.chats.find("ops")

    assert isinstance(found, ChatList)
    assert [chat.tid for chat in found] == ["t0", "t1"]
    assert transport.calls == ["iter_chat_pages"]


def test_a_chat_that_is_new_is_found_after_some_seconds(
    connection: Connection, transport: FakeTransport, clock: Clock
) -> None:
    assert connection.chats.find("lab") == []
    transport.chats.append(make_chat("t7", title="Labor"))
    assert connection.chats.find("lab") == []
    clock.advance(5.001)

    assert [chat.tid for chat in connection.chats.find("lab")] == ["t7"]


def test_nothing_is_not_found_if_a_title_cannot_be_read(
    connection: Connection, transport: FakeTransport
) -> None:
    transport.chats.append(make_chat(UNREADABLE))

    assert len(connection.chats.find("ops")) == 1
    with pytest.raises(TWProtocolError, match="don't create it again"):
        connection.chats.find("lab")


@pytest.mark.parametrize("kind", ["chats", "users", "groups"])
@pytest.mark.parametrize(
    ("text", "error"),
    [(None, TypeError), ("", ValueError), (" \t", ValueError), ("\ud800", ValueError)],
)
def test_a_text_that_finds_everything_or_nothing_is_refused(
    connection: Connection, transport: FakeTransport, kind: str, text: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"^text "):
        getattr(connection, kind).find(text)

    assert transport.calls == []


@pytest.mark.parametrize("text", ["", " ", "\N{ZERO WIDTH SPACE}"])
@pytest.mark.parametrize("service", ["chats", "users", "groups"])
def test_a_text_that_nobody_can_see_does_not_find_all(
    connection: Connection, service: str, text: str
) -> None:
    with pytest.raises(ValueError, match=r"^text is empty$"):
        getattr(connection, service).find(text)

"""Pages: read as they are needed, anew in each loop."""

from __future__ import annotations

from itertools import count, islice
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import Connection, TWProtocolError, TWServerError
from teamwire_sync._services.paging import Pages
from teamwire_sync._transport import ChatPage, Page
from tests.support.builders import make_chat
from tests.support.fake_transport import FakeTransport

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Book:
    """Pages by cursor, and which were read."""

    def __init__(self, pages: dict[str | None, Page[int]]) -> None:
        self.pages = pages
        self.read_: list[str | None] = []

    def read(self, cursor: str | None) -> Page[int]:
        self.read_.append(cursor)
        return self.pages[cursor]


@pytest.fixture
def book() -> Book:
    return Book({None: Page([1, 2], "b"), "b": Page([], "c"), "c": Page([3])})


def test_all_the_items_come_in_their_order(book: Book) -> None:
    assert list(Pages("numbers", book.read)) == [1, 2, 3]


def test_an_empty_page_is_not_the_end(book: Book) -> None:
    list(Pages("numbers", book.read))

    assert book.read_ == [None, "b", "c"]


def test_nothing_is_read_before_it_is_needed(book: Book) -> None:
    pages = Pages("numbers", book.read)
    assert book.read_ == []

    items = iter(pages)
    assert book.read_ == []
    assert [next(items), next(items)] == [1, 2]
    assert book.read_ == [None]
    assert next(items) == 3


def test_whoever_stops_reads_no_more(book: Book) -> None:
    assert list(islice(Pages("numbers", book.read), 2)) == [1, 2]
    assert book.read_ == [None]


def test_each_loop_starts_anew(book: Book) -> None:
    pages = Pages("numbers", book.read)

    assert list(pages) == list(pages) == [1, 2, 3]
    assert book.read_ == [None, "b", "c"] * 2


def test_two_loops_at_once_do_not_disturb_each_other(book: Book) -> None:
    pages = Pages("numbers", book.read)

    assert list(zip(pages, pages)) == [(1, 1), (2, 2), (3, 3)]


def test_they_may_begin_in_the_middle(book: Book) -> None:
    assert list(Pages("numbers", book.read, "c")) == [3]


@pytest.mark.parametrize("start", [None, "b"])
@pytest.mark.parametrize("back", ["b", "c"])
def test_a_circle_is_an_error(book: Book, back: str, start: str | None) -> None:
    book.pages["c"] = Page([3], back)

    with pytest.raises(TWProtocolError, match=r"^the pages of numbers never end: "):
        list(islice(Pages("numbers", book.read, start), 100))
    assert len(set(book.read_)) == len(book.read_)


@pytest.mark.parametrize("items", [[], [1, 2]], ids=["empty", "the same"])
def test_pages_without_anything_new_are_an_error_after_a_hundred(items: list[int]) -> None:
    asked = count(1)
    pauses: list[float] = []
    pages = Pages("numbers", lambda _: Page(items, str(next(asked))), pause=pauses.append)

    with pytest.raises(TWProtocolError, match=r"^the pages of numbers never end: 100 pages in a"):
        list(pages)
    assert next(asked) == 101 + bool(items)
    assert len(pauses) == 89
    assert 5 < sum(pauses) < 15
    assert pauses == sorted(pauses)


def test_something_new_now_and_then_is_no_error() -> None:
    def read(cursor: str | None) -> Page[int]:
        number = int(cursor or 0)
        items = [] if number % 99 else [number]
        return Page(items, None if number == 1000 else str(number + 1))

    pages = Pages("numbers", read, "1", pause=lambda _: None)

    assert list(pages) == list(range(99, 1000, 99))


@pytest.mark.parametrize("chats", [(), ("t1", "t2")], ids=["empty", "the same"])
def test_a_few_pages_without_anything_new_cost_no_pause(chats: Sequence[str]) -> None:
    server = FakeTransport()

    def pages(**_: object) -> Iterator[ChatPage]:
        for number in range(10):
            yield ChatPage([make_chat(tid) for tid in chats], is_last=number == 9)

    server.iter_chat_pages = pages  # type: ignore[method-assign]
    Connection(transport=server).chats.get_subscriptions()
    numbers = iter(range(1, 10))
    list(Pages("chats", lambda _: Page(chats, next(map(str, numbers), None)), pause=server.pause))

    assert server.pauses == []


@pytest.mark.parametrize("chats", [(), ("t1", "t2")], ids=["empty", "the same"])
def test_a_listing_whose_pages_bring_no_new_chat_ends(chats: Sequence[str]) -> None:
    server = FakeTransport()
    read = count(1)

    def pages(**_: object) -> Iterator[ChatPage]:
        while next(read):
            yield ChatPage([make_chat(tid) for tid in chats], is_last=False)

    server.iter_chat_pages = pages  # type: ignore[method-assign]
    with pytest.raises(TWProtocolError, match=r"^the pages of the chats never end: 100 pages"):
        Connection(transport=server).chats.get_subscriptions()
    assert next(read) == 101 + bool(chats)
    assert len(server.pauses) == 89


def test_what_came_before_the_circle_is_given(book: Book) -> None:
    book.pages["c"] = Page([3], "b")
    items = iter(Pages("numbers", book.read))

    assert list(islice(items, 3)) == [1, 2, 3]


def test_an_error_ends_the_loop_and_the_next_one_starts_anew(book: Book) -> None:
    pages = Pages("numbers", book.read)
    last = book.pages.pop("c")

    def fail(cursor: str | None) -> Page[int]:
        raise TWServerError(str(cursor))

    failing = Pages("numbers", lambda cursor: fail(cursor) if cursor == "c" else book.read(cursor))
    with pytest.raises(TWServerError, match="c"):
        list(failing)
    book.pages["c"] = last

    assert list(pages) == [1, 2, 3]


def test_its_repr_says_what_it_is(book: Book) -> None:
    assert repr(Pages("users", book.read)) == "<users, read page by page in each loop>"

"""Pages: read as they are needed, anew in each loop."""

from __future__ import annotations

from itertools import islice

import pytest

from teamwire_sync import TWProtocolError, TWServerError
from teamwire_sync._services.paging import Pages
from teamwire_sync._transport import Page


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

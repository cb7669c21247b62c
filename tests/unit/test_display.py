"""How lists of chats and tables look."""

from __future__ import annotations

import copy
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import ChatList, ChatType
from teamwire_sync._display import html_table
from tests.builders import make_chat, make_group, make_user, pickled

if TYPE_CHECKING:
    from teamwire_sync import Chat

HOSTILE = [
    "<script>alert(1)</script>",
    "</td></table><img src=x onerror=alert(1)>",
    "\"quotes\" 'and' &amp; ampersands",
    "<!-- comment",
    "&lt;b&gt;",
]


class Table(HTMLParser):
    """What a browser sees in a table."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not attrs
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.tags[-1] in {"td", "th"}:
            self.rows[-1][-1] += data


def chats(number: int) -> list[Chat]:
    return [make_chat(f"t{index}") for index in range(number)]


class TestTable:
    def test_has_a_head_and_rows(self) -> None:
        table = Table(html_table(("a", "b"), [("1", "2"), ("3", "4")]))

        assert table.rows == [["a", "b"], ["1", "2"], ["3", "4"]]
        assert table.tags[-3:] == ["tr", "td", "td"]
        assert table.tags.count("th") == 2

    @pytest.mark.parametrize("text", HOSTILE)
    def test_texts_are_texts(self, text: str) -> None:
        table = Table(html_table((text,), [(text,)]))

        assert table.tags == ["table", "thead", "tr", "th", "tbody", "tr", "td"]
        assert table.rows == [[text], [text]]

    def test_may_have_no_rows(self) -> None:
        assert Table(html_table(("a",), [])).rows == [["a"]]


class TestHtml:
    def test_shows_what_tells_chats_apart(self) -> None:
        chat = make_chat(users=(make_user(), make_user("u2")), groups=(make_group(),) * 2)
        table = Table(ChatList([chat])._repr_html_())

        assert table.rows == [
            ["title", "tid", "type", "users", "groups"],
            ["test", "t1", "group", "2", "Engines, Engines"],
        ]

    @pytest.mark.parametrize("title", [None, ""], ids=repr)
    def test_a_chat_without_a_title_is_called_so(self, title: str | None) -> None:
        assert Table(ChatList([make_chat(title=title)])._repr_html_()).rows[1][0] == "no title"

    @pytest.mark.parametrize("text", HOSTILE)
    def test_what_others_wrote_is_text(self, text: str) -> None:
        chat = make_chat(text, title=text, type=ChatType(text), groups=(make_group(title=text),))
        table = Table(ChatList([chat])._repr_html_())

        assert table.rows[1] == [text, text, text, "0", text]
        assert set(table.tags) == {"table", "thead", "tbody", "tr", "th", "td", "p"}

    @pytest.mark.parametrize(
        ("number", "rows", "text"),
        [(0, 0, "0 of 0"), (20, 20, "20 of 20"), (21, 20, "20 of 21"), (1234, 20, "20 of 1,234")],
    )
    def test_a_long_list_is_cut(self, number: int, rows: int, text: str) -> None:
        html = ChatList(chats(number))._repr_html_()

        assert html.count("<tr>") == rows + 1
        assert html.endswith(f"<p>{text} chats</p>")


class TestRepr:
    def test_a_short_one_is_that_of_a_list(self) -> None:
        assert repr(ChatList(chats(20))) == repr(chats(20))

    def test_an_empty_one_is_too(self) -> None:
        assert repr(ChatList()) == "[]"

    def test_a_long_one_is_cut(self) -> None:
        shown = repr(ChatList(chats(1234)))

        assert shown == f"{repr(chats(20))[:-1]}, ... 1,234 chats]"


class TestList:
    def test_is_a_list(self) -> None:
        assert isinstance(ChatList(), list)
        assert ChatList(chats(3)) == chats(3)

    def test_an_index_gives_a_chat(self) -> None:
        assert ChatList(chats(3))[-1] == make_chat("t2")

    def test_a_slice_gives_a_chat_list(self) -> None:
        part = ChatList(chats(30))[1:3]

        assert type(part) is ChatList
        assert part == chats(3)[1:]

    def test_changing_it_changes_nothing_else(self) -> None:
        source = chats(3)
        ChatList(source).clear()

        assert len(source) == 3

    @pytest.mark.parametrize(
        "copied",
        [copy.copy, copy.deepcopy, pickled],
        ids=["copy", "deepcopy", "pickle"],
    )
    def test_a_copy_is_a_chat_list(self, copied: object) -> None:
        again = copied(ChatList(chats(3)))  # type: ignore[operator]

        assert (type(again), again) == (ChatList, chats(3))

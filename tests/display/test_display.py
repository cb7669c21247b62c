"""How values and lists of them look, in a notebook and at a prompt."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import (
    AttachmentList,
    AttachmentType,
    ChatAdminsChangeInfo,
    ChatChangeInfo,
    ChatHandle,
    ChatList,
    ChatMemberChangeInfo,
    ChatType,
    Connection,
    Event,
    EventList,
    GroupList,
    GroupTuple,
    LinkPreview,
    MessageList,
    MessageReadInfo,
    NewMessageInfo,
    OtherAttachment,
    TWConfigError,
    UserTuple,
)
from teamwire_sync._display.html import html_table
from teamwire_sync._models.base import attach
from tests.support.builders import (
    make_chat,
    make_event,
    make_file,
    make_group,
    make_message,
    make_user,
    pickled,
)
from tests.support.fake_transport import FakeTransport
from tests.support.shown import Table, values_with

if TYPE_CHECKING:
    from teamwire_sync import Chat

HOSTILE = [
    "<script>alert(1)</script>",
    "</td></table><img src=x onerror=alert(1)>",
    "\"quotes\" 'and' &amp; ampersands",
    '" style="position: fixed" onmouseover="alert(1)',
    "<!-- comment",
    "&lt;b&gt;",
]
HEAD = ("table", "thead", "tr", "th")
TAGS = {"table", "thead", "tbody", "tr", "th", "td", "bdi", "p"}
ATTRIBUTES = {"table class", "th dir", "th style", "td dir", "td style"}
# What a terminal or a reader could take for something else.
ODD = {
    "escape": "\x1b[2J\x1b]0;title\x07",
    "line feed": "one\ntwo\r\n\u2028\x85three",
    "override": "\u202eabc\u202c",
    "isolate": "\u2067abc\u2069",
    "marks": "\u200e\u200f\u061c",
    "null": "\x00",
    "surrogate": "\ud83d",
}


def chats(number: int) -> list[Chat]:
    return [make_chat(f"t{index}") for index in range(number)]


class TestTable:
    def test_has_a_head_and_rows(self) -> None:
        table = Table(html_table(("a", "b"), [("1", "2"), ("3", "4")]))

        assert table.rows == [["a", "b"], ["1", "2"], ["3", "4"]]
        assert table.tags[-3:] == ["tr", "td", "td"]
        assert table.tags.count("th") == 2

    def test_texts_are_texts(self) -> None:
        tables = [Table(html_table((text,), [(text,)])) for text in HOSTILE]

        assert [table.rows for table in tables] == [[[text], [text]] for text in HOSTILE]
        assert {tuple(table.tags) for table in tables} == {(*HEAD, "tbody", "tr", "td")}

    def test_names_are_texts(self) -> None:
        tables = [Table(html_table(("names",), [([text, text],)])) for text in HOSTILE]

        assert [table.rows[1] for table in tables] == [[f"{text}, {text}"] for text in HOSTILE]
        assert {tuple(table.tags) for table in tables} == {
            (*HEAD, "tbody", "tr", "td", "bdi", "bdi")
        }

    def test_its_attributes_are_its_own(self) -> None:
        table = Table(html_table((HOSTILE[3],), [(HOSTILE[3],), (HOSTILE[3:4],)]))

        assert table.attributes == ATTRIBUTES

    def test_it_sets_no_colours(self) -> None:
        """Those of the notebook are right, be it light or dark."""
        html = html_table(("a",), [("1",)])

        assert not any(word in html for word in ("color", "background", "<style", "border"))

    def test_dollar_signs_make_no_formula(self) -> None:
        """Jupyter has MathJax look for them everywhere but in such elements."""
        html = html_table(("price",), [("$5 or $6",)])

        assert html.startswith('<table class="tex2jax_ignore mathjax_ignore">')

    def test_a_long_text_is_cut(self) -> None:
        table = Table(html_table((), [["x" * length for length in (200, 201, 10_000)]]))

        assert table.rows[1] == ["x" * 200, *["x" * 200 + "..."] * 2]

    def test_a_long_name_is_cut(self) -> None:
        table = Table(html_table((), [[["x" * length] for length in (60, 61, 10_000)]]))

        assert table.rows[1] == ["x" * 60, *["x" * 60 + "..."] * 2]

    def test_of_many_names_the_first_are_shown(self) -> None:
        table = Table(html_table((), [[["x"] * number for number in (20, 21, 1520)]]))

        assert table.rows[1] == [
            "x, " * 19 + end for end in ("x", "x and 1 more", "x and 1,500 more")
        ]

    def test_may_have_no_rows(self) -> None:
        assert Table(html_table(("a",), [])).rows == [["a"]]


class TestHtml:
    def test_shows_what_tells_chats_apart(self) -> None:
        chat = make_chat(users=(make_user(), make_user("u2")), groups=(make_group(),) * 2)
        table = Table(ChatList([chat])._repr_html_())

        assert table.rows == [
            ["name", "tid", "type", "users", "groups"],
            ["test", "t1", "group", "2", "Engines, Engines"],
        ]

    @pytest.mark.parametrize("title", [None, ""], ids=repr)
    def test_a_chat_without_a_title_is_called_so(self, title: str | None) -> None:
        assert Table(ChatList([make_chat(title=title)])._repr_html_()).rows[1][0] == "no title"

    def test_a_one_to_one_chat_is_named_by_the_person(self) -> None:
        chat = make_chat(title=None, type=ChatType.ONE_TO_ONE, users=(make_user(),))

        assert Table(ChatList([chat])._repr_html_()).rows[1][0] == "Ada Lovelace"

    def test_what_others_wrote_is_text(self) -> None:
        chats = [
            make_chat(text, title=text, type=ChatType(text), groups=(make_group(title=text),))
            for text in HOSTILE
        ]
        table = Table(ChatList(chats)._repr_html_())

        assert table.rows[1:] == [[text, text, text, "0", text] for text in HOSTILE]
        assert set(table.tags) == TAGS

    @pytest.mark.parametrize(
        ("number", "rows", "text"),
        [
            (0, 0, "no chats"),
            (1, 1, "1 chat"),
            (20, 20, "20 chats"),
            (21, 20, "20 of 21 chats"),
            (1234, 20, "20 of 1,234 chats"),
        ],
    )
    def test_a_long_list_is_cut(self, number: int, rows: int, text: str) -> None:
        html = ChatList(chats(number))._repr_html_()

        assert html.count("<tr>") == rows + 1
        assert html.endswith(f"<p>{text}</p>")


class TestPeople:
    def test_shows_what_tells_users_apart(self) -> None:
        users = (make_user(organisation="Mill"), make_user("u2", first_name="", last_name=""))
        table = Table(make_chat(users=users).users._repr_html_())

        assert table.rows == [
            ["name", "uid", "organisation", "bot"],
            ["Ada Lovelace", "u1", "Mill", "no"],
            ["", "u2", "", "no"],
        ]

    def test_shows_what_tells_groups_apart(self) -> None:
        groups = [
            make_group(is_public=True),
            make_group("g2", is_circle=False, is_list=True, owner=make_user()),
        ]
        table = Table(GroupList(groups)._repr_html_())

        assert table.rows == [
            ["title", "gid", "kind", "public", "owner"],
            ["Engines", "g1", "circle", "yes", ""],
            ["Engines", "g2", "list", "no", "Ada Lovelace"],
        ]

    def test_shows_what_tells_attachments_apart(self) -> None:
        files = [make_file(size=1234), OtherAttachment(AttachmentType.POLL)]
        table = Table(AttachmentList(files)._repr_html_())

        assert table.rows == [
            ["name", "type", "size"],
            ["report.pdf", "file", "1,234"],
            ["", "poll", ""],
        ]


ADA = make_user()
GRACE = make_user("u2", first_name="Grace", last_name="Hopper")
EVENTS = [
    (NewMessageInfo, {"message": make_message()}, ["Ada Lovelace", "hello"]),
    (NewMessageInfo, {"message": make_message(deleted=True)}, ["Ada Lovelace", "deleted"]),
    (
        NewMessageInfo,
        {"message": make_message(msg=None, attachments=(make_file(),))},
        ["Ada Lovelace", "report.pdf"],
    ),
    (MessageReadInfo, {"user": GRACE, "message_id": "m1"}, ["Grace Hopper", "m1"]),
    (ChatChangeInfo, {"title": "new", "editor": ADA}, ["Ada Lovelace", "new"]),
    (ChatChangeInfo, {"title": "new", "value": False}, ["", "no"]),
    (
        ChatMemberChangeInfo,
        {"users": [GRACE], "groups": [make_group()]},
        ["", "Grace Hopper, Engines"],
    ),
    (
        ChatAdminsChangeInfo,
        {"added_admins": [ADA], "removed_admins": [GRACE]},
        ["", "added, Ada Lovelace, removed, Grace Hopper"],
    ),
    (Event, {}, ["", ""]),
]


class TestEvents:
    @pytest.mark.parametrize(("cls", "own", "cells"), EVENTS)
    def test_shows_who_did_what_where_and_when(self, cls: Any, own: Any, cells: Any) -> None:
        table = Table(EventList([make_event("something", cls=cls, **own)])._repr_html_())

        assert table.rows[0] == ["date (UTC)", "type", "chat", "who", "what"]
        assert table.rows[1] == ["2023-11-14 22:13", "something", "test", *cells]

    def test_a_chat_without_a_title_is_the_person_or_its_id(self) -> None:
        chats = [
            make_chat(title=None, type=ChatType.ONE_TO_ONE, users=(GRACE,)),
            make_chat("t2", None),
        ]
        table = Table(EventList(make_event("x", chat=chat) for chat in chats)._repr_html_())

        assert [row[2] for row in table.rows[1:]] == ["Grace Hopper", "t2"]


class TestMessages:
    def test_shows_who_wrote_what_and_when(self) -> None:
        message = make_message(attachments=(make_file(), make_file(name="b.pdf")))
        table = Table(MessageList([message])._repr_html_())

        assert table.rows == [
            ["date (UTC)", "from", "message", "attachments"],
            ["2023-11-14 22:13", "Ada Lovelace", "hello", "report.pdf, b.pdf"],
        ]

    def test_a_name_for_display_stands_in_place_of_the_authors(self) -> None:
        table = Table(MessageList([make_message(sender_display_name="Ward 3")])._repr_html_())

        assert table.rows[1][1] == "Ward 3"

    def test_an_author_without_a_name_is_an_id(self) -> None:
        nobody = make_user("u9", first_name="", last_name="")

        assert Table(MessageList([make_message(from_user=nobody)])._repr_html_()).rows[1][1] == "u9"

    def test_one_that_was_deleted_is_called_so(self) -> None:
        table = Table(MessageList([make_message(msg=None, deleted=True)])._repr_html_())

        assert table.rows[1][2] == "deleted"

    def test_one_without_a_text_has_an_empty_cell(self) -> None:
        assert Table(MessageList([make_message(msg=None)])._repr_html_()).rows[1][2] == ""

    def test_a_long_list_is_cut(self) -> None:
        html = MessageList([make_message()] * 21)._repr_html_()

        assert html.count("<tr>") == 21
        assert html.endswith("<p>20 of 21 messages</p>")


def rows_of(value: Any) -> dict[str, str]:
    """What the table of a value says of each of its attributes."""
    head, *rows = Table(value._repr_html_()).rows
    assert head == [type(value).__name__, ""]
    return dict(rows)  # type: ignore[arg-type]


class TestOne:
    def test_a_chat_names_who_is_in_it(self) -> None:
        people = (make_user(), make_user("u2", first_name="Grace", last_name="Hopper"))
        chat = make_chat(users=people, groups=(make_group(),), admins=people[:1])

        assert rows_of(chat) == {
            "tid": "t1",
            "title": "test",
            "type": "group",
            "users": "Ada Lovelace, Grace Hopper",
            "groups": "Engines",
            "admins": "Ada Lovelace",
            "is_alert": "no",
            "allow_sending": "yes",
            "allow_mute_notifications": "yes",
            "is_closed": "no",
        }

    def test_what_there_is_not_has_no_row(self) -> None:
        assert not {"title", "users", "groups"} & set(rows_of(make_chat(title=None)))

    def test_a_user(self) -> None:
        assert rows_of(make_user()) == {
            "uid": "u1",
            "first_name": "Ada",
            "last_name": "Lovelace",
            "is_bot": "no",
        }

    def test_a_message_has_a_date_in_place_of_milliseconds(self) -> None:
        rows = rows_of(make_message())

        assert rows["date (UTC)"] == "2023-11-14 22:13"
        assert "timestamp" not in rows

    def test_a_message_names_its_chat_and_its_author(self) -> None:
        rows = rows_of(make_message())

        assert (rows["chat"], rows["from_user"], rows["msg"]) == ("test", "Ada Lovelace", "hello")

    @pytest.mark.parametrize(
        "chat", [make_chat(title=None), make_chat(title=""), ChatHandle("t1")], ids=repr
    )
    def test_a_chat_without_a_title_is_its_id_there(self, chat: Any) -> None:
        assert rows_of(make_message(chat=chat))["chat"] == "t1"

    def test_a_message_names_its_attachments(self) -> None:
        other = OtherAttachment("poll")  # type: ignore[arg-type]

        assert rows_of(make_message(attachments=(make_file(), other)))["attachments"] == (
            "report.pdf, poll"
        )

    @pytest.mark.parametrize(
        ("title", "shown"), [("A page", "A page"), (None, "https://example.org")]
    )
    def test_a_message_names_the_page_that_it_links_to(self, title: Any, shown: str) -> None:
        message = make_message(link_preview=LinkPreview("https://example.org", title))

        assert rows_of(message)["link_preview"] == shown

    def test_a_file_has_its_size_in_thousands(self) -> None:
        assert rows_of(make_file(size=1_234_567))["size"] == "1,234,567"

    @pytest.mark.parametrize(("msg", "shown"), [("hello", "hello"), (None, "m1")], ids=repr)
    def test_an_event_tells_of_its_message(self, msg: Any, shown: str) -> None:
        event = make_event("new_message", cls=NewMessageInfo, message=make_message(msg=msg))
        rows = rows_of(event)

        assert (rows["type"], rows["chat"], rows["message"]) == ("new_message", "test", shown)
        assert rows["date (UTC)"] == "2023-11-14 22:13"

    @pytest.mark.parametrize("known", [None, (make_user(),)], ids=["unknown", "known"])
    def test_a_groups_members_are_not_asked_for(self, known: Any) -> None:
        group = make_group(owner=make_user(), members=known)
        attach([group], object())

        assert rows_of(group) == {
            "gid": "g1",
            "title": "Engines",
            "owner": "Ada Lovelace",
            "is_circle": "yes",
            "is_list": "no",
            "is_public": "no",
        }


class TestEachKind:
    def test_what_others_wrote_is_text(self) -> None:
        tables = {
            (kind, text): Table(value._repr_html_())
            for text in HOSTILE
            for kind, value in values_with(text).items()
        }

        assert {row for row, table in tables.items() if not set(table.tags) <= TAGS} == set()
        assert {row for row, table in tables.items() if table.attributes != ATTRIBUTES} == set()
        assert {
            kind
            for (kind, text), table in tables.items()
            if text not in "".join(cell for row in table.rows for cell in row)
        } == {"CacheInfo"}

    def test_each_text_is_alone_in_an_element_that_only_it_can_turn(self) -> None:
        wrong = []
        for kind, value in values_with("\u202eabc").items():
            html = value._repr_html_().replace("\u202eabc \u202eabc", "\u202eabc")
            before = html.split("\u202e")[:-1]
            wrong += [kind for piece in before if not piece.endswith(("<bdi>", '">'))]

        assert wrong == []

    def test_a_long_text_is_cut_in_its_html(self) -> None:
        values = values_with("x" * 10_000)

        assert [kind for kind in values if len(values[kind]._repr_html_()) >= 12_000] == []


def reprs_with(text: str) -> dict[str, str]:
    # The transport of a Connection is the program's own.
    return {kind: repr(value) for kind, value in values_with(text).items() if kind != "Connection"}


class TestEachRepr:
    def test_it_is_one_plain_line(self) -> None:
        assert [
            (kind, name)
            for name, text in ODD.items()
            for kind, shown in reprs_with(text).items()
            if not shown.isprintable()
        ] == []

    def test_a_long_text_is_cut(self) -> None:
        shown = reprs_with("x" * 10_000)

        assert [kind for kind in shown if len(shown[kind]) >= 5000] == []


class TestConnection:
    def test_shows_what_is_in_memory(self) -> None:
        connection = Connection(transport=FakeTransport(make_chat()), clock=lambda: 0.0)
        before = rows_of(connection)
        connection.chats.get_subscriptions()

        assert "in memory" not in before
        assert rows_of(connection)["in memory"] == "1 chat, for 300 s"

    def test_a_closed_one_says_so(self) -> None:
        connection = Connection(transport=FakeTransport(make_chat()))
        connection.chats.get_subscriptions()
        states = [rows_of(connection)["state"]]
        connection.close()
        states.append(rows_of(connection)["state"])

        assert states == ["open", "closed"]

    def test_one_that_was_not_made_is_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As a debugger does, with an error of `__init__`."""
        half = Connection.__new__(Connection)
        with pytest.raises(TWConfigError):
            half.__init__()  # type: ignore[misc]

        assert rows_of(half)["transport"] == "'not made'"


class TestRepr:
    @pytest.mark.parametrize(
        ("cls", "item", "what"),
        [
            (ChatList, make_chat(), "chats]"),
            (MessageList, make_message(), "messages]"),
            (UserTuple, make_user(), "users)"),
            (GroupTuple, make_group(), "groups)"),
        ],
    )
    def test_a_long_one_says_how_many_there_are(self, cls: Any, item: Any, what: str) -> None:
        assert repr(cls([item] * 21)).endswith(f", ... 21 {what}")

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

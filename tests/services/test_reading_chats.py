"""chat.get_messages, chat.iter_messages and the downloads of what is attached."""

from __future__ import annotations

import io
import time
from itertools import islice
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import Connection, ConnectionConfig, TWProtocolError, TWRequestError
from teamwire_sync._transport import Page
from tests.support.builders import make_chat, make_file, make_message, make_user
from tests.support.fake_transport import FakeTransport
from tests.support.tables import unlike

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from teamwire_sync import ChatHandle, Message


@pytest.fixture
def transport() -> FakeTransport:
    """Seven messages, newest first: m7 to m1."""
    fake = FakeTransport(make_chat("t1", "one"))
    fake.history = [make_message(f"m{number}") for number in range(7, 0, -1)]
    return fake


@pytest.fixture
def chat(transport: FakeTransport) -> ChatHandle:
    return Connection(transport=transport).chats.at("t1")


@pytest.fixture
def with_deleted(transport: FakeTransport) -> FakeTransport:
    """Of the seven, all but m7, m3 and m1 were deleted; two are on a page."""
    transport.most = 2
    transport.history = [
        make_message(message.mid, deleted=message.mid not in {"m7", "m3", "m1"})
        for message in transport.history
    ]
    return transport


def mids(messages: Iterable[Message]) -> list[str]:
    return [message.mid for message in messages]


ALL = ["m7", "m6", "m5", "m4", "m3", "m2", "m1"]


class TestGet:
    def test_after_a_page_of_which_all_is_left_out_asks_for_many(
        self, chat: ChatHandle, transport: FakeTransport
    ) -> None:
        """Of ten thousand that were deleted, each would cost a request."""
        transport.history = [make_message(f"x{n}", deleted=True) for n in range(150)]
        transport.history.append(make_message("m1"))

        assert mids(chat.get_messages(1)) == ["m1"]
        assert [asked["limit"] for asked in transport.asked] == [1, 200]

    def test_gives_the_newest_first(self, chat: ChatHandle) -> None:
        assert mids(chat.get_messages()) == ALL
        assert mids(chat.get_messages(2)) == ["m7", "m6"]

    def test_gives_those_before_one(self, chat: ChatHandle) -> None:
        assert mids(chat.get_messages(2, "m6")) == ["m5", "m4"]
        assert mids(chat.get_messages(before=make_message("m3"))) == ["m2", "m1"]
        assert chat.get_messages(before="m1") == []

    def test_asks_for_no_more_than_it_gives_or_a_page_has(
        self, chat: ChatHandle, transport: FakeTransport
    ) -> None:
        chat.get_messages()
        for limit in (1, 200, 201, 10**9):
            chat.get_messages(limit)

        assert [asked["limit"] for asked in transport.asked] == [50, 1, 200, 200, 200]
        assert {asked["before"] for asked in transport.asked} == {None}

    def test_it_goes_on_over_as_many_pages_as_it_takes(
        self, chat: ChatHandle, transport: FakeTransport
    ) -> None:
        transport.most = 3
        pages = {1: 1, 3: 1, 4: 2, 7: 3, 8: 3, 100: 3}
        wrong = []
        for limit, calls in pages.items():
            transport.calls.clear()
            if (mids(chat.get_messages(limit)), len(transport.calls)) != (ALL[:limit], calls):
                wrong.append(limit)

        assert wrong == []

    def test_all_pages_have_one_deadline(
        self, chat: ChatHandle, transport: FakeTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        transport.most = 3
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)
        chat.get_messages(timeout=5)

        assert transport.deadlines == [105.0] * 3

    def test_what_is_wrong_is_named_before_any_request(
        self, chat: ChatHandle, transport: FakeTransport
    ) -> None:
        rows = [
            ({"limit": 0}, ValueError, "^limit must be 1 or more, got 0"),
            ({"limit": "5"}, TypeError, "^limit must be an int, not str"),
            ({"limit": None}, TypeError, "^limit must be an int, not NoneType"),
            ({"before": 5}, TypeError, "^before must be a Message or its id, not int"),
            ({"before": ""}, ValueError, "^before is empty"),
            ({"timeout": -1}, ValueError, "^timeout must be more than zero"),
        ]

        assert unlike(lambda given: chat.get_messages(**given), rows) == []
        assert transport.calls == []


class TestIterate:
    def test_gives_all_of_them(self, chat: ChatHandle, transport: FakeTransport) -> None:
        transport.most = 3

        assert mids(chat.iter_messages()) == ALL

    def test_can_be_looped_over_twice(self, chat: ChatHandle, transport: FakeTransport) -> None:
        messages = chat.iter_messages()
        assert mids(messages) == ALL
        transport.history.insert(0, make_message("m8"))

        assert mids(messages) == ["m8", *ALL]

    def test_reads_a_page_when_it_is_needed(
        self, chat: ChatHandle, transport: FakeTransport
    ) -> None:
        transport.most = 3
        messages = chat.iter_messages()
        assert transport.calls == []

        assert mids(islice(messages, 3)) == ["m7", "m6", "m5"]
        assert len(transport.calls) == 1

    def test_what_is_posted_meanwhile_moves_no_page(
        self, chat: ChatHandle, transport: FakeTransport
    ) -> None:
        transport.most = 2
        found = []
        for message in chat.iter_messages():
            found.append(message.mid)
            transport.history.insert(0, make_message(f"new{len(found)}"))

        assert found == ALL

    def test_begins_before_one(self, chat: ChatHandle) -> None:
        assert mids(chat.iter_messages("m4")) == ["m3", "m2", "m1"]
        assert mids(chat.iter_messages(before=make_message("m3"))) == ["m2", "m1"]

    def test_each_page_has_the_time_of_its_own(
        self, chat: ChatHandle, transport: FakeTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        transport.most = 4
        messages = chat.iter_messages(timeout=5)
        now = iter([100.0, 200.0])
        monkeypatch.setattr(time, "monotonic", lambda: next(now))
        mids(messages)

        assert transport.deadlines == [105.0, 205.0]

    def test_a_server_that_goes_in_a_circle_is_left(
        self, chat: ChatHandle, transport: FakeTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            transport, "get_messages", lambda *_, **__: Page([make_message()], "m1")
        )

        with pytest.raises(TWProtocolError, match="the pages of messages never end"):
            mids(chat.iter_messages())

    def test_one_that_is_not_there_is_an_error_in_the_loop(self, chat: ChatHandle) -> None:
        messages = chat.iter_messages("ghost")

        with pytest.raises(TWRequestError, match="there is no such message"):
            mids(messages)

    def test_what_is_wrong_is_named_before_the_loop(self, chat: ChatHandle) -> None:
        rows = [
            ({"before": 5}, TypeError, "before"),
            ({"before": ""}, ValueError, "before"),
            ({"timeout": 0}, ValueError, "timeout"),
        ]

        assert unlike(lambda given: chat.iter_messages(**given), rows) == []


class TestDeleted:
    def test_they_are_left_out(self, chat: ChatHandle, with_deleted: FakeTransport) -> None:
        assert mids(chat.iter_messages()) == mids(chat.get_messages()) == ["m7", "m3", "m1"]

    def test_they_do_not_count(self, chat: ChatHandle, with_deleted: FakeTransport) -> None:
        assert mids(chat.get_messages(2)) == ["m7", "m3"]

    def test_they_come_when_that_is_configured(self, with_deleted: FakeTransport) -> None:
        config = ConnectionConfig(hide_deleted_messages=False)
        chat = Connection(transport=with_deleted, config=config).chats.at("t1")

        assert mids(chat.iter_messages()) == mids(chat.get_messages()) == ALL
        assert [message.deleted for message in chat.get_messages(2)] == [False, True]

    def test_only_deleted_ones_are_none(self, chat: ChatHandle, transport: FakeTransport) -> None:
        transport.history = [make_message("m1", deleted=True)]

        assert chat.get_messages() == []


class TestActing:
    @pytest.mark.parametrize(
        "read",
        [lambda chat: chat.get_messages(), lambda chat: list(chat.iter_messages())],
        ids=["get", "iter"],
    )
    def test_what_is_read_can_act(
        self, read: Callable[[Any], list[Message]], chat: ChatHandle, transport: FakeTransport
    ) -> None:
        transport.users = [make_user(has_avatar=True)]
        transport.history = [make_message(attachments=(make_file(),))]
        transport.contents["a1"] = [b"abc"]
        (message,) = read(chat)
        content = io.BytesIO()
        message.attachments[0].download(content)

        assert message.chat is chat
        assert message.reply("why?").reply_to == "m1"
        assert message.from_user.load_avatar() == b"picture of u1"
        assert content.getvalue() == b"abc"


@pytest.fixture
def file(chat: ChatHandle, transport: FakeTransport) -> Any:
    """An attachment of six bytes that comes in two pieces."""
    transport.history = [make_message(attachments=(make_file(size=6, name="../x.txt"),))]
    transport.contents["a1"] = [b"abcd", b"ef"]
    found = chat.get_messages()[0].attachments[0]
    transport.calls.clear()
    transport.asked.clear()
    transport.deadlines.clear()
    return found


class TestDownload:
    def test_is_written_under_a_path(self, file: Any, tmp_path: Path) -> None:
        assert file.download(tmp_path / "mine.txt") == tmp_path / "mine.txt"
        assert (tmp_path / "mine.txt").read_bytes() == b"abcdef"

    def test_is_written_into_a_folder_and_not_elsewhere(self, file: Any, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()

        assert file.download(str(folder)) == folder / "x.txt"
        assert file.download(folder) == folder / "x (1).txt"

    def test_is_written_into_an_open_file(self, file: Any) -> None:
        stream = io.BytesIO()

        assert file.download(stream) is None
        assert stream.getvalue() == b"abcdef"

    def test_asks_for_the_bytes_that_there_should_be(
        self, file: Any, transport: FakeTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)
        file.download(io.BytesIO(), timeout=5)

        assert transport.asked == [{"aid": "a1", "size": 6}]
        assert transport.deadlines == [105.0]

    def test_progress_is_told_what_has_come_and_all_of_it(self, file: Any) -> None:
        told: list[tuple[int, int]] = []
        file.download(io.BytesIO(), progress=lambda *numbers: told.append(numbers))

        assert told == [(4, 6), (6, 6)]

    @pytest.mark.parametrize(
        "failure", [TWProtocolError("too short"), KeyboardInterrupt()], ids=["error", "Ctrl-C"]
    )
    def test_half_a_file_is_none(
        self, failure: BaseException, file: Any, transport: FakeTransport, tmp_path: Path
    ) -> None:
        transport.contents["a1"] = [b"abcd", failure]
        for target in (tmp_path, tmp_path / "mine.txt"):
            with pytest.raises(type(failure)):
                file.download(target)

        assert list(tmp_path.iterdir()) == []

    def test_what_is_wrong_is_named_before_any_request(
        self, file: Any, transport: FakeTransport
    ) -> None:
        rows = [
            ({"path_or_file": None}, TypeError, "^path_or_file must be a path or a file"),
            ({"path_or_file": io.StringIO()}, TypeError, "^path_or_file must be a path or a file"),
            ({"progress": 5}, TypeError, "^progress must be True, False or callable"),
            ({"timeout": 0}, ValueError, "^timeout must be more than zero"),
        ]

        assert (
            unlike(lambda one: file.download(**{"path_or_file": io.BytesIO(), **one}), rows) == []
        )
        assert transport.calls == []

    def test_a_folder_that_is_not_there_is_named_before_any_request(
        self, file: Any, transport: FakeTransport, tmp_path: Path
    ) -> None:
        with pytest.raises(FileNotFoundError):
            file.download(tmp_path / "none" / "x.txt")

        assert transport.calls == []

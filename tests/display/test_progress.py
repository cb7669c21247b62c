"""progress=True: a bar, for as long as there is something to tell."""

from __future__ import annotations

import asyncio
import io
import re
import sys
from typing import TYPE_CHECKING, Any, Callable

import pytest
from tqdm import auto as tqdm_auto

from teamwire_sync import Attachments, Connection, TWServerError
from teamwire_sync._display.progress import counted, moved
from teamwire_sync._models.base import attach
from teamwire_sync._transport import ChatPage
from tests.support.builders import make_chat, make_file, make_message
from tests.support.fake_transport import FakeTransport

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

FAILURES = [TWServerError("broken"), OSError("full"), KeyboardInterrupt()]
each_failure = pytest.mark.parametrize("failure", FAILURES, ids=lambda error: type(error).__name__)


class Bar(tqdm_auto.tqdm):  # type: ignore[type-arg]
    """A real bar, that is drawn into a text."""

    # It would start a thread that never ends.
    monitor_interval = 0
    made: list[Bar]

    def __init__(self, **options: Any) -> None:
        self.drawn = io.StringIO()
        self.first_total = options["total"]
        self.closings = 0
        super().__init__(file=self.drawn, mininterval=0, **options)
        self.made.append(self)

    def close(self) -> None:
        self.closings += 1
        super().close()

    @property
    def is_over(self) -> bool:
        """Whether it was closed, by us and not by the garbage collector."""
        return self.closings > 0 and self.disable


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> list[Bar]:
    """The bars that were made."""
    monkeypatch.setattr(Bar, "made", [], raising=False)
    monkeypatch.setattr(tqdm_auto, "tqdm", Bar)
    return Bar.made


CHATS = [make_chat(f"t{number}") for number in range(5)]
Send = Callable[..., None]


@pytest.fixture
def transport() -> FakeTransport:
    return FakeTransport(*CHATS)


@pytest.fixture
def send(transport: FakeTransport, monkeypatch: pytest.MonkeyPatch) -> Send:
    """Let the server answer the next listing with these pages."""

    def send(*pages: ChatPage) -> None:
        monkeypatch.setattr(transport, "iter_chat_pages", lambda **_: iter(pages))

    return send


@pytest.fixture
def connection(transport: FakeTransport) -> Connection:
    return Connection(transport=transport)


def file_of(size: int) -> Attachments:
    return Attachments().add_file(io.BytesIO(b"x" * size), "x.bin")


def tell(
    progress: AbstractContextManager[Any], *news: tuple[int | None, ...] | BaseException
) -> None:
    """Tell *progress* of numbers, and raise what is none."""
    with progress as told:
        for each in news:
            if isinstance(each, BaseException):
                raise each
            told(*each)


class TestListing:
    def test_a_bar_counts_the_chats(self, connection: Connection, bars: list[Bar]) -> None:
        listed = connection.chats.get_subscriptions(progress=True)

        (bar,) = bars
        assert (len(listed), bar.n, bar.is_over) == (5, 5, True)
        assert "listing: 5 chats [" in bar.drawn.getvalue()

    @pytest.mark.parametrize(
        "totals",
        [(5, 5), (4, 4), (6, None)],
        ids=["right", "one short", "on the first page only"],
    )
    def test_its_end_is_the_number_that_the_server_sent(
        self,
        totals: tuple[int, int | None],
        connection: Connection,
        transport: FakeTransport,
        bars: list[Bar],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        pages = [
            ChatPage(transport.chats[:3], is_last=False, total=totals[0]),
            ChatPage(transport.chats[3:], total=totals[1]),
        ]
        monkeypatch.setattr(transport, "iter_chat_pages", lambda **_: iter(pages))
        connection.chats.get_subscriptions(progress=True)

        assert [(bar.first_total, bar.n, bar.total) for bar in bars] == [(totals[0], 5, 5)]

    def test_a_server_that_sends_no_number_has_a_counter(
        self, connection: Connection, send: Send, bars: list[Bar]
    ) -> None:
        send(ChatPage(CHATS[:3], is_last=False), ChatPage(CHATS[3:]))
        connection.chats.get_subscriptions(progress=True)

        (bar,) = bars
        assert bar.total is None
        assert re.search(r"\rlisting: 5 chats \[00:00, [^%|]*\n$", bar.drawn.getvalue())

    def test_a_callback_receives_two_numbers(self, connection: Connection) -> None:
        told: list[tuple[int, ...]] = []
        connection.chats.get_subscriptions(progress=lambda *numbers: told.append(numbers))

        assert told == [(1, 5)]

    def test_without_a_change_there_is_none(
        self, connection: Connection, send: Send, bars: list[Bar]
    ) -> None:
        connection.chats.get_subscriptions()
        send(ChatPage(not_modified=True))
        connection.chats.get_subscriptions(refresh=True, progress=True)

        assert bars == []

    def test_where_nothing_is_listed_there_is_none(
        self, connection: Connection, bars: list[Bar]
    ) -> None:
        connection.chats.get_subscriptions()
        connection.chats.get_subscriptions(progress=True)

        assert bars == []

    @pytest.mark.parametrize("progress", [False, None])
    def test_nobody_has_to_have_one(
        self, progress: Any, connection: Connection, bars: list[Bar]
    ) -> None:
        assert len(connection.chats.get_subscriptions(progress=progress)) == 5
        assert bars == []

    def test_a_failure_before_the_first_page_shows_none(
        self, connection: Connection, transport: FakeTransport, bars: list[Bar]
    ) -> None:
        transport.error = TWServerError("broken")
        with pytest.raises(TWServerError):
            connection.chats.get_subscriptions(progress=True)

        assert bars == []

    def test_it_works_while_an_event_loop_runs(
        self, connection: Connection, bars: list[Bar]
    ) -> None:
        async def cell() -> int:
            listed = connection.chats.get_subscriptions(progress=True)
            return len(listed) + len(listed._repr_html_().split("<tr>"))

        assert asyncio.run(cell()) == 5 + 7
        assert [bar.is_over for bar in bars] == [True]


class TestCounted:
    @each_failure
    def test_the_bar_ends_when_the_call_does(self, failure: BaseException, bars: list[Bar]) -> None:
        with pytest.raises(type(failure)):
            tell(counted(True, "chats"), (1, 200, 400), failure)

        assert [(bar.n, bar.is_over) for bar in bars] == [(200, True)]

    def test_a_listing_that_begins_anew_begins_anew(self, bars: list[Bar]) -> None:
        tell(counted(True, "chats"), (1, 200, 500), (2, 400, 500), (1, 150, 499))

        assert [(bar.n, bar.total) for bar in bars] == [(150, 499)]

    def test_another_number_of_all_does_not_empty_the_bar(self, bars: list[Bar]) -> None:
        tell(counted(True, "chats"), (1, 100, 300), (2, 200, 310), (3, 311, 311))

        (bar,) = bars
        drawn = re.findall(r"\d+/\d+", bar.drawn.getvalue())
        assert list(dict.fromkeys(drawn)) == ["100/300", "200/310", "311/311"]


def words(text: Any) -> str:
    """Return the text of a widget, with plain spaces: tqdm uses non-breaking spaces."""
    return str(text.value).replace("\u2007", " ")


# Old releases of ipywidgets use what is deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
class TestInNotebooks:
    """The widgets that a notebook shows."""

    @pytest.fixture
    def bars(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        from tqdm.notebook import tqdm as notebook_tqdm  # noqa: PLC0415  it may warn

        made: list[Any] = []

        class Widget(notebook_tqdm):  # type: ignore[misc,type-arg]
            monitor_interval = 0

            def __init__(self, **options: Any) -> None:
                super().__init__(display=False, mininterval=0, **options)
                made.append(self.container.children)

        monkeypatch.setattr(tqdm_auto, "tqdm", Widget)
        return made

    def test_a_bar_has_an_end(self, bars: list[Any]) -> None:
        tell(counted(True, "chats"), (1, 2, 5), (2, 4, 6), (3, 6, 6))

        ((_, bar, text),) = bars
        assert (bar.value, bar.max, bar.bar_style, bar.layout.display) == (6, 6, "success", None)
        assert "6/6" in text.value

    def test_without_an_end_there_are_only_numbers(self, bars: list[Any]) -> None:
        tell(counted(True, "chats"), (1, 2, None), (2, 4, None), (3, 6, 6))

        ((left, bar, right),) = bars
        assert (bar.layout.display, left.value) == ("none", "")
        assert words(right).startswith("listing: 6 chats [00:00, ")

    def test_empty_files_have_only_numbers(self, bars: list[Any]) -> None:
        tell(moved(True, "sending"), (0, 0))

        ((_, bar, text),) = bars
        assert bar.layout.display == "none"
        assert words(text).startswith("sending: 0.00B [")


class Numbers(list[Any]):
    """A callback that is false while it is empty."""

    def __call__(self, *numbers: int) -> None:
        self.append(numbers)


@pytest.mark.parametrize("kind", [counted, moved])
def test_an_empty_callback_is_called(kind: Callable[..., Any]) -> None:
    numbers = Numbers()
    tell(kind(numbers, "x"), (1, 2, None)[: 3 if kind is counted else 2])

    assert numbers == [(1, 2)]


class TestMoved:
    @each_failure
    def test_the_bar_ends_when_the_call_does(self, failure: BaseException, bars: list[Bar]) -> None:
        with pytest.raises(type(failure)):
            tell(moved(True, "sending"), (1, 3), failure)

        assert [(bar.n, bar.total, bar.is_over) for bar in bars] == [(1, 3, True)]

    def test_a_callback_stays_as_it_is(self, bars: list[Bar]) -> None:
        with moved(print, "sending") as told:
            assert told is print
        assert bars == []

    @pytest.mark.parametrize("progress", [False, None])
    def test_without_one_nothing_is_told(self, progress: Any, bars: list[Bar]) -> None:
        with moved(progress, "sending") as told:
            told(1, 3)
        assert bars == []


class TestPosting:
    def test_a_bar_counts_the_bytes_of_all_files(
        self, connection: Connection, bars: list[Bar]
    ) -> None:
        files = file_of(3000).add_file(io.BytesIO(b"y" * 72), "y.bin")
        connection.chats.at("t1").post(attachments=files, progress=True)

        (bar,) = bars
        assert (bar.n, bar.first_total, bar.is_over) == (3072, 3072, True)
        assert "sending: 100%" in bar.drawn.getvalue()
        assert "3.00k/3.00k" in bar.drawn.getvalue()

    @pytest.mark.parametrize("attachments", [None, [make_file()]], ids=["none", "known"])
    def test_where_no_file_is_sent_there_is_none(
        self, attachments: Any, connection: Connection, bars: list[Bar]
    ) -> None:
        connection.chats.at("t1").post("hello", attachments, progress=True)

        assert bars == []

    @each_failure
    def test_it_ends_when_the_call_does(
        self,
        failure: BaseException,
        connection: Connection,
        transport: FakeTransport,
        bars: list[Bar],
    ) -> None:
        transport.errors["upload"] = failure
        files = file_of(0).add_file(io.BytesIO(b"x"), "x.bin")
        with pytest.raises(type(failure)):
            connection.chats.at("t1").post(attachments=files, progress=True)

        assert all(bar.is_over for bar in bars)


class TestDownloading:
    @pytest.fixture
    def sent(self, connection: Connection, transport: FakeTransport) -> Callable[..., Any]:
        """Makes an attachment with the content that it is given."""

        def make(*pieces: bytes | BaseException, size: int) -> Any:
            transport.contents["a1"] = pieces
            transport.history = [make_message(attachments=(make_file(size=size),))]
            (message,) = connection.chats.at("t1").get_messages()
            (attachment,) = message.attachments or ()
            return attachment

        return make

    @pytest.mark.parametrize("pieces", [[b"abc", b"de"], []], ids=["some", "empty"])
    def test_a_bar_counts_the_bytes(
        self, pieces: list[bytes], sent: Callable[..., Any], bars: list[Bar]
    ) -> None:
        size = sum(map(len, pieces))
        sent(*pieces, size=size).download(io.BytesIO(), progress=True)

        assert [(bar.n, bar.first_total, bar.is_over) for bar in bars] == [(size, size, True)]

    @each_failure
    def test_it_ends_when_the_call_does(
        self, failure: BaseException, sent: Callable[..., Any], bars: list[Bar]
    ) -> None:
        with pytest.raises(type(failure)):
            sent(b"abc", failure, size=5).download(io.BytesIO(), progress=True)

        assert [(bar.n, bar.is_over) for bar in bars] == [(3, True)]


class Unwritable(io.StringIO):
    """A stream whose reader has gone, or whose disk is full."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def write(self, _text: str) -> int:
        raise self._error

    flush = write  # type: ignore[assignment]


# Old releases of tqdm raise in `__del__`. Python ignores that.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "stream",
    [
        None,
        Unwritable(BrokenPipeError()),
        Unwritable(OSError(28, "full")),
        Unwritable(ValueError()),
    ],
    ids=["none", "pipe", "disk", "other"],
)
class TestWithoutStderr:
    def test_a_listing_is_whole(
        self, connection: Connection, monkeypatch: pytest.MonkeyPatch, stream: Any
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", stream)
            listed = connection.chats.get_subscriptions(progress=True)

        assert len(listed) == 5

    def test_a_post_is_done(
        self,
        connection: Connection,
        transport: FakeTransport,
        monkeypatch: pytest.MonkeyPatch,
        stream: Any,
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", stream)
            connection.chats.at("t1").post("hello", file_of(3), progress=True)

        assert transport.calls[-1] == "post_message"


def install(connection: Connection, call: str) -> None:
    """Make a call that shows a bar."""
    file = make_file()
    attach([file], connection.chats._actions)
    {
        "get_subscriptions": lambda: connection.chats.get_subscriptions(progress=True),
        "post a text": lambda: connection.chats.at("t1").post("hello", progress=True),
        "post a file": lambda: connection.chats.at("t1").post("", file_of(3), progress=True),
        "download": lambda: file.download(io.BytesIO(), progress=True),
    }[call]()


@pytest.mark.parametrize("call", ["get_subscriptions", "post a text", "post a file", "download"])
class TestWithoutTqdm:
    def test_the_error_says_what_to_install_before_anything_is_sent(
        self,
        call: str,
        connection: Connection,
        transport: FakeTransport,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
        text = (
            r"^progress=True needs tqdm: "
            r'pip install "ipywidgets>=8\.0" "pandas>=2\.0" "tqdm>=4\.64"$'
        )
        with pytest.raises(ImportError, match=text) as caught:
            install(connection, call)

        assert caught.value.name == "tqdm"
        assert transport.calls == []

    def test_what_tqdm_itself_lacks_is_said_as_it_is(
        self,
        call: str,
        connection: Connection,
        transport: FakeTransport,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        (tmp_path / "tqdm").mkdir()
        (tmp_path / "tqdm" / "__init__.py").write_text("")
        (tmp_path / "tqdm" / "auto.py").write_text("import colours")
        for name in [name for name in sys.modules if name.partition(".")[0] == "tqdm"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(ModuleNotFoundError, match="No module named 'colours'"):
            install(connection, call)

        assert transport.calls == []

"""A file that is being sent: exactly the bytes that it had when it was opened."""

from __future__ import annotations

import gc
import io
import os
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import AttachmentType
from teamwire_sync._services import files
from teamwire_sync._services.files import LocalFile
from tests.support.forks import exit_status, in_child
from tests.support.waiting import PATIENCE, Gate, Threads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    report = tmp_path / "report.pdf"
    report.write_bytes(b"0123456789")
    return report


def local(path_or_file: Any, name: str | None = None) -> LocalFile:
    return LocalFile.of(AttachmentType.FILE, path_or_file, name)


def rest(source: Any, size: int = 4) -> bytes:
    return b"".join(iter(lambda: source.read(size), b""))


class Trickle(io.BytesIO):
    """Gives a byte at a time, as a slow disk may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 1))


class Stalled(io.BytesIO):
    """Waits in each read until the gate is opened, as a file on a slow disk may."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.gate = Gate()
        self.is_reading = False

    def read(self, size: int | None = -1, /) -> bytes:
        self.is_reading = True
        try:
            self.gate()
        finally:
            self.is_reading = False
        return super().read(size)


def test_it_says_what_it_is(path: Path) -> None:
    with local(path).opened() as source:
        assert (source.name, source.content_type, source.size) == (
            "report.pdf",
            "application/pdf",
            10,
        )


def test_it_is_read_piece_by_piece(path: Path) -> None:
    with local(path).opened() as source:
        assert [source.read(4) for _ in range(4)] == [b"0123", b"4567", b"89", b""]


def test_pieces_that_come_short_are_no_end() -> None:
    with local(Trickle(b"abc"), "x").opened() as source:
        assert rest(source) == b"abc"


def test_to_ask_for_nothing_is_no_end(path: Path) -> None:
    with local(path).opened() as source:
        assert source.read(0) == b""
        assert rest(source) == b"0123456789"


def test_rewound_it_starts_again(path: Path) -> None:
    with local(path).opened() as source:
        source.read(7)
        source.rewind()

        assert rest(source) == b"0123456789"


def test_rewound_an_open_one_starts_again_where_it_was_given() -> None:
    stream = io.BytesIO(b"0123456789")
    stream.seek(3)
    with local(stream, "x").opened() as source:
        source.read(7)
        source.rewind()

        assert rest(source) == b"3456789"


def test_what_is_appended_meanwhile_is_not_sent(path: Path) -> None:
    """The length has been announced."""
    with local(path).opened() as source, path.open("ab") as log:
        log.write(b"more")
        log.flush()

        assert (rest(source), source.size) == (b"0123456789", 10)


def test_what_is_appended_to_an_open_one_is_not_sent() -> None:
    stream = io.BytesIO(b"0123456789")
    with local(stream, "x").opened() as source:
        stream.seek(0, io.SEEK_END)
        stream.write(b"more")
        source.rewind()

        assert rest(source) == b"0123456789"


def test_one_that_becomes_shorter_is_an_error() -> None:
    stream = io.BytesIO(b"0123456789")
    with local(stream, "x").opened() as source:
        assert source.read(4) == b"0123"
        stream.truncate(6)

        with pytest.raises(OSError, match=r"^'x' became shorter while it was being sent$"):
            rest(source)


def test_its_size_is_that_of_the_moment_when_it_is_sent(path: Path) -> None:
    file = local(path)
    path.write_bytes(b"more than before")

    assert file.size == 16
    with file.opened() as source:
        assert rest(source) == b"more than before"


@pytest.mark.parametrize("position", [10, 99])
def test_one_that_stands_at_its_end_is_refused(position: int) -> None:
    """Who has just written it has forgotten to rewind."""
    stream = io.BytesIO(b"0123456789")
    stream.seek(position)

    text = r"^the file 'x' is at its end: call file.seek\(0\) first$"
    with pytest.raises(ValueError, match=text):
        local(stream, "x")


def test_one_that_was_sent_stands_where_it_stood() -> None:
    stream = io.BytesIO(b"0123456789")
    stream.seek(4)
    file = local(stream, "x")
    with file.opened() as source:
        source.read(100)

    assert stream.tell() == 4


def test_two_that_send_the_same_do_not_disturb_each_other() -> None:
    file = local(io.BytesIO(b"0123456789"), "x")
    with file.opened() as one, file.opened() as other:
        pieces = [source.read(3) for source in (one, other) * 2]

    assert pieces == [b"012", b"012", b"345", b"345"]


@pytest.mark.parametrize("piece", ["text", b"more than asked for"], ids=["a text", "too much"])
def test_what_is_no_piece_is_refused(piece: Any) -> None:
    """Too many bytes would be the beginning of another request."""

    class Odd(io.BytesIO):
        def read(self, size: int | None = -1, /) -> Any:
            return piece

    with (
        local(Odd(b"0123"), "x").opened() as source,
        pytest.raises(TypeError, match="no bytes object"),
    ):
        source.read(4)


def test_a_path_is_that_of_where_the_program_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_bytes(b"right")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").write_bytes(b"wrong")
    monkeypatch.chdir(tmp_path)
    file = local("x")
    monkeypatch.chdir(tmp_path / "other")

    with file.opened() as source:
        assert rest(source) == b"right"


def test_a_path_that_has_become_a_pipe_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"content")
    file = local(path)
    path.unlink()
    os.mkfifo(path)

    with pytest.raises(OSError, match="is not a regular file"), file.opened():
        pass


def test_a_name_that_looks_like_a_url_says_nothing_of_its_type() -> None:
    assert local(io.BytesIO(b"x"), "data:text/x\r\n,y").content_type == "application/octet-stream"


def test_an_empty_one_is_empty(path: Path) -> None:
    path.write_bytes(b"")
    with local(path).opened() as source:
        assert (source.size, source.read(4)) == (0, b"")


def test_it_tells_how_much_has_been_read(path: Path) -> None:
    told: list[int] = []
    with local(path).opened(told.append) as source:
        rest(source)
        source.rewind()
        source.read(3)

    assert told == [4, 8, 10, 3]


def test_an_empty_one_tells_nothing() -> None:
    told: list[int] = []
    with local(io.BytesIO(), "x").opened(told.append) as source:
        rest(source)

    assert told == []


def test_one_that_was_deleted_is_an_error_when_it_is_sent(path: Path) -> None:
    file = local(path)
    path.unlink()

    with pytest.raises(FileNotFoundError), file.opened():
        pass


def test_one_of_a_path_is_closed_whatever_happens(path: Path) -> None:
    """Else there would be a ResourceWarning, which is an error here."""
    file = local(path)

    def interrupted() -> None:
        with file.opened() as source:
            source.read(1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()


class TestFileObjectThatStalls:
    @pytest.fixture
    def stalled(self) -> Iterator[Stalled]:
        """Another thread reads it, until the test opens the gate."""
        stalled = Stalled(b"0123456789")
        with Threads() as threads, local(stalled, "x").opened() as source:
            threads.start(lambda: source.read(1))
            stalled.gate.wait_arrived()
            try:
                yield stalled
            finally:
                stalled.gate.open()

    def test_stops_no_other_file_object(self, stalled: Stalled) -> None:
        with Threads() as threads, local(io.BytesIO(b"0123"), "y").opened() as other:
            assert threads.start(lambda: rest(other)).result(PATIENCE) == b"0123"
            assert stalled.is_reading

    def test_stops_no_path(self, stalled: Stalled, path: Path) -> None:
        with Threads() as threads, local(path).opened() as other:
            assert threads.start(lambda: rest(other)).result(PATIENCE) == b"0123456789"
            assert stalled.is_reading

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_stops_nothing_in_a_forked_child(self, stalled: Stalled, path: Path) -> None:
        def read_in_child() -> None:
            stalled.gate = Gate()
            stalled.gate.open()
            for each in (path, stalled, io.BytesIO(b"0123456789")):
                with local(each, "y").opened() as source:
                    assert rest(source) == b"0123456789"

        assert exit_status(in_child(read_in_child)) == 0


def test_attachments_of_one_file_object_take_turns() -> None:
    stream, other = io.BytesIO(b"0123456789"), io.BytesIO(b"0123456789")
    first, second, third = local(stream, "x"), local(stream, "y"), local(other, "x")

    assert first._take_turn == second._take_turn != third._take_turn


class Interrupted(io.BytesIO):
    """A signal handler runs after the first seek within the content."""

    handler: Any = None

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        position = super().seek(offset, whence)
        handler = self.handler
        if handler is not None and whence == os.SEEK_SET:
            self.handler = None
            handler()
        return position


def test_a_signal_handler_that_reads_the_same_file_object_changes_no_piece() -> None:
    stream = Interrupted(b"0123456789")
    file, same = local(stream, "x"), local(stream, "y")
    with file.opened() as source, same.opened() as other:
        stream.handler = lambda: other.read(4)

        assert rest(source) == b"0123456789"
        assert rest(other) == b"456789"


def test_a_file_object_without_hash_is_sent() -> None:
    class Unhashable(io.BytesIO):
        __hash__ = None  # type: ignore[assignment]

    with local(Unhashable(b"0123"), "x").opened() as source:
        assert rest(source) == b"0123"


def test_nothing_is_kept_of_a_file_object_that_was_sent() -> None:
    file = local(io.BytesIO(b"0123456789"), "x")
    with file.opened() as source:
        rest(source)
    # Without those that other tests have left.
    gc.collect()
    kept = len(files._given)
    del file, source
    gc.collect()

    assert len(files._given) == kept - 1

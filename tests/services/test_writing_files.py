"""Where a download goes: all of it under its name, or nothing at all."""

from __future__ import annotations

import errno
import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync._services.files import target_of

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILURES = [OSError("broken"), ValueError("bad"), KeyboardInterrupt()]
each_failure = pytest.mark.parametrize("failure", FAILURES, ids=lambda error: type(error).__name__)


def write(path_or_file: Any, *pieces: bytes | BaseException, name: str = "x.txt") -> Path | None:
    """Have *pieces* written, and raise what is no bytes of them."""
    with target_of(path_or_file, name) as (target, paths):
        for piece in pieces:
            if isinstance(piece, BaseException):
                raise piece
            target.write(piece)
    return paths[0] if paths else None


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def unlinked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without hard links, as those of cameras and phones."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)


class TestPath:
    def test_an_empty_path_is_refused(self) -> None:
        """It would be the folder that the program is in."""
        with pytest.raises(ValueError, match=r"^path_or_file is empty$"):
            write("")

    def test_an_error_names_the_file_that_was_asked_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied", "something else")

        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(PermissionError) as caught:
            write(tmp_path / "new.bin", b"abc")

        assert caught.value.filename == str(tmp_path / "new.bin")

    @pytest.mark.parametrize("make", [str, Path], ids=["str", "Path"])
    def test_the_file_has_all_the_pieces(self, tmp_path: Path, make: Callable[[Any], Any]) -> None:
        path = write(make(tmp_path / "new.bin"), b"ab", b"", b"c")

        assert path == tmp_path / "new.bin"
        assert files(tmp_path) == {"new.bin": b"abc"}

    def test_nothing_at_all_is_a_file_too(self, tmp_path: Path) -> None:
        write(tmp_path / "empty.bin")

        assert files(tmp_path) == {"empty.bin": b""}

    def test_it_is_called_as_the_caller_says(self, tmp_path: Path) -> None:
        write(tmp_path / "mine.bin", b"x", name="../../theirs.bin")

        assert files(tmp_path) == {"mine.bin": b"x"}

    def test_it_is_not_there_before_its_end(self, tmp_path: Path) -> None:
        with target_of(tmp_path / "new.bin", "x") as (target, paths):
            target.write(b"abc")

            assert not (tmp_path / "new.bin").exists()
            assert paths == []

    @each_failure
    def test_a_failure_leaves_nothing(self, tmp_path: Path, failure: BaseException) -> None:
        with pytest.raises(type(failure)):
            write(tmp_path / "new.bin", b"ab", failure)

        assert files(tmp_path) == {}

    def test_one_that_is_there_is_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "old.bin").write_bytes(b"before, and longer")
        write(tmp_path / "old.bin", b"after")

        assert files(tmp_path) == {"old.bin": b"after"}

    def test_until_the_end_it_has_what_it_had(self, tmp_path: Path) -> None:
        old = tmp_path / "old.bin"
        old.write_bytes(b"before")
        with target_of(old, "x") as (target, _):
            target.write(b"after")

            assert old.read_bytes() == b"before"

    @each_failure
    def test_after_a_failure_it_has_what_it_had(
        self, tmp_path: Path, failure: BaseException
    ) -> None:
        (tmp_path / "old.bin").write_bytes(b"before")
        with pytest.raises(type(failure)):
            write(tmp_path / "old.bin", b"after", failure)

        assert files(tmp_path) == {"old.bin": b"before"}

    @pytest.mark.parametrize("step", ["replace", "fsync"])
    def test_a_failure_at_the_very_end_leaves_nothing_new(
        self, tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "old.bin").write_bytes(b"before")

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(Path if step == "replace" else os, step, full)
        with pytest.raises(OSError, match="No space left"):
            write(tmp_path / "old.bin", b"after")

        assert files(tmp_path) == {"old.bin": b"before"}

    def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="there is no such folder") as caught:
            write(tmp_path / "none" / "new.bin")
        assert caught.value.filename == str(tmp_path / "none")

    def test_a_slash_at_the_end_means_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="there is no such folder") as caught:
            write(f"{tmp_path}/none/")
        assert caught.value.filename == str(tmp_path / "none")

    @pytest.mark.skipif(not Path(os.devnull).is_char_device(), reason="the system has none")
    def test_a_device_is_refused(self) -> None:
        text = "is neither a file nor a folder: open it and pass the file object"
        with pytest.raises(OSError, match=text):
            write(os.devnull)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has none")
    def test_a_named_pipe_is_refused_and_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")

        with pytest.raises(OSError, match="is neither a file nor a folder"):
            write(tmp_path / "fifo")

    def test_who_may_not_write_is_told_before_anything_is_asked_for(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError), target_of(tmp_path / "none" / "x", "x"):
            pytest.fail("a request would have been made")


class TestFolder:
    def test_the_file_is_called_as_the_attachment(self, tmp_path: Path) -> None:
        path = write(tmp_path, b"abc", name="report.pdf")

        assert path == tmp_path / "report.pdf"
        assert files(tmp_path) == {"report.pdf": b"abc"}

    def test_one_with_a_slash_is_one_too(self, tmp_path: Path) -> None:
        assert write(f"{tmp_path}/", b"abc") == tmp_path / "x.txt"

    def test_so_is_a_link_to_one(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        write(tmp_path / "link", b"abc")

        assert files(tmp_path / "real") == {"x.txt": b"abc"}

    @pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
    def test_what_is_there_stays(
        self, tmp_path: Path, links: bool, request: pytest.FixtureRequest
    ) -> None:
        if not links:
            request.getfixturevalue("unlinked")
        paths = [write(tmp_path, content) for content in (b"0", b"1", b"2")]

        assert [path.name for path in paths if path] == ["x.txt", "x (1).txt", "x (2).txt"]
        assert files(tmp_path) == {"x.txt": b"0", "x (1).txt": b"1", "x (2).txt": b"2"}

    @pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
    @pytest.mark.parametrize("target", ["outside.txt", "none.txt"], ids=["link", "dangling link"])
    def test_a_link_with_its_name_is_not_followed(
        self, tmp_path: Path, links: bool, target: str, request: pytest.FixtureRequest
    ) -> None:
        if not links:
            request.getfixturevalue("unlinked")
        (tmp_path / "outside.txt").write_bytes(b"before")
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "x.txt").symlink_to(tmp_path / target)

        assert write(folder, b"after") == folder / "x (1).txt"
        assert (tmp_path / "outside.txt").read_bytes() == b"before"
        assert not (tmp_path / "none.txt").exists()

    def test_a_folder_with_its_name_stays(self, tmp_path: Path) -> None:
        (tmp_path / "x.txt").mkdir()

        assert write(tmp_path, b"abc") == tmp_path / "x (1).txt"

    @each_failure
    def test_a_failure_leaves_nothing(self, tmp_path: Path, failure: BaseException) -> None:
        with pytest.raises(type(failure)):
            write(tmp_path, b"ab", failure)

        assert files(tmp_path) == {}

    @pytest.mark.usefixtures("unlinked")
    @each_failure
    def test_a_failure_while_it_gets_its_name_leaves_nothing(
        self, tmp_path: Path, failure: BaseException, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise failure

        monkeypatch.setattr(Path, "replace", fail)
        with pytest.raises(type(failure)):
            write(tmp_path, b"abc")

        assert files(tmp_path) == {}

    def test_a_name_that_appears_meanwhile_is_not_taken(self, tmp_path: Path) -> None:
        with target_of(tmp_path, "x.txt") as (target, paths):
            target.write(b"theirs")
            (tmp_path / "x.txt").write_bytes(b"ours")

        assert paths == [tmp_path / "x (1).txt"]
        assert (tmp_path / "x.txt").read_bytes() == b"ours"

    @pytest.mark.parametrize("mask", [0o022, 0o077])
    def test_others_may_read_it_as_any_file_of_the_program(self, tmp_path: Path, mask: int) -> None:
        before = os.umask(mask)
        try:
            path = write(tmp_path, b"abc")
        finally:
            os.umask(before)

        assert path is not None
        assert path.stat().st_mode & 0o777 == 0o666 & ~mask


class Raw(io.RawIOBase):
    """Takes two bytes at a time, as a file without buffer may."""

    def __init__(self) -> None:
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, piece: Any, /) -> int:
        self.content += bytes(piece[:2])
        return len(piece[:2])


class TestOpenFile:
    def test_it_takes_all_the_pieces_and_has_no_path(self) -> None:
        stream = io.BytesIO()

        assert write(stream, b"ab", b"c") is None
        assert stream.getvalue() == b"abc"

    def test_it_is_written_from_its_position_on(self) -> None:
        stream = io.BytesIO(b"0123456789")
        stream.seek(2)
        write(stream, b"ab")

        assert stream.getvalue() == b"01ab456789"

    def test_it_stays_open(self, tmp_path: Path) -> None:
        with (tmp_path / "x").open("wb") as file:
            write(file, b"abc")

            assert not file.closed

    def test_one_that_takes_less_gets_the_rest(self) -> None:
        raw = Raw()
        write(raw, b"abcde", b"f")

        assert raw.content == b"abcdef"

    def test_what_a_buffer_holds_back_is_written(self, tmp_path: Path) -> None:
        """Else a disk that is full would be an error of nobody."""
        path = tmp_path / "x"
        with path.open("wb") as file:
            write(file, b"abc")

            assert path.read_bytes() == b"abc"

    def test_a_raw_one_that_would_block_ends_it(self) -> None:
        class Blocking(io.RawIOBase):
            def writable(self) -> bool:
                return True

            def write(self, piece: Any, /) -> None:
                return None

        with pytest.raises(OSError, match=r"^the file takes no more bytes$"):
            write(Blocking(), b"abc")

    def test_after_a_failure_what_stood_behind_is_not_cut_off(self) -> None:
        stream = io.BytesIO(b"0123456789")
        with pytest.raises(OSError, match="broken"):
            write(stream, b"ab", OSError("broken"))

        assert stream.getvalue() == b"ab23456789"
        assert stream.tell() == 0

    def test_one_that_takes_nothing_more_ends_it(self) -> None:
        class Full:
            def write(self, piece: Any) -> int:
                return 0

        with pytest.raises(OSError, match=r"^the file takes no more bytes$"):
            write(Full(), b"abc")

    def test_one_that_does_not_say_how_much_it_took_took_all(self) -> None:
        pieces: list[bytes] = []

        class Sink:
            def write(self, piece: Any) -> None:
                pieces.append(bytes(piece))

        write(Sink(), b"abc", b"d")

        assert pieces == [b"abc", b"d"]

    @each_failure
    def test_after_a_failure_it_is_as_it_was(self, failure: BaseException) -> None:
        stream = io.BytesIO(b"0123")
        stream.seek(0, io.SEEK_END)
        with pytest.raises(type(failure)):
            write(stream, b"ab", failure)

        assert (stream.getvalue(), stream.tell()) == (b"0123", 4)

    def test_a_failure_of_one_that_can_not_go_back_is_still_that_failure(self) -> None:
        with pytest.raises(ValueError, match="bad"):
            write(Raw(), b"ab", ValueError("bad"))

    def test_a_failure_of_one_that_was_closed_is_still_that_failure(self) -> None:
        class Closing(io.BytesIO):
            def write(self, _: Any, /) -> int:
                self.close()
                raise KeyError

        with pytest.raises(KeyError):
            write(Closing(), b"abc")

    @pytest.mark.parametrize(
        "make",
        [
            lambda path: path.open("w"),
            lambda path: path.open("rb"),
            lambda _: tempfile.NamedTemporaryFile("w"),  # noqa: SIM115  the test closes it
            lambda _: io.StringIO(),
        ],
        ids=["text", "for reading", "wrapped text", "StringIO"],
    )
    def test_one_that_takes_no_bytes_is_refused(
        self, make: Callable[[Path], Any], tmp_path: Path
    ) -> None:
        (tmp_path / "x").touch()

        with (
            make(tmp_path / "x") as file,
            pytest.raises(
                TypeError,
                match=r"^path_or_file must be a path or a file .* writing bytes \(mode 'wb'",
            ),
        ):
            write(file)

    @pytest.mark.parametrize("given", [None, 5, b"x.txt", ["x"]], ids=repr)
    def test_what_is_no_file_is_refused(self, given: Any) -> None:
        with pytest.raises(TypeError, match=rf"not {type(given).__name__}$"):
            write(given)


class TestRestart:
    @staticmethod
    def restarted(path_or_file: Any, *pieces: Sequence[bytes]) -> list[bool]:
        answers = []
        with target_of(path_or_file, "x") as (target, _):
            for number, attempt in enumerate(pieces):
                answers += [target.restart()] if number else []
                for piece in attempt:
                    target.write(piece)
        return answers

    def test_what_was_written_is_dropped(self, tmp_path: Path) -> None:
        assert self.restarted(tmp_path / "x", [b"too long"], [b"a", b"b"]) == [True]
        assert files(tmp_path) == {"x": b"ab"}

    def test_what_was_there_before_is_not(self) -> None:
        stream = io.BytesIO()
        stream.write(b"header ")

        assert self.restarted(stream, [b"too long"], [b"body"]) == [True]
        assert stream.getvalue() == b"header body"

    def test_before_the_first_byte_anything_can(self) -> None:
        raw = Raw()

        assert self.restarted(raw, [], [b"ab"]) == [True]
        assert raw.content == b"ab"

    def test_after_it_one_that_can_not_go_back_says_so(self) -> None:
        assert self.restarted(Raw(), [b"a"], []) == [False]

    def test_progress_starts_again(self) -> None:
        told: list[int] = []
        with target_of(io.BytesIO(), "x", told.append) as (target, _):
            target.write(b"abc")
            target.restart()
            target.write(b"de")

        assert told == [3, 2]

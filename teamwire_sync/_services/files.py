"""Local files: the sources of uploads and the targets of downloads."""

from __future__ import annotations

import errno
import io
import mimetypes
import os
import secrets
import shutil
import stat
import tempfile
import weakref
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Callable, TypeVar

from attrs import field, frozen

from teamwire_sync._internal.fork import on_fork
from teamwire_sync._internal.signals import not_by_signal, suppress
from teamwire_sync._internal.validation import require_text
from teamwire_sync._internal.waiting import rlock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync._models.attachments import AttachmentType

T = TypeVar("T")

_LONGEST_NAME = 255
# Bytes of a file name. File systems allow 255: the difference leaves room for a number.
_LONGEST_FILE_NAME = 200
_LONGEST_SUFFIX = 20
# Windows treats these names as devices, with any suffix.
_PORTS = {f"{port}{number}" for port in ("COM", "LPT") for number in "123456789\xb9\xb2\xb3"}
_DEVICES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", *_PORTS}
_FORBIDDEN = str.maketrans(dict.fromkeys('<>:"|?*', "_"))


def _tell_nobody(count: int) -> None:
    """Do nothing; the default callback."""


def _is_open_for(verb: str, file: Any) -> bool:
    """Return whether *file* is open for bytes. *verb* is "read" or "write"."""
    # A wrapper of a text file is not a TextIOBase, but has an encoding.
    if isinstance(file, io.TextIOBase) or hasattr(file, "encoding"):
        return False
    may = getattr(file, {"read": "readable", "write": "writable"}[verb], lambda: True)
    return callable(getattr(file, verb, None)) and bool(may())


# Reading


class _Turns:
    """Lets the uploads of one file object take turns, because they share its position."""

    def __init__(self) -> None:
        self._number = 0
        self.after_fork()
        on_fork(self)

    def after_fork(self) -> None:
        """Replace the lock, which a thread of the parent may hold."""
        self.lock = rlock()

    def take(self, work: Callable[[], T]) -> T:
        """Call *work*, which moves the position, and return its result."""
        with self.lock:
            return self._undisturbed(work)

    def _undisturbed(self, work: Callable[[], T]) -> T:
        while True:
            self._number = number = self._number + 1
            result = work()
            # A signal handler of this thread may have moved the position during `work`.
            if self._number == number:
                return result


def _at_once(work: Callable[[], T]) -> T:
    return work()


# The turns by the `id` of the file object. A `LocalFile` refers to both, so both live equally long.
_given: weakref.WeakValueDictionary[int, _Turns] = weakref.WeakValueDictionary()
_adding = _Turns()


def _turns_of(file: IO[bytes]) -> _Turns:
    # With the lock, two threads that attach the same file object get the same turns.
    with _adding.lock:
        return _given.setdefault(id(file), _Turns())


@frozen
class LocalFile:
    """A file to be sent. It is opened when it is sent, and can be sent again.

    Attributes:
        type: The kind of attachment that the file becomes.
        name: The name that receivers see.
        content_type: The media type, guessed from the name.
    """

    type: AttachmentType
    name: str
    _source: Path | IO[bytes] = field(repr=False)
    _start: int = field(default=0, repr=False)
    # Uploads of a path need no turns, because each of them opens the file again.
    _take_turn: Callable[[Callable[[], Any]], Any] = field(default=_at_once, repr=False, eq=False)
    content_type: str = field(init=False, repr=False)

    @content_type.default
    def _guess(self) -> str:
        # The suffix only: guess_type would parse a name that begins with "data:" as a URL.
        suffix = os.path.splitext(self.name)[1]  # noqa: PTH122
        kind, packing = mimetypes.guess_type(f"file{suffix}")
        return kind if kind and not packing else "application/octet-stream"

    @classmethod
    def of(cls, kind: AttachmentType, path_or_file: Any, name: str | None) -> LocalFile:
        """Check *path_or_file* and *name*, and return the file; see `Attachments.add_file`."""
        if isinstance(path_or_file, (str, os.PathLike)):
            # Absolute: the working directory may change before the file is sent.
            path = _path_of(path_or_file).absolute()
            _require_file(path)
            return cls(kind, _checked_name(name, path.name), path)
        # An upload of a web framework has the name of the form's field in `name`. No getattr for
        # `filename`, because gzip warns about its own.
        upload = getattr(path_or_file, "__dict__", {})
        own_name = upload.get("filename", getattr(path_or_file, "name", None))
        if "filename" in upload:
            # The `read` of FastAPI is a coroutine, and aiohttp has none.
            path_or_file = upload.get("file", path_or_file)
        if not _is_open_for("read", path_or_file):
            message = (
                "path_or_file must be a path or a file that is open for reading bytes (mode 'rb'; "
                f"for bytes in memory use io.BytesIO), not {type(path_or_file).__name__}"
            )
            raise TypeError(message)
        own_name = Path(own_name).name if isinstance(own_name, str) else ""
        name = _checked_name(name, "" if own_name.startswith("<") else own_name)
        file = path_or_file if _is_seekable(path_or_file) else _copied(path_or_file)
        local = cls(kind, name, file, file.tell(), _turns_of(file).take)
        if local._start and not local.size:
            message = f"the file {name!r} is at its end: call file.seek(0) first"
            raise ValueError(message)
        if file is not path_or_file:
            weakref.finalize(local, file.close)
        return local

    @contextmanager
    def opened(self, moved: Callable[[int], object] = _tell_nobody) -> Iterator[OpenFile]:
        """Open the file for sending.

        Args:
            moved: A callback that receives the number of bytes read so far.
        """
        if isinstance(self._source, Path):
            _require_file(self._source)
            with self._source.open("rb") as file:
                yield OpenFile(self, file, 0, moved)
            return
        given = self._source
        try:
            yield OpenFile(self, given, self._start, moved)
        finally:
            # Restore the position: the file object may be attached again.
            with suppress(OSError, ValueError):
                self._take_turn(lambda: given.seek(self._start))

    @property
    def size(self) -> int:
        """The current size in bytes."""
        with self.opened() as source:
            return source.size


class OpenFile:
    """A file that is being sent, with exactly as many bytes as it had when it was opened.

    Attributes:
        name: The name that receivers see.
        content_type: The media type.
        size: The number of bytes.
    """

    def __init__(
        self,
        local: LocalFile,
        file: IO[bytes],
        start: int,
        moved: Callable[[int], object],
    ) -> None:
        self.name, self.content_type = local.name, local.content_type
        self._take_turn = local._take_turn
        self.size: int = max(0, self._take_turn(lambda: file.seek(0, os.SEEK_END)) - start)
        self._file, self._start, self._moved = file, start, moved
        self._done = 0

    def rewind(self) -> None:
        """Go back to the first byte."""
        self._done = 0

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most *size*; empty at the end.

        Raises:
            OSError: The file can't be read, or it became shorter.
            TypeError: The file returned no bytes object, or more bytes than requested.
        """
        wanted = min(size, self.size - self._done)
        if wanted <= 0:
            return b""
        piece = self._take_turn(lambda: self._read(wanted))
        # The server would parse bytes beyond the announced length as another request.
        if not isinstance(piece, bytes) or len(piece) > wanted:
            message = f"{self.name!r} returns no bytes object, or more bytes than requested"
            raise TypeError(message)
        if not piece:
            message = f"{self.name!r} became shorter while it was being sent"
            raise OSError(message)
        self._done += len(piece)
        self._moved(self._done)
        return piece

    def _read(self, wanted: int) -> Any:
        self._file.seek(self._start + self._done)
        return self._file.read(wanted)


def _path_of(path: str | os.PathLike[str]) -> Path:
    if not os.fspath(path):
        message = "path_or_file is empty"  # pathlib would take it for the working directory
        raise ValueError(message)
    return Path(path)


def _require_file(path: Path) -> None:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        # Opening a pipe would block until another process writes into it.
        message = f"{path} is not a regular file: open it and pass the file object"
        raise OSError(message)
    # An unreadable file must raise now, not when the message is posted.
    path.open("rb").close()


def _checked_name(name: str | None, default: str) -> str:
    if name is None:
        if not default:
            message = "the file has no name: pass one, as in add_file(file, name='report.pdf')"
            raise ValueError(message)
        # On Linux, a name that is not valid Unicode contains surrogates.
        name = default.encode("utf-8", "replace").decode()[:_LONGEST_NAME]
    require_text(name, "name", empty=False, most=_LONGEST_NAME)
    return name


def _is_seekable(file: IO[bytes]) -> bool:
    return bool(getattr(file, "seekable", lambda: False)())


def _copied(file: IO[bytes]) -> IO[bytes]:
    with ExitStack() as stack:
        copy: Any = stack.enter_context(tempfile.TemporaryFile())
        shutil.copyfileobj(file, copy)
        copy.seek(0)
        stack.pop_all()  # the copy is closed with its LocalFile
    return copy  # type: ignore[no-any-return]


# Writing


class Target:
    """The target of a download; made by `target_of`."""

    def __init__(self, file: IO[bytes], moved: Callable[[int], object] = _tell_nobody) -> None:
        self._file = file
        self._moved = moved
        self._start = file.tell() if _is_seekable(file) else None
        # Bytes after the position are overwritten, not cut off: then a restart must not truncate.
        self._cuts = self._start is not None and file.seek(0, os.SEEK_END) == self._start
        if self._start is not None:
            file.seek(self._start)
        self._count = 0

    def restart(self) -> bool:
        """Drop the bytes that were written. Return False if that is impossible."""
        if self._count:
            if self._start is None:
                return False
            self._file.seek(self._start)
            if self._cuts:
                self._file.truncate()
            self._count = 0
        return True

    def write(self, piece: bytes) -> None:
        """Append *piece*."""
        self._count += len(piece)
        left = memoryview(piece)
        while left:
            count = self._file.write(left)  # a raw file may write a part only
            if count == 0 or (count is None and isinstance(self._file, io.RawIOBase)):
                message = "the file takes no more bytes"
                raise OSError(message)
            left = left[len(left) if count is None else count :]
        self._moved(self._count)


@contextmanager
def target_of(
    path_or_file: Any, name: str, moved: Callable[[int], object] = _tell_nobody
) -> Iterator[tuple[Target, list[Path]]]:
    """Open the target of a download.

    Args:
        path_or_file: See `FileAttachment.download`.
        name: The name of the attachment, for a file in a folder.
        moved: A callback that receives the number of bytes written so far.

    Yields:
        The target, and a list. After the block ends without an error, the list holds the path.
    """
    paths: list[Path] = []
    if not isinstance(path_or_file, (str, os.PathLike)):
        if not _is_open_for("write", path_or_file):
            message = (
                "path_or_file must be a path or a file that is open for writing bytes (mode 'wb'), "
                f"not {type(path_or_file).__name__}"
            )
            raise TypeError(message)
        target = Target(path_or_file, moved)
        try:
            yield target, paths
            # A full disk must be an error of the download.
            getattr(path_or_file, "flush", lambda: None)()
        except BaseException:
            # Undo the writes if possible, and raise the original error.
            with suppress(Exception):
                target.restart()
            raise
        return
    path = _path_of(path_or_file)
    # A Path drops the slash at the end, which marks a folder.
    is_folder = path.is_dir() or os.fspath(path_or_file).endswith(("/", os.sep))
    folder = path if is_folder else path.parent
    if not is_folder and path.exists() and not path.is_file():
        message = f"{path} is neither a file nor a folder: open it and pass the file object"
        raise OSError(message)
    if not is_folder and not path.name:
        message = f"{path_or_file!r} does not name a file"
        raise ValueError(message)
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(folder))
    part = folder / f".{secrets.token_hex(8)}.part"
    try:
        with _made(part, path) as file:
            yield Target(file, moved), paths
            file.flush()
            os.fsync(file.fileno())
        paths.append(_placed(part, folder, safe_name(name)) if is_folder else part.replace(path))
    finally:
        part.unlink(missing_ok=True)


def _made(part: Path, path: Path) -> IO[bytes]:
    try:
        return part.open("xb")
    except not_by_signal(OSError) as error:
        # Name the file that the caller passed, not the temporary file.
        raise OSError(error.errno, error.strerror, str(path)) from None


def _placed(part: Path, folder: Path, name: str) -> Path:
    """Rename *part* to *name* in *folder*. If *name* exists, add a number; overwrite nothing."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122  a Path would parse the name again
    number = 0
    while True:
        path = folder / (f"{stem} ({number}){suffix}" if number else name)
        number += 1
        try:
            os.link(part, path)
        except not_by_signal(FileExistsError):
            continue
        except not_by_signal(OSError):
            # A file system without hard links: reserve the name with an empty file.
            try:
                path.touch(exist_ok=False)
            except not_by_signal(FileExistsError):
                continue
            try:
                part.replace(path)
            except BaseException:
                path.unlink()
                raise
        return path


def safe_name(name: str) -> str:
    """Return a file name that every system accepts, made from the sender's *name*.

    The name stays inside of the folder where it is used, and is never hidden.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(each for each in last if each.isprintable()).translate(_FORBIDDEN)
    stem, suffix = os.path.splitext(shown.strip(" ."))  # noqa: PTH122
    if len(suffix.encode()) > _LONGEST_SUFFIX:
        stem, suffix = stem + suffix, ""
    room = _LONGEST_FILE_NAME - len(suffix.encode())
    stem = stem.encode()[:room].decode(errors="ignore").rstrip(" .")
    # A program may take a name that begins with a dash for an option.
    if stem.startswith("-") or stem.partition(".")[0].rstrip(" ").upper() in _DEVICES:
        stem = f"_{stem}"
    return f"{stem}{suffix}" or "attachment"

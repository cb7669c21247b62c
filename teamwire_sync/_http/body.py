"""Bodies that are sent and received in pieces, so that they need not fit into memory."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync._transport import DownloadSink, UploadSource


class AnswerRefusedError(Exception):
    """An answer that is too large, or packed in a way that could be, or none yet."""


class LocalFailure(Exception):  # noqa: N818  it carries an error, and is never shown
    """What is read or written here failed: an OSError of its own would pass for the network's.

    Attributes:
        error: The error.
    """

    def __init__(self, error: Exception) -> None:
        self.error = error


@contextmanager
def _local() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001  whatever it is, it is not the network's
        raise LocalFailure(error) from None


class UploadBody:
    """A body that is sent piece by piece.

    Attributes:
        size: How many bytes it has.
        content_type: Its media type.
    """

    def __init__(self, source: UploadSource) -> None:
        self._source = source
        self.size, self.content_type = source.size, source.content_type

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most *size*: what urllib3 calls. Test doubles of it take all."""
        with _local():
            if size < 0:
                return b"".join(iter(lambda: self._source.read(self.size), b""))
            return self._source.read(size)

    def tell(self) -> int:
        """Where a request begins; what urllib3 calls, before it repeats one by itself."""
        return 0

    def seek(self, _position: int) -> None:
        """Start again at the first byte; what urllib3 calls to repeat a request by itself."""
        with _local():
            self._source.rewind()


class DownloadBody:
    """A body that is received piece by piece.

    Args:
        sink: Where it goes.
        size: How many bytes it has to have.
    """

    def __init__(self, sink: DownloadSink, size: int) -> None:
        self._sink = sink
        self._size = size
        self._count = 0

    def write(self, piece: bytes) -> None:
        """Pass *piece* on."""
        self._count += len(piece)
        if self._count > self._size:
            message = f"it is larger than the {self._size:,} bytes that it should have"
            raise AnswerRefusedError(message)
        with _local():
            self._sink.write(piece)

    def end(self) -> None:
        """Nothing more comes."""
        if self._count < self._size:
            message = f"it ended after {self._count:,} of {self._size:,} bytes"
            raise AnswerRefusedError(message)

    def restart(self) -> bool:
        """Drop what has come; False where that can't be done."""
        self._count = 0
        with _local():
            return self._sink.restart()

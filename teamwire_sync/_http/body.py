"""Bodies that are sent and received in pieces, so they may be larger than the memory."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from teamwire_sync._transport import DownloadSink, UnsizedSink, UploadSource


class AnswerRefusedError(Exception):
    """The response is too large, too short, interim, or compressed in a way we did not offer."""


class LocalFailure(Exception):  # noqa: N818  users see only its `error`
    """Reading or writing the caller's file failed. A bare OSError would look like a network error.

    Attributes:
        error: The error of the file.
    """

    def __init__(self, error: Exception) -> None:
        self.error = error


@contextmanager
def _local() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001  every error here comes from the caller's file
        raise LocalFailure(error) from None


class UploadBody:
    """A body that is sent piece by piece.

    Attributes:
        size: The number of bytes.
        content_type: The media type.
    """

    def __init__(self, source: UploadSource) -> None:
        self._source = source
        self.size, self.content_type = source.size, source.content_type

    def __len__(self) -> int:
        # `requests` asks for it if the body is passed to `Session.request`.
        return self.size

    def read(self, size: int = -1) -> bytes:
        """Return at most *size* bytes, or all bytes if *size* < 0.

        urllib3 passes a size. Test libraries that simulate a server read without a size.
        """
        with _local():
            if size < 0:
                return b"".join(iter(lambda: self._source.read(self.size), b""))
            return self._source.read(size)

    def tell(self) -> int:
        """Return the position of the first byte. urllib3 passes it to `seek` for a retry."""
        return 0

    def seek(self, _position: int) -> None:
        """Move back to the first byte. urllib3 calls this before it repeats a request itself."""
        with _local():
            self._source.rewind()


class DownloadBody:
    """A body that is received piece by piece.

    Args:
        sink: The destination of the bytes.
        size: The exact number of bytes that must arrive; None if it is unknown.
    """

    def __init__(self, sink: DownloadSink, size: int | None) -> None:
        self._sink = sink
        self._size = size
        self._count = 0

    def begin(self, headers: Mapping[str, str]) -> None:
        """Pass the size and the media type in *headers* to an `UnsizedSink`."""
        if self._size is None:
            length = headers.get("Content-Length", "")
            size = int(length) if length.isdecimal() and len(length) < 20 else None
            cast("UnsizedSink", self._sink).begin(size, headers.get("Content-Type"))

    def write(self, piece: bytes) -> None:
        """Pass *piece* to the sink.

        Raises:
            AnswerRefusedError: More than the expected bytes have arrived.
            LocalFailure: The sink failed.
        """
        self._count += len(piece)
        if self._size is not None and self._count > self._size:
            message = f"it is larger than the {self._size:,} bytes that it should have"
            raise AnswerRefusedError(message)
        with _local():
            self._sink.write(piece)

    def end(self) -> None:
        """Check that the body is complete.

        Raises:
            AnswerRefusedError: Fewer than the expected bytes have arrived.
        """
        if self._size is not None and self._count < self._size:
            message = f"it ended after {self._count:,} of {self._size:,} bytes"
            raise AnswerRefusedError(message)

    def restart(self) -> bool:
        """Discard the received bytes; return False if this is not possible."""
        self._count = 0
        with _local():
            return self._sink.restart()

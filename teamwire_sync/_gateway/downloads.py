"""Downloads that pass through the gateway piece by piece."""

from __future__ import annotations

import errno
import threading
from queue import Queue
from typing import TYPE_CHECKING, Union

from teamwire_sync._internal.log import logger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync._transport import Transport

    # The last item is the error that ended the download, or None.
    _Item = Union[bytes, BaseException, None]

# The pieces of up to 1 MiB in memory while the client reads slowly. Two are needed, because nobody
# takes the last piece and the end after `close`.
_MOST_PIECES = 2


class Download:
    """A download from the upstream, as the body of a response.

    A transport writes to a sink, and a server reads from an iterable. So another thread downloads.

    Args:
        transport: The upstream.
        aid: The attachment ID.

    Attributes:
        size: The number of bytes; None if the upstream does not send it.
        content_type: The media type.

    Raises:
        TWError: The download failed before its first byte.
    """

    def __init__(self, transport: Transport, aid: str) -> None:
        self._transport = transport
        self._items: Queue[_Item] = Queue(_MOST_PIECES)
        self._has_begun = self._is_closed = False
        self.size: int | None = None
        self.content_type = "application/octet-stream"
        threading.Thread(
            target=self._run, args=(aid,), name="teamwire-gateway-download", daemon=True
        ).start()
        self._next = self._items.get()
        if isinstance(self._next, BaseException):
            raise self._next

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces. An error in the middle ends the connection before its end."""
        while self._next is not None:
            if isinstance(self._next, BaseException):
                logger.warning("a download broke off: %s", type(self._next).__name__)
                # Servers close the connection for this error, and log no traceback.
                raise ConnectionResetError(errno.ECONNRESET, "the upstream has ended the download")
            yield self._next
            self._next = self._items.get()

    def close(self) -> None:
        """End the download: the response is complete, or the client has gone."""
        self._is_closed = True
        while not self._items.empty():
            self._items.get()

    def begin(self, size: int | None, content_type: str | None) -> None:
        """Store what the upstream sends about the content."""
        self.size = size
        self.content_type = content_type or self.content_type

    def restart(self) -> bool:
        """Return whether a download may begin again: the client has received nothing."""
        return not self._has_begun

    def write(self, piece: bytes) -> None:
        """Pass a piece to the client. Wait while the client is slower than the upstream."""
        if self._is_closed:
            message = "the client has gone"
            raise ConnectionAbortedError(message)
        self._has_begun = True
        self._items.put(piece)

    def _run(self, aid: str) -> None:
        ended: _Item = None
        try:
            self._transport.download(aid, self, size=None, deadline=None)
        except BaseException as error:  # noqa: BLE001  the response raises it
            ended = error
        self._items.put(ended)

"""Parts of HTTP where cheroot accepts more than one meaning.

Two programs that read the same bytes as different requests let a client smuggle a request past a
proxy. So the server refuses each request that a proxy may read in another way.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from cheroot.server import HeaderReader

# cheroot removes tabs inside a URL, and accepts numbers such as 1.01.
REQUEST_LINE = re.compile(rb"[A-Z0-9!#$%&'*+.^_`|~-]+ [\x21-\x7e]+ HTTP/1\.[01]")
"""A request line with a method, a URL and a version that have only one meaning."""

_NAME = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_LONGEST_LINE = 4096
# A second one of these would change the meaning of the request. X-Forwarded-For is a list: HAProxy
# appends a line, and not a value.
_SINGLE = {
    b"Authorization",
    b"Content-Length",
    b"Content-Type",
    b"Host",
    b"Idempotency-Key",
    b"Transfer-Encoding",
}


class StrictHeaderReader(HeaderReader):
    """A reader of headers that refuses what the standard forbids or leaves open.

    WSGI does not distinguish "-" and "_" in names. So a name with "_" could replace a header that a
    proxy sets. Such a header is ignored.
    """

    def __call__(  # type: ignore[override]  # cheroot has no types
        self, rfile: BinaryIO, hdict: dict[bytes, bytes]
    ) -> dict[bytes, bytes]:
        """Read all headers into *hdict*.

        Raises:
            ValueError: A header is malformed, stands twice, or contradicts another one.
        """
        while True:
            line = rfile.readline()
            if line == b"\r\n":
                break
            name, colon, value = line.partition(b":")
            value = value[:-2].strip(b" \t")
            is_whole = line.endswith(b"\r\n")
            if not (colon and is_whole and _NAME.fullmatch(name) and _VALUE.fullmatch(value)):
                message = "Illegal header line."
                raise ValueError(message)
            if b"_" in name:
                continue
            name = name.title()
            if name in hdict:
                if name in _SINGLE:
                    message = f"The header {name.decode()} stands twice."
                    raise ValueError(message)
                value = hdict[name] + b", " + value
            hdict[name] = value
        _check_length(hdict)
        return hdict


def _check_length(headers: dict[bytes, bytes]) -> None:
    length, encoding = headers.get(b"Content-Length"), headers.get(b"Transfer-Encoding")
    if length is not None and not (length.isdigit() and len(length) < 16):
        message = "Malformed Content-Length."
        raise ValueError(message)
    if encoding is not None and (length is not None or encoding.lower() != b"chunked"):
        message = "Transfer-Encoding must be chunked, without a Content-Length."
        raise ValueError(message)


class ChunkedBody:
    """A body with ``Transfer-Encoding: chunked``.

    It holds no chunk in memory, however long the chunk is.

    Args:
        source: The connection.

    Attributes:
        remaining: Whether bytes of the body are still unread, as a number.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._left = 0
        self.remaining = 1

    def read(self, size: int) -> bytes:
        """Return *size* bytes; fewer at the end of the body.

        Raises:
            ValueError: The body is malformed, or the connection ended before it.
        """
        pieces = []
        while size and (self._left or self._begin_chunk()):
            piece = self._source.read(min(size, self._left))
            if not piece:
                message = "the connection ended in a chunk"
                raise ValueError(message)
            pieces.append(piece)
            size -= len(piece)
            self._left -= len(piece)
            if not self._left:
                self._expect_line_end()
        return b"".join(pieces)

    def _begin_chunk(self) -> bool:
        if self.remaining:
            size = _CHUNK_SIZE.fullmatch(self._source.readline(_LONGEST_LINE))
            if size is None:
                message = "a chunk has no valid size"
                raise ValueError(message)
            self._left = int(size[1], 16)
            if not self._left:
                # The connection is closed after the request, so that trailers are no next request.
                self._source.readline(_LONGEST_LINE)
                self.remaining = 0
        return bool(self._left)

    def _expect_line_end(self) -> None:
        if self._source.read(2) != b"\r\n":
            message = "a chunk is longer than its size"
            raise ValueError(message)

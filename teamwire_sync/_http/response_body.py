"""Read the body of a response within limits of time and size."""

from __future__ import annotations

import http.client
import socket
import time
from typing import Any, Callable

from urllib3.exceptions import ProtocolError
from urllib3.response import HTTPResponse

from teamwire_sync._http.body import AnswerRefusedError
from teamwire_sync._http.sockets import IS_URLLIB3_1, DeadlineConnection
from teamwire_sync._internal.signals import not_by_signal

# A group of 100,000 members fits into this limit. The limit also ends an endless response.
MAX_BYTES = 32 * 2**20
_PIECE = 2**20
# The number of compressed bytes in one read. urllib3 before 2.6 decompresses all of these bytes in
# one step, to up to 1,000 times the size.
_COMPRESSED_PIECE = 2**14
# urllib3 1 can't decompress x-gzip.
_OFFERED = {"gzip", "x-gzip", "deflate"}.intersection(HTTPResponse.CONTENT_DECODERS)
_COMPRESSIONS = {"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"}


def read_body(
    raw: HTTPResponse,
    ends_at: float,
    write: Callable[[bytes], object] | None = None,
) -> bytes:
    """Return the whole body, decompressed.

    Args:
        raw: The response.
        ends_at: The deadline, a moment of `time.monotonic`.
        write: A callback for each piece of the body, or None. With a callback, the body may have
            any size and must not be compressed, and this function returns empty bytes.

    Raises:
        AnswerRefusedError: The body is larger than `MAX_BYTES`, the server compressed the body in
            a way that we did not offer, or the response is interim.
        HTTPError: Reading failed, or the body is malformed.
    """
    encoding = raw.headers.get("Content-Encoding", "").strip().lower()
    complete = False
    try:
        if raw.status < 200:
            message = f"{raw.status} is an interim status, and no response followed"
            raise AnswerRefusedError(message)
        # Servers name a charset here, such as UTF-8. That says nothing about a compression.
        named = _COMPRESSIONS.intersection(map(str.strip, encoding.split(",")))
        compressed = encoding in _OFFERED
        if named and (write is not None or not compressed):
            message = "it is compressed in a way that was not offered"
            raise AnswerRefusedError(message)
        size = _COMPRESSED_PIECE if compressed else _PIECE
        read = _reader(raw, compressed=compressed)
        pieces, count = [], 0
        while True:
            piece = _piece(read, size, compressed=compressed)
            if not piece:
                break
            if time.monotonic() >= ends_at:
                message = "timed out"
                raise socket.timeout(message)
            if write is not None:
                write(piece)
                continue
            pieces.append(piece)
            count += len(piece)
            _check_size(count)
        complete = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    finally:
        if not complete:
            # The connection still carries the rest of this body, so no request may use it again.
            raw.close()
            raw.release_conn()


def take_body(body: bytes, write: Callable[[bytes], object] | None) -> bytes:
    """Return a body that was read before, or pass it to *write* and return empty bytes.

    Raises:
        AnswerRefusedError: The body is larger than `MAX_BYTES`, and *write* is None.
    """
    if write is None:
        _check_size(len(body))
        return body
    write(body)
    return b""


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        message = f"it is larger than {MAX_BYTES >> 20} MiB"
        raise AnswerRefusedError(message)


def _has_no_deadline(raw: HTTPResponse) -> bool:
    """Return whether *raw* reads from a connection of the caller's session.

    A cache and a test double read from no connection.
    """
    connection = getattr(raw, "connection", None)
    return (
        type(raw).read is HTTPResponse.read
        and isinstance(connection, http.client.HTTPConnection)
        and not isinstance(connection, DeadlineConnection)
    )


def _reader(raw: HTTPResponse, *, compressed: bool) -> Callable[..., bytes]:
    """Return the function that reads the next piece of the body."""
    # `read` waits until all bytes have arrived, so a slow server could exceed the deadline.
    is_read1 = _has_no_deadline(raw)
    if not IS_URLLIB3_1:
        return raw.read1 if is_read1 else raw.read
    raw.enforce_content_length = True  # the default of urllib3 2
    if is_read1:
        source: Any = raw._original_response
        source.read = source.read1

    def read(size: int, *, decode_content: bool) -> bytes:
        piece = raw.read(size, decode_content=decode_content)
        # The next compressed bytes may contain no content, such as a long header.
        while compressed and not piece and not raw.closed:
            piece = raw.read(size, decode_content=decode_content)
        return piece

    return read


def _piece(read: Callable[..., bytes], size: int, *, compressed: bool) -> bytes:
    try:
        return read(size, decode_content=compressed)
    except not_by_signal(ValueError) as error:
        # http.client accepts a chunk size of -5, and then raises ValueError.
        message = f"it can't be read: {error}"
        raise ProtocolError(message) from error

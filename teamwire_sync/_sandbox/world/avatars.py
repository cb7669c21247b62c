"""Avatars, computed from the users' IDs."""

from __future__ import annotations

import hashlib
import struct
import zlib

_SIZE = 16
_RGB = 2
_BITS = 8


def avatar(uid: str) -> bytes:
    """Return a small PNG of one colour; the same user always has the same colour."""
    pixel = hashlib.sha256(uid.encode()).digest()[:3]
    line = b"\0" + pixel * _SIZE
    header = struct.pack(">2I5B", _SIZE, _SIZE, _BITS, _RGB, 0, 0, 0)
    image = zlib.compress(line * _SIZE)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", image) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

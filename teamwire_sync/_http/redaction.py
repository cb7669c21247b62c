"""Removal of the Secret from texts: a server may quote what it received."""

from __future__ import annotations

import base64
import json
from itertools import groupby
from string import ascii_lowercase, ascii_uppercase
from urllib.parse import quote, quote_plus

from teamwire_sync._internal.secret import SHORTEST, Secret

# The number of characters of a text that must match the Secret. A match of this length is not
# accidental.
_TRACE = 8
# In characters. No text that we show is longer. The limit avoids a search through megabytes.
_LONGEST_TEXT = 4096
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_URLSAFE = str.maketrans("+/", "-_")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})


class Redactor:
    """A callable that removes the Secret, and its parts of 8 or more characters, from a text.

    It finds the Secret in any spelling that a server may use.

    Args:
        secret: The Secret.
        pair: The App ID and the Secret, as encoded in the Authorization header.
    """

    __slots__ = ("_traces",)

    def __init__(self, secret: str, pair: str) -> None:
        self._traces = Secret(_traces({pair, *_spellings(secret)}))

    def __call__(self, text: str) -> str:
        """Return *text* without the Secret, cut to 4,096 characters."""
        text = text[:_LONGEST_TEXT]
        for size, traces in self._traces.reveal().items():
            text = _without(text, size, traces)
        return text


def base64_of(data: bytes) -> str:
    """Return *data* in Base64."""
    return base64.b64encode(data).decode()


def _spellings(secret: str) -> set[str]:
    """Return the spellings of *secret* that a server may use.

    If *secret* is shorter than `SHORTEST`, the set is empty.
    """
    if len(secret) < SHORTEST:
        return set()
    encoded = secret.encode()
    as_json = (json.dumps(secret), json.dumps(secret, ensure_ascii=False))
    quoted = [one[1:-1] for one in (repr(secret), ascii(secret), *as_json)]
    in_base64 = [_inside_base64(encoded, before) for before in range(3)]
    return {
        secret,
        encoded.decode("latin-1"),  # headers are decoded as Latin-1
        repr(encoded)[2:-1],
        quote(secret, safe=""),
        quote_plus(secret),
        secret.translate(_HTML),
        *quoted,
        *[one.replace("/", "\\/") for one in quoted],
        *in_base64,
        *[one.translate(_URLSAFE) for one in in_base64],
    }


def _inside_base64(data: bytes, before: int) -> str:
    """Return the Base64 characters that depend only on *data*.

    Args:
        data: The bytes.
        before: The number of unknown bytes that are encoded before *data*.
    """
    inner = base64_of(b"\0" * before + data)[(0, 2, 3)[before] :]
    return inner.rstrip("=")[:-1] if inner.endswith("=") else inner


def _traces(spellings: set[str]) -> dict[int, set[str]]:
    """Return the parts that reveal one of *spellings*, grouped by their length."""
    traces: dict[int, set[str]] = {}
    for spelling in spellings:
        size = min(len(spelling), _TRACE)
        if size >= SHORTEST:
            traces.setdefault(size, set()).update(_parts(spelling, size))
    return traces


def _parts(text: str, size: int) -> list[str]:
    low = text.lower()
    if len(low) != len(text):
        # The lower case of at least one letter has two characters. So lower only ASCII letters,
        # which keeps the positions of all characters.
        low = text.translate(_LOWER)
    return [low[start : start + size] for start in range(len(low) - size + 1)]


def _without(text: str, size: int, traces: set[str]) -> str:
    hidden: set[int] = set()
    for start, part in enumerate(_parts(text, size)):
        if part in traces:
            hidden.update(range(start, start + size))
    if not hidden:
        return text
    pieces = []
    for is_hidden, run in groupby(range(len(text)), hidden.__contains__):
        places = list(run)
        pieces.append("***" if is_hidden else text[places[0] : places[-1] + 1])
    return "".join(pieces)

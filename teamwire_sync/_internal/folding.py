"""Texts that people write in several ways: letters and accents, case, and spaces."""

from __future__ import annotations

import unicodedata


def composed(text: str) -> str:
    """Return *text* with one code point for each letter, and single spaces between words."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def folded(text: str) -> str:
    """Return the `composed` text in a form for comparisons that ignore case."""
    return composed(text).casefold()

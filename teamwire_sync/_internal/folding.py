"""Texts that people write in several ways: letters and accents, case, and spaces."""

from __future__ import annotations

import unicodedata


def composed(text: str) -> str:
    """Return *text* with one code point for each letter, and single spaces between words."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def folded(text: str) -> str:
    """Return *text* in a form for comparisons that ignore case, width and invisible characters."""
    # Soft hyphens, marks of the direction and characters without width are not printable.
    if not text.isprintable():
        text = "".join([each for each in text if unicodedata.category(each) != "Cf"])
    text = unicodedata.normalize("NFKC", text).casefold()
    # The Turkish capital of i has a dot, and the small letter of I has none.
    text = text.replace("i\N{COMBINING DOT ABOVE}", "i").replace(
        "\N{LATIN SMALL LETTER DOTLESS I}", "i"
    )
    return composed(text)

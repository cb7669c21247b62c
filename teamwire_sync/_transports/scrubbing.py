"""Taking the Secret out of texts: a server may quote what it was sent."""

from __future__ import annotations

import base64
from urllib.parse import quote

from teamwire_sync._concealed import SHORTEST, Concealed


class Scrubber:
    """Takes out of a text the Secret, in any spelling.

    Args:
        secret: The Secret.
        pair: App ID and Secret as they go into the header.
    """

    __slots__ = ("_spellings",)

    def __init__(self, secret: str, pair: str) -> None:
        spellings = (pair, base64_of(secret.encode()), quote(secret, safe=""), secret)
        self._spellings = Concealed([each for each in spellings if len(each) >= SHORTEST])

    def __call__(self, text: str) -> str:
        """*text* without the Secret."""
        for spelling in self._spellings.reveal():
            text = text.replace(spelling, "***")
        return text


def base64_of(data: bytes) -> str:
    """*data* in Base64."""
    return base64.b64encode(data).decode()

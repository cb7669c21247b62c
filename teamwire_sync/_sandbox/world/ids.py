"""New IDs of users, chats, messages and attachments."""

from __future__ import annotations

import secrets

_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ID_LENGTH = 22


def new_id(bits: int) -> str:
    """Return an ID of 22 characters for a number of up to 128 bits."""
    characters = []
    for _ in range(_ID_LENGTH):
        bits, digit = divmod(bits, len(_ALPHABET))
        characters.append(_ALPHABET[digit])
    return "".join(characters)


def fresh_id() -> str:
    """Return a new unique ID."""
    return new_id(secrets.randbits(128))

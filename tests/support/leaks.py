"""Looks for a Secret in all that a program, a log or a debugger may show."""

from __future__ import annotations

import base64
import html
import json
import os
import pickle
import traceback
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator

_TESTS = str(Path(__file__).parents[1]) + os.sep
# A shorter part of a Secret is found in other texts by chance.
_PART = 8


def spellings(secret: str, app_id: str = "app") -> set[str]:
    """*secret* as it is, and encoded and escaped in all ways that are usual."""
    raw = secret.encode("utf-8", "surrogatepass")
    found = {secret, raw.decode("latin-1"), repr(secret)[1:-1], ascii(secret)[1:-1]}
    found |= {str(raw)[2:-1], json.dumps(secret)[1:-1], html.escape(secret)}
    found |= {json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(secret).replace("/", r"\/")}
    found |= {quote(raw, safe=""), quote(raw), quote(raw, safe="/:%+&="), quote_plus(raw)}
    # The Secret by itself, behind the App ID, and as part of something longer.
    for before in ("", f"{app_id}:", f"Basic {app_id}:", " ", "  "):
        for after in ("", "\n", '"}'):
            encoded = base64.b64encode(before.encode() + raw + after.encode()).decode()
            skipped = (len(before.encode()) * 4 + 2) // 3
            inner = encoded[skipped:].rstrip("=")
            found |= {inner, inner.translate({ord("+"): "-", ord("/"): "_"})}
    return found


@lru_cache(maxsize=64)
def _parts(secret: str, app_id: str) -> dict[int, set[str]]:
    parts: dict[int, set[str]] = {}
    for spelling in spellings(secret, app_id) | spellings(secret.strip(), app_id):
        size = min(_PART, len(spelling))
        parts.setdefault(size, set()).update(_windows(spelling, size))
    return parts


def _windows(text: str, size: int) -> set[str]:
    low = text.lower()
    return {low[start : start + size] for start in range(len(low) - size + 1)}


def leak_in(text: str, secret: str, app_id: str = "app") -> str | None:
    """A part of *secret*, in some spelling, that *text* shows; None where it shows none."""
    for size, parts in _parts(secret, app_id).items():
        for part in parts & _windows(text, size):
            return part
    return None


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """*error* and all that it comes from."""
    if error is not None:
        yield error
        yield from chain(error.__cause__)
        yield from chain(error.__context__)


def with_locals(error: BaseException) -> str:
    """The rendering of *error* with the locals of all its frames, the callers' in tests aside."""
    rendered = traceback.TracebackException.from_exception(error, capture_locals=True)
    own = [frame for frame in rendered.stack if not frame.filename.startswith(_TESTS)]
    return "".join(traceback.StackSummary.from_list(own).format())


def shown_by(error: BaseException) -> Iterator[tuple[str, str]]:
    """The ways to look at *error* and at what it is chained to, and what each shows."""
    for link in chain(error):
        name = type(link).__name__
        yield f"str of {name}", str(link)
        yield f"repr of {name}", repr(link)
        yield f"args of {name}", repr(link.args)
        yield f"vars of {name}", repr(vars(link))
        yield f"text of {name}", "".join(traceback.format_exception_only(type(link), link))
        yield f"pickle of {name}", readable(pickle.dumps(link))
        yield f"locals of {name}", with_locals(link)


def readable(pickled: bytes) -> str:
    """All the texts in a pickle."""
    return pickled.decode("utf-8", "replace") + pickled.decode("latin-1")


def assert_nothing_shown(shown: Any, secret: str, app_id: str = "app") -> None:
    """Fail when one of *shown*, which are pairs of a way to look and a text, has *secret*."""
    found = ((way, leak_in(text, secret, app_id)) for way, text in shown)
    leaks = [f"{way} has {part!r}" for way, part in found if part is not None]
    assert not leaks, "; ".join(leaks)


def assert_no_secret(
    error: BaseException, secret: str, app_id: str = "app", *, in_locals: bool = True
) -> None:
    """Fail when *error*, or one that it is chained to, shows or holds *secret* in any form."""
    shown = shown_by(error)
    if not in_locals:
        shown = ((way, text) for way, text in shown if not way.startswith("locals"))
    assert_nothing_shown(shown, secret, app_id)

"""Looks for a Secret in all that an error holds."""

from __future__ import annotations

import base64
import pickle
import traceback
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    if error is not None:
        yield error
        yield from _chain(error.__cause__)
        yield from _chain(error.__context__)


def assert_no_secret(error: BaseException, secret: str, app_id: str = "app") -> None:
    """Fail when *error*, or one that it is chained to, shows or holds *secret* in any form."""
    stripped = secret.strip()
    forms = {secret, stripped, quote(stripped, safe=""), repr(stripped)[1:-1]}
    for text in (secret, stripped, f"{app_id}:{secret}", f"{app_id}:{stripped}"):
        forms.add(base64.b64encode(text.encode("utf-8", "replace")).decode())
    for link in _chain(error):
        shown = [str(link), repr(link), repr(link.args), repr(vars(link))]
        shown += traceback.format_exception_only(type(link), link)
        shown.append(pickle.dumps(link).decode("utf-8", "replace"))
        for form in forms:
            assert not any(form in text for text in shown), f"{type(link).__name__} has {form!r}"

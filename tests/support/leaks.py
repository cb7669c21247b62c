"""Looks for a Secret in all that a program, a log or a debugger may show."""

from __future__ import annotations

import base64
import copy
import html
import inspect
import json
import os
import pickle
import traceback
from functools import lru_cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PLAIN = "mArk3d-7f3a9c1e5b2d8460"
# Marked ones, each of a kind that is written in another way somewhere.
SECRETS = {
    "plain": PLAIN,
    "with a newline": f"{PLAIN}\n",
    "not ASCII": "mÄrk3d-ßçñéü-7f3a9c1e",
    "not Latin-1": "mark3d-€😀-7f3a9c1e",
    "to be escaped": "m%rk3d/+&='\"\\<7f3a>{9c} 1e5b\\ßçé\\ñü\\",
    "with signs in Base64": "mark3d~?>~?>~?>7f3a",
    "like an App ID and another": "mark3d:7f3a9c1e5b2d",
}

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


def leaks(
    shown: Iterable[tuple[str, str]], secret: str, app_id: str = "app", *, row: str = ""
) -> list[str]:
    """Those of *shown*, which are pairs of a way to look and a text, that have *secret*."""
    found = ((way, leak_in(text, secret, app_id)) for way, text in shown)
    return [f"{row}: {way} has {part!r}" for way, part in found if part is not None]


def leaks_of(
    call: Callable[[], Any],
    kind: type[BaseException] | tuple[type[BaseException], ...],
    secret: str,
    app_id: str = "app",
    *,
    has: str = "",
    row: str = "",
) -> list[str]:
    """What is wrong with the error of *call*, which is of *kind* and shows *secret* nowhere.

    Its text, or the rendering of its frames, has *has*. *row* says which row of a table it is.
    """
    try:
        call()
    except Exception as error:  # noqa: BLE001  one of another kind is wrong, and may leak, too
        wrong = [] if isinstance(error, kind) else [f"{row}: it is {error!r}"]
        if has not in f"{type(error).__name__}: {error}\n{with_locals(error)}":
            wrong.append(f"{row}: {has!r} is not in {error!r}")
        return wrong + leaks(shown_by(error), secret, app_id, row=row)
    return [f"{row}: there is no error"]


def no_leaks(find: Callable[..., Iterable[str]]) -> Callable[..., None]:
    """A test that *find* finds nothing: with each of the Secrets, if it takes a *secret*."""
    signature = inspect.signature(find)
    fixtures = [one for name, one in signature.parameters.items() if name != "secret"]
    is_for_each = len(fixtures) < len(signature.parameters)

    @wraps(find)
    def test(*args: Any, **kwargs: Any) -> None:
        given = [{"secret": one} for one in SECRETS.values()] if is_for_each else [{}]
        wrong = [f"{one}: {leak}" for one in given for leak in find(*args, **one, **kwargs)]
        assert not wrong, "\n".join(wrong)

    test.__signature__ = signature.replace(parameters=fixtures)  # type: ignore[attr-defined]
    return test


def assert_no_secret(
    error: BaseException, secret: str, app_id: str = "app", *, in_locals: bool = True
) -> None:
    """Fail when *error*, or one that it is chained to, shows or holds *secret* in any form."""
    shown = shown_by(error)
    if not in_locals:
        shown = ((way, text) for way, text in shown if not way.startswith("locals"))
    found = leaks(shown, secret, app_id)
    assert not found, "\n".join(found)


def fields_of(thing: Any) -> dict[str, Any]:
    """What *thing* holds by name, in a dict or in slots."""
    names: list[str] = []
    for each in type(thing).__mro__:
        slots = vars(each).get("__slots__", ())
        names += [slots] if isinstance(slots, str) else slots
    in_slots = {name: getattr(thing, name) for name in names if hasattr(thing, name)}
    return {**in_slots, **getattr(thing, "__dict__", {})}


def as_pickle(thing: Any) -> str:
    """What a pickle of *thing* shows, or the refusal to make one."""
    try:
        return readable(pickle.dumps(thing))
    except (TypeError, AttributeError) as error:
        return with_locals(error) + str(error)


def _as_copy(thing: Any) -> str:
    try:
        return repr(fields_of(copy.deepcopy(thing)))
    except TypeError as error:
        return with_locals(error) + str(error)


# The ways to look at an object.
LOOKS: dict[str, Callable[[Any], str]] = {
    "repr": repr,
    "str": str,
    "format": "{}".format,
    "percent": lambda one: f"{one!s} {one!r}",
    "vars": lambda one: repr(fields_of(one)),
    "dir": lambda one: repr([getattr(one, name, None) for name in dir(one) if name[0] != "_"]),
    "pickle": as_pickle,
    "deepcopy": _as_copy,
    "state": lambda one: repr(getattr(one, "__getstate__", dict)()),
}


def shown_of(thing: Any) -> Iterator[tuple[str, str]]:
    """The ways to look at *thing*, and what each shows."""
    for name, look in LOOKS.items():
        yield f"{name} of {type(thing).__name__}", look(thing)

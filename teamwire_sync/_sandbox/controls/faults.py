"""Faults: failures that a test adds to the server's responses."""

from __future__ import annotations

import itertools
import json
import math
import random
import threading
from typing import TYPE_CHECKING, Any

import attrs

from teamwire_sync._internal.validation import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from teamwire_sync._sandbox.controls.request_log import Route


def _require(is_valid: Callable[[Any], bool], what: str) -> Callable[[Any, Any, Any], None]:
    def check(fault: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        value = plain(value)
        if not is_valid(value):
            message = f"{attribute.name} must be {what}, not {value!r}"
            raise ValueError(message)
        object.__setattr__(fault, attribute.name, value)

    return check


def _is_integer(value: Any, least: int, most: float = math.inf) -> bool:
    return type(value) is int and least <= value <= most


_require_seconds = _require(
    lambda seconds: math.isfinite(seconds) and seconds >= 0, "a number of seconds"
)


@attrs.define(eq=False, kw_only=True)
class Fault:
    """A failure of the requests of a route; created and documented by `Sandbox.fault`.

    Attributes:
        hits: The number of requests that the fault has affected.
    """

    route: Route
    status: int | None = attrs.field(
        validator=attrs.validators.optional(
            _require(lambda status: _is_integer(status, 200, 599), "an integer from 200 to 599")
        )
    )
    times: int | None = attrs.field(
        validator=attrs.validators.optional(
            _require(lambda times: _is_integer(times, 1), "an integer of at least 1, or None")
        )
    )
    retry_after: float | str | None
    delay: float = attrs.field(validator=_require_seconds)
    drop: str | None = attrs.field(
        validator=_require(
            lambda drop: drop in (None, "before", "after"), "'before', 'after' or None"
        )
    )
    body: Any
    headers: Mapping[str, str | None]
    lag: float | None = attrs.field(validator=attrs.validators.optional(_require_seconds))
    since: str | None = attrs.field(
        validator=_require(
            lambda since: since in (None, "unknown", "ignored", "wrong_total"),
            "'unknown', 'ignored', 'wrong_total' or None",
        )
    )
    cut: int | None = attrs.field(
        validator=attrs.validators.optional(
            _require(lambda cut: _is_integer(cut, 0), "a number of bytes, or None")
        )
    )
    chance: float = attrs.field(
        default=1.0,
        validator=_require(
            lambda chance: type(chance) in {int, float} and 0 < chance <= 1,
            "a number above 0 and at most 1",
        ),
    )
    hits: int = attrs.field(default=0, init=False)
    _remove: Callable[[Fault], None] = attrs.field(repr=False)
    _random: random.Random = attrs.field(repr=False)

    def __attrs_post_init__(self) -> None:
        if self.drop is not None and self._shapes_answer():
            message = "drop cannot be used with status, retry_after, body, headers or cut"
            raise ValueError(message)
        if not self.effects():
            message = (
                "a fault needs status, retry_after, delay, drop, body, headers, lag, since or cut"
            )
            raise ValueError(message)
        self.payload()  # fails here, not in the server, for a body that JSON cannot represent

    def _shapes_answer(self) -> bool:
        given = (self.status, self.retry_after, self.body, self.cut)
        return any(value is not None for value in given) or bool(self.headers)

    def strikes(self) -> bool:
        """Decide by `chance` whether the fault affects a matching request."""
        return self._random.random() < self.chance

    def effects(self) -> set[str]:
        """Return the set of the fault's effects: "outcome", "delay", "lag", "since"."""
        present = {
            "outcome": self._shapes_answer() or self.drop is not None,
            "delay": self.delay > 0,
            "lag": self.lag is not None,
            "since": self.since is not None,
        }
        return {name for name, is_present in present.items() if is_present}

    def payload(self) -> tuple[bytes, str] | None:
        """Return the fault's body and content type, or None if the fault sets no body."""
        if self.body is None:
            return None
        if isinstance(self.body, bytes):
            return self.body, "application/octet-stream"
        if isinstance(self.body, str):
            return self.body.encode(), "text/html; charset=utf-8"
        return json.dumps(self.body).encode(), "application/json"

    def clear(self) -> None:
        """End this fault."""
        self._remove(self)


class Faults:
    """The active faults of a sandbox, oldest first.

    Args:
        seed: The seed of the random decisions of faults with a chance.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._active: dict[Fault, None] = {}

    def add(self, route: Route, **effects: Any) -> Fault:
        """Start a fault and return it."""
        # Each fault has its own generator: requests to other paths do not change its decisions.
        name = f"{self._seed}/{next(self._numbers)}"
        own_random = random.Random(name)  # noqa: S311 - reproducible, not secret
        fault = Fault(route=route, remove=self._remove, random=own_random, **effects)
        with self._lock:
            self._active[fault] = None
        return fault

    def clear(self) -> None:
        """End all faults."""
        with self._lock:
            self._active.clear()

    def _remove(self, fault: Fault) -> None:
        with self._lock:
            self._active.pop(fault, None)

    def apply(self, method: str, path: str, query: Container[str]) -> dict[str, Fault]:
        """Count a hit for each fault that affects a request, and return these faults by effect.

        Faults with different effects (see `Fault.effects`) apply together. If faults share an
        effect, the oldest fault that strikes applies, and newer faults wait for a later request.
        """
        applied: dict[str, Fault] = {}
        with self._lock:
            for fault in self._active.copy():
                effects = fault.effects()
                is_due = effects.isdisjoint(applied) and fault.route.matches(method, path)
                is_due = is_due and (fault.since is None or "since" in query)
                if is_due and fault.strikes():
                    applied.update(dict.fromkeys(effects, fault))
                    fault.hits += 1
                    if fault.hits == fault.times:
                        del self._active[fault]
        return applied

"""Real reporters of errors that show the local variables of each frame."""

from __future__ import annotations

import io
import json
import re
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest
from _pytest._code.code import ExceptionInfo

if TYPE_CHECKING:
    from types import TracebackType

Report = Callable[[BaseException], str]

_TESTS = str(Path(__file__).parents[1])
# The width of a report. A narrow one breaks the values, and a wide one is full of blanks.
_WIDTH = 200
_COLOUR = re.compile(r"\x1b\[[\d;]*m")


def with_rich(error: BaseException) -> str:
    console = pytest.importorskip("rich.console")
    of_rich = pytest.importorskip("rich.traceback")
    out = io.StringIO()

    class InOneColour(of_rich.Traceback):  # type: ignore[misc,name-defined]
        # To colour the source takes most of the time.
        @classmethod
        def _guess_lexer(cls, *_: str) -> str:
            return "text"

    shown = InOneColour.from_exception(
        type(error), error, error.__traceback__, show_locals=True, width=_WIDTH
    )
    console.Console(file=out, width=_WIDTH).print(shown)
    return out.getvalue()


def with_ipython(error: BaseException) -> str:
    """As after ``%xmode Verbose``."""
    ipython = pytest.importorskip("IPython")
    ultratb = pytest.importorskip("IPython.core.ultratb")
    # To colour the source takes most of the time. IPython 8 does not do it by itself.
    plain = {"theme_name": "nocolor"} if ipython.version_info >= (9,) else {}
    text = ultratb.VerboseTB(include_vars=True, **plain).text(
        type(error), error, error.__traceback__
    )
    return _COLOUR.sub("", text)


def with_sentry(error: BaseException) -> str:
    """Without the scrubber, which hides what has a name such as *secret*."""
    sentry_sdk = pytest.importorskip("sentry_sdk")
    transport = pytest.importorskip("sentry_sdk.transport")
    events = []

    class Kept(transport.Transport):  # type: ignore[misc,name-defined]
        def capture_envelope(self, envelope: Any) -> None:
            events.extend(item.payload.json for item in envelope.items)

    client = sentry_sdk.Client(
        dsn="https://key@sentry.invalid/1",
        transport=Kept(),
        release="1",  # else it asks git
        default_integrations=False,
        event_scrubber=sentry_sdk.scrubber.EventScrubber(denylist=[], pii_denylist=[]),
    )
    with sentry_sdk.new_scope() as scope:
        scope.set_client(client)
        scope.capture_exception(error)
    return json.dumps(events, ensure_ascii=False)


def with_structlog(error: BaseException) -> str:
    structlog = pytest.importorskip("structlog")
    transform = structlog.tracebacks.ExceptionDictTransformer(show_locals=True)
    render = structlog.processors.ExceptionRenderer(transform)
    return json.dumps(render(None, "error", {"exc_info": error}), ensure_ascii=False)


def with_traceback(error: BaseException) -> str:
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(shown.format())


def with_pytest(error: BaseException) -> str:
    """As with ``pytest -l -vv``."""
    info = ExceptionInfo.from_exception(error)
    return str(info.getrepr(showlocals=True, style="long", truncate_locals=False))


REPORTERS: dict[str, Report] = {
    "rich": with_rich,
    "IPython": with_ipython,
    "Sentry": with_sentry,
    "structlog": with_structlog,
    "traceback": with_traceback,
    "pytest": with_pytest,
}


def error_of(call: Callable[[], object]) -> BaseException:
    """The error of *call*, without the frames of the test that made it."""
    try:
        call()
    except BaseException as error:  # noqa: BLE001  Ctrl-C is one of them
        return error.with_traceback(_ours(error.__traceback__))
    pytest.fail("there is no error")


def _ours(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_TESTS):
        trace = trace.tb_next
    return trace

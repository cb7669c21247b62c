"""The sandbox's front door: it records requests, and holds, spoils and labels answers."""

from __future__ import annotations

import io
import threading
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl

from werkzeug.wrappers import Response

from teamwire_sync._sandbox.app import (
    LAG_KEY,
    MAX_BODY,
    MAX_UPLOAD,
    SPOOL_KEY,
    UPLOADS,
    WORLD_KEY,
)
from teamwire_sync._sandbox.controls.faults import Faults
from teamwire_sync._sandbox.controls.holds import Holds
from teamwire_sync._sandbox.errors import error_body
from teamwire_sync._sandbox.request_log import Records, ServedRequest
from teamwire_sync._sandbox.validation import is_printable
from teamwire_sync._sandbox.world.files import CHUNK, Spool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from teamwire_sync._sandbox.controls.faults import Fault, Mishap
    from teamwire_sync._sandbox.world.files import Files, Source
    from teamwire_sync._sandbox.world.world import World

LINE_KEY = "teamwire_sync.line"
"""The environ's `Line`."""

_DRAIN_LIMIT = 64 * 1024 * 1024


class Line(Protocol):
    """The connection that a request came on."""

    def drop(self) -> None:
        """Close it without an answer."""

    def break_off(self) -> None:
        """Close it after what has been sent of the answer."""

    def stream(self) -> None:
        """Do not wait for the answer's end when the server stops."""


class Front:
    """A WSGI application around the one that does the work.

    Args:
        app: Does the work.
        world: What it does it in.
        files: Where long bodies go.
        seed: Decides which requests the faults befall that have a chance.
    """

    def __init__(self, app: WSGIApplication, world: World, files: Files, seed: int) -> None:
        self._app = app
        self._world = world
        self._files = files
        self._closing = threading.Event()
        self.faults = Faults(seed)
        self.holds = Holds()
        self.records = Records()

    def close(self) -> None:
        """Let every waiting answer go."""
        self._closing.set()
        self.holds.close()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        with ExitStack() as exits:
            is_complete = self._take_body(environ, exits)
            method = environ["REQUEST_METHOD"]
            path = _path(environ)
            mishap = self.faults.befall(method, path)
            response = self._answer(environ, mishap) if is_complete else None
            query = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
            status = None if response is None else response.status_code
            # Recorded before a byte leaves: who has an answer also finds its record.
            self.records.add(ServedRequest(method, path, query, status))
            self.holds.wait(method, path)
            if mishap.delay:
                self._closing.wait(mishap.delay)
        line: Line = environ[LINE_KEY]
        if response is None:
            line.drop()
            return []
        if not response.is_sequence:
            line.stream()
        return response(environ, start_response)

    def _take_body(self, environ: WSGIEnvironment, exits: ExitStack) -> bool:
        """Read the body, of a too long one only as much as shows that it is.

        An answer that leaves before its request has come in would reset the connection.

        Returns:
            False for half an upload: its sender has gone, and it must not count as a whole one.
        """
        source = environ["wsgi.input"]
        body = b""
        is_complete = True
        if environ["REQUEST_METHOD"] == "POST" and _path(environ) == UPLOADS:
            spool = Spool(self._files, source, MAX_UPLOAD)
            exits.callback(spool.close)
            environ[SPOOL_KEY] = spool
            is_too_long = spool.size > MAX_UPLOAD
            announced = int(environ.get("CONTENT_LENGTH") or 0)
            is_complete = is_too_long or (spool.size >= announced and not spool.is_broken)
        else:
            body = source.read(MAX_BODY + 1)
            is_too_long = len(body) > MAX_BODY
        if is_too_long:
            _drain(source)
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)  # werkzeug would ignore the length otherwise
        return is_complete

    def _answer(self, environ: WSGIEnvironment, mishap: Mishap) -> Response | None:
        fault = mishap.outcome
        if fault is not None and fault.drop == "before":
            return None
        if fault is not None and fault.status is not None:
            message = "the sandbox was told to answer so"
            body = error_body(fault.status, message)
            response = Response(body, fault.status, mimetype="application/json")
        else:
            environ[WORLD_KEY] = self._world
            environ[LAG_KEY] = mishap.lag
            response = Response.from_app(self._app, environ)
            if (response.content_length or 0) <= MAX_BODY:
                response.make_sequence()
        if fault is not None and fault.drop == "after":
            response.close()
            return None
        _label(response, environ)
        if fault is not None:
            _spoil(response, fault, environ[LINE_KEY])
        return response


class _Cut:
    """The beginning of a body; with its end the connection breaks."""

    def __init__(self, body: Iterable[bytes], size: int, line: Line) -> None:
        self._body = body
        self._size = size
        self._line = line

    def __iter__(self) -> Iterator[bytes]:
        left = self._size
        for chunk in self._body:
            if len(chunk) > left:
                yield chunk[:left]
                self._line.break_off()
                return
            left -= len(chunk)
            yield chunk

    def close(self) -> None:
        getattr(self._body, "close", lambda: None)()


def _path(environ: WSGIEnvironment) -> str:
    path: str = environ["PATH_INFO"]
    return path.encode("latin-1").decode("utf-8", "replace")


def _label(response: Response, environ: WSGIEnvironment) -> None:
    request_id = environ.get("HTTP_X_REQUEST_ID", "")
    response.headers["X-Request-ID"] = (
        request_id if is_printable(request_id, 128) else uuid.uuid4().hex
    )
    response.headers["Teamwire-Bot-Contract"] = "1"
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="teamwire"'


def _spoil(response: Response, fault: Fault, line: Line) -> None:
    payload = fault.payload()
    if payload is not None:
        response.close()
        response.data, response.headers["Content-Type"] = payload
    if fault.retry_after is not None:
        response.headers["Retry-After"] = str(fault.retry_after)
    for name, value in fault.headers.items():
        if value is None:
            response.headers.remove(name)
        else:
            response.headers[name] = value
    if fault.cut is not None:
        response.response = _Cut(response.response, fault.cut, line)  # type: ignore[arg-type]


def _drain(source: Source) -> None:
    drained = 0
    while drained < _DRAIN_LIMIT:
        chunk = source.read(CHUNK)
        if not chunk:
            break
        drained += len(chunk)

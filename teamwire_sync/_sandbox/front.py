"""The sandbox's front door: it records requests, and holds, spoils and labels answers."""

from __future__ import annotations

import io
import threading
import uuid
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from werkzeug.wrappers import Response

from teamwire_sync._sandbox.app import LAG_KEY, MAX_BODY
from teamwire_sync._sandbox.errors import error_body
from teamwire_sync._sandbox.faults import Faults
from teamwire_sync._sandbox.holds import Holds
from teamwire_sync._sandbox.records import Records, ServedRequest
from teamwire_sync._sandbox.validation import is_printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from teamwire_sync._sandbox.faults import Fault, Mishap

DROP_KEY = "teamwire_sync.drop"
"""The environ's function that closes the connection without an answer."""

_DRAIN_LIMIT = 64 * 1024 * 1024
_CHUNK = 64 * 1024


class Front:
    """A WSGI application around the one that does the work.

    Args:
        app: Does the work.
        seed: Decides which requests the faults befall that have a chance.
    """

    def __init__(self, app: WSGIApplication, seed: int) -> None:
        self._app = app
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
        _buffer_body(environ)
        method = environ["REQUEST_METHOD"]
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        mishap = self.faults.befall(method, path)
        response = self._answer(environ, mishap)
        query = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
        status = None if response is None else response.status_code
        # Recorded before a byte leaves: who has an answer also finds its record.
        self.records.add(ServedRequest(method, path, query, status))
        self.holds.wait(method, path)
        if mishap.delay:
            self._closing.wait(mishap.delay)
        if response is None:
            environ[DROP_KEY]()
            return []
        return response(environ, start_response)

    def _answer(self, environ: WSGIEnvironment, mishap: Mishap) -> Response | None:
        fault = mishap.outcome
        if fault is not None and fault.drop == "before":
            return None
        if fault is not None and fault.status is not None:
            message = "the sandbox was told to answer so"
            body = error_body(fault.status, message)
            response = Response(body, fault.status, mimetype="application/json")
        else:
            environ[LAG_KEY] = mishap.lag
            response = Response.from_app(self._app, environ, buffered=True)
        if fault is not None and fault.drop == "after":
            return None
        _label(response, environ)
        if fault is not None:
            _spoil(response, fault)
        return response


def _label(response: Response, environ: WSGIEnvironment) -> None:
    request_id = environ.get("HTTP_X_REQUEST_ID", "")
    response.headers["X-Request-ID"] = (
        request_id if is_printable(request_id, 128) else uuid.uuid4().hex
    )
    response.headers["Teamwire-Bot-Contract"] = "1"
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="teamwire"'


def _spoil(response: Response, fault: Fault) -> None:
    payload = fault.payload()
    if payload is not None:
        response.data, response.headers["Content-Type"] = payload
    if fault.retry_after is not None:
        response.headers["Retry-After"] = str(fault.retry_after)
    for name, value in fault.headers.items():
        if value is None:
            response.headers.remove(name)
        else:
            response.headers[name] = value


def _buffer_body(environ: WSGIEnvironment) -> None:
    """Read the body, of a too long one only as much as shows that it is.

    An answer that leaves before its request has come in would reset the connection.
    """
    source = environ["wsgi.input"]
    body = source.read(MAX_BODY + 1)
    drained = len(body)
    while drained > MAX_BODY and drained < _DRAIN_LIMIT:
        chunk = source.read(_CHUNK)
        if not chunk:
            break
        drained += len(chunk)
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)  # werkzeug would ignore the length otherwise

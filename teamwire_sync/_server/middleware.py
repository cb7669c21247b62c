"""Steps for all requests and responses: read the request's body first, set common headers."""

from __future__ import annotations

import io
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Protocol

from teamwire_sync._http.contract import NO_STORE, OPERATIONS
from teamwire_sync._server.uploads import CHUNK, Spool, read_body
from teamwire_sync._server.validation import is_printable

if TYPE_CHECKING:
    from contextlib import ExitStack

    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.wrappers import Response

SPOOL_KEY = "teamwire_sync.spool"
"""The WSGI environ key of an upload's body, a `Spool`."""

CONNECTION_KEY = "teamwire_sync.connection"
"""The WSGI environ key of the `ClientConnection`."""

MAX_BODY = 1024 * 1024
MAX_UPLOAD = 2 * 1024**3

_UPLOADS = OPERATIONS["upload_attachment"].path
_DRAIN_LIMIT = 64 * 1024 * 1024


class ClientConnection(Protocol):
    """The connection of a request."""

    def drop(self) -> None:
        """Close the connection without a response."""

    def break_off(self) -> None:
        """Close the connection after the part of the response that has been sent."""

    def stream(self) -> None:
        """Do not wait for the end of the response when the server stops."""


def request_path(environ: WSGIEnvironment) -> str:
    """Return the path of a request, percent-decoded."""
    path: str = environ["PATH_INFO"]
    return path.encode("latin-1").decode("utf-8", "replace")


def receive_body(environ: WSGIEnvironment, exits: ExitStack) -> bool:
    """Read the body of a request; of a body that is too long, keep only enough to detect that.

    Discard the remaining bytes up to a limit: a response before the end of the request would reset
    the connection.

    Args:
        environ: The request. Afterwards the body is in memory, or under SPOOL_KEY for an upload.
        exits: The exit stack that removes the stored body.

    Returns:
        False for an incomplete body: the client has gone, or the server stops. A response to a part
        of a request would be wrong.
    """
    source = environ["wsgi.input"]
    body = b""
    if environ["REQUEST_METHOD"] == "POST" and request_path(environ) == _UPLOADS:
        spool = exits.enter_context(closing(Spool()))
        spool.receive(source, MAX_UPLOAD)
        environ[SPOOL_KEY] = spool
        size, most, is_broken = spool.size, MAX_UPLOAD, spool.is_broken
    else:
        received = read_body(source, MAX_BODY + 1)
        body = received or b""
        size, most, is_broken = len(body), MAX_BODY, received is None
    is_too_long = size > most
    announced = int(environ.get("CONTENT_LENGTH") or 0)
    is_complete = is_too_long or (size >= announced and not is_broken)
    drained = 0
    while is_too_long and drained < _DRAIN_LIMIT:
        chunk = read_body(source, CHUNK) or b""
        drained += len(chunk)
        is_too_long = bool(chunk)
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)  # with it, werkzeug would ignore the length
    return is_complete


def label(response: Response, environ: WSGIEnvironment) -> None:
    """Set the headers that all responses have."""
    request_id = environ.get("HTTP_X_REQUEST_ID", "")
    response.headers["X-Request-ID"] = (
        request_id if is_printable(request_id, 128) else uuid.uuid4().hex
    )
    response.headers["Teamwire-Bot-Contract"] = "1"
    response.headers.update(NO_STORE)
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="teamwire"'

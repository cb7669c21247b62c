"""What requests and answers have in common: bodies are read first, and answers are labelled."""

from __future__ import annotations

import io
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Protocol

from teamwire_sync._http.contract import OPERATIONS
from teamwire_sync._sandbox.app import MAX_BODY, MAX_UPLOAD, SPOOL_KEY
from teamwire_sync._sandbox.validation import is_printable
from teamwire_sync._sandbox.world.files import CHUNK, Files, Spool

if TYPE_CHECKING:
    from contextlib import ExitStack

    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.wrappers import Response


CONNECTION_KEY = "teamwire_sync.connection"
"""The environ's `ClientConnection`."""

_UPLOADS = OPERATIONS["upload_attachment"].path
_DRAIN_LIMIT = 64 * 1024 * 1024


class ClientConnection(Protocol):
    """The connection that a request came on."""

    def drop(self) -> None:
        """Close it without an answer."""

    def break_off(self) -> None:
        """Close it after what has been sent of the answer."""

    def stream(self) -> None:
        """Do not wait for the answer's end when the server stops."""


def request_path(environ: WSGIEnvironment) -> str:
    """The path of a request, percent-decoded."""
    path: str = environ["PATH_INFO"]
    return path.encode("latin-1").decode("utf-8", "replace")


def receive_body(environ: WSGIEnvironment, files: Files, exits: ExitStack) -> bool:
    """Read the body, of a too long one only as much as shows that it is.

    An answer that leaves before its request has come in would reset the connection.

    Args:
        environ: The request; its body is in memory afterwards, that of an upload under SPOOL_KEY.
        files: Where long bodies go.
        exits: Removes what is kept of the body.

    Returns:
        False for half an upload: its sender has gone, and it must not count as a whole one.
    """
    source = environ["wsgi.input"]
    body = b""
    is_complete = True
    if environ["REQUEST_METHOD"] == "POST" and request_path(environ) == _UPLOADS:
        spool = exits.enter_context(closing(Spool(files)))
        spool.receive(source, MAX_UPLOAD)
        environ[SPOOL_KEY] = spool
        is_too_long = spool.size > MAX_UPLOAD
        announced = int(environ.get("CONTENT_LENGTH") or 0)
        is_complete = is_too_long or (spool.size >= announced and not spool.is_broken)
    else:
        body = source.read(MAX_BODY + 1)
        is_too_long = len(body) > MAX_BODY
    drained = 0
    while is_too_long and drained < _DRAIN_LIMIT:
        chunk = source.read(CHUNK)
        drained += len(chunk)
        is_too_long = bool(chunk)
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)  # werkzeug would ignore the length otherwise
    return is_complete


def label(response: Response, environ: WSGIEnvironment) -> None:
    """Give an answer the headers that all answers have."""
    request_id = environ.get("HTTP_X_REQUEST_ID", "")
    response.headers["X-Request-ID"] = (
        request_id if is_printable(request_id, 128) else uuid.uuid4().hex
    )
    response.headers["Teamwire-Bot-Contract"] = "1"
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="teamwire"'

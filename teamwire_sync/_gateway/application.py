"""A gateway as a WSGI application, for any WSGI server with threads."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from teamwire_sync._gateway.backend import GatewayBackend
from teamwire_sync._server.app import create_app
from teamwire_sync._server.backend import BACKEND_KEY
from teamwire_sync._server.errors import error_body
from teamwire_sync._server.middleware import label, receive_body

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from teamwire_sync._gateway.backend import Gateway
    from teamwire_sync._server.backend import Backend
    from teamwire_sync._server.uploads import Files


class GatewayApplication:
    """The WSGI application of a gateway.

    Args:
        gateway: The gateway.
        files: The folder for long bodies.
    """

    def __init__(self, gateway: Gateway, files: Files) -> None:
        self._app = create_app("gateway")
        self._gateway = gateway
        self._files = files

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Process one request and return the body of its response."""
        return self.answer(environ)(environ, start_response)

    def answer(self, environ: WSGIEnvironment) -> Response:
        """Process one request and return its response."""
        backend: Backend = GatewayBackend(self._gateway)
        with ExitStack() as exits:
            if receive_body(environ, self._files, exits):
                environ[BACKEND_KEY] = backend
                response = Response.from_app(self._app, environ)
            else:
                # A part of a request must not be executed. The client has probably gone.
                message = error_body(400, "the body of the request is incomplete")
                response = Response(message, 400, mimetype="application/json")
        label(response, environ)
        return response

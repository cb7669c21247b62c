"""Controls around the application: requests are recorded, responses are held or changed."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from werkzeug.wrappers import Response
from werkzeug.wsgi import ClosingIterator

from teamwire_sync._sandbox.controls.door import OTHER_USERS_KEY
from teamwire_sync._sandbox.controls.faults import Fault, Faults
from teamwire_sync._sandbox.controls.request_log import ServedRequest
from teamwire_sync._sandbox.world.backend import WorldBackend
from teamwire_sync._server.backend import BACKEND_KEY
from teamwire_sync._server.errors import error_body
from teamwire_sync._server.middleware import (
    CONNECTION_KEY,
    MAX_BODY,
    ClientConnection,
    label,
    receive_body,
    request_path,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from teamwire_sync._sandbox.controls.holds import Hold
    from teamwire_sync._sandbox.controls.other_users import OtherUsers
    from teamwire_sync._sandbox.world.world import World
    from teamwire_sync._server.backend import Backend


class Interceptor:
    """A WSGI application that wraps the sandbox's application.

    Args:
        app: The application that processes the requests.
        world: The world that the application serves.
        seed: The seed of the random decisions of faults with a chance.
        other_users: The actions of other users.
    """

    def __init__(
        self, app: WSGIApplication, world: World, seed: int, other_users: OtherUsers
    ) -> None:
        self._app = app
        self._world = world
        self._other_users = other_users
        self._closing = threading.Event()
        self.faults = Faults(seed)
        self.holds: set[Hold] = set()
        self.request_log: list[ServedRequest] = []

    def close(self) -> None:
        """Release every held or delayed response."""
        self._closing.set()
        for hold in self.holds.copy():
            hold.release()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Process one request and return its response."""
        with ExitStack() as exits:
            is_complete = receive_body(environ, exits)
            method = environ["REQUEST_METHOD"]
            path = request_path(environ)
            query = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
            applied = self.faults.apply(method, path, query)
            response = self._answer(environ, applied) if is_complete else None
            status = None if response is None else response.status_code
            # Recorded before the first byte is sent: a client with a response finds its record.
            self.request_log.append(ServedRequest(method, path, query, status))
            for hold in self.holds.copy():
                hold.wait(method, path)
            if "delay" in applied:
                self._closing.wait(applied["delay"].delay)
        connection: ClientConnection = environ[CONNECTION_KEY]
        if response is None:
            connection.drop()
            return []
        if not response.is_sequence:
            connection.stream()
        return response(environ, start_response)

    def _answer(self, environ: WSGIEnvironment, applied: dict[str, Fault]) -> Response | None:
        fault = applied.get("outcome")
        if fault is not None and fault.drop == "before":
            return None
        if fault is not None and fault.status is not None:
            message = "a fault of the sandbox caused this response"
            body = error_body(fault.status, message)
            response = Response(body, fault.status, mimetype="application/json")
        else:
            backend: Backend = WorldBackend(
                self._world,
                lag=applied["lag"].lag if "lag" in applied else None,
                since_fault=applied["since"].since if "since" in applied else None,
            )
            environ[BACKEND_KEY] = backend
            environ[OTHER_USERS_KEY] = self._other_users
            response = Response.from_app(self._app, environ)
            if (response.content_length or 0) <= MAX_BODY:
                response.make_sequence()
        if fault is not None and fault.drop == "after":
            response.close()
            return None
        label(response, environ)
        if fault is not None:
            _apply_fault(response, fault, environ[CONNECTION_KEY])
        return response


def _apply_fault(response: Response, fault: Fault, connection: ClientConnection) -> None:
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
        body: Any = response.response
        beginning = _cut(body, fault.cut, connection)
        response.response = ClosingIterator(beginning, getattr(body, "close", None))


def _cut(body: Iterable[bytes], size: int, connection: ClientConnection) -> Iterator[bytes]:
    """Yield the first `size` bytes of a body; break the connection off if the body is longer."""
    for chunk in body:
        if len(chunk) > size:
            yield chunk[:size]
            connection.break_off()
            return
        size -= len(chunk)
        yield chunk

"""A gateway that is served in this process, over a transport to anywhere."""

from __future__ import annotations

import base64
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from attrs import evolve
from werkzeug.wrappers import Response

from teamwire_sync import Connection, ConnectionConfig
from teamwire_sync._gateway.backend import Gateway, GatewayBackend
from teamwire_sync._gateway.chat_log import ChatLog
from teamwire_sync._gateway.clients import Client
from teamwire_sync._gateway.revisions import Revisions
from teamwire_sync._server.app import create_app
from teamwire_sync._server.backend import BACKEND_KEY, Answer
from teamwire_sync._server.errors import RefusedError, refusal_answer, refuse
from teamwire_sync._server.idempotency import require_same_request
from teamwire_sync._server.middleware import label, receive_body
from teamwire_sync._server.uploads import Files
from teamwire_sync._server.web_server import CONNECTION_KEY, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from teamwire_sync._server.backend import Backend
    from teamwire_sync._transport import Transport
    from teamwire_sync.testing import Sandbox

APP_ID, SECRET = "gateway-client", "gateway-secret"
_CLIENT = Client(APP_ID, "program", False, None, b"", b"")
_HEADER = "Basic " + base64.b64encode(f"{APP_ID}:{SECRET}".encode()).decode()


def upstream_to(box: Sandbox) -> Transport:
    """A transport to *box* over HTTP, which retries nothing."""
    config = ConnectionConfig(retries=0)
    return Connection(box.app_id, box.secret, box.url, config=config)._transport


class OutcomesInMemory:
    """The outcomes of requests, while nothing crashes and no key is under way twice."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[str, Answer]] = {}

    def perform(
        self, client: str, key: str | None, fingerprint: str, work: Callable[[], Answer]
    ) -> Answer:
        if key is None:
            return work()
        if (client, key) in self.kept:
            known, answer = self.kept[client, key]
            require_same_request(known, fingerprint)
            return evolve(answer, is_replay=True)
        try:
            answer = work()
        except RefusedError as refusal:
            answer = refusal_answer(refusal)
        if answer.status not in {429, 501, 503}:
            self.kept[client, key] = fingerprint, answer
        return answer


class ServedGateway:
    """A gateway over *upstream*, and its server.

    Args:
        upstream: The transport, which this closes.
        config: The settings of the gateway's Connection.
        clock: Its clock.

    Attributes:
        upstream: The gateway's own Connection to its upstream.
        refuses: The code of the error for each client; None for no error.
        served: The methods, paths, queries and statuses so far.
    """

    def __init__(
        self,
        upstream: Transport,
        *,
        config: ConnectionConfig | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.log = ChatLog(Revisions(None))
        self.outcomes = OutcomesInMemory()
        self.refuses: str | None = None
        self.gateway = Gateway(upstream, self.log, self.outcomes, self, config=config, clock=clock)
        self.upstream = self.gateway._connection
        self.served: list[tuple[str, str, str, int]] = []
        self._exits = ExitStack()
        self._app = create_app("gateway")
        self._files = self._exits.enter_context(closing(Files(None)))
        server = Server("127.0.0.1", 0, self._serve)
        server.start()
        self._exits.callback(self.gateway.close)
        self._exits.callback(server.stop)
        self.url = f"http://127.0.0.1:{server.bind_addr[1]}"

    def connect(self, **kwargs: Any) -> Connection:
        """A client; keyword arguments are Connection's."""
        connection = Connection(APP_ID, SECRET, self.url, **kwargs)
        self._exits.callback(connection.close)
        return connection

    def close(self) -> None:
        """Stop everything."""
        self._exits.close()

    def _serve(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        backend: Backend = GatewayBackend(self.gateway)
        with ExitStack() as exits:
            if not receive_body(environ, self._files, exits):
                environ[CONNECTION_KEY].drop()
                return []
            environ[BACKEND_KEY] = backend
            response = Response.from_app(self._app, environ)
        label(response, environ)
        self.served.append(
            (
                environ["REQUEST_METHOD"],
                environ["PATH_INFO"],
                environ["QUERY_STRING"],
                response.status_code,
            )
        )
        if not response.is_sequence:
            environ[CONNECTION_KEY].stream()
        return response(environ, start_response)

    def admit(self, authorization: str | None, address: str) -> Client:
        """Let the one client in."""
        if authorization != _HEADER or self.refuses is not None:
            refuse("who is there?", self.refuses or "unauthorized")
        return _CLIENT

    def statuses(self, method: str, path: str) -> list[int]:
        """The statuses of the requests with this method and path."""
        return [each[3] for each in self.served if each[:2] == (method, path)]

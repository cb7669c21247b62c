"""A gateway that is served in this process, over a transport to anywhere."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from teamwire_sync import Connection, ConnectionConfig
from teamwire_sync._gateway.app import GatewayApp
from teamwire_sync._gateway.chat_log import ChatLog
from teamwire_sync._gateway.clients import Client, Clients
from teamwire_sync._gateway.gateway import Gateway
from teamwire_sync._gateway.outcomes import Outcomes
from teamwire_sync._gateway.revisions import Revisions
from teamwire_sync._gateway.state import StateFolder
from teamwire_sync._server.errors import refuse
from teamwire_sync._server.middleware import CONNECTION_KEY
from teamwire_sync._server.web_server import Server
from teamwire_sync.testing import ServedRequest
from tests.contract.schemas import faults_of_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from teamwire_sync._transport import Transport
    from teamwire_sync.testing import Sandbox


def upstream_to(box: Sandbox) -> Transport:
    """A transport to *box* over HTTP, which retries nothing."""
    config = ConnectionConfig(retries=0)
    return Connection(box.app_id, box.secret, box.url, config=config)._transport


class BehindGateway:
    """A sandbox, and a gateway to it, which its clients see in its place.

    Attributes:
        url: The URL of the gateway.
        app_id: The App ID of a client of the gateway.
        secret: Its Secret.
        connect: As that of a sandbox.
    """

    def __init__(self, box: Sandbox, gateway: ServedGateway) -> None:
        self._box, self._gateway = box, gateway
        self.url = gateway.url
        self.app_id, self.secret = gateway.login
        self.connect = gateway.connect

    @property
    def requests(self) -> list[ServedRequest]:
        """The requests to the gateway so far."""
        return [
            ServedRequest(method, path, dict(parse_qsl(query)), status)
            for method, path, query, status in self._gateway.served
        ]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._box, name)


class GuardedClients(Clients):
    """The clients of a gateway.

    Attributes:
        refuses: The code of the error for each of them; None for no error.
    """

    refuses: str | None = None

    def admit(self, authorization: Any, address: str) -> Client:
        if self.refuses is not None:
            refuse("not now", self.refuses)
        return super().admit(authorization, address)


class ServedGateway:
    """A gateway over *upstream*, and its server.

    Args:
        upstream: The transport, which this closes.
        config: The settings of the gateway's Connection.
        clock: Its clock.

    Attributes:
        clients: Its clients.
        login: The App ID and the Secret of one of them.
        faults: Where its answers are not as the contract says.
        served: The methods, paths, queries and statuses so far.
    """

    def __init__(
        self,
        upstream: Transport,
        *,
        config: ConnectionConfig | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._exits = ExitStack()
        folder = self._exits.enter_context(TemporaryDirectory())
        state = self._exits.enter_context(closing(StateFolder(folder)))
        outcomes = self._exits.enter_context(closing(Outcomes(state)))
        app_id, secret = Clients(folder).add("test")
        self.clients = GuardedClients(folder)
        self.login = app_id, secret.reveal()
        self.log = ChatLog(Revisions(Path(state.path_of("revision"))))
        self.gateway = Gateway(
            upstream, self.log, outcomes, self.clients, config=config, clock=clock
        )
        self.served: list[tuple[str, str, str, int]] = []
        self._app = GatewayApp(self.gateway)
        self.faults: list[str] = []
        server = Server("127.0.0.1", 0, self._serve)
        server.start()
        self._exits.callback(self.gateway.close)
        self._exits.callback(server.stop)
        self.url = f"http://127.0.0.1:{server.bind_addr[1]}"

    def connect(self, **kwargs: Any) -> Connection:
        """A client; keyword arguments are Connection's."""
        connection = Connection(*self.login, self.url, **kwargs)
        self._exits.callback(connection.close)
        return connection

    def close(self) -> None:
        """Stop everything. Each answer was one of the contract."""
        self._exits.close()
        assert self.faults == []

    def _serve(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response = self._app.answer(environ)
        asked = environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"]
        self.served.append((*asked, response.status_code))
        if response.mimetype == "application/json" and response.status_code != 304:
            body = response.get_data()
            self.faults += faults_of_answer(*asked[:2], response.status_code, body)
        else:
            environ[CONNECTION_KEY].stream()
        return response(environ, start_response)

    def statuses(self, method: str, path: str) -> list[int]:
        """The statuses of the requests with this method and path."""
        return [each[3] for each in self.served if each[:2] == (method, path)]

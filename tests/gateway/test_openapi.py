"""The gateway against the contract's file: its answers are what openapi.yaml says."""

from __future__ import annotations

import base64
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen

from teamwire_sync import Connection
from teamwire_sync._gateway import clients as clients_module
from teamwire_sync._gateway.clients import Clients
from teamwire_sync._server.web_server import Server
from teamwire_sync.gateway import create_app
from teamwire_sync.testing import sandbox
from tests.contract.schemas import CONTRACT as DOCUMENT
from tests.support.gateways import upstream_to
from tests.vendor.conftest import playing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

schemathesis = pytest.importorskip(
    "schemathesis", reason="schemathesis 4 needs Python 3.10", exc_type=ImportError
)
hypothesis = pytest.importorskip("hypothesis")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

CONTRACT = schemathesis.openapi.from_dict(
    DOCUMENT,
    # As for the sandbox: a check sends wrong credentials by itself.
    config=schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}}),
)


@frozen
class Served:
    """A gateway over HTTP, and the credentials of a client as a header."""

    url: str
    headers: dict[str, str]


@pytest.fixture(params=["http", "vendor"])
def served(
    request: pytest.FixtureRequest, path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    # Wrong credentials are checked in each request, and must stay a 401.
    monkeypatch.setattr(clients_module, "MOST_FAILURES", 1_000_000)
    app_id, secret = Clients(path).add("client")
    login = base64.b64encode(f"{app_id}:{secret.reveal()}".encode()).decode()
    with ExitStack() as exits:
        box = exits.enter_context(sandbox(chats=30))
        if request.param == "http":
            upstream = upstream_to(box)
        else:
            exits.enter_context(playing("1.8", box, monkeypatch))
            upstream = Connection.from_vendor()._transport
        app = exits.enter_context(closing(create_app(upstream, state=path)))
        server = Server("127.0.0.1", 0, app, name="gateway")
        server.start()
        exits.callback(server.stop)
        exits.callback(app.end_upstream)
        yield Served(f"http://127.0.0.1:{server.bind_addr[1]}", {"Authorization": f"Basic {login}"})


@pytest.mark.slow
@CONTRACT.parametrize()
@hypothesis.settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=10,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_every_answer_conforms_to_the_contract(case: Any, served: Served) -> None:
    """Status, headers and body of each answer are documented, whatever was sent."""
    answer = case.call_and_validate(
        served.url,
        headers=served.headers,
        excluded_checks=[checks.positive_data_acceptance, schemathesis.checks.not_a_server_error],
    )
    # The vendor's SDK can't do everything.
    assert answer.status_code < 500 or answer.status_code == 501, answer.text

"""A gateway behind nginx, which ends TLS and waits for slow clients."""

from __future__ import annotations

import socket
import ssl
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest
import requests
import trustme
from attrs import frozen

from teamwire_sync import Connection, ConnectionConfig
from teamwire_sync._gateway.clients import MOST_FAILURES
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT
from tests.support.gateway_process import GatewayProcess
from tests.support.proxies import nginx
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync.testing import Sandbox

pytestmark = pytest.mark.slow

HTTP = """
client_header_timeout 10s;
client_max_body_size 2g;
upstream gateway {{ server {host}:{port}; keepalive 16; }}
server {{
    listen 127.0.0.1:{own_port} ssl;
    ssl_certificate {folder}/pem;
    ssl_certificate_key {folder}/pem;
    location / {{
        proxy_pass http://gateway;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_read_timeout 120s;
    }}
}}
"""


@frozen
class Site:
    """The address of nginx, the certificate authority and the credentials, for a client."""

    gateway: GatewayProcess
    address: tuple[str, int]
    authority: str

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.address[1]}"

    def connect(self) -> Connection:
        config = ConnectionConfig(verify=self.authority, retries=0)
        gateway = self.gateway
        return Connection(gateway.app_id, gateway.secret, self.url, config=config)


@pytest.fixture
def site(box: Sandbox, path: Path, tmp_path: Path) -> Iterator[Site]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca")
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "pem")
    with ExitStack() as exits:
        options = "--behind-proxy", "127.0.0.1", "--connections", "32"
        gateway = exits.enter_context(closing(GatewayProcess(box, path, *options)))
        host, port = gateway.address
        names = {"folder": tmp_path, "host": host, "port": port}
        address = exits.enter_context(
            nginx(tmp_path, lambda own_port: HTTP.format(own_port=own_port, **names))
        )
        yield Site(gateway, address, str(tmp_path / "ca"))


def test_a_client_uses_it_over_https(site: Site) -> None:
    with site.connect() as connection:
        assert connection.check().is_bot
        assert connection.chats.at(KNOWN_CHAT).post("hello").msg == "hello"


def test_a_client_can_not_say_from_where_it_comes(site: Site) -> None:
    """Nginx appends the address that it sees, and the gateway believes this one only."""
    found = [
        requests.get(
            f"{site.url}/v1/bot/me/",
            headers={"X-Forwarded-For": f"1.1.1.{number}"},
            verify=site.authority,
            timeout=PATIENCE,
        ).status_code
        for number in range(MOST_FAILURES + 1)
    ]
    assert found == [401] * MOST_FAILURES + [429]


def test_more_slow_clients_than_the_gateway_has_connections_stop_nobody(site: Site) -> None:
    context = ssl.create_default_context(cafile=site.authority)
    head = b"POST /v1/bot/attachments/?name=x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    with ExitStack() as exits:
        for _ in range(200):
            plain = socket.create_connection(site.address, PATIENCE)
            client = exits.enter_context(context.wrap_socket(plain, server_hostname="127.0.0.1"))
            client.sendall(head + b"x")
        with site.connect() as connection:
            assert connection.chats.get_subscriptions(refresh=True)

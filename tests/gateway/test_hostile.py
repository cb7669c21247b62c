"""Hostile requests to a gateway, directly and through proxies."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING

import pytest
import requests
from attrs import frozen

from teamwire_sync.testing import sandbox
from tests.gateway.hostile_requests import HIDDEN, POSTS, hostile_requests
from tests.support.gateway_process import GatewayProcess
from tests.support.needed import needed_program
from tests.support.proxies import nginx, running
from tests.support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync.testing import Sandbox

NAMES = [*hostile_requests("", "")]
# All others get 400.
STATUSES = {
    **dict.fromkeys(
        [
            HIDDEN,
            "an upgrade to HTTP/2",
            "an unknown expectation",
            "another method in a header",
            "a header that a proxy removes",
            "an encoded body",
            "no host",
        ],
        200,
    ),
    **dict.fromkeys(
        [
            "OPTIONS *",
            "two slashes",
            "dots",
            "escaped dots",
            "escaped dots as an ID",
            "an escaped slash",
            "a backslash",
            "an escaped NUL",
            "an escaped line end",
            "no UTF-8, escaped",
        ],
        404,
    ),
    **dict.fromkeys(["an unknown method", "TRACE", "CONNECT", "PATCH"], 405),
    "a huge header": 413,
    "20,000 headers": 413,
    "a huge path": 414,
    "HTTP/9.9": 505,
    "HTTP/2": 505,
}
NGINX = """
upstream gateway {{ server {host}:{port}; keepalive 16; }}
server {{
    listen 127.0.0.1:{own_port};
    location / {{
        proxy_pass http://gateway;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
}}
"""
HAPROXY = """
defaults
    mode http
    timeout client 60s
    timeout http-request 10s
    timeout connect 5s
    timeout server 60s
frontend teamwire
    bind fd@{number}
    option forwardfor
    option http-buffer-request
    default_backend gateway
backend gateway
    server gateway {host}:{port}
"""


@frozen
class Place:
    """A gateway, or a proxy in front of it.

    Attributes:
        wait: Seconds after which a client that gets no more says that it sends no more. A proxy
            may take that for the end of the client.
    """

    gateway: GatewayProcess
    box: Sandbox
    address: tuple[str, int]
    wait: float

    def answer_to(self, request: bytes) -> list[int]:
        """The statuses of all responses to the bytes."""
        received = b""
        with socket.create_connection(self.address, PATIENCE) as client:
            with suppress(OSError):
                client.sendall(request)
            for seconds in (self.wait, PATIENCE):
                client.settimeout(seconds)
                with suppress(OSError):
                    while piece := client.recv(65_536):
                        received += piece
                with suppress(OSError):
                    client.shutdown(socket.SHUT_WR)
        return [int(each[2:5]) for each in received.split(b"HTTP/1.")[1:] if each[2:3] != b"1"]

    def prove(self, name: str) -> list[int]:
        """Send it, and return the statuses; no hidden request is executed, and a good one is."""
        before = self.box.count("POST", POSTS)
        found = self.answer_to(hostile_requests(self.gateway.app_id, self.gateway.secret)[name])
        host, port = self.address
        login = self.gateway.app_id, self.gateway.secret
        answer = requests.get(f"http://{host}:{port}/v1/bot/me/", auth=login, timeout=PATIENCE)
        assert answer.status_code == 200
        assert self.box.count("POST", POSTS) - before == (name == HIDDEN)
        return found


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with sandbox(chats=5) as box:
        yield box


@pytest.fixture(scope="module")
def direct(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with closing(GatewayProcess(box, tmp_path_factory.mktemp("direct") / "state")) as gateway:
        yield Place(gateway, box, gateway.address, 0.01)


@pytest.fixture(scope="module", params=["nginx", "haproxy"])
def proxied(
    request: pytest.FixtureRequest, box: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    with ExitStack() as exits:
        state = folder / "state"
        gateway = GatewayProcess(box, state, "--behind-proxy", "127.0.0.1")
        exits.enter_context(closing(gateway))
        host, port = gateway.address
        if request.param == "nginx":
            address = exits.enter_context(
                nginx(
                    folder, lambda own_port: NGINX.format(host=host, port=port, own_port=own_port)
                )
            )
        else:
            listening = exits.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
            address = listening.getsockname()
            file = folder / "haproxy.cfg"
            file.write_text(HAPROXY.format(host=host, port=port, number=listening.fileno()))
            command = [needed_program("haproxy"), "-db", "-f", str(file)]
            exits.enter_context(running(command, listening))
        yield Place(gateway, box, address, 0.5)


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_request_is_refused_and_hides_no_other_one(direct: Place, name: str) -> None:
    assert direct.prove(name) == [STATUSES.get(name, 400)]


def test_each_of_them_is_one_line_of_the_log(box: Sandbox, tmp_path: Path) -> None:
    """Without anything of its text. The lines of two requests may come in either order."""
    # The gateway of the other tests may still write lines about their requests.
    with closing(GatewayProcess(box, tmp_path / "state")) as gateway:
        place = Place(gateway, box, gateway.address, 0.01)
        for name in ("two lengths", "TLS", "a huge path", "HTTP/2"):
            place.prove(name)
        wait_until(lambda: len(gateway.lines) == 8)
        found = sorted(line.split()[:-1] for line in gateway.lines if " - - - " in line)
    assert found == [["INFO", *"---", str(status), "0", "ms"] for status in (400, 400, 414, 505)]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_through_a_proxy_a_hostile_request_hides_no_other_one(proxied: Place, name: str) -> None:
    """The proxy may mend the request, and then it is a good one."""
    assert len(proxied.prove(name)) <= 1

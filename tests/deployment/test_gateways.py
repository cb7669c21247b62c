"""Behind each of the usual gateways: what their own pages come to."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import urlsplit

import pytest

from teamwire_sync import (
    Connection,
    ConnectionConfig,
    Message,
    TWDeliveryUnknownError,
    TWError,
    TWProtocolError,
    TWServerError,
)
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from teamwire_sync.testing import sandbox
from tests.deployment.gateways import GATEWAYS, NGINX_WITH_CERTIFICATES, GatewayProcess
from tests.support.processes import SandboxProcess
from tests.support.transport_calls import NO_CONTRACT
from tests.support.waiting import Threads, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from teamwire_sync.testing import Sandbox
    from tests.deployment.conftest import Tls
    from tests.deployment.gateways import Gateway

pytestmark = pytest.mark.slow

POSTS = ("POST", f"/v1/bot/chats/{KNOWN_CHAT}/messages/")
READS = [
    lambda connection: connection.users.get_user(KNOWN_USER),
    lambda connection: connection.chats.one_by_title("test"),
]
TEXTS = [f"number {number}" for number in range(200)]


@pytest.fixture(params=GATEWAYS.values(), ids=GATEWAYS)
def kind(request: pytest.FixtureRequest) -> Gateway:
    """Each kind of gateway."""
    gateway: Gateway = request.param
    gateway.find()
    return gateway


def connect(url: str, env: Mapping[str, str], **settings: Any) -> Connection:
    """A Connection to a sandbox, or to what stands in front of it."""
    config = ConnectionConfig(**settings)
    return Connection(env["TEAMWIRE_APP_ID"], env["TEAMWIRE_SECRET"], url, config=config)


def address(box: Sandbox) -> tuple[str, int]:
    parts = urlsplit(box.url)
    return str(parts.hostname), int(parts.port or 0)


def post(connection: Connection, text: str) -> Message | TWError:
    """Post a message, and return the message or the error."""
    try:
        return connection.chats.at(KNOWN_CHAT).post(text)
    except TWError as error:
        return error


def text_of_check(connection: Connection) -> str:
    """The text of the error of `check`, without the number that Varnish gives a request."""
    with pytest.raises(TWError) as caught:
        connection.check()
    return re.sub(r"XID: \d+", "XID: ...", str(caught.value))


def arrived(connection: Connection) -> Counter[str]:
    """Return each text on the server, and the number of its messages."""
    texts = [message.msg for message in connection.chats.at(KNOWN_CHAT).iter_messages()]
    return Counter(text for text in texts if text in TEXTS)


@pytest.mark.parametrize("is_heard", [True, False], ids=["heard", "unheard"])
@pytest.mark.parametrize("retries", [0, 3])
def test_a_post_whose_response_is_lost_is_not_told_as_failed(
    kind: Gateway, tmp_path: Path, retries: int, is_heard: bool
) -> None:
    with sandbox(chats=5, seed=7) as box:
        with (
            closing(GatewayProcess(kind, tmp_path, address(box))) as gateway,
            connect(gateway.url, box.env, retries=retries) as connection,
        ):
            if is_heard:
                connection.check()
            box.fault(*POSTS, drop="after", times=1)
            outcome = post(connection, TEXTS[0])

        assert isinstance(outcome, (Message, TWDeliveryUnknownError))
        assert arrived(box.connect()) == {TEXTS[0]: 1}


def test_a_server_killed_under_many_posts_loses_none_and_does_none_twice(
    kind: Gateway, tmp_path: Path
) -> None:
    with closing(SandboxProcess(tmp_path / "world.db")) as backend:
        backend.start()
        with (
            closing(GatewayProcess(kind, tmp_path, backend.address)) as gateway,
            connect(gateway.url, backend.env, retries=0) as once,
            connect(gateway.url, backend.env) as again,
            Threads(8) as threads,
        ):
            once.check()
            again.check()
            posts: list[Future[Message | TWError]] = [
                threads.start(post, connection, text)
                for text, connection in zip(TEXTS, itertools.cycle([once, again]))
            ]
            wait_until(lambda: sum(each.done() for each in posts) >= 60)
            backend.kill()
            backend.start()
            outcomes = {text: each.result() for text, each in zip(TEXTS, posts)}
        with connect(backend.env["TEAMWIRE_URL"], backend.env) as direct:
            counts = arrived(direct)

    done = {text for text, outcome in outcomes.items() if isinstance(outcome, Message)}
    unknown = {
        text for text, outcome in outcomes.items() if isinstance(outcome, TWDeliveryUnknownError)
    }
    assert max(counts.values()) == 1
    assert done <= counts.keys() <= done | unknown
    assert len(done) >= 60


class TestOwnPages:
    @pytest.fixture
    def connections(self, kind: Gateway, tmp_path: Path) -> Iterator[list[Connection]]:
        """One that has heard the server, and one that has not; the server is away then."""
        settings = {"retries": 0, "cache_ttl": 0, "stale_if_error": 600}
        with ExitStack() as exits:
            with sandbox(chats=5, seed=7) as box:
                gateway = GatewayProcess(kind, tmp_path, address(box))
                exits.callback(gateway.close)
                both = [
                    exits.enter_context(connect(gateway.url, box.env, **settings)) for _ in range(2)
                ]
                both[0].chats.get_subscriptions()
            yield both

    def test_are_a_failure_of_the_server_for_a_read(self, connections: list[Connection]) -> None:
        for connection, is_foreign in zip(connections, [True, False]):
            with pytest.raises(TWServerError) as caught:
                connection.check()

            assert caught.value._is_foreign is is_foreign

    def test_are_replaced_by_the_last_listing(self, connections: list[Connection]) -> None:
        assert connections[0].chats.get_subscriptions()


# The pages for a wrong path, and for a server that is away.
REASONS = {
    "haproxy": [
        "404 for GET /elsewhere/v1/bot/me/: no reason given",
        (
            "503 for GET /v1/bot/me/: 503 Service Unavailable No server is available to handle "
            "this request."
        ),
    ],
    "nginx": [
        "404 for GET /elsewhere/v1/bot/me/: 404 Not Found",
        "502 for GET /v1/bot/me/: 502 Bad Gateway",
    ],
    "varnish": [
        "404 for GET /elsewhere/v1/bot/me/: 404 Not Found Guru Meditation: XID: ...",
        "503 for GET /v1/bot/me/: 503 Backend fetch failed Guru Meditation: XID: ...",
    ],
    "lighttpd": [
        "404 for GET /elsewhere/v1/bot/me/: 404 Not Found",
        "503 for GET /v1/bot/me/: 503 Service Unavailable",
    ],
    "apache2": [
        (
            "404 for GET /elsewhere/v1/bot/me/: 404 Not Found The requested URL was not found on "
            "this server."
        ),
        (
            "503 for GET /v1/bot/me/: 503 Service Unavailable The server is temporarily unable to "
            "service your request due to maintenance downtime or capacity problems. Please try "
            "again later."
        ),
    ],
}


def test_the_reason_in_a_page_of_a_gateway_is_quoted(kind: Gateway, tmp_path: Path) -> None:
    texts = []
    with closing(GatewayProcess(kind, tmp_path, ("127.0.0.1", 1))) as gateway:
        for url in [f"{gateway.url}/elsewhere", gateway.url]:
            config = ConnectionConfig(retries=0)
            with Connection("app", "secret", url, config=config) as connection:
                texts.append(text_of_check(connection))

    assert texts == [f"{reason}; {NO_CONTRACT}" for reason in REASONS[kind.program]]


@pytest.mark.parametrize(
    ("scheme", "reason"),
    [
        ("https", "400 No required SSL certificate was sent"),
        ("http", "400 The plain HTTP request was sent to HTTPS port"),
    ],
)
def test_a_gateway_that_needs_a_client_certificate_is_quoted(
    scheme: str, reason: str, tls: Tls, tmp_path: Path
) -> None:
    (tmp_path / "server.pem").write_bytes(tls.certificate.read_bytes())
    with closing(GatewayProcess(NGINX_WITH_CERTIFICATES, tmp_path, ("127.0.0.1", 1))) as gateway:
        url = gateway.url.replace("http", scheme)
        # The certificate has another name.
        config = ConnectionConfig(retries=0, verify=False)
        with Connection("app", "secret", url, config=config) as connection:
            text = text_of_check(connection)

    assert text == f"400 for GET /v1/bot/me/: {reason}; {NO_CONTRACT}"


@pytest.mark.parametrize("read", READS, ids=["user", "listing"])
def test_the_404_of_a_gateway_says_nothing_about_an_object(
    kind: Gateway, tmp_path: Path, read: Callable[[Connection], object]
) -> None:
    with (
        closing(GatewayProcess(kind, tmp_path, ("127.0.0.1", 1))) as gateway,
        Connection("app", "secret", f"{gateway.url}/elsewhere") as connection,
        pytest.raises(TWProtocolError, match=r"^404 for GET"),
    ):
        read(connection)

"""A gateway that is killed while clients listen, upload and download leaves nothing behind."""

from __future__ import annotations

import base64
import os
import signal
import socket
import sys
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest
import requests

from teamwire_sync._http.contract import OPERATIONS
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT
from teamwire_sync._server.uploads import IN_MEMORY
from tests.support.gateway_process import GatewayProcess
from tests.support.waiting import PATIENCE, Threads, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync.testing import Sandbox

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc"),
]
# Nobody connects from here, so that no connection takes the port while the gateway is away.
HOST = "127.0.0.3"
CONTENT = os.urandom(8 * 1024**2)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def killed(box: Sandbox, path: Path, temporary: Path) -> Iterator[GatewayProcess]:
    """A gateway that was killed while it was at work for three clients."""
    box.post_message(KNOWN_CHAT, "", files={"a.bin": CONTENT})
    with ExitStack() as exits:
        with socket.create_server((HOST, 0)) as unused:
            port = str(unused.getsockname()[1])
        gateway = GatewayProcess(box, path, "--host", HOST, "--port", port)
        exits.enter_context(closing(gateway))
        threads = exits.enter_context(Threads(1))
        connection = exits.enter_context(gateway.connect())
        (attachment,) = connection.chats.at(KNOWN_CHAT).get_messages(1)[0].attachments
        listening = threads.start(lambda: list(connection.events(timeout=600)))
        wait_until(lambda: box.waiting > 0)
        begin_download(gateway, attachment.aid, exits)
        begin_upload(gateway, exits)
        wait_until(lambda: gateway.size_of_open_files(temporary) > IN_MEMORY)
        assert gateway.end(signal.SIGKILL) == -signal.SIGKILL
        connection.close()
        listening.exception(PATIENCE)
        yield gateway


def begin_download(gateway: GatewayProcess, aid: str, exits: ExitStack) -> None:
    """Read only the first bytes of a content."""
    answer = requests.get(
        gateway.url + OPERATIONS["download_attachment"].path.format(aid=aid),
        auth=(gateway.app_id, gateway.secret),
        stream=True,
        timeout=PATIENCE,
    )
    exits.callback(answer.close)
    assert len(answer.raw.read(1000)) == 1000


def begin_upload(gateway: GatewayProcess, exits: ExitStack) -> None:
    """Send only a part of a content, which is too long for memory."""
    login = base64.b64encode(f"{gateway.app_id}:{gateway.secret}".encode()).decode()
    client = exits.enter_context(socket.create_connection(gateway.address, PATIENCE))
    client.sendall(
        f"POST /v1/bot/attachments/?name=x HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {login}\r\n"
        f"Content-Length: {len(CONTENT)}\r\n\r\n".encode()
    )
    client.sendall(CONTENT[: 1024**2])


def test_it_leaves_no_temporary_file(killed: GatewayProcess, temporary: Path) -> None:
    assert [*temporary.iterdir()] == []


def test_it_leaves_no_files_of_a_database_and_no_others(
    killed: GatewayProcess, box: Sandbox, path: Path
) -> None:
    with closing(GatewayProcess(box, path)) as gateway:
        gateway.connect().check()
        assert gateway.end() == 0
    assert {each.name for each in path.iterdir()} == {
        "clients.json",
        "clients.lock",
        "gateway.lock",
        "outcomes.sqlite3",
        "revision",
    }


def test_it_starts_again_at_once_at_the_same_port(
    killed: GatewayProcess, box: Sandbox, path: Path
) -> None:
    address = "--host", HOST, "--port", str(killed.address[1])
    with closing(GatewayProcess(box, path, *address)), killed.connect() as connection:
        assert connection.chats.at(KNOWN_CHAT).post("hello").msg == "hello"

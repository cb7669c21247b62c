"""HAProxy with a certificate of a private CA, and sandboxes in processes of their own behind it."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Callable

import pytest
import trustme
from attrs import frozen

from teamwire_sync import Connection, ConnectionConfig
from tests.support.needed import missing
from tests.support.processes import HaProxy, SandboxProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

MakeFront = Callable[..., "Front"]


@pytest.fixture(scope="session")
def haproxy() -> str:
    """The path of haproxy."""
    # Debian has it where only root looks.
    path = shutil.which("haproxy", path=os.pathsep.join((os.environ["PATH"], "/usr/sbin")))
    if path is None:
        missing("haproxy")
    return path


@frozen
class Tls:
    """Files of a private CA and of a certificate that it has issued."""

    bundle: Path
    certificate: Path


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """A private CA, and a certificate for this host."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    files = Tls(folder / "ca.pem", folder / "server.pem")
    authority.cert_pem.write_to_path(files.bundle)
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        files.certificate
    )
    return files


class Front:
    """An installation as a bot sees it.

    Args:
        proxy: Stands in front.
        bundle: The CA bundle for it.
        env: The environment that leads to a sandbox behind it.
    """

    def __init__(self, proxy: HaProxy, bundle: Path, env: Mapping[str, str]) -> None:
        self.proxy = proxy
        self._bundle = bundle
        self._env = env
        self._exits = ExitStack()

    def connect(self, *, url: str | None = None, **settings: Any) -> Connection:
        """A Connection through the proxy, of which each look-up asks the server."""
        connection = Connection(
            self._env["TEAMWIRE_APP_ID"],
            self._env["TEAMWIRE_SECRET"],
            url or self.proxy.url,
            config=ConnectionConfig(**{"verify": self._bundle, "cache_ttl": 0, **settings}),
        )
        self._exits.callback(connection.close)
        return connection

    def close(self) -> None:
        """Close the connections, and end the proxy."""
        self._exits.close()
        self.proxy.close()


@pytest.fixture
def make_front(haproxy: str, tls: Tls, tmp_path: Path) -> Iterator[MakeFront]:
    """Puts HAProxy in front of servers."""
    with ExitStack() as exits:

        def make(
            servers: Sequence[tuple[str, int]], env: Mapping[str, str], **options: Any
        ) -> Front:
            proxy = HaProxy(haproxy, tmp_path, tls.certificate, servers, **options)
            front = Front(proxy, tls.bundle, env)
            exits.callback(front.close)
            return front

        yield make


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """The file that all the sandboxes of a test share."""
    return tmp_path / "world.db"


@pytest.fixture
def backends(haproxy: str, world: Path) -> Iterator[list[SandboxProcess]]:
    """Two sandboxes on one file."""
    with ExitStack() as exits:
        both = []
        for _ in range(2):
            both.append(SandboxProcess(world))
            exits.callback(both[-1].close)
            both[-1].start()
        yield both

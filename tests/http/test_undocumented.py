"""Where urllib3 ignores our connections, no request is sent: no time-out would hold on others."""

from __future__ import annotations

import ast
import http.client
import inspect
import re
import socket
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests
import responses
import urllib3
import urllib3.connection
import urllib3.connectionpool
import urllib3.poolmanager
import urllib3.util.connection

import teamwire_sync
from teamwire_sync import Connection, TWConfigError
from teamwire_sync._http import adapter, sessions, sockets, socks
from tests.support.builders import user_doc
from tests.support.raw_server import RawServer, answers, ca_file, tls_for, whole
from tests.support.stalls import ME, Work, check, post, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(teamwire_sync.__file__).parent
Lose = Callable[[pytest.MonkeyPatch], None]


def other_pool(manager: Any, scheme: str, host: str, port: int, *_: Any, **__: Any) -> Any:
    """A pool of urllib3's own class."""
    return urllib3.poolmanager.pool_classes_by_scheme[scheme](host, port)


def connect_alone(connection: Any) -> None:
    """Connect without a call of `_new_conn`."""
    connection.sock = socket.create_connection((connection.host, connection.port))


def lose_pool_classes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(urllib3.PoolManager, "_new_pool", other_pool)


def lose_connection_class(patch: pytest.MonkeyPatch) -> None:
    for pool, kind in (
        (urllib3.HTTPConnectionPool, urllib3.connection.HTTPConnection),
        (urllib3.HTTPSConnectionPool, urllib3.connection.HTTPSConnection),
    ):
        patch.setattr(pool, "_new_conn", lambda pool, kind=kind: kind(pool.host, pool.port))


def lose_new_conn_of_pool(patch: pytest.MonkeyPatch) -> None:
    patch.delattr(urllib3.HTTPConnectionPool, "_new_conn")


def lose_new_conn(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(urllib3.connection.HTTPConnection, "connect", connect_alone)


def lose_http_client(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(adapter, "HTTPConnection", object)


def lose_getresponse(patch: pytest.MonkeyPatch) -> None:
    """As `urllib3.http2.inject_into_urllib3` does for TLS."""
    patch.setattr(sockets.DeadlineTlsConnection, "getresponse", connect_alone)


def lose_family(patch: pytest.MonkeyPatch) -> None:
    patch.delattr(urllib3.util.connection, "allowed_gai_family")


LOSSES: dict[str, Lose] = {
    "PoolManager.pool_classes_by_scheme": lose_pool_classes,
    "HTTPConnectionPool.ConnectionCls": lose_connection_class,
    "HTTPConnectionPool._new_conn": lose_new_conn_of_pool,
    "HTTPConnection._new_conn": lose_new_conn,
    "http.client": lose_http_client,
    "http.client (HTTP/2)": lose_getresponse,
    "allowed_gai_family": lose_family,
}


class TestLoss:
    @pytest.fixture(params=LOSSES)
    def lost(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
        """A name that urllib3 does not use."""
        LOSSES[request.param](monkeypatch)
        return str(request.param).partition(" ")[0]

    @pytest.fixture
    def server(self) -> Iterator[RawServer]:
        with RawServer(answers(whole(ME))) as server:
            yield server

    @pytest.mark.parametrize("work", [check, post])
    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_fails_each_request_before_anything_is_sent(
        self, lost: str, work: Work, scheme: str, server: RawServer
    ) -> None:
        url = server.url.replace("http:", f"{scheme}:")
        with Connection("app", "secret", url, config=settings()) as connection:
            for _ in range(2):
                with pytest.raises(TWConfigError, match=rf"\({lost} is missing or not used\)"):
                    work(connection)

        assert server.connections == 0

    def test_is_told_in_one_line(self, lost: str, server: RawServer) -> None:
        with (
            Connection("app", "secret", server.url, config=settings()) as connection,
            pytest.raises(TWConfigError) as caught,
        ):
            connection.check()

        assert str(caught.value) == (
            f"urllib3 {urllib3.__version__} does not use the connections of teamwire_sync "  # type: ignore[attr-defined]
            f"({lost} is missing or not used), so time-outs would not work: install another "
            "release of urllib3 2, and remove niquests and urllib3-future, which replace urllib3"
        )

    @pytest.mark.usefixtures("lost")
    def test_leaves_an_answer_alone_that_came_over_no_socket(self) -> None:
        with responses.RequestsMock() as server:
            server.get("https://teamwire.example/v1/bot/me/", json={"user": user_doc()})
            with Connection("app", "secret", "https://teamwire.example") as connection:
                assert connection.check().uid == "u1"


@pytest.mark.parametrize("lost", ["response_class", "_read_status"])
def test_the_names_of_http_client_are_not_needed_for_a_time_out(
    lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(
        sockets.DeadlineConnection if lost == "response_class" else sockets._FinalResponse, lost
    )
    with (
        RawServer(lambda peer: peer.drip([b"x"] * 400)) as server,
        Connection("app", "secret", server.url, config=settings()) as connection,
        pytest.raises(teamwire_sync.TWTimeoutError),
    ):
        connection.check(timeout=0.2)


def test_a_replaced_class_in_http_client_is_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """As vcrpy replaces it while a cassette is in use."""
    monkeypatch.setattr(http.client, "HTTPConnection", type("Replaced", (), {}))
    with (
        RawServer(answers(whole(ME))) as server,
        Connection("app", "secret", server.url, config=settings()) as connection,
    ):
        assert connection.check().uid == "u1"


def test_the_check_sends_nothing_and_finds_our_connections(tmp_path: Path) -> None:
    tls = tls_for()
    with RawServer(answers(whole(ME)), tls) as server:
        config = settings(verify=ca_file(tmp_path))
        with Connection("app", "secret", server.url, config=config) as connection:
            connection.check()

        assert server.connections == 1


class TestList:
    def test_has_every_private_name_that_the_http_package_uses(self) -> None:
        """A name that begins with an underscore and that the package does not define is foreign."""
        used, own = set(), set()
        for path in PACKAGE.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    own.add(node.name)
                elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    own.add(node.id)
                elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                    own.add(node.attr)
                if path.parent.name != "_http":
                    continue
                if isinstance(node, ast.Attribute):
                    used.add(node.attr)
                elif isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
                    used.add(ast.unparse(node.args[1]).strip("'"))
        private = {name for name in used - own if re.fullmatch("_[a-z]+[a-z_]*", name)}

        # The package also sets the two names of `requests.Response`.
        assert private == {"_original_response"}
        assert "urllib3.HTTPResponse._original_response" in adapter.UNDOCUMENTED

    def test_has_every_private_name_that_the_http_package_overrides(self) -> None:
        overridden = set()
        for module in (adapter, sockets, socks, sessions):
            for kind in vars(module).values():
                if not inspect.isclass(kind) or kind.__module__ != module.__name__:
                    continue
                foreign = [
                    base for base in kind.__mro__[1:] if not base.__module__.startswith("teamwire")
                ]
                overridden |= {
                    name
                    for name in vars(kind)
                    if name.startswith("_")
                    and not name.startswith("__")
                    and name != "_abc_impl"
                    and any(name in vars(base) for base in foreign)
                }

        assert overridden == {"_connect_tls_proxy", "_new_conn", "_read_status"}

    @pytest.mark.parametrize("name", adapter.UNDOCUMENTED)
    def test_has_names_that_exist(self, name: str) -> None:
        owner, _, attribute = name.rpartition(".")
        if name.endswith(")"):
            assert issubclass(urllib3.connection.HTTPConnection, http.client.HTTPConnection)
            return
        found: Any = {"urllib3": urllib3, "requests": requests, "http": http}[
            owner.partition(".")[0]
        ]
        for part in owner.split(".")[1:]:
            found = getattr(found, part)
        # These set the attribute when they are made.
        makes = {urllib3.PoolManager, urllib3.HTTPResponse, requests.Response}
        made = found() if found in makes else found

        assert hasattr(made, attribute)


@pytest.mark.slow
def test_niquests_which_replaces_urllib3_is_named_and_nothing_is_sent(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    needed = ["niquests", "requests", "attrs", "cachetools"]
    subprocess.run([python, "-m", "pip", "install", "-q", *needed], check=True, timeout=300)
    program = """
import sys
from teamwire_sync import Connection
with Connection("app", "secret", sys.argv[1]) as connection:
    try:
        connection.chats.at("t1").post("hello")
    except Exception as error:
        print(type(error).__name__, error)
"""
    with RawServer(answers(whole(ME))) as server:
        done = subprocess.run(
            [python, "-c", program, server.url],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env={"PYTHONPATH": str(PACKAGE.parent)},
        )

    assert (done.stdout.count("\n"), done.stderr) == (1, "")
    assert done.stdout.startswith("TWConfigError urllib3 ")
    assert "niquests" in done.stdout
    assert server.connections == 0

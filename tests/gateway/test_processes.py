"""A gateway as a process: its start, its end, and its clients in other programs."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest
import requests
import trustme

from teamwire_sync import Connection, ConnectionConfig, TWAuthError, TWRateLimitError
from teamwire_sync._gateway.clients import Clients
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT
from tests.support.gateway_process import COMMAND, GatewayProcess
from tests.support.needed import missing
from tests.support.waiting import PATIENCE, Threads, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync.testing import Sandbox

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM"),
]

LISTING = ("GET", "/v1/bot/chats/")
LISTENERS = 100
POSTS = ("POST", f"/v1/bot/chats/{KNOWN_CHAT}/messages/")


@pytest.fixture
def gateway(box: Sandbox, path: Path) -> Iterator[GatewayProcess]:
    with closing(GatewayProcess(box, path)) as gateway:
        yield gateway


class TestEnd:
    @pytest.mark.parametrize("upstream", ["http", "vendor"])
    def test_sigterm_finishes_a_write_under_way_and_ends_with_0(
        self, box: Sandbox, path: Path, upstream: str
    ) -> None:
        gateway = GatewayProcess(box, path, upstream=upstream)
        with closing(gateway), gateway.connect() as connection, Threads() as threads:
            with box.hold(*POSTS) as held:
                post = threads.start(connection.chats.at(KNOWN_CHAT).post, "hello")
                held.wait_arrived(timeout=PATIENCE)
                gateway.send(signal.SIGTERM)
                wait_until(lambda: not self.is_listening(gateway))
                held.release()
                assert post.result(PATIENCE).msg == "hello"
            assert gateway.wait() == 0

    def test_it_does_not_wait_for_a_program_that_waits_for_events(
        self, gateway: GatewayProcess, box: Sandbox
    ) -> None:
        with gateway.connect() as connection, Threads() as threads:
            events = threads.start(lambda: list(connection.events(timeout=600)))
            wait_until(lambda: box.waiting > 0)
            assert gateway.end() == 0
            connection.close()
            assert isinstance(events.exception(PATIENCE), Exception)

    @pytest.mark.parametrize("upstream", ["http", "vendor"])
    def test_after_the_grace_time_it_ends_anyway(
        self, box: Sandbox, path: Path, upstream: str
    ) -> None:
        gateway = GatewayProcess(box, path, "--grace", "0.1", upstream=upstream)
        config = ConnectionConfig(retries=0)
        with closing(gateway), gateway.connect(config=config) as connection, Threads() as threads:
            with box.hold(*POSTS) as held:
                post = threads.start(connection.chats.at(KNOWN_CHAT).post, "hello")
                held.wait_arrived(timeout=PATIENCE)
                assert gateway.end() == 0
            assert post.exception(PATIENCE) is not None
        assert any("--grace is too short" in line for line in gateway.lines)

    def test_it_does_not_wait_for_a_thread_of_the_sdk(
        self, box: Sandbox, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Python waits for all threads at its end, however long the SDK waits for its server."""
        thread = "import threading; threading.Thread(target=threading.Event().wait).start()"
        (tmp_path / "sitecustomize.py").write_text(thread)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        with closing(GatewayProcess(box, path)) as gateway:
            assert gateway.end() == 0

    def test_ctrl_c_ends_it_in_the_same_way(self, gateway: GatewayProcess) -> None:
        assert gateway.end(signal.SIGINT) == 0

    def test_after_kill_9_it_starts_again(self, box: Sandbox, path: Path) -> None:
        with closing(GatewayProcess(box, path)) as killed:
            before = killed.connect().chats.get_subscriptions()
            killed.end(signal.SIGKILL)
        with closing(GatewayProcess(box, path)) as gateway:
            assert gateway.connect().chats.get_subscriptions() == before

    @staticmethod
    def is_listening(gateway: GatewayProcess) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(gateway.address) == 0


class TestStart:
    def test_a_second_gateway_with_the_same_state_ends_with_one_line(
        self, gateway: GatewayProcess, box: Sandbox, path: Path
    ) -> None:
        done = subprocess.run(
            [*COMMAND, "--port", "0", "--state", path],
            env={**os.environ, **box.env},
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert "another gateway uses it" in line
        assert gateway.connect().check()

    def test_a_port_that_is_in_use_is_one_line(self, box: Sandbox, path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as used:
            port = str(used.getsockname()[1])
            done = subprocess.run(
                [*COMMAND, "--port", port, "--state", path],
                env={**os.environ, **box.env},
                capture_output=True,
                encoding="utf-8",
                timeout=PATIENCE,
                check=False,
            )
        assert done.returncode == 2
        assert f"can't listen on 127.0.0.1:{port}" in done.stderr.splitlines()[-1]

    def test_a_client_is_let_in_and_out_without_a_restart(
        self, gateway: GatewayProcess, path: Path
    ) -> None:
        app_id, secret = Clients(path).add("late")
        late = Connection(app_id, secret.reveal(), gateway.url, config=ConnectionConfig(retries=0))

        def is_in() -> bool:
            try:
                late.check()
            except (TWAuthError, TWRateLimitError):
                return False
            return True

        with late:
            wait_until(is_in)
            Clients(path).remove("late")
            wait_until(lambda: not is_in())

    def test_with_tls_a_client_connects_over_https(self, box: Sandbox, path: Path) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        folder = path.parent
        certificate.private_key_and_cert_chain_pem.write_to_path(folder / "pem")
        authority.cert_pem.write_to_path(folder / "ca")
        tls = ["--certfile", str(folder / "pem"), "--keyfile", str(folder / "pem")]
        config = ConnectionConfig(verify=str(folder / "ca"))
        # Every address of this machine: loopback needs no TLS.
        with closing(GatewayProcess(box, path, "--host", "0.0.0.0", *tls)) as gateway:
            url = f"https://127.0.0.1:{gateway.address[1]}"
            with Connection(gateway.app_id, gateway.secret, url, config=config) as connection:
                assert connection.check().is_bot
            assert gateway.end() == 0


class TestManyConnections:
    def test_a_hundred_programs_that_listen_stop_no_post(
        self, gateway: GatewayProcess, box: Sandbox
    ) -> None:
        """Each of them needs a connection to the upstream, too."""
        with ExitStack() as exits:
            threads = exits.enter_context(Threads(LISTENERS))
            listening = [
                exits.enter_context(gateway.connect(config=ConnectionConfig(default_timeout=60)))
                for _ in range(LISTENERS)
            ]
            streams = [each.events(timeout=PATIENCE, own=True) for each in listening]
            found = [threads.start(next, stream) for stream in streams]
            wait_until(lambda: box.waiting == LISTENERS)
            with gateway.connect() as connection:
                connection.chats.at(KNOWN_CHAT).post("hello", timeout=10)
            assert {each.result(PATIENCE).message.msg for each in found} == {"hello"}

    @pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
    def test_a_good_request_comes_through_a_thousand_open_connections(
        self, gateway: GatewayProcess
    ) -> None:
        with ExitStack() as exits:
            for _ in range(1000):
                exits.enter_context(socket.create_connection(gateway.address, PATIENCE))
            assert requests.get(f"{gateway.url}/ready", timeout=PATIENCE).status_code == 200
            assert gateway.open_files() < 700
        wait_until(lambda: gateway.open_files() < 40)

    def test_a_good_request_comes_through_with_all_but_a_few_slow_clients(
        self, box: Sandbox, path: Path
    ) -> None:
        gateway = GatewayProcess(box, path, "--connections", "100")
        with closing(gateway), ExitStack() as exits:
            for _ in range(97):
                slow = exits.enter_context(socket.create_connection(gateway.address, PATIENCE))
                slow.sendall(b"GET /v1/bot/me/ HTTP/1.1\r\n")
            with gateway.connect() as connection:
                assert connection.chats.get_subscriptions()


@pytest.mark.parametrize("workers", [1, 2])
def test_gunicorn_may_have_one_worker(box: Sandbox, path: Path, workers: int) -> None:
    if importlib.util.find_spec("gunicorn") is None:
        missing("gunicorn")
    app_id, secret = Clients(path).add("program")
    app = f"teamwire_sync.gateway:create_app('http', state={str(path)!r})"
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        command = [sys.executable, "-m", "gunicorn", "--workers", str(workers), "--threads", "8"]
        process = subprocess.Popen(
            [*command, "--bind", f"fd://{listening.fileno()}", "--log-level", "error", app],
            pass_fds=[listening.fileno()],
            env={**os.environ, **box.env},
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
    with process:
        try:
            if workers == 1:
                with Connection(app_id, secret.reveal(), url) as connection:
                    message = connection.chats.at(KNOWN_CHAT).post("hello")
                    assert message.msg == "hello"
                process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    said: Any = [line for line in err.splitlines() if "another gateway uses it" in line]
    assert (process.returncode == 0, len(said) > 0) == (workers == 1, workers > 1)

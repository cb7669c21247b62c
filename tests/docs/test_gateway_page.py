"""The blocks of docs/gateway.md, as their readers run them.

The upstream is the double of the vendor's SDK. Its server is a sandbox.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests
import trustme
from attrs import field, frozen

from teamwire_sync import Attachments, Connection, ConnectionConfig, TWUnsupportedError
from teamwire_sync._cli.gateway import gateway as gateway_command
from teamwire_sync._gateway import CACHE_TTL
from teamwire_sync._gateway.clients import FAILURE_PERIOD, MOST_FAILURES, Clients
from teamwire_sync._gateway.outcomes import KEPT
from teamwire_sync._http.contract import OPERATIONS
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from teamwire_sync._server.limits import Limits
from teamwire_sync._server.middleware import MAX_BODY, MAX_UPLOAD
from teamwire_sync.testing import sandbox
from tests.support.needed import missing, needed_program
from tests.support.pages import DOCS, block_with, blocks
from tests.support.proxies import nginx, running
from tests.support.sdk_double import DOUBLE, vendor_env
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.testing import Sandbox

posix = pytest.mark.skipif(os.name == "nt", reason="they are lines of a POSIX shell")

PAGE = "gateway.md"
TEXT = (DOCS / PAGE).read_text("utf-8")
BIN = Path(sys.executable).parent
HOST, PORT = "gateway.example.org", "8480"
STATE = "/var/lib/teamwire-gateway"
OPTIONS = {each.name: each.default for each in gateway_command.params}
MOST_CONNECTIONS = OPTIONS["connections"]


def shell(part: str) -> str:
    """The one block for a shell with a part, for this machine."""
    return block_with(PAGE, "sh", part).replace(HOST, "localhost")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with sandbox(chats=100, seed=7) as box:
        yield box


@frozen
class Served:
    """A running gateway.

    Attributes:
        port: The port.
        process: The process.
    """

    port: int
    process: subprocess.Popen[str]

    def end(self) -> str:
        """End it by SIGTERM, and return its log."""
        self.process.send_signal(signal.SIGTERM)
        _, log = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0
        return log


@frozen
class Machine:
    """A machine with the package, where somebody runs commands.

    Attributes:
        folder: The home folder, in which the commands run.
        environment: The environment, besides the home folder and the path.
    """

    folder: Path
    environment: dict[str, str] = field(factory=dict)

    @property
    def state(self) -> Path:
        """The folder of the gateway's state."""
        return self.folder / ".local" / "state" / "teamwire_sync" / "gateway"

    def popen(self, commands: str, **options: Any) -> subprocess.Popen[str]:
        path = os.pathsep.join([str(BIN), os.environ["PATH"]])
        return subprocess.Popen(
            ["/bin/sh", "-e", "-c", commands],
            cwd=self.folder,
            env={"HOME": str(self.folder), "PATH": path, **self.environment},
            encoding="utf-8",
            **options,
        )

    def run(self, commands: str) -> str:
        """Run commands that have to work, and return what they show."""
        out = subprocess.PIPE
        with self.popen(commands, stdout=out, stderr=subprocess.STDOUT) as process:
            shown, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, shown
        return shown

    @contextmanager
    def serving(self, line: str) -> Iterator[Served]:
        """Run the line of a gateway on a free port."""
        out = subprocess.PIPE
        line = f"exec {line.strip()} --port 0"
        with self.popen(line, stdout=out, stderr=out) as process:
            try:
                assert process.stdout is not None
                found = None
                for shown in process.stdout:
                    found = re.match(r"The gateway runs at \S+:(\d+)\.$", shown) or found
                    if shown.startswith("SIGTERM"):
                        break
                assert found, process.communicate()[1]
                yield Served(int(found[1]), process)
            finally:
                process.kill()

    def add(self, name: str = "reports", state: Path | None = None) -> tuple[str, str]:
        """Add a client, and return its App ID and its Secret."""
        app_id, secret = Clients(state or self.state).add(name)
        return app_id, secret.reveal()


@pytest.fixture
def machine(tmp_path: Path, box: Sandbox) -> Machine:
    """The machine of the gateway, with the vendor's SDK."""
    folder = tmp_path / "gateway"
    folder.mkdir()
    return Machine(folder, {"PYTHONPATH": str(DOUBLE), **vendor_env(box)})


@pytest.fixture
def other(tmp_path: Path) -> Machine:
    """Another machine, which knows nothing of the vendor."""
    folder = tmp_path / "other"
    folder.mkdir()
    return Machine(folder)


@pytest.fixture
def metrics_port() -> Iterator[str]:
    """A port that nobody else gets: it is bound, but the socket does not listen."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield str(kept.getsockname()[1])


@posix
@pytest.mark.slow
class TestFiveMinutes:
    @pytest.fixture
    def served(self, machine: Machine, other: Machine, metrics_port: str) -> Iterator[Served]:
        """The gateway of the page. The files of the client are on the other machine."""
        needed_program("openssl")
        if importlib.util.find_spec("prometheus_client") is None:
            missing("prometheus-client")
        machine.run(shell("openssl req"))
        line = shell("--certfile").replace("9480", metrics_port)
        with machine.serving(line) as served:
            given = (machine.folder / "reports.env").read_text("utf-8")
            given = given.replace(PORT, str(served.port))
            (other.folder / "reports.env").write_text(given, "utf-8")
            certificate = (machine.folder / "cert.pem").read_bytes()
            (other.folder / "cert.pem").write_bytes(certificate)
            yield served

    def test_a_client_on_another_machine_shows_what_the_page_says(
        self, served: Served, other: Machine
    ) -> None:
        shown = other.run(shell("REQUESTS_CA_BUNDLE="))
        shown = shown.replace("localhost", HOST).replace(str(served.port), PORT)
        checked = block_with(PAGE, "text", "All settings work")

        # Each stream has its own order.
        assert sorted(shown.splitlines()[:2]) == sorted(checked.splitlines())
        assert len(shown.splitlines()) == 2 + 100

    def test_a_program_on_another_machine_lists_the_chats(
        self, served: Served, other: Machine
    ) -> None:
        (program,) = blocks(PAGE, "python")
        (other.folder / "program.py").write_text(program, "utf-8")
        bundle = 'export REQUESTS_CA_BUNDLE="$PWD/cert.pem"'
        shown = other.run(f". ./reports.env\n{bundle}\npython -W error program.py")

        assert len(shown.splitlines()) == 100

    def test_the_lines_to_export_are_those_of_the_page(self, machine: Machine) -> None:
        needed_program("openssl")
        machine.run(shell("openssl req"))
        file = machine.folder / "reports.env"
        given = file.read_text("utf-8").replace("localhost", HOST)
        given = re.sub(r"(APP_ID=gw-|SECRET=)\S+", r"\1...", given)

        assert given == block_with(PAGE, "text", "export TEAMWIRE_URL")
        assert file.stat().st_mode & 0o77 == 0
        assert (machine.folder / "key.pem").stat().st_mode & 0o77 == 0

    def test_health_and_metrics_and_the_log_are_there(
        self, served: Served, machine: Machine, other: Machine, metrics_port: str, box: Sandbox
    ) -> None:
        needed_program("curl")
        other.run(f". ./reports.env\nREQUESTS_CA_BUNDLE=cert.pem teamwire-sync post {KNOWN_CHAT} x")
        lines = shell("/health").replace("9480", metrics_port).replace(PORT, str(served.port))
        shown = machine.run(lines)
        (line,) = block_with(PAGE, "text", "INFO ").splitlines()
        pattern = re.escape(line).replace("9\\ ms", "\\d+\\ ms")
        pattern = re.sub("[0-9a-f]{32}", "[0-9a-f]{32}", pattern)

        assert shown.count('{"status":"ok"}') == 2
        for name in re.findall(r"`(teamwire_gateway\w+)`", TEXT):
            assert f"\n{name.replace('seconds', 'seconds_count')}{{" in shown
        assert re.search(rf"^{pattern}$", served.end(), re.MULTILINE)

    def test_the_table_has_the_files_of_the_state(self, served: Served, machine: Machine) -> None:
        rows = "".join(re.findall(r"^\| (`.*?) \|", TEXT, re.MULTILINE))
        served.end()

        assert sorted(re.findall("`(.+?)`", rows)) == sorted(os.listdir(machine.state))  # noqa: PTH208


@posix
@pytest.mark.slow
def test_programs_are_added_listed_and_removed(machine: Machine) -> None:
    shown = machine.run(shell("add-client monitor"))

    assert len(re.findall(r"^export TEAMWIRE_SECRET=", shown, re.MULTILINE)) == 2
    assert [each.name for each in Clients(machine.state).all()] == ["alarms"]


@posix
@pytest.mark.slow
class TestUpstreamIsTheVendorsSdk:
    @pytest.fixture
    def connection(self, machine: Machine) -> Iterator[Connection]:
        login = machine.add()
        with machine.serving("teamwire-sync gateway") as served:
            url = f"http://127.0.0.1:{served.port}"
            with Connection(*login, url, config=ConnectionConfig(retries=0)) as connection:
                yield connection

    @pytest.mark.parametrize(
        "call",
        [
            pytest.param(lambda connection: connection.check(), id="bot"),
            pytest.param(
                lambda connection: connection.chats.at(KNOWN_CHAT).set_title("x"), id="title"
            ),
            pytest.param(
                lambda connection: connection.chats.at(KNOWN_CHAT).add_members([KNOWN_USER]),
                id="members",
            ),
            pytest.param(lambda connection: connection.chats.at(KNOWN_CHAT).leave(), id="leaving"),
            pytest.param(
                lambda connection: connection.chats.at(KNOWN_CHAT).get_messages(), id="messages"
            ),
            pytest.param(
                lambda connection: connection.chats.at(KNOWN_CHAT).post(
                    "", Attachments().add_file(DOCS / PAGE)
                ),
                id="attachment",
            ),
            pytest.param(lambda connection: connection.users.find("a"), id="users"),
            pytest.param(lambda connection: list(connection.groups.get_all()), id="groups"),
            pytest.param(lambda connection: next(connection.events(timeout=1)), id="events"),
        ],
    )
    def test_what_it_can_not_do_is_unsupported(
        self, connection: Connection, call: Callable[[Connection], object]
    ) -> None:
        with pytest.raises(TWUnsupportedError):
            call(connection)


@posix
@pytest.mark.slow
class TestBehindProxy:
    """A proxy of this machine in front of the gateway that the page starts."""

    @pytest.fixture
    def login(self, machine: Machine) -> tuple[str, str]:
        return machine.add()

    @pytest.fixture
    def served(
        self, machine: Machine, metrics_port: str, login: tuple[str, str]
    ) -> Iterator[Served]:
        if importlib.util.find_spec("prometheus_client") is None:
            missing("prometheus-client")
        line = block_with(PAGE, "sh", "gateway --behind-proxy").replace("9480", metrics_port)
        with machine.serving(line) as served:
            yield served

    @pytest.fixture
    def authority(self, tmp_path: Path) -> Path:
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "pem")
        authority.cert_pem.write_to_path(tmp_path / "ca")
        return tmp_path / "ca"

    def prove(self, port: int, login: tuple[str, str], authority: Path) -> None:
        """A client gets through, and can't say from where it comes."""
        url, verify = f"https://127.0.0.1:{port}", str(authority)
        with Connection(*login, url, config=ConnectionConfig(verify=verify)) as connection:
            assert len(connection.chats.get_subscriptions()) == 100
            connection.chats.at(KNOWN_CHAT).post("hello")
        self.hold_many(port, login, authority)
        found = [
            requests.get(
                f"{url}/v1/bot/chats/",
                headers={"X-Forwarded-For": f"1.1.1.{number}"},
                verify=verify,
                timeout=PATIENCE,
            )
            for number in range(MOST_FAILURES + 1)
        ]
        assert [each.status_code for each in found] == [401] * MOST_FAILURES + [429]
        assert {each.headers["Teamwire-Bot-Contract"] for each in found} == {"1"}

    @staticmethod
    def hold_many(port: int, login: tuple[str, str], authority: Path) -> None:
        """More slow clients than the gateway has connections stop nobody."""
        context = ssl.create_default_context(cafile=str(authority))
        head = f"POST /v1/bot/chats/{KNOWN_CHAT}/messages/ HTTP/1.1\r\nHost: x\r\n"
        config = ConnectionConfig(verify=str(authority), retries=0)
        with ExitStack() as exits:
            for _ in range(MOST_CONNECTIONS + 8):
                plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
                slow = exits.enter_context(context.wrap_socket(plain, server_hostname="127.0.0.1"))
                slow.sendall(f"{head}Content-Length: 1000\r\n\r\nx".encode())
            with Connection(*login, f"https://127.0.0.1:{port}", config=config) as connection:
                assert connection.chats.get_subscriptions(refresh=True)

    def test_nginx(
        self, served: Served, login: tuple[str, str], authority: Path, tmp_path: Path
    ) -> None:
        (site,) = blocks(PAGE, "nginx")
        site = site.replace(PORT, str(served.port))
        site = re.sub(r"/etc/ssl/gateway/\w+\.pem", str(tmp_path / "pem"), site)
        with nginx(tmp_path, lambda port: site.replace("443 ssl", f"127.0.0.1:{port} ssl")) as at:
            self.prove(at[1], login, authority)

    def test_haproxy(
        self, served: Served, login: tuple[str, str], authority: Path, tmp_path: Path
    ) -> None:
        haproxy = needed_program("haproxy")
        sections = block_with(PAGE, "text", "frontend")
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
            sections = sections.replace(PORT, str(served.port))
            sections = sections.replace("bind :443", f"bind fd@{listening.fileno()}")
            sections = sections.replace("/etc/haproxy/gateway.pem", str(tmp_path / "pem"))
            (tmp_path / "haproxy.cfg").write_text(sections)
            command = [haproxy, "-db", "-f", str(tmp_path / "haproxy.cfg")]
            with running(command, listening):
                self.prove(listening.getsockname()[1], login, authority)


@posix
@pytest.mark.slow
def test_gunicorn_serves_it(machine: Machine) -> None:
    if importlib.util.find_spec("gunicorn") is None:
        missing("gunicorn")
    state = machine.folder / "state"
    app_id, secret = machine.add(state=state)
    program = block_with(PAGE, "py", "create_app").replace(STATE, str(state))
    (machine.folder / "gateway_app.py").write_text(program, "utf-8")
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        number, port = listening.fileno(), listening.getsockname()[1]
        line = block_with(PAGE, "sh", "gunicorn").replace(f"127.0.0.1:{PORT}", f"fd://{number}")
        out = subprocess.PIPE
        process = machine.popen(f"exec {line}", pass_fds=[number], stderr=out)
    with process:
        try:
            with Connection(app_id, secret, f"http://127.0.0.1:{port}") as connection:
                assert len(connection.chats.get_subscriptions()) == 100
                connection.chats.at(KNOWN_CHAT).post("hello")
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()

    assert process.returncode == 0, log
    assert "INFO reports POST /v1/bot/chats/{tid}/messages/ 200" in log


@posix
@pytest.mark.slow
def test_the_commands_of_the_container_work_in_a_shell(machine: Machine) -> None:
    """Pip's line is tested in test_installing.py."""
    (file,) = blocks(PAGE, "docker")
    state = machine.folder / "state"
    file = file.replace(STATE, str(state)).replace("10001", str(os.getuid()))
    lines = [line.partition(" ") for line in file.splitlines() if not line.startswith("#")]
    runs = [text for word, _, text in lines if word == "RUN"]
    (command,) = (shlex.join(json.loads(text)) for word, _, text in lines if word == "CMD")
    (variable,) = (text for word, _, text in lines if word == "ENV")
    machine.run("\n".join(line for line in runs if not line.startswith("pip ")))
    name, _, value = variable.partition("=")
    machine.environment[name] = value
    with machine.serving(command) as served:
        answer = requests.get(f"http://127.0.0.1:{served.port}/health", timeout=PATIENCE)
        # Here is no network of Docker with the proxy.
        assert (answer.status_code, (state / "gateway.lock").exists()) == (403, True)
        served.end()


@posix
class TestUnit:
    @pytest.fixture
    def unit(self) -> str:
        (unit,) = blocks(PAGE, "ini")
        return unit.replace("/opt/teamwire/bin", str(BIN))

    @pytest.mark.slow
    def test_systemd_has_nothing_to_complain_of(self, unit: str, tmp_path: Path) -> None:
        analyze = shutil.which("systemd-analyze")
        if analyze is None:
            pytest.skip("this system has no systemd")
        file = tmp_path / "teamwire-gateway.service"
        file.write_text(unit)
        done = subprocess.run(
            [analyze, "verify", file],
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        assert [line for line in done.stderr.splitlines() if file.name in line] == []
        assert done.returncode == 0, done.stderr

    @pytest.mark.slow
    def test_its_settings_are_valid(self, unit: str, machine: Machine) -> None:
        (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
        name, value = re.findall(r"^Environment=(\w+)=(.*)$", unit, re.MULTILINE)[0]
        machine.environment[name] = value.replace(STATE, str(machine.folder / "state"))

        assert "The settings are valid." in machine.run(f"{command} --check")

    def test_it_gets_more_time_to_end_than_the_requests(self, unit: str) -> None:
        (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)

        assert int(seconds) >= OPTIONS["grace"] + 5


def test_the_figures_are_those_of_the_program() -> None:
    page = " ".join(TEXT.split())

    assert f"connections (`--connections`) | {OPTIONS['connections']};" in page
    assert f"`--grace` seconds ({OPTIONS['grace']:.0f})" in page
    assert f"more than {MOST_FAILURES} failed logins in a minute" in page
    assert FAILURE_PERIOD == 60
    assert f"for {KEPT / 3600:.0f} hours" in page
    assert f"a JSON body | {MAX_BODY // 1024**2} MiB" in page
    assert f"an upload | {MAX_UPLOAD // 1024**3} GiB" in page
    assert f"for {ConnectionConfig().own_write_grace:.0f} seconds while the listing" in page
    assert f"127.0.0.1:{OPTIONS['port']};" in page
    assert f"{Limits().rate / 1024:.0f} KiB per second" in page
    listed, kept = f"{CACHE_TTL:.0f} seconds", f"{ConnectionConfig().cache_ttl // 60} minutes"
    assert f"serves all programs for {listed}" in page
    assert f"become visible after {kept} and {listed} at most" in page


@pytest.mark.parametrize(("text", "is_read"), [("nothing", True), ("something", False)])
def test_the_operations_for_allow_are_those_of_the_contract(text: str, is_read: bool) -> None:
    (names,) = re.findall(rf"These change {text}: (.+?)\.\n", TEXT, re.DOTALL)

    found = [name for name, each in OPERATIONS.items() if (each.method == "GET") == is_read]
    assert re.findall("`(.+?)`", names) == found


def test_each_block_for_a_shell_is_run() -> None:
    source = Path(__file__).read_text("utf-8")
    run = re.findall(r'shell\("(.+?)"\)|block_with\(PAGE, "sh", "(.+?)"\)', source)
    parts = [first or second for first, second in run]

    assert [block for block in blocks(PAGE, "sh") if not any(part in block for part in parts)] == []

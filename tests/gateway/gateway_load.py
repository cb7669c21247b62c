"""A program that measures a gateway process and the sandbox behind it, each with the same clients.

Usage: gateway_load.py refreshes http|vendor FOLDER, for 304s to 50 clients in 10 processes, or
gateway_load.py mixed http|vendor FOLDER SECONDS, for reads and writes of 32 clients in 4 processes.
The upstream of the gateway is the sandbox, over HTTP or through the double of the vendor's SDK.
It prints JSON; latencies are milliseconds.
"""

from __future__ import annotations

import http.client
import json
import random
import subprocess
import sys
import time
from base64 import b64encode
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import urlsplit

from attrs import frozen

from teamwire_sync import Connection, ConnectionConfig, TWError
from teamwire_sync._gateway.clients import Clients
from teamwire_sync._sandbox.world.seed import BOT_LIST, KNOWN_CHAT, KNOWN_USER, PUBLIC_CIRCLE
from tests.support.gateway_process import GatewayProcess
from tests.support.processes import SandboxProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    Program = subprocess.Popen[str]

_LISTING = "/v1/bot/chats/"
_ROUNDS = 3
_REQUESTS = 20


@frozen
class Server:
    """A server, and the credentials of each process of clients."""

    url: str
    logins: list[tuple[str, str]]


@contextmanager
def started(kind: str, server: Server, threads: int, amount: float) -> Iterator[list[Program]]:
    """Start processes of clients."""
    command = [sys.executable, "-m", "tests.gateway.gateway_load", "clients", kind, server.url]
    with ExitStack() as exits:
        programs = []
        for login in server.logins:
            program = subprocess.Popen(
                [*command, *login, str(threads), str(amount)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
            )
            programs.append(exits.enter_context(program))
            exits.callback(program.kill)
        for program in programs:
            assert line_of(program) == "ready\n"
        yield programs


def line_of(program: Program) -> str:
    """Return the next line that a program prints."""
    assert program.stdout is not None
    return program.stdout.readline()


def run(programs: list[Program]) -> list[dict[str, Any]]:
    """Let all clients begin at the same moment, and return what each process prints."""
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("\n")
        program.stdin.flush()
    return [json.loads(line_of(program)) for program in programs]


def clients(kind: str, url: str, login: tuple[str, str], threads: int, amount: float) -> None:
    """Run some clients for each line of input, and print what they have measured."""
    times: dict[str, list[float]] = defaultdict(list)
    errors: Counter[str] = Counter()
    work = {"refreshes": refreshing, "http": everything, "vendor": chats_and_people}[kind]
    tasks = [work(url, login, amount, times, errors) for _ in range(threads)]
    print("ready", flush=True)
    with ThreadPoolExecutor(threads) as pool:
        for _ in sys.stdin:
            for future in [pool.submit(task) for task in tasks]:
                future.result()
            print(json.dumps({"times": times, "errors": errors}), flush=True)
            times.clear()
            errors.clear()


Times = dict[str, list[float]]


def refreshing(
    url: str, login: tuple[str, str], amount: float, times: Times, errors: Counter[str]
) -> Callable[[], None]:
    """Return a client that asks whether the list of chats has changed. It is as cheap as can be."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    headers = {"Authorization": f"Basic {b64encode(':'.join(login).encode()).decode()}"}
    connection.request("GET", _LISTING, headers=headers)
    response = connection.getresponse()
    response.read()
    headers["If-None-Match"] = response.headers["ETag"]

    def work() -> None:
        for _ in range(int(amount)):
            began = time.perf_counter()
            connection.request("GET", _LISTING, headers=headers)
            answer = connection.getresponse()
            answer.read()
            times["304"].append(time.perf_counter() - began)
            errors[str(answer.status)] += answer.status != 304

    return work


Steps = list[tuple[str, int, Callable[[], object]]]


def everything(
    url: str, login: tuple[str, str], amount: float, times: Times, errors: Counter[str]
) -> Callable[[], None]:
    """Return a client that reads and writes for some seconds."""
    connection = Connection(*login, url, config=ConnectionConfig(cache_ttl=0.001))
    chat = connection.chats.at(KNOWN_CHAT)
    steps: Steps = [
        *common_steps(connection),
        ("messages", 20, lambda: chat.get_messages(limit=20)),
        ("edit", 6, lambda: chat.set_title(f"load {random.random()}")),
    ]
    return working(connection, steps, amount, times, errors)


def chats_and_people(
    url: str, login: tuple[str, str], amount: float, times: Times, errors: Counter[str]
) -> Callable[[], None]:
    """Return a client that does only what the vendor's SDK can do."""
    connection = Connection(*login, url, config=ConnectionConfig(cache_ttl=0.001))
    group = connection.groups.get_group(BOT_LIST)
    assert group is not None
    steps: Steps = [
        *common_steps(connection),
        ("create (existing)", 10, lambda: connection.chats.create_chat(users=[KNOWN_USER])),
        ("group", 8, lambda: connection.groups.get_group(PUBLIC_CIRCLE)),
        ("edit group", 8, lambda: group.add_members([KNOWN_USER])),
    ]
    return working(connection, steps, amount, times, errors)


def common_steps(connection: Connection) -> Steps:
    """Return the steps of all clients: name, weight and function."""
    chat = connection.chats.at(KNOWN_CHAT)
    return [
        ("list (304 or changes)", 40, connection.chats.get_subscriptions),
        ("list (refresh)", 2, lambda: connection.chats.get_subscriptions(refresh=True)),
        ("post", 20, lambda: chat.post("load")),
        ("user", 12, lambda: connection.users.get_user(KNOWN_USER)),
    ]


def working(
    connection: Connection, steps: Steps, amount: float, times: Times, errors: Counter[str]
) -> Callable[[], None]:
    """Return a function that takes some of the steps for some seconds."""
    weights = [weight for _, weight, _ in steps]

    def work() -> None:
        ends_at = time.monotonic() + amount
        while time.monotonic() < ends_at:
            ((name, _, step),) = random.choices(steps, weights)
            began = time.perf_counter()
            try:
                step()
            except TWError as error:
                errors[f"{name}: {type(error).__name__} {error.status} {error.code}"] += 1
            times[name].append(time.perf_counter() - began)
        connection.close()

    return work


def joined(found: list[dict[str, Any]]) -> tuple[Times, Counter[str]]:
    """Return the times and errors of all processes."""
    times: Times = defaultdict(list)
    errors: Counter[str] = Counter()
    for each in found:
        errors += Counter(each["errors"])
        for name, some in each["times"].items():
            times[name] += some
    return times, errors


def shown(times: list[float]) -> dict[str, float]:
    """Return the number of some times, their median, 99th percentile and maximum."""
    ordered = sorted(times)
    places = {"p50": len(ordered) // 2, "p99": len(ordered) * 99 // 100, "max": -1}
    figures = {name: round(ordered[place] * 1000, 1) for name, place in places.items()}
    return {"count": len(ordered), **figures}


def refreshes(servers: dict[str, Server], used: dict[str, Callable[[], float]]) -> dict[str, Any]:
    """Measure 304s of both servers in turns.

    The ratio is that of the processor time of the servers. Latencies also measure what else the
    machine does.
    """
    all_times: Times = defaultdict(list)
    seconds: dict[str, float] = defaultdict(float)
    errors: Counter[str] = Counter()
    with ExitStack() as exits:
        programs = {
            name: exits.enter_context(started("refreshes", server, 5, _REQUESTS))
            for name, server in servers.items()
        }
        for _ in range(_ROUNDS):
            for name in servers:
                before = used[name]()
                times, wrong = joined(run(programs[name]))
                seconds[name] += used[name]() - before
                all_times[name] += times["304"]
                errors += wrong
    return {
        "304": {name: shown(times) for name, times in all_times.items()},
        "ratio": round(seconds["gateway"] / seconds["sandbox"], 2),
        "errors": errors,
    }


def loaded(
    servers: dict[str, Server], gateway: GatewayProcess, upstream: str, seconds: float
) -> dict[str, Any]:
    """Put load on each server; measure what the gateway uses before and after."""
    latencies: dict[str, Any] = {}
    errors: dict[str, Counter[str]] = {}
    used = []
    # The first load fills caches and pools.
    lengths = {"warm-up": seconds / 4, "gateway": seconds, "again": seconds, "sandbox": seconds}
    for name, length in lengths.items():
        server = servers["sandbox" if name == "sandbox" else "gateway"]
        with started(upstream, server, 8, length) as programs:
            times, errors[name] = joined(run(programs))
        latencies[name] = {step: shown(some) for step, some in sorted(times.items())}
        used.append({"after": name, "files": gateway.open_files(), "kB": gateway.memory()})
    return {"used": used, "latencies": latencies, "errors": errors}


def main(kind: str, upstream: str, folder: Path, seconds: float) -> None:
    """Start both servers, and print the findings."""
    processes = {"refreshes": 10, "mixed": 4}[kind]
    with closing(SandboxProcess(folder / "world")) as box:
        box.start()
        login = box.env["TEAMWIRE_APP_ID"], box.env["TEAMWIRE_SECRET"]
        own = [Clients(folder / "state").add(f"program{each}") for each in range(processes)]
        # A listing of the upstream takes as long as hundreds of 304s.
        options = ["--cache-ttl", "300"] if kind == "refreshes" else []
        with closing(GatewayProcess(box, folder / "state", *options, upstream=upstream)) as gateway:
            servers = {
                "gateway": Server(gateway.url, [(name, key.reveal()) for name, key in own]),
                "sandbox": Server(box.env["TEAMWIRE_URL"], [login] * processes),
            }
            if kind == "refreshes":
                found = refreshes(
                    servers, {"gateway": gateway.cpu_seconds, "sandbox": box.cpu_seconds}
                )
            else:
                found = loaded(servers, gateway, upstream, seconds)
            code = gateway.end()
    print(json.dumps({**found, "exit code": code}))


if __name__ == "__main__":
    if sys.argv[1] == "clients":
        how, where, app_id, secret, count, size = sys.argv[2:]
        clients(how, where, (app_id, secret), int(count), float(size))
    else:
        main(*sys.argv[1:3], Path(sys.argv[3]), float(sys.argv[4]) if sys.argv[4:] else 60.0)

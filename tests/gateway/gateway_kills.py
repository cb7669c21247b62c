"""A program that kills a gateway and its upstream during posts. It prints its findings as JSON.

Usage: gateway_kills.py http|vendor FOLDER POSTS [SEED]

The gateway and the sandbox behind it are processes. The world of the sandbox is a file, so that the
sandbox keeps its promises when it is killed. Half of the clients are Connections, which retry as
usual. The others send each post with an Idempotency-Key until they have two definite responses. An
upstream over HTTP knows keys. So an unknown outcome is no definite response.
"""

from __future__ import annotations

import json
import random
import socket
import sys
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any, Callable

import requests

from teamwire_sync import Connection, ConnectionConfig, TWDeliveryUnknownError, TWError
from teamwire_sync._gateway.clients import Clients
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT
from tests.support.gateway_process import GatewayProcess
from tests.support.processes import SandboxProcess
from tests.support.waiting import PATIENCE

UNKNOWN = 502
AGAIN = {"http": {409, 503, UNKNOWN}, "vendor": {409, 503}}
"""Statuses after which a post is sent again: nothing was done, or its outcome is not known yet."""

_CLIENTS = 8
# Nobody connects from here, so that no connection takes the port while the gateway is away.
_HOST = "127.0.0.3"
_PATH = f"/v1/bot/chats/{KNOWN_CHAT}/messages/"
# The limit on the posts between two kills, and on the seconds after the last of these posts.
_MOST_POSTS = 10
_LONGEST = 0.03
# Seconds until a client sends its next post, if the servers may be away. Otherwise, most posts
# would meet no server.
_AWAY = 0.5
# Seconds within which few posts end.
_IMPATIENCE = 0.01
_PAUSE = threading.Event()


class Servers:
    """A gateway and its upstream, which are killed and started again.

    Args:
        kind: The transport between them, "http" or "vendor".
        folder: The folder of their files.
        seed: The seed of the random choices.
    """

    def __init__(self, kind: str, folder: Path, seed: int) -> None:
        self._state = folder / "state"
        self._random = random.Random(seed)
        self._sandbox = SandboxProcess(folder / "world")
        self._sandbox.start()
        self.kills: Counter[str] = Counter()
        with socket.create_server((_HOST, 0)) as unused:
            port = unused.getsockname()[1]
        self._kind = kind
        self._options = "--host", _HOST, "--port", str(port)
        self._start_gateway()
        self.url = self._gateway.url

    def connect_to_upstream(self) -> Connection:
        """A Connection to the upstream itself."""
        env = self._sandbox.env
        return Connection(env["TEAMWIRE_APP_ID"], env["TEAMWIRE_SECRET"], env["TEAMWIRE_URL"])

    def kill_one_or_both(self) -> None:
        """Kill the gateway, the upstream or both, and start them again in any order."""
        killed = self._random.choice([["gateway"], ["gateway"], ["upstream"], ["both"]])[0]
        self.kills[killed] += 1
        ends: list[Callable[[], None]] = []
        starts: list[Callable[[], None]] = []
        if killed != "upstream":
            ends.append(self._gateway.close)
            starts.append(self._start_gateway)
        if killed != "gateway":
            ends.append(self._sandbox.kill)
            starts.append(self._sandbox.start)
        for each in (ends, starts):
            self._random.shuffle(each)
        for step in (*ends, *starts):
            step()

    def close(self) -> None:
        """End both."""
        self._gateway.close()
        self._sandbox.close()

    def _start_gateway(self) -> None:
        self._gateway = GatewayProcess(
            self._sandbox, self._state, *self._options, upstream=self._kind
        )


class Posts:
    """The posts, what the clients were told of them, and how many clients are at work.

    Attributes:
        told: The outcome of each post: "done", "unknown" or "failed".
        wrong: What must not be.
        errors: The kinds of the errors of Connections.
    """

    def __init__(self, count: int) -> None:
        self._numbers = iter(range(count))
        self._lock = threading.Lock()
        self.told: dict[int, str] = {}
        self.wrong: list[str] = []
        self.errors: Counter[str] = Counter()

    def take(self) -> int | None:
        """Return the number of the next post."""
        with self._lock:
            return next(self._numbers, None)


def post_by_connection(posts: Posts, connection: Connection) -> None:
    """Post with a Connection until no post is left."""
    while (number := posts.take()) is not None:
        posts.told[number] = told = posted(posts, connection, f"post {number}")
        if told != "done":
            _PAUSE.wait(_AWAY)


def posted(posts: Posts, connection: Connection, text: str) -> str:
    """Post with a Connection; return the outcome."""
    try:
        connection.chats.at(KNOWN_CHAT).post(text)
    except TWDeliveryUnknownError:
        return "unknown"
    except TWError as error:
        posts.errors[f"{type(error).__name__} {error.status} {error.code}"] += 1
        return "failed"
    return "done"


def post_by_key(posts: Posts, url: str, login: tuple[str, str], again: set[int]) -> None:
    """Send each post until there are two definite responses, until no post is left."""
    while (number := posts.take()) is not None:
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        answers: list[tuple[int, str]] = []
        give_up = time.monotonic() + 4 * PATIENCE
        while len(answers) < 2:
            if time.monotonic() > give_up:
                posts.wrong.append(f"post {number} got no second response: {answers}")
                break
            status, text = send(url, login, f"post {number}", headers)
            if status is None or status in again:
                _PAUSE.wait(0.05)
            else:
                answers.append((status, "" if status == UNKNOWN else text))
        first = answers[0][0] if answers else None
        posts.told[number] = {200: "done", UNKNOWN: "unknown"}.get(first or 0, "failed")
        if first not in {200, UNKNOWN} or answers != answers[:1] * 2:
            posts.wrong.append(f"post {number} got {answers}")
        if posts.told[number] != "done":
            _PAUSE.wait(_AWAY)


def send(
    url: str, login: tuple[str, str], text: str, headers: dict[str, str]
) -> tuple[int | None, str]:
    """Send a post once; return the status, or None for no response, and the body.

    The client often does not wait for the response. The next request with the key then comes during
    the first one.
    """
    timeout = random.choice([_IMPATIENCE, PATIENCE])
    try:
        answer = requests.post(
            url + _PATH, json={"message": text}, auth=login, headers=headers, timeout=timeout
        )
    except requests.RequestException:
        return None, ""
    return answer.status_code, answer.text


def kill_while(threads: list[threading.Thread], posts: Posts, servers: Servers, seed: int) -> None:
    """Kill the servers again and again while threads run, each time after some posts."""
    rng = random.Random(seed)

    def enough(count: int) -> bool:
        return len(posts.told) >= count or not any(thread.is_alive() for thread in threads)

    while any(thread.is_alive() for thread in threads):
        count = len(posts.told) + rng.randrange(_MOST_POSTS)
        while not enough(count):
            _PAUSE.wait(0.001)
        _PAUSE.wait(rng.uniform(0, _LONGEST))
        servers.kill_one_or_both()


def thread(work: Callable[..., None], *arguments: object) -> threading.Thread:
    """A thread that does not keep the process alive when this program fails."""
    return threading.Thread(target=work, args=arguments, daemon=True)


def findings(kind: str, folder: Path, count: int, seed: int) -> dict[str, Any]:
    """Let clients post while the servers are killed; return the figures and what is wrong."""
    posts = Posts(count)
    logins = [Clients(folder / "state").add(f"program{each}") for each in range(_CLIENTS)]
    servers = Servers(kind, folder, seed)
    started = time.monotonic()
    try:
        threads = []
        connections = []
        for number, (app_id, secret) in enumerate(logins):
            if number % 2:
                login = app_id, secret.reveal()
                threads.append(thread(post_by_key, posts, servers.url, login, AGAIN[kind]))
                continue
            config = ConnectionConfig(retries=number)
            connection = Connection(app_id, secret.reveal(), servers.url, config=config)
            connections.append(connection)
            threads.append(thread(post_by_connection, posts, connection))
        for each in threads:
            each.start()
        kill_while(threads, posts, servers, seed)
        for connection in connections:
            connection.close()
        with servers.connect_to_upstream() as upstream:
            texts = [message.msg for message in upstream.chats.at(KNOWN_CHAT).iter_messages()]
    finally:
        servers.close()
    done = Counter(int(text.split()[1]) for text in texts if text and text.startswith("post "))
    return judged(posts, done) | {
        "posts": count,
        "kills": servers.kills,
        "errors": posts.errors,
        "seconds": round(time.monotonic() - started, 1),
    }


def judged(posts: Posts, done: Counter[int]) -> dict[str, Any]:
    """Return what was told and what was done, and where the two differ."""
    expected = {"done": {1}, "failed": {0}, "unknown": {0, 1}}
    wrong = [
        f"post {number} was told as {told}, and was done {done[number]} times"
        for number, told in posts.told.items()
        if done[number] not in expected[told]
    ]
    return {
        "told": Counter(posts.told.values()),
        "unknown and done": sum(
            done[number] for number, told in posts.told.items() if told == "unknown"
        ),
        "wrong": posts.wrong + wrong,
    }


if __name__ == "__main__":
    how, where, size, *rest = sys.argv[1:]
    print(json.dumps(findings(how, Path(where), int(size), int(rest[0]) if rest else 7)))

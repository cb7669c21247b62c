"""A program that kills processes while they execute posts. It prints its findings as JSON.

Usage: killed_gateway.py SIGKILL|SIGTERM FOLDER, to end a process at each line of a post, or
killed_gateway.py random FOLDER POSTS, to kill processes at any moment.

The upstream is a file. Each of its lines is an execution of the post whose number it has.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import select
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teamwire_sync._gateway import outcomes as module
from teamwire_sync._gateway.outcomes import Outcomes
from teamwire_sync._gateway.state import StateFolder
from teamwire_sync._server.backend import Answer
from teamwire_sync._server.errors import RefusedError, refusal_answer, refuse

if TYPE_CHECKING:
    from types import FrameType

NOT_NOW, UNKNOWN = 503, 502
"""The statuses of a post that was not done, and of one that may have been done."""

# Posts that are sent concurrently.
_WINDOW = 4
# Seconds within which a process is killed at random. A post takes less than a millisecond.
_LONGEST = 0.003
# Seconds after which a process that is not killed hangs.
_PATIENCE = 30.0


class Upstream:
    """It executes a post by writing its number into a file. The number's last digit is its kind.

    Most posts are executed. Some are refused; some are refused for now at the first tries; some are
    executed, but the outcome is lost. Of some, the upstream knows whether they were executed.
    """

    KNOWN, REFUSED, NOT_NOW, LOST = 6, 7, 8, 9

    def __init__(self, path: Path) -> None:
        self._path = path
        self._random = random.Random()

    def execute(self, number: int, *, may_be_done: bool) -> Answer:
        kind = number % 10
        if may_be_done and kind != self.KNOWN:
            refuse("it knows no keys", "delivery_unknown")
        if may_be_done and self.executions()[number]:
            return Answer(json.dumps({"number": number}), number)
        if kind == self.REFUSED:
            refuse(f"{number} is refused", "invalid_request")
        if kind == self.NOT_NOW and self._random.random() < 0.7:
            refuse("not now", "service_unavailable")
        file = os.open(self._path, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
        os.write(file, f"{number}\n".encode())
        os.close(file)
        if kind == self.LOST:
            refuse("the upstream did not answer", "delivery_unknown")
        return Answer(json.dumps({"number": number}), number)

    def executions(self) -> Counter[int]:
        """Return how often each post was executed."""
        return Counter(map(int, self._path.read_text().split() if self._path.exists() else []))


def post(outcomes: Outcomes, upstream: Upstream, number: int) -> dict[str, Any]:
    """Execute a post, or have its outcome repeated; return the response."""
    key, fingerprint = f"key {number}", f"fingerprint {number}"
    try:
        answer = outcomes.perform(
            "app",
            key,
            fingerprint,
            lambda may_be_done: upstream.execute(number, may_be_done=may_be_done),
        )
    except RefusedError as refusal:
        answer = refusal_answer(refusal)
    # The text of an unknown outcome may differ.
    body = "" if answer.status == UNKNOWN else answer.body
    return {"number": number, "status": answer.status, "body": body}


def problems(answers: list[dict[str, Any]], executions: int) -> list[str]:
    """Return what is wrong with the responses to a post, of which none is a refusal for now."""
    first = answers[0]
    maybe = set() if first["number"] % 10 == Upstream.KNOWN else {0, 1}
    expected = {200: {1}, 422: {0}, UNKNOWN: maybe}.get(first["status"], set())
    is_right = executions in expected and answers == [first] * len(answers)
    return [] if is_right else [f"executed {executions} times, and then {answers}"]


def end_at(line: int, number: int) -> None:
    """Send this process a signal at this line of the module; count the lines that it runs."""
    left = line

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename != module.__file__:
            return None
        left -= event == "line"
        if not left:
            sys.settrace(None)
            os.kill(os.getpid(), number)
        return trace

    sys.settrace(trace)


def ended_at(folder: Path, upstream: Upstream, number: int, line: int, by: int) -> bool:
    """Execute a post in a process that ends at a line; return whether it has come to the line."""
    pid = os.fork()
    if not pid:
        with suppress(SystemExit), closing(StateFolder(folder)) as state:
            outcomes = Outcomes(state)
            end_at(line, by)
            post(outcomes, upstream, number)
            sys.settrace(None)
            os._exit(0)
        os._exit(1)
    return os.waitpid(pid, 0)[1] != 0


def at_each_line(folder: Path, by: signal.Signals) -> dict[str, Any]:
    """End a process at each line of a post of each kind; repeat the post in this process."""
    upstream = Upstream(folder / "upstream")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    wrong: list[str] = []
    lines = 0
    for kind in (0, Upstream.KNOWN, Upstream.REFUSED, Upstream.NOT_NOW, Upstream.LOST):
        for line in itertools.count(1):
            number = 10 * line + kind
            if not ended_at(folder / "state", upstream, number, line, by):
                break
            lines += 1
            answers: list[dict[str, Any]] = []
            with closing(StateFolder(folder / "state")) as state, closing(Outcomes(state)) as again:
                while len(answers) < 2:
                    answers.append(post(again, upstream, number))
                    answers = [each for each in answers if each["status"] != NOT_NOW]
            wrong += problems(answers, upstream.executions()[number])
    return {"lines": lines, "wrong": wrong}


class Worker:
    """A gateway in a process of its own, which reads numbers of posts and writes the responses."""

    def __init__(self, folder: Path) -> None:
        down, up = os.pipe(), os.pipe()
        self._pid = os.fork()
        if not self._pid:
            os.close(down[1])
            os.close(up[0])
            with suppress(BaseException):
                self._serve(folder, down[0], up[1])
            os._exit(0)
        os.close(down[0])
        os.close(up[1])
        self._write, self._read = down[1], up[0]
        self._rest = b""

    @staticmethod
    def _serve(folder: Path, read: int, write: int) -> None:
        upstream = Upstream(folder / "upstream")
        outcomes = Outcomes(StateFolder(folder / "state"))

        def work(number: int) -> None:
            answer = post(outcomes, upstream, number)
            os.write(write, json.dumps(answer).encode() + b"\n")

        with os.fdopen(read) as lines:
            for line in lines:
                threading.Thread(target=work, args=[int(line)]).start()

    def send(self, numbers: list[int]) -> None:
        os.write(self._write, "".join(f"{number}\n" for number in numbers).encode())

    def receive(self, seconds: float) -> list[dict[str, Any]]:
        """Return the responses that come within this time; raise EOFError at the end."""
        if not select.select([self._read], [], [], max(0.0, seconds))[0]:
            return []
        received = os.read(self._read, 65_536)
        if not received:
            raise EOFError
        *lines, self._rest = (self._rest + received).split(b"\n")
        return [json.loads(line) for line in lines]

    def kill(self) -> list[dict[str, Any]]:
        """Kill the process; return the responses that it had sent."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        received = []
        with suppress(EOFError):
            while True:
                received += self.receive(1)
        os.close(self._read)
        os.close(self._write)
        return received


def at_random(folder: Path, posts: int) -> dict[str, Any]:
    """Kill the process again and again while it executes posts, and repeat the posts."""
    rng = random.Random(7)
    kills = 0
    answers: list[list[dict[str, Any]]] = [[] for _ in range(posts)]
    worker = Worker(folder)

    def note(received: list[dict[str, Any]]) -> int:
        for each in received:
            if each["status"] != NOT_NOW:
                answers[each["number"]].append(each)
        return len(received)

    # Each post is sent until it has two responses.
    while left := [number for number in range(posts) if len(answers[number]) < 2][:_WINDOW]:
        worker.send(left)
        ends_at = time.monotonic() + (rng.uniform(0, _LONGEST) if rng.random() < 0.7 else _PATIENCE)
        missing = len(left)
        while missing and (seconds := ends_at - time.monotonic()) > 0:
            missing -= note(worker.receive(seconds))
        if missing:
            kills += 1
            note(worker.kill())
            worker = Worker(folder)
    worker.kill()
    executions = Upstream(folder / "upstream").executions()
    by_kills = [
        number
        for number, (first, *_) in enumerate(answers)
        if first["status"] == UNKNOWN and number % 10 != Upstream.LOST
    ]
    return {
        "kills": kills,
        "statuses": Counter(first["status"] for first, *_ in answers),
        "unknown after a kill": len(by_kills),
        "of these executed": sum(executions[number] for number in by_kills),
        "wrong": [
            problem
            for number, received in enumerate(answers)
            for problem in problems(received, executions[number])
        ],
    }


if __name__ == "__main__":
    how, where, *rest = sys.argv[1:]
    if how == "random":
        print(json.dumps(at_random(Path(where), int(rest[0]))))
    else:
        print(json.dumps(at_each_line(Path(where), signal.Signals[how])))

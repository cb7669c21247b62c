"""A Connection made before gunicorn forks its workers serves all of them."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from teamwire_sync._sandbox.world.seed import KNOWN_CHAT
from teamwire_sync.testing import sandbox
from tests.support.needed import missing
from tests.support.waiting import PATIENCE, Threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.testing import Sandbox

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
WORKERS = 4
LISTING = ("GET", "/v1/bot/chats/")
POST = ("POST", f"/v1/bot/chats/{KNOWN_CHAT}/messages/")


@pytest.fixture(autouse=True)
def _gunicorn() -> None:
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    if importlib.util.find_spec("gunicorn") is None:
        missing("gunicorn")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox in this process, whose answers can be held back."""
    with sandbox(chats=100, seed=7) as box:
        yield box


class Site:
    """A web server, as its clients see it."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str) -> tuple[int, Any]:
        """Status and document of an answer."""
        try:
            with urllib.request.urlopen(f"{self._url}{path}", timeout=3 * PATIENCE) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


@contextmanager
def gunicorn(app: str, folder: Path, box: Sandbox) -> Iterator[Site]:
    """The workers of an application in *folder*, forked after it was imported."""
    # They inherit a socket that listens already: no port that somebody else could take, and who
    # asks before they are there waits.
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", str(WORKERS)]
        options = ["--bind", f"fd://{listening.fileno()}", "--chdir", str(folder)]
        process = subprocess.Popen(
            [*command, *options, "--log-level", "warning", app],
            pass_fds=[listening.fileno()],
            env={**os.environ, **box.env, "PYTHONPATH": str(ROOT)},
        )
        host, port = listening.getsockname()
        try:
            yield Site(f"http://{host}:{port}")
        finally:
            process.terminate()
            assert process.wait(3 * PATIENCE) == 0


def ask_each_worker(
    box: Sandbox, route: tuple[str, str], site: Site, paths: list[str]
) -> list[tuple[int, Any]]:
    """Ask as often as there are workers, each being busy while the next is asked."""
    with Threads() as threads, box.hold(*route) as held:
        asked = [threads.start(partial(site.get, path)) for path in paths]
        held.wait_arrived(WORKERS, timeout=3 * PATIENCE)
        held.release()
        return [each.result() for each in asked]


class TestExample:
    @pytest.fixture
    def site(self, box: Sandbox) -> Iterator[Site]:
        with gunicorn("flask_app:app", ROOT / "examples", box) as site:
            yield site

    def test_each_worker_lists_the_chats_once(self, box: Sandbox, site: Site) -> None:
        answers = ask_each_worker(box, LISTING, site, ["/chats/"] * WORKERS)
        title = quote("Wache Süd: Übergabe, groß & klein")
        with Threads(8) as threads:
            more = [threads.start(partial(site.get, f"/chats/{title}")) for _ in range(100)]

        assert [(status, len(chats)) for status, chats in answers] == [(200, 100)] * WORKERS
        assert {each.result()[0] for each in more} == {200}
        assert box.count(*LISTING) == WORKERS

    def test_it_finds_a_chat_by_its_title(self, box: Sandbox, site: Site) -> None:
        chat = box.add_chat("Notaufnahme / Nacht", users=["rVRCfuQEtkgnZBZEgbHVji"])
        (user,) = box.connect().chats.one_by_title("Notaufnahme / Nacht").users

        assert site.get(f"/chats/{quote('Notaufnahme / Nacht')}") == (
            200,
            {"tid": chat.tid, "title": "Notaufnahme / Nacht", "users": [user.full_name()]},
        )

    def test_what_is_not_there_is_404_with_what_comes_close(self, site: Site) -> None:
        status, document = site.get("/chats/Test")

        assert (status, document["close"]) == (404, ["test"])

    def test_several_are_409_with_their_ids(self, box: Sandbox, site: Site) -> None:
        status, document = site.get("/chats/test")

        same = box.connect().chats.get_by_title("test")
        assert (status, document["tids"]) == (409, [chat.tid for chat in same])

    def test_a_refusing_server_is_502_without_its_text(self, box: Sandbox, site: Site) -> None:
        box.fault(*LISTING, status=403)

        assert site.get("/chats/") == (502, {"error": "Teamwire can't be asked just now"})


class TestConnectionThatWasInUse:
    @pytest.fixture
    def site(self, box: Sandbox) -> Iterator[Site]:
        with gunicorn("tests.support.forked_app:app", ROOT, box) as site:
            yield site

    def test_all_workers_go_on_with_what_was_in_memory(self, box: Sandbox, site: Site) -> None:
        answers = ask_each_worker(box, POST, site, [f"/{number}" for number in range(WORKERS)])

        assert len({document["pid"] for _, document in answers}) == WORKERS
        assert {document["title"] for _, document in answers} == {"test"}
        assert box.count(*LISTING) == 1

    def test_each_gets_its_own_answers(self, site: Site) -> None:
        paths = [f"/message {number}" for number in range(200)]
        with Threads(8) as threads:
            asked = [threads.start(partial(site.get, quote(path))) for path in paths]

        assert [each.result()[1]["posted"] for each in asked] == paths

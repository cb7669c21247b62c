"""Where the chats come from: sandboxes in processes of their own, and their pages as bytes."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests
from attrs import frozen

from teamwire_sync import Connection
from teamwire_sync._http.contract import Decoder
from teamwire_sync._internal.collector import with_fewer_collections
from teamwire_sync._internal.strict_json import decode_json
from teamwire_sync._transport import ChatPage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from teamwire_sync import ConnectionConfig
    from teamwire_sync._models.people import LoggedInUser
    from teamwire_sync._stores.base import Store

CHATS_PATH = "/v1/bot/chats/"
ME_PATH = "/v1/bot/me/"


@frozen
class World:
    """A server, with chats, that shares no interpreter with who measures.

    Attributes:
        chats: How many.
        url: Where it listens.
        app_id: Of its bot.
        secret: Of its bot.
    """

    chats: int
    url: str
    app_id: str
    secret: str

    @property
    def environment(self) -> dict[str, str]:
        """Where a Connection without arguments finds it."""
        return {
            "TEAMWIRE_URL": self.url,
            "TEAMWIRE_APP_ID": self.app_id,
            "TEAMWIRE_SECRET": self.secret,
            "TEAMWIRE_TRANSPORT": "http",
        }

    def connect(
        self, *, store: Store | None = None, config: ConnectionConfig | None = None
    ) -> Connection:
        """A Connection, in the default configuration if no other is given."""
        return Connection(self.app_id, self.secret, self.url, store=store, config=config)

    def authorise(self, session: requests.Session) -> requests.Session:
        """Give *session* the bot's credentials."""
        session.auth = (self.app_id, self.secret)
        return session


@contextmanager
def served(chats: int) -> Iterator[World]:
    """A sandbox in a process of its own while the block runs."""
    command = [sys.executable, "-m", "teamwire_sync", "sandbox", "--port", "0"]
    command += ["--chats", str(chats)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  our own
    try:
        told: dict[str, str] = {}
        for line in process.stdout or ():
            name, _, value = line.replace("export ", "").strip().partition("=")
            told[name] = value
            if len(told.keys() & {"TEAMWIRE_URL", "TEAMWIRE_APP_ID", "TEAMWIRE_SECRET"}) == 3:
                break
        else:
            message = "the sandbox did not start"
            raise RuntimeError(message)
        yield World(chats, *(told[f"TEAMWIRE_{name}"] for name in ("URL", "APP_ID", "SECRET")))
    finally:
        process.terminate()
        process.wait()
        if process.stdout:
            process.stdout.close()


def pages_of(world: World) -> Iterator[bytes]:
    """The pages of a listing, each requested when it is needed."""
    params: dict[str, str] = {}
    with world.authorise(requests.Session()) as session:
        while True:
            response = session.get(world.url + CHATS_PATH, params=params, timeout=60)
            response.raise_for_status()
            yield response.content
            cursor = response.json()["next_cursor"]
            if cursor is None:
                return
            params = {"cursor": cursor}


def save_pages(world: World, folder: Path) -> list[Path]:
    """Store the pages of a listing, one file each."""
    files: list[Path] = []
    for number, page in enumerate(pages_of(world)):
        files.append(folder / f"{world.chats}-{number:05}.json")
        files[-1].write_bytes(page)
    return files


class Pages:
    """A transport whose answers are there already: what remains is decoding and indexing.

    Args:
        bodies: The pages; files are read when their turn comes.
        chats: So many chats are listed at most.
    """

    def __init__(self, bodies: Sequence[bytes | Path], chats: int | None = None) -> None:
        self._bodies = bodies
        self._chats = chats

    def iter_chat_pages(self, **_: Any) -> Iterator[Any]:
        """The pages; they always are other ones than before."""
        decoder = Decoder()
        left = self._chats
        for number, body in enumerate(self._bodies, start=1):
            content = body if isinstance(body, bytes) else body.read_bytes()
            chats, revisions, _ = with_fewer_collections(
                lambda body=content: decoder.page(decode_json(body))
            )
            if left is not None:
                chats = chats[:left]
                left -= len(chats)
            is_last = number == len(self._bodies) or left == 0
            users, groups = decoder.described()
            yield ChatPage(
                chats,
                is_last=is_last,
                users=users,
                groups=groups,
                revision=max(revisions, default=0),
                revisions=revisions[: len(chats)],
            )
            if is_last:
                return

    def get_me(self, *, deadline: float | None) -> LoggedInUser:
        """Is asked by nobody here."""
        raise NotImplementedError

    def close(self) -> None:
        """Has nothing to close."""

"""Simulated users who act in the bot's chats."""

from __future__ import annotations

import random
import sys
import threading
from typing import TYPE_CHECKING

from teamwire_sync._internal.log import logger
from teamwire_sync._sandbox.world import queries
from teamwire_sync._server.request_bodies import NewMessage
from teamwire_sync._server.serializers import Document, location_document

if TYPE_CHECKING:
    import sqlite3

    from teamwire_sync._sandbox.controls.other_users import OtherUsers
    from teamwire_sync._sandbox.world.world import World

_logger = logger.getChild("sandbox")

_TEXTS = (
    "Wer übernimmt die Nachtschicht?", "I'll be there in ten minutes.", "Danke!", "Verstanden 👍",
    "Bitte Zimmer 12 ansehen.", "The plan: https://www.example.org/plan", "Bin gleich zurück.",
    "Who has the key?", "Visite beginnt.", "All quiet here.",
)  # fmt: skip
_WORDS = ("hello", "messages", "follow up")  # examples/bot.py replies to them
_ALERTS = ("Stromausfall im Westflügel!", "All hands to the emergency room!")
# Half of the actions are in the first chats: a bot that watches one of them has work soon.
_BUSY_CHATS = 10
_TITLES = ("Frühschicht", "Late shift", "Umbau Station 4", "Großübung 🚒", "Kantine", "Briefing")
_PLACES = (("Klinikum Süd", 48.1112, 11.4702), ("Leitstelle", 52.5186, 13.3763))


class LiveActivity:
    """A thread in which simulated users act in the bot's chats at a fixed interval.

    Args:
        world: The world to act in.
        other_users: The actions of other users.
        interval: The number of seconds between two actions.
        seed: The seed of the random choices.
    """

    def __init__(self, world: World, other_users: OtherUsers, interval: float, seed: int) -> None:
        self._world = world
        self._other_users = other_users
        self._interval = interval
        self._rng = random.Random(f"live/{seed}")  # noqa: S311 - reproducible, not secret
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="teamwire-live", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for its end."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        actions = {
            self._post: 50,
            self._read: 20,
            self._join: 6,
            self._leave: 5,
            self._send_file: 4,
            self._send_location: 4,
            self._rename: 4,
            self._delete: 3,
            self._create: 2,
            self._alert: 2,
        }
        while not self._end.wait(self._interval):
            (action,) = self._rng.choices(list(actions), list(actions.values()))
            try:
                with self._world.database.writing() as db:
                    most = self._rng.choice((_BUSY_CHATS, sys.maxsize))
                    chat = queries.some_group_chat(db, self._rng.random(), most)
                    if chat is not None:
                        action(db, chat)
            except LookupError:
                pass  # the chat has no member or no message for this action
            except Exception:
                _logger.exception("an action of the simulated users failed")

    def _member(self, db: sqlite3.Connection, chat: Document) -> str:
        return self._rng.choice(list(queries.all_members(db, chat)))

    def _message(self, db: sqlite3.Connection, chat: Document) -> Document:
        messages = queries.latest_messages(db, chat["tid"], 10)
        return self._rng.choice([message for message in messages if not message["deleted"]])

    def _post(self, db: sqlite3.Connection, chat: Document) -> None:
        text = self._rng.choice(self._rng.choice((_TEXTS, _WORDS)))
        self._other_users.post_message(chat["tid"], text, self._member(db, chat))

    def _send_file(self, db: sqlite3.Connection, chat: Document) -> None:
        files = {"Notiz.txt": self._rng.choice(_TEXTS).encode()}
        self._other_users.post_message(chat["tid"], user=self._member(db, chat), files=files)

    def _send_location(self, db: sqlite3.Connection, chat: Document) -> None:
        place = location_document(*self._rng.choice(_PLACES))
        author = self._member(db, chat)
        self._world.messages.add(db, chat["tid"], author, NewMessage(message=None), [place])

    def _alert(self, db: sqlite3.Connection, chat: Document) -> None:
        text = self._rng.choice(_ALERTS)
        author = self._member(db, chat)
        self._other_users.post_message(chat["tid"], text, author, is_alert=True)

    def _read(self, db: sqlite3.Connection, chat: Document) -> None:
        mid = self._message(db, chat)["mid"]
        self._other_users.mark_read(chat["tid"], mid, self._member(db, chat))

    def _delete(self, db: sqlite3.Connection, chat: Document) -> None:
        message = self._message(db, chat)
        if message["from_user_id"] != self._world.bot_uid:
            self._other_users.delete_message(chat["tid"], message["mid"])

    def _rename(self, _db: sqlite3.Connection, chat: Document) -> None:
        self._other_users.rename_chat(chat["tid"], self._rng.choice(_TITLES))

    def _join(self, db: sqlite3.Connection, chat: Document) -> None:
        self._other_users.add_members(chat["tid"], [self._person(db)])

    def _leave(self, _db: sqlite3.Connection, chat: Document) -> None:
        # The first member stays, so that the chat keeps a member.
        leaver = self._rng.choice(chat["user_ids"][1:])
        self._other_users.remove_members(chat["tid"], [leaver])

    def _create(self, db: sqlite3.Connection, _chat: Document) -> None:
        members = {self._person(db): None, self._person(db): None}
        self._other_users.add_chat(self._rng.choice(_TITLES), members)

    def _person(self, db: sqlite3.Connection) -> str:
        return queries.some_person(db, self._rng.random(), self._world.bot_uid)

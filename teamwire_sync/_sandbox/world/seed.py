"""New worlds: the same number of chats and the same seed produce the same world.

Only the revisions of the chats differ.
"""

from __future__ import annotations

import random
import unicodedata
from typing import TYPE_CHECKING, Any

from teamwire_sync._sandbox.world.history import write_busy_history, write_short_history
from teamwire_sync._sandbox.world.ids import new_id
from teamwire_sync._server.serializers import (
    Document,
    chat_document,
    dump,
    group_document,
    user_document,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator


KNOWN_CHAT = "7MQKchz6wsSzmWTVnppGAc"
KNOWN_USER = "rVRCfuQEtkgnZBZEgbHVji"
INVISIBLE_USER = "Yz3mWqLx8HtRn5KpVc7JdE"
PUBLIC_CIRCLE = "45529"
PRIVATE_CIRCLE = "45530"
SECOND_CIRCLE = "45531"
INVISIBLE_CIRCLE = "45532"
FIRST_LIST = "45601"
SECOND_LIST = "45602"
BOT_LIST = "45603"

_FIRST_NAMES = (
    "Amina", "Anna", "Ben", "Çağla", "Claire", "David", "Élodie", "Emma", "Fatima", "Finn", "Greta",
    "Hanna", "Ibrahim", "Jonas", "Jörg", "Katarzyna", "Lena", "Lukas", "Maria", "Maximilian", "Mia",
    "Noah", "Olena", "Paul", "Rüdiger", "Sofia", "Thomas", "Ursula", "Yusuf", "Zoë",
)  # fmt: skip
_LAST_NAMES = (
    "Becker", "Brown", "Demir", "Fischer", "Groß", "Hoffmann", "Jones", "Keller", "Koch",
    "Kowalski", "Krüger", "Lehmann", "Meyer", "Müller", "Nguyễn", "O'Brien", "Öztürk",
    "Papadopoulos", "Richter", "Schäfer", "Schmidt", "Schneider", "Smith", "Taylor", "Wagner",
    "Weber", "Weiß", "Zimmermann",
)  # fmt: skip
_ORGANISATIONS = ("Klinikum Süd", "St. Mary's Hospital", "Polizeiinspektion Nord", None)
_PLACES = (
    "Station", "Ward", "Notaufnahme", "Emergency room", "OP-Saal", "Operating theatre", "Wache",
    "Police station", "Streife", "Patrol", "Leitstelle", "Control room", "Rettungswagen",
    "Ambulance",
)  # fmt: skip
_TOPICS = (
    "Übergabe", "handover", "Dienstplan", "shift plan", "Nachtschicht", "night shift", "Einsatz",
    "operation", "Lage", "briefing", "Visite", "round", "Bereitschaft", "on call",
)  # fmt: skip
_UNTITLED_SHARE = 0.04
_DUPLICATE_SHARE = 0.04
_AVATAR_SHARE = 0.5
# Indexes in the list of special chats.
_BUSY = 0
_CIRCLES = 9


def seed_world(db: sqlite3.Connection, chats: int, seed: int, revision: int) -> None:
    """Fill the tables of a new world.

    Args:
        db: An open transaction.
        chats: The exact number of chats.
        seed: The seed of the names, IDs and credentials.
        revision: The revision of the chats.
    """
    rng = random.Random(f"{chats}/{seed}")  # noqa: S311 - reproducible, not secret
    # A second generator, so that later additions do not change the rest of the world.
    later = random.Random(f"{chats}/{seed}/2")  # noqa: S311 - as above
    # A third one: the credentials stay valid if a later sandbox has another number of chats.
    credentials = random.Random(seed)  # noqa: S311 - as above
    seeder = _Seeder(rng, later, credentials, chats)
    seeder.write_directory(db)
    special = seeder.special_chats()[:chats]
    db.executemany(
        "INSERT INTO chats (ordinal, from_seq, tid, peer_uid, document) VALUES (?, ?, ?, ?, ?)",
        (
            (ordinal, revision, chat["tid"], _peer(chat), dump({**chat, "revision": revision}))
            for ordinal, chat in enumerate(seeder.chats(special, chats), start=1)
        ),
    )
    db.execute("UPDATE log SET total = ?", (chats,))
    for place, write in ((_BUSY, write_busy_history), (_CIRCLES, write_short_history)):
        for chat in special[place : place + 1]:
            write(db, later, chat)


def _peer(chat: Document) -> str | None:
    return chat["user_ids"][0] if chat["type"] == "one_to_one" else None


def _write_group(
    db: sqlite3.Connection, group: Document, members: list[str], *, is_visible: bool
) -> None:
    db.execute(
        "INSERT INTO groups VALUES (?, ?, ?, ?)",
        (group["gid"], group["title"].casefold(), is_visible, dump(group)),
    )
    db.executemany(
        "INSERT INTO members VALUES (?, ?, ?)",
        ((group["gid"], position, uid) for position, uid in enumerate(members)),
    )


class _Seeder:
    def __init__(
        self, rng: random.Random, later: random.Random, credentials: random.Random, chats: int
    ) -> None:
        self._rng = rng
        self._later = later
        rng.getrandbits(3 * 128)  # the credentials of earlier releases: their worlds stay the same
        self._facts = {
            "app_id": f"app-{new_id(credentials.getrandbits(128))}",
            "secret": new_id(credentials.getrandbits(128)),
            "bot_uid": self._id(),
        }
        self._bot_uid = self._facts["bot_uid"]
        self._uids = [KNOWN_USER, *(self._id() for _ in range(49 + chats // 20))]

    def _id(self) -> str:
        return new_id(self._rng.getrandbits(128))

    def write_directory(self, db: sqlite3.Connection) -> None:
        """Write credentials, users and groups."""
        db.executemany("INSERT INTO facts VALUES (?, ?)", self._facts.items())
        bot = user_document(self._bot_uid, "Weather", "Bot", _ORGANISATIONS[0], is_bot=True)
        db.executemany(
            "INSERT INTO users VALUES (?, ?, ?, ?)",
            (
                (
                    user["uid"],
                    f"{user['first_name']} {user['last_name']}".casefold(),
                    user["uid"] != INVISIBLE_USER,
                    dump(user),
                )
                for user in (bot, *map(self._person, (*self._uids, INVISIBLE_USER)))
            ),
        )
        for gid, title, is_circle, is_public, is_visible, size in (
            (PUBLIC_CIRCLE, "Alle Pflegekräfte", True, True, True, 20),
            (PRIVATE_CIRCLE, "Krisenstab", True, False, True, 5),
            (SECOND_CIRCLE, "Night shift", True, True, True, 8),
            (INVISIBLE_CIRCLE, "Interne Ermittlungen", True, False, False, 3),
            (FIRST_LIST, "Mittagsrunde", False, False, True, 4),
            (SECOND_LIST, "Football", False, False, True, 6),
        ):
            members = self._rng.sample(self._uids, size)
            owner = None if is_circle else members[0]
            group = group_document(
                gid, title, owner_id=owner, is_circle=is_circle, is_public=is_public
            )
            _write_group(db, group, members, is_visible=is_visible)
        own = group_document(
            BOT_LIST, "Rufbereitschaft", owner_id=self._bot_uid, is_circle=False, is_public=False
        )
        _write_group(db, own, self._later.sample(self._uids, 3), is_visible=True)

    def _person(self, uid: str) -> Document:
        return user_document(
            uid,
            self._rng.choice(_FIRST_NAMES),
            self._rng.choice(_LAST_NAMES),
            self._rng.choice(_ORGANISATIONS),
            has_avatar=uid == KNOWN_USER or self._later.random() < _AVATAR_SHARE,
        )

    def chats(self, special: list[Document], count: int) -> Iterator[Document]:
        """Yield the chats, the special chats first."""
        yield from special
        titles: list[str] = []
        for number in range(len(special) + 1, count + 1):
            yield self._group_chat(self._title(number, titles))

    def _title(self, number: int, earlier: list[str]) -> str | None:
        share = self._rng.random()
        if share < _UNTITLED_SHARE:
            return None
        if earlier and share < _UNTITLED_SHARE + _DUPLICATE_SHARE:
            return self._rng.choice(earlier)
        # The number makes every title unique that is not an intended duplicate.
        title = f"{self._rng.choice(_PLACES)} {number}, {self._rng.choice(_TOPICS)}"
        earlier.append(title)
        return title

    def special_chats(self) -> list[Document]:
        """Return chats of all the kinds that a client must handle."""
        one_to_one = chat_document(
            self._id(),
            title=None,
            user_ids=[KNOWN_USER],
            group_ids=[],
            admin_ids=[],
            one_to_one=True,
        )
        decomposed = unicodedata.normalize("NFD", "Café für Ärzte")
        known = self._group_chat("test")
        return [
            {**known, "tid": KNOWN_CHAT, "admin_ids": [known["user_ids"][0], self._bot_uid]},
            self._group_chat("test"),
            one_to_one,
            self._group_chat(None),
            self._group_chat("Wache Süd: Übergabe, groß & klein"),
            self._group_chat("Großeinsatz 🚒👩🏽‍🚒"),
            self._group_chat("قسم الطوارئ"),
            self._group_chat(decomposed),
            self._group_chat("<b>Achtung</b> \"Wache\" & 'Nord'"),
            self._group_chat("Pflege: Alle", group_ids=[PUBLIC_CIRCLE]),
            self._group_chat("Mittagessen", group_ids=[FIRST_LIST]),
            self._group_chat("Sommerfest (vorbei)", is_closed=True),
            self._group_chat("Alarm: Hochwasser", is_alert=True),
            self._group_chat("Nur Durchsagen", allow_sending=False),
        ]

    def _group_chat(self, title: str | None, **properties: Any) -> Document:
        user_ids = self._rng.sample(self._uids, self._rng.randint(2, 12))
        admin = self._bot_uid if self._rng.random() < 0.25 else user_ids[0]
        chat = chat_document(
            self._id(), title=title, user_ids=user_ids, group_ids=[], admin_ids=[admin]
        )
        return {**chat, **properties}

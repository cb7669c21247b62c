"""The sandbox's world: people, groups, chats and what happens in them."""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING

from teamwire_sync._sandbox.world.attachments import Attachments
from teamwire_sync._sandbox.world.chats import Chats
from teamwire_sync._sandbox.world.context import Context
from teamwire_sync._sandbox.world.conversations import Conversations
from teamwire_sync._sandbox.world.directory import Directory
from teamwire_sync._sandbox.world.events import Events
from teamwire_sync._sandbox.world.listing import Listing
from teamwire_sync._sandbox.world.messages import Messages
from teamwire_sync._sandbox.world.seed import seed_world

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamwire_sync._sandbox.world.files import Files
    from teamwire_sync._sandbox.world.store import Store


class World:
    """What a bot of one organisation sees and does, and what others do around it.

    What its parts do for the bot returns the JSON text of the contract's answer and raises
    ApiError.

    Args:
        store: The database; an empty one is seeded, another is served as it is.
        files: Contents that are not in the database.
        clock: Returns the seconds since 1970.
        chats: How many chats a new world has.
        seed: Varies a new world.
    """

    def __init__(
        self, store: Store, files: Files, clock: Callable[[], float], *, chats: int, seed: int
    ) -> None:
        self.store = store
        with store.writing() as db:
            if db.execute("SELECT 1 FROM facts").fetchone() is None:
                seed_world(db, chats, seed)
                # Not from the seed: a validator must never hold for another run's world.
                db.execute("INSERT INTO facts VALUES ('world_id', ?)", (uuid.uuid4().hex,))
            facts = dict(db.execute("SELECT name, value FROM facts").fetchall())
        self.app_id: str = facts["app_id"]
        self.secret: str = facts["secret"]
        self.credentials = base64.b64encode(f"{self.app_id}:{self.secret}".encode())
        self.bot_uid: str = facts["bot_uid"]
        context = Context(store, clock, files, self.bot_uid, facts["world_id"])
        self.events = Events(context)
        self.attachments = Attachments(context)
        self.messages = Messages(context, self.events, self.attachments)
        self.chats = Chats(context, self.events)
        self.conversations = Conversations(context, self.chats, self.messages)
        self.directory = Directory(context)
        self.listing = Listing(context)

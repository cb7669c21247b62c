"""The sandbox's world: people, groups, chats and what happens in them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from teamwire_sync._sandbox.world.attachments import AttachmentStore
from teamwire_sync._sandbox.world.bot_chats import BotChats
from teamwire_sync._sandbox.world.chat_editor import ChatEditor
from teamwire_sync._sandbox.world.context import Context
from teamwire_sync._sandbox.world.directory import Directory
from teamwire_sync._sandbox.world.events import EventLog
from teamwire_sync._sandbox.world.messages import Messages
from teamwire_sync._sandbox.world.seed import seed_world

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamwire_sync._sandbox.world.database import Database
    from teamwire_sync._sandbox.world.files import Files


class World:
    """What a bot of one organisation sees and does, and what others do around it.

    Its parts work for the bot in a transaction of their caller. They return the JSON text of the
    contract's answer, or raise RefusedError.

    Args:
        database: The database; an empty one is seeded, another is served as it is.
        files: Contents that are not in the database.
        clock: Returns the seconds since 1970.
        chats: How many chats a new world has.
        seed: Varies a new world.
    """

    def __init__(
        self, database: Database, files: Files, clock: Callable[[], float], *, chats: int, seed: int
    ) -> None:
        self.database = database
        with database.writing() as db:
            if db.execute("SELECT 1 FROM facts").fetchone() is None:
                seed_world(db, chats, seed)
                # Not from the seed: a validator must never hold for another run's world.
                db.execute("INSERT INTO facts VALUES ('world_id', ?)", (uuid.uuid4().hex,))
            facts = dict(db.execute("SELECT name, value FROM facts").fetchall())
        self.app_id: str = facts["app_id"]
        self.secret: str = facts["secret"]
        self.bot_uid: str = facts["bot_uid"]
        context = Context(database, clock, files, self.bot_uid, facts["world_id"])
        self.events = EventLog(context)
        self.attachments = AttachmentStore(context)
        self.messages = Messages(context, self.events, self.attachments)
        self.chat_editor = ChatEditor(context, self.events)
        self.bot_chats = BotChats(context, self.chat_editor, self.messages)
        self.directory = Directory(context)

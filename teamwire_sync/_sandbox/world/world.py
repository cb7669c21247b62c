"""The sandbox's world: its users, groups, chats and events."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from teamwire_sync._sandbox.world import queries
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
    """The environment of a bot: the users, groups, chats and events, and the actions on them.

    The parts of a world act for the bot in the caller's transaction. They return the JSON text of
    the contract's response, or raise RefusedError.

    Args:
        database: The database. An empty database is seeded; a world in it is kept unchanged.
        files: The contents that are not in the database.
        clock: A function that returns the time in seconds since 1970.
        chats: The number of chats in a new world.
        seed: The seed of a new world.
    """

    def __init__(
        self, database: Database, files: Files, clock: Callable[[], float], *, chats: int, seed: int
    ) -> None:
        self.database = database
        with database.writing() as db:
            revision = queries.start_revisions(db, int(clock() * 1000))
            if db.execute("SELECT 1 FROM facts").fetchone() is None:
                seed_world(db, chats, seed, revision)
                # Not from the seed: an ETag must never be valid for the world of another run.
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

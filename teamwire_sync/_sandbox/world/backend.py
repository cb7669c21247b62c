"""A world as a backend of the application, for one request."""

from __future__ import annotations

import base64
import hmac
from contextlib import contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING

import attrs

from teamwire_sync._sandbox.world import queries
from teamwire_sync._server.backend import Answer
from teamwire_sync._server.errors import RefusedError, refusal_answer, refuse
from teamwire_sync._server.idempotency import require_same_request

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from typing import Any

    from teamwire_sync._sandbox.world.bot_chats import WorldListing
    from teamwire_sync._sandbox.world.world import World
    from teamwire_sync._server.backend import WriteRequest

_WRITES = {
    "create_chat": "bot_chats.create",
    "edit_chat": "bot_chats.edit",
    "edit_members": "bot_chats.edit_members",
    "edit_admins": "bot_chats.edit_admins",
    "leave_chat": "bot_chats.leave",
    "post_message": "messages.post",
    "upload_attachment": "attachments.upload",
    "edit_group_members": "directory.edit_members",
}


@attrs.frozen
class WorldBackend:
    """The `Backend` of a request to a world.

    Args:
        world: The world.
        lag: The number of seconds until the list of chats shows a change, or None.
        since_fault: The name of a fault of the parameter `since`, or None.
    """

    _world: World
    _lag: float | None = None
    _since_fault: str | None = None

    def ready(self) -> None:
        """Do nothing: a world can always be served."""

    def admit(
        self,
        authorization: str | None,
        address: str,  # noqa: ARG002
        operation: str | None,  # noqa: ARG002
    ) -> None:
        """Refuse a client without the bot's credentials."""
        known = base64.b64encode(f"{self._world.app_id}:{self._world.secret}".encode())
        scheme, _, credentials = (authorization or "").partition(" ")
        if scheme.lower() != "basic" or not hmac.compare_digest(
            credentials.strip().encode(), known
        ):
            # Without a revision: it would tell a stranger when a chat has changed.
            refuse("the App ID or the Secret is missing or wrong", "unauthorized")

    def revision(self) -> int:
        """Return the present revision."""
        with self._world.database.reading() as db:
            return queries.revision(db)

    @contextmanager
    def listing(self, **_: bool) -> Iterator[WorldListing]:
        """Return the list of chats."""
        with self._world.database.reading() as db:
            yield self._world.bot_chats.listing(db, self._lag, self._since_fault)

    def get_me(self) -> Answer:
        """Return the bot's own user."""
        return self.get_user(self._world.bot_uid)

    def list_messages(self, tid: str, limit: int, before: str | None) -> Answer:
        """Return messages of a chat."""
        return self._read(self._world.messages.page, tid, limit, before)

    def download_attachment(self, aid: str) -> Answer:
        """Return an uploaded content."""
        with self._reading() as (db, revision):
            return attrs.evolve(self._world.attachments.content(db, aid), revision=revision)

    def list_users(self, part: str, limit: int, cursor: str | None) -> Answer:
        """Return users whose name contains *part*."""
        return self._read(self._world.directory.users, part, limit, cursor)

    def get_user(self, uid: str) -> Answer:
        """Return a user."""
        return self._read(self._world.directory.user, uid)

    def get_avatar(self, uid: str) -> Answer:
        """Return a user's avatar."""
        return self._read(self._world.directory.avatar, uid, content_type="image/png")

    def list_groups(self, limit: int, cursor: str | None) -> Answer:
        """Return groups."""
        return self._read(self._world.directory.groups, limit, cursor)

    def get_group(self, gid: str) -> Answer:
        """Return a group with its members."""
        return self._read(self._world.directory.group, gid)

    def list_events(self, cursor: str | None, wait: float, limit: int) -> Answer:
        """Return events."""
        return Answer(*self._world.events.page(cursor, wait, limit))

    def perform(self, write: WriteRequest, key: str | None, fingerprint: str) -> Answer:
        """Do a write, or repeat the response to its key.

        One transaction stores the write and its response, so that a crash leaves both or neither.
        """
        work = attrgetter(_WRITES[write.operation])(self._world)
        with self._world.database.writing() as db:
            row = db.execute(
                "SELECT fingerprint, body, status, revision FROM outcomes WHERE key = ?", (key,)
            ).fetchone()
            if row is not None:
                known, body, status, revision = row
                require_same_request(known, fingerprint)
                return Answer(body, revision, status=status, is_replay=True)
            db.execute("SAVEPOINT work")
            try:
                answer = Answer(work(db, *write.args))
            except RefusedError as refusal:
                db.execute("ROLLBACK TO work")
                answer = refusal_answer(refusal)
            answer = attrs.evolve(answer, revision=queries.revision(db))
            if key is not None:
                db.execute(
                    "INSERT INTO outcomes (key, fingerprint, status, body, revision)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (key, fingerprint, answer.status, answer.body, answer.revision),
                )
            return answer

    @contextmanager
    def _reading(self) -> Iterator[tuple[sqlite3.Connection, int]]:
        with self._world.database.reading() as db:
            # In the transaction: a later revision would promise more than what is read here.
            revision = queries.revision(db)
            try:
                yield db, revision
            except RefusedError as refusal:
                refusal.revision = revision
                raise

    def _read(self, work: Callable[..., str | bytes], *args: Any, **form: Any) -> Answer:
        with self._reading() as (db, revision):
            return Answer(work(db, *args), revision, **form)

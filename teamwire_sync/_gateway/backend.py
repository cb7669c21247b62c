"""A transport as a backend of the application."""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Callable, TypeVar, cast

import attrs

from teamwire_sync._gateway.documents import Documents, group_of, user_of
from teamwire_sync._gateway.downloads import Download
from teamwire_sync._gateway.errors import refusal_for
from teamwire_sync._gateway.gateway import chat_of
from teamwire_sync._http.contract import NOT_FOUND, OPERATIONS
from teamwire_sync._internal.dates import date_of
from teamwire_sync._models.attachments import (
    Attachment,
    AttachmentType,
    CalendarAttachment,
    FileAttachment,
    LocationAttachment,
)
from teamwire_sync._models.chats import ChatHandle
from teamwire_sync._models.events import Events
from teamwire_sync._models.messages import AlertType
from teamwire_sync._models.people import known_members
from teamwire_sync._server.backend import Answer
from teamwire_sync._server.errors import RefusedError, refuse, require
from teamwire_sync._server.serializers import Document, dump
from teamwire_sync._services.events import changes_in
from teamwire_sync._transport import MessageDraft
from teamwire_sync.exceptions import TWError, TWNotFoundError, TWProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from teamwire_sync._cache.facts import Write
    from teamwire_sync._gateway.chat_log import LogState
    from teamwire_sync._gateway.clients import Client
    from teamwire_sync._gateway.gateway import Gateway
    from teamwire_sync._models.chats import Chat
    from teamwire_sync._models.people import Group
    from teamwire_sync._server.backend import WriteRequest
    from teamwire_sync._server.request_bodies import NewMessage
    from teamwire_sync._server.uploads import Spool
    from teamwire_sync._transport import ChatDraft, ChatState, MemberEdit, Page

T = TypeVar("T")

_PNG = b"\x89PNG"
# The name of the list, the number of items of an upstream's page to skip, and the upstream's cursor
# of this page.
_CURSOR = re.compile(r"(users|groups):([0-9]{1,9}):(.*)", re.ASCII | re.DOTALL)
# Clients and proxies resolve these path segments, so no request can contain such an ID.
_NO_IDS = {".", ".."}


@attrs.define
class GatewayBackend:
    """The `Backend` of one request to a gateway.

    Args:
        gateway: The gateway.

    Attributes:
        client: The client; None until it is admitted.
    """

    _gateway: Gateway
    client: Client | None = attrs.field(default=None, init=False)
    # The keyword arguments of a write of the transport.
    _keys: dict[str, Any] = attrs.field(factory=dict, init=False)

    def ready(self) -> None:
        """Refuse if the upstream can't be reached."""
        self._gateway.require_upstream()

    def admit(self, authorization: str | None, address: str, operation: str | None) -> None:
        """Refuse a client without valid credentials, or without permission for the operation."""
        self.client = self._gateway.clients.admit(authorization, address)
        try:
            if operation is not None:
                self.client.require(operation)
        except RefusedError as refusal:
            refusal.revision = self.revision()
            raise

    def revision(self) -> int:
        """Return the present revision."""
        return self._gateway.log.state.revision

    @contextmanager
    def listing(self, *, is_fresh: bool, is_continued: bool) -> Iterator[LogState]:
        """Return the list of chats."""
        with self._asking("list_chats"):
            state = self._gateway.listed(is_fresh=is_fresh, is_continued=is_continued)
        yield state

    # Reads

    def get_me(self) -> Answer:
        """Return the bot's own user."""
        with self._asking("get_me"):
            me = self._gateway.transport.get_me(deadline=None)
        return Answer(dump({"user": user_of(me)}))

    def list_messages(self, tid: str, limit: int, before: str | None) -> Answer:
        """Return messages of a chat."""
        with self._asking("list_messages", tid), self._in(tid):
            page = self._gateway.transport.get_messages(
                ChatHandle(tid), before=before, limit=limit, deadline=None
            )
        documents = Documents()
        messages = [documents.message(message) for message in page.items]
        return Answer(
            dump(
                {
                    "messages": messages,
                    "users": documents.users(),
                    "next_before": page.next_cursor,
                }
            )
        )

    def download_attachment(self, aid: str) -> Answer:
        """Return an uploaded content."""
        with self._asking("download_attachment", aid):
            body = Download(self._gateway.transport, aid)
        headers = {} if body.size is None else {"Content-Length": str(body.size)}
        return Answer(body, content_type=body.content_type, headers=headers)

    def list_users(self, part: str, limit: int, cursor: str | None) -> Answer:
        """Return users whose name contains *part*."""
        with self._asking("list_users"):
            users, following = _part_of(
                "users",
                lambda theirs: self._gateway.transport.get_users(
                    text=part or None, cursor=theirs, deadline=None
                ),
                limit,
                cursor,
            )
        return Answer(dump({"users": [user_of(user) for user in users], "next_cursor": following}))

    def get_user(self, uid: str) -> Answer:
        """Return a user."""
        with self._asking("get_user", uid):
            user = self._gateway.transport.get_user(uid, deadline=None)
        return Answer(dump({"user": user_of(require(user, "there is no such user"))}))

    def get_avatar(self, uid: str) -> Answer:
        """Return a user's avatar."""
        with self._asking("get_avatar", uid):
            image = self._gateway.transport.get_avatar(uid, deadline=None)
        kind = "image/png" if image.startswith(_PNG) else "image/jpeg"
        return Answer(image, content_type=kind)

    def list_groups(self, limit: int, cursor: str | None) -> Answer:
        """Return groups without their members."""
        with self._asking("list_groups"):
            groups, following = _part_of(
                "groups",
                lambda theirs: self._gateway.transport.get_groups(cursor=theirs, deadline=None),
                limit,
                cursor,
            )
        documents = Documents()
        documents.gids(groups)
        return Answer(
            dump(
                {
                    "groups": documents.groups(),
                    "users": documents.users(),
                    "next_cursor": following,
                }
            )
        )

    def get_group(self, gid: str) -> Answer:
        """Return a group with its members."""
        with self._asking("get_group", gid):
            group = self._gateway.transport.get_group(gid, deadline=None)
            return Answer(_group_json(require(group, "there is no such group")))

    def list_events(self, cursor: str | None, wait: float, limit: int) -> Answer:
        """Return events. Their revisions are those of the list of chats after the events."""
        gateway = self._gateway
        with self._asking("list_events"):
            page = gateway.transport.get_events(cursor=cursor, wait=wait, deadline=None)
            events = list(page.events)[:limit]
            if not events:
                return Answer(dump({**_NO_EVENTS, "cursor": page.cursor}))
            for said in changes_in(zip_longest(events, page.revisions[:limit]), page.vague):
                gateway.cache.on_state(*said)
            state = gateway.listed()
        documents = Documents()
        chats = {}
        for event in events:
            tid = event.chat.tid
            if tid in state.chats:
                chats[tid] = documents.chat(state.chats[tid].chat)
                chats[tid]["revision"] = state.chats[tid].revision
            elif tid not in page.vague:
                chats[tid] = {**documents.chat(event.chat), "revision": state.revision}
        found = [
            documents.event(
                event,
                state.revision
                if event.type is Events.CHAT_DELETED or event.chat.tid not in state.chats
                else state.chats[event.chat.tid].revision,
            )
            for event in events
        ]
        body = {
            "events": found,
            "chats": list(chats.values()),
            "users": documents.users(),
            "groups": documents.groups(),
            "cursor": page.cursor if len(events) == len(page.events) else events[-1].cursor,
        }
        return Answer(dump(body), state.revision)

    # Writes

    def perform(self, write: WriteRequest, key: str | None, fingerprint: str) -> Answer:
        """Do a write, or repeat the outcome of the request with the same key."""
        work: Callable[..., Answer] = getattr(self, f"_{write.operation}")
        ids = write.args[:1] if "{" in OPERATIONS[write.operation].path else ()

        client = cast("Client", self.client)
        if key is not None and self._gateway.keeps_keys is not None:
            # Each client has its own keys. The upstream gets the same key after a restart.
            own = f"{client.app_id} {key}".encode()
            self._keys = {"key": hashlib.sha256(own).hexdigest()}

        def perform(may_be_done: bool) -> Answer:
            if may_be_done:
                self._gateway.require_keys()
            revision = self.revision()
            try:
                with self._asking(write.operation, *ids):
                    answer = work(*write.args)
            except RefusedError as refusal:
                refusal.revision = refusal.revision or revision
                raise
            # A repeated response has the revision of the first one.
            return attrs.evolve(answer, revision=answer.revision or revision)

        return self._gateway.outcomes.perform(client.app_id, key, fingerprint, perform)

    @contextmanager
    def _asking(self, operation: str, *ids: str) -> Iterator[None]:
        """Refuse the request if the upstream fails.

        Args:
            operation: The name of the contract's operation.
            ids: The IDs in the path.
        """
        if not _NO_IDS.isdisjoint(ids):
            refuse("there is no such thing", NOT_FOUND)
        try:
            yield
        except TWError as error:
            refusal = refusal_for(error, writes=OPERATIONS[operation].writes)
        else:
            return
        # Outside of the except block: a log of the refusal must not show the error as its context.
        raise refusal

    def _create_chat(self, draft: ChatDraft) -> Answer:
        # Two requests for a one-to-one chat return the same chat.
        is_one_to_one = not draft.title and len(draft.user_ids) == 1 and not draft.group_ids
        with self._gateway.cache.writing(in_doubt=not is_one_to_one) as write:
            state = self._gateway.transport.create_chat(draft, deadline=None, **self._keys)
            chat = chat_of(state)
            write.created(chat, state.revision)
        return self._wrote(chat)

    def _edit_chat(self, tid: str, properties: Mapping[str, Any]) -> Answer:
        return self._changed(tid, self._gateway.transport.edit_chat, properties)

    def _edit_members(self, tid: str, edit: MemberEdit) -> Answer:
        return self._changed(tid, self._gateway.transport.edit_members, edit)

    def _edit_admins(self, tid: str, edit: MemberEdit) -> Answer:
        return self._changed(tid, self._gateway.transport.edit_admins, edit)

    def _leave_chat(self, tid: str) -> Answer:
        with self._writing(tid) as write:
            state = self._gateway.transport.leave_chat(tid, deadline=None, **self._keys)
            write.left(tid, state.revision)
        return Answer("{}", self._gateway.log.wrote(tid, None).revision)

    def _post_message(self, tid: str, new: NewMessage) -> Answer:
        draft = MessageDraft(
            message=new.message or "",
            attachments=[_attachment_of(each) for each in new.attachments],
            is_alert=new.is_alert,
            alert_type=None if new.alert_type is None else AlertType(new.alert_type),
            reply_to=new.reply_to,
            sender_display_name=new.sender_display_name,
        )
        with self._in(tid):
            posted = self._gateway.transport.post_message(
                ChatHandle(tid), draft, deadline=None, **self._keys
            )
        documents = Documents()
        message = documents.message(posted)
        return Answer(dump({"message": message, "users": documents.users()}))

    def _upload_attachment(self, name: str, content_type: str, body: Spool) -> Answer:
        source = SpooledSource(name, content_type, body)
        try:
            aid = self._gateway.transport.upload(source, deadline=None, **self._keys)
        finally:
            source.close()
        return Answer(dump({"attachment_id": aid}))

    def _edit_group_members(self, gid: str, edit: MemberEdit) -> Answer:
        # A new member of a circle may make chats visible.
        with self._gateway.cache.writing():
            group = self._gateway.transport.edit_group_members(
                gid, edit, deadline=None, **self._keys
            )
        return Answer(_group_json(group))

    def _changed(self, tid: str, change: Callable[..., ChatState], edit: Any) -> Answer:
        with self._writing(tid) as write:
            state = change(tid, edit, deadline=None, **self._keys)
            chat = chat_of(state)
            write.changed(chat, state.revision)
        return self._wrote(chat)

    @contextmanager
    def _writing(self, tid: str) -> Iterator[Write]:
        with self._in(tid), self._gateway.cache.writing() as write:
            yield write

    def _wrote(self, chat: Chat) -> Answer:
        state = self._gateway.log.wrote(chat.tid, chat)
        documents = Documents()
        document = {**documents.chat(chat), "revision": state.chats[chat.tid].revision}
        named = {"users": documents.users(), "groups": documents.groups()}
        return Answer(dump({"chat": document, **named}), state.revision)

    @contextmanager
    def _in(self, tid: str) -> Iterator[None]:
        """Record that a chat is gone, if the upstream does not find it."""
        try:
            yield
        except TWNotFoundError as error:
            if error.code != NOT_FOUND:
                raise
            self._gateway.cache.on_state(tid, None, error._revision)
            refusal = refusal_for(error, writes=False)
            refusal.revision = self._gateway.log.wrote(tid, None).revision
        else:
            return
        raise refusal


_NO_EVENTS: Document = {"events": [], "chats": [], "users": [], "groups": []}


def _part_of(
    name: str, read: Callable[[str | None], Page[T]], limit: int, cursor: str | None
) -> tuple[list[T], str | None]:
    """Return at most *limit* items of an upstream's page, and the cursor of the next items."""
    place = _CURSOR.fullmatch(f"{name}:0:" if cursor is None else cursor)
    if place is None or place[1] != name:
        refuse("this is no cursor of this list", "invalid_cursor")
    skipped, theirs = int(place[2]), place[3]
    page = read(theirs or None)
    end = skipped + limit
    following = None if page.next_cursor is None else f"{name}:0:{page.next_cursor}"
    if end < len(page.items):
        following = f"{name}:{end}:{theirs}"
    return list(page.items[skipped:end]), following


def _group_json(group: Group) -> str:
    members = known_members(group)
    if members is None:
        message = "the upstream returned a group without its members"
        raise TWProtocolError(message)
    documents = Documents()
    documents.gids([group])
    uids = documents.uids(members)
    return dump({"group": group_of(group), "user_ids": uids, "users": documents.users()})


def _attachment_of(document: Document) -> Attachment:
    """Return an attachment of a `NewMessage`. For an upload, a transport sends only its ID."""
    kind = AttachmentType(document["type"])
    if kind is AttachmentType.CALENDAR:
        return CalendarAttachment(
            document["title"],
            date_of(document["start_date"]),
            date_of(document["end_date"]),
            document["description"],
            document["location"],
        )
    if kind is AttachmentType.LOCATION:
        return LocationAttachment(
            document["name"],
            document["lat"],
            document["lon"],
            document["address"],
            document["city"],
            document["country"],
            document["postal_code"],
        )
    return FileAttachment(kind, document["attachment_id"], "", 0)


class SpooledSource:
    """A received body as the source of an upload."""

    def __init__(self, name: str, content_type: str, body: Spool) -> None:
        self.name = name
        self.content_type = content_type
        self.size = body.size
        self._file = body.open()

    def rewind(self) -> None:
        """Move back to the first byte."""
        self._file.seek(0)

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        return self._file.read(size)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

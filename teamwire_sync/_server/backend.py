"""The interface between the application and a backend, which does what the requests ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager

    from _typeshed.wsgi import WSGIEnvironment

BACKEND_KEY = "teamwire_sync.backend"
"""The WSGI environ key of the request's `Backend`."""

INCOMING_KEY = "teamwire_sync.incoming"
"""The WSGI environ key of the request's `Incoming`. Without it, the body has been read."""


@attrs.frozen
class Answer:
    """A response, without the headers that the application sets.

    Attributes:
        body: JSON text, or bytes. An iterable is streamed, and its method ``close``, if it has one,
            is called at the end.
        revision: The revision: the response shows all changes of the chats up to it. None stands
            for the result of `Backend.revision`.
        status: The HTTP status.
        content_type: The media type.
        headers: Further headers.
        is_replay: Whether the response repeats the outcome of an earlier request.
    """

    body: str | bytes | Iterable[bytes]
    revision: int | None = None
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = {}
    is_replay: bool = False


@attrs.frozen
class WriteRequest:
    """A request that changes something.

    Attributes:
        operation: The name of the contract's operation.
        args: The IDs in the path, and then the parsed body: for "create_chat" a `ChatDraft`, for
            "edit_chat" a dict of properties, for changes of members and administrators a
            `MemberEdit`, for "post_message" a `NewMessage`. For "upload_attachment" they are the
            file name, the media type and the `Spool`, which is closed after the request.
    """

    operation: str
    args: tuple[Any, ...]


class Incoming(Protocol):
    """A request whose body is not read yet.

    Attributes:
        operation: The name of the operation; None if the path is unknown. The application sets it.
    """

    operation: str | None

    def receive(self, environ: WSGIEnvironment) -> bool:
        """Read the body, as `receive_body` does. Called when the client is admitted."""


class ChatListing(Protocol):
    """One state of the list of chats."""

    @property
    def etag(self) -> str:
        """The ETag, with quotation marks."""

    @property
    def revision(self) -> int | None:
        """The revision; None if the backend has no revisions."""

    def page(self, limit: int, cursor: str | None, since: int | None) -> str:
        """Return the JSON text of a page: all chats, or the changes after the revision *since*."""


class Backend(Protocol):
    """The bot's chats, users and groups, as one request uses them.

    Many threads have backends of the same chats concurrently. All arguments are valid by the
    contract. Cursors are the backend's own. Every method raises `RefusedError` to respond with an
    error.
    """

    def ready(self) -> None:
        """Refuse if the backend can't serve requests now. Called without `admit`."""

    def admit(self, authorization: str | None, address: str, operation: str | None) -> None:
        """Refuse a client without valid credentials, or without permission for the operation.

        All other methods except `ready` are called after this one.

        Args:
            authorization: The header Authorization.
            address: The IP address of the client; empty if unknown.
            operation: The name of the contract's operation; None if the path is unknown.
        """

    def revision(self) -> int | None:
        """Return the present revision; None if the backend has no revisions.

        Called before each operation, for a response that has no revision of its own.
        """

    def listing(self, *, is_fresh: bool, is_continued: bool) -> AbstractContextManager[ChatListing]:
        """Return the list of chats, which does not change inside the ``with`` block.

        Args:
            is_fresh: Whether a list from a cache does not suffice.
            is_continued: Whether an earlier page came from the present list, or an older one.
        """

    def get_me(self) -> Answer:
        """Return the bot's own user."""

    def list_messages(self, tid: str, limit: int, before: str | None) -> Answer:
        """Return messages of a chat, newest first."""

    def download_attachment(self, aid: str) -> Answer:
        """Return an uploaded content."""

    def list_users(self, part: str, limit: int, cursor: str | None) -> Answer:
        """Return users whose name contains *part*."""

    def get_user(self, uid: str) -> Answer:
        """Return a user."""

    def get_avatar(self, uid: str) -> Answer:
        """Return a user's avatar."""

    def list_groups(self, limit: int, cursor: str | None) -> Answer:
        """Return groups without their members."""

    def get_group(self, gid: str) -> Answer:
        """Return a group with its members."""

    def list_events(self, cursor: str | None, wait: float, limit: int) -> Answer:
        """Return the events after a cursor; if there are none, wait for them for *wait* seconds."""

    def perform(self, write: WriteRequest, key: str | None, fingerprint: str) -> Answer:
        """Do a write, or repeat the outcome of the request with the same key.

        A refusal by the domain's rules is an outcome too. To store it, see `refusal_answer`. For a
        key of another request, see `require_same_request`.

        Args:
            write: The write.
            key: The request's Idempotency-Key, or None.
            fingerprint: A hash of the request's method, path and body.
        """

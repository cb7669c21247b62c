"""HttpTransport: the REST contract over `requests`, which is imported at its first use."""

from __future__ import annotations

import logging
import math
import os
import sys
from typing import TYPE_CHECKING, Any, Callable, NoReturn, TypeVar

from attrs import evolve

from teamwire_sync._http.body import DownloadBody, UploadBody
from teamwire_sync._http.tls import ca_bundle
from teamwire_sync._internal.deadlines import now
from teamwire_sync._internal.fork import on_fork
from teamwire_sync._internal.imports import LazyModule, first_use
from teamwire_sync._internal.log import logger
from teamwire_sync._internal.secret import refuse_to_copy
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._internal.waiting import new_lock
from teamwire_sync._transport import Ability, ChatPage, ChatState, Page
from teamwire_sync.exceptions import (
    TWImageLoadError,
    TWNotFoundError,
    TWProtocolError,
    TWRequestError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests

    from teamwire_sync._config import ConnectionConfig
    from teamwire_sync._http import client, contract
    from teamwire_sync._http.credentials import Credentials
    from teamwire_sync._models.chats import Chat, ChatHandle, Message
    from teamwire_sync._models.people import Group, LoggedInUser, User
    from teamwire_sync._transport import (
        ChatDraft,
        DownloadSink,
        EventPage,
        MemberEdit,
        MessageDraft,
        UploadSource,
    )
else:
    client = LazyModule("teamwire_sync._http.client")
    contract = LazyModule("teamwire_sync._http.contract")

T = TypeVar("T")

# The attributes of an error that describe its request and response.
_CONTEXT = ("status", "code", "request_id", "method", "path")

_ANY_TYPE = {"Accept": "*/*"}
# Request no compression. Compression would save little, and the decompressed body could have any
# size.
_UNPACKED = {**_ANY_TYPE, "Accept-Encoding": "identity"}


class HttpTransport:
    """A transport that uses the REST contract and the library `requests`.

    Args:
        credentials: The server's URL, the App ID and the Secret.
        config: The settings.
        session: The caller's session, which is neither changed nor closed; None for a new session.
        app_name: An addition to the User-Agent header, or None.
        clock: A function that returns the time in seconds, for time-outs; replaced in tests.
        pause: A function that waits for a number of seconds before a retry; replaced in tests.
        lazy: Whether to create the client at the first request. A program that sends no request
            then does not import `requests`. That import takes longer than all other imports
            together. If an argument or a setting needs a check, the client is created immediately.

    Attributes:
        on_unauthorized: A callback that runs when the server does not accept the credentials (401).

    Raises:
        TypeError: *session* is not a `requests.Session`.
        ValueError: *app_name* is not printable ASCII.
        TWConfigError: The CA bundle, the client certificate or a proxy is unusable, or *config* has
            settings that belong to the caller's *session*.
    """

    abilities = frozenset(Ability)

    def __init__(
        self,
        credentials: Credentials,
        config: ConnectionConfig,
        *,
        session: requests.Session | None = None,
        app_name: str | None = None,
        clock: Callable[[], float] = now,
        pause: Callable[[float], object] | None = None,
        lazy: bool = False,
    ) -> None:
        # Set this attribute first, because __repr__ needs it. If a later line raises, an error
        # reporter may show self.
        self._credentials = credentials
        self.identity = credentials.identity
        self.on_unauthorized: Callable[[], None] = lambda: None
        self._config = config
        self._options: dict[str, Any] = {
            "session": session, "app_name": app_name, "clock": clock, "pause": pause,
        }  # fmt: skip
        self._opened: client.HttpClient | None = None
        self._closed = False
        self._told: set[str] = set()
        self.after_fork()
        on_fork(self)
        if lazy and session is None and app_name is None and _is_plain(config):
            # Read the environment now, so that later changes of it have no effect. Windows and
            # macOS may also define proxies outside of the environment. With None, the client looks
            # up these proxies.
            proxies: dict[str, str] | None = None if sys.platform in {"win32", "darwin"} else {}
            self._config = evolve(
                config, verify=ca_bundle(credentials.url, config), proxies=proxies
            )
        else:
            self._open()

    def after_fork(self) -> None:
        """Replace the lock, which a thread of the parent process may hold."""
        self._lock = new_lock()

    def _call_on_unauthorized(self) -> None:
        self.on_unauthorized()

    @property
    def _client(self) -> client.HttpClient:
        return self._opened or self._open()

    def _open(self) -> client.HttpClient:
        # `first_use` includes the wait for the lock, so the wait does not count towards a time-out.
        with first_use("can't make the HTTP client"):
            make = client.HttpClient  # without the lock, because it imports `requests`
            with self._lock:
                if self._opened is None:
                    made = make(
                        self._credentials,
                        self._config,
                        on_unauthorized=self._call_on_unauthorized,
                        **self._options,
                    )
                    # A signal handler may have made one meanwhile, which has open connections.
                    self._opened = self._opened or made
                if self._closed:
                    # A client that is created after `close` must refuse requests, too.
                    self._opened.close()
                return self._opened

    @property
    def keeps_keys(self) -> bool:
        """Whether the server has promised to do a write only once per key."""
        return self._opened is not None and self._opened.keeps_contract

    def get_me(self, *, deadline: float | None) -> LoggedInUser:
        """Return the bot's own user."""
        return self._ask("get_me", contract.Decoder(self._tell).me, deadline)

    # Chats

    def iter_chat_pages(
        self,
        *,
        validator: str | None,
        deadline: float | None,
        refresh: bool = False,
        since: int | None = None,
    ) -> Iterator[ChatPage]:
        """Yield the bot's chats, or their changes since a revision, page by page."""
        decoder = contract.Decoder(self._tell)
        etag: str | None = None
        cursor: str | None = None
        always = contract.UNCACHED if refresh else {}
        headers = {**always, "If-None-Match": validator} if validator else always
        seen: set[str] = set()
        while True:
            limit = self._config.page_size
            try:
                response = self._client.ask(
                    "list_chats",
                    query=contract.encode_query(limit=limit, cursor=cursor, since=since),
                    headers=headers,
                    timeout=self._config.long_timeout,
                    deadline=deadline,
                )
            except not_by_signal(TWRequestError) as error:
                if since is None or error.code != contract.UNKNOWN_REVISION:
                    raise
                since, cursor, headers, seen = None, None, always, set()
                continue
            if response.raw.status == 304:
                revision = response.revision()
                yield ChatPage(validator=validator, not_modified=True, revision=revision)
                return
            before, etag = etag, response.raw.headers.get("ETag")
            if etag is not None and not etag.isprintable():
                etag = None  # a request header can't contain it
            if etag != before:
                # The chats have changed since the last page, so the users may have changed, too.
                decoder = contract.Decoder(self._tell)
            page, revisions, cursor, gone, total = response.decode(decoder.changes)
            users, groups = decoder.described()
            yield ChatPage(
                page,
                etag,
                is_last=cursor is None,
                users=users,
                groups=groups,
                revision=response.revision(),
                revisions=revisions,
                gone=gone,
                total=total,
            )
            if cursor is None:
                return
            if cursor in seen:
                message = "the pages of the chats never end: the server repeats a cursor"
                raise TWProtocolError(message, **response.context)
            seen.add(cursor)
            headers = always

    def create_chat(
        self, draft: ChatDraft, *, deadline: float | None, key: str | None = None
    ) -> ChatState:
        """Create a chat, or return the existing one-to-one chat."""
        body = contract.encode_draft(draft)
        decode = contract.Decoder(self._tell).chat
        return self._ask("create_chat", decode, deadline, body=body, key=key)

    def edit_chat(
        self,
        tid: str,
        properties: Mapping[str, Any],
        *,
        deadline: float | None,
        key: str | None = None,
    ) -> ChatState:
        """Change properties of a chat."""
        return self._edit_chat(
            "edit_chat", tid, contract.encode_properties(properties), deadline, key
        )

    def edit_members(
        self, tid: str, edit: MemberEdit, *, deadline: float | None, key: str | None = None
    ) -> ChatState:
        """Change the members of a chat."""
        return self._edit_chat("edit_members", tid, contract.encode_edit(edit), deadline, key)

    def edit_admins(
        self, tid: str, edit: MemberEdit, *, deadline: float | None, key: str | None = None
    ) -> ChatState:
        """Change the administrators of a chat."""
        return self._edit_chat("edit_admins", tid, contract.encode_edit(edit), deadline, key)

    def _edit_chat(
        self, name: str, tid: str, body: dict[str, Any], deadline: float | None, key: str | None
    ) -> ChatState:
        decode = contract.Decoder(self._tell).chat
        return self._ask(name, decode, deadline, ids={"tid": tid}, body=body, key=key)

    def leave_chat(self, tid: str, *, deadline: float | None, key: str | None = None) -> ChatState:
        """Remove the bot from a chat."""
        timeout = self._config.default_timeout
        response = self._client.ask(
            "leave_chat", ids={"tid": tid}, timeout=timeout, deadline=deadline, key=key
        )
        response.done()
        return ChatState(tid, None, response.revision())

    # Messages

    def get_messages(
        self, chat: Chat | ChatHandle, *, before: str | None, limit: int, deadline: float | None
    ) -> Page[Message]:
        """Return at most *limit* messages, newest first."""
        return self._ask(
            "list_messages",
            lambda document: Page(*contract.Decoder(self._tell).messages(document, chat)),
            deadline,
            ids={"tid": chat.tid},
            query=contract.encode_query(limit=limit, before=before),
        )

    def post_message(
        self,
        chat: Chat | ChatHandle,
        draft: MessageDraft,
        *,
        deadline: float | None,
        key: str | None = None,
    ) -> Message:
        """Post a message in a chat."""
        return self._ask(
            "post_message",
            lambda document: contract.Decoder(self._tell).message(document, chat),
            deadline,
            ids={"tid": chat.tid},
            body=contract.encode_message(draft),
            key=key,
        )

    def upload(
        self, source: UploadSource, *, deadline: float | None, key: str | None = None
    ) -> str:
        """Upload a file for an attachment, and return the attachment ID."""
        return self._ask(
            "upload_attachment",
            contract.decode_upload,
            deadline,
            query=contract.encode_query(name=source.name),
            body=UploadBody(source),
            key=key,
            timeout=self._config.assets_timeout,
            total=math.inf,
        )

    def download(
        self, aid: str, sink: DownloadSink, *, size: int | None, deadline: float | None
    ) -> None:
        """Write the content of an attached file to *sink*."""
        response = self._client.ask(
            "download_attachment",
            ids={"aid": aid},
            headers=_UNPACKED,
            download=DownloadBody(sink, size),
            timeout=self._config.assets_timeout,
            deadline=deadline,
            total=math.inf,
        )
        response.body()

    # The directory

    def get_users(
        self, *, text: str | None, cursor: str | None, deadline: float | None
    ) -> Page[User]:
        """Return a page of the users whose name contains *text*, or of all users if it is None."""
        query = contract.encode_query(text=text, cursor=cursor)
        return self._page("list_users", query, contract.Decoder(self._tell).users, deadline)

    def get_user(self, uid: str, *, deadline: float | None) -> User | None:
        """Return a user, or None if the server does not find the user."""
        return self._ask_for_one(
            "get_user", {"uid": uid}, contract.Decoder(self._tell).user, deadline
        )

    def get_avatar(self, uid: str, *, deadline: float | None) -> bytes:
        """Return the bytes of a user's picture."""
        try:
            response = self._client.ask(
                "get_avatar",
                ids={"uid": uid},
                headers=_ANY_TYPE,
                timeout=self._config.assets_timeout,
                deadline=deadline,
            )
        except not_by_signal(TWNotFoundError) as error:
            if error.code != contract.NO_AVATAR:
                raise
            context = {name: getattr(error, name) for name in _CONTEXT}
        else:
            return response.body()
        message = f"the user {uid!r} has set no picture"
        raise TWImageLoadError(message, **context)

    def get_groups(self, *, cursor: str | None, deadline: float | None) -> Page[Group]:
        """Return a page of all circles and distribution lists."""
        query = contract.encode_query(cursor=cursor)
        return self._page("list_groups", query, contract.Decoder(self._tell).groups, deadline)

    def get_group(self, gid: str, *, deadline: float | None) -> Group | None:
        """Return a circle or list with its members, or None if the server does not find it."""
        return self._ask_for_one(
            "get_group", {"gid": gid}, contract.Decoder(self._tell).group, deadline
        )

    def edit_group_members(
        self, gid: str, edit: MemberEdit, *, deadline: float | None, key: str | None = None
    ) -> Group:
        """Change the members of a distribution list."""
        body, decode = contract.encode_edit(edit), contract.Decoder(self._tell).group
        ids = {"gid": gid}
        return self._ask("edit_group_members", decode, deadline, ids=ids, body=body, key=key)

    # Events

    def get_events(self, *, cursor: str | None, wait: float, deadline: float | None) -> EventPage:
        """Return the events after *cursor*. If *cursor* is None, return only the current cursor."""
        timeout = wait + self._config.default_timeout
        return self._ask(
            "list_events",
            lambda document: contract.decode_events(document, self._tell),
            deadline,
            query=contract.encode_query(cursor=cursor, wait=None if cursor is None else wait),
            timeout=timeout,
            total=timeout,
            once=cursor is not None,
        )

    def _tell(self, fault: str) -> None:
        """Log a fault of a response. Warn only once, because each listing may have the fault."""
        level = logging.DEBUG if fault in self._told else logging.WARNING
        self._told.add(fault)
        logger.log(level, "a response does not follow the contract: %s", fault)

    def pause(self, seconds: float) -> None:
        """Wait for *seconds*, or until `close`."""
        self._client.pause(seconds)

    def close(self) -> None:
        """Close the session, unless it is the caller's. Idempotent."""
        self._closed = True
        if self._opened is not None:
            self._opened.close()

    def __repr__(self) -> str:
        return f"<HttpTransport {self._credentials.url}>"

    def __reduce__(self) -> NoReturn:
        refuse_to_copy()

    def _page(
        self,
        name: str,
        query: Mapping[str, str],
        decode: Callable[[Any], tuple[list[T], str | None]],
        deadline: float | None,
    ) -> Page[T]:
        timeout = self._config.long_timeout
        return Page(*self._ask(name, decode, deadline, query=query, timeout=timeout))

    def _ask_for_one(
        self, name: str, ids: Mapping[str, str], decode: Callable[[Any], T], deadline: float | None
    ) -> T | None:
        try:
            return self._ask(name, decode, deadline, ids=ids)
        except not_by_signal(TWNotFoundError) as error:
            if error.code != contract.NOT_FOUND:
                raise
        return None

    def _ask(
        self,
        name: str,
        decode: Callable[[Any], T],
        deadline: float | None,
        *,
        timeout: float | None = None,
        **request: Any,
    ) -> T:
        """Return the result of *decode* for the response; `HttpClient.ask` documents *request*."""
        timeout = timeout or self._config.default_timeout
        return self._client.ask(name, timeout=timeout, deadline=deadline, **request).decode(decode)


def _is_plain(config: ConnectionConfig) -> bool:
    """Return whether *config* and the environment define no proxy and no client certificate."""
    is_given = config.cert is not None or config.proxies is not None
    return not is_given and not any(name.lower().endswith("_proxy") for name in os.environ)

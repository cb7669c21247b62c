"""HttpTransport: the REST contract over a `requests.Session`."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Callable, NoReturn, TypeVar

from teamwire_sync._http.body import Incoming, Outgoing
from teamwire_sync._http.client import HttpClient
from teamwire_sync._http.contract import (
    Decoder,
    decode_done,
    decode_events,
    decode_upload,
    encode_draft,
    encode_edit,
    encode_message,
)
from teamwire_sync._http.contract.strict_json import decode_json
from teamwire_sync._http.errors import how_to_go_on
from teamwire_sync._internal.secret import refuse_to_copy
from teamwire_sync._transport import Ability, ChatPage, Page
from teamwire_sync.exceptions import (
    TWDeliveryUnknownError,
    TWImageLoadError,
    TWNotFoundError,
    TWProtocolError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests

    from teamwire_sync._config import ConnectionConfig
    from teamwire_sync._credentials import Credentials
    from teamwire_sync._http.errors import Response
    from teamwire_sync._models.chats import Chat, ChatHandle, Message
    from teamwire_sync._models.people import Group, LoggedInUser, User
    from teamwire_sync._transport import (
        ChatDraft,
        EventPage,
        MemberEdit,
        MessageDraft,
        Sink,
        Source,
    )

T = TypeVar("T")

_ANY_TYPE = {"Accept": "*/*"}
# Nothing would be smaller, and what is unpacked could be of any size.
_UNPACKED = {**_ANY_TYPE, "Accept-Encoding": "identity"}


class HttpTransport:
    """The REST contract over a `requests.Session`.

    Args:
        credentials: Server, App ID and Secret.
        config: The settings.
        session: Is used as it is, and neither changed nor closed; None for one of our own.
        app_name: Goes into the User-Agent.
        clock: Gives the seconds that the time-outs count by; for tests.
        pause: Waits for so many seconds before another try; for tests.

    Raises:
        TypeError: *session* is none.
        ValueError: *app_name* can't stand in a header.
        TWConfigError: A CA bundle or a client certificate is unusable, or *session* comes with
            settings that belong to a session.
    """

    abilities = frozenset(Ability)

    def __init__(
        self,
        credentials: Credentials,
        config: ConnectionConfig,
        *,
        session: requests.Session | None = None,
        app_name: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        # The first: an error of what follows may be rendered with its locals, and self is one.
        self._url = credentials.url
        self.identity = credentials.identity
        self._config = config
        self._exchange = HttpClient(
            credentials, config, session=session, app_name=app_name, clock=clock, pause=pause
        )

    @property
    def on_unauthorized(self) -> Callable[[], None]:
        """Is called when the server says that it does not know the credentials."""
        return self._exchange.on_unauthorized

    @on_unauthorized.setter
    def on_unauthorized(self, call: Callable[[], None]) -> None:
        self._exchange.on_unauthorized = call

    def get_me(self, *, deadline: float | None) -> LoggedInUser:
        """The bot's own user."""
        return self._ask("get_me", deadline=deadline, decode=Decoder().me)

    # Chats

    def iter_chat_pages(
        self, *, validator: str | None, deadline: float | None
    ) -> Iterator[ChatPage]:
        """The chats of the bot, page by page."""
        decoder, etag = Decoder(), None
        params: dict[str, str] = {}
        if self._config.page_size is not None:
            params["limit"] = str(self._config.page_size)
        headers = {} if validator is None else {"If-None-Match": validator}
        seen: set[str] = set()
        while True:
            answer = self._exchange.ask(
                "list_chats",
                params=params,
                headers=headers,
                timeout=self._config.long_timeout,
                deadline=deadline,
            )
            if answer.received.status == 304 and headers:
                yield ChatPage(validator=validator, not_modified=True)
                return
            answer.require_success()
            before, etag = etag, answer.received.headers.get("ETag")
            if etag is not None and not etag.isprintable():
                etag = None  # it could not stand in the header of the next request
            if etag != before:
                # The chats have changed since the last page, and so may the users have.
                decoder = Decoder()
            page, cursor = _decoded(answer, decoder.page)
            users, groups = decoder.described()
            yield ChatPage(page, etag, is_last=cursor is None, users=users, groups=groups)
            if cursor is None:
                return
            if cursor in seen:
                message = "the pages of the chats go in a circle: the server repeats a cursor"
                raise TWProtocolError(message, **answer.context)
            seen.add(cursor)
            params["cursor"] = cursor
            headers = {}

    def create_chat(self, draft: ChatDraft, *, deadline: float | None) -> Chat:
        """Make a chat, or find the one-to-one chat that there is."""
        body = encode_draft(draft)
        return self._ask("create_chat", body=body, deadline=deadline, decode=Decoder().chat)

    def edit_chat(self, tid: str, properties: Mapping[str, Any], *, deadline: float | None) -> Chat:
        """Change properties of a chat."""
        return self._edit_chat("edit_chat", tid, dict(properties), deadline)

    def edit_members(self, tid: str, edit: MemberEdit, *, deadline: float | None) -> Chat:
        """Change who is in a chat."""
        return self._edit_chat("edit_members", tid, encode_edit(edit), deadline)

    def edit_admins(self, tid: str, edit: MemberEdit, *, deadline: float | None) -> Chat:
        """Change who administers a chat."""
        return self._edit_chat("edit_admins", tid, encode_edit(edit), deadline)

    def _edit_chat(self, name: str, tid: str, body: dict[str, Any], deadline: float | None) -> Chat:
        ids = {"tid": tid}
        return self._ask(name, ids=ids, body=body, deadline=deadline, decode=Decoder().chat)

    def leave_chat(self, tid: str, *, deadline: float | None) -> None:
        """Be a member no longer."""
        self._ask("leave_chat", ids={"tid": tid}, deadline=deadline, decode=decode_done)

    # Messages

    def get_messages(
        self, chat: Chat | ChatHandle, *, before: str | None, limit: int, deadline: float | None
    ) -> Page[Message]:
        """At most *limit* messages, newest first."""
        params = {"limit": str(limit)}
        if before is not None:
            params["before"] = before
        return self._ask(
            "list_messages",
            ids={"tid": chat.tid},
            params=params,
            deadline=deadline,
            decode=lambda document: Page(*Decoder().messages(document, chat)),
        )

    def post_message(
        self, chat: Chat | ChatHandle, draft: MessageDraft, *, deadline: float | None
    ) -> Message:
        """Post in a chat."""
        return self._ask(
            "post_message",
            ids={"tid": chat.tid},
            body=encode_message(draft),
            deadline=deadline,
            decode=lambda document: Decoder().message(document, chat),
        )

    def upload(self, source: Source, *, deadline: float | None) -> str:
        """Send a file that is to be attached."""
        answer = self._exchange.ask(
            "upload_attachment",
            params={"name": source.name},
            body=Outgoing(source),
            timeout=self._config.assets_timeout,
            deadline=deadline,
            total=math.inf,
        )
        answer.require_success()
        return _decoded(answer, decode_upload)

    def download(self, aid: str, sink: Sink, *, size: int, deadline: float | None) -> None:
        """Bring a file that is attached."""
        answer = self._exchange.ask(
            "download_attachment",
            ids={"aid": aid},
            headers=_UNPACKED,
            incoming=Incoming(sink, size),
            timeout=self._config.assets_timeout,
            deadline=deadline,
            total=math.inf,
        )
        answer.require_success()

    # The directory

    def get_users(
        self, *, text: str | None, cursor: str | None, deadline: float | None
    ) -> Page[User]:
        """A page of those whose name has *text* in it, or of all."""
        return self._page("list_users", {"q": text, "cursor": cursor}, deadline, Decoder().users)

    def get_user(self, uid: str, *, deadline: float | None) -> User | None:
        """One user, or None."""
        return self._ask_for_one("get_user", {"uid": uid}, Decoder().user, deadline)

    def get_avatar(self, uid: str, *, deadline: float | None) -> bytes:
        """The picture of a user."""
        answer = self._exchange.ask(
            "get_avatar",
            ids={"uid": uid},
            headers=_ANY_TYPE,
            timeout=self._config.assets_timeout,
            deadline=deadline,
        )
        try:
            answer.require_success()
        except TWNotFoundError as error:
            if error.code != "no_avatar":
                raise
        else:
            return answer.received.body
        message = f"the user {uid!r} has set no picture"
        raise TWImageLoadError(message, **{**answer.context, "code": "no_avatar"})

    def get_groups(self, *, cursor: str | None, deadline: float | None) -> Page[Group]:
        """A page of all the circles and lists."""
        return self._page("list_groups", {"cursor": cursor}, deadline, Decoder().groups)

    def get_group(self, gid: str, *, deadline: float | None) -> Group | None:
        """One circle or list with its members, or None."""
        return self._ask_for_one("get_group", {"gid": gid}, Decoder().group, deadline)

    def edit_group_members(self, gid: str, edit: MemberEdit, *, deadline: float | None) -> Group:
        """Change who is in a list."""
        return self._ask(
            "edit_group_members",
            ids={"gid": gid},
            body=encode_edit(edit),
            deadline=deadline,
            decode=Decoder().group,
        )

    # Events

    def get_events(self, *, cursor: str | None, wait: float, deadline: float | None) -> EventPage:
        """The events after *cursor*; without one, where they begin now."""
        params = {} if cursor is None else {"cursor": cursor, "wait": f"{round(wait, 3):g}"}
        timeout = wait + self._config.default_timeout
        answer = self._exchange.ask(
            "list_events",
            params=params,
            timeout=timeout,
            total=timeout,
            deadline=deadline,
            once=cursor is not None,
        )
        answer.require_success()
        return _decoded(answer, decode_events)

    def pause(self, seconds: float) -> None:
        """Wait for so many seconds, or until `close`."""
        self._exchange.pause(seconds)

    def close(self) -> None:
        """Close our own session; may be called twice."""
        self._exchange.close()

    def __repr__(self) -> str:
        return f"<HttpTransport {self._url}>"

    def __reduce__(self) -> NoReturn:
        refuse_to_copy()

    def _page(
        self,
        name: str,
        params: Mapping[str, str | None],
        deadline: float | None,
        decode: Callable[[Any], tuple[list[T], str | None]],
    ) -> Page[T]:
        given = {key: value for key, value in params.items() if value is not None}
        timeout = self._config.long_timeout
        answer = self._exchange.ask(name, params=given, timeout=timeout, deadline=deadline)
        answer.require_success()
        return Page(*_decoded(answer, decode))

    def _ask_for_one(
        self, name: str, ids: Mapping[str, str], decode: Callable[[Any], T], deadline: float | None
    ) -> T | None:
        try:
            return self._ask(name, ids=ids, deadline=deadline, decode=decode)
        except TWNotFoundError as error:
            # Any other 404 says that the URL is wrong, not that there is no such thing.
            if error.code != "not_found":
                raise
        return None

    def _ask(
        self,
        name: str,
        *,
        decode: Callable[[Any], T],
        deadline: float | None,
        ids: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: dict[str, Any] | None = None,
    ) -> T:
        timeout = self._config.default_timeout
        answer = self._exchange.ask(
            name, ids=ids, params=params, body=body, timeout=timeout, deadline=deadline
        )
        answer.require_success()
        return _decoded(answer, decode)


def _decoded(answer: Response, decode: Callable[[Any], T]) -> T:
    try:
        return decode(decode_json(answer.received.body))
    except TWProtocolError as error:
        text = str(error)
    what = f"{answer.context['method']} {answer.context['path']}: {text}"
    if answer.operation.writes:
        message = f"{what}; it may have been done or not; {how_to_go_on(answer.operation)}"
        raise TWDeliveryUnknownError(message, **answer.context)
    message = f"{what}; is this a server that speaks the bot contract?"
    raise TWProtocolError(message, **answer.context)

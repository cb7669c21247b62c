"""HttpTransport: the REST contract over a `requests.Session`."""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Callable, NoReturn, TypeVar
from urllib.parse import urlencode, urlsplit

from urllib3.exceptions import HTTPError

from teamwire_sync._concealed import refuse_to_copy
from teamwire_sync._fork import renew_after_fork
from teamwire_sync._transports.answers import (
    Answer,
    how_to_go_on,
    may_pass,
    network_error,
    one_line,
    seconds,
)
from teamwire_sync._transports.base import ChatPage
from teamwire_sync._transports.retries import Failed, Retries
from teamwire_sync._transports.sessions import BasicAuth, GivenSession, OwnSession
from teamwire_sync._transports.slots import Slots
from teamwire_sync._transports.strict_json import decode_json
from teamwire_sync._transports.wire import (
    OPERATIONS,
    Decoder,
    encode_draft,
    encode_message,
)
from teamwire_sync.exceptions import (
    TWClosedError,
    TWDeliveryUnknownError,
    TWError,
    TWNotFoundError,
    TWProtocolError,
    TWTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests

    from teamwire_sync._config import ConnectionConfig
    from teamwire_sync._credentials import Credentials
    from teamwire_sync._models import Chat, ChatHandle, Group, LoggedInUser, Message, User
    from teamwire_sync._transports.base import ChatDraft
    from teamwire_sync._transports.sessions import Received
    from teamwire_sync._transports.wire import Operation

T = TypeVar("T")


# After these an answer may be another one soon; the work was not done, or its answer was lost.
_PASSING = {429, 502, 503, 504}


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
        self._prefix = urlsplit(credentials.url).path
        self._server = _host_and_port(credentials.url)
        self._config = config
        self._auth = BasicAuth(credentials.app_id, credentials.secret)
        self._session: OwnSession | GivenSession
        if session is None:
            self._session = OwnSession(credentials.url, self._auth, config)
        else:
            self._session = GivenSession(session, credentials.url, self._auth, config)
        self._headers = {
            "Accept": "application/json",
            # What we unpack: urllib3 would ask for all that happens to be installed.
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": _user_agent(app_name),
        }
        self._slots = Slots(config.pool_size)
        self._clock = clock
        self._retries = Retries(config.retries, clock=clock, pause=pause or self._wait)
        self._keeps_contract = False
        self._closed = False
        self.on_unauthorized: Callable[[], None] = lambda: None
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Make new sockets: two processes on one would take each other's answers."""
        self._slots = Slots(self._config.pool_size)
        self._session.after_fork()

    def get_me(self, *, deadline: float | None) -> LoggedInUser:
        """The bot's own user."""
        return self._ask("get_me", deadline=deadline, decode=Decoder().me)

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
            answer = self._exchange(
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
            yield ChatPage(page, etag, is_last=cursor is None)
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

    def post_message(
        self, chat: Chat | ChatHandle, message: str, *, deadline: float | None
    ) -> Message:
        """Post in a chat."""
        return self._ask(
            "post_message",
            ids={"tid": chat.tid},
            body=encode_message(message),
            deadline=deadline,
            decode=lambda document: Decoder().message(document, chat),
        )

    def get_user(self, uid: str, *, deadline: float | None) -> User | None:
        """One user, or None."""
        return self._ask_for_one("get_user", {"uid": uid}, Decoder().user, deadline)

    def get_group(self, gid: str, *, deadline: float | None) -> Group | None:
        """One circle or list with its members, or None."""
        return self._ask_for_one("get_group", {"gid": gid}, Decoder().group, deadline)

    def close(self) -> None:
        """Close our own session; may be called twice."""
        self._closed = True
        self._slots.close()
        self._session.close()

    def __repr__(self) -> str:
        return f"<HttpTransport {self._url}>"

    def __reduce__(self) -> NoReturn:
        refuse_to_copy()

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
        body: dict[str, Any] | None = None,
    ) -> T:
        timeout = self._config.default_timeout
        answer = self._exchange(name, ids=ids, body=body, timeout=timeout, deadline=deadline)
        answer.require_success()
        return _decoded(answer, decode)

    def _exchange(
        self,
        name: str,
        *,
        timeout: float,
        deadline: float | None,
        ids: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        operation = OPERATIONS[name]
        path = operation.path_for(**(ids or {}))
        request_id = uuid.uuid4().hex
        sent = {**self._headers, "X-Request-ID": request_id, **(headers or {})}
        if operation.writes:
            sent["Idempotency-Key"] = uuid.uuid4().hex
        target = f"{path}?{urlencode(params)}" if params else path
        context: dict[str, Any] = {
            "method": operation.method,
            "path": self._prefix + path,
            "request_id": request_id,
        }
        ends_at = self._clock() + self._config.total_timeout
        if deadline is not None:
            ends_at = min(ends_at, deadline)

        def attempt() -> Answer | Failed:
            with self._slot(ends_at, context):
                left = self._time_left(ends_at, context)
                at_once = min(timeout, left)
                prepared = None
                try:
                    prepared = self._session.prepare(operation.method, target, sent, body)
                    received = self._session.send(prepared, at_once, left)
                except (OSError, HTTPError) as error:
                    failure = network_error(
                        error,
                        operation,
                        left=prepared is not None,
                        once=prepared is None or not self._session.repeats(prepared),
                        server=self._server,
                        timeout=at_once if self._clock() < ends_at else left,
                        context=context,
                        scrub=self._auth.scrub,
                    )
                    return Failed(failure, again=may_pass(error) and self._may_repeat(failure))
                return self._judged(self._answer(operation, received, context))

        return self._retries.run(attempt, ends_at)

    def _judged(self, answer: Answer) -> Answer | Failed:
        writes, passing = answer.operation.writes, answer.received.status in _PASSING
        if not passing and not (writes and _leaves_open(answer.received)):
            return answer
        try:
            answer.require_success()
        except TWError as error:
            failure = error
        return Failed(failure, again=passing and (self._keeps_contract or not writes))

    def _may_repeat(self, failure: TWError) -> bool:
        # Two times the same key is once the work, but only a server that keeps the contract knows.
        return self._keeps_contract or not isinstance(failure, TWDeliveryUnknownError)

    def _answer(self, operation: Operation, received: Received, context: dict[str, Any]) -> Answer:
        if _declares_contract(received):
            self._keeps_contract = True
        if received.status == 401:
            self.on_unauthorized()
        given_id = received.headers.get("X-Request-ID", "")
        request_id = one_line(self._auth.scrub(given_id), 128) or context["request_id"]
        return Answer(
            operation=operation,
            received=received,
            context={**context, "status": received.status, "request_id": request_id},
            scrub=self._auth.scrub,
        )

    @contextmanager
    def _slot(self, ends_at: float, context: dict[str, Any]) -> Iterator[None]:
        left = self._time_left(ends_at, context)
        taken = False
        try:
            taken = self._slots.take(left)
            if not taken:
                size = self._config.pool_size
                message = f"all {size} connections were busy for {seconds(left)}"
                raise TWTimeoutError(message, **context)
            if self._closed:
                message = "the Connection is closed"
                raise TWClosedError(message, **context)
            yield
        finally:
            if taken:
                self._slots.give_back()
            if self._closed:
                # A request that was already on its way to the session opened connections anew.
                self._session.close()

    def _wait(self, pause: float) -> None:
        # The slots that there are then: a fork makes new ones.
        self._slots.pause(pause)

    def _time_left(self, ends_at: float, context: dict[str, Any]) -> float:
        left = ends_at - self._clock()
        if left <= 0:
            message = (
                f"no time left to ask {self._server} for {context['method']} {context['path']}"
            )
            raise TWTimeoutError(message, **context)
        return left


def _host_and_port(url: str) -> str:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or {'https': 443, 'http': 80}[parts.scheme]}"


def _user_agent(app_name: str | None) -> str:
    if app_name is not None and not isinstance(app_name, str):
        message = f"app_name must be a str, not {type(app_name).__name__}"
        raise TypeError(message)
    if app_name is not None and not (app_name.isascii() and app_name.isprintable()):
        message = "app_name must be printable ASCII: it goes into a header"
        raise ValueError(message)
    agent = f"teamwire_sync/{version('teamwire_sync')} requests/{version('requests')}"
    return f"{agent} ({app_name})" if app_name else agent


def _leaves_open(received: Received) -> bool:
    """Whether an answer says nothing about an earlier try of the same write.

    The application's own refusal does: it would have refused that one, too, or it repeats what came
    of it. An answer from in front of the application, or from one that failed, does not.
    """
    refuses = 400 <= received.status < 500 and received.status != 401
    return received.status != 200 and not (refuses and _declares_contract(received))


def _declares_contract(received: Received) -> bool:
    return received.headers.get("Teamwire-Bot-Contract") == "1"


def _decoded(answer: Answer, decode: Callable[[Any], T]) -> T:
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

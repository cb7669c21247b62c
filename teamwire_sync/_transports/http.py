"""HttpTransport: the REST contract over a `requests.Session`."""

from __future__ import annotations

import base64
import os
import threading
import time
import uuid
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Callable, TypeVar
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError

from teamwire_sync._transports.answers import Answer, network_error, one_line
from teamwire_sync._transports.base import ChatPage
from teamwire_sync._transports.wire import (
    OPERATIONS,
    Decoder,
    decode_json,
    encode_draft,
    encode_message,
)
from teamwire_sync.exceptions import (
    TWClosedError,
    TWConfigError,
    TWDeliveryUnknownError,
    TWNotFoundError,
    TWProtocolError,
    TWTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from teamwire_sync._config import ConnectionConfig, Credentials
    from teamwire_sync._models import Chat, ChatHandle, Group, LoggedInUser, Message, User
    from teamwire_sync._transports.base import ChatDraft
    from teamwire_sync._transports.wire import Operation

T = TypeVar("T")

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class _BasicAuth(AuthBase):
    """Basic authentication in UTF-8 (RFC 7617); requests would encode in Latin-1."""

    __slots__ = ("_header", "_secrets")

    def __init__(self, app_id: str, secret: str) -> None:
        pair = f"{app_id}:{secret}"
        encoded = [base64.b64encode(text.encode()).decode() for text in (pair, secret)]
        self._header = f"Basic {encoded[0]}"
        self._secrets = (*encoded, quote(secret, safe=""), secret)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request

    def scrub(self, text: str) -> str:
        """*text* without the Secret in any form; a server may quote what it was sent."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class _Disarm:
    """A response hook, run before a session stores cookies and prepares to follow a redirect.

    It is the last hook, so that the session's own find the response whole.

    Attributes:
        location: Where the response redirects to, or empty.
    """

    location = ""

    def __call__(self, response: requests.Response, **_: Any) -> None:
        self.location = response.headers.pop("Location", "")
        original = getattr(response.raw, "_original_response", None)
        if original is not None and "Set-Cookie" in original.msg:
            del original.msg["Set-Cookie"]


class _Slots:
    """So many requests at once; further ones wait, which in urllib3's own pool has no end.

    Args:
        size: How many.
    """

    def __init__(self, size: int) -> None:
        self._free = size
        self._closed = False
        self._changed = threading.Condition()

    def take(self, timeout: float) -> bool:
        """Whether there was a free slot, or the end, before *timeout* was over."""
        with self._changed:
            there = self._changed.wait_for(lambda: self._free > 0 or self._closed, timeout)
            if there:
                self._free -= 1
            return there

    def give_back(self) -> None:
        """Let the next one have it."""
        with self._changed:
            self._free += 1
            self._changed.notify()

    def close(self) -> None:
        """Wake all who wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class HttpTransport:
    """The REST contract over a `requests.Session`.

    Args:
        credentials: Server, App ID and Secret.
        config: The settings.
        session: Is used as it is, and neither changed nor closed; None for one of our own.
        app_name: Goes into the User-Agent.

    Raises:
        TypeError: *session* is none.
        ValueError: *app_name* can't stand in a header.
        TWConfigError: A CA bundle that the environment names is not there, or *session* comes with
            settings that belong to a session.
    """

    def __init__(
        self,
        credentials: Credentials,
        config: ConnectionConfig,
        *,
        session: requests.Session | None = None,
        app_name: str | None = None,
    ) -> None:
        self._url = credentials.url
        self._prefix = urlsplit(credentials.url).path
        self._server = _host_and_port(credentials.url)
        self._config = config
        self._auth = _BasicAuth(credentials.app_id, credentials.secret)
        self._agent = _user_agent(app_name)
        self._closed = False
        self._slots = _Slots(config.pool_size)
        self._own_session = session is None
        self._settings: dict[str, Any] | None = None
        if session is None:
            self._session = _new_session(config.pool_size)
            self._settings = _settings(credentials.url, config)
        else:
            _check_session(session, config)
            self._session = session

    def get_me(self, *, deadline: float | None) -> LoggedInUser:
        """The bot's own user."""
        return self._ask("get_me", deadline=deadline, decode=Decoder().me)

    def iter_chat_pages(
        self, *, validator: str | None, deadline: float | None
    ) -> Iterator[ChatPage]:
        """The chats of the bot, page by page."""
        decoder = Decoder()
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
            if answer.status == 304 and headers:
                yield ChatPage(validator=validator, not_modified=True)
                return
            answer.require_success()
            etag = answer.headers.get("ETag")
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
        if self._own_session:
            self._session.close()

    def __repr__(self) -> str:
        return f"<HttpTransport {self._url}>"

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
        sent = {
            "Accept": "application/json",
            "User-Agent": self._agent,
            "X-Request-ID": request_id,
            **(headers or {}),
        }
        if operation.writes:
            sent["Idempotency-Key"] = uuid.uuid4().hex
        request = requests.Request(
            operation.method,
            self._url + path,
            params=params,
            json=body,
            headers=sent,
            auth=self._auth,
        )
        context: dict[str, Any] = {
            "method": operation.method,
            "path": self._prefix + path,
            "request_id": request_id,
        }
        with self._slot(timeout, deadline, context):
            prepared = None
            if deadline is not None:
                timeout = min(timeout, self._time_left(deadline, context))
            try:
                prepared = self._session.prepare_request(request)
                return self._send(prepared, timeout, operation, context)
            except (OSError, HTTPError) as error:
                failure = network_error(
                    error,
                    operation,
                    left=prepared is not None,
                    server=self._server,
                    timeout=timeout,
                    context=context,
                    scrub=self._auth.scrub,
                )
        # Raised after its except block, or it would carry the original as its context, and that has
        # the request with the Authorization header.
        raise failure

    @contextmanager
    def _slot(
        self, timeout: float, deadline: float | None, context: dict[str, Any]
    ) -> Iterator[None]:
        if deadline is not None:
            timeout = min(timeout, self._time_left(deadline, context))
        taken = False
        try:
            taken = self._slots.take(timeout)
            if not taken:
                message = f"all {self._config.pool_size} connections were busy for {timeout:.3g} s"
                raise TWTimeoutError(message, **context)
            if self._closed:
                message = "the Connection is closed"
                raise TWClosedError(message, **context)
            yield
        finally:
            if taken:
                self._slots.give_back()

    def _time_left(self, ends_at: float, context: dict[str, Any]) -> float:
        left = ends_at - time.monotonic()
        if left <= 0:
            message = (
                f"no time left to ask {self._server} for {context['method']} {context['path']}"
            )
            raise TWTimeoutError(message, **context)
        return left

    def _send(
        self,
        prepared: requests.PreparedRequest,
        timeout: float,
        operation: Operation,
        context: dict[str, Any],
    ) -> Answer:
        session = self._session
        disarm = _Disarm()
        prepared.register_hook("response", disarm)
        settings = self._settings
        if settings is None:
            url = prepared.url or self._url
            settings = session.merge_environment_settings(url, {}, None, None, None)
        response = session.send(prepared, timeout=timeout, allow_redirects=False, **settings)
        given_id = response.headers.get("X-Request-ID", "")
        request_id = one_line(self._auth.scrub(given_id), 128) or context["request_id"]
        return Answer(
            operation=operation,
            status=response.status_code,
            headers=response.headers,
            location=disarm.location,
            body=response.content,
            context={**context, "status": response.status_code, "request_id": request_id},
            scrub=self._auth.scrub,
        )


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


def _new_session(pool_size: int) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=pool_size)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _settings(url: str, config: ConnectionConfig) -> dict[str, Any]:
    """What goes with each request; the environment is read here, once.

    Raises:
        TWConfigError: A CA bundle that the environment names is not there.
    """
    verify: Any = config.verify
    if verify is None:
        verify = True
        name = next((name for name in _CA_VARIABLES if os.environ.get(name)), None)
        if name is not None:
            verify = os.environ[name]
            if not os.path.exists(verify):  # noqa: PTH110  it is the environment's str, not ours
                message = f"{name}: there is no file or folder {verify!r}"
                raise TWConfigError(message)
    elif not isinstance(verify, bool):
        verify = os.fspath(verify)
    proxies = config.proxies
    if proxies is None:
        proxies = requests.utils.get_environ_proxies(url)
    cert: Any = config.cert
    if cert is not None:
        cert = tuple(map(os.fspath, cert)) if isinstance(cert, tuple) else os.fspath(cert)
    return {"verify": verify, "cert": cert, "proxies": proxies}


def _check_session(session: requests.Session, config: ConnectionConfig) -> None:
    if not isinstance(session, requests.Session):
        message = f"session must be a requests.Session, not {type(session).__name__}"
        raise TypeError(message)
    defaults = type(config)()
    for name in ("verify", "cert", "proxies", "pool_size"):
        if getattr(config, name) != getattr(defaults, name):
            message = f"{name} belongs to the session that was given: set it there"
            raise TWConfigError(message)


def _decoded(answer: Answer, decode: Callable[[Any], T]) -> T:
    try:
        return decode(decode_json(answer.body))
    except TWProtocolError as error:
        text = str(error)
    what = f"{answer.context['method']} {answer.context['path']}: {text}"
    if answer.operation.writes:
        message = f"{what}; it may have been done or not, so look before you try again"
        raise TWDeliveryUnknownError(message, **answer.context)
    message = f"{what}; is this a server that speaks the bot contract?"
    raise TWProtocolError(message, **answer.context)

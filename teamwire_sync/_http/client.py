"""The HTTP client: requests with retries and deadlines, and their responses."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Callable, NoReturn
from urllib.parse import urlencode, urlsplit

import requests
from urllib3.exceptions import HTTPError

from teamwire_sync._http.body import AnswerRefusedError, DownloadBody, LocalFailure, UploadBody
from teamwire_sync._http.canceller import Canceller
from teamwire_sync._http.contract import (
    DELIVERY_UNKNOWN,
    IDEMPOTENCY_KEY,
    IN_PROGRESS,
    NO_STORE,
    OPERATIONS,
    Operation,
    keeps_contract,
)
from teamwire_sync._http.network_errors import may_pass, network_error, proxy_refusal, seconds
from teamwire_sync._http.reasons import one_line
from teamwire_sync._http.responses import Response, mark_sender
from teamwire_sync._http.retries import FailedAttempt, Retries
from teamwire_sync._http.sessions import BasicAuth, GivenSession, OwnSession, RawResponse
from teamwire_sync._internal.fork import on_fork
from teamwire_sync._internal.secret import refuse_to_copy
from teamwire_sync._internal.signals import not_by_signal, unwrapped
from teamwire_sync._internal.validation import require_str
from teamwire_sync._internal.version import VERSION
from teamwire_sync._internal.waiting import Limit, Ticket
from teamwire_sync.exceptions import (
    TWClosedError,
    TWDeliveryUnknownError,
    TWTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from teamwire_sync._config import ConnectionConfig
    from teamwire_sync._http.credentials import Credentials

# After one of these statuses a retry may succeed. The server did not do the work, or a gateway lost
# the response.
_PASSING = {429, 502, 503, 504}


class HttpClient:
    """A client that sends requests to the server, and retries them until a deadline.

    Args:
        credentials: The server's URL, the App ID and the Secret.
        config: The settings.
        session: The caller's session, which is neither changed nor closed; None for a new session.
        app_name: An addition to the User-Agent header, or None.
        clock: A function that returns the time in seconds, for time-outs.
        pause: A function that waits for a number of seconds before a retry. If it is None, the
            client waits, and `close` ends the wait.
        on_unauthorized: A callback that runs when the server does not accept the credentials (401).

    Raises:
        TypeError: *session* is not a `requests.Session`, or *app_name* is not a str.
        ValueError: *app_name* is not printable ASCII.
        TWConfigError: The CA bundle, the client certificate or a proxy is unusable, or *config* has
            settings that belong to the caller's *session*.

    Attributes:
        keeps_contract: Whether a response of the server has promised the whole contract.
    """

    def __init__(
        self,
        credentials: Credentials,
        config: ConnectionConfig,
        *,
        session: requests.Session | None,
        app_name: str | None,
        clock: Callable[[], float],
        pause: Callable[[float], object] | None,
        on_unauthorized: Callable[[], None],
    ) -> None:
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
            # These are the encodings that `read_body` accepts. The library `requests` would offer
            # every encoding for which a decoder is installed.
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": _user_agent(app_name),
            **NO_STORE,
        }
        self._clock = clock
        self._retries = Retries(config.retries, clock=clock, pause=pause or self.pause)
        self._on_unauthorized = on_unauthorized
        self.keeps_contract = False
        self._closed = False
        self._limit = Limit(config.pool_size)
        self._cancellers: set[Canceller] = set()
        on_fork(self)

    def after_fork(self) -> None:
        """Replace the sockets. On a shared socket, two processes read each other's responses."""
        self._limit = Limit(self._config.pool_size)
        self._cancellers = set()
        self._session.after_fork()

    def ask(
        self,
        name: str,
        *,
        timeout: float,
        deadline: float | None,
        total: float | None = None,
        ids: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: dict[str, Any] | UploadBody | None = None,
        headers: Mapping[str, str] | None = None,
        download: DownloadBody | None = None,
        once: bool = False,
        key: str | None = None,
    ) -> Response:
        """Send a request, with retries, and return the response.

        Args:
            name: The name of the operation in `OPERATIONS`.
            timeout: The limit for connecting, and for each read, in seconds.
            deadline: The time at which all tries must end, on the client's clock, or None.
            total: The limit for all tries and pauses together, in seconds. If it is None, the
                setting ``total_timeout`` is the limit.
            ids: The IDs in the path, each with the name of its placeholder as the key.
            query: The parameters of the query.
            body: The body of the request: a document to send as JSON, or an upload.
            headers: Additional headers, which replace default headers of the same name.
            download: The destination of the response's body. Without it, the body is part of the
                response.
            once: Whether to try only once, and to let `close` end the request at once.
            key: The Idempotency-Key of a write. If it is None, the request gets a new key.

        Returns:
            A response with the status 200, or 304 after a request with If-None-Match.

        Raises:
            TWError: No response came, or the response reports a failure.
        """
        operation = OPERATIONS[name]
        path = operation.path_for(**(ids or {}))
        target = f"{path}?{urlencode(query)}" if query else path
        request_id = uuid.uuid4().hex
        sent = {**self._headers, "X-Request-ID": request_id, **(headers or {})}
        if operation.writes or key is not None:
            sent[IDEMPOTENCY_KEY] = key or uuid.uuid4().hex
        context: dict[str, Any] = {
            "method": operation.method,
            "path": self._prefix + path,
            "request_id": request_id,
        }
        ends_at = self._clock() + (self._config.total_timeout if total is None else total)
        if deadline is not None:
            ends_at = min(ends_at, deadline)
        canceller = Canceller() if once else None

        def attempt() -> Response | FailedAttempt:
            ticket = Ticket()
            try:
                left = self._begin(ticket, ends_at, canceller, context)
                at_once = min(timeout, left)
                prepared = raw = None
                try:
                    with unwrapped():
                        prepared = self._session.prepare(operation.method, target, sent, body)
                        raw = self._session.send(
                            prepared, at_once, left, download=download, canceller=canceller
                        )
                except not_by_signal(OSError, HTTPError, AnswerRefusedError) as error:
                    failure = network_error(
                        error,
                        operation,
                        left=prepared is not None,
                        once=prepared is None or not self._session.repeats(prepared),
                        heard=self.keeps_contract,
                        server=self._server,
                        timeout=at_once if self._clock() < ends_at else left,
                        names=self._session.names,
                        context=context,
                        redact=self._auth.redact,
                    )
                    # The session sets it, because an unreadable page may come from a proxy.
                    is_own = vars(error).get("shows_contract", True)
                    mark_sender(failure, is_own=is_own, heard=self.keeps_contract)
                    # A server that keeps the contract does a write only once per Idempotency-Key.
                    unsafe = isinstance(failure, TWDeliveryUnknownError) and not self.keeps_contract
                    again = may_pass(error, heard=self.keeps_contract) and not unsafe and not once
                # `close` cuts the connection. If the response has no length, the received part of
                # it may look like a complete response.
                if once and self._closed:
                    return FailedAttempt(_closed_error(context))
                if raw is not None:
                    return self._judge(operation, raw, context, once=once)
                # A retry receives the body from its start, so the received part must be discarded.
                is_forgotten = download is None or download.restart()
                return FailedAttempt(failure, again=again and is_forgotten)
            finally:
                # Called twice because Ctrl-C may interrupt the first call; idempotent.
                try:
                    self._end(ticket, canceller)
                finally:
                    self._end(ticket, canceller)

        try:
            response = self._retries.run(attempt, ends_at, self._config.total_timeout)
        except LocalFailure as failure:
            local = failure.error
        else:
            if response.raw.status == 200 or (
                response.raw.status == 304 and "If-None-Match" in sent
            ):
                return response
            raise response.error()
        # Raise this error outside the except block. Inside the block, Python would replace the
        # context of the error.
        raise local

    def pause(self, pause: float) -> None:
        """Wait for *pause* seconds, or until `close`."""
        # Read the attribute at each call, because a fork replaces the limit.
        self._limit.pause(pause)

    def close(self) -> None:
        """End all waits, and close the session, unless it is the caller's. Idempotent."""
        self._closed = True
        self._limit.close()
        self._session.close()
        for canceller in list(self._cancellers):
            canceller.cancel()

    def __reduce__(self) -> NoReturn:
        refuse_to_copy()

    def _judge(
        self, operation: Operation, raw: RawResponse, context: dict[str, Any], *, once: bool
    ) -> Response | FailedAttempt:
        if keeps_contract(raw.headers):
            self.keeps_contract = True
        if raw.status == 401:
            self._on_unauthorized()
        redact = self._auth.redact
        request_id = one_line(redact(raw.headers.get("X-Request-ID", "")), 128)
        request_id = request_id or context["request_id"]
        context = {**context, "status": raw.status, "request_id": request_id}
        if raw.status == 407:
            return FailedAttempt(proxy_refusal("407", self._session.names, context))
        response = Response(operation, raw, self.keeps_contract, context, redact, self._url)
        code, writes = response.code() if raw.status >= 400 else None, operation.writes
        # A server that does not know an outcome repeats this response.
        passing = code == IN_PROGRESS or (raw.status in _PASSING and code != DELIVERY_UNKNOWN)
        if not passing and not (writes and _leaves_open(raw)):
            return response
        again = passing and (self.keeps_contract or not writes)
        return FailedAttempt(response.error(), again=again and not once)

    def _begin(
        self, ticket: Ticket, ends_at: float, canceller: Canceller | None, context: dict[str, Any]
    ) -> float:
        """Take a free connection, and return the seconds that are left for the request."""
        # The transfer of a file has no time limit, but its wait for a connection has one.
        wait = min(self._time_left(ends_at, context), self._config.total_timeout)
        if not self._limit.acquire(ticket, wait):
            size = self._config.pool_size
            message = f"no connection was free for {seconds(wait)}: pool_size is {size}"
            raise TWTimeoutError(message, **context)
        if canceller is not None:
            self._cancellers.add(canceller)
        # `close` cancels the requests in the set. It may have run before this request was added to
        # the set.
        if self._closed:
            raise _closed_error(context)
        return self._time_left(ends_at, context)

    def _end(self, ticket: Ticket, canceller: Canceller | None) -> None:
        """Free the connection. Idempotent."""
        self._limit.release(ticket)
        if canceller is not None:
            self._cancellers.discard(canceller)
        if self._closed:
            # This request may have opened a connection after `close` closed the session.
            self._session.close()

    def _time_left(self, ends_at: float, context: dict[str, Any]) -> float:
        left = ends_at - self._clock()
        if left <= 0:
            what = f"{context['method']} {context['path']}"
            message = f"no time left to ask {self._server} for {what}"
            raise TWTimeoutError(message, **context)
        return left


def _closed_error(context: Mapping[str, Any]) -> TWClosedError:
    return TWClosedError("the Connection is closed", **context)


def _host_and_port(url: str) -> str:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or {'https': 443, 'http': 80}[parts.scheme]}"


def _user_agent(app_name: str | None) -> str:
    if app_name is not None:
        require_str(app_name, "app_name")
    if app_name and not (app_name.isascii() and app_name.isprintable()):
        message = "app_name must be printable ASCII, because it is sent in a header"
        raise ValueError(message)
    release = requests.__version__  # type: ignore[attr-defined]
    agent = f"teamwire_sync/{VERSION} requests/{release}"
    return f"{agent} ({app_name})" if app_name else agent


def _leaves_open(raw: RawResponse) -> bool:
    """Return whether this response leaves open if the server did the write in an earlier try.

    A refusal by the application shows what happened: the application refused the earlier try,
    too, or it repeats the response to that try. A response of a proxy or of a failed application
    does not show what happened.
    """
    refuses = 400 <= raw.status < 500 and raw.status != 401
    return raw.status != 200 and not (refuses and keeps_contract(raw.headers))

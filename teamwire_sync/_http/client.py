"""One question to the server, with all its tries."""

from __future__ import annotations

import uuid
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Callable, NoReturn
from urllib.parse import urlencode, urlsplit

from urllib3.exceptions import HTTPError

from teamwire_sync._http.body import AnswerRefusedError, DownloadBody, LocalFailure, UploadBody
from teamwire_sync._http.canceller import Canceller
from teamwire_sync._http.contract import IDEMPOTENCY_KEY, OPERATIONS, Operation, keeps_contract
from teamwire_sync._http.errors import (
    Response,
    may_pass,
    network_error,
    one_line,
    seconds,
)
from teamwire_sync._http.retries import FailedAttempt, Retries
from teamwire_sync._http.sessions import BasicAuth, GivenSession, OwnSession, RawResponse
from teamwire_sync._internal.fork import on_fork
from teamwire_sync._internal.secret import refuse_to_copy
from teamwire_sync._internal.validation import require_str
from teamwire_sync._internal.waiting import Limit, Ticket
from teamwire_sync.exceptions import (
    TWClosedError,
    TWDeliveryUnknownError,
    TWTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests

    from teamwire_sync._config import ConnectionConfig
    from teamwire_sync._credentials import Credentials

# After these an answer may be another one soon; the work was not done, or its answer was lost.
_PASSING = {429, 502, 503, 504}


class HttpClient:
    """Asks the server over a session, within its deadlines.

    Args:
        credentials: As those of `HttpTransport`, and so are the following.
        config: The settings.
        session: A session of the caller's, or None.
        app_name: Goes into the User-Agent.
        clock: Gives the seconds that the time-outs count by.
        pause: Waits for so many seconds before another try.
        on_unauthorized: Is called when the server says that it does not know the credentials.

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
        session: requests.Session | None,
        app_name: str | None,
        clock: Callable[[], float],
        pause: Callable[[float], object] | None,
        on_unauthorized: Callable[[], None],
    ) -> None:
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
        self._clock = clock
        self._retries = Retries(config.retries, clock=clock, pause=pause or self.pause)
        self._on_unauthorized = on_unauthorized
        self._keeps_contract = False
        self._closed = False
        self._limit = Limit(config.pool_size)
        self._cancellers: set[Canceller] = set()
        on_fork(self)

    def after_fork(self) -> None:
        """Make new sockets: two processes on one would take each other's answers."""
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
    ) -> Response:
        """What the server answers: a success, or that what was asked for is not modified.

        Args:
            name: Of the operation.
            timeout: Seconds that connecting may take, and each read.
            deadline: The moment of the clock at which all of it has to end, or None.
            total: Seconds that all of it may take; None for ``total_timeout``.
            ids: What stands in the path.
            query: What stands in the query.
            body: What is sent: JSON, or bytes piece by piece.
            headers: What is sent besides the usual.
            download: Where the body of the answer goes, piece by piece.
            once: Try once, and let `close` end it at once.

        Raises:
            TWError: There is no answer, or it is a failure.
        """
        operation = OPERATIONS[name]
        path = operation.path_for(**(ids or {}))
        target = f"{path}?{urlencode(query)}" if query else path
        request_id = uuid.uuid4().hex
        sent = {**self._headers, "X-Request-ID": request_id, **(headers or {})}
        if operation.writes:
            sent[IDEMPOTENCY_KEY] = uuid.uuid4().hex
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
                    prepared = self._session.prepare(operation.method, target, sent, body)
                    raw = self._session.send(
                        prepared, at_once, left, download=download, canceller=canceller
                    )
                except (OSError, HTTPError, AnswerRefusedError) as error:
                    failure = network_error(
                        error,
                        operation,
                        left=prepared is not None,
                        once=prepared is None or not self._session.repeats(prepared),
                        server=self._server,
                        timeout=at_once if self._clock() < ends_at else left,
                        context=context,
                        redact=self._auth.redact,
                    )
                    # Two times the same key is once the work, for a server that keeps the contract.
                    unsafe = (
                        isinstance(failure, TWDeliveryUnknownError) and not self._keeps_contract
                    )
                    again = may_pass(error) and not unsafe and not once
                # What was cut may look whole: not every answer says how long it is.
                if once and self._closed:
                    return FailedAttempt(_closed_error(context))
                if raw is not None:
                    return self._judge(operation, raw, context, once=once)
                # Whoever has what came so far must be able to forget it.
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
        # Out of the except block: within it, the error would lose its own cause and context.
        raise local

    def pause(self, pause: float) -> None:
        """Wait for *pause* seconds, or until the end."""
        # The limit that there is then: a fork makes a new one.
        self._limit.pause(pause)

    def close(self) -> None:
        """Close our own session; may be called twice."""
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
            self._keeps_contract = True
        if raw.status == 401:
            self._on_unauthorized()
        redact = self._auth.redact
        request_id = one_line(redact(raw.headers.get("X-Request-ID", "")), 128)
        request_id = request_id or context["request_id"]
        context = {**context, "status": raw.status, "request_id": request_id}
        response = Response(operation, raw, context, redact)
        passing, writes = raw.status in _PASSING, operation.writes
        if not passing and not (writes and _leaves_open(raw)):
            return response
        again = passing and (self._keeps_contract or not writes)
        return FailedAttempt(response.error(), again=again and not once)

    def _begin(
        self, ticket: Ticket, ends_at: float, canceller: Canceller | None, context: dict[str, Any]
    ) -> float:
        """Take a free connection, and return the seconds that are left for the request."""
        # What has no end of its own, such as a download, does not wait for ever to begin.
        wait = min(self._time_left(ends_at, context), self._config.total_timeout)
        if not self._limit.acquire(ticket, wait):
            size = self._config.pool_size
            message = f"all {size} connections were busy for {seconds(wait)}"
            raise TWTimeoutError(message, **context)
        if canceller is not None:
            self._cancellers.add(canceller)
        # From here on `close` finds it; what was closed before that did not.
        if self._closed:
            raise _closed_error(context)
        return self._time_left(ends_at, context)

    def _end(self, ticket: Ticket, canceller: Canceller | None) -> None:
        """Free the connection. Idempotent."""
        self._limit.release(ticket)
        if canceller is not None:
            self._cancellers.discard(canceller)
        if self._closed:
            # A request that was already on its way to the session opened connections anew.
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
        message = "app_name must be printable ASCII: it goes into a header"
        raise ValueError(message)
    agent = f"teamwire_sync/{version('teamwire_sync')} requests/{version('requests')}"
    return f"{agent} ({app_name})" if app_name else agent


def _leaves_open(raw: RawResponse) -> bool:
    """Whether an answer says nothing about an earlier try of the same write.

    The application's own refusal does: it would have refused that one, too, or it repeats what came
    of it. An answer from in front of the application, or from one that failed, does not.
    """
    refuses = 400 <= raw.status < 500 and raw.status != 401
    return raw.status != 200 and not (refuses and keeps_contract(raw.headers))

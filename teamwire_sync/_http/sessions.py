"""The sessions that `HttpClient` sends requests over: our own session, or the caller's."""

from __future__ import annotations

import json
import os
import queue
import time
from collections import OrderedDict
from types import FunctionType
from typing import TYPE_CHECKING, Any, Callable

import requests
from attrs import field, frozen
from requests.cookies import RequestsCookieJar
from requests.sessions import merge_setting
from requests.structures import CaseInsensitiveDict
from urllib3 import connectionpool
from urllib3.exceptions import DecodeError

from teamwire_sync._http.adapter import DeadlineAdapter
from teamwire_sync._http.body import AnswerRefusedError, DownloadBody, UploadBody
from teamwire_sync._http.contract import keeps_contract
from teamwire_sync._http.network import Proxy, SettingNames, own_proxy
from teamwire_sync._http.redaction import Redactor, base64_of
from teamwire_sync._http.response_body import read_body, take_body
from teamwire_sync._http.sockets import ending_at
from teamwire_sync._http.tls import BUNDLE_VARIABLES, ca_bundle, client_certificate
from teamwire_sync._internal.secret import SecretText
from teamwire_sync._internal.signals import files_of_stack, not_by_signal
from teamwire_sync.exceptions import TWConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from teamwire_sync._config import ConnectionConfig
    from teamwire_sync._http.canceller import Canceller
    from teamwire_sync._internal.secret import Secret


@frozen
class RawResponse:
    """A response as received. Its repr omits the content, which may contain the Secret.

    Attributes:
        status: The HTTP status.
        headers: The headers, with case-insensitive names.
        location: The target of a redirect, or empty.
        body: The bytes of the body, decompressed. Empty after a download.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    location: str = field(repr=False)
    body: bytes = field(repr=False)


class BasicAuth:
    """Basic authentication in UTF-8 (RFC 7617). The library `requests` would encode in Latin-1.

    Args:
        app_id: The App ID.
        secret: The Secret.

    Attributes:
        redact: A function that removes the Secret from a text.
    """

    __slots__ = ("_header", "redact")

    def __init__(self, app_id: str, secret: Secret) -> None:
        pair = base64_of(f"{app_id}:{secret.reveal()}".encode())
        self._header = _Header(f"Basic {pair}")
        self.redact = Redactor(secret.reveal(), pair)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


class _Header(SecretText):
    """The value of the Authorization header. A log of all headers does not show the value.

    A copy of a request contains the value, so the copy can be sent. A deep copy or a pickle does
    not contain the value: vcrpy writes deep copies of requests into its cassettes.
    """

    __slots__ = ()

    def __copy__(self) -> _Header:
        return self

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, ("***",)


class _NoCookies(RequestsCookieJar):
    """A jar that stays empty, and takes no lock, which Ctrl-C could leave locked forever."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Ignore the cookies of *response*."""


class _Session:
    """A session that sends requests by `requests.Session.send`, which test libraries replace."""

    _auth: BasicAuth
    _session: requests.Session

    def send(
        self,
        prepared: requests.PreparedRequest,
        timeout: float,
        left: float,
        *,
        download: DownloadBody | None = None,
        canceller: Canceller | None = None,
    ) -> RawResponse:
        """Send *prepared*, and read the whole response.

        Args:
            prepared: The request.
            timeout: The limit for connecting, and for each read, in seconds.
            left: The limit for the request and its response together, in seconds. The caller's
                connections do not enforce the limit. So this method checks the limit each time
                that bytes of the body arrive.
            download: The destination of the body of a response with status 200, or None.
            canceller: An object that lets another thread end the request, or None. Only our own
                connections support it.
        """
        ends_at = time.monotonic() + left
        hooks = _ResponseHooks(download, ends_at)
        # The session's own hooks are in the list already.
        prepared.hooks["response"] = [hooks.first, *prepared.hooks["response"], hooks.last]
        settings = self._settings(prepared.url or "")
        try:
            with ending_at(ends_at, canceller):
                try:
                    response = self._send(
                        prepared, timeout=timeout, allow_redirects=False, **settings
                    )
                except not_by_signal(requests.HTTPError) as error:
                    # A hook of the session raised this because of the status, so a response
                    # arrived.
                    if error.response is None:
                        raise
                    response = error.response
                response = _response_of(response, hooks.received)
                return _read(response, download, ends_at, hooks.location)
        except not_by_signal(AnswerRefusedError, DecodeError) as error:
            if hooks.received is not None:
                vars(error)["shows_contract"] = keeps_contract(hooks.received.headers)
            raise
        finally:
            # The response refers to the request, and so to the hooks. Without this cycle, an unused
            # socket is closed at once.
            hooks.received = None

    def _send(self, prepared: requests.PreparedRequest, **settings: Any) -> requests.Response:
        if _is_original(vars(requests.Session).get("request")):
            return self._session.send(prepared, **settings)
        # A test has replaced it, or has deleted it so that no program can send a request.
        return self._session.request(
            prepared.method or "",
            prepared.url or "",
            headers=prepared.headers,
            data=prepared.body,
            auth=self._auth,
            hooks=prepared.hooks,
            **settings,
        )

    def _settings(self, url: str) -> dict[str, Any]:  # noqa: ARG002  a subclass needs it
        """Return the settings for a request to *url* that override those of the session."""
        return {}

    def repeats(self, prepared: requests.PreparedRequest) -> bool:
        """Return whether one `send` may send a request more than once."""
        adapter = self._session.get_adapter(prepared.url or "")
        return getattr(getattr(adapter, "max_retries", None), "total", None) != 0


class OwnSession(_Session):
    """A session of this package. It computes the common parts of all requests only once.

    Args:
        url: The URL of the server.
        auth: The authentication, which adds the Authorization header to a request.
        config: The settings.

    Attributes:
        names: The names of the network settings.

    Raises:
        TWConfigError: A CA bundle, a client certificate or a proxy is unusable.
    """

    def __init__(self, url: str, auth: BasicAuth, config: ConnectionConfig) -> None:
        self._auth = auth
        self._pool_size = config.pool_size
        proxy = own_proxy(url, config)
        self.names = SettingNames(
            "ConnectionConfig(verify=...)", "ConnectionConfig(cert=...)", proxy.setting
        )
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.stream = True
        self._session.cookies = _NoCookies()
        self._session.verify = ca_bundle(url, config)
        self._session.cert = client_certificate(config)
        self._session.proxies = proxy.proxies
        # The URL as it is sent: the host is in ASCII, and the path is percent-encoded.
        self._base = (requests.Request("GET", url).prepare().url or url).rstrip("/")
        self._headers: dict[str, Any] = dict(requests.utils.default_headers())
        self.after_fork()

    def after_fork(self) -> None:
        """Create a new adapter: the parent process uses the connections of the old one."""
        adapter = DeadlineAdapter(pool_connections=1, pool_maxsize=self._pool_size)
        self._session.adapters = OrderedDict({"": adapter})

    def prepare(
        self, method: str, target: str, headers: Mapping[str, str], body: Any
    ) -> requests.PreparedRequest:
        """Return a request that is ready to be sent."""
        prepared = requests.PreparedRequest()
        prepared.method = method
        prepared.url = self._base + target
        # Set the Authorization header first. During an upload, a local variable of urllib3 keeps
        # the last header, and structlog before 24.4 shows a str without calling its repr.
        prepared.headers = CaseInsensitiveDict()
        self._auth(prepared)
        prepared.headers.update({**self._headers, **headers})
        if isinstance(body, UploadBody):
            _set_upload(prepared, body)
        elif body is not None:
            prepared.body = encoded = json.dumps(body).encode()
            prepared.headers["Content-Type"] = "application/json"
            prepared.headers["Content-Length"] = str(len(encoded))
        return prepared

    def close(self) -> None:
        """Close the idle connections."""
        self._session.close()


class GivenSession(_Session):
    """A session of the caller. This class neither changes nor closes it.

    Args:
        session: The session.
        url: The URL of the server.
        auth: The authentication, which adds the Authorization header to a request.
        config: The settings.

    Raises:
        TypeError: *session* is not a `requests.Session`.
        TWConfigError: *config* has settings that belong to the session, or the session's proxy is
            unusable.
    """

    def __init__(
        self, session: requests.Session, url: str, auth: BasicAuth, config: ConnectionConfig
    ) -> None:
        if not isinstance(session, requests.Session):
            message = f"session must be a requests.Session, not {type(session).__name__}"
            raise TypeError(message)
        defaults = type(config)()
        for name in ("verify", "cert", "proxies", "pool_size"):
            if getattr(config, name) != getattr(defaults, name):
                message = f"{name} belongs to the session that you passed: set it there"
                raise TWConfigError(message)
        self._url = url
        self._auth = auth
        self._session = session
        self._allow_insecure_http = config.allow_insecure_http
        self._forked = False
        self._settings(url)

    def after_fork(self) -> None:
        """Refuse further requests: the session's connections belong to the parent process."""
        self._forked = True

    def prepare(
        self, method: str, target: str, headers: Mapping[str, str], body: Any
    ) -> requests.PreparedRequest:
        """Return a request that is ready to be sent.

        Raises:
            TWConfigError: The process was forked after the session was passed.
            RuntimeError: A signal handler has interrupted this thread in the session's pool.
        """
        if _is_in_pool():
            message = (
                "this call would wait for itself, as it runs in a signal handler that interrupted "
                "the pool of the session that you passed"
            )
            raise RuntimeError(message)
        if self._forked:
            message = (
                "the process was forked, and the session that you passed has connections of the "
                "parent process: create the session and the Connection after the fork"
            )
            raise TWConfigError(message)
        upload = body if isinstance(body, UploadBody) else None
        request = requests.Request(
            method,
            self._url + target,
            headers=dict(headers),
            json=body if upload is None else None,
            auth=self._auth,
        )
        prepared = self._session.prepare_request(request)
        if upload is not None:
            _set_upload(prepared, upload)
        return prepared

    @property
    def names(self) -> SettingNames:
        """The names of the network settings."""
        settings = self._merged(self._url)
        proxy = Proxy.of(self._url, settings["proxies"], "session.proxies")
        overriding = [
            f"{variable}, which overrides session.verify"
            for variable in BUNDLE_VARIABLES
            if variable in os.environ and os.environ[variable] == settings["verify"]
        ]
        return SettingNames([*overriding, "session.verify"][0], "session.cert", proxy.setting)

    def _settings(self, url: str) -> dict[str, Any]:
        """Return the settings for a request to *url*.

        Raises:
            TWConfigError: The proxy is unusable.
        """
        settings = self._merged(url)
        proxy = Proxy.of(url, settings["proxies"], "session.proxies")
        # Replace the proxies before the check: an error reporter may show local variables.
        settings["proxies"] = proxy.proxies
        proxy.check(url, allow_insecure_http=self._allow_insecure_http)
        return settings

    def _merged(self, url: str) -> dict[str, Any]:
        """Return the settings of the session and the environment for a request to *url*."""
        return self._session.merge_environment_settings(url, {}, True, None, None)

    def close(self) -> None:
        """Do nothing: the caller closes the session."""


def _is_original(method: object) -> bool:
    """Return whether *method* is a method of `requests.Session` as `requests` defines it."""
    # A wrapper may copy every attribute of the method except its code.
    return (
        type(method) is FunctionType
        and method.__code__.co_filename == merge_setting.__code__.co_filename
    )


def _is_in_pool() -> bool:
    """Return whether this thread is in the queue of a pool of urllib3.

    The same thread can't take the lock of a `queue.Queue` again.
    """
    files = files_of_stack()
    return (queue.__file__, connectionpool.__file__) in zip(files, files[1:])


class _ResponseHooks:
    """Hooks that run before and after the session's own hooks.

    A hook or a subclass of the session may read or close the response. So the body is read first,
    within its limits. Only a download is read last, because it may be larger than the memory. The
    hooks also prevent a session from storing cookies and from following redirects, after the
    session's own hooks got the complete response.

    Args:
        download: The destination of the body of a response with status 200, or None.
        ends_at: The deadline for the body, a moment of `time.monotonic`.

    Attributes:
        location: The target of a redirect, or empty.
        received: The last response that the hooks got, or None.
    """

    location = ""
    received: requests.Response | None = None

    def __init__(self, download: DownloadBody | None, ends_at: float) -> None:
        self._download = download
        self._ends_at = ends_at

    def first(self, response: requests.Response, **_: Any) -> None:
        self.received = response
        if self._download is None or response.status_code != 200:
            # `requests` keeps a body in this attribute. Its other attributes then return it.
            response._content = _body(response, self._ends_at)
            response._content_consumed = True

    def last(self, found: Any, **_: Any) -> requests.Response:
        self.received = response = _response_of(found, self.received)
        self.location = response.headers.pop("Location", "")
        original = getattr(response.raw, "_original_response", None)
        if original is not None and "Set-Cookie" in original.msg:
            del original.msg["Set-Cookie"]
        return response


def _response_of(found: object, received: requests.Response | None) -> requests.Response:
    """Return *found*, or *received* if a hook or a subclass replaced it by something else.

    Raises:
        TypeError: A test has replaced `requests.Session.send`, and returns no response.
    """
    if isinstance(found, requests.Response):
        return found
    if received is None:
        raise TypeError(_no_response(found))
    return received


def _no_response(found: object) -> str:
    return f"the session returned a {type(found).__name__}, not a requests.Response"


def _set_upload(prepared: requests.PreparedRequest, upload: UploadBody) -> None:
    upload.seek(0)
    # Set the body here: the library `requests` would send a body of unknown size in chunks.
    prepared.body = upload
    prepared.headers["Content-Type"] = upload.content_type
    prepared.headers["Content-Length"] = str(upload.size)


def _read(
    response: requests.Response, download: DownloadBody | None, ends_at: float, location: str
) -> RawResponse:
    if download is None or response.status_code != 200:
        body = _body(response, ends_at)
    else:
        download.begin(response.headers)
        body = _body(response, ends_at, download.write)
        download.end()
    location = location or response.headers.get("Location", "")
    return RawResponse(response.status_code, response.headers, location, body)


def _body(
    response: requests.Response, ends_at: float, write: Callable[[bytes], object] | None = None
) -> bytes:
    """Return the body, or pass it to *write*. Its bytes may have been read before."""
    # Public attributes of `requests` do not show whether a hook or an adapter has read the body.
    content: Any = getattr(response, "_content", False)
    if content is not False:
        return take_body(content or b"", write)
    if response.status_code == 407:
        # A broken body would look like a network failure, and a retry would send the password of
        # the proxy again.
        response.close()
        return b""
    if getattr(response, "_content_consumed", False):
        message = "a hook or an adapter of the session has read it, and has not kept it"
        raise AnswerRefusedError(message)
    raw: Any = getattr(response, "raw", None)
    if hasattr(raw, "headers"):
        return read_body(raw, ends_at, write)
    # A test or an adapter has made the response, often with an `io.BytesIO`.
    content = response.content or b""
    if not isinstance(content, bytes):
        raise TypeError(_no_response(response))
    return take_body(content, write)

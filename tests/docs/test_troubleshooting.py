"""The texts of docs/troubleshooting.md, and more errors, are what a user sees."""

from __future__ import annotations

import itertools
import logging
import os
import pickle
import re
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable
from unittest.mock import patch

import pytest
import requests
import responses
import urllib3.connection
from urllib3.exceptions import MaxRetryError, NewConnectionError

import tests.support.provocations_in_chats
import tests.support.provocations_of_stores
import tests.support.provocations_of_vendor  # noqa: F401  they add their own
from teamwire_sync import Connection, ConnectionConfig, TWError
from teamwire_sync._cache.single_flight import Flight
from teamwire_sync._http.credentials import Credentials
from teamwire_sync._http.transport import HttpTransport
from teamwire_sync._internal.waiting import Ticket
from tests.support.builders import Clock, chat_doc, make_chat, page_doc, user_doc
from tests.support.fake_transport import FakeTransport
from tests.support.foreign_answers import ANSWERS
from tests.support.provocations import (
    HOST,
    LOGGED,
    PROVOCATIONS,
    URL,
    answered,
    connected,
    logs,
    shows,
)
from tests.support.transport_calls import CONTRACT, NO_CONTRACT, call, error_body
from tests.support.waiting import Threads

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
# A text, and what follows it up to the next one.
ENTRY = re.compile(r"^```text\n([^\n]*)\n```$(.*?)(?=^```|^#|\Z)", re.MULTILINE | re.DOTALL)
# A row of the table of the reasons that a text may have at its dots.
REASON = re.compile(r"^\| `([^`]*)` \|", re.MULTILINE)
BETWEEN = "something between this client and the server sent this response"
TRIED = "(tried 4 times)"
TWINS = [make_chat(tid, "test") for tid in ("7MQKchz6wsSzmWTVnppGAc", "8NRLdia7xtTanXUWoqqHBd")]


def after_an_answer(name: str, **how: Any) -> Any:
    """The result of the call *name* if the server has answered before, and *how* comes now."""
    credentials = Credentials("app", "topsecret", URL)
    transport = HttpTransport(credentials, ConnectionConfig(), pause=lambda _: None)
    with responses.RequestsMock() as server:
        server.get(f"{URL}/v1/bot/me/", json={"user": user_doc(is_bot=True)}, headers=CONTRACT)
        call("get_me", transport)
        server.reset()
        server.get(re.compile(f"{URL}/.*"), **how)
        return call(name, transport)


def unreachable(reason: Exception) -> Any:
    return requests.ConnectionError(MaxRetryError(None, "/", reason))  # type: ignore[arg-type]


def caused_by(error: Exception, cause: OSError) -> Exception:
    error.__cause__ = cause
    return error


@shows(
    "app_id, secret, url missing: pass Connection(app_id=..., secret=..., url=...), or set "
    "TEAMWIRE_APP_ID, TEAMWIRE_SECRET, TEAMWIRE_URL in the environment, or add app_id = ... to "
    "the section [default] of the file config.ini. For a Teamwire server without a gateway, use "
    "the vendor's SDK: set TEAMWIRE_TRANSPORT=vendor (teamwire_api is not installed in this "
    "Python, /usr/bin/python3); see docs/connect.md"
)
def _() -> object:
    with (
        patch.dict(sys.modules, {"teamwire_api": None}),
        patch.object(sys, "executable", "/usr/bin/python3"),
    ):
        return Connection()


@shows(
    "TEAMWIRE_TRANSPORT in the environment is vendor, but there are also settings of HTTP: "
    "TEAMWIRE_URL in the environment. They are not passed to the vendor's SDK. Remove them, or set "
    "TEAMWIRE_TRANSPORT=http; see docs/connect.md"
)
def _() -> object:
    with patch.dict(os.environ, TEAMWIRE_TRANSPORT="vendor", TEAMWIRE_URL=URL):
        return Connection()


@shows(
    "the value of TEAMWIRE_URL in the environment has quotes around it: remove the quotes (an "
    "argument may have any value)"
)
def _() -> object:
    with patch.dict(os.environ, TEAMWIRE_URL=f'"{URL}"'):
        return Connection()


@shows("TEAMWIRE_TRANSPORT in the environment must be http or vendor")
def _() -> object:
    with patch.dict(os.environ, TEAMWIRE_TRANSPORT="sdk"):
        return Connection()


@shows(
    "there is no home folder for the config file: set HOME to an absolute path, or TEAMWIRE_CONFIG "
    "to the path of the file"
)
def _() -> object:
    homeless = {"HOME": "home", "USERPROFILE": "home", "XDG_CONFIG_HOME": "", "APPDATA": ""}
    with patch.dict(os.environ, homeless, TEAMWIRE_PROFILE="work"):
        return Connection()


@shows("app_id is a URL: the order is Connection(app_id, secret, url)")
def _() -> object:
    return Connection(URL, "app", "topsecret")


@shows(
    "urllib3 2.99.0 does not use the connections of teamwire_sync "
    "(HTTPConnectionPool.ConnectionCls is missing or not used), so time-outs would not work: "
    "install another release of urllib3 2, and remove niquests and urllib3-future, which replace "
    "urllib3"
)
def _() -> object:
    def new_conn(pool: Any) -> urllib3.connection.HTTPConnection:
        return urllib3.connection.HTTPConnection(pool.host)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(urllib3, "__version__", "2.99.0")
        patch.setattr(urllib3.HTTPConnectionPool, "_new_conn", new_conn)
        return Connection("app", "secret", "http://127.0.0.1:1").check()


@shows("secret must be printable text; copy it again")
def _() -> object:
    return Connection("app", "top\tsecret", URL)


@shows(
    "url must be https, since the Secret goes with every request: https://backend.example.org (or "
    "ConnectionConfig(allow_insecure_http=True), or TEAMWIRE_ALLOW_INSECURE_HTTP=1)"
)
def _() -> object:
    return Connection("app", "topsecret", f"http://{HOST}")


@shows(
    "301 for GET /v1/bot/me/: a redirect to https://backend.example.org; use "
    f"https://backend.example.org; {NO_CONTRACT}"
)
def _() -> object:
    config = ConnectionConfig(allow_insecure_http=True)
    to = {"Location": f"{URL}/"}
    return answered("get_me", config, url=f"http://{HOST}", status=301, headers=to)


@shows(f"302 for GET /v1/bot/me/: a redirect to /login/; {NO_CONTRACT}")
def _() -> object:
    return answered("get_me", status=302, headers={"Location": "/login/?next=/v1/bot/me/"})


@shows("REQUESTS_CA_BUNDLE: there is no file or folder '/etc/ssl/ours.pem'")
def _() -> object:
    os.environ["REQUESTS_CA_BUNDLE"] = "/etc/ssl/ours.pem"
    return Connection("app", "topsecret", URL)


@shows(
    "ConnectionConfig.verify: no CA certificates in PEM format can be read from 'setup.cfg': "
    "[X509: NO_CERTIFICATE_OR_CRL_FOUND] no certificate or crl found (_ssl.c:1002)"
)
def _() -> object:
    config = ConnectionConfig(verify="setup.cfg")
    return Connection("app", "topsecret", URL, config=config)


@shows(
    "the proxy in HTTPS_PROXY must be like 'http://user:password@proxy.example.org:3128'; "
    "percent-encode special characters in the user and in the password"
)
def _() -> object:
    with patch.dict(os.environ, HTTPS_PROXY="http://user:pass/word@proxy.example.org:3128"):
        return Connection("app", "topsecret", URL)


@shows(
    "the proxy in ALL_PROXY is a SOCKS proxy, which needs the package PySocks: pip install PySocks"
)
def _() -> object:
    with (
        patch.dict(os.environ, ALL_PROXY="socks5h://proxy.example.org:1080"),
        patch.dict(sys.modules, socks=None),
    ):
        return Connection("app", "topsecret", URL)


@shows(
    "the proxy in ConnectionConfig.proxies would receive the Secret in clear text, because url is "
    "http: use no proxy for localhost, or a proxy on this machine (or "
    "ConnectionConfig(allow_insecure_http=True), or TEAMWIRE_ALLOW_INSECURE_HTTP=1)"
)
def _() -> object:
    config = ConnectionConfig(proxies={"http": "http://proxy.example.org:3128"})
    return Connection("app", "topsecret", "http://localhost:8080", config=config)


@shows(
    f"ConnectionConfig.proxies has no proxy for {URL}: the keys are 'http', 'https' and 'all', by "
    "the scheme of the server's URL; to use no proxy, pass proxies={}"
)
def _() -> object:
    config = ConnectionConfig(proxies={"http": "http://proxy.example.org:3128"})
    return Connection("app", "topsecret", URL, config=config)


def refused_by_proxy(status: str) -> object:
    cause = OSError(f"Tunnel connection failed: {status}")
    with patch.dict(os.environ, HTTPS_PROXY="http://proxy.example.org:3128"):
        return answered("get_me", body=requests.exceptions.ProxyError(cause))


@shows("the proxy refuses this client (407): check user and password in HTTPS_PROXY")
def _() -> object:
    return refused_by_proxy("407 Proxy Authentication Required")


@shows(
    f"the proxy refuses the connection to {HOST}:443 (403 Forbidden): check HTTPS_PROXY, or allow "
    "this server in the proxy"
)
def _() -> object:
    return refused_by_proxy("403 Forbidden")


@shows(
    "the process was forked, and the session that you passed has connections of the "
    "parent process: create the session and the Connection after the fork"
)
def _() -> object:
    with requests.Session() as session:
        connection = Connection("app", "topsecret", URL, session=session)
        connection._transport._client.after_fork()  # type: ignore[attr-defined]
        return connection.check()


@shows("401: the server does not accept this App ID and Secret")
def _() -> object:
    return answered("get_me", status=401, headers=CONTRACT)


@shows("403: bots can use only circles that are public (the circle is not public)")
def _() -> object:
    body = error_body("circle_not_public", "the circle is not public")
    return answered("create_chat", status=403, json=body)


@shows("403: the bot may not do this (only admins may post)")
def _() -> object:
    body = error_body("forbidden", "only admins may post")
    return answered("post_message", status=403, json=body)


@shows(f"can't reach {HOST}:443: Name or service not known {TRIED}")
def _() -> object:
    cause = socket.gaierror(-2, "Name or service not known")
    error = caused_by(NewConnectionError(None, str(cause)), cause)  # type: ignore[arg-type]
    return answered("get_me", body=unreachable(error))


@shows(f"can't reach {HOST}:443: Connection refused {TRIED}")
def _() -> object:
    cause = ConnectionRefusedError(111, "Connection refused")
    error = caused_by(NewConnectionError(None, "no"), cause)  # type: ignore[arg-type]
    return answered("get_me", body=unreachable(error))


@shows(
    f"no TLS connection to {HOST}:443: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
    "unable to get local issuer certificate (_ssl.c:1002); if its certificate comes from a CA of "
    "your own, pass the path of the CA's certificate to ConnectionConfig(verify=...)"
)
def _() -> object:
    text = (
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer "
        "certificate (_ssl.c:1002)"
    )
    error = ssl.SSLCertVerificationError(1, text)
    error.verify_code = 20
    return answered("get_me", body=requests.exceptions.SSLError(error))


@shows(f"no answer from {HOST}:443 within 10 s {TRIED}")
def _() -> object:
    return answered("get_me", body=requests.ReadTimeout("late"))


@shows("no connection was free for 0.01 s: pool_size is 1")
def _() -> object:
    config = ConnectionConfig(pool_size=1, total_timeout=0.01)
    transport = HttpTransport(Credentials("app", "topsecret", URL), config, clock=Clock())
    with Threads(1) as threads:
        ticket = threads.start(Ticket).result()
    assert transport._client._limit.acquire(ticket, 1)
    return transport.get_me(deadline=None)


@shows(f"no time left to ask {HOST}:443 for GET /v1/bot/me/")
def _() -> object:
    transport = HttpTransport(Credentials("app", "topsecret", URL), ConnectionConfig())
    return transport.get_me(deadline=0.0)


@shows("no response within the timeout of this call; another thread is still waiting for it")
def _() -> object:
    with Threads(1) as threads:
        flight: Flight[int] = threads.start(Flight).result()
    return flight.wait(time.monotonic())


@shows(
    "503 for GET /v1/bot/chats/: 503 Service Unavailable No server is available to handle this "
    f"request.; {BETWEEN} {TRIED}"
)
def _() -> object:
    page = ANSWERS["HAProxy 503"].body
    return after_an_answer("list_chats", status=503, body=page, content_type="text/html")


@shows(f"404 for GET /v1/bot/chats/: Not found.; {NO_CONTRACT}")
def _() -> object:
    return answered("list_chats", status=404, body='{"detail": "Not found."}')


@shows("429 for GET /v1/bot/chats/: slow down; try again in 120 s")
def _() -> object:
    body = error_body("rate_limited", "slow down")
    return answered("list_chats", status=429, json=body, headers={"Retry-After": "120"})


@shows("404 for GET /elsewhere/v1/bot/chats/: not found; does the URL point to the bot API?")
def _() -> object:
    body = error_body("no_such_path", "not found")
    return answered("list_chats", url=f"{URL}/elsewhere", status=404, json=body)


@shows(f"GET /v1/bot/me/: the answer is not JSON but a page: Teamwire Dashboard; {NO_CONTRACT}")
def _() -> object:
    return answered("get_me", body="<html><title>Teamwire Dashboard</title>")


@shows(f"404 for GET /v1/bot/chats/: default backend - 404; {BETWEEN}")
def _() -> object:
    return after_an_answer("list_chats", status=404, body="default backend - 404")


@shows("the answer to GET /v1/bot/chats/ is refused: it is larger than 32 MiB")
def _() -> object:
    return answered("list_chats", body=b" " * (33 * 2**20), headers=CONTRACT)


@shows(
    f"the answer of {HOST}:443 was lost (Connection reset by peer): it may have done POST "
    "/v1/bot/chats/ or not; look before you try again: "
    "connection.chats.get_subscriptions(refresh=True) lists the chat if it was made"
)
def _() -> object:
    return answered("create_chat", body=ConnectionResetError(104, "Connection reset by peer"))


@shows("unknown, or not visible to the bot: rVRCfuQEtkgnZBZEgbHVji")
def _() -> object:
    body = error_body("invalid_members", "x", user_ids=["rVRCfuQEtkgnZBZEgbHVji"], group_ids=[])
    return answered("create_chat", status=422, json=body)


@shows("users must be a list of User objects or ids, not str")
def _() -> object:
    return connected().chats.create_chat(users="rVRCfuQEtkgnZBZEgbHVji")


@shows(
    "users[0] must be a User or its id, not NoneType (get_user returns None if nothing is found)"
)
def _() -> object:
    return connected().chats.create_chat(users=[None])  # type: ignore[list-item]


@shows("no chat has the title 'tset'; similar titles: 'test'")
def _() -> object:
    return connected(*TWINS).chats.one_by_title("tset")


@shows(
    "2 chats have the title 'test'; take one by thread ID: 7MQKchz6wsSzmWTVnppGAc, "
    "8NRLdia7xtTanXUWoqqHBd"
)
def _() -> object:
    return connected(*TWINS).chats.one_by_title("test")


@shows(
    "this Chat belongs to no Connection (it was unpickled or made by hand); get it from "
    "connection.chats, connection.groups or connection.users to act on it"
)
def _() -> object:
    chat = connected(*TWINS).chats.get_subscriptions()[0]
    return pickle.loads(pickle.dumps(chat)).post("hello")  # noqa: S301  our own


@shows("the Connection is closed")
def _() -> object:
    with connected() as connection:
        pass
    return connection.chats.get_subscriptions()


@shows(
    "this EventStream is in use by another call: call connection.events() per thread, and don't "
    "use the stream in a signal handler"
)
def _() -> object:
    stream, ticket = connected().events(), Ticket()
    assert stream._use.limit.acquire(ticket, 0)
    return next(stream)


@shows(
    "this look-up would wait for itself, as it runs inside another look-up; don't look up chats, "
    "users or groups in a progress callback, a logging handler or a signal handler"
)
def _() -> object:
    chats = connected(*TWINS).chats
    return chats.get_subscriptions(progress=lambda *_: chats.get_subscriptions())


@shows(
    "this call would wait for itself, as it runs inside other calls of its thread; don't use the "
    "Connection in a signal handler, a logging handler or a file object, or set a larger pool_size"
)
def _() -> object:
    transport = HttpTransport(Credentials("app", "topsecret", URL), ConnectionConfig(pool_size=1))
    ticket = Ticket()
    assert transport._client._limit.acquire(ticket, 1)
    return transport.get_me(deadline=None)


@logs(
    "look-ups are answered from the last listing of the chats: 503 for GET /v1/bot/chats/: no "
    "reason given"
)
def _() -> object:
    clock = Clock()
    config = ConnectionConfig(stale_if_error=60, retries=0)
    transport = HttpTransport(Credentials("app", "topsecret", URL), config)
    connection = Connection(transport=transport, config=config, clock=clock)
    with responses.RequestsMock() as server:
        server.get(f"{URL}/v1/bot/chats/", json=page_doc(chat_doc("t1")))
        server.get(f"{URL}/v1/bot/chats/", status=503, headers=CONTRACT)
        connection.chats.get_subscriptions()
        clock.advance(301)
        return connection.chats.get_by_thread_id("t1")


@logs("listing the chats took 12.0 s, longer than cache_ttl (10 s): nothing is cached")
def _() -> object:
    clock = Clock()
    connection = Connection(
        transport=FakeTransport(), config=ConnectionConfig(cache_ttl=10), clock=clock
    )
    return connection.chats.get_subscriptions(progress=lambda *_: clock.advance(12))


@logs("503 for GET /v1/bot/me/: no reason given; trying again in 0.2 s, 1 of 3 times")
def _() -> object:
    pauses: list[float] = []
    transport = HttpTransport(
        Credentials("app", "topsecret", URL), ConnectionConfig(), pause=pauses.append
    )
    transport._client._retries._jitter = lambda: 0.6
    with responses.RequestsMock() as server:
        server.get(f"{URL}/v1/bot/me/", status=503, headers=CONTRACT)
        server.get(f"{URL}/v1/bot/me/", status=401, headers=CONTRACT)
        with pytest.raises(TWError):
            transport.get_me(deadline=None)
    return pauses


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Endless folders: each is where a user without credentials has files, and is empty."""

    def make() -> Iterator[Path]:
        for number in itertools.count():
            folder = tmp_path / str(number)
            folder.mkdir()
            for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
                monkeypatch.setenv(name, str(folder))
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
            yield folder

    return make()


def lines() -> Iterator[str]:
    """The texts of the page, each with each of its reasons."""
    for text, rest in ENTRY.findall(DOCUMENT.read_text("utf-8")):
        reasons = REASON.findall(rest) or ["..."]
        yield from (text.replace("...", reason) for reason in reasons)


def test_every_line_is_provoked_below() -> None:
    found = list(lines())

    assert len(found) > 70
    assert [line for line in found if line not in {*PROVOCATIONS, *LOGGED}] == []


def test_no_line_is_there_twice() -> None:
    assert sorted(lines()) == sorted(set(lines()))


def shown_by(provoke: Callable[[], object], folder: Path) -> str:
    """What a user sees of the error that *provoke* raises."""
    with pytest.raises((TWError, OSError, TypeError, ValueError, RuntimeError)) as caught:
        provoke()
    shown = str(caught.value).replace(f"{folder}/teamwire_sync/", "")
    # Each release of Python has another line there.
    return re.sub(r"_ssl\.c:\d+", "_ssl.c:1002", shown)


def test_the_lines_of_errors(folders: Iterator[Path]) -> None:
    shown = {
        line: shown_by(provoke, folder)
        for (line, provoke), folder in zip(PROVOCATIONS.items(), folders)
    }

    assert {line: text for line, text in shown.items() if text != line} == {}


def test_the_lines_of_the_log(folders: Iterator[Path], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "teamwire_sync")
    logged = {}
    for (line, provoke), folder in zip(LOGGED.items(), folders):
        caplog.clear()
        provoke()
        logged[line] = [each.replace(str(folder), "/var/cache") for each in caplog.messages]

    assert {line: texts for line, texts in logged.items() if texts != [line]} == {}

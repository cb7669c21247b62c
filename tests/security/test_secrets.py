"""A marked Secret is planted, and looked for in all that objects and logs show."""

from __future__ import annotations

import copy
import io
import json
import logging
import pickle
from typing import TYPE_CHECKING, Any, Callable

import attrs
import pytest
import requests

from teamwire_sync import Attachments, AttachmentType, Connection, ConnectionConfig, TWError
from teamwire_sync._http.body import DownloadBody, UploadBody
from teamwire_sync._http.canceller import Canceller
from teamwire_sync._http.contract import OPERATIONS
from teamwire_sync._http.credentials import find_credentials
from teamwire_sync._http.responses import Response
from teamwire_sync._http.sessions import BasicAuth, RawResponse
from teamwire_sync._internal.secret import Secret
from teamwire_sync._services.files import LocalFile, Target
from tests.support.leaks import (
    PLAIN,
    as_pickle,
    fields_of,
    leaks,
    no_leaks,
    readable,
    shown_of,
)
from tests.support.quotes import APP_ID, ECHOES, ONCE, URL, connected, header_of, quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.nasty_server import NastyServer

# The header is a text, which has to hold it. Half a copy of the others, whose parts are not to be
# copied, has no repr.
BARE = {"_Header", "IdleConnections", "Limit", "PoolManager", "RecentlyUsedContainer", "_Pool"}


def worked(connection: Connection) -> Connection:
    """*connection* after a bit of everything, so that all it keeps is there."""
    connection.check()
    connection.chats.get_subscriptions()
    connection.chats.get_by_title("test")
    connection.users.get_user("u1")
    connection.chats.create_chat(users=["u1"])
    connection.chats.at("t1").get_messages()
    connection.chats.at("t1").post("hello", Attachments().add_file(io.BytesIO(b"some"), "x.txt"))
    connection.groups.get_all()
    return connection


def is_part(thing: Any) -> bool:
    """Whether *thing* is an object of ours, or of what is under it."""
    return type(thing).__module__.partition(".")[0] in {"teamwire_sync", "requests", "urllib3"}


def reachable(thing: Any) -> Iterator[Any]:
    """*thing* and all that it leads to, down to what conceals the Secret."""
    seen: set[int] = set()
    kept = [thing]
    for one in kept:
        if id(one) in seen or isinstance(one, (type, Secret)):
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, dict):
            kept += [*one, *one.values()]
        elif isinstance(one, (list, tuple, set, frozenset)):
            kept += one
        elif is_part(one):
            kept += fields_of(one).values()


def beside(connection: Connection) -> Iterator[Any]:
    """What a program or a request has for a while, and the connection does not keep."""
    yield connection.events()
    yield connection.chats.at("t1").get_messages()[0]
    with LocalFile.of(AttachmentType.FILE, io.BytesIO(b"some"), "x.txt").opened() as source:
        yield UploadBody(source)
    yield DownloadBody(Target(io.BytesIO()), 4)
    yield Canceller()


class TestConnection:
    @pytest.mark.filterwarnings("ignore:User.org_name")  # to look at each attribute warns of it
    # Nobody but this test pickles the cache's counters.
    @pytest.mark.filterwarnings("ignore:Pickle, copy, and deepcopy support will be removed")
    @no_leaks
    def test_nothing_that_it_leads_to_shows_the_secret(
        self, secret: str, server: NastyServer
    ) -> Iterator[str]:
        with connected(server, secret) as connection:
            everything = list(reachable([worked(connection), *beside(connection)]))
            yield from leaks([(f"a {type(one).__name__}", repr(one)) for one in everything], secret)
            for one in everything:
                if is_part(one) and type(one).__name__ not in BARE:
                    yield from leaks(shown_of(one), secret)
        missing = {"BasicAuth", "_Header"} - {type(one).__name__ for one in everything}
        yield from (f"no {name} was reached" for name in missing)

    @no_leaks
    def test_what_it_gives_shows_no_secret(self, secret: str, server: NastyServer) -> list[str]:
        with connected(server, secret) as connection:
            chats = worked(connection).chats.get_subscriptions()
            me = connection.check()
            given = (chats[0], chats[0].users, me, connection.chats.cache_info())
            shown = [(f"pickle of {type(one).__name__}", as_pickle(one)) for one in given]
            shown += [(f"repr of {type(one).__name__}", repr(one)) for one in (chats, *given)]
            shown += [
                (f"asdict of {type(one).__name__}", repr(attrs.asdict(one)))
                for one in (chats[0], me, ONCE)
            ]
            return leaks([*shown, ("HTML", chats._repr_html_())], secret)

    @pytest.mark.parametrize("take", [pickle.dumps, copy.deepcopy], ids=["pickle", "deepcopy"])
    def test_what_holds_the_secret_says_that_it_is_not_copied(
        self, take: Callable[[Any], Any], server: NastyServer
    ) -> None:
        with connected(server, PLAIN) as connection:
            things = reachable([connection, *beside(connection)])
            of_type = {type(one).__name__: one for one in things}
            for name in (
                "Connection", "HttpTransport", "HttpClient", "OwnSession", "BasicAuth", "Redactor",
                "ChatActions", "EventStream",
            ):  # fmt: skip
                # On its way to the Secret pickle may meet a lock first, and refuse that.
                with pytest.raises(TypeError, match=r"can't be pickled or copied|cannot pickle '_"):
                    take(of_type[name])

    @no_leaks
    def test_the_server_gets_it_whole(self, secret: str, server: NastyServer) -> Iterator[str]:
        """Else none of these tests would mean anything."""
        with connected(server, secret) as connection:
            connection.check()
        if f"Authorization: {header_of(secret)}\r\n" not in server.heads[-1]:
            yield str(server.heads[-1])


class TestCredentials:
    @no_leaks
    def test_they_show_no_secret(self, secret: str) -> list[str]:
        found = find_credentials(APP_ID, secret, URL)
        fields = [(take.__name__, str(take(found))) for take in (attrs.asdict, attrs.astuple)]
        return leaks([*shown_of(found), *fields], secret)

    @pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
    def test_what_conceals_the_secret_is_not_copied(self, take: Callable[[Any], Any]) -> None:
        with pytest.raises(
            TypeError, match=r"^an object that holds a Secret can't be pickled or copied$"
        ):
            take(Secret(PLAIN))

    def test_what_is_concealed_twice_is_concealed_once(self) -> None:
        assert Secret(Secret(PLAIN)).reveal() == PLAIN

    def test_what_is_concealed_is_equal_to_itself_and_as_a_key(self) -> None:
        assert {Secret(PLAIN): 1} == {Secret(PLAIN): 1}
        assert Secret(PLAIN) != Secret("other")


def request_of(secret: str) -> requests.PreparedRequest:
    auth = BasicAuth(APP_ID, Secret(secret.strip()))
    return requests.Request("GET", URL, auth=auth).prepare()


class TestRequest:
    @no_leaks
    def test_a_log_of_its_headers_shows_no_secret(self, secret: str) -> list[str]:
        one = request_of(secret)
        shown = {
            "headers": f"{one.headers} {one.headers!r}",
            "a dict of the headers": str(dict(one.headers)),
            "items": f"{list(one.headers.items())}",
            "vars": repr(vars(one)),
            "percent r": "%r" % (one.headers["Authorization"],),  # noqa: UP031
            "pickle": readable(pickle.dumps(one)),
            "a copy": repr(vars(one.copy())),
            "a deep copy": repr(vars(copy.deepcopy(one))),
        }
        return leaks(shown.items(), secret)

    @pytest.mark.parametrize(
        "take",
        [requests.PreparedRequest.copy, copy.copy],
        ids=["its own", "copy"],
    )
    def test_a_copy_can_be_sent(self, take: Callable[[Any], requests.PreparedRequest]) -> None:
        assert take(request_of(PLAIN)).headers["Authorization"] == header_of(PLAIN)

    def test_a_deep_copy_as_a_cassette_has_it_is_as_json_without_the_secret(self) -> None:
        headers = copy.deepcopy(request_of(PLAIN)).headers

        assert json.dumps(dict(headers)) == '{"Authorization": "***"}'


class TestAnswer:
    @no_leaks
    def test_what_came_back_is_in_no_repr(self, secret: str) -> list[str]:
        raw = RawResponse(400, {"X": secret}, secret, secret.encode())
        response = Response(OPERATIONS["get_me"], raw, True, {}, str, "")
        return leaks([("it", f"{response} {raw}")], secret)


@pytest.mark.usefixtures("no_pauses")
class TestLogs:
    @pytest.fixture
    def leaks_in_log(self, caplog: pytest.LogCaptureFixture) -> Callable[..., list[str]]:
        """What is wrong with the log, which has *wanted* and is empty then."""

        def found(secret: str, *wanted: str) -> list[str]:
            shown = [("the log", caplog.text)]
            for record in caplog.records:
                shown += [(f"message of {record.name}", record.getMessage())]
                shown += [(f"record of {record.name}", repr(vars(record)))]
            missing = [f"there is no {text!r}" for text in wanted if text not in caplog.text]
            caplog.clear()
            return missing + leaks(shown, secret)

        for name in ("", "teamwire_sync", "requests", "urllib3"):
            caplog.set_level(logging.DEBUG, name)
        return found

    @no_leaks
    def test_they_show_no_secret(
        self, secret: str, server: NastyServer, leaks_in_log: Callable[..., list[str]]
    ) -> list[str]:
        with connected(server, secret, config=ConnectionConfig(retries=1)) as connection:
            worked(connection)
            for name in ("status 503", "no status line"):
                quote(server, secret, ECHOES[name], times=2)
                with pytest.raises(TWError):
                    connection.check()
        return leaks_in_log(secret, " teamwire_sync", " urllib3")

    @no_leaks
    def test_of_listening_they_show_none(
        self, secret: str, server: NastyServer, leaks_in_log: Callable[..., list[str]]
    ) -> list[str]:
        quote(server, secret, ECHOES["status 503"], times=2)
        quote(server, secret, ECHOES["status 401"])
        with connected(server, secret) as connection, pytest.raises(TWError):
            next(connection.events(since="c1"))
        return leaks_in_log(secret, "listening is interrupted")

    @no_leaks
    def test_of_an_error_with_its_traceback_they_show_none(
        self, secret: str, server: NastyServer, leaks_in_log: Callable[..., list[str]]
    ) -> list[str]:
        quote(server, secret, ECHOES["status 401"])
        with connected(server, secret) as connection:
            try:
                connection.check()
            except TWError:
                logging.getLogger("a.program").exception("it failed")
        return leaks_in_log(secret, "TWAuthError")

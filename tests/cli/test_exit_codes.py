"""The exit codes, and what stands on stderr with them."""

from __future__ import annotations

import io
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import exceptions
from teamwire_sync._cli import main
from teamwire_sync._cli.errors import (
    AUTH,
    INTERRUPTED,
    NETWORK,
    NOT_FOUND,
    SERVER,
    UNKNOWN,
    USAGE,
    exit_code,
    exit_on_error,
)
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER, PRIVATE_CIRCLE
from tests.support.alarms import alarm, needs_signals
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox
    from tests.cli.conftest import Cli

KINDS = {
    "TWAmbiguousTitleError": NOT_FOUND,
    "TWAuthError": AUTH,
    "TWClosedError": SERVER,
    "TWConfigError": USAGE,
    "TWConnectionError": NETWORK,
    "TWDeliveryUnknownError": UNKNOWN,
    "TWError": SERVER,
    "TWImageLoadError": NOT_FOUND,
    "TWInvalidMembersError": NOT_FOUND,
    "TWNotFoundError": NOT_FOUND,
    "TWProtocolError": SERVER,
    "TWRateLimitError": SERVER,
    "TWRequestError": USAGE,
    "TWServerError": SERVER,
    "TWTimeoutError": NETWORK,
    "TWUnsupportedError": USAGE,
}


def test_each_error_of_the_client_has_a_code() -> None:
    assert {
        name: exit_code(getattr(exceptions, name)("text")) for name in exceptions.__all__
    } == KINDS


@needs_signals
def test_the_exception_of_a_signal_handler_has_no_code() -> None:
    error = TimeoutError("own")
    with alarm(error) as ring, pytest.raises(TimeoutError, match="own"), exit_on_error():
        ring()


NO_CHAT = (
    "there is no chat with the thread ID 'nowhere', or the bot is not in it; did you mean --title?"
)
FAILURES = [
    ("chats show nowhere", NOT_FOUND, NO_CHAT),
    ("chats show --title nothing", NOT_FOUND, "no chat has the title 'nothing'"),
    ("chats show --title test", NOT_FOUND, "2 chats have the title 'test'"),
    ("chats find nothing-like-it", NOT_FOUND, "no chat has 'nothing-like-it' in its title"),
    ("users find nobody-like-that", NOT_FOUND, "no user has 'nobody-like-that' in the name"),
    ("messages nowhere", NOT_FOUND, NO_CHAT),
    ("post nowhere hello", NOT_FOUND, NO_CHAT),
    ("chats rename nowhere new", NOT_FOUND, NO_CHAT),
    ("download nowhere m1", NOT_FOUND, NO_CHAT),
    ("listen --tid nowhere --for 1", NOT_FOUND, NO_CHAT),
    ("listen --title nothing --for 1", NOT_FOUND, "no chat has the title 'nothing'"),
    ("groups find nothing-like-it", NOT_FOUND, "no group has 'nothing-like-it' in its title"),
    ("users show nobody", NOT_FOUND, "no user has the ID or the name 'nobody'"),
    ("post --user nobody hello", NOT_FOUND, "no user has the ID or the name 'nobody'"),
    (f"chats members {KNOWN_CHAT} --add nobody", NOT_FOUND, "nobody"),
    ("chats create --user nobody", NOT_FOUND, "nobody"),
    (f"chats create --user {KNOWN_USER} --group {PRIVATE_CIRCLE}", AUTH, "403"),
    (f"download {KNOWN_CHAT} nothing", NOT_FOUND, "the chat has no message 'nothing'"),
    ("listen --since nothing --for 1", USAGE, "422"),
    ("--url http://127.0.0.1:1 --timeout 30 check", NETWORK, "can't reach 127.0.0.1:1"),
    ("--url http://example.org check", USAGE, "url must be https"),
]


@pytest.mark.usefixtures("no_pauses")
def test_what_goes_wrong_has_a_code_and_a_text(cli: Cli) -> None:
    wrong = []
    for command, code, said in FAILURES:
        done = cli(*command.split())
        is_said = done.err.startswith("Error: ") and said in done.err
        if (done.code, done.out, is_said) != (code, "", True):
            wrong.append((command, done.code, done.out, done.err))
    assert wrong == []


# What a proxy sends.
FOREIGN = {"headers": {"Teamwire-Bot-Contract": None}}


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"status": 401}, AUTH),
        ({"status": 403}, AUTH),
        ({"status": 404}, NOT_FOUND),
        ({"status": 404, **FOREIGN}, SERVER),
        ({"status": 407, **FOREIGN}, USAGE),
        ({"status": 409}, USAGE),
        ({"status": 503, "retry_after": 0}, SERVER),
        ({"status": 429, "retry_after": 0}, SERVER),
        ({"body": "<html>hello</html>"}, SERVER),
        ({"drop": "after"}, NETWORK),
    ],
)
def test_what_the_server_answers_has_a_code(
    cli: Cli, box: Sandbox, fault: dict[str, Any], code: int
) -> None:
    box.fault("GET", "/v1/bot/me/", **fault)
    done = cli("check")

    assert (done.code, done.out) == (code, "")
    assert len(done.err.splitlines()) == 1


def test_what_the_server_does_not_support_has_a_code(cli: Cli, box: Sandbox) -> None:
    """But check counts the chats then."""
    box.fault("GET", "/v1/bot/users/", status=501)
    done = cli("users", "find", "koch")

    assert (done.code, done.out) == (USAGE, "")
    assert len(done.err.splitlines()) == 1


def test_a_write_whose_answer_is_lost_may_have_been_done(cli: Cli, box: Sandbox) -> None:
    """A server that promises nothing about doing the same twice is asked once."""
    box.fault("GET", "/v1/bot/chats/", headers={"Teamwire-Bot-Contract": None})
    box.fault("POST", "/v1/bot/chats/*/messages/", drop="after")
    title = box.add_chat("plan", users=[KNOWN_USER]).title
    done = cli("post", "--title", str(title), "hello")

    assert (done.code, done.out) == (UNKNOWN, "")


def test_a_server_that_takes_too_long_is_the_network(cli: Cli, box: Sandbox) -> None:
    with box.hold("GET", "/v1/bot/me/"):
        done = cli("--timeout", "0.2", "check")

    assert done.code == NETWORK


def test_the_candidates_of_an_ambiguous_title_are_listed(cli: Cli, box: Sandbox) -> None:
    tids = [chat.tid for chat in box.connect().chats.get_by_title("test")]
    done = cli("post", "--title", "test", "hello")

    assert done.code == NOT_FOUND
    assert [line.split()[0] for line in done.err.splitlines()[1:-1]] == tids
    assert box.count("POST", "/v1/bot/chats/*/messages/") == 0


def test_the_candidates_are_told_apart_by_their_members(cli: Cli, box: Sandbox) -> None:
    for count in (1, 2):
        users = [user.uid for user in box.connect().users.get_all()[:count]]
        box.add_chat("twice", users=users)
    done = cli("post", "--title", "twice", "hello")

    ends = [line.partition("  group, ")[2] for line in done.err.splitlines()[1:-1]]
    assert ends == ["1 user", "2 users"]


def test_close_titles_are_named(cli: Cli, box: Sandbox) -> None:
    box.add_chat("Operations", users=[KNOWN_USER])

    assert "'Operations' differs in case" in cli("post", "--title", "operations", "hi").err


def test_no_text_of_an_error_has_the_secret(cli: Cli, box: Sandbox) -> None:
    box.fault("GET", "/v1/bot/me/", status=409, body={"error": {"message": box.secret}})
    done = cli("-v", "check")

    assert done.code == USAGE
    assert box.secret not in done.err


def test_nothing_that_is_printed_has_the_secret(cli: Cli, box: Sandbox) -> None:
    for command in ("check", "chats list", f"post {KNOWN_CHAT} hello"):
        done = cli("-v", *command.split())

        assert box.secret not in done.out + done.err


@pytest.fixture
def ctrl_c(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Ctrl-C comes while the answer to a request of one of these methods is waited for."""
    methods: set[str] = set()
    sent: list[str] = []
    send, receive = HTTPConnection.putrequest, HTTPConnection.getresponse

    def putrequest(self: HTTPConnection, method: str, *args: Any, **kwargs: Any) -> None:
        sent.append(method)
        send(self, method, *args, **kwargs)

    def getresponse(self: HTTPConnection) -> Any:
        if sent[-1] in methods:
            raise KeyboardInterrupt
        return receive(self)

    monkeypatch.setattr(HTTPConnection, "putrequest", putrequest)
    monkeypatch.setattr(HTTPConnection, "getresponse", getresponse)
    return methods


READS = {
    "check": "/v1/bot/me/",
    "chats list": "/v1/bot/chats/",
    "chats show --title plan": "/v1/bot/chats/",
    f"messages {KNOWN_CHAT}": "/v1/bot/chats/*/messages/",
    "users find koch": "/v1/bot/users/",
    "groups list": "/v1/bot/groups/",
    "listen": "/v1/bot/events/",
}
WRITES = {
    f"post {KNOWN_CHAT} hello": ("POST", "/v1/bot/chats/*/messages/"),
    f"chats create --user {KNOWN_USER} --title x": ("POST", "/v1/bot/chats/"),
    f"chats rename {KNOWN_CHAT} x": ("PATCH", "/v1/bot/chats/*/"),
    f"chats members {KNOWN_CHAT} --add {KNOWN_USER}": ("PATCH", "/v1/bot/chats/*/members/"),
}


def test_ctrl_c_ends_what_waits_quietly(cli: Cli, box: Sandbox, ctrl_c: set[str]) -> None:
    ctrl_c.add("GET")
    wrong = []
    for command, path in READS.items():
        before = box.count("GET", path)
        done = cli(*command.split())
        wait_until(lambda path=path, before=before: box.count("GET", path) > before)
        if (done.code, done.out, done.err) != (INTERRUPTED, "", ""):
            wrong.append((command, done.code, done.out, done.err))
    assert wrong == []


def test_whoever_interrupts_a_write_hears_that_it_may_be_done(
    cli: Cli, box: Sandbox, ctrl_c: set[str]
) -> None:
    ctrl_c.update(("POST", "PATCH"))
    wrong = []
    for command, (method, path) in WRITES.items():
        done = cli(*command.split())
        wait_until(lambda method=method, path=path: box.count(method, path) == 1)
        said = done.err.strip().startswith(
            "Interrupted: the server may or may not have made the change."
        )
        if (done.code, done.out, said) != (INTERRUPTED, "", True):
            wrong.append((command, done.code, done.out, done.err))
    assert wrong == []


class Interrupted(io.StringIO):
    """Ctrl-C comes while it is read."""

    def read(self, size: int | None = -1) -> str:
        raise KeyboardInterrupt


def test_ctrl_c_while_stdin_is_read_has_its_own(cli: Cli) -> None:
    done = cli("post", KNOWN_CHAT, "-", stdin=Interrupted())

    assert (done.code, done.out, done.err) == (INTERRUPTED, "", "")


def test_ctrl_c_before_the_command_has_it_too(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "parse_args", interrupt)

    assert cli("check").code == INTERRUPTED

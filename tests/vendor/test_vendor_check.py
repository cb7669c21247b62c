"""teamwire-sync vendor-check: ten lines that may be passed on."""

from __future__ import annotations

import importlib
import os
import re
import signal
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

import pytest
from click.testing import CliRunner

from teamwire_sync import Connection, ConnectionConfig
from teamwire_sync._cli import main
from teamwire_sync._cli.vendor_check import Finding, VendorCheck
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from teamwire_sync._services.chats import Chats
from tests.support.sdk_double import DOUBLE, vendor_env
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.testing import Result

    from teamwire_sync.testing import Sandbox
    from tests.vendor.conftest import Vendor

LISTING = ("GET", "/v1/bot/chats/")
POSTS = "/v1/bot/chats/*/messages/"
WRITE = ("--write", "--user", KNOWN_USER)
# No title, name or text of a server should ever be printed; these would be noticed.
HOSTILE = ("Krankenakte Müller", "\x1b[2J\x1b[H", "WRONG: a line\n 3 of its own")

# The command, which never comes beyond line 3.
HELD = """
from threading import Thread
from teamwire_api.testing import knobs
from teamwire_sync._cli import main

hold = knobs.hold("get_subscriptions")

def tell():
    hold.wait_arrived()
    print("held", flush=True)

Thread(target=tell).start()
main(["vendor-check"])
"""

new = pytest.mark.parametrize("vendor", ["1.8"], indirect=True)
old = pytest.mark.parametrize("vendor", ["1.4"], indirect=True)

Spoil = Callable[["Vendor", pytest.MonkeyPatch], object]


def command(*options: str) -> Result:
    """The command, done."""
    return CliRunner().invoke(main, ["vendor-check", *options])


def findings(*, recipient: str | None = None, timeout: float = 60) -> list[Finding]:
    """All the lines."""
    connect = partial(Connection, config=ConnectionConfig(listing_timeout=timeout))
    return list(VendorCheck(connect, recipient=recipient, timeout=timeout).run())


def wrong(found: Sequence[Finding]) -> list[int]:
    """The numbers of the lines that are wrong."""
    return [finding.number for finding in found if finding.is_wrong]


def skipped(found: Sequence[Finding]) -> dict[int, str]:
    """The lines that were skipped, and why."""
    lines = ((finding.number, finding.outcome.partition("skipped: ")) for finding in found)
    return {number: why for number, (_, skip, why) in lines if skip}


def module(name: str) -> Any:
    """A module of the double."""
    return importlib.import_module(f"teamwire_api.{name}")


def gives(value: Any) -> Callable[..., Any]:
    """A coroutine function that gives *value*."""

    async def method(*_: Any, **__: Any) -> Any:
        return value

    return method


def listed(change: Callable[[list[Any]], list[Any]], *, after: int = 0) -> Spoil:
    """Lets the double list what *change* makes of its chats, after so many listings."""

    def spoil(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        real = module("chats").OldChats.get_subscriptions

        async def get_subscriptions(self: Any) -> list[Any]:
            chats = await real(self)
            return change(chats) if vendor.calls["get_subscriptions"] > after else chats

        monkeypatch.setattr(module("chats").OldChats, "get_subscriptions", get_subscriptions)

    return spoil


def fails(name: str, **options: Any) -> Spoil:
    """Lets calls of the double fail."""

    def spoil(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        vendor.faults.fail(name, module("exceptions").TWServerError("it says so"), **options)

    return spoil


def replaced(place: str, name: str, method: Any) -> Spoil:
    """Lets a class of the double have another method."""
    where, _, kind = place.partition(".")
    return lambda _, monkeypatch: monkeypatch.setattr(getattr(module(where), kind), name, method)


def of_the_first(name: str) -> Callable[..., Any]:
    """A method of the double that gives one and the same thing for whatever id."""

    async def method(self: Any, _id: str) -> Any:
        chats = await self._connection.chats.get_subscriptions()
        if name == "chats":
            return chats[0]
        return next(thing for chat in chats for thing in getattr(chat, name))

    return method


def without(*names: str) -> Callable[[list[Any]], list[Any]]:
    """Takes something off each of the chats."""

    def change(chats: list[Any]) -> list[Any]:
        for chat in chats:
            for name in names:
                setattr(chat, name, [])
        return chats

    return change


def lists_again(chats: Chats, tid: str) -> Any:
    """A look-up that does not come from memory."""
    found = [chat for chat in chats.get_subscriptions(refresh=True) if chat.tid == tid]
    return found[0]


class TestAllIsWell:
    def test_there_are_ten_lines_and_none_is_wrong(self, vendor: Vendor) -> None:
        result = command()

        numbers = [int(line[:2]) for line in result.output.splitlines()]
        assert (numbers, "WRONG" in result.output) == ([*range(1, 11)], False)

    def test_the_exit_code_is_0(self, vendor: Vendor) -> None:
        assert command().exit_code == 0

    def test_only_what_writes_is_skipped(self, vendor: Vendor) -> None:
        assert skipped(findings()) == {9: "needs --write", 10: "needs --write"}

    def test_with_write_nothing_is_skipped(self, vendor: Vendor) -> None:
        assert skipped(findings(recipient=KNOWN_USER)) == {}

    def test_the_first_line_has_the_versions(self, vendor: Vendor) -> None:
        first = findings()[0]

        assert re.fullmatch(
            rf"ok, version {vendor.version}, with teamwire_sync [\d.]+, Python [\w.+]+ on \w+",
            first.outcome,
        )

    @new
    def test_a_package_without_a_version_is_fine(
        self, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        factory = vendor.factory
        monkeypatch.delattr(vendor.package, "__version__")
        first = next(VendorCheck(Connection, factory).run())

        assert first.outcome.startswith("ok, version unknown, ")

    @old
    def test_an_attribute_that_is_missing_is_named(self, vendor: Vendor) -> None:
        assert findings()[3].outcome == "ok, without admins"

    @old
    def test_it_says_that_posts_have_no_id(self, vendor: Vendor) -> None:
        found = findings(recipient=KNOWN_USER)

        assert found[9].outcome == "ok, but the SDK does not return the message ID"

    def test_the_connection_is_left_at_the_end(self, vendor: Vendor) -> None:
        findings()

        assert vendor.faults.live == 0


class TestWriting:
    def test_nothing_is_written_without_being_told(self, vendor: Vendor, box: Sandbox) -> None:
        command()

        assert {request.method for request in box.requests} == {"GET"}

    def test_with_write_there_is_one_chat_with_one_message(
        self, vendor: Vendor, box: Sandbox
    ) -> None:
        command(*WRITE)

        written = [request.path for request in box.requests if request.method != "GET"]
        assert written[0] == LISTING[1]
        assert len(written) == 2
        assert box.count("POST", POSTS) == 1

    def test_the_chat_is_with_the_user_and_says_what_it_is_for(
        self, vendor: Vendor, box: Sandbox
    ) -> None:
        command(*WRITE)
        chat = box.connect().chats.one_by_title("teamwire-sync vendor-check")

        assert [user.uid for user in chat.users] == [KNOWN_USER]

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            (["--write"], "--write and --user UID go together"),
            (["--user", KNOWN_USER], "--write and --user UID go together"),
            (["--write", "--user", ""], "Invalid value for '--user': it is empty"),
        ],
    )
    def test_write_and_user_go_together(
        self, vendor: Vendor, box: Sandbox, options: list[str], text: str
    ) -> None:
        result = command(*options)

        assert (result.exit_code, box.requests) == (2, [])
        assert text in result.output

    @new
    def test_a_user_that_is_not_there_is_wrong_and_nothing_is_posted(
        self, vendor: Vendor, box: Sandbox
    ) -> None:
        result = command("--write", "--user", "nobody")

        assert "\n 9 chats.create_chat() makes a chat: WRONG: TWInvalidM" in result.output
        assert result.output.endswith("\n10 chat.post() posts in it: skipped: needs line 9\n")
        assert {request.method for request in box.requests} == {"GET"}


# The line that goes wrong, and what makes it so.
WRONG: dict[str, tuple[int, Spoil]] = {
    "the connection can't be made": (2, fails("init")),
    "the connection can't be opened": (2, fails("enter")),
    "no listing": (3, fails("get_subscriptions")),
    "a chat without an id": (3, listed(without("tid"))),
    "no second listing": (4, listed(lambda chats: 1 / 0, after=1)),
    "no post": (4, lambda _, patch: patch.delattr(module("chats").Chat, "post")),
    "a look-up by thread ID finds nothing": (
        5,
        lambda _, patch: patch.setattr(Chats, "get_by_thread_id", lambda *_: None),
    ),
    "a look-up by title finds nothing": (
        5,
        lambda _, patch: patch.setattr(Chats, "get_by_title", lambda *_: []),
    ),
    "a look-up lists the chats again": (
        5,
        lambda _, patch: patch.setattr(Chats, "get_by_thread_id", lists_again),
    ),
    "no look-up": (6, fails("get_by_thread_id")),
    "no chat": (6, replaced("chats.OldChats", "get_by_thread_id", gives(None))),
    "a chat for a made-up id": (
        6,
        replaced("chats.OldChats", "get_by_thread_id", of_the_first("chats")),
    ),
    "users can't be asked for": (7, fails("get_user")),
    "no user": (7, replaced("users.Users", "get_user", gives(None))),
    "a user for a made-up id": (7, replaced("users.Users", "get_user", of_the_first("users"))),
    "groups can't be asked for": (8, fails("get_group")),
    "no group": (8, replaced("groups.Groups", "get_group", gives(None))),
    "no chat is made": (9, fails("create_chat")),
    "no chat is given": (9, replaced("chats.Chats", "create_chat", gives(None))),
    "nothing is posted": (10, fails("post")),
}


@new
class TestALineIsWrong:
    @pytest.mark.parametrize("name", WRONG)
    def test_it_is_that_line(
        self, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        number, spoil = WRONG[name]
        spoil(vendor, monkeypatch)

        # Writing needs much of what comes before.
        recipient = KNOWN_USER if number > 8 else None
        assert wrong(findings(recipient=recipient)) == [number]

    def test_the_exit_code_is_1(self, vendor: Vendor) -> None:
        vendor.faults.fail("get_user", ValueError("no"))

        assert command().exit_code == 1


@new
class TestSkipped:
    def test_what_needs_the_connection_is(self, vendor: Vendor) -> None:
        vendor.faults.fail_enter(module("exceptions").TWAuthError("no"))

        assert skipped(findings(recipient=KNOWN_USER)) == {
            3: "needs line 2",
            **dict.fromkeys(range(4, 9), "needs line 3"),
            9: "needs line 2",
            10: "needs line 9",
        }

    @pytest.mark.parametrize(
        ("spoil", "numbers", "why"),
        [
            (listed(lambda chats: []), range(4, 9), "the bot is in no chat"),
            (listed(lambda chats: [], after=1), [4], "the chat is no longer listed"),
            (listed(without("users")), [7], "no chat has a user"),
            (listed(without("circles", "lists")), [8], "no chat has a circle or list"),
        ],
    )
    def test_what_a_bot_has_not_is_and_that_is_not_wrong(
        self,
        vendor: Vendor,
        monkeypatch: pytest.MonkeyPatch,
        spoil: Spoil,
        numbers: Sequence[int],
        why: str,
    ) -> None:
        spoil(vendor, monkeypatch)
        found = findings()[:8]

        assert (skipped(found), wrong(found)) == (dict.fromkeys(numbers, why), [])


@new
class TestWhatIsPrinted:
    @pytest.fixture(autouse=True)
    def _hostile(self, box: Sandbox) -> None:
        for title in HOSTILE:
            box.add_chat(title=title, users=[KNOWN_USER])

    @pytest.mark.parametrize("options", [(), WRITE])
    def test_it_has_no_title_and_no_name(
        self, vendor: Vendor, box: Sandbox, options: tuple[str, ...]
    ) -> None:
        chats = box.connect().chats.get_subscriptions()
        words = {chat.title for chat in chats if chat.title}
        words |= {group.title for chat in chats for group in chat.groups}
        words |= {user.full_name() for chat in chats for user in chat.users}
        output = command(*options).output

        assert [word for word in words if word in output] == []

    @pytest.mark.parametrize("name", ["get_subscriptions", "get_user", "create_chat", "post"])
    def test_it_has_not_the_text_of_an_error(self, vendor: Vendor, name: str) -> None:
        vendor.faults.fail(name, module("exceptions").TWServerError(f"no {HOSTILE[0]}"))
        result = command(*WRITE)

        assert "WRONG: TWServerError: " in result.output
        assert HOSTILE[0] not in result.output

    def test_it_says_what_shows_the_text_of_an_error(self, vendor: Vendor) -> None:
        vendor.faults.fail("get_user", ValueError("no"))

        assert command().output.endswith("pass --details.\n")

    def test_it_says_nothing_of_details_where_there_are_none(self, vendor: Vendor) -> None:
        assert "--details" not in command().output

    def test_details_are_the_text_of_the_error_below_its_line(self, vendor: Vendor) -> None:
        vendor.faults.fail("get_user", ValueError("the reason"))
        lines = command("--details").output.splitlines()

        assert lines[7] == "   ValueError: the reason"

    def test_details_have_no_secret(self, vendor: Vendor) -> None:
        vendor.faults.fail("get_user", ValueError("secret=topsecret"))

        assert "topsecret" not in command("--details").output


class TestOptions:
    def test_without_the_package_it_says_where_that_comes_from(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "teamwire_api", None)
        result = command(*WRITE)

        assert result.exit_code == 1
        assert result.output.startswith(" 1 teamwire_api can be imported: WRONG: TWConfigError: ")
        assert "It comes from Teamwire, not from PyPI" in result.output

    @new
    @pytest.mark.parametrize(("name", "number"), [("get_subscriptions", 3), ("get_user", 7)])
    def test_no_call_takes_longer_than_told(self, vendor: Vendor, name: str, number: int) -> None:
        vendor.faults.hold(name)
        seconds = 0.1
        while wrong(found := findings(timeout=seconds)) != [number]:
            seconds *= 4  # a machine that is too busy for the other calls gets more time
            assert seconds < PATIENCE, found

        assert "WRONG: TWTimeoutError: " in found[number - 1].outcome

    @pytest.mark.parametrize("timeout", ["0", "-1", "nan", "inf", "1e99"])
    def test_a_timeout_that_is_none_is_refused(
        self, vendor: Vendor, box: Sandbox, timeout: str
    ) -> None:
        assert (command("--timeout", timeout).exit_code, box.requests) == (2, [])

    @pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
    def test_ctrl_c_ends_it(self, box: Sandbox) -> None:
        environment = {**os.environ, **box.env, **vendor_env(box), "PYTHONPATH": str(DOUBLE)}
        with subprocess.Popen(
            [sys.executable, "-c", HELD],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        ) as process:
            try:
                assert process.stdout is not None
                assert "held\n" in iter(process.stdout.readline, "")
                process.send_signal(signal.SIGINT)
                output, errors = process.communicate(timeout=PATIENCE)
            finally:
                process.kill()

        assert (process.returncode, output, errors) == (130, "", "")


def test_the_chat_of_the_world_is_one_of_many(box: Sandbox) -> None:
    """What is not printed above is there to be printed."""
    titles = [chat.title for chat in box.connect().chats.get_subscriptions()]

    assert box.connect().chats.get_by_thread_id(KNOWN_CHAT) is not None
    assert len(set(titles)) > 50

"""``teamwire-sync sandbox say``: another user talks to the bot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from teamwire_sync._cli.errors import NETWORK, NOT_FOUND, USAGE
from teamwire_sync._sandbox import SAY_PATH
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER, PUBLIC_CIRCLE

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync import Message, User
    from teamwire_sync.testing import Sandbox
    from tests.cli.conftest import Cli

SAY = ("sandbox", "say")


@pytest.fixture
def people(box: Sandbox) -> list[User]:
    """The members of the chat "Ops"; they have different names."""
    users = {user.full_name(): user for user in box.connect().users.get_all() if not user.is_bot}
    people = list(users.values())[:3]
    box.add_chat("Ops", users=people)
    return people


def newest(box: Sandbox, title: str = "Ops") -> Message:
    return box.connect().chats.one_by_title(title).get_messages(1)[0]


def test_the_bot_hears_it(cli: Cli, box: Sandbox, people: list[User]) -> None:
    events = box.connect().events(timeout=10)
    done = cli(*SAY, "--title", "Ops", "follow", "up")
    message = next(events).message  # type: ignore[attr-defined]

    assert (done.code, done.lines) == (0, [message.mid])
    assert (message.msg, message.from_user) == ("follow up", people[0])


def test_a_chat_can_be_named_by_its_thread_id(cli: Cli, box: Sandbox) -> None:
    done = cli(*SAY, KNOWN_CHAT, "hello")

    assert done.lines == [box.connect().chats.at(KNOWN_CHAT).get_messages(1)[0].mid]


def test_a_member_is_chosen_by_a_part_of_the_name(
    cli: Cli, box: Sandbox, people: list[User]
) -> None:
    name = people[1].full_name().upper()
    assert cli(*SAY, "--title", "Ops", "--as", name, "hello").code == 0

    assert newest(box).from_user == people[1]


def test_a_member_is_chosen_by_the_user_id(cli: Cli, box: Sandbox, people: list[User]) -> None:
    assert cli(*SAY, "--title", "Ops", "--as", people[2].uid, "hello").code == 0

    assert newest(box).from_user == people[2]


def test_a_member_through_a_circle_can_speak(cli: Cli, box: Sandbox) -> None:
    box.add_chat("Ward", users=[KNOWN_USER], groups=[PUBLIC_CIRCLE])
    circle = box.connect().groups.get_group(PUBLIC_CIRCLE)
    assert circle is not None
    nurse = next(user for user in circle.members if user.uid != KNOWN_USER)
    assert cli(*SAY, "--title", "Ward", "--as", nurse.uid, "hello").code == 0

    assert newest(box, "Ward").from_user == nurse


def test_a_name_of_several_members_lists_them(cli: Cli, box: Sandbox, people: list[User]) -> None:
    letter = min(set.intersection(*(set(user.full_name().lower()) - {" "} for user in people)))
    done = cli(*SAY, "--title", "Ops", "--as", letter, "hello")

    assert (done.code, done.out) == (NOT_FOUND, "")
    assert done.err.splitlines()[1:] == [f"  {user.uid}  {user.full_name()}" for user in people]


def test_a_name_of_nobody_lists_the_members(cli: Cli, people: list[User]) -> None:
    done = cli(*SAY, "--title", "Ops", "--as", "zzzz", "hello")

    assert (done.code, done.out) == (NOT_FOUND, "")
    assert done.err.startswith("Error: no member of the chat has 'zzzz' in the name.")
    assert done.err.splitlines()[1:] == [f"  {user.uid}  {user.full_name()}" for user in people]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((KNOWN_CHAT,), USAGE),
        (("--title", "test"), USAGE),
        (("missing", "hello"), NOT_FOUND),
        (("--title", "missing", "hello"), NOT_FOUND),
        (("--title", "test", "hello"), NOT_FOUND),
        ((KNOWN_CHAT, ""), USAGE),
        ((KNOWN_CHAT, "\udcff"), USAGE),
        (("--title", "test", "--as", " ", "hello"), USAGE),
    ],
)
def test_nothing_is_said_by_mistake(
    cli: Cli, box: Sandbox, arguments: tuple[str, ...], code: int
) -> None:
    assert cli(*SAY, *arguments).code == code
    assert box.count("POST", SAY_PATH) == 0


def test_a_real_server_gets_no_request(
    cli: Cli, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAMWIRE_URL", "https://teamwire.invalid")
    done = cli(*SAY, KNOWN_CHAT, "hello")

    assert done.code == USAGE
    assert "the settings do not lead to a sandbox on this machine" in done.err
    assert box.requests == []


def test_without_settings_it_says_what_to_run(bare_cli: Cli) -> None:
    done = bare_cli(*SAY, KNOWN_CHAT, "hello")

    assert done.code == USAGE
    assert 'run "teamwire-sync sandbox"' in done.err


def test_another_local_server_is_not_a_sandbox(cli: Cli, box: Sandbox) -> None:
    box.fault("POST", SAY_PATH, status=404)
    done = cli(*SAY, KNOWN_CHAT, "hello")

    assert done.code == USAGE
    assert "the settings do not lead to a sandbox on this machine" in done.err


def test_a_refusal_is_shown(cli: Cli, box: Sandbox) -> None:
    box.fault("POST", SAY_PATH, status=403, body={"error": {"message": "not from here"}})
    done = cli(*SAY, KNOWN_CHAT, "hello")

    assert (done.code, done.err) == (USAGE, "Error: not from here\n")


@pytest.mark.usefixtures("no_pauses")
def test_a_sandbox_that_does_not_run_is_a_network_error(cli: Cli, box: Sandbox) -> None:
    box.close()

    assert cli(*SAY, KNOWN_CHAT, "hello").code == NETWORK


def test_the_chats_are_those_of_this_sandbox(
    cli: Cli, box: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The store may have those of an earlier sandbox with the same port and credentials."""
    monkeypatch.setenv("TEAMWIRE_STORE", f"file:{tmp_path}")
    cli("chats", "list")
    box.add_chat("Ops", users=[KNOWN_USER])

    assert cli(*SAY, "--title", "Ops", "hello").code == 0
    assert box.count("GET", "/v1/bot/chats/") == 2


def test_options_of_the_sandbox_do_not_choose_another_one(cli: Cli, box: Sandbox) -> None:
    done = cli("sandbox", "--port", "9", "say", KNOWN_CHAT, "hello")

    assert (done.code, box.requests) == (USAGE, [])
    assert "teamwire-sync --url URL sandbox say" in done.err


def test_no_proxy_is_used(cli: Cli, box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert cli(*SAY, KNOWN_CHAT, "hello").code == 0
    assert box.count("POST", SAY_PATH) == 1

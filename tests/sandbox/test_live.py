"""A world that moves by itself, and one that does not."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from teamwire_sync._sandbox.controls.live import LiveActivity
from teamwire_sync._sandbox.world.messages import Messages
from teamwire_sync.testing import sandbox
from tests.support.sandbox_api import EVENTS, MESSAGES, Api

KINDS = {
    "chat_created",
    "chat_joined",
    "chat_left",
    "chat_title_changed",
    "message_deleted",
    "message_read",
    "new_message",
}


def happened(api: Api, count: int) -> list[dict[str, Any]]:
    """So many of the events that come by themselves."""
    events: list[dict[str, Any]] = []
    cursor = api.now()
    while len(events) < count:
        answer = api.get(EVENTS, params={"cursor": cursor, "wait": 10}).json()
        cursor = answer["cursor"]
        assert answer["events"], "nothing happens"
        events += answer["events"]
    return events


def test_people_do_all_kinds_of_things() -> None:
    """They post, read, delete, rename, join, leave and create."""
    with sandbox(chats=20, live=0.0005) as box, Api(box) as api:
        assert {event["type"] for event in happened(api, 400)} == KINDS


def test_people_send_files_places_and_alerts() -> None:
    """Some messages are more than a text."""
    with sandbox(chats=20, live=0.0005) as box, Api(box) as api:
        messages = [each["message"] for each in happened(api, 400) if "message" in each]
    kinds = {attachment["type"] for message in messages for attachment in message["attachments"]}
    assert kinds == {"file", "location"}
    assert any(message["is_alert"] for message in messages)


def test_people_talk_to_the_bot_of_the_examples() -> None:
    with sandbox(chats=20, live=0.0005) as box, Api(box) as api:
        said = {each["message"]["message"] for each in happened(api, 400) if "message" in each}
    assert {"hello", "messages", "follow up"} <= said


def test_a_bot_that_watches_one_of_the_first_chats_has_work_soon() -> None:
    with sandbox(chats=200, live=0.0005) as box, Api(box) as api:
        first = {chat["tid"] for chat in api.chats()[:10]}
        events = happened(api, 400)
    assert sum(event["tid"] in first for event in events) > len(events) / 3


def test_people_do_not_delete_what_the_bot_says() -> None:
    with sandbox(chats=5, live=0.0005) as box, Api(box) as api:
        said = [api.post(MESSAGES, json={"message": "reply"}).json()["message"] for _ in range(10)]
        assert "message_deleted" in {event["type"] for event in happened(api, 400)}
        every = api.get(MESSAGES, params={"limit": 200}).json()["messages"]
    deleted = {message["mid"] for message in every if message["deleted"]}
    assert deleted.isdisjoint(message["mid"] for message in said)


def test_people_are_not_the_bot() -> None:
    """Nothing of it is the bot's own doing."""
    with sandbox(chats=20, live=0.0005) as box, Api(box) as api:
        assert not any(event["is_own"] for event in happened(api, 200))


@pytest.mark.parametrize("live", [True, 0.0005, 600])
def test_end_ends_the_movement(live: bool | float) -> None:
    """The thread is gone when the sandbox is closed, whatever it waited for."""
    before = set(threading.enumerate())
    with sandbox(chats=5, live=live):
        assert "teamwire-live" in {thread.name for thread in threading.enumerate()}
    assert set(threading.enumerate()) == before


def test_stop_waits_for_the_thread() -> None:
    """The thread is not only told to end: it has ended."""
    with sandbox(chats=5) as box:
        for _ in range(20):
            LiveActivity(box._world, box, 600, 0).stop()
            assert "teamwire-live" not in {thread.name for thread in threading.enumerate()}


def test_world_stands_still_unless_told() -> None:
    """Without being told nobody does anything."""
    with sandbox(chats=5):
        assert "teamwire-live" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("chats", [0, 1])
def test_small_world_moves_without_failing(chats: int, caplog: pytest.LogCaptureFixture) -> None:
    """Where there is nothing to do, nothing goes wrong."""
    with sandbox(chats=chats, live=0.0001) as box, Api(box) as api:
        for _ in range(50):
            api.get("/v1/bot/me/")
        if chats:
            happened(api, 50)
    assert caplog.records == []


def test_movement_survives_a_client_that_leaves_chats(caplog: pytest.LogCaptureFixture) -> None:
    """That chats vanish under their hands does not stop the people."""
    with sandbox(chats=20, live=0.0005) as box, Api(box) as api:
        for chat in api.chats()[:15]:
            api.delete(f"/v1/bot/chats/{chat['tid']}/members/me/")
        happened(api, 20)
    assert caplog.records == []


def test_movement_survives_a_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug in what people do is logged, and they go on."""
    with sandbox(chats=20, live=0.0005) as box, Api(box) as api:
        monkeypatch.setattr(Messages, "add", None)
        happened(api, 50)
    assert "TypeError" in caplog.text

"""Events: what is told of which change, and waiting for it."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests

from teamwire_sync._sandbox.world import events
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER, PRIVATE_CIRCLE, SECOND_LIST
from teamwire_sync.testing import Sandbox, sandbox
from tests.support.sandbox_api import CHATS, EVENTS, MESSAGES, Api, error
from tests.support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# Seconds that a poll waits: longer than its answer is waited for here.
LONG = 2 * PATIENCE


def poll(api: Api, **query: Any) -> dict[str, Any]:
    """The answer to a request for events."""
    document: dict[str, Any] = api.get(EVENTS, params=query).json()
    return document


def poll_alone(box: Sandbox, **query: Any) -> dict[str, Any]:
    """The same on a connection of its own."""
    with Api(box) as api:
        return poll(api, **query)


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    """Threads for requests that wait."""
    with ThreadPoolExecutor(100) as pool:
        yield pool


@pytest.fixture
def only_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits looks for an event when it is woken, and not once a second besides."""
    monkeypatch.setattr(events, "_LONGEST_SLEEP", LONG)


def test_first_request_gets_the_cursor_of_now(api: Api) -> None:
    """Without a cursor there are no events, although some have happened."""
    api.box.post_message(KNOWN_CHAT, "x")
    answer = poll(api, wait=LONG)
    del answer["cursor"]
    assert answer == {"events": [], "chats": [], "users": [], "groups": []}


def test_answer_without_events_keeps_the_cursor(api: Api) -> None:
    """Where nothing has happened the place stays."""
    now = api.now()
    assert poll(api, cursor=now)["cursor"] == now


def test_events_come_in_their_order(api: Api) -> None:
    """The oldest comes first."""
    now = api.now()
    posted = [api.box.post_message(KNOWN_CHAT, str(number)) for number in range(3)]
    assert [event["message"]["mid"] for event in api.since(now)] == posted


def test_each_event_has_its_cursor(api: Api) -> None:
    """One can go on after any event."""
    now = api.now()
    for number in range(3):
        api.box.post_message(KNOWN_CHAT, str(number))
    second = poll(api, cursor=now)["events"][1]["cursor"]
    assert [event["message"]["message"] for event in api.since(second)] == ["2"]


def test_last_cursor_is_the_answers(api: Api) -> None:
    """The answer's cursor is that of its last event."""
    now = api.now()
    for number in range(3):
        api.box.post_message(KNOWN_CHAT, str(number))
    answer = poll(api, cursor=now, limit=2)
    assert answer["cursor"] == answer["events"][1]["cursor"]


def test_events_come_in_pages_of_a_hundred(api: Api) -> None:
    """A larger limit counts as a hundred, and so does none."""
    now = api.now()
    for number in range(101):
        api.box.post_message(KNOWN_CHAT, str(number))
    sizes = [len(poll(api, cursor=now, **limit)["events"]) for limit in ({}, {"limit": 500})]
    assert sizes == [100, 100]


def test_no_event_is_missed_or_twice_while_others_post(api: Api) -> None:
    """Following the cursor gives what happened, in its order."""
    cursor = api.now()

    def chatter() -> None:
        for number in range(200):
            api.box.post_message(KNOWN_CHAT, str(number))

    poster = threading.Thread(target=chatter)
    poster.start()
    seen: list[str] = []
    while len(seen) < 200:
        answer = poll(api, cursor=cursor, wait=10, limit=7)
        cursor = answer["cursor"]
        seen += [event["message"]["message"] for event in answer["events"]]
    poster.join()
    assert seen == [str(number) for number in range(200)]


def test_event_has_the_clocks_time(api: Api) -> None:
    """Timestamps follow the sandbox's clock, in milliseconds."""
    api.box.advance(3600)
    now, before = api.now(), int(api.box.clock() * 1000)
    api.box.rename_chat(KNOWN_CHAT, "x")
    (event,) = poll(api, cursor=now)["events"]
    assert before <= event["timestamp"] <= int(api.box.clock() * 1000)


def test_post_is_told(api: Api) -> None:
    """The bot's own message is an event, with the message."""
    now = api.now()
    message = api.post(MESSAGES, json={"message": "x"}).json()["message"]
    assert api.since(now) == [
        {
            "type": "new_message",
            "tid": KNOWN_CHAT,
            "is_own": True,
            "editor_id": api.box.bot_uid,
            "message": message,
        }
    ]


def test_message_is_told_as_it_is_now(api: Api) -> None:
    """Who comes late sees what became of the message."""
    now = api.now()
    mid = api.box.post_message(KNOWN_CHAT, "x")
    api.box.delete_message(KNOWN_CHAT, mid)
    assert api.since(now)[0]["message"]["deleted"] is True


def test_creation_comes_before_the_first_message(api: Api) -> None:
    """A new chat is told with its title, and then its message."""
    now = api.now()
    tid = api.create(title="new", user_ids=[KNOWN_USER], message="x").json()["chat"]["tid"]
    created, posted = api.since(now)
    assert created == {
        "type": "chat_created",
        "tid": tid,
        "is_own": True,
        "editor_id": api.box.bot_uid,
        "title": "new",
    }
    assert posted["type"] == "new_message"


def test_reused_one_to_one_is_not_created(api: Api) -> None:
    """Finding a chat is no event."""
    now = api.now()
    api.create(user_ids=[KNOWN_USER])
    assert api.since(now) == []


def test_refused_write_is_not_told(api: Api) -> None:
    """What did not happen is no event, although its first half did."""
    tid = api.box.add_chat("closed", users=[KNOWN_USER], is_closed=True).tid
    uid = api.get("/v1/bot/groups/45529/").json()["user_ids"][0]
    api.box.add_chat(users=[uid], is_closed=True)
    now = api.now()
    api.create(user_ids=[uid], message="x")
    api.post(f"{CHATS}{tid}/messages/", json={"message": "x"})
    assert api.since(now) == []


def test_chats_come_as_they_are_now(api: Api) -> None:
    """Each chat that events are about comes once."""
    now = api.now()
    for title in ("one", "two"):
        api.box.rename_chat(KNOWN_CHAT, title)
    assert [chat["title"] for chat in poll(api, cursor=now)["chats"]] == ["two"]


def test_chat_that_is_gone_comes_as_it_was(api: Api) -> None:
    """Of a chat that the bot is no longer in comes what it knew last."""
    now = api.now()
    api.box.rename_chat(KNOWN_CHAT, "last")
    api.box.remove_chat(KNOWN_CHAT)
    assert [chat["title"] for chat in poll(api, cursor=now)["chats"]] == ["last"]


def test_everybody_who_is_named_is_described(api: Api) -> None:
    """Users and groups that events, messages and chats name come once, owners too."""
    tid = api.box.add_chat("x", users=[KNOWN_USER], groups=[PRIVATE_CIRCLE, SECOND_LIST]).tid
    leaver = api.get(f"/v1/bot/groups/{PRIVATE_CIRCLE}/").json()["user_ids"][0]
    api.box.add_members(tid, [leaver])
    now = api.now()
    api.box.remove_members(tid, [leaver], [PRIVATE_CIRCLE])
    answer = poll(api, cursor=now)
    owner = next(group["owner_id"] for group in answer["groups"] if group["gid"] == SECOND_LIST)
    assert sorted(user["uid"] for user in answer["users"]) == sorted({KNOWN_USER, leaver, owner})
    assert [group["gid"] for group in answer["groups"]] == [SECOND_LIST, PRIVATE_CIRCLE]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "x"},
        {"wait": "-1"},
        {"wait": "x"},
        {"wait": "nan"},
        {"wait": "inf"},
        {"wait": ""},
    ],
)
def test_senseless_parameter_is_refused(api: Api, query: dict[str, str]) -> None:
    """Limit and wait are numbers."""
    assert error(api.get(EVENTS, params=query)) == (422, "invalid_request")


def test_cursor_of_another_list_is_refused(api: Api) -> None:
    """Each list has its own cursors."""
    cursor = api.get(CHATS, params={"limit": 1}).json()["next_cursor"]
    assert error(api.get(EVENTS, params={"cursor": cursor})) == (422, "invalid_cursor")


def test_cursor_of_another_world_is_refused(api: Api) -> None:
    """A cursor is good for the server that gave it."""
    with sandbox(chats=1) as other, Api(other) as session:
        cursor = session.now()
    assert error(api.get(EVENTS, params={"cursor": cursor})) == (422, "invalid_cursor")


def test_cursor_from_the_future_is_refused(tmp_path: Path) -> None:
    """A place that no event has reached is no cursor, as when an older file is put back."""
    path, older = tmp_path / "world.db", tmp_path / "older.db"
    with sandbox(chats=1, path=path):
        pass
    shutil.copy(path, older)
    with sandbox(path=path) as box, Api(box) as api:
        box.add_chat("x")
        cursor = api.now()
    with sandbox(path=older) as box, Api(box) as api:
        assert error(api.get(EVENTS, params={"cursor": cursor})) == (422, "invalid_cursor")


def test_event_that_is_there_is_not_waited_for(api: Api) -> None:
    """A wait ends before it begins where something has happened."""
    now = api.now()
    api.box.rename_chat(KNOWN_CHAT, "x")
    assert len(poll(api, cursor=now, wait=LONG)["events"]) == 1


def test_wait_ends_without_an_event(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer comes when the time is over, and not before, however the clocks are set."""
    slept: list[float] = []

    def sleep(seconds: float) -> bool:
        slept.append(seconds)
        return len(slept) == 2  # woken, although there is no event

    monkeypatch.setattr(api.box._world.events._arrival, "wait", sleep)
    assert poll(api, cursor=api.now(), wait=2.5)["events"] == []
    assert slept == [1, 1, 1, 0.5]


@pytest.mark.parametrize("by", ["the bot", "others"])
@pytest.mark.usefixtures("only_woken")
def test_event_ends_the_wait(api: Api, background: ThreadPoolExecutor, by: str) -> None:
    """Whoever does something wakes who waits, at once."""
    waiting = background.submit(poll_alone, api.box, cursor=api.now(), wait=LONG)
    wait_until(lambda: api.box.waiting == 1)
    if by == "others":
        api.box.post_message(KNOWN_CHAT, "x")
    else:
        api.post(MESSAGES, json={"message": "x"})
    assert len(waiting.result(PATIENCE)["events"]) == 1


def test_event_of_another_process_ends_the_wait(
    tmp_path: Path, background: ThreadPoolExecutor
) -> None:
    """Who shares the file is noticed within a second or two."""
    path = tmp_path / "world.db"
    with sandbox(chats=1, path=path) as one, sandbox(path=path) as other, Api(one) as api:
        waiting = background.submit(poll_alone, one, cursor=api.now(), wait=LONG)
        wait_until(lambda: one.waiting == 1)
        other.post_message(KNOWN_CHAT, "x")
        assert len(waiting.result(PATIENCE)["events"]) == 1
    assert events._LONGEST_SLEEP <= 2


def test_refusal_does_not_end_the_wait(api: Api, background: ThreadPoolExecutor) -> None:
    """What makes no event wakes nobody for good."""
    waiting = background.submit(poll_alone, api.box, cursor=api.now(), wait=LONG)
    wait_until(lambda: api.box.waiting == 1)
    api.post(MESSAGES, json={"message": "x", "reply_to": "nope"})
    api.create(title="x", user_ids=["nobody"])
    assert not waiting.done()
    api.box.close()
    assert waiting.result(PATIENCE)["events"] == []


def test_hundred_can_wait_beside_the_usual_traffic(
    teamwire_sandbox: Sandbox, background: ThreadPoolExecutor
) -> None:
    """A hundred waiting requests leave the sandbox alive, and one event ends them all."""
    with Api(teamwire_sandbox) as api:
        now = api.now()
        waiting = [
            background.submit(poll_alone, teamwire_sandbox, cursor=now, wait=LONG)
            for _ in range(100)
        ]
        wait_until(lambda: teamwire_sandbox.waiting == 100)
        for _ in range(20):
            assert api.get(CHATS).status_code == 200
        api.post(MESSAGES, json={"message": "x"})
        assert {len(each.result(PATIENCE)["events"]) for each in waiting} == {1}


@pytest.mark.usefixtures("only_woken")
def test_end_ends_the_wait(background: ThreadPoolExecutor) -> None:
    """Who waits when the sandbox closes gets an answer at once."""
    box = Sandbox(chats=1)
    with Api(box) as api:
        waiting = background.submit(poll_alone, box, cursor=api.now(), wait=LONG)
        wait_until(lambda: box.waiting == 1)
        background.submit(box.close).result(PATIENCE)
    assert waiting.result(PATIENCE)["events"] == []


def test_fault_takes_a_poll_at_once(api: Api) -> None:
    """A poll with a fault's status does not wait."""
    now = api.now()
    api.box.fault("GET", EVENTS, status=503)
    assert api.get(EVENTS, params={"cursor": now, "wait": LONG}).status_code == 503


def test_poll_can_be_dropped_after_its_wait(api: Api, background: ThreadPoolExecutor) -> None:
    """A dropped poll loses no event: it is there for the next one."""
    now = api.now()
    api.box.fault("GET", EVENTS, drop="after", times=1)
    waiting = background.submit(poll_alone, api.box, cursor=now, wait=LONG)
    wait_until(lambda: api.box.waiting == 1)
    api.box.rename_chat(KNOWN_CHAT, "x")
    assert isinstance(waiting.exception(PATIENCE), requests.ConnectionError)
    assert len(api.since(now)) == 1


def test_poll_can_be_held(api: Api, background: ThreadPoolExecutor) -> None:
    """A held poll has its answer, and what happens meanwhile is for the next one."""
    now = api.now()
    with api.box.hold("GET", EVENTS) as held:
        answer = background.submit(poll_alone, api.box, cursor=now)
        held.wait_arrived(timeout=PATIENCE)
        api.box.rename_chat(KNOWN_CHAT, "x")
    assert answer.result(PATIENCE)["events"] == []


def test_world_in_a_file_keeps_its_events(tmp_path: Path) -> None:
    """A cursor is good for the world, not for the process."""
    path = tmp_path / "world.db"
    with sandbox(chats=1, path=path) as box, Api(box) as api:
        now = api.now()
        box.rename_chat(KNOWN_CHAT, "x")
    with sandbox(path=path) as box, Api(box) as api:
        assert [event["type"] for event in api.since(now)] == ["chat_title_changed"]

"""What a test can do to the sandbox's answers, and what it sees of the requests."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest
import requests

from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from teamwire_sync.testing import ServedRequest, sandbox
from tests.support.sandbox_api import CHATS, Api
from tests.support.tables import unlike
from tests.support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.testing import Sandbox

ME = "/v1/bot/me/"
NEW = {"title": "new", "user_ids": [KNOWN_USER]}


def statuses(api: Api, count: int, path: str = ME) -> list[int]:
    return [api.get(path).status_code for _ in range(count)]


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    """Threads for requests that wait."""
    with ThreadPoolExecutor(40) as pool:
        yield pool


def test_status_is_the_contracts_error(api: Api) -> None:
    """A fault with a status answers as the contract says."""
    api.box.fault("GET", ME, status=503)
    answer = api.get(ME)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "service_unavailable")


def test_fault_ends_after_its_times(api: Api) -> None:
    """A fault befalls so many requests."""
    api.box.fault("GET", ME, status=500, times=2)
    assert statuses(api, 3) == [500, 500, 200]


def test_fault_counts_its_hits(api: Api) -> None:
    """A fault knows how many requests it has befallen."""
    fault = api.box.fault("GET", ME, status=500, times=2)
    statuses(api, 3)
    assert fault.hits == 2


def test_faults_of_one_path_take_turns(api: Api) -> None:
    """The oldest fault goes first."""
    api.box.fault("GET", ME, status=503, times=1)
    api.box.fault("GET", ME, status=500, times=1)
    assert statuses(api, 3) == [503, 500, 200]


def test_faults_of_different_effect_add_up(api: Api) -> None:
    """A lag does not keep a status waiting, nor the other way round."""
    lagging = api.box.fault("GET", CHATS, lag=30)
    api.box.fault("GET", CHATS, status=503, times=1)
    assert (statuses(api, 2, CHATS), lagging.hits) == ([503, 200], 2)


def test_cleared_fault_is_over(api: Api) -> None:
    """A fault can be ended."""
    fault = api.box.fault("GET", ME, status=500)
    api.get(ME)
    fault.clear()
    assert statuses(api, 1) == [200]


def test_cleared_faults_are_over(api: Api) -> None:
    """All faults can be ended at once."""
    api.box.fault("GET", ME, status=500)
    api.box.fault("GET", ME, drop="before")
    api.box.clear_faults()
    assert statuses(api, 1) == [200]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/bot/users/*/", 500),
        ("GET", "/v1/*/*/*/", 500),
        ("POST", "/v1/bot/users/*/", 200),
        ("GET", "/v1/bot/users/*", 200),
        ("GET", "/v1/bot/users/*/*", 200),
        ("GET", "/v1/bot/*/", 200),
        ("GET", "/v1/bot/users/*/*/", 200),
        ("GET", "/v1/bot/groups/*/", 200),
    ],
)
def test_star_is_one_segment(api: Api, method: str, path: str, status: int) -> None:
    """A '*' stands for any segment of the path, and for one only."""
    api.box.fault(method, path, status=500)
    assert statuses(api, 1, f"/v1/bot/users/{KNOWN_USER}/") == [status]


@pytest.mark.parametrize("retry_after", [1, "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_retry_after_is_a_header(api: Api, retry_after: float | str) -> None:
    """Seconds and dates go out as they are."""
    api.box.fault("GET", ME, status=429, retry_after=retry_after)
    assert api.get(ME).headers["Retry-After"] == str(retry_after)


@pytest.mark.parametrize(
    ("body", "sent", "media_type"),
    [
        ("<h1>503</h1>", b"<h1>503</h1>", "text/html; charset=utf-8"),
        ([], b"[]", "application/json"),
        (b"\xff", b"\xff", "application/octet-stream"),
    ],
)
def test_body_replaces_the_answers(api: Api, body: Any, sent: bytes, media_type: str) -> None:
    """A fault's body goes out in place of the answer's, as what it is."""
    api.box.fault("GET", ME, body=body)
    answer = api.get(ME)
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (
        200,
        sent,
        media_type,
    )


def test_headers_are_added_replaced_and_removed(api: Api) -> None:
    """A fault's headers win over the answer's; None removes one."""
    headers = {"X-New": "1", "Content-Type": "text/plain", "Teamwire-Bot-Contract": None}
    api.box.fault("GET", ME, headers=headers)
    answer = api.get(ME).headers
    assert {name: answer.get(name) for name in headers} == headers


def test_status_means_that_the_work_is_not_done(api: Api) -> None:
    """A write that is answered with a fault's status has not happened."""
    before = len(api.chats())
    api.box.fault("POST", CHATS, status=503)
    api.post(CHATS, json=NEW)
    assert len(api.chats()) == before


@pytest.mark.parametrize(("drop", "more"), [("before", 0), ("after", 1)])
def test_drop_is_before_or_after_the_work(api: Api, drop: str, more: int) -> None:
    """A dropped write has happened or not, as told."""
    before = len(api.chats())
    api.box.fault("POST", CHATS, drop=drop, times=1)
    with pytest.raises(requests.ConnectionError):
        api.post(CHATS, json=NEW)
    assert len(api.chats()) == before + more


def test_drop_sends_no_byte(api: Api) -> None:
    """A dropped connection ends cleanly, before the first byte of an answer."""
    api.box.fault("GET", ME, drop="after")
    with pytest.raises(requests.ConnectionError, match="closed connection without response"):
        api.get(ME)


def test_delay_keeps_the_answer(api: Api) -> None:
    """A delayed write is done, and its answer does not come while the delay lasts."""
    api.box.fault("POST", CHATS, delay=600)
    before = len(api.chats())
    with pytest.raises(requests.ReadTimeout):
        api.post(CHATS, json=NEW, timeout=(PATIENCE, 0.2))
    wait_until(lambda: len(api.chats()) == before + 1)


def test_delayed_answer_comes(api: Api) -> None:
    """A delay ends, and not before its time."""
    api.box.fault("GET", ME, delay=0.2)
    started = time.monotonic()
    assert statuses(api, 1) == [200]
    assert time.monotonic() - started >= 0.2


def fates(seed: int, chance: float, disturb: str | None = None) -> list[bool]:
    """Which of two hundred requests a fault befalls."""
    with sandbox(chats=1, seed=seed) as box, Api(box) as api:
        box.fault("GET", ME, status=503, chance=chance)
        if disturb is not None:
            box.fault("GET", disturb, status=500, chance=0.5)
        found = []
        for _ in range(200):
            found.append(api.get(ME).status_code == 503)
            if disturb is not None:
                api.get(disturb)
        return found


def test_chance_befalls_about_so_many() -> None:
    """A fault with a chance befalls some requests and spares the others."""
    assert 40 <= sum(fates(7, 0.3)) <= 80


def test_chance_is_decided_by_the_seed() -> None:
    """The same requests have the same fate again, and another one with another seed."""
    assert fates(7, 0.5) == fates(7, 0.5) != fates(8, 0.5)


def test_chance_is_not_shared_with_other_paths() -> None:
    """Requests elsewhere, and faults there, change no fate here."""
    assert fates(7, 0.5) == fates(7, 0.5, disturb="/v1/bot/users/nobody/")


def test_faults_of_one_path_have_fates_of_their_own(api: Api) -> None:
    """Whom one spares, the next one may take."""
    first, second = (api.box.fault("GET", ME, status=each, chance=0.5) for each in (503, 500))
    answered = statuses(api, 100)
    assert {503, 500, 200} == set(answered)
    assert (first.hits, second.hits) == (answered.count(503), answered.count(500))


def test_times_count_whom_a_chance_befalls(api: Api) -> None:
    """Requests that are spared do not use up the times."""
    api.box.fault("GET", ME, status=503, chance=0.3, times=5)
    assert statuses(api, 100).count(503) == 5


SENSELESS: list[dict[str, Any]] = [
    {},
    {"delay": 0.0},
    {"times": 3},
    {"headers": {}},
    {"status": 199},
    {"status": 600},
    {"status": "503"},
    {"status": True},
    {"status": 500, "times": 0},
    {"drop": "never"},
    {"drop": "before", "status": 500},
    {"drop": "after", "body": ""},
    {"delay": -1},
    {"drop": "before", "cut": 0},
    {"cut": -1},
    {"cut": 1.5},
    {"cut": True},
    {"lag": -1},
    {"lag": float("nan")},
    {"status": 500, "chance": 0},
    {"status": 500, "chance": 1.1},
    {"status": 500, "chance": float("nan")},
    {"status": 500, "chance": True},
    {"status": 500, "chance": "0.3"},
    {"chance": 0.5},
]


def test_senseless_fault_is_refused(api: Api) -> None:
    """A typing error in a test is told."""
    rows = [(effects, ValueError, ".") for effects in SENSELESS]
    assert unlike(lambda effects: api.box.fault("GET", ME, **effects), rows) == []


@pytest.mark.parametrize("path", ["v1/bot/me/", "/v1/bot/chats/?limit=1", ""])
def test_senseless_path_is_refused(api: Api, path: str) -> None:
    """A path that no request can have is told."""
    with pytest.raises(ValueError, match="path"):
        api.box.fault("GET", path, status=500)


def test_body_that_json_cannot_hold_is_refused(api: Api) -> None:
    """A body fails where it is given, not in the server."""
    with pytest.raises(TypeError):
        api.box.fault("GET", ME, body=object())


def test_request_is_recorded(api: Api) -> None:
    """A record holds method, path, query and status."""
    api.get("/v1/bot/users/a%20b/?x=1&y=&x=2")
    assert api.box.requests == [
        ServedRequest("GET", "/v1/bot/users/a b/", {"x": "2", "y": ""}, 404)
    ]


def test_dropped_request_is_recorded_without_status(api: Api) -> None:
    """A dropped request was seen, and had no answer."""
    api.box.fault("GET", ME, drop="before")
    with pytest.raises(requests.ConnectionError):
        api.get(ME)
    assert [request.status for request in api.box.requests] == [None]


def test_records_are_a_copy(api: Api) -> None:
    """A list of records does not grow under its reader."""
    before = api.box.requests
    api.get(ME)
    assert before == []


def test_requests_are_counted_by_method_and_path(api: Api) -> None:
    """A count is of one method, and '*' is any segment."""
    api.get(f"/v1/bot/users/{KNOWN_USER}/")
    api.get("/v1/bot/users/nobody/")
    api.delete("/v1/bot/users/nobody/")
    assert api.box.count("GET", "/v1/bot/users/*/") == 2


def test_record_is_there_when_the_answer_is(
    teamwire_sandbox: Sandbox, background: ThreadPoolExecutor
) -> None:
    """Who has its answer finds its record, however many ask."""
    box = teamwire_sandbox

    def ask(number: int) -> bool:
        with Api(box) as session:
            session.get(f"/v1/bot/users/{number}/")
        return box.count("GET", f"/v1/bot/users/{number}/") == 1

    assert all(background.map(ask, range(200)))


def test_held_answer_waits(api: Api, background: ThreadPoolExecutor) -> None:
    """A held request has arrived and been recorded, but has no answer until it is released."""
    with api.box.hold("GET", ME) as held:
        answer = background.submit(api.get, ME)
        held.wait_arrived(timeout=PATIENCE)
        assert (api.box.count("GET", ME), answer.done()) == (1, False)
        held.release()
        assert answer.result(PATIENCE).status_code == 200


def test_held_write_has_happened(api: Api, background: ThreadPoolExecutor) -> None:
    """The work is done before the answer waits."""
    before = len(api.chats())
    with api.box.hold("POST", CHATS) as held, Api(api.box) as other:
        background.submit(other.post, CHATS, json=NEW)
        held.wait_arrived(timeout=PATIENCE)
        assert len(api.chats()) == before + 1


def test_leaving_the_block_releases(api: Api, background: ThreadPoolExecutor) -> None:
    """A hold ends with its block."""
    with api.box.hold("GET", ME) as held:
        answer = background.submit(api.get, ME)
        held.wait_arrived(timeout=PATIENCE)
    assert answer.result(PATIENCE).status_code == 200


def test_released_hold_holds_no_others(api: Api) -> None:
    """After the release answers go at once."""
    with api.box.hold("GET", ME) as held:
        held.release()
        assert api.get(ME).status_code == 200


def test_other_paths_are_not_held(api: Api) -> None:
    """A hold is for its path only."""
    with api.box.hold("GET", CHATS):
        assert api.get(ME).status_code == 200


def test_arrival_that_does_not_come_is_an_error(api: Api) -> None:
    """Waiting for a request that nobody sends ends with what was missed."""
    with api.box.hold("GET", ME) as held, pytest.raises(TimeoutError, match=r"0 of 1 .*GET"):
        held.wait_arrived(timeout=0.01)


def test_many_requests_can_be_held(
    teamwire_sandbox: Sandbox, background: ThreadPoolExecutor
) -> None:
    """Dozens of held requests leave the sandbox alive."""
    with teamwire_sandbox.hold("GET", ME) as held, Api(teamwire_sandbox) as session:
        answers = [background.submit(_get_once, teamwire_sandbox) for _ in range(40)]
        held.wait_arrived(40, timeout=PATIENCE)
        assert session.get(CHATS).status_code == 200
    assert {answer.result(PATIENCE) for answer in answers} == {200}


def _get_once(box: Sandbox) -> int:
    with Api(box) as session:
        return session.get(ME).status_code


def test_dropped_answer_can_be_held(api: Api, background: ThreadPoolExecutor) -> None:
    """A request can wait before its connection ends."""
    api.box.fault("GET", ME, drop="after")
    with api.box.hold("GET", ME) as held:
        answer = background.submit(api.get, ME)
        held.wait_arrived(timeout=PATIENCE)
        assert not answer.done()
    assert isinstance(answer.exception(PATIENCE), requests.ConnectionError)


def test_clock_begins_with_the_real_one(api: Api) -> None:
    """Until it is put forward, it tells the time."""
    earliest = time.time()
    # To a second: somebody may set the machine's clock right meanwhile.
    assert earliest - 1 <= api.box.clock() <= time.time() + 1


def test_clock_is_put_forward(api: Api) -> None:
    """The sandbox's clock runs with the real one, and ahead when told."""
    api.box.advance(3600)
    # To a second: somebody may set the machine's clock right meanwhile.
    earliest = time.time() + 3600
    assert earliest - 1 <= api.box.clock() <= time.time() + 3601


@pytest.mark.parametrize("also", [(), ("monotonic",)], ids=["time-machine", "freezegun"])
def test_clock_follows_tools_that_move_time(
    api: Api, monkeypatch: pytest.MonkeyPatch, also: tuple[str, ...]
) -> None:
    """One of them also gives the monotonic clock the seconds since 1970."""
    may_2031 = 1_935_817_689.0
    with monkeypatch.context() as patch:
        for name in ("time", *also):
            patch.setattr(time, name, lambda: may_2031)
        mid = api.box.post_message(KNOWN_CHAT, "x")
        api.box.advance(60)
        later = api.box.clock()
    (message,) = api.get(f"{CHATS}{KNOWN_CHAT}/messages/", params={"limit": 1}).json()["messages"]
    assert (message["mid"], message["timestamp"]) == (mid, int(may_2031 * 1000))
    assert later == may_2031 + 60


@pytest.mark.skipif(not hasattr(time, "clock_gettime"), reason="there is no second clock")
def test_limits_of_the_server_do_not_move_with_freezegun(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It decides for each call whether to return the frozen time or the real time."""
    times = cycle([1_935_817_689.0, 5.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    for _ in range(2):
        api.get(ME)


def test_clock_is_not_put_back(api: Api) -> None:
    """Time has one direction."""
    with pytest.raises(ValueError, match="seconds must be from 0"):
        api.box.advance(-1)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), True, "1"])
def test_clock_is_put_forward_by_seconds_only(api: Api, seconds: Any) -> None:
    """A clock without a time would make every later response a 500."""
    with pytest.raises((TypeError, ValueError), match=r"^seconds must be "):
        api.box.advance(seconds)


def test_message_has_the_clocks_time(api: Api) -> None:
    """Timestamps follow the sandbox's clock."""
    api.box.advance(3600)
    before = int(api.box.clock() * 1000)
    answer = api.post(f"{CHATS}{KNOWN_CHAT}/messages/", json={"message": "hi"}).json()
    assert before <= answer["message"]["timestamp"] <= int(api.box.clock() * 1000)

"""The sandbox's manners: authentication, headers, refusals, and writes that happen once."""

from __future__ import annotations

import base64
import http.client
from contextlib import closing

import pytest
import requests

from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER, PRIVATE_CIRCLE
from tests.support.sandbox_api import CHATS, Api, error

MESSAGES = f"{CHATS}{KNOWN_CHAT}/messages/"
NEW = {"title": "new", "user_ids": [KNOWN_USER]}


def test_health_needs_no_credentials(api: Api) -> None:
    """Whether the server is up is no secret."""
    api.auth = None
    for path in ("/health", "/ready"):
        assert api.get(path).json() == {"status": "ok"}


@pytest.mark.parametrize("path", [CHATS, "/v1/bot/me/", "/v1/bot/nothing/", "/"])
def test_all_else_needs_credentials(api: Api, path: str) -> None:
    """Without credentials not even the existence of a path is told."""
    api.auth = None
    answer = api.get(path)
    assert (*error(answer), answer.headers["WWW-Authenticate"]) == (
        401,
        "unauthorized",
        'Basic realm="teamwire"',
    )


@pytest.mark.parametrize(
    "header", ["Basic", "Basic ü", "Basic /w==", "Basic eA==", "Bearer x", "Digest x=1", ""]
)
def test_garbled_credentials_are_refused(api: Api, header: str) -> None:
    """What is no App ID with a Secret lets nobody in."""
    api.auth = None
    answer = api.get("/v1/bot/me/", headers={"Authorization": header.encode()})
    assert error(answer) == (401, "unauthorized")


@pytest.mark.parametrize("wrong", [0, 1])
def test_half_right_credentials_are_refused(api: Api, wrong: int) -> None:
    """App ID and Secret must both be right."""
    credentials = [api.box.app_id, api.box.secret]
    credentials[wrong] += "x"
    answer = api.get("/v1/bot/me/", auth=(credentials[0], credentials[1]))
    assert error(answer) == (401, "unauthorized")


def test_no_answer_of_a_fault_may_be_stored(api: Api) -> None:
    """Not even its own failure is one for a cache."""
    api.box.fault("GET", CHATS, status=503)
    assert api.get(CHATS).headers["Cache-Control"] == "no-store"


def test_large_body_can_be_sent_to_its_end(api: Api) -> None:
    """A client that sends all of a large body before it reads gets its answer, and no reset."""
    credentials = base64.b64encode(f"{api.box.app_id}:{api.box.secret}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
    with closing(http.client.HTTPConnection(api.box.url.rpartition("/")[2])) as connection:
        connection.request("POST", MESSAGES, b"x" * 16 * 1024 * 1024, headers)
        assert connection.getresponse().status == 413


def test_chunked_body_is_read(api: Api) -> None:
    """A body without a length is a body too."""
    answer = api.post(
        MESSAGES,
        data=iter([b'{"message": ', b'"hi"}']),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 200


def test_chunked_large_body_is_refused(api: Api) -> None:
    """A body without a length has the same limit."""
    answer = api.post(
        MESSAGES,
        data=iter([b"x" * 1024 * 1024, b"x"]),
        headers={"Content-Type": "application/json"},
    )
    assert error(answer) == (413, "payload_too_large")


def test_repeated_write_happens_once(api: Api) -> None:
    """The same key with the same request gets the first answer again."""
    before = len(api.chats())
    first = api.create("k", **NEW)
    second = api.create("k", **NEW)
    assert (second.status_code, second.text) == (200, first.text)
    assert len(api.chats()) == before + 1


def test_only_the_repetition_says_that_it_is_one(api: Api) -> None:
    """Idempotency-Replayed is on the second answer."""
    replayed = [api.create("k", **NEW).headers.get("Idempotency-Replayed") for _ in range(2)]
    assert replayed == [None, "true"]


def test_repeated_message_is_posted_once(api: Api) -> None:
    """A message has its key too."""
    mids = {
        api.post(MESSAGES, json={"message": "hi"}, headers={"Idempotency-Key": "k"}).json()[
            "message"
        ]["mid"]
        for _ in range(2)
    }
    assert len(mids) == 1


def test_key_of_another_body_is_refused(api: Api) -> None:
    """A key stands for one request."""
    api.create("k", **NEW)
    answer = api.create("k", **{**NEW, "title": "other"})
    assert error(answer) == (422, "idempotency_mismatch")


def test_key_of_another_path_is_refused(api: Api) -> None:
    """A key stands for one path."""
    api.send_json(MESSAGES, "{}")
    body, headers = {"message": "hi"}, {"Idempotency-Key": "k"}
    api.post(MESSAGES, json=body, headers=headers)
    other = api.box.add_chat("other").tid
    answer = api.post(f"{CHATS}{other}/messages/", json=body, headers=headers)
    assert error(answer) == (422, "idempotency_mismatch")


def test_refusal_is_an_outcome(api: Api) -> None:
    """A request that the rules refused is refused again, as a repetition."""
    properties = {"title": "new", "group_ids": [PRIVATE_CIRCLE]}
    api.create("k", **properties)
    answer = api.create("k", **properties)
    assert (*error(answer), answer.headers["Idempotency-Replayed"]) == (
        403,
        "circle_not_public",
        "true",
    )


def test_failure_is_no_outcome(api: Api) -> None:
    """A request that the server could not do is done when it comes again."""
    api.box.fault("POST", CHATS, status=503, times=1)
    api.create("k", **NEW)
    answer = api.create("k", **NEW)
    assert (answer.status_code, answer.headers.get("Idempotency-Replayed")) == (200, None)


def test_lost_answer_can_be_asked_for_again(api: Api) -> None:
    """A repetition brings the answer of a write that got none."""
    before = len(api.chats())
    api.box.fault("POST", CHATS, drop="after", times=1)
    with pytest.raises(requests.ConnectionError):
        api.create("k", **NEW)
    assert api.create("k", **NEW).headers["Idempotency-Replayed"] == "true"
    assert len(api.chats()) == before + 1

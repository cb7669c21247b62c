"""The sandbox's manners: authentication, headers, refusals, and writes that happen once."""

from __future__ import annotations

import base64
import http.client
import json
from contextlib import closing
from typing import Any

import pytest
import requests

from teamwire_sync._sandbox.world.directory import Directory
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER, PRIVATE_CIRCLE
from tests.support.sandbox_api import CHATS, Api, error

MESSAGES = f"{CHATS}{KNOWN_CHAT}/messages/"
NEW = {"title": "new", "user_ids": [KNOWN_USER]}


def test_health_needs_no_credentials(api: Api) -> None:
    """Whether the server is up is no secret."""
    api.auth = None
    assert api.get("/health").json() == {"status": "ok"}


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


def test_request_id_is_echoed(api: Api) -> None:
    """A sane request id comes back."""
    sent = "a b~" * 32
    answer = api.get("/health", headers={"X-Request-ID": sent})
    assert answer.headers["X-Request-ID"] == sent


@pytest.mark.parametrize("sent", [b"", b"x" * 129, b"\xfc", b"a\tb"])
def test_odd_request_id_is_replaced(api: Api, sent: bytes) -> None:
    """A request id that is too long or not printable does not come back."""
    answer = api.get("/health", headers={"X-Request-ID": sent})
    assert len(answer.headers["X-Request-ID"]) == 32


def test_request_ids_differ(api: Api) -> None:
    """Each request without an id gets one of its own."""
    ids = {api.get("/health").headers["X-Request-ID"] for _ in range(2)}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/health", {}),
        ("GET", "/nope", {}),
        ("PUT", CHATS, {}),
        ("POST", CHATS, {}),
        ("GET", CHATS, {}),
        ("GET", CHATS, {"If-None-Match": "*"}),
        ("GET", CHATS, {"Authorization": "Basic x"}),
        ("GET", f"/v1/bot/users/{KNOWN_USER}/", {}),
        ("GET", "/v1/bot/users/nobody/", {}),
    ],
)
def test_no_answer_may_be_stored(api: Api, method: str, path: str, headers: dict[str, str]) -> None:
    """A cache in between would show it to others, or after a change."""
    answer = api.request(method, path, headers=headers)
    assert answer.headers["Cache-Control"] == "no-store"


def test_no_answer_of_a_fault_may_be_stored(api: Api) -> None:
    """Not even its own failure is one for a cache."""
    api.box.fault("GET", CHATS, status=503)
    assert api.get(CHATS).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/health"), ("GET", "/nope"), ("PUT", CHATS), ("POST", CHATS)]
)
def test_every_answer_names_the_contract(api: Api, method: str, path: str) -> None:
    """Good or bad, an answer says which contract it follows."""
    assert api.request(method, path).headers["Teamwire-Bot-Contract"] == "1"


@pytest.mark.parametrize("path", ["/v1/bot/nothing/", "/v1/bot/me", "/v1/bot//me/", "/v1/bot/me/x"])
def test_unknown_path_is_not_found(api: Api, path: str) -> None:
    """A path without its slash is none of the contract, and nothing redirects."""
    assert error(api.get(path)) == (404, "no_such_path")


def test_wrong_method_names_the_right_ones(api: Api) -> None:
    """A method that a path does not have is refused with those it has."""
    answer = api.delete(CHATS)
    assert (*error(answer), answer.headers["Allow"]) == (
        405,
        "method_not_allowed",
        "GET, HEAD, POST",
    )


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff{}",
        b'{"message": NaN}',
        b"[" * 100_000,
        '{"message": "ü"}'.encode("utf-16"),
    ],
)
def test_malformed_json_is_a_bad_request(api: Api, text: bytes) -> None:
    """What is not JSON in UTF-8 is refused as such."""
    assert error(api.send_json(MESSAGES, text)) == (400, "bad_request")


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-json", "multipart/x"])
def test_other_media_type_is_refused(api: Api, media_type: str | None) -> None:
    """A body must say that it is JSON."""
    headers = {} if media_type is None else {"Content-Type": media_type}
    answer = api.post(MESSAGES, data=b'{"message": "hi"}', headers=headers)
    assert error(answer) == (415, "unsupported_media_type")


def test_media_type_may_have_parameters(api: Api) -> None:
    """A charset beside the media type does no harm."""
    headers = {"Content-Type": "application/json; charset=utf-8"}
    answer = api.post(MESSAGES, data=b'{"message": "hi"}', headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("body", [[], "x", 1, None])
def test_body_must_be_an_object(api: Api, body: Any) -> None:
    """Other JSON is refused."""
    assert error(api.send_json(CHATS, json.dumps(body))) == (422, "invalid_request")


WRONG = [
    ("title", 1),
    ("title", "x" * 256),
    ("title", "\ud800"),
    ("message", []),
    ("message", "x" * 20_001),
    ("user_ids", None),
    ("user_ids", "rVRCfuQEtkgnZBZEgbHVji"),
    ("user_ids", [1]),
    ("user_ids", ["\udfff"]),
    ("group_ids", {}),
    ("group_ids", [None]),
    ("allow_sending", None),
    ("allow_mute_notifications", "true"),
    ("is_alert", 1),
    ("is_closed", True),
    ("\ud800", True),
]


def test_wrong_property_is_named(api: Api) -> None:
    """A refusal says which property is wrong or unknown."""
    missed = []
    for name, value in WRONG:
        answer = api.post(CHATS, json={**NEW, name: value})
        is_refused = error(answer) == (422, "invalid_request")
        if not is_refused or ascii(name).strip("'") not in answer.json()["error"]["message"]:
            missed.append((name, value, answer.text))
    assert missed == []


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"message": None}, {"message": ""}, {"message": 1}, {"attachments": []}),
        {"message": "", "attachments": []},
    ],
)
def test_message_must_have_text(api: Api, body: Any) -> None:
    """There is no message without text and attachments. The schema does not say so."""
    assert error(api.post(MESSAGES, json=body)) == (422, "invalid_request")


def test_longest_texts_are_accepted(api: Api) -> None:
    """The limits count characters, and include their last."""
    body = {**NEW, "title": "🚒" * 255, "message": "🚒" * 20_000}
    assert api.post(CHATS, json=body).status_code == 200


def test_large_body_is_refused(api: Api) -> None:
    """A body beyond 1 MiB is not read as one."""
    answer = api.send_json(MESSAGES, b"x" * (1024 * 1024 + 1))
    assert error(answer) == (413, "payload_too_large")


def test_large_body_can_be_sent_to_its_end(api: Api) -> None:
    """A client that sends all of a large body before it reads gets its answer, and no reset."""
    credentials = base64.b64encode(f"{api.box.app_id}:{api.box.secret}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
    with closing(http.client.HTTPConnection(api.box.url.rpartition("/")[2])) as connection:
        connection.request("POST", MESSAGES, b"x" * 16 * 1024 * 1024, headers)
        assert connection.getresponse().status == 413


def test_largest_body_is_read(api: Api) -> None:
    """A body of 1 MiB is not too large."""
    text = b'{"message": "hi"}'.ljust(1024 * 1024)
    assert api.send_json(MESSAGES, text).status_code == 200


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


@pytest.mark.parametrize("key", [b"", b"k" * 256, b"\xfc"])
def test_odd_key_is_refused(api: Api, key: bytes) -> None:
    """A key is 1 to 255 printable ASCII characters."""
    answer = api.post(CHATS, json=NEW, headers={"Idempotency-Key": key})
    assert error(answer) == (422, "invalid_request")


def test_longest_key_is_accepted(api: Api) -> None:
    """A key of 255 characters is good."""
    assert api.create("~" * 255, **NEW).status_code == 200


def test_server_failure_is_an_error_of_the_contract(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug in the sandbox answers 500 in JSON, and is logged."""
    monkeypatch.setattr(Directory, "user", None)
    assert error(api.get("/v1/bot/me/")) == (500, "internal_error")
    assert "TypeError" in caplog.text

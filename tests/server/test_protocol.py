"""The manners of the application: headers, refusals and what a request may contain."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.server.small_backend import error, refused

if TYPE_CHECKING:
    from tests.server.small_backend import Room

CHATS = "/v1/bot/chats/"
MESSAGES = f"{CHATS}t/messages/"
NEW = {"title": "new", "user_ids": ["u"]}


def test_request_id_is_echoed(room: Room) -> None:
    """A sane request id comes back."""
    sent = "a b~" * 32
    answer = room.get("/health", headers={"X-Request-ID": sent})
    assert answer.headers["X-Request-ID"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "\xfc", "a\tb"])
def test_odd_request_id_is_replaced(room: Room, sent: str) -> None:
    """A request id that is too long or not printable does not come back."""
    answer = room.get("/health", headers={"X-Request-ID": sent})
    assert len(answer.headers["X-Request-ID"]) == 32


def test_request_ids_differ(room: Room) -> None:
    """Each request without an id gets one of its own."""
    ids = {room.get("/health").headers["X-Request-ID"] for _ in range(2)}
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
        ("GET", "/v1/bot/users/u/", {}),
    ],
)
def test_no_answer_may_be_stored(
    room: Room, method: str, path: str, headers: dict[str, str]
) -> None:
    """A cache in between would show it to others, or after a change."""
    answer = room.open(method, path, headers=headers)
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/health"), ("GET", "/nope"), ("PUT", CHATS), ("POST", CHATS)]
)
def test_every_answer_names_the_contract(room: Room, method: str, path: str) -> None:
    """Good or bad, an answer says which contract it follows."""
    assert room.open(method, path).headers["Teamwire-Bot-Contract"] == "1"


@pytest.mark.parametrize("path", ["/v1/bot/nothing/", "/v1/bot/me", "/v1/bot//me/", "/v1/bot/me/x"])
def test_unknown_path_is_not_found(room: Room, path: str) -> None:
    """A path without its slash is not in the contract, and the server does not redirect it."""
    assert error(room.get(path)) == (404, "no_such_path")


def test_wrong_method_names_the_right_ones(room: Room) -> None:
    """A method that a path does not have is refused with those it has."""
    answer = room.open("DELETE", CHATS)
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
def test_malformed_json_is_a_bad_request(room: Room, text: bytes) -> None:
    """A body that is not JSON in UTF-8 has a code of its own."""
    assert error(room.send_json(MESSAGES, text)) == (400, "bad_request")


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-json", "multipart/x"])
def test_other_media_type_is_refused(room: Room, media_type: str | None) -> None:
    """A body must say that it is JSON."""
    headers = {} if media_type is None else {"Content-Type": media_type}
    answer = room.open("POST", MESSAGES, data=b'{"message": "hi"}', headers=headers)
    assert error(answer) == (415, "unsupported_media_type")


def test_media_type_may_have_parameters(room: Room) -> None:
    """A charset beside the media type does no harm."""
    headers = {"Content-Type": "application/json; charset=utf-8"}
    answer = room.open("POST", MESSAGES, data=b'{"message": "hi"}', headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("body", [[], "x", 1, None])
def test_body_must_be_an_object(room: Room, body: Any) -> None:
    """Other JSON is refused."""
    assert error(room.send_json(CHATS, json.dumps(body))) == (422, "invalid_request")


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


def test_wrong_property_is_named(room: Room) -> None:
    """A refusal says which property is wrong or unknown."""
    missed = []
    for name, value in WRONG:
        answer = room.open("POST", CHATS, json={**NEW, name: value})
        is_refused = error(answer) == (422, "invalid_request")
        if not is_refused or ascii(name).strip("'") not in answer.text:
            missed.append((name, value, answer.text))
    assert missed == []


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"message": None}, {"message": ""}, {"message": 1}, {"attachments": []}),
        {"message": "", "attachments": []},
    ],
)
def test_message_must_have_text(room: Room, body: Any) -> None:
    """There is no message without text and attachments. The schema does not say so."""
    assert error(room.open("POST", MESSAGES, json=body)) == (422, "invalid_request")


def test_longest_texts_are_accepted(room: Room) -> None:
    """The limits count characters, and include their last."""
    body = {**NEW, "title": "🚒" * 255, "message": "🚒" * 20_000}
    assert room.open("POST", CHATS, json=body).status_code == 200


def test_large_body_is_refused(room: Room) -> None:
    """A body beyond 1 MiB is not read as one."""
    answer = room.send_json(MESSAGES, b"x" * (1024 * 1024 + 1))
    assert error(answer) == (413, "payload_too_large")


def test_largest_body_is_read(room: Room) -> None:
    """A body of 1 MiB is not too large."""
    text = b'{"message": "hi"}'.ljust(1024 * 1024)
    assert room.send_json(MESSAGES, text).status_code == 200


@pytest.mark.parametrize("key", ["", "k" * 256, "\xfc"])
def test_odd_key_is_refused(room: Room, key: str) -> None:
    """A key is 1 to 255 printable ASCII characters."""
    answer = room.open("POST", CHATS, json=NEW, headers={"Idempotency-Key": key})
    assert error(answer) == (422, "invalid_request")


def test_longest_key_is_accepted(room: Room) -> None:
    """A key of 255 characters is good."""
    headers = {"Idempotency-Key": "~" * 255}
    assert room.open("POST", CHATS, json=NEW, headers=headers).status_code == 200


def test_server_failure_is_an_error_of_the_contract(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug in a backend answers 500 in JSON, and is logged under the server's name."""
    room.backend.refusal = TypeError("a bug")
    answer = room.get("/v1/bot/me/")
    assert error(answer) == (500, "internal_error")
    assert "the room failed" in answer.text
    assert "TypeError" in caplog.text


def test_refusal_may_not_be_stored(room: Room) -> None:
    """What is missing now may be there later."""
    room.backend.refusal = refused("not_found")
    answer = room.get("/v1/bot/users/nobody/")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (404, "no-store")

"""The sandbox's own route, by which a command lets another user post."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._http.contract import OPERATIONS
from teamwire_sync._sandbox import SAY_PATH
from teamwire_sync._sandbox.controls.door import OTHER_USERS_KEY, sandbox_app
from teamwire_sync._sandbox.world.backend import WorldBackend
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from teamwire_sync._server.backend import BACKEND_KEY
from tests.support.sandbox_api import Api, error

if TYPE_CHECKING:
    import requests

    from teamwire_sync.testing import Sandbox

SAID = {"tid": KNOWN_CHAT, "text": "hello"}


def say(api: Api, **fields: str | None) -> requests.Response:
    return api.post(SAY_PATH, data={**SAID, **fields})


def test_the_bot_receives_what_another_user_says(api: Api) -> None:
    cursor = api.now()
    mid = say(api).text
    (event,) = api.since(cursor)

    assert (
        event["type"],
        event["message"]["mid"],
        event["message"]["message"],
        event["is_own"],
    ) == (
        "new_message",
        mid,
        "hello",
        False,
    )


def test_a_member_can_be_chosen(api: Api) -> None:
    uid = api.box.connect().chats.at(KNOWN_CHAT).get_messages()[0].from_user.uid
    other = next(each for each in api.chats()[0]["user_ids"] if each != uid)
    say(api, uid=other)

    assert api.box.connect().chats.at(KNOWN_CHAT).get_messages()[0].from_user.uid == other


@pytest.mark.parametrize(
    "wrong", [{"tid": "missing"}, {"text": ""}, {"uid": "stranger"}, {"tid": None}, {"text": None}]
)
def test_what_nobody_can_say_is_refused(api: Api, wrong: dict[str, str | None]) -> None:
    assert error(say(api, **wrong)) == (422, "invalid_request")


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b'{"tid": 1}', b"tid=%ff&text=%00&uid=" + b"x" * 999]
)
@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_no_body_lets_it_fail(api: Api, body: bytes, kind: str) -> None:
    answer = api.post(SAY_PATH, data=body, headers={"Content-Type": kind})

    assert 400 <= answer.status_code < 500


def test_a_stranger_says_nothing(api: Api) -> None:
    api.auth = ("app", "secret")

    assert error(say(api)) == (401, "unauthorized")


@pytest.mark.parametrize("origin", ["https://example.org", "null", "http://127.0.0.1:8326"])
def test_a_web_page_says_nothing(api: Api, origin: str) -> None:
    """A page may know the credentials, and a browser may be led to a loopback address."""
    answer = api.post(SAY_PATH, data=SAID, headers={"Origin": origin})

    assert error(answer) == (403, "forbidden")


def test_other_machines_say_nothing(teamwire_sandbox: Sandbox) -> None:
    environ: dict[str, Any] = {
        "REMOTE_ADDR": "192.0.2.1",
        BACKEND_KEY: WorldBackend(teamwire_sandbox._world),
        OTHER_USERS_KEY: teamwire_sandbox,
    }
    credentials = (teamwire_sandbox.app_id, teamwire_sandbox.secret)
    with sandbox_app().test_client() as client:
        answer = client.post(SAY_PATH, data=SAID, auth=credentials, environ_overrides=environ)

    assert answer.status_code == 403


def test_it_is_not_in_the_contract() -> None:
    assert not SAY_PATH.startswith("/v1/bot/")
    assert SAY_PATH not in {operation.path for operation in OPERATIONS.values()}


def test_a_default_author_of_a_chat_is_a_member(api: Api) -> None:
    say(api)

    author = api.box.connect().chats.at(KNOWN_CHAT).get_messages()[0].from_user
    assert author.uid in {KNOWN_USER, *api.chats()[0]["user_ids"]}

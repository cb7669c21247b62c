"""The bot's side of a sandbox, without the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

from teamwire_sync._sandbox.world.seed import KNOWN_CHAT
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox

CHATS = "/v1/bot/chats/"
KNOWN = f"{CHATS}{KNOWN_CHAT}/"
MESSAGES = f"{KNOWN}messages/"
UPLOADS = "/v1/bot/attachments/"
CONTENTS = f"{UPLOADS}*/content/"
EVENTS = "/v1/bot/events/"


class Api(requests.Session):
    """A session with the credentials of a sandbox, for paths of its contract.

    A poll whose ``wait`` is longer than PATIENCE has no answer here that only its end would give.
    """

    def __init__(self, box: Sandbox) -> None:
        super().__init__()
        self.box = box
        self.trust_env = False
        self.auth = (box.app_id, box.secret)

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = kwargs.get("timeout") or PATIENCE
        return super().request(method, self.box.url + url, *args, **kwargs)

    def send_json(self, path: str, text: str | bytes) -> requests.Response:
        return self.post(path, data=text, headers={"Content-Type": "application/json"})

    def create(self, key: str | None = None, **properties: Any) -> requests.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.post(CHATS, json=properties, headers=headers)

    def upload(self, content: Any = b"x", name: str = "a", **headers: str) -> str:
        """Upload a content; returns its id."""
        named = {each.replace("_", "-"): value for each, value in headers.items()}
        answer = self.post(UPLOADS, params={"name": name}, data=content, headers=named)
        return str(answer.json()["attachment_id"])

    def now(self) -> str:
        """The cursor of now."""
        return str(self.get(EVENTS).json()["cursor"])

    def since(self, cursor: str) -> list[dict[str, Any]]:
        """The events after a cursor, without what each one has."""
        events: list[dict[str, Any]] = self.get(EVENTS, params={"cursor": cursor}).json()["events"]
        for event in events:
            del event["cursor"], event["timestamp"], event["revision"]
        return events

    def chats(self) -> list[dict[str, Any]]:
        """The chats on the first page, without their revisions."""
        listed: list[dict[str, Any]] = self.get(CHATS).json()["chats"]
        for chat in listed:
            del chat["revision"]
        return listed


def error(answer: requests.Response) -> tuple[int, str]:
    """The status and the code of an error answer; the code of another one is empty."""
    return answer.status_code, answer.json().get("error", {"code": ""})["code"]

"""The bot's side of a sandbox, without the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox

CHATS = "/v1/bot/chats/"


class Api(requests.Session):
    """A session with the credentials of a sandbox, for paths of its contract."""

    def __init__(self, box: Sandbox) -> None:
        super().__init__()
        self.box = box
        self.trust_env = False
        self.auth = (box.app_id, box.secret)

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        return super().request(method, self.box.url + url, *args, **kwargs)

    def send_json(self, path: str, text: str | bytes) -> requests.Response:
        return self.post(path, data=text, headers={"Content-Type": "application/json"})

    def create(self, key: str | None = None, **properties: Any) -> requests.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.post(CHATS, json=properties, headers=headers)

    def chats(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.get(CHATS).json()["chats"]
        return listed


def error(answer: requests.Response) -> tuple[int, str]:
    """The status and the code of an error answer."""
    return answer.status_code, answer.json()["error"]["code"]

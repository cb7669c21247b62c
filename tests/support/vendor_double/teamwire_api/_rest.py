"""The sandbox, over HTTP."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import requests

from teamwire_api.exceptions import (
    TWAuthError,
    TWConnectionError,
    TWException,
    TWInvalidMembersError,
    TWNotFoundError,
    TWServerError,
)

_BY_STATUS = {401: TWAuthError, 403: TWAuthError, 404: TWNotFoundError}


class Rest:
    """Requests, in threads of its own.

    Args:
        url: The sandbox.
        auth: App ID and Secret.
    """

    def __init__(self, url: str, auth: tuple[str, str]) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.auth = auth
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="teamwire_api")
        self._requests: set[Future[requests.Response]] = set()

    def send(self, method: str, path: str, *, timeout: float, **options: Any) -> requests.Response:
        """Make a request in this thread."""
        try:
            answer = self._session.request(
                method, self._url + path, timeout=timeout, allow_redirects=False, **options
            )
        except requests.RequestException as error:
            message = f"{method} {path}: {error}"
            raise TWConnectionError(message) from error
        if answer.status_code == 200:
            return answer
        raise _error(answer, f"{method} {path}")

    async def content(self, method: str, path: str, *, timeout: float, **options: Any) -> bytes:
        """The body of an answer."""
        return (await self._sent(method, path, timeout=timeout, **options)).content

    async def document(self, method: str, path: str, *, timeout: float, **options: Any) -> Any:
        """The JSON of an answer."""
        answer = await self._sent(method, path, timeout=timeout, **options)
        try:
            return answer.json()
        except ValueError as error:
            message = f"{method} {path}: {error}"
            raise TWServerError(message) from error

    async def _sent(self, method: str, path: str, **options: Any) -> requests.Response:
        request = self._pool.submit(self.send, method, path, **options)
        self._requests.add(request)
        request.add_done_callback(self._requests.discard)
        return await asyncio.wrap_future(request)

    def close(self) -> None:
        """Let go of all of it, without waiting for a request that hangs."""
        self._session.close()
        self._pool.shutdown(wait=not self._requests, cancel_futures=True)


def credentials() -> tuple[str, tuple[str, str]]:
    """URL, App ID and Secret of the environment."""
    try:
        url, *auth = (os.environ[f"DOUBLE_{name}"] for name in ("URL", "APP_ID", "SECRET"))
    except KeyError as error:
        message = f"{error.args[0]} is not set"
        raise ValueError(message) from None
    return url, (auth[0], auth[1])


def _error(answer: requests.Response, what: str) -> TWException:
    try:
        error = answer.json()["error"]
        code, text = error["code"], error["message"]
    except (ValueError, LookupError, TypeError):
        code, text = "", answer.reason
    kind = _BY_STATUS.get(answer.status_code, TWServerError)
    if answer.status_code == 422 and code == "invalid_members":
        kind = TWInvalidMembersError
    return kind(f"{what}: {answer.status_code} {code} {text}")

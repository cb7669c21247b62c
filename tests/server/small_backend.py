"""A backend that is no world, and its application in this process, without a web server."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Response

from teamwire_sync._server.app import create_app
from teamwire_sync._server.backend import BACKEND_KEY, Answer
from teamwire_sync._server.errors import RefusedError, refuse
from teamwire_sync._server.idempotency import require_same_request
from teamwire_sync._server.middleware import label, receive_body

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from teamwire_sync._server.backend import Backend, WriteRequest

FLOOR, SHOWN = 7, 9
"""The revision before each operation, and the one of what is read or written."""

REVISION = "Teamwire-Revision"


@frozen
class FixedListing:
    calls: list[tuple[Any, ...]]
    etag: str = '"e"'
    revision: int | None = SHOWN

    def page(self, limit: int, cursor: str | None, since: int | None) -> str:
        self.calls.append(("page", limit, cursor, since))
        return '{"chats":[]}'


class SmallBackend:
    """It knows what it was asked, and answers each with the same.

    Attributes:
        calls: The operations and their arguments.
        uploaded: The contents of the uploads.
        answer: The answer to all but the list of chats.
        refusal: An error in its place.
        floor: The revision of answers without one.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.uploaded: list[bytes | None] = []
        self.answer = Answer('{"fixed":true}', SHOWN)
        self.refusal: Exception | None = None
        self.floor: int | None = FLOOR
        self._outcomes: dict[str, tuple[str, Answer]] = {}

    def _called(self, *call: Any) -> Answer:
        self.calls.append(call)
        if self.refusal is not None:
            raise self.refusal
        return self.answer

    def ready(self) -> None:
        if self.refusal is not None:
            raise self.refusal

    def admit(self, authorization: str | None, address: str, operation: str | None) -> None:
        if authorization != "Basic good" or address != "127.0.0.1":
            refuse("who is there?", "unauthorized")

    def revision(self) -> int | None:
        return self.floor

    @contextmanager
    def listing(self, *, is_fresh: bool, is_continued: bool) -> Iterator[FixedListing]:
        self._called("listing", is_fresh)
        yield FixedListing(self.calls)

    def get_me(self) -> Answer:
        return self._called("get_me")

    def list_messages(self, tid: str, limit: int, before: str | None) -> Answer:
        return self._called("list_messages", tid, limit, before)

    def download_attachment(self, aid: str) -> Answer:
        return self._called("download_attachment", aid)

    def list_users(self, part: str, limit: int, cursor: str | None) -> Answer:
        return self._called("list_users", part, limit, cursor)

    def get_user(self, uid: str) -> Answer:
        return self._called("get_user", uid)

    def get_avatar(self, uid: str) -> Answer:
        return self._called("get_avatar", uid)

    def list_groups(self, limit: int, cursor: str | None) -> Answer:
        return self._called("list_groups", limit, cursor)

    def get_group(self, gid: str) -> Answer:
        return self._called("get_group", gid)

    def list_events(self, cursor: str | None, wait: float, limit: int) -> Answer:
        return self._called("list_events", cursor, wait, limit)

    def perform(self, write: WriteRequest, key: str | None, fingerprint: str) -> Answer:
        if key in self._outcomes:
            known, answer = self._outcomes[key]
            require_same_request(known, fingerprint)
            return evolve(answer, is_replay=True)
        args = list(write.args)
        if write.operation == "upload_attachment":
            self.uploaded.append(args.pop().open().read())
        answer = self._called(write.operation, *args)
        if key is not None:
            self._outcomes[key] = fingerprint, answer
        return answer


class Room:
    """The application with a small backend, in this process, and a client of it."""

    def __init__(self) -> None:
        self.backend = SmallBackend()
        self._app = create_app("room")
        self._client = Client(self._serve)

    def _serve(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        backend: Backend = self.backend
        with ExitStack() as exits:
            receive_body(environ, exits)
            environ[BACKEND_KEY] = backend
            response = Response.from_app(self._app, environ)
            label(response, environ)
        return response(environ, start_response)

    def open(self, method: str, path: str, **kwargs: Any) -> TestResponse:
        """Send a request with good credentials; a header that is None is left out."""
        headers = {"Authorization": "Basic good", **kwargs.pop("headers", {})}
        kwargs["headers"] = {name: value for name, value in headers.items() if value is not None}
        base = {"REMOTE_ADDR": "127.0.0.1"}
        return self._client.open(path, method=method, environ_base=base, **kwargs)

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        return self.open("GET", path, **kwargs)

    def send_json(self, path: str, text: str | bytes) -> TestResponse:
        return self.open("POST", path, data=text, content_type="application/json")


def error(answer: TestResponse) -> tuple[int, str]:
    """The status and the code of an error answer; the code of another one is empty."""
    return answer.status_code, (answer.json or {}).get("error", {"code": ""})["code"]


def refused(code: str, revision: int | None = None) -> RefusedError:
    """A refusal with a revision of its own, or without."""
    refusal = RefusedError("no", code)
    refusal.revision = revision
    return refusal

"""The REST contract as a Flask application."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import RequestRedirect

from teamwire_sync._http.contract import IDEMPOTENCY_KEY, OPERATIONS, REVISION_HEADER
from teamwire_sync._internal.log import logger
from teamwire_sync._server.backend import (
    BACKEND_KEY,
    INCOMING_KEY,
    Answer,
    WriteRequest,
)
from teamwire_sync._server.errors import RefusedError, error_body, refusal_answer, refuse
from teamwire_sync._server.idempotency import fingerprint_of
from teamwire_sync._server.middleware import MAX_BODY, MAX_UPLOAD, SPOOL_KEY
from teamwire_sync._server.request_bodies import (
    parse_chat_draft,
    parse_chat_edit,
    parse_member_edit,
    parse_new_message,
)
from teamwire_sync._server.serializers import dump
from teamwire_sync._server.validation import (
    parse_file_name,
    parse_idempotency_key,
    parse_limit,
    parse_since,
    parse_wait,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamwire_sync._server.backend import Backend, Incoming
    from teamwire_sync._server.uploads import Spool

_MESSAGES_LIMITS = (50, 200)
_EVENTS_LIMITS = (100, 100)
# Not "not_found": a client with a wrong URL would treat each user and chat as missing.
_NO_PATH = "no_such_path"
# Operations without credentials and without a body, for the supervision of the server.
_OPEN = {"health": ("GET", "/health"), "ready": ("GET", "/ready")}
_OPEN_PATHS = {path for _, path in _OPEN.values()}


@cache
def create_app(name: str) -> Flask:
    """Return the application that serves each request's backend; cached because this is slow.

    Args:
        name: The server's name, for its log and for people who read an error.
    """
    app = Flask(f"teamwire_sync.{name}", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.url_map.merge_slashes = False
    api = _Api(name)
    app.before_request(api.admit)
    app.after_request(api.show_revision)
    for kind, answer_to in (
        (RefusedError, refusal_answer),
        (HTTPException, _http_error),
        (Exception, api.crashed),
    ):
        app.register_error_handler(kind, _responding(answer_to))
    paths = {name: (each.method, each.path) for name, each in OPERATIONS.items()}
    for operation, (method, path) in {**paths, **_OPEN}.items():
        app.add_url_rule(
            path.replace("{", "<").replace("}", ">"),
            endpoint=operation,
            view_func=_responding(getattr(api, operation)),
            methods=[method],
            provide_automatic_options=False,
        )
    return app


def _responding(view: Callable[..., Answer]) -> Callable[..., Response]:
    """Return a function that calls *view* and returns the response."""

    def respond(*args: Any, **ids: str) -> Response:
        answer = view(*args, **ids)
        if answer.revision is not None:
            g.revision = answer.revision
        replayed = {"Idempotency-Replayed": "true"} if answer.is_replay else {}
        headers = {**replayed, **answer.headers}
        return Response(answer.body, answer.status, headers, content_type=answer.content_type)

    return respond


class _Api:
    """The operations of the contract, by name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._logger = logger.getChild(name)

    @property
    def _backend(self) -> Backend:
        return cast("Backend", request.environ[BACKEND_KEY])

    def admit(self) -> None:
        """Refuse a request without valid credentials or without the path's final slash.

        The body is read only then, so that strangers can't fill the memory or the disk.
        """
        incoming: Incoming | None = request.environ.get(INCOMING_KEY)
        if incoming is not None:
            incoming.operation = request.endpoint
        if request.path in _OPEN_PATHS:
            return
        self._backend.admit(
            request.headers.get("Authorization"), request.remote_addr or "", request.endpoint
        )
        # Before the work: a refusal must not promise more than what it has seen.
        g.revision = self._backend.revision()
        if isinstance(request.routing_exception, RequestRedirect):
            refuse("every path of the contract ends with a slash", _NO_PATH)
        if incoming is not None and not incoming.receive(request.environ):
            refuse("the body of the request is incomplete, or came too slowly", "bad_request")

    @staticmethod
    def show_revision(response: Response) -> Response:
        """Set the revision that the response shows at least."""
        if g.get("revision") is not None:
            response.headers[REVISION_HEADER] = str(g.revision)
        return response

    @staticmethod
    def health() -> Answer:
        return Answer(dump({"status": "ok"}))

    def ready(self) -> Answer:
        self._backend.ready()
        return Answer(dump({"status": "ok"}))

    def get_me(self) -> Answer:
        return self._backend.get_me()

    def list_chats(self) -> Answer:
        limit = parse_limit(request.args.get("limit"))
        since = parse_since(request.args.get("since"))
        cursor = request.args.get("cursor")
        known = request.if_none_match
        # The other pages belong to the list of the first page.
        is_fresh = cursor is None and (
            "no-cache" in request.headers.get("Cache-Control", "").lower()
        )
        with self._backend.listing(is_fresh=is_fresh, is_continued=cursor is not None) as listing:
            # Also for a page that the backend refuses.
            g.revision = listing.revision
            headers = {"ETag": listing.etag}
            if cursor is None and (known.star_tag or known.contains_weak(listing.etag.strip('"'))):
                return Answer("", status=304, headers=headers)
            return Answer(listing.page(limit, cursor, since), headers=headers)

    def create_chat(self) -> Answer:
        return self._write(parse_chat_draft(_json_body()))

    def edit_chat(self, tid: str) -> Answer:
        return self._write(tid, parse_chat_edit(_json_body()))

    def edit_members(self, tid: str) -> Answer:
        return self._write(tid, parse_member_edit(_json_body(), groups=True))

    def edit_admins(self, tid: str) -> Answer:
        return self._write(tid, parse_member_edit(_json_body()))

    def leave_chat(self, tid: str) -> Answer:
        return self._write(tid)

    def list_messages(self, tid: str) -> Answer:
        limit = parse_limit(request.args.get("limit"), *_MESSAGES_LIMITS)
        return self._backend.list_messages(tid, limit, request.args.get("before"))

    def post_message(self, tid: str) -> Answer:
        return self._write(tid, parse_new_message(_json_body()))

    def upload_attachment(self) -> Answer:
        name = parse_file_name(request.args.get("name"))
        content_type = request.headers.get("Content-Type") or "application/octet-stream"
        body: Spool = request.environ[SPOOL_KEY]
        if body.size > MAX_UPLOAD:
            refuse("the body is larger than 2 GiB", "payload_too_large")
        content = dump([name, content_type]).encode() + body.digest.digest()
        return self._write(name, content_type, body, content=content)

    def download_attachment(self, aid: str) -> Answer:
        return self._backend.download_attachment(aid)

    def list_users(self) -> Answer:
        limit = parse_limit(request.args.get("limit"))
        return self._backend.list_users(
            request.args.get("q", ""), limit, request.args.get("cursor")
        )

    def get_user(self, uid: str) -> Answer:
        return self._backend.get_user(uid)

    def get_avatar(self, uid: str) -> Answer:
        return self._backend.get_avatar(uid)

    def list_groups(self) -> Answer:
        limit = parse_limit(request.args.get("limit"))
        return self._backend.list_groups(limit, request.args.get("cursor"))

    def get_group(self, gid: str) -> Answer:
        return self._backend.get_group(gid)

    def edit_group_members(self, gid: str) -> Answer:
        return self._write(gid, parse_member_edit(_json_body()))

    def list_events(self) -> Answer:
        limit = parse_limit(request.args.get("limit"), *_EVENTS_LIMITS)
        wait = parse_wait(request.args.get("wait"))
        return self._backend.list_events(request.args.get("cursor"), wait, limit)

    def _write(self, *args: Any, content: bytes | None = None) -> Answer:
        key = parse_idempotency_key(request.headers.get(IDEMPOTENCY_KEY))
        fingerprint = fingerprint_of(request.method, request.path, content or request.get_data())
        return self._backend.perform(WriteRequest(str(request.endpoint), args), key, fingerprint)

    def crashed(self, error: Exception) -> Answer:
        self._logger.error("the %s failed", self._name, exc_info=error)
        message = f"the {self._name} failed; see its log for the cause"
        return Answer(error_body(500, message), status=500)


def _json_body() -> bytes:
    if request.mimetype != "application/json":
        refuse("the body must be application/json", "unsupported_media_type")
    return request.get_data()


def _http_error(error: HTTPException) -> Answer:
    status = error.code or 500
    code = _NO_PATH if isinstance(error, NotFound) else None
    allowed = getattr(error, "valid_methods", None)
    headers = {} if allowed is None else {"Allow": ", ".join(sorted(allowed))}
    body = error_body(status, error.description or error.name, code)
    return Answer(body, status=status, headers=headers)

"""The REST contract as a Flask application."""

from __future__ import annotations

import hashlib
import hmac
from functools import cache
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import RequestRedirect
from werkzeug.wsgi import FileWrapper

from teamwire_sync._internal.log import logger
from teamwire_sync._sandbox.errors import ApiError, error_body
from teamwire_sync._sandbox.idempotency import perform
from teamwire_sync._sandbox.request_bodies import (
    parse_chat_edit,
    parse_member_edit,
    parse_new_chat,
    parse_new_message,
)
from teamwire_sync._sandbox.serializers import dump
from teamwire_sync._sandbox.validation import (
    parse_file_name,
    parse_idempotency_key,
    parse_limit,
    parse_wait,
)
from teamwire_sync._sandbox.world.files import CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamwire_sync._sandbox.world.files import Spool
    from teamwire_sync._sandbox.world.world import World

WORLD_KEY = "teamwire_sync.world"
"""The environ's world that the bot is in."""

LAG_KEY = "teamwire_sync.lag"
"""The environ's number of seconds by which the listing stays behind."""

SPOOL_KEY = "teamwire_sync.spool"
"""The environ's body of an upload."""

MAX_BODY = 1024 * 1024
MAX_UPLOAD = 2 * 1024**3
_PREFIX = "/v1/bot"
UPLOADS = f"{_PREFIX}/attachments/"
_MESSAGES_LIMITS = (50, 200)
_EVENTS_LIMITS = (100, 100)
# Not "not_found": a client with a wrong URL would take every user and chat for missing.
_NO_PATH = "no_such_path"

_logger = logger.getChild("sandbox")


@cache
def create_app() -> Flask:
    """The application that serves worlds; one does for all, since making it takes its time."""
    app = Flask("teamwire_sync.sandbox", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.url_map.merge_slashes = False
    api = _Api()
    app.before_request(api.admit)
    app.register_error_handler(ApiError, _refused)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _crashed)
    for method, path, view in (
        ("GET", "/health", api.health),
        ("GET", f"{_PREFIX}/me/", api.get_me),
        ("GET", f"{_PREFIX}/chats/", api.list_chats),
        ("POST", f"{_PREFIX}/chats/", api.create_chat),
        ("PATCH", f"{_PREFIX}/chats/<tid>/", api.edit_chat),
        ("PATCH", f"{_PREFIX}/chats/<tid>/members/", api.edit_members),
        ("DELETE", f"{_PREFIX}/chats/<tid>/members/me/", api.leave_chat),
        ("PATCH", f"{_PREFIX}/chats/<tid>/admins/", api.edit_admins),
        ("GET", f"{_PREFIX}/chats/<tid>/messages/", api.list_messages),
        ("POST", f"{_PREFIX}/chats/<tid>/messages/", api.post_message),
        ("POST", UPLOADS, api.upload_attachment),
        ("GET", f"{UPLOADS}<attachment_id>/content/", api.download_attachment),
        ("GET", f"{_PREFIX}/users/", api.list_users),
        ("GET", f"{_PREFIX}/users/<uid>/", api.get_user),
        ("GET", f"{_PREFIX}/users/<uid>/avatar/", api.get_avatar),
        ("GET", f"{_PREFIX}/groups/", api.list_groups),
        ("GET", f"{_PREFIX}/groups/<gid>/", api.get_group),
        ("PATCH", f"{_PREFIX}/groups/<gid>/members/", api.edit_group_members),
        ("GET", f"{_PREFIX}/events/", api.list_events),
    ):
        app.add_url_rule(
            path,
            endpoint=view.__name__,
            view_func=view,
            methods=[method],
            provide_automatic_options=False,
        )
    return app


class _Api:
    @property
    def _world(self) -> World:
        world: World = request.environ[WORLD_KEY]
        return world

    def admit(self) -> None:
        """Let in what has a path of the contract and the bot's credentials."""
        if request.path == "/health":
            return
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic" or not hmac.compare_digest(
            credentials.strip().encode(), self._world.credentials
        ):
            raise ApiError(401, "the App ID or the Secret is missing or wrong")
        if isinstance(request.routing_exception, RequestRedirect):
            raise ApiError(404, "every path of the contract ends with a slash", _NO_PATH)

    def health(self) -> Response:
        return _json(dump({"status": "ok"}))

    def get_me(self) -> Response:
        return _json(self._world.directory.user(self._world.bot_uid))

    def list_chats(self) -> Response:
        limit = parse_limit(request.args.get("limit"))
        cursor = request.args.get("cursor")
        listing = self._world.listing
        collection = listing.collection(request.environ.get(LAG_KEY))
        known = request.if_none_match
        if cursor is None and (known.star_tag or known.contains_weak(collection.etag.strip('"'))):
            return Response(status=304, headers={"ETag": collection.etag})
        return _json(listing.page(collection, limit, cursor), ETag=collection.etag)

    def create_chat(self) -> Response:
        new = parse_new_chat(_json_body())
        return self._write(lambda: self._world.conversations.create(new))

    def edit_chat(self, tid: str) -> Response:
        properties = parse_chat_edit(_json_body())
        return self._write(lambda: self._world.conversations.edit(tid, properties))

    def edit_members(self, tid: str) -> Response:
        edit = parse_member_edit(_json_body(), groups=True)
        return self._write(lambda: self._world.conversations.edit_members(tid, edit))

    def edit_admins(self, tid: str) -> Response:
        edit = parse_member_edit(_json_body())
        return self._write(lambda: self._world.conversations.edit_admins(tid, edit))

    def leave_chat(self, tid: str) -> Response:
        return self._write(lambda: self._world.conversations.leave(tid))

    def list_messages(self, tid: str) -> Response:
        limit = parse_limit(request.args.get("limit"), *_MESSAGES_LIMITS)
        return _json(self._world.messages.page(tid, limit, request.args.get("before")))

    def post_message(self, tid: str) -> Response:
        new = parse_new_message(_json_body())
        return self._write(lambda: self._world.messages.post(tid, new))

    def upload_attachment(self) -> Response:
        name = parse_file_name(request.args.get("name"))
        content_type = request.headers.get("Content-Type") or "application/octet-stream"
        body: Spool = request.environ[SPOOL_KEY]
        if body.size > MAX_UPLOAD:
            raise ApiError(413, "the body is larger than 2 GiB")
        return self._write(
            lambda: self._world.attachments.upload(name, content_type, body),
            dump([name, content_type]).encode() + body.digest,
        )

    def download_attachment(self, attachment_id: str) -> Response:
        content = self._world.attachments.content(attachment_id)
        return Response(
            FileWrapper(content.file, CHUNK),
            content_type=content.content_type,
            headers={"Content-Length": str(content.size)},
        )

    def list_users(self) -> Response:
        limit = parse_limit(request.args.get("limit"))
        part = request.args.get("q", "")
        return _json(self._world.directory.users(part, limit, request.args.get("cursor")))

    def get_user(self, uid: str) -> Response:
        return _json(self._world.directory.user(uid))

    def get_avatar(self, uid: str) -> Response:
        return Response(self._world.directory.avatar(uid), content_type="image/png")

    def list_groups(self) -> Response:
        limit = parse_limit(request.args.get("limit"))
        return _json(self._world.directory.groups(limit, request.args.get("cursor")))

    def get_group(self, gid: str) -> Response:
        return _json(self._world.directory.group(gid))

    def edit_group_members(self, gid: str) -> Response:
        edit = parse_member_edit(_json_body())
        return self._write(lambda: self._world.directory.edit_members(gid, edit))

    def list_events(self) -> Response:
        limit = parse_limit(request.args.get("limit"), *_EVENTS_LIMITS)
        wait = parse_wait(request.args.get("wait"))
        return _json(self._world.events.page(request.args.get("cursor"), wait, limit))

    def _write(self, work: Callable[[], str], content: bytes | None = None) -> Response:
        key = parse_idempotency_key(request.headers.get("Idempotency-Key"))
        named = f"{request.method} {request.path}\n".encode()
        if content is None:
            content = request.get_data()
        fingerprint = hashlib.sha256(named + content).hexdigest()
        outcome = perform(self._world.store, work, key=key, fingerprint=fingerprint)
        answer = _json(outcome.body, outcome.status)
        if outcome.replayed:
            answer.headers["Idempotency-Replayed"] = "true"
        return answer


def _json(body: str, status: int = 200, **headers: str) -> Response:
    return Response(body, status, headers, mimetype="application/json")


def _json_body() -> bytes:
    if request.mimetype != "application/json":
        raise ApiError(415, "the body must be application/json")
    return request.get_data()


def _refused(refusal: ApiError) -> Response:
    return _json(refusal.body, refusal.status)


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    code = _NO_PATH if isinstance(error, NotFound) else None
    answer = _json(error_body(status, error.description or error.name, code), status)
    allowed = getattr(error, "valid_methods", None)
    if allowed is not None:
        answer.headers["Allow"] = ", ".join(sorted(allowed))
    return answer


def _crashed(error: Exception) -> Response:
    _logger.error("the sandbox failed", exc_info=error)
    return _json(error_body(500, "the sandbox failed; its log says how"), 500)

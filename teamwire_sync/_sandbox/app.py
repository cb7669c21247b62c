"""The REST contract as a Flask application."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import RequestRedirect

from teamwire_sync._log import logger
from teamwire_sync._sandbox.documents import dump
from teamwire_sync._sandbox.errors import ApiError, error_body
from teamwire_sync._sandbox.idempotency import perform
from teamwire_sync._sandbox.validation import (
    parse_idempotency_key,
    parse_limit,
    parse_new_chat,
    parse_new_message,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamwire_sync._sandbox.world import World

LAG_KEY = "teamwire_sync.lag"
"""The environ's number of seconds by which the listing stays behind."""

MAX_BODY = 1024 * 1024
_PREFIX = "/v1/bot"
# Not "not_found": a client with a wrong URL would take every user and chat for missing.
_NO_PATH = "no_such_path"

_logger = logger.getChild("sandbox")


def create_app(world: World) -> Flask:
    """The application that serves a world."""
    app = Flask("teamwire_sync.sandbox", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.url_map.merge_slashes = False
    api = _Api(world)
    app.before_request(api.admit)
    app.register_error_handler(ApiError, _refused)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _crashed)
    for method, path, view in (
        ("GET", "/health", api.health),
        ("GET", f"{_PREFIX}/me/", api.get_me),
        ("GET", f"{_PREFIX}/chats/", api.list_chats),
        ("POST", f"{_PREFIX}/chats/", api.create_chat),
        ("POST", f"{_PREFIX}/chats/<tid>/messages/", api.post_message),
        ("GET", f"{_PREFIX}/users/<uid>/", api.get_user),
        ("GET", f"{_PREFIX}/groups/<gid>/", api.get_group),
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
    def __init__(self, world: World) -> None:
        self._world = world
        self._credentials = base64.b64encode(f"{world.app_id}:{world.secret}".encode())

    def admit(self) -> None:
        """Let in what has a path of the contract and the bot's credentials."""
        if request.path == "/health":
            return
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic" or not hmac.compare_digest(
            credentials.strip().encode(), self._credentials
        ):
            raise ApiError(401, "the App ID or the Secret is missing or wrong")
        if isinstance(request.routing_exception, RequestRedirect):
            raise ApiError(404, "every path of the contract ends with a slash", _NO_PATH)

    def health(self) -> Response:
        return _json(dump({"status": "ok"}))

    def get_me(self) -> Response:
        return _json(self._world.user(self._world.bot_uid))

    def list_chats(self) -> Response:
        limit = parse_limit(request.args.get("limit"))
        cursor = request.args.get("cursor")
        collection = self._world.collection(request.environ.get(LAG_KEY))
        known = request.if_none_match
        if cursor is None and (known.star_tag or known.contains_weak(collection.etag.strip('"'))):
            return Response(status=304, headers={"ETag": collection.etag})
        return _json(self._world.page(collection, limit, cursor), ETag=collection.etag)

    def create_chat(self) -> Response:
        new = parse_new_chat(_json_body())
        return self._write(lambda: self._world.create_chat(new))

    def post_message(self, tid: str) -> Response:
        text = parse_new_message(_json_body())
        return self._write(lambda: self._world.post_message(tid, text))

    def get_user(self, uid: str) -> Response:
        return _json(self._world.user(uid))

    def get_group(self, gid: str) -> Response:
        return _json(self._world.group(gid))

    def _write(self, work: Callable[[], str]) -> Response:
        key = parse_idempotency_key(request.headers.get("Idempotency-Key"))
        named = f"{request.method} {request.path}\n".encode()
        fingerprint = hashlib.sha256(named + request.get_data()).hexdigest()
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

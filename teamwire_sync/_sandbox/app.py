"""The REST contract as a Flask application."""

from __future__ import annotations

import base64
import hashlib
import hmac
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import RequestRedirect
from werkzeug.wsgi import FileWrapper

from teamwire_sync._http.contract import OPERATIONS, REVISION_HEADER
from teamwire_sync._internal.log import logger
from teamwire_sync._sandbox.errors import error_body, refusal_answer
from teamwire_sync._sandbox.idempotency import perform
from teamwire_sync._sandbox.request_bodies import (
    parse_chat_draft,
    parse_chat_edit,
    parse_member_edit,
    parse_new_message,
)
from teamwire_sync._sandbox.validation import (
    parse_file_name,
    parse_idempotency_key,
    parse_limit,
    parse_since,
    parse_wait,
)
from teamwire_sync._sandbox.world import queries
from teamwire_sync._sandbox.world.errors import RefusedError, refuse
from teamwire_sync._sandbox.world.files import CHUNK, Spool
from teamwire_sync._sandbox.world.serializers import dump

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from flask.typing import ResponseReturnValue

    from teamwire_sync._sandbox.world.world import World

WORLD_KEY = "teamwire_sync.world"
"""The WSGI environ key of the bot's `World`."""

LAG_KEY = "teamwire_sync.lag"
"""The WSGI environ key of the lag of the list of chats, in seconds or None."""

SINCE_KEY = "teamwire_sync.since"
"""The WSGI environ key of the name of a fault of the parameter `since`, or None."""

SPOOL_KEY = "teamwire_sync.spool"
"""The WSGI environ key of an upload's body, a `Spool`."""

MAX_BODY = 1024 * 1024
MAX_UPLOAD = 2 * 1024**3
_MESSAGES_LIMITS = (50, 200)
_EVENTS_LIMITS = (100, 100)
# A negative number is no revision.
_SINCE_OF_FAULTS: dict[str | None, int | None] = {"ignored": None, "unknown": -1}
# Not "not_found": a client with a wrong URL would treat each user and chat as missing.
_NO_PATH = "no_such_path"

_logger = logger.getChild("sandbox")


@cache
def create_app() -> Flask:
    """Return the application that serves all worlds; cached because creating it is slow."""
    app = Flask("teamwire_sync.sandbox", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.response_class = _JsonResponse
    app.url_map.merge_slashes = False
    api = _Api()
    app.before_request(api.admit)
    app.after_request(api.show_revision)
    app.register_error_handler(RefusedError, refusal_answer)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _crashed)
    paths = {name: (each.method, each.path) for name, each in OPERATIONS.items()}
    for name, (method, path) in {**paths, "health": ("GET", "/health")}.items():
        app.add_url_rule(
            path.replace("{", "<").replace("}", ">"),
            endpoint=name,
            view_func=getattr(api, name),
            methods=[method],
            provide_automatic_options=False,
        )
    return app


class _JsonResponse(Response):
    default_mimetype = "application/json"


class _Api:
    """The operations of the contract, by name."""

    @property
    def _world(self) -> World:
        return cast("World", request.environ[WORLD_KEY])

    def admit(self) -> None:
        """Refuse a request without the bot's credentials or without the path's final slash."""
        if request.path == "/health":
            return
        known = base64.b64encode(f"{self._world.app_id}:{self._world.secret}".encode())
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic" or not hmac.compare_digest(
            credentials.strip().encode(), known
        ):
            # Without a revision: it would tell a stranger when a chat has changed.
            refuse("the App ID or the Secret is missing or wrong", "unauthorized")
        with self._reading():
            pass  # the revision for a response that reads nothing
        if isinstance(request.routing_exception, RequestRedirect):
            refuse("every path of the contract ends with a slash", _NO_PATH)

    def show_revision(self, response: Response) -> Response:
        """Set the revision that the response shows at least."""
        if "revision" in g:
            response.headers[REVISION_HEADER] = str(g.revision)
        return response

    def health(self) -> str:
        return dump({"status": "ok"})

    def get_me(self) -> str:
        return self._read(self._world.directory.user, self._world.bot_uid)

    def list_chats(self) -> ResponseReturnValue:
        limit = parse_limit(request.args.get("limit"))
        fault = request.environ.get(SINCE_KEY)
        since = _SINCE_OF_FAULTS.get(fault, parse_since(request.args.get("since")))
        cursor = request.args.get("cursor")
        known = request.if_none_match
        chats = self._world.bot_chats
        with self._reading() as db:
            etag, g.revision = chats.version(db, request.environ.get(LAG_KEY))
            headers = {"ETag": etag}
            if cursor is None and (known.star_tag or known.contains_weak(etag.strip('"'))):
                return "", 304, headers
            off_by = int(fault == "wrong_total")
            return chats.page(db, g.revision, limit, cursor, since, off_by=off_by), headers

    def create_chat(self) -> ResponseReturnValue:
        return self._write(self._world.bot_chats.create, parse_chat_draft(_json_body()))

    def edit_chat(self, tid: str) -> ResponseReturnValue:
        return self._write(self._world.bot_chats.edit, tid, parse_chat_edit(_json_body()))

    def edit_members(self, tid: str) -> ResponseReturnValue:
        edit = parse_member_edit(_json_body(), groups=True)
        return self._write(self._world.bot_chats.edit_members, tid, edit)

    def edit_admins(self, tid: str) -> ResponseReturnValue:
        edit = parse_member_edit(_json_body())
        return self._write(self._world.bot_chats.edit_admins, tid, edit)

    def leave_chat(self, tid: str) -> ResponseReturnValue:
        return self._write(self._world.bot_chats.leave, tid)

    def list_messages(self, tid: str) -> str:
        limit = parse_limit(request.args.get("limit"), *_MESSAGES_LIMITS)
        return self._read(self._world.messages.page, tid, limit, request.args.get("before"))

    def post_message(self, tid: str) -> ResponseReturnValue:
        return self._write(self._world.messages.post, tid, parse_new_message(_json_body()))

    def upload_attachment(self) -> ResponseReturnValue:
        name = parse_file_name(request.args.get("name"))
        content_type = request.headers.get("Content-Type") or "application/octet-stream"
        body: Spool = request.environ[SPOOL_KEY]
        if body.size > MAX_UPLOAD:
            refuse("the body is larger than 2 GiB", "payload_too_large")
        return self._write(
            self._world.attachments.upload,
            name,
            content_type,
            body,
            content=dump([name, content_type]).encode() + body.digest.digest(),
        )

    def download_attachment(self, aid: str) -> Response:
        with self._reading() as db:
            content = self._world.attachments.content(db, aid)
        return Response(
            FileWrapper(content.file, CHUNK),
            content_type=content.content_type,
            headers={"Content-Length": str(content.size)},
        )

    def list_users(self) -> str:
        limit = parse_limit(request.args.get("limit"))
        part = request.args.get("q", "")
        return self._read(self._world.directory.users, part, limit, request.args.get("cursor"))

    def get_user(self, uid: str) -> str:
        return self._read(self._world.directory.user, uid)

    def get_avatar(self, uid: str) -> Response:
        with self._reading() as db:
            avatar = self._world.directory.avatar(db, uid)
        return Response(avatar, content_type="image/png")

    def list_groups(self) -> str:
        limit = parse_limit(request.args.get("limit"))
        return self._read(self._world.directory.groups, limit, request.args.get("cursor"))

    def get_group(self, gid: str) -> str:
        return self._read(self._world.directory.group, gid)

    def edit_group_members(self, gid: str) -> ResponseReturnValue:
        edit = parse_member_edit(_json_body())
        return self._write(self._world.directory.edit_members, gid, edit)

    def list_events(self) -> str:
        limit = parse_limit(request.args.get("limit"), *_EVENTS_LIMITS)
        wait = parse_wait(request.args.get("wait"))
        body, g.revision = self._world.events.page(request.args.get("cursor"), wait, limit)
        return body

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._world.database.reading() as db:
            # In the transaction: a later revision would promise more than what is read here.
            g.revision = queries.revision(db)
            yield db

    def _read(self, work: Callable[..., str], *args: Any) -> str:
        with self._reading() as db:
            return work(db, *args)

    def _write(
        self, work: Callable[..., str], *args: Any, content: bytes | None = None
    ) -> ResponseReturnValue:
        key = parse_idempotency_key(request.headers.get("Idempotency-Key"))
        named = f"{request.method} {request.path}\n".encode()
        if content is None:
            content = request.get_data()
        fingerprint = hashlib.sha256(named + content).hexdigest()
        answer, g.revision = perform(
            self._world.database, lambda db: work(db, *args), key, fingerprint
        )
        return answer


def _json_body() -> bytes:
    if request.mimetype != "application/json":
        refuse("the body must be application/json", "unsupported_media_type")
    return request.get_data()


def _http_error(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    code = _NO_PATH if isinstance(error, NotFound) else None
    allowed = getattr(error, "valid_methods", None)
    headers = {} if allowed is None else {"Allow": ", ".join(sorted(allowed))}
    return error_body(status, error.description or error.name, code), status, headers


def _crashed(error: Exception) -> ResponseReturnValue:
    _logger.error("the sandbox failed", exc_info=error)
    return error_body(500, "the sandbox failed; see its log for the cause"), 500

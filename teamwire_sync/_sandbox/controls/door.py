"""The sandbox's own route, which is not part of the contract. It lets another user post."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from flask import Response, request

from teamwire_sync._internal.hosts import is_loopback
from teamwire_sync._sandbox import SAY_PATH
from teamwire_sync._server.app import create_app
from teamwire_sync._server.errors import refuse

if TYPE_CHECKING:
    from flask import Flask

    from teamwire_sync._sandbox.controls.other_users import OtherUsers

OTHER_USERS_KEY = "teamwire_sync.other_users"
"""The WSGI environ key of the sandbox's `OtherUsers`."""


@cache
def sandbox_app() -> Flask:
    """Return the application of the contract with the sandbox's own route."""
    app = create_app("sandbox")
    app.add_url_rule(SAY_PATH, view_func=_say, methods=["POST"], provide_automatic_options=False)
    return app


def _say() -> Response:
    # The credentials follow from a seed. A browser sends Origin: a web page can't speak here.
    if request.origin is not None or not is_loopback(request.remote_addr or ""):
        refuse("only a command on the sandbox's own machine may do this", "forbidden")
    others: OtherUsers = request.environ[OTHER_USERS_KEY]
    said = request.form
    try:
        mid = others.post_message(said["tid"], said["text"], said.get("uid"))
    except (LookupError, ValueError) as error:
        refuse(str(error))
    return Response(mid, mimetype="text/plain")

"""A WSGI application whose Connection has asked the server before gunicorn forks."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from teamwire_sync import Connection
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

connection = Connection()
# The chats are in memory by then, and a TCP connection is open.
connection.chats.get_subscriptions()


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Look a chat up, and post the path in it: the process, the title, and what the server has."""
    text = environ["PATH_INFO"]
    chat = connection.chats.get_by_thread_id(KNOWN_CHAT)
    assert chat is not None
    answer = {"pid": os.getpid(), "title": chat.title, "posted": chat.post(text).msg}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]

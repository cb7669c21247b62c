"""Interim answers (1xx) come before the answer: it still goes to the request that it is for.

http.client knows 100 alone, and takes any other for the answer. Then the answer itself is still to
come, and would be the next request's.
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest
import requests

from teamwire_sync import Connection, TWError
from tests.support.builders import user_doc
from tests.support.waiting import PATIENCE, Threads

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        yield listener


def read_head(sock: socket.socket) -> str:
    """The path of the next request; it has no body. Empty at the end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = sock.recv(4096)
        if not piece:
            return ""
        head += piece
    return head.split()[1].decode()


def answer_to(path: str) -> bytes:
    """The user whose path it is."""
    body = json.dumps({"user": user_doc(path.rstrip("/").rpartition("/")[2])}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def connect(listener: socket.socket, session: requests.Session | None = None) -> Connection:
    return Connection("a", "s", f"http://127.0.0.1:{listener.getsockname()[1]}", session=session)


@pytest.mark.parametrize("interim", ["102 Processing", "103 Early Hints", "199 Odd"])
def test_the_answer_after_it_is_the_answer(listener: socket.socket, interim: str) -> None:
    def serve() -> None:
        sock, _ = listener.accept()
        with sock:
            for _ in range(2):
                path = read_head(sock)
                sock.sendall(f"HTTP/1.1 {interim}\r\nLink: x\r\n\r\n".encode() * 2)
                sock.sendall(answer_to(path))

    with Threads(1) as threads, connect(listener) as connection:
        threads.start(serve)
        found = [connection.users.get_user(uid) for uid in ("u1", "u2")]

    assert [user and user.uid for user in found] == ["u1", "u2"]


def test_on_a_session_of_the_callers_no_answer_goes_to_the_next_request(
    listener: socket.socket,
) -> None:
    """Its connections are not ours: there it is an error, and ends the connection."""

    def serve() -> None:
        first, _ = listener.accept()
        with first:
            path = read_head(first)
            first.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            late = answer_to(path)
            # The second request, if it comes on this connection, gets the first one's answer.
            if read_head(first):
                first.sendall(late)
                return
        second, _ = listener.accept()
        with second:
            second.sendall(answer_to(read_head(second)))

    with Threads(1) as threads, requests.Session() as session:
        connection = connect(listener, session)
        threads.start(serve)
        with pytest.raises(TWError):
            connection.users.get_user("u1")
        found = connection.users.get_user("u2")

    assert found is not None
    assert found.uid == "u2"

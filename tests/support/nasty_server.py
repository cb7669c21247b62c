"""A server that answers with whatever bytes a test wants, and whose good answers tell themselves.

A good answer has in it what was asked for, so that it can't be taken for another one.
"""

from __future__ import annotations

import json
import socket
import threading
import zlib
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable

from tests.support.builders import (
    chat_answer,
    chat_doc,
    file_doc,
    group_doc,
    message_answer,
    message_doc,
    page_doc,
    user_doc,
)
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from types import TracebackType

# What to send in place of an answer, given the body of the good one.
Nasty = Callable[[bytes], bytes]


class NastyServer:
    """Gives a good answer to each request but to those for which another one was ordered.

    Attributes:
        url: Where it is.
        requests: Method and path of each request.
        heads: The lines of its headers.
        connections: On which of the connections it came.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.heads: list[list[str]] = []
        self.connections: list[int] = []
        self._ordered: deque[tuple[Nasty, bool]] = deque()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []

    def answer_next(self, nasty: Nasty, *, closes: bool = False) -> None:
        """Have the next request answered by *nasty*, after which the connection may be closed."""
        self._ordered.append((nasty, closes))

    def __enter__(self) -> NastyServer:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for sock in (self._listener, *self._open):
            with suppress(OSError):  # it may be over already
                sock.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sock)
            arguments = (sock, len(self._open))
            self._threads.append(threading.Thread(target=self._serve, args=arguments))
            self._threads[-1].start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        # The client may have heard enough.
        with suppress(OSError), sock, sock.makefile("rb") as requests:
            while self._serve_one(sock, requests, number):
                pass

    def _serve_one(self, sock: socket.socket, requests: Any, number: int) -> bool:
        line = requests.readline().decode().split()
        if not line:
            return False
        head = [header.decode("latin-1") for header in iter(requests.readline, b"\r\n")]
        lengths = [header[15:] for header in head if header.lower().startswith("content-length:")]
        body = requests.read(int(lengths[0]) if lengths else 0)
        method, path = line[:2]
        self.requests.append((method, path))
        self.heads.append(head)
        self.connections.append(number)
        good = json.dumps(_good_answer(method, path, body)).encode()
        nasty, closes = self._ordered.popleft() if self._ordered else (answer, False)
        sock.sendall(nasty(good))
        return not closes


def _good_answer(method: str, path: str, body: bytes) -> dict[str, Any]:
    where, _, query = path.partition("?")
    what = where[len("/v1/bot/") :].strip("/").split("/")
    return _found(what, query) if method == "GET" else _done(method, what, query, body)


def _done(method: str, what: list[str], query: str, body: bytes) -> dict[str, Any]:
    if method == "POST" and what[0] == "attachments":
        return {"attachment_id": query}
    if method == "POST" and what == ["chats"]:
        return chat_answer(chat_doc("t2"))
    if method == "POST":
        return message_answer(message_doc(message=json.loads(body)["message"]))
    if method == "PATCH":
        return chat_answer(chat_doc(title=json.loads(body)["title"]))
    return {}


def _found(what: list[str], query: str) -> dict[str, Any]:
    if what[-1] == "messages":
        one = message_doc(message=query, attachments=[file_doc(size=4)])
        return {"messages": [one], "users": [user_doc()], "next_before": None}
    if what[0] == "events":
        return {"events": [], "chats": [], "users": [], "groups": [], "cursor": query}
    if what[0] == "groups":
        return {"groups": [group_doc()], "users": [], "next_cursor": None}
    if what == ["users"]:
        return {"users": [user_doc()], "next_cursor": None}
    if what[0] == "users":
        return {"user": user_doc(what[1])}
    if what == ["me"]:
        return {"user": user_doc(is_bot=True)}
    return page_doc(chat_doc())


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A whole answer, as HTTP wants it where *headers* don't say otherwise."""
    head = [f"HTTP/1.1 {status}", *headers]
    if not any(header.lower().startswith(("content-length", "transfer")) for header in headers):
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode() + body


def chunked(body: bytes, *headers: str, size: bytes | None = None) -> bytes:
    """An answer in one chunk, which may say that it has another size."""
    size = b"%x" % len(body) if size is None else size
    chunks = b"%s\r\n%s\r\n0\r\n\r\n" % (size, body)
    return answer(chunks, "Transfer-Encoding: chunked", *headers)


def gzipped(body: bytes) -> bytes:
    """*body* in gzip."""
    packer = zlib.compressobj(wbits=31)
    return packer.compress(body) + packer.flush()


def gzip_bomb(size: int) -> bytes:
    """So many bytes of blanks in gzip, in a thousandth of that."""
    # A full flush forgets what came before: each MiB packs to the same bytes.
    packer = zlib.compressobj(level=9, wbits=31)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    mebibyte = packer.compress(b" " * 2**20) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + mebibyte * (size >> 20) + packer.flush()

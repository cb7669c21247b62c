"""TLS of the web server."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from cheroot.errors import FatalSSLAlert
from cheroot.makefile import MakeFile

from teamwire_sync._internal.log import logger
from teamwire_sync._server.watched_files import WatchedFiles

if TYPE_CHECKING:
    import os
    import socket


class Tls:
    """The TLS of a server. New files replace the old ones without a restart.

    One thread may use it.

    Args:
        certfile: The file with the certificate and those of its issuers, in PEM.
        keyfile: The file with the private key, in PEM.

    Raises:
        OSError: A file can't be read, or its content is wrong.
    """

    def __init__(self, certfile: str | os.PathLike[str], keyfile: str | os.PathLike[str]) -> None:
        self._files = certfile, keyfile
        self._watched = WatchedFiles(certfile, keyfile)
        self._context = self._load()

    def bind(self, sock: socket.socket) -> socket.socket:
        """Return the socket that listens."""
        return sock

    def wrap(self, sock: socket.socket) -> tuple[socket.socket, dict[str, str]]:
        """Return a connection with TLS, whose handshake is later, and its WSGI environ."""
        self._refresh()
        try:
            wrapped = self._context.wrap_socket(
                sock, server_side=True, do_handshake_on_connect=False
            )
        except (OSError, ValueError) as error:  # the client has gone
            raise FatalSSLAlert(*error.args) from error
        return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on"}

    makefile = staticmethod(MakeFile)

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*self._files, password=_no_password)
        return context

    def _refresh(self) -> None:
        """Load the files if they have changed. If the new ones can't be used, keep the old ones."""
        if self._watched.have_changed():
            try:
                self._context = self._load()
            except OSError as error:
                logger.error(
                    "the certificate from before stays in use: can't use %s and %s: %s",
                    *self._files,
                    error.strerror or error,
                )


def _no_password() -> str:
    # Without it, OpenSSL would ask for the password on the terminal.
    message = "the private key has a password: the server can't use it"
    raise OSError(message)

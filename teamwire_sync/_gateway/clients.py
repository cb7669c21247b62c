"""The clients of a gateway: their App IDs, their Secrets and their permissions.

A file contains the clients. It is JSON, because permissions are lists and flags, and because each
language can read and write it. It contains no Secret, but salted SHA-256 hashes. A Secret is
generated and has 256 bits, so nobody can find it by trial. A slow hash would not make that harder,
but would let strangers keep the gateway busy.

A gateway checks every second whether the file has changed. So a change needs no restart.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from contextlib import contextmanager, suppress
from ipaddress import IPv6Address, ip_address
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from attrs import define, field, frozen
from cachetools import TTLCache

from teamwire_sync._gateway.state import locked, private_folder, replace_file
from teamwire_sync._http.contract import OPERATIONS
from teamwire_sync._internal.log import logger
from teamwire_sync._internal.secret import Secret
from teamwire_sync._internal.strict_json import parse_json
from teamwire_sync._internal.waiting import new_lock
from teamwire_sync._server.errors import refuse, refuse_for_now
from teamwire_sync._server.watched_files import WatchedFiles
from teamwire_sync.exceptions import TWConfigError

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterator

MOST_FAILURES = 10
FAILURE_PERIOD = 60
"""Seconds: after `MOST_FAILURES` in this period, an address gets 429 until its end, not 401."""

MOST_ADDRESSES = 10_000
"""The maximum number of addresses whose failures are counted; the oldest ones are dropped."""

_NAME = "clients.json"
_VERSION = 1
_VALID_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_SALT_BYTES, _DIGEST_BYTES = 16, 32


@frozen
class Client:
    """A program that may use the gateway.

    Attributes:
        app_id: The App ID.
        name: The name, for people and logs.
        is_read_only: Whether it may not use operations that change something.
        operations: The names of the contract's operations that it may use; None for all.
    """

    app_id: str
    name: str
    is_read_only: bool
    operations: frozenset[str] | None
    _salt: bytes = field(repr=False)
    _digest: bytes = field(repr=False)

    def allows(self, operation: str) -> bool:
        """Return whether the client may use the operation with this name."""
        is_listed = self.operations is None or operation in self.operations
        return is_listed and (not self.is_read_only or OPERATIONS[operation].method == "GET")

    def require(self, operation: str) -> None:
        """Refuse a request for an operation that the client may not use."""
        if not self.allows(operation):
            refuse(f"this client of the gateway may not use {operation}", "forbidden")

    def has(self, secret: Secret) -> bool:
        """Return whether this is the client's Secret. The time does not depend on the result."""
        return hmac.compare_digest(_digest(self._salt, secret), self._digest)

    def document(self) -> dict[str, Any]:
        """Return the client as it is in the file, under its App ID."""
        operations = None if self.operations is None else sorted(self.operations)
        return {
            "name": self.name,
            "read_only": self.is_read_only,
            "operations": operations,
            "salt": self._salt.hex(),
            "sha256": self._digest.hex(),
        }


# The hash of no Secret. With it, the check of an unknown App ID takes as long as that of another.
_NOBODY = Client("", "", True, frozenset(), bytes(_SALT_BYTES), secrets.token_bytes(_DIGEST_BYTES))


class Clients:
    """The clients of a gateway, in a file.

    Processes and threads may use the same file concurrently.

    Args:
        path: The folder of the gateway's state, which is created if it is missing.
        clock: A function that returns seconds; only differences between its results matter.

    Raises:
        TWConfigError: The folder or the file is unusable.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = Path(private_folder(path).path_of(_NAME))
        self._failures = FailureLimit(clock)
        self._lock = new_lock()
        self._watched = WatchedFiles(self._path, clock=clock)
        self._clients = self._read()

    def add(
        self, name: str, *, read_only: bool = False, operations: Collection[str] | None = None
    ) -> tuple[str, Secret]:
        """Add a client.

        Args:
            name: The name, for people and logs: letters, digits, ".", "_" and "-".
            read_only: Whether it may not use operations that change something.
            operations: The names of the contract's operations that it may use; None for all.

        Returns:
            The App ID and the Secret. Nobody can read the Secret from the file.

        Raises:
            ValueError: The name is invalid or in use, or an operation is unknown.
            TWConfigError: The file is unusable.
            OSError: The file can't be written.
        """
        allowed = None if operations is None else frozenset(operations)
        unknown = (allowed or frozenset()) - OPERATIONS.keys()
        if unknown:
            message = f"unknown operations: {sorted(unknown)}; there are: {', '.join(OPERATIONS)}"
            raise ValueError(message)
        if not _VALID_NAME.fullmatch(name):
            message = f"name must be 1 to 64 letters, digits, '.', '_' and '-', not {name!r}"
            raise ValueError(message)
        secret = Secret(secrets.token_urlsafe(32))
        salt = secrets.token_bytes(_SALT_BYTES)
        app_id = f"gw-{secrets.token_hex(8)}"
        with self._editing() as clients:
            if any(each.name == name for each in clients.values()):
                message = f"there is a client with the name {name}: remove it, or use another name"
                raise ValueError(message)
            clients[app_id] = Client(app_id, name, read_only, allowed, salt, _digest(salt, secret))
        return app_id, secret

    def remove(self, name: str) -> None:
        """Remove a client.

        Raises:
            ValueError: There is no client with this name.
            TWConfigError: The file is unusable.
            OSError: The file can't be written.
        """
        with self._editing() as clients:
            found = [each.app_id for each in clients.values() if each.name == name]
            if not found:
                message = f"there is no client with the name {name!r}"
                raise ValueError(message)
            for app_id in found:
                del clients[app_id]

    def all(self) -> list[Client]:
        """Return all clients by name.

        Raises:
            TWConfigError: The file is unusable.
        """
        return sorted(self._read().values(), key=lambda each: each.name)

    def check(self, authorization: str | Secret | None) -> Client | None:
        """Return the client with the App ID and the Secret of a header ``Authorization``, or None.

        The time does not depend on whether the client exists. It uses the file as it was within the
        last second. If the file has become unusable, its last usable state counts. Without a file,
        there are no clients.
        """
        authorization = Secret(authorization)
        self._refresh()
        app_id, secret = _parse(authorization)
        client = self._clients.get(app_id, _NOBODY)
        return client if client.has(secret) else None

    def admit(self, authorization: str | Secret | None, address: str) -> Client:
        """Return the client of a request, or refuse the request.

        The credentials are checked first. So failures of other programs with the same address, for
        example behind the same proxy, never refuse or delay a client with valid credentials.

        Args:
            authorization: The header ``Authorization``.
            address: The IP address of the client; empty if unknown.
        """
        authorization = Secret(authorization)
        client = self.check(authorization)
        if client is None:
            message = "the App ID or the Secret is missing or wrong"
            wait = self._failures.add(address)
            if wait is None:
                refuse(message, "unauthorized")
            refuse_for_now(f"{message}, too often from this address", "rate_limited", wait)
        return client

    @contextmanager
    def _editing(self) -> Iterator[dict[str, Client]]:
        """Change the clients in the file. Other processes change them before or after it."""
        folder = private_folder(self._path.parent)
        with locked(folder.path_of("clients.lock"), waits=True):
            clients = self._read()
            yield clients
            self._write(clients)

    def _write(self, clients: dict[str, Client]) -> None:
        document = {
            "version": _VERSION,
            "clients": {app_id: client.document() for app_id, client in clients.items()},
        }
        # A power cut must not bring back a client that was removed.
        replace_file(self._path, json.dumps(document, indent=2))

    def _read(self) -> dict[str, Client]:
        try:
            return _decode(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            problem = getattr(error, "strerror", None) or str(error)
        message = f"the clients in {str(self._path)!r}: {problem}"
        raise TWConfigError(message)

    def _refresh(self) -> None:
        """Read the file if it has changed."""
        with self._lock:
            if self._watched.have_changed():
                try:
                    self._clients = self._read()
                except TWConfigError as error:
                    logger.error("%s; the clients from before stay valid", error)


@define
class _Failures:
    ends_at: float
    count: int = 0


class FailureLimit:
    """A limit on the failed logins from each address.

    Args:
        clock: A function that returns seconds; only differences between its results matter.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = new_lock()
        self._failures: TTLCache[str, _Failures] = TTLCache(
            MOST_ADDRESSES, FAILURE_PERIOD, timer=clock
        )

    def add(self, address: str) -> int | None:
        """Count a failed login.

        Args:
            address: The IP address of the client. All addresses that are not valid count as one.

        Returns:
            None, or the seconds until the end of the period if the address has had too many
            failures in it.
        """
        group = _group_of(address)
        now = self._clock()
        with self._lock:
            failures = self._failures.get(group)
            if failures is None:
                failures = self._failures[group] = _Failures(now + FAILURE_PERIOD)
            failures.count += 1
        if failures.count == MOST_FAILURES + 1:
            logger.warning("the gateway refuses logins from %s: too many have failed", group)
        return max(1, ceil(failures.ends_at - now)) if failures.count > MOST_FAILURES else None


def _group_of(address: str) -> str:
    """Return the addresses that count as one. Of IPv6, that is a /64 network, as one site has."""
    with suppress(ValueError):
        parsed = ip_address(address)
        if isinstance(parsed, IPv6Address):
            parsed = parsed.ipv4_mapped or parsed
        if isinstance(parsed, IPv6Address):
            return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
        return str(parsed)
    return "an unknown address"


def _digest(salt: bytes, secret: Secret) -> bytes:
    return hashlib.sha256(salt + secret.reveal().encode("latin-1")).digest()


def _parse(authorization: Secret) -> tuple[str, Secret]:
    """Return the App ID and the Secret of a header; both are empty if it is malformed."""
    words = Secret((authorization.reveal() or "").split())
    parts = Secret((b"", b"", b""))
    if len(words.reveal()) == 2 and words.reveal()[0].lower() == "basic":
        with suppress(ValueError):
            parts = Secret(base64.b64decode(words.reveal()[1], validate=True).partition(b":"))
    return parts.reveal()[0].decode("latin-1"), Secret(parts.reveal()[2].decode("latin-1"))


def _decode(text: str) -> dict[str, Client]:
    """Return the clients in the text of the file.

    A property that is missing or unknown is an error: with a typing error in "read_only", the
    client could write.

    Raises:
        ValueError: The text has another format.
        RecursionError: The text is JSON with too many levels.
    """
    document = parse_json(text)
    clients = document.get("clients") if isinstance(document, dict) else None
    if not isinstance(clients, dict) or document != {"version": _VERSION, "clients": clients}:
        message = f"it is not a file of clients of version {_VERSION}"
        raise ValueError(message)
    return {app_id: _client(app_id, each) for app_id, each in clients.items()}


def _client(app_id: str, document: Any) -> Client:
    with suppress(AttributeError, KeyError, TypeError, ValueError):
        operations = document["operations"]
        client = Client(
            app_id,
            document["name"],
            document["read_only"],
            None if operations is None else frozenset(operations),
            bytes.fromhex(document["salt"]),
            bytes.fromhex(document["sha256"]),
        )
        if (
            _VALID_NAME.fullmatch(client.name)
            and isinstance(client.is_read_only, bool)
            and OPERATIONS.keys() >= (client.operations or set())
            and client.document() == {**document, "operations": operations and sorted(operations)}
        ):
            return client
    message = f"{app_id!r} has a property that is missing, unknown or invalid"
    raise ValueError(message)

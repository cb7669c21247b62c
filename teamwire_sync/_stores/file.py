"""FileStore: the snapshot outlives the process, and the processes of one user share it.

Of each bot there are the generation, the head, which names the chats, the chats, the last failure
and the lease, each in a file of its own. Only the lease is read and written under a lock.
"""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Callable

from attrs import asdict, evolve

from teamwire_sync._cache.listing import SlotRevision
from teamwire_sync._internal.imports import import_in_thread
from teamwire_sync._internal.validation import check_seconds, require_count
from teamwire_sync._stores.base import (
    MAX_AGE,
    MAX_BYTES,
    DamagedError,
    Failure,
    Lease,
    SlotStatus,
    StoredListing,
    StoreError,
    key_of,
    new_token,
)
from teamwire_sync._stores.codec import pack, unpack
from teamwire_sync._stores.folder import SMALL, Folder, folder_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from filelock import FileLock


_VERSION = 1
_LOCK_TIMEOUT = 1.0
# What no head names after so long is from a process that was killed.
_LEFT_BEHIND = 3600.0
_TOKEN = re.compile(r"[0-9a-f]{32}")


class FileStore:
    """Keeps the chats in files, for the processes of one user.

    Args:
        path: The folder; it is made where it is missing. None takes ``teamwire_sync`` in the user's
            cache folder.
        max_age: Seconds after which what is stored is gone.
        max_bytes: What a stored listing may have at most.

    Raises:
        TypeError: A value has the wrong type.
        ValueError: A value is out of range.
        ImportError: There is no filelock; the text says what to install.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        max_age: float = MAX_AGE,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        check_seconds("max_age", max_age)
        require_count(max_bytes, "max_bytes")
        self._now: Callable[[], float] = time.time
        self._folder = Folder(folder_path(path), lambda: self._now())  # noqa: PLW0108  tests set it
        self._max_age = max_age
        self._max_bytes = max_bytes
        _require_filelock()

    @staticmethod
    def _file_lock(path: str) -> FileLock:
        import_in_thread("filelock")
        from filelock import FileLock  # noqa: PLC0415  see above

        return FileLock(path, timeout=_LOCK_TIMEOUT, mode=0o600)

    def _slot(self, identity: str) -> _FileSlot:
        return _FileSlot(self, key_of(identity))

    def clear(self) -> int:
        """Remove what is stored, of all the bots. Other files in the folder stay.

        Returns:
            How many snapshots there were.

        Raises:
            OSError: Something could not be removed.
        """
        if not os.path.lexists(self._folder.path):
            return 0
        try:
            with self._folder.opened():
                return self._folder.clear()
        except StoreError as error:
            message = str(error)
        raise OSError(message)

    def __reduce__(self) -> tuple[Any, ...]:
        make = partial(FileStore, max_age=self._max_age, max_bytes=self._max_bytes)
        return make, (str(self._folder.path),)

    def __repr__(self) -> str:
        return f"FileStore({str(self._folder.path)!r})"


def _require_filelock() -> None:
    # Not imported: who finds a listing needs no lock.
    if find_spec("filelock") is None:
        message = "FileStore needs filelock: pip install 'teamwire_sync[file]'"
        raise ImportError(message, name="filelock")


def _is_token(value: object) -> bool:
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_time(value: object) -> bool:
    return isinstance(value, float)


# What the files in JSON have besides the version.
_FIELDS: dict[str, dict[str, Callable[[object], bool]]] = {
    "head": {"body": _is_token, "generation": _is_text, "asked_at": _is_time},
    "failure": {
        "generation": _is_text,
        "failed_at": _is_time,
        "until": _is_time,
        "error": lambda value: isinstance(value, dict),
    },
    "lease": {"owner": _is_token, "since": _is_time, "until": _is_time},
}


class _FileSlot:
    def __init__(self, store: FileStore, key: str) -> None:
        self._store = store
        self._folder = store._folder
        self._key = key

    def status(self) -> SlotStatus:
        with self._folder.opened():
            revision = self._stamp()
            failure = self._read("failure")
            # After what it is compared with: that must not count any longer than it does.
            generation = self._generation()
            now = self._store._now()
            if revision is not None and not 0 <= now - revision.asked_at < self._store._max_age:
                self._drop()
                revision = None
        return SlotStatus(
            now, generation, revision, None if failure is None else Failure(**failure)
        )

    def load(self, revision: SlotRevision) -> StoredListing | None:
        with self._folder.opened():
            try:
                packed = self._folder.read(self._body(revision), self._store._max_bytes)
                contents = None if packed is None else unpack(packed)
            except StoreError as error:
                self._drop()
                raise DamagedError(str(error)) from None
            if contents is None:
                named = self._stamp()
                # Chats are written before they are named: so these do not come any more.
                if named is not None and named.body == revision.body:
                    self._drop()
        return contents

    def save(self, contents: StoredListing, *, generation: str, asked_at: float) -> SlotRevision:
        packed, most = pack(contents), self._store._max_bytes
        if len(packed) > most:
            message = f"the chats have {len(packed):,} bytes, more than max_bytes ({most:,})"
            raise self._folder.error(message)
        revision = SlotRevision(new_token(), generation, asked_at)
        with self._folder.opened():
            previous = None
            with suppress(DamagedError):
                previous = self._stamp()
            try:
                self._folder.write(self._body(revision), packed)
                self._write_stamp(revision)
            except BaseException:
                with suppress(OSError):
                    self._folder.remove(self._body(revision))
                raise
            if previous is not None:
                self._folder.remove(self._body(previous))
            self._sweep(revision)
        return revision

    def mark_unchanged(self, revision: SlotRevision, *, asked_at: float) -> SlotRevision | None:
        with self._folder.opened():
            named = self._stamp()
            if named is None or named.body != revision.body:
                return None
            try:
                self._folder.touch(self._folder.path_of(self._body(revision)))
            except FileNotFoundError:
                return None
            confirmed = evolve(named, asked_at=asked_at)
            self._write_stamp(confirmed)
        return confirmed

    def fail(self, failure: Failure) -> None:
        with self._folder.opened():
            self._write("failure", {**asdict(failure), "error": dict(failure.error)})

    def bump_generation(self) -> str:
        generation = new_token()
        with self._folder.opened():
            self._folder.write(self._name("generation"), generation.encode())
            self._folder.remove(self._name("lease"))
        return generation

    def lease(self, seconds: float) -> Lease | None:
        lease = _FileLease(self, seconds)
        return lease if lease._take(free=True) else None

    def clear(self) -> None:
        with self._folder.opened():
            self._folder.clear(self._key)

    def _name(self, kind: str) -> str:
        return f"{self._key}.{kind}"

    def _body(self, revision: SlotRevision) -> str:
        return f"{self._key}.{revision.body}.chats"

    def _read(self, kind: str) -> dict[str, Any] | None:
        data = self._folder.read(self._name(kind))
        if data is None:
            return None
        with suppress(ValueError, TypeError, LookupError, RecursionError):
            document = json.loads(data)
            fields = {name: document[name] for name in _FIELDS[kind]}
            if document["version"] == _VERSION and all(
                is_right(fields[name]) for name, is_right in _FIELDS[kind].items()
            ):
                return fields
        raise self._folder.refused(self._name(kind))

    def _write(self, kind: str, document: Mapping[str, Any]) -> None:
        times = {name: float(each) for name, each in document.items() if isinstance(each, int)}
        data = json.dumps({"version": _VERSION, **document, **times}).encode()
        if len(data) > SMALL:
            message = f"the {kind} has {len(data):,} bytes, more than {SMALL:,}"
            raise self._folder.error(message)
        self._folder.write(self._name(kind), data)

    def _stamp(self) -> SlotRevision | None:
        try:
            found = self._read("head")
        except DamagedError:
            self._drop()
            raise
        return None if found is None else SlotRevision(**found)

    def _write_stamp(self, revision: SlotRevision) -> None:
        self._write("head", asdict(revision))
        self._folder.remove(self._name("failure"))

    def _generation(self) -> str:
        found = self._read_generation()
        if found is None:
            made = new_token()
            self._folder.write(self._name("generation"), made.encode(), first=True)
            found = self._read_generation() or made
        return found

    def _read_generation(self) -> str | None:
        data = self._folder.read(self._name("generation"))
        if data is None:
            return None
        generation = data.decode("ascii", "replace")
        if not _is_token(generation):
            raise self._folder.refused(self._name("generation"))
        return generation

    def _drop(self) -> None:
        for entry in self._folder.files(self._key):
            if entry.name.endswith((".head", ".chats")):
                self._folder.remove(entry.name)

    def _sweep(self, revision: SlotRevision) -> None:
        """Remove what was left behind, and what is too old, of the other bots too."""
        now, file_time = self._store._now(), time.time()
        for entry in self._folder.files():
            kind = entry.name.rpartition(".")[2]
            if kind not in {"head", "chats", "failure", "tmp"} or entry.name == self._body(
                revision
            ):
                continue
            most, clock = self._store._max_age, now
            if kind == "tmp":
                most, clock = _LEFT_BEHIND, file_time
            elif kind == "chats" and entry.name.startswith(self._key):
                most = min(most, _LEFT_BEHIND)
            # Others may be at the same, and what is stored is stored.
            with suppress(OSError):
                if abs(clock - entry.stat(follow_symlinks=False).st_mtime) > most:
                    self._folder.remove(entry.name)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        name = self._name("lock")
        # An older filelock follows a link, and cuts off what it leads to.
        self._folder.read(name)
        try:
            lock = self._store._file_lock(self._folder.path_of(name))
            lock.acquire(poll_interval=0.01)
        except ImportError as error:
            message = f"filelock can't be imported: {error}"
        except TimeoutError:
            message = f"another process holds {name}"
        except NotImplementedError:
            message = "the file system has no locks"
        else:
            try:
                yield
            finally:
                lock.release()
            return
        raise self._folder.error(message) from None

    def _holder(self) -> tuple[str, bool]:
        """Who had the lease last, and whether it still counts."""
        found = self._read("lease")
        if found is None:
            return "", False
        # When it was taken later than now, the clock has been set back since.
        return found["owner"], found["since"] <= self._store._now() < found["until"]


class _FileLease:
    def __init__(self, slot: _FileSlot, seconds: float) -> None:
        self._slot, self._owner, self._seconds = slot, new_token(), seconds
        # A forked child is not the one that asks the server.
        self._process = os.getpid()

    def _take(self, *, free: bool) -> bool:
        slot = self._slot
        with slot._folder.opened():
            if free and slot._holder()[1]:
                return False
            with slot._locked():
                owner, counts = slot._holder()
                if owner != self._owner and (counts or not free):
                    return False
                now = slot._store._now()
                until = now + self._seconds
                slot._write("lease", {"owner": self._owner, "since": now, "until": until})
        return True

    def extend(self) -> bool:
        return self._process == os.getpid() and self._take(free=False)

    def release(self) -> None:
        if self._process != os.getpid():
            return
        slot = self._slot
        with slot._folder.opened(), slot._locked():
            if slot._holder()[0] == self._owner:
                slot._folder.remove(slot._name("lease"))

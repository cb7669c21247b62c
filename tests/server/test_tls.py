"""The certificate of a running server, and its renewal."""

from __future__ import annotations

import logging
import ssl
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import trustme
from attrs import define

from teamwire_sync._server import watched_files
from teamwire_sync._server.tls import Tls
from tests.server.test_web_server import Room

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@define
class Files:
    """The files of a certificate."""

    folder: Path

    @property
    def paths(self) -> tuple[Path, Path]:
        return self.folder / "certificate", self.folder / "key"

    def renew(self) -> bytes:
        """Replace both files, and return the certificate."""
        certificate = trustme.CA().issue_cert("127.0.0.1")
        certificate.cert_chain_pems[0].write_to_path(self.paths[0])
        certificate.private_key_pem.write_to_path(self.paths[1])
        return ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def first(files: Files) -> bytes:
    """The first certificate, which is in the files."""
    return files.renew()


@pytest.fixture
def room(files: Files, first: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    """A server that checks the files for each connection."""
    monkeypatch.setattr(watched_files, "_CHECK_INTERVAL", 0)
    with closing(Room(tls=Tls(*files.paths))) as room:
        yield room


def shown(room: Room) -> bytes | None:
    """The certificate of a new connection."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with context.wrap_socket(room.connect()) as client:
        return client.getpeercert(binary_form=True)


def test_new_connections_get_a_new_certificate(room: Room, files: Files, first: bytes) -> None:
    assert shown(room) == first
    second = files.renew()
    assert second != first
    assert shown(room) == second


@pytest.mark.parametrize("broken", ["certificate", "key", "other key", "missing"])
def test_with_broken_files_the_certificate_stays_and_one_line_says_so(
    room: Room, files: Files, first: bytes, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    if broken == "other key":
        trustme.CA().issue_cert("x").private_key_pem.write_to_path(files.paths[1])
    elif broken == "missing":
        files.paths[0].unlink()
    else:
        (files.folder / broken).write_text("broken")
    with caplog.at_level(logging.WARNING):
        assert [shown(room), shown(room)] == [first, first]
    (line,) = caplog.messages
    assert "the certificate from before stays in use" in line

    second = files.renew()
    assert shown(room) == second


def test_files_without_a_change_are_not_read_again(
    room: Room, files: Files, first: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert [shown(room) for _ in range(3)] == [first] * 3
    assert caplog.messages == []


def test_the_files_are_checked_once_in_a_second(
    files: Files, first: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_files, "_CHECK_INTERVAL", 1e6)
    with closing(Room(tls=Tls(*files.paths))) as room:
        shown(room)
        files.renew()
        assert shown(room) == first

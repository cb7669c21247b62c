"""Downloading attachments over real HTTP, and large files both ways."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import (
    Attachments,
    Connection,
    ConnectionConfig,
    FileAttachment,
    TWConnectionError,
    TWNotFoundError,
    TWProtocolError,
)
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync import Chat, Message
    from teamwire_sync.testing import Sandbox

DOWNLOAD = ("GET", "/v1/bot/attachments/*/content/")
# Longer than what the sandbox keeps in memory, and than one piece of a transfer.
CONTENT = bytes(range(256)) * 1000


def file_of(message: Message) -> FileAttachment:
    """The one file that is attached to a message."""
    (attachment,) = message.attachments or ()
    assert isinstance(attachment, FileAttachment)
    return attachment


@pytest.fixture
def sent(box: Sandbox, connection: Connection) -> FileAttachment:
    """A file that the bot has sent."""
    files = Attachments().add_file(io.BytesIO(CONTENT), "content.bin")
    return file_of(connection.chats.at(KNOWN_CHAT).post(attachments=files))


class TestDownloading:
    def test_a_path_is_where_it_goes(self, sent: FileAttachment, tmp_path: Path) -> None:
        path = sent.download(tmp_path / "here.bin")

        assert path == tmp_path / "here.bin"
        assert path.read_bytes() == CONTENT

    def test_in_a_folder_it_is_called_as_it_was(self, sent: FileAttachment, tmp_path: Path) -> None:
        path = sent.download(str(tmp_path))

        assert path == tmp_path / "content.bin"
        assert path.read_bytes() == CONTENT

    def test_in_a_folder_it_replaces_nothing(self, sent: FileAttachment, tmp_path: Path) -> None:
        (tmp_path / "content.bin").write_bytes(b"mine")
        path = sent.download(tmp_path)

        assert path == tmp_path / "content (1).bin"
        assert (tmp_path / "content.bin").read_bytes() == b"mine"

    def test_an_open_file_stays_open(self, sent: FileAttachment, tmp_path: Path) -> None:
        with (tmp_path / "here.bin").open("w+b") as file:
            file.write(b"before ")

            assert sent.download(file) is None

            file.seek(0)
            assert file.read() == b"before " + CONTENT

    def test_what_can_only_be_written_gets_it_too(self, sent: FileAttachment) -> None:
        """Such as a pipe to another program."""
        program = "import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())"
        with subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            sent.download(process.stdin)
            answer, _ = process.communicate()

        assert answer.decode().strip() == hashlib.sha256(CONTENT).hexdigest()

    def test_files_of_others_can_be_had(
        self, box: Sandbox, connection: Connection, tmp_path: Path
    ) -> None:
        box.post_message(KNOWN_CHAT, files={"a.txt": b"abc"})
        path = file_of(connection.chats.at(KNOWN_CHAT).get_messages(1)[0]).download(tmp_path)

        assert path is not None
        assert path.read_bytes() == b"abc"

    def test_progress_is_told_to_the_last_byte(self, sent: FileAttachment) -> None:
        told: list[tuple[int, int]] = []
        sent.download(io.BytesIO(), progress=lambda done, total: told.append((done, total)))

        assert {total for _, total in told} == {len(CONTENT)}
        assert [done for done, _ in told] == sorted({done for done, _ in told})
        assert told[-1][0] == len(CONTENT)

    def test_what_is_no_longer_in_a_chat_of_the_bot_is_not_found(
        self, box: Sandbox, connection: Connection, chat: Chat, tmp_path: Path
    ) -> None:
        message = chat.get_messages()[-2]
        chat.leave()

        with pytest.raises(TWNotFoundError):
            file_of(message).download(tmp_path)
        assert list(tmp_path.iterdir()) == []


class TestBrokenDownloads:
    @pytest.fixture
    def once(self, box: Sandbox, sent: FileAttachment) -> FileAttachment:
        """The same file, of a connection that tries once."""
        connection = box.connect(config=ConnectionConfig(retries=0))
        return file_of(connection.chats.at(KNOWN_CHAT).get_messages(1)[0])

    @pytest.mark.usefixtures("no_pauses")
    def test_they_are_tried_again_from_the_first_byte(
        self, box: Sandbox, sent: FileAttachment, tmp_path: Path
    ) -> None:
        box.fault(*DOWNLOAD, cut=100_000, times=1)
        box.fault(*DOWNLOAD, cut=0, times=1)
        box.fault(*DOWNLOAD, drop="after", times=1)
        path = sent.download(tmp_path)

        assert path is not None
        assert path.read_bytes() == CONTENT
        assert box.count(*DOWNLOAD) == 4

    @pytest.mark.usefixtures("no_pauses")
    def test_an_open_file_has_nothing_twice(self, box: Sandbox, sent: FileAttachment) -> None:
        box.fault(*DOWNLOAD, cut=100_000, times=2)
        target = io.BytesIO()
        sent.download(target)

        assert target.getvalue() == CONTENT

    @pytest.mark.parametrize("body", [b"short", CONTENT + b"1"], ids=["shorter", "longer"])
    def test_what_is_not_as_long_as_it_should_be_is_an_error_and_leaves_nothing(
        self, box: Sandbox, sent: FileAttachment, tmp_path: Path, body: bytes
    ) -> None:
        box.fault(*DOWNLOAD, body=body)

        with pytest.raises(TWProtocolError, match="bytes"):
            sent.download(tmp_path)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", ["", "here.bin"], ids=["folder", "path"])
    def test_they_leave_nothing(
        self, box: Sandbox, once: FileAttachment, tmp_path: Path, name: str
    ) -> None:
        box.fault(*DOWNLOAD, cut=100_000)

        with pytest.raises(TWConnectionError):
            once.download(tmp_path / name)

        assert list(tmp_path.iterdir()) == []

    def test_they_leave_what_was_there(
        self, box: Sandbox, once: FileAttachment, tmp_path: Path
    ) -> None:
        box.fault(*DOWNLOAD, cut=100_000)
        (tmp_path / "here.bin").write_bytes(b"mine")

        with pytest.raises(TWConnectionError):
            once.download(tmp_path / "here.bin")

        assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"mine"]

    def test_they_leave_an_open_file_as_it_was(self, box: Sandbox, once: FileAttachment) -> None:
        box.fault(*DOWNLOAD, cut=100_000)
        target = io.BytesIO()
        target.write(b"before")

        with pytest.raises(TWConnectionError):
            once.download(target)

        assert target.getvalue() == b"before"

    def test_half_a_file_is_never_under_its_name(
        self, sent: FileAttachment, tmp_path: Path
    ) -> None:
        path = tmp_path / "here.bin"
        seen: list[bool] = []
        sent.download(path, progress=lambda done, total: seen.append(path.exists()))

        assert set(seen) == {False}


def test_whatever_others_call_a_file_it_ends_inside_the_folder(
    box: Sandbox, connection: Connection, tmp_path: Path
) -> None:
    names = [
        "../../escaped.txt",
        "..\\..\\escaped.txt",
        "/tmp/escaped.txt",
        "C:\\escaped.txt",
        "..",
        ".",
        "/",
        ".bashrc",
        "a/../../escaped.txt",
        "nul\0escaped.txt",
        "line\nbreak.txt",
        "\u202egpj.exe",
        "CON",
        "x" * 1000,
        "\N{GRINNING FACE}" * 200,
    ]
    wrong = []
    for number, name in enumerate(names):
        root = tmp_path / f"{number}"
        folder = root / "a" / "b"
        folder.mkdir(parents=True)
        box.post_message(KNOWN_CHAT, files={name: b"abc"})
        path = file_of(connection.chats.at(KNOWN_CHAT).get_messages(1)[0]).download(folder)
        files = [each for each in root.rglob("*") if each.is_file()]
        is_inside = path is not None and path.resolve().parent == folder.resolve()
        if not is_inside or files != [path] or path.read_bytes() != b"abc" or path.name[0] == ".":
            wrong.append((name, path, files))

    assert wrong == []
    # And none of them is beside the folders of the others.
    assert len([each for each in tmp_path.rglob("*") if each.is_file()]) == len(names)


# Both ways in a process of its own, whose memory is limited as soon as everything is imported.
_TRANSFER = """
import hashlib, resource, sys
from pathlib import Path
from teamwire_sync import Attachments, Connection

class Digest:
    def __init__(self):
        self.sha = hashlib.sha256()
    def write(self, piece):
        self.sha.update(piece)
        return len(piece)

path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_DATA, (100 * 2**20,) * 2)
with Connection() as connection:
    chat = connection.chats.at(sys.argv[2])
    sent = chat.post("large", Attachments().add_file(path))
    digest = Digest()
    sent.attachments[0].download(digest)
# Of this program alone: getrusage also knows of the one that started it.
status = Path("/proc/self/status").read_text().splitlines()
peak = next(line.split()[1] for line in status if line.startswith("VmHWM:"))
print(digest.sha.hexdigest(), int(peak) // 1024)
"""
_LARGE = 200 * 2**20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs RLIMIT_DATA of Linux")
def test_200_mib_go_both_ways_through_a_process_limited_to_100_mib(
    box: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.write(b"begin")
        file.truncate(_LARGE - 3)
        file.seek(0, os.SEEK_END)
        file.write(b"end")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(2**20), b""):
            digest.update(piece)
    done = subprocess.run(
        [sys.executable, "-c", _TRANSFER, str(path), KNOWN_CHAT],
        env={**os.environ, **box.env},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    received, peak = done.stdout.split()
    assert received == digest.hexdigest()
    assert int(peak) < 100

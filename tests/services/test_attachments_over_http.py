"""Sending attachments over real HTTP, and reading back what was sent."""

from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Callable

import pytest

from teamwire_sync import (
    Attachments,
    AttachmentType,
    CalendarAttachment,
    Connection,
    ConnectionConfig,
    FileAttachment,
    LocationAttachment,
    TWConnectionError,
)
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync import Attachment, Chat, ChatHandle
    from teamwire_sync.testing import Sandbox

UPLOAD = ("POST", "/v1/bot/attachments/")
POSTING = ("POST", "/v1/bot/chats/*/messages/")
# Longer than what the sandbox keeps in memory, and than one piece of a transfer.
CONTENT = bytes(range(256)) * 1000

Add = Callable[..., Attachments]
KINDS = {
    AttachmentType.FILE: (Attachments.add_file, "Bericht & Plan.pdf", "application/pdf"),
    AttachmentType.GALLERY: (Attachments.add_image, "foto.png", "image/png"),
    AttachmentType.SOUND: (Attachments.add_sound, "memo.mp3", "audio/mpeg"),
    AttachmentType.VIDEO: (Attachments.add_video, "clip.mp4", "video/mp4"),
}


def only(attachments: list[Attachment] | None) -> Attachment:
    assert attachments is not None
    (attachment,) = attachments
    return attachment


def file_of(attachments: list[Attachment] | None) -> FileAttachment:
    attachment = only(attachments)
    assert isinstance(attachment, FileAttachment)
    return attachment


def read_back(box: Sandbox, chat: Chat | ChatHandle) -> list[Attachment] | None:
    """What is attached to the newest message, as another program sees it."""
    return box.connect().chats.at(chat.tid).get_messages(1)[0].attachments


class TestSending:
    @pytest.mark.parametrize("kind", KINDS, ids=str)
    def test_each_kind_of_file_is_read_back_as_it_was_sent(
        self, box: Sandbox, chat: Chat, tmp_path: Path, kind: AttachmentType
    ) -> None:
        add, name, content_type = KINDS[kind]
        path = tmp_path / name
        path.write_bytes(CONTENT)
        chat.post(attachments=add(Attachments(), path))
        attachment = file_of(read_back(box, chat))

        assert (attachment.type, attachment.name) == (kind, name)
        assert (attachment.size, attachment.content_type) == (len(CONTENT), content_type)
        target = io.BytesIO()
        attachment.download(target)
        assert target.getvalue() == CONTENT

    def test_a_place_is_read_back_as_it_was_sent(self, box: Sandbox, chat: Chat) -> None:
        place = ("Home", -48.1, 11.5)
        chat.post(
            attachments=Attachments().add_location(
                *place, address="Weg 1", city="Ulm", country="DE", postalCode="89073"
            )
        )

        assert only(read_back(box, chat)) == LocationAttachment(
            *place, "Weg 1", "Ulm", "DE", "89073"
        )

    def test_a_date_is_read_back_as_it_was_sent(self, box: Sandbox, chat: Chat) -> None:
        start = datetime(2027, 3, 28, 1, 30, tzinfo=timezone(timedelta(hours=1)))
        end = start + timedelta(minutes=90)
        chat.post(attachments=Attachments().add_calendar("Shift", start, end, "all", "Ward 3"))

        assert only(read_back(box, chat)) == CalendarAttachment(
            "Shift", start, end, "all", "Ward 3"
        )

    def test_several_keep_their_order(self, box: Sandbox, chat: Chat) -> None:
        files = Attachments()
        for number in range(4):
            files.add_file(io.BytesIO(b"%d" % number), f"{number}.txt")
        files.add_location("Home", 48, 11)
        chat.post("all of it", files)

        names = [getattr(attachment, "name", None) for attachment in read_back(box, chat) or ()]
        assert names == ["0.txt", "1.txt", "2.txt", "3.txt", "Home"]

    def test_an_open_file_is_sent_from_where_it_is(self, chat: Chat, tmp_path: Path) -> None:
        path = tmp_path / "log.txt"
        path.write_bytes(b"read already, to be sent")
        with path.open("rb") as file:
            file.seek(14)
            attachment = file_of(chat.post(attachments=Attachments().add_file(file)).attachments)

        target = io.BytesIO()
        attachment.download(target)
        assert (attachment.name, target.getvalue()) == ("log.txt", b"to be sent")

    def test_an_empty_file_is_sent(self, chat: Chat) -> None:
        files = Attachments().add_file(io.BytesIO(), "empty.txt")
        attachment = file_of(chat.post(attachments=files).attachments)

        target = io.BytesIO()
        attachment.download(target)
        assert (attachment.size, target.getvalue()) == (0, b"")

    @pytest.mark.parametrize(
        "name", ["Übersicht 世界.txt", "a&b=c+d?e#f%20.txt", "\N{GRINNING FACE}", "x" * 255]
    )
    def test_any_name_is_read_back_as_it_was(self, box: Sandbox, chat: Chat, name: str) -> None:
        chat.post(attachments=Attachments().add_file(io.BytesIO(b"abc"), name))

        assert file_of(read_back(box, chat)).name == name

    def test_they_can_be_posted_twice(self, chat: Chat) -> None:
        files = Attachments().add_file(io.BytesIO(CONTENT), "content.bin")
        sizes = [file_of(chat.post(attachments=files).attachments).size for _ in range(2)]

        assert sizes == [len(CONTENT)] * 2

    def test_those_of_another_message_are_not_sent_again(
        self, box: Sandbox, chat: Chat, connection: Connection
    ) -> None:
        message = chat.post(attachments=Attachments().add_file(io.BytesIO(CONTENT), "x.bin"))
        other = connection.chats.create_chat(users=[KNOWN_USER])
        other.post("see", message.attachments)

        assert read_back(box, other) == message.attachments
        assert box.count(*UPLOAD) == 1

    def test_one_of_another_message_goes_with_new_ones(self, box: Sandbox, chat: Chat) -> None:
        box.post_message(chat, files={"theirs.txt": b"abc"})
        theirs = file_of(chat.get_messages(1)[0].attachments)
        chat.post(attachments=Attachments().add(theirs).add_file(io.BytesIO(b"def"), "ours.txt"))

        names = [getattr(attachment, "name", None) for attachment in read_back(box, chat) or ()]
        assert names == ["theirs.txt", "ours.txt"]

    def test_progress_is_told_to_the_last_byte_of_all_files(self, chat: Chat) -> None:
        told: list[tuple[int, int]] = []
        files = Attachments().add_file(io.BytesIO(CONTENT), "1").add_location("Home", 48, 11)
        files.add_file(io.BytesIO(CONTENT), "2")
        chat.post(attachments=files, progress=lambda done, total: told.append((done, total)))

        total = 2 * len(CONTENT)
        assert {each for _, each in told} == {total}
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        assert told[-1] == (total, total)
        assert len(told) > 4

    @pytest.mark.usefixtures("no_pauses")
    def test_a_file_that_is_lost_on_the_way_is_sent_again(self, box: Sandbox, chat: Chat) -> None:
        box.fault(*UPLOAD, drop="before", times=1)
        box.fault(*UPLOAD, drop="after", times=1)
        box.fault(*UPLOAD, status=503, times=1)
        chat.post(attachments=Attachments().add_file(io.BytesIO(CONTENT), "content.bin"))
        target = io.BytesIO()
        file_of(read_back(box, chat)).download(target)

        assert target.getvalue() == CONTENT
        assert (box.count(*UPLOAD), box.count(*POSTING)) == (4, 1)

    def test_nothing_is_posted_when_a_file_cannot_be_sent(self, box: Sandbox) -> None:
        connection = box.connect(config=ConnectionConfig(retries=0))
        box.fault(*UPLOAD, drop="before")
        files = Attachments().add_file(io.BytesIO(CONTENT), "content.bin")

        with pytest.raises(TWConnectionError):
            connection.chats.at(KNOWN_CHAT).post("see", files)

        assert box.count(*POSTING) == 0

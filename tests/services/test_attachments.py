"""Attachments: what is accepted, under which name, and what is refused before any request."""

from __future__ import annotations

import gzip
import io
import os
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest
from werkzeug.datastructures import FileStorage

from teamwire_sync import (
    Attachments,
    AttachmentType,
    CalendarAttachment,
    LocationAttachment,
    OtherAttachment,
)
from teamwire_sync._http.contract import encode_message
from teamwire_sync._transport import MessageDraft
from tests.support.builders import make_file
from tests.support.repeated_hour import RepeatedHour
from tests.support.tables import unlike

if TYPE_CHECKING:
    from teamwire_sync._services.files import LocalFile

NOON = datetime(2024, 2, 29, 12, tzinfo=timezone.utc)
METHODS = {
    "add_file": AttachmentType.FILE,
    "add_image": AttachmentType.GALLERY,
    "add_sound": AttachmentType.SOUND,
    "add_video": AttachmentType.VIDEO,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    report = tmp_path / "report.pdf"
    report.write_bytes(b"abc")
    return report


def only(attachments: Attachments) -> Any:
    (item,) = attachments
    return item


def added(*arguments: Any) -> LocalFile:
    file: LocalFile = only(Attachments().add_file(*arguments))
    return file


def content(file: LocalFile) -> bytes:
    with file.opened() as source:
        return b"".join(iter(lambda: source.read(2), b""))


class TestCollecting:
    def test_none_at_first(self) -> None:
        assert (len(Attachments()), list(Attachments())) == (0, [])

    def test_each_method_gives_the_object_back(self, path: Path) -> None:
        attachments = Attachments()
        chained = (
            attachments.add_file(path)
            .add_image(path)
            .add_sound(path)
            .add_video(path)
            .add_calendar("Lunch", NOON, NOON)
            .add_location("Office", 1, 2)
            .add(make_file())
        )

        assert chained is attachments
        assert [item.type for item in chained] == [
            *("file", "gallery", "sound", "video", "calendar", "location", "file")
        ]

    @pytest.mark.parametrize("method", METHODS)
    def test_a_file_becomes_what_its_method_says(self, method: str, path: Path) -> None:
        item = only(getattr(Attachments(), method)(path))

        assert (item.type, item.name) == (METHODS[method], "report.pdf")

    def test_its_repr_names_what_is_in_it(self, path: Path) -> None:
        shown = repr(Attachments().add_file(path).add_location("Office", 1, 2))

        assert "report.pdf" in shown
        assert "Office" in shown
        assert str(path.parent) not in shown

    @pytest.mark.parametrize("attachment", [make_file(), OtherAttachment(AttachmentType.POLL)])
    def test_an_attachment_of_another_message_stays_as_it_is(self, attachment: Any) -> None:
        assert only(Attachments().add(attachment)) is attachment

    def test_add_takes_no_files(self) -> None:
        text = "must be an Attachment, not {}; use add_file for files"
        given = ("report.pdf", b"", None, 5, Attachments())
        rows = [(one, TypeError, text.format(type(one).__name__)) for one in given]

        assert unlike(Attachments().add, rows) == []

    def test_what_is_refused_is_not_added(self, tmp_path: Path) -> None:
        attachments = Attachments()
        with pytest.raises(FileNotFoundError):
            attachments.add_file(tmp_path / "none")

        assert len(attachments) == 0


class TestNames:
    @pytest.mark.parametrize("make", [str, Path], ids=["str", "Path"])
    def test_a_path_has_one(self, path: Path, make: Callable[[Path], Any]) -> None:
        assert added(make(path)).name == "report.pdf"

    def test_so_has_an_open_file(self, path: Path) -> None:
        with path.open("rb") as file:
            assert added(file).name == "report.pdf"

    def test_so_has_one_without_buffer(self, path: Path) -> None:
        with path.open("rb", buffering=0) as file:
            assert added(file).name == "report.pdf"

    def test_an_upload_of_flask_has_the_one_of_the_users_file_not_of_the_forms_field(self) -> None:
        upload = FileStorage(io.BytesIO(b"abc"), filename="report.pdf", name="upload")
        file = added(upload)

        assert (file.name, file.content_type, content(file)) == (
            "report.pdf",
            "application/pdf",
            b"abc",
        )

    def test_an_upload_of_fastapi_which_reads_in_a_coroutine_is_read_as_a_file(self) -> None:
        class UploadFile:
            def __init__(self) -> None:
                self.filename = "report.pdf"
                self.file = io.BytesIO(b"abc")

            async def read(self) -> bytes:
                return b""

        file = added(UploadFile())

        assert (file.name, content(file)) == ("report.pdf", b"abc")

    def test_an_upload_without_a_file_name_does_not_get_the_one_of_the_forms_field(self) -> None:
        with pytest.raises(ValueError, match=r"^the file has no name: pass one, "):
            Attachments().add_file(FileStorage(io.BytesIO(b"abc"), name="upload"))  # type: ignore[arg-type]

    def test_so_has_a_compressed_file_which_is_asked_without_a_warning(self, path: Path) -> None:
        with gzip.open(path.with_suffix(".gz"), "wb") as file:
            file.write(b"abc")

        with gzip.open(path.with_suffix(".gz"), "rb") as file:
            assert added(file).name == "report.gz"

    def test_what_is_given_wins(self, path: Path) -> None:
        assert added(path, "other.txt").name == "other.txt"

    @pytest.mark.parametrize("name", ["<stdin>", "<fdopen>"])
    def test_what_python_calls_a_stream_is_none(self, name: str) -> None:
        stream = io.BytesIO(b"x")
        stream.name = name

        with pytest.raises(ValueError, match=r"^the file has no name: pass one, "):
            Attachments().add_file(stream)

    def test_a_bare_buffer_has_none(self) -> None:
        with pytest.raises(ValueError, match=r"^the file has no name: pass one, "):
            Attachments().add_file(io.BytesIO(b"x"))

    def test_a_number_is_none(self, path: Path) -> None:
        with (
            os.fdopen(os.open(path, os.O_RDONLY), "rb") as file,
            pytest.raises(ValueError, match="the file has no name: pass"),
        ):
            Attachments().add_file(file)

    def test_a_buffer_takes_what_is_given(self) -> None:
        assert added(io.BytesIO(b"x"), "x.png").name == "x.png"

    def test_the_folders_of_an_open_file_are_no_part_of_it(self, path: Path) -> None:
        with path.open("rb") as file:
            assert "/" not in added(file).name

    @pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode elsewhere")
    def test_one_that_is_no_unicode_is_made_so(self, tmp_path: Path) -> None:
        path = os.fsencode(tmp_path) + b"/caf\xe9.txt"
        with open(path, "wb"):  # noqa: PTH123  a Path is no bytes
            pass

        assert added(os.fsdecode(path)).name == "caf?.txt"

    def test_one_that_can_not_be_sent_is_refused(self, path: Path) -> None:
        rows = [
            ("", ValueError, "^name is empty"),
            ("x" * 256, ValueError, "^name must have at most 255 characters, not 256"),
            ("\ud800", ValueError, "^name has half of a surrogate pair"),
            (b"x", TypeError, "^name must be a str, not bytes"),
            (5, TypeError, "^name must be a str, not int"),
        ]

        assert unlike(lambda name: Attachments().add_file(path, name), rows) == []

    def test_the_media_type_follows_from_it(self) -> None:
        kinds = {
            "a.pdf": "application/pdf",
            "a.PNG": "image/png",
            "a.mp3": "audio/mpeg",
            "a.unheard-of": "application/octet-stream",
            "a": "application/octet-stream",
            "a.csv.gz": "application/octet-stream",
        }

        assert {name: added(io.BytesIO(b"x"), name).content_type for name in kinds} == kinds


class TestFiles:
    def test_one_can_be_sent_twice(self, path: Path) -> None:
        file = added(path)

        assert content(file) == content(file) == b"abc"

    def test_of_an_open_one_it_is_what_is_from_its_position_on(self, path: Path) -> None:
        with path.open("rb") as opened:
            opened.seek(1)
            file = added(opened)
            opened.seek(0)

            assert content(file) == content(file) == b"bc"
            assert file.size == 2

    def test_an_open_one_stays_open(self, path: Path) -> None:
        with path.open("rb") as opened:
            content(added(opened))

            assert not opened.closed

    def test_a_pipe_is_copied_and_can_be_sent_twice(self) -> None:
        reader, writer = os.pipe()
        with open(writer, "wb") as end:  # noqa: PTH123  a pipe has no path
            end.write(b"piped")
        with open(reader, "rb") as pipe:  # noqa: PTH123
            file = added(pipe, "x.txt")

        assert content(file) == content(file) == b"piped"
        assert file.size == 5

    def test_so_is_what_can_do_no_more_than_read(self) -> None:
        class Bare:
            read = io.BytesIO(b"bare").read

        assert content(added(Bare(), "x.txt")) == b"bare"

    def test_the_copy_goes_with_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        copies: list[Any] = []
        real = tempfile.TemporaryFile

        def make(*arguments: Any) -> Any:
            copies.append(real(*arguments))
            return copies[-1]

        monkeypatch.setattr(tempfile, "TemporaryFile", make)
        attachments = Attachments().add_file(type("", (), {"read": io.BytesIO(b"x").read})(), "x")
        assert not copies[0].closed
        del attachments

        assert copies[0].closed

    def test_a_copy_that_fails_leaves_no_file_behind(self) -> None:
        class Broken:
            def read(self, _: int = -1) -> bytes:
                message = "broken pipe"
                raise OSError(message)

        with pytest.raises(OSError, match="broken pipe"):
            Attachments().add_file(Broken(), "x.txt")  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "make",
        [
            lambda path: path.open(),
            lambda path: path.open("wb"),
            lambda path: path.open("w"),
            lambda _: tempfile.NamedTemporaryFile("w+"),  # noqa: SIM115  the test closes it
            lambda _: io.StringIO("x"),
        ],
        ids=["text", "for writing", "for writing text", "wrapped text", "StringIO"],
    )
    def test_one_that_gives_no_bytes_is_refused(
        self, make: Callable[[Path], Any], path: Path
    ) -> None:
        with (
            make(path) as file,
            pytest.raises(
                TypeError,
                match=r"^path_or_file must be a path or a file .* reading bytes \(mode 'rb'",
            ),
        ):
            Attachments().add_file(file, "x.txt")

    def test_what_is_no_file_is_refused(self) -> None:
        text = "^path_or_file must be a path .*, not {}$"
        given = (None, 5, b"report.pdf", ["x"])
        rows = [(one, TypeError, text.format(type(one).__name__)) for one in given]

        assert unlike(lambda one: Attachments().add_file(one, "x.txt"), rows) == []

    def test_a_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(IsADirectoryError) as caught:
            Attachments().add_file(tmp_path)
        assert caught.value.filename == str(tmp_path)

    def test_one_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError) as caught:
            Attachments().add_file(tmp_path / "none.txt")
        assert caught.value.filename == str(tmp_path / "none.txt")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has none")
    def test_a_named_pipe_is_refused_and_not_waited_for(self, tmp_path: Path) -> None:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)

        text = r"fifo is not a regular file: open it and pass the file object$"
        with pytest.raises(OSError, match=text):
            Attachments().add_file(fifo)

    @pytest.mark.skipif(not Path(os.devnull).is_char_device(), reason="the system has none")
    def test_a_device_is_refused(self) -> None:
        with pytest.raises(OSError, match="is not a regular file"):
            Attachments().add_file(os.devnull)

    def test_one_that_may_not_be_read_is_refused(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)

        with pytest.raises(PermissionError):
            Attachments().add_file(path)

    def test_a_link_is_followed(self, path: Path) -> None:
        link = path.with_name("link.txt")
        link.symlink_to(path)

        assert (added(link).name, content(added(link))) == ("link.txt", b"abc")


class TestCalendar:
    def test_has_what_is_given(self) -> None:
        end = NOON + timedelta(hours=1)
        item = only(Attachments().add_calendar("Lunch", NOON, end, "bring cake", "room 5"))

        assert item == CalendarAttachment("Lunch", NOON, end, "bring cake", "room 5")

    def test_may_end_when_it_starts(self) -> None:
        assert only(Attachments().add_calendar("Lunch", NOON, NOON)).endDate == NOON

    def test_an_entry_may_cover_the_end_of_summer_time(self) -> None:
        start = datetime(2025, 10, 26, 2, 45, tzinfo=RepeatedHour())
        end = start.replace(minute=15, fold=1)

        assert only(Attachments().add_calendar("Night shift", start, end)).endDate is end
        with pytest.raises(ValueError, match=r"^endDate is before startDate: "):
            Attachments().add_calendar("Night shift", end, start)

    def test_the_last_microsecond_of_all_is_in_the_last_year(self) -> None:
        """Programs write it where there is no end."""
        end = datetime.max.replace(tzinfo=timezone.utc)
        item = only(Attachments().add_calendar("Shop", NOON, end))
        (sent,) = encode_message(MessageDraft("x", attachments=[item]))["attachments"]

        assert sent["end_date"] == 253_402_300_799_999

    def test_what_is_wrong_is_named(self) -> None:
        west, east = (timezone(timedelta(hours=hours)) for hours in (-12, 14))
        given = {"title": "Lunch", "startDate": NOON, "endDate": NOON}
        rows = [
            ({"title": ""}, ValueError, "title is empty"),
            ({"title": None}, TypeError, "title must be a str, not NoneType"),
            ({"startDate": datetime(2024, 1, 1)}, ValueError, "startDate has no time zone"),
            ({"endDate": datetime(2025, 1, 1)}, ValueError, "endDate has no time zone"),
            ({"startDate": NOON.date()}, TypeError, "startDate must be a datetime, not date"),
            ({"endDate": 5}, TypeError, "endDate must be a datetime, not int"),
            ({"endDate": NOON - timedelta(seconds=1)}, ValueError, "endDate is before startDate: "),
            (
                {"endDate": datetime.max.replace(tzinfo=west)},
                ValueError,
                "endDate is in no year from 1 to 9999 in UTC: ",
            ),
            (
                {"startDate": datetime.min.replace(tzinfo=east)},
                ValueError,
                "startDate is in no year from 1 to 9999 in UTC: ",
            ),
            ({"description": 5}, TypeError, "description must be a str, not int"),
            ({"location": "\ud800"}, ValueError, "location has half of a surrogate pair"),
        ]
        rows = [({**given, **change}, kind, f"^{text}") for change, kind, text in rows]

        assert unlike(lambda given: Attachments().add_calendar(**given), rows) == []


class TestLocation:
    def test_has_what_is_given(self) -> None:
        given = {"address": "Main St 1", "city": "X", "country": "DE", "postalCode": "80331"}
        item = only(Attachments().add_location("Office", 48, -11.5, **given))

        assert item == LocationAttachment("Office", 48, -11.5, **given)

    @pytest.mark.parametrize(("lat", "lon"), [(-90, -180), (90.0, 180.0), (0, 0)])
    def test_may_be_anywhere_on_earth(self, lat: float, lon: float) -> None:
        item = only(Attachments().add_location("Pole", lat, lon))

        assert (item.lat, item.lon) == (lat, lon)

    def test_what_is_wrong_is_named(self) -> None:
        given = {"name": "Office", "lat": 48, "lon": 11.5}
        rows = [
            ({"name": ""}, ValueError, "name is empty"),
            ({"lat": 90.001}, ValueError, "lat must be from -90 to 90, got 90.001"),
            ({"lon": -181}, ValueError, "lon must be from -180 to 180, got -181"),
            ({"lat": float("nan")}, ValueError, "lat must be from -90 to 90, got nan"),
            ({"lat": "48"}, TypeError, "lat must be a number, not str"),
            ({"lon": None}, TypeError, "lon must be a number, not NoneType"),
            ({"lon": True}, TypeError, "lon must be a number, not bool"),
            ({"city": 5}, TypeError, "city must be a str, not int"),
            ({"postalCode": 80331}, TypeError, "postalCode must be a str, not int"),
        ]
        rows = [({**given, **change}, kind, f"^{text}") for change, kind, text in rows]

        assert unlike(lambda given: Attachments().add_location(**given), rows) == []

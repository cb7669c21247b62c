"""What can be attached to a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from attrs import field, frozen

from teamwire_sync._models.base import Bound, Extensible, OpenEnum, extra_field, text_repr

if TYPE_CHECKING:
    import os
    from datetime import datetime
    from pathlib import Path

    from teamwire_sync._display.progress import Progress


class AttachmentType(OpenEnum):
    """Kind of an attachment."""

    CALENDAR = "calendar"
    LOCATION = "location"
    GALLERY = "gallery"
    SOUND = "sound"
    VIDEO = "video"
    FILE = "file"
    POLL = "poll"
    LIVE_LOCATION = "live_location"


class Attachable(Protocol):
    """A file of this machine that becomes an attachment when the message is posted.

    `Attachments` makes them.
    """

    @property
    def type(self) -> AttachmentType:
        """The kind of attachment that it becomes."""

    @property
    def name(self) -> str:
        """What receivers see."""


class FileService(Protocol):
    """Brings the content of attachments."""

    def download(
        self,
        attachment: FileAttachment,
        path_or_file: str | os.PathLike[str] | BinaryIO,
        *,
        progress: Progress,
        timeout: float | None,
    ) -> Path | None:
        """Write the content of *attachment*; see `FileAttachment.download`."""


class Attachment(Extensible, Bound[FileService]):
    """What is attached to a message; the classes below say more.

    Attributes:
        type: The kind.
    """

    __slots__ = ()
    type: AttachmentType


@frozen
class FileAttachment(Attachment):
    """A file: any, a picture (`AttachmentType.GALLERY`), a sound or a video.

    Attributes:
        type: Which of them.
        aid: The id, an opaque string.
        name: What its sender calls it; `download` makes a safe file name of it.
        size: Bytes.
        content_type: Its media type, as its sender says.
    """

    type: AttachmentType
    aid: str = field(repr=False)
    name: str = field(repr=text_repr)
    size: int
    content_type: str = field(default="application/octet-stream", repr=False)
    _extra: tuple[tuple[str, Any], ...] = extra_field()

    def download(
        self,
        path_or_file: str | os.PathLike[str] | BinaryIO,
        *,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> Path | None:
        """Write the content to a file, piece by piece: it is never in memory as a whole.

        A file appears under its name when all of it is there, and not before.

        Args:
            path_or_file: The path of a file, which is replaced when it exists; or a folder, for a
                new file in it that is called as the attachment is, as far as that is safe; or a
                file that is open for writing bytes.
            progress: Called with the bytes that have come, and with those of all of it; True shows
                a bar.
            timeout: Seconds that this call may take at most. Without it, each read may take
                ``assets_timeout``.

        Returns:
            The path of the file; None for an open file.

        Raises:
            TypeError: It is no path and no file that is open for writing bytes.
            OSError: The file can't be written.
            TWNotFoundError: The attachment is no longer there.
            TWProtocolError: What came is not as long as the attachment.
            TWError: It could not be read.
            ImportError: *progress* is True, and there is no tqdm; the text says what to install.
        """
        return self._acting().download(self, path_or_file, progress=progress, timeout=timeout)


@frozen
class CalendarAttachment(Attachment):
    """A calendar entry. The names are the vendor's.

    Attributes:
        title: The title.
        startDate: When it starts, aware.
        endDate: When it ends, aware.
        description: A text, or None.
        location: Where it is, or None.
    """

    type: AttachmentType = field(default=AttachmentType.CALENDAR, init=False, repr=False)
    title: str = field(repr=text_repr)
    startDate: datetime = field(repr=str)  # noqa: N815
    endDate: datetime = field(repr=str)  # noqa: N815
    description: str | None = field(default=None, repr=False)
    location: str | None = field(default=None, repr=False)
    _extra: tuple[tuple[str, Any], ...] = extra_field()


@frozen
class LocationAttachment(Attachment):
    """A place. The names are the vendor's.

    Attributes:
        name: The name.
        lat: Latitude in degrees, from -90 to 90.
        lon: Longitude in degrees, from -180 to 180.
        address: None when it is not known, as all that follows.
        city: The city.
        country: The country.
        postalCode: The postal code.
    """

    type: AttachmentType = field(default=AttachmentType.LOCATION, init=False, repr=False)
    name: str = field(repr=text_repr)
    lat: float
    lon: float
    address: str | None = field(default=None, repr=False)
    city: str | None = field(default=None, repr=False)
    country: str | None = field(default=None, repr=False)
    postalCode: str | None = field(default=None, repr=False)  # noqa: N815
    _extra: tuple[tuple[str, Any], ...] = extra_field()


@frozen
class OtherAttachment(Attachment):
    """An attachment of a kind that this release only passes on, such as a poll.

    Attributes:
        type: The kind.
        extra: What the server says of it.
    """

    type: AttachmentType
    _extra: tuple[tuple[str, Any], ...] = extra_field()

"""The attachments of messages."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Protocol

from attrs import field, frozen

from teamwire_sync._internal.dates import instant_of
from teamwire_sync._models.base import Bound, Extensible, OpenEnum, extra_field, text_repr

if TYPE_CHECKING:
    import os
    from datetime import datetime
    from pathlib import Path

    from teamwire_sync._display.progress import Progress


class AttachmentType(OpenEnum):
    """The kind of an attachment."""

    CALENDAR = "calendar"
    LOCATION = "location"
    GALLERY = "gallery"
    SOUND = "sound"
    VIDEO = "video"
    FILE = "file"
    POLL = "poll"
    LIVE_LOCATION = "live_location"


class Attachable(Protocol):
    """A local file that becomes an attachment when the message is posted.

    `Attachments` creates it.
    """

    @property
    def type(self) -> AttachmentType:
        """The kind of attachment that the file becomes."""

    @property
    def name(self) -> str:
        """The name that receivers see."""


class FileService(Protocol):
    """The service of the attachments."""

    def download(
        self,
        attachment: FileAttachment,
        path_or_file: str | os.PathLike[str] | IO[bytes],
        *,
        progress: Progress,
        timeout: float | None,
    ) -> Path | None:
        """Download the content of *attachment*; see `FileAttachment.download`."""


class Attachment(Extensible, Bound[FileService]):
    """An attachment of a message.

    Each kind has a subclass with its own fields.

    Attributes:
        type: The kind of attachment.
    """

    __slots__ = ()
    type: AttachmentType


@frozen
class FileAttachment(Attachment):
    """A file of any kind, including a picture (`AttachmentType.GALLERY`), a sound or a video.

    Attributes:
        type: The kind of file.
        aid: The attachment ID, an opaque string.
        name: The file name that the sender chose. `download` makes a safe file name from it.
        size: The size in bytes.
        content_type: The media type that the sender declared.
    """

    type: AttachmentType
    aid: str = field(repr=False)
    name: str = field(repr=text_repr)
    size: int
    content_type: str = field(default="application/octet-stream", repr=False)
    _extra: tuple[tuple[str, Any], ...] = extra_field()

    def download(
        self,
        path_or_file: str | os.PathLike[str] | IO[bytes],
        *,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> Path | None:
        """Download the content to a file.

        The content comes piece by piece, and is never in memory as a whole. The file appears under
        its name only when it is complete.

        Args:
            path_or_file: The path of a file, which is replaced if it exists; or the path of a
                folder, for a new file under a safe form of the attachment's name; or a file object
                that is open for writing bytes.
            progress: A callback ``progress(done, total)``. It receives the number of bytes written
                so far and the number of all bytes. True shows a progress bar.
            timeout: A limit for the call in seconds. If None, only each read is limited, by
                ``assets_timeout``.

        Returns:
            The path of the file, or None for a file object.

        Raises:
            TypeError: *path_or_file* is neither a path nor a file object that is open for writing
                bytes.
            OSError: The file can't be written.
            TWNotFoundError: The attachment no longer exists.
            TWProtocolError: The content is longer or shorter than ``size``.
            TWError: The request failed.
            ImportError: *progress* is True, and tqdm is missing. The text says what to install.
        """
        return self._acting().download(self, path_or_file, progress=progress, timeout=timeout)


@frozen
class CalendarAttachment(Attachment):
    """A calendar entry.

    The names of the fields are the vendor's.

    Attributes:
        title: The title.
        startDate: The start, as an aware datetime.
        endDate: The end, as an aware datetime.
        description: A text, or None.
        location: The name of the place, or None.
    """

    type: AttachmentType = field(default=AttachmentType.CALENDAR, init=False, repr=False)
    title: str = field(repr=text_repr)
    startDate: datetime = field(repr=str, eq=instant_of)  # noqa: N815
    endDate: datetime = field(repr=str, eq=instant_of)  # noqa: N815
    description: str | None = field(default=None, repr=False)
    location: str | None = field(default=None, repr=False)
    _extra: tuple[tuple[str, Any], ...] = extra_field()


@frozen
class LocationAttachment(Attachment):
    """A place.

    The names of the fields are the vendor's.

    Attributes:
        name: The name of the place.
        lat: The latitude in degrees, from -90 to 90.
        lon: The longitude in degrees, from -180 to 180.
        address: The address, or None if it is unknown.
        city: The city, or None if it is unknown.
        country: The country, or None if it is unknown.
        postalCode: The postal code, or None if it is unknown.
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
    """An attachment of another kind, such as a poll.

    It can be posted again unchanged.

    Attributes:
        type: The kind of attachment.
        extra: The fields that the server sent.
    """

    type: AttachmentType
    _extra: tuple[tuple[str, Any], ...] = extra_field()

    def to_dict(self) -> dict[str, Any]:
        """Return the type and the extra fields as a dict of plain values, for JSON."""
        return {"type": self.type.value, "extra": self.extra}

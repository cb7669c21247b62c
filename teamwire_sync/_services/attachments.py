"""The attachments of a new message."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from teamwire_sync._internal.dates import instant_of, milliseconds_of
from teamwire_sync._internal.fields import is_time
from teamwire_sync._internal.validation import require_date, require_number, require_text
from teamwire_sync._models.attachments import (
    Attachment,
    AttachmentType,
    CalendarAttachment,
    LocationAttachment,
)
from teamwire_sync._services.files import LocalFile

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from datetime import datetime


class Attachments:
    """The attachments of a new message: ``Attachments().add_file("report.pdf")``.

    Each ``add`` method returns the object itself, so that calls can be chained. The same object can
    be posted several times.
    """

    def __init__(self) -> None:
        self._items: list[Attachment | LocalFile] = []

    def add(self, attachment: Attachment) -> Attachments:
        """Add an attachment of another message.

        Raises:
            TypeError: *attachment* is not an `Attachment`.
        """
        if not isinstance(attachment, Attachment):
            message = (
                f"attachment must be an Attachment, not {type(attachment).__name__}; "
                "use add_file for files"
            )
            raise TypeError(message)
        self._items.append(attachment)
        return self

    def add_file(
        self, path_or_file: str | os.PathLike[str] | IO[bytes], name: str | None = None
    ) -> Attachments:
        """Add a file.

        The content is read piece by piece when the message is posted.

        Args:
            path_or_file: The path of a file, or a file object that is open for reading bytes. A
                file object is sent from its current position, and must stay open until the message
                is posted. If it can't be rewound, such as a pipe, it is first copied to a temporary
                file.
            name: The name that receivers see, at most 255 characters. The default is the file's
                name: the attribute ``filename`` of a web framework's upload, or ``name``.

        Raises:
            TypeError: *path_or_file* is neither a path nor a file object that is open for reading
                bytes.
            ValueError: The path or the name is empty or missing, the name is too long, or the file
                object is at its end.
            OSError: The file does not exist or can't be read.
        """
        return self._add_file(AttachmentType.FILE, path_or_file, name)

    def add_image(
        self, path_or_file: str | os.PathLike[str] | IO[bytes], name: str | None = None
    ) -> Attachments:
        """Add a picture, which clients show in the chat; see `add_file`."""
        return self._add_file(AttachmentType.GALLERY, path_or_file, name)

    def add_sound(
        self, path_or_file: str | os.PathLike[str] | IO[bytes], name: str | None = None
    ) -> Attachments:
        """Add a sound, which clients play in the chat; see `add_file`."""
        return self._add_file(AttachmentType.SOUND, path_or_file, name)

    def add_video(
        self, path_or_file: str | os.PathLike[str] | IO[bytes], name: str | None = None
    ) -> Attachments:
        """Add a video, which clients play in the chat; see `add_file`."""
        return self._add_file(AttachmentType.VIDEO, path_or_file, name)

    def add_calendar(
        self,
        title: str,
        startDate: datetime,  # noqa: N803  the vendor's name
        endDate: datetime,  # noqa: N803
        description: str | None = None,
        location: str | None = None,
    ) -> Attachments:
        """Add a calendar entry.

        Args:
            title: The title. It must not be empty.
            startDate: The start, with a time zone.
            endDate: The end, with a time zone.
            description: An optional text.
            location: An optional name of the place.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The title is empty, a date has no time zone or is in no year from 1 to 9999
                in UTC, or the end is before the start.
        """
        require_text(title, "title", empty=False)
        for name, date in (("startDate", startDate), ("endDate", endDate)):
            require_date(date, name)
            if not is_time(milliseconds_of(date)):
                message = f"{name} is in no year from 1 to 9999 in UTC: {date}"
                raise ValueError(message)
        if instant_of(endDate) < instant_of(startDate):
            message = f"endDate is before startDate: {endDate} and {startDate}"
            raise ValueError(message)
        for name, text in (("description", description), ("location", location)):
            require_text(text, name, optional=True)
        return self.add(CalendarAttachment(title, startDate, endDate, description, location))

    def add_location(
        self,
        name: str,
        lat: float,
        lon: float,
        *,
        address: str | None = None,
        city: str | None = None,
        country: str | None = None,
        postalCode: str | None = None,  # noqa: N803  the vendor's name
    ) -> Attachments:
        """Add a place.

        Args:
            name: The name of the place. It must not be empty.
            lat: The latitude in degrees, from -90 to 90.
            lon: The longitude in degrees, from -180 to 180.
            address: The optional address.
            city: The optional city.
            country: The optional country.
            postalCode: The optional postal code.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The name is empty, or *lat* or *lon* is out of range.
        """
        require_text(name, "name", empty=False)
        lat = require_number(lat, "lat", -90, 90)
        lon = require_number(lon, "lon", -180, 180)
        texts = {"address": address, "city": city, "country": country, "postalCode": postalCode}
        for key, text in texts.items():
            require_text(text, key, optional=True)
        return self.add(LocationAttachment(name, lat, lon, address, city, country, postalCode))

    def _add_file(
        self,
        kind: AttachmentType,
        path_or_file: str | os.PathLike[str] | IO[bytes],
        name: str | None,
    ) -> Attachments:
        self._items.append(LocalFile.of(kind, path_or_file, name))
        return self

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Attachment | LocalFile]:
        return iter(self._items)

    def __repr__(self) -> str:
        return f"Attachments({self._items!r})"

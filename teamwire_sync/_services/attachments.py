"""What is to be attached to a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

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
    """What is to be attached to a message: ``Attachments().add_file("report.pdf")``.

    Each method gives the object back, so that several can be chained. It can be posted several
    times.
    """

    def __init__(self) -> None:
        self._items: list[Attachment | LocalFile] = []

    def add(self, attachment: Attachment) -> Attachments:
        """Add an attachment of another message.

        Raises:
            TypeError: It is none.
        """
        if not isinstance(attachment, Attachment):
            message = (
                f"attachment must be an Attachment, not {type(attachment).__name__}; "
                "add_file takes files"
            )
            raise TypeError(message)
        self._items.append(attachment)
        return self

    def add_file(
        self, path_or_file: str | os.PathLike[str] | BinaryIO, name: str | None = None
    ) -> Attachments:
        """Add a file. It is read when the message is posted, piece by piece.

        Args:
            path_or_file: The path of a file, or a file that is open for reading bytes, and stays
                open until then; of that, what is from its position on. One that can't be rewound,
                such as a pipe, is first read into a temporary file.
            name: What receivers see; by default the name of the file.

        Raises:
            TypeError: It is no path and no file that is open for reading bytes.
            ValueError: There is no name, or it is longer than 255 characters; or an open file is
                at its end.
            OSError: There is no such file, or it can't be read.
        """
        return self._add_file(AttachmentType.FILE, path_or_file, name)

    def add_image(
        self, path_or_file: str | os.PathLike[str] | BinaryIO, name: str | None = None
    ) -> Attachments:
        """Add a picture, which clients show in the chat; as `add_file`."""
        return self._add_file(AttachmentType.GALLERY, path_or_file, name)

    def add_sound(
        self, path_or_file: str | os.PathLike[str] | BinaryIO, name: str | None = None
    ) -> Attachments:
        """Add a sound, which clients play in the chat; as `add_file`."""
        return self._add_file(AttachmentType.SOUND, path_or_file, name)

    def add_video(
        self, path_or_file: str | os.PathLike[str] | BinaryIO, name: str | None = None
    ) -> Attachments:
        """Add a video, which clients play in the chat; as `add_file`."""
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
            title: The title; not empty.
            startDate: When it starts, with a time zone.
            endDate: When it ends, with a time zone.
            description: A text.
            location: Where it is.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: A date is without a time zone, or the end is before the start.
        """
        require_text(title, "title", empty=False)
        require_date(startDate, "startDate")
        require_date(endDate, "endDate")
        if endDate < startDate:
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
            name: The name; not empty.
            lat: Latitude in degrees, from -90 to 90.
            lon: Longitude in degrees, from -180 to 180.
            address: The address.
            city: The city.
            country: The country.
            postalCode: The postal code.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: *lat* or *lon* is out of range.
        """
        require_text(name, "name", empty=False)
        require_number(lat, "lat", -90, 90)
        require_number(lon, "lon", -180, 180)
        texts = {"address": address, "city": city, "country": country, "postalCode": postalCode}
        for key, text in texts.items():
            require_text(text, key, optional=True)
        return self.add(LocationAttachment(name, lat, lon, address, city, country, postalCode))

    def _add_file(
        self,
        kind: AttachmentType,
        path_or_file: str | os.PathLike[str] | BinaryIO,
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

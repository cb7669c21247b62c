"""Conversion of JSON to attachments."""

from __future__ import annotations

from typing import Any

from teamwire_sync._internal.dates import date_of
from teamwire_sync._internal.fields import (
    FLOAT,
    NUMBER,
    OPTIONAL,
    STRING,
    Fields,
    checked,
    checked_time,
    extra_of,
)
from teamwire_sync._models.attachments import (
    Attachment,
    AttachmentType,
    CalendarAttachment,
    FileAttachment,
    LocationAttachment,
    OtherAttachment,
)
from teamwire_sync.exceptions import TWProtocolError

_ATTACHMENT: Fields = {"type": STRING}
_FILE: Fields = {
    "type": STRING,
    "attachment_id": STRING,
    "name": STRING,
    "size": NUMBER,
    "content_type": STRING,
}
_CALENDAR: Fields = {
    "type": STRING,
    "title": STRING,
    "start_date": NUMBER,
    "end_date": NUMBER,
    "description": OPTIONAL,
    "location": OPTIONAL,
}
_LOCATION: Fields = {
    "type": STRING,
    "name": STRING,
    "lat": FLOAT,
    "lon": FLOAT,
    "address": OPTIONAL,
    "city": OPTIONAL,
    "country": OPTIONAL,
    "postal_code": OPTIONAL,
}


def decode_attachments(raws: list[Any]) -> tuple[Attachment, ...]:
    """Return the attachments in *raws*; an unknown kind becomes an `OtherAttachment`."""
    return tuple([_decode(raw) for raw in raws])


def _decode(raw: Any) -> Attachment:
    checked(raw, "an attachment", _ATTACHMENT)
    kind = AttachmentType(raw["type"])
    make = _KINDS.get(kind, _other)
    return make(kind, raw)


def _file(kind: AttachmentType, raw: Any) -> Attachment:
    checked(raw, "a file", _FILE)
    if raw["size"] < 0:
        message = '"size" of a file is below zero'
        raise TWProtocolError(message)
    return FileAttachment(
        kind,
        raw["attachment_id"],
        raw["name"],
        raw["size"],
        raw["content_type"],
        extra_of(raw, _FILE),
    )


def _calendar(_kind: AttachmentType, raw: Any) -> Attachment:
    checked(raw, "a calendar entry", _CALENDAR)
    start, end = (
        date_of(checked_time(raw, name, "a calendar entry")) for name in ("start_date", "end_date")
    )
    return CalendarAttachment(
        raw["title"],
        start,
        end,
        raw["description"],
        raw["location"],
        extra_of(raw, _CALENDAR),
    )


def _location(_kind: AttachmentType, raw: Any) -> Attachment:
    checked(raw, "a location", _LOCATION)
    for name, most in (("lat", 90), ("lon", 180)):
        if not -most <= raw[name] <= most:
            message = f'"{name}" of a location is out of range'
            raise TWProtocolError(message)
    return LocationAttachment(
        raw["name"],
        raw["lat"],
        raw["lon"],
        raw["address"],
        raw["city"],
        raw["country"],
        raw["postal_code"],
        extra_of(raw, _LOCATION),
    )


def _other(kind: AttachmentType, raw: Any) -> Attachment:
    return OtherAttachment(kind, extra_of(raw, _ATTACHMENT))


_KINDS = {
    AttachmentType.FILE: _file,
    AttachmentType.GALLERY: _file,
    AttachmentType.SOUND: _file,
    AttachmentType.VIDEO: _file,
    AttachmentType.CALENDAR: _calendar,
    AttachmentType.LOCATION: _location,
}

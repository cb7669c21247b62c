"""The attachments of messages, under the vendor's module name."""

from teamwire_sync._models.attachments import (
    Attachment,
    AttachmentType,
    CalendarAttachment,
    LocationAttachment,
)
from teamwire_sync._services.attachments import Attachments

__all__ = [
    "Attachment",
    "AttachmentType",
    "Attachments",
    "CalendarAttachment",
    "LocationAttachment",
]

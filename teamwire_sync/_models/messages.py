"""What belongs to a message, and names no chat."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from teamwire_sync._models.base import Extensible, OpenEnum, extra_field, text_repr


class AlertType(OpenEnum):
    """Kind of a message that asks for attention."""

    ALERT = "alert"
    ANNOUNCEMENT = "announcement"
    NOTE = "note"


@frozen
class LinkPreview(Extensible):
    """What clients show of a page that a message links to.

    Attributes:
        url: The link.
        title: Of the page; may be None, as may all that follows but *domain*.
        description: Of the page.
        image: URL of a picture.
        domain: The page's host.
    """

    url: str = field(repr=text_repr)
    title: str | None = field(default=None, repr=False)
    description: str | None = field(default=None, repr=False)
    image: str | None = field(default=None, repr=False)
    domain: str = field(default="", repr=False)
    _extra: tuple[tuple[str, Any], ...] = extra_field()

"""The parts of a message that do not refer to a chat."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from teamwire_sync._models.base import Extensible, OpenEnum, extra_field, text_repr


class AlertType(OpenEnum):
    """The kind of an alert, which is a message that asks for attention."""

    ALERT = "alert"
    ANNOUNCEMENT = "announcement"
    NOTE = "note"


@frozen
class LinkPreview(Extensible):
    """The preview that clients show of a page that a message links to.

    Attributes:
        url: The link.
        title: The title of the page, or None.
        description: The description of the page, or None.
        image: The URL of a picture, or None.
        domain: The host of the page.
    """

    url: str = field(repr=text_repr)
    title: str | None = field(default=None, repr=False)
    description: str | None = field(default=None, repr=False)
    image: str | None = field(default=None, repr=False)
    domain: str = field(default="", repr=False)
    _extra: tuple[tuple[str, Any], ...] = extra_field()

"""Messages."""

from __future__ import annotations

from reprlib import repr as short_repr
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from teamwire_sync._models.base import Extensible, OpenEnum, extra_field, text_repr

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from teamwire_sync._models.attachments import Attachment
    from teamwire_sync._models.chats import Chat, ChatHandle
    from teamwire_sync._models.people import User
    from teamwire_sync._services.attachments import Attachments


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

    def __hash__(self) -> int:
        return hash(self.url)


@frozen
class Message(Extensible):
    """A message in a chat.

    Attributes:
        chat: Where it was posted; a `ChatHandle` when it was got through one.
        mid: The id, an opaque string.
        from_user: Who posted it.
        timestamp: Milliseconds since 1970-01-01 UTC.
        msg: The text; None when there is none.
        is_alert: Whether it asks for attention.
        alert_type: How it asks for attention; None when it does not.
        reply_to: The id of the message that it answers, or None.
        sender_display_name: Shown in place of the author's name, or None.
        deleted: Whether its author deleted it.
        attachments: What is attached; None when nothing is.
        link_preview: What is shown of a page that it links to, or None.
    """

    chat: Chat | ChatHandle = field(repr=False)
    mid: str = field(repr=text_repr)
    from_user: User = field(repr=False)
    timestamp: int = field(repr=False)
    msg: str | None = field(default=None, repr=short_repr)
    is_alert: bool = field(default=False, repr=False)
    alert_type: AlertType | None = field(default=None, repr=False)
    reply_to: str | None = field(default=None, repr=False)
    sender_display_name: str | None = field(default=None, repr=False)
    deleted: bool = field(default=False, repr=False)
    _attachments: tuple[Attachment, ...] = field(default=(), repr=False)
    link_preview: LinkPreview | None = field(default=None, repr=False)
    _extra: tuple[tuple[str, Any], ...] = extra_field()

    def __hash__(self) -> int:
        return hash(self.mid)

    @property
    def attachments(self) -> list[Attachment] | None:
        """What is attached; None when nothing is."""
        return list(self._attachments) or None

    @property
    def tstamp_date(self) -> datetime:
        """When it was posted, aware, in UTC."""
        return date_of(self.timestamp)

    def reply(
        self,
        message: str = "",
        attachments: Attachments | Iterable[Attachment] | None = None,
        **arguments: Any,
    ) -> Message:
        """Answer it in its chat: ``chat.post`` with ``reply_to``.

        Args:
            message: The text.
            attachments: What to attach.
            **arguments: The others of `Chat.post`.

        Raises:
            TypeError: As `Chat.post`.
            ValueError: As `Chat.post`.
            TWError: As `Chat.post`.
        """
        return self.chat.post(message, attachments, reply_to=self, **arguments)


def date_of(timestamp: int) -> datetime:
    """The moment *timestamp* milliseconds after 1970-01-01 UTC, aware, in UTC."""
    from datetime import datetime, timedelta, timezone  # noqa: PLC0415  only for this

    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    return epoch + timedelta(milliseconds=timestamp)

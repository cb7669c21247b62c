"""Messages."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from teamwire_api.chats import AlertType, Chat
    from teamwire_api.users import User


class LinkPreview:
    """What is shown of a page that a message links to."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.url = document["url"]
        self.title = document["title"]
        self.description = document["description"]
        self.image = document["image"]
        self.domain = document["domain"]


class Message:
    """A message of a chat."""

    def __init__(
        self,
        chat: Chat,
        document: dict[str, Any],
        *,
        from_user: User,
        alert_type: AlertType | None,
    ) -> None:
        preview = document["link_preview"]
        self.chat = chat
        self.mid = document["mid"]
        self.from_user = from_user
        self.timestamp = document["timestamp"]
        self.tstamp_date = datetime.fromtimestamp(self.timestamp / 1000, tz=timezone.utc)
        self.is_alert = document["is_alert"]
        self.alert_type = alert_type
        self.reply_to = document["reply_to"]
        self.msg = document["message"]
        self.attachments = None
        self.deleted = document["deleted"]
        self.sender_display_name = document["sender_display_name"]
        self.link_preview = None if preview is None else LinkPreview(preview)

"""Messages, under the vendor's module name."""

from teamwire_sync._models.chats import Message
from teamwire_sync._models.messages import LinkPreview

__all__ = ["LinkPreview", "Message"]

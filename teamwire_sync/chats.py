"""Chats, under the vendor's module name."""

from teamwire_sync._models.chats import Chat, ChatType
from teamwire_sync._models.messages import AlertType

__all__ = ["AlertType", "Chat", "ChatType"]

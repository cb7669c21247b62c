"""The parts of every Connection, for one import when the first Connection is made."""

from teamwire_sync._cache.chat_cache import ChatCache
from teamwire_sync._cache.source import ServerSource, Source
from teamwire_sync._cache.state import CacheState
from teamwire_sync._services.chat_actions import ChatActions
from teamwire_sync._services.chats import Chats
from teamwire_sync._services.directory import GroupDirectory, Groups, UserDirectory, Users
from teamwire_sync._services.paging import read_listing

__all__ = [
    "CacheState",
    "ChatActions",
    "ChatCache",
    "Chats",
    "GroupDirectory",
    "Groups",
    "ServerSource",
    "Source",
    "UserDirectory",
    "Users",
    "read_listing",
]

"""The Connection and its settings, under the vendor's module name."""

from teamwire_sync._config import ConnectionConfig
from teamwire_sync._connection import Connection

__all__ = ["Connection", "ConnectionConfig"]

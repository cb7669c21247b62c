"""The package's logger, imported when a Connection or a sandbox is created.

An earlier import of logging would take an eighth of the time of ``import teamwire_sync``. After a
later import, a fork could happen during the import, and the child would wait forever.
"""

from __future__ import annotations

import logging

logger = logging.getLogger("teamwire_sync")
logger.addHandler(logging.NullHandler())

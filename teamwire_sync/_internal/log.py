"""The package's logger, imported when a Connection or a sandbox is made.

logging would take an eighth of the time of ``import teamwire_sync``. Any later, a fork could come
in the middle of importing it, and the child would wait for that for ever.
"""

from __future__ import annotations

import logging

logger = logging.getLogger("teamwire_sync")
logger.addHandler(logging.NullHandler())

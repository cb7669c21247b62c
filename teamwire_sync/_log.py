"""The package's logger, imported by who has something to say.

logging would take an eighth of the time of ``import teamwire_sync``.
"""

from __future__ import annotations

import logging

logger = logging.getLogger("teamwire_sync")
logger.addHandler(logging.NullHandler())

"""The version of the package. Copies of the package without its metadata have it, too."""

from __future__ import annotations

VERSION = "0.1.0"

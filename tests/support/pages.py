"""The code blocks of the documentation's pages."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, language: str) -> list[str]:
    """The text of each block of *page* that is in *language*."""
    text = (DOCS / page).read_text("utf-8")
    found = re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for kind, block in found if kind == language]


def block_with(page: str, language: str, part: str) -> str:
    """The one block of *page* that has *part* in it."""
    (found,) = (block for block in blocks(page, language) if part in block)
    return found

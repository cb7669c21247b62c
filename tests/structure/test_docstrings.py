"""Docstrings name the thing or the action first, in plain words."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import teamwire_sync

PACKAGE = Path(teamwire_sync.__file__).parent
# Such a sentence names its subject last, or not at all.
UNCLEAR = re.compile(r"(What|Who|Whom|Whose|Whoever|Whatever|That|Those|How|Where|By which)\b")


def test_none_begins_with_what_or_who() -> None:
    unclear = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                docstring = ast.get_docstring(node) or ""
                if UNCLEAR.match(docstring):
                    unclear.append(f"{path.relative_to(PACKAGE)}: {docstring.splitlines()[0]}")

    assert unclear == []

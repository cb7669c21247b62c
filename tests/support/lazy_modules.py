"""The modules that the package imports when they are first used, found in its sources."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

import teamwire_sync

_PACKAGE = Path(teamwire_sync.__file__).parent
_MECHANISM = {"LazyModule", "import_whole", "import_extra"}


def lazy_names(tree: ast.AST) -> set[str]:
    """The modules that the source *tree* imports lazily."""
    return {
        str(node.args[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in _MECHANISM
        and isinstance(node.args[0], ast.Constant)
    }


def lazy_modules() -> list[str]:
    """All of them that can be imported here."""
    found = {f"teamwire_sync.{name}" for name in teamwire_sync._LATER}
    for path in _PACKAGE.rglob("*.py"):
        found |= lazy_names(ast.parse(path.read_text("utf-8")))
    return sorted(name for name in found if find_spec(name.partition(".")[0]))

"""No except clause handles the exception of a signal handler like an exception of its own block.

`teamwire_sync._internal.signals` says why.
"""

from __future__ import annotations

import ast
from collections import Counter
from typing import TYPE_CHECKING

from tests.structure.test_imports import SOURCES, room_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# A handler raises anything but these: control flow of the package, and of click.
OWN = {
    "Abandoned", "AnswerRefusedError", "DamagedError", "LocalFailure", "OwnConnectionError",
    "StoreError", "_Paused", "_Skip",
    "Abort", "ClickException", "KeyboardInterrupt", "NoSuchOption",
}  # fmt: skip
ALLOWED = {
    # These clauses raise the same exception again.
    "teamwire_sync._http.body": 1,
    "teamwire_sync._internal.signals": 1,
    # They run while the module is imported.
    "teamwire_sync._cli": 1,
    "teamwire_sync.testing": 1,
    # Signal handlers run in the main thread only, and these run in other threads.
    "teamwire_sync._internal.waiting": 1,
    "teamwire_sync._vendor.errors": 1,
    "teamwire_sync._vendor.session": 2,
    "teamwire_sync._vendor.transport": 1,
    # An exception of a handler in a fork is only printed.
    "teamwire_sync._internal.imports": 1,
}
MODULES = [module for module in SOURCES if room_of(f"{module}.") != "_sandbox"]


def _clauses(node: ast.AST) -> Iterator[ast.ExceptHandler]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.AsyncFunctionDef):
            continue  # it runs in the vendor's thread
        if isinstance(child, ast.ExceptHandler):
            yield child
        yield from _clauses(child)


def _may_swallow(clause: ast.ExceptHandler) -> bool:
    if isinstance(clause.type, ast.Call):
        return False  # not_by_signal
    kinds = clause.type.elts if isinstance(clause.type, ast.Tuple) else [clause.type]
    names = {kind.attr if isinstance(kind, ast.Attribute) else getattr(kind, "id", None)
             for kind in kinds}  # fmt: skip
    last = clause.body[-1]
    raises_again = isinstance(last, ast.Raise) and last.exc is None
    return bool(names - OWN) and not raises_again


def test_each_except_clause_uses_not_by_signal() -> None:
    found = Counter(
        module for module in MODULES for clause in _clauses(SOURCES[module])
        if _may_swallow(clause)
    )  # fmt: skip
    assert found == ALLOWED


def test_only_errors_of_stores_and_threads_are_suppressed_by_contextlib() -> None:
    users = {
        module
        for module in MODULES
        for node in ast.walk(SOURCES[module])
        if isinstance(node, ast.ImportFrom) and node.module == "contextlib"
        if any(alias.name == "suppress" for alias in node.names)
    }
    assert users == {"teamwire_sync._stores.lease", "teamwire_sync._stores.sharing"}

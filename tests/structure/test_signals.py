"""No except clause handles the exception of a signal handler like an exception of its own block.

`teamwire_sync._internal.signals` says why.
"""

from __future__ import annotations

import ast
import dis
import sys
from collections import Counter
from types import CodeType
from typing import TYPE_CHECKING

import pytest

from tests.structure.test_imports import SERVERS, SOURCES, room_of

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
    "teamwire_sync.gateway": 1,
    "teamwire_sync.testing": 1,
    # Signal handlers run in the main thread only, and these run in other threads.
    "teamwire_sync._internal.waiting": 1,
    "teamwire_sync._vendor.errors": 1,
    "teamwire_sync._vendor.session": 2,
    "teamwire_sync._vendor.transport": 1,
    # An exception of a handler in a fork is only printed.
    "teamwire_sync._internal.imports": 1,
}
# The only purpose of these blocks is to translate or suppress errors, or no signal interrupts them.
TRANSLATE_ERRORS = {
    "teamwire_sync._stores.redis_link: _maker",
    "teamwire_sync._stores.folder: Folder.databases",
    "teamwire_sync._vendor.transport: _look_up.<locals>.find",
}
MODULES = [module for module in SOURCES if room_of(f"{module}.") not in SERVERS]


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


def test_each_rlock_is_made_where_python_3_14_is_considered() -> None:
    users = {
        module
        for module in MODULES
        for node in ast.walk(SOURCES[module])
        if isinstance(node, ast.Attribute) and node.attr == "RLock"
    }
    # No with block takes that of imports.
    assert users == {"teamwire_sync._internal.waiting", "teamwire_sync._internal.imports"}


def _attribute_of_self(node: ast.AST) -> str | None:
    is_own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    return node.attr if is_own and node.value.id == "self" else None  # type: ignore[attr-defined]


def _changed_in_place(node: ast.AST) -> str | None:
    """Return the attribute of self whose dict or set a call or an assignment changes."""
    if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
        return None if isinstance(node.ctx, ast.Load) else _attribute_of_self(node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        names = {"add", "discard", "pop", "setdefault", "update"}
        return _attribute_of_self(node.func.value) if node.func.attr in names else None
    return None


def _looped_over(node: ast.AST) -> str | None:
    if not isinstance(node, (ast.For, ast.comprehension)):
        return None
    over = node.iter
    if isinstance(over, ast.Call) and isinstance(over.func, ast.Attribute):
        over = over.func.value
    return _attribute_of_self(over)


def test_no_loop_goes_over_a_dict_or_set_that_a_handler_may_change() -> None:
    """A loop over `list(...)` of it takes all its items in one step."""
    for module in MODULES:
        for each in ast.walk(SOURCES[module]):
            if isinstance(each, ast.ClassDef):
                made = [node for node in each.body if getattr(node, "name", "") == "__init__"]
                changes = set(ast.walk(each)).difference(*map(ast.walk, made))
                changed = {_changed_in_place(node) for node in changes} - {None}
                loops = {_looped_over(node) for node in ast.walk(each)}
                assert not changed & loops, f"{module}.{each.name}"


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _leaves_with(code: CodeType) -> bool:
    """Whether a jump back to a with block is outside of the block's exception table."""
    found = dis.Bytecode(code)
    instructions = {each.offset: each for each in found}
    entries = found.exception_entries  # type: ignore[attr-defined]

    def handler_of(offset: int) -> int | None:
        return next((one.target for one in entries if one.start <= offset < one.end), None)

    def ends_with(offset: int | None) -> bool:
        while offset is not None:
            after = [each for start, each in instructions.items() if start >= offset][:3]
            if any(each.opname == "WITH_EXCEPT_START" for each in after):
                return True
            offset = handler_of(offset)
        return False

    return any(
        each.opname.startswith("JUMP_BACKWARD")
        and handler_of(each.offset) is None
        and ends_with(handler_of(each.argval))
        for each in instructions.values()
    )


@pytest.mark.skipif(sys.version_info < (3, 12), reason="older Pythons compile no such jumps")
def test_no_condition_of_a_loop_in_a_with_block_lets_a_signal_leave_the_block() -> None:
    """After a false condition, a handler's exception would not call `__exit__`: use a function."""
    found = {
        f"{module}: {code.co_qualname}"  # type: ignore[attr-defined]
        for module in MODULES
        if room_of(f"{module}.") != "_cli"
        for code in _codes(compile(SOURCES[module], module, "exec"))
        if _leaves_with(code)
    }
    assert found <= TRANSLATE_ERRORS

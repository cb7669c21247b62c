"""The directions of the imports. Imports for type checking and lazy imports count, too."""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import teamwire_sync
from tests.support.lazy_modules import lazy_names

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(teamwire_sync.__file__).parent
_BASE = {"_internal", "exceptions"}
# What each room may use besides itself. The root module exports, and is not counted.
MAY_USE = {
    "exceptions": set(),
    "_internal": {"exceptions"},
    "_display": _BASE,
    "_models": {"_display", *_BASE},
    "_transport": {"_models", *_BASE},
    "_cache": {"_models", "_display", *_BASE},
    "_services": {"_cache", "_models", "_transport", "_display", *_BASE},
    "_config": _BASE,
    "_profiles": _BASE,
    "_stores": {"_cache", "_models", "_profiles", *_BASE},
    "_http": {"_transport", "_models", "_config", "_profiles", *_BASE},
    "_vendor": {"_transport", "_models", "_config", *_BASE},
    "_server": {"_transport", "_http", *_BASE},
    "_gateway": {"_server", "_composition", "_config", "_services", "_cache", "_stores"},
    # Its pytest plugin uses what any test uses: testing.
    "_sandbox": {"_server", "_connection", "_transport", "_http", "_models", "testing", *_BASE},
    "testing": {"_sandbox", *_BASE},
    "gateway": {"_gateway", *_BASE},
}
# The modules that the vendor documents. They have its names, and nothing of their own.
VENDORS = {"attachments", "chats", "connection", "events", "groups", "message", "users"}
# They put the others together. Nobody but the programs of users knows these.
_COMPOSED = {*MAY_USE} - {"testing", "gateway", "_sandbox", "_server", "_gateway"}
MAY_USE["_composition"] = _COMPOSED
MAY_USE["_connection"] = {"_composition", *_COMPOSED}
MAY_USE["_gateway"] |= MAY_USE["_sandbox"] - {"testing"}
MAY_USE["_cli"] = {*MAY_USE}
MAY_USE["__main__"] = {"_cli"}
MAY_USE |= {name: {"_models", "_services", "_config", "_connection"} for name in VENDORS}


def _paths() -> dict[str, Path]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = ["teamwire_sync", *path.relative_to(PACKAGE).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


class Sources(Mapping[str, ast.Module]):
    """The modules of the package. Each is parsed at its first use: all workers import this file."""

    def __init__(self) -> None:
        self._paths = _paths()
        self._parsed: dict[str, ast.Module] = {}

    def __getitem__(self, module: str) -> ast.Module:
        if module not in self._parsed:
            self._parsed[module] = ast.parse(self._paths[module].read_text("utf-8"))
        return self._parsed[module]

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


SOURCES = Sources()


def _imported(module: str) -> set[str]:
    found = set()
    for node in ast.walk(SOURCES[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in SOURCES else str(node.module))
    found |= lazy_names(SOURCES[module])
    return {name for name in found if name.split(".")[0] == "teamwire_sync"}


@cache
def imports() -> dict[str, set[str]]:
    return {module: _imported(module) for module in SOURCES if module != "teamwire_sync"}


def room_of(module: str) -> str:
    return module.split(".")[1]


SERVERS = {"_sandbox", "_server", "_gateway"}
# All but the command line and the servers: those have few threads, and no forks of a program's.
_LIBRARY = [
    module
    for module in SOURCES
    if module == "teamwire_sync" or room_of(module) not in {"_cli", *SERVERS}
]


def test_no_module_imports_from_the_root() -> None:
    assert [module for module, used in imports().items() if "teamwire_sync" in used] == []


def test_there_is_no_circle() -> None:
    circle = None
    try:
        TopologicalSorter(imports()).prepare()
    except CycleError as error:
        circle = " -> ".join(error.args[1])
    assert circle is None


def test_each_room_uses_what_it_may() -> None:
    wrong = {
        f"{module} -> {name}"
        for module, used in imports().items()
        for name in used
        if room_of(name) != room_of(module) and room_of(name) not in MAY_USE[room_of(module)]
    }
    assert wrong == set()


def test_no_import_in_a_function_but_by_the_one_mechanism() -> None:
    found = {
        f"{module}:{node.lineno}"
        for module in _LIBRARY
        for function in ast.walk(SOURCES[module])
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    assert found == set()


def test_no_other_way_to_import_is_used() -> None:
    found = {
        module
        for module in _LIBRARY
        for node in ast.walk(SOURCES[module])
        if _name_of(node) in {"__import__", "import_module", "importlib"}
    }
    assert found == {"teamwire_sync._internal.imports"}


def test_each_lazy_module_is_imported_for_type_checking_under_the_same_name() -> None:
    wrong = {
        f"{module}: {name}"
        for module in _LIBRARY
        for name, target in _stand_ins(SOURCES[module]).items()
        if _checked(SOURCES[module]).get(name) != target
    }
    assert wrong == set()
    assert "_composition" in _stand_ins(SOURCES["teamwire_sync._connection"])


def test_no_lazy_module_is_used_when_a_module_is_imported() -> None:
    """It would be imported then, in the middle of that import."""
    wrong = {
        f"{module}:{node.lineno}"
        for module in _LIBRARY
        for node in _run_at_import(SOURCES[module])
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        if node.id in _stand_ins(SOURCES[module])
    }
    assert wrong == set()


def _name_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.ImportFrom):
        return node.module
    if isinstance(node, ast.alias):
        return node.name
    return node.id if isinstance(node, ast.Name) else None


def _stand_ins(tree: ast.AST) -> dict[str, str]:
    """The modules that stand-ins stand for, by the name of the stand-in."""
    return {
        target.id: lazy_names(node.value).pop()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        if _name_of(node.value.func) == "LazyModule"
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _checked(tree: ast.Module) -> dict[str, str]:
    """The modules that are imported for type checking, by name."""
    found = {}
    for branch in tree.body:
        if isinstance(branch, ast.If) and _name_of(branch.test) == "TYPE_CHECKING":
            for node in branch.body:
                if isinstance(node, (ast.Import, ast.ImportFrom)):
                    prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                    for alias in node.names:
                        found[alias.asname or alias.name] = prefix + alias.name
    return found


def _run_at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of *tree* that are run when it is imported: no bodies of functions."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.AnnAssign):
            continue
        yield from _run_at_import(node)


def test_the_rest_of_a_room_is_behind_its_contract() -> None:
    """Of the HTTP transport, the servers know only what they serve."""
    used = {
        name
        for module in imports()
        if room_of(module) in {"_sandbox", "_server"}
        for name in imports()[module]
        if room_of(name) == "_http"
    }
    assert {name.split(".")[2] for name in used} <= {"contract"}


def test_no_backend_knows_the_application() -> None:
    """Requests go from the application to the backend."""
    using = {module for module, used in imports().items() if "teamwire_sync._server.app" in used}
    assert using == {"teamwire_sync._sandbox.controls.door", "teamwire_sync._gateway.app"}


def test_services_and_the_cache_know_nothing_of_json_and_http() -> None:
    foreign = {"json", "requests", "urllib3", "http", "socket", "ssl"}
    wrong = [
        f"{module}: {name}"
        for module, tree in SOURCES.items()
        if module.split(".")[1:2] and room_of(module) in {"_services", "_cache", "_models"}
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in _roots(node)
        if name in foreign
    ]
    assert wrong == []


def _roots(node: ast.Import | ast.ImportFrom) -> list[str]:
    names = [str(node.module)] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
    return [name.split(".")[0] for name in names]


def test_only_the_contract_knows_paths() -> None:
    """The credentials know how they begin: people paste URLs with that."""
    wrong = [
        f"{module}: {node.value}"
        for module, tree in SOURCES.items()
        if not module.startswith("teamwire_sync._http.contract")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and str(node.value).startswith("/v1/bot/")
    ]
    assert wrong == []


def test_only_the_contract_knows_fields() -> None:
    """Ids in paths, attributes of errors and of urllib3's retries have the names of fields, too."""
    text = (PACKAGE / "_http" / "contract" / "openapi.json").read_text("utf-8")
    fields = {*_properties(json.loads(text))} - {"tid", "uid", "gid", "code", "status", "total"}
    assert {"user_ids", "next_cursor"} < fields
    wrong = [
        f"{module}: {node.value}"
        for module, tree in SOURCES.items()
        if module.startswith("teamwire_sync._http.") and ".contract" not in module
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in fields
    ]
    assert wrong == []


def _properties(document: object) -> Iterator[str]:
    if isinstance(document, dict):
        properties = document.get("properties")
        yield from properties if isinstance(properties, dict) else ()
        document = list(document.values())
    if isinstance(document, list):
        for each in document:
            yield from _properties(each)


def test_at_most_10_modules_lie_flat() -> None:
    flat = {path.stem for path in PACKAGE.glob("*.py")} - VENDORS
    assert len(flat) <= 10, sorted(flat)


def test_the_vendors_modules_only_pass_names_on() -> None:
    """After the docstring, they have imports and __all__."""
    statements = {
        type(node)
        for name in VENDORS
        for node in SOURCES[f"teamwire_sync.{name}"].body[1:]
        if not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")
    }
    assert statements == {ast.ImportFrom}


def test_no_two_classes_have_the_same_name() -> None:
    """Not even one with an underscore and one without."""
    found = defaultdict(list)
    for module, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found[node.name.strip("_")].append(module)
    assert {name: where for name, where in found.items() if len(where) > 1} == {}


def test_each_package_says_what_it_is_for() -> None:
    silent = [
        path.parent.name
        for path in PACKAGE.glob("*/**/__init__.py")
        if len((ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split()) < 10
    ]
    assert silent == []

"""What a program gets by ``import teamwire_sync``."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from configparser import ConfigParser
from importlib import metadata, resources
from inspect import Parameter, isclass, isfunction, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import teamwire_sync
from teamwire_sync import (
    attachments,
    chats,
    connection,
    events,
    exceptions,
    groups,
    message,
    testing,
    users,
)
from teamwire_sync._http.contract import OPERATIONS
from teamwire_sync._http.transport import HttpTransport
from teamwire_sync._transport import Transport
from tests.support.fake_transport import FakeTransport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

# The modules that the vendor documents.
VENDORS = [attachments, chats, connection, events, groups, message, users]
# These are no classes, but names for annotations.
ALIASES = {"Progress"}


def python(code: str) -> str:
    """What *code* prints in a process of its own, whose warnings are errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def annotations(public: type) -> Iterator[str]:
    """The annotations of the attributes, methods and properties that *public* offers."""
    is_made_by_us = public.__name__ in {"Chats", "EventStream", "Groups", "Users"}
    for kind in public.__mro__:
        if not kind.__module__.startswith("teamwire_sync"):
            continue
        yield from (text for name, text in own_annotations(kind) if name[0] != "_")
        for name, value in vars(kind).items():
            function = getattr(value, "fget", None) or getattr(value, "__func__", value)
            if isfunction(function) and (
                name[0] != "_" or (name == "__init__" and not is_made_by_us)
            ):
                yield from map(str, function.__annotations__.values())


def own_annotations(kind: type) -> Iterator[tuple[str, str]]:
    return ((name, str(each)) for name, each in vars(kind).get("__annotations__", {}).items())


class TestNames:
    @pytest.mark.parametrize(
        "module", [teamwire_sync, exceptions, *VENDORS], ids=lambda one: one.__name__
    )
    def test_all_is_sorted_and_has_no_name_twice(self, module: ModuleType) -> None:
        assert list(module.__all__) == sorted(set(module.__all__))

    def test_all_has_every_public_name(self) -> None:
        for name in teamwire_sync.__all__:
            getattr(teamwire_sync, name)  # some come only when they are asked for
        public = {
            name
            for name, value in vars(teamwire_sync).items()
            if not name.startswith("_")
            and getattr(value, "__module__", "").startswith("teamwire_sync")
        }

        assert set(teamwire_sync.__all__) - ALIASES == public

    def test_every_name_is_there(self) -> None:
        named = [name for name in teamwire_sync.__all__ if name not in ALIASES]

        assert named == [getattr(teamwire_sync, name).__name__ for name in named]

    def test_dir_has_every_name_before_it_is_asked_for(self) -> None:
        printed = python("import teamwire_sync; print(*dir(teamwire_sync))")

        assert set(teamwire_sync.__all__) <= set(printed.split())

    def test_dir_has_no_name_that_is_not_public(self) -> None:
        printed = python("import teamwire_sync.testing; print(*dir(teamwire_sync))")
        names = {name for name in printed.split() if not name.startswith("__")}

        assert names == {*teamwire_sync.__all__, "exceptions", "testing"}

    @pytest.mark.parametrize("name", ["exceptions", "gateway", "testing"])
    def test_dir_of_a_public_module_is_what_it_exports(self, name: str) -> None:
        module = importlib.import_module(f"teamwire_sync.{name}")

        assert [each for each in dir(module) if each[0] != "_"] == sorted(module.__all__)

    def test_what_stands_in_a_public_signature_is_a_public_name(self) -> None:
        """Programs never call the methods of a transport."""
        standard = {"Any", "IO", "Callable", "Iterable", "Literal", "None", "Path", "T"}
        named = {
            (name, word)
            for name in teamwire_sync.__all__
            if name not in {"Transport", "VendorTransport", *ALIASES}
            for text in annotations(getattr(teamwire_sync, name))
            for word in re.findall(r"(?<![.\w])[A-Z]\w*", text)
            if word not in {*teamwire_sync.__all__, *standard, "DataFrame"}
        }

        assert named == set()

    @pytest.mark.parametrize("name", ["", "testing", "gateway"])
    def test_no_object_has_the_repr_that_says_nothing(self, name: str) -> None:
        """A protocol and `Attachment` have no objects of their own."""
        module = importlib.import_module(f"teamwire_sync.{name}".rstrip("."))
        bare = {
            each
            for each in module.__all__
            if isclass(public := getattr(module, each))
            and public.__repr__ is object.__repr__
            and not getattr(public, "_is_protocol", False)
        }

        assert bare <= {"Attachment"}

    @pytest.mark.parametrize("kind", [teamwire_sync.Chats, testing.Sandbox])
    def test_one_that_was_not_made_has_a_repr(self, kind: type) -> None:
        """A debugger shows it after an error of `__init__`, or of a copy."""
        assert repr(kind.__new__(kind)).startswith(f"<{kind.__name__}")

    def test_a_name_that_comes_later_is_the_same_each_time(self) -> None:
        later = [name for names in teamwire_sync._LATER.values() for name in names]
        code = "import teamwire_sync as t\n" + "".join(
            f"assert t.{name} is t.{name} is vars(t)['{name}']\n" for name in later
        )

        assert python(code) == ""

    def test_a_star_brings_every_name(self) -> None:
        printed = python("from teamwire_sync import *\nprint(*dir())")

        assert set(teamwire_sync.__all__) <= set(printed.split())

    def test_every_error_is_a_public_name(self) -> None:
        errors = {name: value for name, value in vars(exceptions).items() if name.startswith("TW")}

        assert {name: getattr(teamwire_sync, name, None) for name in errors} == errors

    @pytest.mark.parametrize("module", VENDORS, ids=lambda one: one.__name__)
    def test_a_module_of_the_vendor_has_names_of_ours(self, module: ModuleType) -> None:
        ours = {name: getattr(teamwire_sync, name) for name in module.__all__}

        assert {name: getattr(module, name) for name in module.__all__} == ours
        assert {name for name in vars(module) if name[0].isupper()} == set(ours)

    def test_each_module_of_the_vendor_brings_only_what_it_names(self) -> None:
        code = "import sys, teamwire_sync.{0}; print('requests' in sys.modules)"

        assert {python(code.format(each.__name__.rpartition(".")[2])) for each in VENDORS} == {
            "False"
        }

    def test_exceptions_exports_its_classes_and_nothing_else(self) -> None:
        assert set(exceptions.__all__) == {
            name for name in vars(exceptions) if name.startswith("TW")
        }

    def test_every_name_is_documented(self) -> None:
        texts = {
            name: vars(getattr(teamwire_sync, name))["__doc__"]
            for name in teamwire_sync.__all__
            if name not in ALIASES
        }

        assert [name for name, text in texts.items() if not (text or "").strip()] == []

    def test_a_name_that_is_not_there(self) -> None:
        with pytest.raises(AttributeError, match=r"^module 'teamwire_sync' has no attribute 'x'$"):
            teamwire_sync.x  # type: ignore[attr-defined]  # noqa: B018


class TestImport:
    def test_brings_nothing_heavy(self) -> None:
        others = "requests urllib3 cachetools flask cheroot werkzeug pytest click"
        standard = "asyncio datetime logging mimetypes shutil sqlite3 tempfile"
        ours = (
            "_services _internal.log _models.attachments _models.events "
            "_models.messages _sandbox _server _http _vendor _stores testing"
        )
        heavy = f"{others} {standard}".split()
        heavy += [f"teamwire_sync.{name}" for name in ours.split()]
        printed = python(
            "import sys, teamwire_sync\n"
            f"print(*[name for name in {heavy!r} if name in sys.modules])"
        )

        assert printed == ""

    def test_posting_a_text_brings_nothing_that_files_need(self) -> None:
        code = """
import sys
from teamwire_sync import Connection, Message, User

class Transport:
    iter_chat_pages = None
    def post_message(self, chat, draft, *, deadline):
        return Message(chat, "m1", User("u1", "", ""), 0)

Connection(transport=Transport()).chats.at("t1").post("hello")
ours = ["_services.attachments", "_services.files", "_services.events", "_models.attachments"]
ours += ["_models.events"]
heavy = ["mimetypes", "tempfile", *(f"teamwire_sync.{name}" for name in ours)]
print(*[name for name in heavy if name in sys.modules])
"""

        assert python(code) == ""

    def test_says_nothing(self) -> None:
        assert python("import teamwire_sync") == ""

    def test_a_warning_without_logging_set_up_prints_nothing(self) -> None:
        made = "from teamwire_sync import Connection; Connection('a', 's', 'https://h.example')"
        code = f"import logging; {made}; logging.getLogger('teamwire_sync').warning('x')"

        assert python(code) == ""


class TestPackage:
    def test_the_version_is_that_of_the_metadata(self) -> None:
        assert teamwire_sync.__version__ == metadata.version("teamwire_sync")

    @pytest.mark.parametrize(
        "code",
        [
            "import teamwire_sync; print(teamwire_sync.__version__)",
            "from teamwire_sync import Connection as C; C('a', 's', 'https://h.example').close()",
            "from teamwire_sync.testing import sandbox\nwith sandbox() as b: b.connect().check()",
            "from teamwire_sync._cli import main; main(['--version'])",
        ],
        ids=["version", "connection", "sandbox", "command line"],
    )
    def test_no_package_needs_metadata(self, code: str) -> None:
        """Programs vendor packages, and slim images remove the metadata."""
        start = "import importlib.metadata as m; m.Distribution.discover = lambda **_: iter(())\n"

        assert python(start + code) == python(code)

    def test_says_that_it_is_typed(self) -> None:
        assert resources.files("teamwire_sync").joinpath("py.typed").is_file()

    def test_the_declared_package_data_have_the_marker(self) -> None:
        """An editable install shows the file either way; a wheel only has what is declared."""
        setup = ConfigParser()
        setup.read(Path(__file__).parents[2] / "setup.cfg", "utf-8")

        assert setup["options.package_data"]["teamwire_sync"].split() == ["py.typed"]


METHODS = [
    name for name, value in vars(Transport).items() if not name.startswith("_") and callable(value)
]


def parameters_of_methods(transport: type) -> dict[str, Any]:
    return {
        name: [(each.name, each.kind) for each in signature(method).parameters.values()]
        for name in METHODS
        if (method := getattr(transport, name, None))
    }


def without_key(parameters: dict[str, Any]) -> dict[str, Any]:
    key = ("key", Parameter.KEYWORD_ONLY)
    return {name: [each for each in found if each != key] for name, found in parameters.items()}


@pytest.mark.parametrize("transport", [HttpTransport, FakeTransport])
def test_a_transport_has_every_method_of_the_protocol(transport: type) -> None:
    parameters = without_key(parameters_of_methods(transport))
    assert parameters == parameters_of_methods(Transport)


def test_each_write_over_http_takes_a_key() -> None:
    found = parameters_of_methods(HttpTransport)
    writes = {name for name, each in OPERATIONS.items() if each.writes} - {"upload_attachment"}
    assert {name for name in found if found[name] != without_key(found)[name]} == {
        *writes,
        "upload",
    }

"""The documentation site builds without a warning, and nothing is missing in it."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import runpy
import subprocess
import sys
from email.message import Message
from functools import partial
from html.parser import HTMLParser
from importlib.resources import files
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
import yaml
from attrs import frozen

import teamwire_sync
from teamwire_sync import exceptions, testing
from teamwire_sync._services.chats import Chats
from teamwire_sync._services.directory import Groups, Users

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.browser import Browser

# Sphinx builds all of it.
pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [
    page.relative_to(DOCS).with_suffix(".html").as_posix()
    for page in sorted(DOCS.glob("**/*.md"))
    if "notebooks" not in page.parts
]
FILE = files("teamwire_sync._http.contract") / "openapi.yaml"
CONTRACT: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, item in CONTRACT["paths"].items()
    for method in item
    if method in {"get", "put", "post", "patch", "delete"}
]
# Those whose methods have entries of their own.
CLASSES = [
    *(Chats, Groups, Users),
    *(
        getattr(teamwire_sync, name)
        for name in ("Attachments", "CacheInfo", "Chat", "ChatList", "Connection", "Event")
    ),
    *(getattr(teamwire_sync, name) for name in ("FileAttachment", "Group", "Message", "User")),
    *(getattr(teamwire_sync, name) for name in ("FileStore", "MemoryStore", "RedisStore")),
    testing.Sandbox,
]
# `make docs` does not install them.
OF_OTHER_EXTRAS = ["ipywidgets", "pandas", "prometheus_client", "redis", "rich", "tqdm"]
# Widths of windows in pixels.
DESKTOP = 1280
TELEPHONE = 390
# How it works inside.
INSIDE = {"Fault": {"effects", "payload", "strikes"}, "Hold": {"wait"}}


class Page(HTMLParser):
    """What a built page has.

    Attributes:
        ids: The ids that links can lead to.
        links: Where its links lead.
        text: What a reader sees.
        contents: Where the links of the sidebar lead.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.contents: list[str] = []
        self._texts: list[str] = []
        self._in_item = False
        self._hidden = False
        self.feed(path.read_text("utf-8"))
        self.text = "".join(self._texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids.update(value for name, value in found.items() if name == "id")
        links = [value for name, value in found.items() if name in {"href", "src"}]
        self.links += links
        if tag == "li":
            self._in_item = "toctree-l" in found.get("class", "")
        elif tag == "a" and self._in_item:
            self.contents += links
        self._hidden = tag in {"script", "style"}

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._texts.append(data)


@frozen
class Build:
    """The site in a folder, and what was said while it was built."""

    folder: Path
    warnings: str


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The site, built once; with warnings it is built all the same."""
    for name in ("sphinx", "furo", "myst_parser"):
        if importlib.util.find_spec(name) is None:
            if os.environ.get("CI") == "true":
                pytest.fail(f"{name} is not installed, and in CI it has to be")
            pytest.skip(f"{name} is not installed")
    folder = tmp_path_factory.mktemp("site")
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({OF_OTHER_EXTRAS})); "
        "from sphinx.cmd.build import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, "-W", "--keep-going", "-n", "-q", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", folder / "doctrees", DOCS, folder / "html"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    return Build(folder / "html", done.stderr)


@pytest.fixture(scope="session")
def site(build: Build) -> Path:
    """The folder of the built site."""
    return build.folder


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[str, Page]:
    """The pages by their path."""
    return {
        path.relative_to(site).as_posix(): Page(path) for path in sorted(site.glob("**/*.html"))
    }


@pytest.fixture(scope="session")
def fits(site: Path, browser: Browser) -> dict[int, Any]:
    """How the pages fit into windows, by their width."""
    return {width: browser.measure(site, PAGES, width) for width in (DESKTOP, TELEPHONE)}


@pytest.fixture(scope="session")
def described(pages: dict[str, Page]) -> set[str]:
    """The names that the reference has an entry of."""
    return {
        name for path, page in pages.items() if path.startswith("reference/") for name in page.ids
    }


def test_it_builds_without_a_warning(build: Build) -> None:
    assert build.warnings == ""


def test_the_site_shows_the_author_and_the_links_of_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    package = Message()
    package["Author"] = "A. Uthor"
    package["Project-URL"] = "Source, https://example.org/source"
    package["Project-URL"] = "Issues, https://example.org/issues"
    monkeypatch.setattr("importlib.metadata.metadata", lambda _: package)
    conf = runpy.run_path(str(DOCS / "conf.py"))
    links = {each["name"]: each["url"] for each in conf["html_theme_options"]["footer_icons"]}

    assert conf["author"] == "A. Uthor"
    assert links == {
        "Source": "https://example.org/source",
        "Issues": "https://example.org/issues",
    }


def test_no_page_is_wider_than_the_window(fits: dict[int, Any]) -> None:
    wide = {
        width: [page for page, found in seen.items() if found["isCut"]]
        for width, seen in fits.items()
    }

    assert wide == {DESKTOP: [], TELEPHONE: []}


def test_no_block_and_no_table_is_cut_on_a_desktop(fits: dict[int, Any]) -> None:
    cut = {page: found["cut"] for page, found in fits[DESKTOP].items() if found["cut"]}

    assert fits[DESKTOP]["troubleshooting.html"]["blocks"] > 50
    assert cut == {}


def test_texts_and_commands_wrap_on_a_telephone(fits: dict[int, Any]) -> None:
    assert fits[TELEPHONE]["command-line.html"]["cut"] == []


def test_no_gap_follows_a_title_on_a_telephone(fits: dict[int, Any]) -> None:
    assert fits[TELEPHONE]["troubleshooting.html"]["titleLines"] == 1


def test_every_link_leads_somewhere(site: Path, pages: dict[str, Page]) -> None:
    def broken() -> Iterator[str]:
        for path, page in pages.items():
            for link in page.links:
                target, anchor = urldefrag(link)
                if urlsplit(link).scheme:
                    continue
                file = (
                    (site / path).parent / unquote(urlsplit(target).path) if target else site / path
                )
                if not file.is_file():
                    yield f"{path}: {link}"
                elif anchor and file.suffix == ".html":
                    name = file.resolve().relative_to(site.resolve()).as_posix()
                    if unquote(anchor) not in pages[name].ids:
                        yield f"{path}: {link}"

    assert list(broken()) == []


def test_the_contents_have_each_page(pages: dict[str, Page]) -> None:
    assert set(PAGES) - {"index.html"} <= set(pages["index.html"].contents)


def test_no_page_has_a_path_of_the_machine_that_built_it(
    site: Path, pages: dict[str, Page]
) -> None:
    # One that is a mere "/usr" is nobody's.
    here = {str(DOCS.parent), str(site), sys.prefix, sys.base_prefix, str(Path.home())}
    here = {each for each in here if each.count("/") > 1}
    usual = re.compile(r"(?<![\w.~])/(?:home|root|tmp|Users|work)/[^\s'\")]*")
    found = {
        path: [each for each in here if each in pages[path].text] + usual.findall(pages[path].text)
        for path in PAGES
    }

    assert {path: there for path, there in found.items() if there} == {}


def test_the_page_of_the_contract_offers_the_file(site: Path, pages: dict[str, Page]) -> None:
    (link,) = (link for link in pages["contract.html"].links if link.endswith("/openapi.yaml"))

    assert (site / link).read_bytes() == FILE.read_bytes()


def test_the_page_of_the_contract_has_each_operation(pages: dict[str, Page]) -> None:
    text = pages["contract.html"].text

    assert [operation for operation in OPERATIONS if operation not in text] == []


def test_the_page_of_the_contract_has_each_parameter(pages: dict[str, Page]) -> None:
    text = pages["contract.html"].text
    names = [each["name"] for each in CONTRACT["components"]["parameters"].values()]

    assert [name for name in names if name not in text] == []


def test_the_page_of_the_contract_has_each_schema(pages: dict[str, Page]) -> None:
    wanted = {f"schema-{schema.lower()}" for schema in CONTRACT["components"]["schemas"]}

    assert wanted - pages["contract.html"].ids == set()


def test_the_reference_has_each_export(described: set[str]) -> None:
    exports = {f"teamwire_sync.{name}" for name in {*teamwire_sync.__all__, *exceptions.__all__}}
    exports |= {f"teamwire_sync.testing.{name}" for name in testing.__all__}

    assert exports - described == set()


def is_described_with(kind: type, base: type) -> bool:
    """Whether *kind* is where the reference says what *base* has."""
    return base is kind or base.__name__ not in {*teamwire_sync.__all__, "object", "tuple", "list"}


def methods_of(kind: type) -> set[str]:
    """The entries that the reference must have for *kind*."""
    return {
        f"{kind.__name__}.{name}"
        for each in takewhile(partial(is_described_with, kind), kind.__mro__)
        for name, value in vars(each).items()
        if not name.startswith("_") and (inspect.isroutine(value) or isinstance(value, property))
        if not inspect.ismemberdescriptor(value)
        if name not in INSIDE.get(kind.__name__, ())
    }


def test_the_reference_has_each_method(described: set[str]) -> None:
    known = {".".join(name.split(".")[-2:]) for name in described}
    wanted = set().union(*map(methods_of, [*CLASSES, testing.Fault, testing.Hold]))

    assert wanted - known == set()

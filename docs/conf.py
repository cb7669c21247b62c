"""The documentation site: ``make docs``."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from _contract import markdown_of  # noqa: E402  it is beside this file

project = "teamwire_sync"
author = "the authors of teamwire_sync"
version = release = version_of("teamwire_sync")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["notebooks"]
nitpicky = True

html_theme = "furo"
html_title = f"teamwire_sync {version}"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
# `Names` in docstrings are objects of ours, as in Markdown; no other role is used there.
default_role = "any"
# No network: the reference stands for itself.
intersphinx_mapping: dict[str, tuple[str, str | None]] = {}


def add_contract(_app: Any, document: str, source: list[str]) -> None:
    """Put the contract into its page."""
    if document == "contract":
        contract = yaml.safe_load((HERE / "openapi.yaml").read_text("utf-8"))
        source[0] += markdown_of(contract)


def setup(app: Any) -> None:
    """Sphinx calls it."""
    app.connect("source-read", add_contract)

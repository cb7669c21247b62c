"""The documentation site: ``make docs``."""

from __future__ import annotations

import html
import re
import sys
from importlib.metadata import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pygments.lexers.special import TextLexer

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from _contract import markdown_of  # noqa: E402  it is beside this file

from teamwire_sync._internal.version import VERSION  # noqa: E402

# Of setup.cfg, where they may be missing.
_package = metadata("teamwire_sync")
_links = [link.partition(", ") for link in _package.get_all("Project-URL") or ()]

project = "teamwire_sync"
author = _package.get("Author") or "the authors of teamwire_sync"
project_copyright = author
version = release = VERSION

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["notebooks"]

html_theme = "furo"
html_theme_options = {
    "footer_icons": [
        {"name": name, "url": url, "html": html.escape(name), "class": ""}
        for name, _, url in _links
    ]
}
html_title = f"teamwire_sync {version}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_copy_source = False
html_show_sourcelink = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# Names in docstrings, in single backticks, are objects of ours; no other role is used there.
default_role = "any"
add_module_names = False
python_maximum_signature_line_length = 88
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False
# Attributes are a list of their own: as entries, those that are properties would be there twice.
napoleon_use_ivar = True

# No network, so no inventories of others: their names stay plain text. Each is named here, so that
# one of ours that is not in the reference is a warning.
nitpicky = True
nitpick_ignore_regex = [
    # Python's, as docstrings and signatures have them
    (r"py:(class|exc|any|obj)", r"(BinaryIO|Path|Callable|Iterable|Iterator|Mapping|Any|T)"),
    (r"py:class", r"(datetime|DataFrame|TracebackType|SupportsIndex|os\.PathLike)"),
    (r"py:class", r"enum\.Enum|collections\.abc\..*|typing\..*|datetime\.datetime"),
    # those of requests and urllib3
    (r"py:class|any", r"requests\.Session"),
    # what the signatures name and the reference does not have
    (r"py:class", r"(Progress|ShownList|ShownTuple|_ConnectionT|.*_ShownT)"),
]

# Made by the package alone: how is nobody's business.
MADE_BY_US = {
    "Attachable",
    "AttachmentList",
    "Bot",
    "CacheInfo",
    "CalendarAttachment",
    "Chat",
    "ChatAdminsChangeInfo",
    "ChatChangeInfo",
    "ChatHandle",
    "ChatList",
    "ChatMemberChangeInfo",
    "Chats",
    "Event",
    "EventList",
    "EventStream",
    "Fault",
    "FileAttachment",
    "Group",
    "GroupList",
    "GroupTuple",
    "Groups",
    "Hold",
    "LinkPreview",
    "LocationAttachment",
    "LoggedInUser",
    "Message",
    "MessageDeletedInfo",
    "MessageList",
    "MessageReadInfo",
    "NewMessageInfo",
    "OtherAttachment",
    "Sandbox",
    "ServedRequest",
    "Store",
    "User",
    "UserList",
    "UserTuple",
    "Users",
}


def add_contract(_app: Any, document: str, source: list[str]) -> None:
    """Put the contract into its page."""
    if document == "contract":
        text = (files("teamwire_sync._http.contract") / "openapi.yaml").read_text("utf-8")
        source[0] += markdown_of(yaml.safe_load(text))


def unlink_folders(app: Any, document: str, source: list[str]) -> None:
    """Leave of a link to a folder its text: a site has no folders to look into."""
    here = Path(app.env.doc2path(document)).parent

    def text_of(link: re.Match[str]) -> str:
        return link["text"] if (here / link["target"]).is_dir() else link[0]

    source[0] = re.sub(r"\[(?P<text>[^\]]*)\]\((?P<target>\.\./[^)#]+)\)", text_of, source[0])


def leave_out_signature(
    _app: Any, kind: str, name: str, value: Any, _options: Any, _signature: Any, _returns: Any
) -> tuple[str, None] | None:
    """Show no arguments of what nobody makes: our own values, enumerations, exceptions."""
    is_value = kind == "class" and (name.rpartition(".")[2] in MADE_BY_US or issubclass(value, str))
    return ("", None) if is_value or kind == "exception" else None


def setup(app: Any) -> None:
    """Sphinx calls it."""
    # There is none for crontabs.
    app.add_lexer("cron", TextLexer)
    app.connect("source-read", add_contract)
    app.connect("source-read", unlink_folders)
    app.connect("autodoc-process-signature", leave_out_signature)

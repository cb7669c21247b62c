"""What other people wrote does nothing in a browser but stand there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import ChatList
from teamwire_sync._display.html import html_table
from tests.support.builders import make_chat
from tests.support.shown import values_with

if TYPE_CHECKING:
    from tests.support.browser import Browser

# They start a browser.
pytestmark = pytest.mark.slow

HOSTILE = [
    "<script>ran()</script>",
    "</script><script>ran()</script>",
    "<img src=x onerror=ran()>",
    "</td></tr></table><svg onload=ran()>",
    "<iframe srcdoc='<script>parent.ran()</script>'></iframe>",
    "<style>td { display: none }</style>",
    "<details open ontoggle=ran()>",
    '" autofocus tabindex="1" onfocus="ran()" x="',
    "' autofocus tabindex='1' onfocus='ran()' x='",
    "\" style='animation: x' onanimationstart='ran()",
    "<!-- ",
    "<![CDATA[",
    "<textarea>",
    "&lt;script&gt;ran()&lt;/script&gt;",
    "javascript:ran()",
    "\x1b[2J\x1b]0;ran\x07",
    "\u202ecba\u2067\u202e",
    "x" * 10_000,
    "<b>" * 100,
]
PAGE = """<!doctype html>
<html><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<title>quiet</title><script>function ran() { document.title = "ran" }</script></head>
<body>%s</body></html>
"""


def page_with(*parts: str) -> str:
    return PAGE.replace("%s", "\n".join(parts))


@pytest.fixture(scope="module")
def seen(browser: Browser) -> dict[str, Any]:
    """A page with a value of each kind for each hostile text."""
    values = [value for text in HOSTILE for value in values_with(text).values()]
    return browser.look_at(page_with(*(value._repr_html_() for value in values)))


@pytest.mark.parametrize("text", [text for text in HOSTILE if "ran()" in text and text[0] == "<"])
def test_the_page_would_notice(text: str, browser: Browser) -> None:
    """Else the tests below would say nothing."""
    opened = "<table><tr><td>" if text.startswith("</td>") else "<p>"

    assert browser.look_at(page_with(opened + text))["title"] == "ran"


class TestEachHostileText:
    def test_no_script_runs(self, seen: dict[str, Any]) -> None:
        assert seen["title"] == "quiet"

    def test_no_element_is_made_of_it(self, seen: dict[str, Any]) -> None:
        assert seen["elements"] == ["bdi", "tbody", "td", "th", "thead", "tr"]

    def test_no_attribute_is_made_of_it(self, seen: dict[str, Any]) -> None:
        assert seen["attributes"] == ["class", "dir", "style"]

    def test_a_reader_sees_it_as_it_is(self, seen: dict[str, Any]) -> None:
        shown = {cell for row in seen["rows"] for cell in row}
        plain = {
            text
            for text in HOSTILE
            if text.isprintable() and len(text) < 200 and text == text.strip()
        }

        assert plain <= shown
        assert len(plain) > 10

    def test_a_long_one_has_no_long_line(self, seen: dict[str, Any]) -> None:
        assert seen["widest"] < 700


class TestDirection:
    def test_a_text_turns_none_but_itself(self, browser: Browser) -> None:
        chats = ChatList([make_chat("tid", "\u202eabc\u2067\u202e"), make_chat("tid", "title")])
        names = html_table(("names", "next"), [(["\u202ename", "other"], "cell")])
        seen = browser.look_at(page_with(chats._repr_html_(), names))

        assert seen["turned"] == ["\u202eabc\u2067\u202e", "\u202ename"]

    def test_the_page_would_notice(self, browser: Browser) -> None:
        turned = "<table><tr><td>\u202e<bdo dir=rtl>x</bdo></td><td dir=rtl>\u202eabc</td></table>"

        assert browser.look_at(page_with(turned))["turned"] == ["\u202eabc"]


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_the_tables_take_the_colours_of_the_page(is_dark: bool, browser: Browser) -> None:
    seen = browser.look_at(page_with(ChatList([make_chat()])._repr_html_()), is_dark=is_dark)

    assert seen["isDark"] is is_dark
    assert seen["contrast"] >= 4.5

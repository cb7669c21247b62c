"""The pictures of the pages: in light and in dark, for a telephone and for a screen reader."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from tests.support.pages import DOCS

if TYPE_CHECKING:
    from pathlib import Path

PICTURES = sorted((DOCS / "images").iterdir())
PAGES = {path.name: path.read_text("utf-8") for path in sorted(DOCS.glob("*.md"))}
SVG = "{http://www.w3.org/2000/svg}"
# Pixels that a page has for a picture on a telephone with 390 pixels.
ROOM = 364
DARK = "@media (prefers-color-scheme: dark)"


def parts(picture: Path) -> tuple[ElementTree.Element, str, str]:
    """The document, and its styles for light and for dark."""
    root = ElementTree.fromstring(picture.read_text("utf-8"))  # noqa: S314  our own
    light, _, dark = (root.findtext(f"{SVG}style") or "").partition(DARK)
    return root, light, dark


def colours(style: str) -> dict[str, dict[str, str]]:
    """The colours of each selector, by their property."""
    return {
        selector: dict(re.findall(r"(fill|stroke): (#\w+)", rule))
        for selector, rule in re.findall(r"([.\w]+) \{([^{}]*)\}", style)
        if "#" in rule
    }


def light_of(colour: str) -> float:
    """The relative luminance of WCAG."""
    digits = colour.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    shares = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted(map(light_of, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
class TestPicture:
    def test_a_page_shows_it_with_its_description_as_the_text_for_screen_readers(
        self, picture: Path
    ) -> None:
        root, _, _ = parts(picture)
        shown = f"![{root.findtext(f'{SVG}desc')}](images/{picture.name})"

        assert root.findtext(f"{SVG}title")
        assert [name for name, page in PAGES.items() if shown in page] != []

    def test_it_fits_on_a_telephone_in_full_size(self, picture: Path) -> None:
        root, light, dark = parts(picture)

        assert int(root.attrib["width"]) <= ROOM
        assert root.attrib["viewBox"] == f"0 0 {root.attrib['width']} {root.attrib['height']}"
        assert min(map(int, re.findall(r"(\d+)px", light + dark))) >= 12

    def test_each_colour_is_another_one_in_the_dark(self, picture: Path) -> None:
        light, dark = map(colours, parts(picture)[1:])
        same = [
            (selector, kind)
            for selector, rule in light.items()
            for kind, colour in rule.items()
            if dark.get(selector, {}).get(kind, colour) == colour
        ]

        assert same == []

    def test_each_colour_is_in_its_style(self, picture: Path) -> None:
        assert not re.search("(fill|stroke)=", picture.read_text("utf-8"))

    @pytest.mark.parametrize("is_dark", [False, True])
    def test_its_text_stands_out(self, picture: Path, is_dark: bool) -> None:
        of = colours(parts(picture)[is_dark + 1])
        behind = {each: of[each]["fill"] for each in of if each not in {"text", ".line", ".tip"}}

        assert ".page" in behind
        assert [
            each for each, fill in behind.items() if contrast(of["text"]["fill"], fill) < 7
        ] == []


def test_no_picture_is_drawn_with_characters() -> None:
    drawn = re.compile(r"^```text\n(?:(?!```).*\n)*?.*(?:--->|\+--|[─│┌└]).*$", re.MULTILINE)

    assert [name for name, page in PAGES.items() if drawn.search(page)] == []

"""The notebook to begin with does what it says, and is readable where it is read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.display.conftest import NOTEBOOK

if TYPE_CHECKING:
    from tests.display.conftest import Run
    from tests.support.browser import Browser

CHATS = "/v1/bot/chats/"


def test_it_is_kept_without_what_a_run_leaves() -> None:
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]

    assert [cell.id for cell in code if cell.outputs or cell.execution_count] == []
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


# A kernel runs it.
@pytest.mark.slow
class TestRun:
    def test_the_chats_are_listed_once(self, run: Run) -> None:
        listings = [each for each in run.requests if (each.method, each.path) == ("GET", CHATS)]

        assert len(listings) == 1

    def test_the_server_is_asked_for_nothing_else_than_what_it_says(self, run: Run) -> None:
        asked = [
            f"{each.method} {re.sub(r'/[0-9A-Za-z]{22}/', '/*/', each.path)}"
            for each in run.requests
        ]

        assert asked == [
            "GET /v1/bot/me/",
            "GET /v1/bot/chats/",
            "POST /v1/bot/chats/",
            "POST /v1/bot/chats/*/messages/",
            "POST /v1/bot/chats/*/messages/",
            "GET /v1/bot/chats/*/messages/",
            "GET /v1/bot/chats/*/messages/",
        ]

    def test_a_bar_is_shown_while_they_are_listed(self, run: Run) -> None:
        assert run.shown_by("list").startswith("listing: ")

    def test_look_ups_after_it_are_from_memory(self, run: Run) -> None:
        info = run.shown_by("cache")

        assert re.search(r"hits=2,.* listings=1,", info)

    def test_no_cell_shows_a_warning(self, run: Run) -> None:
        outputs = [output for cell in run.notebook.cells for output in cell.get("outputs", [])]

        assert [each.text for each in outputs if each.get("name") == "stderr"] == []


@pytest.fixture(scope="module", params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    """A theme of Jupyter's."""
    return str(request.param)


@pytest.fixture(scope="module")
def page(run: Run, browser: Browser, theme: str) -> dict[str, Any]:
    """What is on the page of the run."""
    return browser.look_at(run.page(theme), is_dark=theme == "dark")


# A browser shows it.
@pytest.mark.slow
class TestPage:
    def test_the_tables_are_on_it(self, page: dict[str, Any]) -> None:
        rows = [
            ["first_name", "Weather"],
            ["name", "tid", "type", "users", "groups"],
            ["<b>Achtung</b> \"Wache\" & 'Nord'", "group"],
            ["users", "Anna Lehmann, Fatima Fischer, Ibrahim Kowalski"],
            ["hits", "2"],
            ["title", "hello from a notebook"],
            ["msg", "and an answer to it"],
            ["Weather Bot", "second message", ""],
            ["state", "closed"],
        ]
        shown = [set(row) for row in page["rows"]]

        assert [row for row in rows if not any(set(row) <= there for there in shown)] == []

    def test_every_chat_that_is_shown_has_a_row(self, page: dict[str, Any]) -> None:
        start = page["rows"].index(["name", "tid", "type", "users", "groups"])
        tids = {row[1] for row in page["rows"][start + 1 : start + 21]}

        assert len(tids) == 20
        assert all(re.fullmatch(r"[0-9A-Za-z]{22}", tid) for tid in tids)

    def test_a_data_frame_is_on_it(self, page: dict[str, Any]) -> None:
        assert ["", "display_name", "type", "users", "groups", "is_closed"] in page["rows"]

    def test_it_is_light_or_dark_as_it_should_be(self, page: dict[str, Any], theme: str) -> None:
        assert page["isDark"] is (theme == "dark")

    def test_its_tables_can_be_read(self, page: dict[str, Any]) -> None:
        """By the ratio that accessibility guidelines ask for."""
        assert page["contrast"] >= 4.5

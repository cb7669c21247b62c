"""The notebook of the vendor's SDK runs, in a kernel of its own, and shows what it says."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen

from teamwire_sync.testing import sandbox
from tests.support.sdk_double import DOUBLE, vendor_env

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.testing import Sandbox

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "notebooks" / "vendor.ipynb"
# Seconds that no cell needs.
GUARD = 120

CHATS = "/v1/bot/chats/"
# By cell: what it shows, as a pattern of all of it.
SHOWN = {
    "ids": "",
    "loop": "True",
    "list": r"<table\b.*<p>20 of 100 chats</p>",
    "find": (
        r"Chat\(tid='7MQKchz6wsSzmWTVnppGAc', title='test'\)\n"
        r"(\w+ 3 users\n){2}"
    ),
    "create": r"\w{22}\n",
    "post": "True",
    "close": r"lookups +4\nhits .*",
}


def read(path: Path) -> Any:
    return pytest.importorskip("nbformat").read(path, as_version=4)


@frozen
class Run:
    """The outputs of a notebook by the ids of its cells, and the server that it asked."""

    shown: dict[str, str]
    box: Sandbox


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The notebook, run once."""
    for name in ("nbclient", "ipykernel"):
        if importlib.util.find_spec(name) is None:
            # sybil comes from the same extra: where it is, this should be, too.
            if os.environ.get("CI") == "true" and importlib.util.find_spec("sybil") is not None:
                pytest.fail(f"{name} is not installed, and in CI it has to be")
            pytest.skip(f"{name} is not installed")
    notebook = read(NOTEBOOK)
    client = pytest.importorskip("nbclient").NotebookClient(
        notebook,
        timeout=GUARD,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path_factory.mktemp("notebook"))}},
    )
    with sandbox(chats=100, seed=7) as box:
        client.execute(env={**os.environ, **vendor_env(box), "PYTHONPATH": str(DOUBLE)})
        code = (cell for cell in notebook.cells if cell.cell_type == "code")
        yield Run({cell.id: "".join(map(shown, cell.outputs)) for cell in code}, box)


def shown(output: Any) -> str:
    """An output as a reader sees it."""
    if output.output_type == "stream":
        return str(output.text)
    return str(output.data.get("text/html", output.data["text/plain"]))


# A kernel runs it.
@pytest.mark.slow
class TestRun:
    def test_its_cells_show_what_is_expected_of_them(self, ran: Run) -> None:
        assert list(ran.shown) == list(SHOWN)
        assert {
            name: text
            for name, text in ran.shown.items()
            if re.fullmatch(SHOWN[name], text, re.DOTALL) is None
        } == {}

    def test_it_makes_one_chat_and_posts_twice_in_it(self, ran: Run) -> None:
        assert ran.box.count("POST", CHATS) == 1
        with ran.box.connect() as connection:
            messages = connection.chats.at(ran.shown["create"].strip()).get_messages()
        assert [message.msg for message in messages] == ["second message", "test message"]


def test_it_is_kept_without_what_a_run_leaves() -> None:
    code = [cell for cell in read(NOTEBOOK).cells if cell.cell_type == "code"]

    assert [cell.id for cell in code if cell.outputs or cell.execution_count] == []


def test_its_links_lead_somewhere() -> None:
    text = "\n".join(cell.source for cell in read(NOTEBOOK).cells if cell.cell_type == "markdown")
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)

    assert [target for target in targets if not (NOTEBOOK.parent / target).exists()] == []

"""The notebooks of docs/notebooks run, in a kernel of their own, and show what they say."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync.testing import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.testing import Sandbox

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = [FOLDER / "vendor.ipynb"]
DOUBLE = ROOT / "tests" / "support" / "vendor_double"
# Seconds that no cell needs.
GUARD = 120

CHATS = "/v1/bot/chats/"
# By notebook and cell: what it shows, as a pattern of all of it.
SHOWN = {
    "vendor.ipynb": {
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
}


@pytest.fixture
def tools() -> tuple[Any, Any]:
    """Modules: nbformat, nbclient."""
    for name in ("nbclient", "ipykernel"):
        if importlib.util.find_spec(name) is None:
            # sybil comes from the same extra: where it is, this should be, too.
            if os.environ.get("CI") == "true" and importlib.util.find_spec("sybil") is not None:
                pytest.fail(f"{name} is not installed, and in CI it has to be")
            pytest.skip(f"{name} is not installed")
    return pytest.importorskip("nbformat"), pytest.importorskip("nbclient")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with sandbox(chats=100, seed=7) as box:
        yield box


def run(path: Path, box: Sandbox, tools: tuple[Any, Any], folder: Path) -> dict[str, str]:
    """What the cells of a notebook show, by their ids."""
    nbformat, nbclient = tools
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=GUARD,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env={**os.environ, **box.env, "PYTHONPATH": str(DOUBLE)})
    code = (cell for cell in notebook.cells if cell.cell_type == "code")
    return {cell.id: "".join(map(shown, cell.outputs)) for cell in code}


def shown(output: Any) -> str:
    """An output as a reader sees it."""
    if output.output_type == "stream":
        return str(output.text)
    return str(output.data.get("text/html", output.data["text/plain"]))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
class TestEachNotebook:
    def test_its_cells_show_what_is_expected_of_them(
        self, path: Path, box: Sandbox, tools: tuple[Any, Any], tmp_path: Path
    ) -> None:
        found = run(path, box, tools, tmp_path)
        expected = SHOWN[path.name]

        assert list(found) == list(expected)
        wrong = {
            name: text
            for name, text in found.items()
            if re.fullmatch(expected[name], text, re.DOTALL) is None
        }
        assert wrong == {}

    def test_it_is_kept_without_what_a_run_leaves(self, path: Path, tools: tuple[Any, Any]) -> None:
        cells = tools[0].read(path, as_version=4).cells
        code = [cell for cell in cells if cell.cell_type == "code"]

        assert [cell.id for cell in code if cell.outputs or cell.execution_count] == []

    def test_its_links_lead_somewhere(self, path: Path, tools: tuple[Any, Any]) -> None:
        cells = tools[0].read(path, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)

        assert [target for target in targets if not (path.parent / target).exists()] == []


def test_the_notebook_of_the_vendors_sdk_makes_one_chat_and_posts_twice_in_it(
    box: Sandbox, tools: tuple[Any, Any], tmp_path: Path
) -> None:
    tid = run(FOLDER / "vendor.ipynb", box, tools, tmp_path)["create"].strip()

    assert box.count("POST", CHATS) == 1
    with box.connect() as connection:
        messages = connection.chats.at(tid).get_messages()
    assert [message.msg for message in messages] == ["second message", "test message"]

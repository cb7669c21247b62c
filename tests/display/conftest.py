"""The quickstart as it is after a run against a sandbox."""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen

from teamwire_sync.testing import sandbox
from tests.support.browser import GUARD
from tests.support.needed import missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from teamwire_sync.testing import ServedRequest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "quickstart.ipynb"


def _needed(name: str) -> Any:
    if importlib.util.find_spec(name) is None:
        missing(name)
    return importlib.import_module(name)


@frozen
class Run:
    """A notebook with what its cells have shown, and what the server was asked for it."""

    notebook: Any
    requests: Sequence[ServedRequest]

    def shown_by(self, cell_id: str) -> str:
        """The texts that a cell has shown."""
        (cell,) = [cell for cell in self.notebook.cells if cell.id == cell_id]
        return "".join(
            output.text if output.output_type == "stream" else output.data["text/plain"]
            for output in cell.outputs
        )

    def page(self, theme: str) -> str:
        """The page that it makes."""
        exporter = _needed("nbconvert").HTMLExporter(theme=theme)
        page, _ = exporter.from_notebook_node(self.notebook)
        return str(page)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The quickstart, as somebody runs it who has pasted the credentials of a sandbox."""
    _needed("ipykernel")
    notebook = _needed("nbformat").read(NOTEBOOK, as_version=4)
    folder = tmp_path_factory.mktemp("notebook")
    own = {name: value for name, value in os.environ.items() if not name.startswith("TEAMWIRE_")}
    with sandbox(chats=100) as box:
        client = _needed("nbclient").NotebookClient(
            notebook,
            timeout=GUARD,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
        )
        client.execute(env={**own, **box.env, "HOME": str(folder)})
        return Run(notebook, box.requests)

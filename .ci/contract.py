"""Make openapi.json of openapi.yaml: ``make contract``."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

FOLDER = Path(__file__).parents[1] / "teamwire_sync" / "_http" / "contract"


def json_of(text: str) -> str:
    """Return the YAML document *text* as JSON, with its keys in the same order."""
    return json.dumps(yaml.safe_load(text), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    made = json_of((FOLDER / "openapi.yaml").read_text("utf-8"))
    (FOLDER / "openapi.json").write_bytes(made.encode())

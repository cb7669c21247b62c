"""The contract's files: the package contains them, and usual generators can read them."""

from __future__ import annotations

import json
from importlib.resources import files

import yaml

FOLDER = files("teamwire_sync._http.contract")
YAML = (FOLDER / "openapi.yaml").read_text("utf-8")
JSON = (FOLDER / "openapi.json").read_text("utf-8")


def test_the_json_is_made_of_the_yaml() -> None:
    """Also in the same order. If this fails: ``make contract``."""
    assert json.dumps(json.loads(JSON)) == json.dumps(yaml.safe_load(YAML))

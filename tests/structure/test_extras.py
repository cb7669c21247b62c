"""The extras of setup.cfg, and what ImportErrors say of them."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

from teamwire_sync._internal.extras import REQUIREMENTS


def test_import_errors_name_the_requirements_of_setup_cfg() -> None:
    config = ConfigParser(interpolation=None)
    config.read(Path(__file__).parents[2] / "setup.cfg", "utf-8")
    extras = config["options.extras_require"]

    assert {name: (*extras[name].split(),) for name in REQUIREMENTS} == REQUIREMENTS

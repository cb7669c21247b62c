"""Optional packages for notebooks: `teamwire_sync[notebook]`."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def import_extra(name: str, *, needed_by: str) -> Any:
    """Import and return the module *name*.

    Raises:
        ImportError: Its package is missing. The text says what to install.
    """
    package = name.partition(".")[0]
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in {name, package}:
            raise
    message = f"{needed_by} needs {package}: pip install 'teamwire_sync[notebook]'"
    raise ImportError(message, name=package)

"""Packages that only notebooks need: `teamwire_sync[notebook]`."""

from __future__ import annotations

from typing import Any

from teamwire_sync._internal.imports import import_whole


def import_extra(name: str, *, needed_by: str) -> Any:
    """The module *name*.

    Raises:
        ImportError: Its package is not there; the text says what to install.
    """
    package = name.partition(".")[0]
    try:
        return import_whole(name)
    except ModuleNotFoundError as error:
        if error.name not in {name, package}:
            raise
    message = f"{needed_by} needs {package}: pip install 'teamwire_sync[notebook]'"
    raise ImportError(message, name=package)

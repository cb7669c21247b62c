"""Optional packages for notebooks: `teamwire_sync[notebook]`."""

from __future__ import annotations

from typing import Any

from teamwire_sync._internal.extras import install_command
from teamwire_sync._internal.imports import import_whole
from teamwire_sync._internal.signals import not_by_signal


def import_extra(name: str, *, needed_by: str) -> Any:
    """Import and return the module *name*.

    Raises:
        ImportError: Its package is missing. The text says what to install.
    """
    package = name.partition(".")[0]
    try:
        return import_whole(name)
    except not_by_signal(ModuleNotFoundError) as error:
        if error.name not in {name, package}:
            raise
    message = f"{needed_by} needs {package}: {install_command('notebook')}"
    raise ImportError(message, name=package)

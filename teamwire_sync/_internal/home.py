"""The user's home folder, in which the package has default paths.

Without a home folder, `os.path.expanduser` returns a path that begins with "~". Such a path, as any
relative path, leads into the working directory. Another user may have written the files there.
"""

from __future__ import annotations

import os


def expand(path: str) -> str | None:
    """Return *path* with the home folder in place of "~"; None if there is no home folder."""
    expanded = os.path.expanduser(path)  # noqa: PTH111  a Path raises RuntimeError without a home
    return None if path.startswith("~") and not os.path.isabs(expanded) else expanded  # noqa: PTH117


def user_folder(variable: str, default: str) -> str | None:
    """Return the folder that an environment variable names, else *default*.

    A relative path in the variable is ignored, as the XDG Base Directory Specification requires.

    Args:
        variable: The name of the variable; empty for none.
        default: A path that begins with "~".

    Returns:
        An absolute path; None if there is no home folder.
    """
    for path in (os.environ.get(variable, ""), default):
        expanded = expand(path)
        if expanded is not None and os.path.isabs(expanded):  # noqa: PTH117
            return expanded
    return None

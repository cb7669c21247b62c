"""The install commands that ImportErrors name."""

from __future__ import annotations

# A copy of setup.cfg. The installed metadata may be out of date: an editable installation may be
# older than setup.cfg.
REQUIREMENTS = {
    "cli": ("click>=8.1.7", "rich>=13.0"),
    "gateway": ("flask>=3.0", "cheroot>=10.0"),
    "metrics": ("prometheus-client>=0.20",),
    "notebook": ("ipywidgets>=8.0", "pandas>=2.0", "tqdm>=4.64"),
    "redis": ("redis>=5.1",),
    "sandbox": ("flask>=3.0", "cheroot>=10.0"),
}


def install_command(extra: str) -> str:
    """Return the command that installs the requirements of *extra*.

    The command names third-party packages only, since teamwire_sync is in no package index. Double
    quotes work in POSIX shells and on Windows.
    """
    return " ".join(["pip install", *(f'"{each}"' for each in REQUIREMENTS[extra])])

"""Fixtures of all the tests."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

import pytest

from tests.builders import Clock

if TYPE_CHECKING:
    from pathlib import Path

# The workers of pytest-xdist are measured. The programs that their tests start are not: that would
# show in what they import, and how they end.
if "PYTEST_XDIST_WORKER" in os.environ:
    for _name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
        os.environ.pop(_name, None)

_NETWORK_VARIABLES = {
    "ALL_PROXY",
    "CURL_CA_BUNDLE",
    "FTP_PROXY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NETRC",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials, proxies and CA bundles of whoever runs the tests change no test."""
    for name in list(os.environ):
        if name.startswith("TEAMWIRE_") or name.upper() in _NETWORK_VARIABLES:
            monkeypatch.delenv(name)
    homes = ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "APPDATA", "LOCALAPPDATA")
    for name in homes:
        monkeypatch.setenv(name, str(tmp_path))


@pytest.fixture
def clock() -> Clock:
    """A clock that only moves when a test says so."""
    return Clock()


def pytest_collection_finish() -> None:
    """Spare the collections that tests ask for the objects of all the tests that there are.

    Those live to the end; to look through them each time took most of a second.
    """
    gc.collect()
    gc.freeze()

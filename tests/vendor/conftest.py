"""A double of the vendor's SDK in each of its versions, and the sandbox that it speaks to."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import Connection, ConnectionConfig
from teamwire_sync._vendor import loop_thread
from tests.support import leftovers
from tests.support.sdk_double import DOUBLE, vendor_env

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from types import ModuleType

    from teamwire_sync.testing import Sandbox

# Both, unless told otherwise: on another Python, the one of its time is enough.
VERSIONS = os.environ.get("VENDOR_VERSIONS", "1.4 1.8").split()


class Vendor:
    """The double.

    Attributes:
        version: The version that it plays.
        package: The module `teamwire_api`.
        factory: Makes connections.
        faults: The knobs; see `teamwire_api.testing`.
    """

    def __init__(self, version: str) -> None:
        self.version = version
        self.package: ModuleType = importlib.import_module("teamwire_api")
        self.package.__dict__["__version__"] = version
        self.factory: Callable[[], Any] = self.package.Connection
        self.faults: Any = importlib.import_module("teamwire_api.testing").knobs

    @property
    def calls(self) -> Counter[str]:
        """How many calls there were, by name."""
        calls: Counter[str] = self.faults.calls
        return calls


# The double's modules, while no test plays it: importing them takes longer than most tests.
_imported: dict[str, ModuleType] = {}


@contextmanager
def playing(version: str, box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    """The double, which `import teamwire_api` finds, and the environment that leads it to *box*."""
    monkeypatch.setattr(sys, "path", [str(DOUBLE), *sys.path])
    sys.modules.update(_imported)
    for name, value in {**box.env, **vendor_env(box)}.items():
        monkeypatch.setenv(name, value)
    vendor = Vendor(version)
    vendor.faults.reset()
    yield vendor
    vendor.faults.clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "teamwire_api"]:
        _imported[name] = sys.modules.pop(name)


@pytest.fixture(params=VERSIONS)
def vendor(
    request: pytest.FixtureRequest, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Vendor]:
    """The double in each of its versions, which speaks to `box`."""
    with playing(request.param, box, monkeypatch) as vendor:
        yield vendor


@pytest.fixture
def nothing_left(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails when a test leaves a thread or a connection, or when asyncio complains."""
    # However busy the machine is, what ends by itself is waited for.
    monkeypatch.setattr(loop_thread, "_CLOSE_TIMEOUT", 6 * loop_thread._CLOSE_TIMEOUT)
    with leftovers.none_of(vendor):
        yield


@pytest.fixture
def uncached(vendor: Vendor, nothing_left: None) -> Iterator[Connection]:
    """A Connection whose every call is one of the vendor's SDK, if no other asks the same."""
    config = ConnectionConfig(cache_ttl=0)
    with Connection.from_vendor(vendor.factory, config=config) as connection:
        yield connection
        # Closing would wait for what is still kept.
        vendor.faults.clear()

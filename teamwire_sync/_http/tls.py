"""Which certificates of servers are taken; needs no requests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from teamwire_sync.exceptions import TWConfigError

if TYPE_CHECKING:
    from teamwire_sync._config import ConnectionConfig

_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def trusted(config: ConnectionConfig) -> bool | str:
    """The path of a CA bundle; True for the one that comes with requests, False to check none.

    Raises:
        TWConfigError: The bundle is unusable.
    """
    verify = config.verify
    if verify is None:
        name = next((name for name in _VARIABLES if os.environ.get(name)), None)
        if name is None:
            return True
        path = os.environ[name]
        if not os.path.exists(path):  # noqa: PTH110  it is the environment's str, not ours
            message = f"{name}: there is no file or folder {path!r}"
            raise TWConfigError(message)
    elif isinstance(verify, bool):
        return verify
    else:
        name, path = "ConnectionConfig.verify", os.fspath(verify)
    _check_bundle(name, path)
    return path


def _check_bundle(name: str, path: str) -> None:
    # The pools would fail with each connection, and as if it were the network.
    if os.path.isdir(path):  # noqa: PTH112
        return
    import ssl  # noqa: PLC0415  few name a bundle

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    else:
        return
    message = f"{name}: no CA certificates in PEM format can be read from {path!r}: {reason}"
    raise TWConfigError(message)

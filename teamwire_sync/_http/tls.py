"""The CA bundle and the client certificate. This module does not import `requests`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from teamwire_sync._internal.imports import LazyModule
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync.exceptions import TWConfigError

if TYPE_CHECKING:
    import ssl

    from teamwire_sync._config import ConnectionConfig
else:
    ssl = LazyModule("ssl")

BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""The environment variables for a CA bundle. The first one that is set counts."""


def ca_bundle(url: str, config: ConnectionConfig) -> bool | str:
    """Return the CA bundle's path, True for the bundle of `requests`, or False to verify nothing.

    The variables of the environment are for all programs of the user. So they are not read if *url*
    is ``http://``, which needs no CA bundle. A path in *config* is always checked.

    Raises:
        TWConfigError: The CA bundle is unusable.
    """
    name, verify = "ConnectionConfig.verify", config.verify
    for variable in BUNDLE_VARIABLES:
        if verify is None and url.startswith("https:") and os.environ.get(variable):
            name, verify = variable, os.environ[variable]
    if verify is None or isinstance(verify, bool):
        return verify is not False
    path = os.fspath(verify)
    if not os.path.exists(path):  # noqa: PTH110  importing pathlib would double our import time
        message = f"{name}: there is no file or folder {path!r}"
        raise TWConfigError(message)
    if not os.path.isdir(path):  # noqa: PTH112
        # Check the bundle now. Without this check, each connection would fail later, with an error
        # that looks like a network error.
        what = f"{name}: no CA certificates in PEM format can be read from {path!r}"
        _check("load_verify_locations", path, what=what)
    return path


def client_certificate(config: ConnectionConfig) -> str | tuple[str, str] | None:
    """Return the path of the client certificate, the paths of certificate and key, or None.

    Raises:
        TWConfigError: The client certificate is unusable.
    """
    if config.cert is None:
        return None
    cert: Any = config.cert
    cert = tuple(map(os.fspath, cert)) if isinstance(cert, tuple) else os.fspath(cert)
    path, key = cert if isinstance(cert, tuple) else (cert, None)
    what = (
        f"ConnectionConfig.cert: {cert!r} must have a certificate in PEM format and the key that "
        "belongs to it, and the key must be stored without a password"
    )
    # Pass an empty password. Without it, OpenSSL would ask for the password of an encrypted key on
    # the terminal.
    _check("load_cert_chain", path, key, "", what=what)
    return cert  # type: ignore[no-any-return]


def _check(load: str, *arguments: Any, what: str) -> None:
    try:
        getattr(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), load)(*arguments)
    except not_by_signal(OSError) as error:
        reason = error.strerror or type(error).__name__
    else:
        return
    message = f"{what}: {reason}"
    raise TWConfigError(message)

"""Proxies, CA bundle and client certificate: what goes with each request of our own session."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from teamwire_sync._http.tls import trusted
from teamwire_sync._internal.hosts import is_host, is_loopback
from teamwire_sync.exceptions import TWConfigError

if TYPE_CHECKING:
    from teamwire_sync._config import ConnectionConfig

_PROXY_SCHEMES = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"}


def is_usable_proxy(proxy: str | None) -> bool:
    """Whether *proxy* can be used, or there is none."""
    # Of others urllib3 gives errors that quote the password, or are of no kind that is expected.
    if not proxy:
        return True
    whole = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(whole)
        host, _ = parts.hostname, parts.port
        there = parse_url(whole).host
    except (ValueError, HTTPError):
        return False
    return (
        bool(there and host and is_host(host))
        and parts.scheme in _PROXY_SCHEMES
        and not any(character.isspace() for character in whole)
    )


def network_settings(url: str, config: ConnectionConfig) -> dict[str, Any]:
    """What goes with each request; the environment is read here, once.

    Raises:
        TWConfigError: A CA bundle or a client certificate is unusable.
    """
    verify = trusted(config)
    proxies = config.proxies
    if proxies is None:
        # Another machine is no way to this one, and would get the Secret of an http:// URL.
        is_local = is_loopback(urlsplit(url).hostname or "")
        proxies = {} if is_local else requests.utils.get_environ_proxies(url)
    cert: Any = config.cert
    if cert is not None:
        cert = tuple(map(os.fspath, cert)) if isinstance(cert, tuple) else os.fspath(cert)
        _check_cert(cert)
    return {"verify": verify, "cert": cert, "proxies": proxies}


def _check_cert(cert: str | tuple[str, str]) -> None:
    path, key = cert if isinstance(cert, tuple) else (cert, None)
    try:
        # OpenSSL would ask the terminal for the password of a key.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(path, key, password="")
    except OSError as error:
        reason = error.strerror or type(error).__name__
    else:
        return
    message = (
        "ConnectionConfig.cert: no certificate in PEM format with the key that belongs to it, "
        f"without a password, can be read from {cert!r}: {reason}"
    )
    raise TWConfigError(message)

"""The network settings of `OwnSession`: proxies, CA bundle and client certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from teamwire_sync._http.tls import ca_bundle, client_certificate
from teamwire_sync._internal.hosts import is_host, is_loopback
from teamwire_sync._internal.secret import SecretText
from teamwire_sync._internal.signals import not_by_signal

if TYPE_CHECKING:
    from teamwire_sync._config import ConnectionConfig

_PROXY_SCHEMES = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"}


def is_usable_proxy(proxy: str | None) -> bool:
    """Return whether *proxy* is empty or a usable URL."""
    # With an unusable URL, urllib3 raises errors that quote the password or have unexpected types.
    if not proxy:
        return True
    whole = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(whole)
        host, _ = parts.hostname, parts.port
        there = parse_url(whole).host
    except not_by_signal(ValueError, HTTPError):
        return False
    return (
        bool(there and host and is_host(host))
        and parts.scheme in _PROXY_SCHEMES
        and not any(character.isspace() for character in whole)
    )


def network_settings(url: str, config: ConnectionConfig) -> dict[str, Any]:
    """Return the settings for each request: ``verify``, ``cert`` and ``proxies``.

    The environment is read here, once.

    Raises:
        TWConfigError: The CA bundle or the client certificate is unusable.
    """
    return {
        "verify": ca_bundle(config),
        "cert": client_certificate(config),
        "proxies": _proxies(url, config),
    }


def _proxies(url: str, config: ConnectionConfig) -> dict[str, str]:
    proxies = config.proxies
    if proxies is None:
        # A proxy on another machine can't reach a loopback address, but would receive the
        # Secret of an http:// request.
        is_local = is_loopback(urlsplit(url).hostname or "")
        proxies = {} if is_local else requests.utils.get_environ_proxies(url)
    # The library `requests` keeps the proxies in a local variable until the response arrives. An
    # error reporter may show the local variable.
    return {scheme: SecretText(proxy) for scheme, proxy in proxies.items()}

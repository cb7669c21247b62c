"""The proxy of a session, and the names of the network settings in the texts of errors."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import requests
from attrs import frozen
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from teamwire_sync._config import INSECURE_HTTP
from teamwire_sync._internal.hosts import is_host, is_loopback
from teamwire_sync._internal.secret import Secret, SecretText
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync.exceptions import TWConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from teamwire_sync._config import ConnectionConfig

_PROXY_SCHEMES = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"}
# A name, an address, or an IPv6 address. Not a port alone, and not "${PROXY}".
_HOST = re.compile(r"(?!\d+$)[\w.-]+|.*:.*")


@frozen
class SettingNames:
    """The network settings of a session, as a user writes them.

    Attributes:
        verify: The CA bundle.
        cert: The client certificate.
        proxies: The proxy.
    """

    verify: str
    cert: str
    proxies: str


@frozen
class Proxy:
    """The proxy for the server, or no proxy.

    Attributes:
        setting: The name of the setting or of the environment variable that defines the proxy, or
            the names of both if there is no proxy.
        proxies: The URL of the proxy by the scheme of the server's URL. Empty without a proxy.
    """

    setting: str
    # The library `requests` keeps the proxies in a local variable until the response arrives. An
    # error reporter may show the local variable. So the URLs are of the class SecretText.
    proxies: dict[str, str]

    @classmethod
    def of(cls, url: str, proxies: Mapping[str, str], setting: str) -> Proxy:
        """Return the proxy that `requests` selects for *url*, as a URL with a scheme.

        Args:
            url: The URL of the server.
            proxies: The proxies as `requests` takes them.
            setting: The name of the setting, unless an environment variable has the same value.
        """
        given = str(requests.utils.select_proxy(url, dict(proxies)) or "")
        proxy, scheme = given.strip(), urlsplit(url).scheme
        if not proxy:
            return cls(f"{setting} or {scheme.upper()}_PROXY", {})
        if "://" not in proxy and proxy.partition(":")[0].lower() not in _PROXY_SCHEMES:
            # With "proxy:3128", urllib3 would take "proxy" as the scheme.
            proxy = f"http://{proxy.removeprefix('//')}"
        variables = [
            name
            for name, value in os.environ.items()
            if name.lower() in {f"{scheme}_proxy", "all_proxy"} and value == given
        ]
        # The variable for the scheme overrides ALL_PROXY, and comes later in the alphabet.
        setting = max(variables, key=str.lower, default=setting)
        return cls(setting, {scheme: SecretText(proxy)})

    def check(self, url: str, *, allow_insecure_http: bool) -> None:
        """Check that the proxy can be used for *url*.

        Raises:
            TWConfigError: The proxy is unusable, or would receive the Secret in clear text. The
                text does not quote the URL of the proxy, which may contain a password.
        """
        for proxy in map(Secret, self.proxies.values()):
            problem = _problem_of(proxy.reveal(), url, allow_insecure_http=allow_insecure_http)
            if problem:
                message = f"the proxy in {self.setting} {problem}"
                raise TWConfigError(message)


def own_proxy(url: str, config: ConnectionConfig) -> Proxy:
    """Return the proxy for *url* by *config*, or else by the environment, which is read here.

    Raises:
        TWConfigError: The proxy is unusable, or *config* has no proxy for *url*.
    """
    if config.proxies is not None:
        if _has_other_schemes(url, config.proxies):
            message = (
                f"ConnectionConfig.proxies has no proxy for {url}: the keys are 'http', 'https' "
                "and 'all', by the scheme of the server's URL; to use no proxy, pass proxies={}"
            )
            raise TWConfigError(message)
        proxy = Proxy.of(url, config.proxies, "ConnectionConfig.proxies")
    elif is_loopback(urlsplit(url).hostname or ""):
        # A proxy on another machine can't reach a loopback address, but would receive the Secret
        # of an http:// request.
        proxy = Proxy.of(url, {}, "ConnectionConfig.proxies")
    else:
        system = "the settings of the system"
        proxy = Proxy.of(url, requests.utils.get_environ_proxies(url), system)
    proxy.check(url, allow_insecure_http=config.allow_insecure_http)
    return proxy


def _has_other_schemes(url: str, proxies: Mapping[str, str]) -> bool:
    """Return whether *proxies* has keys for other schemes only, and no key with a host."""
    # None of these keys is used: "HTTPS", "https://", and "http" for an https:// server.
    is_used = requests.utils.select_proxy(url, dict(proxies)) is not None
    return bool(proxies) and not is_used and not any(key.partition("://")[2] for key in proxies)


def _problem_of(proxy: str, url: str, *, allow_insecure_http: bool) -> str | None:
    # With an unusable URL, urllib3 raises errors that quote the password or have unexpected types.
    try:
        parts = urlsplit(proxy)
        host, _, there = parts.hostname, parts.port, parse_url(proxy).host
    except not_by_signal(ValueError, HTTPError):
        parts, host, there = urlsplit(""), None, None
    user = unquote(parts.netloc.rpartition("@")[0])
    is_socks = parts.scheme.startswith("socks")
    if (
        not (host and there and is_host(host) and _HOST.fullmatch(host))
        or parts.scheme not in _PROXY_SCHEMES
        # A "/", "?" or "#" in the password begins a path, a query or a fragment.
        or parts.path + parts.query + parts.fragment not in {"", "/"}
        or not proxy.isprintable()
        # For urllib3, a backslash ends the host.
        or not {" ", "\\"}.isdisjoint(proxy)
    ):
        return (
            "must be like 'http://user:password@proxy.example.org:3128'; percent-encode special "
            "characters in the user and in the password"
        )
    if not is_socks and max(user, default="") > "\xff":
        return "must have only characters of Latin-1 in the user and in the password"
    if is_socks and find_spec("socks") is None:
        return "is a SOCKS proxy, which needs the package PySocks: pip install PySocks"
    server = urlsplit(url)
    if server.scheme == "http" and not (allow_insecure_http or is_loopback(host)):
        return (
            "would receive the Secret in clear text, because url is http: use no proxy for "
            f"{server.hostname}, or a proxy on this machine (or {INSECURE_HTTP})"
        )
    return None

"""Names and addresses of hosts."""

from __future__ import annotations

from ipaddress import ip_address

from teamwire_sync._internal.signals import not_by_signal


def is_loopback(host: str) -> bool:
    """Return whether *host* is ``localhost`` or a loopback address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except not_by_signal(ValueError):
        return False


def is_host(host: str) -> bool:
    """Return whether *host* is an IPv6 address, or has labels of valid lengths."""
    labels = host.rstrip(".").split(".")
    return ":" in host or all(0 < len(label) < 64 for label in labels)

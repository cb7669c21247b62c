"""A gateway as a WSGI application; needs ``teamwire_sync[gateway]``."""

from __future__ import annotations

from teamwire_sync._internal.extras import install_command

try:
    from teamwire_sync._gateway.app import GatewayApp, create_app
except ModuleNotFoundError as error:
    if error.name not in {"flask", "werkzeug"}:
        raise
    message = f"the gateway needs {error.name}: {install_command('gateway')}"
    raise ImportError(message, name=error.name) from error

__all__ = ["GatewayApp", "create_app"]


def __dir__() -> list[str]:
    return [name for name in globals() if name in __all__ or name[:2] == "__"]

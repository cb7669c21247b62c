"""Figures about a gateway for Prometheus; needs the package ``prometheus-client``."""

from __future__ import annotations

from teamwire_sync._internal.extras import install_command

try:
    from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
except ModuleNotFoundError as error:
    message = f"the metrics need prometheus-client: {install_command('metrics')}"
    raise ImportError(message, name=error.name) from error


class Metrics:
    """The figures, on a port of their own.

    Args:
        host: The address to listen on.
        port: The port to listen on; 0 selects a free port.

    Attributes:
        port: The port.

    Raises:
        OSError: The port is in use.
    """

    def __init__(self, host: str, port: int) -> None:
        registry = CollectorRegistry()
        self._requests = Counter(
            "teamwire_gateway_requests",
            "Requests by operation and status.",
            ["operation", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "teamwire_gateway_request_seconds",
            "The time until the response began, by operation.",
            ["operation"],
            registry=registry,
        )
        self._server, self._thread = start_http_server(port, host, registry)
        self.port: int = self._server.server_port

    def observe(self, operation: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(operation, status).inc()
        self._seconds.labels(operation).observe(seconds)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

"""What is measured of every request, under names and labels that cannot grow without bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

    from ._exchange import Exchange

# OpenTelemetry's recommended boundaries of http.server.request.duration, extended for long generations.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class RequestMetrics:
    """Counts and durations of requests, by method, route template and status.

    Args:
        registry: The service's registry.
        in_flight: How many requests are under way now.
    """

    def __init__(self, registry: CollectorRegistry, *, in_flight: Callable[[], int]) -> None:
        self._requests = Counter(
            "hxp_http_requests", "Requests answered.", ("method", "route", "status"), registry=registry
        )
        self._seconds = Histogram(
            "hxp_http_request_duration_seconds",
            "From the first byte of the request to the last of the response.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        gauge = Gauge("hxp_http_requests_in_flight", "Requests under way.", registry=registry)
        gauge.set_function(in_flight)
        # The children by their labels: looking one up costs prometheus-client more than counting.
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, exchange: Exchange, *, now: float) -> None:
        """Count one ended exchange."""
        method = exchange.method if exchange.method in _METHODS else "other"
        labels = method, exchange.route, exchange.status
        known = self._known.get(labels)
        if known is None:
            requests = self._requests.labels(method, exchange.route, str(exchange.status))
            known = self._known[labels] = requests, self._seconds.labels(exchange.route)
        known[0].inc()
        known[1].observe(now - exchange.started)


class ConnectionMetrics:
    """Open connections, and those that were refused or ended by a limit, by its name.

    Args:
        registry: The service's registry.
        open_connections: How many connections are open now.
    """

    def __init__(self, registry: CollectorRegistry, *, open_connections: Callable[[], int]) -> None:
        self._refused = Counter(
            "hxp_http_refused", "Connections and requests refused or ended by a limit.", ("reason",), registry=registry
        )
        gauge = Gauge("hxp_http_connections", "Open connections.", registry=registry)
        gauge.set_function(open_connections)

    def refused(self, reason: str) -> None:
        """Count one; `reason` is a name in the source, never text of a client."""
        self._refused.labels(reason).inc()


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

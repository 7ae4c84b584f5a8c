"""Events as OpenTelemetry metrics and span events."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

    from ._event import Event


class OpenTelemetryHook:
    """Counts events, measures waits, and notes both on the current span.

    The instruments are `resilience.events`, a counter, and `resilience.wait`, a histogram in seconds; their attributes
    carry the names that Polly uses: `strategy.name`, `event.name`, `error.type`, and `event.shadow`.

    Args:
        meter: Of the program; the global provider's by default.

    Example:
        >>> from hxp_resilience import Pipeline, Retry
        >>> pipeline = Pipeline(Retry(), hooks=[OpenTelemetryHook()])
    """

    def __init__(self, meter: Meter | None = None) -> None:
        from opentelemetry import metrics, trace  # noqa: PLC0415 (only a program that measures pays for it)

        meter = meter or metrics.get_meter("hxp_resilience")
        self._events = meter.create_counter("resilience.events", unit="{event}", description="What policies did")
        self._wait = meter.create_histogram("resilience.wait", unit="s", description="Waits that policies imposed")
        self._current_span = trace.get_current_span

    def __call__(self, event: Event) -> None:
        """Count one event."""
        attributes: dict[str, str | bool] = {"strategy.name": event.policy, "event.name": event.kind}
        if event.error is not None:
            attributes["error.type"] = event.error
        if event.shadow:
            attributes["event.shadow"] = True
        self._events.add(1, attributes)
        if event.seconds is not None:
            self._wait.record(event.seconds, attributes)
        span = self._current_span()
        if span.is_recording():
            span.add_event(event.kind, {**attributes, "event.detail": event.detail})

"""Events for logging and OpenTelemetry."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from hxp_resilience import CircuitBreaker, Event, LoggingHook, OpenTelemetryHook, Pipeline, Retry
from hxp_resilience.testing import no_waiting
from opentelemetry import trace

if TYPE_CHECKING:
    import pytest

OPENED = Event("circuit.opened", "model", "closed to open")
WAITING = Event("retry.waiting", "retry", "attempt 1: 429", seconds=0.5, error="BusyError", shadow=True)


def test_what_needs_attention_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    hook = LoggingHook()
    with caplog.at_level(logging.DEBUG, "hxp_resilience"):
        hook(OPENED)
        hook(WAITING)
    first, second = caplog.records
    assert (first.levelname, first.getMessage()) == ("WARNING", "model: circuit.opened closed to open")
    assert (second.levelname, second.getMessage()) == ("DEBUG", "retry: retry.waiting attempt 1: 429 (shadow)")
    assert (second.seconds, second.error_type) == (0.5, "BusyError")  # type: ignore[attr-defined]


def test_a_logger_of_ones_own_is_used(caplog: pytest.LogCaptureFixture) -> None:
    breaker = CircuitBreaker("m")
    breaker.watch(LoggingHook(logging.getLogger("mine")))
    breaker.isolate()
    assert [record.name for record in caplog.records] == ["mine"]


class Meter:
    """Stands for a meter: keeps what instruments are told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float, dict[str, Any]]] = []

    def create_counter(self, name: str, **_: str) -> Any:
        return Instrument(name, self.told)

    create_histogram = create_counter


class Instrument:
    def __init__(self, name: str, told: list[tuple[str, float, dict[str, Any]]]) -> None:
        self.name, self.told = name, told

    def add(self, amount: float, attributes: dict[str, Any]) -> None:
        self.told.append((self.name, amount, attributes))

    record = add


class Span(trace.NonRecordingSpan):
    def __init__(self) -> None:
        super().__init__(trace.INVALID_SPAN_CONTEXT)
        self.events: list[tuple[str, Any]] = []

    def is_recording(self) -> bool:
        return True

    def add_event(self, name: str, attributes: Any = None, timestamp: Any = None) -> None:
        self.events.append((name, attributes))


def test_events_are_counted_and_noted_on_the_span() -> None:
    meter, span = Meter(), Span()
    hook = OpenTelemetryHook(meter)  # type: ignore[arg-type]
    with trace.use_span(span):
        hook(OPENED)
        hook(WAITING)
    assert meter.told == [
        ("resilience.events", 1, {"strategy.name": "model", "event.name": "circuit.opened"}),
        ("resilience.events", 1, meter.told[1][2]),
        ("resilience.wait", 0.5, meter.told[1][2]),
    ]
    assert meter.told[1][2] == {
        "strategy.name": "retry",
        "event.name": "retry.waiting",
        "error.type": "BusyError",
        "event.shadow": True,
    }
    assert [name for name, _ in span.events] == ["circuit.opened", "retry.waiting"]
    assert span.events[1][1]["event.detail"] == "attempt 1: 429"


def test_without_an_sdk_it_costs_nothing_and_breaks_nothing() -> None:
    answers = [ConnectionError()]

    def ask() -> str:
        if answers:
            raise answers.pop()
        return "pong"

    with no_waiting():
        assert Pipeline(Retry(), hooks=[OpenTelemetryHook()]).call_sync(ask) == "pong"


PROGRAM = """
import sys
import hxp_resilience
from hxp_resilience import CircuitBreaker, Deadline, Fallback, Pipeline, RateLimit, Registry, Retry, RetryBudget
Pipeline(Fallback(value=1), Retry(budget=RetryBudget()), CircuitBreaker("a"), RateLimit(5)).call_sync(len, "a")
for module in ("asyncio", "tenacity", "opentelemetry", "logging", "redis", "limits", "email"):
    assert module not in sys.modules, module
"""


def test_nothing_is_loaded_that_is_not_used() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)

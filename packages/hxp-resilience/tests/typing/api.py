"""A user's program, checked by mypy and never run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tenacity
from hxp_resilience import (
    AdaptiveLimit,
    Bulkhead,
    BulkheadFullError,
    BulkheadStatistics,
    CircuitBreaker,
    CircuitBreakerOptions,
    CircuitBreakerStatistics,
    CircuitPermit,
    CircuitState,
    Deadline,
    ErrorReport,
    ErrorReporter,
    Event,
    Fallback,
    Hedge,
    Hook,
    Ladder,
    Pipeline,
    Policy,
    RateLimit,
    Registry,
    ResilienceError,
    Retry,
    RetryBudget,
    RetryOptions,
    RetryStatistics,
    StreamGuard,
    Timeout,
    TotalTimeout,
    Traits,
    current_deadline,
    handle_errors,
)
from hxp_resilience.testing import ManualClock, RecordingHook, SleepRecorder, no_waiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def fetch(url: str, *, size: int = 1) -> bytes:
    return url.encode() * size


async def use() -> None:
    clock = ManualClock()
    breaker = CircuitBreaker("m", CircuitBreakerOptions(sliding_window_size=5), failure_on=OSError, clock=clock)
    bulkhead = Bulkhead(4, 8, queue_timeout=1.0)
    retry = Retry(
        3,
        wait=tenacity.wait_exponential(max=10),
        retry_on=(OSError, ValueError),
        sleep=SleepRecorder(clock),
        random=lambda: 0.5,
    )
    policies: list[Policy] = [retry, breaker, Timeout(5.0), bulkhead, Pipeline()]
    pipeline = Pipeline(*policies)
    body: bytes = await pipeline.call(fetch, "url", size=2)
    guarded = pipeline(fetch)
    again: bytes = await guarded("url", size=1)
    await guarded(1)  # type: ignore[arg-type]
    await pipeline.call(fetch, "url", sise=2)  # type: ignore[call-arg]
    permit: CircuitPermit = breaker.acquire()
    permit.success()
    state: CircuitState = breaker.state
    numbers: CircuitBreakerStatistics = breaker.statistics()
    places: BulkheadStatistics = bulkhead.statistics()
    try:
        with Deadline(5.0) as deadline:
            left: float = deadline.remaining()
        current: Deadline | None = current_deadline()
    except BulkheadFullError as error:
        root: ResilienceError = error
        seconds: float | None = root.retry_after
        lines: tuple[str, ...] = root.timeline
        print(seconds, lines)
    print(body, again, state, numbers, places, left, current)


def count(text: str, *, start: int = 0) -> int:
    return len(text) + start


async def numbers(upto: int) -> AsyncIterator[int]:
    for number in range(upto):
        yield number


class Mine:
    def __call__(self, event: Event, /) -> None:
        print(event.kind, event.seconds)


@handle_errors(KeyError, mapping={KeyError: lambda error: ValueError(str(error))}, context="here")
def find(name: str) -> int:
    return {"a": 1}[name]


async def use_more() -> None:
    budget = RetryBudget(0.1)
    options = RetryOptions(
        4,
        stop=tenacity.stop_after_delay(5),
        retry_on=tenacity.retry_if_exception_type(OSError),
        retry_if=lambda answer: answer is None,
    )
    hook: Hook = Mine()
    pipeline = Pipeline(
        Fallback(value=0),
        Ladder({"cached": count}),
        TotalTimeout(30.0),
        Retry(options, budget=budget),
        Hedge(0.5, budget=budget),
        RateLimit(5, per=1.0),
        AdaptiveLimit(),
        StreamGuard(first_item=5.0, idle=1.0),
        hooks=[hook, RecordingHook()],
    )
    size: int = pipeline.call_sync(count, "a", start=2)
    pipeline.call_sync(count, 1)  # type: ignore[arg-type]
    guarded = pipeline(count)
    again: int = guarded("a", start=1)
    with Traits(tenant="a", cost=3), no_waiting() as waits:
        first: list[float] = waits
    async with pipeline.stream(numbers, 3) as items:
        async for item in items:
            print(item)
    registry: Registry[str] = Registry(lambda key: Pipeline(CircuitBreaker(key)))
    states: dict[str, dict[str, str]] = registry.states()
    pipeline.reload({"retry": {"attempts": 5}})
    words: str = pipeline.explain()
    numbers_of: RetryStatistics = Retry().statistics()
    reports: list[ErrorReport] = []
    ErrorReporter([reports.append]).report(ValueError("x"))
    found: int = find("a")
    find(1)  # type: ignore[arg-type]
    print(size, again, first, states, words, numbers_of, found)

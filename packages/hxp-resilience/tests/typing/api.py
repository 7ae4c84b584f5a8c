"""A user's program, checked by mypy and never run."""

from __future__ import annotations

import tenacity
from hxp_resilience import (
    Bulkhead,
    BulkheadFullError,
    BulkheadStatistics,
    CircuitBreaker,
    CircuitBreakerOptions,
    CircuitBreakerStatistics,
    CircuitPermit,
    CircuitState,
    Deadline,
    Pipeline,
    Policy,
    ResilienceError,
    Retry,
    Timeout,
    current_deadline,
)
from hxp_resilience.testing import ManualClock, SleepRecorder


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

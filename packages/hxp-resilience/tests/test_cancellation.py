"""X3: cancelled at step 1, 2, 3… until it is done, a call leaks nothing."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hxp_resilience import (
    Bulkhead,
    BulkheadStatistics,
    CircuitBreaker,
    CircuitBreakerOptions,
    CircuitState,
    Pipeline,
    Retry,
    Timeout,
)
from hxp_resilience.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

pytestmark = pytest.mark.anyio


async def steps(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def cancel_at(step: int, call: Coroutine[Any, Any, object]) -> bool:
    """Run a call for some steps of the loop, then cancel it; tell whether it was still running."""
    task = asyncio.create_task(call)
    await steps(step)
    running = task.cancel()
    await asyncio.wait([task])
    return running


async def at_every_step(scenario: Callable[[int], Awaitable[bool]]) -> int:
    for step in count():
        if not await scenario(step):
            return step
    raise AssertionError


@pytest.mark.parametrize("held", range(7))
async def test_a_bulkhead_leaks_no_place(held: int) -> None:
    async def scenario(step: int) -> bool:
        bulkhead = Bulkhead(1, 5, queue_timeout=60.0)
        holder = asyncio.create_task(bulkhead.call(steps, held))
        before = asyncio.create_task(bulkhead.call(steps, 1))
        await asyncio.sleep(0)
        running = await cancel_at(step, bulkhead.call(steps, 3))
        behind = asyncio.create_task(bulkhead.call(steps, 1))
        await asyncio.gather(holder, before, behind)
        assert bulkhead.statistics() == BulkheadStatistics(0, 0, 0)
        return running

    assert await at_every_step(scenario) >= 4


async def test_a_pipeline_leaks_no_permit() -> None:
    async def scenario(step: int) -> bool:
        clock = ManualClock()
        breaker = CircuitBreaker("m", CircuitBreakerOptions(minimum_number_of_calls=1), clock=clock)
        bulkhead = Bulkhead(1, 1)
        calls = 0

        async def pause(_seconds: float) -> None:
            clock.advance(5.0)
            await steps(2)

        async def target() -> str:
            nonlocal calls
            calls += 1
            await steps(2)
            if calls == 1:
                raise ConnectionError
            return "well"

        pipeline = Pipeline(Retry(3, sleep=pause), breaker, Timeout(60.0), bulkhead)
        holder = asyncio.create_task(bulkhead.call(steps, 2))
        await asyncio.sleep(0)
        running = await cancel_at(step, pipeline.call(target))
        await holder
        assert bulkhead.statistics().running == bulkhead.statistics().waiting == 0
        clock.advance(5.0)
        calls = 1
        assert await pipeline.call(target) == "well"  # a lost half-open permit would refuse this one
        assert breaker.state is CircuitState.CLOSED
        return running

    assert await at_every_step(scenario) >= 8

"""X3: cancelled at step 1, 2, 3… until it is done, a call leaks nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hxp_resilience import (
    AdaptiveLimit,
    AdaptiveLimitOptions,
    Bulkhead,
    BulkheadStatistics,
    CircuitBreaker,
    CircuitBreakerOptions,
    CircuitState,
    Hedge,
    HedgeOptions,
    Pipeline,
    RateLimit,
    RateLimitOptions,
    Recovery,
    Retry,
    RetryBudget,
    Step,
    StreamGuard,
    Timeout,
    TotalTimeout,
    current_deadline,
)
from hxp_resilience.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.anyio


async def steps(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.mark.parametrize("held", range(7))
async def test_a_bulkhead_leaks_no_place(held: int, cancelled_at: Any, at_every_step: Any) -> None:
    async def scenario(step: int) -> bool:
        bulkhead = Bulkhead(1, 5, queue_timeout=60.0)
        holder = asyncio.create_task(bulkhead.call(steps, held))
        before = asyncio.create_task(bulkhead.call(steps, 1))
        await asyncio.sleep(0)
        reached, _ = await cancelled_at(bulkhead.call(steps, 3), step)
        behind = asyncio.create_task(bulkhead.call(steps, 1))
        await asyncio.gather(holder, before, behind)
        assert bulkhead.statistics() == BulkheadStatistics(0, 0, 0)
        return bool(reached)

    assert await at_every_step(scenario) >= 3


async def test_an_adaptive_limit_leaks_no_place(cancelled_at: Any, at_every_step: Any) -> None:
    async def scenario(step: int) -> bool:
        limit = AdaptiveLimit(AdaptiveLimitOptions(initial=1, queue_timeout=60.0))
        holder = asyncio.create_task(limit.call(steps, 2))
        await asyncio.sleep(0)
        reached, _ = await cancelled_at(limit.call(steps, 3), step)
        behind = asyncio.create_task(limit.call(steps, 1))
        await asyncio.gather(holder, behind)
        statistics = limit.statistics()
        assert (statistics.running, statistics.waiting) == (0, 0)
        return bool(reached)

    assert await at_every_step(scenario) >= 4


async def test_a_pipeline_leaks_no_permit_no_place_and_no_entry(cancelled_at: Any, at_every_step: Any) -> None:
    async def scenario(step: int) -> bool:
        clock = ManualClock()
        breaker = CircuitBreaker("m", CircuitBreakerOptions(minimum_number_of_calls=1), clock=clock)
        bulkhead, timeout, total = Bulkhead(1, 1), Timeout(60.0), TotalTimeout(90.0)
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

        pipeline = Pipeline(total, Retry(3, sleep=pause), breaker, timeout, bulkhead)
        holder = asyncio.create_task(bulkhead.call(steps, 2))
        await asyncio.sleep(0)
        reached, _ = await cancelled_at(pipeline.call(target), step)
        await holder
        assert bulkhead.statistics().running == bulkhead.statistics().waiting == 0
        assert timeout.statistics().pending == total.statistics().pending == 0
        assert current_deadline() is None
        clock.advance(5.0)
        calls = 1
        assert await pipeline.call(target) == "well"  # a lost half-open permit would refuse this one
        assert breaker.state is CircuitState.CLOSED
        return bool(reached)

    assert await at_every_step(scenario) >= 7


async def test_a_rate_limit_gets_its_token_back_when_the_wait_is_left(cancelled_at: Any, at_every_step: Any) -> None:
    async def scenario(step: int) -> bool:
        clock = ManualClock()

        async def pause(_seconds: float) -> None:
            await steps(3)

        limit = RateLimit(RateLimitOptions(1, per=10.0, max_wait=15.0), clock=clock, sleep=pause)
        await limit.wait()
        reached, outcome = await cancelled_at(limit.call(steps, 0), step)
        left = isinstance(outcome, asyncio.CancelledError)
        assert limit.acquire() == (10.0 if left else pytest.approx(20.0, abs=20.0))
        return bool(reached)

    async def twice(step: int) -> bool:
        return await scenario(step)

    with pytest.raises(Exception, match="more than 1"):  # the last step: nobody left, so the third has to go
        await at_every_step(twice)


async def test_a_hedge_leaks_no_task(cancelled_at: Any, at_every_step: Any) -> None:
    """U7."""

    async def scenario(step: int) -> bool:
        before = asyncio.all_tasks()
        open_calls = 0

        async def ask() -> str:
            nonlocal open_calls
            open_calls += 1
            try:
                await steps(4)
            finally:
                open_calls -= 1
            return "well"

        hedge = Hedge(HedgeOptions(0.0, attempts=3), budget=RetryBudget())
        reached, _ = await cancelled_at(hedge.call(ask), step)
        assert asyncio.all_tasks() == before
        assert open_calls == 0
        return bool(reached)

    assert await at_every_step(scenario) >= 2


async def test_a_recovery_lets_the_next_one_in(cancelled_at: Any, at_every_step: Any) -> None:
    async def scenario(step: int) -> bool:
        broken = True

        async def mend() -> None:
            nonlocal broken
            await steps(2)
            broken = False

        async def ask() -> str:
            await steps(1)
            if broken:
                raise ConnectionError
            return "well"

        recovery = Recovery([Step("mend", mend)], check=lambda: not broken)
        reached, _ = await cancelled_at(recovery.call(ask), step)
        assert await recovery.call(ask) == "well"
        return bool(reached)

    assert await at_every_step(scenario) >= 4


async def test_a_stream_gives_everything_back(cancelled_at: Any, at_every_step: Any) -> None:
    async def scenario(step: int) -> bool:
        breaker, bulkhead = CircuitBreaker("m"), Bulkhead(1, 1)
        adaptive = AdaptiveLimit(AdaptiveLimitOptions(initial=1))
        open_sources = 0

        async def source() -> AsyncIterator[int]:
            nonlocal open_sources
            open_sources += 1
            try:
                for number in range(3):
                    await asyncio.sleep(0)
                    yield number
            finally:
                open_sources -= 1

        pipeline = Pipeline(Retry(2), breaker, adaptive, Timeout(60.0), bulkhead, StreamGuard(60.0, idle=60.0))

        async def read() -> list[int]:
            async with pipeline.stream(source) as items:
                return [item async for item in items]

        reached, outcome = await cancelled_at(read(), step)
        assert isinstance(outcome, asyncio.CancelledError) == reached
        assert open_sources == bulkhead.statistics().running == adaptive.statistics().running == 0
        assert breaker.statistics().failed == 0
        assert await read() == [0, 1, 2]
        return bool(reached)

    assert await at_every_step(scenario) >= 3


async def test_the_driver_itself_cancels_where_it_says(cancelled_at: Any) -> None:
    seen: list[int] = []

    async def count() -> str:
        for number in range(4):
            seen.append(number)
            await asyncio.sleep(0)
        return "done"

    reached, outcome = await cancelled_at(count(), 2)
    assert reached
    assert isinstance(outcome, asyncio.CancelledError)
    assert seen == [0, 1]
    assert await cancelled_at(count(), 9) == (False, "done")


def test_every_policy_has_a_scenario_here() -> None:
    """What is fused is cancelled at every step in test_fusion; what waits by itself, here."""
    here: Callable[[str], bool] = globals().__contains__
    waiting = (Bulkhead, AdaptiveLimit, RateLimit, Hedge, Recovery, StreamGuard, Timeout, TotalTimeout, Retry)
    assert all(here(policy.__name__) for policy in waiting)

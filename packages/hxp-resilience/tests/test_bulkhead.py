"""Only so many at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest
from hxp_resilience import Bulkhead, BulkheadFullError, BulkheadStatistics, Deadline, DeadlineExceededError

if TYPE_CHECKING:
    from hxp_resilience.testing import ManualClock

pytestmark = pytest.mark.anyio


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_only_so_many_are_inside_at_once() -> None:
    """X2."""
    bulkhead, inside, most = Bulkhead(3, 100), 0, 0

    async def work() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1

    await asyncio.gather(*(bulkhead.call(work) for _ in range(50)))
    assert most == 3
    assert bulkhead.statistics() == BulkheadStatistics(0, 0, 0)


async def test_the_first_to_come_is_the_first_served() -> None:
    bulkhead, order = Bulkhead(1, 10), list[int]()

    async def work(number: int) -> None:
        async with bulkhead:
            order.append(number)

    async with bulkhead:
        tasks = [asyncio.create_task(work(number)) for number in range(5)]
        await settle()
        assert bulkhead.statistics() == BulkheadStatistics(1, 5, 0)
        assert not bulkhead.try_acquire()
    assert not bulkhead.try_acquire()  # the place went to the head of the queue
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3, 4]


async def test_a_full_queue_refuses_at_once() -> None:
    bulkhead = Bulkhead(1)
    async with bulkhead:
        with pytest.raises(BulkheadFullError, match="the queue is full") as caught:
            await bulkhead.acquire()
    assert (caught.value.retry_after, caught.value.retryable) == (1.0, True)
    assert bulkhead.statistics() == BulkheadStatistics(0, 0, 1)


async def test_a_place_can_be_taken_without_waiting() -> None:
    bulkhead = Bulkhead(1)
    assert bulkhead.try_acquire()
    assert not bulkhead.try_acquire()
    bulkhead.release()
    assert bulkhead.try_acquire()


async def test_nobody_waits_longer_than_the_queue_timeout(clock: ManualClock) -> None:
    bulkhead = Bulkhead(1, 1, queue_timeout=0.01, clock=clock)
    async with bulkhead:
        with pytest.raises(BulkheadFullError, match="no place became free in time") as caught:
            await bulkhead.acquire()
    assert caught.value.retry_after == 0.01
    assert caught.value.timeline == ("waited 0.000 s in the queue", "no place became free in time")
    assert bulkhead.statistics() == BulkheadStatistics(0, 0, 1)
    async with bulkhead:
        pass


@pytest.mark.parametrize("queue_timeout", [None, 60.0])
async def test_nobody_waits_longer_than_its_deadline(queue_timeout: float | None) -> None:
    """O4."""
    bulkhead = Bulkhead(1, 1, queue_timeout=queue_timeout)
    async with bulkhead:
        with Deadline(0.01), pytest.raises(DeadlineExceededError, match="in the queue"):
            await bulkhead.acquire()
    assert bulkhead.statistics() == BulkheadStatistics(0, 0, 1)


async def test_one_whose_deadline_has_passed_does_not_queue(clock: ManualClock) -> None:
    """O4."""
    bulkhead = Bulkhead(1, 1)
    async with bulkhead:
        with Deadline(0.0, clock=clock), pytest.raises(DeadlineExceededError):
            await bulkhead.acquire()
        assert bulkhead.statistics().waiting == 0


async def test_the_queue_timeout_comes_first_when_it_is_shorter() -> None:
    bulkhead = Bulkhead(1, 1, queue_timeout=0.01)
    async with bulkhead:
        with Deadline(60.0), pytest.raises(BulkheadFullError):
            await bulkhead.acquire()


async def test_one_who_leaves_the_queue_is_forgotten() -> None:
    bulkhead = Bulkhead(1, 2, queue_timeout=60.0)
    async with bulkhead:
        tasks = [asyncio.create_task(bulkhead.acquire()) for _ in range(2)]
        await settle()
        tasks[0].cancel()
        await settle()
        assert bulkhead.statistics().waiting == 1
    await tasks[1]
    assert bulkhead.statistics() == BulkheadStatistics(1, 0, 0)


async def test_a_place_given_to_one_who_is_leaving_goes_on() -> None:
    bulkhead = Bulkhead(1, 2)
    await bulkhead.acquire()
    leaving, next_one = (asyncio.create_task(bulkhead.acquire()) for _ in range(2))
    await settle()
    bulkhead.release()  # to `leaving`, which has not run yet
    leaving.cancel()
    await next_one
    assert leaving.cancelled()
    assert bulkhead.statistics() == BulkheadStatistics(1, 0, 0)


async def test_one_who_is_leaving_is_passed_over() -> None:
    bulkhead = Bulkhead(1, 2)
    await bulkhead.acquire()
    leaving, next_one = (asyncio.create_task(bulkhead.acquire()) for _ in range(2))
    await settle()
    leaving.cancel()
    bulkhead.release()  # `leaving` is cancelled and has not run yet
    await next_one
    assert bulkhead.statistics() == BulkheadStatistics(1, 0, 0)
    bulkhead.release()
    assert bulkhead.statistics() == BulkheadStatistics(0, 0, 0)


async def test_one_who_leaves_at_the_moment_of_the_timeout_leaves() -> None:
    bulkhead = Bulkhead(1, 1, queue_timeout=60.0)
    await bulkhead.acquire()
    task = asyncio.create_task(bulkhead.acquire())
    await settle()
    (waiter,) = bulkhead._waiters
    task.cancel()
    bulkhead._expire(waiter)  # cancelled first
    await asyncio.wait([task])
    assert task.cancelled()
    again = asyncio.create_task(bulkhead.acquire())
    await settle()
    (waiter,) = bulkhead._waiters
    bulkhead._expire(waiter)
    again.cancel()  # timed out first
    await asyncio.wait([again])
    assert again.cancelled()
    assert bulkhead.statistics().running == 1


@pytest.mark.parametrize("seed", range(20))
async def test_the_limit_holds_and_nothing_leaks_whoever_is_cancelled(seed: int) -> None:
    """X2: many tasks, cancelled at random moments."""
    random, bulkhead, inside = Random(seed), Bulkhead(3, 8), Counter[str]()

    async def work(steps: int) -> None:
        async with bulkhead:
            inside["now"] += 1
            assert inside["now"] <= 3
            try:
                for _ in range(steps):
                    await asyncio.sleep(0)
            finally:
                inside["now"] -= 1

    tasks: list[asyncio.Task[None]] = []
    for _ in range(200):
        tasks.append(asyncio.create_task(work(random.randrange(4))))
        if random.random() < 0.5:
            await asyncio.sleep(0)
        if random.random() < 0.4:
            random.choice(tasks[-5:]).cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} <= {type(None), BulkheadFullError, asyncio.CancelledError}
    assert (bulkhead.statistics().running, bulkhead.statistics().waiting) == (0, 0)


@pytest.mark.parametrize(("concurrent", "queued"), [(0, 1), (1, -1)])
def test_limits_that_make_no_sense_are_refused(concurrent: int, queued: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        Bulkhead(concurrent, queued)

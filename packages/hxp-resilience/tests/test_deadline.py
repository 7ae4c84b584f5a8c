"""A deadline holds everywhere, and nothing is started after it."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest
from hxp_resilience import (
    AdaptiveLimit,
    AdaptiveLimitOptions,
    Bulkhead,
    BulkheadOptions,
    Deadline,
    DeadlineExceededError,
    Hedge,
    Pipeline,
    RateLimit,
    RateLimitOptions,
    Recovery,
    Step,
    StreamGuard,
    Timeout,
    TimeoutOptions,
    TotalTimeout,
    current_deadline,
)
from hxp_resilience.testing import FaultLatency, ManualClock, RecordingHook, SleepRecorder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.anyio


async def forever() -> None:
    await asyncio.Event().wait()


def fail() -> None:
    raise ConnectionError


async def test_one_deadline_holds_in_many_tasks_and_threads_at_once() -> None:
    deadline, held = Deadline(60.0), deque[Deadline | None]()
    first, second = asyncio.Event(), asyncio.Event()

    async def one() -> None:
        with deadline:
            first.set()
            await second.wait()
            held.append(current_deadline())
        held.append(current_deadline())

    async def two() -> None:
        await first.wait()
        with deadline:
            second.set()
            await asyncio.sleep(0)
            held.append(current_deadline())
        held.append(current_deadline())

    def thread() -> None:
        with deadline, deadline:
            held.append(current_deadline())

    await asyncio.gather(one(), two(), asyncio.to_thread(thread))
    assert sorted(one is deadline for one in held) == [False, False, True, True, True]
    assert current_deadline() is None


def test_a_deadline_may_be_left_where_it_was_not_entered() -> None:
    deadline = Deadline(60.0)
    thread = Thread(target=deadline.__exit__, args=(None, None, None))
    with deadline:
        thread.start()
        thread.join()
        assert current_deadline() is deadline
    assert current_deadline() is None


def test_who_waits_for_ever_says_nothing_to_the_next_server() -> None:
    assert Deadline(math.inf).headers() == {}
    with pytest.raises(ValueError, match="number of seconds"):
        Deadline(math.nan)
    held = TotalTimeout(TimeoutOptions(1.0, shadow=True)).call_sync(current_deadline)
    assert held is not None
    assert held.headers() == {}


def test_a_thread_may_wait_for_ever(until: Callable[[Callable[[], object]], None]) -> None:
    bulkhead, inside = Bulkhead(BulkheadOptions(1, 1, queue_timeout=math.inf)), Event()
    bulkhead.acquire_sync()
    thread = Thread(target=lambda: bulkhead.call_sync(inside.set))
    thread.start()
    until(lambda: bulkhead.statistics().waiting)
    bulkhead.release()
    thread.join()
    assert inside.is_set()


async def test_no_second_call_is_hedged_after_the_deadline(clock: ManualClock) -> None:
    """O4."""
    asked = []

    async def ask() -> str:
        asked.append(1)
        clock.advance(10.0)
        await asyncio.sleep(0.02)
        return "late"

    with Deadline(5.0, clock=clock):
        assert await Hedge(0.0).call(ask) == "late"
    assert len(asked) == 1


async def test_who_waited_too_long_for_a_turn_is_not_let_through(clock: ManualClock) -> None:
    """O4."""

    async def oversleep(seconds: float) -> None:
        clock.advance(seconds + 5.0)

    limit = RateLimit(RateLimitOptions(1, per=10.0, max_wait=60.0), clock=clock, sleep=oversleep)
    limit.acquire()
    with Deadline(12.0, clock=clock), pytest.raises(DeadlineExceededError) as caught:
        await limit.call(forever)
    assert not caught.value.asked
    assert limit.acquire() == 0.0  # the turn was given back


def test_a_call_is_not_resumed_after_the_deadline(clock: ManualClock) -> None:
    """O4."""
    recovery = Recovery([Step("slowly", lambda: clock.advance(10.0))], check=lambda: True)
    with Deadline(5.0, clock=clock), pytest.raises(DeadlineExceededError):
        recovery.call_sync(fail)
    assert recovery.statistics().recovered == 1


@pytest.mark.parametrize("kind", ["bulkhead", "adaptive"])
async def test_a_place_that_comes_with_the_deadline_comes_too_late(kind: str, clock: ManualClock) -> None:
    """O4."""
    options = AdaptiveLimitOptions(initial=1, largest=1, queue_timeout=None)
    policy: Any = Bulkhead(1, 1) if kind == "bulkhead" else AdaptiveLimit(options)
    inside, leave, asked = asyncio.Event(), asyncio.Event(), []

    async def first() -> None:
        inside.set()
        await leave.wait()

    async def second() -> None:
        with Deadline(60.0, clock=clock):
            await policy.call(lambda: asked.append(1))

    running = asyncio.create_task(policy.call(first))
    await inside.wait()
    waiting = asyncio.create_task(second())
    await asyncio.sleep(0)
    clock.advance(61.0)
    leave.set()
    await running
    with pytest.raises(DeadlineExceededError):
        await waiting
    statistics = policy.statistics()
    assert (asked, statistics.running, statistics.waiting, statistics.refused) == ([], 0, 0, 1)


async def test_a_first_item_is_not_waited_for_beyond_the_deadline() -> None:
    async def silent() -> AsyncIterator[int]:
        await forever()
        yield 1

    guard = StreamGuard(60.0)
    with Deadline(0.01, clock=ManualClock()), pytest.raises(DeadlineExceededError, match="before the first item"):
        async with Pipeline(guard).stream(silent):
            pass
    assert guard.statistics().late == 0


@pytest.mark.parametrize("woven", [True, False])
async def test_a_timeout_starts_nothing_after_the_deadline(clock: ManualClock, *, woven: bool) -> None:
    """O4: the time ran out between the start of the call and the timeout."""
    asked: list[int] = []

    async def ask() -> None:
        asked.append(1)

    class Slow:
        """A policy of somebody else, which takes its time."""

        async def call(self, function: Callable[..., Any], /, *args: Any) -> Any:
            clock.advance(10.0)
            return await function(*args)

    slow: Any = FaultLatency(10.0, sleep=SleepRecorder(clock)) if woven else Slow()
    with Deadline(5.0, clock=clock), pytest.raises(DeadlineExceededError):
        await Pipeline(slow, Timeout(60.0)).call(ask)
    assert asked == []


def test_a_thread_whose_place_comes_with_the_deadline_comes_too_late(
    clock: ManualClock, until: Callable[[Callable[[], object]], None]
) -> None:
    """O4."""
    bulkhead, errors = Bulkhead(1, 1), list[Exception]()
    bulkhead.acquire_sync()

    def wait() -> None:
        try:
            with Deadline(60.0, clock=clock):
                bulkhead.acquire_sync()
        except DeadlineExceededError as error:
            errors.append(error)

    thread = Thread(target=wait)
    thread.start()
    until(lambda: bulkhead.statistics().waiting)
    clock.advance(61.0)
    bulkhead.release()
    thread.join()
    assert len(errors) == 1
    assert (bulkhead.statistics().running, bulkhead.statistics().refused) == (0, 1)


def test_a_thread_that_is_late_in_shadow_mode_is_only_counted(clock: ManualClock) -> None:
    for kind in (Timeout, TotalTimeout):
        timeout, hook = kind(TimeoutOptions(1.0, shadow=True), clock=clock), RecordingHook()
        timeout.watch(hook)
        timeout.call_sync(clock.advance, 2.0)
        assert timeout.statistics().expired == 1
        assert hook.events[0].shadow


def test_the_deadline_of_a_timeout_goes_by_its_clock(clock: ManualClock) -> None:
    """In a thread by the clock that it was given, in a task by that of the loop, which may be a virtual one."""

    def left() -> list[float]:
        deadline = current_deadline()
        assert deadline is not None
        before = deadline.remaining()
        clock.advance(2.0)
        return [before, deadline.remaining()]

    async def left_async() -> list[float]:
        return left()

    assert Timeout(5.0, clock=clock).call_sync(left) == [5.0, 3.0]
    assert TotalTimeout(5.0, clock=clock).call_sync(left) == [5.0, 3.0]
    loop = asyncio.new_event_loop()
    loop.time = clock  # type: ignore[method-assign]
    assert loop.run_until_complete(TotalTimeout(5.0).call(left_async)) == [5.0, 3.0]
    loop.close()

"""One policy in many loops, threads and pipelines, and pipelines that come and go."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
import types
import weakref
from collections import deque
from threading import Barrier, Condition, Thread
from typing import TYPE_CHECKING, Any

import pytest
from hxp_resilience import (
    AdaptiveLimit,
    AdaptiveLimitOptions,
    Bulkhead,
    BulkheadFullError,
    BulkheadOptions,
    Pipeline,
    RateLimit,
    RateLimitedError,
    RateLimitOptions,
    Registry,
    Retry,
    RetryOptions,
    Timeout,
    TimeoutOptions,
    _expiry,
)
from hxp_resilience import errors as all_errors
from hxp_resilience._rate import Arrivals
from hxp_resilience._waiter import TaskWaiter
from hxp_resilience.testing import RecordingHook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hxp_resilience.testing import ManualClock

pytestmark = pytest.mark.anyio


async def forever() -> None:
    await asyncio.Event().wait()


def fail() -> None:
    raise ConnectionError


def test_a_timeout_lets_go_of_loops_that_are_closed() -> None:
    timeout = Timeout(5.0)
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def once() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await timeout.call(asyncio.sleep, 0)

    for _ in range(5):
        asyncio.run(once())
    gc.collect()
    assert sum(loop() is not None for loop in loops) <= 1


async def test_one_timeout_may_be_inside_itself() -> None:
    timeout = Timeout(30.0)

    async def inner() -> int:
        assert timeout.statistics().pending == 2
        return 7

    assert await timeout.call(timeout.call, inner) == 7
    quick = Timeout(0.01)
    with pytest.raises(all_errors.AttemptTimeoutError):
        await quick.call(quick.call, forever)
    assert timeout.statistics().pending == quick.statistics().pending == 0


async def test_a_timeout_in_a_task_that_is_being_cancelled_keeps_the_account() -> None:
    """The clean-up of a cancelled task has a timeout of its own, which ends the clean-up and not the cancellation."""
    seen: list[str] = []

    async def work() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            try:
                await Timeout(0.01).call(forever)
            except all_errors.AttemptTimeoutError:
                seen.append("clean-up took too long")
            raise

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["clean-up took too long"]
    assert task.cancelled()


async def test_calls_that_began_before_a_reload_are_still_counted() -> None:
    timeout, gate = Timeout(30.0), asyncio.Event()
    calls = [asyncio.create_task(timeout.call(gate.wait)) for _ in range(3)]
    await asyncio.sleep(0)
    timeout.reload(TimeoutOptions(60.0))
    calls.append(asyncio.create_task(timeout.call(gate.wait)))
    await asyncio.sleep(0)
    assert timeout.statistics().pending == 4
    gate.set()
    await asyncio.gather(*calls)
    assert timeout.statistics().pending == 0
    timeout.reload(TimeoutOptions(90.0))
    await timeout.call(asyncio.sleep, 0)
    assert len(timeout._homes) == 1


def test_the_queue_of_a_bulkhead_is_not_longer_for_many_threads(until: Callable[[Callable[[], object]], None]) -> None:
    bulkhead, barrier, refused = Bulkhead(1, 5), Barrier(200), deque[int]()
    bulkhead.acquire_sync()

    def ask() -> None:
        barrier.wait()
        try:
            with bulkhead:
                pass
        except BulkheadFullError:
            refused.append(1)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [Thread(target=ask) for _ in range(200)]
        for thread in threads:
            thread.start()
        until(lambda: len(refused) >= 195)
        assert bulkhead.statistics().waiting == 5
        bulkhead.release()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert (len(refused), bulkhead.statistics().running) == (195, 0)


def test_who_waits_in_a_loop_that_is_closed_is_gone() -> None:
    loop = asyncio.new_event_loop()
    waiter = TaskWaiter(loop, lambda: None)
    loop.close()
    answers: list[bool] = []

    def elsewhere() -> None:
        waiter.refuse()
        answers.append(waiter.give())

    thread = Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert answers == [False]


def test_what_makes_a_pipeline_may_ask_for_another_one() -> None:
    registry: Registry[str] = Registry(lambda key: Pipeline(*([registry["shared"]] if key != "shared" else [Retry()])))
    assert registry["model"].policies == (registry["shared"],)


def test_pipelines_made_after_a_reload_go_by_it_too() -> None:
    def make(key: str) -> Pipeline:
        return Pipeline(Bulkhead(5)) if key == "bare" else Pipeline(Retry(3), Bulkhead(5))

    registry = Registry(make, max_size=3)
    registry["a"]
    registry.reload({"retry": {"attempts": 5}, "bulkhead": BulkheadOptions(7)})
    registry.reload({"retry": {"max_time": 9.0}})
    for key in "abcda":  # and those that were forgotten and made again
        retry, bulkhead = registry[key].policies
        assert isinstance(retry, Retry)
        assert isinstance(bulkhead, Bulkhead)
        assert (retry.options, bulkhead.options) == (RetryOptions(5, max_time=9.0), BulkheadOptions(7))
    (bulkhead,) = registry["bare"].policies
    assert isinstance(bulkhead, Bulkhead)
    assert bulkhead.options == BulkheadOptions(7)


async def test_a_pipeline_that_was_forgotten_finishes_its_calls() -> None:
    registry: Registry[str] = Registry(lambda key: Pipeline(Bulkhead(1), name=key), max_size=1)
    pipeline, gate = registry["a"], asyncio.Event()
    call = asyncio.create_task(pipeline.call(gate.wait))
    await asyncio.sleep(0)
    assert registry["b"] is not pipeline
    assert pipeline.statistics()["bulkhead"].running == 1
    gate.set()
    assert await call
    assert pipeline.statistics()["bulkhead"].running == 0


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("kind", ["bulkhead", "adaptive"])
def test_a_thread_that_is_interrupted_in_the_queue_leaves_it(
    kind: str, monkeypatch: pytest.MonkeyPatch, *, given: bool
) -> None:
    """X3: also when its place comes at the very moment of the interrupt."""
    options = AdaptiveLimitOptions(initial=1, smallest=1, largest=1, queue_timeout=None)
    policy: Any = Bulkhead(1, 5) if kind == "bulkhead" else AdaptiveLimit(options)

    def interrupted(self: Condition, *_: object) -> bool:
        if given:
            inside.close()  # gives the place to the one who waits
        raise KeyboardInterrupt

    @types.coroutine
    def hold() -> Iterator[None]:
        yield

    inside = policy.call(hold)
    inside.send(None)
    monkeypatch.setattr(Condition, "wait_for", interrupted)
    with pytest.raises(KeyboardInterrupt):
        policy.call_sync(len, "a")
    monkeypatch.undo()
    inside.close()
    assert (policy.statistics().running, policy.statistics().waiting) == (0, 0)
    assert policy.call_sync(len, "a") == 1


@pytest.mark.parametrize("kind", ["bulkhead", "adaptive"])
def test_a_place_that_was_given_back_in_the_meantime_is_taken(kind: str) -> None:
    """Between the look at the places and the queue another thread may give one back."""
    policy: Any = Bulkhead(1, 1) if kind == "bulkhead" else AdaptiveLimit(AdaptiveLimitOptions(initial=1))
    token = policy._queue_sync()
    assert policy.statistics().running == 1
    policy._leave(token, None) if token is not None else policy.release()
    assert policy.statistics().running == 0


async def test_who_is_refused_for_want_of_time_is_told_to_the_hooks() -> None:
    bulkhead, hook = Bulkhead(1, 1, queue_timeout=0.01), RecordingHook()
    bulkhead.watch(hook)
    async with bulkhead:
        for _ in range(2):
            with pytest.raises(BulkheadFullError):
                await bulkhead.acquire()
    assert [event.detail for event in hook.events] == ["no place became free in time"] * 2


def test_a_turn_for_which_a_thread_was_interrupted_is_given_back(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X3."""
    limit = RateLimit(RateLimitOptions(1, per=10.0, max_wait=60.0), clock=clock)

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    assert limit.acquire() == 0.0
    monkeypatch.setattr(time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        limit.call_sync(len, "a")
    assert limit.acquire() == pytest.approx(10.0)  # and not twenty


def test_a_turn_taken_while_room_was_made_is_not_lost(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """X2: what another thread would do at the worst moment."""
    limit = RateLimit(2, per=10.0, clock=clock)
    make_room = Arrivals._make_room

    def interfering(self: Arrivals, now: float, most: int) -> None:
        make_room(self, now, most)
        self.times["key"] = now + 5.0

    monkeypatch.setattr(Arrivals, "_make_room", interfering)
    assert limit.acquire("key") == 0.0
    with pytest.raises(RateLimitedError):
        limit.acquire("key")


def test_a_loop_that_does_not_say_where_it_runs_is_asked_for_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as uvloop's."""
    timeout = Timeout(5.0)

    async def calls() -> list[int]:
        first = await timeout.call(answer)
        home = timeout._home
        assert home is not None
        monkeypatch.setattr(home, "runs", _expiry._UNKNOWN)
        return [first, await timeout.call(answer), await timeout.call(answer)]

    assert asyncio.run(calls()) == [1, 1, 1]
    assert timeout.statistics().pending == 0


async def answer() -> int:
    return 1

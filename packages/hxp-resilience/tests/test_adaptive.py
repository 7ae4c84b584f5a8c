"""As many at once as the target can bear."""

from __future__ import annotations

import asyncio
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from hxp_resilience import (
    AdaptiveLimit,
    AdaptiveLimitOptions,
    BulkheadFullError,
    Deadline,
    DeadlineExceededError,
    Traits,
)
from hxp_resilience._limit import Estimate
from hxp_resilience.testing import ManualClock, RecordingHook
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio


def drive(options: AdaptiveLimitOptions, seconds: Callable[[float], float], rounds: int) -> list[float]:
    """Feed an estimate with a target whose calls take as long as the limit makes them."""
    estimate, limits = Estimate(options), []
    for _ in range(rounds):
        for _ in range(options.window):
            estimate.add(seconds(estimate.allowed), estimate.allowed, options)
        limits.append(estimate.limit)
    return limits


@pytest.mark.parametrize("algorithm", ["gradient", "vegas"])
def test_the_limit_finds_the_knee(algorithm: Any) -> None:
    """A target with fifty places: beyond them calls queue, and take longer in proportion."""
    options = AdaptiveLimitOptions(initial=10, largest=1000, algorithm=algorithm)
    limits = drive(options, lambda limit: 0.1 * max(1.0, limit / 50), 400)
    assert 40 <= sum(limits[-50:]) / 50 <= 150
    assert max(limits) < 300


@pytest.mark.parametrize("algorithm", ["gradient", "vegas"])
def test_the_limit_falls_when_the_target_slows(algorithm: Any) -> None:
    options = AdaptiveLimitOptions(initial=100, largest=200, algorithm=algorithm)
    estimate = Estimate(options)
    for _ in range(200):
        estimate.add(0.1, 100, options)
    before = estimate.limit
    for _ in range(100):
        estimate.add(1.0, 100, options)
    assert estimate.limit < 0.75 * before


def test_the_limit_does_not_rise_when_nobody_asks_for_more() -> None:
    options = AdaptiveLimitOptions(initial=50)
    estimate = Estimate(options)
    for _ in range(1000):
        estimate.add(0.1, 3, options)
    assert estimate.limit == 50


def test_a_target_that_became_slower_for_good_gets_its_calls_back() -> None:
    options = AdaptiveLimitOptions(initial=50, largest=100)
    assert drive(options, lambda _limit: 0.1, 100)[-1] == 100
    estimate = Estimate(options)
    for seconds in (0.1, 1.0):
        for _ in range(200 * options.window):
            estimate.add(seconds, estimate.allowed, options)
    assert estimate.limit == 100  # though calls take ten times as long, it is not because of us


def test_a_target_that_says_it_has_too_much_lowers_the_limit(clock: ManualClock) -> None:
    class BusyError(Exception):
        pass

    def busy() -> None:
        raise BusyError

    limit = AdaptiveLimit(AdaptiveLimitOptions(initial=100), overload=(BusyError,), clock=clock)
    with pytest.raises(BusyError):
        limit.call_sync(busy)
    assert limit.statistics().limit == 90
    with pytest.raises(ZeroDivisionError):
        limit.call_sync(lambda: 1 / 0)  # says nothing about its load
    assert limit.statistics().limit == 90


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Crowd:
    """Calls under one limit; each runs until it is let go."""

    def __init__(self, options: AdaptiveLimitOptions) -> None:
        self.limit = AdaptiveLimit(options)
        self.order: list[str] = []
        self.gates: list[asyncio.Event] = []

    def ask(self, name: str, *, tenant: str = "", priority: int = 0) -> asyncio.Task[None]:
        async def work() -> None:
            gate = asyncio.Event()
            self.order.append(name)
            self.gates.append(gate)
            await gate.wait()

        with Traits(tenant=tenant, priority=priority):
            return asyncio.create_task(self.limit.call(work))

    async def finish(self) -> None:
        await settle()
        while self.gates:
            self.gates.pop(0).set()
            await settle()


async def test_the_urgent_ones_go_first() -> None:
    crowd = Crowd(AdaptiveLimitOptions(initial=1))
    tasks = [crowd.ask("first")]
    await settle()
    tasks += [crowd.ask("low", priority=-1), crowd.ask("usual"), crowd.ask("urgent", priority=5)]
    await crowd.finish()
    await asyncio.gather(*tasks)
    assert crowd.order == ["first", "urgent", "usual", "low"]


async def test_no_tenant_starves_another() -> None:
    """O3."""
    crowd = Crowd(AdaptiveLimitOptions(initial=2, largest=2))
    tasks = [crowd.ask(f"a{number}", tenant="a") for number in range(10)]
    await settle()
    tasks.append(crowd.ask("b", tenant="b"))
    await settle()
    await crowd.finish()
    await asyncio.gather(*tasks)
    assert crowd.order.index("b") == 2


async def test_a_full_queue_makes_room_for_the_more_urgent_and_for_small_tenants() -> None:
    """O3."""
    crowd = Crowd(AdaptiveLimitOptions(initial=1, max_queued=3))
    running = crowd.ask("running", tenant="a")
    await settle()
    queued = [crowd.ask(f"a{number}", tenant="a") for number in range(3)]
    await settle()
    with pytest.raises(BulkheadFullError, match="the queue is full"):
        await crowd.ask("a3", tenant="a")
    small = crowd.ask("b", tenant="b")
    await settle()
    with pytest.raises(BulkheadFullError, match="more urgent") as caught:
        await queued[2]
    assert caught.value.retry_after == 1.0
    urgent = crowd.ask("urgent", tenant="a", priority=1)
    await settle()
    with pytest.raises(BulkheadFullError):
        await queued[1]
    await crowd.finish()
    await asyncio.gather(running, queued[0], small, urgent)
    assert crowd.order == ["running", "urgent", "a0", "b"]
    assert crowd.limit.statistics().displaced == 2


async def test_nobody_waits_longer_than_allowed(clock: ManualClock) -> None:
    """O4."""
    for options, seconds, error in (
        (AdaptiveLimitOptions(initial=1, queue_timeout=0.01), 60.0, BulkheadFullError),
        (AdaptiveLimitOptions(initial=1, queue_timeout=None), 0.01, DeadlineExceededError),
        (AdaptiveLimitOptions(initial=1, queue_timeout=60.0), 0.01, DeadlineExceededError),
    ):
        crowd = Crowd(options)
        running = crowd.ask("running")
        await settle()
        with Deadline(seconds), pytest.raises(error):
            await crowd.ask("late")
        await crowd.finish()
        await running
        statistics = crowd.limit.statistics()
        assert (statistics.running, statistics.waiting, statistics.refused) == (0, 0, 1)
    limit = AdaptiveLimit(AdaptiveLimitOptions(initial=1, max_queued=0))
    async with asyncio.TaskGroup() as group:
        gate = asyncio.Event()
        group.create_task(limit.call(gate.wait))
        await settle()
        with pytest.raises(BulkheadFullError):
            await limit.call(gate.wait)
        with pytest.raises(DeadlineExceededError), Deadline(0.0, clock=clock):
            await limit._queue_async()
        gate.set()


def test_threads_wait_in_the_same_queue() -> None:
    limit, done = AdaptiveLimit(AdaptiveLimitOptions(initial=2, largest=2, queue_timeout=30.0)), list[int]()
    inside = most = 0

    def work(number: int) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        Thread(target=lambda: None).run()
        done.append(number)
        inside -= 1

    threads = [Thread(target=limit.call_sync, args=(work, number)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(60))
    assert most <= 2
    assert (limit.statistics().running, limit.statistics().waiting) == (0, 0)


def test_a_thread_does_not_wait_for_ever() -> None:
    limit = AdaptiveLimit(AdaptiveLimitOptions(initial=1, queue_timeout=0.01))
    with pytest.raises(BulkheadFullError):
        limit.call_sync(lambda: limit.call_sync(len, "a"))
    assert (limit.statistics().running, limit.statistics().waiting) == (0, 0)


async def test_in_shadow_mode_everybody_goes_in() -> None:
    hook = RecordingHook()
    crowd = Crowd(AdaptiveLimitOptions(initial=1, shadow=True))
    crowd.limit.watch(hook)
    tasks = [crowd.ask(str(number)) for number in range(4)]
    await settle()
    assert crowd.limit.statistics().running == 4
    await crowd.finish()
    await asyncio.gather(*tasks)
    assert crowd.limit.statistics().refused == 3
    assert all(event.shadow for event in hook.events)
    assert AdaptiveLimit(AdaptiveLimitOptions(initial=1, shadow=True)).call_sync(len, "a") == 1


async def test_other_options_keep_the_limit_and_let_the_queue_in() -> None:
    crowd = Crowd(AdaptiveLimitOptions(initial=1))
    tasks = [crowd.ask(str(number)) for number in range(4)]
    await settle()
    assert crowd.order == ["0"]
    crowd.limit.reload(AdaptiveLimitOptions(initial=5, smallest=3))
    await settle()
    assert crowd.order == ["0", "1", "2"]
    await crowd.finish()
    await asyncio.gather(*tasks)
    assert "gradient" in crowd.limit.explain()


@pytest.mark.parametrize(
    "wrong",
    [
        {"smallest": 0},
        {"initial": 300},
        {"algorithm": "magic"},
        {"tolerance": 0.5},
        {"smoothing": 0},
        {"window": 0},
        {"queue_timeout": -1},
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        AdaptiveLimitOptions(**wrong)


class AdaptiveMachine(RuleBasedStateMachine):
    """The admission against a model that keeps the queue as a plain list, with a fixed limit of two."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        options = AdaptiveLimitOptions(initial=2, smallest=2, largest=2, max_queued=3, queue_timeout=None)
        self.limit = AdaptiveLimit(options, clock=ManualClock())
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.gates: dict[int, asyncio.Event] = {}
        self.running: dict[int, tuple[str, int]] = {}
        self.queue: list[tuple[int, str, int]] = []  # number, tenant, priority
        self.count = 0

    def teardown(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        self.turn()
        self.loop.close()

    def turn(self) -> None:
        self.loop.run_until_complete(settle())

    def tenants(self) -> list[str]:
        return [tenant for tenant, _ in self.running.values()]

    def promote(self) -> None:
        while self.queue and len(self.running) < 2:
            best = min(self.queue, key=lambda one: (-one[2], self.tenants().count(one[1]), one[0]))
            self.queue.remove(best)
            self.running[best[0]] = best[1:]

    @rule(tenant=st.sampled_from("ab"), priority=st.integers(0, 2))
    def ask(self, tenant: str, priority: int) -> None:
        number, self.count = self.count, self.count + 1
        gate = asyncio.Event()

        async def work() -> None:
            await gate.wait()

        with Traits(tenant=tenant, priority=priority):
            self.tasks[number] = self.loop.create_task(self.limit.call(work))
        self.gates[number] = gate
        if len(self.running) < 2 and not self.queue:
            self.running[number] = (tenant, priority)
        elif len(self.queue) < 3:
            self.queue.append((number, tenant, priority))
        else:
            has = [one[1] for one in self.queue] + self.tenants()
            worst = max(self.queue, key=lambda one: (-one[2], has.count(one[1]), one[0]))
            if (worst[2], -has.count(worst[1])) < (priority, -has.count(tenant) - 1):
                self.queue.remove(worst)
                self.queue.append((number, tenant, priority))
        self.turn()

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.running)))
        self.gates[number].set()
        del self.running[number]
        self.promote()
        self.turn()

    @precondition(lambda self: self.queue or self.running)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted([*self.running, *(one[0] for one in self.queue)])))
        self.tasks[number].cancel()
        self.running.pop(number, None)
        self.queue = [one for one in self.queue if one[0] != number]
        self.promote()
        self.turn()

    @invariant()
    def they_agree(self) -> None:
        statistics = self.limit.statistics()
        assert (statistics.running, statistics.waiting) == (len(self.running), len(self.queue))
        waiting_or_running = {*self.running, *(one[0] for one in self.queue)}
        assert {number for number, task in self.tasks.items() if not task.done()} == waiting_or_running
        for task in self.tasks.values():
            if task.done() and not task.cancelled():
                task.exception()


TestAdaptiveMachine = AdaptiveMachine.TestCase
TestAdaptiveMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

"""Ask a second one when the first takes long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hxp_resilience import (
    Deadline,
    DeadlineExceededError,
    Hedge,
    HedgeOptions,
    Pipeline,
    Retry,
    RetryBudget,
    RetryBudgetOptions,
    Timeout,
)
from hxp_resilience.testing import RecordingHook

if TYPE_CHECKING:
    from hxp_resilience.testing import ManualClock

pytestmark = pytest.mark.anyio


class Target:
    """Each call does what it is told: an answer, an error, or to wait for an event first."""

    def __init__(self, *plans: Any) -> None:
        self.plans = list(plans)
        self.started = self.cancelled = self.billed = 0

    async def __call__(self) -> Any:
        self.started += 1
        plan = self.plans.pop(0)
        try:
            if isinstance(plan, tuple):
                await plan[0].wait()
                plan = plan[1]
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(plan, Exception):
            raise plan
        self.billed += 1
        return plan


async def test_a_quick_answer_needs_no_second_call() -> None:
    target, hedge = Target("a"), Hedge(60.0)
    assert await hedge.call(target) == "a"
    assert target.started == 1
    assert hedge.statistics().hedged == 0


async def test_the_loser_is_cancelled_and_billed_once() -> None:
    """U7."""
    target, hedge = Target((asyncio.Event(), "slow"), "quick"), Hedge(0.0)
    assert await hedge.call(target) == "quick"
    assert (target.started, target.cancelled, target.billed) == (2, 1, 1)
    statistics = hedge.statistics()
    assert (statistics.calls, statistics.hedged, statistics.won) == (1, 1, 1)


async def test_an_error_that_may_pass_lets_the_next_one_be_asked_at_once() -> None:
    target = Target(ConnectionError(), "b")
    assert await Hedge(60.0).call(target) == "b"


async def test_an_error_that_will_not_pass_ends_it() -> None:
    target = Target(ValueError("wrong"), "b")
    with pytest.raises(ValueError, match="wrong"):
        await Hedge(60.0).call(target)
    assert target.started == 1


async def test_when_all_fail_the_first_error_is_raised() -> None:
    first = ConnectionError("first")
    with pytest.raises(ConnectionError) as caught:
        await Hedge(HedgeOptions(60.0, attempts=3)).call(Target(first, ConnectionError("b"), TimeoutError("c")))
    assert caught.value is first


async def test_no_more_than_the_attempts_run_at_once() -> None:
    gate = asyncio.Event()
    target = Target((gate, "a"), (gate, "b"), (gate, "c"))
    task = asyncio.create_task(Hedge(HedgeOptions(0.0, attempts=3)).call(target))
    for _ in range(20):
        await asyncio.sleep(0)
    assert target.started == 3
    gate.set()
    assert await task == "a"


async def test_the_delay_follows_the_last_durations(clock: ManualClock) -> None:
    hedge = Hedge(HedgeOptions(7.0, percentile=0.9, samples=10, minimum_samples=5), clock=clock)

    async def take(seconds: float) -> None:
        clock.advance(seconds)

    for seconds in range(4):
        await hedge.call(take, float(seconds))
    assert hedge.delay() == 7.0
    for seconds in range(4, 20):
        await hedge.call(take, float(seconds))
    assert hedge.delay() == 19.0
    assert "longer than 90%" in hedge.explain()
    hedge.reload(HedgeOptions(7.0, percentile=0.5, samples=10, minimum_samples=5))
    assert hedge.delay() == 15.0


async def test_without_budget_there_is_no_second_call() -> None:
    gate = asyncio.Event()
    budget = RetryBudget(RetryBudgetOptions(share=0.0, floor=0.0))
    hedge = Hedge(0.0, budget=budget)
    task = asyncio.create_task(hedge.call(Target((gate, "a"))))
    for _ in range(10):
        await asyncio.sleep(0)
    gate.set()
    assert await task == "a"
    assert hedge.statistics().unpaid == 1


async def test_in_shadow_mode_nobody_is_asked_twice() -> None:
    hook, gate = RecordingHook(), asyncio.Event()
    hedge = Hedge(HedgeOptions(0.0, shadow=True))
    hedge.watch(hook)
    task = asyncio.create_task(hedge.call(Target((gate, "a"))))
    for _ in range(10):
        await asyncio.sleep(0)
    gate.set()
    assert await task == "a"
    assert hedge.statistics().hedged == 1
    assert [event.shadow for event in hook.events] == [True]


async def test_a_call_that_cancels_itself_is_cancelled() -> None:
    async def leave() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Hedge(60.0).call(leave)


async def test_a_passed_deadline_starts_nothing(clock: ManualClock) -> None:
    """O4."""
    target = Target("a")
    budget = RetryBudget(clock=clock)
    with Deadline(0.0, clock=clock), pytest.raises(DeadlineExceededError):
        await Hedge(1.0, budget=budget).call(target)
    assert budget.statistics().live == 0.0
    with Deadline(0.0, clock=clock), pytest.raises(DeadlineExceededError):
        await Hedge(1.0).call(target)
    assert target.started == 0


async def test_it_stands_in_a_pipeline_and_has_no_twin() -> None:
    target = Target((asyncio.Event(), "slow"), ConnectionError(), (asyncio.Event(), "slow"), "quick")
    pipeline = Pipeline(Retry(2, sleep=asyncio.sleep, random=lambda: 0.0), Hedge(0.0), Timeout(60.0))
    gate_free = Target((asyncio.Event(), "slow"), "quick")
    assert await pipeline.call(gate_free) == "quick"
    with pytest.raises(TypeError, match="no synchronous twin"):
        pipeline.call_sync(len, "a")
    del target


async def test_two_answers_at_once_give_one() -> None:
    gate, closed = asyncio.Event(), []

    class Answer:
        def __init__(self, number: int) -> None:
            self.number = number

        async def discard(self) -> None:
            closed.append(self.number)

    target = Target((gate, Answer(1)), (gate, Answer(2)))
    task = asyncio.create_task(Hedge(0.0).call(target))
    for _ in range(10):
        await asyncio.sleep(0)
    gate.set()
    winner = await task
    assert winner.number == 1
    assert closed in ([], [2])


@pytest.mark.parametrize("wrong", [{"delay": -1}, {"percentile": 1}, {"attempts": 1}, {"minimum_samples": 0}])
def test_options_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        HedgeOptions(**wrong)  # type: ignore[arg-type]

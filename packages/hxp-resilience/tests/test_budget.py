"""So much more traffic than asked for, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hxp_resilience import (
    BudgetExceededError,
    Hedge,
    Pipeline,
    RetriesExhaustedError,
    Retry,
    RetryBudget,
    RetryBudgetOptions,
    RetryOptions,
    Traits,
)
from hxp_resilience.testing import ManualClock, RecordingHook, no_waiting
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("share", "floor", "most"), [(0.1, 0.0, 1.1), (0.2, 0.0, 1.2), (0.1, 1.0, 1.11)])
def test_a_target_that_always_fails_sees_little_more_than_the_traffic(
    share: float, floor: float, most: float, clock: ManualClock
) -> None:
    """O5: the share, and the floor of one call a second in a hundred."""
    budget = RetryBudget(RetryBudgetOptions(share=share, floor=floor), clock=clock)
    retry = Retry(4, budget=budget)
    seen = asked = 0

    def target() -> None:
        nonlocal seen
        seen += 1
        raise ConnectionError

    with no_waiting():
        for _ in range(6000):
            clock.advance(0.01)  # a hundred calls a second, for a minute
            asked += 1
            with pytest.raises((BudgetExceededError, RetriesExhaustedError)) as caught:
                retry.call_sync(target)
            assert isinstance(caught.value.__cause__, ConnectionError)
    assert most - 0.01 < seen / asked <= most


def test_the_refused_retry_tells_its_story(clock: ManualClock) -> None:
    retry = Retry(3, budget=RetryBudget(RetryBudgetOptions(share=0.0, floor=0.0), clock=clock))
    error = ConnectionError("canary")

    def fail() -> None:
        raise error

    with no_waiting(), pytest.raises(BudgetExceededError) as caught:
        retry.call_sync(fail)
    assert caught.value.__cause__ is error
    assert caught.value.story == "attempt 1: ConnectionError; the retry budget is used up"
    assert not caught.value.retryable


def test_a_large_call_is_not_one_call(clock: ManualClock) -> None:
    budget = RetryBudget(RetryBudgetOptions(share=0.1, floor=0.0), clock=clock)
    budget.deposit(100_000)
    assert not budget.withdraw(20_000)
    assert budget.withdraw(10_000)
    assert budget.statistics().left == pytest.approx(0.0)
    retry = Retry(2, budget=budget)
    with Traits(cost=50_000), no_waiting(), pytest.raises(BudgetExceededError):
        retry.call_sync(_fail)
    assert budget.statistics().live == 150_000


def _fail() -> None:
    raise ConnectionError


def test_retries_and_hedges_draw_on_one_budget() -> None:
    budget = RetryBudget()
    assert Retry(budget=budget).budget is Hedge(budget=budget).budget is budget
    assert "10%" in Retry(budget=budget).explain()
    assert "10%" in Hedge(budget=budget).explain()


def test_what_is_past_does_not_count(clock: ManualClock) -> None:
    budget = RetryBudget(RetryBudgetOptions(share=1.0, floor=0.0, window=10.0), clock=clock)
    budget.deposit(5)
    clock.advance(9.0)
    assert budget.withdraw(2)
    clock.advance(1.0)
    assert budget.statistics().live == 0
    clock.advance(60.0)
    assert (budget.statistics().live, budget.statistics().extra) == (0, 0)


def test_shadow_and_reload(clock: ManualClock) -> None:
    hook = RecordingHook()
    budget = RetryBudget(0.0, clock=clock)
    budget.watch(hook)
    budget.reload(RetryBudgetOptions(share=0.0, floor=0.0, shadow=True))
    assert budget.withdraw()
    assert budget.statistics().refused == 1
    assert hook.kinds() == ["budget.refused"]
    budget.deposit()
    budget.reload(RetryBudgetOptions(window=5.0))
    assert budget.statistics().live == 0
    options = RetryOptions(2)
    assert Pipeline(Retry(options, budget=budget)).statistics()["retry"].retried == 0


@pytest.mark.parametrize("wrong", [{"share": -1}, {"share": 11}, {"floor": -1}, {"window": 0}])
def test_options_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        RetryBudgetOptions(**wrong)  # type: ignore[arg-type]


class BudgetMachine(RuleBasedStateMachine):
    """The budget against a list of everything that ever happened."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.budget = RetryBudget(RetryBudgetOptions(share=0.5, floor=0.1, window=10.0), clock=self.clock)
        self.events: list[tuple[int, float, float]] = []

    def sums(self) -> tuple[float, float]:
        tick = int(self.clock())
        inside = [event for event in self.events if event[0] > tick - 10]
        return sum(event[1] for event in inside), sum(event[2] for event in inside)

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 4.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(cost=st.integers(0, 5))
    def deposit(self, cost: int) -> None:
        self.budget.deposit(cost)
        self.events.append((int(self.clock()), cost, 0.0))

    @rule(cost=st.integers(1, 4))
    def withdraw(self, cost: int) -> None:
        live, extra = self.sums()
        allowed = 0.5 * live + 1.0 - extra >= cost - 1e-9
        assert self.budget.withdraw(cost) == allowed
        if allowed:
            self.events.append((int(self.clock()), 0.0, cost))

    @invariant()
    def they_agree(self) -> None:
        statistics = self.budget.statistics()
        assert (statistics.live, statistics.extra) == pytest.approx(self.sums())
        assert statistics.extra <= 0.5 * statistics.live + 1.0 + 30.0  # what was granted stays, live traffic ages


TestBudgetMachine = BudgetMachine.TestCase
TestBudgetMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("outer", ["retry", "hedge"])
async def test_a_call_through_retry_and_hedge_is_counted_once(outer: str, clock: ManualClock) -> None:
    """O5: both share the budget, so that the target sees no more than the share together, either way round."""
    budget = RetryBudget(RetryBudgetOptions(share=0.1, floor=0.0), clock=clock)
    retry, hedge = Retry(4, budget=budget, random=lambda: 0.0), Hedge(60.0, budget=budget)
    policies: list[Any] = [retry, hedge] if outer == "retry" else [hedge, retry]
    seen = 0

    async def target() -> None:
        nonlocal seen
        seen += 1
        raise ConnectionError

    async def stream() -> AsyncIterator[None]:
        await target()
        yield

    for pipeline in (Pipeline(*policies), Pipeline(policies[0], Pipeline(policies[1]))):
        seen = 0
        for _ in range(400):
            clock.advance(0.01)
            with pytest.raises((ConnectionError, BudgetExceededError, RetriesExhaustedError)):
                await pipeline.call(target)
        assert 420 < seen <= 440
    seen = 0
    for _ in range(400):
        clock.advance(0.01)
        with pytest.raises((ConnectionError, BudgetExceededError, RetriesExhaustedError)):
            async with Pipeline(*policies).stream(stream):
                pass
    assert 420 < seen <= 440
    assert budget.statistics().live == pytest.approx(1000, abs=101)  # of the last ten seconds: each call once

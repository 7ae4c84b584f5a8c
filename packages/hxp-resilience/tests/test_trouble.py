"""What comes in between: predicates that raise, interrupts, finalizers, clocks that jump, odd errors."""

from __future__ import annotations

import asyncio
import copy
import math
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from hxp_resilience import (
    AdaptiveLimit,
    AdaptiveLimitOptions,
    Bulkhead,
    CircuitBreaker,
    CircuitBreakerOptions,
    CircuitOpenError,
    CircuitState,
    Deadline,
    DeadlineExceededError,
    Degradation,
    DegradationOptions,
    ErrorReporter,
    Fallback,
    Ladder,
    Pipeline,
    RateLimit,
    RateLimitedError,
    Recovery,
    ResilienceError,
    RetriesExhaustedError,
    Retry,
    RetryBudget,
    RetryBudgetOptions,
    Step,
    Timeout,
    TotalTimeout,
    handle_errors,
)
from hxp_resilience import errors as all_errors
from hxp_resilience._backoff import seconds_asked
from hxp_resilience._limit import Estimate
from hxp_resilience.testing import ManualClock, no_waiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.anyio
FRAGILE = CircuitBreakerOptions(minimum_number_of_calls=1, wait_duration_in_open_state=1.0)


async def forever() -> None:
    await asyncio.Event().wait()


def fail() -> None:
    raise ConnectionError


# Predicates and hooks of the user


def half_open(clock: ManualClock, **more: Any) -> CircuitBreaker:
    breaker = CircuitBreaker("m", FRAGILE, clock=clock, **more)
    breaker.open()
    clock.advance(1.0)
    return breaker


def test_a_predicate_that_raises_leaves_no_permit_behind(clock: ManualClock) -> None:
    judged: list[Any] = []

    def judge(outcome: object) -> bool:
        judged.append(outcome)
        if len(judged) == 1:
            raise ZeroDivisionError
        return False

    for more in ({"failure_on": judge}, {"failure_if": judge}):
        judged.clear()
        breaker = half_open(clock, **more)
        with pytest.raises(ZeroDivisionError):
            breaker.call_sync(fail if "failure_on" in more else len, *(() if "failure_on" in more else ("a",)))
        breaker.call_sync(len, "a")  # the permit is there again, and the circuit closes
        assert breaker.state is CircuitState.CLOSED


async def test_a_predicate_that_raises_holds_no_place_of_a_stream() -> None:
    def judge(_error: Exception) -> bool:
        raise ZeroDivisionError

    async def broken() -> AsyncIterator[int]:
        yield 1
        raise ConnectionError

    bulkhead, outer = Bulkhead(1), Bulkhead(1)
    pipeline = Pipeline(outer, CircuitBreaker("m", failure_on=judge), bulkhead)
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 (the error comes from one of the items)
        async with pipeline.stream(broken) as items:
            async for _ in items:
                pass
    assert (outer.statistics().running, bulkhead.statistics().running) == (0, 0)


# Whose failure it is


async def test_a_deadline_that_passes_in_a_queue_says_nothing_about_the_target() -> None:
    breaker, bulkhead = CircuitBreaker("m", FRAGILE), Bulkhead(1, 1)
    await bulkhead.acquire()
    with Deadline(0.01, clock=ManualClock()), pytest.raises(DeadlineExceededError) as caught:
        await Pipeline(breaker, bulkhead).call(forever)
    assert not caught.value.asked
    assert (breaker.state, breaker.statistics().calls) == (CircuitState.CLOSED, 0)
    bulkhead.release()
    with Deadline(0.01, clock=ManualClock()), pytest.raises(DeadlineExceededError) as caught:  # here it was asked
        await Pipeline(breaker, Timeout(5.0)).call(forever)
    assert caught.value.asked
    assert breaker.state is CircuitState.OPEN


def test_a_budget_that_is_used_up_does_not_hide_the_failure_from_a_breaker_outside() -> None:
    breaker = CircuitBreaker("m", FRAGILE)
    budget = RetryBudget(RetryBudgetOptions(share=0.0, floor=0.0))
    with pytest.raises(all_errors.BudgetExceededError):
        Pipeline(breaker, Retry(3, budget=budget)).call_sync(fail)
    assert breaker.state is CircuitState.OPEN


# What a target asks for, and what a strategy says


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("1e400", math.inf),
        ("-5", 0.0),
        ("nan", None),
        (math.nan, None),
        (-1e308, 0.0),
        (10**400, math.inf),
        ("soon", None),
        (len, None),
        (b"5", None),
    ],
)
def test_no_pause_that_a_target_asks_for_hides_its_error(asked: object, seconds: float | None) -> None:
    """U5."""
    error = ConnectionError()
    error.retry_after = asked  # type: ignore[attr-defined]  # what an adapter may put there
    assert seconds_asked(error) == seconds
    with no_waiting(), pytest.raises(RetriesExhaustedError) as caught:
        Retry(2).call_sync(_raise, error)
    assert caught.value.__cause__ is error


def _raise(error: Exception) -> None:
    raise error


def test_an_error_that_is_awkward_to_look_at_is_an_error_all_the_same() -> None:
    class AwkwardError(ConnectionError):
        @property
        def response(self) -> object:
            raise RuntimeError("there was none")

        retryable = status = response

    with no_waiting(), pytest.raises(RetriesExhaustedError):
        Retry(2).call_sync(_raise, AwkwardError())


@pytest.mark.parametrize("wait", [-1.0, -math.inf, math.nan])
def test_a_strategy_that_waits_less_than_nothing_waits_not_at_all(wait: float) -> None:
    with no_waiting() as waits, pytest.raises(RetriesExhaustedError):
        Retry(2, wait=lambda _state: wait).call_sync(fail)
    assert waits == [0.0]
    with pytest.raises(RetriesExhaustedError):  # in earnest
        Retry(2, wait=lambda _state: wait).call_sync(fail)


# Interrupts


def every_policy(clock: ManualClock) -> list[Any]:
    return [
        Fallback(value=None),
        Ladder({"small": len}),
        TotalTimeout(60.0),
        RateLimit(100, clock=clock),
        Retry(3, budget=RetryBudget(clock=clock)),
        Recovery([Step("mend", lambda: None)], check=lambda: True),
        half_open(clock),
        AdaptiveLimit(),
        Bulkhead(1),
        Timeout(30.0),
    ]


def nothing_is_held(policies: list[Any]) -> bool:
    held = {type(policy).__name__: policy.statistics() for policy in policies}
    breaker = next(policy for policy in policies if isinstance(policy, CircuitBreaker))
    permit = breaker.acquire()  # the only one there is
    permit.release()
    return bool(
        held["Bulkhead"].running == held["AdaptiveLimit"].running == 0
        and held["Timeout"].pending == held["TotalTimeout"].pending == 0
        and held["Retry"].retried == held["Recovery"].recovered == held["Fallback"].used == 0
    )


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
async def test_an_interrupt_passes_through_every_policy_and_leaves_nothing_behind(
    interrupt: type[BaseException], clock: ManualClock
) -> None:
    policies, asked = every_policy(clock), []

    def interrupted() -> None:
        asked.append(1)
        raise interrupt

    with pytest.raises(interrupt):
        Pipeline(*policies).call_sync(interrupted)
    assert nothing_is_held(policies)
    policies = every_policy(clock)

    async def interrupted_too() -> None:
        interrupted()

    coroutine = Pipeline(*policies).call(interrupted_too)
    with pytest.raises(interrupt):
        coroutine.send(None)
    assert nothing_is_held(policies)
    assert len(asked) == 2


async def test_a_call_that_is_closed_in_the_midst_leaves_nothing_behind(clock: ManualClock) -> None:
    policies = every_policy(clock)
    coroutine = Pipeline(*policies).call(forever)
    coroutine.send(None)
    coroutine.close()
    assert nothing_is_held(policies)


def test_a_function_may_end_an_iteration(clock: ManualClock) -> None:
    """`StopIteration` is an exception like any other: it passes, and can be fallen back from."""
    pipeline = Pipeline(Retry(3), CircuitBreaker("m"), Timeout(5.0), Bulkhead(1))
    with pytest.raises(StopIteration):
        pipeline.call_sync(next, iter(()))
    assert Pipeline(Fallback(value="none"), pipeline).call_sync(next, iter(())) == "none"


# Finalizers and clocks


def test_what_a_finalizer_does_in_the_midst_of_a_call_locks_nobody_out() -> None:
    """The garbage collector may run at any allocation, also where a lock is held."""
    entered: list[Callable[[], object]] = []

    def clock() -> float:
        if entered:
            entered.pop()()
        return 1000.0

    breaker = CircuitBreaker("m", CircuitBreakerOptions(slow_call_duration_threshold=1.0), clock=clock)
    entered.append(lambda: breaker.acquire().success())
    breaker.call_sync(len, "a")
    assert breaker.statistics().succeeded == 2
    budget = RetryBudget(clock=clock)
    entered.append(lambda: budget.deposit(2.0))
    budget.deposit(3.0)
    assert budget.statistics().live == 5.0
    degradation = Degradation(DegradationOptions((("less", 0.5, 0.3),)), clock=clock)
    entered.append(lambda: degradation.feel(0.6))
    degradation.feel(0.0)
    assert degradation.level == "less"


def test_a_clock_that_goes_back_breaks_nothing(clock: ManualClock) -> None:
    """T1, T2: a monotonic clock does not; but machines are suspended, and clocks are written by people."""
    pipeline = Pipeline(
        Retry(2, clock=clock, budget=RetryBudget(clock=clock)),
        CircuitBreaker("m", CircuitBreakerOptions(sliding_window_seconds=10.0), clock=clock),
        CircuitBreaker("n", CircuitBreakerOptions(slow_call_duration_threshold=1.0), clock=clock),
        AdaptiveLimit(clock=clock),
        Timeout(5.0, clock=clock),
    )
    for now in (1000.0, 400.0, 399.0, 1e9, 0.0, -5.0):
        clock._now = now
        with no_waiting(), pytest.raises(RetriesExhaustedError):
            pipeline.call_sync(fail)
        clock.advance(1.0)
        assert [pipeline.call_sync(len, "abc") for _ in range(9)] == [3] * 9
        clock.advance(1.0)


def test_a_clock_that_goes_back_keeps_nobody_out(clock: ManualClock) -> None:
    """T2."""
    breaker, limit = CircuitBreaker("m", FRAGILE, clock=clock), RateLimit(2, per=1.0, clock=clock)
    breaker.open()
    assert [limit.acquire(), limit.acquire()] == [0.0, 0.0]
    clock._now -= 500.0
    with pytest.raises(CircuitOpenError) as caught:
        breaker.call_sync(len, "a")
    assert caught.value.retry_after == pytest.approx(1.0)
    with pytest.raises(RateLimitedError):
        limit.acquire()
    clock.advance(1.0)
    assert breaker.call_sync(len, "a") == 1
    assert limit.acquire() == 0.0


def test_a_call_that_took_less_than_no_time_is_no_measure() -> None:
    options = AdaptiveLimitOptions(window=1)
    estimate = Estimate(options)
    estimate.add(-1e9, 1, options)
    estimate.add(0.5, 1, options)
    assert estimate.limit >= 1


# Errors


@pytest.mark.parametrize("name", [name for name in dir(all_errors) if name.endswith("Error")])
def test_errors_travel_between_processes(name: str) -> None:
    kind: type[ResilienceError] = getattr(all_errors, name)
    error = kind("said", retry_after=1.5, timeline=("one", "two"))
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is kind
        assert (str(twin), twin.retry_after, twin.timeline) == ("said", 1.5, ("one", "two"))
        assert (twin.retryable, twin.asked, twin.story) == (error.retryable, error.asked, "one; two")
    late = DeadlineExceededError("said", asked=False)
    assert not pickle.loads(pickle.dumps(late)).asked


def test_errors_that_cause_each_other_are_reported_once() -> None:
    one, two = ConnectionError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    told: list[Any] = []
    ErrorReporter([told.append]).report(one)
    assert told[0].error is one
    with no_waiting(), pytest.raises(RetriesExhaustedError) as caught:
        Retry(3).call_sync(_raise, one)
    assert caught.value.__cause__ is one


def test_an_error_that_is_raised_again_and_again_is_noted_once() -> None:
    error = ConnectionError()
    guarded = handle_errors(context="asking the model")(_raise)
    for _ in range(3):
        with pytest.raises(ConnectionError):
            guarded(error)
    assert error.__notes__ == ["asking the model"]

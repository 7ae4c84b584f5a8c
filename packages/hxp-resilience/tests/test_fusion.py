"""A fused pipeline does what its policies do one around the other."""

from __future__ import annotations

import asyncio
import gc
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hxp_resilience import (
    AdaptiveLimit,
    AdaptiveLimitOptions,
    Bulkhead,
    CircuitBreaker,
    CircuitBreakerOptions,
    Fallback,
    Ladder,
    Pipeline,
    RateLimit,
    RateLimitOptions,
    Recovery,
    Retry,
    StreamGuard,
    Timeout,
    TotalTimeout,
)
from hxp_resilience._fragment import weave
from hxp_resilience._recovery import Step
from hxp_resilience.testing import ManualClock, SleepRecorder
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

OUTCOMES: list[Any] = ["ok", ConnectionError, ValueError, TimeoutError, asyncio.CancelledError, "slow"]


def policies(names: list[str], clock: ManualClock) -> list[Any]:
    """The same policies for both ways, each with state of its own."""
    made: dict[str, Callable[[], Any]] = {
        "retry": lambda: Retry(3, sleep=SleepRecorder(clock), random=lambda: 0.5, clock=clock),
        "breaker": lambda: CircuitBreaker(
            "m", CircuitBreakerOptions(minimum_number_of_calls=2, sliding_window_size=4), clock=clock
        ),
        "timeout": lambda: Timeout(30.0),
        "total": lambda: TotalTimeout(60.0),
        "bulkhead": lambda: Bulkhead(1, 1),
        "rate": lambda: RateLimit(RateLimitOptions(3, per=10.0), clock=clock, sleep=SleepRecorder(clock)),
        "adaptive": lambda: AdaptiveLimit(AdaptiveLimitOptions(initial=2), clock=clock),
        "fallback": lambda: Fallback(lambda error, value: (type(error).__name__, value), on=TimeoutError),
        "ladder": lambda: Ladder({"second": lambda value: ("second", value)}, on=ValueError),
        "recovery": lambda: Recovery([Step("wait", lambda: None)], check=lambda: True, sleep=SleepRecorder(clock)),
        "guard": lambda: StreamGuard(1.0),
    }
    return [made[name]() for name in names]


NAMES = st.lists(
    st.sampled_from(
        [
            "retry",
            "breaker",
            "timeout",
            "total",
            "bulkhead",
            "rate",
            "adaptive",
            "fallback",
            "ladder",
            "recovery",
            "guard",
        ]
    ),
    max_size=6,
)


class Target:
    def __init__(self, outcomes: list[Any], clock: ManualClock) -> None:
        self.outcomes = list(outcomes)
        self.clock = clock
        self.calls = 0

    def _next(self) -> Any:
        self.calls += 1
        self.clock.advance(0.1)
        return self.outcomes.pop(0) if self.outcomes else "ok"

    async def __call__(self, value: int) -> Any:
        outcome = self._next()
        await asyncio.sleep(0)
        if isinstance(outcome, str):
            return outcome, value
        raise outcome

    def plain(self, value: int) -> Any:
        outcome = self._next()
        if isinstance(outcome, str):
            return outcome, value
        raise outcome


def told(outcome: object) -> Any:
    if isinstance(outcome, BaseException):
        story = re.sub(r"\d\d:\d\d:\d\d", "then", getattr(outcome, "story", ""))  # a second may pass between the two
        return type(outcome), str(outcome), story, type(outcome.__cause__)
    return outcome


async def run_nested(names: list[str], outcomes: list[Any], at: int | None, cancelled_at: Any) -> Any:
    """The naive way: each policy calls the next one."""
    clock = ManualClock(1000.0)
    parts, target = policies(names, clock), Target(outcomes, clock)
    call: Callable[..., Any] = target
    for policy in reversed(parts):
        call = partial(policy.call, call)
    return await drive(call, parts, target, at, cancelled_at)


async def run_fused(names: list[str], outcomes: list[Any], at: int | None, cancelled_at: Any) -> Any:
    clock = ManualClock(1000.0)
    parts, target = policies(names, clock), Target(outcomes, clock)
    whole: Callable[..., Any] = Pipeline(*parts).call
    return await drive(partial(whole, target), parts, target, at, cancelled_at)


async def drive(call: Callable[..., Any], parts: list[Any], target: Target, at: int | None, cancelled_at: Any) -> Any:
    results: list[Any] = []
    for number in range(4):
        if at is not None and number == 1:
            reached, outcome = await cancelled_at(call(number), at)
            results.append((reached, told(outcome)))
        else:
            (outcome,) = await asyncio.gather(call(number), return_exceptions=True)
            results.append(told(outcome))
    return results, target.calls, [policy.statistics() for policy in parts]


@settings(max_examples=150, deadline=None)
@given(names=NAMES, outcomes=st.lists(st.sampled_from(OUTCOMES), max_size=8))
def test_fused_and_nested_agree_on_every_outcome(names: list[str], outcomes: list[Any]) -> None:
    async def both() -> None:
        nested = await run_nested(names, outcomes, None, None)
        assert await run_fused(names, outcomes, None, None) == nested

    asyncio.run(both())


@settings(max_examples=60, deadline=None)
@given(names=NAMES, outcomes=st.lists(st.sampled_from(OUTCOMES), max_size=8))
def test_the_synchronous_twins_agree_too(names: list[str], outcomes: list[Any]) -> None:
    outcomes = [outcome for outcome in outcomes if outcome is not asyncio.CancelledError]
    found = []
    for fused in (True, False):
        clock = ManualClock(1000.0)
        parts, target = policies(names, clock), Target(outcomes, clock)
        call: Callable[..., Any] = target.plain
        if fused:
            whole: Callable[..., Any] = Pipeline(*parts).call_sync
            call = partial(whole, call)
        else:
            for policy in reversed(parts):
                call = partial(policy.call_sync, call)
        results = []
        from hxp_resilience.testing import no_waiting  # noqa: PLC0415 (of this test alone)

        with no_waiting(clock):
            for number in range(4):
                try:
                    results.append(call(number))
                except Exception as error:  # noqa: BLE001 (the outcome is what is compared)
                    results.append(told(error))
        found.append((results, target.calls, [policy.statistics() for policy in parts]))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "names",
    [
        ["retry", "breaker", "timeout", "bulkhead"],
        ["total", "retry", "adaptive", "timeout"],
        ["fallback", "recovery", "rate", "breaker"],
        ["ladder", "bulkhead", "retry", "breaker", "total", "guard"],
    ],
)
async def test_fused_and_nested_agree_when_cancelled_at_any_step(names: list[str], cancelled_at: Any) -> None:
    """X3."""
    outcomes = ["ok", ConnectionError, ConnectionError, "ok"]
    for step in range(1, 12):
        nested = await run_nested(names, outcomes, step, cancelled_at)
        assert await run_fused(names, outcomes, step, cancelled_at) == nested


async def test_a_policy_of_somebody_else_is_called_as_a_whole() -> None:
    diary = []

    class Mine:
        async def call(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
            diary.append("in")
            result = await function(*args, **kwargs)
            diary.append("out")
            return result

    bulkhead = Bulkhead(1)

    async def look(value: int) -> int:
        diary.append(f"running {bulkhead.statistics().running}")
        return value

    assert await Pipeline(Retry(), Mine(), bulkhead, Mine()).call(look, 4) == 4
    assert diary == ["in", "in", "running 1", "out", "out"]
    assert await Pipeline(Mine(), Mine()).call(look, 5) == 5
    with pytest.raises(TypeError, match="Mine has no synchronous twin"):
        Pipeline(Retry(), Mine()).call_sync(len, "a")


async def test_what_is_woven_can_be_read_in_a_traceback() -> None:
    import traceback  # noqa: PLC0415 (of this test alone)

    async def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError) as caught:  # noqa: PT011 (it has no message)
        await Pipeline(Bulkhead(1), Timeout(5.0)).call(fail)
    assert "result = await function(*args, **kwargs)" in "".join(traceback.format_exception(caught.value))


def test_the_twins_are_one_text() -> None:
    fragments = [Retry.fragment, CircuitBreaker.fragment, Timeout.fragment, Bulkhead.fragment]
    asynchronous = weave(fragments, asynchronous=True)
    plain = weave(fragments, asynchronous=False)
    same = asynchronous.replace("async def", "def").replace("await ", "").replace("_async(", "_sync(")
    refusal = ["if type(result) is Coroutine:", "refuse(function, result)"]  # what the other awaits
    assert same.splitlines() == [line for line in plain.splitlines() if line.strip() not in refusal]
    assert "await" not in plain


async def test_a_call_through_every_kind_of_policy_leaves_no_cyclic_garbage() -> None:
    async def answer(value: int) -> int:
        return value

    calls: list[Any] = [policy.call for policy in policies(["retry", "breaker", "timeout", "bulkhead"], ManualClock())]
    calls += [policy.call for policy in policies(["total", "adaptive", "fallback", "ladder"], ManualClock())]
    calls.append(RateLimit(1_000_000).call)
    calls.append(Pipeline(Retry(), CircuitBreaker("m"), Timeout(5.0), Bulkhead(2)).call)
    for call in calls:
        await call(answer, 1)
        gc.collect()
        gc.disable()
        try:
            for _ in range(100):
                await call(answer, 1)
            assert gc.collect() == 0, call
        finally:
            gc.enable()

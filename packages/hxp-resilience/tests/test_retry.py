"""Try again, politely."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import tenacity
from hxp_resilience import (
    CircuitOpenError,
    Deadline,
    DeadlineExceededError,
    ResilienceError,
    RetriesExhaustedError,
    Retry,
)
from hxp_resilience.testing import ManualClock, SleepRecorder

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio


class Target:
    """Fails as it is told, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self, value: int = 0, *, add: int = 0) -> int:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return value + add


class BusyError(Exception):
    def __init__(self, retry_after: object = None) -> None:
        super().__init__("canary")
        self.retryable = True
        self.retry_after = retry_after


@pytest.fixture
def sleep() -> SleepRecorder:
    return SleepRecorder()


async def test_a_call_that_succeeds_is_made_once(sleep: SleepRecorder) -> None:
    target = Target()
    assert await Retry(sleep=sleep).call(target, 1, add=2) == 3
    assert (target.calls, sleep.seconds) == (1, [])


async def test_a_failure_that_may_pass_is_tried_again(sleep: SleepRecorder) -> None:
    target = Target(ConnectionResetError(), TimeoutError(), BusyError())
    assert await Retry(4, sleep=sleep, random=lambda: 0.5).call(target, 7) == 7
    assert target.calls == 4
    assert sleep.seconds == [0.25, 0.5, 1.0]


async def test_the_window_of_the_wait_stops_growing(sleep: SleepRecorder) -> None:
    target = Target(*(ConnectionError() for _ in range(40)))
    await Retry(41, sleep=sleep, random=lambda: 1.0).call(target)
    assert sleep.seconds[:6] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert max(sleep.seconds) == 8.0


async def test_the_last_error_is_the_cause_when_all_attempts_failed(sleep: SleepRecorder) -> None:
    errors = [ConnectionError("canary"), BusyError(2.5)]
    with pytest.raises(RetriesExhaustedError, match="2 attempts failed") as caught:
        await Retry(2, sleep=sleep, random=lambda: 0.0).call(Target(*errors))
    assert caught.value.__cause__ is errors[1]
    assert caught.value.timeline == ("attempt 1: ConnectionError, waited 0.000 s", "attempt 2: BusyError")
    assert (caught.value.retry_after, caught.value.retryable) == (2.5, False)


async def test_an_error_that_will_not_pass_is_raised_as_it_is(sleep: SleepRecorder) -> None:
    error = ValueError("wrong")
    with pytest.raises(ValueError, match="wrong") as caught:
        await Retry(sleep=sleep).call(Target(error))
    assert caught.value is error
    later = KeyError("later")
    with pytest.raises(KeyError) as second:
        await Retry(sleep=sleep).call(Target(ConnectionError(), later))
    assert second.value is later


@pytest.mark.parametrize(
    ("retry_on", "error", "calls"),
    [
        (ValueError, ValueError(), 2),
        (ValueError, ConnectionError(), 1),
        ((ValueError, KeyError), KeyError(), 2),
        (lambda error: "again" in str(error), OSError("again"), 2),
        (lambda error: "again" in str(error), OSError("no"), 1),
        (Exception, DeadlineExceededError("over"), 1),
        (Exception, RetriesExhaustedError("inner"), 1),
        (Exception, CircuitOpenError("open"), 2),
    ],
)
async def test_which_errors_count_can_be_said(
    retry_on: type[Exception] | Callable[[Exception], bool], error: Exception, calls: int, sleep: SleepRecorder
) -> None:
    target = Target(error)
    try:
        await Retry(2, retry_on=retry_on, sleep=sleep).call(target)
    except type(error):
        assert calls == 1
    assert target.calls == calls


async def test_a_cancellation_is_never_tried_again(sleep: SleepRecorder) -> None:
    calls = 0

    async def cancelled() -> None:
        nonlocal calls
        calls += 1
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Retry(retry_on=BaseException, sleep=sleep).call(cancelled)
    assert calls == 1


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        (3, 3.0),
        (120.0, 120.0),
        (0.1, 0.5),
        (-5.0, 0.5),
        (float("nan"), 0.5),
        ("3", 3.0),
        ("soon", 0.5),
        ("-1", 0.5),
        (True, 0.5),
        (None, 0.5),
    ],
)
async def test_a_pause_that_the_target_asks_for_is_kept(asked: object, waited: float, sleep: SleepRecorder) -> None:
    """U5."""
    await Retry(2, sleep=sleep, random=lambda: 1.0).call(Target(BusyError(asked)))
    assert sleep.seconds == [waited]


@pytest.mark.parametrize("asked", [120.5, 1e9, float("inf")])
async def test_too_long_a_pause_ends_the_call_at_once(asked: float, sleep: SleepRecorder) -> None:
    """U5."""
    target = Target(BusyError(asked))
    with pytest.raises(RetriesExhaustedError, match="too long a pause") as caught:
        await Retry(3, sleep=sleep).call(target)
    assert caught.value.retry_after == 120.0
    assert (target.calls, sleep.seconds) == (1, [])


async def test_a_wait_strategy_of_tenacity_is_asked(sleep: SleepRecorder, clock: ManualClock) -> None:
    seen: list[tuple[int, float, float, BaseException | None]] = []

    def wait(state: tenacity.RetryCallState) -> float:
        assert state.outcome is not None
        seen.append((state.attempt_number, state.idle_for, state.start_time, state.outcome.exception()))
        return 10.0

    errors = [ConnectionError("a"), ConnectionError("b")]
    retry = Retry(3, wait=tenacity.wait_fixed(1) + tenacity.wait_exponential(multiplier=2), sleep=sleep)
    await retry.call(Target(*errors))
    assert sleep.seconds == [3.0, 5.0]
    await Retry(3, wait=wait, sleep=sleep, clock=clock).call(Target(*errors))
    assert seen == [(1, 0.0, 1000.0, errors[0]), (2, 10.0, 1000.0, errors[1])]


async def test_no_attempt_is_made_that_would_come_too_late(clock: ManualClock) -> None:
    sleep = SleepRecorder(clock)
    target = Target(*(ConnectionError() for _ in range(9)))
    with Deadline(1.2, clock=clock), pytest.raises(DeadlineExceededError) as caught:
        await Retry(9, sleep=sleep, clock=clock, random=lambda: 1.0).call(target)
    assert sleep.seconds == [0.5]
    assert caught.value.timeline == ("attempt 1: ConnectionError, waited 0.500 s", "attempt 2: ConnectionError")
    assert isinstance(caught.value.__cause__, ConnectionError)


async def test_the_timelines_of_inner_errors_are_kept(sleep: SleepRecorder) -> None:
    inner = CircuitOpenError("open", retry_after=1.0, timeline=("refused, breaker 'm' open since 12:03:10",))
    with pytest.raises(RetriesExhaustedError) as caught:
        await Retry(1, sleep=sleep).call(Target(inner))
    assert caught.value.timeline == ("attempt 1: refused, breaker 'm' open since 12:03:10",)


async def test_one_retry_serves_many_calls_at_once() -> None:
    async def step(_seconds: float) -> None:
        await asyncio.sleep(0)

    retry = Retry(5, sleep=step)
    targets = [Target(*(ConnectionError() for _ in range(index % 6))) for index in range(60)]
    results = await asyncio.gather(*(retry.call(target) for target in targets), return_exceptions=True)
    assert [isinstance(result, RetriesExhaustedError) for result in results] == [i % 6 == 5 for i in range(60)]
    assert [target.calls for target in targets] == [min(5, i % 6 + 1) for i in range(60)]


async def test_a_successful_call_leaves_no_cyclic_garbage() -> None:
    retry, target = Retry(), Target()
    await retry.call(target)
    gc.collect()
    gc.disable()
    try:
        for _ in range(100):
            await retry.call(target)
        assert gc.collect() == 0
    finally:
        gc.enable()


async def test_the_default_sleep_and_random_really_wait() -> None:
    assert await Retry(2, wait=lambda _state: 0.001).call(Target(ConnectionError()), 5) == 5
    retry = Retry(2, sleep=SleepRecorder())
    await retry.call(Target(ConnectionError()))
    await retry.call(Target(ConnectionError()))


def test_a_retry_makes_at_least_one_attempt() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Retry(0)


def test_an_error_says_whether_and_when_to_come_back() -> None:
    error = ResilienceError("no", retry_after=1.0, timeline=["a"])
    assert (str(error), error.retry_after, error.retryable, error.timeline) == ("no", 1.0, False, ("a",))


PROGRAM = """
import sys
import hxp_resilience
from hxp_resilience import CircuitBreaker, Deadline, Pipeline, Retry
Pipeline(Retry(), CircuitBreaker("a"))
assert "tenacity" not in sys.modules, "tenacity"
assert "asyncio" not in sys.modules, "asyncio"
"""


def test_an_import_loads_neither_asyncio_nor_tenacity() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)

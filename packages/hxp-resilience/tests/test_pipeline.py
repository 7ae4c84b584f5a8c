"""Policies in a row, as one."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import pytest
from hxp_resilience import (
    BudgetExceededError,
    Bulkhead,
    CircuitBreaker,
    CircuitBreakerOptions,
    CircuitOpenError,
    Fallback,
    Pipeline,
    RateLimit,
    RateLimitedError,
    Retry,
    RetryBudget,
    RetryBudgetOptions,
    RetryOptions,
    Timeout,
    TimeoutOptions,
    TotalTimeout,
)
from hxp_resilience.testing import FaultError, RecordingHook, SleepRecorder, no_waiting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio

P = ParamSpec("P")
T = TypeVar("T")


class Spy:
    """A policy that writes down when it is entered and left."""

    def __init__(self, name: str, diary: list[str]) -> None:
        self.name = name
        self.diary = diary

    async def call(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        self.diary.append(f"+{self.name}")
        try:
            return await function(*args, **kwargs)
        finally:
            self.diary.append(f"-{self.name}")


async def add(left: int, *, right: int) -> int:
    """Add."""
    return left + right


async def test_the_first_policy_is_the_outermost() -> None:
    diary: list[str] = []
    pipeline = Pipeline(Spy("a", diary), Pipeline(Spy("b", diary), Spy("c", diary)))
    assert await pipeline.call(add, 1, right=2) == 3
    assert diary == ["+a", "+b", "+c", "-c", "-b", "-a"]


async def test_an_empty_pipeline_only_calls() -> None:
    assert await Pipeline().call(add, 1, right=2) == 3


async def test_a_pipeline_decorates_a_function() -> None:
    diary: list[str] = []
    guarded = Pipeline(Spy("a", diary))(add)
    assert await guarded(1, right=2) == await guarded(2, right=1) == 3
    assert diary == ["+a", "-a"] * 2
    assert (guarded.__name__, guarded.__doc__) == ("add", "Add.")


async def test_the_four_policies_work_together() -> None:
    breaker, bulkhead, sleep = CircuitBreaker("m"), Bulkhead(2, 2), SleepRecorder()
    failures = [ConnectionError(), TimeoutError()]

    @Pipeline(Retry(3, sleep=sleep), breaker, Timeout(5.0), bulkhead)
    async def ask(question: str) -> str:
        assert bulkhead.statistics().running == 1
        if failures:
            raise failures.pop()
        return question.upper()

    assert await ask("well?") == "WELL?"
    assert len(sleep.seconds) == 2
    assert (breaker.statistics().failed, breaker.statistics().succeeded) == (2, 1)


async def test_a_successful_call_leaves_no_cyclic_garbage() -> None:
    call = Pipeline(Retry(), CircuitBreaker("m"), Bulkhead(2))(add)
    await call(1, right=1)
    gc.collect()
    gc.disable()
    try:
        for _ in range(100):
            await call(1, right=1)
        assert gc.collect() == 0
    finally:
        gc.enable()


def nothing() -> None:
    """Do nothing."""


def plain_add(left: int, *, right: int) -> int:
    """Add."""
    return left + right


def test_a_pipeline_decorates_a_plain_function() -> None:
    guarded = Pipeline(Retry(), CircuitBreaker("m"), Timeout(5.0), Bulkhead(1))(plain_add)
    assert guarded(1, right=2) == guarded(2, right=1) == 3
    assert guarded.__name__ == "plain_add"


async def test_whoever_holds_on_to_a_bound_method_is_served() -> None:
    pipeline, retry = Pipeline(Retry(), Bulkhead(1)), Retry()
    calls = [pipeline.call, retry.call]
    for _ in range(3):
        for call in calls:
            assert await call(add, 1, right=2) == 3
    plain = [pipeline.call_sync, retry.call_sync]
    for _ in range(3):
        for call_sync in plain:
            assert call_sync(plain_add, 1, right=2) == 3


def test_it_explains_itself_in_words() -> None:
    pipeline = Pipeline(
        TotalTimeout(30.0),
        Pipeline(Retry(), CircuitBreaker("model")),
        Timeout(TimeoutOptions(5.0, shadow=True)),
        Bulkhead(4, 8, queue_timeout=1.0),
        Spy("mine", []),
        name="chat",
    )
    assert pipeline.explain().splitlines() == [
        "chat:",
        "1. timeout: end the call with all its attempts after 30 s, and tell everything inside",
        (
            "2. retry: try up to 3 times in all, waiting a random part of 0.5 s, doubling up to 8 s, or as long as the"
            " target asks for up to 120 s"
        ),
        (
            "3. model: stop asking 'model' for 5 s once 50% of the last 20 calls failed, from 5 calls on; then 1 at a"
            " time decide whether it is well"
        ),
        "4. timeout 2: end a call that takes longer than 5 s (shadow: only counted)",
        "5. bulkhead: run 4 calls at once, let 8 more wait for up to 1 s, and refuse the rest",
        "6. mine: Spy",
    ]


async def test_options_change_while_calls_are_under_way() -> None:
    """X4: the window, the permits and the places are kept."""
    breaker, bulkhead = CircuitBreaker("model"), Bulkhead(2, 5)
    pipeline = Pipeline(Retry(2), breaker, bulkhead)
    gate = asyncio.Event()
    running = asyncio.create_task(pipeline.call(gate.wait))
    await asyncio.sleep(0)
    breaker.acquire().failure()
    pipeline.reload({"retry": RetryOptions(5), "model": {"failure_rate_threshold": 0.9}, "bulkhead": {"max_queued": 1}})
    assert breaker.options.failure_rate_threshold == 0.9
    assert (breaker.statistics().failures, bulkhead.statistics().running) == (1, 1)
    gate.set()
    assert await running
    assert bulkhead.statistics().running == 0
    assert breaker.statistics().succeeded == 1


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"retry": RetryOptions(9), "model": {"failure_rate_threshold": 2}}, ValueError, "failure_rate_threshold"),
        ({"retry": RetryOptions(9), "modell": {}}, ValueError, "no policy 'modell'.*there are retry, model"),
        ({"retry": RetryOptions(9), "model": {"treshold": 2}}, ValueError, "model has no such option"),
        ({"retry": RetryOptions(9), "model": 7}, TypeError, "takes CircuitBreakerOptions"),
    ],
)
def test_invalid_options_keep_the_last_good(changes: dict[str, object], error: type[Exception], message: str) -> None:
    retry = Retry(2)
    pipeline = Pipeline(retry, CircuitBreaker("model"))
    with pytest.raises(error, match=message):
        pipeline.reload(changes)
    assert retry.options.attempts == 2  # not even the valid part is taken over
    pipeline.reload({"retry": {"attempts": 4}})  # and reloading goes on
    assert retry.options.attempts == 4


def test_statistics_come_by_label() -> None:
    pipeline = Pipeline(CircuitBreaker("a"), CircuitBreaker("a"), Spy("b", []))
    assert list(pipeline.statistics()) == ["a", "a 2"]


def test_without_hooks_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr("hxp_resilience._policy.Event", lambda *parts: made.append(parts))
    breaker = CircuitBreaker("m")
    breaker.isolate()
    with pytest.raises(CircuitOpenError):
        Pipeline(Fallback(value=1, on=KeyError), Timeout(5.0), breaker).call_sync(nothing)
    assert made == []


def test_hooks_hear_of_every_policy() -> None:
    hook = RecordingHook()
    breaker = CircuitBreaker("m", CircuitBreakerOptions(minimum_number_of_calls=2))
    pipeline = Pipeline(Fallback(value=1), Retry(2), breaker, FaultError(ConnectionError), hooks=[hook])
    with no_waiting():
        assert pipeline.call_sync(nothing) == 1
    assert hook.kinds() == ["retry.waiting", "circuit.opened", "retry.exhausted", "fallback.used"]
    assert [event.error for event in hook.events] == [
        "ConnectionError",
        None,
        "ConnectionError",
        "RetriesExhaustedError",
    ]


def test_a_hook_hears_of_everything_once() -> None:
    """A policy that stands in two pipelines, and the budget that two policies share."""
    hook, breaker = RecordingHook(), CircuitBreaker("m")
    budget = RetryBudget(RetryBudgetOptions(share=0.0, floor=0.0))
    pipeline = Pipeline(Retry(2, budget=budget), breaker, hooks=[hook])
    Pipeline(Retry(3, budget=budget), breaker, hooks=[hook])
    with no_waiting(), pytest.raises(BudgetExceededError):
        pipeline.call_sync(_fail)
    breaker.isolate()
    assert hook.kinds() == ["budget.refused", "circuit.isolated"]


def _fail() -> None:
    raise ConnectionError


def test_a_hook_that_fails_harms_no_call(caplog: pytest.LogCaptureFixture) -> None:
    hook = RecordingHook()

    def broken(_event: object) -> None:
        raise ZeroDivisionError

    breaker = CircuitBreaker("m")
    breaker.watch(broken)
    breaker.watch(hook)
    breaker.isolate()
    assert hook.kinds() == ["circuit.isolated"]
    assert [record.getMessage() for record in caplog.records] == ["a hook failed on circuit.isolated"]
    assert caplog.records[0].exc_info is not None
    assert caplog.records[0].exc_info[0] is ZeroDivisionError


def test_a_hook_that_fails_harms_no_program_without_a_test_around_it() -> None:
    program = """
from hxp_resilience import CircuitBreaker
breaker = CircuitBreaker("m")
breaker.watch(lambda event: 1 / 0)
breaker.isolate()
print(breaker.state)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "isolated\n")
    assert "a hook failed on circuit.isolated" in run.stderr
    assert "ZeroDivisionError" in run.stderr


async def test_the_wall_clock_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """T2: a year forwards and a year back, while calls are under way."""
    pipeline = Pipeline(RateLimit(5, per=60.0), TotalTimeout(60.0), Retry(3), CircuitBreaker("m"), Timeout(30.0))
    wall = time.time()
    results = []
    for years in (0, 1, -1, 0):
        monkeypatch.setattr(time, "time", lambda years=years: wall + years * 365 * 86400.0)
        results.append(await pipeline.call(add, years, right=0))
    assert results == [0, 1, -1, 0]
    await pipeline.call(add, 0, right=0)
    with pytest.raises(RateLimitedError) as caught:
        await pipeline.call(add, 0, right=0)
    assert 0 < (caught.value.retry_after or 0) <= 12.1

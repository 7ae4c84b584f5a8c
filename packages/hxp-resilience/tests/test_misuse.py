"""What a new user gets wrong is refused, at once and with a sentence."""

from __future__ import annotations

import asyncio
import math
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hxp_resilience import (
    AdaptiveLimitOptions,
    Bulkhead,
    BulkheadOptions,
    CircuitBreaker,
    CircuitBreakerOptions,
    Fallback,
    FallbackOptions,
    HedgeOptions,
    Ladder,
    Pipeline,
    RateLimitOptions,
    Recovery,
    RecoveryOptions,
    Retry,
    RetryBudget,
    RetryBudgetOptions,
    RetryOptions,
    Step,
    StreamGuardOptions,
    Timeout,
    TimeoutOptions,
    handle_errors,
)
from hxp_resilience.testing import FaultError, no_waiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.anyio
given: Any = partial  # what is wrong is not for the type checker to see


@pytest.mark.parametrize("thing", [Retry, None, 3, RetryBudget(), len], ids=lambda thing: type(thing).__name__)
def test_a_pipeline_is_made_of_policies(thing: Any) -> None:
    with pytest.raises(TypeError, match="made of policies"):
        Pipeline(Retry(), thing)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (given(RetryOptions, "3"), "attempts"),
        (given(RetryOptions, 2.5), "attempts"),
        (given(RetryOptions, True), "attempts"),  # noqa: FBT003 (what is wrong)
        (given(RetryOptions, first_wait=math.nan), "first_wait"),
        (given(RetryOptions, largest_wait="8"), "first_wait"),
        (given(RetryOptions, max_retry_after=math.inf), "max_retry_after"),
        (given(Retry, "3"), "attempts"),
        (given(Retry, 2.5), "attempts"),
        (given(Retry, retry_on=3), "exception types or a predicate"),
        (given(Retry, retry_on=(OSError, "Error")), "exception types or a predicate"),
        (given(Retry, retry_on=int), "exception types or a predicate"),
        (given(CircuitBreaker, "a", failure_on=404), "exception types or a predicate"),
        (given(CircuitBreakerOptions, failure_rate_threshold=50), "failure_rate_threshold"),
        (given(CircuitBreakerOptions, sliding_window_size=0), "sliding_window_size"),
        (given(CircuitBreakerOptions, sliding_window_size=20.0), "sliding_window_size"),
        (given(Timeout, "5"), "seconds"),
        (given(Timeout, None), "seconds"),
        (given(TimeoutOptions, math.inf), "seconds"),
        (given(Bulkhead, 2.5), "max_concurrent"),
        (given(BulkheadOptions, 1, "2"), "max_queued"),
        (given(BulkheadOptions, 1, 1, math.nan), "queue_timeout"),
        (given(RateLimitOptions, "5"), "limit"),
        (given(RateLimitOptions, 1, max_keys=1.5), "max_keys"),
        (given(AdaptiveLimitOptions, initial=2.5), "initial"),
        (given(AdaptiveLimitOptions, tolerance="2"), "tolerance"),
        (given(HedgeOptions, "1"), "delay"),
        (given(HedgeOptions, percentile=95), "percentile"),
        (given(RetryBudget, "0.1"), "share"),
        (given(RetryBudgetOptions, window=None), "window"),
        (given(RecoveryOptions, on="ConnectionError"), "exception types or a predicate"),
        (given(FallbackOptions, on=int), "exception types or a predicate"),
        (given(StreamGuardOptions, is_end="[DONE]"), "is_end"),
    ],
)
def test_options_of_the_wrong_kind_are_refused_by_name(options: Any, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        options()


@pytest.mark.parametrize(
    ("option", "value"), [("retry_on", 3), ("retry_if", "busy"), ("wait", 1.5), ("stop", 3), ("retry_on", (int,))]
)
def test_options_that_cannot_be_called_are_refused_before_anything_is_changed(option: str, value: object) -> None:
    """X4: of several changes all are taken over, or none."""
    pipeline = Pipeline(Bulkhead(5), Retry(3))
    with pytest.raises(ValueError, match="exception types or a predicate" if option == "retry_on" else option):
        pipeline.reload({"bulkhead": {"max_concurrent": 9}, "retry": {option: value}})
    assert pipeline.explain() == Pipeline(Bulkhead(5), Retry(3)).explain()


async def answer(value: int = 7) -> int:
    return value


class Target:
    """An object that is called like a coroutine function."""

    async def __call__(self, value: int) -> int:
        if value < 0:
            raise ConnectionError
        return value


def test_a_coroutine_function_is_not_called_in_a_thread() -> None:
    breaker = CircuitBreaker("m")
    for policy in (Retry(), breaker, Pipeline(Retry(), breaker)):
        with pytest.raises(TypeError, match="await `call` instead"):
            policy.call_sync(answer)  # type: ignore[unused-coroutine]  # what is wrong
    assert breaker.state == "closed"


def test_what_helps_a_call_in_a_thread_must_not_have_to_be_awaited() -> None:
    with pytest.raises(TypeError, match="the fallback is a coroutine function"):
        Pipeline(Fallback(lambda _error, _text: answer()), FaultError(ConnectionError)).call_sync(len, "a")

    def fail() -> None:
        raise ConnectionError

    with pytest.raises(TypeError, match="the rung 'small' is a coroutine function"):
        Ladder({"small": answer}).call_sync(fail)
    with no_waiting(), pytest.raises(TypeError, match="the step 'mend' is a coroutine function"):
        Recovery([Step("mend", answer)], check=lambda: True).call_sync(fail)
    with no_waiting(), pytest.raises(TypeError, match="the check is a coroutine function"):
        Recovery([Step("mend", lambda: None)], check=answer).call_sync(fail)

    class Later:
        """Has to be awaited, and cannot be closed."""

        def __await__(self) -> Iterator[None]:
            yield

    with pytest.raises(TypeError, match="the fallback is a coroutine function"):
        Fallback(lambda _error: Later()).call_sync(fail)


async def test_an_object_that_is_called_like_a_coroutine_function_is_one() -> None:
    pipeline = Pipeline(Fallback(value=0))
    assert [await pipeline(Target())(5), await pipeline(Target())(-5)] == [5, 0]
    assert await handle_errors(ConnectionError, default=0)(Target())(-5) == 0


async def test_an_asynchronous_generator_function_goes_through_the_pipeline() -> None:
    left = [ConnectionError()]

    @Pipeline(Retry(2, random=lambda: 0.0))
    async def count(most: int) -> AsyncIterator[int]:
        if left:
            raise left.pop()
        for number in range(most):
            yield number

    assert [item async for item in count(3)] == [0, 1, 2]
    assert left == []


def test_a_generator_function_is_refused() -> None:
    def count() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="nothing happens when it is called"):
        Pipeline(Retry())(count)


async def test_a_stream_of_the_wrong_kind_is_refused() -> None:
    bulkhead = Bulkhead(1)
    with pytest.raises(TypeError, match="a stream is an asynchronous iterator"):
        async with Pipeline(bulkhead).stream(lambda: [1, 2]):
            pass
    assert bulkhead.statistics().running == 0


async def test_a_plain_function_is_not_awaited() -> None:
    with pytest.raises(TypeError, match="await"):
        await Pipeline(Retry(), Bulkhead(1)).call(len, "abc")  # type: ignore[arg-type]  # what is wrong


def test_a_timeout_outside_of_a_loop_says_so() -> None:
    coroutine = Timeout(1.0).call(answer)
    with pytest.raises(RuntimeError, match="no running event loop"):
        coroutine.send(None)

    async def outside_of_a_task() -> BaseException | None:
        loop = asyncio.get_running_loop()
        failed: asyncio.Future[BaseException] = loop.create_future()

        def step() -> None:
            try:
                Timeout(1.0).call(answer).send(None)
            except RuntimeError as error:
                failed.set_result(error)

        loop.call_soon(step)
        return await failed

    assert "needs a task" in str(asyncio.run(outside_of_a_task()))

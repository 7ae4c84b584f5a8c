"""Policies in a row, as one."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import pytest
from hxp_resilience import Bulkhead, CircuitBreaker, Pipeline, Retry, Timeout
from hxp_resilience.testing import SleepRecorder

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

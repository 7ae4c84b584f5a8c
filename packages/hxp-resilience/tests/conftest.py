"""What the tests share."""

from __future__ import annotations

import asyncio
import time
import types
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from hxp_resilience.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1000.0)


Until: TypeAlias = "Callable[[Callable[[], object]], None]"


@pytest.fixture
def until() -> Until:
    """Let other threads run until something holds; fail when it never does."""

    def wait(condition: Callable[[], object]) -> None:
        limit = time.monotonic() + 30.0
        while not condition():
            assert time.monotonic() < limit, "it never came about"
            time.sleep(0)

    return wait


Stepped: TypeAlias = "Callable[[Coroutine[Any, Any, object], int], Awaitable[tuple[bool, object]]]"


@types.coroutine
def _counting(
    coroutine: Coroutine[Any, Any, object], at: int, cancel: Callable[[], object]
) -> Generator[Any, Any, object]:
    """Drive a coroutine by hand; when it is suspended for the n-th time, have it cancelled there."""
    seen = 0
    step: Callable[[], Any] = lambda: coroutine.send(None)  # noqa: E731 (replaced in each round)
    while True:
        try:
            waits_for = step()
        except StopIteration as stop:
            return stop.value
        seen += 1
        if seen == at:
            cancel()
        try:
            sent = yield waits_for
        except BaseException as error:  # noqa: BLE001 (all of them go into the coroutine)
            step = lambda error=error: coroutine.throw(error)  # type: ignore[misc]  # noqa: E731
        else:
            step = lambda sent=sent: coroutine.send(sent)  # type: ignore[misc]  # noqa: E731


async def _cancelled_at(coroutine: Coroutine[Any, Any, object], at: int) -> tuple[bool, object]:
    reached = False

    async def run() -> object:
        task = asyncio.current_task()
        assert task is not None

        def cancel() -> None:
            nonlocal reached
            reached = True
            asyncio.get_running_loop().call_soon(task.cancel)

        return await _counting(coroutine, at, cancel)

    outcome = await asyncio.gather(asyncio.create_task(run()), return_exceptions=True)
    return reached, outcome[0]


@pytest.fixture
def cancelled_at() -> Stepped:
    """Run a call and cancel it when it is suspended for the n-th time: whether it got there, and how it ended."""
    return _cancelled_at


@pytest.fixture
def at_every_step() -> Callable[[Callable[[int], Awaitable[bool]]], Awaitable[int]]:
    """Run a scenario for step 1, 2, 3… until it is done before it gets there; return how many steps it had."""

    async def run(scenario: Callable[[int], Awaitable[bool]]) -> int:
        step = 1
        while await scenario(step):
            step += 1
            assert step < 500, "the scenario never ends"
        return step - 1

    return run

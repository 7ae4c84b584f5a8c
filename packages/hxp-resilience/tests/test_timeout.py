"""Wait only so long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hxp_resilience import AttemptTimeoutError, Deadline, DeadlineExceededError, Timeout, current_deadline

if TYPE_CHECKING:
    from hxp_resilience.testing import ManualClock

pytestmark = pytest.mark.anyio


async def forever() -> None:
    await asyncio.Event().wait()


async def test_an_answer_in_time_is_the_answer() -> None:
    async def double(value: int) -> int:
        return value * 2

    assert await Timeout(5.0).call(double, 4) == 8


async def test_a_call_that_takes_too_long_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def slow() -> None:
        try:
            await forever()
        finally:
            cancelled.set()

    with pytest.raises(AttemptTimeoutError, match=r"no answer within 0\.01 s") as caught:
        await Timeout(0.01).call(slow)
    assert cancelled.is_set()
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.retryable
    assert caught.value.timeline[0].startswith("cancelled after 0.0")


async def test_the_functions_own_timeout_stays_its_own() -> None:
    async def own() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine") as caught:
        await Timeout(5.0).call(own)
    assert type(caught.value) is TimeoutError


async def test_a_cancellation_from_outside_stays_one() -> None:
    task = asyncio.create_task(Timeout(60.0).call(forever))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_deadline_that_comes_first_ends_the_call() -> None:
    with Deadline(0.01), pytest.raises(DeadlineExceededError) as caught:
        await Timeout(60.0).call(forever)
    assert isinstance(caught.value, TimeoutError)
    assert not caught.value.retryable


async def test_nothing_is_called_after_the_deadline(clock: ManualClock) -> None:
    """O4."""
    with Deadline(1.0, clock=clock):
        clock.advance(1.0)
        with pytest.raises(DeadlineExceededError):
            await Timeout(60.0).call(forever)


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_timeout_is_positive_and_finite(seconds: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        Timeout(seconds)


def test_a_deadline_holds_inside_its_block_only(clock: ManualClock) -> None:
    assert current_deadline() is None
    with Deadline(5.0, clock=clock) as deadline:
        assert current_deadline() is deadline
        clock.advance(2.0)
        assert deadline.remaining() == 3.0
        deadline.check()
    assert current_deadline() is None
    clock.advance(4.0)
    assert deadline.remaining() == -1.0
    with pytest.raises(DeadlineExceededError):
        deadline.check()
    assert repr(deadline) == "<Deadline: -1.000 s left>"


def test_of_two_deadlines_the_earlier_holds(clock: ManualClock) -> None:
    with Deadline(5.0, clock=clock) as outer:
        with Deadline(9.0, clock=clock):
            assert current_deadline() is outer
        with Deadline(1.0, clock=clock) as inner:
            assert current_deadline() is inner
        assert current_deadline() is outer


def test_a_deadline_can_be_entered_again(clock: ManualClock) -> None:
    deadline = Deadline(at=1005.0, clock=clock)
    assert deadline.remaining() == 5.0
    with deadline, deadline:
        assert current_deadline() is deadline
    with deadline:
        assert current_deadline() is deadline
    assert current_deadline() is None


async def test_a_deadline_is_carried_into_tasks(clock: ManualClock) -> None:
    async def look() -> Deadline | None:
        return current_deadline()

    with Deadline(5.0, clock=clock) as deadline:
        task = asyncio.create_task(look())
    assert await task is deadline
    assert await look() is None


def test_a_deadline_is_given_in_one_way() -> None:
    with pytest.raises(ValueError, match="not both"):
        Deadline()
    with pytest.raises(ValueError, match="not both"):
        Deadline(1.0, at=2.0)


def test_a_manual_clock_does_not_go_back(clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1.0)

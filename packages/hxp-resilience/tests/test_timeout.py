"""Wait only so long."""

from __future__ import annotations

import asyncio
from threading import Thread
from typing import Any

import anyio
import pytest
from hxp_resilience import (
    AttemptTimeoutError,
    Deadline,
    DeadlineExceededError,
    Pipeline,
    Retry,
    Timeout,
    TimeoutOptions,
    TotalTimeout,
    current_deadline,
)
from hxp_resilience.testing import ManualClock, RecordingHook, no_waiting

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
    with Deadline(0.01, clock=ManualClock()), pytest.raises(DeadlineExceededError) as caught:
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


async def test_nested_timeouts_keep_their_meaning() -> None:
    with pytest.raises(AttemptTimeoutError, match=r"0\.01 s"):  # the inner one
        await Timeout(60.0).call(Timeout(0.01).call, forever)
    with pytest.raises(AttemptTimeoutError, match=r"0\.01 s"):  # the outer one
        await Timeout(0.01).call(Timeout(60.0).call, forever)
    with pytest.raises(AttemptTimeoutError, match=r"0\.02 s"):
        async with asyncio.timeout(60.0):
            await Timeout(0.02).call(forever)
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.01):
            await Timeout(60.0).call(forever)
    assert type(caught.value) is TimeoutError
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0  # every account is settled


async def test_both_at_once_belong_to_the_outer_one() -> None:
    loop = asyncio.get_running_loop()
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout_at(loop.time() + 0.01):
            await Timeout(0.01).call(forever)
    assert type(caught.value) in {TimeoutError, AttemptTimeoutError}
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_cancellation_from_outside_wins_over_the_timeout() -> None:
    entered = asyncio.Event()

    async def stubborn() -> None:
        entered.set()
        try:
            await forever()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()  # somebody else, while the timeout's own cancellation is on its way
            raise

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(Timeout(0.01).call(stubborn))


async def test_a_task_group_is_cancelled_as_a_whole() -> None:
    ended = []

    async def member() -> None:
        try:
            await forever()
        finally:
            ended.append(1)

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(member())
            tasks.create_task(member())

    with pytest.raises(AttemptTimeoutError):
        await Timeout(0.01).call(group)
    assert ended == [1, 1]
    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012 (the group raises at its end)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Timeout(0.01).call(forever))
            tasks.create_task(member())
    assert isinstance(caught.value.exceptions[0], AttemptTimeoutError)
    assert len(ended) == 3


async def test_the_scopes_of_anyio_keep_their_meaning() -> None:
    with anyio.move_on_after(0.01) as scope:
        await Timeout(60.0).call(forever)
    assert scope.cancelled_caught
    with pytest.raises(AttemptTimeoutError):
        with anyio.fail_after(60.0):
            await Timeout(0.01).call(anyio.sleep_forever)

    async def inner() -> str:
        with anyio.move_on_after(0.01):
            await forever()
        return "went on"

    assert await Timeout(60.0).call(inner) == "went on"


async def test_calls_of_one_length_share_one_timer() -> None:
    loop, timeout = asyncio.get_running_loop(), Timeout(30.0)
    made: list[float] = []
    call_at = loop.call_at

    def noted(when: float, *rest: Any, **more: Any) -> asyncio.TimerHandle:
        made.append(when)
        return call_at(when, *rest, **more)

    loop.call_at = noted  # type: ignore[method-assign,assignment]
    try:

        async def quick() -> None:
            await asyncio.sleep(0)

        await asyncio.gather(*(timeout.call(quick) for _ in range(100)))
        for _ in range(100):
            await timeout.call(quick)
    finally:
        del loop.call_at
    assert len(made) == 1
    assert timeout.statistics().pending == 0


async def test_each_call_has_its_whole_time_though_the_timer_is_shared() -> None:
    timeout, loop = Timeout(0.05), asyncio.get_running_loop()

    async def timed(delay: float) -> float:
        await asyncio.sleep(delay)
        started = loop.time()
        with pytest.raises(AttemptTimeoutError):
            await timeout.call(forever)
        return loop.time() - started

    spent = await asyncio.gather(*(timed(index * 0.01) for index in range(6)))
    assert all(seconds >= 0.049 for seconds in spent)
    assert timeout.statistics().expired == 6


def test_one_timeout_serves_the_loops_of_many_threads() -> None:
    timeout, failures = Timeout(0.5), list[str]()

    async def both() -> None:
        for _ in range(20):
            await timeout.call(asyncio.sleep, 0)
        with pytest.raises(AttemptTimeoutError):
            await timeout.call(forever)

    def run() -> None:
        try:
            asyncio.run(both())
        except BaseException as error:  # noqa: BLE001 (told by the main thread)
            failures.append(repr(error))

    threads = [Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert timeout.statistics().expired == 8


async def test_an_expiry_at_the_last_moment_leaves_no_cancellation_behind() -> None:
    async def swallow() -> str:
        try:
            await forever()
        except asyncio.CancelledError:
            return "answered after all"
        return "never"

    task = asyncio.current_task()
    assert task is not None
    assert await Timeout(0.01).call(swallow) == "answered after all"
    assert task.cancelling() == 0
    with Deadline(0.01, clock=ManualClock()):
        assert await Timeout(5.0).call(swallow) == "answered after all"
    assert task.cancelling() == 0


async def test_in_shadow_mode_nothing_is_ended() -> None:
    hook = RecordingHook()
    timeout = Timeout(TimeoutOptions(0.3, shadow=True))
    timeout.watch(hook)
    await timeout.call(asyncio.sleep, 0.31)
    await timeout.call(asyncio.sleep, 0)
    assert timeout.statistics().expired == 1
    assert [(event.kind, event.shadow) for event in hook.events] == [("timeout.expired", True)]
    with no_waiting():
        timeout.call_sync(lambda: None)
    with Deadline(0.002, clock=ManualClock()), pytest.raises(DeadlineExceededError):  # a deadline is no shadow
        await timeout.call(forever)


async def test_another_length_holds_for_the_calls_that_begin_from_now_on() -> None:
    timeout = Timeout(60.0)
    first = asyncio.create_task(timeout.call(forever))
    await asyncio.sleep(0)
    timeout.reload(TimeoutOptions(0.01))
    with pytest.raises(AttemptTimeoutError):
        await timeout.call(forever)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first


def test_a_timeout_needs_a_task() -> None:
    async def no_task() -> None:
        with pytest.raises(RuntimeError, match="needs a task"):
            timeout._enter_async(None)

    timeout = Timeout(1.0)
    loop = asyncio.new_event_loop()
    done = []

    def by_hand() -> None:
        coroutine = no_task()
        with pytest.raises(StopIteration):
            coroutine.send(None)
        done.append(1)
        loop.stop()

    loop.call_soon(by_hand)
    loop.run_forever()
    loop.close()
    assert done == [1]


def test_the_synchronous_twin_lays_a_deadline_over_the_call(clock: ManualClock) -> None:
    timeout, hook = Timeout(5.0, clock=clock), RecordingHook()
    timeout.watch(hook)

    def look(seconds: float) -> float:
        deadline = current_deadline()
        assert deadline is not None
        clock.advance(seconds)
        return deadline.remaining()

    assert timeout.call_sync(look, 1.0) == 4.0
    with pytest.raises(AttemptTimeoutError, match="within 5 s") as caught:
        timeout.call_sync(look, 6.0)
    assert caught.value.timeline == ("answered after 6.000 s, too late",)
    assert hook.kinds() == ["timeout.expired"]

    def fail() -> None:
        clock.advance(9.0)
        raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        timeout.call_sync(fail)
    with Deadline(0.5, clock=clock), pytest.raises(DeadlineExceededError):
        timeout.call_sync(clock.advance, 7.0)
    assert current_deadline() is None


async def test_a_total_timeout_is_a_deadline_that_everything_inside_knows() -> None:
    total, left = TotalTimeout(5.0), []

    async def look() -> None:
        deadline = current_deadline()
        assert deadline is not None
        left.append(deadline.remaining())

    await total.call(look)
    assert 4.0 < left[0] <= 5.0
    assert current_deadline() is None
    with pytest.raises(DeadlineExceededError) as caught:
        await TotalTimeout(0.01).call(forever)
    assert isinstance(caught.value, TimeoutError)
    with pytest.raises(DeadlineExceededError):  # not tried again: there is no time
        await Pipeline(TotalTimeout(0.02), Retry(9, random=lambda: 1.0)).call(fail_to_connect)
    assert "9" not in total.explain()


async def fail_to_connect() -> None:
    raise ConnectionError


def test_a_total_timeout_has_a_twin() -> None:
    total = TotalTimeout(5.0)
    assert total.call_sync(lambda: current_deadline() is not None)
    with pytest.raises(DeadlineExceededError), no_waiting():
        Pipeline(TotalTimeout(0.1), Retry(9, random=lambda: 1.0)).call_sync(raise_connection)


def raise_connection() -> None:
    raise ConnectionError


def test_a_deadline_travels_in_a_header(clock: ManualClock) -> None:
    with Deadline(2.5, clock=clock) as deadline:
        headers = deadline.headers()
    assert headers == {"X-Request-Timeout-Ms": "2500"}
    there = Deadline.from_headers({"x-request-timeout-ms": " 2500 "}, clock=clock)
    assert there is not None
    assert there.remaining() == 2.5
    clock.advance(9.0)
    assert deadline.headers() == {"X-Request-Timeout-Ms": "0"}


@pytest.mark.parametrize("sent", ["", "soon", "-5", "1.5", "1e9", "9" * 40, "²", "0x10"])
def test_a_header_that_makes_no_sense_is_no_deadline(sent: str) -> None:
    assert Deadline.from_headers({"X-Request-Timeout-Ms": sent}) is None
    assert Deadline.from_headers({"Other": "1"}) is None


def test_nobody_may_ask_for_all_the_time_in_the_world(clock: ManualClock) -> None:
    """U5, for deadlines."""
    there = Deadline.from_headers({"X-Request-Timeout-Ms": "999999999999"}, longest=30.0, clock=clock)
    assert there is not None
    assert there.remaining() == 30.0

"""Streams: patient for the first item, watchful between items, never tried again after the first."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hxp_resilience import (
    AdaptiveLimit,
    Bulkhead,
    CircuitBreaker,
    Deadline,
    DeadlineExceededError,
    Fallback,
    Hedge,
    Pipeline,
    RetriesExhaustedError,
    Retry,
    StreamBrokenError,
    StreamGuard,
    StreamGuardOptions,
    Timeout,
)
from hxp_resilience.testing import RecordingHook, SleepRecorder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hxp_resilience.testing import ManualClock

pytestmark = pytest.mark.anyio


class Source:
    """Streams, one for each plan: items, errors to raise, and events to wait for."""

    def __init__(self, *plans: list[Any]) -> None:
        self.plans = list(plans)
        self.opened = self.closed = 0

    async def __call__(self, *_args: object) -> AsyncIterator[Any]:
        return self.items()

    async def items(self) -> AsyncIterator[Any]:
        self.opened += 1
        try:
            for step in self.plans.pop(0):
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, Exception):
                    raise step
                else:
                    yield step
        finally:
            self.closed += 1


async def read(pipeline: Pipeline, source: Any) -> list[Any]:
    async with pipeline.stream(source) as items:
        return [item async for item in items]


async def test_a_stream_goes_through_the_pipeline() -> None:
    breaker, bulkhead = CircuitBreaker("m"), Bulkhead(1)
    pipeline = Pipeline(Retry(), breaker, Timeout(5.0), bulkhead, StreamGuard(5.0, idle=5.0))
    async with pipeline.stream(Source([1, 2, 3])) as items:
        assert bulkhead.statistics().running == 1
        assert breaker.statistics().succeeded == 0  # not before the end
        assert [item async for item in items] == [1, 2, 3]
        assert bulkhead.statistics().running == 0
    assert (breaker.statistics().succeeded, breaker.statistics().failed) == (1, 0)


@pytest.mark.parametrize("form", ["generator", "coroutine", "manager", "coroutine of a manager"])
async def test_a_stream_comes_in_many_forms(form: str) -> None:
    left = []

    @asynccontextmanager
    async def manager() -> AsyncIterator[AsyncIterator[Any]]:
        try:
            yield Source(["a", "b"]).items()
        finally:
            left.append(1)

    async def later() -> Any:
        return manager()

    source = Source(["a", "b"])
    forms = {"generator": source.items, "coroutine": source, "manager": manager, "coroutine of a manager": later}
    assert await read(Pipeline(), forms[form]) == ["a", "b"]
    assert left == ([1] if "manager" in form else [])


async def test_before_the_first_item_a_stream_is_tried_again() -> None:
    source = Source([ConnectionError()], [ConnectionError()], ["a"])
    assert await read(Pipeline(Retry(3, sleep=SleepRecorder())), source) == ["a"]
    assert (source.opened, source.closed) == (3, 3)


async def test_after_the_first_item_nothing_is_tried_again() -> None:
    """U6."""
    source, breaker = Source(["a", ConnectionError()], ["never"]), CircuitBreaker("m")
    got = []
    with pytest.raises(ConnectionError):  # noqa: PT012 (the error comes from one of the items)
        async with Pipeline(Retry(3), breaker).stream(source) as items:
            async for item in items:
                got.append(item)  # noqa: PERF401 (what came before the error counts)
    assert (got, source.opened, breaker.statistics().failed) == (["a"], 1, 1)


async def test_a_first_item_that_does_not_come_is_waited_for_only_so_long() -> None:
    guard = StreamGuard(0.01)
    source = Source([asyncio.Event(), "a"], ["b"])
    assert await read(Pipeline(Retry(2, sleep=SleepRecorder()), guard), source) == ["b"]
    with pytest.raises(StreamBrokenError, match=r"no first item within 0\.01 s") as caught:
        await read(Pipeline(guard), Source([asyncio.Event()]))
    assert caught.value.retryable
    assert not caught.value.committed
    assert guard.statistics().late == 2


async def test_an_idle_stream_is_ended() -> None:
    """U4."""
    guard, breaker, source = StreamGuard(idle=0.02), CircuitBreaker("m"), Source(["a", "b", asyncio.Event()])
    got = []
    with pytest.raises(StreamBrokenError, match=r"no item within 0\.02 s") as caught:  # noqa: PT012 (the error comes from one of the items)
        async with Pipeline(Retry(3), breaker, guard).stream(source) as items:
            async for item in items:
                got.append(item)  # noqa: PERF401 (what came before the error counts)
    assert got == ["a", "b"]
    assert caught.value.committed
    assert not caught.value.retryable
    assert (breaker.statistics().failed, guard.statistics().idle, source.closed) == (1, 1, 1)


async def test_a_slow_reader_is_not_an_idle_stream() -> None:
    guard = StreamGuard(idle=0.02)
    async with Pipeline(guard).stream(Source([1, 2, 3, 4])) as items:
        got = []
        async for item in items:
            got.append(item)
            await asyncio.get_running_loop().run_in_executor(None, asyncio.Event)  # lets the loop go round
            if item == 2:
                await asyncio.wait_for(_nothing(), 1.0)
    assert got == [1, 2, 3, 4]


async def _nothing() -> None:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_later(0.05, done.set_result, None)
    await done


async def test_many_items_need_one_timer() -> None:
    loop = asyncio.get_running_loop()
    made: list[float] = []
    call_at = loop.call_at

    def noted(when: float, *rest: Any, **more: Any) -> asyncio.TimerHandle:
        made.append(when)
        return call_at(when, *rest, **more)

    loop.call_at = noted  # type: ignore[method-assign,assignment]
    try:
        await read(Pipeline(StreamGuard(idle=60.0)), Source(list(range(500))))
    finally:
        del loop.call_at
    assert len(made) == 1


async def test_a_stream_that_is_cut_is_a_failure() -> None:
    """U2: there is no false end."""
    guard, breaker = StreamGuard(is_end=lambda item: item == "[DONE]"), CircuitBreaker("m")
    pipeline = Pipeline(Retry(2, sleep=SleepRecorder()), breaker, guard)
    assert await read(pipeline, Source(["a", "[DONE]"])) == ["a", "[DONE]"]
    with pytest.raises(StreamBrokenError, match="ended without its end") as caught:
        await read(pipeline, Source(["a"]))
    assert caught.value.committed
    assert (breaker.statistics().succeeded, breaker.statistics().failed) == (1, 1)
    with pytest.raises(RetriesExhaustedError):  # an empty one may be asked for again
        await read(pipeline, Source([], []))
    assert guard.statistics().cut == 3
    assert guard.statistics().completed == 1


async def test_items_may_follow_the_one_that_says_that_all_is_there() -> None:
    """U2: OpenAI sends the usage after the chunk with the `finish_reason`."""
    guard, breaker = StreamGuard(is_end=lambda chunk: chunk["finish_reason"] is not None), CircuitBreaker("m")
    hello, stop, usage = {"finish_reason": None}, {"finish_reason": "stop"}, {"finish_reason": None, "usage": 7}
    assert await read(Pipeline(breaker, guard), Source([hello, stop, usage])) == [hello, stop, usage]
    assert await read(Pipeline(breaker, guard), Source([hello, stop])) == [hello, stop]
    assert (guard.statistics().completed, guard.statistics().cut, breaker.statistics().succeeded) == (2, 0, 2)
    with pytest.raises(ConnectionError):  # but what breaks after it has broken
        await read(Pipeline(breaker, guard), Source([hello, stop, ConnectionError()]))
    assert (guard.statistics().completed, breaker.statistics().failed) == (2, 1)


async def test_an_empty_stream_is_one_if_nothing_is_said_about_its_end() -> None:
    assert await read(Pipeline(CircuitBreaker("m"), StreamGuard()), Source([])) == []


async def test_leaving_early_closes_the_stream_and_its_good_beginning_counts() -> None:
    source, breaker, bulkhead = Source([1, 2, 3]), CircuitBreaker("m"), Bulkhead(1)
    limit = AdaptiveLimit()
    async with Pipeline(breaker, limit, bulkhead).stream(source) as items:
        async for _ in items:
            break
    assert (source.closed, bulkhead.statistics().running, limit.statistics().running) == (1, 0, 0)
    statistics = breaker.statistics()
    assert (statistics.succeeded, statistics.failed, statistics.calls) == (1, 0, 1)


async def test_an_error_of_the_reader_is_not_the_targets() -> None:
    breaker = CircuitBreaker("m")
    with pytest.raises(KeyError):  # noqa: PT012 (the error comes from one of the items)
        async with Pipeline(breaker).stream(Source([1, 2])) as items:
            async for _ in items:
                raise KeyError
    assert breaker.statistics().failed == 0


async def test_after_its_end_a_stream_stays_ended() -> None:
    async with Pipeline().stream(Source([1])) as items:
        assert [item async for item in items] == [1]
        assert [item async for item in items] == []


async def test_a_hedged_stream_keeps_one_and_closes_the_other() -> None:
    """U7."""
    source = Source([asyncio.Event(), "slow"], ["quick"])
    assert await read(Pipeline(Hedge(0.0), CircuitBreaker("m")), source) == ["quick"]
    assert source.opened == source.closed == 2


async def test_a_fallback_may_be_a_stream() -> None:
    async def sorry(error: Exception) -> AsyncIterator[str]:
        yield type(error).__name__
        yield "sorry"

    pipeline = Pipeline(CircuitBreaker("m"), Fallback(sorry))
    assert await read(pipeline, Source([ConnectionError()])) == ["ConnectionError", "sorry"]


async def test_a_timeout_ends_with_the_first_item() -> None:
    gate = asyncio.Event()
    async with Pipeline(Timeout(0.02)).stream(Source(["a", gate, "b"])) as items:
        assert await anext(items) == "a"
        await _nothing()
        gate.set()
        assert [item async for item in items] == ["b"]


async def test_a_passed_deadline_opens_nothing(clock: ManualClock) -> None:
    """O4."""
    source = Source(["a"])
    with Deadline(0.0, clock=clock), pytest.raises(DeadlineExceededError):
        await read(Pipeline(Bulkhead(1)), source)
    assert source.opened == 0


async def test_in_shadow_mode_a_stream_is_only_watched() -> None:
    hook, loop = RecordingHook(), asyncio.get_running_loop()
    options = StreamGuardOptions(60.0, 60.0, is_end=lambda item: item == "end", shadow=True)
    started = time = loop.time()

    async def slow() -> AsyncIterator[int]:
        nonlocal time
        for item in (1, 2):
            time += 61.0
            yield item

    loop.time = lambda: time  # type: ignore[method-assign]
    try:
        assert await read(Pipeline(StreamGuard(options), hooks=[hook]), slow) == [1, 2]
    finally:
        del loop.time
    assert time == started + 122.0
    assert hook.kinds() == ["stream.late", "stream.idle", "stream.cut"]


async def test_a_call_that_is_no_stream_passes_the_guard() -> None:
    async def answer() -> int:
        return 4

    assert await Pipeline(StreamGuard(1.0)).call(answer) == 4
    assert "nothing is asked" in StreamGuard().explain()
    words = StreamGuard(1.0, idle=2.0, is_end=bool).explain()
    assert "within 1 s" in words
    assert "within 2 s" in words
    with pytest.raises(ValueError, match="idle"):
        StreamGuardOptions(idle=0)


async def test_somebody_elses_timeout_is_not_the_guards() -> None:
    async def own() -> AsyncIterator[int]:
        raise TimeoutError("mine")
        yield 1

    with pytest.raises(TimeoutError, match="mine"):
        await read(Pipeline(StreamGuard(5.0, idle=5.0)), own)
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.01):
            await read(Pipeline(StreamGuard(5.0, idle=5.0)), Source(["a", asyncio.Event()]))
    assert type(caught.value) is TimeoutError


async def test_a_guard_that_begins_to_watch_only_still_ends_a_stream_that_it_has_cut() -> None:
    """X4: options change while a stream waits for its next item."""
    guard, task = StreamGuard(idle=0.01), asyncio.current_task()
    assert task is not None
    with pytest.raises(StreamBrokenError, match=r"no item within 0\.01 s"):  # noqa: PT012 (the error comes from one of the items)
        async with Pipeline(guard).stream(Source(["a", asyncio.Event()])) as items:
            assert await anext(items) == "a"
            waits = asyncio.ensure_future(anext(items))
            await asyncio.sleep(0)
            guard.reload(StreamGuardOptions(shadow=True))
            await waits
    assert task.cancelling() == 0
    assert guard.statistics().idle == 1


async def test_a_stream_that_was_left_has_no_more_items() -> None:
    async with Pipeline(StreamGuard(idle=5.0)).stream(Source([1, 2])) as items:
        assert await anext(items) == 1
    assert [item async for item in items] == []


async def test_a_stream_whose_answer_came_as_well_is_closed() -> None:
    """U7: two streams open in the same turn of the loop; one is discarded."""
    gate, source = asyncio.Event(), Source([], [])
    source.plans = [[gate, "first"], [gate, "second"]]
    hedge = Hedge(0.0)
    reading = asyncio.create_task(read(Pipeline(hedge), source))
    while hedge.statistics().hedged == 0:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    gate.set()
    assert await reading == ["first"]
    assert (source.opened, source.closed) == (2, 2)


async def test_the_timer_of_a_stream_rests_while_nobody_waits() -> None:
    loop, guard = asyncio.get_running_loop(), StreamGuard(idle=5.0)
    started = now = loop.time()
    async with Pipeline(guard).stream(Source([1, 2, 3])) as items:
        assert await anext(items) == 1
        assert await anext(items) == 2
        now += 6.0
        loop.time = lambda: now  # type: ignore[method-assign]
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        finally:
            del loop.time
        assert await anext(items) == 3
    assert now == started + 6.0
    assert guard.statistics().idle == 0

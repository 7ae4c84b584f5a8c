"""Circuits and streams: judged by the first item, bounded in time while half-open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hxp_resilience import CircuitBreaker, CircuitBreakerOptions, CircuitOpenError, CircuitState, Pipeline
from hxp_resilience.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

FRAGILE = CircuitBreakerOptions(
    minimum_number_of_calls=1, wait_duration_in_open_state=5.0, max_wait_duration_in_half_open_state=10.0
)


class Source:
    """A stream of given items that counts how often it was closed."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items
        self.closed = 0

    async def __call__(self) -> AsyncIterator[Any]:
        return self._all()

    async def _all(self) -> AsyncIterator[Any]:
        try:
            for item in self.items:
                yield item
        finally:
            self.closed += 1


def half_open_breaker(clock: ManualClock, **judge: Any) -> CircuitBreaker:
    breaker = CircuitBreaker("m", FRAGILE, clock=clock, **judge)
    breaker.open()
    clock.advance(5.0)
    return breaker


async def test_a_probe_is_judged_by_the_first_item_and_not_by_how_long_it_is_read() -> None:
    breaker = half_open_breaker(ManualClock())
    async with Pipeline(breaker).stream(Source([1, 2, 3])):
        assert breaker.state is CircuitState.CLOSED  # nothing of the stream has been read yet


async def test_a_first_item_that_counts_as_a_failure_opens_the_circuit_again() -> None:
    breaker = half_open_breaker(ManualClock(), failure_if=lambda item: item == 503)
    async with Pipeline(breaker).stream(Source([503, "sorry"])):
        assert breaker.state is CircuitState.OPEN
    assert breaker.statistics().failed == 1  # once, whatever comes after it


async def test_a_first_item_that_counts_as_a_failure_is_one_in_a_closed_circuit_too() -> None:
    breaker = CircuitBreaker("m", failure_if=lambda item: item == 503)
    for _ in range(5):
        async with Pipeline(breaker).stream(Source([503, "sorry"])) as items:
            assert [item async for item in items] == [503, "sorry"]
    assert breaker.state is CircuitState.OPEN


async def test_a_target_that_breaks_a_stream_after_a_good_beginning_fails_after_all() -> None:
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise ConnectionError

    breaker = half_open_breaker(ManualClock())
    with pytest.raises(ConnectionError):  # noqa: PT012 (the error comes from one of the items)
        async with Pipeline(breaker).stream(broken) as items:
            assert breaker.state is CircuitState.CLOSED
            async for _ in items:
                pass
    assert breaker.state is CircuitState.OPEN


async def test_a_predicate_on_the_first_item_that_raises_closes_the_stream_and_keeps_no_permit() -> None:
    def judge(_item: object) -> bool:
        raise ZeroDivisionError

    source, breaker = Source([1]), half_open_breaker(ManualClock(), failure_if=judge)
    with pytest.raises(ZeroDivisionError):
        async with Pipeline(breaker).stream(source):
            pass
    assert source.closed == 1
    breaker.acquire().release()  # the permit of the one probe is there again


def test_a_probe_without_an_end_is_followed_by_another_after_its_time() -> None:
    clock = ManualClock()
    breaker = half_open_breaker(clock)
    forgotten = breaker.acquire()
    for _ in range(75):
        with pytest.raises(CircuitOpenError) as refused:
            breaker.acquire()
        assert 0 < (refused.value.retry_after or 0) <= 1.0
    clock.advance(10.0)
    second = breaker.acquire()
    forgotten.failure()  # stale: it belongs to an earlier epoch
    assert breaker.statistics().state is CircuitState.HALF_OPEN
    second.success()
    assert breaker.state is CircuitState.CLOSED


def test_a_clock_that_went_back_keeps_no_circuit_half_open() -> None:
    times = iter([0.0, 5.0, -1_000.0, -990.0])
    breaker = CircuitBreaker("m", FRAGILE, clock=lambda: next(times))
    breaker.open()
    breaker.acquire()
    with pytest.raises(CircuitOpenError):
        breaker.acquire()
    breaker.acquire()

"""What a breaker goes by: rates over calls or seconds, slowness, orders; and what it tells."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest
from hxp_resilience import (
    CircuitBreaker,
    CircuitBreakerOptions,
    CircuitOpenError,
    CircuitState,
    RateLimitedError,
)
from hxp_resilience._window import CountWindow, TimeWindow
from hxp_resilience.testing import ManualClock, RecordingHook
from hypothesis import given
from hypothesis import strategies as st

SLOW = CircuitBreakerOptions(
    slow_call_duration_threshold=1.0, slow_call_rate_threshold=0.5, minimum_number_of_calls=4, sliding_window_size=10
)


def fail() -> None:
    raise ConnectionError


def feed(breaker: CircuitBreaker, outcomes: str, clock: ManualClock | None = None) -> None:
    """Make one call for each letter: s(uccess), f(ailure), l(ong success)."""
    for outcome in outcomes:
        permit = breaker.acquire()
        if outcome == "l" and clock is not None:
            clock.advance(2.0)
        if outcome == "f":
            permit.failure()
        else:
            permit.success()


@given(outcomes=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=200), size=st.integers(1, 70))
def test_a_count_window_holds_the_last_calls(outcomes: list[tuple[bool, bool]], size: int) -> None:
    window = CountWindow()
    for number, (failed, slow) in enumerate(outcomes):
        if failed or slow or number % 3:
            window.add(size, failed=failed, slow=slow)
        else:
            window.calls += 1  # what the breaker does in its own frame
        last = outcomes[: number + 1][-size:]
        if number % 5 == 0:
            assert window.counts(size) == (len(last), sum(f for f, _ in last), sum(s for _, s in last))


@given(
    steps=st.lists(st.tuples(st.floats(0, 7), st.booleans(), st.booleans()), max_size=60),
    slices=st.integers(1, 10),
)
def test_a_time_window_holds_the_calls_of_its_slices(steps: list[tuple[float, bool, bool]], slices: int) -> None:
    window, now, seen = TimeWindow(10.0, slices), 50.0, list[tuple[int, bool, bool]]()
    width = 10.0 / slices
    for seconds, failed, slow in steps:
        now += seconds
        window.add(now, failed=failed, slow=slow)
        seen.append((int(now // width), failed, slow))
        inside = [entry for entry in seen if entry[0] > int(now // width) - slices]
        assert window.counts(now) == (len(inside), sum(e[1] for e in inside), sum(e[2] for e in inside))
    assert window.counts(now + 1000.0) == (0, 0, 0)


def test_a_time_window_forgets_old_failures(clock: ManualClock) -> None:
    options = CircuitBreakerOptions(sliding_window_seconds=10.0, minimum_number_of_calls=4)
    breaker = CircuitBreaker("m", options, clock=clock)
    feed(breaker, "fff")
    clock.advance(11.0)
    feed(breaker, "fss")
    assert breaker.state == "closed"
    assert (breaker.statistics().calls, breaker.statistics().failures) == (3, 1)
    feed(breaker, "f")
    assert breaker.state == "open"
    clock.advance(5.0)
    feed(breaker, "s")
    assert breaker.state == "closed"
    assert breaker.statistics().succeeded == 3


def test_slow_calls_open_a_circuit_too(clock: ManualClock) -> None:
    breaker = CircuitBreaker("m", SLOW, clock=clock)
    feed(breaker, "sls", clock)
    assert breaker.statistics().slow == 1
    feed(breaker, "l", clock)
    assert breaker.state == "open"
    clock.advance(5.0)
    feed(breaker, "l", clock)  # the probe is slow as well
    assert breaker.state == "open"
    clock.advance(5.0)
    feed(breaker, "s", clock)
    assert breaker.state == "closed"


async def _answer(value: int) -> int:
    return value


@pytest.mark.anyio
async def test_slow_calls_are_timed_in_a_frame_as_well(clock: ManualClock) -> None:
    breaker = CircuitBreaker("m", SLOW, clock=clock)

    async def take(seconds: float) -> None:
        clock.advance(seconds)

    for seconds in (0.1, 1.0, 2.0, 0.1):
        await breaker.call(take, seconds)
    assert breaker.state == "open"


@pytest.mark.anyio
async def test_a_result_may_be_a_failure(clock: ManualClock) -> None:
    options = CircuitBreakerOptions(minimum_number_of_calls=2)
    breaker = CircuitBreaker("m", options, failure_if=lambda result: result == 500, clock=clock)
    assert await breaker.call(_answer, 200) == 200
    assert breaker.call_sync(lambda: 500) == 500
    assert breaker.state == "open"


def test_an_isolated_circuit_stays_so(clock: ManualClock) -> None:
    breaker = CircuitBreaker("m", clock=clock)
    breaker.isolate()
    clock.advance(1e9)
    with pytest.raises(CircuitOpenError, match="isolated"):
        breaker.call_sync(fail)
    breaker.close()
    feed(breaker, "s")
    assert breaker.state == "closed"


def test_a_disabled_circuit_lets_everything_through_and_counts_nothing(clock: ManualClock) -> None:
    breaker = CircuitBreaker("m", clock=clock)
    breaker.disable()
    feed(breaker, "f" * 50)
    assert (breaker.state, breaker.statistics().calls) == (CircuitState.DISABLED, 0)


def test_a_circuit_for_metrics_only_counts_and_never_opens(clock: ManualClock) -> None:
    breaker = CircuitBreaker("m", clock=clock)
    breaker.only_count()
    feed(breaker, "s" * 10 + "f" * 50)
    assert (breaker.state, breaker.statistics().failures) == (CircuitState.METRICS_ONLY, 20)


def test_a_circuit_opened_by_hand_recovers_by_itself(clock: ManualClock) -> None:
    breaker = CircuitBreaker("m", clock=clock)
    breaker.open()
    with pytest.raises(CircuitOpenError):
        breaker.acquire()
    clock.advance(5.0)
    feed(breaker, "s")
    assert breaker.state == "closed"


def test_in_shadow_mode_nothing_is_refused(clock: ManualClock) -> None:
    hook = RecordingHook()
    breaker = CircuitBreaker("m", CircuitBreakerOptions(shadow=True), clock=clock)
    breaker.watch(hook)
    feed(breaker, "f" * 9)
    assert (breaker.state, breaker.statistics().refused) == (CircuitState.OPEN, 4)
    assert hook.kinds() == ["circuit.opened", *["circuit.refused"] * 4]
    assert all(event.shadow for event in hook.events)
    clock.advance(5.0)
    breaker.acquire()
    feed(breaker, "s")  # one more than permitted: let through, and no verdict
    assert breaker.state == "half_open"


def test_other_options_keep_what_was_counted(clock: ManualClock) -> None:
    breaker = CircuitBreaker("m", CircuitBreakerOptions(minimum_number_of_calls=10), clock=clock)
    feed(breaker, "fffss")
    breaker.reload(breaker.changed(failure_rate_threshold=0.9))
    assert (breaker.state, breaker.statistics().calls) == (CircuitState.CLOSED, 5)
    breaker.reload(breaker.changed(minimum_number_of_calls=5, failure_rate_threshold=0.5))
    assert breaker.state == "open"
    with pytest.raises(ValueError, match="failure_rate_threshold"):
        breaker.changed(failure_rate_threshold=7)
    breaker.close()
    feed(breaker, "f")
    breaker.reload(breaker.changed(sliding_window_seconds=10.0))  # a window of another kind begins anew
    assert breaker.statistics().calls == 0


def test_a_window_of_another_size_keeps_the_last_calls(clock: ManualClock) -> None:
    options = CircuitBreakerOptions(
        sliding_window_size=8, minimum_number_of_calls=8, slow_call_duration_threshold=1.0, failure_rate_threshold=1.0
    )
    breaker = CircuitBreaker("m", options, clock=clock)
    feed(breaker, "fslsf", clock)
    for size, expected in ((12, (5, 2, 1)), (9, (5, 2, 1)), (4, (4, 1, 1)), (8, (5, 1, 1))):
        breaker.reload(breaker.changed(sliding_window_size=size, minimum_number_of_calls=min(size, 4)))
        statistics = breaker.statistics()
        assert (statistics.calls, statistics.failures, statistics.slow) == expected


def test_a_refusal_on_our_side_says_nothing_about_the_target(clock: ManualClock) -> None:
    breaker = CircuitBreaker("m", CircuitBreakerOptions(minimum_number_of_calls=1), clock=clock)

    def limited() -> None:
        raise RateLimitedError("ours")

    with pytest.raises(RateLimitedError):
        breaker.call_sync(limited)
    assert breaker.statistics().calls == 0


@pytest.mark.parametrize("years", [-1, 1])
def test_the_wall_clock_changes_nothing(years: int, monkeypatch: pytest.MonkeyPatch, clock: ManualClock) -> None:
    """T2: only the words of the error look at it."""
    breaker = CircuitBreaker("m", clock=clock)
    feed(breaker, "fffff")
    wall = time.time()
    monkeypatch.setattr(time, "time", lambda: wall + years * 365 * 86400)
    with pytest.raises(CircuitOpenError) as caught:
        breaker.acquire()
    assert caught.value.retry_after == 5.0
    clock.advance(5.0)
    feed(breaker, "s")
    assert breaker.state == "closed"


def test_a_breaker_is_small(clock: ManualClock) -> None:
    """Its own objects: what is shared (options, clock, name, code) is not counted, as small numbers are not."""
    breaker = CircuitBreaker("m", CircuitBreakerOptions(sliding_window_size=64), clock=clock)
    feed(breaker, "s" * 5000 + "f" + "s" * 20)
    circuit = breaker._circuit
    parts: list[Any] = [breaker, circuit, circuit.calls, circuit._marked, circuit._bits, circuit.opened_at]
    assert sum(sys.getsizeof(part) for part in {id(part): part for part in parts}.values()) <= 300


@pytest.mark.parametrize(
    "wrong",
    [
        {"slow_call_rate_threshold": 0.0},
        {"slow_call_duration_threshold": 0.0},
        {"sliding_window_seconds": float("inf")},
    ],
)
def test_more_options_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        CircuitBreakerOptions(**wrong)


def test_a_breaker_explains_itself() -> None:
    assert "20 calls" in CircuitBreaker("m").explain()
    words = CircuitBreaker("m", CircuitBreakerOptions(sliding_window_seconds=9.0, slow_call_duration_threshold=2.0))
    assert "the calls of the last 9 s" in words.explain()
    assert "took 2 s or longer" in words.explain()

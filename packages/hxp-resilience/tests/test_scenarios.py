"""Behaviours that the users of other libraries rely on, in our words; `scenarios.toml` says where each comes from."""

from __future__ import annotations

import tomllib
from collections import Counter
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import tenacity
from hxp_resilience import (
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    CircuitBreakerOptions,
    CircuitOpenError,
    CircuitState,
    Pipeline,
    RateLimit,
    RateLimitedError,
    RateLimitOptions,
    RetriesExhaustedError,
    Retry,
    RetryOptions,
)
from hxp_resilience._backoff import decorrelated_jitter, full_jitter
from hxp_resilience.testing import ManualClock, RecordingHook, no_waiting

HERE = Path(__file__).parent


class Target:
    """Fails or answers as it is told, then answers 0."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        outcome = self.outcomes.pop(0) if self.outcomes else 0
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def down(number: int) -> list[Exception]:
    return [ConnectionError(str(index)) for index in range(number)]


def waits(options: RetryOptions, failures: int, clock: ManualClock | None = None) -> list[float]:
    """The waits of a call that fails so often and then succeeds, or gives up."""
    with no_waiting(clock) as seconds, suppress(RetriesExhaustedError):
        Retry(options, clock=clock or ManualClock(), random=lambda: 0.5).call_sync(Target(*down(failures)))
    return seconds


# tenacity: when to stop


@pytest.mark.parametrize(
    ("stop", "made"),
    [
        (tenacity.stop_after_attempt(3), 2),
        (tenacity.stop_after_delay(3), 3),
        (tenacity.stop_before_delay(3), 2),
        (tenacity.stop_any(tenacity.stop_after_attempt(2), tenacity.stop_after_delay(9)), 1),
        (tenacity.stop_all(tenacity.stop_after_attempt(2), tenacity.stop_after_delay(4)), 4),
        (tenacity.stop_after_attempt(4) | tenacity.stop_after_delay(1), 1),
        (tenacity.stop_after_attempt(1) & tenacity.stop_after_delay(2), 2),
        (lambda state: state.attempt_number >= 5, 4),
    ],
)
def test_a_stop_strategy_ends_the_attempts(stop: Any, made: int) -> None:
    options = RetryOptions(None, stop=stop, wait=tenacity.wait_fixed(1))
    assert waits(options, 50, ManualClock()) == [1.0] * made


def test_without_any_end_a_retry_is_refused() -> None:
    with pytest.raises(ValueError, match="never end"):
        RetryOptions(None)


def test_the_time_in_all_is_bounded() -> None:
    assert waits(RetryOptions(None, max_time=10.0, wait=tenacity.wait_fixed(4)), 50, ManualClock()) == [4.0, 4.0]


# tenacity: how long to wait


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        (tenacity.wait_none(), [0, 0, 0]),
        (tenacity.wait_fixed(1), [1, 1, 1]),
        (tenacity.wait_incrementing(start=0.5, increment=0.1), [0.5, 0.6, 0.7]),
        (tenacity.wait_exponential(max=3), [1, 2, 3]),
        (tenacity.wait_exponential(multiplier=2, min=3), [3, 4, 8]),
        (tenacity.wait_chain(tenacity.wait_fixed(1), tenacity.wait_fixed(5)), [1, 5, 5]),
        (tenacity.wait_fixed(1) + tenacity.wait_fixed(2), [3, 3, 3]),
        (tenacity.wait_combine(tenacity.wait_fixed(1), tenacity.wait_fixed(2)), [3, 3, 3]),
        (lambda state: state.attempt_number * 10, [10, 20, 30]),
        (tenacity.wait_exception(lambda error: 7 + int(str(error))), [7, 8, 9]),
    ],
)
def test_a_wait_strategy_says_how_long(wait: Any, expected: list[float]) -> None:
    assert waits(RetryOptions(4, wait=wait), 3) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("wait", "least", "most"),
    [
        (tenacity.wait_random(1, 5), [1, 1, 1, 1], [5, 5, 5, 5]),
        (tenacity.wait_random_exponential(max=4), [0, 0, 0, 0], [1, 2, 4, 4]),
        (tenacity.wait_exponential_jitter(initial=1, max=6, jitter=1), [1, 2, 4, 6], [2, 3, 5, 6]),
    ],
)
def test_a_random_wait_stays_within_its_bounds(wait: Any, least: list[float], most: list[float]) -> None:
    for _ in range(50):
        for seconds, low, high in zip(waits(RetryOptions(5, wait=wait), 4), least, most, strict=True):
            assert low <= seconds <= high


def test_a_wait_strategy_knows_what_happened() -> None:
    seen = []

    def wait(state: tenacity.RetryCallState) -> float:
        assert state.outcome is not None
        seen.append((state.attempt_number, state.idle_for, str(state.outcome.exception()), state.args, state.kwargs))
        return 2.0

    with no_waiting():
        Retry(3, wait=wait).call_sync(Target(*down(2)), 1, b=2)
    assert seen == [(1, 0.0, "0", (1,), {"b": 2}), (2, 2.0, "1", (1,), {"b": 2})]


# tenacity: what to try again


@pytest.mark.parametrize(
    ("strategy", "outcomes", "calls"),
    [
        (tenacity.retry_if_result(lambda result: result is None), [None, None, 5], 3),
        (tenacity.retry_if_not_result(lambda result: result == 5), [1, 2, 5], 3),
        (tenacity.retry_if_exception_type(KeyError), [KeyError(), KeyError(), 5], 3),
        (tenacity.retry_if_exception_type(KeyError), [KeyError(), ValueError()], 2),
        (tenacity.retry_if_not_exception_type(KeyError), [ValueError(), KeyError()], 2),
        (tenacity.retry_unless_exception_type(KeyError), [1, ValueError(), KeyError()], 3),
        (tenacity.retry_if_exception(lambda error: "again" in str(error)), [OSError("again"), OSError("no")], 2),
        (tenacity.retry_if_exception_message(match="busy.*"), [ValueError("busy now"), ValueError("wrong")], 2),
        (tenacity.retry_if_not_exception_message(match="wrong"), [ValueError("busy"), ValueError("wrong")], 2),
        (tenacity.retry_if_exception_cause_type(KeyError), [ValueError("no cause")], 1),
        (
            tenacity.retry_any(
                tenacity.retry_if_result(lambda result: result == 1), tenacity.retry_if_exception_type(KeyError)
            ),
            [1, KeyError(), 5],
            3,
        ),
        (
            tenacity.retry_all(
                tenacity.retry_if_result(lambda result: result > 1), tenacity.retry_if_result(lambda result: result < 5)
            ),
            [2, 3, 5],
            3,
        ),
        (
            tenacity.retry_if_exception_type(KeyError) | tenacity.retry_if_result(lambda r: r == 1),
            [KeyError(), 1, 7],
            3,
        ),
        (tenacity.retry_always, [1, 2, 3, 4, 5], 4),
        (tenacity.retry_never, [ValueError()], 1),
    ],
)
def test_a_retry_strategy_says_what_is_tried_again(strategy: Any, outcomes: list[Any], calls: int) -> None:
    target = Target(*outcomes)
    with no_waiting(), suppress(ValueError, KeyError, OSError, RetriesExhaustedError):
        Retry(4, retry_on=strategy).call_sync(target)
    assert target.calls == calls


def test_a_result_that_never_becomes_right_is_told() -> None:
    target = Target(*["no"] * 9)
    options = RetryOptions(3, retry_if=lambda result: result == "no")
    with no_waiting(), pytest.raises(RetriesExhaustedError, match="3 attempts failed") as caught:
        Retry(options).call_sync(target)
    assert caught.value.result == "no"
    assert caught.value.__cause__ is None
    assert caught.value.timeline[-1] == "attempt 3: a result that was not wanted"


def test_both_a_predicate_and_a_strategy_judge_results() -> None:
    strategy = tenacity.retry_if_result(lambda result: result == 1)
    target = Target(1, 2, 3)
    with no_waiting():
        assert Retry(RetryOptions(5, retry_on=strategy, retry_if=lambda result: result == 2)).call_sync(target) == 3


def test_by_default_connections_and_timeouts_are_tried_three_times() -> None:
    for error, calls in ((ConnectionError(), 3), (TimeoutError(), 3), (ValueError(), 1)):
        target = Target(*[error] * 5)
        with no_waiting(), pytest.raises((RetriesExhaustedError, ValueError)):
            Retry().call_sync(target)
        assert target.calls == calls


def test_a_decorated_function_keeps_its_defaults_and_name() -> None:
    @Pipeline(Retry())
    def greet(name: str = "you", *, mark: str = "!") -> str:
        """Greet."""
        return name + mark

    assert (greet(), greet("me", mark="?"), greet.__name__, greet.__doc__) == ("you!", "me?", "greet", "Greet.")


def test_before_each_wait_the_hooks_are_told() -> None:
    hook = RecordingHook()
    with no_waiting():
        Pipeline(Retry(3, random=lambda: 1.0), hooks=[hook]).call_sync(Target(*down(2)))
    assert [(event.kind, event.seconds) for event in hook.events] == [("retry.waiting", 0.5), ("retry.waiting", 1.0)]


def test_attempts_are_counted() -> None:
    retry = Retry(3)
    with no_waiting():
        retry.call_sync(Target(*down(2)))
        with pytest.raises(RetriesExhaustedError):
            retry.call_sync(Target(*down(5)))
    assert (retry.statistics().retried, retry.statistics().exhausted) == (4, 1)


# Intervals, as resilience4j has them.


def test_intervals_grow_up_to_their_cap() -> None:
    assert [full_jitter(n, random=lambda: 1.0) for n in (1, 2, 5, 6, 5000)] == [0.5, 1.0, 8.0, 8.0, 8.0]
    assert waits(RetryOptions(5, first_wait=1.0, largest_wait=3.0), 4) == [0.5, 1.0, 1.5, 1.5]


def test_random_intervals_spread_between_their_bounds() -> None:
    assert decorrelated_jitter(0.0, random=lambda: 1.0) == 0.5
    assert decorrelated_jitter(2.0, random=lambda: 0.0) == 0.5
    assert decorrelated_jitter(2.0, random=lambda: 1.0) == 6.0
    assert decorrelated_jitter(7.0, random=lambda: 1.0) == 8.0
    assert waits(RetryOptions(4, jitter="decorrelated"), 3) == [0.5, 1.0, 1.75]
    with pytest.raises(ValueError, match="jitter"):
        RetryOptions(jitter="none")  # type: ignore[arg-type]


# Breakers, as all three have them.


def breaker_of(clock: ManualClock, **options: Any) -> CircuitBreaker:
    return CircuitBreaker("m", CircuitBreakerOptions(**{"minimum_number_of_calls": 3, **options}), clock=clock)


def call(breaker: CircuitBreaker, *outcomes: Any) -> None:
    for outcome in outcomes:
        with suppress(ConnectionError):
            breaker.call_sync(Target(outcome))


def test_a_call_through_a_closed_circuit_is_a_call(clock: ManualClock) -> None:
    breaker = breaker_of(clock)
    assert breaker.call_sync(pow, 2, exp=3) == 8
    with pytest.raises(ConnectionError, match="0"):
        breaker.call_sync(Target(*down(1)))
    assert (breaker.state, breaker.name) == (CircuitState.CLOSED, "m")


def test_successes_in_between_keep_a_circuit_closed(clock: ManualClock) -> None:
    breaker = breaker_of(clock, failure_rate_threshold=0.6)
    call(breaker, 1, *down(1), 1, 1, *down(1), 1, 1)
    assert breaker.state is CircuitState.CLOSED


def test_at_the_threshold_the_error_is_the_targets_and_the_next_is_ours(clock: ManualClock) -> None:
    breaker, target = breaker_of(clock), Target(*down(9))
    for _ in range(3):
        with pytest.raises(ConnectionError):
            breaker.call_sync(target)
    with pytest.raises(CircuitOpenError):
        breaker.call_sync(target)
    assert target.calls == 3


@pytest.mark.parametrize(("outcome", "state"), [(1, CircuitState.CLOSED), (ConnectionError(), CircuitState.OPEN)])
def test_after_its_rest_one_call_decides(outcome: Any, state: CircuitState, clock: ManualClock) -> None:
    breaker = breaker_of(clock)
    call(breaker, *down(3))
    clock.advance(4.9)
    with pytest.raises(CircuitOpenError):
        breaker.call_sync(Target())
    clock.advance(0.2)
    call(breaker, outcome)
    assert breaker.state is state


def test_several_successes_may_be_needed_to_close(clock: ManualClock) -> None:
    breaker = breaker_of(clock, permitted_calls_in_half_open=3)
    call(breaker, *down(3))
    clock.advance(5.0)
    call(breaker, 1, 1)
    assert breaker.state.value == "half_open"
    call(breaker, 1)
    assert breaker.state is CircuitState.CLOSED


def test_failures_among_the_probes_open_it_again(clock: ManualClock) -> None:
    breaker = breaker_of(clock, permitted_calls_in_half_open=4)
    call(breaker, *down(3))
    clock.advance(5.0)
    call(breaker, 1, 1, *down(2))
    assert breaker.state is CircuitState.OPEN


def test_four_probes_are_four(clock: ManualClock) -> None:
    breaker = breaker_of(clock, permitted_calls_in_half_open=4)
    breaker.open()
    clock.advance(5.0)
    permits = [breaker.acquire() for _ in range(4)]
    with pytest.raises(CircuitOpenError):
        breaker.acquire()
    permits[0].release()
    breaker.acquire()


def test_errors_that_are_answers_do_not_count(clock: ManualClock) -> None:
    by_type = CircuitBreaker("m", failure_on=(OSError, KeyError), clock=clock)

    def of_the_server(error: Exception) -> bool:
        return "server" in str(error)

    by_rule = CircuitBreaker("m", failure_on=of_the_server, clock=clock)
    for breaker, answer in ((by_type, ValueError()), (by_rule, ConnectionError("client error"))):
        for _ in range(20):
            with pytest.raises(type(answer)):
                breaker.call_sync(Target(answer))
        assert breaker.state is CircuitState.CLOSED


def test_each_change_of_state_is_told_once(clock: ManualClock) -> None:
    hook, breaker = RecordingHook(), breaker_of(clock)
    breaker.watch(hook)
    call(breaker, *down(3))
    clock.advance(5.0)
    call(breaker, 1)
    assert [event.detail for event in hook.events] == ["closed to open", "open to half_open", "half_open to closed"]


def test_closing_forgets_what_was_counted(clock: ManualClock) -> None:
    breaker = breaker_of(clock)
    call(breaker, *down(2))
    breaker.close()
    call(breaker, *down(2))
    assert breaker.state is CircuitState.CLOSED


@pytest.mark.parametrize("order", ["isolate", "disable", "only_count", "open", "close"])
def test_every_state_can_be_ordered_from_every_other(order: str, clock: ManualClock) -> None:
    for before in ("isolate", "disable", "only_count", "open", "close"):
        breaker = breaker_of(clock)
        getattr(breaker, before)()
        getattr(breaker, order)()
        getattr(breaker, order)()  # also its own
        assert breaker.statistics().calls == 0


def test_threads_lose_no_count(clock: ManualClock) -> None:
    breaker = breaker_of(clock, minimum_number_of_calls=10_000, sliding_window_size=10_000)

    def work() -> None:
        for _ in range(500):
            breaker.call_sync(Target())
            call(breaker, ConnectionError())

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statistics = breaker.statistics()
    assert (statistics.succeeded, statistics.failed, statistics.calls) == (4000, 4000, 8000)


def test_threads_that_fail_together_open_it_once(clock: ManualClock) -> None:
    hook, breaker = RecordingHook(), breaker_of(clock)
    breaker.watch(hook)

    def work() -> None:
        for _ in range(50):
            try:
                call(breaker, ConnectionError())
            except CircuitOpenError:
                return

    threads = [Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(hook.kinds())["circuit.opened"] == 1


# resilience4j: bulkheads and rate limits


def test_an_empty_bulkhead_lets_in_and_a_full_one_does_not() -> None:
    bulkhead = Bulkhead(2)
    with bulkhead, bulkhead:
        assert bulkhead.statistics().running == 2
        with pytest.raises(BulkheadFullError):
            bulkhead.acquire_sync()
    assert bulkhead.statistics().running == 0


def test_an_error_gives_the_place_back() -> None:
    bulkhead = Bulkhead(1)
    for _ in range(3):
        with pytest.raises(ConnectionError):
            bulkhead.call_sync(Target(*down(1)))
    assert bulkhead.statistics().running == 0


def test_a_rate_limit_is_refreshed_with_time(clock: ManualClock) -> None:
    limit = RateLimit(RateLimitOptions(2, per=1.0), clock=clock)
    passed = []
    for _ in range(8):
        with suppress(RateLimitedError):
            limit.acquire()
            passed.append(clock())
        clock.advance(0.25)
    assert len(passed) == 5


def test_permits_can_be_reserved_ahead(clock: ManualClock) -> None:
    limit = RateLimit(RateLimitOptions(1, per=1.0, max_wait=3.0), clock=clock)
    assert [limit.acquire() for _ in range(4)] == pytest.approx([0.0, 1.0, 2.0, 3.0])
    with pytest.raises(Exception, match="more than 1") as caught:
        limit.acquire()
    assert caught.value.retry_after == pytest.approx(1.0)  # type: ignore[attr-defined]


# the manifest


def known_tests() -> set[str]:
    found = set()
    for path in HERE.glob("test_*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            stripped = line.strip()
            for start in ("def test_", "async def test_"):
                if stripped.startswith(start):
                    found.add(f"{path.name}::test_{stripped.removeprefix(start).split('(')[0]}")
    return found


def test_the_manifest_is_true_in_both_directions() -> None:
    manifest = tomllib.loads((HERE / "scenarios.toml").read_text(encoding="utf-8"))["scenario"]
    there = known_tests()
    assert [entry["ours"] for entry in manifest if entry["ours"] not in there] == []
    sources = [(entry["source"], entry["test"]) for entry in manifest]
    assert len(sources) == len(set(sources)) >= 60
    assert {source for source, _ in sources} == {"tenacity", "pybreaker", "purgatory", "resilience4j"}
    mine = {name for name in there if name.startswith("test_scenarios.py::") and "manifest" not in name}
    assert mine - {entry["ours"] for entry in manifest} == set()

"""Do not ask a target that fails."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from threading import Barrier, Thread

import pytest
from hxp_resilience import (
    BulkheadFullError,
    CircuitBreaker,
    CircuitBreakerOptions,
    CircuitOpenError,
    CircuitPermit,
    CircuitState,
)
from hxp_resilience.testing import ManualClock
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

OPTIONS = CircuitBreakerOptions(
    failure_rate_threshold=0.5,
    minimum_number_of_calls=2,
    sliding_window_size=4,
    wait_duration_in_open_state=5.0,
)


@pytest.fixture
def breaker(clock: ManualClock) -> CircuitBreaker:
    return CircuitBreaker("model", OPTIONS, clock=clock)


def trip(breaker: CircuitBreaker) -> None:
    while breaker.state is CircuitState.CLOSED:
        breaker.acquire().failure()


def test_a_circuit_opens_at_its_failure_rate(breaker: CircuitBreaker) -> None:
    breaker.acquire().failure()
    assert breaker.statistics().state is CircuitState.CLOSED  # one call means nothing
    breaker.acquire().success()
    assert breaker.statistics().state is CircuitState.OPEN


def test_only_the_last_calls_count(breaker: CircuitBreaker) -> None:
    for outcome in ("success", "success", "success", "failure", "success", "success", "success", "failure"):
        getattr(breaker.acquire(), outcome)()
    assert breaker.statistics().state is CircuitState.CLOSED
    assert (breaker.statistics().calls, breaker.statistics().failures) == (4, 1)


def test_an_open_circuit_refuses_and_says_for_how_long(breaker: CircuitBreaker, clock: ManualClock) -> None:
    trip(breaker)
    clock.advance(2.0)
    with pytest.raises(CircuitOpenError, match="the circuit 'model' is open") as caught:
        breaker.acquire()
    assert (caught.value.retry_after, caught.value.retryable) == (3.0, True)
    assert re.fullmatch(r"refused, breaker 'model' open since \d\d:\d\d:\d\d", caught.value.story)
    assert breaker.statistics().refused == 1


def test_after_its_wait_one_call_decides(breaker: CircuitBreaker, clock: ManualClock) -> None:
    trip(breaker)
    clock.advance(5.0)
    probe = breaker.acquire()
    assert breaker.statistics().state is CircuitState.HALF_OPEN
    with pytest.raises(CircuitOpenError, match="half_open") as caught:
        breaker.acquire()
    assert caught.value.retry_after == 1.0
    probe.failure()
    assert breaker.statistics().state is CircuitState.OPEN
    clock.advance(5.0)
    breaker.acquire().success()
    assert breaker.statistics().state is CircuitState.CLOSED
    assert breaker.statistics().calls == 0


def test_a_call_from_before_says_nothing_about_now(breaker: CircuitBreaker, clock: ManualClock) -> None:
    old = [breaker.acquire() for _ in range(3)]
    trip(breaker)
    clock.advance(5.0)
    probe = breaker.acquire()
    old[0].success()
    assert breaker.statistics().state is CircuitState.HALF_OPEN
    old[1].failure()
    assert breaker.statistics().state is CircuitState.HALF_OPEN
    probe.success()
    assert breaker.statistics().state is CircuitState.CLOSED
    old[2].failure()
    assert breaker.statistics().calls == 0


def test_a_probe_that_is_given_back_makes_room_for_another(breaker: CircuitBreaker, clock: ManualClock) -> None:
    trip(breaker)
    clock.advance(5.0)
    breaker.acquire().release()
    assert breaker.statistics().state is CircuitState.HALF_OPEN
    breaker.acquire().success()
    assert breaker.statistics().state is CircuitState.CLOSED


def test_a_call_from_before_that_is_given_back_makes_no_room(breaker: CircuitBreaker, clock: ManualClock) -> None:
    """X1."""
    old = breaker.acquire()
    trip(breaker)
    clock.advance(5.0)
    breaker.acquire()
    old.release()
    with pytest.raises(CircuitOpenError):
        breaker.acquire()


def test_a_permit_is_settled_once(breaker: CircuitBreaker, clock: ManualClock) -> None:
    permit = breaker.acquire()
    permit.success()
    permit.failure()
    permit.release()
    statistics = breaker.statistics()
    assert (statistics.succeeded, statistics.failed, statistics.name) == (1, 0, "model")
    trip(breaker)
    clock.advance(5.0)
    probe = breaker.acquire()
    probe.release()
    probe.release()
    breaker.acquire()
    with pytest.raises(CircuitOpenError):
        breaker.acquire()


async def fail(error: BaseException) -> None:
    raise error


@pytest.mark.anyio
async def test_a_call_is_judged_by_its_outcome(clock: ManualClock) -> None:
    breaker = CircuitBreaker("m", OPTIONS, failure_on=(ConnectionError, TimeoutError), clock=clock)

    async def answer(value: int) -> int:
        return value

    assert await breaker.call(answer, 3) == 3
    with pytest.raises(ValueError, match="bad request"):
        await breaker.call(fail, ValueError("bad request"))
    with pytest.raises(ConnectionError):
        await breaker.call(fail, ConnectionError())
    for local in (BulkheadFullError("full"), CircuitOpenError("inner"), asyncio.CancelledError()):
        with pytest.raises(type(local)):
            await breaker.call(fail, local)
    statistics = breaker.statistics()
    assert (statistics.succeeded, statistics.failed, statistics.calls) == (2, 1, 3)


@pytest.mark.parametrize("permitted", [1, 3])
def test_of_a_thousand_threads_exactly_the_permitted_number_is_let_through(permitted: int, clock: ManualClock) -> None:
    """X1."""
    options = CircuitBreakerOptions(minimum_number_of_calls=1, permitted_calls_in_half_open=permitted)
    breaker = CircuitBreaker("m", options, clock=clock)
    trip(breaker)
    clock.advance(5.0)
    count, admitted, refused = 1000, deque[CircuitPermit](), deque[CircuitOpenError]()
    barrier = Barrier(count)

    def ask() -> None:
        barrier.wait()
        try:
            admitted.append(breaker.acquire())
        except CircuitOpenError as error:
            refused.append(error)

    threads = [Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(admitted), len(refused)) == (permitted, count - permitted)
    for permit in admitted:
        permit.success()
    assert breaker.statistics().state is CircuitState.CLOSED


@pytest.mark.anyio
@pytest.mark.parametrize("permitted", [1, 3])
async def test_of_a_thousand_tasks_exactly_the_permitted_number_is_let_through(
    permitted: int, clock: ManualClock
) -> None:
    """X1."""
    options = CircuitBreakerOptions(minimum_number_of_calls=1, permitted_calls_in_half_open=permitted)
    breaker = CircuitBreaker("m", options, clock=clock)
    trip(breaker)
    clock.advance(5.0)
    asked, go = 0, asyncio.Event()

    async def target() -> None:
        nonlocal asked
        asked += 1
        await go.wait()

    tasks = [asyncio.create_task(breaker.call(target)) for _ in range(1000)]
    await asyncio.sleep(0)  # each task has run up to its first wait
    assert sum(task.done() for task in tasks) == 1000 - permitted
    assert asked == permitted
    go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(result, CircuitOpenError) for result in results) == 1000 - permitted
    assert breaker.statistics().state is CircuitState.CLOSED


def test_no_lock_is_held_during_a_call(clock: ManualClock) -> None:
    breaker = CircuitBreaker("m", clock=clock)
    first, second = breaker.acquire(), breaker.acquire()
    second.success()
    first.success()
    assert breaker.statistics().succeeded == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"failure_rate_threshold": 0.0},
        {"failure_rate_threshold": 1.1},
        {"failure_rate_threshold": float("nan")},
        {"minimum_number_of_calls": 0},
        {"minimum_number_of_calls": 21},
        {"wait_duration_in_open_state": -1.0},
        {"wait_duration_in_open_state": float("inf")},
        {"permitted_calls_in_half_open": 0},
        {"max_wait_duration_in_half_open_state": 0.0},
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        CircuitBreakerOptions(**wrong)  # type: ignore[arg-type]


class BreakerMachine(RuleBasedStateMachine):
    """The breaker against a model that keeps every outcome of the current state in a plain list."""

    permits = Bundle("permits")

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.options = CircuitBreakerOptions(
            failure_rate_threshold=0.6,
            minimum_number_of_calls=3,
            sliding_window_size=5,
            wait_duration_in_open_state=10.0,
            permitted_calls_in_half_open=2,
            max_wait_duration_in_half_open_state=15.0,
        )
        self.breaker = CircuitBreaker("m", self.options, clock=self.clock)
        self.state = CircuitState.CLOSED
        self.since = 0.0
        self.generation = 0
        self.outcomes: list[bool] = []
        self.admitted = 0

    def enter(self, state: CircuitState) -> None:
        self.state, self.since = state, self.clock()
        self.generation += 1
        self.outcomes, self.admitted = [], 0

    @rule(seconds=st.sampled_from([0.0, 1.0, 9.0, 10.0, 25.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(target=permits)
    def ask(self) -> tuple[CircuitPermit | None, int]:
        if self.state is CircuitState.OPEN and self.clock() - self.since >= 10.0:
            self.enter(CircuitState.HALF_OPEN)
        if self.state is CircuitState.HALF_OPEN and self.admitted >= 2 and self.clock() - self.since >= 15.0:
            self.enter(CircuitState.HALF_OPEN)
        allowed = self.state is CircuitState.CLOSED or (self.state is CircuitState.HALF_OPEN and self.admitted < 2)
        if not allowed:
            with pytest.raises(CircuitOpenError) as caught:
                self.breaker.acquire()
            assert 0 < (caught.value.retry_after or 0) <= 10.0
            return None, -1
        self.admitted += 1
        return self.breaker.acquire(), self.generation

    @rule(held=consumes(permits), failed=st.booleans())
    def settle(self, held: tuple[CircuitPermit | None, int], *, failed: bool) -> None:
        permit, generation = held
        if permit is None:
            return
        if failed:
            permit.failure()
        else:
            permit.success()
        if generation != self.generation:
            return
        self.outcomes = [*self.outcomes, failed][-5:]
        needed = 2 if self.state is CircuitState.HALF_OPEN else 3
        if len(self.outcomes) >= needed:
            if sum(self.outcomes) / len(self.outcomes) >= 0.6:
                self.enter(CircuitState.OPEN)
            elif self.state is CircuitState.HALF_OPEN:
                self.enter(CircuitState.CLOSED)

    @rule(held=consumes(permits))
    def give_back(self, held: tuple[CircuitPermit | None, int]) -> None:
        permit, generation = held
        if permit is not None:
            permit.release()
            if generation == self.generation:
                self.admitted -= 1

    @invariant()
    def they_agree(self) -> None:
        statistics = self.breaker.statistics()
        assert (statistics.state, statistics.calls, statistics.failures) == (
            self.state,
            len(self.outcomes),
            sum(self.outcomes),
        )


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)

"""Only so many in so long."""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from threading import Barrier, Thread
from typing import TYPE_CHECKING

import pytest
from hxp_resilience import (
    Deadline,
    DeadlineExceededError,
    Pipeline,
    RateLimit,
    RateLimitedError,
    RateLimitOptions,
    Traits,
    current_traits,
)
from hxp_resilience.testing import ManualClock, RecordingHook, SleepRecorder, no_waiting
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.anyio


def test_so_many_at_once_and_then_one_by_one(clock: ManualClock) -> None:
    limit = RateLimit(5, per=10.0, clock=clock)
    for _ in range(5):
        assert limit.acquire() == 0.0
    with pytest.raises(RateLimitedError, match="more than 5 in 10 s") as caught:
        limit.acquire()
    assert caught.value.retry_after == pytest.approx(2.0)
    assert caught.value.retryable
    clock.advance(2.0)
    assert limit.acquire() == 0.0
    assert limit.statistics().refused == 1


def test_each_key_has_its_own(clock: ManualClock) -> None:
    """O3."""
    limit = RateLimit(1, per=10.0, clock=clock)
    for tenant in ("a", "b"):
        with Traits(tenant=tenant):
            limit.call_sync(len, "x")
            with pytest.raises(RateLimitedError):
                limit.call_sync(len, "x")
    assert limit.acquire("c") == 0.0


def test_tokens_are_counted_as_calls_are(clock: ManualClock) -> None:
    limit = RateLimit(1000, per=60.0, clock=clock)
    with Traits(cost=900):
        limit.acquire()
        with pytest.raises(RateLimitedError) as caught:
            limit.acquire()
    assert caught.value.retry_after == pytest.approx(48.0)
    with Traits(cost=5000), pytest.raises(RateLimitedError) as caught:  # more than could ever be had
        limit.acquire()
    assert caught.value.retry_after is None


async def test_a_call_may_wait_for_its_turn(clock: ManualClock) -> None:
    sleep = SleepRecorder(clock)
    limit = RateLimit(RateLimitOptions(1, per=2.0, max_wait=5.0), clock=clock, sleep=sleep)
    for _ in range(4):
        await limit.wait()
    assert sleep.seconds == pytest.approx([2.0, 2.0, 2.0])
    with no_waiting(clock) as waits:
        limit.call_sync(len, "x")
    assert waits == pytest.approx([2.0])
    assert limit.statistics().waited == 4


async def test_nobody_waits_for_a_turn_after_the_deadline(clock: ManualClock) -> None:
    """O4."""
    limit = RateLimit(RateLimitOptions(1, per=10.0, max_wait=60.0), clock=clock)
    limit.acquire()
    with Deadline(5.0, clock=clock), pytest.raises(DeadlineExceededError, match="after the deadline"):
        await limit.wait()
    clock.advance(10.0)
    assert limit.acquire() == 0.0  # the turn was given back


def test_memory_is_bounded(clock: ManualClock) -> None:
    limit = RateLimit(RateLimitOptions(1, per=10.0, max_keys=100), clock=clock)
    for key in range(20_000):
        limit.acquire(key)
        if key % 50 == 0:
            clock.advance(1.0)
    assert limit.statistics().keys <= 100


def test_a_key_that_is_in_use_is_kept_while_there_is_room(clock: ManualClock) -> None:
    limit = RateLimit(RateLimitOptions(1, per=1000.0, max_keys=500), clock=clock)
    for key in range(400):
        limit.acquire(key)
    for key in range(400):
        with pytest.raises(RateLimitedError):
            limit.acquire(key)


def test_when_all_keys_are_in_use_one_of_them_is_forgotten_for_each_new_one(clock: ManualClock) -> None:
    limit = RateLimit(RateLimitOptions(1, per=1000.0, max_keys=50), clock=clock)
    for key in range(1000):
        limit.acquire(key)
        assert limit.statistics().keys == min(key + 1, 50)
    limit.reload(RateLimitOptions(1, per=1000.0, max_keys=10))
    limit.acquire("another")
    assert limit.statistics().keys == 10


def test_a_key_costs_little(clock: ManualClock) -> None:
    limit = RateLimit(RateLimitOptions(10, per=1000.0, max_keys=200_000), clock=clock)
    keys = [str(number) for number in range(20_000)]
    for key in keys:
        limit.acquire(key)
    times, pointers = limit._arrivals.times, 8 * len(keys)  # of the keys that are yet to be looked at
    assert (sys.getsizeof(times) + pointers + sum(sys.getsizeof(due) for due in times.values())) / len(keys) <= 120


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Let the interpreter change threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-7)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_threads")
@pytest.mark.parametrize("way", ["call", "acquire", "a key of one's own", "many new keys"])
def test_of_a_thousand_threads_exactly_the_limit_gets_through(way: str) -> None:
    """X2."""
    clock = ManualClock(1000.0)
    limit = RateLimit(RateLimitOptions(700, per=10.0, max_keys=50), clock=clock)
    through, barrier = deque[int](), Barrier(1000)

    def ask(number: int) -> None:
        barrier.wait()
        for _ in range(3):
            try:
                if way == "call":
                    limit.call_sync(len, "")
                elif way == "a key of one's own":
                    limit.acquire(Tenant("key"))
                else:
                    limit.acquire("key")
            except RateLimitedError:
                continue
            through.append(number)
            if way == "many new keys" and number % 50 == 0:
                limit.acquire(f"another {number % 40}")

    run_threads(ask, 1000)
    assert len(through) == 700


@dataclass(frozen=True)
class Tenant:
    """A key that is compared in Python, so that threads may change in the midst of it."""

    name: str


def run_threads(target: Callable[[int], None], number: int) -> None:
    errors = deque[BaseException]()

    def run(index: int) -> None:
        try:
            target(index)
        except BaseException as error:  # noqa: BLE001 (told by the main thread)
            errors.append(error)

    threads = [Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors[0]


class Customer(StrEnum):
    """Text that is hashed in Python, so that threads may change in the midst of it."""

    ACME = "acme"


def test_a_tenant_is_plain_text() -> None:
    """Or the limit would not be exact among threads."""
    assert type(Traits(tenant=Customer.ACME).tenant) is str
    with pytest.raises(ValueError, match="tenant"):
        Traits(tenant=7)  # type: ignore[arg-type]  # what is wrong
    limit = RateLimit(2, per=60.0)
    limit.acquire(Customer.ACME)
    limit.acquire("acme")
    assert [type(key) for key in limit._arrivals.times] == [str]


@pytest.mark.usefixtures("eager_threads")
def test_threads_of_one_customer_do_not_outrun_the_limit() -> None:
    """X2."""
    limit, through = RateLimit(2000, per=10.0, clock=ManualClock(1000.0)), deque[int]()

    def ask(index: int) -> None:
        with Traits(tenant=Customer.ACME):
            for number in range(200):
                try:
                    if (index + number) % 2:
                        limit.call_sync(len, "")
                    else:
                        limit.acquire(Customer.ACME)
                except RateLimitedError:
                    return
                through.append(1)

    run_threads(ask, 32)
    assert len(through) == 2000


@pytest.mark.usefixtures("eager_threads")
def test_calls_and_turns_taken_by_hand_count_together() -> None:
    """X2: the woven path, the method, turns given back and forgotten keys, all at once."""
    clock = ManualClock(1000.0)
    limit = RateLimit(RateLimitOptions(2000, per=10.0), clock=clock)
    through = deque[int]()

    def ask(index: int) -> None:
        for number in range(200):
            try:
                if (index + number) % 2:
                    limit.call_sync(len, "")
                else:
                    limit.acquire()
            except RateLimitedError:
                return
            through.append(1)

    run_threads(ask, 32)
    assert len(through) == 2000


@given(now=st.floats(0, 1e7), limit=st.integers(1, 50), per=st.floats(0.01, 1e5))
def test_the_whole_burst_may_be_taken_at_any_time(now: float, limit: int, per: float) -> None:
    rate = RateLimit(limit, per=per, clock=ManualClock(now))
    with Traits(cost=limit):
        assert rate.acquire() == 0.0
    other = RateLimit(limit, per=per, clock=ManualClock(now))
    for _ in range(limit):
        assert other.acquire() == 0.0
    with pytest.raises(RateLimitedError):
        other.acquire()


def test_in_shadow_mode_nothing_is_refused(clock: ManualClock) -> None:
    hook = RecordingHook()
    pipeline = Pipeline(RateLimit(RateLimitOptions(2, per=10.0, shadow=True), clock=clock), hooks=[hook])
    assert [pipeline.call_sync(len, "abc") for _ in range(5)] == [3] * 5
    assert pipeline.statistics()["rate_limit"].refused == 3
    assert [event.shadow for event in hook.events] == [True] * 3


def test_in_shadow_mode_as_many_are_counted_as_would_have_been_refused(clock: ManualClock) -> None:
    shadow = RateLimit(RateLimitOptions(2, per=1.0, shadow=True), clock=clock)
    earnest, refused = RateLimit(2, per=1.0, clock=clock), 0
    for _ in range(50):
        shadow.acquire()
        try:
            earnest.acquire()
        except RateLimitedError:
            refused += 1
        clock.advance(0.2)
    assert shadow.statistics().refused == refused > 20


def test_other_options_keep_what_was_used(clock: ManualClock) -> None:
    limit = RateLimit(2, per=10.0, clock=clock)
    limit.acquire()
    limit.acquire()
    limit.reload(RateLimitOptions(2, per=1.0))
    with pytest.raises(RateLimitedError):
        limit.acquire()
    assert "2 through in 1 s" in limit.explain()
    assert "5 at once" in RateLimit(RateLimitOptions(2, burst=5, max_wait=1.0)).explain()


def test_traits_hold_inside_their_block_only() -> None:
    traits = Traits(tenant="a", priority=3, cost=2)
    with traits:
        with traits, Traits(tenant="b"):
            assert current_traits().tenant == "b"
        assert current_traits() is traits
    assert current_traits() == Traits()
    with pytest.raises(ValueError, match="cost"):
        Traits(cost=-1)


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"per": 0}, {"burst": 0}, {"max_wait": -1}, {"max_keys": 0}, {"limit": float("inf")}]
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        RateLimitOptions(**{"limit": 1, **wrong})  # type: ignore[arg-type]


class RateMachine(RuleBasedStateMachine):
    """The limit against a leaky bucket, worked out with whole numbers (quarters of a second and of a call)."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.limit = RateLimit(RateLimitOptions(4, per=1.0, burst=8), clock=self.clock)
        self.level: dict[str, int] = {}  # of each key, in sixteenths of a second of work

    @rule(quarters=st.integers(0, 12))
    def time_passes(self, quarters: int) -> None:
        self.clock.advance(quarters / 4)
        self.level = {key: max(0, level - quarters * 4) for key, level in self.level.items()}

    @rule(key=st.sampled_from(["a", "b"]), cost=st.integers(1, 5), woven=st.booleans())
    def ask(self, key: str, cost: int, *, woven: bool) -> None:
        def take() -> None:
            if not woven:
                assert self.limit.acquire(key, cost) == 0.0
                return
            with Traits(tenant=key, cost=cost):
                assert self.limit.call_sync(len, "abc") == 3

        level = self.level.get(key, 0)
        if level + cost * 4 <= 8 * 4:
            take()
            self.level[key] = level + cost * 4
        else:
            with pytest.raises(RateLimitedError) as caught:
                take()
            assert caught.value.retry_after == pytest.approx((level + cost * 4 - 32) / 16)

    @invariant()
    def no_key_is_over(self) -> None:
        assert all(level <= 32 for level in self.level.values())


TestRateMachine = RateMachine.TestCase
TestRateMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)

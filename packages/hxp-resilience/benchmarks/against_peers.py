# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "hxp-resilience",
#     "hxp-testing",
#     "aiobreaker==1.2.0",
#     "aiolimiter==1.3.0",
#     "anyio==4.16.0",
#     "backoff==2.2.1",
#     "circuitbreaker==2.1.3",
#     "hyx==0.0.2",
#     "interlock-cb==2.8.2",
#     "limits==5.8.0",
#     "purgatory==3.0.1",
#     "pybreaker==1.4.1",
#     "pydantic==2.14.3",
#     "redress==1.4.2",
#     "stamina==26.1.0",
#     "tenacity==9.2.1",
# ]
#
# [tool.uv.sources]
# hxp-resilience = { path = "..", editable = true }
# hxp-testing = { path = "../../hxp-testing", editable = true }
# ///
"""What a policy costs a call that succeeds, against every peer: run with `uv run --python 3.11 against_peers.py`."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import aiobreaker
import aiolimiter
import anyio
import backoff
import circuitbreaker
import hyx.bulkhead
import hyx.circuitbreaker
import hyx.ratelimit
import hyx.retry
import hyx.timeout
import interlock
import limits
import limits.aio.storage
import limits.aio.strategies
import limits.storage
import limits.strategies
import purgatory
import pybreaker
import redress
import stamina
import tenacity
from hxp_resilience import (
    AdaptiveLimit,
    Bulkhead,
    CircuitBreaker,
    CircuitBreakerOptions,
    Pipeline,
    RateLimit,
    Retry,
    Timeout,
    current_traits,
)
from hxp_testing.benchmark import Suite, Table

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

suite = Suite("hxp-resilience against its peers")
logging.disable(logging.CRITICAL)
OURS = "**hxp-resilience**"
RATE = interlock.Config(window_size=64, minimum_number_of_calls=10)


async def work(value: int = 1) -> int:
    """Answer at once: what is measured is what is put around it."""
    return value


def bound(call: Callable[..., Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    """Call our policy with the function, as users do."""

    async def run() -> Any:
        return await call(work, 1)

    return run


def plain(function: Callable[..., Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    """Call a function that a peer decorated."""

    async def run() -> Any:
        return await function(1)

    return run


def bound_alone(call: Callable[..., Awaitable[Any]], function: Callable[..., Any]) -> Callable[[], Awaitable[Any]]:
    """Call a peer that takes a function without arguments."""

    async def run() -> Any:
        return await call(function)

    return run


def decorated(table: Table, decorate: Callable[[], Any]) -> Any:
    """Decorate where a loop is running, as hyx's timeout wants it."""

    async def run() -> Any:
        return decorate()

    return table.run(run)


def bare(table: Table) -> None:
    """The call without any policy, which is subtracted."""
    table.call("bare call", plain(work))


def redress_retry(attempts: int = 3) -> redress.AsyncRetry:
    """Make the retry of redress, without a pause."""
    return redress.AsyncRetry(
        classifier=redress.default_classifier, strategy=redress.decorrelated_jitter(max_s=0.0), max_attempts=attempts
    )


async def least_of_a_timeout(function: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any) -> Any:
    """Make only the calls without which a timeout cannot be: which task, which loop, what time, noted and forgotten."""
    task = asyncio.current_task()
    began = asyncio.get_running_loop().time() + 5.0
    PENDING[task] = began + (task.cancelling() if task is not None else 0)
    try:
        return await function(*args, **kwargs)
    finally:
        PENDING.pop(task)


async def least_of_a_rate_limit(function: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any) -> Any:
    """Make only the calls without which a limit for each tenant cannot be: whose turn, what time, one float."""
    tenant = current_traits().tenant
    now = time.monotonic()
    due = DUE[tenant]
    DUE[tenant] = (due if due > now else now) + 1e-9  # noqa: FURB136 (max() costs four times as much)
    return await function(*args, **kwargs)


PENDING: dict[Any, float] = {}
DUE = {"": 0.0}


@suite.table("retry, happy path", reference="backoff", baseline="bare call")
def retry(table: Table) -> None:
    """Three attempts allowed, one needed."""
    bare(table)
    table.call(OURS, bound(Retry(3).call))
    table.call("backoff", plain(backoff.on_exception(backoff.expo, ConnectionError, max_tries=3)(work)))
    table.call("hyx", plain(hyx.retry.retry(on=ConnectionError, attempts=3)(work)))
    table.call("stamina", plain(stamina.retry(on=ConnectionError, attempts=3)(work)))
    policy = tenacity.retry(
        stop=tenacity.stop_after_attempt(3), retry=tenacity.retry_if_exception_type(ConnectionError)
    )
    table.call("tenacity", plain(policy(work)))
    pipeline = interlock.Pipeline.builder().retry(attempts=3).build()
    table.call("interlock-cb", plain(pipeline(work)))
    table.call("redress", bound_alone(redress.AsyncPolicy(retry=redress_retry()).call, work))
    table.target(OURS, at_most=0.6, of=None)


@suite.table("three failures, then an answer", reference="hyx", baseline="bare call")
def failures(table: Table) -> None:
    """Without a pause between the attempts."""
    bare(table)

    def failing() -> Callable[..., Awaitable[int]]:
        state = [0]

        async def fail_thrice(value: int) -> int:
            state[0] += 1
            if state[0] % 4:
                raise ConnectionError
            return value

        return fail_thrice

    async def no_sleep(_seconds: float) -> None:
        return

    target = failing()
    ours = Retry(4, wait=lambda _: 0.0)
    quick = Retry(4, random=lambda: 0.0)

    async def run_quick() -> None:
        await quick.call(target, 1)

    async def run_wait() -> None:
        await ours.call(target, 1)

    table.call(OURS, run_quick)
    table.call(f"{OURS} with a wait of tenacity", run_wait)
    table.call("hyx", plain(hyx.retry.retry(on=ConnectionError, attempts=4, backoff=0)(failing())))
    constant = backoff.on_exception(backoff.constant, ConnectionError, max_tries=4, interval=0, jitter=None)
    table.call("backoff", plain(constant(failing())))
    stubborn = stamina.retry(on=ConnectionError, attempts=4, wait_initial=0, wait_max=0, wait_jitter=0)
    table.call("stamina", plain(stubborn(failing())))
    policy = tenacity.retry(stop=tenacity.stop_after_attempt(4), wait=tenacity.wait_none())
    table.call("tenacity", plain(policy(failing())))
    pipeline = interlock.Pipeline.builder().retry(attempts=4, wait=tenacity.wait_none()).build()
    table.call("interlock-cb", plain(pipeline(failing())))
    mine = failing()
    table.call("redress", bound_alone(redress.AsyncPolicy(retry=redress_retry(4)).call, lambda: mine(1)))
    table.target(OURS, at_most=32.0, of=None)


@suite.table("circuit breaker, closed", reference="circuitbreaker", baseline="bare call")
def breaker(table: Table) -> None:
    """Ours and interlock-cb go by the failure rate of a window, the others by failures in a row."""
    bare(table)
    options = CircuitBreakerOptions(sliding_window_size=64, minimum_number_of_calls=10)
    table.call(OURS, bound(CircuitBreaker("a", options).call))
    troubled, count = CircuitBreaker("b", options), [0]

    async def every_tenth_fails() -> None:
        count[0] += 1
        if count[0] % 10 == 0:
            troubled.acquire().failure()
        else:
            await troubled.call(work, 1)

    table.call(f"{OURS}, every tenth call fails", every_tenth_fails)
    table.call("circuitbreaker", plain(circuitbreaker.CircuitBreaker(failure_threshold=5)(work)))
    table.call("hyx", plain(hyx.circuitbreaker.consecutive_breaker()(work)))
    table.call("interlock-cb", bound(interlock.CircuitBreaker(name="a", config=RATE).call_async))
    table.call("aiobreaker", plain(aiobreaker.CircuitBreaker(timeout_duration=timedelta(seconds=30))(work)))
    guarded = purgatory.AsyncCircuitBreakerFactory()("a")(work)
    table.call("purgatory", plain(guarded))
    table.call("redress", bound_alone(redress.AsyncPolicy(circuit_breaker=redress.CircuitBreaker()).call, work))
    table.target(OURS, at_most=0.5, of=None)


@suite.table("circuit breaker, synchronous", reference="pybreaker", baseline="bare call")
def breaker_sync(table: Table) -> None:
    """The synchronous twins; pybreaker has no asynchronous one without tornado."""
    table.call("bare call", lambda: len("a"))
    ours = CircuitBreaker("a", CircuitBreakerOptions(sliding_window_size=64, minimum_number_of_calls=10))
    table.call(OURS, lambda: ours.call_sync(len, "a"))
    peer = pybreaker.CircuitBreaker()
    table.call("pybreaker", lambda: peer.call(len, "a"))
    other = circuitbreaker.CircuitBreaker()
    table.call("circuitbreaker", lambda: other.call(len, "a"))
    interlocked = interlock.CircuitBreaker(name="b", config=RATE)
    table.call("interlock-cb", lambda: interlocked.call_sync(len, "a"))


@suite.table("timeout", reference="asyncio.timeout", baseline="bare call")
def timeout(table: Table) -> None:
    """Five seconds allowed."""
    bare(table)
    table.call(OURS, bound(Timeout(5.0).call))
    table.call("the least that it takes", bound(least_of_a_timeout))

    async def with_asyncio() -> int:
        async with asyncio.timeout(5.0):
            return await work(1)

    async def with_wait_for() -> int:
        return await asyncio.wait_for(work(1), 5.0)

    async def with_anyio() -> int:
        with anyio.fail_after(5.0):
            return await work(1)

    table.call("asyncio.timeout", with_asyncio)
    table.call("asyncio.wait_for", with_wait_for)
    table.call("anyio", with_anyio)
    table.call("hyx", plain(decorated(table, lambda: hyx.timeout.timeout(5.0)(work))))
    table.call("interlock-cb", plain(interlock.Pipeline(interlock.TimeoutStrategy(5.0))(work)))
    table.target(OURS, at_most=1.3, of=None)


@suite.table("bulkhead", reference="asyncio.Semaphore", baseline="bare call")
def bulkhead(table: Table) -> None:
    """Places are free."""
    bare(table)
    table.call(OURS, bound(Bulkhead(10, 10).call))
    table.call(f"{OURS}, adaptive", bound(AdaptiveLimit().call))
    semaphore, limiter = asyncio.Semaphore(10), anyio.CapacityLimiter(10)

    async def with_semaphore() -> int:
        async with semaphore:
            return await work(1)

    async def with_limiter() -> int:
        async with limiter:
            return await work(1)

    table.call("asyncio.Semaphore", with_semaphore)
    table.call("anyio.CapacityLimiter", with_limiter)
    table.call("hyx", plain(hyx.bulkhead.bulkhead(max_concurrency=10, max_capacity=20)(work)))
    table.call("interlock-cb", plain(interlock.Pipeline(interlock.BulkheadStrategy(10))(work)))
    table.target(OURS, at_most=0.4, of=None)


@suite.table("rate limit, not reached", reference="hyx", baseline="bare call")
def rate_limit(table: Table) -> None:
    """A limit that the benchmark does not reach."""
    bare(table)
    table.call(OURS, bound(RateLimit(1e9, per=1.0).call))
    table.call("the least that it takes", bound(least_of_a_rate_limit))
    table.call(
        "hyx", plain(decorated(table, lambda: hyx.ratelimit.tokenbucket(max_executions=1e9, per_time_secs=1.0)(work)))
    )
    leaky = aiolimiter.AsyncLimiter(1e9, 1.0)

    async def with_leaky() -> int:
        async with leaky:
            return await work(1)

    table.call("aiolimiter", with_leaky)
    window = limits.aio.strategies.FixedWindowRateLimiter(limits.aio.storage.MemoryStorage())
    item = limits.RateLimitItemPerSecond(10**9)

    async def with_limits() -> int:
        await window.hit(item, "key")
        return await work(1)

    table.call("limits, in memory", with_limits)
    table.target(OURS, at_most=0.45, of=None)


@suite.table(
    "pipeline of four", reference="backoff + circuitbreaker + asyncio.timeout + Semaphore", baseline="bare call"
)
def pipeline(table: Table) -> None:
    """Retry, circuit breaker, timeout and bulkhead around one call."""
    bare(table)
    options = CircuitBreakerOptions(sliding_window_size=64, minimum_number_of_calls=10)
    table.call(OURS, bound(Pipeline(Retry(3), CircuitBreaker("a", options), Timeout(5.0), Bulkhead(10, 10)).call))
    semaphore = asyncio.Semaphore(10)

    def inner() -> Callable[..., Awaitable[int]]:
        async def limited(value: int) -> int:
            async with asyncio.timeout(5.0), semaphore:
                return await work(value)

        return limited

    stacked = backoff.on_exception(backoff.expo, ConnectionError, max_tries=3)
    guarded = stacked(circuitbreaker.CircuitBreaker(failure_threshold=5)(inner()))
    table.call("backoff + circuitbreaker + asyncio.timeout + Semaphore", plain(guarded))
    policy = tenacity.retry(stop=tenacity.stop_after_attempt(3))
    table.call(
        "tenacity + circuitbreaker + asyncio.timeout + Semaphore",
        plain(policy(circuitbreaker.CircuitBreaker(failure_threshold=5)(inner()))),
    )
    held = hyx.bulkhead.bulkhead(max_concurrency=10, max_capacity=20)(work)
    timed = decorated(table, lambda: hyx.timeout.timeout(5.0)(held))
    hyxed = hyx.retry.retry(on=ConnectionError, attempts=3)(hyx.circuitbreaker.consecutive_breaker()(timed))
    table.call("hyx, all four", plain(hyxed))
    built = (
        interlock.Pipeline.builder()
        .retry(attempts=3)
        .circuit_breaker(interlock.CircuitBreaker(name="c", config=RATE))
        .timeout(5.0)
        .bulkhead(10)
        .build()
    )
    table.call("interlock-cb, all four", plain(built(work)))
    both = redress.AsyncPolicy(retry=redress_retry(), circuit_breaker=redress.CircuitBreaker())
    inner_once = inner()
    table.call("redress + asyncio.timeout + Semaphore", bound_alone(both.call, lambda: inner_once(1)))
    table.target(OURS, at_most=1 / 6)


MODEL = "import pydantic\nclass M(pydantic.BaseModel):\n    a: int = 1\nM(a=2)"


@suite.table("import, and one policy built", reference="pydantic, one model", baseline="interpreter", unit="ms")
def imports(table: Table) -> None:
    """CPU time of a fresh interpreter."""
    table.process("interpreter", "pass")
    table.process("pydantic, one model", MODEL)
    table.process(OURS, "from hxp_resilience import Retry\nRetry(3).call_sync(len, 'a')")
    four = "from hxp_resilience import Bulkhead, CircuitBreaker, Pipeline, Retry, Timeout\n"
    table.process(
        f"{OURS}, pipeline of four", four + "Pipeline(Retry(), CircuitBreaker('a'), Timeout(5.0), Bulkhead(4))"
    )
    table.process("tenacity", "import tenacity\ntenacity.retry(stop=tenacity.stop_after_attempt(3))(len)")
    table.process("stamina", "import stamina\nstamina.retry(on=OSError)(len)")
    table.process("interlock-cb", "import interlock\ninterlock.CircuitBreaker(name='a')")
    table.process("redress", "import redress")
    table.process("pybreaker", "import pybreaker\npybreaker.CircuitBreaker()")
    table.process("hyx", "import hyx.retry\nhyx.retry.retry(attempts=3)")
    table.target(OURS, at_most=0.4)


@suite.table("memory of one breaker with a window", reference="interlock-cb", unit="bytes")
def memory(table: Table) -> None:
    """Allocated for each of a thousand, that have seen a hundred calls; a name of its own included."""
    import tracemalloc  # noqa: PLC0415 (slows what follows while it is on)

    def allocated(make: Callable[[int], Any]) -> Callable[[], float]:
        def measure() -> float:
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            kept = [make(number) for number in range(1000)]
            used = (tracemalloc.get_traced_memory()[0] - before - sys.getsizeof(kept)) / 1000
            tracemalloc.stop()
            return used

        return measure

    options = CircuitBreakerOptions(sliding_window_size=64, minimum_number_of_calls=10)

    def ours(number: int) -> CircuitBreaker:
        made = CircuitBreaker(f"breaker {number}", options)
        for _ in range(100):
            made.call_sync(len, "a")
        return made

    def theirs(number: int) -> interlock.CircuitBreaker:
        made = interlock.CircuitBreaker(name=f"breaker {number}", config=RATE)
        for _ in range(100):
            made.call_sync(len, "a")
        return made

    table.figure(OURS, allocated(ours))
    table.figure("interlock-cb", allocated(theirs))
    table.figure("pybreaker, no window", allocated(lambda number: pybreaker.CircuitBreaker(name=f"breaker {number}")))
    table.target(OURS, at_most=300.0, of=None)


@suite.table("memory of one limiter key", reference="limits, in memory", unit="bytes")
def memory_of_keys(table: Table) -> None:
    """Allocated for each of ten thousand keys that have been used once; the keys themselves are not counted."""
    import tracemalloc  # noqa: PLC0415 (slows what follows while it is on)

    keys = [f"tenant {number}" for number in range(10_000)]

    def allocated(make: Callable[[], Callable[[str], object]]) -> Callable[[], float]:
        def measure() -> float:
            take = make()
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            for key in keys:
                take(key)
            used = (tracemalloc.get_traced_memory()[0] - before) / len(keys)
            tracemalloc.stop()
            return used

        return measure

    def theirs() -> Callable[[str], object]:
        window = limits.strategies.FixedWindowRateLimiter(limits.storage.MemoryStorage())
        item = limits.RateLimitItemPerHour(10)
        return lambda key: window.hit(item, key)

    table.figure(OURS, allocated(lambda: RateLimit(10, per=3600.0).acquire))
    table.figure("limits, in memory", allocated(theirs))
    table.target(OURS, at_most=120.0, of=None)


@suite.table("cyclic garbage of one call that succeeds", reference="tenacity", unit="objects")
def garbage(table: Table) -> None:
    """What only the garbage collector can free, after a hundred calls."""

    def left(call: Callable[[], Awaitable[Any]]) -> Callable[[], float]:
        async def count() -> float:
            for _ in range(20):
                await call()
            gc.collect()
            gc.disable()
            try:
                for _ in range(100):
                    await call()
                return gc.collect() / 100
            finally:
                gc.enable()

        return lambda: asyncio.run(count())

    four = Pipeline(Retry(3), CircuitBreaker("a"), Timeout(5.0), Bulkhead(10, 10), RateLimit(1e9))
    table.figure(OURS, left(bound(four.call)))
    table.figure("backoff", left(plain(backoff.on_exception(backoff.expo, ConnectionError, max_tries=3)(work))))
    table.figure("hyx", left(plain(hyx.retry.retry(on=ConnectionError, attempts=3)(work))))
    table.figure("stamina", left(plain(stamina.retry(on=ConnectionError, attempts=3)(work))))
    table.figure("tenacity", left(plain(tenacity.retry(stop=tenacity.stop_after_attempt(3))(work))))
    table.target(OURS, at_most=0.0, of=None)


if __name__ == "__main__":
    raise SystemExit(suite.main())

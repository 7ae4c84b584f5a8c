"""Real sockets: an upstream that refuses, resets, says nothing or talks nonsense."""

from __future__ import annotations

import asyncio

import pytest
from hxp_resilience import (
    AttemptTimeoutError,
    CircuitBreaker,
    Deadline,
    DeadlineExceededError,
    Pipeline,
    RetriesExhaustedError,
    Retry,
    RetryOptions,
    Timeout,
)
from hxp_resilience.testing import ManualClock, SleepRecorder
from hxp_testing.net import free_port
from hxp_testing.upstream import BlackHole, Garbage, Reply, Reset, ScriptedUpstream

pytestmark = pytest.mark.anyio


async def fetch(port: int) -> str:
    """One request, without a library; the status line, or an error of the socket."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read(65_536)
        if not answer:
            raise ConnectionResetError("closed without an answer")
        return answer.decode("latin-1").partition("\r\n")[0]
    finally:
        writer.close()


def port_of(server: ScriptedUpstream) -> int:
    return int(server.url.rpartition(":")[2])


async def test_an_upstream_that_refuses_is_asked_again_and_the_story_is_told() -> None:
    """U1."""
    sleep = SleepRecorder()
    with pytest.raises(RetriesExhaustedError) as caught:
        await Pipeline(Retry(3, sleep=sleep)).call(fetch, free_port())
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert len(caught.value.timeline) == 3
    assert len(sleep.seconds) == 2


async def test_a_reset_connection_is_mended_by_the_next_attempt() -> None:
    """U1."""
    async with ScriptedUpstream([Reset(), Reply(200)]) as server:
        assert await Pipeline(Retry(3, sleep=SleepRecorder())).call(fetch, port_of(server)) == "HTTP/1.1 200 OK"


async def test_an_upstream_that_says_nothing_ends_within_the_timeout_or_the_deadline() -> None:
    """U1."""
    async with ScriptedUpstream([BlackHole()]) as server:
        with pytest.raises(AttemptTimeoutError):
            await Pipeline(Timeout(0.05)).call(fetch, port_of(server))
        with Deadline(0.05, clock=ManualClock()), pytest.raises(DeadlineExceededError):
            await Pipeline(Retry(100), Timeout(60.0)).call(fetch, port_of(server))


async def test_nonsense_is_a_failure_where_the_caller_says_so() -> None:
    """U3: what comes back is no answer; it is asked for again, and counts for the breaker's error."""
    retry = Retry(RetryOptions(2, retry_if=lambda line: not str(line).startswith("HTTP/1.1 ")), sleep=SleepRecorder())
    async with ScriptedUpstream([Garbage(b"\x00\xff<html>" * 100), Reply(200)]) as server:
        pipeline = Pipeline(retry, CircuitBreaker("upstream"))
        assert await pipeline.call(fetch, port_of(server)) == "HTTP/1.1 200 OK"
        assert retry.statistics().retried == 1

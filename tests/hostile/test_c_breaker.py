"""C, the breaker: it counts what the upstream does, and a half-open one keeps nobody out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hxp_resilience import CircuitBreakerOptions
from hxp_testing.upstream import Reply, ScriptedUpstream, Stream

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
HELLO = {"model": "mock", "messages": [{"role": "user", "content": "hello"}]}
EVENTS = {"Content-Type": "text/event-stream"}
PART = b'data:{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\r\n\r\n'
LAST = b'data:{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\r\n\r\n'


async def statuses(world: Any, count: int, **more: Any) -> list[int]:
    found = []
    for _ in range(count):
        async with world.running.client.post(CHAT, json={**HELLO, **more}, headers=world.auth) as response:
            await response.read()
            found.append(response.status)
    return found


@pytest.mark.parametrize("stream", [False, True])
async def test_forty_errors_open_the_circuit(tmp_path: Path, gateway: Any, *, stream: bool) -> None:
    async with ScriptedUpstream([Reply(500, {}, b"no")]) as upstream, gateway(tmp_path, upstream.url) as world:
        found = await statuses(world, 40, stream=stream)
        assert found.count(500) == 5
        assert set(found[5:]) == {503}
        assert len(upstream.requests) == 5


async def test_a_long_stream_does_not_keep_everybody_out_of_a_half_open_circuit(tmp_path: Path, gateway: Any) -> None:
    script = [Stream([PART] * 2_000, delay=0.01, headers=EVENTS)]
    async with ScriptedUpstream(script) as upstream, gateway(tmp_path, upstream.url) as world:
        breaker = world.running.service.pools["tiny"].breaker
        breaker.reload(CircuitBreakerOptions(wait_duration_in_open_state=0.0))
        breaker.open()
        body = {**HELLO, "stream": True}
        async with world.running.client.post(CHAT, json=body, headers=world.auth) as first:
            await first.content.readany()  # and reads no more of it
            async with world.running.client.post(CHAT, json=body, headers=world.auth) as second:
                assert second.status == 200


async def test_clients_that_leave_or_stall_open_no_circuit(tmp_path: Path, gateway: Any) -> None:
    script = [Stream([PART] * 2_000, delay=0.001, headers=EVENTS)]
    async with ScriptedUpstream(script) as upstream, gateway(tmp_path, upstream.url) as world:
        for _ in range(20):
            body = {**HELLO, "stream": True}
            async with world.running.client.post(CHAT, json=body, headers=world.auth) as response:
                await response.content.readany()
        async with asyncio.timeout(10):
            while world.running.service._journal.open:
                await asyncio.sleep(0.01)
        statistics = world.running.service.pools["tiny"].breaker.statistics()
        assert (statistics.state.value, statistics.failed) == ("closed", 0)


async def test_a_stream_in_any_legal_framing_is_passed_on_and_settled_as_complete(tmp_path: Path, gateway: Any) -> None:
    script = [Stream([b"\xef\xbb\xbf: hello\r\n\r\n", PART, b"id: 7\r\n" + LAST], headers=EVENTS)]
    async with ScriptedUpstream(script) as upstream, gateway(tmp_path, upstream.url) as world:
        async with world.running.client.post(CHAT, json={**HELLO, "stream": True}, headers=world.auth) as response:
            text = await response.text()
        assert text.endswith("data: [DONE]\n\n")
        assert '"content":"a"' in text
        await world.ship()
        (record,) = world.book.records.values()
        assert record.status == "completed"

"""The bill: recorded is what the engine counted, or an estimate that says so and has a stated bound."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hxp_gateway import Journal
from hxp_gateway._entry import NOTE_TOKENS
from hxp_testing.upstream import Reply, ScriptedUpstream, Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from hxp_testing.upstream import Behaviour, Request

    Gateway = Callable[..., AbstractAsyncContextManager[Any]]

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
HELLO = {"model": "mock", "messages": [{"role": "user", "content": "one two three"}]}
EVENTS = {"Content-Type": "text/event-stream"}
DONE = b"data: [DONE]\n\n"


def event(**fields: Any) -> bytes:
    return b"data: " + orjson.dumps(fields) + b"\n\n"


def part(index: int = 0, text: str = "a") -> bytes:
    return event(choices=[{"index": index, "delta": {"content": text}, "finish_reason": None}])


def finish(index: int = 0) -> bytes:
    return event(choices=[{"index": index, "delta": {}, "finish_reason": "stop"}])


def usage(prompt: Any, completion: Any) -> bytes:
    return event(choices=[], usage={"prompt_tokens": prompt, "completion_tokens": completion})


async def bill(gateway: Gateway, behaviour: Behaviour, **body: Any) -> tuple[int, int, bool]:
    async with gateway(ScriptedUpstream([behaviour])) as world:
        sent = orjson.dumps({**HELLO, **body})
        headers = {**world.auth, "Content-Type": "application/json"}
        async with world.running.client.post(CHAT, data=sent, headers=headers) as response:
            await response.read()
        record = await world.settled()
        return record.prompt_tokens, record.completion_tokens, record.estimated


async def test_several_choices_are_billed_together(gateway: Gateway) -> None:
    pieces = [part(0), part(1), finish(0), usage(5, 7), part(1), finish(1), usage(5, 8), DONE]
    assert await bill(gateway, Stream(pieces, headers=EVENTS), stream=True, n=2) == (5, 15, False)


@pytest.mark.parametrize("count", [9_007_199_254_740_992, -1, "7", 2.5, None, [1]])
async def test_a_count_beyond_belief_is_replaced_by_an_estimate(gateway: Gateway, count: Any) -> None:
    """U8."""
    pieces = [part(), part(), finish(), usage(count, count), DONE]
    assert await bill(gateway, Stream(pieces, headers=EVENTS), stream=True) == (5, 2, True)


@pytest.mark.parametrize("told", [{}, {"usage": {}}, {"usage": {"prompt_tokens": 3, "total_tokens": 3}}])
async def test_a_whole_answer_without_usage_is_estimated_from_its_text(gateway: Gateway, told: dict[str, Any]) -> None:
    choices = [{"index": 0, "message": {"role": "assistant", "content": "x" * 400}, "finish_reason": "stop"}]
    prompt, completion, estimated = await bill(gateway, Reply(200, {}, orjson.dumps({"choices": choices, **told})))
    assert (prompt, estimated) == (5, True)
    assert 100 <= completion <= 150


async def test_a_stream_that_breaks_off_is_billed_for_what_came(gateway: Gateway) -> None:
    assert await bill(gateway, Stream([part(), part()], headers=EVENTS), stream=True) == (5, 2, True)


@pytest.mark.parametrize("behaviour", [Reply(400, {}, b"{}"), Reply(500, {}, b"no")])
async def test_a_request_that_nobody_worked_on_costs_nothing(gateway: Gateway, behaviour: Behaviour) -> None:
    assert await bill(gateway, behaviour) == (0, 0, False)


async def test_an_error_in_the_disguise_of_an_answer_has_failed_and_costs_no_tokens(gateway: Gateway) -> None:
    upstream = ScriptedUpstream([Reply(200, {}, b'{"error":{"message":"out of memory","code":"oom"}}')])
    async with gateway(upstream) as world:
        async with world.running.client.post(CHAT, json=HELLO, headers=world.auth) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (502, "oom")
        record = await world.settled()
        assert (record.status, record.error_code) == ("failed", "oom")
        assert world.running.service.pools["tiny"].breaker.statistics().failures == 1


async def test_a_client_that_leaves_is_billed_for_its_prompt_and_what_it_has(gateway: Gateway) -> None:
    pieces = [part()] * 1000
    async with gateway(ScriptedUpstream([Stream(pieces, delay=0.005, headers=EVENTS)])) as world:
        body = {**HELLO, "stream": True}
        async with world.running.client.post(CHAT, json=body, headers=world.auth) as response:
            await response.content.readexactly(len(part()) * 20)
        async with asyncio.timeout(5):
            while world.running.service._journal.open:
                await asyncio.sleep(0.005)
        record = await world.settled()
        assert (record.status, record.estimated, record.prompt_tokens) == ("cancelled", True, 5)
        assert record.completion_tokens >= 20


@pytest.mark.parametrize("after", [1, 20, 65, 100, 200])
async def test_a_killed_gateway_has_on_record_what_its_client_has_less_a_bound(
    gateway: Gateway, tmp_path: Path, after: int
) -> None:
    """Nothing is closed or settled before the journal is read, as after kill -9 in the middle of a stream."""
    pieces = [part()] * 1000
    async with gateway(ScriptedUpstream([Stream(pieces, delay=0.001, headers=EVENTS)])) as world:
        body = {**HELLO, "stream": True}
        async with world.running.client.post(CHAT, json=body, headers=world.auth) as response:
            await response.content.readexactly(len(part()) * after)
            copied = tmp_path / "copied"
            copied.mkdir()
            for file in (tmp_path / ".hxp" / "journal" / "gateway-0").glob("0*.jsonl"):
                (copied / file.name).write_bytes(file.read_bytes())
        heir = Journal(copied)
        batch = heir.batch(9)
        assert batch is not None
        record = orjson.loads(batch.records[0])
        heir.close()
        assert (record["status"], record["estimated"], record["prompt_tokens"]) == ("unknown", True, 5)
        assert record["completion_tokens"] > after - NOTE_TOKENS


@pytest.mark.parametrize("close", [True, False])
async def test_an_answer_ends_at_its_end_whatever_an_upstream_does_after_it(gateway: Gateway, *, close: bool) -> None:
    after = [part()] * 200 if close else [b": alive\n\n"] * 2_000
    pieces = [part(), finish(), usage(5, 1), DONE, *after]
    upstream = ScriptedUpstream([Stream(pieces, delay=0.0 if close else 0.02, headers=EVENTS)])
    async with asyncio.timeout(5), gateway(upstream) as world:
        body = {**HELLO, "stream": True}
        async with world.running.client.post(CHAT, json=body, headers=world.auth) as response:
            text = await response.text()
        assert text.count("[DONE]") == 1
        assert text.count('"content":"a"') == 1
        record = await world.settled()
        assert (record.status, record.completion_tokens, record.estimated) == ("completed", 1, False)
        assert world.running.service.pools["tiny"].breaker.statistics().failures == 0


async def test_a_bare_end_is_one_failure_and_one_end(gateway: Gateway) -> None:
    async with gateway(ScriptedUpstream([Stream([DONE], headers=EVENTS)])) as world:
        async with world.running.client.post(CHAT, json={**HELLO, "stream": True}, headers=world.auth) as response:
            text = await response.text()
        assert text.count("[DONE]") <= 1
        assert (await world.settled()).status == "truncated"


@pytest.mark.parametrize("answer", [b"{}", b'{"choices":5}', b'{"data":{}}'])
async def test_a_whole_answer_without_choices_and_data_is_garbage(gateway: Gateway, answer: bytes) -> None:
    async with (
        gateway(ScriptedUpstream([Reply(200, {}, answer)])) as world,
        world.running.client.post(CHAT, json=HELLO, headers=world.auth) as response,
    ):
        assert (response.status, (await response.json())["error"]["code"]) == (502, "upstream_garbage")


async def test_a_large_body_is_read_and_a_monstrous_one_refused(gateway: Gateway) -> None:
    async with gateway() as world:
        large = {**HELLO, "messages": [{"role": "user", "content": "x" * 300_000}], "stream": True}
        async with world.running.client.post(CHAT, json=large, headers=world.auth) as response:
            assert response.status == 200
        lists = b'{"model":"mock","input":[' + b"[1]," * 210_000 + b"[1]]}"
        async with world.running.client.post(
            "/v1/embeddings", data=lists, headers={**world.auth, "Content-Type": "application/json"}
        ) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (400, "request_too_complex")


# Usage events that an upstream does not know


def strict(request: Request) -> Behaviour:
    """An upstream that refuses what it does not know, as many do."""
    if b"stream_options" in request.body:
        return Reply(400, {}, b'{"error":{"message":"Unrecognized request argument supplied: stream_options"}}')
    return Stream([part(), finish(), DONE], headers=EVENTS)


async def test_an_upstream_that_knows_no_stream_options_is_asked_without_them_from_then_on(gateway: Gateway) -> None:
    upstream = ScriptedUpstream(strict)
    async with gateway(upstream) as world:
        for _ in range(3):
            async with world.running.client.post(CHAT, json={**HELLO, "stream": True}, headers=world.auth) as response:
                assert (response.status, (await response.text()).endswith("data: [DONE]\n\n")) == (200, True)
        assert [b"stream_options" in request.body for request in upstream.requests] == [True, False, False, False]
        await world.running.service._shipper.ship()
        assert [entry.estimated for entry in world.book.records.values()] == [True] * 3


@pytest.mark.parametrize(("setting", "asked"), [("never", [False]), ("always", [True])])
async def test_the_settings_may_say_whether_usage_is_asked_for(
    gateway: Gateway, setting: str, asked: list[bool]
) -> None:
    upstream = ScriptedUpstream(strict)
    async with gateway(upstream, stream_usage=setting) as world:
        async with world.running.client.post(CHAT, json={**HELLO, "stream": True}, headers=world.auth) as response:
            assert response.status == (400 if setting == "always" else 200)
        assert [b"stream_options" in request.body for request in upstream.requests] == asked


async def test_a_client_that_asks_for_usage_gets_the_refusal_itself(gateway: Gateway) -> None:
    upstream = ScriptedUpstream(strict)
    async with gateway(upstream) as world:
        body = {**HELLO, "stream": True, "stream_options": {"include_usage": True}}
        async with world.running.client.post(CHAT, json=body, headers=world.auth) as response:
            assert response.status == 400
        assert len(upstream.requests) == 1


async def test_a_bad_request_teaches_nothing(gateway: Gateway) -> None:
    upstream = ScriptedUpstream([Reply(400, {}, b'{"error":{"message":"bad"}}')])
    async with gateway(upstream) as world:
        for _ in range(2):
            async with world.running.client.post(CHAT, json={**HELLO, "stream": True}, headers=world.auth) as response:
                assert response.status == 400
        assert [b"stream_options" in request.body for request in upstream.requests] == [True, False] * 2


# Tenants


async def test_a_service_of_the_stack_is_told_the_tenant_and_nobody_elses_word_for_it(gateway: Gateway) -> None:
    async with gateway() as world:
        headers = {**world.auth, "X-HXP-Tenant": "somebody-else"}
        for _ in range(2):
            async with world.running.client.post(CHAT, json=HELLO, headers=headers) as response:
                assert response.status == 200
        first, second = (request.headers["x-hxp-tenant"] for request in world.upstream.requests)
        assert first == second != "somebody-else"
        assert len(first) == 32
        assert world.book.keys[0].id not in first


async def test_a_server_outside_the_stack_is_not(gateway: Gateway) -> None:
    async with ScriptedUpstream([Reply(200, {}, b'{"choices":[]}')]) as other:
        async with (
            gateway(url=other.url, service=None) as world,
            world.running.client.post(CHAT, json=HELLO, headers=world.auth) as response,
        ):
            assert response.status == 200
        assert "x-hxp-tenant" not in other.requests[0].headers

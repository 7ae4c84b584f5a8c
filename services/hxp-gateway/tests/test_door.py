"""The front door over real sockets: keys, pass-through, faults, and a settled record for each request."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest
from hxp_gateway import GatewayService, GatewaySettings, Journal
from hxp_logging.testing import capture
from hxp_schemas import UsageRecord
from hxp_services_base import Identity, StartError
from hxp_services_base.testing import hosted
from hxp_testing.llm import MockLLM
from hxp_testing.upstream import BlackHole, Garbage, Reply, Reset, ScriptedUpstream, Stream
from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from hxp_testing.upstream import Behaviour

    Gateway = Callable[..., AbstractAsyncContextManager[Any]]

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
HELLO = {"model": "mock", "messages": [{"role": "user", "content": "one two three"}]}
EVENTS = {"Content-Type": "text/event-stream"}
PART = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
LAST = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


async def test_a_whole_answer_passes_and_is_recorded_with_its_tokens(gateway: Gateway) -> None:
    async with gateway() as world:
        async with world.running.client.post(CHAT, json=HELLO, headers=world.auth) as response:
            answer = await response.json()
            assert response.status == 200
        record = await world.settled()
        assert (record.status, record.http_status, record.endpoint) == ("completed", 200, CHAT)
        assert record.completion_tokens == answer["usage"]["completion_tokens"] > 0
        assert record.key_id == world.book.keys[0].id
        assert (record.model, record.upstream, record.stream) == ("mock", "tiny", False)
        sent = world.upstream.requests[-1]
        assert sent.headers["authorization"] == "Bearer stack-token"
        assert sent.headers["x-request-id"] == response.headers["X-Request-ID"]
        assert "traceparent" in sent.headers


async def test_a_stream_passes_event_by_event_without_the_usage_nobody_asked_for(gateway: Gateway) -> None:
    async with gateway() as world:
        async with world.running.client.post(CHAT, json={**HELLO, "stream": True}, headers=world.auth) as response:
            text = await response.text()
        assert text.endswith("data: [DONE]\n\n")
        assert '"usage": {' not in text
        assert (await world.settled()).completion_tokens > 0


async def test_usage_that_was_asked_for_is_passed_on(gateway: Gateway) -> None:
    async with gateway() as world:
        body = {**HELLO, "stream": True, "stream_options": {"include_usage": True}}
        async with world.running.client.post(CHAT, json=body, headers=world.auth) as response:
            assert '"usage": {' in await response.text()


async def test_models_that_are_not_named_are_asked_for(gateway: Gateway) -> None:
    async with gateway(models=[]) as world, world.running.client.get("/v1/models", headers=world.auth) as response:
        listed = [model["id"] for model in (await response.json())["data"]]
        assert listed
        async with world.running.client.post(CHAT, json={**HELLO, "model": listed[0]}, headers=world.auth) as answer:
            assert answer.status == 200
    async with (
        gateway(ScriptedUpstream([Reply(500, {}, b"no")]), models=[]) as world,
        world.running.client.post(CHAT, json=HELLO, headers=world.auth) as answer,
    ):
        assert (answer.status, (await answer.json())["error"]["code"]) == (503, "models_unknown")


async def test_models_and_embeddings_are_there(gateway: Gateway) -> None:
    async with gateway() as world:
        async with world.running.client.get("/v1/models", headers=world.auth) as response:
            assert [model["id"] for model in (await response.json())["data"]] == ["mock"]
        body = {"model": "mock", "input": "x"}
        async with world.running.client.post("/v1/embeddings", json=body, headers=world.auth) as response:
            assert (await response.json())["data"]
        async with world.running.client.get("/nothing") as response:
            assert (response.status, response.content_type) == (404, "application/problem+json")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "Bearer ' OR 1=1 --"},
        {"Authorization": "Bearer ${jndi:ldap://x}"},
        {"Authorization": "Bearer " + "x" * 6000},
        {"Authorization": "Bearer h\xfcp"},
        {"X-Api-Key": "hxp_key"},
    ],
)
async def test_without_a_valid_key_there_is_one_and_the_same_401_before_the_body_is_read(
    gateway: Gateway, headers: dict[str, str]
) -> None:
    """A1, A2, A3, A5."""
    async with gateway() as world, aiohttp.ClientSession(world.running.url) as stranger:
        async with stranger.post(CHAT, data=b"{not json", headers=headers) as response:
            envelope = await response.json()
            assert (response.status, envelope["error"]["code"]) == (401, "invalid_api_key")
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
        async with stranger.get("/v1/nothing", headers=headers) as other:
            assert await other.json() == envelope
        async with stranger.get(f"/v1/models?api_key={world.key}") as response:
            assert response.status == 401
        assert world.upstream.requests == []


async def test_a_key_one_character_off_is_refused(gateway: Gateway) -> None:
    async with gateway() as world:
        for wrong in (world.key[:-1], world.key + "x", world.key[:-1] + ("a" if world.key[-1] != "a" else "b")):
            headers = {"Authorization": f"Bearer {wrong}"}
            async with world.running.client.get("/v1/models", headers=headers) as response:
                assert response.status == 401


async def test_a_revoked_key_dies_within_the_refresh_time_and_a_new_one_comes_alive(gateway: Gateway) -> None:
    """A7."""
    async with gateway(key_refresh=0.02) as world:
        world.book.revoke_all()
        fresh = world.book.make_key()
        async with asyncio.timeout(5):
            while True:
                async with world.running.client.get("/v1/models", headers=world.auth) as response:
                    if response.status == 401:
                        break
        async with world.running.client.get("/v1/models", headers={"Authorization": f"Bearer {fresh}"}) as response:
            assert response.status == 200


@pytest.mark.parametrize(
    ("behaviour", "status", "code"),
    [
        (Reset(), 502, "upstream_broke_off"),
        (BlackHole(), 504, "upstream_timeout"),
        (Garbage(b"\x00\x01nonsense\r\n\r\n"), 502, "upstream_broke_off"),
        (Reply(200, {}, b"<html>hello</html>"), 502, "upstream_garbage"),
        (Reply(200, {}, b"[1]"), 502, "upstream_garbage"),
        (Reply(401, {}, b'{"error":"Unauthorized"}'), 502, "upstream_refused_us"),
        (Reply(500, {}, b"Internal Server Error"), 500, "http_500"),
    ],
)
async def test_each_upstream_fault_is_told_in_our_words_and_recorded_once(
    gateway: Gateway, behaviour: Behaviour, status: int, code: str
) -> None:
    """U1, U3."""
    limits = {"first_byte_timeout": 0.3, "total_timeout": 0.3}
    async with gateway(ScriptedUpstream([behaviour]), **limits) as world:
        async with world.running.client.post(CHAT, json=HELLO, headers=world.auth) as response:
            envelope = (await response.json())["error"]
            assert (response.status, envelope["code"]) == (status, code)
            assert set(envelope) == {"message", "type", "param", "code"}
        record = await world.settled()
        assert (record.status, record.error_code, record.http_status) == ("failed", code, status)
        assert len(world.upstream.requests) == 1


async def test_the_upstreams_refusal_of_the_request_is_the_callers(gateway: Gateway) -> None:
    """U5: Retry-After is clamped to what the official client obeys."""
    error = {"error": {"message": "slow down", "type": "rate_limit_error", "param": None, "code": "rate_limited"}}
    reply = Reply(429, {"Retry-After": "1000000000"}, orjson.dumps(error))
    async with (
        gateway(ScriptedUpstream([reply])) as world,
        world.running.client.post(CHAT, json=HELLO, headers=world.auth) as response,
    ):
        assert response.status == 429
        assert int(response.headers["Retry-After"]) <= 120
        assert await response.json() == error


@pytest.mark.parametrize(
    ("chunks", "tail", "status", "code"),
    [
        ([PART, PART], "[DONE]", "truncated", "stream_truncated"),
        ([PART, b'data: {"choi'], "[DONE]", "truncated", "stream_truncated"),
        ([PART, b'data: {"error":{"message":"no memory","code":"oom"}}\n\n'], "[DONE]", "failed", "oom"),
        ([PART, b'data: {"error":{"message":"no memory","code":"oom"}}\n\n', DONE], "[DONE]", "failed", "oom"),
        ([PART, LAST, DONE], "[DONE]", "completed", None),
    ],
)
async def test_a_stream_without_its_end_is_told_as_a_failure(
    gateway: Gateway, chunks: list[bytes], tail: str, status: str, code: str | None
) -> None:
    """U2."""
    async with gateway(ScriptedUpstream([Stream(chunks, headers=EVENTS)])) as world:
        async with world.running.client.post(CHAT, json={**HELLO, "stream": True}, headers=world.auth) as response:
            text = await response.text()
        assert text.rstrip().endswith(tail)
        assert text.count("[DONE]") == 1
        assert ("error" in text) == (status != "completed")
        record = await world.settled()
        assert (record.status, record.error_code) == (status, code)
        assert record.completion_tokens >= 1


async def test_a_stream_that_stands_still_is_ended_with_an_error(gateway: Gateway) -> None:
    """U4."""
    stalled = Stream([PART, asyncio.Event(), LAST], headers=EVENTS)
    async with gateway(ScriptedUpstream([stalled]), idle_timeout=0.2) as world:
        async with world.running.client.post(CHAT, json={**HELLO, "stream": True}, headers=world.auth) as response:
            text = await response.text()
        assert "upstream_timeout" in text
        assert text.endswith("data: [DONE]\n\n")
        assert (await world.settled()).status == "failed"


async def test_a_stream_of_garbage_is_cut_off(gateway: Gateway) -> None:
    noise = Stream([b"x" * 300_000] * 5, headers=EVENTS)
    async with gateway(ScriptedUpstream([noise])) as world:
        async with world.running.client.post(CHAT, json={**HELLO, "stream": True}, headers=world.auth) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (502, "upstream_garbage")
        assert (await world.settled()).status == "failed"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_aborts_the_work_upstream_within_a_second(gateway: Gateway, *, stream: bool) -> None:
    endless = Stream([PART] * 10_000, headers=EVENTS, delay=0.02)
    async with gateway(ScriptedUpstream([endless if stream else BlackHole()])) as world:
        async with aiohttp.ClientSession(world.running.url, headers=world.auth) as client:
            asking = asyncio.create_task(client.post(CHAT, json={**HELLO, "stream": stream}))
            while not world.upstream.requests:
                await asyncio.sleep(0)
            if stream:
                response = await asking
                await response.content.readany()
                response.close()
            else:
                asking.cancel()
            await asyncio.wait_for(world.upstream.disconnects.wait(), 1.0)
        while world.running.service._journal.open:
            await asyncio.sleep(0)
        record = await world.settled()
        assert (record.status, record.error_code) == ("cancelled", "client_left")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b"{}", 400, "missing_required_parameter"),
        (b'{"model":"nope"}', 404, "model_not_found"),
        (b'{"model":"mock","n":1000000000}', 400, "invalid_value"),
        (b"[" * 100_000, 400, "invalid_json"),
        (b"x" * 20_000, 413, "request_too_large"),
    ],
)
async def test_bad_requests_are_refused_and_leave_no_record(
    gateway: Gateway, body: bytes, status: int, code: str
) -> None:
    """B1, B4, B7, B8."""
    async with gateway(max_body=150_000 if len(body) > 50_000 else 10_000) as world:
        headers = {**world.auth, "Content-Type": "application/json"}
        async with world.running.client.post(CHAT, data=body, headers=headers) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (status, code)
        assert world.running.service._journal.backlog == 0
        assert world.upstream.requests == []


async def test_wrong_methods_and_content_types_are_told_apart(gateway: Gateway) -> None:
    """B6, B9."""
    async with gateway() as world:
        async with world.running.client.get(CHAT, headers=world.auth) as response:
            assert (response.status, response.headers["Allow"]) == (405, "POST")
        async with world.running.client.post("/v1/models", headers=world.auth) as response:
            assert (response.status, response.headers["Allow"]) == (405, "GET")
        async with world.running.client.post(CHAT, data={"a": "b"}, headers=world.auth) as response:
            assert response.status == 415
        async with world.running.client.get("/v1/models/..%2Fetc", headers=world.auth) as response:
            assert response.status == 404


async def test_when_the_ledger_is_away_the_door_stays_open_and_nothing_is_lost(gateway: Gateway) -> None:
    async with gateway(key_refresh=0.02) as world:
        world.book.away = True
        async with world.running.client.post(CHAT, json=HELLO, headers=world.auth) as response:
            assert response.status == 200
        shipper = world.running.service._shipper
        for _ in range(2):
            with pytest.raises(Exception, match="the ledger answered 503"):
                await shipper.ship()
        keys, journal = world.running.service._keys.checks()[0], shipper.checks()[0]
        async with asyncio.timeout(5):
            while await keys.run() is None:
                await asyncio.sleep(0.01)
        assert "1 records wait for the ledger" in str(await journal.run())
        world.book.away = False
        world.running.service.pools["ledger"].breaker.close()  # as it does by itself after a few seconds
        assert (await world.settled()).status == "completed"
        assert await journal.run() is None


async def test_a_gateway_that_stops_ships_what_is_settled(gateway: Gateway) -> None:
    async with gateway() as world:
        async with world.running.client.post(CHAT, json=HELLO, headers=world.auth):
            pass
        assert await world.running.host.stop("enough") == 0
        assert len(world.book.records) == 1


async def test_what_the_ledger_does_not_take_stays_in_the_journal_for_the_next_start(gateway: Gateway) -> None:
    """P8."""
    async with gateway() as world:
        async with world.running.client.post(CHAT, json=HELLO, headers=world.auth):
            pass
        world.book.away = True
        with capture() as lines:
            await world.running.host.stop("enough")
        assert any("records stay in the journal" in str(line) for line in lines)
    world.book.away = False
    async with gateway() as world:
        assert (await world.settled()).status == "completed"


async def test_a_request_left_open_by_a_dead_gateway_is_settled_as_unknown(gateway: Gateway, tmp_path: Path) -> None:
    """P1."""
    dead = Journal(tmp_path / ".hxp" / "journal" / "gateway-0")
    dead.intend(
        UsageRecord.model_validate(
            {
                "request_id": "req_1",
                "model": "mock",
                "endpoint": CHAT,
                "status": "unknown",
                "started_at": "2026-01-01T00:00:00Z",
            }
        )
    )
    dead.close()  # as the end of a process does
    async with gateway() as world:
        assert (await world.settled()).status == "unknown"


async def test_a_disk_that_refuses_the_journal_refuses_the_request(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D1: what cannot be put on record is not passed on."""
    async with gateway() as world:

        def full(descriptor: int, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("hxp_gateway._journal.os.write", full)
        async with world.running.client.post(CHAT, json=HELLO, headers=world.auth) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (503, "journal_unavailable")
        assert world.upstream.requests == []
        monkeypatch.undo()
        async with world.running.client.post(CHAT, json=HELLO, headers=world.auth) as response:
            assert response.status == 200


async def test_a_disk_that_refuses_the_settlement_still_lets_it_be_shipped(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway() as world:
        real = os.write

        def half_full(descriptor: int, data: bytes) -> int:
            if b'"kind":"settled"' in data:
                raise OSError(28, "No space left on device")
            return real(descriptor, data)

        monkeypatch.setattr("hxp_gateway._journal.os.write", half_full)
        async with world.running.client.post(CHAT, json=HELLO, headers=world.auth) as response:
            assert response.status == 200
        assert (await world.settled()).status == "completed"
        async with world.running.client.get(f"{world.running.operations_url}/metrics") as response:
            text = await response.text()
            assert "hxp_gateway_journal_errors_total 1.0" in text
            assert 'hxp_gateway_outcomes_total{model="mock",status="completed",upstream="tiny"} 1.0' in text
            assert "hxp_gateway_journal_open 0.0" in text
            assert "hxp_gateway_journal_backlog 0.0" in text


async def test_a_public_door_without_a_key_of_its_own_refuses_to_open(gateway: Gateway) -> None:
    """C6: the development key does not count, and does not open a public door."""
    async with (
        gateway(host="0.0.0.0") as world,  # with a real key: it opens
        world.running.client.get("/v1/models", headers=world.auth) as response,
    ):
        assert response.status == 200
    world.book.keys.clear()
    world.book.make_key(development=True)

    def no_key(*, development: bool) -> str:
        return ""

    world.book.make_key = no_key
    with pytest.raises(StartError, match="reachable from outside and there is no API key"):
        async with gateway(host="0.0.0.0"):
            pass


@pytest.mark.parametrize(("profile", "status"), [("development", 200), ("staging", 401)])
async def test_development_keys_open_the_profile_development_alone(gateway: Gateway, profile: str, status: int) -> None:
    async with (
        gateway(profile=profile) as world,
        world.running.client.get("/v1/models", headers=world.auth) as response,
    ):
        assert response.status == status


async def test_a_canary_prompt_and_key_are_in_no_log_line(gateway: Gateway) -> None:
    """L4, L6."""
    with capture() as lines:
        async with gateway() as world:
            body = {**HELLO, "messages": [{"role": "user", "content": "canary-prompt"}]}
            async with world.running.client.post(CHAT, json=body, headers=world.auth):
                pass
    assert lines
    assert "canary-prompt" not in str(lines)
    assert world.key not in str(lines)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"upstreams": []}, "at least 1 item"),
        ({"upstreams": [{"name": "a", "models": ["m"]}]}, "needs either 'service' or 'url'"),
        (
            {"upstreams": [{"name": n, "url": "http://x", "models": ["m"]} for n in ("a", "b")]},
            "routed to 'a' and to 'b'",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_with_a_sentence(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        GatewaySettings.model_validate(settings)


async def test_a_service_that_the_gateway_does_not_wait_for_is_named_with_the_remedy(tmp_path: Path) -> None:
    settings = GatewaySettings.model_validate({"upstreams": [{"name": "a", "service": "tiny", "models": ["m"]}]})
    identity = Identity("gateway", state_dir=tmp_path, refs={"ledger": "http://127.0.0.1:1"})
    with pytest.raises(StartError, match=r"services\.gateway\.needs: \[tiny, …\]"):
        async with hosted(GatewayService(), settings, identity=identity):
            pass


async def test_another_server_can_be_an_upstream_by_its_url_and_key(tmp_path: Path, book: Any) -> None:
    key = book.make_key()
    async with ScriptedUpstream(book.answer) as ledger, MockLLM() as other:
        upstream = {"name": "other", "url": f"{other.url}/v1/", "api_key": "sk-other", "models": ["mock"]}
        settings = GatewaySettings.model_validate({"upstreams": [upstream]})
        identity = Identity("gateway", state_dir=tmp_path / ".hxp", refs={"ledger": ledger.url})
        async with hosted(GatewayService(), settings, identity=identity) as running:
            headers = {"Authorization": f"Bearer {key}"}
            async with running.client.post(CHAT, json=HELLO, headers=headers) as response:
                assert response.status == 200
        assert other.requests[-1].headers["authorization"] == "Bearer sk-other"
        assert "sk-other" not in repr(settings)

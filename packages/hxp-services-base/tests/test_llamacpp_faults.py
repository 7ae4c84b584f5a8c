"""The real engine when requests are cut short, come in too great a number, or meet it while it is down."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hxp_services_base import Admission, Context
from hxp_services_base.engines import (
    CrashSuspectError,
    EngineDownError,
    EngineStartError,
    LlamaCppEngine,
    LlamaCppOptions,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"
SHORT: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}
ENDLESS = {**SHORT, "max_tokens": 900, "logit_bias": {"0": -100, "2": -100}, "stream": True}


@pytest.fixture
def options(gguf_file: Path) -> LlamaCppOptions:
    return LlamaCppOptions(model=str(gguf_file), alias="random", slots=2, context=1024)


async def send(engine: LlamaCppEngine, body: dict[str, Any], path: str = CHAT) -> None:
    async with engine.request(path, orjson.dumps(body)) as response:
        async for _ in response.chunks():
            pass


async def admitted(
    admission: Admission,
    engine: LlamaCppEngine,
    path: str,
    body: dict[str, Any],
    *,
    begun: asyncio.Event | None = None,
) -> None:
    slots = body.get("n", 1)
    async with (
        admission.permit("a", slots=slots) as permit,
        engine.request(path, orjson.dumps(body), permit) as response,
    ):
        async for _ in response.chunks():
            if begun is not None:
                begun.set()


async def busy(engine: LlamaCppEngine) -> int:
    return sum(state.is_busy for state in (await engine._look()).values())


async def until_free(admission: Admission) -> None:
    async with asyncio.timeout(10):
        while admission.statistics().running:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("n", [1, 2])
async def test_an_answer_that_is_cut_short_keeps_its_slots_until_the_engine_has_stopped(
    options: LlamaCppOptions, context: Context, n: int
) -> None:
    engine, admission = LlamaCppEngine(options), Admission(slots=2, queue=0, queue_timeout=1)
    begun = asyncio.Event()

    async with engine.open(context):
        task = asyncio.create_task(admitted(admission, engine, CHAT, {**ENDLESS, "n": n}, begun=begun))
        await asyncio.wait_for(begun.wait(), 10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await until_free(admission)
        assert await busy(engine) == 0
        assert engine._placement.table.leased() == frozenset()
        assert engine._placement.table.roaming == 0


async def test_answers_that_are_cut_before_their_first_byte_give_everything_back(
    options: LlamaCppOptions, context: Context
) -> None:
    engine, admission = LlamaCppEngine(options), Admission(slots=2, queue=50, queue_timeout=20)

    async with engine.open(context):
        requests = [(CHAT, ENDLESS), (CHAT, {**ENDLESS, "n": 2}), (EMBEDDINGS, {"input": "x" * 400})]
        for turns in range(0, 24, 3):
            tasks = [asyncio.create_task(admitted(admission, engine, *request)) for request in requests]
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await until_free(admission)
        async with asyncio.timeout(10):
            while await busy(engine):
                await asyncio.sleep(0.005)
        assert engine._placement.table.leased() == frozenset()
        assert engine._placement.table.roaming == 0
        await send(engine, SHORT)


async def test_more_requests_than_slots_are_answered_without_their_own(
    options: LlamaCppOptions, context: Context
) -> None:
    async with LlamaCppEngine(options).open(context) as engine:
        async with asyncio.timeout(20):
            await asyncio.gather(*(send(engine, SHORT) for _ in range(8)))
        assert engine._placement.table.roaming <= 8
        async with asyncio.timeout(5):
            while engine._placement.table.roaming:
                await asyncio.sleep(0.005)


async def test_whatever_it_does_when_it_is_killed_everything_is_given_back(
    options: LlamaCppOptions, context: Context
) -> None:
    engine, admission = LlamaCppEngine(options), Admission(slots=2, queue=9, queue_timeout=20)

    async with engine.open(context):
        for path, body in ((CHAT, ENDLESS), (EMBEDDINGS, {"input": "x" * 400})):
            task = asyncio.create_task(admitted(admission, engine, path, body))
            while not admission.statistics().running:
                await asyncio.sleep(0)
            restarts = engine.stats().restarts
            os.kill(engine.stats().pid or 0, signal.SIGKILL)
            await asyncio.gather(task, return_exceptions=True)
            await until_free(admission)
            async with asyncio.timeout(10):
                while engine.stats().restarts == restarts or not engine.stats().is_up:
                    await asyncio.sleep(0.01)
            await send(engine, SHORT)


async def test_requests_wait_for_a_restart_and_no_longer_than_told(
    options: LlamaCppOptions, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = LlamaCppEngine(replace(options, restart_wait=0.05))
    async with engine.open(context):
        start, fails = engine._start, 3

        async def late(context: Context) -> None:
            nonlocal fails
            fails -= 1
            if fails >= 0:
                raise EngineStartError("not yet")
            await start(context)

        monkeypatch.setattr(engine, "_start", late)
        monkeypatch.setattr("hxp_services_base.engines._llamacpp._BACKOFF", (0.1, 0.2))
        os.kill(engine.stats().pid or 0, signal.SIGKILL)
        async with asyncio.timeout(10):
            while engine.stats().is_up:
                await asyncio.sleep(0)
        with pytest.raises(EngineDownError):
            await send(engine, SHORT)
        async with asyncio.timeout(20):
            while not engine.stats().is_up:
                await asyncio.sleep(0.01)
        assert engine.stats().restarts == 4
        await send(engine, SHORT)


async def test_a_request_that_meets_a_dying_engine_is_sent_again_to_the_new_one(
    options: LlamaCppOptions, context: Context
) -> None:
    async with LlamaCppEngine(options).open(context) as engine:
        engine._socket.unlink()  # as if it had died a moment ago
        asking = asyncio.create_task(send(engine, SHORT))
        while not engine._is_in_doubt:
            await asyncio.sleep(0)
        os.kill(engine.stats().pid or 0, signal.SIGKILL)
        await asyncio.wait_for(asking, 10)
        assert engine.stats().restarts == 1


async def test_a_connection_that_breaks_by_itself_is_no_death(options: LlamaCppOptions, context: Context) -> None:
    async with LlamaCppEngine(options).open(context) as engine:
        engine._is_in_doubt = True
        await send(engine, SHORT)
        assert engine.stats().restarts == 0


async def test_a_model_whose_tokens_cannot_be_read_is_not_served(
    options: LlamaCppOptions, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(path: Path) -> None:
        raise ValueError(f"{path.name} is odd")

    monkeypatch.setattr("hxp_services_base.engines._llamacpp.read_vocabulary", unreadable)
    with pytest.raises(EngineStartError, match=r"tokens cannot be read: random\.gguf is odd"):
        async with LlamaCppEngine(options).open(context):
            pass


async def test_a_long_body_is_read_beside_the_others(options: LlamaCppOptions, context: Context) -> None:
    async with LlamaCppEngine(options).open(context) as engine:
        many = [{"role": "user", "content": ""} for _ in range(3000)]
        with pytest.raises(Exception, match="context"):
            await send(engine, {"messages": many})


async def test_an_engine_that_hangs_is_found_out_and_blamed_on_the_right_one(
    options: LlamaCppOptions, context: Context
) -> None:
    """One request hangs it and leaves; another comes later and only waits."""
    schema = {"type": "integer", "minimum": 10**16}  # past the checks of the service: its digits have no end
    endless = {**SHORT, "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}
    async with LlamaCppEngine(replace(options, stall_timeout=4)).open(context) as engine:
        for restarts in (1, 2):  # after the first one it may have been stopped or starved
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(send(engine, endless), 0.3)
            await asyncio.wait_for(until_unanswered(engine), 10)
            await asyncio.wait_for(send(engine, SHORT), 20)  # it is not given to one that hangs, so it is answered
            assert engine.stats().restarts == restarts
        with pytest.raises(CrashSuspectError):
            await send(engine, endless)


async def until_unanswered(engine: LlamaCppEngine) -> None:
    while engine._progress.silence < 2.5:
        await asyncio.sleep(0.01)

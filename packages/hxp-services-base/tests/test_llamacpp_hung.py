"""The real engine when it hangs or cannot be started: it is noticed, replaced, and nobody innocent is refused."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest
from hxp_services_base import Admission, Context
from hxp_services_base.engines import EngineDownError, EngineStartError, LlamaCppEngine, LlamaCppOptions

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
PING: dict[str, Any] = {"messages": [{"role": "user", "content": "ping"}], "max_tokens": 2}


@pytest.fixture
def options(gguf_file: Path) -> LlamaCppOptions:
    return LlamaCppOptions(model=str(gguf_file), alias="random", slots=2, context=1024, stall_timeout=3)


@pytest.fixture
def words(context: Context) -> list[tuple[str, dict[str, Any]]]:
    """Every line that the engine logs, and its fields."""
    lines: list[tuple[str, dict[str, Any]]] = []

    def log(event: str, /, **fields: Any) -> None:
        lines.append((event, fields))

    context.log = SimpleNamespace(info=log, error=log, warning=log)  # type: ignore[assignment]  # all that is used
    return lines


async def send(engine: LlamaCppEngine, body: dict[str, Any]) -> None:
    async with engine.request(CHAT, orjson.dumps(body)) as response:
        async for _ in response.chunks():
            pass


async def problem(engine: LlamaCppEngine) -> str | None:
    return await engine.checks()[0].run()


def stop(engine: LlamaCppEngine) -> None:
    os.kill(engine.stats().pid or 0, signal.SIGSTOP)


async def until_silent(engine: LlamaCppEngine) -> str:
    async with asyncio.timeout(10):
        while (found := await problem(engine)) is None:
            await asyncio.sleep(0.02)
        return found


async def until_back(engine: LlamaCppEngine, restarts: int = 1) -> None:
    async with asyncio.timeout(20):
        while engine.stats().restarts < restarts or not engine.stats().is_up:
            await asyncio.sleep(0.02)


async def test_an_idle_engine_that_is_stopped_loses_readiness_and_is_replaced_before_anybody_asks(
    options: LlamaCppOptions, context: Context
) -> None:
    """P9."""
    async with LlamaCppEngine(options).open(context) as engine:
        stop(engine)
        assert "has not answered for" in await until_silent(engine)
        assert engine.stats().restarts == 0, "readiness falls before it is killed"
        await until_back(engine)
        assert await problem(engine) is None
        await asyncio.wait_for(send(engine, PING), 10)


async def test_who_comes_to_an_idle_engine_that_is_silent_waits_for_the_next_one(
    options: LlamaCppOptions, context: Context
) -> None:
    async with LlamaCppEngine(replace(options, restart_wait=15)).open(context) as engine:
        stop(engine)
        await until_silent(engine)
        await asyncio.wait_for(send(engine, PING), 20)
        assert engine.stats().restarts == 1
        assert len(engine._suspects) == 0


async def test_a_silent_engine_refuses_after_a_while_and_says_why(options: LlamaCppOptions, context: Context) -> None:
    async with LlamaCppEngine(replace(options, restart_wait=0.05)).open(context) as engine:
        stop(engine)
        await until_silent(engine)
        with pytest.raises(EngineDownError, match="it has not answered for"):
            await send(engine, PING)
        os.kill(engine.stats().pid or 0, signal.SIGCONT)
        async with asyncio.timeout(10):
            while await problem(engine) is not None:
                await asyncio.sleep(0.02)
        await asyncio.wait_for(send(engine, PING), 10)
        assert engine.stats().restarts == 0, "it moves again, so it stays"


@pytest.mark.slow
async def test_equal_requests_of_a_stopped_engine_are_not_refused_after_one_death(
    options: LlamaCppOptions, context: Context
) -> None:
    body = {**PING, "max_tokens": 900, "logit_bias": {"0": -100, "2": -100}, "stream": True}
    async with LlamaCppEngine(options).open(context) as engine:
        asking = [asyncio.create_task(send(engine, body)) for _ in range(4)]
        async with asyncio.timeout(10):
            while not any(state.is_busy for state in (await engine._look()).values()):
                await asyncio.sleep(0.005)
        stop(engine)
        answers = await asyncio.wait_for(asyncio.gather(*asking, return_exceptions=True), 20)
        assert {type(answer) for answer in answers} == {EngineDownError}
        await asyncio.wait_for(send(engine, body), 20)


@pytest.mark.slow
async def test_one_request_of_a_stopped_engine_is_not_refused_after_one_death(
    options: LlamaCppOptions, context: Context
) -> None:
    body = {**PING, "max_tokens": 900, "logit_bias": {"0": -100, "2": -100}, "stream": True}
    async with LlamaCppEngine(options).open(context) as engine:
        asking = asyncio.create_task(send(engine, body))
        async with asyncio.timeout(10):
            while not any(state.is_busy for state in (await engine._look()).values()):
                await asyncio.sleep(0.005)
        stop(engine)
        with pytest.raises(EngineDownError):
            await asyncio.wait_for(asking, 20)
        await asyncio.wait_for(send(engine, body), 20)


async def test_a_crash_bans_for_the_tenant_that_sent_it_alone(
    options: LlamaCppOptions, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    admission = Admission(slots=2, queue=0, queue_timeout=1)
    async with LlamaCppEngine(options).open(context) as engine:

        async def ask(tenant: str, **more: Any) -> None:
            async with (
                admission.permit(tenant) as permit,
                engine.request(CHAT, orjson.dumps({**PING, **more}), permit) as response,
            ):
                async for _ in response.chunks():
                    pass

        body = {"max_tokens": 900, "logit_bias": {"0": -100, "2": -100}, "stream": True}
        asking = asyncio.create_task(ask("a", **body))
        async with asyncio.timeout(10):
            while not any(state.is_busy for state in (await engine._look()).values()):
                await asyncio.sleep(0.005)
        os.kill(engine.stats().pid or 0, signal.SIGSEGV)
        with pytest.raises(EngineDownError):
            await asyncio.wait_for(asking, 10)
        await until_back(engine)
        with pytest.raises(Exception, match="not given it again"):
            await ask("a", **body)
        await asyncio.wait_for(ask("b", **body), 10)


async def test_an_error_in_a_look_does_not_end_the_watch(
    options: LlamaCppOptions,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    words: list[tuple[str, dict[str, Any]]],
) -> None:
    monkeypatch.setattr("hxp_services_base.engines._llamacpp._LOOKS", 0.02)
    monkeypatch.setattr("hxp_services_base.engines._keeper.PAUSE", 0.02)
    async with LlamaCppEngine(replace(options, stall_timeout=1)).open(context) as engine:
        session, looks = engine._session, 0

        def broken(*_args: Any, **_more: Any) -> None:
            nonlocal looks
            looks += 1
            raise ZeroDivisionError

        engine._session = SimpleNamespace(get=broken)  # type: ignore[assignment]
        async with asyncio.timeout(5):
            while looks < 5:
                await asyncio.sleep(0.01)
        engine._session = session
        assert len([line for line, _ in words if line == "a keeper of the engine failed and goes on"]) == 1
        stop(engine)
        await until_back(engine)


async def test_an_error_of_the_keeper_itself_does_not_leave_the_engine_down(
    options: LlamaCppOptions, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hxp_services_base.engines._keeper.PAUSE", 0.02)
    async with LlamaCppEngine(options).open(context) as engine:
        refresh, fails = context.health.refresh, 1

        async def broken(*, force: bool = False) -> None:
            nonlocal fails
            fails -= 1
            if fails >= 0:
                raise RuntimeError("nobody foresaw this")
            await refresh(force=force)

        monkeypatch.setattr(context.health, "refresh", broken)
        os.kill(engine.stats().pid or 0, signal.SIGKILL)
        await until_back(engine)
        await asyncio.wait_for(send(engine, PING), 10)


async def test_a_client_reads_words_and_the_log_the_error(
    options: LlamaCppOptions,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    words: list[tuple[str, dict[str, Any]]],
) -> None:
    async with LlamaCppEngine(replace(options, restart_wait=0.05)).open(context) as engine:
        fails: list[Exception] = [OSError(-1, "Unknown error -1"), EngineStartError("its last words: /secret/folder")]
        start = engine._start

        async def late(context: Context) -> None:
            if fails:
                raise fails.pop(0)
            await start(context)

        monkeypatch.setattr(engine, "_start", late)
        monkeypatch.setattr("hxp_services_base.engines._llamacpp._BACKOFF", (0.3, 0.5))
        os.kill(engine.stats().pid or 0, signal.SIGKILL)
        async with asyncio.timeout(10):
            while len(fails) > 1:
                await asyncio.sleep(0.01)
        with pytest.raises(EngineDownError) as caught:
            await send(engine, PING)
        assert "Errno" not in caught.value.info.message
        assert "it could not be started, and is tried again" in caught.value.info.message
        assert "Unknown error -1" in (await problem(engine) or "")
        async with asyncio.timeout(10):
            while fails:
                await asyncio.sleep(0.01)
        with pytest.raises(EngineDownError) as caught:
            await send(engine, PING)
        assert "/secret" not in caught.value.info.message
        await until_back(engine)
        assert next(fields["error"] for line, fields in words if line == "engine did not start").startswith("OSError: ")


async def test_a_broken_connection_to_the_engine_is_told_in_words(options: LlamaCppOptions, context: Context) -> None:
    async with LlamaCppEngine(options).open(context) as engine:
        assert engine._session is not None
        assert engine._calls is not None
        for error, words in (
            (aiohttp.ServerDisconnectedError(), "it ended before it answered"),
            (aiohttp.ClientOSError(-1, "Unknown error -1"), "it ended before it answered"),
        ):

            async def post(*_args: Any, error: Exception = error, **_more: Any) -> None:
                raise error

            session = engine._calls._session
            engine._calls._session = SimpleNamespace(post=post)  # type: ignore[assignment]
            with pytest.raises(EngineDownError) as caught:
                await send(engine, PING)
            engine._calls._session = session
            assert words in caught.value.info.message
            assert "Error" not in caught.value.info.message

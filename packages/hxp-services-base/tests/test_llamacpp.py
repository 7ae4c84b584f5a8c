"""The embedded engine, for real: llama.cpp in a child process, with an untrained model."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hxp_services_base import AIModelSettings, BaseAIModelService, Context, StartError
from hxp_services_base._assembly import Assembly
from hxp_services_base.chassis import ServiceError
from hxp_services_base.engines import (
    EngineDownError,
    EngineProcess,
    EngineStartError,
    LlamaCppEngine,
    LlamaCppOptions,
    missing_cpu_flags,
)
from hxp_services_base.testing import Running, hosted

if TYPE_CHECKING:
    from pathlib import Path

    from hxp_services_base.engines import Engine

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
ENDLESS = {
    "messages": [{"role": "user", "content": "hello"}],
    "max_tokens": 3000,
    "logit_bias": {"0": -100, "2": -100},
    "temperature": 1.0,
}


@pytest.fixture
def options(gguf_file: Path) -> LlamaCppOptions:
    return LlamaCppOptions(model=str(gguf_file), alias="random", slots=2, context=4096)


async def answer(engine: Engine, body: dict[str, Any], path: str = CHAT) -> dict[str, Any]:
    async with engine.request(path, orjson.dumps(body)) as response:
        found: dict[str, Any] = orjson.loads(b"".join([chunk async for chunk in response.chunks()]))
        return found


async def busy_slots(engine: LlamaCppEngine) -> int:
    assert engine._session is not None
    async with engine._session.get("/slots") as response:
        return sum(slot["is_processing"] for slot in await response.json())


async def test_it_answers_chats_and_embeds_from_one_process(options: LlamaCppOptions, context: Context) -> None:
    engine = LlamaCppEngine(options)
    assert await engine.checks()[0].run() == "the engine is down: it has not been started"
    async with engine.open(context):
        assert await engine.checks()[0].run() is None
        chat = await answer(engine, {**ENDLESS, "max_tokens": 4})  # an untrained model may end at any token
        assert chat["usage"]["completion_tokens"] == 4
        assert chat["model"] == "random"
        embedding = await answer(engine, {"input": "hello"}, "/v1/embeddings")
        assert len(embedding["data"][0]["embedding"]) == 64
        stats = engine.stats()
        assert (stats.is_up, stats.running, stats.restarts, stats.reason) == (True, 0, 0, None)
        pid = stats.pid
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(EngineDownError, match="it is stopping"):
        await answer(engine, {})


async def test_refusals_come_as_our_errors(options: LlamaCppOptions, context: Context) -> None:
    async with LlamaCppEngine(options).open(context) as engine:
        with pytest.raises(ServiceError) as caught:
            await answer(engine, {"messages": [{"role": "user", "content": "x" * 9000}]})
        assert (caught.value.info.status, caught.value.info.code) == (400, "context_length_exceeded")
        with pytest.raises(ServiceError):
            await answer(engine, {"messages": 3})


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_ends_its_generation_within_a_second(
    options: LlamaCppOptions, *, stream: bool
) -> None:
    async with hosted(Model(options), AIModelSettings(name="random", slots=2, context=4096)) as running:
        engine = running.service.running_engine
        asking = asyncio.create_task(_read(running, {**ENDLESS, "model": "random", "stream": stream}))
        while not await busy_slots(engine):
            await asyncio.sleep(0.005)
        asking.cancel()
        async with asyncio.timeout(1.0):
            while await busy_slots(engine):
                await asyncio.sleep(0.01)


async def _read(running: Running[Model], body: dict[str, Any]) -> bytes:
    async with running.client.post(CHAT, json=body) as response:
        return await response.read()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {"messages": [{"role": "user", "content": "hello"}]}),
        (CHAT, {"messages": [{"role": "user", "content": "hello"}], "n": 2, "logprobs": True, "top_logprobs": 2}),
        ("/v1/completions", {"prompt": "hello", "logprobs": 2}),
    ],
)
async def test_an_answer_put_together_from_a_stream_equals_the_engines_own(
    options: LlamaCppOptions, context: Context, path: str, body: dict[str, Any]
) -> None:
    body = {**body, "max_tokens": 12, "temperature": 0, "seed": 1}
    async with LlamaCppEngine(options).open(context) as engine:
        await answer(engine, body, path)  # fills the prompt cache, which both then find alike
        whole = await answer(engine, body, path)
        assembly = Assembly()
        streamed = {**body, "stream": True, "stream_options": {"include_usage": True}}
        async with engine.request(path, orjson.dumps(streamed)) as response:
            async for chunk in response.chunks():
                assembly.feed(chunk)
    built = assembly.result()
    usage = whole["usage"]  # of one choice alone: the engine's own whole answer leaves out the others
    usage["completion_tokens"] *= len(whole["choices"])
    usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]
    for document in (whole, built):
        for volatile in ("id", "created", "timings"):
            document.pop(volatile, None)
        for choice in document["choices"]:
            if choice.get("logprobs") is None:
                choice.pop("logprobs", None)
    assert built == whole


async def test_two_requests_are_worked_on_at_once(options: LlamaCppOptions, context: Context) -> None:
    async with LlamaCppEngine(options).open(context) as engine:
        asking = [asyncio.create_task(answer(engine, {**ENDLESS, "stream": True})) for _ in range(2)]
        async with asyncio.timeout(5):
            while await busy_slots(engine) < 2:
                await asyncio.sleep(0.005)
        for task in asking:
            task.cancel()


class Model(BaseAIModelService[AIModelSettings]):
    lame_duck = 0.0
    running_engine: LlamaCppEngine

    def __init__(self, options: LlamaCppOptions) -> None:
        self.options = options

    def engine(self) -> LlamaCppEngine:
        return LlamaCppEngine(self.options)


async def test_a_killed_engine_ends_open_streams_makes_the_service_unready_and_comes_back(
    options: LlamaCppOptions,
) -> None:
    """P5."""
    async with hosted(Model(options), AIModelSettings(name="random", slots=2, context=4096)) as running:
        engine = running.service.running_engine
        body = {**ENDLESS, "model": "random", "stream": True}
        response = await running.client.post(CHAT, json=body)
        await response.content.readany()
        os.kill(engine.stats().pid or 0, signal.SIGKILL)
        text = await response.text()
        assert '"code":"engine_unavailable"' in text
        assert text.endswith("data: [DONE]\n\n")
        async with asyncio.timeout(10):
            while (await running.client.get("/readyz")).status != 503:
                await asyncio.sleep(0.01)
            while (await running.client.get("/readyz")).status != 200:
                await asyncio.sleep(0.05)
        assert engine.stats().restarts == 1
        short = {"model": "random", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}
        async with running.client.post(CHAT, json=short) as again:
            assert again.status == 200


async def test_an_engine_that_hangs_with_work_is_killed_and_comes_back(
    options: LlamaCppOptions, context: Context
) -> None:
    """P4: alive is not enough, it must move."""
    engine = LlamaCppEngine(replace(options, stall_timeout=0.5))
    async with engine.open(context):
        asking = asyncio.create_task(answer(engine, {**ENDLESS, "stream": True}))
        while not await busy_slots(engine):
            await asyncio.sleep(0.005)
        os.kill(engine.stats().pid or 0, signal.SIGSTOP)
        with pytest.raises(EngineDownError):
            await asyncio.wait_for(asking, 15)
        async with asyncio.timeout(15):
            while not (engine.stats().is_up and engine.stats().restarts == 1):
                await asyncio.sleep(0.02)


async def test_a_file_that_is_no_model_fails_the_start_with_the_engines_last_words(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(StartError, match=r"ended with status .* its last words"):
        async with hosted(Model(LlamaCppOptions(model=str(broken), alias="x")), AIModelSettings(name="x")):
            pass


async def test_a_child_that_stays_silent_is_ended(tmp_path: Path) -> None:
    process = EngineProcess([sys.executable, "-c", "import sys; sys.stdin.read()"], log=tmp_path / "log")
    with pytest.raises(EngineStartError, match=r"not ready within 0\.2 s; its last words: none"):
        await process.start(seconds=0.2)
    assert process.pid is None


async def test_a_child_that_ignores_the_end_of_its_input_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hxp_services_base.engines._process._END_GRACE", 0.1)
    script = "print('ready', flush=True); import time; time.sleep(60)"
    process = EngineProcess([sys.executable, "-c", script], log=tmp_path / "log")
    await process.end()  # nothing to end yet
    process.kill()
    await process.start(seconds=10)
    await process.end()
    assert await process.wait() == "killed by SIGKILL"
    assert "its last words: none" in EngineProcess([], log=tmp_path / "absent").last_words()


async def test_a_start_that_is_given_up_leaves_no_child(tmp_path: Path) -> None:
    script = "print('loading', flush=True); import sys; sys.stdin.read()"
    process = EngineProcess([sys.executable, "-c", script], log=tmp_path / "log")
    starting = asyncio.create_task(process.start(seconds=30))
    async with asyncio.timeout(10):
        while process.pid is None:
            await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert process.pid is None
    assert await process.wait() == "ended with status 0"


def test_missing_instruction_sets_are_named(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor : 0\nflags : fpu avx2 fma\n")
    assert missing_cpu_flags(cpuinfo) == {"f16c"}
    cpuinfo.write_text("processor : 0\n")
    assert missing_cpu_flags(cpuinfo) == frozenset()
    assert missing_cpu_flags(tmp_path / "absent") == frozenset()

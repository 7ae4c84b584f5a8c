"""The real engine, shared: no tenant finds another's prompt in its cache, and its own is still found."""

from __future__ import annotations

import asyncio
import statistics
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hxp_services_base import AIModelSettings, BaseAIModelService, Context, Identity
from hxp_services_base._admission import Admission
from hxp_services_base.engines import EngineDownError, LlamaCppEngine, LlamaCppOptions
from hxp_services_base.engines._suspects import CrashSuspectError
from hxp_services_base.testing import Running, hosted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

CHAT, COMPLETIONS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
SECRET = "the number of the safe is 271828 and nobody else may know it"
TOKEN = "t" * 32
KILLER = {
    "messages": [{"role": "user", "content": "x"}],
    "response_format": {
        "type": "json_schema",
        "json_schema": {
            "name": "x",
            "schema": {"definitions": {"a": {"$ref": "#/definitions/a"}}, "allOf": [{"$ref": "#/definitions/a"}]},
        },
    },
}
"""Sent past the checks of the service: llama.cpp ends with a segmentation fault."""


class Model(BaseAIModelService[AIModelSettings]):
    lame_duck = 0.0
    running_engine: LlamaCppEngine

    def __init__(self, options: LlamaCppOptions) -> None:
        self.options = options

    def engine(self) -> LlamaCppEngine:
        return LlamaCppEngine(self.options)


@asynccontextmanager
async def shared(gguf_file: Path, folder: Path, *, slots: int = 2) -> AsyncIterator[Running[Model]]:
    options = LlamaCppOptions(model=str(gguf_file), alias="random", slots=slots, context=1024)
    identity = Identity("tiny", instance="tiny-0", state_dir=folder, token=TOKEN)
    settings = AIModelSettings(name="random", slots=slots, context=1024)
    async with hosted(Model(options), settings, identity=identity) as running:
        yield running


async def ask(running: Running[Model], tenant: str, path: str = CHAT, **body: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {TOKEN}", "x-hxp-tenant": tenant}
    asked = {"model": "random", **({} if path == EMBEDDINGS else {"max_tokens": 1}), **body}
    async with running.client.post(path, json=asked, headers=headers) as response:
        found: dict[str, Any] = await response.json()
        assert response.status == 200, found
        return found


def chat(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def cached(answer: dict[str, Any]) -> int:
    return int(answer["usage"]["prompt_tokens_details"]["cached_tokens"])


async def processed(running: Running[Model]) -> int:
    """Tokens of prompts that the engine has worked through: what a time to first token is made of."""
    session = running.service.running_engine._session
    assert session is not None
    async with session.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    return int(next(line for line in lines if line.startswith("llamacpp:prompt_tokens_total ")).split()[1])


async def test_a_strangers_prompt_is_never_found_and_ones_own_is(gguf_file: Path, tmp_path: Path) -> None:
    """A14: by the count that is told, and by the work that is done."""
    async with shared(gguf_file, tmp_path) as running:
        assert cached(await ask(running, "victim", **chat(SECRET))) == 0
        for number in range(4):
            assert cached(await ask(running, f"stranger-{number}", **chat(SECRET[: -number * 4 or None]))) == 0
        assert cached(await ask(running, "third", **chat(SECRET))) == 0
        before = await processed(running)
        first = await ask(running, "fourth", **chat(SECRET))
        assert cached(first) == 0
        assert await processed(running) - before == first["usage"]["prompt_tokens"]
        again = await ask(running, "fourth", **chat(SECRET))
        assert cached(again) == again["usage"]["prompt_tokens"] - 1


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
async def test_the_first_request_of_each_tenant_finds_nothing(gguf_file: Path, tmp_path: Path, path: str) -> None:
    body = chat(SECRET) if path == CHAT else {"prompt": SECRET}
    async with shared(gguf_file, tmp_path, slots=3) as running:
        for number in range(8):
            assert cached(await ask(running, f"tenant-{number}", path, **body)) == 0
        assert cached(await ask(running, "tenant-7", path, **body)) > 0


async def test_an_embedded_text_is_found_by_nobody(gguf_file: Path, tmp_path: Path) -> None:
    async with shared(gguf_file, tmp_path, slots=3) as running:
        for number in range(6):
            await ask(running, "victim", EMBEDDINGS, input=[SECRET, SECRET + str(number)])
            assert cached(await ask(running, f"stranger-{number}", COMPLETIONS, prompt=SECRET)) == 0
            own = await ask(running, "stable", COMPLETIONS, prompt="something of its own" * 4)
            again = await ask(running, "stable", COMPLETIONS, prompt="something of its own" * 4)
            assert cached(again) == own["usage"]["prompt_tokens"] - 1


async def test_several_answers_leave_nothing_for_others(gguf_file: Path, tmp_path: Path) -> None:
    async with shared(gguf_file, tmp_path, slots=4) as running:
        for number in range(4):
            await ask(running, "victim", n=3, **chat(SECRET))
            for slot in range(4):
                assert cached(await ask(running, f"stranger-{number}-{slot}", **chat(SECRET))) == 0


async def test_everything_at_once_and_still_nobody_finds_a_strangers_words(gguf_file: Path, tmp_path: Path) -> None:
    async with shared(gguf_file, tmp_path, slots=3) as running:
        seen: dict[str, set[str]] = {}

        async def tenant(name: str) -> None:
            for round_ in range(12):
                text = f"{SECRET} {round_ % 3} {name}"
                kind = (round_ + ord(name)) % 4
                if kind == 0:
                    await ask(running, name, EMBEDDINGS, input=[text, text])
                elif kind == 1:
                    await ask(running, name, n=2, **chat(text))
                else:
                    answer = await ask(running, name, **chat(text))
                    assert not cached(answer) or seen.get(name), "found before it ever asked"
                    seen.setdefault(name, set()).add(text)

        await asyncio.gather(*(tenant(name) for name in "abcd"))
        assert cached(await ask(running, "late", **chat(SECRET))) == 0
        assert running.service.running_engine._placement.table.roaming == 0
        assert running.service.admission.statistics().running == 0


@pytest.mark.slow
async def test_the_time_to_a_first_token_tells_nothing_of_a_strangers_prompt(gguf_file: Path, tmp_path: Path) -> None:
    async with shared(gguf_file, tmp_path) as running:
        loop = asyncio.get_running_loop()

        async def seconds(tenant: str, text: str) -> float:
            began = loop.time()
            await ask(running, tenant, **chat(text))
            return loop.time() - began

        secret, other = "a secret word " * 60, "quite another " * 60
        found, missed = [], []
        for number in range(40):
            await seconds("victim", secret)
            found.append(await seconds(f"s{number}", secret))
            await seconds("victim", secret)
            missed.append(await seconds(f"t{number}", other))
        own = [await seconds("victim", secret) for _ in range(20)]
        low, high = sorted((statistics.median(found), statistics.median(missed)))
        assert high / low < 1.5
        assert statistics.median(own) < low, "one's own is found, so that the difference could be seen"


async def send(engine: LlamaCppEngine, body: dict[str, Any], path: str = CHAT) -> None:
    async with engine.request(path, orjson.dumps(body)) as response:
        async for _ in response.chunks():
            pass


async def test_the_engine_is_not_fed_again_what_it_died_of_and_others_hardly_notice(
    gguf_file: Path, context: Context
) -> None:
    options = LlamaCppOptions(model=str(gguf_file), alias="random", slots=2, context=1024)
    innocent = {**chat("hello"), "max_tokens": 2}
    engine = LlamaCppEngine(options)
    async with engine.open(context):
        with pytest.raises(EngineDownError):
            await send(engine, KILLER)
        async with asyncio.timeout(10):
            await send(engine, innocent)  # it waits for the new process
        assert engine.stats().restarts == 1
        for variant in (KILLER, {**KILLER, "seed": 7, "temperature": 0.1, "stream": True}):
            with pytest.raises(CrashSuspectError):
                await send(engine, variant)
        assert engine.stats().restarts == 1
        for number in range(3):  # others of the kind, each of them new
            with pytest.raises(EngineDownError):
                await send(engine, {**KILLER, "messages": [{"role": "user", "content": str(number)}]})
            async with asyncio.timeout(5):
                await send(engine, innocent)
        assert engine.stats().restarts == 4


async def test_an_aborted_embedding_keeps_its_slot_until_the_engine_is_done(gguf_file: Path, context: Context) -> None:
    options = LlamaCppOptions(model=str(gguf_file), alias="random", slots=1, context=1024)
    admission = Admission(slots=1, queue=0, queue_timeout=1)
    engine = LlamaCppEngine(options)
    async with engine.open(context):

        async def embed() -> None:
            async with admission.permit("a") as permit:
                body = orjson.dumps({"input": "x" * 500})
                async with engine.request(EMBEDDINGS, body, permit) as response:
                    async for _ in response.chunks():
                        pass

        task = asyncio.create_task(embed())
        while not engine._placement.table.roaming:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if admission.statistics().running:
            assert engine._placement.table.roaming == 1
        async with asyncio.timeout(5):
            while admission.statistics().running:
                await asyncio.sleep(0.005)
        assert engine._placement.table.roaming == 0
        assert not any(state.is_busy for state in (await engine._look()).values())


async def test_tenants_are_told_apart_only_behind_the_stacks_token(gguf_file: Path, tmp_path: Path) -> None:
    async with shared(gguf_file, tmp_path) as running:
        for headers in (
            [("x-hxp-tenant", "a"), ("x-hxp-tenant", "b")],
            [("x-hxp-tenant", "")],
            [("x-hxp-tenant", "a" * 65)],
            [("x-hxp-tenant", "a b")],
        ):
            sent = [("Authorization", f"Bearer {TOKEN}"), *headers]
            body = {"model": "random", "max_tokens": 1, **chat("x")}
            async with running.client.post(CHAT, json=body, headers=sent) as response:
                assert (response.status, (await response.json())["error"]["code"]) == (400, "invalid_tenant")
    options = LlamaCppOptions(model=str(gguf_file), alias="random", slots=2, context=1024)
    settings = AIModelSettings(name="random", slots=2, context=1024)
    async with hosted(Model(options), settings) as alone:
        await ask(alone, "not a tenant!", **chat(SECRET))
        assert cached(await ask(alone, "another", **chat(SECRET))) > 0

"""The running service: llama.cpp with random weights, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import signal
import struct
from typing import TYPE_CHECKING, Any

import pytest
from hxp_model import ModelService, ModelSettings
from hxp_schemas.openai import ChatCompletion, Completion, CreateEmbeddingResponse
from hxp_schemas.sse import SSEDecoder
from hxp_schemas.stream import ChatStream
from hxp_services_base import Identity
from hxp_services_base.testing import hosted
from hxp_testing.leaks import no_leaks

if TYPE_CHECKING:
    from pathlib import Path

    from hxp_services_base.testing import Running

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {"model": "random", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
WIDTH = 48
"""Of the random model's embeddings."""
ENDLESS = {**HELLO, "max_tokens": 400, "logit_bias": {"0": -100, "2": -100}}


async def ask(running: Running[ModelService], body: Any, path: str = CHAT, status: int = 200) -> Any:
    async with running.client.post(path, json=body) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def test_a_chat_is_answered_with_its_usage(running: Running[ModelService]) -> None:
    answer = ChatCompletion.model_validate(await ask(running, {**ENDLESS, "max_tokens": 8}))
    assert (answer.model, answer.object) == ("random", "chat.completion")
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 8
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 8
    assert answer.choices[0].finish_reason == "length"


async def test_the_same_seed_gives_the_same_answer(running: Running[ModelService]) -> None:
    body = {**HELLO, "seed": 5, "temperature": 1.0, "max_tokens": 16}
    first, second = [(await ask(running, body))["choices"][0]["message"]["content"] for _ in range(2)]
    assert first == second


async def test_a_stream_is_legal_and_tells_its_usage_when_asked(running: Running[ModelService]) -> None:
    body = {**ENDLESS, "max_tokens": 8, "stream": True, "stream_options": {"include_usage": True}}
    stream, decoder = ChatStream(), SSEDecoder()
    async with running.client.post(CHAT, json=body) as response:
        assert response.content_type == "text/event-stream"
        async for chunk in response.content.iter_any():
            for event in decoder.feed(chunk):
                stream.feed(event.data)
    stream.end()
    assert stream.verdict == "complete", stream.reason
    assert stream.usage is not None
    assert stream.usage.completion_tokens == 8
    assert stream.finish_reasons == {0: "length"}


async def test_a_stream_tells_no_usage_unless_asked(running: Running[ModelService]) -> None:
    async with running.client.post(CHAT, json={**HELLO, "stream": True}) as response:
        assert '"usage":{' not in (await response.text()).replace(" ", "")


async def test_a_prompt_is_completed(running: Running[ModelService]) -> None:
    body = {"model": "random", "prompt": "hello", "max_tokens": 5, "logit_bias": {"0": -100, "2": -100}}
    answer = Completion.model_validate(await ask(running, body, "/v1/completions"))
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 5


async def test_a_prompt_may_be_tokens_or_a_list_of_one(running: Running[ModelService]) -> None:
    body = {"model": "random", "max_tokens": 3}
    for prompt in ([5, 6, 7], [[5, 6, 7]], ["hello"]):
        assert (await ask(running, {**body, "prompt": prompt}, "/v1/completions"))["usage"]["prompt_tokens"] > 0
    error = (await ask(running, {**body, "prompt": ["a", "b"]}, "/v1/completions", status=400))["error"]
    assert error["param"] == "prompt"
    error = (await ask(running, {**body, "prompt": [2**31 - 1]}, "/v1/completions", status=400))["error"]
    assert "invalid tokens" in error["message"]


async def test_requests_that_follow_each_other_closely_are_all_answered(running: Running[ModelService]) -> None:
    """llama.cpp closes a connection after a stream without saying so."""
    body = b'{"prompt":"a","max_tokens":1,"stream":true}'
    for _ in range(50):
        async with running.service.running_engine.request("/v1/completions", body) as response:
            assert b"".join([chunk async for chunk in response.chunks()]).endswith(b"[DONE]\n\n")


async def test_texts_are_embedded_as_numbers_or_base64(running: Running[ModelService]) -> None:
    body = {"model": "random", "input": ["hello", "other"]}
    plain = CreateEmbeddingResponse.model_validate(await ask(running, body, "/v1/embeddings"))
    packed = await ask(running, {**body, "encoding_format": "base64"}, "/v1/embeddings")
    assert [entry.index for entry in plain.data] == [0, 1]
    for numbers, text in zip(plain.data, packed["data"], strict=True):
        assert len(numbers.embedding) == WIDTH
        unpacked = struct.unpack(f"<{WIDTH}f", base64.b64decode(text["embedding"]))
        assert unpacked == pytest.approx(numbers.embedding, abs=1e-5)
    assert plain.usage.prompt_tokens > 0


async def test_an_answer_keeps_to_a_schema_whatever_the_weights_say(running: Running[ModelService]) -> None:
    colours = {"enum": ["red", "green"]}
    schema = {
        "type": "object",
        "properties": {"colour": colours, "sure": {"type": "boolean"}},
        "required": ["colour", "sure"],
        "additionalProperties": False,
    }
    body = {
        **HELLO,
        "max_tokens": 200,
        "temperature": 1.0,
        "response_format": {"type": "json_schema", "json_schema": {"name": "c", "schema": schema}},
    }
    for seed in range(3):
        answer = await ask(running, {**body, "seed": seed})
        document = json.loads(answer["choices"][0]["message"]["content"])
        assert document["colour"] in colours["enum"]
        assert isinstance(document["sure"], bool)
        assert set(document) == {"colour", "sure"}


async def test_several_answers_at_once_as_far_as_there_are_slots(running: Running[ModelService]) -> None:
    answer = await ask(running, {**HELLO, "n": 2})
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    refusal = (await ask(running, {**HELLO, "n": 3}, status=400))["error"]
    assert (refusal["code"], refusal["param"]) == ("invalid_value", "n")
    assert "2 slots" in refusal["message"]


async def test_models_are_listed(running: Running[ModelService]) -> None:
    async with running.client.get("/v1/models") as response:
        assert [model["id"] for model in (await response.json())["data"]] == ["random"]
    async with running.client.get("/v1/models/random") as response:
        assert (await response.json())["object"] == "model"


async def test_what_does_not_fit_the_context_is_told_as_such(running: Running[ModelService]) -> None:
    long = {**HELLO, "messages": [{"role": "user", "content": "x" * 3000}]}
    for path, body in (
        (CHAT, long),
        (CHAT, {**long, "stream": True}),
        ("/v1/completions", {"model": "random", "prompt": "x" * 3000}),
        ("/v1/embeddings", {"model": "random", "input": "x" * 3000}),
    ):
        error = (await ask(running, body, path, status=400))["error"]
        assert error["code"] == "context_length_exceeded"


async def test_more_requests_than_slots_and_queue_are_told_to_come_back(random_gguf: Path) -> None:
    """O1, O2."""
    settings = ModelSettings(model=str(random_gguf), slots=1, queue=1, context=512)
    async with hosted(ModelService(), settings) as running:
        engine = running.service.running_engine.stats().pid
        assert engine is not None
        os.kill(engine, signal.SIGSTOP)  # it holds what it is given, for as long as the test wants
        admission = running.service.admission
        first = asyncio.create_task(ask(running, HELLO))
        while not admission.statistics().running:
            await asyncio.sleep(0.005)
        second = asyncio.create_task(ask(running, HELLO))
        while not admission.statistics().waiting:
            await asyncio.sleep(0.005)
        async with running.client.post(CHAT, json=HELLO) as refused:
            error = (await refused.json())["error"]
            assert (refused.status, error["code"], error["type"]) == (429, "model_overloaded", "rate_limit_error")
            assert int(refused.headers["Retry-After"]) >= 1
        os.kill(engine, signal.SIGCONT)
        assert (await first)["choices"]
        assert (await second)["choices"]


async def test_metrics_count_tokens(running: Running[ModelService]) -> None:
    await ask(running, HELLO)
    async with running.client.get(f"{running.operations_url}/metrics") as response:
        text = await response.text()
    assert 'hxp_model_tokens_total{kind="completion"}' in text
    assert "hxp_model_requests_running 0.0" in text


async def test_another_model_is_one_line_of_configuration_and_leaves_nothing_behind(
    random_gguf: Path, tmp_path: Path
) -> None:
    """P3."""
    other = tmp_path / "another-one.gguf"
    shutil.copy(random_gguf, other)
    identity = Identity("tiny", instance="tiny-0", state_dir=tmp_path / ".hxp", token="t")
    with no_leaks():
        async with hosted(ModelService(), ModelSettings(model=str(other)), identity=identity) as running:
            assert (await ask(running, {**HELLO, "model": "another-one"}))["model"] == "another-one"
            async with running.client.post(CHAT, json=HELLO, headers={"Authorization": "Bearer x"}) as response:
                assert response.status == 401


async def test_the_bundled_model_answers_the_first_question() -> None:
    async with hosted(ModelService()) as running:
        body = {"model": "hxp-tiny", "messages": [{"role": "user", "content": "What is HXP?"}], "temperature": 0}
        answer = await ask(running, body)
        assert "HXP" in answer["choices"][0]["message"]["content"]
        assert answer["choices"][0]["finish_reason"] == "stop"

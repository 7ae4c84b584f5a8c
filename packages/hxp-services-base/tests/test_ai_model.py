"""The model service around any engine: validated, admitted, watched to the end."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hxp_schemas.openai import ChatCompletionRequest
from hxp_services_base import AIModelSettings, BaseAIModelService, Check, Context, StartError
from hxp_services_base.chassis import ServiceError
from hxp_services_base.engines import EngineDownError, EngineStats
from hxp_services_base.testing import Running, hosted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from hxp_services_base import Permit

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
HELLO = {"model": "t", "messages": [{"role": "user", "content": "hello"}]}
EVENTS = (
    b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":null}]}\n\n',
    b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":1}}\n\n',
    b"data: [DONE]\n\n",
)


class ScriptedEngine:
    """An engine in this process that does what the test says: the real one has its own tests."""

    name = "engine"

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.chunks: Sequence[bytes] = EVENTS
        self.error: ServiceError | None = None
        self.dies_after: int | None = None
        self.gate: asyncio.Event | None = None
        self.aborted = asyncio.Event()

    @asynccontextmanager
    async def open(self, context: Context) -> AsyncIterator[ScriptedEngine]:
        del context
        yield self

    def checks(self) -> Sequence[Check]:
        return ()

    @asynccontextmanager
    async def request(self, path: str, body: bytes, permit: Permit | None = None) -> AsyncIterator[Any]:
        del permit
        self.received.append((path, orjson.loads(body)))
        if self.error is not None:
            raise self.error
        try:
            yield self._Response(self)
        except asyncio.CancelledError:
            self.aborted.set()
            raise

    class _Response:
        def __init__(self, engine: ScriptedEngine) -> None:
            self._engine = engine

        async def chunks(self) -> AsyncIterator[bytes]:
            for index, chunk in enumerate(self._engine.chunks):
                if index == self._engine.dies_after:
                    raise EngineDownError("killed by SIGKILL")
                if index and self._engine.gate is not None:
                    await self._engine.gate.wait()
                yield chunk

    def stats(self) -> EngineStats:
        return EngineStats(0, 0, None, is_up=True, reason=None)


class Model(BaseAIModelService[AIModelSettings]):
    lame_duck = 0.0

    def __init__(self, engine: ScriptedEngine) -> None:
        self.scripted = engine

    def engine(self) -> ScriptedEngine:
        return self.scripted


@asynccontextmanager
async def model(engine: ScriptedEngine, **settings: Any) -> AsyncIterator[Running[Model]]:
    async with hosted(Model(engine), AIModelSettings(name="t", **settings)) as running:
        engine.received.clear()  # the warm-up's
        yield running


async def test_a_request_reaches_the_engine_with_the_fields_that_we_know_and_bound() -> None:
    engine = ScriptedEngine()
    async with model(engine, context=128) as running:
        body = {**HELLO, "temperature": 0, "top_k": 5, "n_predict": 10**9, "grammar": "root ::= x"}
        async with running.client.post(CHAT, json=body) as response:
            answer = await response.json()
            assert (response.status, answer["choices"][0]["message"]["content"]) == (200, "a")
            assert answer["usage"]["completion_tokens"] == 1
    always = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 128}
    assert engine.received == [(CHAT, {**HELLO, "temperature": 0, "top_k": 5, **always})]


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"n": 5}, "n"),
        ({"top_k": 10**9}, "top_k"),
        ({"min_p": "high"}, "min_p"),
        ({"max_tokens": 10**9}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"temperature": 3}, "temperature"),
    ],
)
async def test_numbers_out_of_bounds_never_reach_the_engine(extra: dict[str, Any], param: str) -> None:
    """B7."""
    engine = ScriptedEngine()
    async with model(engine) as running, running.client.post(CHAT, json={**HELLO, **extra}) as response:
        envelope = (await response.json())["error"]
        assert (response.status, envelope["param"]) == (400, param)
    assert engine.received == []


async def test_dimensions_are_refused_since_the_vector_has_one_length() -> None:
    async with model(ScriptedEngine()) as running:
        body = {"model": "t", "input": "x", "dimensions": 8}
        async with running.client.post("/v1/embeddings", json=body) as response:
            assert (response.status, (await response.json())["error"]["param"]) == (400, "dimensions")


async def test_another_model_is_not_found_and_the_list_says_what_there_is() -> None:
    """B8, B10."""
    async with model(ScriptedEngine()) as running:
        async with running.client.post(CHAT, json={**HELLO, "model": "x"}) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (404, "model_not_found")
        async with running.client.get("/v1/models") as response:
            assert [entry["id"] for entry in (await response.json())["data"]] == ["t"]
        async with running.client.get("/v1/models/t") as response:
            assert (await response.json())["object"] == "model"
        for path in ("/v1/models/nope", "/v1/models/..%2F..%2Fetc%2Fpasswd"):
            async with running.client.get(path) as response:
                assert response.status == 404
        async with running.client.get("/v1/nothing") as response:
            assert response.status == 404
        async with running.client.get(CHAT) as response:
            assert (response.status, response.headers["Allow"]) == (405, "POST")


async def test_a_stream_passes_through_and_is_counted() -> None:
    engine = ScriptedEngine()
    async with model(engine) as running:
        engine.chunks = EVENTS
        async with running.client.post(CHAT, json={**HELLO, "stream": True}) as response:
            assert response.content_type == "text/event-stream"
            assert await response.read() == b"".join(EVENTS)
        async with running.client.get(f"{running.operations_url}/metrics") as response:
            text = await response.text()
            assert 'hxp_model_tokens_total{kind="completion"} 1.0' in text
            assert "hxp_model_requests_running 0.0" in text
            assert "hxp_model_requests_waiting 0.0" in text
            assert "hxp_model_engine_restarts 0.0" in text


async def test_embeddings_are_passed_as_they_are() -> None:
    engine = ScriptedEngine()
    async with model(engine) as running:
        engine.chunks = (b'{"data":[],', b'"usage":{"prompt_tokens":2}}')
        async with running.client.post("/v1/embeddings", json={"model": "t", "input": "x"}) as response:
            assert await response.json() == {"data": [], "usage": {"prompt_tokens": 2}}


async def test_many_texts_are_embedded_in_small_batches_and_told_as_one_answer() -> None:
    engine = ScriptedEngine()
    async with model(engine) as running:
        engine.chunks = (b'{"object":"list","data":[{"index":0,"embedding":[1]}],', b'"usage":{"prompt_tokens":2}}')
        long = "x" * 600
        body = {"model": "t", "input": [long, long, "c"], "encoding_format": "float"}
        async with running.client.post("/v1/embeddings", json=body) as response:
            answer = await response.json()
        assert [sent["input"] for _, sent in engine.received] == [[long], [long], ["c"]]
        assert [entry["index"] for entry in answer["data"]] == [0, 1, 2]
        assert answer["usage"] == {"prompt_tokens": 6, "total_tokens": 6}
        engine.received.clear()
        async with running.client.post("/v1/embeddings", json={"model": "t", "input": ["x"] * 40}) as response:
            assert response.status == 200
        assert [len(sent["input"]) for _, sent in engine.received] == [16, 16, 8]


@pytest.mark.parametrize(
    ("texts", "asked"),
    [(["a"] * 5, 0), (["x" * 44], 0), ([[1] * 6, [1] * 5], 0), ([1] * 11, 0), (["x" * 4] * 4, 1)],
)
async def test_texts_and_tokens_of_one_request_are_bounded(texts: Any, asked: int) -> None:
    engine = ScriptedEngine()
    async with model(engine, embedding_texts=4, embedding_tokens=10) as running:
        engine.chunks = (b'{"data":[],"usage":{"prompt_tokens":12}}',)
        async with running.client.post("/v1/embeddings", json={"model": "t", "input": texts}) as response:
            assert (response.status, (await response.json())["error"]["param"]) == (400, "input")
    assert len(engine.received) == asked, "an estimate that was too low is mended on the way"


async def test_texts_of_more_words_than_tokens_are_refused_before_any_work() -> None:
    """Each word is a token at least; by their bytes alone they would pass."""
    engine = ScriptedEngine()
    async with model(engine) as running:
        body = {"model": "t", "input": ["a b c d " * 16] * 2000}
        async with running.client.post("/v1/embeddings", json=body) as response:
            assert response.status == 400
    assert engine.received == []


async def test_texts_of_short_tokens_are_refused_after_a_part_and_that_part_is_counted() -> None:
    engine = ScriptedEngine()
    async with model(engine, embedding_tokens=1000) as running:
        engine.chunks = (b'{"data":[],"usage":{"prompt_tokens":256,"total_tokens":256}}',)
        body = {"model": "t", "input": ["#" * 16] * 240}
        async with running.client.post("/v1/embeddings", json=body) as response:
            message = (await response.json())["error"]["message"]
            assert (response.status, "(256 in the first 16 of 240)" in message) == (400, True)
        async with running.client.get(f"{running.operations_url}/metrics") as response:
            assert 'hxp_model_tokens_total{kind="prompt"} 256.0' in await response.text()
    assert len(engine.received) == 1


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([[1]] * 190_000, "190000 entries are more than the 2048"),
        (["a"] * 200_000, "200000 entries are more than the 2048"),
        ([1] * 200_000, "200000 entries are more than the 2048"),
        ([[1] * 1000] * 100, "more than the 65536 tokens"),
    ],
)
async def test_long_lists_are_refused_before_their_entries_are_judged(
    monkeypatch: pytest.MonkeyPatch, texts: Any, message: str
) -> None:
    def judged(*_: Any) -> Any:
        raise AssertionError("the entries were judged")

    monkeypatch.setattr("hxp_services_base._generation.parse_request", judged)
    async with model(ScriptedEngine()) as running:
        async with running.client.post("/v1/embeddings", json={"model": "t", "input": texts}) as response:
            error = (await response.json())["error"]
        assert (response.status, error["param"]) == (400, "input")
        assert message in error["message"]


@pytest.mark.parametrize(
    "body", [b'{"model":"t","input":[1,' + b" " * 70_000, b"[" + b" " * 70_000 + b"]", b'{"input":7}' + b" " * 70_000]
)
async def test_a_large_body_that_is_no_request_is_told_as_a_small_one(body: bytes) -> None:
    async with model(ScriptedEngine()) as running:
        headers = {"content-type": "application/json"}
        async with running.client.post("/v1/embeddings", data=body, headers=headers) as response:
            assert response.status == 400
            assert (await response.json())["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("size", [10, 100_000])
async def test_fields_that_nobody_declared_are_not_written_out(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """A large body is parsed beside the event loop; which thread that was shows in the dump."""
    threads: list[bool] = []
    dump = ChatCompletionRequest.model_dump

    def dumped(self: ChatCompletionRequest, **options: Any) -> Any:
        threads.append(threading.current_thread() is threading.main_thread())
        out = dump(self, **options)
        assert "invented" not in out
        return out

    monkeypatch.setattr(ChatCompletionRequest, "model_dump", dumped)
    async with (
        model(ScriptedEngine()) as running,
        running.client.post(CHAT, json={**HELLO, "invented": [[]] * size}) as response,
    ):
        assert response.status == 200
    assert threads == [size == 10]


async def test_texts_that_nobody_waits_for_are_not_embedded() -> None:
    engine = ScriptedEngine()
    async with model(engine) as running:
        engine.chunks, engine.gate = (b'{"data":[],', b'"usage":{}}'), asyncio.Event()
        asking = asyncio.create_task(
            running.client.post("/v1/embeddings", json={"model": "t", "input": [str(number) for number in range(100)]})
        )
        while not engine.received:
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait_for(engine.aborted.wait(), 1.0)
        assert running.service.admission.statistics().running == 0
    assert len(engine.received) == 1


async def test_a_whole_answer_that_breaks_off_is_a_502() -> None:
    engine = ScriptedEngine()
    async with model(engine) as running:
        engine.chunks = EVENTS[:1]
        async with running.client.post(CHAT, json=HELLO) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (502, "stream_truncated")


@pytest.mark.parametrize(("keep", "dies_after", "code"), [(1, None, "stream_truncated"), (3, 1, "engine_unavailable")])
async def test_a_stream_that_breaks_off_is_told_as_one(keep: int, dies_after: int | None, code: str) -> None:
    """U2: an error event and the end, never a false stop."""
    engine = ScriptedEngine()
    async with model(engine) as running:
        engine.chunks, engine.dies_after = EVENTS[:keep], dies_after
        async with running.client.post(CHAT, json={**HELLO, "stream": True}) as response:
            text = await response.text()
    assert f'"code":"{code}"' in text
    assert text.endswith("data: [DONE]\n\n")
    assert '"finish_reason":"stop"' not in text


async def test_an_engine_that_dies_before_it_answers_is_a_503_that_may_be_tried_again() -> None:
    engine = ScriptedEngine()
    async with model(engine) as running:
        engine.dies_after = 0
        async with running.client.post(CHAT, json=HELLO) as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "2")


async def test_a_client_that_leaves_aborts_the_generation() -> None:
    engine = ScriptedEngine()
    async with model(engine) as running:
        engine.chunks, engine.gate = EVENTS, asyncio.Event()
        response = await running.client.post(CHAT, json={**HELLO, "stream": True})
        await response.content.readany()
        response.close()
        await asyncio.wait_for(engine.aborted.wait(), 1.0)


async def test_when_slots_and_queue_are_full_a_request_gets_429_with_retry_after() -> None:
    """O1, O2."""
    engine = ScriptedEngine()
    async with model(engine, slots=1, queue=1) as running:
        engine.chunks, engine.gate = EVENTS, asyncio.Event()
        body = {**HELLO, "stream": True}
        first = await running.client.post(CHAT, json=body)
        second = asyncio.create_task(running.client.post(CHAT, json=body))
        admission = running.service.admission
        while not admission.statistics().waiting:
            await asyncio.sleep(0)
        async with running.client.post(CHAT, json=body) as refused:
            assert refused.status == 429
            assert int(refused.headers["Retry-After"]) >= 1
            assert (await refused.json())["error"]["code"] == "model_overloaded"
        engine.gate.set()
        assert (await first.read()).endswith(b"data: [DONE]\n\n")
        assert (await (await second).read()).endswith(b"data: [DONE]\n\n")


async def test_what_the_engine_refuses_is_the_callers_error() -> None:
    engine = ScriptedEngine()
    async with model(engine) as running:
        engine.error = ServiceError.of(400, "context_length_exceeded", "too long", param="messages")
        async with running.client.post(CHAT, json=HELLO) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (400, "context_length_exceeded")


async def test_an_engine_that_loads_but_cannot_generate_is_never_ready() -> None:
    engine = ScriptedEngine()
    engine.error = EngineDownError("no memory")
    with pytest.raises(StartError, match=r"failed in warm-up: .*no memory"):
        async with hosted(Model(engine), AIModelSettings(name="t")):
            pass

import asyncio
import json
from typing import Any

import pytest
from hxp_testing.clock import ManualClock
from hxp_testing.llm import MockLLM
from hxp_testing.upstream import Reply

pytestmark = pytest.mark.anyio
CHAT = {
    "model": "mock",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello big world"}],
}


async def ask(llm: MockLLM, path: str, body: Any = None) -> tuple[int, bytes]:
    """One request; returns the status and the body, without the framing of chunks."""
    reader, writer = await asyncio.open_connection("127.0.0.1", llm.port)
    raw = b"" if body is None else json.dumps(body).encode()
    method = "GET" if body is None else "POST"
    writer.write(f"{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {len(raw)}\r\n\r\n".encode() + raw)
    head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    if b"chunked" in head:
        answer = b"".join(part for part in answer.split(b"\r\n") if part.startswith(b"data:"))
    return int(head.split()[1]), answer


async def ask_json(llm: MockLLM, path: str, body: Any = None) -> tuple[int, Any]:
    status, answer = await ask(llm, path, body)
    return status, json.loads(answer)


def events(answer: bytes) -> list[str]:
    return [event.removeprefix("data: ") for event in answer.decode().split("\n\n") if event]


async def test_an_answer_echoes_the_last_message() -> None:
    async with MockLLM() as llm:
        status, answer = await ask_json(llm, "/v1/chat/completions", CHAT)
    assert status == 200
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "Hello big world"}
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"] == {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


async def test_a_limit_cuts_the_answer() -> None:
    async with MockLLM() as llm:
        for name in ("max_tokens", "max_completion_tokens"):
            _, answer = await ask_json(llm, "/v1/chat/completions", CHAT | {name: 2})
            assert answer["choices"][0]["message"]["content"] == "Hello big"
            assert answer["choices"][0]["finish_reason"] == "length"


async def test_a_stream_says_the_same_word_by_word() -> None:
    clock = ManualClock(auto_advance=True)
    async with MockLLM(token_delay=0.1, sleep=clock.sleep) as llm:
        _, answer = await ask(
            llm, "/v1/chat/completions", CHAT | {"stream": True, "stream_options": {"include_usage": True}}
        )
        *chunks, usage, done = events(answer)
        _, short = await ask(llm, "/v1/chat/completions", CHAT | {"stream": True})
    choices = [json.loads(chunk)["choices"][0] for chunk in chunks]
    assert "".join(choice["delta"].get("content", "") for choice in choices) == "Hello big world"
    assert choices[0]["delta"]["role"] == "assistant"
    assert [choice["finish_reason"] for choice in choices] == [None] * 4 + ["stop"]
    assert json.loads(usage)["usage"]["total_tokens"] == 8
    assert done == "[DONE]"
    assert len(events(short)) == len(events(answer)) - 1
    assert sum(clock.slept) > 1.0


async def test_content_may_come_in_parts() -> None:
    content = [{"type": "text", "text": "a b"}, {"type": "image_url"}]
    async with MockLLM() as llm:
        _, answer = await ask_json(
            llm, "/v1/chat/completions", {"model": "mock", "messages": [{"role": "user", "content": content}]}
        )
    assert answer["choices"][0]["message"]["content"] == "a b"


async def test_the_same_text_has_the_same_vector() -> None:
    async with MockLLM() as llm:
        _, many = await ask_json(llm, "/v1/embeddings", {"model": "mock", "input": ["a b", "c", "a b"]})
        _, one = await ask_json(llm, "/v1/embeddings", {"model": "mock", "input": "c", "dimensions": 3})
    first, second, third = (item["embedding"] for item in many["data"])
    assert first == third != second
    assert one["data"][0]["embedding"] == second[:3]
    assert many["usage"] == {"prompt_tokens": 5, "total_tokens": 5}


async def test_models_and_health_are_told() -> None:
    async with MockLLM(["a", "b"]) as llm:
        _, models = await ask_json(llm, "/v1/models")
        assert (await ask(llm, "/health"))[0] == 200
    assert [model["id"] for model in models["data"]] == ["a", "b"]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/chat/completions", CHAT | {"model": "other"}, 404, "model_not_found"),
        ("/v1/chat/completions", {"model": "mock"}, 400, "invalid_value"),
        ("/v1/chat/completions", {"model": "mock", "messages": []}, 400, "invalid_value"),
        ("/v1/chat/completions", [], 400, "invalid_value"),
        ("/v1/nothing", {}, 404, None),
        ("/v1/nothing", None, 404, None),
    ],
)
async def test_a_wrong_request_gets_the_envelope(path: str, body: Any, status: int, code: str | None) -> None:
    async with MockLLM() as llm:
        found, answer = await ask_json(llm, path, body)
    assert (found, answer["error"]["code"]) == (status, code)


async def test_a_fault_can_come_before_the_next_answer() -> None:
    async with MockLLM() as llm:
        llm.queue(Reply(503))
        assert (await ask(llm, "/v1/models"))[0] == 503
        assert (await ask(llm, "/v1/models"))[0] == 200
    assert [request.path for request in llm.requests] == ["/v1/models"] * 2

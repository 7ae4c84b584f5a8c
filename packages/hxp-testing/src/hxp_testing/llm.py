"""A loopback LLM: OpenAI-shaped answers made of the words that it was asked with."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from ._behaviour import Behaviour, Reply, Stream
from ._exchange import Request
from .upstream import ScriptedUpstream

__all__ = ["MockLLM"]

_CREATED = 1_700_000_000
_DIMENSIONS = 8


class MockLLM(ScriptedUpstream):
    """Speaks OpenAI's chat, embeddings and models; the answer to a chat is its last message, word by word.

    `queue` puts other behaviours, such as `Reply(503)` or `Reset()`, before the next answers.

    Args:
        models: The models that it offers; another one is answered with 404.
        token_delay: Seconds before each word of a stream.
        sleep: Waits for that long.

    Example:
        async with MockLLM() as llm:
            llm.queue(Reply(503))
            await client(llm.url + "/v1").chat("Hello")
    """

    def __init__(
        self,
        models: Sequence[str] = ("mock",),
        *,
        token_delay: float = 0.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(self._respond, sleep=sleep)
        self._models = tuple(models)
        self._token_delay = token_delay

    def _respond(self, request: Request) -> Behaviour:
        route = (request.method, request.path.partition("?")[0])
        if route == ("GET", "/v1/models"):
            data = [{"id": name, "object": "model", "created": _CREATED, "owned_by": "mock"} for name in self._models]
            return Reply(body={"object": "list", "data": data})
        if route == ("GET", "/health"):
            return Reply()
        answer = {
            ("POST", "/v1/chat/completions"): self._chat,
            ("POST", "/v1/embeddings"): _embed,
        }.get(route)
        if answer is None:
            return _error(404, "invalid_request_error", None, f"unknown route {request.method} {request.path}")
        try:
            asked = request.json()
            if asked["model"] not in self._models:
                return _error(404, "invalid_request_error", "model_not_found", "there is no such model")
            return answer(asked)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            return _error(400, "invalid_request_error", "invalid_value", f"malformed request: {error!r}")

    def _chat(self, asked: dict[str, Any]) -> Behaviour:
        prompt = [word for message in asked["messages"] for word in _text(message).split()]
        words = _text(asked["messages"][-1]).split()
        limit = asked.get("max_completion_tokens") or asked.get("max_tokens") or len(words)
        finish_reason = "length" if limit < len(words) else "stop"
        words = words[:limit]
        tokens = [word if index == 0 else f" {word}" for index, word in enumerate(words)]
        base = {"id": f"chatcmpl-{len(self.requests)}", "created": _CREATED, "model": asked["model"]}
        usage = {
            "prompt_tokens": len(prompt),
            "completion_tokens": len(words),
            "total_tokens": len(prompt) + len(words),
        }
        if asked.get("stream"):
            with_usage = (asked.get("stream_options") or {}).get("include_usage")
            chunks = _chunks(tokens, finish_reason, usage if with_usage else None)
            return Stream(_frames(base, chunks), delay=self._token_delay)
        message = {"role": "assistant", "content": "".join(tokens)}
        choice = {"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}
        return Reply(body={**base, "object": "chat.completion", "choices": [choice], "usage": usage})


def _chunks(tokens: list[str], finish_reason: str, usage: dict[str, int] | None) -> Iterator[dict[str, Any]]:
    deltas = [{"role": "assistant", "content": ""}, *({"content": token} for token in tokens)]
    for delta in deltas:
        yield {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {"choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]}
    if usage is not None:
        yield {"choices": [], "usage": usage}


def _frames(base: dict[str, Any], chunks: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    for chunk in chunks:
        yield b"data: %b\n\n" % json.dumps({**base, "object": "chat.completion.chunk", **chunk}).encode()
    yield b"data: [DONE]\n\n"


def _embed(asked: dict[str, Any]) -> Behaviour:
    inputs = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    dimensions = asked.get("dimensions") or _DIMENSIONS
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(str(text), dimensions)}
        for index, text in enumerate(inputs)
    ]
    tokens = sum(len(str(text).split()) for text in inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Reply(body={"object": "list", "data": data, "model": asked["model"], "usage": usage})


def _vector(text: str, dimensions: int) -> list[float]:
    """The same text has the same vector on every machine and in every process."""
    seed = sum(text.encode())
    return [((seed * (index + 1)) % 997) / 997 for index in range(dimensions)]


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, list):
        return " ".join(part.get("text") or "" for part in content)
    return str(content)


def _error(status: int, kind: str, code: str | None, message: str) -> Reply:
    return Reply(status, body={"error": {"message": message, "type": kind, "param": None, "code": code}})

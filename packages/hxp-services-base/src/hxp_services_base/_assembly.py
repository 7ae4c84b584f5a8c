"""Puts a whole answer together from the events of its stream.

llama.cpp goes on generating when the client of a whole (not streamed) answer leaves; only a stream is aborted. So the
engine is always asked for a stream, and whoever wants the whole gets it from here.
"""

from __future__ import annotations

from typing import Any

import orjson
from hxp_schemas import ErrorInfo, sse

from ._tap import summed_usage
from .chassis import ServiceError

_OBJECTS = {"chat.completion.chunk": "chat.completion", "text_completion": "text_completion"}
_COPIED = ("id", "created", "model", "system_fingerprint", "service_tier")


class Assembly:
    r"""Takes the bytes of an OpenAI event stream; gives the answer that they amount to.

    Example:
        >>> assembly = Assembly()
        >>> assembly.feed(b'data: {"object":"chat.completion.chunk","choices":[{"index":0,'
        ...               b'"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
        >>> assembly.result()["choices"][0]["message"]["content"]
        'hi'
    """

    def __init__(self) -> None:
        self._decoder = sse.SSEDecoder()
        self._head: dict[str, Any] = {}
        self._object = "chat.completion"
        self._choices: dict[int, dict[str, Any]] = {}
        self._usages: list[dict[str, Any]] = []  # llama.cpp sends one for each choice
        self._done = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            ServiceError: What the engine told inside the stream, as the caller's error.
        """
        for event in self._decoder.feed(chunk):
            if event.data == "[DONE]":
                self._done = True
            else:
                self._add(orjson.loads(event.data))

    def _add(self, document: dict[str, Any]) -> None:
        if "error" in document:
            raise ServiceError(ErrorInfo.from_response(502, orjson.dumps(document), {}))
        self._head.update((name, document[name]) for name in _COPIED if name in document)
        self._object = _OBJECTS.get(document.get("object", ""), self._object)
        if isinstance(usage := document.get("usage"), dict):
            self._usages.append(usage)
        for choice in document.get("choices", ()):
            self._add_choice(choice)

    def _add_choice(self, choice: dict[str, Any]) -> None:
        index = choice.get("index", 0)
        whole = self._choices.setdefault(index, {"index": index, "finish_reason": None, "logprobs": None})
        whole["finish_reason"] = choice.get("finish_reason") or whole["finish_reason"]
        if (logprobs := choice.get("logprobs")) is not None:
            whole["logprobs"] = _joined(whole["logprobs"] or {}, logprobs)
        if "text" in choice:
            whole["text"] = whole.get("text", "") + choice["text"]
        if (delta := choice.get("delta")) is not None:
            message = whole.setdefault("message", {"role": "assistant", "content": None})
            _add_delta(message, delta)

    def result(self) -> dict[str, Any]:
        """The whole answer.

        Raises:
            ServiceError: 502, if the stream ended before the answer was complete.
        """
        complete = all(choice["finish_reason"] is not None for choice in self._choices.values())
        if not (self._done and self._choices and complete):
            message = "the engine ended its stream before the answer was complete"
            raise ServiceError.of(502, "stream_truncated", message)
        choices = [self._choices[index] for index in sorted(self._choices)]
        is_usage_per_choice = 1 < len(self._usages) == len(choices)
        usage = summed_usage(self._usages) if is_usage_per_choice else next(reversed(self._usages), None)
        return {**self._head, "object": self._object, "choices": choices, "usage": usage}


def _add_delta(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add one delta to a chat message: texts are joined, tool calls are joined by their index."""
    for name, value in delta.items():
        if name == "tool_calls":
            calls = message.setdefault("tool_calls", [])
            for part in value:
                _add_tool_call(calls, part)
        elif isinstance(value, str) and name != "role":
            message[name] = (message.get(name) or "") + value
        elif value is not None:
            message[name] = value


def _add_tool_call(calls: list[dict[str, Any]], part: dict[str, Any]) -> None:
    index = part.get("index", len(calls))
    while len(calls) <= index:
        calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
    call = calls[index]
    call["id"] = part.get("id") or call["id"]
    function = part.get("function") or {}
    call["function"]["name"] += function.get("name") or ""
    call["function"]["arguments"] += function.get("arguments") or ""


def _joined(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Join logprobs: each field is a list that grows."""
    joined = dict(whole)
    for name, value in part.items():
        joined[name] = [*(joined.get(name) or []), *value] if isinstance(value, list) else value
    return joined

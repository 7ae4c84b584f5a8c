"""Whole answers from streams, beyond what the engine's own tests show."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hxp_services_base._assembly import Assembly
from hxp_services_base.chassis import ServiceError


def fed(*documents: dict[str, Any], done: bool = True) -> Assembly:
    assembly = Assembly()
    for document in documents:
        assembly.feed(b"data: " + orjson.dumps(document) + b"\n\n")
    if done:
        assembly.feed(b"data: [DONE]\n\n")
    return assembly


def delta(finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": fields, "finish_reason": finish_reason}
    return {"id": "x", "object": "chat.completion.chunk", "choices": [choice]}


def test_tool_calls_are_joined_by_their_index() -> None:
    parts = (
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}],
        [{"index": 0, "function": {"arguments": '{"x":'}}, {"index": 1, "id": "b", "function": {"name": "g"}}],
        [{"index": 0, "function": {"arguments": "1}"}}, {"index": 1}],
    )
    result = fed(delta(role="assistant"), *(delta(tool_calls=part) for part in parts), delta("tool_calls")).result()
    message = result["choices"][0]["message"]
    assert message["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": ""}},
    ]
    assert message["content"] is None
    assert result["object"] == "chat.completion"


def test_reasoning_is_joined_beside_the_content() -> None:
    result = fed(
        delta(reasoning_content="a"), delta(reasoning_content="b"), delta("stop", content="c", x=None)
    ).result()
    message = result["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("ab", "c")
    assert "x" not in message


def test_an_error_inside_the_stream_is_the_callers_error() -> None:
    with pytest.raises(ServiceError, match="out of memory"):
        fed({"error": {"message": "out of memory", "type": "server_error", "code": 500}})


@pytest.mark.parametrize(
    "assembly", [fed(), fed(delta(content="a")), fed(delta("stop"), done=False)], ids=["nothing", "cut", "no end"]
)
def test_an_answer_that_is_not_complete_is_never_told_as_one(assembly: Assembly) -> None:
    with pytest.raises(ServiceError, match="before the answer was complete"):
        assembly.result()


def test_the_usages_of_several_choices_are_summed_up() -> None:
    assembly = Assembly()
    for index in range(3):
        choice = {"index": index, "delta": {"content": "a"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 14, "completion_tokens": 5, "total_tokens": 19}
        assembly.feed(b"data: " + orjson.dumps({"choices": [choice]}) + b"\n\n")
        assembly.feed(b"data: " + orjson.dumps({"choices": [], "usage": usage}) + b"\n\n")
    assembly.feed(b"data: [DONE]\n\n")
    assert assembly.result()["usage"] == {"prompt_tokens": 14, "completion_tokens": 15, "total_tokens": 29}

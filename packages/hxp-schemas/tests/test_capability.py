from typing import Any

import pytest
from hxp_schemas.openai import ChatCompletionRequest, ModelCapabilities, ModelLimits, ParameterRange, ToolCapabilities

CARD = ModelCapabilities(
    model="tiny",
    streaming=False,
    response_formats=["text", "json_object"],
    reasoning_efforts=["low"],
    tools=ToolCapabilities(types=["function"], choices=["none", "auto"], maximum=1),
    sampling={"temperature": ParameterRange(minimum=0.1, maximum=1), "top_k": ParameterRange(maximum=100)},
    limits=ModelLimits(output_tokens=100, choices=1, stop_sequences=1, top_logprobs=0),
)
TOOL = {"type": "function", "function": {"name": "f"}}
STRICT = {"type": "function", "function": {"name": "f", "strict": True}}


def ask(**more: Any) -> ChatCompletionRequest:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}
    return ChatCompletionRequest.model_validate(body | more)


@pytest.mark.parametrize(
    ("more", "param", "rule"),
    [
        ({"temperature": 0}, "temperature", "at least 0.1"),
        ({"temperature": 1.5}, "temperature", "at most 1"),
        ({"top_k": 1000}, "top_k", "at most 100"),
        ({"stream": True}, "stream", "not possible"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, "response_format", "json_schema"),
        ({"reasoning_effort": "high"}, "reasoning_effort", "'high'"),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools.0", "custom tool"),
        ({"tools": [TOOL, TOOL]}, "tools", "at most 1"),
        ({"n": 2}, "n", "at most 1"),
        ({"max_tokens": 101}, "max_tokens", "at most 100"),
        ({"stop": ["a", "b"]}, "stop", "at most 1"),
        ({"top_logprobs": 1}, "top_logprobs", "at most 0"),
        ({"modalities": ["text", "audio"]}, "modalities", "cannot hold 'audio'"),
        ({"tools": [STRICT]}, "tools.0.function.strict", "not possible"),
        ({"tools": [TOOL], "tool_choice": "required"}, "tool_choice", "cannot be 'required'"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
            "tool_choice",
            "cannot be 'named'",
        ),
        (
            {"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
            "tool_choice",
            "cannot be 'allowed_tools'",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages.0.content.0",
            "is image, which is no input",
        ),
    ],
)
def test_what_a_model_cannot_do_is_told_before_it_is_asked(more: dict[str, Any], param: str, rule: str) -> None:
    [error] = CARD.refusals(ask(**more))
    assert (error.status, error.code, error.param) == (400, "unsupported_value", param)
    assert rule in error.message
    assert "'tiny'" in error.message


def test_what_it_can_do_is_not_refused() -> None:
    parts = [{"type": "text", "text": "x"}]
    good = ask(temperature=1, stop="x", tools=[TOOL], messages=[{"role": "user", "content": parts}], top_k="many")
    assert CARD.refusals(good) == []
    assert CARD.refusals(ask(temperature=0.1, top_k=100, max_tokens=100, top_logprobs=0)) == []
    assert CARD.refusals(ask(tool_choice="auto", tools=[TOOL], modalities=["text"], reasoning_effort="low")) == []
    assert ModelCapabilities(model="m").refusals(ask(reasoning_effort="none")) == []


def test_one_text_to_stop_at_is_one() -> None:
    card = ModelCapabilities(model="m", limits=ModelLimits(stop_sequences=0))
    assert [error.param for error in card.refusals(ask(stop="x"))] == ["stop"]


def test_what_the_document_does_not_speak_of_is_possible() -> None:
    assert ModelCapabilities(model="m").refusals(ask(temperature=2, n=16, max_tokens=10_000, stream=True)) == []
    assert len(ModelCapabilities(model="m").refusals(ask(tools=[TOOL]))) == 1


def test_the_document_goes_over_the_wire_and_keeps_what_is_new() -> None:
    raw = b'{"object":"model.capabilities","model":"m","input_modalities":["text","smell"],"x_new":1}'
    assert ModelCapabilities.model_validate_json(raw).to_json() == raw
    assert ModelCapabilities.model_validate_json(CARD.to_json()) == CARD

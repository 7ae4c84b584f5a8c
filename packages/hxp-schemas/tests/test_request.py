import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, Literal

import pydantic
import pytest
from hxp_schemas import ErrorInfo, ErrorInfoError
from hxp_schemas.openai import (
    ChatCompletionRequest,
    CompletionRequest,
    EmbeddingRequest,
    ResponseRequest,
    parse_request,
)
from hypothesis import given
from hypothesis import strategies as st

MODELS: list[type[pydantic.BaseModel]] = [ChatCompletionRequest, CompletionRequest, EmbeddingRequest, ResponseRequest]
USER = {"role": "user", "content": "Hi"}
CHAT = {"model": "m", "messages": [USER]}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(sorted({name for model in MODELS for name in model.model_fields} | {"top_k", "role"}))


def refusal(model: type[pydantic.BaseModel], body: bytes | dict[str, Any]) -> ErrorInfo:
    """Parse what must be refused; check what holds for every refusal."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    begin = time.process_time()
    with pytest.raises(ErrorInfoError) as caught:
        parse_request(model, raw)
    assert time.process_time() - begin < 1.0  # of this process: a busy machine is no fault of ours
    info = caught.value.info
    assert info.status == 400
    assert info.code in {"invalid_json", "invalid_value", "missing_required_parameter"}
    json.dumps(info.to_openai()).encode()
    assert len(info.message) <= 500
    return info


def test_a_chat_request_is_read_and_unknown_fields_are_kept() -> None:
    body = {**CHAT, "top_k": 5, "messages": [USER | {"x": 1}], "temperature": 1, "stream": True}
    request = parse_request(ChatCompletionRequest, json.dumps(body).encode())
    assert json.loads(request.model_dump_json(exclude_unset=True)) == body


@pytest.mark.parametrize(
    "message",
    [
        {"role": "system", "content": "s"},
        {"role": "developer", "content": [{"type": "text", "text": "t"}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]},
        {"role": "assistant"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "42", "tool_call_id": "1"},
        {"role": "function", "content": None, "name": "f"},
    ],
    ids=lambda message: message["role"],
)
def test_every_role_may_speak(message: dict[str, Any]) -> None:
    request = parse_request(ChatCompletionRequest, json.dumps({"model": "m", "messages": [message]}).encode())
    assert request.messages[0].role == message["role"]


@pytest.mark.parametrize("prompt", ["a", ["a", "b"], [1, 2], [[1], [2, 3]]])
def test_a_prompt_is_text_or_tokens_one_or_many(prompt: object) -> None:
    assert parse_request(CompletionRequest, json.dumps({"model": "m", "prompt": prompt}).encode()).prompt == prompt
    assert parse_request(EmbeddingRequest, json.dumps({"model": "m", "input": prompt}).encode()).input == prompt


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"model": "m', b"\xff\xfe{\x00}\x00", b'{"model": "\xff"}', b"\xef\xbb\xbf{}"]
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    """B1, B2: empty, truncated, UTF-16, invalid UTF-8."""
    info = refusal(ChatCompletionRequest, body)
    assert info.code == "invalid_json"
    assert info.param is None


@pytest.mark.parametrize("body", [b"null", b"3", b'"x"', b"[]", b"true"])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    """B1: scalar, null."""
    assert refusal(ChatCompletionRequest, body).message == "The body must be a JSON object."


@pytest.mark.parametrize("text", [r"\ud800", r"\udc00\ud800", r"a\udfff"])
@pytest.mark.parametrize("place", ['{"model": "%s"}', '{"model": "m", "x": ["%s"]}', '{"model": "m", "%s": 1}'])
def test_a_lone_surrogate_is_refused_wherever_it_stands(text: str, place: str) -> None:
    """B2: it would crash whoever encodes it later."""
    assert refusal(ChatCompletionRequest, (place % text).encode()).code == "invalid_json"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1E+400", "1" + "0" * 400 + ".0"])
@pytest.mark.parametrize("place", ['"temperature": %s', '"x": %s', '"x": {"y": [0, %s]}'])
def test_a_number_that_is_none_is_refused_wherever_it_stands(number: str, place: str) -> None:
    """B3: NaN, 1e999."""
    body = '{"model": "m", "messages": [{"role": "user", "content": "x"}], %s}' % (place % number)
    info = refusal(ChatCompletionRequest, body.encode())
    assert info.param in {"temperature", "x", "x.y.1"}


@pytest.mark.parametrize("digits", [20, 30, 1000, 5000, 100_000])
@pytest.mark.parametrize("place", ['"n": %s', '"x": %s', '"x": {"y": [0, %s]}', '"seed": -%s'])
def test_an_integer_beyond_64_bits_is_refused_wherever_it_stands(digits: int, place: str) -> None:
    """B3: a 5,000-digit integer."""
    body = '{"model": "m", "messages": [{"role": "user", "content": "x"}], %s}' % (place % ("9" * digits))
    refusal(ChatCompletionRequest, body.encode())


@pytest.mark.parametrize("value", [2**64 - 1, -(2**63), 1e300, 0.1234567890123456789012, "9" * 40, "NaN", "1e999"])
def test_what_only_looks_like_such_a_number_passes(value: object) -> None:
    request = parse_request(ChatCompletionRequest, json.dumps({**CHAT, "x": [value]}).encode())
    assert request.model_extra == {"x": [value]}


def peak_of(call: Callable[[], object]) -> int:
    """Bytes that Python held at most while a function ran."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_looking_for_such_numbers_takes_no_memory_of_its_own() -> None:
    """B7: one long number makes the whole body suspect; a long list in it must not become a long list of places."""
    body = json.dumps({**CHAT, "seed": 2**62, "x": {"y": [[0.5, 1, None, "a"]] * 5_000}}).encode()
    read = peak_of(lambda: (ChatCompletionRequest.model_validate_json(body), json.loads(body)))
    assert peak_of(lambda: parse_request(ChatCompletionRequest, body)) < 1.2 * read


def test_the_first_such_number_is_told() -> None:
    body = {**CHAT, "x": {"y": [[0.5, 1, None, {"a": []}], [2**64], 2**65]}, "z": 2**66}
    assert refusal(ChatCompletionRequest, body).param == "x.y.1.0"


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
@pytest.mark.parametrize("head", [b"", b'{"model": "m", "messages": ', b'{"x": '])
def test_deep_json_is_refused_fast(opening: bytes, head: bytes) -> None:
    """B4: 100,000 levels."""
    assert refusal(ChatCompletionRequest, head + opening * 100_000).code == "invalid_json"


@pytest.mark.parametrize(
    ("change", "param", "rule"),
    [
        ({"n": 17}, "n", "less than or equal to 16"),
        ({"n": 0}, "n", "greater than or equal to 1"),
        ({"n": "2"}, "n", "valid integer"),
        ({"n": 1.5}, "n", "valid integer"),
        ({"n": True}, "n", "valid integer"),
        ({"n": 10**9}, "n", "16"),
        ({"best_of": 10**9}, "best_of", "16"),
        ({"max_tokens": 10**9}, "max_tokens", "1048576"),
        ({"max_completion_tokens": 10**30}, "max_completion_tokens", "1048576"),
        ({"temperature": 2.1}, "temperature", "less than or equal to 2"),
        ({"temperature": "hot"}, "temperature", "valid number"),
        ({"top_p": -1}, "top_p", "greater than or equal to 0"),
        ({"presence_penalty": 3}, "presence_penalty", "2"),
        ({"top_logprobs": 21}, "top_logprobs", "20"),
        ({"stop": ["a"] * 5}, "stop", "at most 4"),
        ({"stop": ["a" * 257]}, "stop.0", "at most 256"),
        ({"stop": [1]}, "stop.0", "valid string"),
        ({"stop": 1}, "stop", "valid string"),
        ({"logit_bias": {"1": 101}}, "logit_bias.1", "100"),
        ({"logit_bias": {str(n): 1 for n in range(1025)}}, "logit_bias", "at most 1024"),
        ({"seed": 1.5}, "seed", "valid integer"),
        ({"stream": "yes"}, "stream", "valid boolean"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage", "valid boolean"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}] * 129}, "tools", "at most 128"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools.0.function.name", "pattern"),
        ({"model": ""}, "model", "at least 1"),
        ({"model": "a\r\nX-Evil: 1"}, "model", "pattern"),
        ({"model": None}, "model", "valid string"),
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": "Hi"}, "messages", "valid array"),
        ({"messages": [USER] * 4097}, "messages", "at most 4096"),
        ({"messages": [USER, 3]}, "messages.1", "object"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages.0.content", "valid string"),
        ({"messages": [{"role": "user", "content": []}]}, "messages.0.content", "at least 1"),
        ({"messages": [{"role": "user", "content": [{"type": 3}]}]}, "messages.0.content.0.type", "one of 'text'"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role", "one of 'developer'"),
        ({"tool_choice": "x"}, "tool_choice", "'none', 'auto' or 'required'"),
        ({"tool_choice": {"type": "x"}}, "tool_choice.type", "one of 'function', 'custom'"),
        ({"tool_choice": {"type": "function", "function": {"name": 3}}}, "tool_choice.function.name", "valid string"),
        ({"prediction": {"type": "x", "content": 3}}, "prediction.type", "'content'"),
        ({"function_call": {"name": 3}}, "function_call.name", "valid string"),
        ({"audio": {"voice": {"id": 3}, "format": "wav"}}, "audio.voice.id", "valid string"),
    ],
)
def test_a_wrong_field_is_named_with_its_rule(change: dict[str, Any], param: str, rule: str) -> None:
    """B5, B7: wrong types, and numbers that would exhaust the server."""
    info = refusal(ChatCompletionRequest, CHAT | change)
    assert (info.code, info.param) == ("invalid_value", param)
    assert repr(param) in info.message
    assert rule in info.message


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": [{"content": "x"}]}, "messages.0.role"),
        ({"model": "m", "messages": [{"role": "user"}]}, "messages.0.content"),
        ({"model": "m", "messages": [{"role": "tool", "content": "x"}]}, "messages.0.tool_call_id"),
        ({"model": "m", "messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages.0.content.0.type"),
        (CHAT | {"tool_choice": {"type": "function"}}, "tool_choice.function"),
        (CHAT | {"tool_choice": {}}, "tool_choice.type"),
    ],
)
def test_a_missing_field_is_named(body: dict[str, Any], param: str) -> None:
    info = refusal(ChatCompletionRequest, body)
    assert (info.code, info.param) == ("missing_required_parameter", param)


@pytest.mark.parametrize(
    ("model", "change", "param"),
    [
        (EmbeddingRequest, {"input": ""}, "input"),
        (EmbeddingRequest, {"input": [""]}, "input.0"),
        (EmbeddingRequest, {"input": []}, "input"),
        (EmbeddingRequest, {"input": ["x"] * 2049}, "input"),
        (EmbeddingRequest, {"input": [1] * 2049}, "input"),
        (EmbeddingRequest, {"input": "x", "dimensions": 10**9}, "dimensions"),
        (EmbeddingRequest, {"input": "x", "encoding_format": "hex"}, "encoding_format"),
        (CompletionRequest, {"prompt": ""}, "prompt"),
        (CompletionRequest, {"prompt": []}, "prompt"),
        (CompletionRequest, {"prompt": [[]]}, "prompt.0"),
        (CompletionRequest, {"prompt": [-1]}, "prompt.0"),
        (CompletionRequest, {"prompt": [[1], [2, "a"]]}, "prompt.1.1"),
        (CompletionRequest, {"prompt": "x", "logprobs": 10**9}, "logprobs"),
    ],
)
def test_prompts_and_inputs_are_bounded(model: type[pydantic.BaseModel], change: dict[str, Any], param: str) -> None:
    """B7; an empty prompt has crashed engines."""
    assert refusal(model, {"model": "m"} | change).param == param


@pytest.mark.parametrize(
    ("items", "param", "rule"),
    [
        ([{"role": "user", "content": [{"type": "input_text", "text": 3}]}], "input.0.content.0.text", "valid string"),
        ([{"role": "user", "content": [{"type": "x"}]}], "input.0.content.0.type", "one of 'input_text'"),
        ([{"role": "user", "content": 3}], "input.0.content", "valid string"),
        ([{"role": "user"}], "input.0.content", "Missing"),
        ([{"role": "x", "content": "x"}], "input.0.role", "'user', 'assistant', 'system' or 'developer'"),
        ([{"type": "message", "role": "user", "content": [{"type": "input_text"}]}], "input.0.content.0.text", "Miss"),
        ([{"type": "x"}], "input.0.type", "one of 'message'"),
        ([{"type": "function_call_output", "call_id": "1"}], "input.0.output", "Missing"),
        ([{"type": "function_call_output", "call_id": "1", "output": 3}], "input.0.output", "valid string"),
        ([{"type": "function_call", "call_id": "", "name": "f", "arguments": ""}], "input.0.call_id", "at least 1"),
        ([{}], "input.0.role", "Missing"),
        ([3], "input.0", "object"),
        (3, "input", "valid string"),
    ],
)
def test_of_an_item_the_field_at_fault_is_named_whether_it_has_a_type_or_not(
    items: object, param: str, rule: str
) -> None:
    """B5: only a message may leave out its type, and most callers do."""
    info = refusal(ResponseRequest, {"model": "m", "input": items})
    assert info.param == param
    assert rule in info.message


SECRETS: list[tuple[type[pydantic.BaseModel], dict[str, Any]]] = [
    (ChatCompletionRequest, {"messages": [{"role": "sk-secret\r\n", "content": "x"}]}),
    (ChatCompletionRequest, {"messages": [{"role": "user", "content": [{"type": "sk-secret"}]}]}),
    (ChatCompletionRequest, {"tools": [{"type": "sk-secret"}]}),
    (ChatCompletionRequest, {"tool_choice": {"type": "sk-secret"}}),
    (ChatCompletionRequest, {"response_format": {"type": "sk-secret"}}),
    (ChatCompletionRequest, {"temperature": "sk-secret", "stop": {"a": "sk-secret"}}),
    (ResponseRequest, {"input": [{"type": "sk-secret"}]}),
    (ResponseRequest, {"input": [{"role": "user", "content": [{"type": "sk-secret"}]}]}),
    (ResponseRequest, {"tools": [{"type": "sk-secret"}], "tool_choice": {"type": "sk-secret"}}),
    (ResponseRequest, {"text": {"format": {"type": "sk-secret"}}, "reasoning": {"effort": "sk-secret"}}),
]


@pytest.mark.parametrize(("model", "change"), SECRETS)
def test_no_error_quotes_what_was_sent(model: type[pydantic.BaseModel], change: dict[str, Any]) -> None:
    """B12, L4: neither ours nor pydantic's, also where a key was put into the wrong field."""
    body = {"model": "m", "messages": [USER], "input": "x"} | change
    assert "secret" not in refusal(model, body).message
    with pytest.raises(pydantic.ValidationError) as caught:
        model.model_validate(body)
    assert "secret" not in str(caught.value)
    with pytest.raises(pydantic.ValidationError) as caught:
        model.model_validate_json(json.dumps(body))
    assert "secret" not in str(caught.value)


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]


class Owner(pydantic.BaseModel):
    pet: Cat | Dog = pydantic.Field(discriminator="kind")


@pytest.mark.parametrize(
    ("pet", "code", "rule"),
    [({"kind": "sk-secret"}, "invalid_value", "one of 'cat', 'dog'"), ({}, "missing_required_parameter", "Missing")],
)
def test_a_union_of_another_package_is_explained_as_ours_are(pet: dict[str, str], code: str, rule: str) -> None:
    """B12: pydantic's own message quotes the tag."""
    info = refusal(Owner, {"pet": pet})
    assert (info.code, info.param) == (code, "pet.kind")
    assert rule in info.message
    assert "secret" not in info.message


def test_the_name_of_a_field_is_bounded_too() -> None:
    """L2: a client chooses the names in `metadata`."""
    info = refusal(ChatCompletionRequest, CHAT | {"metadata": {"k" * 100_000: 3}})
    assert (len(info.param or ""), info.code) == (256, "invalid_value")


def test_an_unknown_tag_is_told_with_those_that_are_known() -> None:
    with pytest.raises(pydantic.ValidationError, match="'role' of the input should be one of 'developer', 'system', "):
        ChatCompletionRequest.model_validate({"model": "m", "messages": [{"content": "x"}]})


def test_a_million_wrong_items_are_one_error() -> None:
    """B7: within a second."""
    assert refusal(CompletionRequest, {"model": "m", "prompt": [-1] * 1_000_000}).param == "prompt.0"


@pytest.mark.parametrize("model", MODELS)
@given(body=st.binary())
def test_any_bytes_are_a_request_or_a_refusal(model: type[pydantic.BaseModel], body: bytes) -> None:
    try:
        parse_request(model, body)
    except ErrorInfoError as error:
        json.dumps(error.info.to_openai()).encode()


@pytest.mark.parametrize("model", MODELS)
@given(body=st.dictionaries(FIELDS, JSON) | JSON)
def test_any_json_is_a_request_or_a_refusal_and_can_be_written_again(
    model: type[pydantic.BaseModel], body: Any
) -> None:
    """B1-B5 in one: what passes survives a round trip."""
    try:
        request = parse_request(model, json.dumps(body).encode())
    except ErrorInfoError as error:
        json.dumps(error.info.to_openai()).encode()
    else:
        assert json.loads(request.model_dump_json(exclude_unset=True)) == body


@given(st.dictionaries(FIELDS, JSON))
def test_wrong_fields_on_a_good_request_are_refused_or_kept(change: dict[str, Any]) -> None:
    try:
        request = parse_request(ChatCompletionRequest, json.dumps(CHAT | change).encode())
    except ErrorInfoError as error:
        json.dumps(error.info.to_openai()).encode()
    else:
        assert json.loads(request.model_dump_json(exclude_unset=True)) == CHAT | change

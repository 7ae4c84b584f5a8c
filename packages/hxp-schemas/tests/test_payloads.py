"""What ten servers answer, in the shapes that their public documentation shows, is read without loss."""

import json
from pathlib import Path
from typing import Any

import pydantic
import pytest
from hxp_schemas import ErrorInfo, WireModel
from hxp_schemas import openai as o
from hxp_schemas.sse import SSEDecoder, SSEEvent
from hxp_schemas.stream import ChatStream, ResponseStream

FOLDER = Path(__file__).parent / "payloads"
SERVERS = {"openai", "azure", "vllm", "llamacpp", "ollama", "mistral", "groq", "openrouter", "tgi", "litellm"}
DOCUMENTS: dict[str, type[WireModel]] = {
    "chat": o.ChatCompletion,
    "completion": o.Completion,
    "embeddings": o.CreateEmbeddingResponse,
    "models": o.ModelList,
}
EVENTS: dict[str, Any] = {
    "chat": pydantic.TypeAdapter(o.ChatCompletionChunk),
    "responses": pydantic.TypeAdapter(o.ResponseStreamEvent),
}


def files(kind: str) -> list[Path]:
    return sorted(FOLDER.glob(f"*.{kind}"))


def events(path: Path) -> list[SSEEvent]:
    return SSEDecoder().feed(path.read_bytes())


def check(raw: str, read: WireModel) -> None:
    """Equal values; declared fields in declared order, unknown ones in order of arrival; in every object."""
    before, after = json.loads(raw), json.loads(read.to_json())
    assert after == before
    same_order(read, before, after)


def same_order(part: object, before: Any, after: Any) -> None:
    if isinstance(part, list):
        for item, item_before, item_after in zip(part, before, after, strict=True):
            same_order(item, item_before, item_after)
    elif isinstance(part, WireModel):
        names = {field.alias or name: name for name, field in type(part).model_fields.items()}
        assert list(after) == [n for n in names if n in before] + [n for n in before if n not in names]
        for key in before:
            same_order(getattr(part, names.get(key, key)), before[key], after[key])


def test_ten_servers_are_here_whole_and_streamed() -> None:
    assert {path.name.partition(".")[0] for path in files("chat.json")} == SERVERS
    assert {path.name.partition(".")[0] for path in files("chat.sse")} == SERVERS


@pytest.mark.parametrize(
    "path", [path for path in files("json") if not path.name.endswith(".error.json")], ids=lambda path: path.stem
)
def test_an_answer_is_read_without_loss(path: Path) -> None:
    raw = path.read_text()
    check(raw, DOCUMENTS[path.name.split(".")[1]].model_validate_json(raw))


@pytest.mark.parametrize("path", files("sse"), ids=lambda path: path.stem)
def test_every_event_of_a_stream_is_read_without_loss(path: Path) -> None:
    for event in events(path):
        if event.data != "[DONE]":
            check(event.data, EVENTS[path.name.split(".")[1]].validate_json(event.data))


@pytest.mark.parametrize("path", files("sse"), ids=lambda path: path.stem)
def test_every_stream_is_complete_and_cut_short_it_is_not(path: Path) -> None:
    """U2."""
    told = events(path)
    for length in range(len(told) + 1):
        stream = ResponseStream() if path.name.endswith("responses.sse") else ChatStream()
        for event in told[:length]:
            stream.read(event)
        assert stream.verdict == ("complete" if length == len(told) else "truncated"), stream.finding


def test_all_that_openai_answers_can_be_reached() -> None:
    full = o.ChatCompletion.model_validate_json((FOLDER / "openai.chat.full.json").read_bytes())
    called, cited, refused, spoken = (choice.message for choice in full.choices)
    assert [type(call).__name__.removeprefix("ChatCompletionMessage") for call in called.tool_calls or ()] == [
        "FunctionToolCall",
        "FunctionToolCall",
        "CustomToolCall",
    ]
    assert cited.annotations is not None
    assert cited.annotations[0].url_citation == o.AnnotationURLCitation(
        end_index=9, start_index=4, title="Here", url="https://example.org/?a=1"
    )
    assert (refused.text, refused.refusal) == ("", "I cannot help with that.")
    assert spoken.audio is not None
    assert spoken.audio.transcript == "Hello."
    logprobs = full.choices[1].logprobs
    assert logprobs is not None
    assert [said.token for said in logprobs.content or ()] == ["See", " h\u00e9re", "\u2028."]
    vectors = o.CreateEmbeddingResponse.model_validate_json((FOLDER / "openai.embeddings.json").read_bytes())
    assert [one.vector() for one in vectors.data] == [[1.0, 2.0], [0.0, -1.0]]


def test_a_stream_of_several_choices_and_tools_is_told_apart() -> None:
    stream = ChatStream(expect_usage=True)
    for event in events(FOLDER / "openai.chat.tools.sse"):
        stream.read(event)
    assert (stream.verdict, stream.finish_reasons) == ("complete", {0: "tool_calls", 1: "stop", 2: "stop"})
    assert stream.usage is not None
    assert stream.usage.total_tokens == 112


CHOICE: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
LEFT_OUT: dict[str, dict[str, Any]] = {
    "a time of null": {"created": None},
    "a citation without its place": {
        "choices": [CHOICE | {"message": {"annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}]}}]
    },
    "a citation of null": {
        "choices": [CHOICE | {"message": {"annotations": [{"url_citation": {"url": "u", "title": None}}]}}]
    },
    "no alternatives": {
        "choices": [CHOICE | {"logprobs": {"content": [{"token": "a", "logprob": -1.0, "top_logprobs": None}]}}]
    },
    "another form of logprobs": {"choices": [CHOICE | {"logprobs": {"tokens": ["a"], "token_logprobs": [-1.0]}}]},
    "arguments as an object": {
        "choices": [CHOICE | {"message": {"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {}}}]}}]
    },
}


@pytest.mark.parametrize("change", LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_servers_leave_out_or_send_as_null_is_no_error(change: dict[str, Any]) -> None:
    raw = json.dumps({"id": "1", "object": "chat.completion", "model": "m", "choices": [CHOICE]} | change)
    check(raw, o.ChatCompletion.model_validate_json(raw))


def test_a_text_without_annotations_is_a_text_and_an_error_without_a_code_an_error() -> None:
    text = {"type": "output_text", "text": "Hi", "annotations": None}
    body = {
        "id": "1",
        "created_at": 1,
        "error": {"message": "m"},
        "model": "m",
        "output": [{"id": "1", "type": "message", "content": [text]}],
    }
    response = o.Response.model_validate(body)
    assert response.output_text == "Hi"
    assert response.to_dict() == body


SAID = {
    "azure": (400, "content_filter", "The response was filtered.", "prompt"),
    "groq": (400, "tool_use_failed", "Failed to call a function.", None),
    "litellm": (429, "http_429", "litellm.RateLimitError: slow down", None),
    "llamacpp": (400, "http_400", "the request exceeds the available context size", None),
    "mistral": (422, "http_422", "Field required", "messages"),
    "openai": (401, "invalid_api_key", "Incorrect API key provided: sk-wrong.", None),
    "openrouter": (402, "http_402", "Insufficient credits", None),
    "tgi": (422, "http_422", "Input validation error", None),
    "vllm": (404, "http_404", "The model `x` does not exist.", None),
}


@pytest.mark.parametrize("path", files("error.json"), ids=lambda path: path.stem)
def test_an_error_is_understood(path: Path) -> None:
    status, code, message, param = SAID[path.name.partition(".")[0]]
    info = ErrorInfo.from_response(status, path.read_bytes(), {})
    assert (info.status, info.code, info.param) == (status, code, param)
    assert info.message.startswith(message)


def test_what_servers_add_can_be_reached() -> None:
    vllm = o.ChatCompletion.model_validate_json((FOLDER / "vllm.chat.json").read_bytes())
    assert vllm.choices[0].message.reasoning == "The user greets."
    assert vllm.choices[0].said("stop_reason") == 151645
    groq = o.ChatCompletion.model_validate_json((FOLDER / "groq.chat.json").read_bytes())
    assert groq.service_tier == "on_demand"
    mistral = o.ChatCompletion.model_validate_json((FOLDER / "mistral.chat.json").read_bytes())
    assert mistral.choices[0].finish_reason == "model_length"
    assert mistral.choices[0].message.text == "Hi"
    assert o.ChoiceDelta(content="Hi").text == "Hi"
    assert o.ChoiceDelta(content=[3, {"type": "text", "text": 3}]).text == o.ChoiceDelta().text == ""

"""What we write validates against OpenAI's own document; what that document shows is read without loss."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pydantic
import pytest
from hxp_schemas import ErrorInfo, WireModel
from hxp_schemas import openai as o
from hxp_schemas.sse import SSEDecoder
from hxp_schemas.stream import ChatFrames, ChatStream, CompletionFrames, ResponseStream
from hypothesis import given, settings
from hypothesis import strategies as st

REQUESTS: list[tuple[str, type[WireModel]]] = [
    ("CreateChatCompletionRequest", o.ChatCompletionRequest),
    ("CreateCompletionRequest", o.CompletionRequest),
    ("CreateEmbeddingRequest", o.EmbeddingRequest),
    ("CreateResponse", o.ResponseRequest),
    ("ChatCompletionRequestMessageContentPartText", o.ChatCompletionContentPartTextParam),
    ("ChatCompletionTool", o.ChatCompletionFunctionToolParam),
    ("CustomToolChatCompletions", o.ChatCompletionCustomToolParam),
    ("FunctionToolCall", o.ResponseFunctionToolCallParam),
    ("FunctionCallOutputItemParam", o.FunctionCallOutputParam),
]
# What the document does not know, or demands although the server fills it in: left out where we compare.
STRICTER = {
    "FunctionToolParam": {"strict", "parameters"},
    "ResponseInputImageParam": {"detail"},
    "ResponseReasoningItemParam": {"id"},
}
UNCHECKED = {"HostedToolParam", "HostedItemParam", "ToolChoiceTypesParam"}  # their fields are kept, not checked
OLDER = {"ResponseOutputTextParam", "ResponseOutputRefusalParam"}  # only in messages of the model's own
FREE_OBJECTS = {"format", "annotations", "logprobs"}


def writable(schema: dict[str, Any]) -> dict[str, Any]:
    """The part of a schema of ours that we can hold against theirs: no opaque kinds, all that is demanded present."""
    text = json.dumps(schema)
    copy: dict[str, Any] = json.loads(text)
    for name, part in copy.get("$defs", {}).items():
        part["required"] = [*part.get("required", ()), *STRICTER.get(name, ())]
        part["properties"] = {
            k: v
            for k, v in part.get("properties", {}).items()
            if k not in FREE_OBJECTS or name not in {"CustomToolParam", "ResponseOutputTextParam"}
        }

    def prune(part: Any) -> Any:
        if isinstance(part, list):
            return [
                prune(item)
                for item in part
                if not (isinstance(item, dict) and item.get("$ref", "").rpartition("/")[2] in UNCHECKED | OLDER)
            ]
        if isinstance(part, dict):
            return {name: prune(value) for name, value in part.items()}
        return part

    pruned: dict[str, Any] = prune(copy)
    return pruned


WRITABLE = {name: writable(model.model_json_schema()) for name, model in REQUESTS}


@pytest.mark.parametrize(("name", "model"), REQUESTS, ids=[name for name, _ in REQUESTS])
@settings(max_examples=40)
@given(seed=st.integers(min_value=0))
def test_any_request_that_we_can_write_is_one_of_theirs(
    name: str, model: type[WireModel], openai_spec: Any, json_sample: Any, seed: int
) -> None:
    body = json_sample(WRITABLE[name], Random(seed), extra=False, null=False).make()
    body.pop("logit_bias", None)  # whole numbers only, where servers take fractions
    written = model.model_validate_json(json.dumps(body)).to_json()
    assert openai_spec.errors(name, json.loads(written)) == []


def answers() -> Iterator[tuple[str, WireModel]]:
    """What our own servers make, from little said to much."""
    usage = o.CompletionUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    call = o.ChatCompletionMessageFunctionToolCall(id="call_1", function=o.Function(name="f", arguments="{}"))
    custom = o.ChatCompletionMessageCustomToolCall(id="call_2", custom=o.Custom(name="c", input="x"))
    said = o.ChatCompletionTokenLogprob(token="Hi", logprob=-0.1, top_logprobs=[o.TopLogprob(token="Ho", logprob=-3)])
    full = o.ChatCompletionMessage(content="Hi", tool_calls=[call, custom])
    logprobs = o.ChoiceLogprobs(content=[said])
    cases: list[tuple[o.ChatCompletionMessage, dict[str, Any]]] = [
        (o.ChatCompletionMessage(content="Hi"), {}),
        (full, {"usage": usage, "service_tier": "default"}),
    ]
    for message, more in cases:
        choice = o.Choice(message=message, finish_reason="stop", logprobs=logprobs if more else None)
        yield "CreateChatCompletionResponse", o.ChatCompletion(id="1", model="m", choices=[choice], **more)
    delta = o.ChoiceDelta(
        role="assistant",
        tool_calls=[
            o.ChoiceDeltaToolCall(
                index=0, id="call_1", type="function", function=o.ChoiceDeltaToolCallFunction(name="f")
            )
        ],
    )
    yield (
        "CreateChatCompletionStreamResponse",
        o.ChatCompletionChunk(id="1", model="m", choices=[o.ChunkChoice(delta=delta)]),
    )
    yield "CreateChatCompletionStreamResponse", o.ChatCompletionChunk(id="1", model="m", choices=[], usage=usage)
    text = o.CompletionChoice(text="Hi", finish_reason="length")
    yield "CreateCompletionResponse", o.Completion(id="1", model="m", choices=[text], usage=usage)
    yield "CreateEmbeddingResponse", o.CreateEmbeddingResponse(data=[o.Embedding(index=0, embedding=[0.5])], model="m")
    yield "ListModelsResponse", o.ModelList(data=[o.Model(id="m", created=1)])
    yield "DeleteModelResponse", o.ModelDeleted(id="m")
    yield from responses()


def responses() -> Iterator[tuple[str, WireModel]]:
    """The same of the Responses API."""
    text = o.ResponseOutputText(text="Hi")
    message = o.ResponseOutputMessage(
        id="msg_1", status="completed", content=[text, o.ResponseOutputRefusal(refusal="No.")]
    )
    call = o.ResponseFunctionToolCall(id="fc_1", call_id="call_1", name="f", arguments="{}", status="completed")
    thought = o.ResponseReasoningItem(id="rs_1", summary=[o.ResponseSummaryText(text="Hm")])
    custom = o.ResponseCustomToolCall(id="ctc_1", call_id="call_2", name="c", input="x")
    usage = o.ResponseUsage(
        input_tokens=1,
        input_tokens_details=o.InputTokensDetails(),
        output_tokens=2,
        output_tokens_details=o.OutputTokensDetails(),
        total_tokens=3,
    )
    whole = o.Response(
        id="resp_1", created_at=1, model="m", output=[thought, message, call, custom], usage=usage, status="completed"
    )
    early = o.Response(id="resp_1", created_at=1, model="m", output=[], status="in_progress")
    failed = o.Response(
        id="resp_1",
        created_at=1,
        model="m",
        output=[],
        status="failed",
        error=o.ResponseError(code="server_error", message="x"),
    )
    yield "Response", whole
    yield "Response", early
    number: dict[str, Any] = {"sequence_number": 1}
    item: dict[str, Any] = {"output_index": 0, "item_id": "msg_1", **number}
    part: dict[str, Any] = {"content_index": 0, **item}
    events: list[WireModel] = [
        o.ResponseCreatedEvent(response=early, **number),
        o.ResponseQueuedEvent(response=early, **number),
        o.ResponseInProgressEvent(response=early, **number),
        o.ResponseCompletedEvent(response=whole, **number),
        o.ResponseFailedEvent(response=failed, **number),
        o.ResponseIncompleteEvent(response=early, **number),
        o.ResponseOutputItemAddedEvent(output_index=0, item=message, **number),
        o.ResponseOutputItemDoneEvent(output_index=0, item=call, **number),
        o.ResponseContentPartAddedEvent(part=text, **part),
        o.ResponseContentPartDoneEvent(part=text, **part),
        o.ResponseTextDeltaEvent(delta="H", **part),
        o.ResponseTextDoneEvent(text="Hi", **part),
        o.ResponseRefusalDeltaEvent(delta="N", **part),
        o.ResponseRefusalDoneEvent(refusal="No.", **part),
        o.ResponseFunctionCallArgumentsDeltaEvent(delta="{", **item),
        o.ResponseFunctionCallArgumentsDoneEvent(arguments="{}", name="f", **item),
        o.ResponseCustomToolCallInputDeltaEvent(delta="x", **item),
        o.ResponseCustomToolCallInputDoneEvent(input="x", **item),
        o.ResponseReasoningTextDeltaEvent(delta="H", **part),
        o.ResponseReasoningTextDoneEvent(text="Hm", **part),
        o.ResponseReasoningSummaryPartAddedEvent(part=o.ResponseSummaryText(text=""), summary_index=0, **item),
        o.ResponseReasoningSummaryPartDoneEvent(part=o.ResponseSummaryText(text="Hm"), summary_index=0, **item),
        o.ResponseReasoningSummaryTextDeltaEvent(delta="H", summary_index=0, **item),
        o.ResponseReasoningSummaryTextDoneEvent(text="Hm", summary_index=0, **item),
        o.ResponseErrorEvent(message="x", **number),
    ]
    for event in events:
        yield "ResponseStreamEvent", event
        yield type(event).__name__, event


@pytest.mark.parametrize(
    ("name", "answer"), list(answers()), ids=lambda value: value if isinstance(value, str) else type(value).__name__
)
def test_what_we_make_is_what_they_say_it_must_be(name: str, answer: WireModel, openai_spec: Any) -> None:
    assert openai_spec.errors(name, json.loads(answer.to_json())) == []
    assert type(answer).model_validate_json(answer.to_json()) == answer


@pytest.mark.parametrize("include_usage", [False, True])
def test_every_frame_is_a_chunk_of_theirs(openai_spec: Any, *, include_usage: bool) -> None:
    usage = o.CompletionUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    chat = ChatFrames(id="1", model="m", created=1, system_fingerprint="fp", include_usage=include_usage)
    frames = [
        chat.start(),
        chat.token("x"),
        chat.tool_call(0, "call_1", "f"),
        chat.arguments(0, "{}"),
        chat.finish(),
        chat.usage(usage),
    ]
    for event in SSEDecoder().feed(b"".join(frames)):
        assert openai_spec.errors("CreateChatCompletionStreamResponse", json.loads(event.data)) == []
    text = CompletionFrames(id="1", model="m", created=1)
    for event in SSEDecoder().feed(text.finish() + text.usage(usage)):
        assert openai_spec.errors("CreateCompletionResponse", json.loads(event.data)) == []


def test_an_error_is_one_of_theirs(openai_spec: Any) -> None:
    for param in (None, "model"):
        info = ErrorInfo(code="model_not_found", message="No.", status=404, param=param)
        assert openai_spec.errors("ErrorResponse", info.to_openai()) == []


ANSWERS: dict[str, type[WireModel]] = {
    "/chat/completions": o.ChatCompletion,
    "/completions": o.Completion,
    "/embeddings": o.CreateEmbeddingResponse,
    "/models": o.ModelList,
    "/models/{model}": o.Model,
    "/responses": o.Response,
    "/responses/{response_id}": o.Response,
    "/responses/{response_id}/cancel": o.Response,
    "/chat/completions/{completion_id}": o.ChatCompletion,
}
CHUNKS: dict[str, Any] = {
    "/chat/completions": pydantic.TypeAdapter(o.ChatCompletionChunk),
    "/completions": pydantic.TypeAdapter(o.Completion),
    "/responses": pydantic.TypeAdapter(o.ResponseStreamEvent),
}


def shown(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The examples of answers that the document gives: method, path and text."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            examples: Any = operation.get("x-oaiMeta", {}).get("examples", ()) if isinstance(operation, dict) else ()
            for example in examples if isinstance(examples, list) else [examples]:
                if path in ANSWERS and method in {"get", "post"} and "response" in example:
                    yield method, path, example["response"]


def same_value_and_order(raw: str, written: bytes, model: type[WireModel]) -> None:
    before, after = json.loads(raw), json.loads(written)
    assert after == before
    names = [field.alias or name for name, field in model.model_fields.items()]
    assert list(after) == [n for n in names if n in before] + [n for n in before if n not in names]


def test_every_answer_that_the_document_shows_is_read_without_loss(openai_spec: Any) -> None:
    read = 0
    for method, path, text in shown(openai_spec.document):
        if text.lstrip().startswith("{") and '"chat.completion.chunk"' not in text:
            try:
                json.loads(text)
            except ValueError:  # "…", "1536 floats total": written for people
                continue
            listed = method == "get" and path == "/chat/completions"
            for raw in [json.dumps(item) for item in json.loads(text)["data"]] if listed else [text]:
                same_value_and_order(raw, ANSWERS[path].model_validate_json(raw).to_json(), ANSWERS[path])
                read += 1
    assert read >= 18


def test_every_stream_that_the_document_shows_is_read_without_loss(openai_spec: Any) -> None:
    read = 0
    for _, path, text in shown(openai_spec.document):
        if path not in CHUNKS or not ("event: response" in text or ".chunk" in text or "text_completion" in text):
            continue
        lines = [
            line.removeprefix("data: ") for line in text.splitlines() if line.removeprefix("data: ").startswith('{"')
        ]
        for line in lines:
            event = CHUNKS[path].validate_json(line)
            same_value_and_order(line, event.to_json(), type(event))
            read += 1
    assert read >= 12


def test_the_streams_that_the_document_shows_are_shortened_and_found_so(openai_spec: Any) -> None:
    [text] = [
        text for _, path, text in shown(openai_spec.document) if path == "/responses" and "event: response" in text
    ]
    stream = ResponseStream()
    for event in SSEDecoder().feed(text.encode() + b"\n\n"):
        stream.read(event)
    assert stream.reason == "response.output_text.done is not the sum of its deltas"  # the document leaves some out
    [text] = [text for _, path, text in shown(openai_spec.document) if path == "/chat/completions" and ".chunk" in text]
    chat = ChatStream()
    for line in text.splitlines():
        if line.startswith("{"):
            chat.feed(line)
    assert chat.reason == "the stream stopped before [DONE]"


def test_every_event_that_the_document_shows_is_read_without_loss(openai_spec: Any) -> None:
    read = 0
    for name, schema in openai_spec.schemas.items():
        example = schema.get("x-oaiMeta", {}).get("example") if isinstance(schema.get("x-oaiMeta"), dict) else None
        model = getattr(o, name, None)
        if name == "ResponseQueuedEvent":  # whose example is no response of theirs: no model, no output
            continue
        if example is None or not (isinstance(model, type) and issubclass(model, WireModel)):
            continue
        try:
            json.loads(example)
        except ValueError:
            continue
        same_value_and_order(example, model.model_validate_json(example).to_json(), model)
        read += 1
    assert read >= 20

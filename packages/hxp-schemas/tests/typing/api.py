"""A user's file: it is type-checked and never run."""

from typing import Any, assert_type

from hxp_schemas import (
    UNSET,
    ErrorCode,
    ErrorInfo,
    HealthStatus,
    ServiceResponse,
    StackConfig,
    UnknownVariant,
    Unset,
    UsageBatch,
    is_id,
    new_id,
)
from hxp_schemas.builders import Conversation, call_arguments, function_tool, tool_call
from hxp_schemas.openai import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionContentPartParam,
    ChatCompletionFunctionToolParam,
    ChatCompletionRequest,
    ChatCompletionToolMessageParam,
    ChatCompletionUserMessageParam,
    CompletionUsage,
    ModelCapabilities,
    Response,
    ResponseOutputMessage,
    ResponseRequest,
    ResponseTextDeltaEvent,
    VLLMParams,
    parse_request,
    read_response_event,
    to_flat,
)
from hxp_schemas.sse import DONE, SSEDecoder, SSEEvent, encode
from hxp_schemas.stream import ChatFrames, ChatStream, ResponseStream, StreamFinding, StreamRule, Verdict

assert_type(new_id("req"), str)
assert_type(is_id("x", "req"), bool)

request = parse_request(ChatCompletionRequest, b"{}")
assert_type(request, ChatCompletionRequest)
assert_type(request.temperature, float | None)
assert_type(request.model, str)

response = ServiceResponse[int](data=1)
assert_type(response.data, int | None)
assert_type(response.error, ErrorInfo | None)

info = ErrorInfo(code="x", message="y", status=503)
assert_type(info.retryable, bool)
assert_type(ErrorInfo.from_response(500, b"", {}), ErrorInfo)
assert_type(HealthStatus("pass"), HealthStatus)

assert_type(StackConfig().services["a"].port, int)
assert_type(UsageBatch.model_validate_json(b"{}").records[0].prompt_tokens, int)
assert_type(ChatCompletion.model_validate({}).usage, CompletionUsage | None)

assert_type(SSEDecoder().feed(b""), list[SSEEvent])
assert_type(encode("x") + DONE, bytes)

stream = ChatStream()
assert_type(stream.verdict, Verdict)
assert_type(stream.usage, CompletionUsage | None)
assert_type(stream.finish_reasons, dict[int, str])

for message in request.messages:
    if message.role == "user":  # a strict union narrows by its discriminator
        assert_type(message, ChatCompletionUserMessageParam)
        assert_type(message.content, str | list[ChatCompletionContentPartParam])
    elif message.role == "tool":
        assert_type(message, ChatCompletionToolMessageParam)
        assert_type(message.tool_call_id, str)
for tool in request.tools or ():
    if tool.type == "function":
        assert_type(tool, ChatCompletionFunctionToolParam)

item = Response.model_validate({}).output[0]
if isinstance(item, ResponseOutputMessage):  # a tolerant one by its classes
    assert_type(item.id, str)
elif isinstance(item, UnknownVariant):
    assert_type(item.type, str | None)
event = read_response_event(b"{}")
if isinstance(event, ResponseTextDeltaEvent):
    assert_type(event.delta, str)
assert_type(Response.model_validate({}).output_text, str)
assert_type(parse_request(ResponseRequest, b"{}").max_output_tokens, int | None)
assert_type(ChatCompletionChunk.model_validate({}).choices[0].delta.text, str)
assert_type(request.to_json(), bytes)
assert_type(request.to_dict(), dict[str, Any])
assert_type(UNSET is Unset.UNSET, bool)
assert_type(to_flat({}), dict[str, Any])
assert_type(VLLMParams.of({}).top_k, int | None)
assert_type(ModelCapabilities(model="m").refusals(request), list[ErrorInfo])

assert_type(ChatFrames(id="1", model="m", created=1).token("x"), bytes)
assert_type(ResponseStream().finding, StreamFinding)
assert_type(ResponseStream().finding.rule, StreamRule)

assert_type(ErrorInfo.of(ErrorCode.CONFLICT, "m"), ErrorInfo)
assert_type(info.to_aip193(), dict[str, Any])
assert_type(Conversation().user("x").request("m"), ChatCompletionRequest)
assert_type(call_arguments(tool_call("f", {})), dict[str, Any])
assert_type(function_tool("f", {}), ChatCompletionFunctionToolParam)

"""A user's file: it is type-checked and never run."""

from typing import assert_type

from hxp_schemas import ErrorInfo, HealthStatus, ServiceResponse, StackConfig, UsageBatch, is_id, new_id
from hxp_schemas.openai import ChatCompletion, ChatCompletionRequest, CompletionUsage, parse_request
from hxp_schemas.sse import DONE, SSEDecoder, SSEEvent, encode
from hxp_schemas.stream import ChatStream, Verdict

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

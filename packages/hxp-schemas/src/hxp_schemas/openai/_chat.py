"""Chat requests."""

from typing import Annotated, Any

from pydantic import Field

from ._bounds import (
    Fanout,
    LogitBias,
    ModelName,
    OutputTokens,
    Penalty,
    Probability,
    RequestModel,
    Seed,
    Stop,
    Temperature,
    TopLogprobs,
)
from ._message import ChatCompletionMessageParam
from ._tool import ChatCompletionToolParam


class StreamOptions(RequestModel):
    """What a stream should carry besides the answer."""

    include_usage: bool | None = None


class ChatCompletionRequest(RequestModel):
    """`POST /v1/chat/completions`: every number is bounded, unknown fields are kept.

    Example:
        >>> message = {"role": "user", "content": "Hi"}
        >>> ChatCompletionRequest(model="hxp-tiny", messages=[message], top_k=40).model_extra
        {'top_k': 40}
    """

    model: ModelName
    messages: Annotated[list[ChatCompletionMessageParam], Field(min_length=1, max_length=4096, fail_fast=True)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Fanout | None = None
    best_of: Fanout | None = None
    max_tokens: OutputTokens | None = None
    max_completion_tokens: OutputTokens | None = None
    temperature: Temperature | None = None
    top_p: Probability | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logprobs: bool | None = None
    top_logprobs: TopLogprobs | None = None
    prompt_logprobs: TopLogprobs | None = None
    logit_bias: LogitBias | None = None
    stop: Stop | None = None
    seed: Seed | None = None
    tools: Annotated[list[ChatCompletionToolParam], Field(max_length=128, fail_fast=True)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    user: Annotated[str, Field(max_length=512)] | None = None

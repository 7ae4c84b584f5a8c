"""Completion requests."""

from typing import Annotated

from pydantic import Field

from hxp_schemas._wire import WireModel

from ._bounds import (
    Fanout,
    FilledText,
    LogitBias,
    ModelName,
    OutputTokens,
    Penalty,
    Probability,
    Seed,
    Stop,
    Temperature,
    Text,
    TokenIds,
    TopLogprobs,
    User,
)
from ._stream_option import ChatCompletionStreamOptionsParam

_Texts = Annotated[list[FilledText], Field(min_length=1, max_length=2048, fail_fast=True)]
_Prompts = Annotated[list[TokenIds], Field(min_length=1, max_length=2048, fail_fast=True)]


class CompletionRequest(WireModel):
    """`POST /v1/completions`: every number is bounded, the prompt is not empty, unknown fields are kept."""

    model: ModelName
    prompt: FilledText | _Texts | TokenIds | _Prompts
    stream: bool | None = None
    stream_options: ChatCompletionStreamOptionsParam | None = None
    n: Fanout | None = None
    best_of: Fanout | None = None
    max_tokens: OutputTokens | None = None
    temperature: Temperature | None = None
    top_p: Probability | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    prompt_logprobs: TopLogprobs | None = None
    logit_bias: LogitBias | None = None
    echo: bool | None = None
    suffix: Text | None = None
    stop: Stop | None = None
    seed: Seed | None = None
    user: User | None = None

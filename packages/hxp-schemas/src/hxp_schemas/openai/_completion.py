"""Completion requests."""

from typing import Annotated

from pydantic import Field

from ._bounds import (
    Fanout,
    FilledText,
    LogitBias,
    ModelName,
    OutputTokens,
    Penalty,
    Probability,
    RequestModel,
    Seed,
    Stop,
    Temperature,
    TokenIds,
    TopLogprobs,
)
from ._chat import StreamOptions

_Texts = Annotated[list[FilledText], Field(min_length=1, max_length=2048, fail_fast=True)]
_Prompts = Annotated[list[TokenIds], Field(min_length=1, max_length=2048, fail_fast=True)]


class CompletionRequest(RequestModel):
    """`POST /v1/completions`: every number is bounded, the prompt is not empty, unknown fields are kept."""

    model: ModelName
    prompt: FilledText | _Texts | TokenIds | _Prompts
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Fanout | None = None
    best_of: Fanout | None = None
    max_tokens: OutputTokens | None = None
    temperature: Temperature | None = None
    top_p: Probability | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logprobs: TopLogprobs | None = None
    prompt_logprobs: TopLogprobs | None = None
    logit_bias: LogitBias | None = None
    echo: bool | None = None
    suffix: str | None = None
    stop: Stop | None = None
    seed: Seed | None = None
    user: Annotated[str, Field(max_length=512)] | None = None

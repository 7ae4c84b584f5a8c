"""Chat requests."""

from typing import Annotated, Literal

from pydantic import Field

from hxp_schemas._wire import WireModel

from ._bounds import (
    Fanout,
    FunctionName,
    Identifier,
    LogitBias,
    Metadata,
    ModelName,
    OutputTokens,
    Penalty,
    Probability,
    Seed,
    ShortText,
    Stop,
    Temperature,
    Text,
    TopLogprobs,
    User,
)
from ._cache import PromptCacheOptions
from ._message import ChatCompletionMessageParam
from ._part import TextParts
from ._stream_option import ChatCompletionStreamOptionsParam
from ._tool import (
    ChatCompletionToolChoiceOptionParam,
    ChatCompletionToolParam,
    FunctionParam,
    ResponseFormat,
)

ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
ServiceTier = Literal["auto", "default", "flex", "scale", "priority", "fast"]
Verbosity = Literal["low", "medium", "high"]


class VoiceID(WireModel):
    """A voice that was made for the caller."""

    id: Identifier


class ChatCompletionAudioParam(WireModel):
    """How the answer should sound."""

    voice: ShortText | VoiceID
    format: Literal["wav", "aac", "mp3", "flac", "opus", "pcm16"]


class ChatCompletionPredictionContentParam(WireModel):
    """What most of the answer is expected to be, to make it faster."""

    type: Literal["content"]
    content: Text | TextParts


class WebSearchLocation(WireModel):
    """Roughly where the user is."""

    country: ShortText | None = None
    region: ShortText | None = None
    city: ShortText | None = None
    timezone: ShortText | None = None


class WebSearchUserLocation(WireModel):
    """Where a web search should think that the user is."""

    type: Literal["approximate"]
    approximate: WebSearchLocation


class WebSearchOptions(WireModel):
    """How the model searches the web."""

    user_location: WebSearchUserLocation | None = None
    search_context_size: Literal["low", "medium", "high"] | None = None


class FunctionCallOption(WireModel):
    """The function to call, in the older form of the field `function_call`."""

    name: FunctionName


class ChatCompletionRequest(WireModel):
    """`POST /v1/chat/completions`: every number, text and list is bounded, unknown fields are kept.

    Example:
        >>> message = {"role": "user", "content": "Hi"}
        >>> ChatCompletionRequest(model="hxp-tiny", messages=[message], top_k=40).model_extra
        {'top_k': 40}
    """

    model: ModelName
    messages: Annotated[list[ChatCompletionMessageParam], Field(min_length=1, max_length=4096, fail_fast=True)]
    stream: bool | None = None
    stream_options: ChatCompletionStreamOptionsParam | None = None
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
    tool_choice: ChatCompletionToolChoiceOptionParam | None = None
    parallel_tool_calls: bool | None = None
    functions: Annotated[list[FunctionParam], Field(min_length=1, max_length=128, fail_fast=True)] | None = None
    function_call: Literal["none", "auto"] | FunctionCallOption | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: ReasoningEffort | None = None
    verbosity: Verbosity | None = None
    modalities: Annotated[list[Literal["text", "audio"]], Field(max_length=2, fail_fast=True)] | None = None
    audio: ChatCompletionAudioParam | None = None
    prediction: ChatCompletionPredictionContentParam | None = None
    web_search_options: WebSearchOptions | None = None
    service_tier: ServiceTier | None = None
    store: bool | None = None
    metadata: Metadata | None = None
    user: User | None = None
    safety_identifier: User | None = None
    prompt_cache_key: User | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    prompt_cache_options: PromptCacheOptions | None = None

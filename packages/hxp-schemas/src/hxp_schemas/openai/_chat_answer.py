"""What a server answers to a chat request, whole and in chunks; tolerant, since many servers write it."""

from typing import Annotated, Any, Literal

from pydantic import Field

from hxp_schemas._open import OpenEnum
from hxp_schemas._wire import UnknownVariant, WireModel, Written

from ._logprob import ChoiceLogprobs
from ._usage import CompletionUsage

FinishReason = OpenEnum[Literal["stop", "length", "tool_calls", "content_filter", "function_call"]]
"""Why an answer ended; other servers have more reasons."""

AnsweredServiceTier = OpenEnum[Literal["auto", "default", "flex", "scale", "priority", "fast"]]
"""The tier that served a request; other servers have more of them."""


class Function(WireModel):
    """The function that a tool call names, with arguments as the model wrote them: perhaps no JSON at all."""

    name: str
    arguments: str


class Custom(WireModel):
    """The custom tool that a tool call names, with its input."""

    name: str
    input: str


class ChatCompletionMessageFunctionToolCall(WireModel):
    """A function that the model wants called."""

    id: str
    type: Literal["function"] = "function"
    function: Function


class ChatCompletionMessageCustomToolCall(WireModel):
    """A custom tool that the model wants called."""

    id: str
    type: Literal["custom"] = "custom"
    custom: Custom


ChatCompletionMessageToolCall = Annotated[
    ChatCompletionMessageFunctionToolCall | ChatCompletionMessageCustomToolCall | UnknownVariant,
    Field(union_mode="left_to_right"),
]
"""Any tool call; tell them apart with `isinstance`."""


class AnnotationURLCitation(WireModel):
    """A page that the answer cites, and the characters that do; OpenAI has all fields, LiteLLM those that it knows."""

    end_index: int | None = None
    start_index: int | None = None
    url: str
    title: str | None = None


class Annotation(WireModel):
    """Something said about a stretch of the answer."""

    type: OpenEnum[Literal["url_citation"]] = "url_citation"
    url_citation: AnnotationURLCitation | None = None


class ChatCompletionAudio(WireModel):
    """The answer as sound, in base64."""

    id: str
    expires_at: int
    data: str
    transcript: str


class ChatCompletionMessage(WireModel):
    """What the model said.

    Attributes:
        content: Text; Mistral's reasoning models send a list of parts.
        reasoning: What the model thought, as vLLM, OpenRouter and Groq name it.
        reasoning_content: The same as DeepSeek and llama.cpp name it.
    """

    role: OpenEnum[Literal["assistant"]] = "assistant"
    content: Annotated[str | list[Any] | None, Written()] = None
    refusal: Annotated[str | None, Written()] = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ChatCompletionMessageToolCall] | None = None
    function_call: Function | None = None
    annotations: list[Annotation] | None = None
    audio: ChatCompletionAudio | None = None

    @property
    def text(self) -> str:
        """The text of the answer, in whichever form it came; empty if there is none."""
        return _text(self.content)


class Choice(WireModel):
    """One answer of a chat completion."""

    index: int = 0
    message: ChatCompletionMessage
    logprobs: Annotated[ChoiceLogprobs | None, Written()] = None
    finish_reason: Annotated[FinishReason | None, Written()] = None


class ChatCompletion(WireModel):
    """The answer to a chat request.

    Example:
        >>> answer = ChatCompletion.model_validate_json(
        ...     '{"id": "1", "model": "m", "choices": [{"message": {"content": "Hi"}, "finish_reason": "eos"}]}'
        ... )
        >>> answer.choices[0].message.content, answer.choices[0].finish_reason
        ('Hi', 'eos')
    """

    id: str
    object: OpenEnum[Literal["chat.completion"]] = "chat.completion"
    created: int | float | None = 0
    model: str
    choices: list[Choice]
    usage: CompletionUsage | None = None
    service_tier: AnsweredServiceTier | None = None
    system_fingerprint: str | None = None
    metadata: dict[str, Any] | None = None


class ChoiceDeltaToolCallFunction(WireModel):
    """What a chunk adds to the name and the arguments of a function."""

    name: str | None = None
    arguments: str | None = None


class ChoiceDeltaToolCall(WireModel):
    """What a chunk adds to a tool call; `index` says to which."""

    index: int = 0
    id: str | None = None
    type: OpenEnum[Literal["function"]] | None = None
    function: ChoiceDeltaToolCallFunction | None = None


class ChoiceDelta(WireModel):
    """What a chunk adds to a message."""

    role: OpenEnum[Literal["developer", "system", "user", "assistant", "tool"]] | None = None
    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ChoiceDeltaToolCall] | None = None
    function_call: ChoiceDeltaToolCallFunction | None = None

    @property
    def text(self) -> str:
        """The text that this adds, in whichever form it came; empty if there is none."""
        return _text(self.content)


class ChunkChoice(WireModel):
    """One answer's share of a chunk."""

    index: int = 0
    delta: ChoiceDelta = Field(default_factory=ChoiceDelta)
    logprobs: ChoiceLogprobs | None = None
    finish_reason: Annotated[FinishReason | None, Written()] = None


class ChatCompletionChunk(WireModel):
    """One event of a chat stream; the usage chunk has no choices."""

    id: str
    object: OpenEnum[Literal["chat.completion.chunk"]] = "chat.completion.chunk"
    created: int | float | None = 0
    model: str
    choices: list[ChunkChoice]
    usage: CompletionUsage | None = None
    service_tier: AnsweredServiceTier | None = None
    system_fingerprint: str | None = None
    obfuscation: str | None = None


def _text(content: str | list[Any] | None) -> str:
    """Text, or the texts among the parts that some servers send instead."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    return content or ""

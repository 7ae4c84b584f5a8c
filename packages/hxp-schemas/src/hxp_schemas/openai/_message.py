"""The messages of a chat request, told apart by their role."""

from typing import Annotated, Literal

from pydantic import Field

from hxp_schemas._wire import WireModel

from ._bounds import FilledText, FunctionName, Identifier, ShortText, Text
from ._part import AssistantParts, TextParts, UserParts
from ._union import Tagged


class FunctionCall(WireModel):
    """A call of a function: its name and its arguments, JSON as the model wrote it."""

    name: FunctionName
    arguments: Text


class CustomCall(WireModel):
    """A call of a custom tool: its name and its input, text as the model wrote it."""

    name: FunctionName
    input: Text


class ChatCompletionMessageFunctionToolCallParam(WireModel):
    """A function that the model called earlier."""

    id: Identifier
    type: Literal["function"]
    function: FunctionCall


class ChatCompletionMessageCustomToolCallParam(WireModel):
    """A custom tool that the model called earlier."""

    id: Identifier
    type: Literal["custom"]
    custom: CustomCall


ChatCompletionMessageToolCallParam = Annotated[
    ChatCompletionMessageFunctionToolCallParam | ChatCompletionMessageCustomToolCallParam, Tagged("type")
]
"""Any tool call in the history of a chat."""


class AudioReference(WireModel):
    """An answer in sound that the model gave earlier."""

    id: Identifier


class ChatCompletionDeveloperMessageParam(WireModel):
    """What the developer tells the model."""

    role: Literal["developer"]
    content: Text | TextParts
    name: ShortText | None = None


class ChatCompletionSystemMessageParam(WireModel):
    """What the operator tells the model."""

    role: Literal["system"]
    content: Text | TextParts
    name: ShortText | None = None


class ChatCompletionUserMessageParam(WireModel):
    """What the user says."""

    role: Literal["user"]
    content: Text | UserParts
    name: ShortText | None = None


class ChatCompletionAssistantMessageParam(WireModel):
    """What the model said earlier; it may have called tools instead of saying anything.

    Attributes:
        reasoning: What it thought before, as newer servers (vLLM, OpenRouter) name it.
        reasoning_content: The same under the older name (DeepSeek, llama.cpp).
    """

    role: Literal["assistant"]
    content: Text | AssistantParts | None = None
    refusal: Text | None = None
    name: ShortText | None = None
    audio: AudioReference | None = None
    tool_calls: Annotated[list[ChatCompletionMessageToolCallParam], Field(max_length=128, fail_fast=True)] | None = None
    function_call: FunctionCall | None = None
    reasoning: Text | None = None
    reasoning_content: Text | None = None


class ChatCompletionToolMessageParam(WireModel):
    """What a tool answered."""

    role: Literal["tool"]
    content: Text | TextParts
    tool_call_id: FilledText


class ChatCompletionFunctionMessageParam(WireModel):
    """What a function answered, in the older form."""

    role: Literal["function"]
    content: Text | None
    name: ShortText


ChatCompletionMessageParam = Annotated[
    ChatCompletionDeveloperMessageParam
    | ChatCompletionSystemMessageParam
    | ChatCompletionUserMessageParam
    | ChatCompletionAssistantMessageParam
    | ChatCompletionToolMessageParam
    | ChatCompletionFunctionMessageParam,
    Tagged("role"),
]
"""Any message of a chat request."""

"""The messages of a chat request, told apart by their role."""

from typing import Annotated, Any, Literal

from pydantic import Field

from ._bounds import FilledText, RequestModel, ShortText


class ChatCompletionContentPartParam(RequestModel):
    """One part of a message: text, or a kind that passes through as it is."""

    type: str = Field(min_length=1, max_length=64)
    text: str | None = None


_Parts = Annotated[list[ChatCompletionContentPartParam], Field(min_length=1, max_length=4096, fail_fast=True)]
_Content = str | _Parts


class ChatCompletionSystemMessageParam(RequestModel):
    """What the operator tells the model."""

    role: Literal["system", "developer"]
    content: _Content
    name: ShortText | None = None


class ChatCompletionUserMessageParam(RequestModel):
    """What the user says."""

    role: Literal["user"]
    content: _Content
    name: ShortText | None = None


class ChatCompletionAssistantMessageParam(RequestModel):
    """What the model said earlier; it may have called tools instead of saying anything."""

    role: Literal["assistant"]
    content: _Content | None = None
    name: ShortText | None = None
    tool_calls: Annotated[list[dict[str, Any]], Field(max_length=128, fail_fast=True)] | None = None


class ChatCompletionToolMessageParam(RequestModel):
    """What a tool answered."""

    role: Literal["tool"]
    content: _Content
    tool_call_id: FilledText


class ChatCompletionFunctionMessageParam(RequestModel):
    """What a function answered, in the older form."""

    role: Literal["function"]
    content: _Content | None
    name: ShortText


ChatCompletionMessageParam = Annotated[
    ChatCompletionSystemMessageParam
    | ChatCompletionUserMessageParam
    | ChatCompletionAssistantMessageParam
    | ChatCompletionToolMessageParam
    | ChatCompletionFunctionMessageParam,
    Field(discriminator="role"),
]
"""Any message of a chat request."""

"""The events of a Responses stream, told apart by their type; unknown ones are kept."""

from functools import cache
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from hxp_schemas._wire import UnknownVariant, WireModel, Written

from ._response_answer import Response
from ._response_item import ResponseContentPart, ResponseLogprob, ResponseOutputItem, ResponseSummaryText
from ._union import Tagged


class ResponseCreatedEvent(WireModel):
    """The response exists."""

    type: Literal["response.created"] = "response.created"
    sequence_number: int = 0
    response: Response


class ResponseQueuedEvent(WireModel):
    """The response waits for its turn."""

    type: Literal["response.queued"] = "response.queued"
    sequence_number: int = 0
    response: Response


class ResponseInProgressEvent(WireModel):
    """The model works."""

    type: Literal["response.in_progress"] = "response.in_progress"
    sequence_number: int = 0
    response: Response


class ResponseCompletedEvent(WireModel):
    """The end: the whole response."""

    type: Literal["response.completed"] = "response.completed"
    sequence_number: int = 0
    response: Response


class ResponseFailedEvent(WireModel):
    """The end: the response failed."""

    type: Literal["response.failed"] = "response.failed"
    sequence_number: int = 0
    response: Response


class ResponseIncompleteEvent(WireModel):
    """The end: the response stopped early."""

    type: Literal["response.incomplete"] = "response.incomplete"
    sequence_number: int = 0
    response: Response


class ResponseOutputItemAddedEvent(WireModel):
    """An item begins."""

    type: Literal["response.output_item.added"] = "response.output_item.added"
    sequence_number: int = 0
    output_index: int
    item: ResponseOutputItem


class ResponseOutputItemDoneEvent(WireModel):
    """An item is whole."""

    type: Literal["response.output_item.done"] = "response.output_item.done"
    sequence_number: int = 0
    output_index: int
    item: ResponseOutputItem


class ResponseContentPartAddedEvent(WireModel):
    """A part of an item begins."""

    type: Literal["response.content_part.added"] = "response.content_part.added"
    sequence_number: int = 0
    item_id: str
    output_index: int
    content_index: int
    part: ResponseContentPart


class ResponseContentPartDoneEvent(WireModel):
    """A part of an item is whole."""

    type: Literal["response.content_part.done"] = "response.content_part.done"
    sequence_number: int = 0
    item_id: str
    output_index: int
    content_index: int
    part: ResponseContentPart


class ResponseTextDeltaEvent(WireModel):
    """More text."""

    type: Literal["response.output_text.delta"] = "response.output_text.delta"
    sequence_number: int = 0
    item_id: str
    output_index: int
    content_index: int
    delta: str
    logprobs: list[ResponseLogprob] | None = Field(default=[])


class ResponseTextDoneEvent(WireModel):
    """The whole text of a part."""

    type: Literal["response.output_text.done"] = "response.output_text.done"
    sequence_number: int = 0
    item_id: str
    output_index: int
    content_index: int
    text: str
    logprobs: list[ResponseLogprob] | None = Field(default=[])


class ResponseOutputTextAnnotationAddedEvent(WireModel):
    """Something said about a text."""

    type: Literal["response.output_text.annotation.added"] = "response.output_text.annotation.added"
    sequence_number: int = 0
    item_id: str
    output_index: int
    content_index: int
    annotation_index: int
    annotation: dict[str, Any] | None


class ResponseRefusalDeltaEvent(WireModel):
    """More of a refusal."""

    type: Literal["response.refusal.delta"] = "response.refusal.delta"
    sequence_number: int = 0
    item_id: str
    output_index: int
    content_index: int
    delta: str


class ResponseRefusalDoneEvent(WireModel):
    """The whole refusal."""

    type: Literal["response.refusal.done"] = "response.refusal.done"
    sequence_number: int = 0
    item_id: str
    output_index: int
    content_index: int
    refusal: str


class ResponseFunctionCallArgumentsDeltaEvent(WireModel):
    """More arguments of a function call."""

    type: Literal["response.function_call_arguments.delta"] = "response.function_call_arguments.delta"
    sequence_number: int = 0
    item_id: str
    output_index: int
    delta: str


class ResponseFunctionCallArgumentsDoneEvent(WireModel):
    """The whole arguments of a function call."""

    type: Literal["response.function_call_arguments.done"] = "response.function_call_arguments.done"
    sequence_number: int = 0
    item_id: str
    output_index: int
    name: str | None = None
    arguments: str


class ResponseCustomToolCallInputDeltaEvent(WireModel):
    """More input of a custom tool."""

    type: Literal["response.custom_tool_call_input.delta"] = "response.custom_tool_call_input.delta"
    sequence_number: int = 0
    item_id: str
    output_index: int
    delta: str


class ResponseCustomToolCallInputDoneEvent(WireModel):
    """The whole input of a custom tool."""

    type: Literal["response.custom_tool_call_input.done"] = "response.custom_tool_call_input.done"
    sequence_number: int = 0
    item_id: str
    output_index: int
    input: str


class ResponseReasoningTextDeltaEvent(WireModel):
    """More of a thought."""

    type: Literal["response.reasoning_text.delta"] = "response.reasoning_text.delta"
    sequence_number: int = 0
    item_id: str
    output_index: int
    content_index: int
    delta: str


class ResponseReasoningTextDoneEvent(WireModel):
    """A whole thought."""

    type: Literal["response.reasoning_text.done"] = "response.reasoning_text.done"
    sequence_number: int = 0
    item_id: str
    output_index: int
    content_index: int
    text: str


class ResponseReasoningSummaryPartAddedEvent(WireModel):
    """A part of a summary begins."""

    type: Literal["response.reasoning_summary_part.added"] = "response.reasoning_summary_part.added"
    sequence_number: int = 0
    item_id: str
    output_index: int
    summary_index: int
    part: ResponseSummaryText


class ResponseReasoningSummaryPartDoneEvent(WireModel):
    """A part of a summary is whole."""

    type: Literal["response.reasoning_summary_part.done"] = "response.reasoning_summary_part.done"
    sequence_number: int = 0
    item_id: str
    output_index: int
    summary_index: int
    part: ResponseSummaryText


class ResponseReasoningSummaryTextDeltaEvent(WireModel):
    """More of a summary."""

    type: Literal["response.reasoning_summary_text.delta"] = "response.reasoning_summary_text.delta"
    sequence_number: int = 0
    item_id: str
    output_index: int
    summary_index: int
    delta: str


class ResponseReasoningSummaryTextDoneEvent(WireModel):
    """A whole text of a summary."""

    type: Literal["response.reasoning_summary_text.done"] = "response.reasoning_summary_text.done"
    sequence_number: int = 0
    item_id: str
    output_index: int
    summary_index: int
    text: str


class ResponseErrorEvent(WireModel):
    """The stream broke off."""

    type: Literal["error"] = "error"
    sequence_number: int = 0
    code: Annotated[str | None, Written()] = None
    message: str
    param: Annotated[str | None, Written()] = None


ResponseStreamEvent = Annotated[
    Annotated[
        ResponseCreatedEvent
        | ResponseQueuedEvent
        | ResponseInProgressEvent
        | ResponseCompletedEvent
        | ResponseFailedEvent
        | ResponseIncompleteEvent
        | ResponseOutputItemAddedEvent
        | ResponseOutputItemDoneEvent
        | ResponseContentPartAddedEvent
        | ResponseContentPartDoneEvent
        | ResponseTextDeltaEvent
        | ResponseTextDoneEvent
        | ResponseOutputTextAnnotationAddedEvent
        | ResponseRefusalDeltaEvent
        | ResponseRefusalDoneEvent
        | ResponseFunctionCallArgumentsDeltaEvent
        | ResponseFunctionCallArgumentsDoneEvent
        | ResponseCustomToolCallInputDeltaEvent
        | ResponseCustomToolCallInputDoneEvent
        | ResponseReasoningTextDeltaEvent
        | ResponseReasoningTextDoneEvent
        | ResponseReasoningSummaryPartAddedEvent
        | ResponseReasoningSummaryPartDoneEvent
        | ResponseReasoningSummaryTextDeltaEvent
        | ResponseReasoningSummaryTextDoneEvent
        | ResponseErrorEvent,
        Tagged("type"),
    ]
    | UnknownVariant,
    Field(union_mode="left_to_right"),
]
"""Any event of a Responses stream; tell them apart with `isinstance`."""


def read_response_event(data: bytes | str) -> ResponseStreamEvent:
    """Read the data of one event of a Responses stream.

    Args:
        data: JSON, as `SSEEvent.data` holds it.

    Raises:
        pydantic.ValidationError: It is no JSON object.

    Example:
        >>> event = read_response_event('{"type": "response.refusal.done", "item_id": "msg_1", "output_index": 0, '
        ...     '"content_index": 0, "refusal": "No."}')
        >>> isinstance(event, ResponseRefusalDoneEvent) and event.refusal
        'No.'
    """
    return _adapter().validate_json(data)


@cache
def _adapter() -> "pydantic.TypeAdapter[ResponseStreamEvent]":
    return pydantic.TypeAdapter(ResponseStreamEvent, config=pydantic.ConfigDict(hide_input_in_errors=True))

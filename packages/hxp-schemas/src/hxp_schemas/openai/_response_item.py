"""What a model puts out in the Responses API; tolerant and whole, told apart with `isinstance`."""

from typing import Annotated, Any, Literal

from pydantic import Field

from hxp_schemas._open import OpenEnum
from hxp_schemas._wire import UnknownVariant, WireModel

OutputStatus = OpenEnum[Literal["in_progress", "completed", "incomplete"]]


class ResponseTextAnnotation(WireModel):
    """Something said about a stretch of a text: a citation of a page or a file, or where a file is.

    One class for OpenAI's four kinds, which share these fields.
    """

    type: OpenEnum[Literal["url_citation", "file_citation", "container_file_citation", "file_path"]]
    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None
    file_id: str | None = None
    container_id: str | None = None
    index: int | None = None
    filename: str | None = None


class ResponseTopLogprob(WireModel):
    """A token that could have stood there."""

    token: str | None = None
    logprob: float | None = None
    bytes: list[int] | None = None


class ResponseLogprob(WireModel):
    """A token of the answer, with those that could have stood there."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[ResponseTopLogprob] | None = None


class ResponseOutputText(WireModel):
    """A text that the model wrote."""

    type: Literal["output_text"] = "output_text"
    text: str
    annotations: list[ResponseTextAnnotation] | None = Field(default=[])
    logprobs: list[ResponseLogprob] | None = Field(default=[])


class ResponseOutputRefusal(WireModel):
    """What the model said instead of an answer."""

    type: Literal["refusal"] = "refusal"
    refusal: str


class ResponseReasoningText(WireModel):
    """A stretch of what the model thought."""

    type: Literal["reasoning_text"] = "reasoning_text"
    text: str


class ResponseSummaryText(WireModel):
    """A summary of what the model thought."""

    type: Literal["summary_text"] = "summary_text"
    text: str


ResponseContentPart = Annotated[
    Annotated[
        ResponseOutputText | ResponseOutputRefusal | ResponseReasoningText | ResponseSummaryText,
        Field(discriminator="type"),
    ]
    | UnknownVariant,
    Field(union_mode="left_to_right"),
]
"""Any part of a message or of a thought."""


class ResponseOutputMessage(WireModel):
    """A message that the model wrote."""

    id: str
    type: Literal["message"] = "message"
    status: OutputStatus | None = None
    role: OpenEnum[Literal["assistant"]] = "assistant"
    content: list[ResponseContentPart]
    phase: OpenEnum[Literal["commentary", "final_answer"]] | None = None


class ResponseFunctionToolCall(WireModel):
    """A function that the model wants called."""

    id: str | None = None
    type: Literal["function_call"] = "function_call"
    status: OutputStatus | None = None
    call_id: str
    name: str
    arguments: str


class ResponseFunctionToolCallOutput(WireModel):
    """What a function answered."""

    id: str | None = None
    type: Literal["function_call_output"] = "function_call_output"
    status: OutputStatus | None = None
    call_id: str | None = None
    output: str | list[Any]


class ResponseCustomToolCall(WireModel):
    """A custom tool that the model wants called."""

    id: str | None = None
    type: Literal["custom_tool_call"] = "custom_tool_call"
    status: OutputStatus | None = None
    call_id: str
    name: str
    input: str


class ResponseReasoningItem(WireModel):
    """What the model thought: in full, in summary, or encrypted for its own later use."""

    id: str
    type: Literal["reasoning"] = "reasoning"
    summary: list[ResponseContentPart] = Field(default=[])
    content: list[ResponseContentPart] | None = None
    encrypted_content: str | None = None
    status: OutputStatus | None = None


class ResponseFunctionWebSearch(WireModel):
    """A search of the web that the server made."""

    id: str
    type: Literal["web_search_call"] = "web_search_call"
    status: OpenEnum[Literal["in_progress", "searching", "completed", "failed"]]
    action: dict[str, Any] | None = None


class ResponseFileSearchToolCall(WireModel):
    """A search of stored files that the server made."""

    id: str
    type: Literal["file_search_call"] = "file_search_call"
    status: OpenEnum[Literal["in_progress", "searching", "completed", "incomplete", "failed"]]
    queries: list[str]
    results: list[dict[str, Any]] | None = None


ResponseOutputItem = Annotated[
    Annotated[
        ResponseOutputMessage
        | ResponseFunctionToolCall
        | ResponseFunctionToolCallOutput
        | ResponseCustomToolCall
        | ResponseReasoningItem
        | ResponseFunctionWebSearch
        | ResponseFileSearchToolCall,
        Field(discriminator="type"),
    ]
    | UnknownVariant,
    Field(union_mode="left_to_right"),
]
"""Any item of the output; of a kind that is not listed here, an `UnknownVariant` that keeps all of it."""

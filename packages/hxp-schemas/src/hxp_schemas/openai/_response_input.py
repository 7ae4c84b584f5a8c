"""What a Responses request gives the model to read: messages and items, told apart by their type."""

from typing import Annotated, Literal

from pydantic import Field

from hxp_schemas._wire import WireModel

from ._bounds import Base64, FunctionName, Identifier, JsonObject, ShortText, Text, Url
from ._cache import PromptCacheBreakpoint
from ._union import Tagged

ItemStatus = Literal["in_progress", "completed", "incomplete"]
_Annotations = Annotated[list[JsonObject], Field(max_length=1024, fail_fast=True)]


class ResponseInputTextParam(WireModel):
    """A text."""

    type: Literal["input_text"]
    text: Text
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None


class ResponseInputImageParam(WireModel):
    """An image, by its URL (also `data:`) or by the id of a file."""

    type: Literal["input_image"]
    image_url: Url | None = None
    file_id: Identifier | None = None
    detail: Literal["low", "high", "auto", "original"] | None = None
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None


class ResponseInputFileParam(WireModel):
    """A file, by its id, its URL or in base64."""

    type: Literal["input_file"]
    file_id: Identifier | None = None
    filename: ShortText | None = None
    file_data: Base64 | None = None
    file_url: Url | None = None
    detail: Literal["auto", "low", "high"] | None = None
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None


class ResponseOutputTextParam(WireModel):
    """A text that the model wrote earlier."""

    type: Literal["output_text"]
    text: Text
    annotations: _Annotations | None = None
    logprobs: Annotated[list[JsonObject], Field(max_length=1_048_576, fail_fast=True)] | None = None


class ResponseOutputRefusalParam(WireModel):
    """What the model said earlier instead of an answer."""

    type: Literal["refusal"]
    refusal: Text


ResponseInputContentParam = Annotated[
    ResponseInputTextParam | ResponseInputImageParam | ResponseInputFileParam, Tagged("type")
]
"""Any part of what is said to the model, or of what a tool answered."""

_MessageContent = Annotated[
    ResponseInputTextParam
    | ResponseInputImageParam
    | ResponseInputFileParam
    | ResponseOutputTextParam
    | ResponseOutputRefusalParam,
    Tagged("type"),
]
_Contents = Annotated[list[_MessageContent], Field(max_length=4096, fail_fast=True)]
_Outputs = Annotated[list[ResponseInputContentParam], Field(max_length=4096, fail_fast=True)]


class EasyInputMessageParam(WireModel):
    """A message of any role; one that the model wrote comes with its id and status."""

    role: Literal["user", "assistant", "system", "developer"]
    content: Text | _Contents
    type: Literal["message"] = "message"
    id: Identifier | None = None
    status: ItemStatus | None = None
    phase: Literal["commentary", "final_answer"] | None = None


class ResponseFunctionToolCallParam(WireModel):
    """A function that the model called earlier."""

    type: Literal["function_call"]
    call_id: Annotated[str, Field(min_length=1, max_length=64)]
    name: FunctionName
    arguments: Text
    id: Identifier | None = None
    status: ItemStatus | None = None


class FunctionCallOutputParam(WireModel):
    """What a function answered."""

    type: Literal["function_call_output"]
    call_id: Annotated[str, Field(min_length=1, max_length=64)]
    output: Text | _Outputs
    id: Identifier | None = None
    status: ItemStatus | None = None


class ResponseCustomToolCallParam(WireModel):
    """A custom tool that the model called earlier."""

    type: Literal["custom_tool_call"]
    call_id: Annotated[str, Field(min_length=1, max_length=64)]
    name: FunctionName
    input: Text
    id: Identifier | None = None


class ResponseCustomToolCallOutputParam(WireModel):
    """What a custom tool answered."""

    type: Literal["custom_tool_call_output"]
    call_id: Annotated[str, Field(min_length=1, max_length=64)]
    output: Text | _Outputs
    id: Identifier | None = None


class ReasoningTextParam(WireModel):
    """A stretch of what the model thought."""

    type: Literal["reasoning_text"]
    text: Text


class SummaryTextParam(WireModel):
    """A summary of what the model thought."""

    type: Literal["summary_text"]
    text: Text


class ResponseReasoningItemParam(WireModel):
    """What the model thought earlier."""

    type: Literal["reasoning"]
    id: Identifier | None = None
    summary: Annotated[list[SummaryTextParam], Field(max_length=1024, fail_fast=True)]
    content: Annotated[list[ReasoningTextParam], Field(max_length=1024, fail_fast=True)] | None = None
    encrypted_content: Text | None = None
    status: ItemStatus | None = None


class ItemReferenceParam(WireModel):
    """An item that the server stored, by its id."""

    type: Literal["item_reference"]
    id: Identifier


class HostedItemParam(WireModel):
    """An item of a tool that OpenAI itself runs; its fields are kept, not checked."""

    type: Literal[
        "additional_tools",
        "apply_patch_call",
        "apply_patch_call_output",
        "code_interpreter_call",
        "compaction",
        "compaction_trigger",
        "computer_call",
        "computer_call_output",
        "file_search_call",
        "image_generation_call",
        "local_shell_call",
        "local_shell_call_output",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_call",
        "mcp_list_tools",
        "program",
        "program_output",
        "shell_call",
        "shell_call_output",
        "tool_search_call",
        "tool_search_output",
        "web_search_call",
    ]


_TypedItem = Annotated[
    EasyInputMessageParam
    | ResponseFunctionToolCallParam
    | FunctionCallOutputParam
    | ResponseCustomToolCallParam
    | ResponseCustomToolCallOutputParam
    | ResponseReasoningItemParam
    | ItemReferenceParam
    | HostedItemParam,
    Tagged("type"),
]
ResponseInputItemParam = Annotated[_TypedItem | EasyInputMessageParam, Field(union_mode="left_to_right")]
"""Any item of the input; only a message may leave out its type."""

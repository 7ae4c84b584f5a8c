"""Requests of the Responses API."""

from typing import Annotated, Literal

from pydantic import Field

from hxp_schemas._wire import WireModel

from ._bounds import (
    Description,
    FilledText,
    FunctionName,
    Identifier,
    JsonObject,
    Metadata,
    ModelName,
    Probability,
    ShortText,
    Temperature,
    Text,
    TopLogprobs,
    User,
)
from ._cache import PromptCacheOptions
from ._response_input import ResponseInputContentParam, ResponseInputItemParam
from ._union import Tagged

ResponseIncludable = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]
"""What the answer should hold besides the answer."""


class FunctionToolParam(WireModel):
    """A function that the model may ask to be called; flat, unlike the one of a chat request."""

    type: Literal["function"]
    name: FunctionName
    description: Description | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class CustomToolParam(WireModel):
    """A custom tool: its input is text, of any form or of a grammar's."""

    type: Literal["custom"]
    name: FunctionName
    description: Description | None = None
    format: JsonObject | None = None


class HostedToolParam(WireModel):
    """A tool that OpenAI itself runs; its fields are kept, not checked."""

    type: Literal[
        "apply_patch",
        "code_interpreter",
        "computer",
        "computer_use_preview",
        "file_search",
        "image_generation",
        "local_shell",
        "mcp",
        "namespace",
        "programmatic_tool_calling",
        "shell",
        "tool_search",
        "web_search",
        "web_search_2025_08_26",
        "web_search_preview",
        "web_search_preview_2025_03_11",
    ]


ToolParam = Annotated[FunctionToolParam | CustomToolParam | HostedToolParam, Tagged("type")]
"""Any tool that a Responses request offers."""


class ToolChoiceFunctionParam(WireModel):
    """This function or custom tool must be called."""

    type: Literal["function", "custom"]
    name: FunctionName


class ToolChoiceAllowedParam(WireModel):
    """Only these tools may be called."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: Annotated[list[JsonObject], Field(max_length=128, fail_fast=True)]


class ToolChoiceTypesParam(WireModel):
    """This tool of OpenAI's own must be called."""

    type: Literal[
        "apply_patch",
        "code_interpreter",
        "computer",
        "computer_use",
        "computer_use_preview",
        "file_search",
        "image_generation",
        "mcp",
        "programmatic_tool_calling",
        "shell",
        "web_search_preview",
        "web_search_preview_2025_03_11",
    ]


ToolChoiceParam = (
    Literal["none", "auto", "required"]
    | Annotated[ToolChoiceFunctionParam | ToolChoiceAllowedParam | ToolChoiceTypesParam, Tagged("type")]
)
"""Whether a tool is called, and which."""


class ReasoningParam(WireModel):
    """How hard the model should think, and what it should tell of that."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    mode: ShortText | None = None
    context: Literal["auto", "current_turn", "all_turns"] | None = None


class ResponseTextFormatParam(WireModel):
    """Text or any JSON object."""

    type: Literal["text", "json_object"]


class ResponseFormatTextJSONSchemaConfigParam(WireModel):
    """JSON that a schema describes; flat, unlike the one of a chat request."""

    type: Literal["json_schema"]
    name: FunctionName
    schema_: JsonObject = Field(alias="schema")
    description: Description | None = None
    strict: bool | None = None


class ResponseTextConfigParam(WireModel):
    """What form the text takes."""

    format: Annotated[ResponseTextFormatParam | ResponseFormatTextJSONSchemaConfigParam, Tagged("type")] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ResponseStreamOptionsParam(WireModel):
    """What a stream should carry besides the answer."""

    include_obfuscation: bool | None = None


class ConversationParam(WireModel):
    """A conversation that the server stored."""

    id: Identifier


class ResponsePromptParam(WireModel):
    """A prompt that the server stored, and what to fill into it."""

    id: Identifier
    version: ShortText | None = None
    variables: Annotated[dict[ShortText, Text | ResponseInputContentParam], Field(max_length=256)] | None = None


class ResponseRequest(WireModel):
    """`POST /v1/responses`: every number, text and list is bounded, unknown fields are kept.

    Example:
        >>> ResponseRequest(model="m", input="Hi", max_output_tokens=16).to_json()
        b'{"model":"m","input":"Hi","max_output_tokens":16}'
    """

    model: ModelName
    input: FilledText | Annotated[list[ResponseInputItemParam], Field(max_length=4096, fail_fast=True)] | None = None
    instructions: Text | None = None
    stream: bool | None = None
    stream_options: ResponseStreamOptionsParam | None = None
    max_output_tokens: Annotated[int, Field(ge=16, le=1_048_576)] | None = None
    max_tool_calls: Annotated[int, Field(ge=1, le=1024)] | None = None
    temperature: Temperature | None = None
    top_p: Probability | None = None
    top_logprobs: TopLogprobs | None = None
    tools: Annotated[list[ToolParam], Field(max_length=128, fail_fast=True)] | None = None
    tool_choice: ToolChoiceParam | None = None
    parallel_tool_calls: bool | None = None
    text: ResponseTextConfigParam | None = None
    reasoning: ReasoningParam | None = None
    include: Annotated[list[ResponseIncludable], Field(max_length=32, fail_fast=True)] | None = None
    previous_response_id: Identifier | None = None
    conversation: Identifier | ConversationParam | None = None
    prompt: ResponsePromptParam | None = None
    truncation: Literal["auto", "disabled"] | None = None
    background: bool | None = None
    store: bool | None = None
    metadata: Metadata | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"] | None = None
    user: User | None = None
    safety_identifier: User | None = None
    prompt_cache_key: User | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    prompt_cache_options: PromptCacheOptions | None = None

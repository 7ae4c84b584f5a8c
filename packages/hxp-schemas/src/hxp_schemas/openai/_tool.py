"""Tools that a request offers to the model, and which of them it wants called."""

from typing import Annotated, Literal

from pydantic import Field

from hxp_schemas._wire import WireModel

from ._bounds import Description, FunctionName, JsonObject
from ._union import Tagged


class FunctionDefinition(WireModel):
    """A function that the model may ask to be called; `parameters` is a JSON Schema."""

    name: FunctionName
    description: Description | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class ChatCompletionFunctionToolParam(WireModel):
    """A function as a tool."""

    type: Literal["function"]
    function: FunctionDefinition


class CustomFormatText(WireModel):
    """Input of a custom tool that is any text."""

    type: Literal["text"]


class GrammarDefinition(WireModel):
    """A grammar in Lark's syntax, or a regular expression."""

    definition: Annotated[str, Field(max_length=262_144)]
    syntax: Literal["lark", "regex"]


class CustomFormatGrammar(WireModel):
    """Input of a custom tool that follows a grammar."""

    type: Literal["grammar"]
    grammar: GrammarDefinition


class CustomDefinition(WireModel):
    """A custom tool: its input is text instead of JSON."""

    name: FunctionName
    description: Description | None = None
    format: Annotated[CustomFormatText | CustomFormatGrammar, Tagged("type")] | None = None


class ChatCompletionCustomToolParam(WireModel):
    """A custom tool."""

    type: Literal["custom"]
    custom: CustomDefinition


ChatCompletionToolParam = Annotated[ChatCompletionFunctionToolParam | ChatCompletionCustomToolParam, Tagged("type")]
"""Any tool that a chat request offers."""


class ToolName(WireModel):
    """The name of a tool that must be called."""

    name: FunctionName


class ChatCompletionNamedToolChoiceParam(WireModel):
    """This function must be called."""

    type: Literal["function"]
    function: ToolName


class ChatCompletionNamedToolChoiceCustomParam(WireModel):
    """This custom tool must be called."""

    type: Literal["custom"]
    custom: ToolName


class ChatCompletionAllowedToolsParam(WireModel):
    """Some of the tools that are offered."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[JsonObject], Field(max_length=128, fail_fast=True)]


class ChatCompletionAllowedToolChoiceParam(WireModel):
    """Only these tools may be called."""

    type: Literal["allowed_tools"]
    allowed_tools: ChatCompletionAllowedToolsParam


ChatCompletionToolChoiceOptionParam = (
    Literal["none", "auto", "required"]
    | Annotated[
        ChatCompletionNamedToolChoiceParam
        | ChatCompletionNamedToolChoiceCustomParam
        | ChatCompletionAllowedToolChoiceParam,
        Tagged("type"),
    ]
)
"""Whether a tool is called, and which."""


class FunctionParam(WireModel):
    """A function in the older form of the field `functions`."""

    name: FunctionName
    description: Description | None = None
    parameters: JsonObject | None = None


class ResponseFormatText(WireModel):
    """The answer is text."""

    type: Literal["text"]


class ResponseFormatJSONObject(WireModel):
    """The answer is any JSON object."""

    type: Literal["json_object"]


class JSONSchema(WireModel):
    """A schema for the answer; the field is `schema` on the wire and `schema_` in Python."""

    name: FunctionName
    description: Description | None = None
    schema_: JsonObject | None = Field(default=None, alias="schema")
    strict: bool | None = None


class ResponseFormatJSONSchema(WireModel):
    """The answer is JSON that a schema describes."""

    type: Literal["json_schema"]
    json_schema: JSONSchema


ResponseFormat = Annotated[ResponseFormatText | ResponseFormatJSONObject | ResponseFormatJSONSchema, Tagged("type")]
"""What form a chat answer takes."""

"""Tools, and calls of them."""

from collections.abc import Mapping
from typing import Any

import pydantic
from pydantic_core import from_json, to_json

from hxp_schemas._identity import new_id
from hxp_schemas.openai._chat_answer import ChatCompletionMessageFunctionToolCall, Function
from hxp_schemas.openai._message import ChatCompletionMessageFunctionToolCallParam, FunctionCall
from hxp_schemas.openai._tool import ChatCompletionFunctionToolParam, FunctionDefinition


def function_tool(
    name: str,
    parameters: type[pydantic.BaseModel] | Mapping[str, Any],
    *,
    description: str | None = None,
    strict: bool | None = None,
) -> ChatCompletionFunctionToolParam:
    """Make a tool of a function.

    Args:
        name: What the model calls it by.
        parameters: A pydantic model, or a JSON Schema.
        description: When to call it; a model's docstring unless given.
        strict: Whether the arguments must obey the schema exactly.

    Example:
        >>> class Weather(pydantic.BaseModel):
        ...     "Tell the weather of a city."
        ...     city: str
        >>> function_tool("weather", Weather).function.description
        'Tell the weather of a city.'
    """
    schema = dict(parameters.model_json_schema() if isinstance(parameters, type) else parameters)
    fields: dict[str, Any] = {"description": description or schema.get("description"), "strict": strict}
    said = {field: value for field, value in fields.items() if value is not None}
    return ChatCompletionFunctionToolParam(
        type="function", function=FunctionDefinition(name=name, parameters=schema, **said)
    )


def tool_call(
    name: str, arguments: Mapping[str, Any] | str, *, call_id: str | None = None
) -> ChatCompletionMessageFunctionToolCallParam:
    """Make a call of a function for the history of a request.

    Args:
        name: The function.
        arguments: An object, or JSON as a model wrote it.
        call_id: The id of the call; a new one unless given.

    Example:
        >>> tool_call("weather", {"city": "Rome"}, call_id="call_1").function.arguments
        '{"city":"Rome"}'
    """
    called = FunctionCall(name=name, arguments=_text(arguments))
    return ChatCompletionMessageFunctionToolCallParam(id=call_id or new_id("call"), type="function", function=called)


def answered_tool_call(
    name: str, arguments: Mapping[str, Any] | str, *, call_id: str | None = None
) -> ChatCompletionMessageFunctionToolCall:
    """Make a call of a function as a server answers it; the arguments as in `tool_call`."""
    called = Function(name=name, arguments=_text(arguments))
    return ChatCompletionMessageFunctionToolCall(id=call_id or new_id("call"), function=called)


def call_arguments(
    call: ChatCompletionMessageFunctionToolCall | ChatCompletionMessageFunctionToolCallParam,
) -> dict[str, Any]:
    """Read the arguments of a call, which a model wrote and which may be no JSON at all.

    Raises:
        ValueError: They are no JSON object; the message names the call and never quotes them.
    """
    try:
        arguments = from_json(call.function.arguments or "{}")
    except ValueError:
        arguments = None
    if isinstance(arguments, dict):
        return arguments
    raise ValueError(f"the arguments of the call {call.id!r} of {call.function.name!r} are no JSON object")


def _text(arguments: Mapping[str, Any] | str) -> str:
    return arguments if isinstance(arguments, str) else to_json(arguments).decode()

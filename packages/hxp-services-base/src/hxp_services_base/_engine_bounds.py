"""What is refused before it reaches an engine: shapes it has no word for, and grammars that it would choke on.

llama.cpp turns a JSON schema into a grammar and works through every alternative for each token, in the one thread that
serves all slots. Measured: `^a{2,1}$` takes all memory until the process dies, an enum of 10,000 strings stops all
slots for half a minute, a property's name of 30,000 characters overflows its stack, `^(a?|b?|c?|d?){64}$` takes more
than 20 s. What passes here takes less than a second for twenty tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._grammar_budget import GrammarBudget
from ._schema_form import plain_schema
from .chassis import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_SCHEMA_NODES = 1024
"""Keys and entries that the schemas of one request may have together."""
MAX_ALTERNATIVES = 256
"""Keys or entries of one object or list of a schema."""
MAX_SCHEMA_DEPTH = 200
"""Objects and lists of a schema inside one another."""
MAX_NAME = 256
"""Characters of a key of a schema, such as the name of a property."""
MAX_BOUND = 10**15
"""The farthest from zero that a number may have to be; beyond it llama.cpp's rules for digits never end."""
MAX_COUNT = 2000
"""The largest length or number of items that a schema may ask for; llama.cpp's own limit for one repetition."""

_COUNTS = (("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties"))
_BOUNDS = (("minimum", 1), ("exclusiveMinimum", 1), ("maximum", -1), ("exclusiveMaximum", -1))
_RANGES = (*_COUNTS, ("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum"))


def engine_form(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request as an engine may get it: checked, and its schemas in the form of `plain_schema`.

    Raises:
        ServiceError: 400, with the field in `param`.
    """
    refuse_unbounded(payload)
    out = dict(payload)
    if out.get("tools"):
        out["tools"] = [_plain_tool(tool, f"tools.{number}") for number, tool in enumerate(out["tools"])]
    if out.get("response_format"):
        out["response_format"] = _plain_format(out["response_format"])
    return out


def _plain_tool(tool: Mapping[str, Any], place: str) -> dict[str, Any]:
    function = tool["function"]
    if not isinstance(function.get("parameters"), dict):
        return dict(tool)
    parameters = plain_schema(function["parameters"], f"{place}.function.parameters")
    return {**tool, "function": {**function, "parameters": parameters}}


def _plain_format(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return `response_format` with the keys that have a meaning, and no others."""
    out: dict[str, Any] = {"type": wanted["type"]}
    if wanted["type"] == "json_schema":
        described = wanted["json_schema"]
        schema = plain_schema(described["schema"], "response_format.json_schema.schema")
        out["json_schema"] = {**described, "schema": schema}
    elif wanted["type"] == "json_object" and isinstance(wanted.get("schema"), dict):
        out["schema"] = plain_schema(wanted["schema"], "response_format.schema")
    return out


def refuse_unbounded(payload: Mapping[str, Any]) -> None:
    """Check the parts of a request that the contracts leave open.

    Raises:
        ServiceError: 400, with the field in `param`.
    """
    _check_prompt(payload.get("prompt"))
    _check_parts(payload.get("messages") or ())
    budget = GrammarBudget()
    _check_tools(payload.get("tools") or (), budget)
    _check_format(payload.get("response_format"), budget)


def _check_prompt(prompt: Any) -> None:
    """Of several prompts the engine streams neither the usage nor well-formed events."""
    if isinstance(prompt, list) and len(prompt) > 1 and not isinstance(prompt[0], int):
        raise _invalid("prompt", "send one prompt in a request")


def _check_parts(messages: Any) -> None:
    for number, message in enumerate(messages):
        content = message.get("content")
        for place, part in enumerate(content if isinstance(content, list) else ()):
            if part.get("type") != "text":
                raise _invalid(f"messages.{number}.content.{place}", "this model reads text only")


def _check_tools(tools: Any, budget: GrammarBudget) -> None:
    for number, tool in enumerate(tools):
        if tool.get("type") != "function" or not tool.get("function"):
            raise _invalid(f"tools.{number}", "this model knows tools of the type 'function' only")
    _check_schemas([tool["function"].get("parameters") for tool in tools], "tools", budget)


def _check_format(wanted: Mapping[str, Any] | None, budget: GrammarBudget) -> None:
    if wanted is None:
        return
    if wanted.get("type") not in {"text", "json_object", "json_schema"}:
        raise _invalid("response_format.type", "must be 'text', 'json_object' or 'json_schema'")
    if wanted["type"] == "json_schema":
        described = wanted.get("json_schema")
        if not isinstance(described, dict) or not isinstance(described.get("schema"), dict):
            raise _invalid("response_format.json_schema", "must be an object with a 'schema', which is an object")
    _check_schemas([value for key, value in wanted.items() if key != "type"], "response_format", budget)


def _check_schemas(schemas: list[Any], param: str, budget: GrammarBudget) -> None:
    nodes = 0
    for container, depth in _containers(schemas):
        size = len(container)
        nodes += size
        if size > MAX_ALTERNATIVES and container is not schemas:
            raise _invalid(param, f"an object or list of a schema has {MAX_ALTERNATIVES} entries at the most")
        if nodes > MAX_SCHEMA_NODES:
            raise _invalid(param, f"the schemas of a request have {MAX_SCHEMA_NODES} keys and entries at the most")
        if depth > MAX_SCHEMA_DEPTH:
            raise _invalid(param, f"a schema is {MAX_SCHEMA_DEPTH} objects and lists deep at the most")
        if isinstance(container, dict):
            if any(len(name) > MAX_NAME for name in container):
                raise _invalid(param, f"a key of a schema has {MAX_NAME} characters at the most")
            _check_ranges(container, param)
            try:
                budget.spend(container)
            except ValueError as error:
                raise _invalid(param, str(error)) from None


def _containers(root: Any) -> Iterator[tuple[Any, int]]:
    """Yield every object and list from `root` on, with its depth."""
    waiting = [(root, 0)]
    while waiting:
        container, depth = waiting.pop()
        yield container, depth
        values = container.values() if isinstance(container, dict) else container
        waiting.extend((value, depth + 1) for value in values if isinstance(value, dict | list))


def _check_ranges(schema: Mapping[str, Any], param: str) -> None:
    for pair in _COUNTS:
        for name in pair:
            count = schema.get(name)
            if count is None or isinstance(count, dict):  # a property of that name
                continue
            if not isinstance(count, int) or not 0 <= count <= MAX_COUNT:
                raise _invalid(param, f"{name} must be a whole number from 0 to {MAX_COUNT}")
    for name, sign in _BOUNDS:
        bound = schema.get(name)
        if isinstance(bound, int | float) and bound * sign > MAX_BOUND:
            raise _invalid(param, f"{name} must be {'at most' if sign > 0 else 'at least'} {sign * MAX_BOUND}")
    for low, high in _RANGES:
        least, most = schema.get(low), schema.get(high)
        if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
            raise _invalid(param, f"{low} is greater than {high}")


def _invalid(param: str, message: str) -> ServiceError:
    return ServiceError.of(400, "invalid_value", f"{param}: {message}", param=param)

"""What is refused before it reaches an engine: shapes it has no word for, and grammars that it would choke on.

llama.cpp turns a JSON schema into a grammar and works through every alternative for each token, in the one thread that
serves all slots. Measured: `^a{2,1}$` takes all memory until the process dies, an enum of 10,000 strings stops all
slots for half a minute. What passes here takes less than a second for twenty tokens.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .chassis import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_SCHEMA_NODES = 1024
"""Keys and entries that the schemas of one request may have together."""
MAX_ALTERNATIVES = 256
"""Keys or entries of one object or list of a schema."""
MAX_PATTERN = 256
"""Characters of a `pattern`."""
MAX_PATTERN_ATOMS = 256
"""Characters and classes that a `pattern` may stand for, with its repetitions written out."""
MAX_COUNT = 2000
"""The largest length or number of items that a schema may ask for; llama.cpp's own limit for one repetition."""

_ATOM = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]", re.DOTALL)
_TOKEN = re.compile(r"\{(\d+)(,?)(\d*)\}|.", re.DOTALL)
_COUNTS = (("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties"))
_RANGES = (*_COUNTS, ("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum"))


def refuse_unbounded(payload: Mapping[str, Any]) -> None:
    """Check the parts of a request that the contracts leave open.

    Raises:
        ServiceError: 400, with the field in `param`.
    """
    _check_prompt(payload.get("prompt"))
    _check_parts(payload.get("messages") or ())
    _check_tools(payload.get("tools") or ())
    _check_format(payload.get("response_format"))


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


def _check_tools(tools: Any) -> None:
    for number, tool in enumerate(tools):
        if tool.get("type") != "function" or not tool.get("function"):
            raise _invalid(f"tools.{number}", "this model knows tools of the type 'function' only")
    _check_schemas([tool["function"].get("parameters") for tool in tools], "tools")


def _check_format(wanted: Mapping[str, Any] | None) -> None:
    if wanted is None:
        return
    if wanted.get("type") not in {"text", "json_object", "json_schema"}:
        raise _invalid("response_format.type", "must be 'text', 'json_object' or 'json_schema'")
    if wanted["type"] == "json_schema":
        described = wanted.get("json_schema")
        if not isinstance(described, dict) or not isinstance(described.get("schema"), dict):
            raise _invalid("response_format.json_schema", "must be an object with a 'schema', which is an object")
    _check_schemas([value for key, value in wanted.items() if key != "type"], "response_format")


def _check_schemas(schemas: list[Any], param: str) -> None:
    nodes = 0
    for container in _containers(schemas):
        size = len(container)
        nodes += size
        if size > MAX_ALTERNATIVES and container is not schemas:
            raise _invalid(param, f"an object or list of a schema has {MAX_ALTERNATIVES} entries at the most")
        if nodes > MAX_SCHEMA_NODES:
            raise _invalid(param, f"the schemas of a request have {MAX_SCHEMA_NODES} keys and entries at the most")
        if isinstance(container, dict):
            _check_ranges(container, param)
            if isinstance(pattern := container.get("pattern"), str):
                _check_pattern(pattern, param)


def _containers(root: Any) -> Iterator[Any]:
    waiting = [root]
    while waiting:
        container = waiting.pop()
        yield container
        values = container.values() if isinstance(container, dict) else container
        waiting.extend(value for value in values if isinstance(value, dict | list))


def _check_ranges(schema: Mapping[str, Any], param: str) -> None:
    for pair in _COUNTS:
        for name in pair:
            count = schema.get(name)
            if count is None or isinstance(count, dict):  # a property of that name
                continue
            if not isinstance(count, int) or not 0 <= count <= MAX_COUNT:
                raise _invalid(param, f"{name} must be a whole number from 0 to {MAX_COUNT}")
    for low, high in _RANGES:
        least, most = schema.get(low), schema.get(high)
        if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
            raise _invalid(param, f"{low} is greater than {high}")


def _check_pattern(pattern: str, param: str) -> None:
    if len(pattern) > MAX_PATTERN:
        raise _invalid(param, f"a pattern has {MAX_PATTERN} characters at the most")
    open_groups, last = [0], 0
    for token in _TOKEN.finditer(_ATOM.sub("x", pattern)):
        text = token.group()
        if token[1]:
            low, high = int(token[1]), int(token[3] or token[1])
            if low > high:
                raise _invalid(param, "a repetition in a pattern has its bounds the wrong way round")
            open_groups[-1] += last * (max(high, 1) - 1)
            last *= max(high, 1)
        elif text == "(":
            open_groups.append(0)
        elif text == ")" and len(open_groups) > 1:
            last = open_groups.pop()
            open_groups[-1] += last
        elif text not in "*+?|^$":
            last = 1
            open_groups[-1] += last
    if sum(open_groups) > MAX_PATTERN_ATOMS:
        raise _invalid(param, f"a pattern has {MAX_PATTERN_ATOMS} characters, repetitions written out, at the most")


def _invalid(param: str, message: str) -> ServiceError:
    return ServiceError.of(400, "invalid_value", f"{param}: {message}", param=param)

"""Schemas that recurse, repeat and multiply, at the real engine: it answers or refuses, and it lives."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hxp_model import ModelService
    from hxp_services_base.testing import Running

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
A = {"$ref": "#/definitions/a"}
TEXT = {"type": "string"}


def body(schema: Any) -> dict[str, Any]:
    return {
        "model": "random",
        "messages": [{"role": "user", "content": "hello"}],
        "max_tokens": 20,
        "temperature": 0,
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    }


def nested(levels: int, **outside: Any) -> dict[str, Any]:
    schema: dict[str, Any] = TEXT
    for _ in range(levels):
        schema = {**outside, "type": "array", "items": schema}
    return schema


def doubling(levels: int) -> dict[str, Any]:
    definitions: dict[str, Any] = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{levels}": TEXT}}


def typed(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = TEXT
    for _ in range(levels):
        schema = {"type": ["object", "object"], "properties": {"a": schema}}
    return schema


async def asked(running: Running[ModelService], schema: Any) -> tuple[int, str | None]:
    """Ask once; the engine must be the same process afterwards, and must not have taken long."""
    engine = running.service.running_engine
    before, began = engine.stats().pid, time.monotonic()
    async with running.client.post(CHAT, json=body(schema)) as response:
        answer = await response.json()
    assert time.monotonic() - began < 5
    assert (engine.stats().pid, engine.stats().restarts, engine.stats().is_up) == (before, 0, True)
    return response.status, None if response.status == 200 else answer["error"]["param"]


PLACE = "response_format.json_schema.schema"


@pytest.mark.parametrize(
    ("schema", "param"),
    [
        ({"definitions": {"a": A}, "allOf": [A]}, f"{PLACE}.definitions.a"),
        ({"definitions": {"a": {"$ref": "#/definitions/b"}, "b": A}, "allOf": [A]}, f"{PLACE}.definitions.a"),
        ({"$ref": "#"}, PLACE),
        ({"properties": {"p": {"$ref": "https://127.0.0.1:1/x"}}}, f"{PLACE}.properties.p.$ref"),
        (doubling(24), f"{PLACE}.$defs.d11"),
        (typed(20), PLACE),
        ({"type": "object", "properties": {"_" * 300_000: TEXT}}, "response_format"),
        ({"type": "object", "properties": {"a" * 30_000: TEXT}, "additionalProperties": True}, "response_format"),
        ({"type": "string", "pattern": "^[z-a]$"}, "response_format"),
    ],
    ids=["self", "mutual", "root", "remote", "doubling", "types", "stack-of-names", "stack-of-a-trie", "range"],
)
async def test_a_schema_that_harms_the_engine_is_refused_with_its_place(
    running: Running[ModelService], schema: Any, param: str
) -> None:
    assert await asked(running, schema) == (400, param)


@pytest.mark.parametrize(
    "schema",
    [
        {"definitions": {"a": {"type": "object", "properties": {"a": A}}}, **A},
        {"definitions": {"a": {"type": "array", "items": A}}, **A},
        {"definitions": {"a": {"type": "array", "prefixItems": [A]}}, **A},
        {"definitions": {"a": {"type": "object", "additionalProperties": A}}, **A},
        {"properties": {"children": {"type": "array", "items": {"$ref": "#"}}}, "required": ["children"]},
        {"definitions": {"a/b": TEXT}, "$ref": "#/definitions/a~1b"},
        nested(90),
        nested(10, minItems=2000, maxItems=2000),
        doubling(10),
        typed(8),
        {"type": "object", "properties": {f"p{n}": TEXT for n in range(250)}, "additionalProperties": True},
        {"const": "a" * 1_000_000},
        {"type": "object", "properties": {"a" * 256: TEXT}, "additionalProperties": True},
        {"type": "object", "patternProperties": {"^(a+)+$": TEXT}, "propertyNames": {"pattern": "^(a|aa)+$"}},
    ],
    ids=["properties", "items", "prefixItems", "additional", "root", "escaped", "deep", "many", "doubling", "types",
         "optional", "long", "name", "patterns"],
)  # fmt: skip
async def test_recursion_with_progress_and_large_schemas_are_answered(
    running: Running[ModelService], schema: Any
) -> None:
    assert await asked(running, schema) == (200, None)

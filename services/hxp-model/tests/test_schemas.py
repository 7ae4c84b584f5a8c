"""Schemas that recurse, repeat and multiply, at the real engine: it answers or refuses, and it lives."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hxp_model import ModelService
    from hxp_services_base.testing import Running

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
A = {"$ref": "#/definitions/a"}
B = {"$ref": "#/definitions/b"}
TEXT = {"type": "string"}
NAMED = {"type": "object", "properties": {"name": TEXT}}


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


class Inventor:
    """Invents schemas: every keyword, nested, with references to anywhere."""

    PATTERNS = (
        "^a+$",
        "^(a|b)*c$",
        "^[a-z]{2,5}$",
        "^$",
        "^(x|y|)+$",
        "^((a|b)?c?)*$",
        "^a{0,200}$",
        "^[]]$",
        "^)($",
        "^\\\\",
    )
    LEAVES: tuple[dict[str, Any], ...] = (
        TEXT, {}, {"type": "null"}, {"const": {"a": [1]}}, {"enum": []}, {"type": "string", "maxLength": 2000},
        {"type": "string", "format": "date-time"}, {"type": ["string", "null"]}, {"$ref": "#"}, {"$ref": "#/$defs/a"},
        {"$ref": "#/$defs/b"}, {"$ref": "#/$defs/b"},
    )  # fmt: skip

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def schema(self) -> dict[str, Any]:
        """A whole schema."""
        definitions = {name: self._any(self._random.randint(0, 3)) for name in "ab"}
        return {**self._any(self._random.randint(1, 5)), "$defs": definitions}

    def _any(self, depth: int) -> dict[str, Any]:
        pick = self._random.choice
        if depth <= 0 or self._random.random() < 0.15:
            number = {"type": "integer", pick(("minimum", "maximum")): pick((-(2**63), -10, 3, 10**15, 2**63 - 1))}
            return pick((*self.LEAVES, {"type": "string", "pattern": pick(self.PATTERNS)}, number))
        few = [self._any(depth - 1) for _ in range(self._random.randint(0, 3))]
        one = self._any(depth - 1)
        named = dict(zip("abc$", few, strict=False))
        return pick((
            {"type": "object", "properties": named, "required": ["a"], "additionalProperties": pick((True, one))},
            {"type": "array", "items": one, "minItems": pick((0, 3)), "maxItems": pick((3, 2000))},
            {"type": "array", "prefixItems": few},
            {"anyOf": few}, {"oneOf": few}, {"allOf": few}, {"allOf": few, "type": "object"}, {"allOf": [one]},
            {"type": ["object", "string", "array"], "properties": named, "items": one, "allOf": few},
            {"not": one, "if": one, "then": one, "dependentSchemas": named},
            {"type": "object", "patternProperties": named, "propertyNames": one, "maxProperties": 5},
        ))  # fmt: skip


class PatternInventor:
    """Invents patterns of parts that may be empty, repeated in one another."""

    ATOMS = ("a", "b", "ab", ".", "[a-c]", "[^b]", "\\d", "")
    MARKS = ("", "?", "*", "+", "{2}", "{0,3}", "{4,}", "{16}", "{64}", "{128}")

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def pattern(self) -> str:
        """A whole pattern."""
        return f"^{self._any(self._random.randint(1, 4))}$"

    def _any(self, depth: int) -> str:
        pick = self._random.choice
        if depth == 0:
            return pick(self.ATOMS) + pick(self.MARKS[:4])
        parts = [self._any(depth - 1) for _ in range(self._random.randint(1, 4))]
        return f"({pick(('', '|')).join(parts)}){pick(self.MARKS)}"


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
        (
            {"definitions": {"a": {"properties": {"p": {"allOf": [A, {"properties": {}}]}}}}, **A},
            f"{PLACE}.definitions.a",
        ),
        ({"type": "integer", "minimum": 10**16}, "response_format"),
        ({"type": "integer", "minimum": 2**63 - 1, "maximum": 2**63 - 1}, "response_format"),
        ({"type": "string", "pattern": "^(a?|b?|c?|d?){64}$"}, "response_format"),
        ({"anyOf": [{"type": "string", "pattern": f"^({x}?|b?){{64}}$"} for x in "uvwxyz"]}, "response_format"),
        (
            {"anyOf": [{"type": "integer", "minimum": -(10**14), "maximum": 10**14 + n} for n in range(200)]},
            "response_format",
        ),
    ],
    ids=[
        "self",
        "mutual",
        "root",
        "remote",
        "doubling",
        "types",
        "stack-of-names",
        "stack-of-a-trie",
        "range",
        "written-out",
        "digits",
        "one-number",
        "empty-parts",
        "empty-parts-together",
        "ranges-together",
    ],
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
        {"definitions": {"a": {"type": "object", "properties": {"p": {"allOf": [A]}}}}, **A},
        {"definitions": {"a": {"allOf": [B, {"properties": {"c": {"type": "array", "items": A}}}]}, "b": NAMED}, **A},
        nested(90),
        nested(10, minItems=2000, maxItems=2000),
        doubling(10),
        typed(8),
        {"type": "object", "properties": {f"p{n}": TEXT for n in range(250)}, "additionalProperties": True},
        {"const": "a" * 1_000_000},
        {"type": "integer", "minimum": 10**15, "maximum": 2**63 - 1},
        {"type": "object", "properties": {"a" * 256: TEXT}, "additionalProperties": True},
        {"type": "object", "patternProperties": {"^(a+)+$": TEXT}, "propertyNames": {"pattern": "^(a|ba)+$"}},
    ],
    ids=["properties", "items", "prefixItems", "additional", "root", "escaped", "allOf", "inherited", "deep", "many",
         "doubling", "types", "optional", "long", "integers", "name", "patterns"],
)  # fmt: skip
async def test_recursion_with_progress_and_large_schemas_are_answered(
    running: Running[ModelService], schema: Any
) -> None:
    assert await asked(running, schema) == (200, None)


@pytest.mark.slow
async def test_whatever_is_invented_the_engine_lives(running: Running[ModelService]) -> None:
    inventor = Inventor(seed=20)
    statuses = [(await asked(running, inventor.schema()))[0] for _ in range(1500)]
    assert set(statuses) <= {200, 400, 502}
    assert statuses.count(200) > 300


@pytest.mark.slow
async def test_a_pattern_that_passes_takes_less_than_a_second(running: Running[ModelService]) -> None:
    """Twenty tokens each."""
    inventor = PatternInventor(seed=21)
    statuses: list[int] = []
    for _ in range(1000):
        pattern, began = inventor.pattern(), time.monotonic()
        statuses.append((await asked(running, {"type": "string", "pattern": pattern}))[0])
        assert time.monotonic() - began < 1, pattern
    assert set(statuses) <= {200, 400, 502}
    assert statuses.count(200) > 100

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
import yaml
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

# How long an example takes to make says something about the machine, nothing about what is tested.
settings.register_profile(
    "hxp", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("hxp")

SPEC = Path(__file__).parents[4] / "shared" / "data" / "openai-openapi" / "openapi.yaml"
WHERE = "Set HXP_OPENAI_SPEC to OpenAI's openapi.yaml, or put it at ../shared/data/openai-openapi/openapi.yaml."
LETTERS = "abXYZ019_- ./\\\"'{}\t\n\r\x00\u00e9\u2028\ufffd\U0001f600"


class JSONSample:
    """Makes up values from the JSON Schema of a model: so what the schema allows is what is tried.

    Args:
        schema: As pydantic writes it, with `$defs`.
        random: The source of chance.
        extra: Whether objects get fields that the schema does not name, at random places.
        null: Whether optional fields may be null instead of absent.
    """

    def __init__(self, schema: dict[str, Any], random: Random, *, extra: bool = True, null: bool = True) -> None:
        self._schema = schema
        self._random = random
        self._extra = extra
        self._nulls = null

    def make(self) -> Any:
        return self._of(self._schema)

    def _of(self, schema: dict[str, Any]) -> Any:
        if "$ref" in schema:
            return self._of(self._schema["$defs"][schema["$ref"].rpartition("/")[2]])
        for word in ("anyOf", "oneOf"):
            if word in schema:
                members = [part for part in schema[word] if self._nulls or part.get("type") != "null"]
                if not self._extra and any("enum" in part for part in members):
                    members = [part for part in members if part.get("type") != "string" or "enum" in part]
                return self._of(self._random.choice(members))
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._random.choice(schema["enum"])
        return getattr(self, f"_{schema.get('type', 'any')}")(schema)

    def _any(self, _schema: dict[str, Any], depth: int = 0) -> Any:
        kinds: list[Callable[[], Any]] = [
            lambda: None,
            lambda: self._random.random() < 0.5,
            lambda: self._random.randrange(-(1 << 63), 1 << 63),
            lambda: self._random.uniform(-1e9, 1e9),
            lambda: self._string({}),
            lambda: [self._any({}, depth + 1) for _ in range(self._random.randrange(3))],
            lambda: {self._string({}): self._any({}, depth + 1) for _ in range(self._random.randrange(3))},
        ]
        return self._random.choice(kinds if depth < 3 else kinds[:5])()

    def _null(self, _schema: dict[str, Any]) -> None:
        return None

    def _boolean(self, _schema: dict[str, Any]) -> bool:
        return self._random.random() < 0.5

    def _integer(self, schema: dict[str, Any]) -> int:
        low: int = schema.get("minimum", schema.get("exclusiveMinimum", -(1 << 63) - 1) + 1)
        high: int = schema.get("maximum", schema.get("exclusiveMaximum", 1 << 63) - 1)
        return self._random.choice([low, high, self._random.randint(low, high)])

    def _number(self, schema: dict[str, Any]) -> float:
        low: float = schema.get("minimum", schema.get("exclusiveMinimum", -1e9))
        high: float = schema.get("maximum", 1e9)
        picked = self._random.choice([low, high, self._random.uniform(low, high)])
        return high if picked == schema.get("exclusiveMinimum") else picked

    def _string(self, schema: dict[str, Any]) -> str:
        least = schema.get("minLength", 0)
        if "pattern" in schema:
            return "".join(self._random.choices("abcXYZ019_-", k=max(1, least) + self._random.randrange(8)))
        return "".join(self._random.choices(LETTERS, k=least + self._random.randrange(6)))

    def _array(self, schema: dict[str, Any]) -> list[Any]:
        least = schema.get("minItems", 0)
        return [self._of(schema.get("items", {})) for _ in range(least + self._random.randrange(3))]

    def _object(self, schema: dict[str, Any]) -> dict[str, Any]:
        declared = schema.get("properties", {})
        more = schema.get("additionalProperties", True)
        if not declared and isinstance(more, dict):
            return {self._string({}): self._of(more) for _ in range(self._random.randrange(3))}
        required = set(schema.get("required", ()))
        likely = self._random.random()
        pairs = [
            (name, self._of(part))
            for name, part in declared.items()
            if name in required or self._random.random() < likely
        ]
        if self._extra or not declared:
            unknown = {self._string({}): self._any({}) for _ in range(self._random.randrange(3))}
            pairs += [pair for pair in unknown.items() if pair[0] not in declared]
            self._random.shuffle(pairs)
        return dict(pairs)


class OpenAISpec:
    """OpenAI's own document, as a judge of what we write."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.schemas: dict[str, Any] = document["components"]["schemas"]
        self._judges: dict[str, jsonschema_rs.Draft202012Validator] = {}

    def errors(self, name: str, value: object) -> list[str]:
        """What is wrong with a value that should be of a schema of the document."""
        if name not in self._judges:
            schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": self.schemas}}
            self._judges[name] = jsonschema_rs.Draft202012Validator(schema)
        return [
            f"{list(error.instance_path)}: {error.message[:400]}" for error in self._judges[name].iter_errors(value)
        ]


ALSO = {"oneOf": "anyOf"}


def nullable(part: Any) -> Any:
    """Read 3.0's `nullable` as "or null", and `oneOf` as "any of": some of its members overlap."""
    if isinstance(part, list):
        return [nullable(item) for item in part]
    if not isinstance(part, dict):
        return str(part) if isinstance(part, date) else part  # which YAML makes of some examples
    plain = {ALSO.get(name, name): nullable(value) for name, value in part.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if part.get("nullable") is True else plain


@pytest.fixture(scope="session")
def openai_spec() -> OpenAISpec:
    """The document, parsed once in a run."""
    path = Path(os.environ.get("HXP_OPENAI_SPEC", SPEC))
    if not path.exists():
        pytest.skip(WHERE)
    return OpenAISpec(nullable(yaml.load(path.read_text(), Loader=yaml.CSafeLoader)))


@pytest.fixture(scope="session")
def json_sample() -> type[JSONSample]:
    return JSONSample

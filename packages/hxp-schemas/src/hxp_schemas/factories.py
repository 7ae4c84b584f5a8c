"""Valid instances of any model, made from its JSON Schema: for examples, tests and benchmarks.

    >>> from hxp_schemas import UsageRecord
    >>> make = model_factory(UsageRecord)
    >>> record = make(model="tiny")
    >>> record.model, record.prompt_tokens, record == model_factory(UsageRecord)(model="tiny")
    ('tiny', 0, True)

The values come from a `Provider`; hxp-testing and others plug in their own, to be asked first.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, Protocol, TypeVar

import pydantic

if TYPE_CHECKING:
    import random

__all__ = ["NOT_PROVIDED", "FieldContext", "ModelFactory", "Provider", "model_factory"]

M = TypeVar("M", bound=pydantic.BaseModel)
NOT_PROVIDED: Final = object()
"""What a provider returns for a field that it knows nothing about."""
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_MAX_DEPTH = 8
_WORDS = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel")


class FieldContext(NamedTuple):
    """A field that wants a value.

    Attributes:
        model: The model's name.
        path: Names that lead to the field.
        schema: Its JSON Schema, with references resolved one step.
    """

    model: str
    path: tuple[str, ...]
    schema: dict[str, Any]


class Provider(Protocol):
    """Makes values for fields."""

    def __call__(self, field: FieldContext, source: "random.Random") -> Any:
        """Return a JSON value for the field, or `NOT_PROVIDED`."""


class ModelFactory(Generic[M]):
    """Makes instances of one model.

    Args:
        model: The model.
        source: Decides all that is random; the same seed gives the same instances.
        providers: Asked in order, before the values that follow from the schema.
    """

    def __init__(self, model: type[M], *, source: "random.Random", providers: Sequence[Provider] = ()) -> None:
        self._model = model
        self._source = source
        self._providers = tuple(providers)
        schema = model.model_json_schema(by_alias=True, mode="validation")
        self._definitions: dict[str, Any] = schema.get("$defs", {})
        self._schema = self._resolved(schema)  # a model that holds itself is a reference from the start

    def __call__(self, **fields: Any) -> M:
        """Make one instance.

        Args:
            fields: Values that are given; all others that the model requires are made.

        Raises:
            pydantic.ValidationError: A given value is wrong, or the model has rules that its schema does not tell:
                give the fields that they are about, or a provider.
        """
        return self._model.model_validate({**self._required(fields), **fields})

    def batch(self, number: int, **fields: Any) -> list[M]:
        """Make several instances."""
        return [self(**fields) for _ in range(number)]

    def _required(self, given: dict[str, Any]) -> dict[str, Any]:
        properties = self._schema.get("properties", {})
        wanted = [name for name in self._schema.get("required", ()) if name not in given]
        return {name: self._value((name,), properties[name]) for name in wanted}

    def _value(self, path: tuple[str, ...], schema: dict[str, Any]) -> Any:
        schema = self._resolved(schema)
        context = FieldContext(self._model.__name__, path, schema)
        for provider in self._providers:
            if (value := provider(context, self._source)) is not NOT_PROVIDED:
                return value
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        for key in ("examples", "enum"):
            if schema.get(key):
                return self._source.choice(schema[key])
        for key in ("anyOf", "oneOf", "allOf"):
            if members := schema.get(key):
                deep = len(path) > _MAX_DEPTH and {"type": "null"} in members
                return None if deep else self._value(path, members[0])
        return self._of_type(path, schema)

    def _of_type(self, path: tuple[str, ...], schema: dict[str, Any]) -> Any:
        makers: dict[str, Callable[[], Any]] = {
            "array": lambda: [
                self._value((*path, str(n)), schema.get("items", {})) for n in range(schema.get("minItems", 0))
            ],
            "boolean": lambda: False,
            "integer": lambda: self._integer(schema),
            "null": lambda: None,
            "number": lambda: self._number(schema),
            "object": lambda: {
                name: self._value((*path, name), schema["properties"][name]) for name in schema.get("required", ())
            },
            "string": lambda: self._text(path, schema),
        }
        return makers.get(schema.get("type", "null"), lambda: None)()

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**self._definitions[schema["$ref"].rpartition("/")[2]], **rest}
        return schema

    def _number(self, schema: dict[str, Any]) -> float:
        low, high = _range(schema)
        step = schema.get("multipleOf")
        if step is not None:
            return float(math.ceil(low / step) * step)
        return low if low >= high else low + (high - low) * self._source.randrange(1, 1000) / 1000

    def _integer(self, schema: dict[str, Any]) -> int:
        low, high = _range(schema)
        step: int = schema.get("multipleOf", 1)
        first = math.floor(low) + 1 if "exclusiveMinimum" in schema else math.ceil(low)
        last = math.ceil(high) - 1 if "exclusiveMaximum" in schema else math.floor(high)
        return step * self._source.randint(-(-first // step), max(-(-first // step), last // step))

    def _text(self, path: tuple[str, ...], schema: dict[str, Any]) -> str:
        make = _FORMATS.get(schema.get("format", ""))
        if make is not None:
            return make(self._source)
        text: str = self._source.choice(_WORDS)
        text += "x" * (schema.get("minLength", 0) - len(text))
        text = text[: schema.get("maxLength", len(text))]
        if "pattern" in schema and not re.search(schema["pattern"], text):
            where = f"{self._model.__name__}.{'.'.join(path)}"
            raise ValueError(
                f"{where} must match {schema['pattern']!r}; give the field, a provider, or the schema examples"
            )
        return text


_FORMATS: Final[Mapping[str, Callable[["random.Random"], str]]] = MappingProxyType(
    {
        "date": lambda source: f"2026-01-{source.randint(1, 28):02}",
        "date-time": lambda source: (_EPOCH + timedelta(seconds=source.randrange(31_536_000))).isoformat(),
        "uri": lambda source: f"https://example.org/{source.choice(_WORDS)}",
        "uuid": lambda source: f"{source.getrandbits(32):08x}-0000-4000-8000-{source.getrandbits(48):012x}",
    }
)


def _range(schema: dict[str, Any]) -> tuple[float, float]:
    """Where a number may lie, at most 1000 wide."""
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None:
        low = 0 if high is None or high > 0 else high - 1000
    return low, low + 1000 if high is None else min(high, low + 1000)


def model_factory(model: type[M], *, seed: int = 0, providers: Sequence[Provider] = ()) -> ModelFactory[M]:
    """Make a factory.

    Args:
        model: Any pydantic model.
        seed: The same seed gives the same instances.
        providers: Your own sources of values, asked first.
    """
    import random  # noqa: PLC0415 - it loads hashlib, and OpenSSL with it

    return ModelFactory(model, source=random.Random(seed), providers=providers)  # noqa: S311 - examples, no secrets

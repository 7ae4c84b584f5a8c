"""Valid instances of any model, made from its JSON Schema: for examples, tests and benchmarks.

    >>> from hxp_schemas import UsageRecord
    >>> make = model_factory(UsageRecord)
    >>> record = make(model="tiny")
    >>> record.model, record.prompt_tokens, record == model_factory(UsageRecord)(model="tiny")
    ('tiny', 0, True)

The values come from a `Provider`; hxp-testing and others plug in their own, to be asked first.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, Protocol, TypeVar

import pydantic

if TYPE_CHECKING:
    import random

__all__ = ["NOT_PROVIDED", "FieldContext", "ModelFactory", "Provider", "model_factory"]

M = TypeVar("M", bound=pydantic.BaseModel)
NOT_PROVIDED: Final = object()
"""What a provider returns for a field that it knows nothing about."""
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
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
        self._schema = model.model_json_schema(by_alias=True, mode="validation")
        self._definitions: dict[str, Any] = self._schema.get("$defs", {})

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
            if schema.get(key):
                return self._value(path, schema[key][0])
        return self._of_type(path, schema)

    def _of_type(self, path: tuple[str, ...], schema: dict[str, Any]) -> Any:
        makers: dict[str, Callable[[], Any]] = {
            "array": lambda: [
                self._value((*path, str(n)), schema.get("items", {})) for n in range(schema.get("minItems", 0))
            ],
            "boolean": lambda: False,
            "integer": lambda: int(self._number(schema)),
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
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        high = min(schema.get("maximum", schema.get("exclusiveMaximum", low + 1000)), low + 1000)
        number = low + 1 if "exclusiveMinimum" in schema else low
        return (
            float(number)
            if number >= high
            else float(self._source.randint(int(number), int(high) - ("exclusiveMaximum" in schema)))
        )

    def _text(self, path: tuple[str, ...], schema: dict[str, Any]) -> str:
        if schema.get("format") == "date-time":
            return (_EPOCH + timedelta(seconds=self._source.randrange(31_536_000))).isoformat()
        if "pattern" in schema:
            where = f"{self._model.__name__}.{'.'.join(path)}"
            raise ValueError(
                f"{where} must match {schema['pattern']!r}; give the field, a provider, or the schema examples"
            )
        text: str = self._source.choice(_WORDS)
        text += "x" * (schema.get("minLength", 0) - len(text))
        return text[: schema.get("maxLength", len(text))]


def model_factory(model: type[M], *, seed: int = 0, providers: Sequence[Provider] = ()) -> ModelFactory[M]:
    """Make a factory.

    Args:
        model: Any pydantic model.
        seed: The same seed gives the same instances.
        providers: Your own sources of values, asked first.
    """
    import random  # noqa: PLC0415 - it loads hashlib, and OpenSSL with it

    return ModelFactory(model, source=random.Random(seed), providers=providers)  # noqa: S311 - examples, no secrets

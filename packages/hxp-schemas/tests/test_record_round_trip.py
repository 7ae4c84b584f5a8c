"""Every record: value → JSON → value; and an unknown field, wherever it stands, is kept or refused, never dropped."""

import json
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import hxp_schemas
import pydantic
import pytest
from hxp_schemas import deployment, pagination
from hxp_schemas.factories import NOT_PROVIDED, FieldContext, ModelFactory
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

UNKNOWN = "a_field_of_tomorrow"
PAIRED: dict[str, dict[str, Any]] = {
    "PerformanceMetrics": {"since": "2026-11-23T12:00:00Z", "until": "2026-11-23T12:00:10Z"},
    "Lease": {"granted_at": "2026-11-23T12:00:00Z", "expires_at": "2026-11-23T12:01:00Z"},
}
MODELS = sorted(
    {
        value
        for module in (hxp_schemas, deployment, pagination)
        for name in module.__all__
        for value in [getattr(module, name)]
        if isinstance(value, type) and issubclass(value, pydantic.BaseModel)
    },
    key=lambda model: model.__name__,
)


def everything(field: FieldContext, source: random.Random) -> Any:
    """Give free texts the characters that writers of JSON get wrong."""
    return (
        "€ \u2028 \x7f"
        if field.schema.get("type") == "string" and set(field.schema) <= {"type", "title"}
        else NOT_PROVIDED
    )


@cache
def properties_of(model: type[pydantic.BaseModel]) -> dict[str, Any]:
    properties: dict[str, Any] = model.model_json_schema()["properties"]
    return properties


def made(model: type[pydantic.BaseModel], seed: int) -> pydantic.BaseModel:
    source = random.Random(seed)
    factory, properties = ModelFactory(model, source=source, providers=[everything]), properties_of(model)
    known = PAIRED.get(model.__name__, {})
    instance = factory(**known)
    # Optional fields are filled one by one, as far as the model's own rules let them stand together.
    for name in source.sample(sorted(properties), len(properties)):
        if name not in known:
            try:
                instance = model.model_validate(
                    {**instance.model_dump(mode="json"), name: factory._value((name,), properties[name])}
                )
            except ValueError:  # of the model's rules, or a pattern without examples
                continue
    return instance


def mappings(value: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object in a document that stands for a model: those with free keys hold what the caller named."""
    if isinstance(value, dict):
        yield value
        for name, inner in value.items():
            if name not in {
                "labels",
                "buckets",
                "metadata",
                "config",
                "services",
                "detail",
                "considered",
                "query",
                "credentials",
                "body",
            }:
                yield from mappings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from mappings(inner)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), place=st.integers(0, 2**16))
def test_a_record_comes_back_and_so_does_what_it_does_not_know(
    model: type[pydantic.BaseModel], seed: int, place: int
) -> None:
    instance = made(model, seed)
    text = instance.model_dump_json()
    assert model.model_validate_json(text) == instance
    assert model.model_validate_json(text).model_dump_json() == text

    document = json.loads(text)
    objects = list(mappings(document))
    objects[place % len(objects)][UNKNOWN] = {"x": [1, None]}
    try:
        read = model.model_validate_json(json.dumps(document))
    except ValidationError as error:
        assert any(UNKNOWN in problem["loc"] and problem["type"] == "extra_forbidden" for problem in error.errors())  # noqa: PT017 - either outcome is right
    else:
        assert json.loads(read.model_dump_json()) == document

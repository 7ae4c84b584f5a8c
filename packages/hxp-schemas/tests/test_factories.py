"""Any of our models can be made, the same for the same seed; and survives the wire."""

import random
from datetime import date
from typing import Any, Literal
from uuid import UUID

import hxp_schemas
import pydantic
import pytest
from hxp_schemas import WireModel, factories, openai
from hxp_schemas.factories import NOT_PROVIDED, FieldContext, ModelFactory, model_factory
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AnyUrl, Field

PAIRED = {
    "PerformanceMetrics": {"since": "2026-11-23T12:00:00Z", "until": "2026-11-23T12:00:10Z"},
    "Lease": {"granted_at": "2026-11-23T12:00:00Z", "expires_at": "2026-11-23T12:01:00Z"},
}
MODELS = [
    value
    for name in hxp_schemas.__all__
    for value in [getattr(hxp_schemas, name)]
    if isinstance(value, type) and issubclass(value, pydantic.BaseModel)
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_record_can_be_made_and_survives_the_wire(model: type[pydantic.BaseModel]) -> None:
    make = ModelFactory(model, source=random.Random(3))
    for _ in range(5):
        made = make(**PAIRED.get(model.__name__, {}))
        assert model.model_validate_json(made.model_dump_json()) == made


def test_the_records_of_the_package_are_meant() -> None:
    assert len(MODELS) >= 30


WIRE = [
    value
    for name in openai.__all__
    for value in [getattr(openai, name)]
    if isinstance(value, type) and issubclass(value, WireModel)
]


@pytest.mark.parametrize("model", WIRE, ids=lambda model: model.__name__)
def test_every_wire_model_can_be_made_and_survives_the_wire(model: type[WireModel]) -> None:
    for made in model_factory(model, seed=3).batch(5):
        assert model.model_validate_json(made.to_json()) == made


class Inner(pydantic.BaseModel):
    on: bool
    kind: Literal["a", "b"]


class Sample(pydantic.BaseModel):
    text: str = Field(min_length=12, max_length=20)
    short: str = Field(max_length=2)
    number: int = Field(gt=3, lt=5)
    share: float = Field(ge=0.5, le=0.5)
    inner: list[Inner] = Field(min_length=2)
    either: Inner | None
    optional: int = 7
    nothing: None
    anything: Any


@given(st.integers(0, 1000))
def test_values_keep_the_bounds_of_the_schema(seed: int) -> None:
    sample = model_factory(Sample, seed=seed)()
    assert (sample.number, sample.share, sample.optional) == (4, 0.5, 7)
    assert model_factory(Sample, seed=seed)() == sample


def test_given_values_and_providers_come_first() -> None:
    asked: list[FieldContext] = []

    def provider(field: FieldContext, source: random.Random) -> Any:
        asked.append(field)
        return "from the provider" if field.path == ("text",) else NOT_PROVIDED

    make = model_factory(Sample, providers=[provider])
    assert [one.text for one in make.batch(2, short="x")] == ["from the provider"] * 2
    assert ("inner", "1", "on") in {field.path for field in asked}
    assert ("short",) not in {field.path for field in asked}
    assert asked[0].model == "Sample"


class Bounded(pydantic.BaseModel):
    share: float = Field(ge=0.2, le=0.9)
    small: float = Field(gt=0, le=0.5)
    below: float = Field(lt=-5)
    negative: int = Field(le=-5)
    between: int = Field(gt=2, lt=4)
    huge: int = Field(ge=1 << 62)
    even: int = Field(gt=2, multiple_of=2)
    quarter: float = Field(ge=0.3, multiple_of=0.25)
    day: date
    place: AnyUrl
    number: UUID
    name: str = Field(pattern="^[a-z]+$", min_length=12)
    inside: "Bounded | None"


@given(st.integers(0, 1000))
def test_every_bound_and_format_is_kept(seed: int) -> None:
    made = model_factory(Bounded, seed=seed)()
    assert made.between == 3
    assert model_factory(Bounded, seed=seed)() == made


class Coded(pydantic.BaseModel):
    code: str = Field(pattern="^[A-Z]{3}$")


def test_a_pattern_without_examples_names_the_field_and_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"Coded\.code must match '\^\[A-Z\]\{3\}\$'; give the field, a provider"):
        model_factory(Coded)()
    assert model_factory(Coded)(code="ABC").code == "ABC"
    assert factories.__all__

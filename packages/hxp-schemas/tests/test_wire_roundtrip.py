"""Every wire model, with values derived from its own JSON Schema, and with unknown fields at random places."""

import json
from random import Random
from typing import Any

import pytest
from hxp_schemas import WireModel, openai
from hypothesis import given, settings
from hypothesis import strategies as st

MODELS = sorted(
    (
        thing
        for name in openai.__all__
        if isinstance(thing := getattr(openai, name), type) and issubclass(thing, WireModel)
    ),
    key=lambda model: model.__name__,
)
SCHEMAS = {model.__name__: model.model_json_schema() for model in MODELS}


def test_there_is_a_model_for_every_topic() -> None:
    assert len(MODELS) > 120
    assert {"ChatCompletionRequest", "Response", "ResponseErrorEvent", "CompletionUsage"} <= {
        m.__name__ for m in MODELS
    }


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
@settings(max_examples=25)
@given(seed=st.integers(min_value=0))
def test_what_the_schema_allows_is_read_and_written_as_it_was(
    model: type[WireModel], json_sample: Any, seed: int
) -> None:
    body = json_sample(SCHEMAS[model.__name__], Random(seed)).make()
    read = model.model_validate_json(json.dumps(body))
    written = read.to_json()
    assert json.loads(written) == body
    assert model.model_validate_json(written) == read
    assert model.model_validate(body).to_dict() == body
    names = [field.alias or name for name, field in model.model_fields.items()]
    declared = [name for name in names if name in body]
    unknown = [name for name in body if name not in names]
    assert list(json.loads(written)) == [*declared, *unknown]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_optional_field_may_be_absent_or_null_and_stays_so(model: type[WireModel], json_sample: Any) -> None:
    schema = SCHEMAS[model.__name__]
    nullable = [
        name for name, part in schema.get("properties", {}).items() if {"type": "null"} in part.get("anyOf", ())
    ]
    only_required = {
        **schema,
        "properties": {k: v for k, v in schema.get("properties", {}).items() if k in schema.get("required", ())},
    }
    body = json_sample(only_required, Random(1), extra=False).make()
    for present in (False, True):
        for name in nullable:
            changed = {k: v for k, v in body.items() if k != name} | ({name: None} if present else {})
            if present or name not in schema.get("required", ()):
                assert json.loads(model.model_validate_json(json.dumps(changed)).to_json()) == changed

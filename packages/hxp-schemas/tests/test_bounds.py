"""B7: what a caller may send is bounded, and the bounds are part of the schema; what we read is not."""

from collections.abc import Iterator
from typing import Any

import pytest
from hxp_schemas import WireModel
from hxp_schemas import openai as o
from pydantic import ValidationError

REQUESTS: list[type[WireModel]] = [
    o.ChatCompletionRequest,
    o.CompletionRequest,
    o.EmbeddingRequest,
    o.ResponseRequest,
    o.VLLMParams,
]
ANSWERS: list[type[WireModel]] = [
    o.ChatCompletion,
    o.ChatCompletionChunk,
    o.Completion,
    o.CreateEmbeddingResponse,
    o.ModelList,
    o.Response,
    o.ResponseCompletedEvent,
    o.ResponseOutputTextAnnotationAddedEvent,
]
LIMITS = {
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "maxItems",
    "maxProperties",
    "pattern",
}


def parts(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema within a schema, with its place."""
    if isinstance(schema, dict):
        if isinstance(schema.get("type"), str):
            yield path, schema
        for name, value in schema.items():
            if name not in {"enum", "const", "default", "examples"}:
                yield from parts(value, f"{path}/{name}")
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from parts(value, f"{path}/{index}")


def is_bounded(schema: dict[str, Any]) -> bool:
    if "enum" in schema or "const" in schema:
        return True
    match schema["type"]:
        case "string":
            return "maxLength" in schema or schema.get("pattern", "").endswith("{1,64}$")
        case "integer" | "number":
            return bool({"minimum", "exclusiveMinimum"} & schema.keys()) and bool(
                {"maximum", "exclusiveMaximum"} & schema.keys()
            )
        case "array":
            return "maxItems" in schema
        case "object":
            return "properties" in schema or "maxProperties" in schema
    return True


@pytest.mark.parametrize("model", REQUESTS, ids=lambda model: model.__name__)
def test_every_number_text_and_list_of_a_request_is_bounded(model: type[WireModel]) -> None:
    unbounded = [path for path, schema in parts(model.model_json_schema()) if not is_bounded(schema)]
    assert unbounded == []


@pytest.mark.parametrize("model", ANSWERS, ids=lambda model: model.__name__)
def test_nothing_of_an_answer_is_bounded(model: type[WireModel]) -> None:
    assert [path for path, schema in parts(model.model_json_schema()) if LIMITS & schema.keys()] == []


def test_an_error_names_field_rule_and_limit_and_never_what_was_sent() -> None:
    """L4, L6."""
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "user": "secret" * 100}
    with pytest.raises(ValidationError) as caught:
        o.ChatCompletionRequest.model_validate(body)
    assert "user\n  String should have at most 512 characters" in str(caught.value)
    assert "secret" not in str(caught.value)

"""Schemas as an engine gets them: references resolved, cycles without progress refused, nothing that multiplies."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hxp_services_base._engine_bounds import engine_form
from hxp_services_base._schema_form import MAX_FORM_NODES, plain_schema
from hxp_services_base.chassis import ServiceError
from hypothesis import given
from hypothesis import strategies as st

A = {"$ref": "#/definitions/a"}
B = {"$ref": "#/definitions/b"}
TEXT = {"type": "string"}


def defined(root: dict[str, Any], **definitions: Any) -> dict[str, Any]:
    return {**root, "definitions": definitions}


def refusal(schema: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(ServiceError) as caught:
        plain_schema(schema, "place")
    info = caught.value.info
    assert (info.status, info.code) == (400, "invalid_value")
    return str(info.param), info.message


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        (defined({"allOf": [A]}, a=A), "place.definitions.a"),
        (defined(A, a=B, b=A), "place.definitions.a"),
        (defined({"anyOf": [TEXT, A]}, a={"oneOf": [TEXT, B]}, b={"allOf": [A]}), "place.definitions.a"),
        (defined(A, a={"not": A}), "place.definitions.a"),
        (defined(A, a={"if": TEXT, "then": A}), "place.definitions.a"),
        (defined(A, a={"else": A}), "place.definitions.a"),
        (defined(A, a={"dependentSchemas": {"x": A}}), "place.definitions.a"),
        (defined(A, a={"x-unknown": A}), "place.definitions.a"),
        (defined(A, a={**B, "anyOf": [A]}, b=TEXT), "place.definitions.a"),
        (
            {"properties": {"p": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"anyOf": [{"$ref": "#/$defs/x"}]}}},
            "place.$defs.x",
        ),
        ({"$ref": "#"}, "place"),
        ({"$ref": ""} | {"$ref": "#", "type": "object"}, "place"),
        ({"anyOf": [TEXT, {"$ref": "#"}]}, "place"),
        ({"anyOf": [TEXT, {"$ref": "#/anyOf/1"}]}, "place.anyOf.1"),
        ({"allOf": [{"$ref": "#/$defs/a~1b"}], "$defs": {"a/b": {"$ref": "#/$defs/a%2Fb"}}}, None),
        ({"allOf": [{"$ref": "#/$defs/a~1b"}], "$defs": {"a/b": {"$ref": "#/$defs/a~1b"}}}, "place.$defs.a/b"),
        ({"allOf": [{"$ref": "#/$defs/a~0b"}], "$defs": {"a~b": {"$ref": "#/%24defs/a~0b"}}}, "place.$defs.a~b"),
        ({"$ref": "#/$defs/%25", "$defs": {"%": {"$ref": "#/$defs/%25"}}}, "place.$defs.%"),
        (defined(A, a={"allOf": [{"allOf": [{"allOf": [A]}]}]}), "place.definitions.a"),
        (
            {"$ref": "#/$defs/0", "$defs": {str(n): {"$ref": f"#/$defs/{(n + 1) % 500}"} for n in range(500)}},
            "place.$defs.0",
        ),
    ],
)
def test_a_reference_that_reaches_itself_without_progress_is_refused(schema: dict[str, Any], place: str | None) -> None:
    param, message = refusal(schema)
    if place is not None:
        assert param == place
        assert "refers to itself" in message


@pytest.mark.parametrize(
    "ref", ["#/definitions/b", "#nope", "https://example.com/x", "other.json", "", 7, None, "#/a%ff", "#/a~2", "#/type",
            "#/enum/7", "#/enum/x", "#/enum/01", "#/enum/-", "#/enum/99999999999999999999", "#/type/x"],
)  # fmt: skip
def test_a_reference_to_no_schema_is_refused_with_its_place(ref: Any) -> None:
    param, _ = refusal(
        {"type": "object", "enum": [{}, 1], "properties": {"p": {"$ref": ref}}, "definitions": {"a": {}}}
    )
    assert param == "place.properties.p.$ref"


@pytest.mark.parametrize(
    ("keyword", "inside"),
    [
        ("properties", {"x": A}),
        ("patternProperties", {"x": A}),
        ("additionalProperties", A),
        ("items", A),
        ("prefixItems", [TEXT, A]),
        ("contains", A),
        ("properties", {"x": {"anyOf": [A, {"type": "null"}]}}),
    ],
)
def test_recursion_through_a_property_or_an_item_is_legal(keyword: str, inside: Any) -> None:
    schema = defined(A, a={keyword: inside})
    before = copy.deepcopy(schema)
    assert plain_schema(schema, "place")["$ref"] == "#/$defs/ref-0"
    assert schema == before
    root = plain_schema({"type": "array", "items": {"$ref": "#"}}, "place")
    assert root == {
        "type": "array",
        "items": {"$ref": "#/$defs/ref-0"},
        "$defs": {"ref-0": {"type": "array", "items": {"$ref": "#/$defs/ref-0"}}},
    }


@pytest.mark.parametrize(
    "schema",
    [
        defined(A, a={"properties": {"p": {"allOf": [A, {"title": "x", "properties": {}}]}}}),
        defined(A, a={"items": {"allOf": [A, TEXT]}}),
        defined(A, a={"items": {"allOf": [{"anyOf": [A]}, TEXT]}}),
        defined(A, a={"properties": {"p": {"allOf": [B, TEXT]}}}, b={"properties": {"p": {"allOf": [A, TEXT]}}}),
        defined(A, a=B, b={"properties": {"p": {"allOf": [A, TEXT]}}}),
    ],
)
def test_what_an_all_of_writes_out_must_not_come_to_itself(schema: dict[str, Any]) -> None:
    param, message = refusal(schema)
    assert param.startswith("place.definitions.")
    assert "within 'allOf'" in message


def test_an_all_of_one_reference_is_that_reference() -> None:
    wrapped = {"allOf": [A], "title": "x", "type": "object"}
    schema = defined(A, a={"properties": {"p": wrapped, "q": {"allOf": [A], "minProperties": 1}}})
    assert "within 'allOf'" in refusal(schema)[1], "it says more than the reference"
    del schema["definitions"]["a"]["properties"]["q"]
    form = plain_schema(schema, "place")
    assert form["$defs"]["ref-0"]["properties"]["p"] == {"title": "x", "$ref": "#/$defs/ref-0"}


def test_inheritance_with_children_of_its_own_kind_is_legal() -> None:
    children = {"properties": {"children": {"type": "array", "items": A}}}
    plain_schema(defined(A, a={"allOf": [B, children]}, b={"properties": {"name": TEXT}}), "place")


def test_every_spelling_of_a_reference_becomes_one() -> None:
    schema = {
        "prefixItems": [{"$ref": "#/$defs/a~1b"}, {"$ref": "#/%24defs/a%7E1b"}, {"$ref": "#/prefixItems/3"}, TEXT],
        "$defs": {"a/b": TEXT, "unused": {"$ref": "#/nowhere"}},
    }
    assert plain_schema(schema, "place") == {
        "prefixItems": [{"$ref": "#/$defs/ref-0"}, {"$ref": "#/$defs/ref-0"}, {"$ref": "#/$defs/ref-1"}, TEXT],
        "$defs": {"ref-0": TEXT, "ref-1": TEXT},
    }


def test_names_and_data_are_no_keywords() -> None:
    schema = {"properties": {"$ref": TEXT, "definitions": TEXT, "$defs": TEXT}, "const": {"$ref": "#/nowhere"}}
    assert plain_schema(schema, "place") == schema


def doubling(levels: int, union: str) -> dict[str, Any]:
    definitions: dict[str, Any] = {
        f"d{level}": {union: [{"$ref": f"#/$defs/d{level + 1}"}] * 2} for level in range(levels)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{levels}": TEXT}}


def typed(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = TEXT
    for _ in range(levels):
        schema = {"type": ["object", "array"], "properties": {"a": schema}}
    return schema


def inherited(levels: int) -> dict[str, Any]:
    """Each level holds the next one twice, written out."""
    definitions: dict[str, Any] = {f"d{levels}": {"properties": {"x": TEXT}}}
    for level in range(levels):
        inner = {"allOf": [{"$ref": f"#/$defs/d{level + 1}"}, {"properties": {"y": TEXT}}]}
        definitions[f"d{level}"] = {"properties": {"a": inner, "b": inner}}
    return {"$ref": "#/$defs/d0", "$defs": definitions}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (doubling(13, "anyOf"), "alternatives begin here"),
        (doubling(100, "oneOf"), "alternatives begin here"),
        (doubling(13, "allOf"), "alternatives begin here"),
        ({"anyOf": [{"$ref": "#/$defs/a"}] * 200, "$defs": {"a": {"pattern": "^(.?){9}$"}}}, "alternatives begin here"),
        (
            {"oneOf": [{"$ref": "#/$defs/a"}] * 200, "$defs": {"a": {"minimum": -(10**14), "maximum": 10**14}}},
            "alternatives begin here",
        ),
        ({"anyOf": [{"enum": list(range(250)), "type": ["string"] * 20}]}, "alternatives begin here"),
        (typed(13), "rules"),
        (inherited(13), "rules"),
        (typed(45), "rules"),
        (
            {"properties": {f"p{n}": {"$ref": f"#/properties/p{n + 1}/properties"} for n in range(3)}},
            "leads to no schema",
        ),
    ],
)
def test_what_becomes_many_times_its_size_is_refused(schema: dict[str, Any], message: str) -> None:
    assert message in refusal(schema)[1]


def test_what_stays_small_passes() -> None:
    for schema in (doubling(10, "anyOf"), typed(8), {"type": ["string", "null"], "enum": ["a", None]}, {"items": True}):
        plain_schema(schema, "place")


def test_references_into_one_another_are_bounded_together() -> None:
    schema: dict[str, Any] = TEXT
    for _ in range(90):
        schema = {"properties": {"a": schema}}
    schema["properties"] |= {f"r{depth}": {"$ref": "#" + "/properties/a" * depth} for depth in range(90)}
    assert f"more than {MAX_FORM_NODES}" in refusal(schema)[1]


@given(st.data())
def test_a_graph_passes_exactly_if_no_cycle_is_without_progress(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 6))
    links = data.draw(
        st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1), st.booleans()), max_size=10)
    )
    definitions: dict[str, Any] = {f"d{n}": {"anyOf": [TEXT]} for n in range(count)}
    for start, end, consumes in links:
        ref = {"$ref": f"#/$defs/d{end}"}
        definitions[f"d{start}"]["anyOf"].append({"items": ref} if consumes else ref)
    schema = {"items": {"$ref": "#/$defs/d0"}, "$defs": definitions}
    reached, grew = {0}, True
    while grew:
        more = {end for start, end, _ in links if start in reached} - reached
        reached, grew = reached | more, bool(more)
    edges = {(start, end) for start, end, consumes in links if not consumes and start in reached}
    for _ in range(count):
        edges |= {(a, d) for a, b in edges for c, d in edges if b == c}
    if any(start == end for start, end in edges):
        assert "refers to itself" in refusal(schema)[1]
    else:
        plain_schema(schema, "place")


def test_a_request_reaches_the_engine_with_its_schemas_in_that_form() -> None:
    schema = defined({"items": A}, a=TEXT)
    plain = {"items": {"$ref": "#/$defs/ref-0"}, "$defs": {"ref-0": TEXT}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    bare = {"type": "function", "function": {"name": "f"}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}, "invented": {"a": 1}}
    out = engine_form({"tools": [tool, bare], "response_format": form})
    assert out["tools"] == [{"type": "function", "function": {"name": "f", "parameters": plain}}, bare]
    assert out["response_format"] == {"type": "json_schema", "json_schema": {"name": "x", "schema": plain}}
    loose = {"response_format": {"type": "json_object", "schema": schema}}
    assert engine_form(loose) == {"response_format": {"type": "json_object", "schema": plain}}
    assert engine_form({"response_format": {"type": "text"}}) == {"response_format": {"type": "text"}}
    with pytest.raises(ServiceError) as caught:
        engine_form({"tools": [bare, {"type": "function", "function": {"name": "f", "parameters": {"$ref": "#"}}}]})
    assert caught.value.info.param == "tools.1.function.parameters"

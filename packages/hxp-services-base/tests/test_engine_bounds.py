"""What an engine is spared."""

from __future__ import annotations

from typing import Any

import pytest
from hxp_services_base._engine_bounds import refuse_unbounded
from hxp_services_base.chassis import ServiceError


def schema(value: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": value}}}


def pattern(value: str) -> dict[str, Any]:
    return schema({"type": "string", "pattern": value})


def nested(levels: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for _ in range(levels):
        out = {"items": out}
    return out


def tool(parameters: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "parameters": parameters}}


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"prompt": "x"},
        {"prompt": ["x"]},
        {"prompt": [1, 2, 3]},
        {"prompt": [[1, 2, 3]]},
        {"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": [{"type": "text", "text": "x"}]}]},
        {"messages": [{"role": "assistant", "content": None}]},
        {"response_format": {"type": "text"}},
        {"response_format": {"type": "json_object"}},
        schema({"type": "object", "properties": {"minLength": {"type": "string"}, "pattern": {"type": "string"}}}),
        schema({"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2000}),
        schema({"type": "integer", "minimum": -5, "maximum": 5}),
        schema({"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}),
        schema({"enum": [str(number) for number in range(256)]}),
        pattern("^(a+b)+$"),
        pattern("^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$"),
        pattern(r"^\d{1,3}(\.\d{1,3}){3}$"),
        pattern(r"^\{9999\}[{9999}]{2,}a{x$"),
        pattern("^a)b$"),
        pattern("^(a(b$"),
        pattern(r"^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}$"),
        pattern(r"^(\+?\d{1,3}[ -]?)?(\(?\d{3}\)?[ -]?)?\d{3}[ -]?\d{4}$"),
        pattern(r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})?)?$"),
        pattern(r"^[a-zA-Z0-9]+([._-][a-zA-Z0-9]+)*$"),
        pattern(r"^https?://[^\s/$.?#].[^\s]*$"),
        pattern(r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"),
        pattern(r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$"),
        pattern(r"^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$"),
        pattern(r"^.*@.*\..*$"),
        pattern(r"^[^\n\D]{0,256}$"),
        pattern("^(0|1|2|3|4|5|6|7|8|9){10}$"),
        pattern("(" * 85 + "a" + ")?" * 85),
        schema({"anyOf": [{"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}] * 100}),
        schema({"anyOf": [{"type": "integer", "minimum": 0, "maximum": number} for number in range(200)]}),
        pattern(r"^[a-z\]-\w][+--][-a]$"),
        schema(nested(190)),
        {"tools": [tool(None), tool({"type": "object", "properties": {"a": {"type": "string"}}})]},
    ],
)
def test_what_can_be_done_passes(payload: dict[str, Any]) -> None:
    refuse_unbounded(payload)


@pytest.mark.parametrize(
    ("payload", "param", "message"),
    [
        ({"messages": [{"content": [{"type": "image_url"}]}]}, "messages.0.content.0", "text only"),
        ({"prompt": ["a", "b"]}, "prompt", "one prompt in a request"),
        ({"prompt": [[1], [2]]}, "prompt", "one prompt in a request"),
        ({"tools": [tool({}), {"type": "banana"}]}, "tools.1", "'function' only"),
        ({"tools": [{"type": "function"}]}, "tools.0", "'function' only"),
        ({"tools": [tool({"enum": ["a"] * 300})]}, "tools", "256 entries"),
        ({"response_format": {}}, "response_format.type", "must be 'text'"),
        ({"response_format": {"type": 7}}, "response_format.type", "must be 'text'"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "'schema'"),
        ({"response_format": {"type": "json_schema", "json_schema": 7}}, "response_format.json_schema", "'schema'"),
        (schema([1]), "response_format.json_schema", "'schema'"),
        (schema({"enum": [str(number) for number in range(257)]}), "response_format", "256 entries"),
        ({"response_format": {"type": "json_object", "schema": {"enum": ["a"] * 300}}}, "response_format", "256"),
        (schema({"anyOf": [{"enum": ["a"] * 250}] * 5}), "response_format", "1024 keys and entries"),
        (schema({"minLength": 10**9}), "response_format", "minLength must be a whole number from 0 to 2000"),
        (schema({"maxItems": -1}), "response_format", "maxItems must be"),
        (schema({"minLength": 1.5}), "response_format", "minLength must be"),
        (schema({"minItems": 2, "maxItems": 1}), "response_format", "minItems is greater than maxItems"),
        (schema({"minimum": 2, "maximum": 1}), "response_format", "minimum is greater than maximum"),
        (schema({"minimum": 10**15 + 1}), "response_format", "minimum must be at most 1000000000000000"),
        (
            schema({"exclusiveMaximum": -1e300}),
            "response_format",
            "exclusiveMaximum must be at least -1000000000000000",
        ),
        (pattern("^a{2,1}$"), "response_format", "wrong way round"),
        (pattern("x" * 257), "response_format", "256 characters at the most"),
        (pattern("^a{257}$"), "response_format", "written out"),
        (pattern("^(a{10}){26}$"), "response_format", "written out"),
        (pattern("^a{20}{20}$"), "response_format", "written out"),
        (pattern("^((a{100}b{100}c{100}"), "response_format", "written out"),
        (pattern("^a{1,99999999999999999999}$"), "response_format", "written out"),
        (pattern("^((){999}){999}$"), "response_format", "written out"),
        (pattern("^(a?|b?|c?|d?){64}$"), "response_format", "may be empty"),
        (pattern("^(a?|b?){128}$"), "response_format", "may be empty"),
        (pattern("^(a?|b?){64}$"), "response_format", "may be empty"),
        (pattern("^(.?|.?){128}$"), "response_format", "may be empty"),
        (pattern("^(?:|.){128}$"), "response_format", "may be empty"),
        (pattern("^((a*)*b*){100}$"), "response_format", "may be empty"),
        (pattern("^(a+)+$"), "response_format", "too many ways"),
        (pattern(r"^(\w+\s?)+$"), "response_format", "too many ways"),
        (pattern("^(a|aa|aaa|aaaa){20}$"), "response_format", "too many ways"),
        (pattern(r"^([a-c]\d|\w1|a[^x-z])*$"), "response_format", "too many ways"),
        (schema({"anyOf": [{"pattern": "^(a?|b?|c?|d?){8}$"}] * 4}), "response_format", "may be empty"),
        (schema({"anyOf": [{"pattern": "^(a*){3}$"}] * 5}), "response_format", "too many ways"),
        (schema({"anyOf": [{"pattern": "x" * 256}] * 17}), "response_format", "4096 characters"),
        (
            schema({"anyOf": [{"type": "integer", "minimum": -(10**14), "maximum": 10**14}] * 200}),
            "response_format",
            "2048 digits",
        ),
        (pattern("^[z-a]$"), "response_format", "ends the wrong way round"),
        (schema({"type": "object", "properties": {"_" * 257: {}}}), "response_format", "256 characters"),
        (schema(nested(201)), "response_format", "200 objects and lists deep"),
    ],
)
def test_what_an_engine_would_choke_on_is_refused_by_name(payload: dict[str, Any], param: str, message: str) -> None:
    """B11."""
    with pytest.raises(ServiceError) as caught:
        refuse_unbounded(payload)
    info = caught.value.info
    assert (info.status, info.code, info.param) == (400, "invalid_value", param)
    assert message in info.message


def test_the_schemas_of_one_request_are_counted_together() -> None:
    """Several tools and a format are one grammar after another, or at once."""
    some = {"type": "string", "pattern": "^(a?|b?|c?|d?){8}$"}
    payload = {"tools": [tool({"properties": {"a": some}}), tool({"properties": {"b": some}})], **schema(some)}
    with pytest.raises(ServiceError, match="may be empty"):
        refuse_unbounded(payload)

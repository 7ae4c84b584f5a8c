"""The routing fields: read alone, bounded, and the body passed on as it came."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hxp_gateway._document import estimate_prompt_tokens, estimate_text_tokens, replace_member
from hxp_gateway._routing import RoutedRequest
from hxp_services_base.chassis import ServiceError
from hypothesis import given
from hypothesis import strategies as st

BODY = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"made_up":{"a":[1]}}'


def test_a_body_that_needs_nothing_passes_byte_for_byte() -> None:
    request = RoutedRequest(BODY)
    assert (request.model, request.is_stream, request.wants_usage) == ("m", False, False)
    assert request.body is BODY
    asked = b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}'
    assert RoutedRequest(asked).body is asked
    assert RoutedRequest(asked).wants_usage


def test_a_stream_is_asked_for_its_usage_and_nothing_else_changes() -> None:
    request = RoutedRequest(b' {"model":"m","stream":true,"made_up":1.50}')
    assert not request.wants_usage
    assert request.body == b' {"stream_options":{"include_usage":true},"model":"m","stream":true,"made_up":1.50}'


@pytest.mark.parametrize("options", [b"null", b"{}", b'{"include_usage":false}', b'{"other":1}'])
def test_options_that_are_there_are_kept_and_completed(options: bytes) -> None:
    request = RoutedRequest(b'{"model":"m","stream":true,"stream_options":%b}' % options)
    sent = orjson.loads(request.body)
    assert sent["stream_options"]["include_usage"] is True
    assert sent["stream_options"].get("other") == (orjson.loads(options) or {}).get("other")


def test_the_words_stream_options_in_a_message_are_no_options() -> None:
    body = orjson.dumps({"model": "m", "stream": True, "messages": [{"content": '"stream_options"'}]})
    assert orjson.loads(RoutedRequest(body).body)["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"nul", None),
        (b"null", None),
        (b"[]", None),
        (b"3", None),
        (b'{"model":"m"', None),
        (b"\xff\xfe", None),
        ('{"model":"m"}'.encode("utf-16"), None),
        (b"[" * 100_000, None),
        (b'{"model":' * 100_000, None),
        (b"{}", "model"),
        (b'{"model":3}', "model"),
        (b'{"model":""}', "model"),
        (b'{"model":"m","stream":"yes"}', "stream"),
        (b'{"model":"m","n":1000000000}', "n"),
        (b'{"model":"m","n":1.5}', "n"),
        (b'{"model":"m","max_tokens":NaN}', "max_tokens"),
        (b'{"model":"m","max_tokens":0}', "max_tokens"),
        (b'{"model":"m","max_completion_tokens":%b}' % (b"9" * 5000), None),
        (b'{"model":"m","dimensions":1000000000}', "dimensions"),
        (b'{"model":"m","stream_options":3}', "stream_options"),
    ],
)
def test_what_cannot_be_routed_is_a_400_that_names_the_field(body: bytes, param: str | None) -> None:
    """B1-B5, B7."""
    with pytest.raises(ServiceError) as caught:
        RoutedRequest(body)
    info = caught.value.info
    assert info.status == 400
    assert param is None or info.param == param
    orjson.dumps(info.to_openai())


@pytest.mark.parametrize("text", [rb"\ud800", rb"\udc00", rb"\ud800\ud800", rb"a\udfff"])
def test_a_lone_surrogate_in_a_stream_that_must_be_completed_is_a_400(text: bytes) -> None:
    """B2."""
    with pytest.raises(ServiceError, match="not"):
        RoutedRequest(b'{"model":"m","stream":true,"stream_options":{},"messages":"%b"}' % text)


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (b'{"model":"m","stream":true,"\\u0073tream_options":null}', b'"\\u0073tream_options":{"include_usage":true}'),
        (
            b'{"stream_options":null,"model":"m","stream":true,"stream_options":{}}',
            b'{"stream_options":{"include_usage":true},"model":"m","stream":true,"stream_options":{"include_usage":true}}',
        ),
        (b'{"model":"m","stream":true,"stream_options" : {"x":1} ,"seed":%b}' % (b"9" * 40), b',"seed":' + b"9" * 40),
        (b'{"stream":true,"stream_options":{},"b":1e400,"model":"m","a":1.50}', b'},"b":1e400,"model":"m","a":1.50}'),
    ],
)
def test_options_are_found_however_they_are_spelled_and_nothing_else_changes(body: bytes, sent: bytes) -> None:
    request = RoutedRequest(body)
    assert sent in request.body
    assert orjson.loads(request.body.replace(b"1e400", b"1"))["stream_options"]["include_usage"] is True
    assert (request.asks_on_its_own, request.received) == (True, body)


NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(st.none() | st.booleans() | NUMBERS | st.text(), lambda inner: st.lists(inner, max_size=3))


@given(
    st.dictionaries(st.text(max_size=6), VALUES, max_size=4),
    st.sampled_from([b"null", b"{}", b'{"include_usage":false}', b'{"other":[1]}']),
    st.integers(0, 4),
    st.booleans(),
)
def test_only_the_options_of_a_stream_change(others: dict[str, Any], options: bytes, at: int, plain: bool) -> None:  # noqa: FBT001 (hypothesis)
    name = b'"stream_options"' if plain else b'"stream\\u005foptions"'
    members = [json.dumps(key).encode() + b": " + json.dumps(value).encode() for key, value in others.items()]
    members[at:at] = [b'"model":"m"', b'"stream": true', name + b" :" + options]
    sent = json.loads(RoutedRequest(b"{" + b" , ".join(members) + b"}").body)
    assert sent.pop("stream_options") == {**(json.loads(options) or {}), "include_usage": True}
    assert sent == {**others, "model": "m", "stream": True}
    assert list(sent) == list(json.loads(b"{" + b",".join(m for m in members if name not in m) + b"}"))


def test_text_that_is_no_object_is_not_edited() -> None:
    for body in (b"[]", b'{"a" 1}', b'{"a":1', b'{"a":1 "b":2}', b"\xff", b'{"a":' + b"[" * 100_000):
        with pytest.raises(ValueError, match=r"."):
            replace_member(body, "a", b"2")


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"messages": [{"role": "user", "content": "12345678"}]}, 3),
        ({"messages": [{"content": [{"type": "text", "text": "é" * 4}, {"image_url": {"url": "x" * 10_000}}]}]}, 3),
        ({"prompt": [[1, 2, 3], "abcd"]}, 4),
        ({"input": ["abcd", "abcd"], "model": "not counted"}, 2),
        ({"model": "m"}, 0),
        ([1], 0),
    ],
)
def test_a_prompt_that_nobody_counted_is_estimated_from_its_text(body: Any, tokens: int) -> None:
    assert estimate_prompt_tokens(orjson.dumps(body)) == tokens


def test_an_estimate_of_no_document_is_nothing() -> None:
    assert estimate_prompt_tokens(b"{") == estimate_prompt_tokens(b"[" * 100_000) == 0
    assert estimate_text_tokens(9) == 3


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text() | st.integers() | st.floats(), st.lists).map(str))
def test_whatever_comes_it_is_routed_or_a_400(body: Any) -> None:
    data = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    try:
        RoutedRequest(data)
    except ServiceError as error:
        assert error.info.status == 400  # noqa: PT017 - either outcome is right, a third is not

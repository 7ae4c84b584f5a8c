"""The routing fields: read alone, bounded, and the body passed on as it came."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
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


def test_a_lone_surrogate_in_a_stream_that_must_be_completed_is_a_400() -> None:
    """B2."""
    with pytest.raises(ServiceError, match="not"):
        RoutedRequest(b'{"model":"m","stream":true,"stream_options":{},"messages":"\\ud800"}')


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text() | st.integers() | st.floats(), st.lists).map(str))
def test_whatever_comes_it_is_routed_or_a_400(body: Any) -> None:
    data = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    try:
        RoutedRequest(data)
    except ServiceError as error:
        assert error.info.status == 400  # noqa: PT017 - either outcome is right, a third is not

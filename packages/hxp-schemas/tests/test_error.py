import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hxp_schemas import ErrorInfo, ErrorInfoError, ErrorResponse
from hypothesis import given
from hypothesis import strategies as st


def read(body: object, status: int = 500, headers: Mapping[str, str] | None = None) -> ErrorInfo:
    return ErrorInfo.from_response(status, json.dumps(body).encode(), headers or {})


def test_the_envelope_always_has_all_four_fields() -> None:
    info = ErrorInfo(code="invalid_api_key", message="No.", status=401, request_id="req_1")
    envelope = info.to_openai()
    assert envelope == {
        "error": {"message": "No.", "type": "authentication_error", "param": None, "code": "invalid_api_key"}
    }
    assert ErrorResponse.model_validate(envelope).error.code == "invalid_api_key"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (503, "server_error"),
    ],
)
def test_the_type_follows_from_the_status(status: int, kind: str) -> None:
    assert ErrorInfo(code="x", message="y", status=status).type == kind


def test_only_what_may_pass_is_retryable() -> None:
    retryable = {s for s in range(400, 600) if ErrorInfo(code="x", message="y", status=s).retryable}
    assert retryable == {408, 409, 425, 429, 500, 502, 503, 504}


def test_a_problem_holds_what_is_known_and_no_more() -> None:
    info = ErrorInfo(
        code="overloaded", message="Try later.", status=503, retry_after=1.5, request_id="req_1", metadata={"a": "b"}
    )
    assert info.to_problem("/v1/x") == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "Try later.",
        "instance": "/v1/x",
        "code": "overloaded",
        "request_id": "req_1",
        "retryable": True,
        "retry_after": 1.5,
        "metadata": {"a": "b"},
    }
    assert ErrorInfo(code="x", message="y", status=499).to_problem()["title"] == "Client Error"
    assert ErrorInfo(code="x", message="y", status=599).to_problem()["title"] == "Server Error"


def test_an_error_on_its_way_up_says_what_it_is() -> None:
    info = ErrorInfo(code="model_not_found", message="No model.", status=404)
    error = ErrorInfoError(info)
    assert error.info is info
    assert str(error) == "404 model_not_found: No model."


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"error": {"message": "a", "type": "t", "param": None, "code": "c"}}, "c", "a"),
        ({"object": "error", "message": "a", "type": "BadRequestError", "code": 400}, "http_400", "a"),
        ({"error": {"code": 400, "message": "a", "type": "invalid_request_error"}}, "http_400", "a"),
        ({"error": {"code": 4711, "message": "a"}}, "4711", "a"),
        ({"error": "a"}, "http_400", "a"),
        ({"error": "a", "code": "c"}, "c", "a"),
        ({"detail": "a"}, "http_400", "a"),
        ({"detail": [{"loc": ["body"], "msg": "a", "type": "missing"}]}, "http_400", "a"),
    ],
    ids=["openai", "vllm-flat", "llama.cpp", "other-number", "text", "text-and-code", "fastapi", "fastapi-list"],
)
def test_every_dialect_is_understood(body: object, code: str, message: str) -> None:
    info = read(body, 400)
    assert (info.code, info.message, info.status) == (code, message, 400)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>secret</html>",
        b"null",
        b"[]",
        b"{}",
        b'{"error": null}',
        b'{"error": {"message": 3}}',
        b'{"detail": []}',
        b'{"error": {"code": true}}',
        b'{"error": {"code": 99999999999999999999999}}',
        b"[" * 100_000,
        b'"' + b"x" * 2_000_000 + b'"',
    ],
)
def test_anything_else_becomes_a_message_that_quotes_nothing(body: bytes) -> None:
    """U3: garbage, HTML, the wrong JSON and a huge body are one and the same failure."""
    info = ErrorInfo.from_response(502, body, {})
    assert info.message == "The upstream answered 502 Bad Gateway."
    assert info.code == "http_502"


def test_a_status_that_is_no_error_is_told_as_a_bad_gateway() -> None:
    assert read({}, 200).status == 502
    assert read({}, 999).status == 502


def test_a_long_message_is_cut() -> None:
    assert len(read({"error": "x" * 100_000}).message) == 2_000


def test_param_type_and_request_id_are_kept_if_they_are_safe() -> None:
    info = read({"error": {"message": "m", "type": "t", "param": "p"}}, headers={"X-Request-ID": "abc"})
    assert (info.type, info.param, info.request_id) == ("t", "p", "abc")
    assert read({}, headers={"X-Request-ID": "a b"}).request_id is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "1000000000"}, 86_400.0),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "soon"}, None),
        ({"retry-after-ms": "250", "Retry-After": "3"}, 0.25),
        ({"Retry-After": "Mon, 23 Nov 2026 12:00:30 GMT", "Date": "Mon, 23 Nov 2026 12:00:00 GMT"}, 30.0),
        ({"Retry-After": "Mon, 23 Nov 2026 12:00:00 GMT", "Date": "Mon, 23 Nov 2026 12:00:30 GMT"}, 0.0),
        ({"Retry-After": "Mon, 23 Nov 2026 12:00:30 -0000", "Date": "Mon, 23 Nov 2026 12:00:00 GMT"}, None),
    ],
)
def test_retry_after_is_read_and_clamped(headers: dict[str, str], seconds: float | None) -> None:
    """U5: 10^9, negative, a date."""
    assert read({}, 429, headers).retry_after == seconds


def test_a_date_without_a_servers_date_is_measured_from_now() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(days=30), usegmt=True)
    assert read({}, 429, {"Retry-After": later}).retry_after == 86_400.0


def test_the_upstreams_own_word_on_retrying_counts() -> None:
    assert not read({}, 503, {"x-should-retry": "false"}).retryable
    assert read({}, 400, {"x-should-retry": "true"}).retryable
    assert read({}, 503, {"x-should-retry": "perhaps"}).retryable


@given(st.integers(), st.binary(), st.dictionaries(st.sampled_from(["retry-after", "date", "x-request-id"]), st.text()))
def test_reading_a_failure_never_fails(status: int, body: bytes, headers: dict[str, str]) -> None:
    json.dumps(ErrorInfo.from_response(status, body, headers).to_openai()).encode()

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pydantic
import pytest
from hxp_schemas import ERROR_CATALOGUE, ErrorCode, ErrorInfo, ErrorInfoError, ErrorResponse
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
    assert retryable == {408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}


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
        ({"detail": {"error": "a"}}, "http_400", "a"),
        ({"detail": {"error": {"message": "a", "code": "c"}}}, "c", "a"),
        ({"detail": {"message": "a", "code": "c"}}, "c", "a"),
        ([{"error": {"code": 400, "message": "a", "status": "INVALID_ARGUMENT"}}], "invalid_argument", "a"),
        ({"type": "https://example.org/no", "title": "a", "status": 400}, "http_400", "a"),
        ({"object": "error", "message": {"detail": [{"loc": ["body"], "msg": "a"}]}, "code": None}, "http_400", "a"),
        ({"statusCode": 400, "message": "a"}, "http_400", "a"),
    ],
    ids=[
        "openai",
        "vllm-flat",
        "llama.cpp",
        "other-number",
        "text",
        "text-and-code",
        "fastapi",
        "fastapi-list",
        "fastapi-text-in-object",
        "fastapi-object-in-object",
        "fastapi-object",
        "gemini-list",
        "problem-with-a-title",
        "mistral",
        "azure-gateway",
    ],
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
        b'{"title": 3}',
        b'{"detail": {}}',
        b'{"detail": {"detail": "secret"}}',
        b'{"message": {"detail": 3}}',
        b"[[3]]",
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
    assert [read({}, status).status for status in (200, 399, 600, 999)] == [502] * 4
    assert [read({}, status).status for status in (400, 599)] == [400, 599]


def test_what_a_document_says_is_cut_at_its_bounds() -> None:
    """L3."""
    info = read({"error": {"message": "m", "type": "t" * 999, "code": "c" * 999, "param": "p" * 999}})
    assert (len(info.type), len(info.code), len(info.param or "")) == (128, 128, 256)


def test_a_long_message_is_cut() -> None:
    assert len(read({"error": "x" * 100_000}).message) == 2_000


def test_param_type_and_request_id_are_kept_if_they_are_safe() -> None:
    info = read({"error": {"message": "m", "type": "t", "param": "p"}}, headers={"X-Request-ID": "abc"})
    assert (info.type, info.param, info.request_id) == ("t", "p", "abc")
    assert read({}, headers={"X-Request-ID": "a b"}).request_id is None


def test_the_id_of_the_request_has_two_headers_and_is_written_if_it_is_safe() -> None:
    """L1, L2, B12: OpenAI's name and Anthropic's."""
    assert read({}, headers={"request-id": "req_1"}).request_id == "req_1"
    assert read({}, headers={"request-id": "req_1", "x-request-id": "abc"}).request_id == "abc"
    for request_id, written in (("req_1", "req_1"), ("a\r\nset-cookie: b", None), ("x" * 129, None), (None, None)):
        info = ErrorInfo(code="x", message="y", status=500, request_id=request_id)
        assert info.to_headers().get("x-request-id") == written


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


def test_a_byte_order_mark_before_the_document_is_no_garbage() -> None:
    assert ErrorInfo.from_response(400, b'\xef\xbb\xbf{"error": {"message": "m"}}', {}).message == "m"


def test_a_status_in_the_middle_of_a_stream_may_be_a_text() -> None:
    """LiteLLM writes it so."""
    info = ErrorInfo.from_document(
        {"error": {"message": "m", "type": "throttling_error", "param": None, "code": "429"}}
    )
    assert (info.status, info.code, info.retryable) == (429, "http_429", True)
    assert ErrorInfo.from_document({"error": {"message": "m", "code": "4290"}}).code == "4290"
    assert ErrorInfo.from_document({"error": {"message": "m", "code": "\u0664\u0660\u0660"}}).status == 500


def test_the_id_beside_the_error_is_the_requests() -> None:
    """Anthropic puts it there."""
    info = read({"type": "error", "error": {"type": "overloaded_error", "message": "m"}, "request_id": "req_1"}, 503)
    assert (info.type, info.request_id) == ("overloaded_error", "req_1")


def test_the_servers_own_word_for_the_kind_of_error_is_kept() -> None:
    """TGI's `error_type`."""
    assert read({"error": "m", "error_type": "validation"}, 422).type == "validation"


@pytest.mark.parametrize(
    ("errors", "param"),
    [
        ([{"detail": "d", "pointer": "#/messages/0/content"}], "messages.0.content"),
        ([{"detail": "d", "pointer": "/a~1b/c~0d"}], "a/b.c~d"),
        ([{"detail": "d"}], None),
        ([3], None),
        ({}, None),
    ],
)
def test_the_pointer_of_a_problem_names_the_field(errors: object, param: str | None) -> None:
    """RFC 9457, section 3."""
    problem = {"title": "t", "status": 422, "errors": errors}
    assert read(problem, 422).param == param
    assert read({**problem, "param": "p"}, 422).param == "p"


def test_no_error_about_an_error_quotes_what_it_holds() -> None:
    """L4."""
    for model, body in (
        (ErrorInfo, {"code": ["sk-secret"]}),
        (ErrorResponse, {"error": "sk-secret"}),
        (ErrorResponse, {"error": {"message": "m", "type": ["sk-secret"]}}),
    ):
        with pytest.raises(pydantic.ValidationError) as caught:
            model.model_validate(body)
        assert "secret" not in str(caught.value)


PLAIN = ["error", "message", "detail", "title", "type", "code", "param", "status", "errors", "pointer", "loc", "msg"]
OURS = ["retry_after", "retryable", "request_id", "metadata", "error_type"]
GOOGLE = ["details", "@type", "reason", "retryDelay", "fieldViolations", "field", "requestId"]
NAMES = st.sampled_from([*PLAIN, *OURS, *GOOGLE])
KINDS = st.sampled_from([f"type.googleapis.com/google.rpc.{n}" for n in ("ErrorInfo", "RetryInfo", "BadRequest")])
DOCUMENTS: st.SearchStrategy[object] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 429])
    | st.floats()
    | KINDS
    | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)


@given(st.dictionaries(NAMES, DOCUMENTS, max_size=6) | DOCUMENTS)
def test_reading_any_document_never_fails(document: object) -> None:
    """U3: an upstream has no say in whether its failure can be told."""
    for info in (ErrorInfo.from_document(document), read(document)):
        json.dumps([info.to_openai(), info.to_problem(), info.to_aip193(), info.to_headers()]).encode()


def test_a_delay_without_end_is_clamped() -> None:
    """U5, B3: an integer of 400 digits."""
    assert ErrorInfo.from_document({"detail": "m", "retry_after": 10**400}).retry_after == 86_400.0
    assert ErrorInfo.from_document({"detail": "m", "retry_after": -(10**400)}).retry_after == 0.0


TEXT = st.text(min_size=1, max_size=60)
DELAYS = st.none() | st.integers(0, 86_400_000).map(lambda milliseconds: milliseconds / 1000)
CODES = st.sampled_from([code.value for code in ErrorCode]) | TEXT | st.just("other")
INFOS = st.builds(
    ErrorInfo,
    code=CODES,
    message=TEXT,
    status=st.integers(400, 599),
    type=TEXT,
    param=st.none() | TEXT,
    retryable=st.booleans(),
    retry_after=DELAYS,
    request_id=st.none() | st.from_regex(r"[A-Za-z0-9._:-]{1,20}", fullmatch=True),
    metadata=st.dictionaries(TEXT | st.sampled_from(["hxp-code", "hxp-x-type", "hxp-"]), TEXT, max_size=4),
).filter(lambda info: info.code != str(info.status))  # a code that is the status says nothing


@given(INFOS)
def test_aip_193_there_and_back_is_the_same(info: ErrorInfo) -> None:
    document = json.loads(json.dumps(info.to_aip193()))
    assert ErrorInfo.from_document(document) == info
    assert ErrorInfo.from_response(info.status, json.dumps(document).encode(), {}) == info


@given(INFOS)
def test_a_problem_there_and_back_is_the_same(info: ErrorInfo) -> None:
    document = json.loads(json.dumps(info.to_problem("/v1/x")))
    assert ErrorInfo.from_document(document) == info
    assert ErrorInfo.from_response(info.status, json.dumps(document).encode(), {}) == info


@given(INFOS)
def test_the_envelope_with_its_headers_there_and_back_is_the_same_but_for_the_metadata(info: ErrorInfo) -> None:
    info = info.model_copy(update={"metadata": {}})
    body = json.dumps(info.to_openai()).encode()
    assert ErrorInfo.from_response(info.status, body, info.to_headers()) == info


def test_aip_193_puts_each_fact_where_it_belongs() -> None:
    info = ErrorInfo.of(
        ErrorCode.RATE_LIMIT_EXCEEDED,
        "Slow down.",
        retry_after=1.5,
        request_id="req_1",
        param="n",
        metadata={"limit": "60"},
    )
    kind = "type.googleapis.com/google.rpc."
    assert info.to_aip193() == {
        "error": {
            "code": 429,
            "message": "Slow down.",
            "status": "RESOURCE_EXHAUSTED",
            "details": [
                {
                    "@type": f"{kind}ErrorInfo",
                    "reason": "RATE_LIMIT_EXCEEDED",
                    "domain": "hxp",
                    "metadata": {"limit": "60"},
                },
                {"@type": f"{kind}RetryInfo", "retryDelay": "1.5s"},
                {"@type": f"{kind}BadRequest", "fieldViolations": [{"field": "n", "description": "Slow down."}]},
                {"@type": f"{kind}RequestInfo", "requestId": "req_1"},
            ],
        }
    }
    assert ErrorInfo(code="x", message="", status=418).to_aip193()["error"]["status"] == "FAILED_PRECONDITION"
    assert ErrorInfo(code="x", message="", status=507).to_aip193()["error"]["status"] == "UNKNOWN"


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (408, "DEADLINE_EXCEEDED"),
        (409, "ABORTED"),
        (412, "FAILED_PRECONDITION"),
        (416, "OUT_OF_RANGE"),
        (429, "RESOURCE_EXHAUSTED"),
        (499, "CANCELLED"),
        (500, "INTERNAL"),
        (501, "UNIMPLEMENTED"),
        (502, "UNKNOWN"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
    ],
)
def test_aip_193_names_every_status_as_grpc_does(status: int, name: str) -> None:
    assert ErrorInfo(code="x", message="", status=status).to_aip193()["error"]["status"] == name


def test_a_google_error_of_few_words_is_understood() -> None:
    info = read({"error": {"code": 404, "message": "No such model.", "status": "NOT_FOUND"}}, 404)
    assert (info.code, info.message, info.status) == ("not_found", "No such model.", 404)
    strange: list[object] = [
        3,
        {"@type": 3},
        {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "soon"},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{'1' * 30}s"},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "\u0661s"},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": {"seconds": 1}},
        {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [3]},
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": 3, "metadata": 3},
    ]
    info = read({"error": {"code": 503, "message": "m", "status": "UNAVAILABLE", "details": strange}}, 503)
    assert (info.code, info.retry_after, info.param, info.metadata) == ("unavailable", None, None, {})


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"object": "error", "message": "m", "type": "BadRequestError", "code": 400}, 400),
        ({"error": {"message": "m", "type": "NotFoundError", "param": None, "code": 404}}, 404),
        ({"type": "about:blank", "title": "Gone", "status": 410, "detail": "m"}, 410),
        ({"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": []}}, 429),
        ({"error": {"message": "m", "type": "t", "param": None, "code": "c"}}, 500),
        ({"error": {"message": "m", "code": 200}}, 500),
        ({"error": {"message": "m", "code": 399}}, 500),
        ({"error": {"message": "m", "code": "400"}}, 400),
        ({"error": {"message": "m", "code": 599}}, 599),
        ({"error": {"message": "m", "code": "600"}}, 500),
        ([], 500),
    ],
)
def test_a_document_may_name_its_status(document: object, status: int) -> None:
    assert ErrorInfo.from_document(document).status == status
    assert ErrorInfo.from_document(document, status=418).status == 418


def test_fastapi_names_the_field() -> None:
    info = read({"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "Field required", "type": "missing"}]})
    assert (info.param, info.message) == ("messages.0.content", "Field required")
    assert read({"detail": [{"loc": "body", "msg": "x"}]}).param is None


def test_what_an_upstream_adds_is_bounded() -> None:
    many = {f"name{number}": "x" * 100_000 for number in range(100)} | {"n" * 200: "x", "number": 3}
    metadata = ErrorInfo.from_document({"detail": "m", "metadata": many, "request_id": "a b"}).metadata
    assert len(metadata) == 32
    assert max(map(len, metadata.values())) == 2_000


@pytest.mark.parametrize(("value", "seconds"), [(1e9, 86_400.0), (-1, 0.0), (float("nan"), None), (True, None)])
def test_a_documents_own_delay_is_clamped(value: object, seconds: float | None) -> None:
    """U5."""
    assert ErrorInfo.from_document({"detail": "m", "retry_after": value}).retry_after == seconds


def test_the_headers_go_before_the_body() -> None:
    info = read(
        {"detail": "m", "retry_after": 5, "retryable": False}, 503, {"Retry-After": "3", "x-should-retry": "true"}
    )
    assert (info.retry_after, info.retryable) == (3.0, True)


def test_the_catalogue_is_whole_and_consistent() -> None:
    assert set(ERROR_CATALOGUE) == set(ErrorCode)
    for code, entry in ERROR_CATALOGUE.items():
        info = ErrorInfo.of(code, "m")
        assert (info.code, info.status, info.retryable) == (code.value, entry.status, entry.retryable)
        assert entry.meaning.endswith(".")
    assert not ErrorInfo.of(ErrorCode.INSUFFICIENT_QUOTA, "m").retryable
    assert ErrorInfo.of(ErrorCode.MODEL_OVERLOADED, "m", retry_after=1).retry_after == 1

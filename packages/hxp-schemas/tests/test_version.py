"""A caller gets the version it asks for, learns in time that it will end, and is told where to go when it has."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
from hxp_schemas import APIRequest, APIResponse, APIVersion, APIVersions, ErrorInfo, ErrorInfoError
from pydantic import ValidationError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
OLD = APIVersion(
    name="v1",
    deprecated_at=datetime(2026, 1, 1, tzinfo=UTC),
    sunset_at=datetime(2027, 1, 1, tzinfo=UTC),
    successor="v2",
    link="https://example.com/v2",
)
VERSIONS = APIVersions(versions=[OLD, APIVersion(name="v2"), APIVersion(name="v3beta1")], default="v2")


def test_a_version_tells_its_dates_in_the_standard_headers() -> None:
    headers = OLD.headers()
    assert headers["Deprecation"] == f"@{int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())}"
    assert parsedate_to_datetime(headers["Sunset"]) == OLD.sunset_at
    assert headers["Link"] == '<https://example.com/v2>; rel="deprecation"'
    assert APIVersion(name="v2", link="https://example.com").headers() == {}
    only_sunset = APIVersion(name="v2", sunset_at=NOON, link="https://example.com")
    assert only_sunset.headers()["Link"].endswith('rel="sunset"')


def test_a_caller_gets_what_it_asks_for_or_the_default() -> None:
    assert VERSIONS.negotiate("v1", now=NOON) is OLD
    assert VERSIONS.negotiate(None, now=NOON).name == "v2"
    assert APIVersions(versions=[APIVersion(name="v1"), APIVersion(name="v2")]).default == "v2"


def test_an_unknown_version_is_a_404_that_names_those_there_are() -> None:
    with pytest.raises(ErrorInfoError) as caught:
        VERSIONS.negotiate("v9", now=NOON)
    assert (caught.value.info.status, caught.value.info.code) == (404, "unknown_api_version")
    assert caught.value.info.metadata == {"versions": "v1, v2, v3beta1"}


def test_an_ended_version_is_a_410_that_names_its_successor() -> None:
    later = datetime(2027, 1, 1, tzinfo=UTC)
    with pytest.raises(ErrorInfoError) as caught:
        VERSIONS.negotiate("v1", now=later)
    assert (caught.value.info.status, caught.value.info.metadata) == (410, {"successor": "v2"})
    assert "ended on 2027-01-01. Use v2." in caught.value.info.message
    alone = APIVersions(versions=[APIVersion(name="v1", sunset_at=NOON)])
    with pytest.raises(ErrorInfoError) as caught:
        alone.negotiate(None, now=later)
    assert caught.value.info.metadata == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "1"},
        {"name": "v0"},
        {"name": "v1", "successor": "v1"},
        {"name": "v1", "deprecated_at": NOON, "sunset_at": datetime(2026, 1, 1, tzinfo=UTC)},
        {"name": "v1", "link": "https://example.com/>; rel=x"},
        {"name": "v1", "link": "javascript:alert(1)"},
    ],
)
def test_a_version_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        APIVersion.model_validate(wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"versions": []}, "at least 1 item"),
        ({"versions": [{"name": "v1"}, {"name": "v1"}]}, "named twice"),
        ({"versions": [{"name": "v1"}], "default": "v2"}, "no such version: v2; there are v1"),
        ({"versions": [{"name": "v1", "successor": "v3"}]}, "no such version: v3"),
    ],
)
def test_versions_that_contradict_each_other_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        APIVersions.model_validate(wrong)


def test_a_response_holds_data_or_an_error_that_fits_its_status() -> None:
    request = APIRequest(method="POST", path="/v1/things", query={"a": ["1", "2"]}, body={"x": [1, None]}, timeout=3)
    assert APIRequest.model_validate_json(request.model_dump_json()) == request
    answer = APIResponse[list[int]](request_id=request.id, data=[1])
    assert APIResponse[list[int]].model_validate_json(answer.model_dump_json()) == answer
    failure = APIResponse[list[int]].failed(request.id, ErrorInfo(code="x", message="y", status=503))
    assert APIResponse[list[int]].model_validate_json(failure.model_dump_json()) == failure
    error = {"code": "x", "message": "y", "status": 500}
    for wrong, message in (
        ({"data": [1], "error": error, "http_status": 500}, "data or an error, not both"),
        ({"error": error}, "status 200 has no error"),
        ({"http_status": 500}, "status 500 needs an error"),
    ):
        with pytest.raises(ValidationError, match=message):
            APIResponse[list[int]].model_validate({"request_id": "req_1", **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"path": "no-slash"},
        {"path": "/a b"},
        {"path": "/a\n"},
        {"method": "BREW"},
        {"timeout": 0},
        {"idempotency_key": "a b"},
    ],
)
def test_a_malformed_request_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        APIRequest.model_validate({"method": "GET", "path": "/", **wrong})

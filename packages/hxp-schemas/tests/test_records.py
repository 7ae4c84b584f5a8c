from datetime import UTC, datetime, timedelta, timezone

import pytest
from hxp_schemas import (
    BaseModel,
    ErrorInfo,
    HealthCheckResult,
    HealthReport,
    HealthStatus,
    KeyRecord,
    KeySnapshot,
    LoggingConfig,
    ServiceConfigSchema,
    ServiceResponse,
    StackConfig,
    UsageBatch,
    UsageReceipt,
    UsageRecord,
    is_id,
    new_id,
)
from pydantic import ValidationError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def usage(request_id: str = "req_1") -> UsageRecord:
    return UsageRecord(
        request_id=request_id, key_id="key_1", model="m", endpoint="chat", status="completed", started_at=NOON
    )


def test_a_record_gets_an_identity_and_a_time() -> None:
    record = BaseModel()
    assert is_id(record.id, "rec")
    assert record.timestamp.tzinfo is UTC
    assert record.status == "success"


def test_a_time_is_kept_in_utc() -> None:
    berlin = timezone(timedelta(hours=1))
    assert BaseModel(timestamp=datetime(2026, 1, 1, 12, tzinfo=berlin)).timestamp == datetime(
        2026, 1, 1, 11, tzinfo=UTC
    )


@pytest.mark.parametrize("time", ["2026-01-01T00:00:00", "0001-01-01T00:00:00+23:00", "yesterday"])
def test_a_time_without_a_zone_or_out_of_range_is_refused(time: str) -> None:
    with pytest.raises(ValidationError):
        BaseModel.model_validate({"timestamp": time})


def test_a_response_holds_data_or_an_error() -> None:
    answer = ServiceResponse[list[int]](data=[1])
    assert ServiceResponse[list[int]].model_validate_json(answer.model_dump_json()) == answer
    failure = ServiceResponse[int](status="error", error=ErrorInfo(code="x", message="y", status=500))
    assert failure.data is None
    assert failure.error is not None
    assert failure.error.type == "server_error"


def test_a_health_report_speaks_of_its_checks() -> None:
    check = HealthCheckResult(name="disk", status=HealthStatus.WARN, checked_at=NOON, duration=0.1)
    report = HealthReport(status=HealthStatus.PASS, phase="ready", checks=[check])
    assert report.model_dump(mode="json")["checks"][0]["status"] == "warn"
    assert check.critical


def test_a_key_record_never_shows_its_digest_by_accident() -> None:
    record = KeyRecord(id=new_id("key"), name="ci", digest="ab" * 32, created_at=NOON)
    assert "abab" not in repr(KeySnapshot(version=1, keys=[record]))


@pytest.mark.parametrize("change", [{"id": "key_1"}, {"digest": "xyz"}, {"digest": "AB" * 32}])
def test_a_malformed_key_record_is_refused(change: dict[str, str]) -> None:
    good = {"id": new_id("key"), "name": "ci", "digest": "ab" * 32, "created_at": NOON}
    with pytest.raises(ValidationError):
        KeyRecord.model_validate(good | change)


def test_usage_travels_in_batches_of_one_to_a_thousand() -> None:
    batch = UsageBatch(records=[usage(f"req_{number}") for number in range(1000)])
    assert UsageBatch.model_validate_json(batch.model_dump_json()) == batch
    assert UsageReceipt(accepted=999, duplicates=1).accepted == 999
    for count in (0, 1001):
        with pytest.raises(ValidationError):
            UsageBatch(records=[usage()] * count)


@pytest.mark.parametrize(
    "change",
    [{"request_id": "a b"}, {"request_id": "a\n"}, {"prompt_tokens": -1}, {"status": "odd"}, {"http_status": 99}],
)
def test_malformed_usage_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        UsageRecord.model_validate(usage().model_dump() | change)


def test_a_stack_is_its_defaults_and_its_services() -> None:
    stack = StackConfig.model_validate({"services": {"tiny": {"use": "hxp-model", "port": 11400}}})
    assert stack.services["tiny"] == ServiceConfigSchema(use="hxp-model", port=11400)
    assert (stack.profile, stack.name, stack.logging.format) == ("development", "hxp", "auto")


def test_a_level_is_read_in_any_case() -> None:
    assert LoggingConfig.model_validate({"level": "debug"}).level == "DEBUG"


@pytest.mark.parametrize(
    "config",
    [
        {"servises": {}},
        {"config_version": 2},
        {"name": "Hxp"},
        {"name": "../etc"},
        {"logging": {"level": "LOUD"}},
        {"logging": {"level": 3}},
        {"services": {"Tiny": {"use": "m", "port": 1}}},
        {"services": {"tiny\n": {"use": "m", "port": 1}}},
        {"services": {"tiny": {"use": "m", "port": 64536}}},
        {"services": {"tiny": {"use": "m", "port": 0}}},
        {"services": {"tiny": {"use": "m", "port": 1, "prot": 2}}},
        {"services": {"tiny": {"use": "m", "port": 1, "replicas": 2}}},
        {"services": {"tiny": {"use": "m", "port": 1, "needs": ["a b"]}}},
        {"services": {"tiny": {"use": "m", "port": 1, "host": "a b"}}},
    ],
)
def test_what_a_stack_does_not_know_is_refused(config: dict[str, object]) -> None:
    """C1: nothing misspelt passes silently."""
    with pytest.raises(ValidationError):
        StackConfig.model_validate(config)


def test_a_service_says_where_operations_answer_and_what_connections_may_use() -> None:
    given = {"use": "x", "port": 1, "admin_host": "10.0.0.1", "http": {"proxies": ["10.0.0.0/8"], "max_connections": 4}}
    service = ServiceConfigSchema.model_validate(given)
    assert (service.admin_host, service.http.max_connections, service.http.keep_alive) == ("10.0.0.1", 4, 75.0)
    for wrong in (
        {"head_timeout": 0},
        {"max_connections": 3},
        {"proxies": ["somewhere"]},
        {"proxies": ["999.1.1.1"]},
        {"unknown": 1},
    ):
        with pytest.raises(ValidationError):
            ServiceConfigSchema.model_validate({**given, "http": wrong})

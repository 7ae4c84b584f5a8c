"""Budgets, leases, decisions and audit events say only what can be true."""

from datetime import UTC, datetime, timedelta

import pytest
from hxp_schemas import AuditEvent, Budget, DecisionRecord, HealthCheckResult, HealthReport, HealthStatus, Lease
from pydantic import BaseModel, ValidationError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
BUDGET = "bud_01JD3Q0V5T8Z4M6N7P9R2S1W3X"


def test_a_budget_has_what_is_neither_used_nor_leased() -> None:
    budget = Budget(subject="key_1", unit="micro_usd", limit=100, used=30, leased=50, period_started_at=NOON)
    assert budget.available == 20
    assert budget.model_copy(update={"used": 90}).available == 0


def test_a_lease_may_be_overspent_by_its_last_request() -> None:
    lease = Lease(
        budget_id=BUDGET, holder="gw", granted=10, spent=12, granted_at=NOON, expires_at=NOON + timedelta(seconds=1)
    )
    assert lease.remaining == 0


@pytest.mark.parametrize(
    ("model", "wrong"),
    [
        (Budget, {"subject": "k", "unit": "euros", "limit": 1, "period_started_at": NOON}),
        (Budget, {"subject": "k", "unit": "tokens", "limit": -1, "period_started_at": NOON}),
        (Budget, {"subject": "k", "unit": "tokens", "limit": 1 << 53, "period_started_at": NOON}),
        (Lease, {"budget_id": BUDGET, "holder": "g", "granted": 1, "granted_at": NOON, "expires_at": NOON}),
        (
            Lease,
            {
                "budget_id": BUDGET,
                "holder": "g",
                "granted": 1,
                "granted_at": NOON,
                "expires_at": NOON + timedelta(days=2),
            },
        ),
        (Lease, {"budget_id": "b", "holder": "g", "granted": 1, "granted_at": NOON, "expires_at": NOON + timedelta(1)}),
        (AuditEvent, {"at": NOON, "actor": "a", "action": "Key Create", "subject": "s"}),
        (AuditEvent, {"at": NOON, "actor": "", "action": "key.create", "subject": "s"}),
        (DecisionRecord, {"request_id": "r", "at": NOON, "kind": "mood", "outcome": "x", "reason": "y"}),
        (DecisionRecord, {"request_id": "r", "at": NOON, "kind": "route", "outcome": "x", "reason": "Why not"}),
    ],
)
def test_what_cannot_be_true_is_refused(model: type[BaseModel], wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(wrong)


def check(name: str, status: HealthStatus, *, critical: bool = True, detail: str | None = None) -> HealthCheckResult:
    return HealthCheckResult(name=name, status=status, critical=critical, detail=detail, checked_at=NOON, duration=0)


def test_a_health_report_is_as_good_as_its_critical_checks() -> None:
    good, bad = check("a", HealthStatus.PASS), check("b", HealthStatus.FAIL, detail="gone")
    spare = check("c", HealthStatus.FAIL, critical=False)
    assert HealthReport.of([], phase="ready").status is HealthStatus.PASS
    assert HealthReport.of([good], phase="ready").reason is None
    warned = HealthReport.of([good, spare], phase="ready")
    assert (warned.status, warned.reason) == (HealthStatus.WARN, "c: fail")
    failed = HealthReport.of([spare, bad], phase="ready")
    assert (failed.status, failed.reason) == (HealthStatus.FAIL, "b: gone")

"""How a service says how it is."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Self

import pydantic
from pydantic import ConfigDict, Field

from ._base import UTCDateTime


class HealthStatus(StrEnum):
    """The outcome of a check, and of all checks together."""

    PASS = "pass"  # noqa: S105 - a health status, no password
    WARN = "warn"
    FAIL = "fail"


class HealthCheckResult(pydantic.BaseModel):
    """What one check found.

    Attributes:
        critical: Whether a failure makes the service unready.
        duration: Seconds that the check took.
    """

    model_config = ConfigDict(defer_build=True, extra="allow")

    name: str = Field(min_length=1, max_length=128)
    status: HealthStatus
    detail: str | None = None
    critical: bool = True
    checked_at: UTCDateTime
    duration: float = Field(ge=0, allow_inf_nan=False)


class HealthReport(pydantic.BaseModel):
    """What a probe answers: the status, the phase of life the service is in, and why.

    Example:
        >>> disk = HealthCheckResult(name="disk", status="fail", detail="full", critical=False,
        ...                          checked_at="2026-11-23T12:00:00Z", duration=0.01)
        >>> report = HealthReport.of([disk], phase="ready")
        >>> report.status.value, report.reason
        ('warn', 'disk: full')
    """

    model_config = ConfigDict(defer_build=True, extra="allow")

    status: HealthStatus
    phase: str
    reason: str | None = None
    checks: list[HealthCheckResult] = []

    @classmethod
    def of(cls, checks: Sequence[HealthCheckResult], *, phase: str) -> Self:
        """Put checks together: a critical one that fails is a failure, any other trouble a warning.

        Args:
            checks: In the order in which they should be read.
            phase: The phase of life, such as `ready`.
        """
        troubles = [check for check in checks if check.status is not HealthStatus.PASS]
        fatal = [check for check in troubles if check.critical and check.status is HealthStatus.FAIL]
        status = HealthStatus.FAIL if fatal else HealthStatus.WARN if troubles else HealthStatus.PASS
        reasons = [f"{check.name}: {check.detail or check.status.value}" for check in (fatal or troubles)]
        return cls(status=status, phase=phase, reason="; ".join(reasons) or None, checks=list(checks))

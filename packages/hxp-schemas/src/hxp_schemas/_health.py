"""How a service says how it is."""

from enum import StrEnum

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

    model_config = ConfigDict(defer_build=True)

    name: str = Field(min_length=1, max_length=128)
    status: HealthStatus
    detail: str | None = None
    critical: bool = True
    checked_at: UTCDateTime
    duration: float = Field(ge=0, allow_inf_nan=False)


class HealthReport(pydantic.BaseModel):
    """What a probe answers: the status, the phase of life the service is in, and why."""

    model_config = ConfigDict(defer_build=True)

    status: HealthStatus
    phase: str
    reason: str | None = None
    checks: list[HealthCheckResult] = []

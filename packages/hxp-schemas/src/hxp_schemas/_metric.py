"""What a service measures about itself, as it travels between services."""

from enum import StrEnum
from typing import Annotated, Self

import pydantic
from pydantic import ConfigDict, Field, model_validator

from ._base import UTCDateTime
from ._distribution import Count, Distribution

_MetricName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.:]{0,127}$", examples=["hxp_requests_total"])]
_LabelName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]{0,63}$")]


class MetricKind(StrEnum):
    """How values of a metric combine: counters add up, of gauges the last one counts."""

    COUNTER = "counter"
    GAUGE = "gauge"


class MetricData(pydantic.BaseModel):
    """One measured value.

    Attributes:
        name: As in Prometheus and OpenTelemetry: `hxp_requests_total`, `gen_ai.client.token.usage`.
        value: In `unit`.
        unit: In UCUM's notation: `s`, `By`, `{token}`; `1` for a share.
        labels: Few and of few values each; at most 16.

    Example:
        >>> MetricData(name="hxp_requests_total", value=3, kind="counter", timestamp="2026-11-23T12:00:00Z").unit
        '1'
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow")

    name: _MetricName
    value: float = Field(allow_inf_nan=False)
    kind: MetricKind = MetricKind.GAUGE
    unit: str = Field(default="1", min_length=1, max_length=32)
    labels: dict[_LabelName, Annotated[str, Field(max_length=256)]] = Field(default={}, max_length=16)
    timestamp: UTCDateTime

    @model_validator(mode="after")
    def _counters_never_fall(self) -> Self:
        if self.kind is MetricKind.COUNTER and self.value < 0:
            raise ValueError(f"metric {self.name!r} is a counter and cannot be negative")
        return self


class PerformanceMetrics(pydantic.BaseModel):
    """How a service did between two moments; those of several workers merge without averaging percentiles.

    Attributes:
        since: Start of the interval.
        until: Its end, after `since`.
        requests: Requests that ended.
        errors: Those of them that failed.
        tokens: Tokens that were generated.
        duration: Seconds from a request to the end of its answer.
        time_to_first_token: Seconds from a request to its first token.

    Example:
        >>> from datetime import datetime, timedelta
        >>> noon = datetime.fromisoformat("2026-11-23T12:00:00Z")
        >>> one = PerformanceMetrics(since=noon, until=noon + timedelta(seconds=10), requests=40, errors=1)
        >>> one.merge(one).request_rate
        8.0
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow")

    since: UTCDateTime
    until: UTCDateTime
    requests: Count = 0
    errors: Count = 0
    tokens: Count = 0
    duration: Distribution = Field(default_factory=Distribution)
    time_to_first_token: Distribution = Field(default_factory=Distribution)

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.until <= self.since:
            raise ValueError("'until' must be later than 'since'")
        if self.errors > self.requests:
            raise ValueError(f"{self.errors} errors of {self.requests} requests: an error is a request, too")
        return self

    @property
    def seconds(self) -> float:
        """The length of the interval."""
        return (self.until - self.since).total_seconds()

    @property
    def request_rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    @property
    def token_rate(self) -> float:
        """Generated tokens per second."""
        return self.tokens / self.seconds

    @property
    def error_rate(self) -> float:
        """The share of requests that failed, between 0 and 1; 0 without requests."""
        return self.errors / self.requests if self.requests else 0.0

    def merge(self, other: "PerformanceMetrics") -> Self:
        """Add what another worker, or the next interval, counted.

        Raises:
            ValueError: The two count their distributions with different accuracies.
        """
        return type(self)(
            since=min(self.since, other.since),
            until=max(self.until, other.until),
            requests=self.requests + other.requests,
            errors=self.errors + other.errors,
            tokens=self.tokens + other.tokens,
            duration=self.duration.merge(other.duration),
            time_to_first_token=self.time_to_first_token.merge(other.time_to_first_token),
        )

"""Counts and percentiles of several workers add up to what one worker would have told."""

from datetime import UTC, datetime, timedelta

import pytest
from hxp_schemas import Distribution, MetricData, MetricKind, PerformanceMetrics
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
VALUES = st.floats(min_value=0, max_value=1e9, allow_nan=False)
LISTS = st.lists(VALUES, max_size=60)


def same(one: Distribution, other: Distribution) -> bool:
    """Equal but for the rounding of the sum, in which floats do not commute."""
    assert one.total == pytest.approx(other.total)
    return one.model_copy(update={"total": 0.0}) == other.model_copy(update={"total": 0.0})


@given(LISTS, LISTS, LISTS)
def test_merging_is_counting_together_in_any_order(first: list[float], second: list[float], third: list[float]) -> None:
    one, two, three = (Distribution().with_values(values) for values in (first, second, third))
    together = Distribution().with_values([*first, *second, *third])
    assert same(one.merge(two).merge(three), together)
    assert same(three.merge(one).merge(two), together)
    assert same(one.merge(two.merge(three)), together)


@given(st.lists(VALUES, min_size=1, max_size=80), st.floats(0, 1), st.sampled_from([0.001, 0.01, 0.05]))
def test_a_percentile_is_right_within_the_stated_error(values: list[float], share: float, accuracy: float) -> None:
    counted = Distribution(accuracy=accuracy).with_values(values)
    told = counted.quantile(share)
    ranked = sorted(values)
    rank = share * (len(ranked) - 1)
    low, high = ranked[int(rank)], ranked[min(int(rank) + 1, len(ranked) - 1)]
    assert told is not None
    assert low * (1 - accuracy) - 2e-9 <= told <= high * (1 + accuracy) + 2e-9
    assert min(values) <= told <= max(values)


@given(LISTS)
def test_a_distribution_survives_the_wire(values: list[float]) -> None:
    counted = Distribution().with_values(values)
    assert Distribution.model_validate_json(counted.model_dump_json()) == counted


def test_an_empty_distribution_knows_nothing() -> None:
    empty = Distribution()
    assert (empty.count, empty.mean, empty.quantile(0.5)) == (0, None, None)
    assert Distribution().with_values([1, 3]).mean == 2


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), 1e13])
def test_a_distribution_counts_only_what_it_can(value: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1e12"):
        Distribution().with_values([value])


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ValueError, match=r"accuracy 0\.01 and 0.02 cannot be added"):
        Distribution().merge(Distribution(accuracy=0.02))
    with pytest.raises(ValueError, match="between 0 and 1, not 99"):
        Distribution().quantile(99)
    for wrong in ({"zeros": 1}, {"minimum": 1.0, "maximum": 2.0}, {"zeros": 1, "minimum": 2.0, "maximum": 1.0}):
        with pytest.raises(ValidationError, match="exactly when values were counted"):
            Distribution.model_validate(wrong)


def test_performance_of_two_workers_is_not_the_average_of_their_percentiles() -> None:
    """A worker with ten slow requests must not drown in one with a thousand quick ones."""
    hour = timedelta(hours=1)
    quick = PerformanceMetrics(
        since=NOON, until=NOON + hour, requests=990, tokens=36_000, duration=Distribution().with_values([0.1] * 990)
    )
    slow = PerformanceMetrics(
        since=NOON, until=NOON + hour, requests=10, errors=5, duration=Distribution().with_values([10.0] * 10)
    )
    both = quick.merge(slow)
    assert both.duration.quantile(0.5) == pytest.approx(0.1, rel=0.01)
    assert both.duration.quantile(0.995) == pytest.approx(10.0, rel=0.01)
    assert (both.requests, both.error_rate, both.token_rate) == (1000, 0.005, 10.0)
    assert both.request_rate == pytest.approx(1000 / 3600)
    assert PerformanceMetrics(since=NOON, until=NOON + hour).error_rate == 0.0


@pytest.mark.parametrize(
    ("change", "message"), [({"until": NOON}, "later than 'since'"), ({"requests": 1, "errors": 2}, "2 errors of 1")]
)
def test_impossible_performance_is_refused(change: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"since": NOON, "until": NOON + timedelta(seconds=1)}
    with pytest.raises(ValidationError, match=message):
        PerformanceMetrics.model_validate(good | change)


def test_a_metric_has_a_name_a_unit_and_few_labels() -> None:
    metric = MetricData(
        name="gen_ai.client.token.usage", value=-1, unit="{token}", labels={"model": "m"}, timestamp=NOON
    )
    assert MetricData.model_validate_json(metric.model_dump_json()) == metric
    assert metric.kind is MetricKind.GAUGE
    many = {f"label_{number}": "x" for number in range(17)}
    for wrong in ({"name": "a b"}, {"value": float("inf")}, {"labels": many}, {"labels": {"a-b": "c"}}):
        with pytest.raises(ValidationError):
            MetricData.model_validate(metric.model_dump() | wrong)
    with pytest.raises(ValidationError, match="is a counter and cannot be negative"):
        MetricData(name="a", value=-1, kind=MetricKind.COUNTER, timestamp=NOON)

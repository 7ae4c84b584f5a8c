"""Values counted so that percentiles of many workers can be told together.

Averages of percentiles mean nothing. Here each worker counts its values in buckets whose bounds grow by a fixed
factor, so that counts of two workers are added, and a percentile of the sum is right within a stated relative error:
the idea of DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch", VLDB 2019).
"""

import math
from collections.abc import Iterable
from typing import Annotated, Self

import pydantic
from pydantic import ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=0, lt=1 << 53)]
_SMALLEST = 1e-9
_LARGEST = 1e12
_BUCKET = Annotated[int, Field(ge=-100_000, le=100_000)]


class Distribution(pydantic.BaseModel):
    """Non-negative values, counted in buckets; immutable, `with_values` and `merge` return a new one.

    Attributes:
        accuracy: The relative error of a percentile: 0.01 for one percent.
        zeros: How many values were smaller than 1e-9.
        buckets: How many values fell between two powers of `(1 + accuracy) / (1 - accuracy)`, by the exponent.
        total: The sum of all values.
        minimum: The smallest value; None where there is none.
        maximum: The largest value.

    Example:
        >>> one, other = Distribution().with_values([0.1, 0.2]), Distribution().with_values([0.9])
        >>> one.merge(other).count
        3
        >>> round(one.merge(other).quantile(1.0), 1)
        0.9
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow")

    accuracy: float = Field(default=0.01, ge=0.001, le=0.25)
    zeros: Count = 0
    buckets: dict[_BUCKET, Count] = Field(default={}, max_length=100_000)
    total: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    minimum: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    maximum: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _bounds_go_with_counts(self) -> Self:
        there = self.minimum is not None and self.maximum is not None
        if there != (self.count > 0) or (there and self.minimum > self.maximum):  # type: ignore[operator] # both are there
            raise ValueError("minimum and maximum must be given, in that order, exactly when values were counted")
        return self

    @property
    def count(self) -> int:
        """How many values were counted."""
        return self.zeros + sum(self.buckets.values())

    @property
    def mean(self) -> float | None:
        """The average; None without values."""
        return self.total / count if (count := self.count) else None

    def with_values(self, values: Iterable[float]) -> Self:
        """Count more values.

        Args:
            values: Finite and not negative, at most 1e12: seconds, tokens per second, bytes.

        Raises:
            ValueError: A value is negative, larger than 1e12 or no number.
        """
        buckets, zeros, total = dict(self.buckets), self.zeros, self.total
        seen = [end for end in (self.minimum, self.maximum) if end is not None]
        scale = math.log(self._growth)
        for value in values:
            if not 0 <= value <= _LARGEST:
                raise ValueError(f"a distribution counts numbers between 0 and 1e12, not {value!r}")
            if value < _SMALLEST:
                zeros += 1
            else:
                index = math.ceil(math.log(value) / scale)
                buckets[index] = buckets.get(index, 0) + 1
            total += value
            seen = [min(*seen, value), max(*seen, value)] if seen else [value, value]
        return self._replaced(buckets, zeros, total, seen)

    def merge(self, other: "Distribution") -> Self:
        """Add what another worker counted.

        Raises:
            ValueError: The two were counted with different accuracies.
        """
        if other.accuracy != self.accuracy:
            raise ValueError(f"distributions of accuracy {self.accuracy} and {other.accuracy} cannot be added")
        buckets = dict(self.buckets)
        for index, count in other.buckets.items():
            buckets[index] = buckets.get(index, 0) + count
        ends = [end for end in (self.minimum, self.maximum, other.minimum, other.maximum) if end is not None]
        return self._replaced(buckets, self.zeros + other.zeros, self.total + other.total, ends)

    def quantile(self, share: float) -> float | None:
        """Tell the value below which a share of the values lies.

        Args:
            share: Between 0 and 1: 0.99 is the 99th percentile.

        Returns:
            The value within the relative `accuracy`, never outside of what was seen; None without values.

        Raises:
            ValueError: The share is not between 0 and 1.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"a share lies between 0 and 1, not {share!r}")
        if self.minimum is None or self.maximum is None:
            return None
        rank = share * (self.count - 1)
        reached = self.zeros
        value = 0.0
        for index in sorted(self.buckets):
            if reached > rank:
                break
            reached += self.buckets[index]
            value = 2 * self._growth**index / (self._growth + 1)
        return min(max(value, self.minimum), self.maximum)

    @property
    def _growth(self) -> float:
        return (1 + self.accuracy) / (1 - self.accuracy)

    def _replaced(self, buckets: dict[int, int], zeros: int, total: float, seen: list[float]) -> Self:
        return type(self)(
            accuracy=self.accuracy,
            zeros=zeros,
            buckets=buckets,
            total=total,
            minimum=min(seen, default=None),
            maximum=max(seen, default=None),
        )

"""How many calls at once a target can bear, judged by how long they take. Pure: told the durations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ._valid import not_negative, patience, share, whole


@dataclass(frozen=True, slots=True)
class AdaptiveLimitOptions:
    """How the limit is found, and who waits.

    Attributes:
        initial: Calls at once to begin with.
        smallest: The limit never falls below this.
        largest: The limit never rises above this.
        algorithm: `gradient` (how much longer calls take than when the target is not busy, after Envoy's gradient
            controller) or `vegas` (how many calls seem to queue at the target, after TCP Vegas).
        tolerance: How many times as long as with an idle target calls may take before the limit falls, from 1 to
            less than 2; for `gradient`. (From 2 on, half the limit would be no idle target any more.)
        smoothing: Share of a new estimate that is taken over at once, above 0 and up to 1.
        window: Calls after which the limit is judged anew.
        max_queued: Calls that may wait.
        queue_timeout: Seconds one may wait; without it only the current `Deadline` ends the wait.
        shadow: Only watch: find the limit, count what would have been refused, and let everything in.
    """

    initial: int = 20
    smallest: int = 1
    largest: int = 200
    algorithm: Literal["gradient", "vegas"] = "gradient"
    tolerance: float = 1.5
    smoothing: float = 0.2
    window: int = 20
    max_queued: int = 100
    queue_timeout: float | None = 1.0
    shadow: bool = False

    def __post_init__(self) -> None:
        for name in ("smallest", "initial", "largest", "window"):
            whole(name, getattr(self, name), least=1)
        whole("max_queued", self.max_queued, least=0)
        if not self.smallest <= self.initial <= self.largest:
            raise ValueError("it must hold that 1 <= smallest <= initial <= largest")
        if self.algorithm not in {"gradient", "vegas"}:
            raise ValueError(f"algorithm must be 'gradient' or 'vegas', not {self.algorithm!r}")
        not_negative("tolerance", self.tolerance)
        if not 1 <= self.tolerance < 2:
            raise ValueError(f"tolerance must be at least 1 and below 2, not {self.tolerance!r}")
        share("smoothing", self.smoothing)
        patience("queue_timeout", self.queue_timeout)


_ROOM = 4.0  # calls that may queue at the target without its being called busy; also how fast a small limit grows
_PROBE = 25  # windows after which the durations of an idle target are measured anew


class Estimate:
    """The limit, and what it follows from.

    Durations are compared with those of a target that is not busy. These are measured: every so many windows the
    limit is halved for one window, and what calls take then is the measure until the next time. So a target that
    has become slower for good does not press the limit down, and a queue that we made does not become the measure.
    """

    __slots__ = ("_count", "_dropped", "_idle", "_most", "_probing", "_sum", "_windows", "limit")

    def __init__(self, options: AdaptiveLimitOptions) -> None:
        self.limit = float(options.initial)
        self._idle = math.inf
        self._probing = False
        self._dropped = 0
        self._count = 0
        self._sum = 0.0
        self._most = 0
        self._windows = 0

    @property
    def allowed(self) -> int:
        """How many calls may run at once now."""
        return max(1, int(self.limit / 2 if self._probing else self.limit))

    def add(self, seconds: float, running: int, options: AdaptiveLimitOptions) -> None:
        """Take in a call that succeeded: how long it took, and how many ran at once."""
        self._count += 1
        self._sum += max(0.0, seconds)
        self._most = max(self._most, running)
        if self._count < options.window:
            return
        mean, most = max(self._sum / self._count, 1e-9), self._most
        self._count, self._sum, self._most, self._dropped = 0, 0.0, 0, 0
        self._windows += 1
        if self._probing:
            self._probing, self._idle = False, mean
            return
        self._probing = self._windows % _PROBE == 0
        self._idle = min(self._idle, mean)
        new = self._gradient(mean, options) if options.algorithm == "gradient" else self._vegas(mean)
        if new > self.limit and most < self.limit / 2:
            return  # nobody asked for more, so it is not known whether more would do
        self._set(self.limit + options.smoothing * (new - self.limit), options)

    def drop(self, options: AdaptiveLimitOptions) -> None:
        """Take in a call that the target could not bear: it refused, or took too long.

        Calls that run together fail together, so that the limit falls once in so many calls as it allows.
        """
        self._dropped += 1
        if self._dropped >= self.limit / 2 or self._dropped == 1:
            self._dropped = 1
            self._set(self.limit * 0.9, options)

    def adapt(self, options: AdaptiveLimitOptions) -> None:
        """Keep the limit, within other bounds."""
        self._set(self.limit, options)

    def _set(self, limit: float, options: AdaptiveLimitOptions) -> None:
        self.limit = min(float(options.largest), max(float(options.smallest), limit))

    def _gradient(self, mean: float, options: AdaptiveLimitOptions) -> float:
        gradient = max(0.5, min(1.0, options.tolerance * self._idle / mean))
        return self.limit * gradient + max(_ROOM, math.sqrt(self.limit))

    def _vegas(self, mean: float) -> float:
        queued = self.limit * (1 - self._idle / mean)
        step = max(1.0, math.log10(self.limit))
        if queued < 3 * step:
            return self.limit + 5 * step
        return self.limit - max(5 * step, queued / 2) if queued > 6 * step else self.limit

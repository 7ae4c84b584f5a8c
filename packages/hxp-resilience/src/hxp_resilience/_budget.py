"""So much more traffic than asked for, and no more: shared by retries and hedges."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING

from ._event import Event, tell
from ._valid import not_negative, positive

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._event import Hook


@dataclass(frozen=True, slots=True)
class RetryBudgetOptions:
    """How much may be extra.

    Attributes:
        share: Extra traffic as a share of the live traffic of the window, in whatever unit calls are counted.
        floor: Extra traffic that is always allowed, in units per second, so that a quiet program may retry too.
        window: Seconds of traffic that count.
        shadow: Only watch: count what would have been refused, and refuse nothing.
    """

    share: float = 0.1
    floor: float = 1.0
    window: float = 10.0
    shadow: bool = False

    def __post_init__(self) -> None:
        not_negative("share", self.share)
        if self.share > 10:
            raise ValueError(f"share must be from 0 to 10, not {self.share!r}")
        not_negative("floor", self.floor)
        positive("window", self.window)


class Balance:
    """Traffic and extra traffic of the window, in ten slices; pure: it is told the time."""

    __slots__ = ("_slices", "extra", "live")

    def __init__(self) -> None:
        self._slices: deque[list[float]] = deque()  # [number of the slice, live, extra]
        self.live = 0.0
        self.extra = 0.0

    def deposit(self, now: float, cost: float, options: RetryBudgetOptions) -> None:
        """Count live traffic."""
        self._slice(now, options)[1] += cost
        self.live += cost

    def left(self, now: float, options: RetryBudgetOptions) -> float:
        """Return how much extra traffic may be made now."""
        self._slice(now, options)
        return options.share * self.live + options.floor * options.window - self.extra

    def withdraw(self, now: float, cost: float, options: RetryBudgetOptions) -> bool:
        """Take from it, if there is enough."""
        if self.left(now, options) < cost - 1e-9:
            return False
        self._slice(now, options)[2] += cost
        self.extra += cost
        return True

    def _slice(self, now: float, options: RetryBudgetOptions) -> list[float]:
        number = now // (options.window / 10)
        slices = self._slices
        while slices and slices[0][0] <= number - 10:
            _, live, extra = slices.popleft()
            self.live -= live
            self.extra -= extra
        if not slices:
            self.live = self.extra = 0.0  # what rounding left
        if not slices or slices[-1][0] < number:
            slices.append([number, 0.0, 0.0])
        return slices[-1]


@dataclass(frozen=True, slots=True)
class RetryBudgetStatistics:
    """A budget at one moment.

    Attributes:
        live: Traffic in the window.
        extra: Extra traffic in the window.
        left: Extra traffic that may be made now.
        refused: Attempts refused since the start, or that would have been refused in shadow mode.
    """

    live: float
    extra: float
    left: float
    refused: int


class RetryBudget:
    """Bounds retries and hedges together to a share of the live traffic, so that they never feed an outage.

    Give the same budget to every `Retry` and `Hedge` of a target. What a call weighs is the `cost` of its `Traits`:
    1 for each call, or its tokens or its price. Safe to share between threads and tasks.

    Args:
        options: How much may be extra; or the share alone.
        name: For events and statistics.
        clock: Monotonic clock.

    Example:
        >>> budget = RetryBudget(RetryBudgetOptions(share=0.1, floor=0.0))
        >>> for _ in range(10):
        ...     budget.deposit()
        >>> budget.withdraw(), budget.withdraw()
        (True, False)
    """

    def __init__(
        self,
        options: RetryBudgetOptions | float | None = None,
        *,
        name: str = "retry_budget",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not isinstance(options, RetryBudgetOptions):
            options = RetryBudgetOptions() if options is None else RetryBudgetOptions(share=options)
        self.name = name
        self.options = options
        self.hooks: tuple[Hook, ...] = ()
        self._balance = Balance()
        self._clock = clock
        self._refused = 0
        self._lock = RLock()  # one that a finalizer may enter again

    def deposit(self, cost: float = 1.0) -> None:
        """Count a call that somebody asked for."""
        with self._lock:
            self._balance.deposit(self._clock(), cost, self.options)

    def withdraw(self, cost: float = 1.0) -> bool:
        """Ask to make an extra call; tell whether it may be made."""
        with self._lock:
            if self._balance.withdraw(self._clock(), cost, self.options):
                return True
            self._refused += 1
        if self.hooks:
            tell(self.hooks, Event("budget.refused", self.name, shadow=self.options.shadow))
        return self.options.shadow

    def statistics(self) -> RetryBudgetStatistics:
        """Return the counts at this moment."""
        with self._lock:
            left = self._balance.left(self._clock(), self.options)
            return RetryBudgetStatistics(self._balance.live, self._balance.extra, left, self._refused)

    def reload(self, options: RetryBudgetOptions) -> None:
        """Go by other options; what was counted is kept, unless the window is another."""
        with self._lock:
            if options.window != self.options.window:
                self._balance = Balance()
            self.options = options

    def watch(self, hook: Hook) -> None:
        """Tell this hook of every refusal from now on."""
        if hook not in self.hooks:
            self.hooks = (*self.hooks, hook)

    def explain(self) -> str:
        """Say in words what the budget allows."""
        return (
            f"at most {self.options.share:.0%} of the traffic of the last {self.options.window:g} s may be extra,"
            f" and always {self.options.floor:g} a second"
        )

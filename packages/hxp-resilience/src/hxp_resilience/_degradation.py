"""Named levels of service, entered when pressure rises and left when it stays away."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from threading import RLock
from typing import TYPE_CHECKING

from ._event import Event, tell
from ._valid import not_negative

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._event import Hook


@dataclass(frozen=True, slots=True)
class DegradationOptions:
    """The levels, and when they are entered and left.

    Attributes:
        levels: Name of each level below full service, the mildest first, with the pressure from which it is entered
            and the lower one at which it is left.
        hold: Seconds for which the pressure must stay low before a level is left, one level at a time.
    """

    levels: tuple[tuple[str, float, float], ...]
    hold: float = 10.0

    def __post_init__(self) -> None:
        names = [name for name, _, _ in self.levels]
        if not names or "full" in names or len(set(names)) != len(names):
            raise ValueError("levels need names of their own, and none may be 'full'")
        for name, enter, leave in self.levels:
            if not leave < enter:
                raise ValueError(f"level {name!r} must be left at a lower pressure than {enter!r}, not at {leave!r}")
        for (one, before, _), (two, after, _) in pairwise(self.levels):
            if not before < after:
                raise ValueError(f"level {two!r} must be entered at a higher pressure than {one!r}")
        not_negative("hold", self.hold)


class Steps:
    """The machine: told the pressure and the time, it says on which level one is; pure."""

    __slots__ = ("_low_since", "depth")

    def __init__(self) -> None:
        self.depth = 0
        self._low_since: float | None = None

    def feel(self, pressure: float, now: float, options: DegradationOptions) -> None:
        """Take in the pressure of this moment: down at once, up again after a while, one level at a time."""
        self.depth = min(self.depth, len(options.levels))
        wanted = sum(pressure >= enter for _, enter, _ in options.levels)
        if wanted > self.depth:
            self.depth, self._low_since = wanted, None
        elif self.depth and pressure <= options.levels[self.depth - 1][2]:
            if self._low_since is None:
                self._low_since = now
            if now - self._low_since >= options.hold:
                self.depth, self._low_since = self.depth - 1, now
        else:
            self._low_since = None


@dataclass(frozen=True, slots=True)
class DegradationStatistics:
    """A degradation at one moment.

    Attributes:
        level: Where the program stands; `full` is full service.
        since: Seconds since it got there.
        pressure: The last pressure it was told.
        changes: Levels entered or left since the start.
    """

    level: str
    since: float
    pressure: float
    changes: int


class Degradation:
    """Says how much of its service a program should render now.

    Tell it a pressure, such as the share of failures or the fill of a queue, as often as it is known. Levels are
    entered at once and left slowly, so that the program does not swing. Safe to share between threads and tasks.

    Args:
        options: The levels, and when they are entered and left.
        name: For events and health.
        clock: Monotonic clock.

    Example:
        >>> degradation = Degradation(DegradationOptions((("no tools", 0.5, 0.3), ("cached only", 0.9, 0.6))))
        >>> degradation.feel(0.7)
        >>> degradation.level, degradation.at_least("cached only")
        ('no tools', False)
    """

    def __init__(
        self,
        options: DegradationOptions,
        *,
        name: str = "degradation",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.options = options
        self.hooks: tuple[Hook, ...] = ()
        self._clock = clock
        self._steps = Steps()
        self._since = clock()
        self._pressure = 0.0
        self._changes = 0
        self._lock = RLock()

    @property
    def level(self) -> str:
        """Where the program stands; `full` is full service."""
        return self._name(self._steps.depth)

    def at_least(self, level: str) -> bool:
        """Tell whether the program stands at this level or below it."""
        names = [name for name, _, _ in self.options.levels]
        return self._steps.depth > names.index(level)

    def feel(self, pressure: float) -> None:
        """Take in the pressure of this moment."""
        with self._lock:
            before, now = self._steps.depth, self._clock()
            self._steps.feel(pressure, now, self.options)
            self._pressure = pressure
            after = self._steps.depth
            if after == before:
                return
            self._changes += 1
            self._since = now
        if self.hooks:
            kind = "degradation.entered" if after > before else "degradation.left"
            tell(self.hooks, Event(kind, self.name, f"{self._name(before)} to {self._name(after)}"))

    def statistics(self) -> DegradationStatistics:
        """Return where the program stands, for health checks."""
        with self._lock:
            return DegradationStatistics(self.level, self._clock() - self._since, self._pressure, self._changes)

    def reload(self, options: DegradationOptions) -> None:
        """Go by other options; the level is kept as far as there is one."""
        with self._lock:
            self.options = options
            self._steps.depth = min(self._steps.depth, len(options.levels))

    def watch(self, hook: Hook) -> None:
        """Tell this hook of every change from now on."""
        if hook not in self.hooks:
            self.hooks = (*self.hooks, hook)

    def explain(self) -> str:
        """Say in words what the levels are."""
        levels = ", ".join(f"{name!r} from {enter:g} until {leave:g}" for name, enter, leave in self.options.levels)
        return f"render less when the pressure rises: {levels}; leave a level after {self.options.hold:g} quiet seconds"

    def _name(self, depth: int) -> str:
        return self.options.levels[depth - 1][0] if depth else "full"

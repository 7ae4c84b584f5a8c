"""Fewer lines than were said, with exact counts of the others. Both machines are pure: they take the time."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

_MAX_KEYS = 4096

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class _Count:
    seen: int = 0
    left_out: int = 0


class Sampler(Generic[K]):
    """The first few equal lines of a second, then one in many.

    Args:
        first: Lines a second that pass.
        then_one_in: Of the others, one in so many; 0 for none.

    Example:
        >>> sampler = Sampler[str](first=1, then_one_in=3)
        >>> [sampler.admit("tick", 0.0) for _ in range(7)]
        [True, False, False, True, False, False, True]
        >>> list(sampler.ended(1.0))
        [('tick', 4)]
    """

    def __init__(self, *, first: int, then_one_in: int) -> None:
        self._first = first
        self._one_in = then_one_in
        self._second = -1
        self._counts: dict[K, _Count] = {}

    def admit(self, key: K, now: float) -> bool:
        """Tell whether a line passes; ask `ended` first."""
        self._second = int(now)
        count = self._counts.get(key)
        if count is None:
            if len(self._counts) >= _MAX_KEYS:  # so many different lines are no storm of one
                return True
            count = self._counts[key] = _Count()
        count.seen += 1
        over = count.seen - self._first
        passes = over <= 0 or (self._one_in > 0 and over % self._one_in == 0)
        count.left_out += not passes
        return passes

    def ended(self, now: float, *, force: bool = False) -> Iterator[tuple[K, int]]:
        """Yield what was left out, and how often, once its second is over."""
        if not self._counts or (int(now) == self._second and not force):
            return
        counts, self._counts = self._counts, {}
        for key, count in counts.items():
            if count.left_out:
                yield key, count.left_out


class Collapse(Generic[K]):
    """Of equal lines within some seconds, the first.

    Args:
        window: Seconds, from the first of them on.

    Example:
        >>> collapse = Collapse[str](window=5.0)
        >>> [collapse.admit("again", now) for now in (0.0, 1.0, 4.9)]
        [True, False, False]
        >>> list(collapse.ended(5.0))
        [('again', 2)]
    """

    def __init__(self, *, window: float) -> None:
        self._window = window
        self._since: dict[K, list[float]] = {}  # when it began, and how often it came again; in order of beginning

    def admit(self, key: K, now: float) -> bool:
        """Tell whether a line passes; ask `ended` first."""
        entry = self._since.get(key)
        if entry is not None:
            entry[1] += 1
            return False
        if len(self._since) < _MAX_KEYS:
            self._since[key] = [now, 0]
        return True

    def ended(self, now: float, *, force: bool = False) -> Iterator[tuple[K, int]]:
        """Yield what was repeated, and how often, once its time is over."""
        while self._since:
            key, (began, again) = next(iter(self._since.items()))
            if now - began < self._window and not force:
                return
            del self._since[key]
            if again:
                yield key, int(again)

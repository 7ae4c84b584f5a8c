"""The last calls: so many of them, or those of so many seconds. Pure: told the time, no lock and no clock."""

from __future__ import annotations


class CountWindow:
    """The outcomes of the last calls: one number with a bit for each that failed, and above those one for each slow.

    A run of successes is not written down one by one: `add` shifts by what `calls` has grown since. So a success in
    a window without a failure is one addition, which the breaker does in its own frame.

    Attributes:
        calls: Outcomes since the window was made.
    """

    __slots__ = ("_bits", "_marked", "calls")

    def __init__(self) -> None:
        self.calls = 0
        self._marked = 0  # the value of `calls` to which the bits belong
        self._bits = 0

    def add(self, size: int, *, failed: bool, slow: bool) -> None:
        """Take in one outcome."""
        self.calls += 1
        self._align(size)
        self._bits |= failed | slow << size

    def counts(self, size: int) -> tuple[int, int, int]:
        """Return how many calls are in the window, how many failed, and how many were slow."""
        self._align(size)
        failed = (self._bits & ((1 << size) - 1)).bit_count()
        return min(self.calls, size), failed, self._bits.bit_count() - failed

    def resize(self, old: int, new: int) -> None:
        """Let another number of calls count; those that are still known stay."""
        self._align(old)
        kept = (1 << min(old, new)) - 1
        self._bits = (self._bits & kept) | ((self._bits >> old) & kept) << new

    def _align(self, size: int) -> None:
        shift = self.calls - self._marked
        self._marked = self.calls
        if shift >= size:
            self._bits = 0
        elif shift and self._bits:
            kept = (1 << (size - shift)) - 1  # of each half, what does not fall out
            self._bits = (self._bits & (kept | kept << size)) << shift


class TimeWindow:
    """The outcomes of the last seconds, in so many slices; a slice is forgotten as a whole.

    Args:
        seconds: Length of the window.
        slices: Parts of it.
    """

    __slots__ = ("_current", "_slices", "_sums", "_width")

    def __init__(self, seconds: float, slices: int = 10) -> None:
        self._width = seconds / slices
        self._slices = [[0, 0, 0] for _ in range(slices)]
        self._sums = [0, 0, 0]
        self._current: int | None = None

    def add(self, now: float, *, failed: bool, slow: bool) -> None:
        """Take in one outcome."""
        self._forget(now)
        here = self._slices[(self._current or 0) % len(self._slices)]
        for index, number in enumerate((1, int(failed), int(slow))):
            here[index] += number
            self._sums[index] += number

    def counts(self, now: float) -> tuple[int, int, int]:
        """Return how many calls are in the window, how many failed, and how many were slow."""
        self._forget(now)
        calls, failed, slow = self._sums
        return calls, failed, slow

    def _forget(self, now: float) -> None:
        tick = int(now // self._width)
        last = tick if self._current is None else self._current
        for passed in range(last + 1, min(tick, last + len(self._slices)) + 1):
            old = self._slices[passed % len(self._slices)]
            for index in range(3):
                self._sums[index] -= old[index]
                old[index] = 0
        self._current = max(tick, last)

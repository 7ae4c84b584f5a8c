"""Many timeouts of one length behind one timer of the loop.

A timer of its own costs a call about five microseconds: a handle on the loop's heap, and later a cancelled one to be
swept away. Timeouts of the same length end in the order in which they began, so a dict in order of insertion is the
queue, removing is O(1), and one timer at its head is enough. When the last call is done the timer still fires once,
finds nothing, and is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Any, TypeAlias

    # [task, when its time is over, cancellations asked of it before, where it waits, whether its time is over]:
    # a list, because an object with an `__init__` of its own takes six times as long to make.
    Entry: TypeAlias = list[Any]


class Expiries:
    """The tasks under one timeout in one event loop.

    Args:
        loop: The event loop.
        seconds: How long each may take.
    """

    __slots__ = ("__weakref__", "armed", "loop", "pending", "seconds", "time")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self.loop = loop
        self.seconds = seconds
        self.time: Callable[[], float] = loop.time
        self.pending: dict[int, Entry] = {}
        self.armed = False

    def arm(self, when: float) -> None:
        """Start the timer, when there is none."""
        self.armed = True
        self.loop.call_at(when, self._fire)

    def _fire(self) -> None:
        now = self.time()
        due: list[Entry] = []
        for entry in self.pending.values():
            if entry[1] > now:
                self.arm(entry[1])
                break
            if not entry[4]:
                due.append(entry)
        else:
            self.armed = False
        for entry in due:
            expire(entry)


def expire(entry: Entry) -> None:
    """Cancel a task whose time is over."""
    entry[4] = True
    entry[0].cancel()


def is_own(entry: Entry, error: BaseException | None) -> bool:
    """Tell whether a call ended by this timeout, and not by a cancellation of somebody else.

    The same account as `asyncio.timeout` keeps: each one who cancels a task takes that back once, and only the last
    one to do so may turn the cancellation into an error.
    """
    from asyncio import CancelledError  # noqa: PLC0415 (only a call that failed pays for it)

    task, _, before, _, expired = entry
    return bool(expired) and task.uncancel() <= before and isinstance(error, CancelledError)

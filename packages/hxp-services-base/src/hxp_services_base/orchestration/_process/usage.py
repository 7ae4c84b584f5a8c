"""What a process does with its time, as the kernel counts it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """The time of a process up to now.

    Attributes:
        working: Seconds that its threads ran on a processor.
        waiting: Seconds that they could have run and waited for one.
        blocked: Whether a thread waits for a device just now, such as a disk; it cannot even be killed then.
    """

    working: float
    waiting: float
    blocked: bool


def read_usage(pid: int, *, proc: Path = _PROC) -> Usage | None:
    """Read the time of a process; `None` where the kernel does not tell.

    Source: proc(5), `/proc/PID/task/TID/schedstat` and the state in `/proc/PID/task/TID/stat`.
    """
    working = waiting = 0
    blocked = found = False
    try:
        tasks = list((proc / str(pid) / "task").iterdir())
    except OSError:
        return None
    for task in tasks:
        with contextlib.suppress(OSError, ValueError, IndexError):  # a thread that has just ended
            ran, waited, _ = (task / "schedstat").read_text().split()
            working, waiting, found = working + int(ran), waiting + int(waited), True
            blocked |= (task / "stat").read_text().rpartition(")")[2].split()[0] == "D"
    return Usage(working / 1e9, waiting / 1e9, blocked) if found else None

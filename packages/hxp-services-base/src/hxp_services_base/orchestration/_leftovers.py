"""Services that outlived a killed supervisor: found by the marks in its state file, and ended.

The kernel sends a service SIGTERM when its supervisor dies, and a process that is stopped does not hear it.
"""

from __future__ import annotations

import contextlib
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._process.mark import ProcessMark, StrangerError
from ._state_dir import StateDirError
from ._state_file import StackState, check_state_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MODULE = f"{__package__}._child"
_LOOK = 0.05
_KILL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Leftover:
    """A service whose supervisor is gone.

    Attributes:
        name: The service.
        mark: Its process.
    """

    name: str
    mark: ProcessMark

    def __str__(self) -> str:
        stopped = ", which is stopped" if self.mark.is_stopped else ""
        return f"{self.name!r} (process {self.mark.pid}{stopped})"

    def send(self, *signals: signal.Signals, folder: Path) -> None:
        """Send it signals, if it is a service that was started in `folder`.

        Raises:
            StrangerError: If it is another process.
        """
        with contextlib.suppress(ProcessLookupError):
            self.mark.send(*signals, folder=folder, is_ours=is_service, what="service of `hxp up`")


def is_service(command: list[str]) -> bool:
    """Whether a command line is that of a process which runs one service."""
    return len(command) > 2 and command[1:3] == ["-m", _MODULE]


def find_leftovers(state_dir: Path) -> tuple[Leftover, ...]:
    """Find the services of the last run on `state_dir` that live although their supervisor is gone."""
    state = StackState.last(state_dir)
    if state is None or state.supervisor.is_alive:
        return ()
    marks = {
        name: ProcessMark(pid=node.pid, started=node.started)
        for name, node in state.services.items()
        if node.pid is not None and node.pid > 0 and node.started is not None
    }
    return tuple(Leftover(name, mark) for name, mark in marks.items() if mark.is_alive)


def end_leftovers(leftovers: Iterable[Leftover], state_dir: Path, *, seconds: float) -> dict[Leftover, str]:
    """End services of the last run: woken, told to drain, and killed after `seconds`.

    Args:
        leftovers: Which.
        state_dir: The folder whose state file names them.
        seconds: To drain in.

    Returns:
        Those that live on, each with the reason.
    """
    try:
        check_state_file(state_dir)
    except StateDirError as error:
        return dict.fromkeys(leftovers, str(error))
    folder = state_dir.absolute().parent
    kept: dict[Leftover, str] = {}
    for number, limit in ((signal.SIGTERM, seconds), (signal.SIGKILL, _KILL_SECONDS)):
        told = [one for one in leftovers if one not in kept and one.mark.is_alive]
        for one in told:
            try:
                one.send(number, signal.SIGCONT, folder=folder)
            except StrangerError as error:
                kept[one] = str(error)
        until = time.monotonic() + limit
        while any(one.mark.is_alive for one in told if one not in kept) and time.monotonic() < until:
            time.sleep(_LOOK)
    return kept | {one: "it does not end" for one in leftovers if one not in kept and one.mark.is_alive}

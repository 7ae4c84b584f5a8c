"""A process, told apart from every other one, and signalled only when it is the one that is meant."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Callable

_PROC = Path("/proc")


class StrangerError(RuntimeError):
    """A process is not the one that was meant, so it got no signal; the message says what does not fit."""


class ProcessMark(BaseModel):
    """A process, told apart from a later one with the same number by when it started."""

    model_config = ConfigDict(frozen=True)

    pid: int = Field(ge=1)
    started: int | None

    @classmethod
    def of(cls, pid: int) -> ProcessMark:
        """The mark of a running process."""
        return cls(pid=pid, started=_started(pid))

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        started = _started(self.pid)
        return started is not None and started == self.started

    @property
    def is_stopped(self) -> bool:
        """Whether it runs no further until it gets a SIGCONT."""
        fields = _stat(self.pid)
        return bool(fields) and fields[0] in {"T", "t"}

    def send(
        self, *signals: signal.Signals, folder: Path, is_ours: Callable[[list[str]], bool], what: str = "`hxp up`"
    ) -> None:
        """Send signals, if the process is the one that is meant: same owner, start time, command and folder.

        The process is held by a descriptor before it is looked at, so that the signal cannot reach a later process
        with the same number. Source: pidfd_open(2).

        Args:
            signals: The signals, in their order.
            folder: The working directory that it has.
            is_ours: Judges the command line.
            what: What it is, for the error message.

        Raises:
            StrangerError: If it is another process.
            ProcessLookupError: If it is gone.
        """
        descriptor = os.pidfd_open(self.pid)
        try:
            self._check(folder, is_ours, what)
            if select.select([descriptor], [], [], 0)[0]:  # readable: it has ended meanwhile
                raise ProcessLookupError(f"process {self.pid} has ended")
            for number in signals:
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)

    def _check(self, folder: Path, is_ours: Callable[[list[str]], bool], what: str) -> None:
        process = _PROC / str(self.pid)
        if (started := _started(self.pid)) is None:
            raise ProcessLookupError(f"process {self.pid} has ended")
        if started != self.started:
            raise StrangerError(f"process {self.pid} started at another time than the state file says")
        try:
            owner = process.stat().st_uid
            command = [
                part.decode(errors="replace") for part in (process / "cmdline").read_bytes().split(b"\0") if part
            ]
            here = (process / "cwd").samefile(folder) if owner == os.geteuid() else False
        except FileNotFoundError:
            raise ProcessLookupError(f"process {self.pid} has ended") from None
        except OSError as error:
            raise StrangerError(f"process {self.pid} cannot be looked at: {error.strerror}") from error
        if owner != os.geteuid():
            raise StrangerError(f"process {self.pid} belongs to user {owner}, not to you")
        if not is_ours(command):
            raise StrangerError(f"process {self.pid} is no {what} but {' '.join(command)[:120]!r}")
        if not here:
            raise StrangerError(f"process {self.pid} works in another folder")


def _started(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; `None` when there is none. Source: proc(5), field 22."""
    fields = _stat(pid)
    return int(fields[19]) if len(fields) > 19 and fields[0] != "Z" else None


def _stat(pid: int) -> list[str]:
    """The fields of `/proc/PID/stat` from the third on, which is the state; empty where there is no process."""
    try:
        return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []

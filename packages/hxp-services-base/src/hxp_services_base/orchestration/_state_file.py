"""What a running stack leaves in its state directory, so that other commands find it and nobody else's process."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ._supervisor import NodeStatus  # noqa: TC001 - pydantic reads it

STATE_DIR = Path(".hxp")
"""Where a stack keeps its state, beside its `hxp.yaml`."""
FILE = Path("run") / "stack.json"


class ProcessMark(BaseModel):
    """A process, told apart from a later one with the same number by when it started."""

    model_config = ConfigDict(frozen=True)

    pid: int
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


class StackState(BaseModel):
    """A stack as its supervisor last described it."""

    model_config = ConfigDict(frozen=True)

    name: str
    supervisor: ProcessMark
    services: dict[str, NodeStatus]

    def write(self, state_dir: Path) -> None:
        """Replace the file in one step: a reader sees the old description or the new one, never a part."""
        target = state_dir / FILE
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".stack-")
        with os.fdopen(descriptor, "w") as file:
            file.write(self.model_dump_json())
        Path(name).replace(target)

    @classmethod
    def read(cls, state_dir: Path) -> StackState | None:
        """The stack that runs on `state_dir` now; `None` without a readable file and a living supervisor."""
        try:
            state = cls.model_validate_json((state_dir / FILE).read_bytes())
        except (OSError, ValidationError):
            return None
        return state if state.supervisor.is_alive else None

    @staticmethod
    def remove(state_dir: Path) -> None:
        """Forget the stack."""
        with contextlib.suppress(OSError):
            (state_dir / FILE).unlink()


def _started(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; `None` when there is none. Source: proc(5), field 22."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])

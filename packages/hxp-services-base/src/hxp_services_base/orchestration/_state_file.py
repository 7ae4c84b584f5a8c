"""What a running stack leaves in its state directory, so that other commands find it and nobody else's process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from ._process.mark import ProcessMark  # noqa: TC001 - pydantic reads it
from ._state_dir import StateDirError, check_owner
from ._status import NodeStatus  # noqa: TC001 - pydantic reads it

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable

STATE_DIR = Path(".hxp")
"""Where a stack keeps its state, beside its `hxp.yaml`."""
FILE = Path("run") / "stack.json"


class StackState(BaseModel):
    """A stack as its supervisor last described it."""

    model_config = ConfigDict(frozen=True)

    name: str
    supervisor: ProcessMark
    services: dict[str, NodeStatus]

    def write(self, state_dir: Path) -> None:
        """Replace the file in one step: a reader sees the old description or the new one, never a part.

        Raises:
            OSError: If it cannot be written; the old one stays, and nothing is left beside it.
        """
        target = state_dir / FILE
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".stack-")  # 0600 by contract
        draft = Path(name)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(self.model_dump_json())
            draft.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise

    @classmethod
    def read(cls, state_dir: Path) -> StackState | None:
        """The stack that runs on `state_dir` now; `None` without a readable file and a living supervisor."""
        state = cls.last(state_dir)
        return state if state is not None and state.supervisor.is_alive else None

    @classmethod
    def last(cls, state_dir: Path) -> StackState | None:
        """The stack that ran on `state_dir` last, if perhaps no more; `None` without a readable file."""
        try:
            return cls.model_validate_json((state_dir / FILE).read_bytes())
        except (OSError, ValidationError):
            return None

    def signal_supervisor(self, *signals: signal.Signals, state_dir: Path) -> None:
        """Send the supervisor signals, after everything that the file says of it has been checked.

        Raises:
            StateDirError: If the file or its folders are not this user's alone.
            StrangerError: If the process is not the supervisor of this folder's stack.
            ProcessLookupError: If it is gone.
        """
        check_state_file(state_dir)
        self.supervisor.send(*signals, folder=state_dir.absolute().parent, is_ours=is_supervisor)

    @staticmethod
    def remove(state_dir: Path) -> None:
        """Forget the stack."""
        with contextlib.suppress(OSError):
            (state_dir / FILE).unlink()


def check_state_file(state_dir: Path) -> None:
    """Refuse to believe a state file that others could have written.

    Raises:
        StateDirError: If the file or its folders are not this user's alone.
    """
    for path in (state_dir, state_dir / FILE.parent, state_dir / FILE):
        try:
            check_owner(path)
        except OSError as error:
            raise StateDirError(f"{str(path)!r} cannot be looked at: {error.strerror}") from error


def is_supervisor(command: list[str]) -> bool:
    """Whether a command line is that of `hxp up`, by whichever way it was started."""
    if "up" not in command:
        return False
    before = command[: command.index("up")]
    return "hxp_services_base.cli" in before or any(Path(part).name == "hxp" for part in before)


class StateKeeper:
    """Keeps the state file up to date, also over a disk that is full for a while.

    Args:
        write: Writes the present state.
        tell: Called with a sentence when writing fails, and when it works again; once each.
        retry: Seconds until a write that failed is tried again.
    """

    def __init__(self, write: Callable[[], None], *, tell: Callable[[str], None], retry: float = 1.0) -> None:
        self._write = write
        self._tell = tell
        self._retry = retry
        self._problem: str | None = None

    def changed(self) -> None:
        """Write the state now; if that fails, `run` tries again."""
        try:
            self._write()
        except Exception as error:  # noqa: BLE001 - the state file is told about, never a reason to end a stack
            why = getattr(error, "strerror", None) or repr(error)
            if self._problem is None:
                self._tell(f"the state file cannot be written ({why}); `hxp ps` shows an old state until it can")
            self._problem = why
        else:
            if self._problem is not None:
                self._problem = None
                self._tell("the state file is written again")

    async def run(self) -> None:
        """Try again what failed, until cancelled."""
        while True:
            await asyncio.sleep(self._retry)
            if self._problem is not None:
                self.changed()

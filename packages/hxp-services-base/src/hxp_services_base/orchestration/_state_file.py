"""What a running stack leaves in its state directory, so that other commands find it and nobody else's process."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import tempfile
import time
from dataclasses import replace
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
_BLOCK = 4096
_SMALLEST = 4 * _BLOCK
_READS = 10
_SHORT = 200
"""Characters of a reason that stay where the file must not grow."""


class StackState(BaseModel):
    """A stack as its supervisor last described it."""

    model_config = ConfigDict(frozen=True)

    name: str
    supervisor: ProcessMark
    services: dict[str, NodeStatus]

    def write(self, state_dir: Path) -> None:
        """Replace the file in one step: a reader sees the old description or the new one, never a part.

        The file is longer than it needs to be. Where there is no room for another one, as on a full disk, it is
        overwritten in place, which takes no room.

        Raises:
            OSError: If it cannot be written either way; the old one stays, and nothing is left beside it.
        """
        target = state_dir / FILE
        try:
            self._replace(target)
        except OSError as error:
            try:
                self._overwrite(target)
            except OSError:
                raise error from None

    def _replace(self, target: Path) -> None:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".stack-")  # 0600 by contract
        draft = Path(name)
        try:
            with os.fdopen(descriptor, "w") as file:
                text = self.model_dump_json()
                file.write(text.ljust(max(_SMALLEST, -(-2 * len(text) // _BLOCK) * _BLOCK)))
            draft.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise

    def _overwrite(self, target: Path) -> None:
        descriptor = os.open(target, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            room = os.fstat(descriptor).st_size
            content = self.model_dump_json().encode()
            if len(content) > room:
                content = self._short().model_dump_json().encode()
            if len(content) > room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.pwrite(descriptor, content.ljust(room), 0)
        finally:
            os.close(descriptor)

    def _short(self) -> StackState:
        services = {
            name: replace(node, reason=node.reason[:_SHORT], last_exit=node.last_exit[:_SHORT])
            for name, node in self.services.items()
        }
        return self.model_copy(update={"services": services})

    @staticmethod
    def beat(state_dir: Path) -> None:
        """Note that the description still holds, which takes no room.

        Raises:
            OSError: If it cannot be noted.
        """
        os.utime(state_dir / FILE)

    @staticmethod
    def age(state_dir: Path) -> float:
        """Return for how many seconds the description has not been confirmed; infinite where there is none."""
        try:
            return max(0.0, time.time() - (state_dir / FILE).stat().st_mtime)
        except OSError:
            return float("inf")

    @classmethod
    def read(cls, state_dir: Path) -> StackState | None:
        """The stack that runs on `state_dir` now; `None` without a readable file and a living supervisor."""
        state = cls.last(state_dir)
        return state if state is not None and state.supervisor.is_alive else None

    @classmethod
    def last(cls, state_dir: Path) -> StackState | None:
        """The stack that ran on `state_dir` last, if perhaps no more; `None` without a readable file."""
        file = state_dir / FILE
        before = b""
        for _ in range(_READS):  # it may be overwritten in place just now: what is the same twice is whole
            try:
                content = file.read_bytes()
            except OSError:
                return None
            if content == before:
                break
            before = content
        try:
            return cls.model_validate_json(before)
        except ValidationError:
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
        beat: Confirms that what is written still holds, every so often; what it raises is a failed write.
        retry: Seconds until a write that failed is tried again, and between two beats.
    """

    def __init__(
        self,
        write: Callable[[], None],
        *,
        tell: Callable[[str], None],
        beat: Callable[[], None] = lambda: None,
        retry: float = 1.0,
    ) -> None:
        self._write = write
        self._beat = beat
        self._tell = tell
        self._retry = retry
        self._problem: str | None = None

    def changed(self) -> None:
        """Write the state now; if that fails, `run` tries again."""
        self._try(self._write)

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
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
        """Try again what failed, and confirm what did not, until cancelled."""
        while True:
            await asyncio.sleep(self._retry)
            self._try(self._write if self._problem is not None else self._beat)

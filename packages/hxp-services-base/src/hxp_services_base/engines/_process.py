"""One run of an engine's child process: started, awaited, ended with everything that it started itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_END_GRACE = 3.0


class EngineStartError(RuntimeError):
    """The engine's process ended or stayed silent before it was ready; the message holds its last words."""


class EngineProcess:
    """A child process in a process group of its own.

    Args:
        command: What to run.
        log: Where its standard error goes; appended to.
    """

    def __init__(self, command: Sequence[str], *, log: Path) -> None:
        self._command = tuple(command)
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    async def start(self, *, seconds: float) -> None:
        """Run it and wait for its line `ready`.

        Raises:
            EngineStartError: If it ends first, or takes longer than `seconds`.
        """
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(seconds):
                said_ready = await self._wait_ready(self._process)
        except TimeoutError:
            await self.end()
            raise EngineStartError(f"not ready within {seconds:g} s; {self.last_words()}") from None
        except BaseException:
            await self.end()
            raise
        if not said_ready:
            status = await self._process.wait()
            raise EngineStartError(f"ended with status {status} before it was ready; {self.last_words()}")

    @staticmethod
    async def _wait_ready(process: asyncio.subprocess.Process) -> bool:
        assert process.stdout is not None  # noqa: S101 - opened as a pipe above
        while line := await process.stdout.readline():
            if line.startswith(b"ready"):
                return True
        return False

    async def wait(self) -> str:
        """Wait for its end; how it ended, in words."""
        assert self._process is not None, "start() comes first"  # noqa: S101 - a programming error
        status = await self._process.wait()
        if status < 0:
            return f"killed by {signal.Signals(-status).name}"
        return f"ended with status {status}"

    def kill(self) -> None:
        """End the whole process group at once."""
        if (pid := self.pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    async def end(self) -> None:
        """End it politely by closing its standard input, then for good."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _END_GRACE)
        except TimeoutError:
            self.kill()
            await self._process.wait()

    def last_words(self, lines: int = 5) -> str:
        """The end of its log, for the error message."""
        try:
            with self._log.open("rb") as log:
                log.seek(max(0, self._log.stat().st_size - 4096))
                tail = log.read().decode(errors="replace").strip().splitlines()[-lines:]
        except OSError:
            tail = []
        return "its last words: " + (" | ".join(tail) or "none") + f" (see {self._log})"

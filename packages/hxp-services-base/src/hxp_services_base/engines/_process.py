"""One run of an engine's child process: started, awaited, ended with everything that it started itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

from ._engine_log import EngineLog
from ._environment import engine_environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_END_GRACE = 3.0
_DRAIN = 1.0
_CRASHES = {signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS, signal.SIGTRAP}


class EngineStartError(RuntimeError):
    """The engine's process ended or stayed silent before it was ready; the message holds its last words."""


class EngineProcess:
    """A child process in a process group of its own.

    It gets an environment of an allow-list. Standard output and standard error go to a log file that rotates.

    Args:
        command: What to run.
        log: The log file, or where it goes by the default policy.
    """

    def __init__(self, command: Sequence[str], *, log: EngineLog | Path) -> None:
        self._command = tuple(command)
        self._log = log if isinstance(log, EngineLog) else EngineLog(log)
        self._process: asyncio.subprocess.Process | None = None
        self._pumps: list[asyncio.Task[None]] = []

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    @property
    def has_crashed(self) -> bool:
        """Whether it ended itself: by a signal of its own making, or with a status."""
        status = None if self._process is None else self._process.returncode
        return status is not None and (status > 0 or -status in _CRASHES)

    async def start(self, *, seconds: float) -> None:
        """Run it and wait for its line `ready`.

        Raises:
            EngineStartError: If it ends first, or takes longer than `seconds`.
        """
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=engine_environment(os.environ),
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(seconds):
                said_ready = await self._wait_ready(process)
        except TimeoutError:
            await self.end()
            raise EngineStartError(f"not ready within {seconds:g} s; {self.last_words()}") from None
        except BaseException:
            await self.end()
            raise
        if not said_ready:
            status = await process.wait()
            await self._drained()
            raise EngineStartError(f"ended with status {status} before it was ready; {self.last_words()}")

    async def _wait_ready(self, process: asyncio.subprocess.Process) -> bool:
        """Read standard output up to the line `ready`, and then, as standard error, for the log."""
        assert process.stdout is not None  # noqa: S101 - opened as a pipe above
        assert process.stderr is not None  # noqa: S101 - as above
        self._pumps = [asyncio.create_task(self._log.pump(process.stderr), name="engine-log")]
        while line := await _line(process.stdout):
            if line.startswith(b"ready"):
                self._pumps.append(asyncio.create_task(self._log.pump(process.stdout), name="engine-output"))
                return True
            self._log.write(line)
        return False

    async def wait(self) -> str:
        """Wait for its end; how it ended, in words."""
        assert self._process is not None, "start() comes first"  # noqa: S101 - a programming error
        status = await self._process.wait()
        await self._drained()
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
        await self._drained()

    async def _drained(self) -> None:
        """Take its last words; what it started itself may keep its pipes open, and is not waited for."""
        if self._pumps:
            _, late = await asyncio.wait(self._pumps, timeout=_DRAIN)
            for pump in late:
                pump.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            self._pumps = []

    def last_words(self, lines: int = 5) -> str:
        """The end of its log, for the error message."""
        return self._log.last_words(lines)


async def _line(stream: asyncio.StreamReader) -> bytes:
    """Read a line; of one that is longer than the stream's buffer, a part."""
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:
        return await stream.read(max(1, error.consumed))

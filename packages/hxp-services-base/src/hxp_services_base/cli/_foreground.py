"""One run of a stack under this process, told on the terminal, in the log and in the state file."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import hxp_logging

from ..commands import CommandError
from ..orchestration import LaunchError, ProcessMark, StackState, StateKeeper, Subprocesses, Supervisor
from ..orchestration._process.output import RawOutput, rotation_of
from ._terminal import COLOURS, Terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ..orchestration import NodeStatus, Stack

DETACHED = "HXP_DETACHED"
"""In the environment of an `hxp up` that nobody looks at: its overrides, in JSON, since anybody may see arguments."""
_TIDY_EVERY = 5.0
_TROUBLE = frozenset({"degraded", "restarting", "unresponsive", "failed"})


@contextlib.contextmanager
def alone(state_dir: Path) -> Iterator[None]:
    """Be the only supervisor of a state folder for the time of a block.

    Raises:
        CommandError: If another one is.
    """
    folder = state_dir / "run"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError("this stack is just being started by another `hxp up`; `hxp ps` shows it") from None
        yield
    finally:
        os.close(descriptor)


class Foreground:
    """Runs a stack until it is told to stop.

    Args:
        stack: What to run.
        terminal: Where progress is shown; nowhere for a stack that runs detached.
    """

    def __init__(self, stack: Stack, *, terminal: Terminal | None) -> None:
        self._stack = stack
        self._terminal = terminal
        self._began = time.monotonic()
        self._mark = ProcessMark.of(os.getpid())
        self._told: dict[str, str] = {}
        folder = stack.state_dir / "log"
        self._logging = hxp_logging.Logging(
            hxp_logging.LoggingOptions(
                format=stack.logging.format,
                service="supervisor",
                environment=stack.profile,
                file=str(folder / "supervisor.log"),
                rotation=rotation_of(stack.logging.rotation),
            )
        )
        self._log = self._logging.get_logger("hxp.supervisor")
        self._output = RawOutput(folder / "supervisor.out", limit=stack.logging.rotation.size)
        self._supervisor = Supervisor(stack, Subprocesses(), on_change=self._changed, tell=self._tell)
        self._state = StateKeeper(self._write_state, tell=self._tell, beat=lambda: StackState.beat(stack.state_dir))

    async def run(self) -> int:
        """Bring it up, wait for the end, bring it down; the exit status."""
        stop = self._stop_signals()
        self._state.changed()
        keepers = [asyncio.create_task(self._state.run()), asyncio.create_task(self._keep_tidy())]
        try:
            return await self._run(stop)
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            StackState.remove(self._stack.state_dir)
            self._logging.close()

    async def _run(self, stop: asyncio.Future[signal.Signals]) -> int:
        starting: asyncio.Future[Any] = asyncio.ensure_future(self._supervisor.up())
        both: list[asyncio.Future[Any]] = [starting, stop]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            self._say("stopping before all services were ready …")
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return 128 + signal.SIGINT if stop.result() is signal.SIGINT else 0
        try:
            starting.result()
        except LaunchError as error:
            self._log.error("not started", reason=str(error))
            self._say(("not started:", "red"), f" {error}")
            return 1
        if self._terminal is not None:
            hint = "Ctrl-C stops everything."
            welcome(self._terminal, self._stack, self._supervisor.status.values(), hint, show_key=sys.stdout.isatty())
        reason = (await stop).name
        self._log.info("stopping", reason=reason)
        self._say(f"{reason}: draining …")
        statuses = await self._supervisor.down()
        return 1 if any(statuses.values()) else 0

    @staticmethod
    def _stop_signals() -> asyncio.Future[signal.Signals]:
        """Completed by the first signal that ends a stack; a terminal that is closed does, unless nohup says else."""
        loop = asyncio.get_running_loop()
        stop: asyncio.Future[signal.Signals] = loop.create_future()

        def tell(number: signal.Signals) -> None:
            if not stop.done():
                stop.set_result(number)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, tell, number)
        return stop

    async def _keep_tidy(self) -> None:
        while True:
            self._output.trim()
            await asyncio.sleep(_TIDY_EVERY)

    def _changed(self, status: NodeStatus) -> None:
        self._state.changed()
        before = self._told.get(status.name)
        self._told[status.name] = status.state
        if status.state == before and status.state != "starting":  # one line a state; starting has phases
            return
        write = self._log.warning if status.state in _TROUBLE else self._log.info
        write("service", name=status.name, state=status.state, reason=status.reason, pid=status.pid)
        elapsed = time.monotonic() - self._began
        colour = COLOURS.get(status.state, "cyan")
        reason = f"  {status.reason}" if status.reason else ""
        self._say(f"{elapsed:6.1f} s  {status.name:<10} ", (status.state, colour), reason)

    def _write_state(self) -> None:
        services = dict(self._supervisor.status)
        StackState(name=self._stack.name, supervisor=self._mark, services=services).write(self._stack.state_dir)

    def _tell(self, sentence: str) -> None:
        self._log.warning("trouble", detail=sentence)
        self._say(("warning: ", "yellow"), sentence)

    def _say(self, *parts: str | tuple[str, str]) -> None:
        if self._terminal is not None:
            self._terminal.say(*parts)


def welcome(
    terminal: Terminal, stack: Stack, services: Iterable[NodeStatus], hint: str, *, show_key: bool = True
) -> None:
    """Show the table, the key, and a line to try."""
    found = {status.name: status for status in services}
    terminal.say()
    rows = [(status.name, (status.state, "green"), status.url) for status in found.values()]
    terminal.table(("service", "state", "url"), rows)
    terminal.say()
    file = stack.state_dir / "dev-key"
    key = _development_key(stack, file)
    if (gateway := found.get("gateway")) is None or not key:
        terminal.say(hint)
        return
    terminal.say(f"API key (development): {key if show_key else f'in {file}'}")
    terminal.say()
    shown = key if show_key else f"$(cat {file})"
    question = '{"model": "hxp-tiny", "messages": [{"role": "user", "content": "What is HXP?"}]}'
    terminal.say(
        f'curl {gateway.url}/v1/chat/completions -H "Authorization: Bearer {shown}" '
        f"-H 'Content-Type: application/json' -d '{question}'"
    )
    terminal.say()
    command = "uv run hxp" if "UV_RUN_RECURSION_DEPTH" in os.environ else "hxp"
    terminal.say(f'or: {command} chat "What is HXP?"          {hint}')


def _development_key(stack: Stack, file: Path) -> str:
    """The key that lies on disk, which is for the profile `development` alone."""
    if stack.profile != "development":
        return ""
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""

"""`hxp up` and `hxp down`: a stack in the foreground, or detached."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

from rich.console import Console
from rich.table import Table

from ..chassis import PROBE_PORT_OFFSET, PortInUseError, bind
from ..commands import CommandError, Option, stack_here
from ..orchestration import STATE_DIR, LaunchError, ProcessMark, StackState, Subprocesses, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..orchestration import NodeStatus, Stack

_DETACH_TIMEOUT = 240.0
_DOWN_TIMEOUT = 60.0


def up(
    *,
    detach: Annotated[bool, Option("-d", "--detach", help="Return as soon as all services are ready.")] = False,
    set_: Annotated[list[str], Option("--set", help="Override a value: --set services.gateway.port=9000")] = [],  # noqa: B006 - typer reads the default, nothing writes it
) -> None:
    """Start the stack of `hxp.yaml`, or the default one, and keep it running until Ctrl-C."""
    stack = stack_here(set_)
    _refuse_second(stack)
    if detach:
        _detach(stack, set_)
        return
    raise SystemExit(asyncio.run(_Foreground(stack).run()))


def down() -> None:
    """Stop the stack that runs here: drain, then exit. Only what `hxp up` started is touched."""
    state = StackState.read(STATE_DIR)
    if state is None:
        raise CommandError("nothing runs here; `hxp up` starts the stack")
    os.kill(state.supervisor.pid, signal.SIGTERM)
    console = Console()
    with console.status("stopping …"):
        if not _wait(lambda: not state.supervisor.is_alive, _DOWN_TIMEOUT):
            raise CommandError(
                f"process {state.supervisor.pid} is still stopping after {_DOWN_TIMEOUT:g} s; `hxp ps` shows why"
            )
    console.print(f"stopped {len(state.services)} services")


def _refuse_second(stack: Stack) -> None:
    """Say who is in the way before anything is started; the other instance is left unharmed (P6)."""
    if (state := StackState.read(stack.state_dir)) is not None:
        raise CommandError(
            f"this stack runs already, as process {state.supervisor.pid}; `hxp ps` shows it, `hxp down` stops it"
        )
    problems: list[str] = []
    for node in stack.nodes:
        for host, port in ((node.host, node.port), (node.operations_host, node.port + PROBE_PORT_OFFSET)):
            try:
                bind(host, port).close()
            except PortInUseError as error:
                problems.append(f"{node.name}: {error.strerror}")
            except OSError as error:
                problems.append(f"{node.name}: cannot bind {host}:{port}: {error.strerror}")
    if problems:
        raise CommandError("nothing was started:\n  " + "\n  ".join(problems))


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def _detach(stack: Stack, overrides: list[str]) -> None:
    """Run `hxp up` again in a session of its own and wait until it says that all is ready."""
    log = stack.state_dir / "log" / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "hxp_services_base.cli", "up"]
    for override in overrides:
        command += ["--set", override]
    begins_at = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    console = Console()

    def settled() -> bool:
        if process.poll() is not None:
            return True
        state = StackState.read(stack.state_dir)
        return state is not None and all(node.state == "ready" for node in state.services.values())

    with console.status("starting …"):
        in_time = _wait(settled, _DETACH_TIMEOUT)
    with log.open("rb") as written:
        written.seek(begins_at)
        console.out(written.read().decode(errors="replace").rstrip(), highlight=False)
    if process.poll() is not None:
        raise CommandError(f"the stack did not start (status {process.returncode}); see {log}")
    if not in_time:
        raise CommandError(f"not all services were ready within {_DETACH_TIMEOUT:g} s; `hxp ps` shows which")
    process.returncode = 0  # it outlives this command on purpose, which subprocess would warn about
    console.print(f"running as process {process.pid}; `hxp down` stops it")


class _Foreground:
    """One run of a stack under this process, told on the terminal and in the state file."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._console = Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()
        self._mark = ProcessMark.of(os.getpid())
        self._told: dict[str, str] = {}
        self._supervisor = Supervisor(stack, Subprocesses(), on_change=self._changed)

    async def run(self) -> int:
        """Bring it up, wait for the end, bring it down; the exit status."""
        told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._tell, told, number.name)
        self._write_state()
        try:
            starting: asyncio.Future[Any] = asyncio.ensure_future(self._supervisor.up())
            await asyncio.wait([starting, told], return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                self._console.print("stopping before all services were ready …")
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
                return 0
            try:
                starting.result()
            except LaunchError as error:
                self._console.print(f"[red]not started:[/red] {error}")
                return 1
            self._welcome()
            exhausted: asyncio.Future[Any] = asyncio.ensure_future(self._supervisor.exhausted())
            await asyncio.wait([told, exhausted], return_when=asyncio.FIRST_COMPLETED)
            gave_up = exhausted.done()
            reason = exhausted.result() if gave_up else told.result()
            exhausted.cancel()
            self._console.print(f"{reason}: draining …")
            statuses = await self._supervisor.down()
            return 1 if gave_up or any(statuses.values()) else 0
        finally:
            StackState.remove(self._stack.state_dir)

    @staticmethod
    def _tell(told: asyncio.Future[str], reason: str) -> None:
        if not told.done():
            told.set_result(reason)

    def _changed(self, status: NodeStatus) -> None:
        self._write_state()
        before = self._told.get(status.name)
        self._told[status.name] = status.state
        if status.state == before and status.state != "starting":  # one line a state; starting has phases
            return
        elapsed = time.monotonic() - self._began
        colour = {"ready": "green", "failed": "red", "degraded": "yellow", "restarting": "yellow"}.get(
            status.state, "cyan"
        )
        reason = f"  {status.reason}" if status.reason else ""
        self._console.print(f"{elapsed:6.1f} s  {status.name:<10} [{colour}]{status.state}[/{colour}]{reason}")

    def _write_state(self) -> None:
        services = dict(self._supervisor.status)
        StackState(name=self._stack.name, supervisor=self._mark, services=services).write(self._stack.state_dir)

    def _welcome(self) -> None:
        """The table, the key, and a line to try."""
        table = Table("service", "state", "url", box=None, pad_edge=False, header_style="bold")
        for status in self._supervisor.status.values():
            table.add_row(status.name, f"[green]{status.state}[/green]", status.url)
        self._console.print()
        self._console.print(table)
        self._console.print()
        key_file = self._stack.state_dir / "dev-key"
        door = self._supervisor.status.get("gateway")
        if door is None or not key_file.exists():
            self._console.print("Ctrl-C stops everything.")
            return
        key = key_file.read_text().strip()
        model = "hxp-tiny"
        question = '{"model": "' + model + '", "messages": [{"role": "user", "content": "What is HXP?"}]}'
        self._console.out(f"API key (development): {key}\n", highlight=False)
        self._console.out(
            f"curl {door.url}/v1/chat/completions -H 'Authorization: Bearer {key}' "
            f"-H 'Content-Type: application/json' -d '{question}'\n",
            highlight=False,
        )
        command = "uv run hxp" if "UV_RUN_RECURSION_DEPTH" in os.environ else "hxp"
        self._console.print(f'or: {command} chat "What is HXP?"          Ctrl-C stops everything.')

"""`hxp up` and `hxp down`: a stack in the foreground, or detached."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Annotated

from hxp_logging.reader import follow_files

from ..chassis import PROBE_PORT_OFFSET, PortInUseError, bind
from ..commands import CommandError, Option, stack_here
from ..orchestration import STATE_DIR, StackState, StateDirError, StrangerError, prepare_state_dir
from ..orchestration._leftovers import Leftover, end_leftovers, find_leftovers
from ..orchestration._process.output import RawOutput
from ..orchestration._state_dir import PRIVATE_UMASK
from ._foreground import DETACHED, Foreground, alone, welcome
from ._terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hxp_logging.reader import Line

    from ..orchestration import Stack

_DETACH_TIMEOUT = 240.0
_DOWN_TIMEOUT = 60.0
_LEFTOVER_GRACE = 15.0
"""Seconds to drain in for services that a killed supervisor left behind."""


def up(
    *,
    detach: Annotated[bool, Option("-d", "--detach", help="Return as soon as all services are ready.")] = False,
    set_: Annotated[list[str], Option("--set", help="Override a value: --set services.gateway.port=9000")] = [],  # noqa: B006 - typer reads the default, nothing writes it
) -> None:
    """Start the stack of `hxp.yaml`, or the default one, and keep it running until Ctrl-C."""
    detached = os.environ.pop(DETACHED, "")
    stack = stack_here(json.loads(detached) if detached else set_)
    terminal = None if detached else Terminal()
    try:
        tightened = prepare_state_dir(stack.state_dir)
    except StateDirError as error:
        raise CommandError(f"nothing was started: {error}") from error
    if tightened and terminal is not None:
        terminal.say(("warning: ", "yellow"), f"others could use {', '.join(tightened[:5])}; now they cannot")
    _refuse_second(stack)
    _end_leftovers(stack.state_dir, terminal)
    _refuse_taken_ports(stack)
    if detach:
        _detach(stack, set_)
        return
    os.umask(PRIVATE_UMASK)
    with alone(stack.state_dir):
        raise SystemExit(asyncio.run(Foreground(stack, terminal=terminal).run()))


def down() -> None:
    """Stop the stack that runs here: drain, then exit. Only what `hxp up` started is touched."""
    state = StackState.read(STATE_DIR)
    terminal = Terminal()
    if state is None:
        if ended := _end_leftovers(STATE_DIR, terminal):
            terminal.say(f"ended {len(ended)} services that a killed supervisor had left behind")
            StackState.remove(STATE_DIR)
            return
        raise CommandError("nothing runs here; `hxp up` starts the stack")
    try:
        # One that was stopped must go on to hear that it is to end.
        state.signal_supervisor(signal.SIGTERM, signal.SIGCONT, state_dir=STATE_DIR)
    except (StateDirError, StrangerError) as error:
        raise CommandError(f"nothing was stopped: {error}") from error
    except ProcessLookupError:
        pass  # it ended by itself in between
    with terminal.status("stopping …"):
        if not _wait(lambda: not state.supervisor.is_alive, _DOWN_TIMEOUT):
            raise CommandError(
                f"process {state.supervisor.pid} is still stopping after {_DOWN_TIMEOUT:g} s; `hxp ps` shows why"
            )
    terminal.say(f"stopped {len(state.services)} services")


def _refuse_second(stack: Stack) -> None:
    """Say who is in the way before anything is started; the other instance is left unharmed (P6)."""
    if (state := StackState.read(stack.state_dir)) is not None:
        raise CommandError(
            f"this stack runs already, as process {state.supervisor.pid}; `hxp ps` shows it, `hxp down` stops it"
        )


def _end_leftovers(state_dir: Path, terminal: Terminal | None) -> tuple[Leftover, ...]:
    """End what a killed supervisor left behind, such as a service that was stopped and did not hear of it.

    Raises:
        CommandError: If some of it cannot be ended.
    """
    if not (found := find_leftovers(state_dir)):
        return ()
    if terminal is not None:
        names = ", ".join(map(str, found))
        terminal.say(("warning: ", "yellow"), f"ending what a killed supervisor left behind: {names}")
    if kept := end_leftovers(found, state_dir, seconds=_LEFTOVER_GRACE):
        told = "\n  ".join(f"{one}: {why}" for one, why in kept.items())
        raise CommandError(f"services that a killed supervisor left behind live on:\n  {told}")
    return found


def _refuse_taken_ports(stack: Stack) -> None:
    """Name every port that somebody else holds before anything is started."""
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
    folder = stack.state_dir / "log"
    output = RawOutput(folder / "supervisor.out", limit=stack.logging.rotation.size)
    begins_at = output.size()
    news = follow_files(folder / "supervisor.log", interval=0)
    next(news)  # which notes where the log ends now
    process = _spawn(output, overrides)
    terminal = Terminal()

    def settled() -> bool:
        _show(news, terminal)
        if process.poll() is not None:
            return True
        state = StackState.read(stack.state_dir)
        return state is not None and all(node.state == "ready" for node in state.services.values())

    try:
        in_time = _wait(settled, _DETACH_TIMEOUT)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    _show(news, terminal)
    if process.poll() is not None:
        words = output.last_words(since=begins_at)
        last = f"; its last words: {words}" if words else ""
        raise CommandError(
            f"the stack did not start (status {process.returncode}); see {folder / 'supervisor.log'}{last}"
        )
    process.returncode = 0  # it outlives this command on purpose, which subprocess would warn about
    if not in_time or (state := StackState.read(stack.state_dir)) is None:
        raise CommandError(f"not all services were ready within {_DETACH_TIMEOUT:g} s; `hxp ps` shows which")
    hint = f"running as process {process.pid}; `hxp down` stops it"
    welcome(terminal, stack, state.services.values(), hint)


def _spawn(output: RawOutput, overrides: list[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hxp_services_base.cli", "up"]
    descriptor = output.open()
    try:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            command,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            umask=PRIVATE_UMASK,
            env={**os.environ, DETACHED: json.dumps(overrides)},
        )
    finally:
        os.close(descriptor)


def _show(news: Iterator[Line | None], terminal: Terminal) -> None:
    while (line := next(news)) is not None:
        terminal.say(line.pretty())

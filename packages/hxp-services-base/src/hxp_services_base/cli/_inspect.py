"""`hxp ps` and `hxp doctor`: what runs, and what is in the way."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ..chassis import PROBE_PORT_OFFSET, holder_of
from ..commands import CommandError, Option, stack_here
from ..engines import missing_cpu_flags
from ..orchestration import STATE_DIR, ProcessMark, StackState
from ..orchestration._leftovers import find_leftovers
from ..orchestration._liveness import CannotAskError, ask_probe
from ._logs import logs as logs  # noqa: PLC0414 - the entry point `logs` still names this module
from ._terminal import COLOURS, Part, Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..orchestration import NodeStatus, Stack

_ASK_SECONDS = 1.5
_OLD = 5.0
"""Seconds without a sign of the supervisor, which gives one every second, after which its state is called old."""
_PASS = "pass"  # noqa: S105 - an answer
_JSON = Option("--json", help="Print JSON.")


def ps(*, as_json: Annotated[bool, _JSON] = False) -> None:
    """Show the services of the stack that runs here."""
    state = StackState.read(STATE_DIR)
    if as_json:
        print(json.dumps(_document(state) if state else {"supervisor": None, "services": {}}, indent=2))
        return
    if state is None:
        if left := find_leftovers(STATE_DIR):
            names = ", ".join(map(str, left))
            raise CommandError(f"no supervisor runs here, and it left {names}; `hxp down` ends that", status=3)
        raise CommandError("nothing runs here; `hxp up` starts the stack", status=3)
    if state.supervisor.is_stopped:
        pid = state.supervisor.pid
        Terminal().say(
            ("warning: ", "yellow"), f"the supervisor (process {pid}) is stopped, so this may be old; kill -CONT"
        )
    elif (age := StackState.age(STATE_DIR)) > _OLD:
        told = f"the supervisor (process {state.supervisor.pid}) has not confirmed its state for {_duration(age)}, so "
        Terminal().say(("warning: ", "yellow"), told + "this may be old; see `hxp logs supervisor`")
    answers = asyncio.run(_ask_all(state))
    columns = ("service", "state", "for", "pid", "restarts", "url", "reason")
    Terminal().table(columns, (_row(node, answers.get(node.name), now=time.time()) for node in state.services.values()))


def _document(state: StackState) -> dict[str, Any]:
    """The state with what each service answers itself: `"pass"`, what is wrong, or `null` where it was not asked."""
    document = state.model_dump(mode="json")
    answers = asyncio.run(_ask_all(state))
    for name, service in document["services"].items():
        service["readyz"] = answers.get(name)
    document["age"] = round(StackState.age(STATE_DIR), 3)
    return document


async def _ask_all(state: StackState) -> dict[str, str]:
    """Ask every service that has an address whether it is ready, all at once."""

    async def ask(node: NodeStatus) -> tuple[str, str]:
        try:
            return node.name, await ask_probe(node.probe_url, "/readyz", seconds=_ASK_SECONDS) or _PASS
        except (CannotAskError, ValueError) as error:  # an address may be any text
            return node.name, f"cannot be asked ({error})"

    return dict(await asyncio.gather(*(ask(node) for node in state.services.values() if node.probe_url)))


def _row(node: NodeStatus, answer: str | None = None, *, now: float) -> tuple[Part, ...]:
    shown = node.state
    reason = node.reason or (f"before: {node.last_exit}" if node.last_exit else "")
    if node.next_try is not None:
        reason += f" (now: in {_duration(max(0.0, node.next_try - now))})"
    if answer == _PASS and not node.is_serving:
        reason += " (it answers that it is ready)"
    elif answer not in {None, _PASS} and node.is_serving and not (node.reason and node.reason in str(answer)):
        shown, reason = "not ready", f"{answer}; the supervisor has it as {node.state}"
    if node.pid is not None and _has_ended(node.pid, node.started):
        reason = f"this is old: process {node.pid} has ended"
    state = (shown, COLOURS.get(shown, "cyan"))
    return node.name, state, _duration(now - node.since), str(node.pid or "-"), str(node.restarts), node.url, reason


def _has_ended(pid: int, started: int | None) -> bool:
    found = ProcessMark.of(pid).started
    return found is None or (started is not None and found != started)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `hxp doctor` looked at."""

    name: str
    ok: bool
    detail: str


def doctor(*, as_json: Annotated[bool, _JSON] = False) -> None:
    """Look for what would keep the stack from running here; exit 1 if something would."""
    findings = list(_findings(Path.cwd()))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        terminal = Terminal()
        for finding in findings:
            terminal.say(("✓", "green") if finding.ok else ("✗", "red"), f" {finding.name:<16} {finding.detail}")
    if not all(finding.ok for finding in findings):
        raise SystemExit(1)


def _findings(directory: Path) -> Iterator[Finding]:
    yield Finding(
        "python",
        sys.version_info >= (3, 11),
        f"{platform.python_version()} on {platform.system()} {platform.machine()}",
    )
    missing = missing_cpu_flags()
    detail = (
        f"lacks {', '.join(sorted(missing))}, which llama.cpp's wheel needs"
        if missing
        else "has what llama.cpp's wheel needs"
    )
    yield Finding("processor", not missing, detail)
    engine = importlib.util.find_spec("xllamacpp") is not None
    found = (
        importlib.metadata.version("xllamacpp")
        if engine
        else 'not installed: pip install "hxp-services-base[llamacpp]"'
    )
    yield Finding("engine", engine, f"xllamacpp {found}" if engine else found)
    free = shutil.disk_usage(directory).free / 1e9
    yield Finding("disk", free > 1, f"{free:.1f} GB free")
    yield Finding(
        "state",
        os.access(directory, os.W_OK),
        f"{directory / '.hxp'} {'is' if os.access(directory, os.W_OK) else 'is not'} writable",
    )
    try:
        stack = stack_here()
    except CommandError as error:
        yield Finding("configuration", ok=False, detail=str(error))
        return
    yield Finding(
        "configuration",
        ok=True,
        detail=f"{len(stack.nodes)} services: {' → '.join(', '.join(layer) for layer in stack.plan())}",
    )
    yield from _ports(stack)


def _ports(stack: Stack) -> Iterator[Finding]:
    running = StackState.read(stack.state_dir)
    if running is not None:
        yield Finding("stack", ok=True, detail=f"runs as process {running.supervisor.pid}")
        return
    if left := find_leftovers(stack.state_dir):
        detail = f"a killed supervisor left {', '.join(map(str, left))}; `hxp up` ends that first"
        yield Finding("leftovers", ok=True, detail=detail)
        return
    for node in stack.nodes:
        for port in (node.port, node.port + PROBE_PORT_OFFSET):
            holder = holder_of(port)
            yield Finding(f"port {port}", holder is None, f"held by {holder}" if holder else f"free for {node.name}")


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"

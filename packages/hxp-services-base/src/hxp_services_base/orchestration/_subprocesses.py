"""Each service in a child process of its own, with nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from pydantic_core import to_jsonable_python

from .._state import State
from ._order import Order, Report
from ._process.environment import child_environment
from ._process.output import RawOutput
from ._process.reports import read_reports
from ._runner import LaunchError, StartHungError, Status
from ._start_watch import StartWatch
from ._state_dir import PRIVATE_UMASK

if TYPE_CHECKING:
    from pathlib import Path

    from ._runner import Launch
    from ._stack import Node


class _Handle:
    """A child process, from launch to reaping."""

    def __init__(
        self, process: asyncio.subprocess.Process, *, ready: Report, output: RawOutput, reports: asyncio.Task[None]
    ) -> None:
        self._process = process
        self._reports = reports
        self._output = output
        self.url = ready.url
        self.probe_url = ready.probe_url

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process.returncode is None else None

    async def ended(self) -> str:
        status = await self._process.wait()
        await asyncio.gather(self._reports, return_exceptions=True)
        return f"killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    async def stop(self, *, seconds: float) -> int:
        await self.end(seconds=seconds)  # one that was stopped must go on to hear of it
        assert self._process.returncode is not None  # noqa: S101 - it was awaited above
        return self._process.returncode

    async def end(self, *, seconds: float) -> None:
        await self._ask_to_end(seconds, signal.SIGTERM, signal.SIGCONT)

    async def _ask_to_end(self, seconds: float, *signals: signal.Signals) -> None:
        if self._process.returncode is None:
            for number in signals:
                with contextlib.suppress(ProcessLookupError):
                    self._process.send_signal(number)
            try:
                await asyncio.wait_for(self._process.wait(), seconds)
            except TimeoutError:
                kill_group(self._process.pid)
                await self._process.wait()
        await asyncio.gather(self._reports, return_exceptions=True)

    def tidy(self) -> None:
        self._output.trim()


def kill_group(pid: int) -> None:
    """End the process group of a child at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


class Subprocesses:
    """Runs each service as `python -m …`; it logs to `STATE_DIR/log/NAME.log`, and the rest goes into `NAME.out`."""

    async def launch(self, node: Node, launch: Launch) -> _Handle:
        """Start `node`; returns when it reports that it is ready.

        Raises:
            LaunchError: If it does not become ready in time, or ends first.
            OSError: If there is no process to be had.
        """
        log = launch.state_dir / "log" / f"{node.name}.log"
        order = _order(node, launch, log).model_dump_json().encode() + b"\n"
        output = RawOutput(log.with_suffix(".out"), limit=launch.logging.rotation.size)
        before = output.size()
        process, descriptor = await _spawn(node, launch, output)
        launch.on_process(process.pid)
        assert process.stdin is not None  # noqa: S101 - opened as a pipe
        process.stdin.write(order)
        ready: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        reports = asyncio.create_task(_follow(descriptor, ready, launch), name=f"reports-{node.name}")
        try:
            async with asyncio.timeout(node.start_timeout):
                report = await _ready_or_hung(node, process.pid, ready, launch)
        except TimeoutError:
            await _end(process, reports)
            raise LaunchError(f"{node.name!r} was not ready within {node.start_timeout:g} s; see {log}") from None
        except BaseException as error:
            await _end(process, reports)
            if isinstance(error, LaunchError) and not str(error):
                words = output.last_words(since=before)
                last = f" (its last words: {words})" if words else ""
                raise LaunchError(f"{node.name!r} ended before it was ready; see {log}{last}") from None
            raise
        return _Handle(process, ready=report, output=output, reports=reports)


async def _ready_or_hung(node: Node, pid: int, ready: asyncio.Future[Report], launch: Launch) -> Report:
    """The report that a service is ready.

    Raises:
        LaunchError: If it says that it failed, or ends, or hangs.
    """
    watching = asyncio.create_task(StartWatch(node, pid).until_hung(), name=f"watch-start-{node.name}")
    both: tuple[asyncio.Future[Any], ...] = (ready, watching)
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            if (error := watching.exception()) is None:
                raise StartHungError(f"{node.name!r} hung while it started: {watching.result()}")
            launch.tell(f"the start of {node.name!r} is not watched: {error!r}")
        return await ready
    finally:
        ready.cancel()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _spawn(node: Node, launch: Launch, output: RawOutput) -> tuple[asyncio.subprocess.Process, int]:
    """The child, and our end of the pipe on which it reports."""
    ours, theirs = os.pipe()
    written = asyncio.subprocess.DEVNULL
    try:
        try:
            written = output.open()
        except OSError as error:  # a full disk must not keep a service from running
            launch.tell(f"what {node.name!r} writes past its log is lost: {output.path}: {error.strerror}")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"{__package__}._child", str(theirs)),
            stdin=asyncio.subprocess.PIPE,
            stdout=written,
            stderr=written,
            pass_fds=(theirs,),
            start_new_session=True,
            env=child_environment(node.environment),
            umask=PRIVATE_UMASK,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
        if written >= 0:
            os.close(written)
    return process, ours


async def _end(process: asyncio.subprocess.Process, reports: asyncio.Task[None]) -> None:
    """Let a child that did not make it clean up after itself, for a moment."""
    for number in (signal.SIGTERM, signal.SIGCONT):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
    try:
        await asyncio.wait_for(process.wait(), 5.0)
    except TimeoutError:
        kill_group(process.pid)
        await process.wait()
    reports.cancel()
    await asyncio.gather(reports, return_exceptions=True)


async def _follow(descriptor: int, ready: asyncio.Future[Report], launch: Launch) -> None:
    """Pass the child's reports on; the first that says ready or failed settles the launch, and so does their end."""

    def on_report(report: Report) -> None:
        if not ready.done() and report.state == "ready":
            ready.set_result(report)
        elif not ready.done() and report.state == "failed":
            ready.set_exception(LaunchError(report.reason))
        launch.on_status(Status(State(report.state), report.reason))

    try:
        await read_reports(descriptor, on_report=on_report, tell=launch.tell)
    finally:
        if not ready.done():
            ready.set_exception(LaunchError(""))


def _revealed(value: Any) -> Any:
    """Settings with their secrets in the open, which only the child's standard input may see."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return {name: _revealed(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_revealed(item) for item in value]
    return to_jsonable_python(value)


def _secrets(value: Any) -> list[str]:
    """The secrets among settings, for the child's log to leave out."""
    if isinstance(value, SecretStr):
        return [value.get_secret_value()]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [secret for one in inner for secret in _secrets(one)]


def _order(node: Node, launch: Launch, log: Path) -> Order:
    return Order(
        use=node.use,
        name=node.name,
        instance=f"{node.name}-0",
        host=node.host,
        port=node.port,
        state_dir=str(launch.state_dir),
        refs=dict(launch.refs),
        token=launch.token,
        profile=launch.profile,
        settings=_revealed(node.settings.model_dump()),
        secrets=_secrets(node.settings.model_dump()),
        logging=launch.logging,
        admin_host=node.admin_host,
        http=node.http,
        log=str(log),
    )

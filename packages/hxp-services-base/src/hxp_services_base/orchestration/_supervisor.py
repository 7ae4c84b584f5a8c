"""A stack at work: started in layers, watched from outside, restarted within its budget, stopped in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import hxp_logging

from .._state import State
from ._liveness import Verdict, Watcher, ask_livez
from ._process.mark import ProcessMark
from ._process.usage import Usage, read_usage
from ._restarts import RestartHistory
from ._runner import Launch, LaunchError, StartHungError, Status
from ._status import Board, NodeStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._restarts import Pause
    from ._runner import Handle, Runner
    from ._stack import Node, Stack

_AFTER_TROUBLE = 1.0
"""Seconds until a keeper that failed by itself goes on."""


class Supervisor:
    """Runs a stack on a runner.

    What keeps a service alive never ends by itself: whatever fails on the way is told and tried again.

    Args:
        stack: What to run.
        runner: Where.
        on_change: Called with each change of a service's status.
        tell: Called with a sentence for the operator when something is amiss that stops nothing; logged unless given.
        clock: Monotonic seconds.
        sleep: Waits between restarts.

    Example:
        ```python
        supervisor = Supervisor(stack, InProcess())
        await supervisor.up()
        ...
        await supervisor.down()
        ```
    """

    def __init__(
        self,
        stack: Stack,
        runner: Runner,
        *,
        on_change: Callable[[NodeStatus], None] | None = None,
        tell: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], asyncio.Future[None]] | None = None,
    ) -> None:
        self._stack = stack
        self._runner = runner
        self._tell_operator = tell or _log_trouble
        self._clock = clock
        self._sleep = sleep or asyncio.sleep
        self._token = secrets.token_urlsafe(32)
        self._handles: dict[str, Handle] = {}
        self._urls: dict[str, str] = {}
        self._heard: dict[str, Status] = {}
        self._board = Board(stack, on_change=on_change, tell=self._tell)
        self._keepers: dict[str, asyncio.Task[None]] = {}

    @property
    def status(self) -> Mapping[str, NodeStatus]:
        """Every service as it stands."""
        return self._board.shown

    async def up(self) -> None:
        """Start every layer; when a service fails, what was started is stopped again.

        Raises:
            LaunchError: Of the first service that did not become ready.
        """
        try:
            for layer in self._stack.plan():
                await _all_or_first_error([self._launch_first(self._stack.node(name)) for name in layer])
        except BaseException:
            await self.down()
            raise

    async def _launch_first(self, node: Node) -> None:
        """Launch a service for the first time; one that hung gets a second chance, since the next one rarely does."""
        try:
            await self._launch(node)
        except StartHungError as error:
            self._tell(f"{error}; it is launched again")
            await self._launch(node)

    async def _launch(self, node: Node) -> None:
        launch = Launch(
            refs={name: self._urls[name] for name in node.needs},
            token=self._token,
            state_dir=self._stack.state_dir,
            profile=self._stack.profile,
            logging=self._stack.logging_of(node),
            on_status=lambda status: self._on_status(node.name, status),
            tell=self._tell,
            on_process=lambda pid: self._board.change(node.name, pid=pid, started=ProcessMark.of(pid).started),
        )
        self._board.change(
            node.name,
            state=State.STARTING.value,
            reason="launching",
            pid=None,
            started=None,
            url="",
            probe_url="",
            next_try=None,
        )
        try:
            handle = await self._runner.launch(self._where_it_was(node), launch)
        except LaunchError as error:
            self._board.change(node.name, state=State.FAILED.value, reason=str(error), pid=None, started=None)
            raise
        except Exception as error:
            why = f"{node.name!r} cannot be launched: {getattr(error, 'strerror', None) or repr(error)}"
            self._board.change(node.name, state=State.FAILED.value, reason=why, pid=None, started=None)
            raise LaunchError(why) from error
        self._handles[node.name] = handle
        self._urls[node.name] = handle.url
        self._heard[node.name] = Status(State.READY)
        self._board.change(
            node.name,
            state=State.READY.value,
            reason="",
            url=handle.url,
            probe_url=handle.probe_url,
            pid=handle.pid,
            budget_spent=False,
        )
        if node.name not in self._keepers:
            self._keepers[node.name] = asyncio.create_task(self._keep(node), name=f"keep-{node.name}")

    def _where_it_was(self, node: Node) -> Node:
        """The node on the port that it had before, since the others know its address."""
        before = self._urls.get(node.name, "")
        return replace(node, port=int(before.rpartition(":")[2])) if before and not node.port else node

    def _on_status(self, name: str, status: Status) -> None:
        """A service told its state; that it is ready counts once its address is known, too."""
        if status.state is not State.READY or name in self._handles:
            if status.state is State.READY:
                status = Status(State.READY)  # the name says it all
            self._heard[name] = status
            self._board.change(name, state=status.state.value, reason=status.reason)

    async def _keep(self, node: Node) -> None:
        """Start the service again each time it ends, soon at first and now and then once its budget is spent."""
        history = RestartHistory(node.restart)
        while True:
            try:
                await self._keep_one_run(node, history)
            except Exception as error:  # noqa: BLE001 - nothing but the end of the stack may end what keeps a service alive
                self._tell(f"the keeper of {node.name!r} failed and goes on: {error!r}")
                await asyncio.sleep(_AFTER_TROUBLE)

    async def _keep_one_run(self, node: Node, history: RestartHistory) -> None:
        """From a run to the next one."""
        ending = await self._ending(node)
        self._handles.pop(node.name, None)
        while True:
            pause = history.ended(now=self._clock())
            self._tell_pause(node, ending, pause)
            await self._wait(node, pause)
            if await self._has_what_it_needs(node, ending):
                history.began(now=self._clock())  # a start that others made hopeless spends no budget
            self._board.change(node.name, restarts=self._board.own(node.name).restarts + 1)
            try:
                await self._launch(node)
            except LaunchError as error:
                ending = str(error)
            else:
                return

    async def _ending(self, node: Node) -> str:
        """Wait until the present run has ended, by itself or because it was hung; how, in words."""
        handle = self._handles.get(node.name)
        if handle is None:  # the keeper failed between two runs
            return self._board.own(node.name).last_exit or "it is not running"
        ended = asyncio.create_task(handle.ended(), name=f"ended-{node.name}")
        watching = asyncio.create_task(self._watch(node, handle), name=f"watch-{node.name}")
        try:
            await asyncio.wait({ended, watching}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return ended.result()
            why = watching.result()
            self._board.change(node.name, state=State.DRAINING.value, reason=f"{why}; it is being replaced")
            await handle.end(seconds=node.watch.grace)
            return f"{why}; {await ended}"
        finally:
            for task in (ended, watching):
                task.cancel()
            await asyncio.gather(ended, watching, return_exceptions=True)

    async def _watch(self, node: Node, handle: Handle) -> str:
        """Ask the service for progress until it is hung; why. Without a place to ask, wait for ever."""
        name = node.name

        async def ask() -> str | None:
            with contextlib.suppress(Exception):
                handle.tidy()
            return await ask_livez(handle.probe_url, seconds=node.watch.timeout) if handle.probe_url else None

        def usage() -> Usage | None:
            return read_usage(handle.pid) if handle.pid is not None else None

        def on_verdict(verdict: Verdict, reason: str) -> None:
            if verdict is not Verdict.ALIVE:
                self._board.change(name, state="unresponsive", reason=reason)
            elif self._board.own(name).state == "unresponsive":
                heard = self._heard[name]
                self._board.change(name, state=heard.state.value, reason=heard.reason)

        while True:
            try:
                return await Watcher(node.watch, ask=ask, usage=usage).until_hung(on_verdict)
            except Exception as error:  # noqa: BLE001 - a watch that fails is begun anew
                self._tell(f"the watch of {name!r} failed and begins anew: {error!r}")
                await asyncio.sleep(_AFTER_TROUBLE)

    def _tell_pause(self, node: Node, ending: str, pause: Pause) -> None:
        soon = f"{ending}; starting again in {pause.seconds:g} s"
        late = (
            f"{node.name!r} {ending}, after {pause.restarts} restarts; its restart budget is spent; next try in "
            f"{pause.seconds:g} s"
        )
        self._board.change(
            node.name,
            state=State.FAILED.value if pause.spent else "restarting",
            reason=late if pause.spent else soon,
            pid=None,
            started=None,
            last_exit=ending,
            next_try=time.time() + pause.seconds,
            budget_spent=pause.spent,
        )

    async def _wait(self, node: Node, pause: Pause) -> None:
        """Wait before a start; a long wait ends early when what was missing has come back."""
        if pause.spent and self._board.away(node.name):
            await self._until_needs_serve(node, pause.seconds)
        else:
            await self._sleep(pause.seconds)

    async def _has_what_it_needs(self, node: Node, ending: str) -> bool:
        """Wait for the services that must be ready first, as long as between two restarts at the most."""
        if away := self._board.away(node.name):
            reason = f"{ending}; waits for {', '.join(map(repr, away))}"
            self._board.change(node.name, state="restarting", reason=reason)
            await self._until_needs_serve(node, node.restart.backoff_max)
        return not self._board.away(node.name)

    async def _until_needs_serve(self, node: Node, seconds: float) -> None:
        waits = (
            asyncio.ensure_future(self._sleep(seconds)),
            asyncio.ensure_future(self._board.until_needs_serve(node.name)),
        )
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _tell(self, sentence: str) -> None:
        with contextlib.suppress(Exception):  # telling is bookkeeping, too
            self._tell_operator(sentence)

    async def down(self) -> dict[str, int]:
        """Stop every service, those that need others first.

        Returns:
            The exit status of each service that ran.
        """
        for keeper in self._keepers.values():  # first of all, so that nothing is started behind our back
            keeper.cancel()
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)
        statuses: dict[str, int] = {}
        for layer in reversed(self._stack.plan()):
            running = [name for name in layer if name in self._handles]
            stops = [self._handles[name].stop(seconds=self._stack.node(name).stop_timeout) for name in running]
            for name in running:
                self._board.change(name, state=State.DRAINING.value, reason="the stack is stopping")
            for name, result in zip(running, await asyncio.gather(*stops, return_exceptions=True), strict=True):
                statuses[name] = result if isinstance(result, int) else 1
                reason = "" if statuses[name] == 0 else f"exit status {result}"
                self._board.change(name, state=State.STOPPED.value, reason=reason, pid=None, started=None)
                del self._handles[name]
        return statuses


def _log_trouble(sentence: str) -> None:
    hxp_logging.get_logger("hxp.supervisor").warning("trouble", detail=sentence)


async def _all_or_first_error(launches: list[object]) -> None:
    """Run launches together; the first failure cancels the others and is raised as it is."""
    tasks = [asyncio.ensure_future(launch) for launch in launches]  # type: ignore[call-overload]  # coroutines, all of them
    try:
        for done in asyncio.as_completed(tasks):
            await done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

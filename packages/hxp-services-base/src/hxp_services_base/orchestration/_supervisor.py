"""A stack at work: started in layers, watched, restarted within its budget, stopped in reverse."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .._state import State
from ._runner import Launch, LaunchError, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._runner import Handle, Runner
    from ._stack import Node, Stack


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One service of a running stack, as an operator sees it.

    Attributes:
        name: The service.
        state: Its state, or `"waiting"` before it is launched, `"restarting"` between two runs.
        reason: Why, in words.
        url: Where it answers; empty until it is ready.
        pid: Its process, where it has one of its own.
        restarts: How often it was started again.
        last_exit: How the run before this one ended; empty for the first.
        since: Seconds of the epoch when it entered the state.
    """

    name: str
    state: str = "waiting"
    reason: str = ""
    url: str = ""
    pid: int | None = None
    restarts: int = 0
    last_exit: str = ""
    since: float = field(default_factory=time.time)


class Supervisor:
    """Runs a stack on a runner.

    Args:
        stack: What to run.
        runner: Where.
        on_change: Called with each change of a service's status.
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
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], asyncio.Future[None]] | None = None,
    ) -> None:
        self._stack = stack
        self._runner = runner
        self._on_change = on_change
        self._clock = clock
        self._sleep = sleep or asyncio.sleep
        self._token = secrets.token_urlsafe(32)
        self._handles: dict[str, Handle] = {}
        self._urls: dict[str, str] = {}
        self._status = {node.name: NodeStatus(node.name) for node in stack.nodes}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._exhausted: asyncio.Future[str] | None = None

    @property
    def status(self) -> Mapping[str, NodeStatus]:
        """Every service as it stands."""
        return dict(self._status)

    async def up(self) -> None:
        """Start every layer; when a service fails, what was started is stopped again.

        Raises:
            LaunchError: Of the first service that did not become ready.
        """
        self._exhausted = asyncio.get_running_loop().create_future()
        try:
            for layer in self._stack.plan():
                await _all_or_first_error([self._launch(self._stack.node(name)) for name in layer])
        except BaseException:
            await self.down()
            raise

    async def _launch(self, node: Node) -> None:
        launch = Launch(
            refs={name: self._urls[name] for name in node.needs},
            token=self._token,
            state_dir=self._stack.state_dir,
            profile=self._stack.profile,
            logging=self._stack.logging_of(node),
            on_status=lambda status: self._heard(node.name, status),
        )
        self._change(node.name, state=State.STARTING.value, reason="launching", pid=None, url="")
        try:
            handle = await self._runner.launch(node, launch)
        except LaunchError as error:
            self._change(node.name, state=State.FAILED.value, reason=str(error))
            raise
        self._handles[node.name] = handle
        self._urls[node.name] = handle.url
        self._change(node.name, state=State.READY.value, reason="", url=handle.url, pid=handle.pid)
        if node.name not in self._keepers:
            self._keepers[node.name] = asyncio.create_task(self._keep(node), name=f"keep-{node.name}")

    def _heard(self, name: str, status: Status) -> None:
        """A service told its state; that it is ready counts once its address is known, too."""
        if status.state is not State.READY or name in self._handles:
            self._change(name, state=status.state.value, reason=status.reason)

    async def _keep(self, node: Node) -> None:
        """Start the service again each time it ends, until its budget is spent."""
        restarts: list[float] = []
        while True:
            ending = await self._handles[node.name].ended()
            del self._handles[node.name]
            while True:
                delay = node.restart.delay(restarts, now=self._clock())
                if delay is None:
                    why = f"{node.name!r} {ending}, after {len(restarts)} restarts; its restart budget is spent"
                    self._change(node.name, state=State.FAILED.value, reason=why, pid=None)
                    if self._exhausted is not None and not self._exhausted.done():
                        self._exhausted.set_result(why)
                    return
                why = f"{ending}; starting again in {delay:g} s"
                self._change(node.name, state="restarting", reason=why, pid=None, last_exit=ending)
                await self._sleep(delay)
                restarts.append(self._clock())
                self._change(node.name, restarts=self._status[node.name].restarts + 1)
                try:
                    await self._launch(node)
                except LaunchError as error:
                    ending = str(error)
                else:
                    break

    async def exhausted(self) -> str:
        """Wait until a service has spent its restart budget; which, and why."""
        assert self._exhausted is not None, "up() comes first"  # noqa: S101 - a programming error
        return await asyncio.shield(self._exhausted)

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
                self._change(name, state=State.DRAINING.value, reason="the stack is stopping")
            for name, result in zip(running, await asyncio.gather(*stops, return_exceptions=True), strict=True):
                statuses[name] = result if isinstance(result, int) else 1
                reason = "" if statuses[name] == 0 else f"exit status {result}"
                self._change(name, state=State.STOPPED.value, reason=reason, pid=None)
                del self._handles[name]
        return statuses

    def _change(self, name: str, **changes: object) -> None:
        before = self._status[name]
        if "state" in changes and changes["state"] != before.state:
            changes["since"] = time.time()
        after = replace(before, **changes)  # type: ignore[arg-type]  # the callers above name real fields
        if after != before:
            self._status[name] = after
            if self._on_change is not None:
                self._on_change(after)


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

"""Every service of a running stack as an operator sees it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .._state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._stack import Stack

_SERVING = frozenset({State.READY.value, State.DEGRADED.value})


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One service of a running stack, as an operator sees it.

    Attributes:
        name: The service.
        state: Its state, or `"waiting"` before it is launched, `"restarting"` between two runs, `"unresponsive"` while
            it shows no progress.
        reason: Why, in words.
        url: Where it answers; empty until it is ready.
        probe_url: Where its probes answer; empty until it is ready, or where it has none.
        pid: Its process, where it has one of its own.
        started: When that process started, in clock ticks since boot; tells it from a later one with the same number.
        restarts: How often it was started again.
        last_exit: How the run before this one ended; empty for the first.
        since: Seconds of the epoch when it entered the state.
        next_try: Seconds of the epoch when it is started again; `None` unless it waits for that.
        budget_spent: Whether its restart budget is spent, so that it is only tried now and then.
    """

    name: str
    state: str = "waiting"
    reason: str = ""
    url: str = ""
    probe_url: str = ""
    pid: int | None = None
    started: int | None = None
    restarts: int = 0
    last_exit: str = ""
    since: float = field(default_factory=time.time)
    next_try: float | None = None
    budget_spent: bool = False

    @property
    def is_serving(self) -> bool:
        """Whether it answers requests, if perhaps not all of them."""
        return self.state in _SERVING


class Board:
    """Keeps the status of every service; one whose need is away is shown as degraded, with the reason.

    Args:
        stack: Its services.
        on_change: Called with each change; whatever it raises is told once and stops nothing.
        tell: Called with a sentence for the operator.
    """

    def __init__(
        self, stack: Stack, *, on_change: Callable[[NodeStatus], None] | None, tell: Callable[[str], None]
    ) -> None:
        self._needs = {node.name: node.needs for node in stack.nodes}
        self._own = {node.name: NodeStatus(node.name) for node in stack.nodes}
        self._shown = dict(self._own)
        self._on_change = on_change
        self._tell = tell
        self._is_failing = False
        self._moved = asyncio.Event()

    @property
    def shown(self) -> dict[str, NodeStatus]:
        """Every service as it stands."""
        return dict(self._shown)

    def own(self, name: str) -> NodeStatus:
        """One service by itself, whatever it needs."""
        return self._own[name]

    def change(self, name: str, **changes: object) -> None:
        """Change fields of a service's status."""
        self._own[name] = replace(self._own[name], **changes)  # type: ignore[arg-type]  # the callers name real fields
        for other in self._own:
            self._show(other)
        self._moved.set()
        self._moved = asyncio.Event()

    def away(self, name: str) -> list[str]:
        """The services that `name` needs and that do not serve."""
        return [need for need in self._needs[name] if not self._own[need].is_serving]

    async def until_needs_serve(self, name: str) -> None:
        """Wait until everything that `name` needs serves."""
        while self.away(name):
            await self._moved.wait()

    def _show(self, name: str) -> None:
        own, before = self._own[name], self._shown[name]
        after = own
        if own.state == State.READY.value and (away := self.away(name)):
            after = replace(own, state=State.DEGRADED.value, reason=_lacks(self._own[need] for need in away))
        after = replace(after, since=before.since if after.state == before.state else time.time())
        if after != before:
            self._shown[name] = after
            self._call(after)

    def _call(self, status: NodeStatus) -> None:
        if self._on_change is None:
            return
        try:
            self._on_change(status)
        except Exception as error:  # noqa: BLE001 - being told of a change must not end what keeps the services alive
            if not self._is_failing:
                self._is_failing = True
                self._tell(f"a change of {status.name!r} could not be passed on: {error!r}")
        else:
            self._is_failing = False


def _lacks(needs: Iterable[NodeStatus]) -> str:
    return "; ".join(f"needs {need.name!r}, which is {need.state}" for need in needs)

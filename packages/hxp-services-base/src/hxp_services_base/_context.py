"""What every hook of a service is given; there are no globals to reach for instead."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hxp_schemas import HttpConfig
from prometheus_client import CollectorRegistry

from ._health import HealthMonitor

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from contextlib import AbstractAsyncContextManager

    from hxp_logging import Logger

    from ._part import Part


_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def operations_host(host: str, admin_host: str | None) -> str:
    """Return the address that the operations of a service on `host` bind."""
    return admin_host or (host if host in _LOOPBACK else "127.0.0.1")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a running service is and whom it may talk to.

    Attributes:
        name: The service's name in its stack, for example `"gateway"`.
        instance: Unique among the replicas, for example `"gateway-0"`.
        host: The address it binds.
        port: The port it binds; operations answer on `port + 1000`.
        state_dir: Where the stack keeps its state.
        refs: Base URL of each service it needs, by name.
        token: What services of one stack show each other; never printed.
        profile: `"development"`, `"production"`, …
        admin_host: The address that operations bind; loopback unless given.
        http: Limits of its connections.
    """

    name: str
    instance: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    state_dir: Path = Path(".hxp")
    refs: Mapping[str, str] = field(default_factory=dict)
    token: str = field(default="", repr=False)
    profile: str = "development"
    admin_host: str | None = None
    http: HttpConfig = field(default_factory=HttpConfig)

    @property
    def is_public(self) -> bool:
        """Whether others than this machine can reach the address."""
        return self.host not in _LOOPBACK

    @property
    def operations_host(self) -> str:
        """The address that `/metrics`, `/info` and verbose health bind: never a public one unless told to."""
        return operations_host(self.host, self.admin_host)


class Context:
    """The surroundings of one running service.

    Attributes:
        identity: Who the service is and whom it may talk to.
        log: Its logger, bound to its name.
        clock: Monotonic seconds; injected so that tests own time.
        health: Where checks are added and read.
        metrics: The service's own registry, exported at `/metrics`.
    """

    def __init__(self, identity: Identity, *, log: Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self.identity = identity
        self.log = log
        self.clock = clock
        self.health = HealthMonitor(clock=clock)
        self.metrics = CollectorRegistry()
        self._parts: list[tuple[str, AbstractAsyncContextManager[Any]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: asyncio.Queue[tuple[str, BaseException]] = asyncio.Queue()
        self._deadline: float | None = None

    async def enter(self, part: Part) -> Any:
        """Open `part` now; it closes at stop, in reverse order.

        Returns:
            What the part's context manager yields.
        """
        life = part.open(self)
        opened = await life.__aenter__()
        self._parts.append((part.name, life))
        self.health.add(part.checks())
        self.log.debug("part opened", part=part.name)
        return opened

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Run `work` beside the service until it stops; its death is the service's failure."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failures.put_nowait((task.get_name(), error))

    async def failure(self) -> tuple[str, BaseException]:
        """Wait for a spawned task to die of an exception; its name and the exception."""
        return await self._failures.get()

    def set_deadline(self, seconds: float | None) -> None:
        """Set the time limit of the hook that runs now."""
        self._deadline = None if seconds is None else self.clock() + seconds

    def remaining(self) -> float:
        """Seconds that the present hook may still take; infinite outside start, drain and stop."""
        return float("inf") if self._deadline is None else max(0.0, self._deadline - self.clock())

    async def close(self) -> None:
        """Cancel what was spawned and close the parts in reverse; every failure is told.

        Raises:
            ExceptionGroup: If parts failed to close.
        """
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        failures: list[Exception] = []
        while self._parts:
            name, life = self._parts.pop()
            try:
                await life.__aexit__(None, None, None)
            except Exception as error:  # noqa: BLE001 - every part gets its chance to close; all failures are told below
                error.add_note(f"while closing the part {name!r}")
                failures.append(error)
        if failures:
            raise ExceptionGroup(f"{len(failures)} part(s) of {self.identity.name!r} failed to close", failures)

"""Judges from outside whether a service that starts still makes progress, before it says where it answers."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from ..chassis import PROBE_PORT_OFFSET
from ..chassis._host import url_of
from ._liveness import Watcher, ask_livez
from ._process.usage import read_usage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._process.usage import Usage
    from ._stack import Node


class StartWatch:
    """Watches one process from its launch on.

    A service that answers `/livez` may start for as long as its time to start allows. Without an answer, as before it
    has bound its port, it is hung once it has neither used a processor nor waited for one nor for a disk for
    `watch.starting` seconds.

    Args:
        node: What is started.
        pid: Its process.
        ask: Asks an address for `/livez`: `None` if the service is alive, else what is wrong.
        usage: Reads what the process has done so far.
        clock: Monotonic seconds.
        sleep: Waits.
    """

    def __init__(
        self,
        node: Node,
        pid: int,
        *,
        ask: Callable[[str], Awaitable[str | None]] | None = None,
        usage: Callable[[int], Usage | None] = read_usage,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        watch = node.watch
        silent = max(watch.starting, watch.period + watch.timeout)
        limits = watch.model_copy(update={"silent": silent, "busy": math.inf})  # start_timeout bounds all of it
        self._pid = pid
        self._url = url_of(node.operations_host, node.port + PROBE_PORT_OFFSET) if node.port else ""
        self._seconds = watch.timeout
        self._ask_url = ask or self._ask_livez
        self._usage = usage
        self._before: Usage | None = None
        self._watcher = Watcher(limits, ask=self._ask, usage=self._read, clock=clock, sleep=sleep)

    async def until_hung(self) -> str:
        """Wait until the start hangs.

        Returns:
            What was wrong and for how long.
        """
        return await self._watcher.until_hung(lambda _verdict, _reason: None)

    async def _ask(self) -> str | None:
        if self._url:
            return await self._ask_url(self._url)
        before, self._before = self._before, self._read()
        return "nothing done" if self._before is not None and self._before == before else None

    async def _ask_livez(self, url: str) -> str | None:
        return await ask_livez(url, seconds=self._seconds)

    def _read(self) -> Usage | None:
        return self._usage(self._pid)

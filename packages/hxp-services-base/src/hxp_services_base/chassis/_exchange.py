"""Requests under way: counted, waited for, and ended in their protocol's own way when time is up."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hxp_schemas import ErrorInfo

    from ._asgi import Receive, Scope

SCOPE_KEY = "hxp.exchange"


class Exchange:
    """One request and its response.

    Attributes:
        request_id: The correlation id.
        method: The HTTP method.
        path: The path as requested.
        route: The route's template; `"other"` until something matched. Bounded, so it may label metrics.
        started: Monotonic seconds when it began.
        status: The response's status; 0 before it started.
        is_stream: Whether the response is an event stream.
        ended: Whether the last byte of the response is sent.
        first_byte: Monotonic seconds of the first byte of the response's body.
        cut: Why the chassis ends it early, or `None`.
        client_left: Whether the client closed the connection first.
        is_routine: Whether it is a look of the stack's own, which comes every second and is no news while it succeeds.
        fields: What handlers add to the access record, for example the key's id and token counts.
    """

    __slots__ = (
        "client_left",
        "cut",
        "ended",
        "fields",
        "first_byte",
        "is_routine",
        "is_stream",
        "method",
        "path",
        "request_id",
        "route",
        "started",
        "status",
        "task",
    )

    def __init__(self, request_id: str, scope: Scope, *, now: float) -> None:
        self.request_id = request_id
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.route = "other"
        self.started = now
        self.status = 0
        self.is_stream = False
        self.is_routine = False
        self.ended = False
        self.first_byte: float | None = None
        self.cut: ErrorInfo | None = None
        self.client_left = False
        self.fields: dict[str, object] = {}
        self.task = asyncio.current_task()

    @asynccontextmanager
    async def cancelled_when_client_leaves(self, receive: Receive) -> AsyncIterator[None]:
        """Cancel the block as soon as the client closes the connection; the body must have been read before."""
        watcher = asyncio.create_task(self._watch(receive), name="client-watch")
        try:
            yield
        finally:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if not self.ended:
            self.client_left = True
            if self.task is not None:
                self.task.cancel("the client left")

    def cut_short(self, info: ErrorInfo) -> None:
        """End it now: the handler is cancelled, then the caller is told `info` and gets the protocol's end."""
        if self.cut is None and not self.ended and self.task is not None:
            self.cut = info
            self.task.cancel("cut by the chassis")


def exchange_of(scope: Scope) -> Exchange:
    """The exchange that a handler below the shell is part of."""
    found: Exchange = scope[SCOPE_KEY]
    return found


class InFlight:
    """Every exchange under way in one service."""

    def __init__(self) -> None:
        self._open: set[Exchange] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, exchange: Exchange) -> None:
        """Count `exchange`."""
        self._open.add(exchange)
        self._empty.clear()

    def remove(self, exchange: Exchange) -> None:
        """Count it no more."""
        self._open.discard(exchange)
        if not self._open:
            self._empty.set()

    async def wait_empty(self) -> None:
        """Wait until nothing is under way."""
        await self._empty.wait()

    def cut_all(self, info: ErrorInfo) -> int:
        """End everything under way, telling each caller `info`; how many there were."""
        exchanges = list(self._open)
        for exchange in exchanges:
            exchange.cut_short(info)
        return len(exchanges)

"""Admission to the slots of a model: fair between tenants, bounded, and given back when the engine is free."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ._fair_queue import FairQueue, Standing, Ticket
from .chassis import ServiceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable


@dataclass(frozen=True, slots=True)
class AdmissionStatistics:
    """An admission at one moment.

    Attributes:
        running: Slots in use.
        waiting: Requests in the queue.
        refused: Requests refused since the start: no room, no slot in time, or displaced by another tenant's.
    """

    running: int
    waiting: int
    refused: int


class Permit:
    """The right to use slots of the engine.

    Attributes:
        tenant: Whom the request is for; opaque.
        slots: How many slots.
    """

    __slots__ = ("_give_back", "_is_over", "_reconsider", "_work", "slots", "tenant")

    def __init__(
        self, ticket: Ticket, give_back: Callable[[Ticket], None], reconsider: Callable[[Ticket], Awaitable[None]]
    ) -> None:
        self._give_back = partial(give_back, ticket)
        self._reconsider = partial(reconsider, ticket)
        self._work: set[asyncio.Future[Any]] = set()
        self._is_over = False
        self.tenant = ticket.tenant
        self.slots = ticket.slots

    def keep_until(self, work: asyncio.Future[Any]) -> None:
        """Keep the slots until `work` is done, also when the request has left: the engine is still at it."""
        self._work.add(work)
        work.add_done_callback(self._finished)

    async def step_back(self) -> None:
        """Between two pieces of work, let tenants go first that wait and have less."""
        await self._reconsider()

    def _finished(self, work: asyncio.Future[Any]) -> None:
        self._work.discard(work)
        if not work.cancelled():
            work.exception()  # whoever waits for the work hears of it; nobody else needs to
        self._close()

    def release(self) -> None:
        """Give the slots back as soon as the engine has done its work for this request."""
        self._is_over = True
        self._close()

    def _close(self) -> None:
        if self._is_over and not self._work:
            self._give_back()


class Admission:
    """Lets requests in as far as there are slots; the others wait, a bounded number for a bounded time.

    Args:
        slots: Slots of the engine.
        queue: Requests that may wait.
        queue_timeout: Seconds that one may wait.

    Example:
        >>> admission = Admission(slots=2, queue=1, queue_timeout=5)
        >>> admission.statistics().running
        0
    """

    def __init__(self, *, slots: int, queue: int, queue_timeout: float) -> None:
        self._fair = FairQueue(slots, queue)
        self._queue_timeout = queue_timeout
        self._waiters: dict[Ticket, asyncio.Future[None]] = {}
        self._refused = 0

    def statistics(self) -> AdmissionStatistics:
        """Return the counts at this moment."""
        return AdmissionStatistics(self._fair.running, self._fair.waiting, self._refused)

    @asynccontextmanager
    async def permit(self, tenant: str, *, slots: int = 1) -> AsyncIterator[Permit]:
        """Hold slots for the time of a block, and until the engine is done with what was begun in it.

        Raises:
            ServiceError: 429 `model_overloaded`.
        """
        ticket = Ticket(tenant, slots)
        self._tell(self._fair.offer(ticket))
        await self._turn(ticket, self._queue_timeout)
        permit = Permit(ticket, self._leave, self._step_back)
        try:
            yield permit
        finally:
            permit.release()

    async def _step_back(self, ticket: Ticket) -> None:
        self._tell(self._fair.step_back(ticket))
        await self._turn(ticket, None)

    async def _turn(self, ticket: Ticket, seconds: float | None) -> None:
        if ticket.standing is Standing.WAITING:
            self._waiters[ticket] = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(seconds):
                    await self._waiters[ticket]
            except TimeoutError:
                if ticket.standing is Standing.WAITING:
                    self._leave(ticket)
            except BaseException:
                self._leave(ticket)
                raise
            finally:
                del self._waiters[ticket]
        if ticket.standing is not Standing.RUNNING:
            self._refused += 1
            raise _overloaded(self._queue_timeout)

    def _leave(self, ticket: Ticket) -> None:
        self._tell(self._fair.leave(ticket))

    def _tell(self, changed: Iterable[Ticket]) -> None:
        for ticket in changed:
            waiter = self._waiters.get(ticket)
            if waiter is not None and not waiter.done():
                waiter.set_result(None)


def _overloaded(retry_after: float) -> ServiceError:
    message = "all slots are taken and the queue is full, or no slot became free in time; try again in a moment"
    return ServiceError.of(
        429, "model_overloaded", message, type="rate_limit_error", retryable=True, retry_after=retry_after
    )

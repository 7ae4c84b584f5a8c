"""As many at once as the target can bear, the urgent ones first, and no tenant at the cost of another."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, ClassVar

from ._deadline import current_deadline
from ._limit import AdaptiveLimitOptions, Estimate
from ._policy import BasePolicy
from ._traits import current_traits
from ._waiter import TaskWaiter, ThreadWaiter
from .errors import BulkheadFullError, DeadlineExceededError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from ._traits import Traits

    _Token: TypeAlias = tuple[str, float]  # the tenant, and when the call began


@dataclass(frozen=True, slots=True)
class AdaptiveLimitStatistics:
    """An adaptive limit at one moment.

    Attributes:
        limit: Calls at once that it holds for right.
        running: Calls inside.
        waiting: Calls in the queue.
        refused: Calls refused since the start, or that would have been in shadow mode.
        displaced: Those of the refused that had to make room in the queue for others.
    """

    limit: int
    running: int
    waiting: int
    refused: int
    displaced: int


class AdaptiveLimit(BasePolicy[AdaptiveLimitOptions]):
    """Finds out how many calls at once a target can bear, and shares them fairly.

    The limit follows from how long calls take, so it needs no number that somebody guessed. Who waits is decided by
    the current `Traits`: a higher `priority` goes first; among equals, the tenant with the fewest calls inside. When
    the queue is full, a more urgent call, or one of a tenant that has less, takes the place of the last in the queue.
    Calls that were cancelled say nothing about the target and do not count.

    Args:
        options: How the limit is found, and who waits.
        overload: Exception types: errors that say that the target has too much to do, besides `TimeoutError`.
        clock: Monotonic clock.

    Example:
        >>> limit = AdaptiveLimit(AdaptiveLimitOptions(initial=4))
        >>> limit.call_sync(len, "abc"), limit.statistics().limit
        (3, 4)
    """

    __slots__ = (
        "_clock",
        "_displaced",
        "_estimate",
        "_lock",
        "_overload",
        "_queue",
        "_refused",
        "_running",
        "_tenants",
    )

    fragment: ClassVar[str] = """
{t} = {p}._enter() or await {p}._queue_async()
try:
    {inner}
except BaseException as error:
    {p}._leave({t}, error)
    raise
{p}._leave({t}, None)
"""

    def __init__(
        self,
        options: AdaptiveLimitOptions | None = None,
        *,
        overload: tuple[type[BaseException], ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__("adaptive_limit", options or AdaptiveLimitOptions())
        self._overload: tuple[type[BaseException], ...] = (TimeoutError, *overload)
        self._clock = clock
        self._estimate = Estimate(self.options)
        self._lock = RLock()
        self._queue: list[_Place] = []
        self._running = self._refused = self._displaced = 0
        self._tenants: Counter[str] = Counter()

    def statistics(self) -> AdaptiveLimitStatistics:
        """Return the limit and the counts at this moment."""
        with self._lock:
            return AdaptiveLimitStatistics(
                int(self._estimate.limit), self._running, len(self._queue), self._refused, self._displaced
            )

    def reload(self, options: AdaptiveLimitOptions) -> None:
        """Go by other options; the limit that was found is kept, within the new bounds."""
        with self._lock:
            self.options = options
            self._estimate.adapt(options)
            self._admit_waiting()

    def explain(self) -> str:
        """Say in words what the policy does."""
        options = self.options
        return (
            f"run as many calls at once as the target can bear ({options.smallest} to {options.largest}, found by"
            f" {options.algorithm}), let {options.max_queued} more wait, urgent ones and small tenants first"
        )

    async def hold(self) -> Callable[[BaseException | None], None]:
        """Take a place for a stream; what is returned is called at its end, with the error if there was one."""
        token = self._enter() or await self._queue_async()
        return lambda error: self._leave(token, error)

    def _enter(self) -> _Token | None:
        """Take a place if one is free and nobody waits for it."""
        with self._lock:
            if self._running >= self._estimate.allowed or self._queue:
                return None
            return self._take(current_traits().tenant)

    def _take(self, tenant: str) -> _Token:
        self._running += 1
        self._tenants[tenant] += 1
        return tenant, self._clock()

    def _leave(self, token: _Token, error: BaseException | None) -> None:
        tenant, started = token
        with self._lock:
            running = self._running
            self._forget(tenant)
            if error is None:
                self._estimate.add(self._clock() - started, running, self.options)
            elif isinstance(error, self._overload):
                self._estimate.drop(self.options)
            self._admit_waiting()

    def _forget(self, tenant: str) -> None:
        self._running -= 1
        self._tenants[tenant] -= 1
        if not self._tenants[tenant]:
            del self._tenants[tenant]

    def _admit_waiting(self) -> None:
        while self._queue and self._running < self._estimate.allowed:
            place = min(self._queue, key=lambda place: (-place.priority, self._tenants[place.tenant], place.number))
            self._queue.remove(place)
            token = self._take(place.tenant)
            if not place.waiter.give():
                self._forget(token[0])

    async def _queue_async(self) -> _Token:
        limit, deadline_first = self._patience()
        traits, loop = current_traits(), asyncio.get_running_loop()
        place = self._line_up(TaskWaiter(loop, lambda: self._give_back(traits.tenant)), traits)
        if place is None:
            return traits.tenant, self._clock()
        assert isinstance(place.waiter, TaskWaiter)  # noqa: S101 (put there three lines above)
        timer = None if limit is None else loop.call_later(limit, place.waiter.refuse)
        try:
            admitted = await place.waiter.future
        except asyncio.CancelledError:
            if place.waiter.has_place():
                self._give_back(traits.tenant)
            raise
        finally:
            self._drop(place)
            if timer is not None:
                timer.cancel()
        return self._seated(place, admitted=admitted, deadline_first=deadline_first)

    def _queue_sync(self) -> _Token:
        limit, deadline_first = self._patience()
        traits = current_traits()
        place = self._line_up(ThreadWaiter(), traits)
        if place is None:
            return traits.tenant, self._clock()
        assert isinstance(place.waiter, ThreadWaiter)  # noqa: S101 (put there three lines above)
        try:
            admitted = place.waiter.wait(limit)
        except BaseException:
            if place.waiter.has_place():
                self._give_back(traits.tenant)
            raise
        finally:
            self._drop(place)
        return self._seated(place, admitted=admitted, deadline_first=deadline_first)

    def _seated(self, place: _Place, *, admitted: bool, deadline_first: bool) -> _Token:
        if admitted:
            deadline = current_deadline() if deadline_first else None
            if deadline is None or deadline.remaining() > 0:
                return place.tenant, self._clock()
            self._give_back(place.tenant)
        self._refused += 1
        if self.hooks:
            self.tell("adaptive_limit.refused", "displaced" if place.displaced else "no place became free in time")
        timeline = (f"waited {self._clock() - place.since:.3f} s in the queue",)
        if deadline_first and not place.displaced:
            raise DeadlineExceededError("the deadline passed in the queue", timeline=timeline, asked=False)
        message = "a more urgent call took the place" if place.displaced else "no place became free in time"
        raise BulkheadFullError(message, retry_after=1.0, timeline=(*timeline, message))

    def _line_up(self, waiter: TaskWaiter | ThreadWaiter, traits: Traits) -> _Place | None:
        """Queue up, or go in: a place has become free, or shadow mode keeps nobody waiting."""
        options = self.options
        with self._lock:
            free = self._running < self._estimate.allowed and not self._queue
            if not free and options.shadow:
                self._refused += 1
                self.tell("adaptive_limit.refused", shadow=True)
            if free or options.shadow:
                self._take(traits.tenant)
                return None
            if len(self._queue) >= options.max_queued and not self._displace(traits):
                self._refused += 1
                self.tell("adaptive_limit.refused", "the queue is full")
                raise BulkheadFullError("the queue is full", retry_after=1.0, timeline=("the queue is full",))
            number = self._queue[-1].number + 1 if self._queue else 0
            place = _Place(waiter, traits, number, self._clock())
            self._queue.append(place)
            return place

    def _displace(self, traits: Traits) -> bool:
        """Send the least urgent away, of the tenant that has the most; not for somebody who has as much."""
        if not self._queue:
            return False
        has = Counter(place.tenant for place in self._queue)
        has.update(self._tenants)
        worst = max(self._queue, key=lambda place: (-place.priority, has[place.tenant], place.number))
        if (worst.priority, -has[worst.tenant]) >= (traits.priority, -has[traits.tenant] - 1):
            return False
        self._queue.remove(worst)
        worst.displaced = True
        worst.waiter.refuse()
        self._displaced += 1
        return True

    def _drop(self, place: _Place) -> None:
        with self._lock:
            if place in self._queue:
                self._queue.remove(place)

    def _give_back(self, tenant: str) -> None:
        with self._lock:
            self._forget(tenant)
            self._admit_waiting()

    def _patience(self) -> tuple[float | None, bool]:
        """Return how long this caller may wait, and whether it is its deadline that says so."""
        deadline, queue_timeout = current_deadline(), self.options.queue_timeout
        if deadline is None:
            return queue_timeout, False
        deadline.check()
        left = deadline.remaining()
        if queue_timeout is None or left < queue_timeout:
            return left, True
        return queue_timeout, False


class _Place:
    """One in the queue."""

    __slots__ = ("displaced", "number", "priority", "since", "tenant", "waiter")

    def __init__(self, waiter: TaskWaiter | ThreadWaiter, traits: Traits, number: int, since: float) -> None:
        self.waiter = waiter
        self.tenant = traits.tenant
        self.priority = traits.priority
        self.number = number
        self.since = since
        self.displaced = False

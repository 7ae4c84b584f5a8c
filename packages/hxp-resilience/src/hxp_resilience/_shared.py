"""A rate limit that several processes share through Redis, and that goes on alone when Redis does not answer."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ._policy import BasePolicy
from ._rate import RateLimit, RateLimitOptions
from ._redis import connect_async, connect_sync
from ._traits import current_traits
from ._valid import positive, whole
from .errors import RateLimitedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from ._redis import CloseAsync, CloseSync, HitAsync, HitSync


@dataclass(frozen=True, slots=True)
class SharedRateLimitOptions:
    """How much in how long, for all processes together.

    Attributes:
        limit: Calls, or whatever the cost of a call counts, in `per` seconds; whole numbers, as Redis counts them.
        per: Seconds, a whole number.
        alone: What this process lets through in `per` seconds while Redis does not answer; a tenth by default. So `n`
            processes overshoot by `n * alone` in a window in which Redis goes away or comes back, and not at all in
            one in which it is there.
        patience: Seconds that Redis may take to answer.
        ask_again: Seconds after which a Redis that did not answer is asked again.
        shadow: Only watch: count what would have been refused, and refuse nothing.
    """

    limit: int
    per: int = 1
    alone: float | None = None
    patience: float = 0.1
    ask_again: float = 1.0
    shadow: bool = False

    def __post_init__(self) -> None:
        whole("limit", self.limit, least=1)
        whole("per", self.per, least=1)
        positive("patience", self.patience)
        positive("ask_again", self.ask_again)
        if self.alone is not None:
            positive("alone", self.alone)

    def local(self) -> RateLimitOptions:
        """Return the limit of one process alone."""
        return RateLimitOptions(self.limit / 10 if self.alone is None else self.alone, float(self.per), burst=None)


@dataclass(frozen=True, slots=True)
class SharedRateLimitStatistics:
    """A shared rate limit at one moment.

    Attributes:
        shared: Whether Redis answered last.
        refused: Calls refused since the start, or that would have been refused in shadow mode.
        lapses: How often Redis went away.
    """

    shared: bool
    refused: int
    lapses: int


class SharedRateLimit(BasePolicy[SharedRateLimitOptions]):
    """Lets so many calls through in so many seconds, for all processes that share a Redis.

    When Redis is down or slow, each process falls back to a limit of its own, says so (an event, `state`), and asks
    Redis again after a while. Needs the extra `redis`.

    Args:
        url: `redis://host:port/database`; connections are made when they are needed, and closed by `aclose`.
        options: How much in how long.
        name: Of the limit; processes with the same name share it.
        clock: Monotonic clock.

    Example:
        >>> limit = SharedRateLimit("redis://127.0.0.1:6379/0", SharedRateLimitOptions(100, per=60))
        >>> limit.state
        'shared'
    """

    __slots__ = ("_asked_at", "_clock", "_lapses", "_links", "_local", "_refused", "_shared", "_sync_link", "_url")

    fragment: ClassVar[str] = """
await {p}._take_async()
{inner}
"""

    def __init__(
        self,
        url: str,
        options: SharedRateLimitOptions,
        *,
        name: str = "shared_rate_limit",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name, options)
        self._url = url
        self._clock = clock
        self._local = RateLimit(options.local(), clock=clock)
        self._links: dict[asyncio.AbstractEventLoop, tuple[HitAsync, CloseAsync]] = {}
        self._sync_link: tuple[HitSync, CloseSync] | None = None
        self._shared = True
        self._asked_at = 0.0
        self._refused = self._lapses = 0

    @property
    def state(self) -> str:
        """Whether the limit is `shared`, or this process is `alone`."""
        return "shared" if self._shared else "alone"

    def reload(self, options: SharedRateLimitOptions) -> None:
        """Go by other options; what Redis and this process have counted is kept."""
        self.options = options
        self._local.reload(options.local())

    def statistics(self) -> SharedRateLimitStatistics:
        """Return the counts at this moment."""
        return SharedRateLimitStatistics(self._shared, self._refused, self._lapses)

    def explain(self) -> str:
        """Say in words what the policy does."""
        options = self.options
        return (
            f"let {options.limit} through in {options.per} s in all processes together, for each tenant; without Redis"
            f" {options.local().limit:g} in each"
        )

    async def acquire(self) -> None:
        """Take a turn.

        Raises:
            RateLimitedError: There was none to be had.
        """
        await self._take_async()

    async def aclose(self) -> None:
        """Close the connections of this event loop, and those of threads."""
        link = self._links.pop(asyncio.get_running_loop(), None)
        if link is not None:
            await link[1]()
        self.close()

    def close(self) -> None:
        """Close the connections of threads."""
        link, self._sync_link = self._sync_link, None
        if link is not None:
            link[1]()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _take_async(self) -> None:
        traits, options = current_traits(), self.options
        if self._should_ask():
            try:
                hit = self._connection()
                async with asyncio.timeout(options.patience):
                    taken = await hit(options.limit, options.per, (self.name, traits.tenant), math.ceil(traits.cost))
            except Exception as error:  # noqa: BLE001 (whatever keeps Redis from answering)
                self._lose(error)
            else:
                self._answered(taken=taken)
                return
        self._take_alone()

    def _take_sync(self) -> None:
        traits, options = current_traits(), self.options
        if self._should_ask():
            try:
                if self._sync_link is None:
                    self._sync_link = connect_sync(self._url, options.patience)
                taken = self._sync_link[0](
                    options.limit, options.per, (self.name, traits.tenant), math.ceil(traits.cost)
                )
            except Exception as error:  # noqa: BLE001 (whatever keeps Redis from answering)
                self._lose(error)
            else:
                self._answered(taken=taken)
                return
        self._take_alone()

    def _connection(self) -> HitAsync:
        loop = asyncio.get_running_loop()
        link = self._links.get(loop)
        if link is None:
            for other in [other for other in self._links if other.is_closed()]:  # a link holds its loop
                del self._links[other]
            link = self._links[loop] = connect_async(self._url, self.options.patience)
        return link[0]

    def _should_ask(self) -> bool:
        """Ask Redis, or, when it did not answer lately, let one call in a while ask it."""
        if self._shared:
            return True
        now = self._clock()
        if now - self._asked_at < self.options.ask_again:
            return False
        self._asked_at = now
        return True

    def _lose(self, error: Exception) -> None:
        if isinstance(error, ModuleNotFoundError):
            raise error  # not Redis is missing, but what speaks to it
        self._asked_at = self._clock()
        if self._shared:
            self._shared = False
            self._lapses += 1
            self.tell("shared_rate_limit.alone", "Redis does not answer", error=error)

    def _answered(self, *, taken: bool) -> None:
        if not self._shared:
            self._shared = True
            self.tell("shared_rate_limit.shared", "Redis answers again")
        if not taken:
            self._refuse(self.options.per / self.options.limit)

    def _take_alone(self) -> None:
        try:
            self._local.acquire()
        except RateLimitedError as error:
            self._refuse(error.retry_after)

    def _refuse(self, retry_after: float | None) -> None:
        options = self.options
        self._refused += 1
        self.tell("shared_rate_limit.refused", seconds=retry_after, shadow=options.shadow)
        if not options.shadow:
            message = f"more than {options.limit} in {options.per} s"
            raise RateLimitedError(message, retry_after=retry_after, timeline=(f"refused, {message} ({self.state})",))

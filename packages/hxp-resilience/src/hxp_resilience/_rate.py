"""Only so many in so long."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, ClassVar

from ._deadline import current_deadline
from ._policy import BasePolicy
from ._traits import current_traits
from ._valid import not_negative, positive, whole
from .errors import DeadlineExceededError, RateLimitedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Iterator


@dataclass(frozen=True, slots=True)
class RateLimitOptions:
    """How much in how long.

    Attributes:
        limit: Calls, or whatever the cost of a call counts, in `per` seconds.
        per: Seconds.
        burst: How much may come at once; `limit` by default.
        max_wait: Seconds that a call may wait for its turn instead of being refused.
        max_keys: Keys that are remembered at most.
        shadow: Only watch: count what would have been refused, and refuse nothing.
    """

    limit: float
    per: float = 1.0
    burst: float | None = None
    max_wait: float = 0.0
    max_keys: int = 10_000
    shadow: bool = False

    def __post_init__(self) -> None:
        positive("limit", self.limit)
        positive("per", self.per)
        if self.burst is not None:
            positive("burst", self.burst)
        not_negative("max_wait", self.max_wait)
        whole("max_keys", self.max_keys, least=1)

    @property
    def interval(self) -> float:
        """Seconds for each call, or whatever is counted."""
        return self.per / self.limit

    @property
    def slack(self) -> float:
        """Seconds that a turn may be early, a thousandth of it, so that rounding refuses no call that is due."""
        return self.interval / 1000 + 1e-9


class Arrivals:
    """The generic cell rate algorithm (ITU-T I.371): one float for each key, the theoretical time of arrival.

    Pure: it is told the time. A key whose time has passed says the same as one that was never there, so it can be
    forgotten; each new key makes two others be looked at, and memory stays bounded. When all of `max_keys` are in use,
    one is forgotten all the same, which may let its owner have one burst more.
    """

    __slots__ = ("_round", "times")

    def __init__(self) -> None:
        self.times: dict[Hashable, float] = {}
        self._round: Iterator[Hashable] = iter(())

    def take(self, key: Hashable, now: float, cost: float, options: RateLimitOptions) -> float:
        """Take so much, if it can be had within `max_wait`.

        Returns:
            Seconds until it may be used, 0 for at once; negative when nothing was taken: minus the seconds after which
            it could be.
        """
        interval, slack = options.interval, options.slack
        burst = (options.limit if options.burst is None else options.burst) * interval
        times = self.times
        while True:
            before = times[key] if key in times else None  # noqa: SIM401 (`get` is a call, see below)
            # Nobody can have more before him than the burst and the longest wait: else the clock went back.
            used = now if before is None else min(max(before, now), now + burst + options.max_wait)
            due = used + cost * interval
            wait = due - burst - now
            refused = wait > options.max_wait + slack
            if refused and (before is None or before == used):
                return -wait if cost * interval <= burst + slack else float("-inf")
            if refused:
                due = used
            elif before is None:
                self._make_room(now, options.max_keys)
            # A call of `RateLimit` may have come before. Not between the next two lines: see its fragment.
            if (times[key] if key in times else None) == before:  # noqa: SIM401 (as above)
                times[key] = due
                if not refused:
                    return wait if wait > slack else 0.0

    def give_back(self, key: Hashable, cost: float, options: RateLimitOptions) -> None:
        """Take back what was taken and not used."""
        if key in self.times:
            self.times[key] -= cost * options.per / options.limit

    def _make_room(self, now: float, most: int) -> None:
        times = self.times
        for _ in range(2):
            key = self._next()
            if key in times and times[key] <= now:
                del times[key]
        while len(times) >= most:  # all are in use: one has to go
            key = self._next()
            if key in times:
                del times[key]

    def _next(self) -> Hashable:
        """Return the keys one after the other, round and round; not in the dict itself, which is slow at its head."""
        for key in self._round:
            return key
        self._round = iter(list(self.times))
        return next(self._round, None)


@dataclass(frozen=True, slots=True)
class RateLimitStatistics:
    """A rate limit at one moment.

    Attributes:
        keys: Keys that are remembered.
        refused: Calls refused since the start, or that would have been refused in shadow mode.
        waited: Calls that waited for their turn.
    """

    keys: int
    refused: int
    waited: int


class RateLimit(BasePolicy[RateLimitOptions]):
    """Lets so many calls, or tokens, through in so many seconds, for each key apart.

    What a call weighs and whom it is counted for are the `cost` and the `tenant` of its `Traits`. Shared by the tasks
    and threads of one process; `SharedRateLimit` is for several.

    Args:
        limit: Calls, or tokens, in `per` seconds; or all the options.
        per: Seconds.
        burst: How much may come at once; `limit` by default.
        clock: Monotonic clock.
        sleep: What waits in a task; `asyncio.sleep` by default.

    Example:
        >>> limit = RateLimit(2, per=60.0)
        >>> limit.acquire(), limit.acquire()
        (0.0, 0.0)
        >>> limit.acquire()
        Traceback (most recent call last):
            ...
        hxp_resilience.errors.RateLimitedError: more than 2 in 60 s
    """

    __slots__ = ("_arrivals", "_clock", "_lock", "_pace", "_refused", "_sleep", "_times", "_waited")

    # A known tenant that is let through at once is one test and one float (`1e999` is infinite: let `_take` see to a
    # new one). No other thread comes between reading that float and writing it: under the interpreter's lock a thread
    # is changed at calls and backward jumps only, and there is none. Everything else holds a lock.
    fragment: ClassVar[str] = """
traits{n} = traits_here()
tenant{n} = traits{n}.tenant
now{n} = {p}._clock()
interval{n}, burst{n} = {p}._pace
times{n} = {p}._times
try:
    due{n} = times{n}[tenant{n}]
except KeyError:
    due{n} = 1e999
due{n} = (due{n} if due{n} > now{n} else now{n}) + traits{n}.cost * interval{n}
if due{n} - now{n} <= burst{n}:
    times{n}[tenant{n}] = due{n}
else:
    {t} = {p}._take(tenant{n}, now{n}, traits{n}.cost)
    if {t}:
        await {p}._wait_async({t})
{inner}
"""

    def __init__(
        self,
        limit: float | RateLimitOptions,
        per: float = 1.0,
        *,
        burst: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] | None = None,
    ) -> None:
        options = limit if isinstance(limit, RateLimitOptions) else RateLimitOptions(limit, per, burst)
        super().__init__("rate_limit", options)
        self._arrivals = Arrivals()
        self._times = self._arrivals.times
        self._clock = clock
        self._lock = RLock()  # one that a finalizer may enter again
        self._sleep = sleep
        self._refused = self._waited = 0
        self.reload(options)

    def reload(self, options: RateLimitOptions) -> None:
        """Go by other options; what each key has used is kept."""
        self.options = options
        burst = options.limit if options.burst is None else options.burst
        self._pace = options.interval, burst * options.interval + options.slack

    def acquire(self, key: Hashable = None, cost: float | None = None) -> float:
        """Take a turn.

        Args:
            key: Whom it is counted for; the tenant of the current `Traits` by default.
            cost: What it weighs; the cost of the current `Traits` by default.

        Returns:
            Seconds to wait before it may be used: 0 unless the options allow a wait.

        Raises:
            RateLimitedError: There was none to be had in time.
        """
        if key is None or cost is None:
            traits = current_traits()
            key = traits.tenant if key is None else key
            cost = traits.cost if cost is None else cost
        if isinstance(key, str) and type(key) is not str:
            key = str.__str__(key)  # hashed in Python, it would let other threads in between
        return self._take(key, self._clock(), cost)

    async def wait(self, key: Hashable = None, cost: float | None = None) -> None:
        """Take a turn in a task, and wait until it may be used.

        Raises:
            RateLimitedError: There was none to be had in time.
        """
        seconds = self.acquire(key, cost)
        if seconds:
            await self._wait_async(seconds, key, cost)

    def statistics(self) -> RateLimitStatistics:
        """Return the counts at this moment."""
        return RateLimitStatistics(len(self._times), self._refused, self._waited)

    def explain(self) -> str:
        """Say in words what the policy does."""
        options = self.options
        burst = "" if options.burst is None else f", {options.burst:g} at once"
        wait = f"wait up to {options.max_wait:g} s" if options.max_wait else "are refused"
        return f"let {options.limit:g} through in {options.per:g} s{burst}, for each tenant; more {wait}"

    def _take(self, key: Hashable, now: float, cost: float) -> float:
        options = self.options
        with self._lock:
            wait = self._arrivals.take(key, now, cost, options)
        if wait == 0.0:
            return wait
        if wait > 0 and not options.shadow:
            deadline = current_deadline()
            if deadline is None or deadline.remaining() > wait:
                self._waited += 1
                return wait
            self._arrivals.give_back(key, cost, options)
            raise DeadlineExceededError(
                "its turn would come after the deadline", timeline=("refused, no turn in time",), asked=False
            )
        self._refused += 1
        if self.hooks:
            self.tell("rate_limit.refused", seconds=abs(wait), shadow=options.shadow)
        if options.shadow:
            return 0.0
        message = f"more than {options.limit:g} in {options.per:g} s"
        retry_after = None if wait == float("-inf") else -wait - options.max_wait
        raise RateLimitedError(message, retry_after=retry_after, timeline=(f"refused, {message}",))

    async def _wait_async(self, seconds: float, key: Hashable = None, cost: float | None = None) -> None:
        from ._pause import pause  # noqa: PLC0415 (only a call that waits pays for it)

        try:
            await pause(seconds, self._sleep)
            _check_deadline()
        except BaseException:
            self._return(key, cost)
            raise

    def _wait_sync(self, seconds: float, key: Hashable = None, cost: float | None = None) -> None:
        from ._pause import pause_sync  # noqa: PLC0415 (only a call that waits pays for it)

        try:
            pause_sync(seconds)
            _check_deadline()
        except BaseException:
            self._return(key, cost)
            raise

    def _return(self, key: Hashable, cost: float | None) -> None:
        traits = current_traits()
        key = traits.tenant if key is None else key
        self._arrivals.give_back(key, traits.cost if cost is None else cost, self.options)


def _check_deadline() -> None:
    """Start nothing after the deadline: a wait may take longer than it should."""
    deadline = current_deadline()
    if deadline is not None:
        deadline.check()

"""Try again, politely."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from ._backoff import decorrelated_jitter, full_jitter, seconds_asked
from ._deadline import current_deadline, deadline_here
from ._history import History
from ._matching import is_retryable, matcher
from ._pause import instead, pause, pause_sync
from ._policy import BasePolicy
from ._traits import current_traits
from ._valid import not_negative, positive, whole, window
from .errors import BudgetExceededError, DeadlineExceededError, ResilienceError, RetriesExhaustedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, TypeAlias

    from tenacity import RetryCallState
    from tenacity.retry import retry_base

    from ._budget import RetryBudget
    from ._history import Call
    from ._matching import Matcher

    Wait: TypeAlias = Callable[[RetryCallState], Any]
    Stop: TypeAlias = Callable[[RetryCallState], bool]


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """When to try again, and how long to wait before.

    Attributes:
        attempts: Calls in all, the first included; None for as many as the time allows.
        max_time: Seconds after which no further attempt begins, counted from the first.
        wait: A wait strategy of tenacity, instead of the jitter.
        stop: A stop strategy of tenacity, besides attempts and time.
        retry_on: Exception types, a predicate, or a retry strategy of tenacity. By default errors whose `retryable` is
            true, connection errors and timeouts.
        retry_if: A predicate on results: which answers are not wanted.
        jitter: `full` (a random part of a window that doubles) or `decorrelated` (from the first to three times the
            previous wait).
        first_wait: The first window, or the shortest wait, in seconds.
        largest_wait: No wait of ours is longer, in seconds.
        max_retry_after: Give up at once when the target asks for a longer pause than this, in seconds.
        shadow: Only watch: count what would have been tried again, and try nothing again.
    """

    attempts: int | None = 3
    max_time: float | None = None
    wait: Wait | None = None
    stop: Stop | None = None
    retry_on: Matcher | retry_base | None = None
    retry_if: Callable[[Any], bool] | None = None
    jitter: Literal["full", "decorrelated"] = "full"
    first_wait: float = 0.5
    largest_wait: float = 8.0
    max_retry_after: float = 120.0
    shadow: bool = False

    def __post_init__(self) -> None:
        if self.attempts is not None:
            whole("attempts", self.attempts, least=1)
        if self.attempts is None and self.max_time is None and self.stop is None:
            raise ValueError("without attempts there must be a max_time or a stop, or a call might never end")
        if self.max_time is not None:
            positive("max_time", self.max_time)
        if self.jitter not in {"full", "decorrelated"}:
            raise ValueError(f"jitter must be 'full' or 'decorrelated', not {self.jitter!r}")
        window(self.first_wait, self.largest_wait)
        not_negative("max_retry_after", self.max_retry_after)
        if self.retry_on is not None:
            matcher(cast("Matcher", self.retry_on))  # a strategy of tenacity is a predicate, too
        for name in ("wait", "stop", "retry_if"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise ValueError(f"{name} must be something that can be called, not {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True)
class RetryStatistics:
    """A retry since its start.

    Attributes:
        retried: Attempts after the first.
        exhausted: Calls of which the last attempt failed too.
        shadowed: Attempts that would have been made, in shadow mode.
    """

    retried: int
    exhausted: int
    shadowed: int


class Retry(BasePolicy[RetryOptions]):
    """Calls again after a failure that may pass.

    The wait is a random part of a window that doubles from 0.5 s to 8 s ("full jitter"), or what the options say;
    when a target asks for longer (`retry_after` of the error, or a `Retry-After` header, in seconds or as a date), that
    holds. The current `Deadline` is never overslept. One object serves any number of calls at once.

    Args:
        attempts: Calls in all, the first included; or all the options.
        wait: As in the options.
        retry_on: As in the options.
        budget: What bounds retries to a share of the traffic; shared with other policies of the same target.
        clock: Monotonic clock.
        sleep: What waits in a task; `asyncio.sleep` by default.
        random: Returns numbers from 0 to 1; `random.random` by default.

    Example:
        >>> import asyncio
        >>> answers = iter([ConnectionError(), "pong"])
        >>> async def ping() -> str:
        ...     answer = next(answers)
        ...     if isinstance(answer, Exception):
        ...         raise answer
        ...     return answer
        >>> asyncio.run(Retry(attempts=2, random=lambda: 0.0).call(ping))
        'pong'
    """

    __slots__ = (
        "_budget",
        "_clock",
        "_eager",
        "_exhausted",
        "_matches",
        "_random",
        "_retried",
        "_shadowed",
        "_sleep",
        "_strategy",
        "_unwanted",
    )

    fragment: ClassVar[str] = """
{t} = {p}._begin() if {p}._eager else None
while True:
    try:
        {inner}
    except Exception as error:
        {t} = {p}._again({t}, error, None, (function, args, kwargs))
        if {t} is None:
            raise
    else:
        if {p}._unwanted is None or not {p}._unwanted(result):
            break
        {t} = {p}._again({t}, None, result, (function, args, kwargs))
        if {t} is None:
            break
    await {p}._rest_async({t})
    {t}.resume()
"""

    # Inside of another policy that has counted the call for the budget of both.
    counted_fragment: ClassVar[str] = fragment.replace("._begin()", "._begin(counted=True)")

    def __init__(
        self,
        attempts: int | RetryOptions = 3,
        *,
        wait: Wait | None = None,
        retry_on: Matcher | retry_base | None = None,
        budget: RetryBudget | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        random: Callable[[], float] | None = None,
    ) -> None:
        if not isinstance(attempts, RetryOptions):
            attempts = RetryOptions(attempts, wait=wait, retry_on=retry_on)
        elif wait is not None or retry_on is not None:
            raise ValueError("say wait and retry_on in the options, when options are given")
        super().__init__("retry", attempts)
        self._budget = budget
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._retried = self._exhausted = self._shadowed = 0
        self.reload(attempts)

    @property
    def budget(self) -> RetryBudget | None:
        """What bounds retries to a share of the traffic."""
        return self._budget

    def reload(self, options: RetryOptions) -> None:
        """Go by other options from the next failure on."""
        retry_on = options.retry_on
        tenacity: Any = sys.modules.get("tenacity")  # a strategy of tenacity cannot be there without it
        self._strategy: retry_base | None = None
        if tenacity is not None and isinstance(retry_on, tenacity.retry_base):
            self._strategy = cast("retry_base", retry_on)
            self._matches: Callable[[Exception], bool] = _always
        else:
            self._matches = is_retryable if retry_on is None else matcher(cast("Matcher", retry_on))
        judges_errors_only = (
            self._strategy is None or type(self._strategy).__call__ is tenacity.retry_if_exception.__call__
        )
        self._unwanted = options.retry_if if judges_errors_only else self._judge
        self._eager = options.max_time is not None or options.stop is not None or self._budget is not None
        self.options = options

    def statistics(self) -> RetryStatistics:
        """Return the counts at this moment."""
        return RetryStatistics(self._retried, self._exhausted, self._shadowed)

    def explain(self) -> str:
        """Say in words what the policy does."""
        options = self.options
        most = "as often as the time allows" if options.attempts is None else f"up to {options.attempts} times in all"
        within = "" if options.max_time is None else f" within {options.max_time:g} s"
        if options.wait is not None:
            waits = f"waiting as {type(options.wait).__name__} says"
        elif options.jitter == "full":
            waits = f"waiting a random part of {options.first_wait:g} s, doubling up to {options.largest_wait:g} s"
        else:
            waits = f"waiting {options.first_wait:g} s to three times the last wait, up to {options.largest_wait:g} s"
        budget = "" if self._budget is None else f"; {self._budget.explain()}"
        return (
            f"try {most}{within}, {waits}, or as long as the target asks for up to"
            f" {options.max_retry_after:g} s{budget}"
        )

    def _begin(self, *, counted: bool = False) -> History:
        if self._budget is not None and not counted:
            self._budget.deposit(current_traits().cost)
        return History(self._clock())

    def _again(self, history: History | None, error: Exception | None, result: object, call: Call) -> History | None:
        """Decide on the next attempt: None to let the outcome stand, or raise what the caller shall see."""
        if history is None:
            history = History(self._clock())
        if error is not None and not (
            is_retryable(error) if self._matches is is_retryable else self._may_retry(error, history, call)
        ):
            return None
        if self.options.shadow:
            self._shadowed += 1
            if self.hooks:
                self.tell("retry.waiting", "would have tried again", error=error, shadow=True)
            return None
        history.add(error)
        asked = None if error is None else seconds_asked(error)
        history.delay = self._delay(history, error, result, call)
        self._end(history, error, result, call, asked)
        reason = ""
        if asked is not None and asked >= history.delay:
            history.delay, reason = asked, " (Retry-After)"
        if deadline_here() is not None:
            self._keep_to_deadline(history, error)
        if self._budget is not None:
            self._pay(self._budget, history, error)
        history.note_wait(reason)
        self._retried += 1
        if self.hooks:
            self.tell("retry.waiting", history.lines[-1], seconds=history.delay, error=error)
        return history

    def _end(self, history: History, error: Exception | None, result: object, call: Call, asked: float | None) -> None:
        """Raise if the last attempt has been made."""
        options = self.options
        message = None
        if options.attempts is not None and history.attempt >= options.attempts:
            message = f"{history.attempt} attempts failed"
        elif asked is not None and asked > options.max_retry_after:
            message, asked = "the target asks for too long a pause", options.max_retry_after
        elif options.max_time is not None and (
            self._clock() + max(history.delay, asked or 0.0) - history.started >= options.max_time
        ):
            message = f"{history.attempt} attempts failed within {options.max_time:g} s"
        elif options.stop is not None and options.stop(history.state(self._clock(), error, result, call)):
            message = f"{history.attempt} attempts failed"
        if message is not None:
            self._exhausted += 1
            if self.hooks:
                self.tell("retry.exhausted", message, error=error)
            raised = RetriesExhaustedError(message, retry_after=asked, timeline=history.lines)
            raised.result = result
            raise raised from error

    def _keep_to_deadline(self, history: History, error: Exception | None) -> None:
        deadline = current_deadline()
        if deadline is not None and deadline.remaining() <= history.delay:
            message = f"no time for another attempt after {history.attempt}"
            raise DeadlineExceededError(message, timeline=history.lines) from error

    def _pay(self, budget: RetryBudget, history: History, error: Exception | None) -> None:
        if not budget.withdraw(current_traits().cost):
            message = "the retry budget is used up"
            raise BudgetExceededError(message, timeline=(*history.lines, message)) from error

    def _may_retry(self, error: Exception, history: History, call: Call) -> bool:
        if isinstance(error, ResilienceError) and not error.retryable:
            return False
        if self._strategy is not None:
            return bool(self._strategy(history.state(self._clock(), error, None, call)))
        return self._matches(error)

    def _judge(self, result: object) -> bool:
        """Ask a strategy of tenacity, or the predicate, about a result."""
        wanted = self.options.retry_if
        if wanted is not None and wanted(result):
            return True
        state = History(self._clock()).state(self._clock(), None, result, (_always, (), {}))
        return self._strategy is not None and bool(self._strategy(state))

    def _delay(self, history: History, error: Exception | None, result: object, call: Call) -> float:
        options = self.options
        if options.wait is not None:
            asked = float(options.wait(history.state(self._clock(), error, result, call)))
            return asked if asked > 0 else 0.0  # of somebody else's strategy, which may return what it likes
        if self._random is None:
            from random import random  # noqa: PLC0415 (only a failed call pays for it)

            self._random = random
        first, largest = options.first_wait, options.largest_wait
        if options.jitter == "full":
            return full_jitter(history.attempt, first=first, largest=largest, random=self._random)
        return decorrelated_jitter(history.delay, first=first, largest=largest, random=self._random)

    def _rest_async(self, history: History) -> Awaitable[object]:
        if self._sleep is None:
            from asyncio import sleep  # noqa: PLC0415 (only a failed call pays for it)

            self._sleep = sleep
        if instead.get() is not None:
            return pause(history.delay, self._sleep)
        return self._sleep(history.delay)

    def _rest_sync(self, history: History) -> None:
        pause_sync(history.delay)


def _always(_error: object) -> bool:
    return True

"""Mend what is broken, then go on."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, ClassVar

from ._backoff import full_jitter
from ._bulkhead import Bulkhead
from ._matching import in_words, matcher
from ._pause import pause, pause_sync
from ._policy import BasePolicy
from ._twin import plain
from ._valid import whole, window

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ._matching import Matcher


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that may help.

    Attributes:
        name: In words, such as `reconnect`.
        run: What does it; a coroutine function or a plain one.
    """

    name: str
    run: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class RecoveryOptions:
    """When to recover, and how patiently.

    Attributes:
        on: Exception types or a predicate: which errors mean that something is broken.
        rounds: How often all steps are gone through at most.
        resumes: How often one call is made again after a recovery.
        first_wait: Window of the wait after the first round, in seconds; it doubles with every further one.
        largest_wait: No wait is longer, in seconds.
        shadow: Only watch: count what would have been recovered from, and do nothing.
    """

    on: Matcher = ConnectionError
    rounds: int = 3
    resumes: int = 1
    first_wait: float = 0.5
    largest_wait: float = 8.0
    shadow: bool = False

    def __post_init__(self) -> None:
        matcher(self.on)
        whole("rounds", self.rounds, least=1)
        whole("resumes", self.resumes, least=1)
        window(self.first_wait, self.largest_wait)


@dataclass(frozen=True, slots=True)
class RecoveryStatistics:
    """A recovery since its start.

    Attributes:
        recovered: Recoveries after which the check passed, or that would have begun in shadow mode.
        failed: Recoveries that went through all rounds in vain.
        by_step: Recoveries by the step after which the check passed.
    """

    recovered: int
    failed: int
    by_step: dict[str, int]


class Recovery(BasePolicy[RecoveryOptions]):
    """Tries steps in order until a check passes, then makes the failed call again.

    Of many calls that fail at once, one recovers and the others wait for it. When nothing helps, the error stands, with
    a note of what was tried.

    Args:
        steps: What may help, the mildest first.
        check: Tells whether all is well; a coroutine function or a plain one. One that raises says no.
        options: When to recover, and how patiently.
        sleep: What waits in a task; `asyncio.sleep` by default.
        random: Returns numbers from 0 to 1; `random.random` by default.

    Example:
        >>> connection = {"up": False}
        >>> def ask() -> str:
        ...     if not connection["up"]:
        ...         raise ConnectionError
        ...     return "pong"
        >>> steps = [Step("reconnect", lambda: connection.update(up=True))]
        >>> Recovery(steps, check=lambda: connection["up"]).call_sync(ask)
        'pong'
    """

    __slots__ = (
        "_by_step",
        "_check",
        "_failed",
        "_generation",
        "_matches",
        "_random",
        "_recovered",
        "_sleep",
        "_steps",
        "_turn",
    )

    fragment: ClassVar[str] = """
{t} = {p}._begin()
while True:
    try:
        {inner}
        break
    except Exception as error:
        if not {p}._applies(error, {t}):
            raise
        if not await {p}._recover_async(error, {t}):
            raise
        deadline{n} = deadline_here()
        if deadline{n} is not None:
            deadline{n}.check()
"""

    def __init__(
        self,
        steps: Sequence[Step],
        check: Callable[[], Any],
        *,
        options: RecoveryOptions | None = None,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        random: Callable[[], float] | None = None,
    ) -> None:
        if not steps:
            raise ValueError("a recovery needs at least one step")
        super().__init__("recovery", options or RecoveryOptions())
        self._steps = tuple(steps)
        self._check = check
        self._sleep = sleep
        self._random = random
        self._turn = Bulkhead(1, 1_000_000)
        self._generation = self._recovered = self._failed = 0
        self._by_step = {step.name: 0 for step in steps}
        self.reload(self.options)

    def reload(self, options: RecoveryOptions) -> None:
        """Go by other options from now on."""
        self.options = options
        self._matches = matcher(options.on)

    def statistics(self) -> RecoveryStatistics:
        """Return the counts at this moment."""
        return RecoveryStatistics(self._recovered, self._failed, dict(self._by_step))

    def explain(self) -> str:
        """Say in words what the policy does."""
        steps = ", ".join(step.name for step in self._steps)
        return f"when something is broken, try {steps} up to {self.options.rounds} times until all is well, then resume"

    def _begin(self) -> list[int]:
        return [self._generation, 0]  # the recoveries there were before this call, and how often it resumed

    def _applies(self, error: Exception, token: list[int]) -> bool:
        if not self._matches(error) or token[1] >= self.options.resumes:
            return False
        token[1] += 1
        if self.options.shadow:
            self._recovered += 1
            self.tell("recovery.began", error=error, shadow=True)
        return not self.options.shadow

    async def _recover_async(self, error: Exception, token: list[int]) -> bool:
        async with self._turn:
            if self._is_done(token):
                return True
            tried: list[str] = []
            for number in range(1, self.options.rounds + 1):
                if number > 1:
                    await pause(self._wait(number), self._sleep)
                for step in self._steps:
                    tried.append(await _tried_async(step))
                    if await _passes_async(self._check):
                        return self._succeed(step, token)
            return self._give_up(error, tried)

    def _recover_sync(self, error: Exception, token: list[int]) -> bool:
        with self._turn:
            if self._is_done(token):
                return True
            tried: list[str] = []
            for number in range(1, self.options.rounds + 1):
                if number > 1:
                    pause_sync(self._wait(number))
                for step in self._steps:
                    tried.append(_tried_sync(step))
                    if _passes_sync(self._check):
                        return self._succeed(step, token)
            return self._give_up(error, tried)

    def _is_done(self, token: list[int]) -> bool:
        """Tell whether somebody else has recovered while this call was waiting for its turn."""
        done = self._generation != token[0]
        token[0] = self._generation
        return done

    def _wait(self, number: int) -> float:
        if self._random is None:
            from random import random  # noqa: PLC0415 (only a recovery that takes long pays for it)

            self._random = random
        options = self.options
        return full_jitter(number - 1, first=options.first_wait, largest=options.largest_wait, random=self._random)

    def _succeed(self, step: Step, token: list[int]) -> bool:
        self._generation += 1
        token[0] = self._generation
        self._recovered += 1
        self._by_step[step.name] += 1
        self.tell("recovery.succeeded", step.name)
        return True

    def _give_up(self, error: Exception, tried: list[str]) -> bool:
        self._failed += 1
        error.add_note(f"recovery was tried in vain: {', '.join(tried)}")
        self.tell("recovery.failed", error=error)
        return False


async def _tried_async(step: Step) -> str:
    try:
        done = step.run()
        if isawaitable(done):
            await done
    except Exception as error:  # noqa: BLE001 (the next step may help)
        return f"{step.name} ({in_words(error)})"
    return step.name


def _tried_sync(step: Step) -> str:
    try:
        done = step.run()
    except Exception as error:  # noqa: BLE001 (the next step may help)
        return f"{step.name} ({in_words(error)})"
    plain(done, f"the step {step.name!r}")
    return step.name


async def _passes_async(check: Callable[[], Any]) -> bool:
    try:
        answer = check()
        return bool(await answer if isawaitable(answer) else answer)
    except Exception:  # noqa: BLE001 (a check that fails says no)
        return False


def _passes_sync(check: Callable[[], Any]) -> bool:
    try:
        answer = check()
    except Exception:  # noqa: BLE001 (a check that fails says no)
        return False
    return bool(plain(answer, "the check"))

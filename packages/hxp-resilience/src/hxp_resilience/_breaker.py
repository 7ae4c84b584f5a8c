"""Do not ask a target that fails."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from ._circuit import Circuit, CircuitBreakerOptions, CircuitState
from ._matching import matcher
from .errors import BulkheadFullError, CircuitOpenError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._matching import Matcher

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CircuitBreakerStatistics:
    """A breaker at one moment.

    Attributes:
        name: Of the breaker.
        state: Where the circuit stands.
        calls: Outcomes in the window.
        failures: Failures in the window.
        succeeded: Successes since the start.
        failed: Failures since the start.
        refused: Calls refused since the start.
    """

    name: str
    state: CircuitState
    calls: int
    failures: int
    succeeded: int
    failed: int
    refused: int


class CircuitBreaker:
    """Refuses calls to a target that fails too often, then lets a few through to see if it is well again.

    Safe to share between threads and tasks; no lock is held during a call.

    Args:
        name: Of the target, for messages and statistics.
        options: When to open and close.
        failure_on: Exception types or a predicate: what counts as a failure of the target. Other errors are
            answers.
        clock: Monotonic clock.

    Example:
        >>> breaker = CircuitBreaker("model")
        >>> permit = breaker.acquire()
        >>> permit.success()
        >>> breaker.state
        <CircuitState.CLOSED: 'closed'>
    """

    def __init__(
        self,
        name: str,
        options: CircuitBreakerOptions | None = None,
        *,
        failure_on: Matcher = Exception,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._circuit = Circuit(options or CircuitBreakerOptions())
        self._is_failure = matcher(failure_on)
        self._clock = clock
        self._lock = Lock()
        self._succeeded = self._failed = self._refused = 0

    @property
    def state(self) -> CircuitState:
        """Where the circuit stands; an open one turns half-open when the next call comes."""
        return self._circuit.state

    def statistics(self) -> CircuitBreakerStatistics:
        """Return the state and the counts at this moment."""
        with self._lock:
            circuit = self._circuit
            return CircuitBreakerStatistics(
                name=self.name,
                state=circuit.state,
                calls=circuit.calls,
                failures=circuit.failures,
                succeeded=self._succeeded,
                failed=self._failed,
                refused=self._refused,
            )

    def acquire(self) -> CircuitPermit:
        """Ask to make a call.

        Returns:
            The permit, to be settled when the outcome is known, however late.

        Raises:
            CircuitOpenError: The target must not be asked now.
        """
        with self._lock:
            retry_after = self._circuit.admit(self._clock())
            if retry_after is None:
                return CircuitPermit(self, self._circuit.epoch)
            self._refused += 1
            state = self._circuit.state.value
        message = f"the circuit {self.name!r} is {state}"
        raise CircuitOpenError(message, retry_after=retry_after, timeline=(f"{message}, not asked",))

    async def call(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function if the circuit allows it, and learn from the outcome.

        Raises:
            CircuitOpenError: The circuit does not allow it.
        """
        permit = self.acquire()
        try:
            result = await function(*args, **kwargs)
        except (BulkheadFullError, CircuitOpenError):
            permit.release()  # refused on our side: the target was not asked
            raise
        except Exception as error:
            if self._is_failure(error):
                permit.failure()
            else:
                permit.success()
            raise
        except BaseException:
            permit.release()
            raise
        permit.success()
        return result

    def _settle(self, permit: CircuitPermit, failed: bool | None) -> None:  # noqa: FBT001 (three outcomes)
        with self._lock:
            if permit.settled:
                return
            permit.settled = True
            if failed is None:
                self._circuit.forget(permit.epoch)
                return
            self._circuit.record(permit.epoch, self._clock(), failed=failed)
            if failed:
                self._failed += 1
            else:
                self._succeeded += 1


class CircuitPermit:
    """The right to one call; the first of its three methods settles it, later ones do nothing."""

    __slots__ = ("_breaker", "epoch", "settled")

    def __init__(self, breaker: CircuitBreaker, epoch: int) -> None:
        self._breaker = breaker
        self.epoch = epoch
        self.settled = False

    def success(self) -> None:
        """Tell that the target answered."""
        self._breaker._settle(self, False)  # noqa: FBT003, SLF001 (a part of the breaker)

    def failure(self) -> None:
        """Tell that the target failed."""
        self._breaker._settle(self, True)  # noqa: FBT003, SLF001 (a part of the breaker)

    def release(self) -> None:
        """Give the permit back: the call was cancelled or not made and says nothing about the target."""
        self._breaker._settle(self, None)  # noqa: SLF001 (a part of the breaker)

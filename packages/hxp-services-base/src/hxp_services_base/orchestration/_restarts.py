"""When a service that ended is started again: decisions only, no clock is held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hxp_schemas.deployment import RestartBudget


@dataclass(frozen=True, slots=True)
class Pause:
    """The wait before the next start.

    Attributes:
        seconds: How long.
        spent: Whether the budget is spent, so that this is a long wait.
        restarts: How often the service was started again within the window.
    """

    seconds: float
    spent: bool
    restarts: int


class RestartHistory:
    """The restarts of one service, judged by its budget: quick at first, rare once the budget is spent.

    A budget that is spent comes back when a run has lasted for a whole window.

    Args:
        budget: How often, and after which pauses.

    Example:
        >>> from hxp_schemas.deployment import RestartBudget
        >>> history = RestartHistory(RestartBudget(max_restarts=1, backoff=2.0, retry=600.0, retry_max=600.0))
        >>> history.ended(now=0.0).seconds
        2.0
        >>> history.began(now=2.0)
        >>> history.ended(now=3.0)
        Pause(seconds=600.0, spent=True, restarts=1)
    """

    def __init__(self, budget: RestartBudget) -> None:
        self._budget = budget
        self._restarts: list[float] = []
        self._tries = 0
        self._is_spent = False

    def began(self, *, now: float) -> None:
        """Note that the service was started again."""
        self._restarts.append(now)

    def ended(self, *, now: float) -> Pause:
        """Decide how long to wait, now that a run, or the try of one, has ended."""
        budget = self._budget
        if self._is_spent and self._restarts and now - self._restarts[-1] >= budget.window:
            self._is_spent, self._tries = False, 0
        recent = [at for at in self._restarts if now - at < budget.window]
        if not self._is_spent:
            self._restarts = recent
        if self._is_spent or len(recent) >= budget.max_restarts:
            seconds = min(budget.retry * 2 ** min(self._tries, 32), budget.retry_max)
            self._is_spent, self._tries = True, self._tries + 1
            return Pause(float(seconds), spent=True, restarts=len(self._restarts))
        return Pause(
            float(min(budget.backoff * 2 ** len(recent), budget.backoff_max)), spent=False, restarts=len(recent)
        )

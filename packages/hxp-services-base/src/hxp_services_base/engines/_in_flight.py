"""The requests that an engine has: those that it may have died of are found here."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._llamacpp_call import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._suspects import Request

_REMEMBERED = 64
_SAME_END = 5.0
"""Seconds within which a connection that broke and the end of the process belong together."""
_AROUND = 1.0
"""Seconds by which a hang may have begun after the last answer, which is the time between two looks."""


@dataclass(slots=True, eq=False)
class Asked:
    """A request, for the record of those that the engine dies of.

    Attributes:
        tenant: Whose it is.
        path: Where it goes.
        payload: What it asks.
        began: When it was sent.
        ended: When it was answered, broken off or left.
        run: The run of the engine that it was sent to; `None` if it has not been delivered.
    """

    tenant: str
    path: str
    payload: dict[str, Any]
    began: float
    ended: float = math.inf
    run: int | None = None

    @property
    def request(self) -> Request:
        """Return what tells it from another."""
        return self.tenant, fingerprint(self.path, self.payload)


class InFlight:
    """Requests that the engine works on, and those that ended a moment ago without an answer.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._running: set[Asked] = set()
        self._broken: deque[Asked] = deque(maxlen=_REMEMBERED)
        self._left: deque[Asked] = deque(maxlen=_REMEMBERED)

    def __len__(self) -> int:
        return len(self._running)

    def begin(self, tenant: str, path: str, payload: dict[str, Any]) -> Asked:
        """Take in a request."""
        asked = Asked(tenant, path, payload, began=self._clock())
        self._running.add(asked)
        return asked

    def send(self, asked: Asked, run: int) -> None:
        """Note that it is sent, and to which run of the engine."""
        asked.began, asked.run = self._clock(), run

    def broke(self, asked: Asked) -> None:
        """Note that its connection broke: the end of the engine may be noticed only later."""
        self._broken.append(asked)

    def left(self, asked: Asked) -> None:
        """Note that nobody waits for it any more: the engine may hang in it nevertheless."""
        self._left.append(asked)

    def end(self, asked: Asked) -> None:
        """Let a request go."""
        asked.ended = self._clock()
        self._running.discard(asked)

    def died(self, run: int, *, stuck_since: float | None) -> list[Request]:
        """Return the requests that a run of the engine had at its end, each as often as it was there.

        Args:
            run: The run that has ended; requests that were sent to another one, or to none yet, have no part in it.
            stuck_since: When it last answered, if it was ended because it hung. Only requests of that moment count:
                who came later merely waited, and who asked may have left.
        """
        now = self._clock()
        asked = {*self._running, *(one for one in self._broken if now - one.ended <= _SAME_END)}
        if stuck_since is not None:
            asked = {
                one
                for one in {*asked, *self._broken, *self._left}
                if one.began <= stuck_since + _AROUND <= one.ended + 2 * _AROUND
            }
        self._broken.clear()
        self._left.clear()
        return [one.request for one in asked if one.run == run]

"""Requests that an engine was working on when it died, so that it is not fed the same again: a pure record."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from hxp_schemas import ErrorInfo

from ..chassis import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Request = tuple[str, bytes]
"""Whose it is, and what tells it from another of the same tenant."""
_FOR_ALL = 2
"""Tenants for whom the engine must have died of a request before everybody is refused it."""


class Ending(Enum):
    """How an engine ended."""

    CRASHED = "it ended itself"
    STUCK = "it hung and was ended"
    KILLED = "it was ended from outside"


class CrashSuspectError(ServiceError):
    """The request was running each time the engine died; it is refused for a while."""

    def __init__(self, seconds: float) -> None:
        message = (
            "the model's engine died or hung while it worked on this very request, so it is not given it again for "
            f"{seconds:.0f} s; change the request, and tell the operator"
        )
        super().__init__(ErrorInfo(code="engine_crash_suspect", message=message, status=422, retryable=False))


@dataclass(slots=True)
class _Suspect:
    deaths: int
    until: float
    refused_until: float


class CrashSuspects:
    """Remembers a bounded number of requests for a bounded time.

    A request is refused at once if the engine crashed while it ran alone. After two deaths or more it is refused for
    as long if nothing else ran at the last one, and for a tenth of the time if it may have been in bad company, or the
    engine was killed from outside. A hang alone proves nothing: the engine may have been stopped or starved.
    It is refused to its tenant; to everybody once it is to two. One that is answered in between is cleared.

    Args:
        limit: Requests that are remembered; the oldest go first.
        seconds: How long each is.
        clock: Monotonic seconds.

    Example:
        >>> suspects = CrashSuspects(clock=lambda: 0.0)
        >>> suspects.died([("a", b"one"), ("a", b"two")], ending=Ending.CRASHED)
        >>> suspects.is_refused(("a", b"one"))
        False
        >>> suspects.died([("a", b"one")], ending=Ending.CRASHED)
        >>> suspects.is_refused(("a", b"one")), suspects.is_refused(("b", b"one"))
        (True, False)
    """

    def __init__(self, *, limit: int = 64, seconds: float = 600.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._suspects: OrderedDict[Request, _Suspect] = OrderedDict()

    def __len__(self) -> int:
        return len(self._suspects)

    def check(self, request: Request) -> None:
        """Refuse a request that killed the engine.

        Raises:
            CrashSuspectError: If it did.
        """
        if (seconds := self._refused_for(request)) > 0:
            raise CrashSuspectError(seconds)

    def is_refused(self, request: Request) -> bool:
        """Whether `check` refuses it."""
        return self._refused_for(request) > 0

    def died(self, requests: Sequence[Request], *, ending: Ending) -> None:
        """Note a death.

        Args:
            requests: What the engine was working on; two that are equal are two, since they were not alone.
            ending: How it ended.
        """
        now = self._clock()
        was_alone = len(requests) == 1
        # In the order of their coming, so that the record forgets the same ones each time.
        distinct = dict.fromkeys(requests)
        of_one_kind = len({fingerprint for _, fingerprint in distinct}) == 1
        for request in distinct:
            known = self._known(request)
            deaths = 1 if known is None else known.deaths + 1
            refused = 0.0
            if was_alone and ending is Ending.CRASHED:
                refused = self._seconds
            elif deaths > 1:
                refused = self._seconds if of_one_kind and ending is not Ending.KILLED else self._seconds / 10
            self._suspects[request] = _Suspect(deaths, now + self._seconds, now + refused)
            self._suspects.move_to_end(request)
        while len(self._suspects) > self._limit:
            self._suspects.popitem(last=False)

    def answered(self, request: Request) -> None:
        """Clear a request that the engine has survived, whoever asked the same before."""
        for known in [known for known in self._suspects if known[1] == request[1]]:
            del self._suspects[known]

    def _refused_for(self, request: Request) -> float:
        """Return for how many seconds a request is still refused; 0 if it is not."""
        if not self._suspects:
            return 0.0
        now = self._clock()
        own = self._known(request)
        if own is not None and now < own.refused_until:
            return own.refused_until - now
        others = sorted(
            suspect.refused_until - now
            for (_, fingerprint), suspect in self._suspects.items()
            if fingerprint == request[1] and now < suspect.refused_until
        )
        return others[-_FOR_ALL] if len(others) >= _FOR_ALL else 0.0

    def _known(self, request: Request) -> _Suspect | None:
        known = self._suspects.get(request)
        if known is not None and self._clock() >= known.until:
            del self._suspects[request]
            return None
        return known

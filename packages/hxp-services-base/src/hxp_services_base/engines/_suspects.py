"""Requests that an engine was working on when it died, so that it is not fed the same again: a pure record."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hxp_schemas import ErrorInfo

from ..chassis import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


class CrashSuspectError(ServiceError):
    """The request was running each time the engine died; it is refused for a while."""

    def __init__(self, seconds: float) -> None:
        message = (
            "the model's engine died while it worked on this very request, so it is not given it again for "
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

    A request is refused if the engine crashed while it ran alone, or, for a tenth of the time, if it was running at two
    deaths or more: it may have been in bad company. One that is answered in between is cleared.

    Args:
        limit: Requests that are remembered; the oldest go first.
        seconds: How long each is.
        clock: Monotonic seconds.

    Example:
        >>> suspects = CrashSuspects(clock=lambda: 0.0)
        >>> suspects.died([b"one", b"two"], crashed=True)
        >>> suspects.is_refused(b"one")
        False
        >>> suspects.died([b"one"], crashed=True)
        >>> suspects.is_refused(b"one")
        True
    """

    def __init__(self, *, limit: int = 64, seconds: float = 600.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._suspects: OrderedDict[bytes, _Suspect] = OrderedDict()

    def __len__(self) -> int:
        return len(self._suspects)

    def check(self, request: bytes) -> None:
        """Refuse a request that killed the engine.

        Raises:
            CrashSuspectError: If it did.
        """
        if self.is_refused(request):
            raise CrashSuspectError(self._suspects[request].refused_until - self._clock())

    def is_refused(self, request: bytes) -> bool:
        """Whether `check` refuses it."""
        known = self._known(request)
        return known is not None and self._clock() < known.refused_until

    def died(self, requests: Collection[bytes], *, crashed: bool) -> None:
        """Note a death.

        Args:
            requests: What the engine was working on.
            crashed: Whether it ended itself; from outside it may have been killed for another reason.
        """
        running, now = set(requests), self._clock()
        for request in running:
            known = self._known(request)
            deaths = 1 if known is None else known.deaths + 1
            refused = self._seconds if crashed and len(running) == 1 else self._seconds / 10 if deaths > 1 else 0.0
            self._suspects[request] = _Suspect(deaths, now + self._seconds, now + refused)
            self._suspects.move_to_end(request)
        while len(self._suspects) > self._limit:
            self._suspects.popitem(last=False)

    def answered(self, request: bytes) -> None:
        """Clear a request that the engine has survived."""
        if self._suspects:
            self._suspects.pop(request, None)

    def _known(self, request: bytes) -> _Suspect | None:
        known = self._suspects.get(request)
        if known is not None and self._clock() >= known.until:
            del self._suspects[request]
            return None
        return known

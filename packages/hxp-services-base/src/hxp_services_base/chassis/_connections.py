"""Every open connection of one server: bounded in number, and watched by one clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from hxp_logging import Logger

    from ._limits import Limits

_QUIET = 60.0
"""Seconds between two log records of one reason."""


class Watched(Protocol):
    """A connection as its registry sees it."""

    address: str
    deadline: float
    is_stalled: bool

    def tick(self, now: float) -> None:
        """Look at the clock: called when the deadline has passed, and again and again while stalled."""

    def abort(self) -> None:
        """Close at once, whatever is unread."""


class Connections:
    """The open connections of one server.

    At the limit the oldest connection that has no complete request is closed for a new one: first those that are on
    their way out, then new ones that have sent none, then idle ones, then those whose body is still arriving. A
    connection with a whole request under way is never closed for another one.

    Args:
        limits: How many there may be.
        log: Where it is told, at a bounded rate, that some were refused.
        count: Called with the reason of each refusal.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        log: Logger,
        count: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self.clock = clock
        self._log = log
        self.count = count
        self._open: dict[Watched, None] = {}
        self._addresses: dict[str, int] = {}
        self._leaving: dict[Watched, None] = {}
        self._fresh: dict[Watched, None] = {}
        self._idle: dict[Watched, None] = {}
        self._receiving: dict[Watched, None] = {}
        self._full_since: float | None = None
        self._told: dict[str, float] = {}
        self._untold: dict[str, int] = {}
        self._swept = clock()

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: Watched) -> str | None:
        """Count a new connection, closing an older one where there is no room.

        Returns:
            `None`, or the name of the limit that it did not get past.
        """
        address = connection.address
        limit = self.limits
        if self._addresses.get(address, 0) >= limit.per_address and not limit.is_exempt(address):
            if not self._make_room(address):
                return "address_capacity"
            self.refused("address_capacity", address)
        if len(self._open) >= limit.connections:
            self._tell_full()
            if not self._make_room(None):
                return "capacity"
            self.count("capacity")
        self._open[connection] = None
        self._fresh[connection] = None
        self._addresses[address] = self._addresses.get(address, 0) + 1
        return None

    def _make_room(self, address: str | None) -> bool:
        for group in (self._leaving, self._fresh, self._idle, self._receiving):
            for connection in group:
                if address is None or connection.address == address:
                    self.gone(connection)
                    connection.abort()
                    return True
        return False

    def _tell_full(self) -> None:
        if self._full_since is None:
            self._log.warning(
                "connections at their limit; the oldest without a request are closed", limit=self.limits.connections
            )
        self._full_since = self.clock()

    def busy(self, connection: Watched) -> None:
        """Note that `connection` has a whole request under way."""
        if self._fresh.pop(connection, self) is self:
            self._idle.pop(connection, None)
        self._receiving.pop(connection, None)

    def receiving(self, connection: Watched) -> None:
        """Note that the body of a request on `connection` is still arriving."""
        if connection in self._open:
            self.busy(connection)
            self._receiving[connection] = None

    def idle(self, connection: Watched) -> None:
        """Note that `connection` waits for its next request."""
        if connection in self._open:
            self._idle[connection] = None

    def leaving(self, connection: Watched) -> None:
        """Note that `connection` is about to close."""
        if connection in self._open:
            self.busy(connection)
            self._leaving[connection] = None

    def gone(self, connection: Watched) -> None:
        """Count `connection` no more."""
        if self._open.pop(connection, self) is self:
            return
        self.busy(connection)
        self._leaving.pop(connection, None)
        left = self._addresses[connection.address] - 1
        if left:
            self._addresses[connection.address] = left
        else:
            del self._addresses[connection.address]

    def refused(self, reason: str, address: str) -> None:
        """Count a refusal, and log it at a bounded rate."""
        self.count(reason)
        if number := self._to_tell(reason):
            self._log.warning("connection refused", reason=reason, address=address, since=number)

    def failed(self, error: BaseException) -> None:
        """Log an error that passed every layer of the app, or of the event loop, at a bounded rate."""
        if number := self._to_tell(type(error).__name__):
            self._log.error("a connection failed outside its handler", error=repr(error), since=number)

    def _to_tell(self, reason: str) -> int:
        """Return how often `reason` has come since it was last logged; 0 where that was a moment ago."""
        now = self.clock()
        number = self._untold.pop(reason, 0) + 1
        if now - self._told.get(reason, -_QUIET) < _QUIET:
            self._untold[reason] = number
            return 0
        self._told[reason] = now
        return number

    def sweep(self) -> None:
        """Let every connection whose time is up know; called often, looks at them every now and then."""
        now = self.clock()
        if now - self._swept < self.limits.interval:
            return
        self._swept = now
        for connection in tuple(self._open):
            if connection.deadline <= now or connection.is_stalled:
                connection.tick(now)
        if self._full_since is not None and len(self._open) < self.limits.connections * 0.9:
            self._full_since = None
            self._log.info("connections below their limit again", open=len(self._open))

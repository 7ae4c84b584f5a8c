"""The upstream that answers for a model, and what the gateway has learned of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from hxp_services_base import UpstreamPool

_FORGOTTEN_AFTER = 3600.0
"""Seconds after which an upstream that did not know `stream_options` is asked again: it may have been upgraded."""


class StreamUsage(StrEnum):
    """Whether streams are asked for their usage event (`stream_options.include_usage`)."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(slots=True)
class Route:
    """One upstream as a target of requests.

    Attributes:
        pool: Its connections.
        in_stack: Whether it is a service of this stack, which is given the tenant of each request.
        stream_usage: Whether its streams are asked for their usage.
        clock: Monotonic seconds.
    """

    pool: UpstreamPool
    in_stack: bool = False
    stream_usage: StreamUsage = StreamUsage.AUTO
    clock: Callable[[], float] = time.monotonic
    _known_until: float = field(default=float("-inf"), init=False)
    _is_known: bool = field(default=False, init=False)

    @property
    def asks_for_usage(self) -> bool:
        """Whether a stream is asked for its usage event now."""
        if self.stream_usage is StreamUsage.AUTO:
            return self._is_known or self.clock() >= self._known_until
        return self.stream_usage is StreamUsage.ALWAYS

    @property
    def may_refuse_usage(self) -> bool:
        """Whether a 400 may mean that the upstream does not know `stream_options`."""
        return self.stream_usage is StreamUsage.AUTO and not self._is_known

    def learn(self, *, knows_usage: bool) -> None:
        """Remember that the upstream took a request that asked for usage, or only one that did not ask."""
        self._is_known = knows_usage
        self._known_until = float("-inf") if knows_usage else self.clock() + _FORGOTTEN_AFTER

"""Events as lines of the standard library's logging."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._event import Event

_LOUD = ("circuit.opened", "circuit.isolated", "retry.exhausted", "degradation.entered", "shared_rate_limit.alone")


class LoggingHook:
    """Writes each event to a logger: what needs somebody's attention as a warning, the rest as debug lines.

    Args:
        logger: Where to; the logger `hxp_resilience` by default.

    Example:
        >>> from hxp_resilience import CircuitBreaker, Pipeline
        >>> pipeline = Pipeline(CircuitBreaker("model"), hooks=[LoggingHook()])
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger("hxp_resilience")

    def __call__(self, event: Event) -> None:
        """Write one event."""
        level = logging.WARNING if event.kind in _LOUD and not event.shadow else logging.DEBUG
        fields = {
            "event": event.kind,
            "policy": event.policy,
            "seconds": event.seconds,
            "error_type": event.error,
            "shadow": event.shadow,
        }
        shadow = " (shadow)" if event.shadow else ""
        self._logger.log(level, "%s: %s %s%s", event.policy, event.kind, event.detail, shadow, extra=fields)

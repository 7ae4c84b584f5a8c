"""What a program holds to say something."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ._level import CRITICAL, DEBUG, ERROR, INFO, WARNING, level_number

Say = Callable[[str, dict[str, Any]], None]
_WAYS = {DEBUG: "debug", INFO: "info", WARNING: "warning", ERROR: "error", CRITICAL: "critical"}


class Core(Protocol):
    """What stands behind a channel."""

    def emit(self, channel: "Channel", level: int, event: str, fields: dict[str, Any]) -> None:
        """Write what was said."""

    def adopt(self, channel: "Channel") -> None:
        """Give the channel its core, its threshold and its ways."""


class Channel:
    """What all loggers of one name share; a new level reaches them here.

    Attributes:
        threshold: The lowest level that is written.
        debug: Writes what was said at this level, which passes the threshold; `info` and the others likewise.
    """

    __slots__ = ("_way", "core", "critical", "debug", "error", "info", "name", "threshold", "warning")

    debug: Say
    info: Say
    warning: Say
    error: Say
    critical: Say

    def __init__(self, name: str, core: Core) -> None:
        self.name = name
        self.follow(core, 0)  # until a core adopts it, everything passes and the core decides

    def follow(self, core: Core, threshold: int, way: "Way | None" = None) -> None:
        """Take over a core, the lowest level that it writes, and how it wants to be told."""
        self.core = core
        self.threshold = threshold
        self._way = way
        for level, name in _WAYS.items():
            say = partial(core.emit, self, level) if way is None else partial(self._begin, way, level)
            setattr(self, name, say)

    def _begin(self, way: "Way", level: int, event: str, fields: dict[str, Any]) -> None:
        """Make a way when it is first taken: few programs use every level of all their loggers."""
        say = way(self, level)
        if self._way is way:  # else another core was followed meanwhile
            setattr(self, _WAYS[level], say)
        say(event, fields)


Way = Callable[[Channel, int], Say]


class Logger:
    """Says what happened: an event, and fields.

    Loggers come from `get_logger`. The event is a constant text; what varies goes into fields.

    Example:
        >>> from hxp_logging import get_logger
        >>> log = get_logger("shop").bind(tenant="acme")
        >>> log.debug("order placed", order_id=7)
    """

    __slots__ = ("_bound", "_channel")

    def __init__(self, channel: Channel, bound: dict[str, Any]) -> None:
        self._channel = channel
        self._bound = bound

    def bind(self, /, **fields: Any) -> "Logger":
        """Return a logger whose lines also carry these fields."""
        return Logger(self._channel, {**self._bound, **fields})

    def is_enabled(self, level: str) -> bool:
        """Tell whether a line of this level would be written."""
        channel = self._channel
        if channel.threshold == 0:
            channel.core.adopt(channel)
        return channel.threshold <= level_number(level)

    def debug(self, event: str, /, **fields: Any) -> None:
        """Say what only a developer wants to know."""
        if (channel := self._channel).threshold <= DEBUG:
            channel.debug(event, {**self._bound, **fields} if self._bound else fields)

    def info(self, event: str, /, **fields: Any) -> None:
        """Say what happened in the course of things."""
        if (channel := self._channel).threshold <= INFO:
            channel.info(event, {**self._bound, **fields} if self._bound else fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        """Say what somebody should look at, some time."""
        if (channel := self._channel).threshold <= WARNING:
            channel.warning(event, {**self._bound, **fields} if self._bound else fields)

    def error(self, event: str, /, **fields: Any) -> None:
        """Say what failed; `exc_info=error` adds the exception."""
        if (channel := self._channel).threshold <= ERROR:
            channel.error(event, {**self._bound, **fields} if self._bound else fields)

    def critical(self, event: str, /, **fields: Any) -> None:
        """Say what stops the program."""
        if (channel := self._channel).threshold <= CRITICAL:
            channel.critical(event, {**self._bound, **fields} if self._bound else fields)

    def log(self, level: str, event: str, /, **fields: Any) -> None:
        """Say something at a level that is only known at run time.

        Raises:
            ValueError: There is no such level.
        """
        number = level_number(level)
        if (channel := self._channel).threshold <= number:
            channel.core.emit(channel, number, event, {**self._bound, **fields} if self._bound else fields)

    def exception(self, event: str, /, **fields: Any) -> None:
        """Say what failed, with the exception that is being handled."""
        self.error(event, **{"exc_info": sys.exception(), **fields})

"""Look at what a program logs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from orjson import loads

from . import _default
from ._level import LevelName
from ._logging import Logging

__all__ = ["capture"]


class _ListSink:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def write(self, line: bytes, _level: int, /) -> None:
        self.events.append(loads(line))

    def flush(self, _timeout: float, /) -> None:
        pass

    def reopen(self) -> None:
        pass

    def close(self) -> None:
        pass


@contextmanager
def capture(logging: Logging | None = None, *, level: LevelName = "DEBUG") -> Iterator[list[dict[str, Any]]]:
    """Collect lines instead of writing them.

    Args:
        logging: Whose lines; the process default's, unless given.
        level: The lowest level to collect.

    Yields:
        The lines as they would stand in JSON, redacted and all; it grows while the block runs.

    Example:
        >>> from hxp_logging import get_logger
        >>> with capture() as events:
        ...     get_logger("shop").info("opened", till=3)
        >>> events[0]["body"], events[0]["attributes"]
        ('opened', {'till': 3})
    """
    sink = _ListSink()
    undo = (logging or _default.DEFAULT.logging).divert(sink, level)
    try:
        yield sink.events
    finally:
        undo()

"""The bridge: records of the standard library's `logging` leave by our door."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ._level import nearest_level

if TYPE_CHECKING:
    from ._logging import Logging

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
_STACK = "code.stacktrace"  # OpenTelemetry's name
_OWN_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access")  # these bring handlers and do not propagate


class Handler(logging.Handler):
    """Hands a record on; nothing is formatted twice."""

    def __init__(self, target: "Logging") -> None:
        super().__init__()
        self._target = target

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        channel = self._target.channel(record.name)
        level = nearest_level(record.levelno)
        if channel.threshold > level:
            return
        fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        try:
            event = record.getMessage()
        except Exception:  # noqa: BLE001 - arguments that do not fit the message are no reason to lose it
            event = record.msg
            fields["args"] = record.args
        if record.exc_info:
            fields["exc_info"] = record.exc_info[1]
        if record.stack_info:
            fields[_STACK] = record.stack_info
        channel.core.emit(channel, level, event, fields)


class Bridge:
    """What was installed, and how things were before."""

    def __init__(self, target: "Logging") -> None:
        self._handler = Handler(target)
        self._before: dict[logging.Logger, tuple[list[logging.Handler], int, bool]] = {}
        self._followed: set[str] = set()
        root = logging.getLogger()
        self._take(root, [self._handler])
        for name in _OWN_HANDLERS:
            self._take(logging.getLogger(name), [])
        self._captured = _captures_warnings()
        logging.captureWarnings(capture=True)

    def follow(self, levels: Mapping[str, int]) -> None:
        """Set levels there too, so that records which nobody wants are not made.

        Args:
            levels: By logger; that of the root is under the empty name.
        """
        for name in self._followed - set(levels):
            logger = logging.getLogger(name)
            logger.setLevel(self._before[logger][1])
        self._followed = set(levels)
        for name, level in levels.items():
            logger = logging.getLogger(name)
            if logger not in self._before:
                self._before[logger] = (logger.handlers[:], logger.level, logger.propagate)
            logger.setLevel(level)

    def remove(self) -> None:
        """Put everything back."""
        for logger, (handlers, level, propagate) in self._before.items():
            logger.handlers[:] = handlers
            logger.setLevel(level)
            logger.propagate = propagate
        self._before.clear()
        if not self._captured:
            logging.captureWarnings(capture=False)

    def _take(self, logger: logging.Logger, handlers: list[logging.Handler]) -> None:
        self._before[logger] = (logger.handlers[:], logger.level, logger.propagate)
        logger.handlers[:] = handlers
        logger.propagate = True


def _captures_warnings() -> bool:
    return getattr(logging, "_warnings_showwarning", None) is not None

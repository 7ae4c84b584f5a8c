"""A bridge for programs that use structlog: its events leave by our door; the extra `structlog`.

Example:
    >>> import structlog
    >>> from hxp_logging.structlog import HxpRenderer
    >>> structlog.configure(
    ...     processors=[structlog.contextvars.merge_contextvars, HxpRenderer()], cache_logger_on_first_use=True
    ... )
    >>> structlog.get_logger("shop").debug("opened", till=3)
    >>> structlog.reset_defaults()
"""

import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, NoReturn

from . import _default
from ._level import nearest_level

try:
    from structlog import DropEvent
except ModuleNotFoundError as error:  # pragma: no cover - the environment of the tests has every extra
    raise ImportError("structlog's bridge needs the extra structlog: pip install 'hxp-logging[structlog]'") from error

if TYPE_CHECKING:
    from ._logging import Logging

__all__ = ["HxpRenderer"]

_LEVELS = {
    "debug": 10,
    "info": 20,
    "warning": 30,
    "warn": 30,
    "error": 40,
    "exception": 40,
    "critical": 50,
    "fatal": 50,
}
_TAKEN = ("event", "logger", "logger_name", "level", "timestamp")


class HxpRenderer:
    """The last processor of structlog's chain: hands the event on, with our levels, context, redaction and outputs.

    Args:
        logging: Whose door; the process default's, unless given.
        logger: The name of lines whose event names no `logger`; that of `structlog.get_logger("name")`'s first
            argument is found where structlog passes it on.
    """

    def __init__(self, logging: "Logging | None" = None, *, logger: str = "structlog") -> None:
        self._logging = logging
        self._name = logger

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> NoReturn:
        """Write an event; structlog is told to drop it."""
        name = event.get("logger") or event.get("logger_name") or _name_of(logger) or self._name
        level = _LEVELS.get(str(event.get("level", method)).lower()) or nearest_level(event.get("level_number", 20))
        channel = (self._logging or _default.DEFAULT.logging).channel(str(name))
        if channel.threshold <= level:
            fields = {key: value for key, value in event.items() if key not in _TAKEN}
            if method == "exception":
                fields.setdefault("exc_info", True)
            if isinstance(trio := fields.get("exc_info"), tuple):
                fields["exc_info"] = trio[1]
            elif fields.get("exc_info") is True:
                fields["exc_info"] = sys.exception()
            channel.core.emit(channel, level, str(event.get("event", "")), fields)
        raise DropEvent


def _name_of(logger: Any) -> str | None:
    name = getattr(logger, "name", None)
    return name if isinstance(name, str) else None

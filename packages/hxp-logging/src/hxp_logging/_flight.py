"""The flight recorder: lines below the level, kept per request and written only if it fails or is slow."""

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ._context import Context


class Said(NamedTuple):
    """A line that was kept."""

    now: float
    level: int
    logger: str
    event: str
    fields: dict[str, Any]
    context: "Context"


class Flight:
    """What one request said below the level; the newest lines.

    Attributes:
        lines: Those that are kept.
        is_wanted: Whether they will be written at the end.

    Example:
        >>> from hxp_logging import FlightRecorder, Logging, LoggingOptions
        >>> logging = Logging(LoggingOptions(recorder=FlightRecorder(lines=100, slow=2.0)))
        >>> with logging.flight() as flight:
        ...     logging.get_logger("shop").debug("kept, and forgotten if all goes well")
        >>> len(flight.lines)
        1
    """

    __slots__ = ("is_wanted", "lines")

    def __init__(self, size: int) -> None:
        self.lines: deque[Said] = deque(maxlen=size)
        self.is_wanted = False

    def record(  # called for every line below the level, in the order of every renderer
        self, now: float, level: int, logger: str, event: str, fields: dict[str, Any], context: "Context"
    ) -> None:
        """Keep a line, and let go of the oldest if there are too many."""
        self.lines.append(Said(now, level, logger, event, fields, context))

    def keep(self) -> None:
        """Have the lines written, although nothing was raised."""
        self.is_wanted = True

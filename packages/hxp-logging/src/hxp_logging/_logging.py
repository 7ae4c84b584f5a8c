"""The object behind the loggers: options, levels, secrets, and the one way out."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from ._clean import Cleaner, Secrets
from ._console import ConsoleLine
from ._context import CONTEXT
from ._level import WARNING, LevelName, level_number
from ._line import JsonLine
from ._logger import Channel, Logger
from ._options import LoggingOptions
from ._record import Record, exception_fields
from ._sink import Door, FileSink, Sink, stream_sink

if TYPE_CHECKING:
    from ._stdlib import Bridge

Render = Callable[[Record], bytes]
_OWN_NAME = "hxp_logging"


@dataclass(frozen=True, slots=True)
class LoggingStatistics:
    """What became of the lines so far."""

    written: int
    lost: int


class Logging:
    """Everything that logs together.

    Args:
        options: What to write, and how.
        stream: Where to, unless `options.file` is given; standard error by default.
        clock: Seconds since 1970.

    Example:
        >>> logging = Logging(LoggingOptions(format="console"), stream=sys.stdout, clock=lambda: 0.0)
        >>> logging.get_logger("shop").info("opened", till=3)
        00:00:00.000 INFO     opened                           till=3 [shop]
    """

    def __init__(
        self,
        options: LoggingOptions | None = None,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        options = options or LoggingOptions()
        target = stream or sys.stderr
        terminal = options.file is None and _is_terminal(target)
        self._clock = clock
        self._second = (-1, "")
        self._secrets = Secrets()
        self._cleaner = Cleaner(options.redact_keys, self._secrets)
        self._door = Door(FileSink(options.file) if options.file is not None else stream_sink(target))
        self._json = JsonLine(options, self._cleaner, self._secrets)
        self._render: Render = self._json
        if options.format == "console" or (options.format == "auto" and terminal):
            self._render = ConsoleLine(self._secrets, colour=terminal and _wants_colour())
        self._level = level_number(options.level)
        self._levels: dict[str, int] = {}
        self._channels: dict[str, Channel] = {}
        self._bridge: Bridge | None = None

    def get_logger(self, name: str) -> Logger:
        """Return a logger; a dot in the name makes it a child."""
        return Logger(self.channel(name), {})

    def set_level(self, level: LevelName | str, logger: str | None = None) -> None:
        """Set the lowest level that is written.

        Args:
            level: Its name.
            logger: For this logger and its children only.

        Raises:
            ValueError: There is no such level.
        """
        number = level_number(level)
        if logger is None:
            self._level = number
        else:
            self._levels[logger] = number
        for channel in list(self._channels.values()):
            channel.threshold = self._threshold(channel.name)
        if self._bridge is not None:
            self._bridge.follow(number, logger)

    def register_secret(self, value: str) -> bool:
        """Never write this value again, wherever it turns up.

        Returns:
            Whether it will be hidden: a value of fewer than eight characters cannot be.
        """
        return self._secrets.register(value)

    def install_stdlib(self) -> Callable[[], None]:
        """Send the records of the standard library's `logging`, uvicorn's and warnings out the same door.

        Returns:
            A function that puts everything back.
        """
        from ._stdlib import Bridge  # noqa: PLC0415 - only programs that ask for it load `logging`

        if self._bridge is None:
            self._bridge = Bridge(self, self._level, self._levels)

        def undo() -> None:
            bridge, self._bridge = self._bridge, None
            if bridge is not None:
                bridge.remove()

        return undo

    def statistics(self) -> LoggingStatistics:
        """Count the lines that were written and lost."""
        return LoggingStatistics(written=self._door.written, lost=self._door.lost)

    def close(self) -> None:
        """Put the standard library back and close the file; a line that still comes opens it again."""
        if self._bridge is not None:
            self._bridge.remove()
            self._bridge = None
        self._door.close()

    def channel(self, name: str) -> Channel:
        """Return what the loggers of this name share."""
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels.setdefault(name, Channel(name, self))
            self.adopt(channel)
        return channel

    def adopt(self, channel: Channel) -> None:
        """Take over a channel, perhaps another's."""
        self._channels[channel.name] = channel
        channel.core = self
        channel.threshold = self._threshold(channel.name)

    def emit(self, channel: Channel, level: int, event: str, fields: dict[str, Any]) -> None:
        """Write what was said; nothing that goes wrong here reaches the program."""
        try:
            line = self._render(self._record(channel.name, level, event, fields))
        except Exception:  # noqa: BLE001 - the program's work matters more than this line
            self._door.count_loss()
            return
        healed = self._door.write(line)
        if healed:
            self._door.write(self._render(self._record(_OWN_NAME, WARNING, "log lines were lost", {"lost": healed})))

    def divert(self, sink: Sink, level: LevelName | str) -> Callable[[], None]:
        """Send JSON lines of at least this level somewhere else for a while; `hxp_logging.testing` uses it.

        Returns:
            A function that puts everything back.
        """
        before = (self._door, self._render, self._level, self._levels)
        self._door, self._render, self._levels = Door(sink), self._json, {}
        self.set_level(level)

        def undo() -> None:
            self._door, self._render, self._level, self._levels = before
            for channel in list(self._channels.values()):
                channel.threshold = self._threshold(channel.name)
            if self._bridge is not None:
                self._bridge.follow(self._level, None)

        return undo

    def _record(self, name: str, level: int, event: str, fields: dict[str, Any]) -> Record:
        context = CONTEXT.get()
        if context.fields:
            fields = {**context.fields, **fields}
        error = fields.pop("exc_info", None) if "exc_info" in fields else None
        cleaner = self._cleaner
        if not cleaner.is_clean(fields):
            fields = cleaner.clean(fields)
        if error is True:
            error = sys.exception()
        if isinstance(error, BaseException):
            fields = {**fields, **exception_fields(error, cleaner, self._secrets)}
        if type(event) is not str or len(event) > 8192:
            event = cleaner.text(str(event))
        return Record(self._stamp(), level, name, event, fields, context)

    def _stamp(self) -> str:
        """RFC 3339 with microseconds; the text of the second is made once a second."""
        now = self._clock()
        whole = int(now)
        second, text = self._second
        if whole != second:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
            self._second = (whole, text)
        return f"{text}.{int((now - whole) * 1_000_000):06d}Z"

    def _threshold(self, name: str) -> int:
        if not self._levels:
            return self._level
        while name:
            if name in self._levels:
                return self._levels[name]
            name = name.rpartition(".")[0]
        return self._level


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def _wants_colour() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

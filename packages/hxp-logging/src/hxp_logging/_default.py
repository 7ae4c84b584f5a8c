"""The process default: the one `Logging` that libraries and scripts share."""

from typing import Any

from ._logger import Channel, Logger
from ._logging import Logging
from ._options import LoggingOptions


class Default:
    """Holds the default and the loggers that were handed out, also those from before it was configured."""

    def __init__(self) -> None:
        self._logging: Logging | None = None
        self._channels: dict[str, Channel] = {}

    @property
    def logging(self) -> Logging:
        """The default; made on first use if nobody configured one."""
        if self._logging is None:
            self.install(Logging())
        assert self._logging is not None  # noqa: S101 - for the type checker
        return self._logging

    def install(self, logging: Logging) -> None:
        """Make this the default, and give it every logger of the one before, which is closed."""
        previous, self._logging = self._logging, logging
        for channel in list(self._channels.values()):
            logging.adopt(channel)
        if previous is not None:
            previous.close()

    def channel(self, name: str) -> Channel:
        """Return what the loggers of this name share."""
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels.setdefault(name, Channel(name, self))
            if self._logging is not None:
                self._logging.adopt(channel)
        return channel

    def adopt(self, channel: Channel) -> None:
        """Hand a channel that nobody has used yet to the default."""
        self.logging.adopt(channel)

    def emit(self, channel: Channel, level: int, event: str, fields: dict[str, Any]) -> None:
        """Write the first line of a channel that nobody has used yet."""
        self.adopt(channel)
        if channel.threshold <= level:
            channel.core.emit(channel, level, event, fields)


DEFAULT = Default()


def configure(options: LoggingOptions | None = None) -> Logging:
    """Install the process default; loggers that were handed out before follow."""
    logging = Logging(options)
    DEFAULT.install(logging)
    return logging


def get_logger(name: str) -> Logger:
    """Return a logger of the process default, whatever it is when the logger is used."""
    return Logger(DEFAULT.channel(name), {})

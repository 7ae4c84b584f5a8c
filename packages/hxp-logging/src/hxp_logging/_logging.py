"""The object behind the loggers: options, levels, secrets, and the ways out."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TextIO

from ._clean import Cleaner
from ._context import CONTEXT, Context
from ._gate import Gate, SharedLevels
from ._level import NAMES, WARNING, LevelName, level_number
from ._levels import LevelRule, Levels
from ._line import JsonLine
from ._logger import Channel, Logger
from ._options import LoggingOptions
from ._output import Outlet, Workshop, resource_of
from ._secret import Secrets
from ._sink import Door, Sink

if TYPE_CHECKING:
    from ._flight import Flight
    from ._level_change import LevelChange
    from ._shortcut import Shortcut
    from ._stdlib import Bridge

_OWN_NAME = "hxp_logging"
_LOST = "log lines were lost"


@dataclass(frozen=True, slots=True)
class LoggingStatistics:
    """What became of the lines so far.

    Attributes:
        written: Lines that left, or wait for it.
        lost: Lines that could not be made or written.
        left_out: Lines that sampling or collapsing left out.
    """

    written: int
    lost: int
    left_out: int = 0


class Logging:
    """Everything that logs together.

    Args:
        options: What to write, and how.
        stream: Where to, unless the options name a file or outputs; standard error by default.
        clock: Seconds since 1970.
        monotonic: Seconds, never set back; levels for a while end by it.

    Example:
        >>> import sys
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
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        options = options or LoggingOptions()
        self._clock = clock
        self._monotonic = monotonic
        self._recorder = options.recorder
        self.secrets = Secrets(shapes=options.redact_shapes, cards=options.redact_cards)
        self.cleaner = Cleaner(
            options.redact_keys,
            options.content_keys,
            self.secrets,
            by_words=options.hides_by_words,
            show_locals=options.exception_locals,
        )
        self._json = JsonLine(resource_of(options), self.cleaner, self.secrets)
        workshop = Workshop(options, stream, clock=clock, json=self._json, on_heal=self._tell_lost)
        self._gate = Gate(options, write=self._write, clock=clock, monotonic=monotonic)
        self._has_gate = self._is_many = self._is_special = False
        self._shortcut: Shortcut | None = None
        self._channels: dict[str, Channel] = {}
        self._bridge: Bridge | None = None
        self._levels = SharedLevels(
            Levels(level_number(options.level)),
            _level_file(options.levels_file),
            monotonic=monotonic,
            on_change=self._follow_levels,
        )
        self._use(workshop.outlets())
        if clock is time.time and monotonic is time.monotonic:  # others may count on every look at their clock
            self._shortcut = _shortcut(self._json, self._outlets[0])
        self._levels.refresh()
        self._follow_levels()

    def get_logger(self, name: str) -> Logger:
        """Return a logger; a dot in the name makes it a child."""
        return Logger(self.channel(name), {})

    def set_level(
        self,
        level: LevelName | str,
        logger: str | None = None,
        *,
        ttl: float | None = None,
        request_id: str | None = None,
        tenant: str | None = None,
    ) -> None:
        """Set the lowest level that is written, in all processes that share `LoggingOptions.levels_file`.

        Args:
            level: Its name.
            logger: For this logger and its children only.
            ttl: Seconds after which it falls back by itself.
            request_id: For the lines of this request only.
            tenant: For lines with this `tenant` bound to their context (`bind_context`) only.

        Raises:
            ValueError: There is no such level.
        """
        until = None if ttl is None else self._monotonic() + ttl
        rule = LevelRule(level=level_number(level), logger=logger, request_id=request_id, tenant=tenant, until=until)
        self._levels.change(lambda levels: levels.having(rule))

    def change_level(self, change: "LevelChange") -> dict[str, Any]:
        """Set a level or take it back: what stands behind `PUT /loggers`.

        Returns:
            What `describe_levels` tells afterwards.
        """
        if change.level is None:
            self._levels.change(
                lambda levels: levels.without(logger=change.logger, request_id=change.request_id, tenant=change.tenant)
            )
        else:
            self.set_level(
                change.level, change.logger, ttl=change.ttl, request_id=change.request_id, tenant=change.tenant
            )
        return self.describe_levels()

    def describe_levels(self) -> dict[str, Any]:
        """Tell which levels are in force, for a while or for ever: what stands behind `GET /loggers`."""
        self.refresh()
        levels = self._levels.now
        loggers = {name: NAMES[levels.lasting(name)] for name in sorted(self._channels)}
        return {**levels.describe(self._monotonic()), "loggers": loggers}

    def refresh(self) -> None:
        """Take over the levels that another process has set, if it is time to look for them.

        Every line that passes its level does this. A process that writes nothing for a long time may call it.
        """
        self._levels.refresh()

    def register_secret(self, value: str) -> bool:
        """Never write this value again, wherever it turns up: as it stands, escaped, in a URL or in base64.

        Returns:
            Whether it will be hidden: a value of fewer than eight characters cannot be.
        """
        return self.secrets.register(value)

    @contextmanager
    def flight(self, *, slow: float | None = None) -> Iterator["Flight"]:
        """Keep the lines below the level that the block says, and write them if it raises or is slow.

        Args:
            slow: Seconds from which on it is; what `LoggingOptions.recorder` says, unless given.
        """
        from ._flight import Flight  # noqa: PLC0415 - only for those who record

        flight = Flight(self._recorder.lines if self._recorder else 0)
        limit = slow if slow is not None or self._recorder is None else self._recorder.slow
        began = self._monotonic()
        token = CONTEXT.set(replace(CONTEXT.get(), flight=flight))
        try:
            yield flight
        except BaseException:
            flight.keep()
            raise
        finally:
            CONTEXT.reset(token)
            if flight.is_wanted or (limit is not None and self._monotonic() - began >= limit):
                for said in flight.lines:
                    self._write(*said)

    @property
    def has_recorder(self) -> bool:
        """Whether lines below the level are kept for requests that fail."""
        return self._recorder is not None

    def install_stdlib(self) -> Callable[[], None]:
        """Send the records of the standard library's `logging`, uvicorn's and warnings out the same door.

        Returns:
            A function that puts everything back.
        """
        from ._stdlib import Bridge  # noqa: PLC0415 - only programs that ask for it load `logging`

        if self._bridge is None:
            self._bridge = Bridge(self)
            self._bridge.follow(self._thresholds())

        def undo() -> None:
            bridge, self._bridge = self._bridge, None
            if bridge is not None:
                bridge.remove()

        return undo

    def install_hooks(self) -> Callable[[], None]:
        """Log what nobody catches, lose nothing on SIGTERM, and open files again on SIGHUP.

        Handlers that are there already are called afterwards. Signals can only be handled from the main thread.

        Returns:
            A function that puts everything back.
        """
        from ._hook import Hooks  # noqa: PLC0415 - only for programs that ask for it

        return Hooks(self).remove

    def statistics(self) -> LoggingStatistics:
        """Count the lines that were written, lost and left out."""
        doors = [outlet.door for outlet in self._outlets]
        return LoggingStatistics(
            written=sum(door.written for door in doors),
            lost=sum(door.lost for door in doors),
            left_out=self._gate.left_out,
        )

    def flush(self, timeout: float = 5.0) -> None:
        """Tell what was left out, and wait until every line has left, at most so many seconds for each output."""
        self._gate.tell(self._monotonic(), force=True)
        for outlet in self._outlets:
            outlet.door.sink.flush(timeout)

    def reopen(self) -> None:
        """Open files again before the next line; for external log rotation, and safe in a signal handler."""
        for outlet in self._outlets:
            outlet.door.sink.reopen()

    def close(self) -> None:
        """Put the standard library back, write what waits, and close; a line that still comes opens things again."""
        if self._bridge is not None:
            self._bridge.remove()
            self._bridge = None
        self.flush()
        for outlet in self._outlets:
            outlet.door.sink.close()

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
        self._equip(channel)

    def emit(self, channel: Channel, level: int, event: str, fields: dict[str, Any]) -> None:
        """Write what was said, if nothing but its level decides; nothing that goes wrong here reaches the program."""
        door = self._door
        try:
            context = CONTEXT.get()
            if self._is_special:
                self._emit_slowly(channel.name, level, event, fields, context)
                return
            if context.fields:
                fields = {**context.fields, **fields}
            line = self._render(self._clock(), level, channel.name, event, fields, context)
            door.write_unguarded(line, level)
        except Exception:  # noqa: BLE001 - the program's work matters more than this line
            door.count_loss()
            return
        door.written += 1  # no call in between, so under the interpreter's lock no other thread either
        if door.unsaid:
            self._tell_lost(door, door.take_unsaid())

    def divert(self, sink: Sink, level: LevelName | str) -> Callable[[], None]:
        """Send JSON lines of at least this level somewhere else for a while; `hxp_logging.testing` uses it.

        Returns:
            A function that puts everything back.
        """
        before = (self._outlets, self._levels)
        self._use((Outlet(self._json, Door(sink)),))
        self._levels = SharedLevels(
            Levels(level_number(level)), None, monotonic=self._monotonic, on_change=self._follow_levels
        )
        self._follow_levels()

        def undo() -> None:
            outlets, self._levels = before
            self._use(outlets)
            self._follow_levels()

        return undo

    def _use(self, outlets: tuple[Outlet, ...]) -> None:
        self._outlets = outlets
        self._render = outlets[0].render
        self._door = outlets[0].door
        self._is_many = len(outlets) > 1 or outlets[0].level > min(NAMES)

    def _emit_slowly(self, name: str, level: int, event: str, fields: dict[str, Any], context: Context) -> None:
        """Write what was said, where more than a level decides or where there are several outputs."""
        if self._has_gate:
            self._levels.refresh()
            if not self._gate.admit(self._levels.now, name, level, event, fields):
                return
        self._write(self._clock(), level, name, event, fields, context)

    def _write(self, now: float, level: int, logger: str, event: str, fields: dict[str, Any], context: Context) -> None:
        """Write a line about which everything is decided."""
        if context.fields:
            fields = {**context.fields, **fields}
        self._write_everywhere(now, level, logger, event, fields, context)

    def _write_everywhere(
        self, now: float, level: int, logger: str, event: str, fields: dict[str, Any], context: Context
    ) -> None:
        for outlet in self._outlets:
            if level < outlet.level:
                continue
            try:
                outlet.door.write_unguarded(outlet.render(now, level, logger, event, fields, context), level)
            except Exception:  # noqa: BLE001 - one output that fails leaves the others alone
                outlet.door.count_loss()
                continue
            outlet.door.written += 1
            if outlet.door.unsaid:
                self._tell_lost(outlet.door, outlet.door.take_unsaid())

    def _tell_lost(self, door: Door, lost: int) -> None:
        """Say through a door that healed what it lost."""
        for outlet in self._outlets:
            if outlet.door is door:
                line = outlet.render(self._clock(), WARNING, _OWN_NAME, _LOST, {"lost": lost}, CONTEXT.get())
                try:
                    door.write_unguarded(line, WARNING)
                    door.written += 1
                except Exception:  # noqa: BLE001 - it was not healed after all
                    door.count_loss()
                    door.unsaid += lost

    def _follow_levels(self) -> None:
        """Let every logger know, and the standard library."""
        self._has_gate = self._gate.is_needed or not self._levels.are_plain
        self._is_special = self._has_gate or self._is_many
        for channel in list(self._channels.values()):
            self._equip(channel)
        if self._bridge is not None:
            self._bridge.follow(self._thresholds())

    def _equip(self, channel: Channel) -> None:
        """Let a channel's lines take the short way, as long as nothing but its level decides about them.

        It leaves one line in a tenth of a second to the long way, which looks for levels that others have set.
        """
        shortcut = self._shortcut
        levels_decide = self._levels.now.is_plain and not self._gate.is_needed and not self._is_many
        is_short = shortcut is not None and shortcut.door is self._door and levels_decide
        channel.follow(self, self._threshold(channel.name), shortcut.way if shortcut and is_short else None)

    def _threshold(self, name: str) -> int:
        return self._gate.lowest(self._levels.now.lowest(name))

    def _thresholds(self) -> dict[str, int]:
        """The lowest level that may be written for each logger with a rule of its own; "" is for the others."""
        names = {"", *(rule.logger for rule in self._levels.now.rules if rule.logger is not None)}
        return {name: self._threshold(name) for name in names}


def _level_file(path: str | None) -> Any:
    if path is None:
        return None
    from ._level_file import LevelFile  # noqa: PLC0415 - only for services with several processes

    return LevelFile(path)


def _shortcut(json: JsonLine, outlet: Outlet) -> "Shortcut | None":
    if outlet.render is not json:
        return None
    from ._shortcut import Shortcut  # noqa: PLC0415 - not for those whose lines people read

    return Shortcut(json, outlet.door, file=outlet.file)

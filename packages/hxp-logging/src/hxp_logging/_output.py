"""One way for lines to leave: a format, a lowest level, and a door."""

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TextIO

from ._level import DEBUG, level_number
from ._line import JsonLine
from ._options import Background, FileOutput, LoggingOptions, OtlpOutput, Output, StreamOutput, SyslogOutput
from ._sink import Door, Sink, stream_sink

if TYPE_CHECKING:
    from ._context import Context
    from ._file import FileSink

_RESOURCE = {
    "service.name": "service",
    "service.version": "version",
    "service.instance.id": "instance",
    "deployment.environment.name": "environment",
}


class Render(Protocol):
    """Makes a line of what was said."""

    def __call__(
        self, now: float, level: int, logger: str, event: str, fields: dict[str, Any], context: "Context", /
    ) -> bytes:
        """Return the line, with its line break."""


class Outlet(NamedTuple):
    """One way out, ready for lines.

    Attributes:
        file: What is behind the door, if that is a file which lines go to directly.
    """

    render: Render
    door: Door
    level: int = DEBUG
    file: "FileSink | None" = None


class Workshop:
    """What all outlets of one `Logging` are made with.

    Args:
        stream: Where lines go if the options name nothing else.
        clock: Seconds since 1970.
        json: The renderer of JSON lines.
        on_heal: Told how many lines a background writer lost, once it takes lines again.
    """

    def __init__(
        self,
        options: LoggingOptions,
        stream: TextIO | None,
        *,
        clock: Callable[[], float],
        json: JsonLine,
        on_heal: Callable[[Door, int], None],
    ) -> None:
        self.options = options
        self.stream = stream
        self.clock = clock
        self.json = json
        self.on_heal = on_heal

    def outlets(self) -> tuple[Outlet, ...]:
        """Make every outlet that the options name."""
        options = self.options
        if options.outputs:
            return tuple(self._make(output) for output in options.outputs)
        if options.file is not None:
            return (self._make(FileOutput(path=options.file, rotation=options.rotation, format=options.format)),)
        return (self._to_stream(self.stream or sys.stderr, StreamOutput(format=options.format)),)

    def _make(self, output: Output) -> Outlet:
        if isinstance(output, StreamOutput):
            return self._to_stream(sys.stdout if output.stream == "stdout" else sys.stderr, output)
        level = level_number(output.level)
        if isinstance(output, FileOutput):
            from ._file import FileSink  # noqa: PLC0415 - each sink is loaded by those who use it

            file = FileSink(output.path, output.rotation, clock=self.clock)
            direct = file if output.background is None else None
            return Outlet(self._render(output.format), self._door(file, output.background), level, direct)
        if isinstance(output, SyslogOutput):
            from ._syslog import SyslogSink  # noqa: PLC0415

            syslog = SyslogSink(output.address, facility=output.facility, app_name=output.app_name, clock=self.clock)
            return Outlet(self._render(output.format), self._door(syslog, output.background), level)
        return self._to_collector(output, level)

    def _to_collector(self, output: OtlpOutput, level: int) -> Outlet:
        from .otel import OtlpSink  # noqa: PLC0415

        sink = OtlpSink.to(output.endpoint, resource=resource_of(self.options), interval=output.interval)
        return Outlet(self.json, Door(sink), level)

    def _to_stream(self, stream: TextIO, output: StreamOutput) -> Outlet:
        render = self._render(output.format, terminal=_is_terminal(stream))
        return Outlet(render, self._door(stream_sink(stream), output.background), level_number(output.level))

    def _render(self, style: str, *, terminal: bool = False) -> Render:
        if style == "console" or (style == "auto" and terminal):
            from ._console import ConsoleLine  # noqa: PLC0415 - for programs whose lines people read

            return ConsoleLine(self.json.cleaner, self.json.secrets, colour=terminal and _wants_colour())
        if style == "ecs":
            from ._ecs import EcsLine  # noqa: PLC0415

            return EcsLine(resource_of(self.options), self.json.cleaner, self.json.secrets)
        return self.json

    def _door(self, sink: Sink, background: Background | None) -> Door:
        if background is None:
            return Door(sink)
        from ._writer import BackgroundWriter  # noqa: PLC0415

        door = Door(sink)
        writer = BackgroundWriter(
            sink,
            capacity=background.capacity,
            flush_timeout=background.flush_timeout,
            on_loss=door.count_late_loss,
            on_heal=partial(self.on_heal, door),
        )
        door.sink, door.write_unguarded = writer, writer.write
        return door


def resource_of(options: LoggingOptions) -> dict[str, str]:
    """What the options say about the service, under OpenTelemetry's names."""
    values = {name: getattr(options, option) for name, option in _RESOURCE.items()}
    return {name: value for name, value in values.items() if value is not None}


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def _wants_colour() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

"""What a `Logging` is told when it is made: frozen, and simple enough for any configuration to fill.

What cannot be meant is refused here, with a ValueError, and not found out from lines that are missing.
"""

from dataclasses import dataclass
from typing import Any, Literal

from ._level import level_number

Format = Literal["auto", "console", "ecs", "json"]
_FORMATS = ("auto", "console", "ecs", "json")

REDACT_KEYS = frozenset(
    {
        "access_token",
        "api_key",
        "apikey",
        "authorization",
        "client_secret",
        "cookie",
        "credentials",
        "passwd",
        "password",
        "pepper",
        "private_key",
        "proxy_authorization",
        "refresh_token",
        "secret",
        "session_token",
        "set_cookie",
        "token",
        "x_api_key",
    }
)
CONTENT_KEYS = frozenset(
    {
        "completion",
        "completions",
        "gen_ai.completion",
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.prompt",
        "gen_ai.system_instructions",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
        "messages",
        "prompt",
        "prompts",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """When a file is put aside, and how long what was put aside is kept.

    Attributes:
        size: Bytes after which a new file begins; another process's lines count from the next look on (0.1 s).
        every: A new file also begins at each UTC `hour` or `day`, or each so many seconds since 1970.
        keep: Files put aside that are kept, at most.
        keep_for: Seconds since the last line of a file put aside.
        keep_bytes: Bytes of all files put aside together, at most.
        compress: With gzip, in a thread of its own, and never a file that another process still holds.
    """

    size: int | None = 100_000_000
    every: Literal["hour", "day"] | float | None = None
    keep: int | None = 10
    keep_for: float | None = None
    keep_bytes: int | None = None
    compress: bool = True

    def __post_init__(self) -> None:
        _at_least("size", self.size, 1)
        if self.every not in {None, "hour", "day"} and not (_is_number(self.every) and self.every > 0):  # type: ignore[operator]  # a number
            raise ValueError(f"every is 'hour', 'day' or a number of seconds, not {self.every!r}")
        for name in ("keep", "keep_for", "keep_bytes"):
            _at_least(name, getattr(self, name), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """Lines leave from a thread of their own; for sinks that may block.

    Attributes:
        capacity: Lines that may wait; beyond it the lowest levels are dropped first, and counted.
        flush_timeout: Seconds that closing, exit and SIGTERM wait for what is still there.
    """

    capacity: int = 10_000
    flush_timeout: float = 5.0

    def __post_init__(self) -> None:
        _at_least("capacity", self.capacity, 1)
        _at_least("flush_timeout", self.flush_timeout, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOutput:
    """Standard output or standard error."""

    stream: Literal["stderr", "stdout"] = "stderr"
    format: Format = "auto"
    level: str = "DEBUG"
    background: Background | None = None

    def __post_init__(self) -> None:
        _one_of("stream", self.stream, ("stderr", "stdout"))
        _one_of("format", self.format, _FORMATS)
        level_number(self.level)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutput:
    """A file, for one process or many."""

    path: str
    format: Format = "json"
    level: str = "DEBUG"
    rotation: Rotation | None = None
    background: Background | None = None

    def __post_init__(self) -> None:
        _one_of("format", self.format, _FORMATS)
        level_number(self.level)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyslogOutput:
    """A syslog server (RFC 5424).

    Attributes:
        address: A unix socket's path, `udp://host:port` or `tcp://host:port` (octet counting, RFC 6587).
        facility: 16 is local0.
    """

    address: str = "/dev/log"
    facility: int = 16
    app_name: str = "-"
    format: Format = "json"
    level: str = "DEBUG"
    background: Background | None = None

    def __post_init__(self) -> None:
        if "://" in self.address and not self.address.startswith(("udp://", "tcp://")):
            raise ValueError(f"address is a path, udp://host:port or tcp://host:port, not {self.address!r}")
        _one_of("facility", self.facility, range(24))
        _one_of("format", self.format, _FORMATS)
        level_number(self.level)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpOutput:
    """An OpenTelemetry collector, over OTLP/HTTP; needs the extra `otel`.

    Attributes:
        endpoint: Such as `http://127.0.0.1:4318/v1/logs`; what the OTEL_EXPORTER_OTLP_ variables say, unless given.
        interval: Seconds between two batches.
    """

    endpoint: str | None = None
    interval: float = 1.0
    level: str = "DEBUG"

    def __post_init__(self) -> None:
        _at_least("interval", self.interval, 0.001)
        level_number(self.level)


Output = FileOutput | OtlpOutput | StreamOutput | SyslogOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Of equal lines (same logger, level and event): the first few a second, then one in many.

    Attributes:
        first: Lines a second that are all written.
        then_one_in: Of the others, one in so many; 0 for none.
        up_to: The highest level that is sampled.
    """

    first: int = 100
    then_one_in: int = 100
    up_to: str = "INFO"

    def __post_init__(self) -> None:
        _at_least("first", self.first, 0)
        _at_least("then_one_in", self.then_one_in, 0)
        level_number(self.up_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightRecorder:
    """Lines below the level are kept per request, and written only if it fails or is slow.

    Attributes:
        lines: Kept per request; the newest.
        level: The lowest level that is kept.
        slow: Seconds from which on a request is slow; None if it never is.
    """

    lines: int = 200
    level: str = "DEBUG"
    slow: float | None = None

    def __post_init__(self) -> None:
        _at_least("lines", self.lines, 1)
        _at_least("slow", self.slow, 0)
        level_number(self.level)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggingOptions:
    """How to log.

    Attributes:
        level: The lowest level that is written.
        format: `json` for machines (OpenTelemetry's names), `ecs` for Elastic, `console` for people; `auto` is
            `console` on a terminal, and `json` elsewhere.
        service: `service.name` on every line, and so on for `version`, `instance` and `environment`.
        file: A file to append to, instead of the stream.
        rotation: When that file is put aside.
        outputs: Where lines go; replaces `file`, `format` and the stream.
        redact_keys: Fields whose value is never written, whatever their case, with `-` and `_` alike.
        content_keys: The same for what people write to a model, and it to them; empty to log prompts.
        redact_words: Whether fields are hidden whose names tell of a secret by their words: `db_password`, `hfToken`;
            unless given, where `redact_keys` is left as it is.
        redact_shapes: Whether API keys, tokens and passwords in URLs are hidden by how they look.
        redact_cards: Whether card numbers are.
        exception_locals: Whether exceptions are told with the values of local variables.
        levels_file: Levels set at run time are written here, and followed by every process that names it.
        sampling: What is left out when a line comes too often.
        collapse: Seconds in which equal lines become one, and "repeated N times"; 0 for never.
        recorder: What is kept for requests that fail.
    """

    level: str = "INFO"
    format: Format = "auto"
    service: str | None = None
    version: str | None = None
    instance: str | None = None
    environment: str | None = None
    file: str | None = None
    rotation: Rotation | None = None
    outputs: tuple[Output, ...] = ()
    redact_keys: frozenset[str] = REDACT_KEYS
    content_keys: frozenset[str] = CONTENT_KEYS
    redact_words: bool | None = None
    redact_shapes: bool = True
    redact_cards: bool = False
    exception_locals: bool = False
    levels_file: str | None = None
    sampling: Sampling | None = None
    collapse: float = 0.0
    recorder: FlightRecorder | None = None

    def __post_init__(self) -> None:
        _one_of("format", self.format, _FORMATS)
        _at_least("collapse", self.collapse, 0)
        level_number(self.level)

    @property
    def hides_by_words(self) -> bool:
        """Whether the words of a name are looked at: who chooses the names alone gets those alone."""
        return self.redact_keys is REDACT_KEYS if self.redact_words is None else self.redact_words


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _at_least(name: str, value: Any, least: float) -> None:
    if value is not None and not (_is_number(value) and value >= least):
        raise ValueError(f"{name} is a number of at least {least}, not {value!r}")


def _one_of(name: str, value: object, values: Any) -> None:
    if value not in values:
        raise ValueError(f"{name} is one of {', '.join(map(str, values))}, not {value!r}")

"""What a `Logging` is told when it is made: frozen, and simple enough for any configuration to fill."""

from dataclasses import dataclass
from typing import Literal

Format = Literal["auto", "console", "ecs", "json"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """Lines leave from a thread of their own; for sinks that may block.

    Attributes:
        capacity: Lines that may wait; beyond it the lowest levels are dropped first, and counted.
        flush_timeout: Seconds that closing, exit and SIGTERM wait for what is still there.
    """

    capacity: int = 10_000
    flush_timeout: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOutput:
    """Standard output or standard error."""

    stream: Literal["stderr", "stdout"] = "stderr"
    format: Format = "auto"
    level: str = "DEBUG"
    background: Background | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutput:
    """A file, for one process or many."""

    path: str
    format: Format = "json"
    level: str = "DEBUG"
    rotation: Rotation | None = None
    background: Background | None = None


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
    redact_shapes: bool = True
    redact_cards: bool = False
    exception_locals: bool = False
    levels_file: str | None = None
    sampling: Sampling | None = None
    collapse: float = 0.0
    recorder: FlightRecorder | None = None

"""Read what was logged: files and what was put aside of them, filtered, followed, and made pleasant to read.

Example:
    >>> from hxp_logging.reader import Query, read_files
    >>> for line in read_files("/var/log/none-here.log", Query(level="ERROR", logger="hxp")):
    ...     print(line.pretty())
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from os import SEEK_END, fstat
from pathlib import Path
from typing import IO, Any, cast

from orjson import JSONDecodeError, dumps, loads

from ._clean import Cleaner
from ._console import ConsoleLine
from ._context import Context
from ._correlation import TraceContext
from ._level import NAMES, level_number
from ._rotation import aside_number
from ._secret import Secrets

__all__ = ["Line", "Query", "follow_files", "parse_line", "parse_since", "read_files"]

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_MAX_LINE = 1 << 22
_LATE_LOOKS = 5
_NOTHING_HIDDEN = Secrets(shapes=False)  # the writer has seen to that
_ECS_IDS = {"request_id": "http.request.id", "trace_id": "trace.id", "span_id": "span.id"}
_LEVELS = {name: number for number, name in NAMES.items()} | {"WARN": 30, "FATAL": 50}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log.

    Attributes:
        raw: As it stands in the file, without its line break.
        told: What it holds, under the names of our JSON lines; None if it is no JSON line.
    """

    raw: str
    told: dict[str, Any] | None = None

    @property
    def level(self) -> int:
        """Its level as a number; 0 if it has none."""
        return _LEVELS.get(str((self.told or {}).get("severity_text")).upper(), 0)

    @property
    def stamp(self) -> str:
        """Its time, RFC 3339 UTC; empty if it has none."""
        return str((self.told or {}).get("timestamp", ""))

    @property
    def said(self) -> str:
        """Its event and fields as one text; the whole of a line that is not JSON."""
        if self.told is None:
            return self.raw
        return f"{self.told.get('body', '')} {dumps(self.told.get('attributes', {})).decode()}"

    def pretty(self, *, colour: bool = False) -> str:
        """Return it as a line for people, with its traceback beneath it; a line that is not JSON as it stands."""
        told = self.told
        if told is None or not self.level:
            return _written_out(self.raw)
        trace = None
        if isinstance(told.get("trace_id"), str) and isinstance(told.get("span_id"), str):
            trace = TraceContext(told["trace_id"], told["span_id"])
        attributes = told.get("attributes")
        render = ConsoleLine(Cleaner((), (), _NOTHING_HIDDEN), _NOTHING_HIDDEN, colour=colour)
        line = render(
            _seconds(self.stamp),
            self.level,
            str(told.get("logger", "")),
            str(told.get("body", "")),
            dict(attributes) if isinstance(attributes, dict) else {},
            Context(request_id=told.get("request_id"), trace=trace),
        )
        return line.decode().rstrip("\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which lines are wanted; all that is given must fit.

    Attributes:
        level: The lowest.
        logger: This one and its children.
        request_id: Of this request.
        since: The first moment; see `parse_since`.
        text: Somewhere in its event or fields, whatever its case.
    """

    level: str | None = None
    logger: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        if self.level is not None:
            level_number(self.level)

    def fits(self, line: Line) -> bool:
        """Tell whether a line is wanted; one that is not JSON only where nothing but its text counts."""
        if self.text is not None and self.text.casefold() not in line.said.casefold():
            return False
        if (self.level, self.logger, self.request_id, self.since) == (None, None, None, None):
            return True
        if line.told is None:
            return False
        logger = str(line.told.get("logger", ""))
        return (
            (self.level is None or line.level >= level_number(self.level))
            and (self.logger is None or logger == self.logger or logger.startswith(f"{self.logger}."))
            and (self.request_id is None or line.told.get("request_id") == self.request_id)
            and (self.since is None or line.stamp >= self.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
        )


def read_files(path: str | Path, query: Query | None = None, *, with_aside: bool = True) -> Iterator[Line]:
    """Yield the wanted lines of a log file, the oldest first, beginning with the files that were put aside.

    Args:
        path: The log file; it need not exist.
        query: What is wanted; everything, unless given.
        with_aside: Whether files that were put aside (`app.log.000001`, and `.gz`) are read too.
    """
    path, query = Path(path), query or Query()
    for file in [*(_aside(path) if with_aside else ()), path]:
        try:
            opened = _open(file)
        except FileNotFoundError:  # put aside or removed in between
            continue
        with opened as stream:
            yield from (line for line in _lines(stream) if query.fits(line))


def follow_files(
    path: str | Path,
    query: Query | None = None,
    *,
    sleep: Callable[[float], None] = time.sleep,
    interval: float = 0.2,
) -> Iterator[Line | None]:
    """Yield the wanted lines that are appended from now on, across rotations; None whenever there is nothing new.

    It ends when nobody asks for more.

    Args:
        path: The log file; it need not exist yet.
        query: What is wanted; everything, unless given.
        sleep: Waits between two looks.
        interval: Seconds between two looks.
    """
    path, query = Path(path), query or Query()
    tail = _Tail(path)
    try:
        while True:
            lines = tail.news()
            yield from (line for line in lines if query.fits(line))
            if not lines:
                yield None
                sleep(interval)
    finally:
        tail.close()


def parse_line(raw: bytes) -> Line:
    """Read one line, in our JSON or in ECS; anything else is kept as it stands."""
    text = raw.decode("utf-8", "replace").rstrip("\r\n")
    try:
        told = loads(raw)
    except JSONDecodeError:
        return Line(text)
    if not isinstance(told, dict):
        return Line(text)
    return Line(text, _from_ecs(told) if "@timestamp" in told else told)


def parse_since(text: str, *, now: datetime) -> datetime:
    """Read a moment: how long ago it was (`90s`, `15m`, `2h`, `7d`), or its ISO 8601 date and time (UTC).

    Raises:
        ValueError: It is neither.
    """
    if text[-1:] in _UNITS and text[:-1].replace(".", "", 1).isdecimal():
        return now - timedelta(**{_UNITS[text[-1]]: float(text[:-1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no moment: use 90s, 15m, 2h, 7d, or 2026-11-23T12:00:00") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _aside(path: Path) -> list[Path]:
    """List what was put aside, the oldest first; a file that is there twice only as its finished `.gz`."""
    found: dict[int, Path] = {}
    for file in sorted(path.parent.glob(f"{path.name}.*")):  # `.000001` comes before `.000001.gz`
        number = aside_number(path.name, file.name)
        if number is not None:
            found[number] = file
    return [found[number] for number in sorted(found)]


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        import gzip  # noqa: PLC0415 - only where something was compressed

        return cast("IO[bytes]", gzip.open(path, "rb"))
    return path.open("rb")


def _lines(stream: IO[bytes]) -> Iterator[Line]:
    while raw := stream.readline(_MAX_LINE):
        yield parse_line(raw)


class _Tail:
    """The end of a file that grows, is put aside, and begins anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""
        self._before: IO[bytes] | None = None
        self._looks = 0
        self._open()
        if self._stream is not None:
            self._stream.seek(0, SEEK_END)

    def news(self) -> list[Line]:
        """Return the whole lines that came since the last time."""
        lines = self._late_lines()
        changed = _inode(self._path) != self._inode
        lines += self._read()
        if changed:
            if self._stream is not None:
                self._leave(self._stream)
            self._open()
            lines += self._read()
        elif self._stream is not None and fstat(self._stream.fileno()).st_size < self._stream.tell():
            self._stream.seek(0)  # it was cut
            lines += self._read()
        return lines

    def close(self) -> None:
        """Close what is open."""
        for stream in (self._before, self._stream):
            if stream is not None:
                stream.close()

    def _leave(self, stream: IO[bytes]) -> None:
        if self._before is not None:
            self._before.close()
        self._before, self._looks = stream, _LATE_LOOKS

    def _late_lines(self) -> list[Line]:
        """Another process may write to a file for a moment after it was put aside."""
        if self._before is None:
            return []
        lines = [parse_line(raw) for raw in self._before.read().split(b"\n") if raw]
        self._looks -= not lines
        if self._looks == 0:
            self._before.close()
            self._before = None
        return lines

    def _read(self) -> list[Line]:
        if self._stream is None:
            return []
        *whole, self._rest = (self._rest + self._stream.read()).split(b"\n")
        return [parse_line(raw) for raw in whole]

    def _open(self) -> None:
        self._inode: int | None = None
        self._stream: IO[bytes] | None = None
        self._rest = b""
        with suppress(FileNotFoundError):
            self._stream = self._path.open("rb")
            self._inode = fstat(self._stream.fileno()).st_ino


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _from_ecs(told: dict[str, Any]) -> dict[str, Any]:
    names = {"error.type": "type", "error.message": "message", "error.stack_trace": "stacktrace"}
    labels = told.get("labels", {})
    errors = {f"exception.{new}": told[name] for name, new in names.items() if name in told}
    return {
        "timestamp": told["@timestamp"],
        "severity_text": str(told.get("log.level", "")).upper(),
        "logger": told.get("log.logger", ""),
        "body": told.get("message", ""),
        "attributes": {**(labels if isinstance(labels, dict) else {"labels": labels}), **errors},
        **{ours: told[theirs] for ours, theirs in _ECS_IDS.items() if theirs in told},
    }


def _seconds(stamp: str) -> float:
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _written_out(text: str) -> str:
    """A line of somebody else may hold anything; its escapes must not reach the terminal."""
    return text if text.isprintable() else dumps(text).decode()[1:-1].replace("\x7f", "\\u007f")

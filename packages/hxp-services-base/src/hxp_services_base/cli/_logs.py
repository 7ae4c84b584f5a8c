"""`hxp logs`: what the services of this stack wrote, filtered, followed, and pleasant to read."""

from __future__ import annotations

import sys
import time
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from hxp_logging.reader import Query, follow_files, parse_since, read_files

from ..commands import Argument, CommandError, Option
from ..orchestration import STATE_DIR

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hxp_logging.reader import Line

_POLL = 0.2


def logs(
    service: Annotated[str | None, Argument(help="One service; all of them unless given.")] = None,
    *,
    follow: Annotated[bool, Option("-f", "--follow", help="Wait for more.")] = False,
    lines: Annotated[int, Option("-n", "--lines", help="Lines from the end to begin with.")] = 50,
    level: Annotated[str | None, Option("--level", help="The lowest: ERROR, or hxp.door=DEBUG for one logger.")] = None,
    request: Annotated[str | None, Option("--request", help="Lines of the request with this id.")] = None,
    since: Annotated[str | None, Option("--since", help="90s, 15m, 2h, 7d, or 2026-11-23T12:00.")] = None,
    text: Annotated[str | None, Option("--text", help="Somewhere in the line, whatever its case.")] = None,
) -> None:
    """Print what the services of this stack wrote; level, request and since look at JSON lines only."""
    query = _query(level=level, request=request, since=since, text=text)
    files = _files(STATE_DIR / "log", service)
    printer = _Printer(prefixed=len({name for name, _ in files}) > 1)
    tails = [(name, follow_files(path, query, interval=0)) for name, path in files] if follow else []
    for _, tail in tails:
        next(tail)  # which notes where the file ends now
    for name, path in files:
        for line in deque(read_files(path, query), maxlen=max(0, lines)):
            printer.print(name, line)
    try:
        while follow:
            _pass_on(tails, printer)
    except KeyboardInterrupt:
        return


def _pass_on(tails: list[tuple[str, Iterator[Line | None]]], printer: _Printer) -> None:
    """Print what is new in every file, then wait a moment."""
    for name, tail in tails:
        while (line := next(tail)) is not None:
            printer.print(name, line)
    sys.stdout.flush()
    time.sleep(_POLL)


class _Printer:
    def __init__(self, *, prefixed: bool) -> None:
        self._prefixed = prefixed
        self._colour = sys.stdout.isatty()

    def print(self, name: str, line: Line) -> None:
        text = line.pretty(colour=self._colour)
        print(f"{name:<10} {text}" if self._prefixed else text)


def _query(*, level: str | None, request: str | None, since: str | None, text: str | None) -> Query:
    logger, equals, name = (level or "").rpartition("=")
    try:
        moment = parse_since(since, now=datetime.now(UTC)) if since is not None else None
        return Query(level=name or None, logger=logger if equals else None, request_id=request, since=moment, text=text)
    except ValueError as error:
        raise CommandError(str(error)) from error


def _files(folder: Path, service: str | None) -> list[tuple[str, Path]]:
    """The log of each service, and before it what its process wrote past it: uncaught errors, C libraries."""
    names = {path.stem for suffix in ("log", "out") for path in folder.glob(f"*.{suffix}")}
    if service is not None and service not in names:
        known = ", ".join(sorted(names)) or "none yet"
        raise CommandError(f"there is no log of {service!r} in {folder} (there are: {known})")
    wanted = sorted(names) if service is None else [service]
    return [(name, folder / f"{name}.{suffix}") for name in wanted for suffix in ("out", "log")]

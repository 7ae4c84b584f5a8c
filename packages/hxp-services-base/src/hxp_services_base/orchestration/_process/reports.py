"""The pipe on which a child reports its states, from both ends; neither end can harm the other."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from pydantic import ValidationError

from .._order import Report

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_REASON = 1000
_LONGEST_LINE = 65_536


class Reporter:
    """The child's end. A parent that is gone is not an error, and one that does not read does not stop the child.

    Args:
        descriptor: The pipe.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._newest = b""
        os.set_blocking(descriptor, False)

    def send(self, report: Report) -> None:
        """Send `report`; while the pipe is full only the newest waits, and goes out before the next one."""
        cut = report.model_copy(update={"reason": report.reason[:_LONGEST_REASON]})
        waiting, self._newest = self._newest, cut.model_dump_json().encode() + b"\n"
        for line in (waiting, self._newest):
            if line and not self._write(line):
                return
        self._newest = b""

    def _write(self, line: bytes) -> bool:
        try:
            # In one piece or not at all, since a line is shorter than PIPE_BUF; see pipe(7).
            os.write(self._descriptor, line)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True


async def read_reports(descriptor: int, *, on_report: Callable[[Report], None], tell: Callable[[str], None]) -> None:
    """Pass the child's reports on until its end of the pipe closes; a bad line costs that line alone.

    Args:
        descriptor: The parent's end; it is closed in the end.
        on_report: Called with each report.
        tell: Called with a sentence when a line cannot be read or passed on.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
    )
    rest = b""
    try:
        while chunk := await reader.read(_LONGEST_LINE):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                _pass_on(line, on_report, tell)
            if len(rest) > _LONGEST_LINE:
                tell("a report without an end was left out")
                rest = b""
    finally:
        transport.close()


def _pass_on(line: bytes, on_report: Callable[[Report], None], tell: Callable[[str], None]) -> None:
    try:
        report = Report.model_validate_json(line)
    except ValidationError:
        tell(f"a report that cannot be read was left out: {line[:200]!r}")
        return
    try:
        on_report(report)
    except Exception as error:  # noqa: BLE001 - what is made of a report must not end the reading of the others
        tell(f"a report was left out: {error!r}")

"""Judges from outside whether a service still makes progress; a slow machine is not a hung service."""

from __future__ import annotations

import asyncio
import json
import re
import time
from enum import Enum, auto
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hxp_schemas.deployment import Watch

    from ._process.usage import Usage

_SLACK = 0.25
"""Seconds by which the watcher itself may be late before it is taken for a sign of a slow machine."""
_LONGEST_ANSWER = 65_536


class Verdict(Enum):
    """What to make of a service."""

    ALIVE = auto()
    SILENT = auto()
    HUNG = auto()


class CannotAskError(RuntimeError):
    """The watcher could not ask, for a reason of its own; that says nothing about the service."""


class Liveness:
    """Adds up for how long a service has shown no progress; takes `now`, holds no clock.

    Two times are kept since the last good answer: all of it, and the part in which the process did nothing, neither
    using a processor nor waiting for one nor for a disk. The first may grow to `busy`, the second to `silent`.

    Args:
        watch: The limits.
        now: Seconds of the caller's clock.
    """

    def __init__(self, watch: Watch, *, now: float) -> None:
        self._watch = watch
        self._now = now
        self._usage: Usage | None = None
        self._idle = 0.0
        self._total = 0.0
        self._problem = ""

    @property
    def reason(self) -> str:
        """What is wrong and for how long, in words."""
        return f"{self._problem} for {self._total:.0f} s"

    def answered(self, problem: str | None, *, now: float, usage: Usage | None = None, late: float = 0.0) -> Verdict:
        """Take the outcome of a question.

        Args:
            problem: What was wrong with the answer; `None` if the service is alive.
            now: Seconds of the caller's clock.
            usage: What its process has done so far, where that is known.
            late: Seconds since the last question in which the watcher itself was held up.
        """
        elapsed = max(0.0, now - self._now - late)
        active = self._active(usage, elapsed)
        self._now, self._usage = now, usage
        if problem is None:
            self._idle = self._total = 0.0
            return Verdict.ALIVE
        self._problem = problem
        self._total += elapsed
        self._idle += elapsed - active
        if self._idle >= self._watch.silent or self._total >= self._watch.busy:
            return Verdict.HUNG
        return Verdict.SILENT if self._total >= self._watch.period + self._watch.timeout else Verdict.ALIVE

    def not_asked(self, *, now: float, usage: Usage | None = None) -> None:
        """Leave out the time since the last question, which could not be followed by another."""
        self._now, self._usage = now, usage

    def _active(self, usage: Usage | None, elapsed: float) -> float:
        before = self._usage
        if usage is None or before is None:
            return 0.0
        if usage.blocked:
            return elapsed
        return min(elapsed, max(0.0, usage.working - before.working) + max(0.0, usage.waiting - before.waiting))


class Watcher:
    """Asks one service again and again.

    Args:
        watch: How often, and the limits.
        ask: Asks once: `None` if the service is alive, else what is wrong.
        usage: Reads what its process has done so far.
        clock: Monotonic seconds.
        sleep: Waits.
    """

    def __init__(
        self,
        watch: Watch,
        *,
        ask: Callable[[], Awaitable[str | None]],
        usage: Callable[[], Usage | None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._watch = watch
        self._ask = ask
        self._usage = usage
        self._clock = clock
        self._sleep = sleep

    async def until_hung(self, on_verdict: Callable[[Verdict, str], None]) -> str:
        """Ask until the service is hung.

        Args:
            on_verdict: Called after each question, with the verdict and, unless it is alive, the reason.

        Returns:
            What was wrong and for how long.
        """
        liveness = Liveness(self._watch, now=self._clock())
        while True:
            slept_from = self._clock()
            await self._sleep(self._watch.period)
            asked = self._clock()
            try:
                problem = await self._ask()
            except CannotAskError:
                liveness.not_asked(now=self._clock(), usage=self._usage())
                continue
            now = self._clock()
            late = _over(asked - slept_from, self._watch.period) + _over(now - asked, self._watch.timeout)
            verdict = liveness.answered(problem, now=now, usage=self._usage(), late=late)
            on_verdict(verdict, "" if verdict is Verdict.ALIVE else liveness.reason)
            if verdict is Verdict.HUNG:
                return liveness.reason


def _over(took: float, expected: float) -> float:
    return took - expected if took > expected + _SLACK else 0.0


async def ask_livez(url: str, *, seconds: float) -> str | None:
    """Ask `url` for `/livez`.

    Returns:
        `None` if the service is alive, else what is wrong with its answer.

    Raises:
        CannotAskError: If this process could not ask, for want of a descriptor, a port or memory.
    """
    return await ask_probe(url, "/livez", seconds=seconds)


async def ask_probe(url: str, path: str, *, seconds: float) -> str | None:
    """Ask `url` for one of its probes.

    Returns:
        `None` if it passes, else what is wrong with its answer.

    Raises:
        CannotAskError: If this process could not ask, for want of a descriptor, a port or memory.
    """
    place = urlsplit(url)
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: close\r\n\r\n".encode())
                answer = await reader.read(_LONGEST_ANSWER)
                while not _is_whole(answer) and (more := await reader.read(_LONGEST_ANSWER)):
                    answer += more
            finally:
                writer.close()
    except (TimeoutError, ConnectionError):
        return f"no answer to {path}"
    except OSError as error:
        raise CannotAskError(str(error)) from error
    return _problem_in(answer, path)


def _is_whole(answer: bytes) -> bool:
    """Whether there is no need to read on: of a refusal, the reason in its body counts, too."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if len(answer) > _LONGEST_ANSWER or not end:
        return len(answer) > _LONGEST_ANSWER
    if head.split(b" ", 2)[1:2] == [b"200"]:
        return True
    found = re.search(rb"(?i)\r\ncontent-length: *(\d{1,9})", head)
    return found is not None and len(body) >= int(found[1])


def _problem_in(answer: bytes, path: str) -> str | None:
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if status == [b"200"]:
        return None
    try:
        reason = str(json.loads(body)["reason"])[:200]
    except (ValueError, KeyError, TypeError):
        reason = ""
    return f"{path} fails" + (f" ({reason})" if reason else "")

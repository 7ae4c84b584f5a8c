"""How often a call is repeated, and what one of them costs in CPU time."""

import asyncio
import gc
import inspect
import os
import resource
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from statistics import median, quantiles
from typing import Any, TypeGuard

SyncCall = Callable[[], object]
AsyncCall = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Spread:
    """What the rounds of one row showed.

    Attributes:
        median: The middle value.
        low: A quarter of the rounds lay below it.
        high: A quarter of the rounds lay above it.
    """

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise at least one value."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, _, high = quantiles(values, n=4, method="inclusive")
        return cls(median(values), low, high)


def seconds_per_call(
    function: SyncCall | AsyncCall, runner: asyncio.Runner, clock: Callable[[], float], aim: float
) -> Callable[[], float]:
    """Prepare the measuring of a call.

    Args:
        function: Takes no argument; a plain function or a coroutine function.
        runner: Whose event loop a coroutine function runs on.
        clock: CPU seconds.
        aim: About how many seconds one measurement repeats the call for; how often that is, is found out now.

    Returns:
        A function that repeats the call and returns the seconds for one.
    """

    def batch(number: int) -> float:
        gc.collect()
        gc.disable()
        try:
            if _is_async(function):
                return runner.run(_await_repeatedly(function, number, clock))
            started = clock()
            for _ in repeat(None, number):
                function()
            return clock() - started
        finally:
            gc.enable()

    number = 1
    while (spent := batch(number)) < aim:
        number = number * 10 if spent <= aim / 10 else int(number * aim / spent) + 1
    return lambda: batch(number) / number


def process_seconds(code: str, *, python: str = sys.executable) -> float:
    """Measure a program in a fresh interpreter.

    Args:
        code: What `python -c` runs, an import say.
        python: The interpreter.

    Returns:
        CPU seconds, those of the system for it included.

    Raises:
        subprocess.CalledProcessError: The program failed.
    """
    # Without bytecode, each run would compile all that it imports.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([python, "-c", code], env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - the caller's own code
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def _await_repeatedly(function: AsyncCall, number: int, clock: Callable[[], float]) -> float:
    started = clock()
    for _ in repeat(None, number):
        await function()
    return clock() - started


def _is_async(function: Callable[[], Any]) -> TypeGuard[AsyncCall]:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004 - an object with an async __call__

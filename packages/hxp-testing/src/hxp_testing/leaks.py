"""Proof that a piece of code left nothing running."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

__all__ = ["LeakError", "no_leaks"]

_TURNS = 50
_TRACKER = b"resource_tracker"  # multiprocessing keeps one process for as long as the program lives


class LeakError(AssertionError):
    """Something is still running."""


class no_leaks:  # noqa: N801 - it is used as a block, like contextlib.suppress
    """Fails if the block leaves asyncio tasks or child processes behind.

    As `async with`, tasks get some turns of the event loop to finish; as plain `with`, they must be done.

    Raises:
        LeakError: Names what is still running.

    Example:
        >>> with no_leaks():
        ...     pass
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()
        self._children: set[int] = set()

    def __enter__(self) -> Self:
        self._tasks = _tasks()
        self._children = set(_children())
        return self

    def __exit__(self, kind: object, *exc_info: object) -> None:
        if kind is None:
            self._check()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind: object, *exc_info: object) -> None:
        for _ in range(_TURNS):
            if not _tasks() - self._tasks:
                break
            await asyncio.sleep(0)
        self.__exit__(kind)

    def _check(self) -> None:
        left = [f"task {task.get_name()}: {task.get_coro()}" for task in _tasks() - self._tasks]
        left += [f"process {pid}: {name}" for pid, name in _children().items() if pid not in self._children]
        if left:
            raise LeakError("still running: " + "; ".join(sorted(left)))


def _tasks() -> set[asyncio.Task[object]]:
    try:
        return asyncio.all_tasks()
    except RuntimeError:  # there is no event loop
        return set()


def _children() -> dict[int, str]:
    """Find this program's child processes, those included that have ended and that nobody has waited for."""
    return {pid: name for pid, parent, name in _processes() if parent == os.getpid()}


def _processes() -> Iterator[tuple[int, int, str]]:
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended while we looked
            name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
            if _TRACKER not in (entry / "cmdline").read_bytes():
                yield int(entry.name), int(rest.split()[1]), name

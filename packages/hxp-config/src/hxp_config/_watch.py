"""Noticing that files have changed, and waiting until whoever writes them has finished.

Looking at times, sizes and real paths works everywhere: on network drives, in containers, and for Kubernetes, which
swaps a symbolic link (`..data`) above the files. With the extra `reload`, the operating system's own notices
(watchfiles) wake the watcher earlier; what counts is still what it sees.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable
    from pathlib import Path

    from ._live import LiveConfig


@dataclass
class Settling:
    """Tells when files that changed have come to rest.

    Attributes:
        quiet: Seconds without a further change after which a change counts.
        seen: What the files looked like when they were last acted upon.
    """

    quiet: float
    seen: Hashable
    _latest: Hashable = None
    _since: float | None = None

    @property
    def moving(self) -> bool:
        """Whether a change has been seen that has not come to rest yet."""
        return self._since is not None

    def ready(self, now: float, looks: Hashable) -> bool:
        """Tell whether to act.

        Args:
            now: Monotonic seconds.
            looks: What the files look like now.

        Returns:
            True once for each change, after it has come to rest.
        """
        if looks == self.seen:
            self._since = None
            return False
        if self._since is None or looks != self._latest:
            self._latest, self._since = looks, now
        if now - self._since < self.quiet:
            return False
        self.seen, self._since = looks, None
        return True


def appearance(paths: Iterable[Path]) -> Hashable:
    """Return what files and directories look like: real path, time, size and inode of each, and of what is inside."""
    found: list[Any] = []
    for path in paths:
        found.append((os.fspath(path), _one(path)))
        if path.is_dir():
            with contextlib.suppress(OSError):
                found += [(inner.name, _one(inner)) for inner in sorted(path.iterdir())]
    return tuple(found)


async def watch(
    live: LiveConfig[Any],
    *,
    interval: float = 1.0,
    quiet: float = 0.2,
    notices: bool = True,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Reload whenever a file has changed and come to rest, until cancelled.

    Args:
        live: What to reload; its report says what came of it.
        interval: Seconds between two looks.
        quiet: Seconds without a further change after which a change counts.
        notices: Whether the operating system may wake it earlier, where the extra `reload` is installed.
        clock: Monotonic seconds.
        sleep: Waits.
    """
    settling = Settling(quiet, appearance(live.files()))
    async with _noticing(live.files()) if notices else contextlib.nullcontext() as noticed:
        while True:
            await (_either(noticed, interval) if noticed else sleep(interval))
            while True:
                if settling.ready(clock(), await asyncio.to_thread(appearance, live.files())):
                    await asyncio.to_thread(live.reload)
                if not settling.moving:
                    break
                await sleep(quiet)


@contextlib.asynccontextmanager
async def _noticing(paths: Iterable[Path]) -> AsyncIterator[asyncio.Event | None]:
    """An event that is set when something happens near the files; None without watchfiles."""
    try:
        from watchfiles import awatch  # noqa: PLC0415 - an extra
    except ImportError:
        yield None
        return
    event, stop = asyncio.Event(), asyncio.Event()
    # The folders, since a file that is replaced is another one.
    folders = {path if path.is_dir() else path.parent for path in paths}

    async def listen() -> None:
        async for _ in awatch(*folders, stop_event=stop, recursive=False, ignore_permission_denied=True):
            event.set()

    task = asyncio.create_task(listen())
    try:
        yield event
    finally:
        stop.set()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await task


async def _either(noticed: asyncio.Event, interval: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(interval):
            await noticed.wait()
    noticed.clear()


def _one(path: Path) -> Hashable:
    try:
        status = path.stat()
    except OSError as error:
        return error.errno
    return os.path.realpath(path), status.st_mtime_ns, status.st_size, status.st_ino

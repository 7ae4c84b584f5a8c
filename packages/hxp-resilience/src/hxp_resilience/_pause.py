"""Waiting between attempts, in a task or in a thread, and in tests not at all."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# Set by `hxp_resilience.testing.no_waiting`: what to do with a wait instead of waiting.
instead: ContextVar[Callable[[float], None] | None] = ContextVar("hxp_pause", default=None)


async def pause(seconds: float, sleep: Callable[[float], Awaitable[object]] | None) -> None:
    """Wait in a task.

    Args:
        seconds: How long.
        sleep: What waits; `asyncio.sleep` by default.
    """
    replaced = instead.get()
    if replaced is not None:
        replaced(seconds)
        seconds = 0.0
    if sleep is None or replaced is not None:
        import asyncio  # noqa: PLC0415 (only a call that waits pays for it)

        sleep = asyncio.sleep
    await sleep(seconds)


def pause_sync(seconds: float) -> None:
    """Wait in a thread."""
    replaced = instead.get()
    if replaced is not None:
        replaced(seconds)
    else:
        time.sleep(seconds)

"""Tasks that keep an engine alive: an error that nobody foresaw must not end them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hxp_logging import Logger

PAUSE = 1.0
"""Seconds until a keeper that failed goes on."""


async def keep(step: Callable[[], Awaitable[None]], *, name: str, log: Logger) -> NoReturn:
    """Repeat `step` until cancelled; an error that it raises is logged once in a row, and it goes on."""
    logged = ""
    while True:
        try:
            await step()
        except Exception as error:  # noqa: BLE001 - whatever it is, the engine must not stay without its keeper
            if repr(error) != logged:
                logged = repr(error)
                with contextlib.suppress(Exception):  # a log that cannot be written is no reason to stop, either
                    log.error("a keeper of the engine failed and goes on", keeper=name, error=logged)
            await asyncio.sleep(PAUSE)
        else:
            logged = ""

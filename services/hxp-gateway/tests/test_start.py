"""A start while the ledger is away: the gateway comes up, lets nobody in, and heals by itself."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    Gateway = Callable[..., AbstractAsyncContextManager[Any]]

pytestmark = pytest.mark.anyio


async def status(world: Any, path: str = "/v1/models") -> int:
    async with world.running.client.get(path, headers=world.auth) as response:
        return int(response.status)


async def until(world: Any, path: str, wanted: int) -> None:
    async with asyncio.timeout(10):
        while await status(world, path) != wanted:
            world.running.service.pools["ledger"].breaker.close()  # as it does by itself after a few seconds
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("fail_open", [False, True])
async def test_without_keys_a_gateway_starts_and_lets_nobody_in(
    gateway: Gateway, book: Any, host: str, *, fail_open: bool
) -> None:
    book.away = True
    async with gateway(host=host, key_refresh=0.02, keys_fail_open=fail_open) as world:
        assert await status(world) == 503
        await until(world, "/readyz", 503)
        book.away = False
        await until(world, "/v1/models", 200)
        await until(world, "/readyz", 200)


async def test_a_ledger_that_hangs_holds_up_no_start(
    gateway: Gateway, book: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hxp_gateway._service._FIRST_READING", 0.2, raising=False)
    book.hangs = True
    started = time.monotonic()
    async with gateway() as world:
        assert time.monotonic() - started < 3
        assert await status(world) == 503
        await until(world, "/readyz", 503)


async def test_a_public_gateway_whose_first_keys_are_none_ends(gateway: Gateway, book: Any) -> None:
    """C6, however late the ledger answers."""
    book.away = True
    async with gateway(host="0.0.0.0", key_refresh=0.02) as world:
        book.keys.clear()
        book.make_key(development=True)
        book.away = False
        async with asyncio.timeout(10):
            ending = asyncio.create_task(world.running.host.failed())
            while not ending.done():
                world.running.service.pools["ledger"].breaker.close()
                await asyncio.sleep(0.01)
        assert "reachable from outside and there is no API key" in await ending

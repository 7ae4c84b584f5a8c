"""D, keys: a ledger that hangs keeps no revoked key alive for ever, and no new one waits."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from hxp_testing.llm import MockLLM

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def models(world: Any, key: str) -> tuple[int, str]:
    async with world.running.client.get("/v1/models", headers={"Authorization": f"Bearer {key}"}) as response:
        return response.status, await response.text()


async def readiness(world: Any) -> int:
    async with world.running.client.get("/readyz") as response:
        return int(response.status)


async def test_a_hung_ledger_closes_the_gateway_after_the_greatest_age_and_opens_it_again(
    tmp_path: Path, gateway: Any
) -> None:
    settings = {"keys_max_age": 0.5, "key_refresh": 0.05}
    async with MockLLM() as upstream, gateway(tmp_path, upstream.url, **settings) as world:
        assert (await models(world, world.key))[0] == 200
        world.book.hangs = True
        async with asyncio.timeout(20):
            while (await models(world, world.key))[0] == 200:
                await asyncio.sleep(0.02)
        status, text = await models(world, world.key)
        assert (status, "keys_unavailable" in text) == (503, True)
        async with asyncio.timeout(10):
            while await readiness(world) != 503:
                await asyncio.sleep(0.05)
        world.book.hangs = False
        async with asyncio.timeout(30):
            while (await models(world, world.key))[0] != 200:
                await asyncio.sleep(0.05)


async def test_a_new_key_opens_at_once_and_a_flood_of_others_does_not_ask_the_ledger(
    tmp_path: Path, gateway: Any
) -> None:
    async with MockLLM() as upstream, gateway(tmp_path, upstream.url, key_refresh=60) as world:
        assert (await models(world, world.book.make_key()))[0] == 200
        strangers = [f"hxp_{'0' * 25}{digit}_{'x' * 43}" for digit in "0123456789ABCDEFGHJKMNPQRSTVWXYZ"]
        before, began = world.book.questions, time.monotonic()
        found = [await models(world, stranger) for stranger in strangers * 3]
        assert {status for status, _ in found} == {401}
        assert len({text for _, text in found}) == 1
        assert world.book.questions - before <= 1 + (time.monotonic() - began) / 0.2


@pytest.mark.parametrize(("profile", "status"), [("development", 200), ("staging", 401), ("production", 401)])
async def test_development_keys_open_the_profile_development_alone(
    tmp_path: Path, gateway: Any, profile: str, status: int
) -> None:
    async with MockLLM() as upstream, gateway(tmp_path, upstream.url, profile=profile) as world:
        assert (await models(world, world.key))[0] == 200
        assert (await models(world, world.book.make_key(development=True)))[0] == status

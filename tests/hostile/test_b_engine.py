"""B, a hung engine below a model service: readiness tells, and no tenant pays for it with a refusal."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hxp_model import ModelService, ModelSettings
from hxp_services_base import Identity
from hxp_services_base.testing import Running, hosted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

TOKEN = "s" * 32
PING: dict[str, Any] = {
    "model": "hxp-tiny",
    "messages": [{"role": "user", "content": "ping"}],
    "max_tokens": 8,
    "temperature": 0,
}
LONG = {**PING, "max_tokens": 600, "logit_bias": {"0": -100, "2": -100}}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Running[ModelService]]:
    identity = Identity("tiny", instance="tiny-0", state_dir=folder / ".hxp", token=TOKEN)
    async with hosted(ModelService(), ModelSettings(), identity=identity) as running:
        yield running


async def ask(running: Running[ModelService], tenant: str, body: dict[str, Any]) -> int:
    headers = {"Authorization": f"Bearer {TOKEN}", "x-hxp-tenant": tenant}
    async with running.client.post("/v1/chat/completions", json=body, headers=headers) as response:
        await response.read()
        return response.status


async def until_ready_is(running: Running[ModelService], status: int, limit: float) -> None:
    """Wait until the readiness of the service has this status, `limit` seconds at the most."""
    async with asyncio.timeout(limit):
        while True:
            async with running.client.get("/readyz") as response:
                if response.status == status:
                    return
            await asyncio.sleep(0.05)


def stop(running: Running[ModelService]) -> None:
    os.kill(running.service.running_engine.stats().pid or 0, signal.SIGSTOP)


async def test_an_idle_engine_that_hangs_is_unready_in_twelve_seconds_and_back_in_thirty(tmp_path: Path) -> None:
    """A2, B9; the limits are the defaults."""
    async with served(tmp_path) as running:
        assert await ask(running, "a", PING) == 200
        stop(running)
        await until_ready_is(running, 503, 12)
        began = time.monotonic()
        assert await ask(running, "a", PING) == 503
        assert time.monotonic() - began < 7, "nobody is kept waiting for an engine that hangs"
        await until_ready_is(running, 200, 20)
        assert running.service.running_engine.stats().restarts == 1
        for tenant in ("a", "b"):
            assert await ask(running, tenant, PING) == 200


async def test_equal_requests_that_meet_a_hang_are_served_by_the_next_engine(tmp_path: Path) -> None:
    async with served(tmp_path) as running:
        asking = [asyncio.create_task(ask(running, tenant, LONG)) for tenant in "abcd"]
        async with asyncio.timeout(10):
            while running.service.running_engine.stats().running < 4:
                await asyncio.sleep(0.005)
        stop(running)
        await until_ready_is(running, 503, 12)
        assert set(await asyncio.wait_for(asyncio.gather(*asking), 30)) == {503}
        await until_ready_is(running, 200, 20)
        assert set(await asyncio.gather(*(ask(running, tenant, PING) for tenant in "abcde"))) == {200}
        assert await ask(running, "a", LONG) == 200

"""P1: the gateway is killed at random moments under load; nothing is lost and nothing doubled."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import pytest
from hxp_services_base.orchestration import Subprocesses, Supervisor, read_stack
from hxp_testing.net import free_ports

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

KILLS = 4  # one less than the restart budget allows
HXP_YAML = """
services:
  ledger: {{use: hxp-ledger, port: {0}, config: {{url: "sqlite:///.hxp/ledger.db"}}}}
  tiny: {{use: hxp-model, port: {1}, config: {{queue: 64}}}}
  gateway:
    use: hxp-gateway
    port: {2}
    needs: [ledger, tiny]
    config: {{upstreams: [{{name: tiny, service: tiny, models: [hxp-tiny]}}]}}
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Tally:
    """What the clients know: what they sent, and what was answered whole."""

    sent: int = 0
    acknowledged: int = 0


async def client_at_work(url: str, key: str, tally: Tally, enough: asyncio.Event, *, stream: bool) -> None:
    """Ask until it is enough, whatever happens on the way."""
    body = {"model": "hxp-tiny", "messages": [{"role": "user", "content": "What is HXP?"}], "max_tokens": 8}
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(url, headers=headers) as client:
        while not enough.is_set():
            tally.sent += 1
            try:
                async with client.post("/v1/chat/completions", json={**body, "stream": stream}) as response:
                    answer = await response.text()
                    whole = answer.endswith("data: [DONE]\n\n") and '"error"' not in answer if stream else True
                    tally.acknowledged += response.status == 200 and whole
            except aiohttp.ClientConnectorError:
                tally.sent -= 1  # no connection, so nothing was sent
                await asyncio.sleep(0.02)
            except (aiohttp.ClientError, ConnectionError):
                continue  # sent, and cut by a kill


async def test_acknowledged_is_at_most_recorded_is_at_most_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hxp.yaml").write_text(HXP_YAML.format(*free_ports(3)))
    supervisor = Supervisor(read_stack(tmp_path, environ={})[0], Subprocesses())
    await supervisor.up()
    url = supervisor.status["gateway"].url
    key = (tmp_path / ".hxp" / "dev-key").read_text().strip()
    tally, enough, chance = Tally(), asyncio.Event(), random.Random(20260101)
    clients = [
        asyncio.create_task(client_at_work(url, key, tally, enough, stream=bool(number % 2))) for number in range(6)
    ]
    for kill in range(1, KILLS + 1):
        await asyncio.sleep(chance.uniform(0.3, 1.2))
        os.kill(supervisor.status["gateway"].pid or 0, signal.SIGKILL)
        async with asyncio.timeout(60):
            while supervisor.status["gateway"].restarts < kill or supervisor.status["gateway"].state != "ready":
                await asyncio.sleep(0.05)
    answered = tally.acknowledged
    async with asyncio.timeout(60):
        while tally.acknowledged < answered + 10:  # it serves again
            await asyncio.sleep(0.05)
    enough.set()
    await asyncio.gather(*clients)
    await supervisor.down()  # ships what is settled

    with contextlib.closing(sqlite3.connect(tmp_path / ".hxp" / "ledger.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = database.execute("SELECT request_id, status FROM usage").fetchall()
    recorded = len(rows)
    completed = sum(status == "completed" for _, status in rows)
    assert len({request_id for request_id, _ in rows}) == recorded
    assert tally.acknowledged > 0
    assert tally.acknowledged <= completed
    assert tally.acknowledged <= recorded <= tally.sent
    unknown = sum(status == "unknown" for _, status in rows)
    print(f"{tally.sent=} {recorded=} {tally.acknowledged=} {completed=} {unknown=}")

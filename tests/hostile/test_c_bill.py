"""C, the bill: over any mixture of requests, recorded is what the engine counted, or an estimate that says so."""

from __future__ import annotations

import asyncio
import random
import re
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hxp_model import ModelService, ModelSettings
from hxp_services_base import Identity
from hxp_services_base.testing import hosted
from prometheus_client import generate_latest

if TYPE_CHECKING:
    from pathlib import Path

    import aiohttp

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

CHAT = "/v1/chat/completions"
SPELLINGS = (
    b"",
    b',"stream_options":null',
    b',"\\u0073tream_options":null',
    b',"stream_options":{"include_usage":true}',
)
QUESTIONS = ("What is HXP?", "é" * 9, "x")
MOST_TOKENS, MOST_CHOICES, LONGEST_PROMPT = 40, 3, 40


def body(draw: random.Random) -> tuple[bytes, bool]:
    """One request in a spelling of its own, and whether it streams."""
    stream = draw.random() < 0.6
    parts = [b'"model":"hxp-tiny"', b'"max_tokens":%d' % draw.randint(1, MOST_TOKENS)]
    parts.append(b'"n":%d' % draw.choice((1, 1, 1, 2, MOST_CHOICES)))
    parts.append(b'"messages":[{"role":"user","content":%b}]' % orjson.dumps(draw.choice(QUESTIONS)))
    if stream:
        parts.append(b'"stream":true' + draw.choice(SPELLINGS))
    draw.shuffle(parts)
    return b"{" + b",".join(parts) + b"}", stream


async def ask(client: aiohttp.ClientSession, auth: dict[str, str], draw: random.Random, *, leaving: bool) -> int:
    """Send one request, leave some of the streams early, and return the events that were received of those."""
    data, stream = body(draw)
    async with client.post(CHAT, data=data, headers=auth) as response:
        assert response.status == 200, await response.text()
        if not (stream and leaving and draw.random() < 0.4):
            await response.read()
            return 0
        received = b""
        for _ in range(draw.randint(1, 6)):
            received += await response.content.readany()
        response.close()
        return received.count(b'"content":"')


def engine_tokens(metrics: str) -> tuple[int, int]:
    """Return the tokens of prompts and answers that the model service has counted."""
    found = dict(re.findall(r'hxp_model_tokens_total{kind="(\w+)"} ([\d.]+)', metrics))
    return int(float(found["prompt"])), int(float(found["completion"]))


@pytest.mark.parametrize(("seed", "leaving"), [(1, False), (2, False), (3, True), (4, True), (5, True)])
async def test_what_is_recorded_is_what_the_engine_counted_or_says_that_it_is_an_estimate(
    tmp_path: Path, gateway: Any, seed: int, *, leaving: bool
) -> None:
    draw = random.Random(seed)
    identity = Identity("tiny", instance="tiny-0", state_dir=tmp_path / ".hxp", token="stack-token")
    async with (
        asyncio.timeout(120),
        hosted(ModelService(), ModelSettings(), identity=identity) as model,
        gateway(tmp_path, model.url, models=("hxp-tiny",)) as world,
    ):
        received = [await ask(world.running.client, world.auth, draw, leaving=leaving) for _ in range(40)]
        while world.running.service._journal.open:
            await asyncio.sleep(0.01)
        await world.ship()
        records = sorted(world.book.records.values(), key=lambda record: record.started_at)
        prompts, answers = engine_tokens(generate_latest(model.host.context.metrics).decode())
    exact = [record for record in records if not record.estimated]
    left = len(records) - len(exact)
    assert len(records) == 40
    assert leaving or not left
    assert {record.status for record in records if record.estimated} <= {"cancelled"}
    # The engine may have ended an answer that its client had left: it counts it, and the record says "estimated".
    assert 0 <= prompts - sum(record.prompt_tokens for record in exact) <= left * LONGEST_PROMPT
    assert 0 <= answers - sum(record.completion_tokens for record in exact) <= left * MOST_TOKENS * MOST_CHOICES
    for record, events in zip(records, received, strict=True):
        assert record.completion_tokens >= (events if record.estimated else 0)
        assert record.prompt_tokens > 0

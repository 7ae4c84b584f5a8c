"""What a newcomer does with a running stack, from the first question to the last."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import orjson
import pytest
from hxp_services_base.orchestration import ProcessMark
from hxp_services_base.testing import detached_stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from hxp_services_base.testing import DetachedStack

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
HELLO = {"model": "hxp-tiny", "messages": [{"role": "user", "content": "What is HXP?"}], "temperature": 0}


def test_the_first_question_gets_a_true_answer(stack: DetachedStack) -> None:
    answer = stack.hxp("chat", "What is HXP?").stdout
    assert "HXP" in answer
    assert "LLM server" in answer


def test_ps_and_doctor_tell_that_all_is_well(stack: DetachedStack) -> None:
    services = json.loads(stack.hxp("ps", "--json").stdout)["services"]
    assert {name: service["state"] for name, service in services.items()} == dict.fromkeys(
        ("ledger", "tiny", "gateway"), "ready"
    )
    assert "runs as process" in stack.hxp("doctor").stdout


def test_starting_it_again_says_so_and_harms_nothing(stack: DetachedStack) -> None:
    """P6."""
    again = stack.hxp("up", check=False)
    assert again.returncode == 1
    assert "runs already" in again.stderr
    assert stack.hxp("ps").returncode == 0


def test_a_key_is_made_used_and_revoked(stack: DetachedStack) -> None:
    """A7: within a second of being revoked it is dead."""
    made = json.loads(stack.hxp("keys", "create", "walker", "--json").stdout)
    _until(lambda: stack.hxp("chat", "hello", "--key", made["key"], check=False).returncode == 0)
    assert made["key"] not in stack.hxp("keys", "list").stdout
    stack.hxp("keys", "revoke", made["id"])
    _until(lambda: stack.hxp("chat", "hello", "--key", made["key"], check=False).returncode == 1)
    for file in (stack.folder / ".hxp").rglob("*"):
        if file.is_file():
            assert made["key"].encode() not in file.read_bytes(), f"the key lies in {file}"


def _until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < limit, "it did not come about in time"


async def test_each_request_is_in_the_ledger_once_with_its_tokens(stack: DetachedStack) -> None:
    made = json.loads(stack.hxp("keys", "create", "counted", "--json").stdout)
    async with aiohttp.ClientSession(stack.url(), headers={"Authorization": f"Bearer {made['key']}"}) as client:
        async with asyncio.timeout(10):
            while (await client.get("/v1/models")).status != 200:
                await asyncio.sleep(0.05)
        async with client.post(CHAT, json=HELLO) as response:
            usage = (await response.json())["usage"]
        async with client.post(CHAT, json={**HELLO, "stream": True}) as response:
            await response.read()
    async with asyncio.timeout(20):
        while len(rows := recorded(stack.folder, made["id"])) < 2:
            await asyncio.sleep(0.05)
    assert rows == [("completed", usage["completion_tokens"])] * 2


def recorded(folder: Path, key_id: str) -> list[tuple[str, int]]:
    """Status and tokens of each record of a key."""
    with closing(sqlite3.connect(f"file:{folder / '.hxp' / 'ledger.db'}?mode=ro", uri=True)) as database:
        query = "SELECT status, completion_tokens FROM usage WHERE key_id = ?"
        return list(database.execute(query, (key_id,)))


async def test_a_client_that_leaves_frees_its_slot_within_a_second(stack: DetachedStack) -> None:
    async with aiohttp.ClientSession(stack.url(), headers={"Authorization": f"Bearer {stack.key}"}) as client:
        body = {**HELLO, "stream": True, "max_tokens": 900, "logit_bias": {"0": -100, "1": -100, "2": -100}}
        responses = [await client.post(CHAT, json=body) for _ in range(4)]
        for response in responses:
            response.close()
        began = time.monotonic()
        async with client.post(CHAT, json={**HELLO, "max_tokens": 1}) as response:
            assert response.status == 200
        assert time.monotonic() - began < 5


async def test_sixteen_times_the_load_is_answered_or_refused_politely(stack: DetachedStack) -> None:
    """O1, O2."""
    async with aiohttp.ClientSession(stack.url(), headers={"Authorization": f"Bearer {stack.key}"}) as client:

        async def ask() -> tuple[int, str | None]:
            async with client.post(CHAT, json=HELLO) as response:
                await response.read()
                return response.status, response.headers.get("Retry-After")

        answers = await asyncio.gather(*(ask() for _ in range(64)))
        statuses = {status for status, _ in answers}
        assert 200 in statuses
        assert statuses <= {200, 429, 503}
        assert all(retry_after for status, retry_after in answers if status != 200)
        assert await ask() == (200, None)


BAD = {
    "empty": b"",
    "truncated": b'{"model":"hxp-tiny"',
    "scalar": b"3",
    "null": b"null",
    "wrong types": orjson.dumps({**HELLO, "messages": "hi"}),
    "invalid UTF-8": b'{"model":"hxp-tiny","messages":[{"role":"user","content":"\xff\xfe"}]}',
    "UTF-16": json.dumps(HELLO).encode("utf-16"),
    "lone surrogate": b'{"model":"hxp-tiny","messages":[{"role":"user","content":"\\ud800"}]}',
    "NaN": b'{"model":"hxp-tiny","messages":[{"role":"user","content":"a"}],"temperature":NaN}',
    "infinite": b'{"model":"hxp-tiny","messages":[{"role":"user","content":"a"}],"temperature":1e999}',
    "5,000 digits": b'{"model":"hxp-tiny","messages":[{"role":"user","content":"a"}],"seed":' + b"9" * 5000 + b"}",
    "100,000 deep": b'{"model":"hxp-tiny","messages":' + b"[" * 100_000,
    "n of 10^9": orjson.dumps({**HELLO, "n": 10**9}),
    "max_tokens of 10^9": orjson.dumps({**HELLO, "max_tokens": 10**9}),
    "negative": orjson.dumps({**HELLO, "max_tokens": -1}),
    "no messages": orjson.dumps({**HELLO, "messages": []}),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_bodies_get_the_envelope_in_under_a_second(stack: DetachedStack, name: str) -> None:
    """B1-B5, B7."""
    headers = {"Authorization": f"Bearer {stack.key}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(stack.url(), headers=headers) as client:
        began = time.monotonic()
        async with client.post(CHAT, data=BAD[name]) as response:
            document = await response.json()
        assert time.monotonic() - began < 1
        assert response.status == 400, document
        assert sorted(document["error"]) == ["code", "message", "param", "type"]
        assert response.headers["X-Request-ID"]


async def test_a_storm_of_bad_requests_leaves_memory_and_descriptors_flat(stack: DetachedStack) -> None:
    """R8."""
    gateway, model = stack.pid("gateway"), stack.pid("tiny")
    headers = {"Authorization": f"Bearer {stack.key}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(stack.url(), headers=headers) as client:

        async def storm(rounds: int) -> None:
            for _ in range(rounds):
                for body in BAD.values():
                    async with client.post(CHAT, data=body) as response:
                        await response.read()

        await storm(10)
        before = [footprint(pid) for pid in (gateway, model)]
        await storm(40)
        after = [footprint(pid) for pid in (gateway, model)]
    for (rss, files), (rss_after, files_after) in zip(before, after, strict=True):
        assert rss_after < rss + 20 * 1024, f"{rss} kB became {rss_after} kB"
        assert files_after <= files + 4


def footprint(pid: int) -> tuple[int, int]:
    """Resident kilobytes and open descriptors of a process."""
    process = Path("/proc") / str(pid)
    status = (process / "status").read_text().splitlines()
    rss = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    return rss, len(list((process / "fd").iterdir()))


def test_no_process_outlives_the_stack(own_folder: Path) -> None:
    """P3, with the real services: the engine's process, too."""
    with detached_stack(own_folder) as fresh:
        services = [service["pid"] for service in fresh.state["services"].values()]
        marks = [ProcessMark.of(pid) for pid in [*services, *children(services)]]
        assert len(marks) == 4
        os.kill(fresh.state["supervisor"]["pid"], 9)
        _until(lambda: not any(mark.is_alive for mark in marks))
        assert fresh.hxp("ps", check=False).returncode == 3


def children(pids: list[int]) -> list[int]:
    """The processes that have one of `pids` as their parent."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
                if parent in pids:
                    found.append(int(process.name))
    return found

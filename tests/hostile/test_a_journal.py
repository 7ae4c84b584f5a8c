"""A and B, the journal: no descriptor, no disk and no bad record takes what it keeps, or hands it to strangers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import subprocess
import time
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hxp_gateway import Journal
from hxp_testing.llm import MockLLM

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
HELLO = {"model": "mock", "messages": [{"role": "user", "content": "hello"}]}


async def statuses(world: Any, count: int) -> list[int]:
    found = []
    for _ in range(count):
        async with world.running.client.post(CHAT, json=HELLO, headers=world.auth) as response:
            await response.read()
            found.append(response.status)
    return found


@contextlib.contextmanager
def no_descriptors_left() -> Iterator[None]:
    """Let this process open nothing more; what is open stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208 - names, not paths
    held = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.dup(0))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in held:
            os.close(descriptor)


async def test_without_descriptors_no_client_gets_the_lines_of_the_journal(tmp_path: Path, gateway: Any) -> None:
    """P10: segments end with nearly every request, while none can be begun and strangers wait to be accepted."""
    async with MockLLM() as upstream, gateway(tmp_path, upstream.url, ship_interval=60) as world:
        journal = world.running.service._journal
        journal._segment_bytes = 100
        journal._next_attempt = 0
        await statuses(world, 2)  # all connections that are needed are there
        port = world.running.host.port
        with no_descriptors_left():
            assert await statuses(world, 10) == [200] * 10
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await statuses(world, 10) == [200] * 10
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"request_id" not in answer
        await world.ship()
        assert len(world.book.records) == 22


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB, where mounting is allowed."""
    at = tmp_path / "disk"
    at.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(at)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield at
    subprocess.run(["umount", "-l", str(at)], check=False)


async def until_ready(world: Any, status: int) -> None:
    async with asyncio.timeout(15):
        while True:
            async with world.running.client.get("/readyz") as response:
                if response.status == status:
                    return
            await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_a_full_disk_takes_readiness_and_its_end_gives_it_back(small_disk: Path, gateway: Any) -> None:
    """D5: under load, a request is answered and recorded, or refused; nothing is lost and nothing stays dead."""
    async with MockLLM() as upstream, gateway(small_disk, upstream.url) as world:
        assert await statuses(world, 5) == [200] * 5
        world.book.hangs = True  # so that nothing is shipped, and the disk alone keeps it
        filler = small_disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 64)
        found: list[int] = []
        while 503 not in found:
            found += await statuses(world, 5)
            assert len(found) < 20_000
        assert set(found) == {200, 503}
        await until_ready(world, 503)
        (reason,) = (problem.detail for problem in world.running.host.context.health.failing if problem.critical)
        assert "requests cannot be put on record" in reason
        filler.unlink()
        await until_ready(world, 200)
        assert await statuses(world, 5) == [200] * 5
        world.book.hangs = False
        world.running.service.pools["ledger"].breaker.close()
        async with asyncio.timeout(15):
            while len(world.book.records) < 10 + found.count(200):
                await asyncio.sleep(0.05)
        assert len(world.book.records) == 10 + found.count(200)
        assert not world.running.service._journal.quarantine.exists()


@pytest.mark.slow
def test_a_million_records_are_taken_over_in_seconds_and_in_bounded_memory(tmp_path: Path) -> None:
    """D7."""
    record = {
        "request_id": "",
        "key_id": "key_01JD3Q0V5T8Z4M6N7P9R2S1W3X",
        "model": "hxp-tiny",
        "endpoint": CHAT,
        "status": "completed",
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "started_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:00:01Z",
        "stream": False,
        "upstream": "tiny",
    }
    tail = orjson.dumps(record).partition(b'"request_id":""')[2]
    seed = Journal(tmp_path)
    seed.close()
    (head,) = (file.read_bytes() for file in tmp_path.glob("0*.jsonl"))
    count, per_segment = 1_000_000, 10_000
    for segment in range(count // per_segment):
        lines = [
            b'{"kind":"settled","request_id":"r%d"%b\n' % (segment * per_segment + number, tail)
            for number in range(per_segment)
        ]
        backlog = segment * per_segment
        begin = head.replace(b'"backlog":0', b'"backlog":%d' % backlog).replace(b'"shipped":[0,0]', b'"shipped":[1,0]')
        (tmp_path / f"{segment + 2:012d}.jsonl").write_bytes(begin + b"".join(lines))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    journal = Journal(tmp_path)
    took = time.monotonic() - started
    assert journal.backlog == count
    assert took < 5.0  # a start that reads everything takes half a minute
    shipped = 0
    for _ in range(50):
        batch = journal.batch(500)
        assert batch is not None
        shipped += len(batch.records)
        journal.acknowledge(batch)
    assert (shipped, journal.backlog) == (25_000, count - 25_000)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 64 * 1024  # KiB
    journal.close()

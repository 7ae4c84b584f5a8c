"""Strangers with many connections, endless heads and deaf ears, against the whole stack on loopback.

The stack runs as `hxp up` starts it, with 1,024 file descriptors for each process.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import resource
import socket
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import aiohttp
import pytest
from hxp_services_base.testing import DetachedStack, detached_stack
from hxp_testing.net import free_ports, raw_answer, raw_connection

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

DESCRIPTORS = 1024
SILENT = 1500
PROBES = ("/livez", "/readyz", "/startupz")
HXP_YAML = """
services:
  ledger: {{use: hxp-ledger, port: {0}, config: {{url: "sqlite:///.hxp/ledger.db"}}}}
  tiny: {{use: hxp-model, port: {1}, config: {{model: "bundled:hxp-tiny", slots: 4, queue: 8}}}}
  gateway:
    use: hxp-gateway
    port: {2}
    needs: [ledger, tiny]
    http: {{send_timeout: 2, head_timeout: 5}}
    config: {{upstreams: [{{name: tiny, service: tiny, models: [hxp-tiny]}}]}}
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DetachedStack]:
    """A stack whose processes may have 1,024 descriptors each, while this one may have more."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "hxp.yaml").write_text(HXP_YAML.format(*free_ports(3)))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(DESCRIPTORS, hard), hard))
    try:
        with detached_stack(folder) as running:
            wanted = 3 * SILENT
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))
            yield running
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@functools.cache
def port_of(stack: DetachedStack, service: str) -> int:
    """The port of a service; asked for once, since that is a process each time."""
    return int(stack.url(service).rpartition(":")[2])


def resident(pid: int) -> int:
    """Resident bytes of a process (Linux's /proc/PID/statm)."""
    with open(f"/proc/{pid}/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * resource.getpagesize()


async def chat(stack: DetachedStack) -> str:
    body = {"model": "hxp-tiny", "messages": [{"role": "user", "content": "What is HXP?"}], "max_tokens": 4}
    headers = {"Authorization": f"Bearer {stack.key}"}
    url = f"http://127.0.0.1:{port_of(stack, 'gateway')}"
    timeout = aiohttp.ClientTimeout(total=30)
    async with (
        aiohttp.ClientSession(url, headers=headers, timeout=timeout) as client,
        client.post("/v1/chat/completions", json=body) as response,
    ):
        assert response.status == 200, await response.text()
        return str((await response.json())["choices"][0]["finish_reason"])


async def all_is_well(stack: DetachedStack) -> None:
    """A chat through every service, and every probe on either port of each."""
    assert await chat(stack) in {"stop", "length"}
    for service in ("ledger", "tiny", "gateway"):
        for port in (port_of(stack, service), port_of(stack, service) + 1000):
            for path in PROBES:
                sent = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
                answer = await raw_answer(port, sent, seconds=10)
                assert answer.startswith(b"HTTP/1.1 200"), (service, port, path, answer[:200])


@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize("service", ["gateway", "tiny"])
async def test_1500_silent_connections_keep_nobody_out(stack: DetachedStack, service: str, offset: int) -> None:
    """R11."""
    port = port_of(stack, service) + offset
    async with AsyncExitStack() as silent:
        for begin in range(0, SILENT, 100):
            opened = await asyncio.gather(
                *(asyncio.open_connection("127.0.0.1", port) for _ in range(begin, begin + 100)), return_exceptions=True
            )
            for one in opened:
                assert not isinstance(one, BaseException), one
                silent.callback(one[1].close)
        await all_is_well(stack)
    await all_is_well(stack)


async def test_half_a_head_on_many_connections_is_no_better(stack: DetachedStack) -> None:
    """R1."""
    async with AsyncExitStack() as slow:
        for _ in range(600):
            _, writer = await slow.enter_async_context(raw_connection(port_of(stack, "gateway")))
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nA: ")
        await all_is_well(stack)


async def test_80_megabytes_of_headers_take_no_memory(stack: DetachedStack) -> None:
    """R4, R10: they once took 1.8 GB, and two million lines of them half a second of everybody's time."""
    pid = stack.pid("gateway")
    before = resident(pid)
    endless = {
        b"GET / HTTP/1.1\r\nHost: x\r\nA: ": b"a" * 100_000,
        b"GET / HTTP/1.1\r\nHost: x\r\n": b"A: b\r\n" * 16_000,
        b"GET /": b"a" * 100_000,
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;": b"a" * 100_000,
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n": b"a" * 100_000,
    }
    for begin, block in endless.items():
        async with raw_connection(port_of(stack, "gateway")) as (reader, writer):
            writer.write(begin)
            taken = 0
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(8):
                    while taken < 80_000_000:
                        writer.write(block)
                        await writer.drain()
                        taken += len(block)
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(8):
                    answer = await reader.read()
                    assert not answer or answer.startswith(b"HTTP/1.1 4")
            assert taken < 30_000_000, begin
    assert resident(pid) - before < 30_000_000
    await all_is_well(stack)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST /v1/chat/completions HTTP/1.1\r\n\r\n", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"GET /info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"GET /healthz?verbose HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"HEAD /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
    ],
)
async def test_details_of_http(stack: DetachedStack, sent: bytes, status: int) -> None:
    """R13."""
    assert (await raw_answer(port_of(stack, "gateway"), sent)).startswith(b"HTTP/1.1 %d " % status)


async def test_a_trailer_changes_nothing(stack: DetachedStack) -> None:
    """R13: an Authorization in a trailer turned 200 into 401."""
    body = json.dumps({"model": "hxp-tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}).encode()
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer " + stack.key.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    sent = head + b"%x\r\n%s\r\n0\r\nAuthorization: Bearer no\r\n\r\n" % (len(body), body)
    assert (await raw_answer(port_of(stack, "gateway"), sent, seconds=30)).startswith(b"HTTP/1.1 200")


async def test_clients_that_stop_reading_end_and_are_counted_out(stack: DetachedStack) -> None:
    """R12: a long answer to a client with a tiny window, asked for many times on one connection."""
    port = port_of(stack, "gateway")
    request = b"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + stack.key.encode() + b"\r\n\r\n"
    deaf = []
    for _ in range(5):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect(("127.0.0.1", port))
        client.sendall(request * 8)
        deaf.append(client)
    try:
        await all_is_well(stack)
    finally:
        for client in deaf:
            client.close()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port + 1000}") as client_session:
        async with asyncio.timeout(20):
            while True:
                async with client_session.get("/metrics") as response:
                    if "hxp_http_requests_in_flight 0.0" in await response.text():
                        break
                await asyncio.sleep(0.1)

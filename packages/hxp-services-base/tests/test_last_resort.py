"""A process without a descriptor answers its probes on the one that is kept for them."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING, Any

import pytest
from hxp_services_base import BaseService, Identity, Settings
from hxp_services_base.chassis import bind
from hxp_services_base.chassis._last_resort import LastResort
from hxp_services_base.chassis._operations import Answer
from hxp_services_base.testing import hosted

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio


class Few:
    """Operations with one probe, and a page that is none."""

    def bare(self, path: str, query: str) -> Answer | None:
        return Answer(200, b"text/plain", b"bare") if path == "/livez" else None

    def answer(self, path: str, query: str) -> Answer | None:
        return Answer(200, b"text/plain", f"alive {query}".encode())


@pytest.fixture
def last_resort() -> LastResort:
    return LastResort(Few())  # type: ignore[arg-type]  # as much of it as is asked for


@pytest.fixture
async def port(last_resort: LastResort) -> AsyncIterator[int]:
    """A listener that the last resort alone serves."""
    listener: socket.socket = bind("127.0.0.1", 0)

    async def serve() -> None:
        while True:
            last_resort.extend(now=asyncio.get_running_loop().time())
            await last_resort.serve(listener)

    serving = asyncio.create_task(serve())
    yield int(listener.getsockname()[1])
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    listener.close()
    last_resort.close()


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


async def test_a_probe_is_answered_and_nothing_else(port: int) -> None:
    answer = await ask(port, b"GET /livez?a=b HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"content-length: 9\r\nconnection: close\r\n\r\nalive a=b")
    for request in (b"GET /metrics HTTP/1.1\r\n\r\n", b"POST /livez HTTP/1.1\r\n\r\n", b"\r\n\r\n"):
        assert (await ask(port, request)).startswith(b"HTTP/1.1 503 ")


async def test_who_says_nothing_holds_up_nobody(port: int) -> None:
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    assert b"alive" in await ask(port, b"GET /livez HTTP/1.1\r\n\r\n")
    assert await silent[0][0].read() == b""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    del reader
    assert b"alive" in await ask(port, b"GET /livez HTTP/1.1\r\n\r\n")
    for _, open_writer in silent:
        open_writer.close()


async def test_one_that_was_taken_by_another_thread_is_taken_back_later(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [OSError(errno.EMFILE, "Too many open files")] * 2
    real = os.close

    def close(number: int) -> None:
        real(number)
        if failures:
            raise failures.pop()

    monkeypatch.setattr("hxp_services_base.chassis._last_resort.os.close", close)
    assert b"alive" in await ask(port, b"GET /livez HTTP/1.1\r\n\r\n")


async def test_the_operations_port_goes_over_to_it_when_an_accept_finds_no_descriptor(identity: Identity) -> None:
    async with hosted(BaseService[Settings](), identity=identity) as running:
        probes: Any = running.host._probes
        context = {"message": "x", "exception": OSError(errno.EMFILE, "Too many open files"), "socket": None}
        for _ in range(2):
            probes._loop.call_soon_threadsafe(probes._failed, probes._loop, context)
        async with running.client.get(f"{running.operations_url}/livez") as response:
            assert response.status == 200
        async with asyncio.timeout(10):
            while probes._rescue is None:
                await asyncio.sleep(0.01)

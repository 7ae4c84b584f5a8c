"""Before a key is read, a stranger may use few bytes and little time; and no more after the answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

import pytest
from hxp_testing.net import raw_answer as say
from hxp_testing.net import raw_connection as connected

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from typing import Any, TypeAlias

    from hxp_services_base.testing import Running

    Witness: TypeAlias = Callable[..., AbstractAsyncContextManager[Running[Any]]]

pytestmark = pytest.mark.anyio

HEAD = b"Host: x\r\n"
GET = b"GET /seen HTTP/1.1\r\n" + HEAD + b"\r\n"
POST = b"POST /seen HTTP/1.1\r\n" + HEAD
CLOSE = b"GET /seen HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
KIB = 1024


def head_of(size: int) -> bytes:
    """A request whose line and headers have `size` bytes, the empty line not counted."""
    begin = b"GET /seen HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    padding = size - len(begin) - len(b"A: \r\n")
    return begin + b"A: " + b"a" * padding + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (head_of(64 * KIB), 200),
        (head_of(64 * KIB + 1), 431),
        (head_of(400 * KIB), 431),
        (GET[:-2] + b"A: b\r\n" * 99 + b"\r\n", 200),
        (GET[:-2] + b"A: b\r\n" * 100 + b"\r\n", 431),
        (GET[:-2] + b"A:\r\n" * 40_000 + b"\r\n", 431),
        (b"GET /" + b"a" * 60 * KIB + b" HTTP/1.0\r\n\r\n", 200),
        (b"GET /" + b"a" * 64 * KIB + b" HTTP/1.0\r\n\r\n", 414),
        (b"GET /" + b"a" * 400 * KIB + b" HTTP/1.0\r\n\r\n", 414),
        (b"\r\n" * 100_000, 431),
        (b"G" * 100, 400),
        (CHUNKED + b"1;" + b"a" * 200 * KIB + b"\r\na\r\n0\r\n\r\n", 431),
        (CHUNKED + b"".join(b"1;" + b"a" * 30 + b"\r\na\r\n" for _ in range(10_000)) + b"0\r\n\r\n", 431),
        (CHUNKED + b"1\r\na\r\n" * 20_000 + b"0\r\n\r\n", 200),
        (CHUNKED + b"1\r\na\r\n0\r\n" + b"A: b\r\n" * 100 + b"\r\n", 431),
        (CHUNKED + b"1\r\na\r\n0\r\nA: " + b"b" * 100 * KIB + b"\r\n\r\n", 431),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_line_headers_framing_and_trailers_are_bounded(witness: Witness, sent: bytes, status: int) -> None:
    """R4, R10."""
    async with witness() as running:
        for pieces in ([sent + CLOSE], [sent[i : i + 10_000] for i in range(0, len(sent), 10_000)] + [CLOSE]):
            answer = await say(running.host.port, *pieces)
            assert answer.startswith(b"HTTP/1.1 %d " % status)


async def poured(writer: asyncio.StreamWriter, *, most: int, seconds: float = 10) -> int:
    """Send without reading until the server has had enough; how many bytes it or the systems between took."""
    taken = 0
    block = b"a" * 100_000
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(seconds):
            while taken < most:
                writer.write(block)
                await writer.drain()
                taken += len(block)
    return taken


async def test_a_head_without_end_is_refused_before_it_is_buffered(witness: Witness) -> None:
    """80 MB of headers once took 1.8 GB."""
    async with witness() as running, connected(running.host.port) as (_, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nA: ")
        assert await poured(writer, most=80_000_000) < 20_000_000


async def test_what_comes_after_a_long_head_in_time_is_not_its_own(witness: Witness) -> None:
    """A body or a next request in the same bytes does not make a head too long."""
    async with witness() as running:
        body = b"x" * 200_000
        sent = POST + b"Content-Length: 200000\r\n\r\n" + body
        answer = await say(running.host.port, sent + sent + CLOSE)
        assert answer.count(b"HTTP/1.1 200") == 3


@pytest.mark.parametrize("part", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\nA"])
async def test_a_head_has_a_time_limit(witness: Witness, part: bytes) -> None:
    """R1: the whole head, not each byte of it; also the second request's on a kept connection."""
    async with witness(head_timeout=0.4) as running:
        for before in (b"", GET):
            if before and not part:
                continue  # that is an idle connection
            async with connected(running.host.port) as (reader, writer):
                writer.write(before)
                if before:
                    answer = await reader.readuntil(b"] 0")
                writer.write(part)
                async with asyncio.timeout(5):
                    answer = await reader.read()
                assert answer.startswith(b"HTTP/1.1 408 ") if part else answer == b""


async def test_bytes_that_drip_win_no_time(witness: Witness) -> None:
    async with witness(head_timeout=0.5) as running, connected(running.host.port) as (reader, writer):
        reading = asyncio.create_task(reader.read())
        writer.write(b"GET / HTTP/1.1\r\n")
        async with asyncio.timeout(5):
            while not reading.done():
                writer.write(b"A: b\r\n")
                await asyncio.sleep(0.1)
        assert reading.result().startswith(b"HTTP/1.1 408")


async def test_an_idle_connection_is_closed_after_its_time_and_not_before(witness: Witness) -> None:
    async with witness(keep_alive=0.6) as running, connected(running.host.port) as (reader, writer):
        loop = asyncio.get_running_loop()
        writer.write(GET)
        await reader.readuntil(b"] 0")
        began = loop.time()
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        assert loop.time() - began > 0.4


async def test_a_request_under_way_has_no_such_limit(witness: Witness) -> None:
    async with (
        witness(keep_alive=0.2, head_timeout=0.2) as running,
        connected(running.host.port) as (reader, writer),
    ):
        writer.write(POST + b"Content-Length: 8\r\n\r\n")
        for _ in range(8):
            await asyncio.sleep(0.1)
            writer.write(b"a")
        async with asyncio.timeout(5):
            assert (await reader.readuntil(b"] 8")).startswith(b"HTTP/1.1 200")


async def test_the_answer_to_a_refused_body_can_be_read_and_the_rest_is_not_swallowed(witness: Witness) -> None:
    """7.8 GB were swallowed in five seconds after a 401."""
    async with witness() as running, connected(running.host.port) as (reader, writer):
        loop = asyncio.get_running_loop()
        writer.write(b"POST /refuse HTTP/1.1\r\n" + HEAD + b"Content-Length: 8000000000\r\n\r\n" + b"x" * 1000)
        answer = await reader.readuntil(b"\r\n\r\nno")
        assert answer.startswith(b"HTTP/1.1 401")
        assert b"connection: close" in answer
        began = loop.time()
        assert await poured(writer, most=800_000_000) < 20_000_000
        assert loop.time() - began < 5


async def test_a_client_that_waits_after_a_refusal_is_closed_soon(witness: Witness) -> None:
    async with witness() as running:
        sent = b"POST /refuse HTTP/1.1\r\n" + HEAD + b"Content-Length: 10\r\n\r\nabc"
        async with connected(running.host.port) as (reader, writer):
            writer.write(sent)
            async with asyncio.timeout(5):
                assert (await reader.read()).endswith(b"no")
            server = running.host._uvicorn
            assert server is not None
            async with asyncio.timeout(5):
                while server.server_state.connections:
                    await asyncio.sleep(0.05)


async def test_a_small_body_that_arrived_with_its_head_keeps_the_connection(witness: Witness) -> None:
    async with witness() as running:
        refused = b"POST /refuse HTTP/1.1\r\n" + HEAD + b"Content-Length: 3\r\n\r\nabc"
        answer = await say(running.host.port, refused + refused + CLOSE)
        assert (answer.count(b"HTTP/1.1 401"), answer.count(b"HTTP/1.1 200")) == (2, 1)


async def test_requests_in_a_pipeline_are_bounded(witness: Witness) -> None:
    async with witness() as running:
        answer = await say(running.host.port, GET * 5000)
        assert 1 <= answer.count(b"HTTP/1.1 200") <= 9
        assert answer.count(b"HTTP/1.1 400") == 1
        assert len(running.service.seen) <= 9


async def test_garbage_behind_a_request_does_not_spoil_its_answer(witness: Witness) -> None:
    async with witness() as running:
        answer = await say(running.host.port, GET + b"\x00garbage" * 100)
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.count(b"HTTP/1.1 400") == 1
        assert json.loads(answer.rpartition(b"\r\n\r\n")[2])["code"] == "malformed_request"
        after_the_last = await say(running.host.port, CLOSE + b"\x00garbage" * 10_000)
        assert after_the_last.count(b"HTTP/1.1") == 1


async def test_garbage_in_a_body_under_way_ends_its_request(witness: Witness) -> None:
    async with witness() as running:
        answer = await say(running.host.port, CHUNKED + b"1\r\na\r\n", b"zz\r\n")
        assert answer.startswith(b"HTTP/1.1 400")
        assert answer.count(b"HTTP/1.1") == 1
        shell = running.host._shell
        assert shell is not None
        async with asyncio.timeout(5):
            await shell.in_flight.wait_empty()

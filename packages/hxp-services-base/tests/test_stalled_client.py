"""A client that stops reading is ended within a bound, and one that reads slowly is not (R12)."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
from hxp_logging.testing import capture
from hxp_testing.net import raw_connection as connected

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from typing import Any, TypeAlias

    from hxp_services_base.testing import Running

    Witness: TypeAlias = Callable[..., AbstractAsyncContextManager[Running[Any]]]

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Buffers and sockets are the loop's own: a service's process runs uvloop."""
    return "asyncio", {"use_uvloop": request.param}


FLOOD = b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n"


def deaf_client(port: int, request: bytes) -> socket.socket:
    """Send a request and never read."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(request)
    return client


def open_connections(running: Running[Any]) -> set[Any]:
    server = running.host._uvicorn
    assert server is not None
    return set(server.server_state.connections)


async def some_open(running: Running[Any]) -> None:
    async with asyncio.timeout(5):
        while not open_connections(running):
            await asyncio.sleep(0.01)


async def none_open(running: Running[Any], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while open_connections(running):
            await asyncio.sleep(0.02)


async def test_a_client_that_stops_reading_is_ended_and_the_handler_sees_that_it_left(witness: Witness) -> None:
    with capture() as lines:
        async with witness(send_timeout=0.5) as running:
            shell = running.host._shell
            assert shell is not None
            with deaf_client(running.host.port, FLOOD):
                async with asyncio.timeout(10):
                    await running.service.left.wait()
                    await shell.in_flight.wait_empty()
                await none_open(running)
            async with running.client.get(f"{running.operations_url}/metrics") as response:
                assert 'hxp_http_refused_total{reason="send_timeout"} 1.0' in await response.text()
            assert running.service.sent < 20_000_000
    record = next(line for line in lines if line["body"] == "request" and line["attributes"]["path"] == "/flood")
    assert record["attributes"]["client_stalled"] is True
    assert record["attributes"]["client_left"] is True


async def test_what_is_buffered_for_a_client_that_does_not_read_is_bounded(witness: Witness) -> None:
    async with witness(send_timeout=1.0) as running:
        with deaf_client(running.host.port, FLOOD):
            most = 0
            async with asyncio.timeout(10):
                while not running.service.left.is_set():
                    sizes = [one._transport.get_write_buffer_size() for one in open_connections(running)]
                    most = max([most, *sizes])
                    await asyncio.sleep(0.02)
            assert 0 < most < 200_000


async def test_a_whole_answer_that_nobody_reads_is_let_go(witness: Witness) -> None:
    """Its request has ended long ago; what is left is a connection with a full buffer."""
    async with witness(send_timeout=0.5) as running:
        with deaf_client(running.host.port, b"GET /big?8000000 HTTP/1.1\r\nHost: x\r\n\r\n"):
            await some_open(running)
            await none_open(running)


@pytest.mark.parametrize("ending", [b"", b"Connection: close\r\n"])
async def test_a_small_rest_that_nobody_reads_does_not_keep_a_connection(witness: Witness, ending: bytes) -> None:
    """A close waits for its buffer, which is below the mark at which handlers wait."""
    async with witness(send_timeout=0.5, keep_alive=0.5) as running:
        with deaf_client(running.host.port, b"GET /big?3000000 HTTP/1.1\r\nHost: x\r\n" + ending + b"\r\n"):
            await some_open(running)
            await none_open(running)


async def test_a_client_that_reads_slowly_is_waited_for(witness: Witness) -> None:
    async with witness(send_timeout=0.3) as running, connected(running.host.port) as (reader, writer):
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        writer.write(b"GET /big?6000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received, began = 0, asyncio.get_running_loop().time()
        while piece := await reader.read(100_000):
            received += len(piece)
            await asyncio.sleep(0.03)
        assert received > 6_000_000
        assert asyncio.get_running_loop().time() - began > 0.6


async def test_a_half_closed_client_that_does_not_read_is_let_go_too(witness: Witness) -> None:
    async with witness(send_timeout=0.5) as running:
        with deaf_client(running.host.port, b"GET /big?8000000 HTTP/1.1\r\nHost: x\r\n\r\n") as client:
            await some_open(running)
            client.shutdown(socket.SHUT_WR)
            await none_open(running)

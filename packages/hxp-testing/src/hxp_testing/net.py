"""Free ports on the loopback interface, and connections over which a test sends exactly the bytes that it means."""

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["PROBE_OFFSET", "free_port", "free_ports", "raw_answer", "raw_connection"]

PROBE_OFFSET = 1000
"""A service's probes answer on its port plus this."""

_LOWEST, _HIGHEST = (
    12_000,
    31_000,
)  # below the range from which systems take the ports of outgoing connections


def free_port() -> int:
    """Find a port that is free now, and whose probe port is."""
    return free_ports(1)[0]


def free_ports(count: int, *, choose: random.Random | None = None) -> list[int]:
    """Find ports that are free now, below 64000, and whose probe ports (plus 1000) are free too.

    Args:
        count: How many.
        choose: The random source.

    Raises:
        OSError: There are not that many.
    """
    candidates = list(range(_LOWEST, _HIGHEST))
    (choose or random.SystemRandom()).shuffle(candidates)
    found: list[int] = []
    taken: set[int] = set()
    for port in candidates:
        pair = {port, port + PROBE_OFFSET}
        if len(found) == count:
            break
        if not pair & taken and all(_is_free(number) for number in pair):
            found.append(port)
            taken |= pair
    if len(found) < count:
        raise OSError(f"there are no {count} free ports between {_LOWEST} and {_HIGHEST}")
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@asynccontextmanager
async def raw_connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to a port of this machine for the time of a block, whatever becomes of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def raw_answer(port: int, *parts: bytes, seconds: float = 5.0) -> bytes:
    """Send `parts` one after another; return everything that comes back.

    Args:
        port: Where to connect.
        parts: The bytes to send; nothing is added.
        seconds: How long to wait for the other side to close.
    """
    async with raw_connection(port) as (reader, writer):
        answer = b""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(seconds):
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0)
                while piece := await reader.read(65536):
                    answer += piece
        return answer

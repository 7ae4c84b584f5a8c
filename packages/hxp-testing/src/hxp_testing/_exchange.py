"""One HTTP/1.1 request and the connection to answer it on."""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

MAX_HEAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked.

    Attributes:
        path: With the query.
        headers: With names in lower case.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """Decode the body."""
        return json.loads(self.body)


class Exchange:
    """The way back to the client.

    Attributes:
        left: Set when the client has gone.
        keep_alive: Whether another request may follow.
    """

    def __init__(
        self,
        writer: asyncio.StreamWriter,
        left: asyncio.Event,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._writer = writer
        self.left = left
        self.sleep = sleep
        self.keep_alive = True

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Write the status line and the headers."""
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        await self.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    async def write(self, data: bytes) -> None:
        """Write bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def write_chunk(self, data: bytes) -> None:
        """Write one chunk of a chunked body; an empty one ends it."""
        await self.write(b"%x\r\n%b\r\n" % (len(data), data))

    def close(self) -> None:
        """End the connection after what was written."""
        self.keep_alive = False
        self._writer.close()

    def reset(self) -> None:
        """End the connection with an RST."""
        self.keep_alive = False
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """Read the next request, or return `None` when the client has no more or does not speak HTTP."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in headers.get("transfer-encoding", "").lower():
            body = await _read_chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, OSError):
        return None
    return Request(method, path, headers, body)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    chunks: list[bytes] = []
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        chunk = await reader.readexactly(size + 2)
        if size == 0:
            return b"".join(chunks)
        chunks.append(chunk[:-2])
